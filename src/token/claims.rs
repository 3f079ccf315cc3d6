//! The checks of the claims, after the signature and in the contract's order; only they build [`VerifiedClaims`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::{error::TokenError, jwk::KeyReference, kind::TokenKind, permissions, resource::ResourceNames};

/// How the audience of OAuth access tokens is treated (`CLERK_AUDIENCE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudiencePolicy {
    /// `aud` must name this server: what MCP and RFC 8707 ask for.
    #[default]
    Required,
    /// A token without `aud` passes; one that names somebody else doesn't. **Any client of the Clerk application
    /// can get such a token**, with no thought of this server.
    IfPresent,
    /// `aud` is not looked at. **Tokens made for other servers pass.**
    Off,
}

/// What a token must say to be accepted. Settings of the verifier; no default, for each of them is a decision.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// The issuer: the Frontend API URL, without a trailing slash.
    pub issuer: String,
    /// The kinds that are accepted.
    pub accepted: Vec<TokenKind>,
    /// How `aud` of OAuth tokens is treated.
    pub audience: AudiencePolicy,
    /// The names of this server that an audience may use.
    pub resources: ResourceNames,
    /// The `azp` values that session tokens may have; empty: not looked at.
    pub authorized_parties: Vec<String>,
    /// The leeway for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}

/// Claims of a token whose signature matched and whose every claim was checked. There is no other way to get one.
#[derive(Clone)]
pub struct VerifiedClaims {
    kind: TokenKind,
    subject: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    expires_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    claims: Map<String, Value>,
    key: Option<KeyReference>,
}

impl VerifiedClaims {
    /// Checks `claims`, which carried a good signature by `key`.
    pub(super) fn check(
        kind: TokenKind,
        claims: Map<String, Value>,
        key: KeyReference,
        policy: &TokenPolicy,
        now: Timestamp,
    ) -> Result<Self, TokenError> {
        // RFC 7519 §4.1.1, and RFC 9068 §4: compared to the letter. One key may serve many issuers' tests, and
        // Clerk's SDK does not look at it at all.
        if text(&claims, "iss")? != policy.issuer {
            return Err(TokenError::Issuer {
                expected: policy.issuer.clone(),
            });
        }
        let subject = text(&claims, "sub")?.to_owned();
        if subject
            .strip_prefix(subject_prefix(kind))
            .is_none_or(str::is_empty)
        {
            return Err(TokenError::ClaimMalformed("sub"));
        }
        // A JWT template may bring a `sid` of its own; a session's has Clerk's prefix.
        if kind == TokenKind::SessionToken
            && text(&claims, "sid")?
                .strip_prefix("sess_")
                .is_none_or(str::is_empty)
        {
            return Err(TokenError::ClaimMalformed("sid"));
        }
        let (expires_at, issued_at) = check_times(&claims, policy.leeway, now)?;
        if kind == TokenKind::SessionToken {
            check_authorized_party(&claims, &policy.authorized_parties)?;
        }
        check_audience(kind, claims.get("aud"), policy)?;
        if claims.get("sts").is_some_and(|status| status != "active") {
            return Err(match claims.get("sts").and_then(Value::as_str) {
                Some("pending") => TokenError::SessionPending,
                _ => TokenError::ClaimMalformed("sts"),
            });
        }
        Ok(Self {
            kind,
            subject,
            client_id: match kind {
                TokenKind::OAuthToken => non_empty(claims.get("client_id")).map(str::to_owned),
                TokenKind::SessionToken | TokenKind::M2mToken | TokenKind::ApiKey => None,
            },
            scopes: scopes(kind, &claims),
            expires_at: Some(expires_at),
            issued_at,
            claims,
            key: Some(key),
        })
    }

