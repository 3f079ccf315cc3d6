//! A local Clerk: the Frontend API and the Backend API of one development instance, on one loopback listener.
//!
//! [`LocalClerk`] is the handle. The Frontend API is at the origin, with the paths it has at Clerk; the Backend API
//! is below `/backend`, so that its base URL can be configured where `https://api.clerk.com` would be. State is in
//! memory and ends with the process.
//!
//! One client's way through it: register (RFC 7591), authorize with PKCE (RFC 7636) on a page that asks which sample
//! user signs in, redeem the code, refresh with rotation. What people and tokens say comes from one directory, so
//! claims and Backend API agree; tests may add to it at any time.

mod access_token;
mod backend;
mod builder;
mod directory;
mod endpoint;
mod frontend;
mod grants;
mod ids;
mod incoming;
mod parameters;
mod people;
mod permissions;
mod respond;
mod routes;
mod samples;
mod scope;
mod state;
mod tokens;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};

pub use self::{
    builder::{LocalClerkBuilder, StartError},
    endpoint::Endpoint,
    people::{DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, User},
    state::AccessTokens,
    tokens::AUTHORIZED_PARTY,
};
use self::{scope::Scopes, state::Instance, tokens::AccessGrant};
use crate::mint::{Recipe, SigningKey};

/// How long requests under way may take once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A running local Clerk. Stops when dropped; [`stop`](Self::stop) also waits for it.
///
/// Where a method takes a user, it takes an id, an email address or a first name; where it takes an organization, an
/// id or a slug.
pub struct LocalClerk {
    instance: Arc<Instance>,
    domain: String,
    publishable_key: String,
    backend_api_url: String,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<std::io::Result<()>>>,
}

/// A user of the samples, as a person would want them listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleUser {
    /// `user_…`
    pub id: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Email address at example.com.
    pub email: String,
    /// Where the user is a member.
    pub organizations: Vec<SampleOrganization>,
}

/// An organization a sample user is in, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleOrganization {
    /// `org_…`
    pub id: String,
    /// The name in URLs.
    pub slug: String,
    /// The name shown to people.
    pub name: String,
    /// The key of the user's role: `org:admin`.
    pub role: String,
}

impl LocalClerk {
    /// Settings with their defaults; see [`LocalClerkBuilder`].
    pub fn builder() -> LocalClerkBuilder {
        LocalClerkBuilder::default()
    }

    /// The Frontend API's URL without a trailing slash, for example `http://127.0.0.1:4567`.
    pub fn frontend_api_url(&self) -> &str {
        &self.instance.issuer
    }

    /// The `iss` of every token: the same as [`frontend_api_url`](Self::frontend_api_url).
    pub fn issuer(&self) -> &str {
        &self.instance.issuer
    }

    /// The Frontend API's host and port, for example `127.0.0.1:4567`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The Backend API's URL: what stands for `https://api.clerk.com`. `/v1` comes after it, as there.
    pub fn backend_api_url(&self) -> &str {
        &self.backend_api_url
    }

    /// The key to the Backend API, `sk_test_…`.
    pub fn secret_key(&self) -> &str {
        &self.instance.secret_key
    }

    /// The key that names the Frontend API, `pk_test_…`.
    pub fn publishable_key(&self) -> &str {
        &self.publishable_key
    }

    /// `ins_…`, the id of the first signing key.
    pub fn instance_id(&self) -> &str {
        &self.instance.id
    }

    /// The key that signs now.
    pub fn signing_key(&self) -> SigningKey {
        self.instance.signing_key.read().clone()
    }

    /// The environment of a server that is to use this Clerk. **Holds the secret key.**
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CLERK_SECRET_KEY", self.secret_key().to_owned()),
            ("CLERK_DOMAIN", self.domain().to_owned()),
            ("CLERK_FRONTEND_API_URL", self.frontend_api_url().to_owned()),
            ("CLERK_API_URL", self.backend_api_url().to_owned()),
        ]
    }

    /// The users every local Clerk starts with: one with several organizations, one with a single one, one with none.
    pub fn sample_users(&self) -> Vec<SampleUser> {
        let directory = self.instance.directory.read();
        let sample = |user: &User| SampleUser {
            id: user.id.clone(),
            first_name: user.first_name.clone().unwrap_or_default(),
            last_name: user.last_name.clone().unwrap_or_default(),
            email: user.email.clone().unwrap_or_default(),
            organizations: directory
                .memberships_of_user(&user.id)
                .map(|member| SampleOrganization {
                    id: member.organization.id.clone(),
                    slug: member.organization.slug.clone(),
                    name: member.organization.name.clone(),
                    role: member.role.key.clone(),
                })
                .collect(),
        };
        samples::USER_IDS
            .iter()
            .filter_map(|id| directory.user_by_id(id))
            .map(sample)
            .collect()
    }

    /// How many requests this endpoint has received, refused ones included.
    pub fn request_count(&self, endpoint: Endpoint) -> u64 {
        self.instance
            .requests
            .lock()
            .get(&endpoint)
            .copied()
            .unwrap_or_default()
    }

    /// Stops listening and waits until the requests under way are answered, two seconds at most.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take()
            && let Ok(Err(error)) = server.await
        {
            tracing::warn!(%error, "the local Clerk did not stop cleanly");
        }
    }
}

