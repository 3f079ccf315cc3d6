//! [`Session`]: the verified facts about a caller, as tools see them.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    id::{ClerkSessionId, ClientId, OrganizationId, UserId},
    token::{TokenKind, VerifiedClaims},
};

/// An authenticated caller, built only from verified claims. Requests with the same token can share it.
///
/// Values that the token does not contain are `None` or an empty list, never an empty string. v1 and v2
/// session tokens of the same membership give the same session, except for [`claims`](Self::claims).
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
    /// `sub`: the id of a user or a machine; for some API keys, of an organization.
    pub subject: String,
    /// The user, if the subject is a user.
    pub user_id: Option<UserId>,
    /// `sid`; only session tokens have it.
    pub session_id: Option<ClerkSessionId>,
    /// The active organization. For OAuth tokens, the one chosen at consent (scope `user:org:read`).
    pub organization_id: Option<OrganizationId>,
    /// The organization's slug.
    pub organization_slug: Option<String>,
    /// The user's role in the organization, such as `org:admin`. OAuth tokens do not contain the role: it is
    /// `None` until [`get_organization`](crate::context::get_organization) or the
    /// [policy](crate::policy::ToolPolicy) of the tool has looked it up.
    pub organization_role: Option<String>,
    /// The user's permissions in the organization, such as `org:invoices:create`. For OAuth tokens, see
    /// [`organization_role`](Self::organization_role).
    pub organization_permissions: Vec<String>,
    /// The granted scopes; session tokens have none.
    pub scopes: Vec<String>,
    /// The OAuth client that the token was issued to.
    pub client_id: Option<ClientId>,
    /// The kind of token.
    #[serde(serialize_with = "as_text")]
    pub token_type: TokenKind,
    /// `act`: the actor that impersonates the user.
    pub actor: Option<Value>,
    /// `exp`; API keys may have none.
    pub expires_at: Option<Timestamp>,
    /// `iat`.
    pub issued_at: Option<Timestamp>,
    /// All claims of the token, including custom claims.
    pub claims: Map<String, Value>,
}

impl Session {
    /// Returns the user's id.
    ///
    /// # Errors
    /// [`NoUser`] if the token belongs to a machine or an organization.
    pub fn require_user(&self) -> Result<&UserId, NoUser> {
        self.user_id.as_ref().ok_or(NoUser)
    }

    /// Returns the user and organization whose membership must be looked up at Clerk. Only an OAuth token that
    /// names an organization needs this: it contains neither role nor permissions. A session token contains both,
    /// and expires after a minute.
    pub(crate) fn membership_to_look_up(&self) -> Option<(&UserId, &OrganizationId)> {
        match self.token_type {
            TokenKind::OAuthToken => self.user_id.as_ref().zip(self.organization_id.as_ref()),
            TokenKind::SessionToken | TokenKind::M2mToken | TokenKind::ApiKey => None,
        }
    }

    /// Returns whether the user can sign in again and choose an organization for the token.
    pub(crate) fn may_choose_organization(&self) -> bool {
        self.token_type == TokenKind::OAuthToken && self.organization_id.is_none()
    }

    /// Requires all of these scopes.
    ///
    /// # Errors
    /// [`Denied::Scopes`] if a scope is missing. It contains all of `needed`, because the client must request
    /// them together (MCP, "Scope Challenge Handling").
    pub fn require_scopes(&self, needed: &[impl AsRef<str>]) -> Result<(), Denied> {
        if needed
            .iter()
            .all(|scope| self.scopes.iter().any(|granted| granted == scope.as_ref()))
        {
            return Ok(());
        }
        let needed = needed.iter().map(|scope| scope.as_ref().to_owned()).collect();
        Err(self.lacks_scopes(needed))
    }

    /// Returns the error for a token that lacks one of these scopes.
    pub(crate) fn lacks_scopes(&self, needed: Vec<String>) -> Denied {
        Denied::Scopes {
            needed,
            granted: self.scopes.clone(),
        }
    }

    /// Requires a role in the active organization, such as `org:admin`. The prefix may be omitted.
    ///
    /// # Errors
    /// [`Denied::Role`] if the caller has another role or no active organization.
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

    /// Requires a permission in the active organization, such as `org:invoices:create`. The prefix may be
    /// omitted.
    ///
    /// # Errors
    /// [`Denied::Permission`] if the caller lacks the permission or has no active organization.
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

/// Removes the prefix, even if repeated. Clerk compares roles and permissions without it.
fn without_prefix(name: &str) -> &str {
    name.trim_start_matches("org:")
}

/// Adds the names that are not in the list yet.
pub(crate) fn add_missing<S: Into<String>>(to: &mut Vec<String>, names: impl IntoIterator<Item = S>) {
    for name in names.into_iter().map(Into::into) {
        if !to.contains(&name) {
            to.push(name);
        }
    }
}

/// A scope, role or permission that the caller lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Denied {
    /// A scope is missing. The client can sign in again and request these scopes.
    #[error("Required scopes: {}", .needed.join(" "))]
    Scopes {
        /// All scopes that the operation needs, including those that the token has.
        needed: Vec<String>,
        /// The scopes of the token. The client must request them again, because the new token replaces this
        /// one.
        granted: Vec<String>,
    },
    /// A role is missing. Signing in again does not help.
    #[error("Required role: {needed}")]
    Role {
        /// The role's key.
        needed: String,
    },
    /// A permission is missing. Signing in again does not help.
    #[error("Required permission: {needed}")]
    Permission {
        /// The permission's key.
        needed: String,
    },
}

impl From<VerifiedClaims> for Session {
    fn from(verified: VerifiedClaims) -> Self {
        let organization = match verified.kind {
            TokenKind::SessionToken => verified.session_organization(),
            // Clerk puts only the organization's id into OAuth tokens. Other organization claims are not from
            // Clerk.
            TokenKind::OAuthToken => verified.oauth_organization(),
            TokenKind::ApiKey => verified.api_key_organization(),
            TokenKind::M2mToken => None,
        };
        let (organization_id, organization_slug, organization_role, organization_permissions) =
            match organization {
                Some(one) => (Some(one.id.into()), one.slug, one.role, one.permissions),
                None => (None, None, None, Vec::new()),
            };
        Self {
            user_id: verified
                .subject
                .starts_with("user_")
                .then(|| verified.subject.clone().into()),
            session_id: match verified.kind {
                TokenKind::SessionToken => verified.text("sid").map(Into::into),
                TokenKind::OAuthToken | TokenKind::M2mToken | TokenKind::ApiKey => None,
            },
            organization_id,
            organization_slug,
            organization_role,
            organization_permissions,
            actor: verified.object("act").cloned().map(Value::Object),
            subject: verified.subject,
            scopes: verified.scopes,
            client_id: verified.client_id.map(Into::into),
            token_type: verified.kind,
            expires_at: verified.expires_at,
            issued_at: verified.issued_at,
            claims: verified.claims,
        }
    }
}

/// Shows only ids. Custom claims can contain personal data, and `{session:?}` may be logged.
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

/// The caller is a machine or an organization, not a user.
///
/// ```
/// use clerk_mcp::session::{NoUser, Session};
///
/// fn account(session: &Session) -> String {
///     match session.require_user() {
///         Ok(user) => format!("account of {user}"),
///         Err(NoUser) => format!("account of {}", session.subject),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the token does not belong to a user; sign in as a user and call again")]
pub struct NoUser;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde requires this signature")]
fn as_text<S: serde::Serializer>(kind: &TokenKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.as_str())
}
