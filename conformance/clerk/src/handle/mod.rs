//! [`LocalClerk`], the handle of a running local Clerk. Its methods are grouped by subject: directory,
//! tokens, keys, faults and requests.

mod directory;
mod faults;
mod keys;
mod requests;
mod tokens;

use std::{fmt, io, sync::Arc};

use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    admin,
    http::authority::Authority,
    mint::SigningKey,
    store::{instance::Instance, people::User},
};

/// A running local Clerk. Dropping it stops the server; [`stop`](Self::stop) also waits until the server has
/// stopped.
///
/// Methods that take a user accept an id, an email address or a first name. Methods that take an organization
/// accept an id or a slug.
pub struct LocalClerk {
    pub(crate) instance: Arc<Instance>,
    pub(crate) backend_api_url: String,
    pub(crate) authority: Option<Authority>,
    /// The ids of the users that existed at the start.
    pub(crate) initial_users: Vec<String>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) server: Option<JoinHandle<io::Result<()>>>,
}

/// A user that existed at the start, with the names and organizations to show in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleUser {
    /// `user_…`
    pub id: String,
    /// Given name; empty if the user has none.
    pub first_name: String,
    /// Family name; empty if the user has none.
    pub last_name: String,
    /// Email address; empty if the user has none.
    pub email: String,
    /// The organizations that the user belongs to.
    pub organizations: Vec<SampleOrganization>,
}

/// An organization of a [`SampleUser`], and the user's role in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleOrganization {
    /// `org_…`
    pub id: String,
    /// The name used in URLs.
    pub slug: String,
    /// The display name.
    pub name: String,
    /// The key of the user's role, for example `org:admin`.
    pub role: String,
}

impl LocalClerk {
    /// Returns the URL of the Frontend API without a trailing slash, for example `http://127.0.0.1:4567`.
    pub fn frontend_api_url(&self) -> &str {
        &self.instance.issuer
    }

    /// Returns the URL of the listener without a trailing slash. It equals
    /// [`frontend_api_url`](Self::frontend_api_url), unless the local Clerk
    /// [stands in for](crate::LocalClerkBuilder::stand_in_for) another instance.
    pub fn origin(&self) -> &str {
        &self.instance.origin
    }

    /// Returns the `iss` claim of every token. It equals [`frontend_api_url`](Self::frontend_api_url).
    pub fn issuer(&self) -> &str {
        &self.instance.issuer
    }

    /// Returns the host and port of the Frontend API, for example `127.0.0.1:4567`.
    pub fn domain(&self) -> &str {
        &self.instance.domain
    }

    /// Returns the base URL of the Backend API, to be configured in place of `https://api.clerk.com`. Paths
    /// begin with `/v1` after it, as at Clerk.
    pub fn backend_api_url(&self) -> &str {
        &self.backend_api_url
    }

    /// Returns the base URL of the admin API. A GET request to it lists the operations.
    pub fn admin_url(&self) -> String {
        format!("{}{}", self.instance.origin, admin::PREFIX)
    }

    /// Returns the secret key of the Backend API, `sk_test_…`.
    pub fn secret_key(&self) -> &str {
        &self.instance.secret_key
    }

    /// Returns the publishable key, `pk_test_…`, which encodes the Frontend API's host.
    pub fn publishable_key(&self) -> &str {
        &self.instance.publishable_key
    }

    /// Returns the instance id, `ins_…`. It is the key id of the first signing key.
    pub fn instance_id(&self) -> &str {
        &self.instance.id
    }

    /// Returns the key that signs tokens now.
    pub fn signing_key(&self) -> SigningKey {
        self.instance.keys.read().signing().clone()
    }

    /// Returns the certificate authority that https clients must trust; `None` over http.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// Returns the environment variables that make a server use this Clerk. **They include the secret key.**
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("CLERK_SECRET_KEY", self.secret_key().to_owned()),
            ("CLERK_DOMAIN", self.domain().to_owned()),
            ("CLERK_FRONTEND_API_URL", self.frontend_api_url().to_owned()),
            ("CLERK_API_URL", self.backend_api_url().to_owned()),
        ]
    }

    /// Registers a resource, as in Clerk Dashboard > Agents > MCP servers. From the first one on, an OAuth
    /// token can only be issued for a registered resource, unless [resource
    /// indicators](crate::ResourceIndicators) are ignored.
    pub fn register_resource(&self, resource: impl Into<String>) {
        self.instance.resources.write().insert(resource.into());
    }

    /// Returns the users that existed at the start, as they are now. Unless a [`State`](crate::State)
    /// replaced them: one user with three organizations, one with one, and one with none.
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
        self.initial_users
            .iter()
            .filter_map(|id| directory.user_by_id(id))
            .map(sample)
            .collect()
    }

    /// Stops listening and waits, at most two seconds, for requests in flight to be answered.
    pub async fn stop(mut self) {
        // Once the handle is gone, no one can clear a fault that holds a request.
        self.instance.faults.clear_all();
        drop(self.stop.take());
        if let Some(server) = self.server.take()
            && let Ok(Err(error)) = server.await
        {
            tracing::warn!(%error, "the local Clerk did not stop cleanly");
        }
    }
}

impl fmt::Debug for LocalClerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalClerk")
            .field("issuer", &self.instance.issuer)
            .finish_non_exhaustive()
    }
}
