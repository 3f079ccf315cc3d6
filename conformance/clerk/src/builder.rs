//! [`LocalClerkBuilder`]: settings of a local Clerk, and starting it.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};
use poem::Server;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    clock::Clock,
    handle::LocalClerk,
    http::{
        authority::{Authority, CertificateError},
        listener::{ClerkAcceptor, Connections},
    },
    mint::SigningKey,
    routes,
    store::{
        faults::Faults,
        ids::Ids,
        instance::Instance,
        keyring::Keyring,
        people::DirectoryError,
        rate_limit::{Limiter, RateLimit},
        request_log::RequestLog,
        samples,
        settings::{AccessTokens, InactiveTokens, ResourceIndicators, Settings},
        state_file::{State, StateError},
    },
};

/// Time limit for requests in flight once the server has been told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Settings of a [`LocalClerk`] that has not started yet. Created by [`LocalClerk::builder`].
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct LocalClerkBuilder {
    address: SocketAddr,
    auto_approve: Option<String>,
    /// The Frontend API host of the instance to stand in for.
    public_host: Option<String>,
    issuer_path: String,
    resources: BTreeSet<String>,
    authority: Option<Authority>,
    clock: Clock,
    seed: Option<u64>,
    signing_key: Option<SigningKey>,
    settings: Settings,
    state: Option<State>,
}

/// Why a local Clerk did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens on the address.
    #[error(
        "{address} is in use: stop the process that uses it, or choose another port (0 picks a free one)"
    )]
    AddressInUse {
        /// The requested address.
        address: SocketAddr,
    },
    /// The operating system does not allow listening on the address.
    #[error("cannot listen on {address}: choose an address of this machine, for example 127.0.0.1")]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The I/O error.
        source: io::Error,
    },
    /// The user for [`auto_approve`](LocalClerkBuilder::auto_approve) does not exist.
    #[error("cannot auto-approve sign-ins")]
    AutoApprove(#[source] DirectoryError),
    /// The sample users and organizations are inconsistent.
    #[error("the sample users and organizations are inconsistent")]
    Directory(#[source] DirectoryError),
    /// The [`State`] is inconsistent.
    #[error(transparent)]
    State(#[from] StateError),
    /// The certificate for https could not be created.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl LocalClerk {
    /// Returns a builder with the default settings.
    pub fn builder() -> LocalClerkBuilder {
        LocalClerkBuilder::default()
    }
}

impl Default for LocalClerkBuilder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auto_approve: None,
            public_host: None,
            issuer_path: String::new(),
            resources: BTreeSet::new(),
            authority: None,
            clock: Clock::system(),
            seed: None,
            signing_key: None,
            settings: Settings::default(),
            state: None,
        }
    }
}

impl LocalClerkBuilder {
    /// Sets the address to listen on. Default: a free port on 127.0.0.1.
    ///
    /// **Anyone who can connect can act as any user**, so use other addresses than loopback only on isolated
    /// networks.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Serves https with a certificate issued by this authority, which clients must trust. Default: http.
    pub fn https(mut self, authority: &Authority) -> Self {
        self.authority = Some(authority.clone());
        self
    }

    /// Stands in for the Clerk instance with this Frontend API host, and for `api.clerk.com`: URLs and tokens
    /// name that host, the certificate is valid for both hosts, and requests for `api.clerk.com` get the
    /// Backend API.
    ///
    /// Requires [`https`](Self::https), and a proxy or DNS override that sends requests for these hosts here.
    pub fn stand_in_for(mut self, frontend_api_host: impl Into<String>) -> Self {
        self.public_host = Some(frontend_api_host.into());
        self
    }

    /// Adds this path to the issuer, such as `/tenant`, as authorization servers with several tenants do. The
    /// endpoints are below it, and the metadata documents also at their well-known URLs (RFC 8414 §3.1). Clerk's
    /// issuers have no path.
    pub fn issuer_path(mut self, path: impl Into<String>) -> Self {
        self.issuer_path = path.into();
        self
    }

