//! Fetching a key set: the only network code of this module.

use std::fmt;

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Client, StatusCode, Url, header};
use thiserror::Error;

use crate::outbound::{OutboundError, read_body};

/// Brings the text of a JSON Web Key Set (RFC 7517 §5).
pub trait JwksFetcher: fmt::Debug + Send + Sync + 'static {
    /// Fetches the set anew.
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, FetchError>>;
}

/// Fetches the key set from the Frontend API: public, and not rate-limited by the secret key.
#[derive(Debug, Clone)]
pub struct HttpJwks {
    client: Client,
    url: Url,
}

impl HttpJwks {
    /// Fetches from `url` (`<Frontend API URL>/.well-known/jwks.json`) with a client of [`crate::outbound::client`].
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

/// Why there is no fresh key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FetchError {
    /// There was no answer.
    #[error("the key set can't be fetched: {0}")]
    Outbound(#[from] OutboundError),
    /// An answer other than 200.
    #[error("the key set can't be fetched: HTTP status {0}")]
    Status(u16),
    /// Not a JSON Web Key Set.
    #[error("what came is not a JSON Web Key Set")]
    NotAKeySet,
    /// A key set without one key that can be used.
    #[error("the key set has no RSA signing key that can be used")]
    NoUsableKey,
}