    /// What Clerk reported of an opaque token, checked.
    pub(super) fn reported(
        kind: TokenKind,
        subject: String,
        client_id: Option<String>,
        scopes: Vec<String>,
        expires_at: Option<Timestamp>,
        issued_at: Option<Timestamp>,
        claims: Map<String, Value>,
    ) -> Self {
        Self {
            kind,
            subject,
            client_id,
            scopes,
            expires_at,
            issued_at,
            claims,
            key: None,
        }
    }

    /// The kind of token that carried the claims.
    pub fn kind(&self) -> TokenKind {
        self.kind
    }

    /// `sub`: the user's or machine's id.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `exp`; API keys may have none.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// `iat`, when there is one.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// The key that verified the token; `None` for what Clerk verified.
    pub(crate) fn key(&self) -> Option<&KeyReference> {
        self.key.as_ref()
    }

    /// The OAuth client that the token was issued to.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// The granted scopes; session tokens have none.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// A claim that is a non-empty string; anything else counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        non_empty(self.claims.get(name))
    }

    /// A claim that is an object.
    pub fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.claims.get(name)?.as_object()
    }

    /// The active organization, whichever version the claims have; `None` without one.
    pub(crate) fn organization(&self) -> Option<OrganizationClaims> {
        // Only the number 2 means version 2; then v1 claims don't count even when they're there.
        if self.claims.get("v") == Some(&Value::from(2)) {
            let organization = self.object("o")?;
            let member = |name| non_empty(organization.get(name));
            return Some(OrganizationClaims {
                id: member("id")?.to_owned(),
                slug: member("slg").map(str::to_owned),
                role: member("rol").map(|role| format!("org:{role}")),
                permissions: permissions::unpack(
                    self.text("fea").unwrap_or_default(),
                    member("per").unwrap_or_default(),
                    member("fpm").unwrap_or_default(),
                ),
            });
        }
        Some(OrganizationClaims {
            id: self.text("org_id")?.to_owned(),
            slug: self.text("org_slug").map(str::to_owned),
            role: self.text("org_role").map(str::to_owned),
            permissions: match self.claims.get("org_permissions") {
                Some(Value::Array(list)) => {
                    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            },
        })
    }

    /// The organization that an OAuth token was issued for, without role and permissions.
    pub(crate) fn organization_id(&self) -> Option<OrganizationClaims> {
        self.text("org_id").map(OrganizationClaims::bare)
    }

    /// The organization that an API key speaks for.
    pub(crate) fn subject_organization(&self) -> Option<OrganizationClaims> {
        self.subject
            .starts_with("org_")
            .then(|| OrganizationClaims::bare(&self.subject))
    }

    /// All of the claims, as they came.
    pub fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

/// What the claims say of the active organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrganizationClaims {
    /// `org_…`.
    pub(crate) id: String,
    /// The slug.
    pub(crate) slug: Option<String>,
    /// The role's full key, such as `org:admin`.
    pub(crate) role: Option<String>,
    /// The permissions' full keys, such as `org:invoices:create`.
    pub(crate) permissions: Vec<String>,
}

/// OAuth: `scp` (a list) if there, else `scope` (RFC 8693 §4.2). Machine tokens: `scopes`, or the machines in `aud`. A
/// session token's custom claims are the application's: a `scope` there was granted by nobody.
fn scopes(kind: TokenKind, claims: &Map<String, Value>) -> Vec<String> {
    let list = |name| match claims.get(name) {
        Some(Value::Array(list)) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    };
    let words = |name| {
        let text = non_empty(claims.get(name))?;
        Some(
            text.split(' ')
                .filter(|one| !one.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    };
    match kind {
        TokenKind::OAuthToken => list("scp").or_else(|| words("scope")).unwrap_or_default(),
        TokenKind::M2mToken => words("scopes").or_else(|| list("aud")).unwrap_or_default(),
        TokenKind::SessionToken | TokenKind::ApiKey => Vec::new(),
    }
}

fn subject_prefix(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::SessionToken | TokenKind::OAuthToken => "user_",
        TokenKind::M2mToken => "mch_",
        // An API key is never a JWT; one that claims to be has no subject that fits.
        TokenKind::ApiKey => "ak_",
    }
}

impl OrganizationClaims {
    fn bare(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            slug: None,
            role: None,
            permissions: Vec::new(),
        }
    }
}