    /// Signs this user (id, email address or first name) in and consents without showing a page.
    pub fn auto_approve(mut self, user: impl Into<String>) -> Self {
        self.auto_approve = Some(user.into());
        self
    }

    /// Calls `now` for the current time instead of reading the system clock.
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Derives ids and secrets from this number, so that the same requests in the same order give the same
    /// values. Signing keys stay random; set [`signing_key`](Self::signing_key) and [`clock`](Self::clock)
    /// too to get identical tokens.
    ///
    /// **Every secret of the instance, including the secret key, can then be guessed.**
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts with these users and organizations instead of the samples.
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Signs with this key instead of a new one. Its key id becomes the instance id.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// Sets the format of the access tokens that the token endpoint issues. Default: JWT.
    pub fn access_tokens(mut self, form: AccessTokens) -> Self {
        self.settings.access_tokens = form;
        self
    }

    /// Sets how the `resource` parameter is handled. Default: strict.
    pub fn resource_indicators(mut self, mode: ResourceIndicators) -> Self {
        self.settings.resource_indicators = mode;
        self
    }

    /// Registers a resource (see [`ResourceIndicators`]). Can be repeated.
    pub fn register_resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.insert(resource.into());
        self
    }

    /// Sets how the verify endpoints answer for revoked and expired tokens. Default: 200 with flags.
    pub fn inactive_tokens(mut self, mode: InactiveTokens) -> Self {
        self.settings.inactive_tokens = mode;
        self
    }

    /// Turns dynamic client registration (RFC 7591) on or off. Default: on. At Clerk it is off until someone
    /// turns it on.
    pub fn dynamic_registration(mut self, on: bool) -> Self {
        self.settings.dynamic_registration = on;
        self
    }

    /// Sets whether the response to a dynamic registration lists `refresh_token` in `grant_types`. Default:
    /// no, as at Clerk, although the metadata lists it and every client gets refresh tokens. Some clients
    /// refuse such a response.
    pub fn registration_lists_refresh_token(mut self, on: bool) -> Self {
        self.settings.registration_lists_refresh_token = on;
        self
    }

    /// Turns client ids that are the https URL of a client metadata document on or off. Default: on. At Clerk
    /// they are off until someone turns them on.
    pub fn client_id_metadata_documents(mut self, on: bool) -> Self {
        self.settings.client_id_metadata_documents = on;
        self
    }

    /// Trusts this certificate authority (PEM), in addition to the system's, when fetching client metadata
    /// documents. The authority given to [`https`](Self::https) is always trusted.
    pub fn trust(mut self, pem: impl Into<String>) -> Self {
        self.settings.trusted.push(pem.into());
        self
    }

    /// Limits requests to the Backend API. Default: no limit.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.settings.rate_limit = Some(limit);
        self
    }

    /// Sets how long after its first use a refresh token may be used again. Default: not at all. A second use
    /// then revokes the grant, as if the token had been stolen (RFC 9700 §4.14.2), also when a client with
    /// several processes refreshes twice at once. With a leeway, each use within it returns new tokens.
    pub fn refresh_leeway(mut self, leeway: Duration) -> Self {
        self.settings.refresh_leeway = SignedDuration::try_from(leeway).unwrap_or(SignedDuration::MAX);
        self
    }

    /// Adds a scope of the application (Clerk Dashboard, "OAuth applications > Scopes"), with its description
    /// on the consent page. Repeatable.
    pub fn custom_scope(mut self, name: &str, description: &str) -> Self {
        let scope = (name.to_owned(), description.to_owned());
        self.settings.custom_scopes.push(scope);
        self
    }

    /// Sets the scopes of clients that register without `scope`. Default: `email offline_access profile`.
    pub fn default_scopes(mut self, scopes: &[&str]) -> Self {
        self.settings.default_scopes = scopes.iter().copied().collect();
        self
    }

    /// Starts the server on the current tokio runtime. It runs until the handle is stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::AddressInUse`] and [`StartError::Bind`] if the address cannot be listened on,
    /// [`StartError::State`] if the users and organizations are inconsistent, [`StartError::AutoApprove`] if
    /// the user does not exist or is ambiguous, [`StartError::Certificate`] if the certificate for https
    /// cannot be created.
    pub async fn start(mut self) -> Result<LocalClerk, StartError> {
        let bind_error = |source: io::Error| {
            if source.kind() == io::ErrorKind::AddrInUse {
                StartError::AddressInUse {
                    address: self.address,
                }
            } else {
                StartError::Bind {
                    address: self.address,
                    source,
                }
            }
        };
        let listener = TcpListener::bind(self.address).await.map_err(bind_error)?;
        let address = connectable(listener.local_addr().map_err(bind_error)?);
        let connections = Connections::default();
        let (scheme, tls) = match &self.authority {
            Some(authority) => {
                self.settings.trusted.push(authority.pem().to_owned());
                let names = self
                    .public_host
                    .iter()
                    .map(String::as_str)
                    .chain([routes::BACKEND_HOST]);
                ("https", Some(authority.acceptor(address.ip(), names)?))
            }
            None => ("http", None),
        };
        let acceptor = ClerkAcceptor {
            listener,
            tls,
            connections: connections.clone(),
        };

        let ids = Arc::new(Ids::new(self.seed));
        let now = self.clock.now();
        let directory = match &self.state {
            Some(state) => state.directory(Arc::clone(&ids), now)?,
            None => samples::directory(Arc::clone(&ids), now).map_err(StartError::Directory)?,
        };
        let initial_users = directory.users().map(|user| user.id.clone()).collect();
        let auto_approve = match &self.auto_approve {
            Some(selector) => Some(
                directory
                    .user(selector)
                    .map_err(StartError::AutoApprove)?
                    .id
                    .clone(),
            ),
            None => None,
        };
        let signing_key = self
            .signing_key
            .unwrap_or_else(|| SigningKey::generate(ids.id("ins")));
        let origin = format!("{scheme}://{address}");
        let (issuer, domain, backend_api_url) = match self.public_host {
            Some(host) => (
                format!("https://{host}"),
                host,
                format!("https://{}", routes::BACKEND_HOST),
            ),
            None => (
                origin.clone(),
                address.to_string(),
                format!("{origin}{}", routes::BACKEND),
            ),
        };
        let instance = Arc::new(Instance {
            origin,
            issuer: format!("{issuer}{}", self.issuer_path),
            issuer_path: self.issuer_path,
            id: signing_key.kid().to_owned(),
            secret_key: format!("sk_test_{}", ids.alphanumeric("secret_key", 42)),
            publishable_key: format!("pk_test_{}", BASE64_STANDARD_NO_PAD.encode(format!("{domain}$"))),
            domain,
            clock: self.clock,
            ids,
            limiter: Limiter::new(self.settings.rate_limit),
            settings: self.settings,
            keys: RwLock::new(Keyring::new(signing_key)),
            directory: RwLock::new(directory),
            auto_approve: RwLock::new(auto_approve),
            resources: RwLock::new(self.resources),
            grants: Mutex::default(),
            credentials: Mutex::default(),
            faults: Faults::default(),
            log: RequestLog::new(),
            connections,
            http: OnceLock::new(),
        });

        let (stop, stopped) = oneshot::channel();
        let server = Server::new_with_acceptor(acceptor)
            .name("local Clerk")
            .run_with_graceful_shutdown(
                routes::endpoint(&instance),
                async {
                    // Also completes when the handle, and with it the sender, is dropped.
                    let _ = stopped.await;
                },
                Some(SHUTDOWN_GRACE),
            );
        let server = tokio::spawn(server);
        Ok(LocalClerk {
            backend_api_url,
            authority: self.authority,
            initial_users,
            instance,
            stop: Some(stop),
            server: Some(server),
        })
    }
}

/// Returns the address that programs on this machine can connect to: loopback in place of an unspecified
/// address.
fn connectable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
