//! Users, organizations, roles and memberships: what the [directory](crate::store::directory) keeps.

use jiff::Timestamp;

/// A user of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `user_` and 27 characters.
    pub id: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The primary email address, verified.
    pub email: Option<String>,
    /// The user's first session, `sess_` and 27 characters: the `sid` of session tokens.
    pub session_id: String,
    /// Features of the user's own plan, the `u:` entries of `fea`.
    pub features: Vec<String>,
    /// A banned user cannot sign in, and refresh tokens stop working.
    pub banned: bool,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the user was last changed.
    pub updated_at: Timestamp,
    /// `idn_` and 27 characters.
    pub(crate) email_id: String,
}

impl User {
    /// First and last name, or the email address, or the id: whatever there is to call the user by.
    pub fn display_name(&self) -> String {
        match (&self.first_name, &self.last_name) {
            (Some(first), Some(last)) => format!("{first} {last}"),
            (Some(name), None) | (None, Some(name)) => name.clone(),
            (None, None) => self.email.as_ref().unwrap_or(&self.id).clone(),
        }
    }
}

/// What to know about a user before adding one. `Default` is a user of whom nothing is known.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Made when absent.
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
    /// `org_` and 27 characters.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// The name in URLs, unique in the instance.
    pub slug: String,
    /// When the organization was added.
    pub created_at: Timestamp,
}

/// What to know about an organization before adding one.
#[derive(Clone, Debug, Default)]
pub struct NewOrganization {
    /// Made when absent.
    pub id: Option<String>,
    /// The name shown to people.
    pub name: String,
    /// Made from the name when absent.
    pub slug: Option<String>,
}

/// A role, the same in every organization of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `org:` and a name: `org:admin`.
    pub key: String,
    /// The name shown to people.
    pub name: String,
    /// Custom permissions (`org:<feature>:<action>`) and system permissions (`org:sys_…`), in order.
    pub permissions: Vec<String>,
}

/// A user's place in an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `orgmem_` and 27 characters.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// Where.
    pub organization_id: String,
    /// As what: the key of a [`Role`].
    pub role: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// A session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// `sess_` and 27 characters: the `sid` of session tokens.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// The browser it lives in, `client_` and 27 characters.
    pub client_id: String,
    /// What became of it.
    pub status: SessionStatus,
    /// Who really acts, when somebody impersonates the user.
    pub actor: Option<Actor>,
    /// Since when.
    pub created_at: Timestamp,
}

/// Who impersonates a user: the claim `act`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The impersonator's user id.
    pub user_id: String,
    /// The impersonator's own session.
    pub session_id: String,
}

/// The states of a session, by Clerk's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionStatus {
    /// Signed in.
    #[default]
    Active,
    /// Signed in, but with something left to do, like choosing an organization. Counts as signed out.
    Pending,
    /// Ended from outside.
    Revoked,
    /// Ended by the user.
    Ended,
    /// Too old.
    Expired,
    /// The user signed out of one session of several.
    Removed,
    /// Not used for too long.
    Abandoned,
    /// Another session took its place.
    Replaced,
}

impl SessionStatus {
    /// All of them.
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

    /// As the Backend API writes it.
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

    /// The status of this [name](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Why a change or a look-up in the directory was refused.
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
    #[error("no role has the key {0:?}: add it with `add_role`")]
    UnknownRole(String),
    /// No machine has this id.
    #[error("no machine has the id {0:?}: add it with `add_machine`")]
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
    /// An id, slug, role key or membership that is there already.
    #[error("{0:?} is taken")]
    Taken(String),
    /// A role key, permission or feature that cannot be written into a token.
    #[error("{0:?} is not of the form {1}")]
    Malformed(String, &'static str),
}
