//! Fetches the key set. The only module under `token` that uses the network.

use std::fmt;

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, StatusCode, Url, header};
use thiserror::Error;

use crate::outbound::{OutboundError, read_body};

/// A source of the text of a JSON Web Key Set (RFC 7517 §5). A [`JwksCache`](super::JwksCache) caches it.
///
/// ```
/// use std::{path::PathBuf, sync::Arc};
///
/// use clerk_mcp::{clock::SystemClock, token::{FetchError, JwksCache, JwksFetcher}};
/// use futures_util::{FutureExt, future::BoxFuture};
///
/// /// Reads the key set from a file that another program keeps up to date.
/// #[derive(Debug)]
/// struct InFile(PathBuf);
///
/// impl JwksFetcher for InFile {
///     fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
///         let file = self.0.clone();
///         async { tokio::fs::read(file).await.map_err(|_| FetchError::NotAKeySet) }.boxed()
///     }
/// }
///
/// let keys = JwksCache::new(InFile("/run/clerk/jwks.json".into()), Arc::new(SystemClock));
/// assert!(!keys.holds_keys(), "no key is fetched before the first lookup");
/// ```
pub trait JwksFetcher: fmt::Debug + Send + Sync + 'static {
    /// Fetches the key set.
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>>;
}

/// A fetcher of the key set of the Frontend API. Unlike the Backend API, the Frontend API needs no secret
/// key, and has no rate limit per secret key.
#[derive(Debug, Clone)]
pub struct HttpJwks {
    client: Client,
    url: Url,
}

impl HttpJwks {
    /// Creates a fetcher for `url` (`<Frontend API URL>/.well-known/jwks.json`). Create `client` with
    /// [`crate::outbound::client`].
    pub fn new(client: Client, url: Url) -> Self {
        Self { client, url }
    }
}

impl JwksFetcher for HttpJwks {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>> {
        let request = self
            .client
            .get(self.url.clone())
            .header(header::ACCEPT, "application/json");
        async move {
            let response = request.send().await.map_err(OutboundError::from)?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status().as_u16()));
            }
            Ok(read_body(response).await?)
        }
        .boxed()
    }
}

/// Why the key set could not be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FetchError {
    /// There was no complete response.
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    /// The status was not 200.
    #[error("the response has HTTP status {0}")]
    Status(u16),
    /// The response is not a JSON Web Key Set.
    #[error("the response is not a JSON Web Key Set")]
    NotAKeySet,
    /// The key set has no usable key.
    #[error("the key set has no usable RSA signing key")]
    NoUsableKey,
}
