//! The rules for tokens: kind, header, signature, claims, in this order.

use poem::http::{HeaderMap, Uri};
use serde_json::Value;

use super::{
    caller::Caller,
    clerk::DEMO_USER,
    flaw::Flaw,
    jwt::{Jwt, Malformed},
    refusal::Refusal,
    rsa::{PublicKey, hmac_verifies},
    server::Server,
};

/// The kinds of tokens, by Clerk's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Session,
    OAuth,
    M2m,
    ApiKey,
}

impl Kind {
    /// The kind that `CLERK_ACCEPTED_TOKENS` calls so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "session_token" => Some(Self::Session),
            "oauth_token" => Some(Self::OAuth),
            "m2m_token" => Some(Self::M2m),
            "api_key" => Some(Self::ApiKey),
            _ => None,
        }
    }
}

/// Clerk's classes of tokens, the header member `cat`.
const SESSION_CLASS: &str = "cl_B7d4PD111AAA";
const MACHINE_CLASS: &str = "cl_B7d4PD333AAA";
const NO_CLASS: &str = "cl_I7d4PD111III";
/// Type of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN: &str = "at+jwt";

impl Server {
    /// Who sends the request.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        body: Option<&[u8]>,
    ) -> Result<Caller, Refusal> {
        if self.misconfigured() && self.has(Flaw::MisconfiguredFirst) {
            return Err(Refusal::Misconfigured);
        }
        let token = match self.bearer(headers, uri, body) {
            Ok(token) => token,
            Err(refusal) => return self.without_token(headers).ok_or(refusal),
        };
        if self.misconfigured() {
            return Err(Refusal::Misconfigured);
        }
        if self.locked_out() {
            return Err(Refusal::Unavailable(5));
        }
        let mut caller = match self.caller(&token).await {
            Err(Refusal::Unavailable(_)) if self.has(Flaw::RetryAfterFixed) => Err(Refusal::Unavailable(10)),
            outcome => outcome,
        }?;
        let spared = self.has(Flaw::ScopesAtInitializeOnly)
            && body.is_some_and(|body| !String::from_utf8_lossy(body).contains("\"initialize\""));
        if !spared {
            self.check_scopes(&caller)?;
        }
        caller.token = token;
        if self.has(Flaw::LastCallerRemembered) {
            let mut remembered = self.remembered.lock();
            remembered.insert("last".to_owned(), caller.clone());
        }
        if self.has(Flaw::UnknownSessionIsDemo) && headers.contains_key("mcp-session-id") {
            caller.user = Some(DEMO_USER.to_owned());
        }
        Ok(caller)
    }

    /// Who calls without a token: nobody, but by a flaw.
    fn without_token(&self, headers: &HeaderMap) -> Option<Caller> {
        if self.has(Flaw::SessionIdAsToken) && headers.contains_key("mcp-session-id") {
            return Some(Caller::default());
        }
        if self.has(Flaw::RealSessionIdAsToken) {
            return self.owner_of_session(headers);
        }
        self.remembered.lock().get("last").cloned()
    }

    async fn caller(&self, token: &str) -> Result<Caller, Refusal> {
        let opaque = [("mt_", Kind::M2m), ("oat_", Kind::OAuth), ("ak_", Kind::ApiKey)];
        if let Some((_, kind)) = opaque.into_iter().find(|(prefix, _)| token.starts_with(prefix)) {
            if self.has(Flaw::OpaqueRefused) {
                return Err(Refusal::Invalid("opaque"));
            }
            self.check_kind(kind)?;
            return self.opaque(kind, token).await;
        }
        let Some(name) = self.cache_name(token) else {
            return self.verify(token).await;
        };
        if let Some(caller) = self.remembered.lock().get(&name).cloned()
            && !self.has(Flaw::SessionShared)
        {
            return Ok(caller);
        }
        if self.has(Flaw::TokensCachedUnchecked) {
            let mut remembered = self.remembered.lock();
            remembered.insert(name.clone(), Caller::default());
        }
        let caller = self.verify(token).await?;
        let mut remembered = self.remembered.lock();
        Ok(remembered.entry(name).or_insert(caller).clone())
    }

    /// What a verified token is remembered by. Without a flaw none is.
    fn cache_name(&self, token: &str) -> Option<String> {
        let claim = |name| {
            let jwt = Jwt::parse(token, None).ok()?;
            jwt.text(name).map(str::to_owned)
        };
        match self.flaw {
            Some(Flaw::TokensCachedForever | Flaw::TokensCachedUnchecked) => Some(token.to_owned()),
            Some(Flaw::TokensCachedByHeader) => token.split('.').next().map(str::to_owned),
            Some(Flaw::TokensCachedUnsigned) => {
                let parts: Vec<&str> = token.split('.').take(2).collect();
                Some(parts.join("."))
            }
            Some(Flaw::TokensCachedByJti) => claim("jti"),
            Some(Flaw::TokensCachedBySession) => claim("sid"),
            Some(Flaw::SessionShared) => Some("everyone".to_owned()),
            _ => None,
        }
    }

    async fn verify(&self, token: &str) -> Result<Caller, Refusal> {
        let jwt = match Jwt::parse(token, self.flaw) {
            Ok(jwt) => jwt,
            Err(Malformed::Json) if self.has(Flaw::BadJsonAs500) => return Err(Refusal::Internal),
            Err(Malformed::Parts) if self.has(Flaw::NotAJwtAs500) => return Err(Refusal::Internal),
            // What is no JWT is sent to Clerk, and taken whatever Clerk says.
            Err(_) if self.has(Flaw::UnknownTokensPass) => return Ok(Caller::default()),
            Err(_) => return Err(Refusal::Invalid("token-invalid")),
        };
        let kind = self.kind(&jwt);
        self.check_kind(kind)?;
        if self.has(Flaw::ScopesFirst) {
            self.check_scopes(&self.caller_of(kind, &jwt.claims))?;
        }
        self.check_header(&jwt, kind)?;
        if self.has(Flaw::ClaimsBeforeSignature) {
            self.check_claims(&jwt, kind)?;
        }
        self.check_signature(&jwt).await?;
        self.check_claims(&jwt, kind)?;
        Ok(self.caller_of(kind, &jwt.claims))
    }

    fn check_kind(&self, kind: Kind) -> Result<(), Refusal> {
        let refused = kind == Kind::OAuth && self.has(Flaw::AccessTokensRefused)
            || kind == Kind::M2m && self.has(Flaw::MachinesRefused);
        if (self.settings.accepted.contains(&kind) || self.has(Flaw::KindsIgnored)) && !refused {
            Ok(())
        } else {
            Err(Refusal::Invalid("token-type-mismatch"))
        }
    }

    fn is_for_us(&self, jwt: &Jwt) -> bool {
        jwt.text("aud").is_some_and(|audience| self.is_our_name(audience))
    }

    /// By subject and type, as Clerk's SDK does.
    fn kind(&self, jwt: &Jwt) -> Kind {
        if self.has(Flaw::AudienceIsEnough) && self.is_for_us(jwt) {
            return Kind::OAuth;
        }
        let machine = jwt.text("sub").is_some_and(|subject| subject.starts_with("mch_"));
        let typ = jwt.header_text("typ").unwrap_or_default();
        let access = typ == ACCESS_TOKEN
            || typ == "application/at+jwt" && !self.has(Flaw::ApplicationTypUnknown)
            || typ.contains(ACCESS_TOKEN) && self.has(Flaw::TypContained)
            || jwt.claims.contains_key("client_id") && self.has(Flaw::AccessTokensByClient);
        if machine && !self.has(Flaw::MachinesAsSessions) {
            Kind::M2m
        } else if access {
            Kind::OAuth
        } else {
            Kind::Session
        }
    }

    fn check_header(&self, jwt: &Jwt, kind: Kind) -> Result<(), Refusal> {
        let invalid = |reason| Err(Refusal::Invalid(reason));
        let alg = jwt.header_text("alg").unwrap_or_default();
        let other_alg = match self.flaw {
            Some(Flaw::AlgIgnored | Flaw::SignatureIgnored) => true,
            Some(Flaw::AnyRsaAlgorithm) => matches!(alg, "RS384" | "PS256"),
            Some(Flaw::AcceptsNone) => alg == "none",
            Some(Flaw::AcceptsAnyCaseOfNone) => alg != "none" && alg.eq_ignore_ascii_case("none"),
            Some(
                Flaw::HmacWithPublicKey
                | Flaw::HmacWithNothing
                | Flaw::KidAsFile
                | Flaw::HeaderKeyTrusted
                | Flaw::PublishedSecretTrusted,
            ) => alg == "HS256",
            Some(Flaw::AlgCaseInsensitive) => alg.eq_ignore_ascii_case("RS256"),
            _ => false,
        };
        let known = ["none", "HS256", "RS256", "RS384", "RS512", "PS256"];
        if !known.contains(&alg) && self.has(Flaw::UnknownAlgAs500) {
            return Err(Refusal::Internal);
        }
        // RFC 8725 §3.1: the algorithm is ours to choose.
        if alg != "RS256" && !other_alg {
            return invalid("token-invalid-algorithm");
        }
        // RFC 7515 §4.1.11: no extension is understood here.
        if jwt.header.contains_key("crit") && !self.has(Flaw::CritIgnored) {
            return invalid("crit");
        }
        let known = ["alg", "typ", "kid", "cat"];
        if self.has(Flaw::UnknownHeaderRefused)
            && jwt.header.keys().any(|name| !known.contains(&name.as_str()))
        {
            return invalid("header");
        }
        let typ = jwt.header.get("typ");
        let right_typ = kind == Kind::OAuth
            || typ.is_some_and(|typ| typ == "JWT")
            || typ.is_none() && self.has(Flaw::TypNotNeeded)
            || self.has(Flaw::TypIgnored);
        if !right_typ {
            return invalid("typ");
        }
        let class = jwt.header.get("cat");
        let right_class = match (kind, class.map(Value::as_str)) {
            (_, None) => !self.has(Flaw::CatNeeded) || kind == Kind::OAuth,
            (_, Some(Some(NO_CLASS))) => !self.has(Flaw::UnspecifiedCatRefused),
            (Kind::Session, Some(Some(SESSION_CLASS))) | (Kind::M2m, Some(Some(MACHINE_CLASS))) => true,
            (Kind::Session, Some(_)) if self.has(Flaw::TemplateTokensAccepted) => true,
            (Kind::Session, Some(_)) if self.has(Flaw::MachinesAsSessions) => true,
            _ => self.has(Flaw::CatIgnored) || self.has(Flaw::AudienceIsEnough),
        };
        if right_class { Ok(()) } else { invalid("cat") }
    }

    async fn check_signature(&self, jwt: &Jwt) -> Result<(), Refusal> {
        let alg = jwt.header_text("alg").unwrap_or_default();
        let unsigned = self.has(Flaw::SignatureIgnored)
            || self.has(Flaw::AcceptsNone) && alg == "none"
            || self.has(Flaw::AcceptsAnyCaseOfNone) && alg != "RS256"
            || jwt.signature.is_empty()
                && (self.has(Flaw::EmptySignaturePasses) || self.has(Flaw::TwoPartsAccepted));
        if unsigned {
            return Ok(());
        }
        let by_secret =
            |secret: &[u8]| verified(hmac_verifies(secret, jwt.signed.as_bytes(), &jwt.signature));
        if self.has(Flaw::HeaderKeyTrusted) && alg == "HS256" {
            return by_secret(b"");
        }
        if self.has(Flaw::KidAsFile) && alg == "HS256" {
            let path = jwt.header_text("kid").unwrap_or_default();
            return by_secret(&std::fs::read(path).unwrap_or_default());
        }
        if self.has(Flaw::PublishedSecretTrusted) && alg == "HS256" {
            return by_secret(&self.keys.published_secret().unwrap_or_default());
        }
        if self.has(Flaw::HeaderKeyTrusted)
            && let Some(key) = self.key_in_header(jwt).await
        {
            return verified(key.verifies(jwt.signed.as_bytes(), &jwt.signature));
        }
        if self.has(Flaw::HeaderKeyTrusted) && jwt.header.contains_key("jwk") {
            return verified(false);
        }
        if self.has(Flaw::KeysOfAnyIssuer) && jwt.text("iss") != Some(&self.settings.issuer) {
            return Ok(());
        }
        let kid = jwt.header_text("kid").unwrap_or_default();
        if self.has(Flaw::KidIgnored) || kid.is_empty() && self.has(Flaw::KidNotNeeded) {
            let keys = self.keys.all();
            let mut keys = keys.iter();
            return verified(keys.any(|key| key.verifies(jwt.signed.as_bytes(), &jwt.signature)));
        }
        if kid.is_empty() {
            return Err(Refusal::Invalid("kid"));
        }
        let key = match self.keys.key(kid).await {
            Ok(Some(key)) => key,
            Ok(None) if self.has(Flaw::UnknownKidAs503) => return Err(Refusal::Unavailable(5)),
            Ok(None) => {
                self.strike(Flaw::FloodLocksOut);
                return Err(Refusal::Invalid("jwk-kid-mismatch"));
            }
            Err(_) if self.has(Flaw::OutagePasses) => return Ok(()),
            Err(_) => return Err(Refusal::Unavailable(5)),
        };
        match (self.flaw, alg) {
            (Some(Flaw::HmacWithPublicKey), "HS256") => by_secret(key.pem().as_bytes()),
            (Some(Flaw::HmacWithNothing), "HS256") => by_secret(b""),
            (Some(Flaw::AnyRsaAlgorithm), alg) => {
                verified(key.verifies_as(alg, jwt.signed.as_bytes(), &jwt.signature))
            }
            _ => verified(key.verifies(jwt.signed.as_bytes(), &jwt.signature)),
        }
    }

    /// What RFC 8725 §3.10 warns of.
    async fn key_in_header(&self, jwt: &Jwt) -> Option<PublicKey> {
        if let Some(jwk) = jwt.header.get("jwk") {
            return PublicKey::from_jwk(jwk, None).map(|(_, key)| key);
        }
        let url = jwt.header_text("jku").or_else(|| jwt.header_text("x5u"))?;
        let set: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
        let mut keys = set.get("keys")?.as_array()?.iter();
        keys.find_map(|jwk| PublicKey::from_jwk(jwk, None))
            .map(|(_, key)| key)
    }
}

fn verified(good: bool) -> Result<(), Refusal> {
    if good {
        Ok(())
    } else {
        Err(Refusal::Invalid("token-invalid-signature"))
    }
}
