//! Sends requests to the Backend API, with a time limit and retries.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use super::ClerkError;
use crate::{
    outbound::{OutboundError, read_body},
    trace,
};

/// Sends a request that only reads data, so that it is safe to retry. Retries at most twice, after 429, 5xx
/// and connection errors, but not after a timeout. All attempts together take at most 5 s. `operation` is the
/// label in metrics.
pub(super) async fn read<T: DeserializeOwned>(
    operation: &'static str,
    request: RequestBuilder,
) -> Result<T, ClerkError> {
    let attempt = || async {
        // Only requests with a streamed body cannot be cloned, and no caller sends one.
        let request = request.try_clone().ok_or(ClerkError::UnexpectedBody)?;
        let outcome = send_once(request).await;
        let label = outcome.as_ref().err().map_or("ok", ClerkError::slug);
        metrics::counter!("clerk_mcp_clerk_calls_total", "operation" => operation, "outcome" => label)
            .increment(1);
        outcome
    };
    let backoff = ExponentialBuilder::new()
        .with_min_delay(FIRST_DELAY)
        .with_max_times(MAX_RETRIES)
        .with_jitter();
    let retried = attempt
        .retry(backoff)
        .when(ClerkError::is_transient)
        .adjust(|error, delay| match error {
            // `delay` is `None` when no attempts are left. If Clerk asks for a wait above `LONGEST_WAIT`, the
            // call fails, and the error tells the caller when to retry.
            ClerkError::RateLimited {
                retry_after: Some(wait),
            } => delay.and_then(|delay| (*wait <= LONGEST_WAIT).then_some((*wait).max(delay))),
            ClerkError::RateLimited { retry_after: None }
            | ClerkError::Unavailable { .. }
            | ClerkError::KeyRejected { .. }
            | ClerkError::Forbidden { .. }
            | ClerkError::NotFound
            | ClerkError::UnexpectedBody
            | ClerkError::Rejected { .. } => delay,
        });
    let span = trace::clerk(operation);
    let body = tokio::time::timeout(DEADLINE, retried)
        .instrument(span.clone())
        .await
        .unwrap_or(Err(ClerkError::Unavailable {
            cause: Some(OutboundError::Timeout),
        }))
        .inspect_err(|error| {
            span.record("error.type", error.slug());
        })?;
    serde_json::from_slice(&body).map_err(|_| ClerkError::UnexpectedBody)
}

async fn send_once(request: RequestBuilder) -> Result<Vec<u8>, ClerkError> {
    let response = request.send().await.map_err(OutboundError::from)?;
    let status = response.status();
    let retry_after = ClerkError::retry_after(response.headers());
    let body = read_body(response).await?;
    if status == StatusCode::OK {
        Ok(body)
    } else {
        Err(ClerkError::from_response(status, retry_after, &body))
    }
}

const MAX_RETRIES: usize = 2;
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_secs(5);
