//! The request timeout.

use std::time::Duration;

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{StatusCode, header},
};

use super::errors::json_error;
use crate::{log_limit::log_limited, reason::Reason};

/// Middleware that cancels requests that take too long and answers 503.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeout(Duration);

impl Timeout {
    /// Creates the middleware with the time limit `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(limit)
    }
}

impl<E: Endpoint> Middleware<E> for Timeout {
    type Output = TimeoutEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        TimeoutEndpoint { limit: self.0, inner }
    }
}

/// The endpoint that [`Timeout`] wraps around another.
#[derive(Debug)]
pub(crate) struct TimeoutEndpoint<E> {
    limit: Duration,
    inner: E,
}

impl<E: Endpoint> Endpoint for TimeoutEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        if let Ok(outcome) = tokio::time::timeout(self.limit, self.inner.call(request)).await {
            outcome.map(IntoResponse::into_response)
        } else {
            Reason::RequestTimeout.count();
            log_limited!(warn, "request-timeout", reason = %Reason::RequestTimeout, limit = ?self.limit, "request timed out");
            let mut response = json_error(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "The request timed out",
            );
            // RFC 9110 §15.6.4.
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
            Ok(response)
        }
    }
}

/// The same value as during an outage of Clerk, which is the usual cause of a timeout.
const RETRY_AFTER_SECONDS: u64 = 5;
