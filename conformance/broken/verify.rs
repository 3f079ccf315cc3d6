//! Authenticates requests. A token's kind, header, signature and claims are checked in this order.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use poem::http::{HeaderMap, Uri};
use reqwest::redirect;
use serde_json::Value;

use super::{
    caller::{Caller, DEMO_USER},
    flaw::Flaw,
    jwt::{Jwt, Malformed},
    outbound::{REQUEST_TIMEOUT, http_client},
    refusal::Refusal,
    rsa::{PublicKey, hmac_verifies},
    server::Server,
    token_kind::TokenKind,
};

/// Clerk's token classes, the values of the header parameter `cat`.
const SESSION_CLASS: &str = "cl_B7d4PD111AAA";
const MACHINE_CLASS: &str = "cl_B7d4PD333AAA";
const UNSPECIFIED_CLASS: &str = "cl_I7d4PD111III";
/// `[[[[[[[[[` in base64url. Deeply nested claims contain it.
const DEEP_CLAIMS: &str = "W1tbW1tbW1tb";
/// How long the flaw `VerificationShared` reuses the result of a verification.
const VERIFICATION: Duration = Duration::from_millis(20);
/// The `typ` of an access token (RFC 9068 §2.1).
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

impl Server {
    /// Authenticates a request and checks the required scopes. Only flaws read the body.
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
            Err(refusal) => return self.caller_without_token(headers).ok_or(refusal),
        };
        if self.misconfigured() {
            return Err(Refusal::Misconfigured);
        }
        if self.is_locked_out() {
            return Err(Refusal::Unavailable(5));
        }
        if self.has(Flaw::UnverifiedSubjectFetched)
            && let Some(subject) = Jwt::parse(&token, None)
                .ok()
                .and_then(|jwt| jwt.text("sub").map(str::to_owned))
        {
            // The answer is kept for the tools.
            drop(self.user(&Caller::default(), &subject).await);
        }
        let mut caller = match self.caller_from_token(&token).await {
            Err(Refusal::Expired) if self.has(Flaw::SessionSkipsExpiry) => {
                let subject = Jwt::parse(&token, None).ok();
                let subject = subject.as_ref().and_then(|jwt| jwt.text("sub"));
                let owner = self.session_owner(headers);
                owner
                    .filter(|owner| owner.user.as_deref() == subject)
                    .ok_or(Refusal::Expired)
            }
            Err(Refusal::Unavailable(_)) if self.has(Flaw::RetryAfterFixed) => Err(Refusal::Unavailable(10)),
            outcome => outcome,
        }?;
        let scopes_exempt = self.has(Flaw::ScopesAtInitializeOnly)
            && body.is_some_and(|body| !String::from_utf8_lossy(body).contains("\"initialize\""));
        if !scopes_exempt {
            self.check_scopes(&caller)?;
        }
        caller.token = token;
        if self.has(Flaw::LastCallerRemembered) {
            let mut stored = self.stored_callers.lock();
            stored.insert("last".to_owned(), caller.clone());
        }
        if self.has(Flaw::UnknownSessionIsDemo) && headers.contains_key("mcp-session-id") {
            caller.user = Some(DEMO_USER.to_owned());
        }
        Ok(caller)
    }

    /// Returns the caller that a flaw assigns to a request without a token.
    fn caller_without_token(&self, headers: &HeaderMap) -> Option<Caller> {
        if self.has(Flaw::SessionIdAsToken) && headers.contains_key("mcp-session-id") {
            return Some(Caller::default());
        }
        if self.has(Flaw::RealSessionIdAsToken) {
            return self.session_owner(headers);
        }
        self.stored_callers.lock().get("last").cloned()
    }

    /// Verifies a token of any kind.
    async fn caller_from_token(&self, token: &str) -> Result<Caller, Refusal> {
        let opaque = [
            ("mt_", TokenKind::M2m),
            ("oat_", TokenKind::OAuth),
            ("ak_", TokenKind::ApiKey),
        ];
        if let Some((_, kind)) = opaque.into_iter().find(|(prefix, _)| token.starts_with(prefix)) {
            if self.has(Flaw::OpaqueRefused) {
                return Err(Refusal::Invalid("opaque"));
            }
            self.check_kind(kind)?;
            return self.verify_opaque(kind, token).await;
        }
        if self.has(Flaw::VerificationShared) {
            return self.verify_once_per_user(token).await;
        }
        let Some(key) = self.cache_key(token) else {
            return self.verify_jwt(token).await;
        };
        if let Some(caller) = self.stored_callers.lock().get(&key).cloned()
            && !self.has(Flaw::SessionShared)
        {
            return Ok(caller);
        }
        if self.has(Flaw::TokensCachedUnchecked) {
            let mut stored = self.stored_callers.lock();
            stored.insert(key.clone(), Caller::default());
        }
        let caller = self.verify_jwt(token).await?;
        let mut stored = self.stored_callers.lock();
        Ok(stored.entry(key).or_insert(caller).clone())
    }

    /// Verifies a JWT. Tokens of the same user that arrive during the verification get its result.
    async fn verify_once_per_user(&self, token: &str) -> Result<Caller, Refusal> {
        let jwt = Jwt::parse(token, None).ok();
        let user = jwt.as_ref().and_then(|jwt| jwt.text("sub")).unwrap_or_default();
        let slot = Arc::clone(self.backend.lookups.lock().entry(user.to_owned()).or_default());
        let mut shared = slot.lock().await;
        if let Some((result, until)) = shared.as_ref()
            && Instant::now() < *until
        {
            return result.clone();
        }
        let result = self.verify_jwt(token).await;
        *shared = Some((result.clone(), Instant::now() + VERIFICATION));
        result
    }

    /// Returns the key by which a flaw caches a verified token. Without such a flaw, JWTs are not cached.
    fn cache_key(&self, token: &str) -> Option<String> {
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
            Some(Flaw::TokensCachedBySignature) => token.rsplit('.').next().map(str::to_owned),
            Some(Flaw::TokensCachedByJti) => claim("jti"),
            Some(Flaw::TokensCachedBySession) => claim("sid"),
            Some(Flaw::SessionShared) => Some("everyone".to_owned()),
            _ => None,
        }
    }

    /// Verifies a JWT.
    async fn verify_jwt(&self, token: &str) -> Result<Caller, Refusal> {
        let jwt = match Jwt::parse(token, self.flaw) {
            Ok(jwt) => jwt,
            Err(Malformed::Json) if self.has(Flaw::DeepClaimsAs500) && token.contains(DEEP_CLAIMS) => {
                return Err(Refusal::Internal);
            }
            Err(Malformed::Json) if self.has(Flaw::BadJsonAs500) => return Err(Refusal::Internal),
            Err(Malformed::Parts) if self.has(Flaw::NotAJwtAs500) => return Err(Refusal::Internal),
            // This flaw treats other text as an opaque token and accepts it although Clerk does not know it.
            Err(_) if self.has(Flaw::UnknownTokensPass) => return Ok(Caller::default()),
            Err(_) => return Err(Refusal::Invalid("token-invalid")),
        };
        let kind = self.token_kind(&jwt);
        self.check_kind(kind)?;
        if self.has(Flaw::ScopesFirst) {
            self.check_scopes(&self.caller_from_claims(kind, &jwt.claims))?;
        }
        self.check_header(&jwt, kind)?;
        if self.has(Flaw::ClaimsBeforeSignature) {
            self.check_claims(&jwt, kind)?;
        }
        self.check_signature(&jwt).await?;
        self.check_claims(&jwt, kind)?;
        Ok(self.caller_from_claims(kind, &jwt.claims))
    }

    /// Checks that tokens of this kind are accepted.
    fn check_kind(&self, kind: TokenKind) -> Result<(), Refusal> {
        let rejected_by_flaw = kind == TokenKind::OAuth && self.has(Flaw::AccessTokensRefused)
            || kind == TokenKind::M2m && self.has(Flaw::MachinesRefused);
        if (self.settings.accepted.contains(&kind) || self.has(Flaw::KindsIgnored)) && !rejected_by_flaw {
            Ok(())
        } else {
            Err(Refusal::Invalid("token-type-mismatch"))
        }
    }

    /// Determines the kind of a JWT by its subject and type, as Clerk's SDK does.
    fn token_kind(&self, jwt: &Jwt) -> TokenKind {
        let names_us = |audience| self.names_this_server(audience);
        if self.has(Flaw::AudienceIsEnough) && jwt.text("aud").is_some_and(names_us) {
            return TokenKind::OAuth;
        }
        let machine = jwt.text("sub").is_some_and(|subject| subject.starts_with("mch_"));
        let typ = jwt.header_text("typ").unwrap_or_default();
        let access = typ == ACCESS_TOKEN_TYPE
            || typ == "application/at+jwt" && !self.has(Flaw::ApplicationTypUnknown)
            || typ.contains(ACCESS_TOKEN_TYPE) && self.has(Flaw::TypContained)
            || jwt.claims.contains_key("client_id") && self.has(Flaw::AccessTokensByClient);
        if machine && !self.has(Flaw::MachinesAsSessions) {
            TokenKind::M2m
        } else if access {
            TokenKind::OAuth
        } else {
            TokenKind::Session
        }
    }

    /// Checks `alg`, `crit`, `typ` and `cat`.
    fn check_header(&self, jwt: &Jwt, kind: TokenKind) -> Result<(), Refusal> {
        let invalid = |reason| Err(Refusal::Invalid(reason));
        let mut alg = jwt.header_text("alg").unwrap_or_default();
        if self.has(Flaw::AlgTrimmed) {
            alg = alg.trim();
        }
        let alg_allowed_by_flaw = match self.flaw {
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
        // RFC 8725 §3.1: the verifier chooses the algorithm, not the token.
        if alg != "RS256" && !alg_allowed_by_flaw {
            return invalid("token-invalid-algorithm");
        }
        // RFC 7515 §4.1.11: this server supports no extension, so every `crit` is rejected.
        let crit = jwt.header.get("crit");
        let crit = crit.filter(|crit| crit.is_array() || !self.has(Flaw::CritMalformedIgnored));
        if crit.is_some() && !self.has(Flaw::CritIgnored) {
            return invalid("crit");
        }
        let known = ["alg", "typ", "kid", "cat"];
        if self.has(Flaw::UnknownHeaderRefused)
            && jwt.header.keys().any(|name| !known.contains(&name.as_str()))
        {
            return invalid("header");
        }
        let typ = jwt.header.get("typ");
        let typ_matches = kind == TokenKind::OAuth
            || typ.is_some_and(|typ| typ == "JWT")
            || typ.is_none() && self.has(Flaw::TypNotNeeded)
            || self.has(Flaw::TypIgnored);
        if !typ_matches {
            return invalid("typ");
        }
        let class = jwt.header.get("cat");
        let class_matches = match (kind, class.map(Value::as_str)) {
            (_, None) => !self.has(Flaw::CatNeeded) || kind == TokenKind::OAuth,
            (_, Some(Some(UNSPECIFIED_CLASS))) => !self.has(Flaw::UnspecifiedCatRefused),
            (TokenKind::Session, Some(Some(SESSION_CLASS))) | (TokenKind::M2m, Some(Some(MACHINE_CLASS))) => {
                true
            }
            (TokenKind::Session, Some(_)) if self.has(Flaw::TemplateTokensAccepted) => true,
            (TokenKind::Session, Some(_)) if self.has(Flaw::MachinesAsSessions) => true,
            _ => self.has(Flaw::CatIgnored) || self.has(Flaw::AudienceIsEnough),
        };
        if class_matches { Ok(()) } else { invalid("cat") }
    }

    /// Verifies the signature with the key that `kid` names.
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
        let verify_hmac =
            |secret: &[u8]| signature_result(hmac_verifies(secret, jwt.signed.as_bytes(), &jwt.signature));
        if self.has(Flaw::HeaderKeyTrusted) && alg == "HS256" {
            return verify_hmac(b"");
        }
        if self.has(Flaw::KidAsFile) && alg == "HS256" {
            let path = jwt.header_text("kid").unwrap_or_default();
            return verify_hmac(&std::fs::read(path).unwrap_or_default());
        }
        if self.has(Flaw::PublishedSecretTrusted) && alg == "HS256" {
            return verify_hmac(&self.keys.published_secret().unwrap_or_default());
        }
        if self.has(Flaw::CertificateTrusted)
            && let Some(certificate) = jwt.header.get("x5c").and_then(|chain| chain.get(0)?.as_str())
            && let Some(key) = PublicKey::from_certificate(certificate)
        {
            return signature_result(key.verifies(jwt.signed.as_bytes(), &jwt.signature));
        }
        if self.has(Flaw::HeaderKeyTrusted)
            && let Some(key) = self.key_in_header(jwt).await
        {
            return signature_result(key.verifies(jwt.signed.as_bytes(), &jwt.signature));
        }
        if self.has(Flaw::HeaderKeyTrusted) && jwt.header.contains_key("jwk") {
            return signature_result(false);
        }
        if self.has(Flaw::KeysOfAnyIssuer) && jwt.text("iss") != Some(&self.settings.issuer) {
            return Ok(());
        }
        let kid = jwt.header_text("kid").unwrap_or_default();
        if self.has(Flaw::KidIgnored) || kid.is_empty() && self.has(Flaw::KidNotNeeded) {
            let keys = self.keys.all();
            let mut keys = keys.iter();
            return signature_result(keys.any(|key| key.verifies(jwt.signed.as_bytes(), &jwt.signature)));
        }
        if kid.is_empty() {
            return Err(Refusal::Invalid("kid"));
        }
        if self.has(Flaw::TokenSentForKeys) {
            self.keys.set_token(&jwt.signed);
        }
        let blocked = match self.flaw {
            Some(Flaw::FetchBlocksAll) => Some(self.gate.lock().await),
            _ => None,
        };
        let found = self.keys.with_id(kid).await;
        drop(blocked);
        let keys = match found {
            Ok(keys) if !keys.is_empty() => keys,
            Ok(_) if self.has(Flaw::UnknownKidAs503) => return Err(Refusal::Unavailable(5)),
            Ok(_) => {
                self.count_failure(Flaw::FloodLocksOut);
                return Err(Refusal::Invalid("jwk-kid-mismatch"));
            }
            Err(_) if self.has(Flaw::OutagePasses) => return Ok(()),
            Err(_) => return Err(Refusal::Unavailable(5)),
        };
        match (self.flaw, alg) {
            (Some(Flaw::HmacWithPublicKey), "HS256") => {
                verify_hmac(keys.first().map(PublicKey::pem).unwrap_or_default().as_bytes())
            }
            (Some(Flaw::HmacWithNothing), "HS256") => verify_hmac(b""),
            (Some(Flaw::AnyRsaAlgorithm), alg) => {
                let verifies = |key: &PublicKey| key.verifies_as(alg, jwt.signed.as_bytes(), &jwt.signature);
                signature_result(keys.iter().any(verifies))
            }
            (Some(Flaw::PaddingUnchecked), _) => {
                let found = |key: &PublicKey| key.finds_hash(jwt.signed.as_bytes(), &jwt.signature);
                signature_result(keys.iter().any(found))
            }
            _ => {
                let verifies = |key: &PublicKey| key.verifies(jwt.signed.as_bytes(), &jwt.signature);
                let result = signature_result(keys.iter().any(verifies));
                if result.is_err() && self.has(Flaw::FetchPerBadSignature) {
                    self.keys.refresh().await;
                }
                result
            }
        }
    }

    /// Returns the key that the header contains or links to. RFC 8725 §3.10 warns against trusting it.
    async fn key_in_header(&self, jwt: &Jwt) -> Option<PublicKey> {
        if let Some(jwk) = jwt.header.get("jwk") {
            return PublicKey::from_jwk(jwk, None).map(|(_, key)| key);
        }
        let url = jwt.header_text("jku").or_else(|| jwt.header_text("x5u"))?;
        let http = http_client(redirect::Policy::default(), REQUEST_TIMEOUT);
        let set: Value = http.get(url).send().await.ok()?.json().await.ok()?;
        let mut keys = set.get("keys")?.as_array()?.iter();
        keys.find_map(|jwk| PublicKey::from_jwk(jwk, None))
            .map(|(_, key)| key)
    }
}

/// Rejects a signature that does not match.
fn signature_result(matches: bool) -> Result<(), Refusal> {
    if matches {
        Ok(())
    } else {
        Err(Refusal::Invalid("token-invalid-signature"))
    }
}