/// Changes to the people of the instance, and to its key.
impl LocalClerk {
    /// Adds a user, with one active session.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] for an id or email address in use, [`DirectoryError::Malformed`] for a feature.
    pub fn add_user(&self, user: NewUser) -> Result<User, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_user(user, self.instance.clock.now())
    }

    /// Adds an organization without members.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] for an id or slug in use.
    pub fn add_organization(&self, organization: NewOrganization) -> Result<Organization, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_organization(organization, self.instance.clock.now())
    }

    /// Adds a role to those of the samples: `org:admin`, `org:member`, `org:billing_manager`.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Taken`] for a key in use, [`DirectoryError::Malformed`] for a key or permission.
    pub fn add_role(&self, role: Role) -> Result<(), DirectoryError> {
        self.instance.directory.write().add_role(role)
    }

    /// Makes a user a member of an organization, as `role` (its key).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::Taken`] for a member.
    pub fn add_membership(
        &self,
        user: &str,
        organization: &str,
        role: &str,
    ) -> Result<Membership, DirectoryError> {
        self.instance
            .directory
            .write()
            .add_membership(user, organization, role, self.instance.clock.now())
    }

    /// Bans a user: no more signing in or refreshing, and the Backend API says so. Tokens issued stay valid.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn ban_user(&self, user: &str) -> Result<(), DirectoryError> {
        self.instance
            .directory
            .write()
            .ban_user(user, self.instance.clock.now())
    }

    /// Signs this user in without a page from now on, or shows the page again.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn set_auto_approve(&self, user: Option<&str>) -> Result<(), DirectoryError> {
        let id = match user {
            Some(selector) => Some(self.instance.directory.read().user(selector)?.id.clone()),
            None => None,
        };
        *self.instance.auto_approve.write() = id;
        Ok(())
    }

    /// Signs with `key` from now on, and publishes it in place of the old one. The instance id stays.
    pub fn rotate_key(&self, key: SigningKey) {
        *self.instance.signing_key.write() = key;
    }
}

/// Tokens as Clerk makes them, valid as of now, signed with the current key. Change the recipe to spoil them.
impl LocalClerk {
    /// A session token, version 2, with no active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token(user)
    }

    /// A session token, version 2, with this organization active (claim `o`).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::NotAMember`].
    pub fn session_token_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_in(user, organization)
    }

    /// A session token, version 1, with no active organization.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn session_token_v1(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1(user)
    }

    /// A session token, version 1, with this organization active (claims `org_…`): it says the same as
    /// [`session_token_in`](Self::session_token_in).
    ///
    /// # Errors
    ///
    /// `Unknown…` for what does not exist, [`DirectoryError::NotAMember`].
    pub fn session_token_v1_in(&self, user: &str, organization: &str) -> Result<Recipe, DirectoryError> {
        self.instance.session_token_v1_in(user, organization)
    }

    /// An OAuth access token (`at+jwt`). `aud` is there only with a `resource`; any `client_id` will do.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn oauth_token(
        &self,
        user: &str,
        client_id: &str,
        scopes: &[&str],
        resource: Option<&str>,
    ) -> Result<Recipe, DirectoryError> {
        let user_id = self.instance.directory.read().user(user)?.id.clone();
        Ok(self.instance.access_token(&AccessGrant {
            user_id: &user_id,
            client_id,
            scopes: &scopes.iter().copied().collect(),
            resources: &resource.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            organization_id: None,
        }))
    }

    /// An ID token for a client: never a credential for an API.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn id_token(&self, user: &str, client_id: &str, scopes: &[&str]) -> Result<Recipe, DirectoryError> {
        let directory = self.instance.directory.read();
        let user = directory.user(user)?;
        let scopes: Scopes = scopes.iter().copied().collect();
        let grant = AccessGrant {
            user_id: &user.id,
            client_id,
            scopes: &scopes,
            resources: &[],
            organization_id: None,
        };
        Ok(self.instance.id_token(user, &grant, None))
    }

    /// A token made from a JWT template without claims of its own: no `sid`, so no session ends it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::UnknownUser`], [`DirectoryError::AmbiguousUser`].
    pub fn template_token(&self, user: &str) -> Result<Recipe, DirectoryError> {
        self.instance.template_token(user)
    }

    /// A machine-to-machine token as a JWT; `machine_id` is `mch_…` at Clerk.
    pub fn m2m_token(&self, machine_id: &str) -> Recipe {
        self.instance.m2m_token(machine_id)
    }
}

impl fmt::Debug for LocalClerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalClerk")
            .field("issuer", &self.instance.issuer)
            .finish_non_exhaustive()
    }
}
