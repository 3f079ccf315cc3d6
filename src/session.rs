//! [`Session`]: who calls, as tools see it. The last place that looks at claims.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    id::{ClerkSessionId, ClientId, OrganizationId, UserId},
    token::{TokenKind, VerifiedClaims},
};

/// An authenticated caller: built from verified claims alone, and one for every request.
///
/// What a token doesn't say is absent (`None`, or an empty list), never an empty string. v1 and v2 session tokens of
/// the same membership give the same session, but for [`claims`](Self::claims).
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// `sub`: a user, a machine, or of some API keys an organization.
    pub subject: String,
    /// The user, when the subject is one.
    pub user_id: Option<UserId>,
    /// `sid`, of session tokens.
    pub session_id: Option<ClerkSessionId>,
    /// The active organization; of OAuth tokens, the one chosen at consent (scope `user:org:read`).
    pub organization_id: Option<OrganizationId>,
    /// Its slug.
    pub organization_slug: Option<String>,
    /// The user's role there, such as `org:admin`. OAuth tokens don't carry it.
    pub organization_role: Option<String>,
    /// The user's permissions there, such as `org:invoices:create`. OAuth tokens don't carry them.
    pub organization_permissions: Vec<String>,
    /// The granted scopes; session tokens have none.
    pub scopes: Vec<String>,
    /// The OAuth client that got the token.
    pub client_id: Option<ClientId>,
    /// The kind of token.
    #[serde(serialize_with = "as_text")]
    pub token_type: TokenKind,
    /// `act`: who impersonates the user.
    pub actor: Option<Value>,
    /// `exp`; API keys may have none.
    pub expires_at: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// All of the token's claims, custom ones included.
    pub claims: Map<String, Value>,
}

impl Session {
    /// The user's id.
    ///
    /// # Errors
    /// [`NoUser`] when the token speaks for a machine or an organization.
    pub fn require_user(&self) -> Result<&UserId, NoUser> {
        self.user_id.as_ref().ok_or(NoUser)
    }

    /// The scopes of `needed` that the token lacks, in the order they're asked for.
    pub fn missing_scopes<'a>(&self, needed: &'a [String]) -> Vec<&'a str> {
        needed
            .iter()
            .filter(|scope| !self.scopes.contains(scope))
            .map(String::as_str)
            .collect()
    }
}

impl From<VerifiedClaims> for Session {
    fn from(verified: VerifiedClaims) -> Self {
        let organization = match verified.kind() {
            TokenKind::SessionToken => verified.organization(),
            // Only the id is Clerk's there; what else a token says of an organization, it doesn't say for Clerk.
            TokenKind::OAuthToken => verified.organization_id(),
            TokenKind::ApiKey => verified.subject_organization(),
            TokenKind::M2mToken => None,
        };
        let (organization_id, organization_slug, organization_role, organization_permissions) =
            match organization {
                Some(one) => (Some(one.id.into()), one.slug, one.role, one.permissions),
                None => (None, None, None, Vec::new()),
            };
        let subject = verified.subject().to_owned();
        Self {
            user_id: subject.starts_with("user_").then(|| subject.clone().into()),
            subject,
            session_id: match verified.kind() {
                TokenKind::SessionToken => verified.text("sid").map(Into::into),
                TokenKind::OAuthToken | TokenKind::M2mToken | TokenKind::ApiKey => None,
            },
            organization_id,
            organization_slug,
            organization_role,
            organization_permissions,
            scopes: verified.scopes().to_vec(),
            client_id: verified.client_id().map(Into::into),
            token_type: verified.kind(),
            actor: verified.object("act").cloned().map(Value::Object),
            expires_at: verified.expires_at(),
            issued_at: verified.issued_at(),
            claims: verified.into_claims(),
        }
    }
}

/// Ids only: custom claims may hold anything, and a `{session:?}` ends up in logs.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("subject", &self.subject)
            .field("session_id", &self.session_id)
            .field("organization_id", &self.organization_id)
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The caller is no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token speaks for no user; sign in as a user and call again")]
pub struct NoUser;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn as_text<S: serde::Serializer>(kind: &TokenKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}
