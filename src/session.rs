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
/// ```
/// # use clerk_mcp::session::{Denied, Session};
/// fn may_pay(session: &Session, amount: u64) -> Result<(), Denied> {
///     session.require_scopes(&["payments:write"])?;
///     if amount > 1_000 {
///         session.require_role("org:treasurer")?;
///     }
///     session.require_permission("org:payments:create")
/// }
/// ```
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
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

    /// Asks for scopes, all at once.
    ///
    /// # Errors
    /// [`Denied::Scopes`] with all of `needed`, when one is missing: what the client then asks for must hold them all
    /// (MCP, "Scope Challenge Handling").
    pub fn require_scopes(&self, needed: &[impl AsRef<str>]) -> Result<(), Denied> {
        if needed
            .iter()
            .all(|scope| self.scopes.iter().any(|granted| granted == scope.as_ref()))
        {
            return Ok(());
        }
        Err(Denied::Scopes {
            needed: needed.iter().map(|scope| scope.as_ref().to_owned()).collect(),
        })
    }

    /// Asks for a role in the active organization (`org:admin`; the prefix may be left out).
    ///
    /// # Errors
    /// [`Denied::Role`] when the caller has another, or no active organization.
    pub fn require_role(&self, needed: &str) -> Result<(), Denied> {
        let has = self
            .organization_role
            .as_deref()
            .is_some_and(|role| without_prefix(role) == without_prefix(needed));
        if has && self.organization_id.is_some() {
            Ok(())
        } else {
            Err(Denied::Role {
                needed: needed.to_owned(),
            })
        }
    }

    /// Asks for a permission in the active organization (`org:invoices:create`; the prefix may be left out).
    ///
    /// # Errors
    /// [`Denied::Permission`] when the caller lacks it, or has no active organization.
    pub fn require_permission(&self, needed: &str) -> Result<(), Denied> {
        let has = self
            .organization_permissions
            .iter()
            .any(|permission| without_prefix(permission) == without_prefix(needed));
        if has && self.organization_id.is_some() {
            Ok(())
        } else {
            Err(Denied::Permission {
                needed: needed.to_owned(),
            })
        }
    }
}

/// Clerk compares roles and permissions without their prefix, however often it's there.
fn without_prefix(name: &str) -> &str {
    name.trim_start_matches("org:")
}

/// What the caller's session lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// A scope. A client can cure that: it signs in again, asking for these.
    #[error("Required scopes: {}", .needed.join(" "))]
    Scopes {
        /// All that the operation needs, those included that the token has.
        needed: Vec<String>,
    },
    /// A role. Signing in again doesn't help.
    #[error("Required role: {needed}")]
    Role {
        /// The role's key.
        needed: String,
    },
    /// A permission. Signing in again doesn't help.
    #[error("Required permission: {needed}")]
    Permission {
        /// The permission's key.
        needed: String,
    },
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
///
/// ```
/// use clerk_mcp::session::{NoUser, Session};
///
/// fn account(session: &Session) -> String {
///     match session.require_user() {
///         Ok(user) => format!("that of {user}"),
///         Err(NoUser) => format!("that of the machine {}", session.subject),
///     }
/// }
/// ```
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
