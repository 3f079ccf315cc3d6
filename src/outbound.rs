//! HTTP towards Clerk: one place for the limits that every such call has.

use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::{Certificate, Client, Response, Url, redirect};
use thiserror::Error;

use crate::origin::is_loopback;

/// How long a connection to Clerk may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one call may take in all, body included.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that is read, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A client for Clerk's API at `target`: no redirects (a key set or a verdict from elsewhere is not Clerk's), 2 s to
/// connect, 5 s in all, `roots` trusted beside the system's. The environment's proxy counts (`HTTPS_PROXY`), but for
/// loopback: a local Clerk is not behind it, and its secret key must not get there.
///
/// # Errors
/// When TLS can't be set up, as with a root certificate that can't be used.
pub fn client(target: &Url, roots: &[Certificate]) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("clerk-mcp/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .redirect(redirect::Policy::none());
    if is_loopback(target) {
        builder = builder.no_proxy();
    }
    for root in roots {
        builder = builder.add_root_certificate(root.clone());
    }
    builder.build()
}

/// Why a call to Clerk brought no answer. Holds no URL and no body, so it can be logged anywhere.
///
/// ```
/// use clerk_mcp::outbound::{self, OutboundError};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let nobody = "http://127.0.0.1:9".parse()?;
/// let error = outbound::client(&nobody, &[])?.get(nobody).send().await.unwrap_err();
/// assert_eq!(OutboundError::from(error), OutboundError::Connect);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// No connection: name, route, port or TLS.
    #[error("no connection could be made")]
    Connect,
    /// Not answered in time.
    #[error("it did not answer in time")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the connection broke")]
    Broken,
    /// The answer is larger than 1 MiB.
    #[error("the answer is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
}

impl From<reqwest::Error> for OutboundError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken
        }
    }
}

/// Reads a body of at most [`MAX_BODY_BYTES`], whatever its `Content-Length` says.
pub(crate) async fn read_body(response: Response) -> Result<Vec<u8>, OutboundError> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
