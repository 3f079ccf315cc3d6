//! HTTP requests to Clerk.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, Response, redirect};

/// Time limit of a whole request, response body included.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest response body, in bytes.
pub(crate) const MAX_BODY: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Creates an HTTP client for requests to Clerk.
pub(crate) fn http_client(policy: redirect::Policy, timeout: Duration) -> Client {
    let builder = Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .redirect(policy);
    builder.build().unwrap_or_default()
}

/// Reads the body. Returns `None` if it is incomplete or larger than [`MAX_BODY`].
pub(crate) async fn read_body(response: Response) -> Option<Vec<u8>> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.ok()?);
        if body.len() > MAX_BODY {
            return None;
        }
    }
    Some(body)
}
