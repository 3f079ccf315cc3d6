use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use jiff::Timestamp;
use parking_lot::RwLock;
use poem::{Server, listener::TcpAcceptor};
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    AccessTokens, LocalClerk, SHUTDOWN_GRACE, ids, people::DirectoryError, routes, samples, scope,
    scope::Scopes, state::Instance,
};
use crate::{clock::Clock, mint::SigningKey};

/// Settings of a [`LocalClerk`] before it starts.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct LocalClerkBuilder {
    address: SocketAddr,
    auto_approve: Option<String>,
    clock: Clock,
    signing_key: Option<SigningKey>,
    access_tokens: AccessTokens,
    default_scopes: Scopes,
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
}

impl Default for LocalClerkBuilder {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            auto_approve: None,
            clock: Clock::system(),
            signing_key: None,
            access_tokens: AccessTokens::default(),
            default_scopes: scope::DEFAULT.into_iter().collect(),
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

    /// Signs with this key instead of making one. Its key id becomes the instance id.
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// The form of the access tokens that the token endpoint issues. Default: JWT.
    pub fn access_tokens(mut self, form: AccessTokens) -> Self {
        self.access_tokens = form;
        self
    }

    /// The scopes of a client that registers without naming any. Default: `email offline_access profile`.
    pub fn default_scopes(mut self, scopes: &[&str]) -> Self {
        self.default_scopes = scopes.iter().copied().collect();
        self
    }

    /// Starts listening. The server runs on the current tokio runtime until the handle is stopped or dropped.
    ///
    /// # Errors
    ///
    /// [`StartError::AddressInUse`] and [`StartError::Bind`] when the address cannot be had,
    /// [`StartError::AutoApprove`] when there is no such user.
    pub async fn start(self) -> Result<LocalClerk, StartError> {
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
        let acceptor = TcpAcceptor::from_tokio(listener).map_err(bind_error)?;

        let directory = samples::directory(self.clock.now()).map_err(StartError::Directory)?;
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
            .unwrap_or_else(|| SigningKey::generate(ids::id("ins")));
        let instance = Arc::new(Instance {
            issuer: format!("http://{address}"),
            id: signing_key.kid().to_owned(),
            secret_key: format!("sk_test_{}", ids::alphanumeric(42)),
            clock: self.clock,
            access_tokens: self.access_tokens,
            default_scopes: self.default_scopes,
            signing_key: RwLock::new(signing_key),
            directory: RwLock::new(directory),
            auto_approve: RwLock::new(auto_approve),
            grants: parking_lot::Mutex::default(),
            requests: parking_lot::Mutex::default(),
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
        let domain = address.to_string();
        Ok(LocalClerk {
            publishable_key: format!("pk_test_{}", BASE64_STANDARD_NO_PAD.encode(format!("{domain}$"))),
            backend_api_url: format!("{}{}", instance.issuer, routes::BACKEND),
            domain,
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
