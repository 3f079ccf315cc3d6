//! The entries of the [directory](crate::store::directory): users, organizations, roles, memberships and
//! sessions.

use jiff::Timestamp;

/// A user of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `user_` followed by 27 characters.
    pub id: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The verified primary email address.
    pub email: Option<String>,
    /// The user's first session, `sess_` followed by 27 characters; the `sid` of session tokens.
    pub session_id: String,
    /// Features of the user's own plan; the `u:` entries of `fea`.
    pub features: Vec<String>,
    /// Whether the user is banned. A banned user cannot sign in, and the user's refresh tokens stop working.
    pub banned: bool,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
    /// `idn_` followed by 27 characters.
    pub(crate) email_id: String,
}

impl User {
    /// Returns the name to display: first and last name, else the email address, else the id.
    pub fn display_name(&self) -> String {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => format!("{first} {last}"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => self.email.as_ref().unwrap_or(&self.id).clone(),
        }
    }
}

/// A user to add. The default has no names, no email address and no features.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Generated if `None`.
    pub id: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The primary email address.
    pub email: Option<String>,
    /// Features of the user's own plan.
    pub features: Vec<String>,
}

/// An organization of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// `org_` followed by 27 characters.
    pub id: String,
    /// The display name.
    pub name: String,
    /// The name used in URLs, unique in the instance.
    pub slug: String,
    /// When the organization was added.
    pub created_at: Timestamp,
}

/// An organization to add.
#[derive(Clone, Debug, Default)]
pub struct NewOrganization {
    /// Generated if `None`.
    pub id: Option<String>,
    /// The display name.
    pub name: String,
    /// Derived from the name if `None`.
    pub slug: Option<String>,
}

/// A role, the same in every organization of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `org:` followed by a name, for example `org:admin`.
    pub key: String,
    /// The display name.
    pub name: String,
    /// Custom permissions (`org:<feature>:<action>`) and system permissions (`org:sys_…`), in order.
    pub permissions: Vec<String>,
}

/// A user's membership in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `orgmem_` followed by 27 characters.
    pub id: String,
    /// The member.
    pub user_id: String,
    /// The organization.
    pub organization_id: String,
    /// The key of the member's [`Role`].
    pub role: String,
    /// When the user was added.
    pub created_at: Timestamp,
}

/// A session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `sess_` followed by 27 characters; the `sid` of session tokens.
    pub id: String,
    /// The signed-in user.
    pub user_id: String,
    /// The browser or device, `client_` followed by 27 characters.
    pub client_id: String,
    /// The current status.
    pub status: SessionStatus,
    /// The impersonator, if the user is impersonated.
    pub actor: Option<Actor>,
    /// When the session was created.
    pub created_at: Timestamp,
}

/// The impersonator of a user (claim `act`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The impersonator's user id.
    pub user_id: String,
    /// The impersonator's own session.
    pub session_id: String,
}

/// The status of a session, with Clerk's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionStatus {
    /// Signed in.
    #[default]
    Active,
    /// Signed in with a task left to complete, such as choosing an organization. Treated as signed out.
    Pending,
    /// Ended by an administrator or the application.
    Revoked,
    /// Ended by the user.
    Ended,
    /// Reached the maximum lifetime.
    Expired,
    /// The user signed out of this session only.
    Removed,
    /// Not used for too long.
    Abandoned,
    /// Replaced by another session.
    Replaced,
}

impl SessionStatus {
    /// All statuses.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Pending,
        Self::Revoked,
        Self::Ended,
        Self::Expired,
        Self::Removed,
        Self::Abandoned,
        Self::Replaced,
    ];

    /// Returns the name in the Backend API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Revoked => "revoked",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Removed => "removed",
            Self::Abandoned => "abandoned",
            Self::Replaced => "replaced",
        }
    }

    /// Returns the status with this [name](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Why a change or a look-up in the directory failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No user has this id, email address or first name.
    #[error("no user has the id, email address or first name {0:?}")]
    UnknownUser(String),
    /// More than one user has this first name.
    #[error("more than one user has the first name {0:?}: use the id or the email address")]
    AmbiguousUser(String),
    /// No organization has this id or slug.
    #[error("no organization has the id or slug {0:?}")]
    UnknownOrganization(String),
    /// No role has this key.
    #[error("no role has the key {0:?}: add the role first")]
    UnknownRole(String),
    /// No machine has this id.
    #[error("no machine has the id {0:?}: add the machine first")]
    UnknownMachine(String),
    /// No session has this id.
    #[error("no session has the id {0:?}")]
    UnknownSession(String),
    /// The user is not in the organization.
    #[error("user {user_id} is not a member of organization {organization_id}")]
    NotAMember {
        /// The user.
        user_id: String,
        /// The organization.
        organization_id: String,
    },
    /// The id, email address, slug, role key or membership exists already.
    #[error("{0:?} exists already")]
    Taken(String),
    /// A role key, permission, feature or status is malformed. The second field says what was expected.
    #[error("invalid value {0:?}: expected {1}")]
    Malformed(String, &'static str),
}