/// RFC 7519 §4.1.4 to §4.1.6. The bounds are Clerk's: valid while `now < exp + leeway`, and from
/// `now = nbf - leeway` on.
fn check_times(
    claims: &Map<String, Value>,
    leeway: Duration,
    now: Timestamp,
) -> Result<(Timestamp, Option<Timestamp>), TokenError> {
    let expires_at = time(claims, "exp")?.ok_or(TokenError::ClaimMissing("exp"))?;
    let leeway = SignedDuration::try_from(leeway).unwrap_or(SignedDuration::MAX);
    let since_expiry = now.duration_since(expires_at);
    if since_expiry >= leeway {
        return Err(TokenError::Expired {
            since: since_expiry.unsigned_abs(),
        });
    }
    if time(claims, "nbf")?.is_some_and(|not_before| not_before.duration_since(now) > leeway) {
        return Err(TokenError::NotYetValid);
    }
    let issued_at = time(claims, "iat")?;
    if issued_at.is_some_and(|issued_at| issued_at.duration_since(now) > leeway) {
        return Err(TokenError::IssuedInTheFuture);
    }
    Ok((expires_at, issued_at))
}

/// With parties configured, `azp` must be there and be one of them, as in Clerk's SDK (its documentation still says
/// that a missing one is skipped).
fn check_authorized_party(claims: &Map<String, Value>, parties: &[String]) -> Result<(), TokenError> {
    if parties.is_empty() {
        return Ok(());
    }
    match claims.get("azp").and_then(Value::as_str) {
        Some(party) if parties.iter().any(|allowed| allowed == party) => Ok(()),
        _ => Err(TokenError::AuthorizedParty),
    }
}

/// RFC 7519 §4.1.3, RFC 8707 §2, and MCP's rule that a token must be issued for this server. Session tokens have
/// no audience unless the application's owner put one in; then it must name us. A machine token's `aud` names machines,
/// and an API key has none: whoever accepts those kinds accepts all of the application's.
pub(super) fn check_audience(
    kind: TokenKind,
    audience: Option<&Value>,
    policy: &TokenPolicy,
) -> Result<(), TokenError> {
    let required = match (kind, policy.audience) {
        (TokenKind::M2mToken | TokenKind::ApiKey, _) | (TokenKind::OAuthToken, AudiencePolicy::Off) => {
            return Ok(());
        }
        (TokenKind::OAuthToken, AudiencePolicy::Required) => true,
        (TokenKind::OAuthToken, AudiencePolicy::IfPresent) | (TokenKind::SessionToken, _) => false,
    };
    let audience = match audience {
        None if required => return Err(TokenError::AudienceMissing),
        None => return Ok(()),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(list)) => list
            .iter()
            .map(Value::as_str)
            .collect::<Option<Vec<_>>>()
            .ok_or(TokenError::ClaimMalformed("aud"))?,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err(TokenError::ClaimMalformed("aud"));
        }
    };
    if audience.iter().any(|name| policy.resources.contains(name)) {
        return Ok(());
    }
    if audience.is_empty() && required {
        return Err(TokenError::AudienceMissing);
    }
    Err(TokenError::Audience {
        expected: policy.resources.mcp().to_owned(),
    })
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, TokenError> {
    match claims.get(name) {
        None => Err(TokenError::ClaimMissing(name)),
        Some(value) => value.as_str().ok_or(TokenError::ClaimMalformed(name)),
    }
}

/// RFC 7519 §2, "`NumericDate`": seconds. Clerk writes whole ones; a fraction or a string is not Clerk's.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
    claims
        .get(name)
        .map(|value| {
            value
                .as_i64()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or(TokenError::ClaimMalformed(name))
        })
        .transpose()
}

fn non_empty(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.is_empty())
}
