use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use poem::Server;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    AccessTokens, Authority, CertificateError, InactiveTokens, LocalClerk, RateLimit, ResourceIndicators,
    SHUTDOWN_GRACE,
    clock::Clock,
    http::listener::{ClerkAcceptor, Connections},
    mint::SigningKey,
    routes,
    store::{
        ids::Ids,
        keyring::Keyring,
        people::DirectoryError,
        rate_limit::Limiter,
        request_log::RequestLog,
        samples,
        settings::Settings,
        state::Instance,
        state_file::{State, StateError},
    },
};

/// Settings of a [`LocalClerk`] before it starts.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct LocalClerkBuilder {
    address: SocketAddr,
    auto_approve: Option<String>,
    pass_for: Option<String>,
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
    /// Another program listens there.
    #[error("{address} is taken: stop what listens there, or choose another port (0 picks a free one)")]
    AddressInUse {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: choose an address of this machine, 127.0.0.1 for example")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The user to sign in without a page does not exist.
    #[error("cannot sign anyone in without a page")]
    AutoApprove(#[source] DirectoryError),
    /// The people to start with do not fit together.
    #[error("the people to start with do not fit together")]
    Directory(#[source] DirectoryError),
    /// The file of users and organizations is wrong.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is no certificate for https.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl Default for LocalClerkBuilder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auto_approve: None,
            pass_for: None,
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
    /// Where to listen. Default: a free port on 127.0.0.1.
    ///
    /// **Whoever reaches the listener can act as any sample user**, so anything but loopback is for closed networks.
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Serves https with a certificate of this authority, which clients must be told to trust. Default: http.
    pub fn https(mut self, authority: &Authority) -> Self {
        self.authority = Some(authority.clone());
        self
    }

    /// Passes for the instance at Clerk whose Frontend API is at this host, and for `api.clerk.com`: in every URL and
    /// token, by its certificate, and by answering requests for these hosts. Needs [`https`](Self::https), and somebody
    /// who brings such requests here.
    pub fn pass_for(mut self, frontend_api_host: impl Into<String>) -> Self {
        self.pass_for = Some(frontend_api_host.into());
        self
    }

    /// Signs this user (id, email address or first name) in without showing a page, and consents for them.
    pub fn auto_approve(mut self, user: impl Into<String>) -> Self {
        self.auto_approve = Some(user.into());
        self
    }

    /// Reads the time from `now` instead of the system.
    pub fn clock(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Makes ids and secrets from this number: the same requests in the same order give the same ones. Signing keys
    /// stay random; with [`signing_key`](Self::signing_key) and [`clock`](Self::clock) whole tokens repeat.
    ///
    /// **Every secret of the instance, the secret key included, can then be guessed.**
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Starts with these users and organizations instead of the samples.
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Signs with this key instead of making one. Its key id becomes the instance id.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// The form of the access tokens that the token endpoint issues. Default: JWT.
    pub fn access_tokens(mut self, form: AccessTokens) -> Self {
        self.settings.access_tokens = form;
        self
    }

    /// What becomes of `resource`. Default: strict.
    pub fn resource_indicators(mut self, mode: ResourceIndicators) -> Self {
        self.settings.resource_indicators = mode;
        self
    }

    /// What the verify endpoints say about what has ended. Default: its flags.
    pub fn inactive_tokens(mut self, mode: InactiveTokens) -> Self {
        self.settings.inactive_tokens = mode;
        self
    }

    /// Whether clients may register themselves. Default: yes; at Clerk it is off until somebody turns it on.
    pub fn dynamic_registration(mut self, on: bool) -> Self {
        self.settings.dynamic_registration = on;
        self
    }

    /// Whether a client id may be the https URL of a document about the client. Default: yes; at Clerk it is off
    /// until somebody turns it on.
    pub fn client_id_metadata_documents(mut self, on: bool) -> Self {
        self.settings.client_id_metadata_documents = on;
        self
    }

    /// Trusts this authority (PEM), besides those of the system, when it fetches documents about clients. The one
    /// given to [`https`](Self::https) is trusted anyway.
    pub fn trust(mut self, pem: impl Into<String>) -> Self {
        self.settings.trusted.push(pem.into());
        self
    }

    /// Limits requests to the Backend API. Default: no limit.
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.settings.rate_limit = Some(limit);
        self
    }

    /// The scopes of a client that registers without naming any. Default: `email offline_access profile`.
    pub fn default_scopes(mut self, scopes: &[&str]) -> Self {
        self.settings.default_scopes = scopes.iter().copied().collect();
        self
    }

    /// Starts listening. The server runs on the current tokio runtime until the handle is stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::AddressInUse`] and [`StartError::Bind`] when the address cannot be had, [`StartError::State`]
    /// when the users and organizations do not fit together, [`StartError::AutoApprove`] when there is no such user.
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
        let address = reachable(listener.local_addr().map_err(bind_error)?);
        let connections = Connections::default();
        let (scheme, tls) = match &self.authority {
            Some(authority) => {
                self.settings.trusted.push(authority.pem().to_owned());
                let names = self
                    .pass_for
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
        let (issuer, domain, backend_api_url) = match self.pass_for {
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
            issuer,
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
            grants: Mutex::default(),
            credentials: Mutex::default(),
            faults: crate::store::faults::Faults::default(),
            log: RequestLog::new(),
            connections,
            http: OnceLock::new(),
        });

        let (stop, stopped) = oneshot::channel();
        let server = Server::new_with_acceptor(acceptor)
            .name("local Clerk")
            .run_with_graceful_shutdown(
                routes::all(&instance),
                async {
                    // A dropped sender is a dropped handle: stop then, too.
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

/// The address a program on this machine can connect to: an unspecified one is reached over loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
