//! [`VerifiedClaims`]: the claims of a token that passed every check.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    error::VerifyError,
    jwk::KeyReference,
    kind::TokenKind,
    permissions,
    policy::TokenPolicy,
    recorder::Recorder,
    rules::{ClaimRules, non_empty, observed_audience, required_text, time},
};

/// The claims of a token that passed every check. Only [`TokenVerifier`](super::TokenVerifier) and the checks
/// of Clerk's reports about opaque tokens create it.
#[derive(Clone)]
pub struct VerifiedClaims {
    pub(crate) kind: TokenKind,
    /// `sub`: the id of a user, a machine or an organization.
    pub(crate) subject: String,
    /// The OAuth client that the token was issued to.
    pub(crate) client_id: Option<String>,
    /// The granted scopes. Session tokens have none.
    pub(crate) scopes: Vec<String>,
    /// `exp`. API keys may have none.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
    /// All claims, unchanged.
    pub(crate) claims: Map<String, Value>,
    /// The key that verified the token; `None` for an opaque token. Not public in the crate, so that no other
    /// module can create this type.
    pub(super) key: Option<KeyReference>,
    /// `aud`, if the token is accepted only because `CLERK_AUDIENCE` is `observe`.
    pub(super) observed_audience: Option<Value>,
}

impl VerifiedClaims {
    /// Checks the claims of a JWT. `key` is the key that verified the signature, or the error if none did. In
    /// the second case the recorder still receives the outcome of each check, but the result is an error.
    pub(super) fn check(
        kind: TokenKind,
        claims: Map<String, Value>,
        key: Result<KeyReference, VerifyError>,
        policy: &TokenPolicy,
        now: Timestamp,
        recorder: &mut Recorder,
    ) -> Result<Self, VerifyError> {
        let rules = ClaimRules {
            kind,
            claims: &claims,
            policy,
            now,
        };
        rules.check(recorder)?;
        recorder.finish()?;
        let key = key?;
        let subject = required_text(&claims, "sub")?.to_owned();
        let expires_at = time(&claims, "exp")?;
        let issued_at = time(&claims, "iat")?;
        Ok(Self {
            kind,
            subject,
            client_id: match kind {
                TokenKind::OAuthToken => non_empty(claims.get("client_id")).map(str::to_owned),
                TokenKind::SessionToken | TokenKind::M2mToken | TokenKind::ApiKey => None,
            },
            scopes: scopes(kind, &claims),
            expires_at,
            issued_at,
            observed_audience: observed_audience(kind, claims.get("aud"), policy),
            claims,
            key: Some(key),
        })
    }

    /// Returns the key that verified the token; `None` for an opaque token.
    pub(crate) fn key(&self) -> Option<&KeyReference> {
        self.key.as_ref()
    }

    /// Returns `aud`, if the token is accepted only because `CLERK_AUDIENCE` is `observe`.
    pub(crate) fn observed_audience(&self) -> Option<&Value> {
        self.observed_audience.as_ref()
    }

    /// Returns a claim that is a non-empty string. Any other value counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        non_empty(self.claims.get(name))
    }

    /// Returns a claim that is an object. Any other value counts as absent.
    pub(crate) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.claims.get(name)?.as_object()
    }

    /// Returns the active organization of a session token, from v1 or v2 claims; `None` if there is none.
    pub(crate) fn session_organization(&self) -> Option<OrganizationClaims> {
        // Only the number 2 means version 2. In version 2, v1 claims are ignored even if present.
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

    /// Returns the organization that an OAuth token was issued for, without role and permissions.
    pub(crate) fn oauth_organization(&self) -> Option<OrganizationClaims> {
        self.text("org_id").map(OrganizationClaims::with_id_only)
    }

    /// Returns the organization that an API key belongs to.
    pub(crate) fn api_key_organization(&self) -> Option<OrganizationClaims> {
        self.subject
            .starts_with("org_")
            .then(|| OrganizationClaims::with_id_only(&self.subject))
    }
}

/// The active organization, as the claims describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrganizationClaims {
    /// `org_…`.
    pub(crate) id: String,
    /// The organization's slug.
    pub(crate) slug: Option<String>,
    /// The role's full key, such as `org:admin`.
    pub(crate) role: Option<String>,
    /// The permissions' full keys, such as `org:invoices:create`.
    pub(crate) permissions: Vec<String>,
}

/// Returns the granted scopes: of an OAuth token the list `scp`, else the words of `scope` (RFC 8693 §4.2);
/// of a machine token the words of `scopes`, else the list `aud`. A `scope` in a session token is a custom
/// claim, not a granted scope.
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

impl OrganizationClaims {
    fn with_id_only(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            slug: None,
            role: None,
            permissions: Vec::new(),
        }
    }
}
