//! The HTTP client for requests to Clerk, and the limits that apply to all of them.

use std::time::Duration;

use futures_util::TryStreamExt;
use reqwest::{Certificate, Client, Response, Url, redirect};
use thiserror::Error;

use crate::origin::is_loopback;

/// Maximum time to connect to Clerk.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time of one request, including the response body.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Creates an HTTP client for Clerk's API at `target`, with limits: 2 s to connect, 5 s in total.
///
/// It does not follow redirects, because data from another host must not be trusted as Clerk's. It trusts
/// `roots` in addition to the system's root certificates. It uses the proxy of the environment
/// (`HTTPS_PROXY`), except for loopback: a local Clerk is not reachable through the proxy, and its secret key
/// must not be sent there.
///
/// # Errors
/// Returns an error if TLS cannot be set up, for example because a root certificate is invalid.
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

/// Why a request got no complete response. Contains no URL and no body, so it is safe to log.
///
/// ```
/// use clerk_mcp::outbound::{self, OutboundError};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let unused = "http://127.0.0.1:9".parse()?;
/// let error = outbound::client(&unused, &[])?.get(unused).send().await.unwrap_err();
/// assert_eq!(OutboundError::from(error), OutboundError::Connect);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// The connection could not be opened, because of DNS, routing, the port or TLS.
    #[error("cannot connect")]
    Connect,
    /// The request timed out.
    #[error("the request timed out")]
    Timeout,
    /// The connection was lost before the response was complete.
    #[error("the connection was lost")]
    Broken,
    /// The response is larger than 1 MiB.
    #[error("the response is larger than {MAX_BODY_BYTES} bytes")]
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

/// Reads a response body of at most [`MAX_BODY_BYTES`]. Counts the bytes received, because `Content-Length`
/// may be wrong.
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
