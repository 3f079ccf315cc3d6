//! The time limit of a request.

use std::time::Duration;

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{StatusCode, header},
};

use super::errors::json_error;
use crate::reason::Reason;

/// Ends requests that take too long; what they were doing is dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeout(Duration);

impl Timeout {
    /// Ends requests after `limit`.
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

/// The endpoint that [`Timeout`] makes.
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
            tracing::warn!(reason = %Reason::RequestTimeout, limit = ?self.limit, "a request took too long");
            let mut response = json_error(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "The request took too long",
            );
            // RFC 9110 §15.6.4.
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
            Ok(response)
        }
    }
}

/// As long as while Clerk is away, which is the usual cause.
const RETRY_AFTER_SECONDS: u64 = 5;
