//! Checks the claims of a token and the required scopes.

use serde_json::{Map, Value};
use url::Url;

use super::{
    caller::Caller, clock::now_milliseconds, flaw::Flaw, jwt::Jwt, refusal::Refusal, server::Server,
    token_kind::TokenKind, values::AudienceMode,
};

impl Server {
    /// Checks every claim that the kind of token requires.
    pub(crate) fn check_claims(&self, jwt: &Jwt, kind: TokenKind) -> Result<(), Refusal> {
        let claims = &jwt.claims;
        let invalid = |reason| Err(Refusal::Invalid(reason));
        let known = [
            "iss", "sub", "sid", "azp", "aud", "exp", "nbf", "iat", "jti", "sts", "v", "o", "fea", "fva",
        ];
        if self.has(Flaw::UnknownClaimsRefused) && claims.keys().any(|name| !known.contains(&name.as_str())) {
            return invalid("claims");
        }
        let wrong_type = ["iss", "sub", "sid", "azp"]
            .iter()
            .any(|name| claims.get(*name).is_some_and(|value| !value.is_string()));
        let wrong_type_in_o = claims.get("o").is_some_and(|o| {
            ["per", "fpm"]
                .iter()
                .any(|name| o.get(name).is_some_and(|value| !value.is_string()))
        });
        if (wrong_type || wrong_type_in_o) && self.has(Flaw::ClaimsAs500) {
            return Err(Refusal::Internal);
        }
        if !self.issuer_matches(claims.get("iss")) {
            return invalid("token-invalid-issuer");
        }
        let prefix = if kind == TokenKind::M2m { "mch_" } else { "user_" };
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject_matches = match subject {
            Some(subject) => {
                subject.strip_prefix(prefix).is_some_and(|rest| {
                    !rest.is_empty()
                        && (self.has(Flaw::SubFormIgnored)
                            || rest
                                .bytes()
                                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
                }) || self.has(Flaw::SubPrefixIgnored)
                    || self.has(Flaw::MachinesAsSessions)
                    || self.has(Flaw::AudienceIsEnough)
            }
            None => self.has(Flaw::SubNotNeeded),
        };
        if !subject_matches {
            return invalid("sub");
        }
        let session = claims.get("sid").and_then(Value::as_str);
        let sid_optional = [
            Flaw::SidNotNeeded,
            Flaw::MachinesAsSessions,
            Flaw::TemplateTokensAccepted,
            Flaw::IdTokensAccepted,
        ];
        let sid_matches = session.is_some_and(|id| id.len() > 5 && id.starts_with("sess_"));
        if kind == TokenKind::Session && !sid_matches && !sid_optional.into_iter().any(|flaw| self.has(flaw))
        {
            return invalid("sid");
        }
        self.check_times(claims)?;
        self.check_party(kind, claims)?;
        let id_token = kind == TokenKind::Session && session.is_none() && self.has(Flaw::IdTokensAccepted);
        if !id_token {
            let resource = claims
                .get("resource")
                .filter(|_| self.has(Flaw::ResourceClaimAsAud));
            self.check_audience(kind, claims.get("aud").or(resource))?;
        }
        let status = claims.get("sts");
        let version_2 = claims.contains_key("v");
        let rejected_by_flaw = self.has(Flaw::StatusNeeded) && status.is_none()
            || self.has(Flaw::FirstVersionRefused) && !version_2
            || self.has(Flaw::SecondVersionRefused) && version_2;
        if rejected_by_flaw && kind == TokenKind::Session {
            return invalid("version");
        }
        let tolerated =
            self.has(Flaw::OnlyPendingRejected) && status.is_some_and(|status| status != "pending");
        if status.is_some_and(|status| status != "active") && !tolerated && !self.has(Flaw::PendingAccepted) {
            return invalid("session-pending");
        }
        Ok(())
    }

    /// Returns whether `iss` is the configured issuer.
    fn issuer_matches(&self, claim: Option<&Value>) -> bool {
        let ours = self.settings.issuer.as_str();
        let Some(issuer) = claim.and_then(Value::as_str) else {
            return self.has(Flaw::IssIgnored);
        };
        match self.flaw {
            Some(Flaw::IssIgnored | Flaw::KeysOfAnyIssuer) => true,
            Some(Flaw::IssIgnoredInOutage) if self.keys.last_fetch_failed() => true,
            Some(Flaw::IssPrefix) => issuer.starts_with(ours),
            Some(Flaw::IssSuffix) => issuer.ends_with(ours),
            Some(Flaw::ClaimsTrimmed) => issuer.trim() == ours,
            Some(Flaw::IssHostOnly) => host_of(issuer) == host_of(ours),
            Some(Flaw::IssNormalized) => issuer.trim_end_matches('/').eq_ignore_ascii_case(ours),
            _ => issuer == ours,
        }
    }

    /// Checks `exp`, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).
    fn check_times(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let now = now_milliseconds();
        let leeway = self.settings.leeway_milliseconds;
        let expires = self.time(claims, "exp")?;
        match expires {
            _ if self.has(Flaw::ExpIgnored) => {}
            Some(expires) if expires <= 0 && self.has(Flaw::ZeroIsNever) => {}
            Some(expires) if self.has(Flaw::ExpInMilliseconds) && now >= expires / 1_000 => {
                return Err(Refusal::Expired);
            }
            Some(expires) if now - expires >= leeway => return Err(Refusal::Expired),
            Some(_) => {}
            None if self.has(Flaw::ExpNotNeeded) => {}
            None => return Err(Refusal::Invalid("exp")),
        }
        for (name, flaw) in [("nbf", Flaw::NbfIgnored), ("iat", Flaw::IatIgnored)] {
            let time = self.time(claims, name)?;
            let unchecked = name == "nbf" && self.has(Flaw::NbfOnlyWithIat) && !claims.contains_key("iat");
            if unchecked {
                continue;
            }
            if time.is_some_and(|time| time - now > leeway) && !self.has(flaw) {
                return Err(Refusal::Invalid(name));
            }
            if time.is_none() && self.has(Flaw::IatNeeded) {
                return Err(Refusal::Invalid(name));
            }
        }
        Ok(())
    }

    /// Reads a time in whole seconds and returns it in milliseconds.
    fn time(&self, claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refusal> {
        let Some(value) = claims.get(name) else {
            return Ok(None);
        };
        let invalid = if self.has(Flaw::ClaimsAs500) {
            Refusal::Internal
        } else {
            Refusal::Invalid(name)
        };
        let text = value.as_str().filter(|_| self.has(Flaw::TimesAsText));
        let seconds = value.as_i64().or_else(|| text?.parse().ok());
        // The years 1 to 9999.
        let valid_range = -62_135_596_800..=253_402_300_799;
        match seconds {
            Some(seconds) if valid_range.contains(&seconds) => Ok(Some(seconds * 1_000)),
            _ if self.has(Flaw::HugeTimesAs500) && value.is_number() => Err(Refusal::Internal),
            _ if self.has(Flaw::ExpIgnored) && name == "exp" => Ok(None),
            _ if self.has(Flaw::NbfIgnored) && name == "nbf" => Ok(None),
            _ if self.has(Flaw::IatIgnored) && name == "iat" => Ok(None),
            _ => Err(invalid),
        }
    }

    /// Checks `azp` against the authorized parties.
    fn check_party(&self, kind: TokenKind, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let mut parties = self.settings.parties.clone();
        if self.has(Flaw::AzpAlways) && parties.is_empty() {
            parties.push(self.origin());
        }
        let required =
            kind == TokenKind::Session || kind == TokenKind::OAuth && self.has(Flaw::AzpOfAccessTokens);
        if self.has(Flaw::AzpFirstOnly) {
            parties.truncate(1);
        }
        if parties.is_empty() || !required || self.has(Flaw::AzpIgnored) {
            return Ok(());
        }
        let listed = match claims.get("azp").and_then(Value::as_str) {
            Some(party) if self.has(Flaw::AzpHostOnly) => {
                parties.iter().any(|one| host_of(one) == host_of(party))
            }
            None if self.has(Flaw::AzpListAccepted) => {
                let list = claims.get("azp").and_then(Value::as_array);
                list.into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .any(|one| parties.iter().any(|p| p == one))
            }
            Some(party) if self.has(Flaw::AzpSuffix) => parties.iter().any(|one| party.ends_with(one)),
            Some(party) if self.has(Flaw::AzpSubdomains) => parties.iter().any(|one| {
                let host = host_of(one).map(|host| format!(".{host}"));
                one == party || host.is_some_and(|host| party.ends_with(&host))
            }),
            Some(party) if self.has(Flaw::AzpPrefix) => parties.iter().any(|one| party.starts_with(one)),
            Some(party) => parties.iter().any(|one| one == party),
            None => self.has(Flaw::AzpNotNeeded),
        };
        if listed {
            Ok(())
        } else {
            Err(Refusal::Invalid("token-invalid-authorized-parties"))
        }
    }

    /// Checks `aud` (RFC 7519 §4.1.3, RFC 8707 §2).
    pub(crate) fn check_audience(&self, kind: TokenKind, audience: Option<&Value>) -> Result<(), Refusal> {
        let mode = match (kind, self.settings.audience) {
            (TokenKind::M2m | TokenKind::ApiKey, _) => return Ok(()),
            (TokenKind::Session, _) if self.has(Flaw::AudOfSessionNeeded) => AudienceMode::Required,
            (TokenKind::Session, _) if self.has(Flaw::AudOfSessionIgnored) => AudienceMode::Off,
            (TokenKind::Session, _) => AudienceMode::IfPresent,
            (TokenKind::OAuth, AudienceMode::IfPresent) if self.has(Flaw::AudienceModeBlurred) => {
                AudienceMode::Off
            }
            (TokenKind::OAuth, mode) => mode,
        };
        if mode == AudienceMode::Off || self.has(Flaw::AudIgnored) {
            return Ok(());
        }
        if kind == TokenKind::Session && audience.is_some() && self.has(Flaw::AudOfSessionRefused) {
            return Err(Refusal::Invalid("aud"));
        }
        let empty =
            audience.is_some_and(|aud| aud.as_str() == Some("") || aud.as_array().is_some_and(Vec::is_empty));
        if empty && self.has(Flaw::EmptyAudPasses) {
            return Ok(());
        }
        let optional = mode == AudienceMode::IfPresent || self.has(Flaw::AudNotNeeded);
        let audiences: Option<Vec<&str>> = match audience {
            None if optional => return Ok(()),
            None => return Err(Refusal::Invalid("audience-missing")),
            Some(Value::Array(_)) if self.has(Flaw::AudAsTextOnly) => None,
            Some(Value::Array(list)) if self.has(Flaw::AudFirstOnly) => {
                list.iter().take(1).map(Value::as_str).collect()
            }
            Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
            Some(_) if self.has(Flaw::AudAsListOnly) => None,
            Some(one) => one.as_str().map(|one| vec![one]),
        };
        let accepted = match audiences {
            None => self.has(Flaw::AudMalformedPasses),
            Some(audiences) => audiences.iter().any(|audience| self.names_this_server(audience)),
        };
        if accepted {
            Ok(())
        } else {
            Err(Refusal::Invalid("audience-mismatch"))
        }
    }

    /// Checks that the caller has every required scope.
    pub(crate) fn check_scopes(&self, caller: &Caller) -> Result<(), Refusal> {
        let required = &self.settings.required_scopes;
        let granted = |scope: &String| match self.flaw {
            Some(Flaw::ScopeSubstring) => caller.scopes.iter().any(|one| one.contains(scope)),
            Some(Flaw::ScopeCaseInsensitive) => {
                caller.scopes.iter().any(|one| one.eq_ignore_ascii_case(scope))
            }
            _ => caller.scopes.contains(scope),
        };
        if self.has(Flaw::AdvertisedScopesAs401)
            && caller.session.is_none()
            && !self.settings.scopes.iter().all(granted)
        {
            return Err(Refusal::Invalid("advertised-scope-missing"));
        }
        let enough = match self.flaw {
            Some(Flaw::RequiredScopesIgnored) => true,
            Some(Flaw::SessionsNeedNoScopes) if caller.session.is_some() => true,
            Some(Flaw::ScopesInOrder) => caller.scopes.join(" ").contains(&required.join(" ")),
            Some(Flaw::AnyScopeWillDo) => required.is_empty() || required.iter().any(granted),
            _ => required.iter().all(granted),
        };
        if enough {
            return Ok(());
        }
        let (mut needed, mut kept) = (required.clone(), caller.scopes.clone());
        if self.has(Flaw::OneScopeAtATime) {
            needed.retain(|scope| !granted(scope));
            needed.truncate(1);
            kept.clear();
        }
        Err(Refusal::Scopes {
            needed,
            granted: kept,
        })
    }
}

/// Returns the host of a URL.
fn host_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}
