//! A local Clerk: the Frontend API and the Backend API of one development instance, on one loopback listener.
//!
//! [`LocalClerk`] is the handle. The Frontend API is at the origin, with the paths it has at Clerk; the Backend API
//! is below `/backend`, so that its base URL can be configured where `https://api.clerk.com` would be. State is in
//! memory, bounded, and ends with the process.
//!
//! What goes wrong at Clerk can be made to go wrong here: [`Fault`]s by the library, or by anyone on this machine
//! over the admin API below `/admin`, which describes itself there.
//!
//! One client's way through it: register (RFC 7591), authorize with PKCE (RFC 7636) on a page that asks which sample
//! user signs in, redeem the code, refresh with rotation. What people and tokens say comes from one directory, so
//! claims and Backend API agree; tests may add to it at any time.
//!
//! ```
//! use local_clerk::{Endpoint, Fault, LocalClerk};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clerk = LocalClerk::builder().start().await?;
//! let valid = clerk.session_token("ada@example.com")?.mint();
//! let unsigned = clerk.session_token("ada@example.com")?.header("alg", "none").unsigned().mint();
//! assert_ne!(valid, unsigned);
//!
//! // From here on requests for the key set fail.
//! clerk.inject(Fault::Down.at(Endpoint::Jwks).and(Endpoint::BackendJwks));
//! clerk.stop().await;
//! # Ok(())
//! # }
//! ```

mod admin;
mod backend;
mod builder;
mod clock;
mod handle;
mod http;
pub mod mint;
mod oauth;
pub mod position;
mod routes;
mod store;
mod tokens;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};

pub use crate::admin::is_operation;
pub use crate::{
    builder::{LocalClerkBuilder, StartError},
    http::authority::{Authority, CertificateError},
    oauth::client_document::ClientDocumentError,
    store::{
        credentials::{Credential, EndTokenError, Machine, NewCredential},
        endpoint::Endpoint,
        faults::{Fault, FaultId, FaultRule},
        people::{
            Actor, DirectoryError, Membership, NewOrganization, NewUser, Organization, Role, Session,
            SessionStatus, User,
        },
        rate_limit::RateLimit,
        request_log::RequestRecord,
        settings::{AccessTokens, InactiveTokens, ResourceIndicators},
        state_file::{State, StateError},
    },
    tokens::{error::MintError, recipes::AUTHORIZED_PARTY},
};
use crate::{mint::SigningKey, store::state::Instance};

/// How long requests under way may take once the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A running local Clerk. Stops when dropped; [`stop`](Self::stop) also waits for it.
///
/// Where a method takes a user, it takes an id, an email address or a first name; where it takes an organization, an
/// id or a slug.
pub struct LocalClerk {
    instance: Arc<Instance>,
    backend_api_url: String,
    authority: Option<Authority>,
    /// The ids of those who were there from the start.
    initial_users: Vec<String>,
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

    /// Where it listens, without a trailing slash: the same as [`frontend_api_url`](Self::frontend_api_url), unless it
    /// [passes for](LocalClerkBuilder::pass_for) an instance at Clerk.
    pub fn origin(&self) -> &str {
        &self.instance.origin
    }

    /// The `iss` of every token: the same as [`frontend_api_url`](Self::frontend_api_url).
    pub fn issuer(&self) -> &str {
        &self.instance.issuer
    }

    /// The Frontend API's host and port, for example `127.0.0.1:4567`.
    pub fn domain(&self) -> &str {
        &self.instance.domain
    }

    /// The Backend API's URL: what stands for `https://api.clerk.com`. `/v1` comes after it, as there.
    pub fn backend_api_url(&self) -> &str {
        &self.backend_api_url
    }

    /// Where the admin API describes itself, and begins.
    pub fn admin_url(&self) -> String {
        format!("{}{}", self.instance.origin, admin::PREFIX)
    }

    /// The key to the Backend API, `sk_test_…`.
    pub fn secret_key(&self) -> &str {
        &self.instance.secret_key
    }

    /// The key that names the Frontend API, `pk_test_…`.
    pub fn publishable_key(&self) -> &str {
        &self.instance.publishable_key
    }

    /// `ins_…`, the id of the first signing key.
    pub fn instance_id(&self) -> &str {
        &self.instance.id
    }

    /// The key that signs now.
    pub fn signing_key(&self) -> SigningKey {
        self.instance.keys.read().signing().clone()
    }

    /// The authority that https clients must trust; `None` where there is only http.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
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

    /// The users there were at the start. Unless [a file](State) names others: one with several organizations, one
    /// with a single one, one with none.
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

    /// Stops listening and waits until the requests under way are answered, two seconds at most.
    pub async fn stop(mut self) {
        // Nobody is left to let go of what is held.
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
