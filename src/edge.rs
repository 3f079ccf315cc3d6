//! The layers around every route: who may call from where, how long it may take, and what a failure looks like.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use poem::{
    Endpoint, EndpointExt, IntoResponse, Middleware, Request, Response, Result,
    error::{CorsError, MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, Method, StatusCode, header, uri::Authority},
};
use url::Url;

use crate::{auth::ErrorBody, origin::is_loopback, reason::Reason};

/// Refuses requests for another host: a page of another site that gets its name to resolve to this machine (DNS
/// rebinding) still sends its own name.
#[derive(Debug, Clone)]
pub(crate) struct HostGuard(Arc<Hosts>);

#[derive(Debug)]
struct Hosts {
    public: Url,
    loopback: bool,
    /// Whether it was told that somebody uses another name of this machine.
    told: AtomicBool,
}

impl HostGuard {
    /// Accepts the host of `base_url`, and loopback when listening there.
    pub(crate) fn new(base_url: &Url, listen: IpAddr) -> Self {
        Self(Arc::new(Hosts {
            public: base_url.clone(),
            loopback: listen.is_loopback() || is_loopback(base_url),
            told: AtomicBool::new(false),
        }))
    }
}

impl Hosts {
    fn allows(&self, authority: &str) -> bool {
        // RFC 9112 §3.2: an authority, nothing before or behind it.
        if authority.parse::<Authority>().is_err() || authority.contains('@') {
            return false;
        }
        // The scheme gives the default port its meaning; a host alone can't be compared.
        let Ok(url) = Url::parse(&format!("{}://{authority}/", self.public.scheme())) else {
            return false;
        };
        let same = url.host() == self.public.host()
            && url.port_or_known_default() == self.public.port_or_known_default();
        if !same && self.loopback && is_loopback(&url) {
            self.tell(&url);
        }
        same || self.loopback && is_loopback(&url)
    }

    /// `localhost` and 127.0.0.1 are the same machine, but to OAuth they are two resources: clients compare the URL they were
    /// given with that of the metadata (RFC 9728 §3.3), and give up.
    fn tell(&self, called: &Url) {
        if is_loopback(&self.public) && !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                called = %called.authority(),
                "clients that sign in must use exactly {}: to OAuth, another name of this machine is another server",
                self.public
            );
        }
    }
}

impl<E: Endpoint> Middleware<E> for HostGuard {
    type Output = HostGuardEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        HostGuardEndpoint {
            hosts: Arc::clone(&self.0),
            inner,
        }
    }
}

/// The endpoint that [`HostGuard`] makes.
#[derive(Debug)]
pub(crate) struct HostGuardEndpoint<E> {
    hosts: Arc<Hosts>,
    inner: E,
}

impl<E: Endpoint> Endpoint for HostGuardEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        // RFC 9112 §3.2: exactly one Host, and the same one in a target that names any; HTTP/2 has it in the target alone. An
        // orchestrator's probe asks by address, and health tells nobody anything.
        let target = request.original_uri().authority().map(Authority::as_str);
        let allowed = |host: Option<&str>| host.is_some_and(|host| self.hosts.allows(host));
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let hosts = (hosts.next(), hosts.next());
        let is_ours = || match hosts {
            (Some(host), None) => allowed(host.to_str().ok()) && (target.is_none() || allowed(target)),
            (None, _) => allowed(target),
            (Some(_), Some(_)) => false,
        };
        let is_probe = matches!(request.original_uri().path(), "/healthz" | "/readyz");
        if is_probe || is_ours() {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        refuse_for(Reason::HostNotAllowed);
        Ok(refusal(StatusCode::FORBIDDEN, "forbidden", "Host not allowed"))
    }
}

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
            let mut refusal = refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "The request took too long",
            );
            // RFC 9110 §15.6.4.
            refusal
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
            Ok(refusal)
        }
    }
}

/// Names the methods that `endpoint` takes when it's asked with another (RFC 9110 §15.5.6).
pub(crate) fn allow_methods<E: Endpoint>(endpoint: E, methods: &'static str) -> AllowMethods<E> {
    AllowMethods {
        methods,
        inner: endpoint,
    }
}

/// The endpoint that [`allow_methods`] makes.
#[derive(Debug)]
pub(crate) struct AllowMethods<E> {
    methods: &'static str,
    inner: E,
}

impl<E: Endpoint> Endpoint for AllowMethods<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let method = request.method().clone();
        match self.inner.call(request).await {
            Err(error) if error.is::<MethodNotAllowedError>() => {
                let mut response = if method == Method::OPTIONS {
                    StatusCode::NO_CONTENT.into_response()
                } else {
                    error_response(error)
                };
                response
                    .headers_mut()
                    .insert(header::ALLOW, HeaderValue::from_static(self.methods));
                Ok(response)
            }
            Err(error) => Ok(error_response(error)),
            Ok(response) => Ok(response.into_response()),
        }
    }
}

/// Turns the errors of `endpoint` into responses.
pub(crate) fn json_errors<E: Endpoint + 'static>(endpoint: E) -> impl Endpoint<Output = Response> + 'static {
    endpoint
        .catch_all_error(|error| async move { error_response(error) })
        .map_to_response()
}

/// What a failed request gets: JSON in the form of a refusal, and nothing of the error's own text.
pub(crate) fn error_response(error: poem::Error) -> Response {
    if error.is::<NotFoundError>() {
        return refusal(
            StatusCode::NOT_FOUND,
            "not_found",
            "There is nothing here; see /docs for what there is",
        );
    }
    if error.is::<MethodNotAllowedError>() {
        return refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This route takes other methods; see Allow",
        );
    }
    match error.downcast::<CorsError>() {
        Ok(CorsError::OriginNotAllowed) => {
            refuse_for(Reason::OriginNotAllowed);
            refusal(StatusCode::FORBIDDEN, "forbidden", "Origin not allowed")
        }
        Ok(error @ (CorsError::MethodNotAllowed | CorsError::HeadersNotAllowed)) => {
            tracing::error!(reason = %Reason::Internal, %error, "a request failed");
            internal_error()
        }
        Err(error) if error.status().is_client_error() => refusal(
            error.status(),
            "invalid_request",
            "The request could not be understood",
        ),
        Err(error) => {
            Reason::Internal.count();
            tracing::error!(reason = %Reason::Internal, %error, "a request failed");
            internal_error()
        }
    }
}

/// Our own fault.
pub(crate) fn internal_error() -> Response {
    refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "The request could not be processed",
    )
}

/// Logs and counts a refusal that is the caller's to mend.
fn refuse_for(reason: Reason) {
    reason.count();
    tracing::info!(%reason, "request refused");
}

fn refusal(status: StatusCode, error: &str, error_description: &str) -> Response {
    let body = ErrorBody {
        error,
        error_description,
    };
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

/// As long as while Clerk is away, which is the usual cause.
const RETRY_AFTER_SECONDS: u64 = 5;
