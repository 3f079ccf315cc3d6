//! The objects of the Backend API, with the members that are used here. Unknown members are ignored, because
//! Clerk adds members without a new API version.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::id::{MembershipId, OrganizationId, UserId};

/// A user (Clerk Backend API, `User`).
///
/// ```
/// use clerk_mcp::clerk::{EmailAddress, User};
///
/// fn has_address_at(user: &User, domain: &str) -> bool {
///     let matches = |address: &EmailAddress| address.email_address.ends_with(&format!("@{domain}"));
///     user.email_addresses.iter().any(matches)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// `user_…`.
    pub id: UserId,
    /// The id of the primary address in [`email_addresses`](Self::email_addresses).
    pub primary_email_address_id: Option<String>,
    /// All addresses, verified or not.
    #[serde(default)]
    pub email_addresses: Vec<EmailAddress>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// URL of the profile image.
    pub image_url: Option<String>,
    /// Metadata that the frontend can read but not change.
    #[serde(default)]
    pub public_metadata: Map<String, Value>,
    /// Whether the user is banned.
    #[serde(default)]
    pub banned: bool,
    /// Whether the user is locked, for example after too many failed sign-ins.
    #[serde(default)]
    pub locked: bool,
    /// Whether the user was removed from the directory that provisioned them.
    #[serde(default)]
    pub deprovisioned: bool,
    /// When the user was created.
    #[serde(deserialize_with = "milliseconds")]
    pub created_at: Timestamp,
    /// When the user last changed.
    #[serde(deserialize_with = "milliseconds")]
    pub updated_at: Timestamp,
}

impl User {
    /// Returns the primary email address, if the user has one.
    pub fn primary_email(&self) -> Option<&str> {
        let primary = self.primary_email_address_id.as_deref()?;
        self.email_addresses
            .iter()
            .find(|address| address.id.as_deref() == Some(primary))
            .map(|one| one.email_address.as_str())
    }
}

/// An email address of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EmailAddress {
    /// `idn_…`.
    pub id: Option<String>,
    /// The address.
    pub email_address: String,
}

/// A user's membership in an organization (`OrganizationMembership`).
///
/// ```
/// use clerk_mcp::clerk::{Membership, Organization};
///
/// fn administered(memberships: &[Membership]) -> Vec<&Organization> {
///     memberships.iter().filter(|one| one.role == "org:admin").map(|one| &one.organization).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Membership {
    /// `orgmem_…`.
    pub id: MembershipId,
    /// The role's full key, such as `org:admin`.
    pub role: String,
    /// The full keys of the permissions, including system permissions (`org:sys_…`).
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The organization.
    pub organization: Organization,
    /// When the user became a member.
    #[serde(deserialize_with = "milliseconds")]
    pub created_at: Timestamp,
    /// The member, in lists of an organization's members.
    pub(super) public_user_data: Option<PublicUserData>,
}

/// The public data of a member.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct PublicUserData {
    pub(super) user_id: UserId,
}

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Organization {
    /// `org_…`.
    pub id: OrganizationId,
    /// The name of the organization.
    pub name: String,
    /// The slug of the organization, if it has one.
    pub slug: Option<String>,
}

/// One page of memberships.
#[derive(Debug, Deserialize)]
pub(super) struct MembershipPage {
    pub(super) data: Vec<Membership>,
    pub(super) total_count: usize,
}

/// A JSON Web Key Set, reduced to the ids of its keys.
#[derive(Debug, Deserialize)]
pub(super) struct KeyIds {
    pub(super) keys: Vec<KeyId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct KeyId {
    pub(super) kid: Option<String>,
}

/// Deserializes a time of the Backend API: milliseconds since 1970.
fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let milliseconds = i64::deserialize(deserializer)?;
    Timestamp::from_millisecond(milliseconds).map_err(serde::de::Error::custom)
}
