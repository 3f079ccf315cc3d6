//! [`Area`]: the checks around a group of routes: CORS, `Host`, time limit, panics, errors as JSON.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    endpoint::BoxEndpoint,
    error::MethodNotAllowedError,
    http::{HeaderValue, Method, StatusCode, header},
};

use super::{
    cors::Cors,
    errors::{error_response, internal_error, json_error, reject_host, reject_origin},
    host::AllowedHosts,
};
use crate::{log_limit::log_limited, reason::Reason, time_limit::within};

/// A group of routes with the same checks around them, in this order:
///
/// 1. CORS. Preflights are answered here, because they carry no token. It is the outermost check, so that web
///    pages can read the error responses of the other checks.
/// 2. The `Host` check.
/// 3. The time limit, and a handler for panics and errors.
///
/// They are one endpoint instead of one middleware each, because every layer moves the request and its
/// future.
pub(crate) struct Area {
    pub(crate) cors: Cors,
    pub(crate) hosts: Arc<AllowedHosts>,
    pub(crate) time_limit: Duration,
    /// The methods of all routes of the area, for the `Allow` header of 405 responses (RFC 9110 §15.5.6) and for
    /// `OPTIONS`. `None` if they are not the same for all routes, or not known.
    pub(crate) methods: Option<&'static str>,
    /// Boxed, so that the wrappers around its future do not move it.
    pub(crate) endpoint: BoxEndpoint<'static>,
}

impl Area {
    /// Returns the response to a request.
    pub(super) async fn respond(&self, request: Request) -> Response {
        if !self.cors.allows(request.headers()) {
            return reject_origin(request.headers().get(header::ORIGIN));
        }
        if let Some(preflight) = self.cors.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = match self.hosts.check(&request) {
            Ok(()) => self.call(request).await,
            Err(error) => reject_host(&error),
        };
        Cors::add_headers(&mut response, origin);
        response
    }

    /// Calls the endpoint, within the time limit.
    async fn call(&self, request: Request) -> Response {
        let is_options = request.method() == Method::OPTIONS;
        let call = AssertUnwindSafe(self.endpoint.call(request)).catch_unwind();
        match within(self.time_limit, call).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(error))) => match self.methods {
                Some(methods) if error.is::<MethodNotAllowedError>() => {
                    let mut response = if is_options {
                        StatusCode::NO_CONTENT.into_response()
                    } else {
                        error_response(&error)
                    };
                    response
                        .headers_mut()
                        .insert(header::ALLOW, HeaderValue::from_static(methods));
                    response
                }
                _ => error_response(&error),
            },
            Ok(Err(_panic)) => internal_error(),
            Err(_) => self.timed_out(),
        }
    }

    fn timed_out(&self) -> Response {
        Reason::RequestTimeout.count();
        log_limited!(warn, "request-timeout", reason = %Reason::RequestTimeout, limit = ?self.time_limit, "request timed out");
        let mut response = json_error(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "The request timed out",
        );
        // RFC 9110 §15.6.4.
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        response
    }
}

/// The same value as during an outage of Clerk, which is the usual cause of a timeout.
const RETRY_AFTER_SECONDS: u64 = 5;
