//! The `Host` check: rejects requests that name another host, which protects against DNS rebinding.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{StatusCode, header, uri::Authority},
};
use url::Url;

use super::errors::{json_error, log_refusal};
use crate::{origin::is_loopback, paths, reason::Reason};

/// Middleware that rejects requests for other hosts. In a DNS rebinding attack, the name of another site
/// resolves to this machine, but the browser still sends that name in `Host`.
#[derive(Debug, Clone)]
pub(crate) struct HostGuard(Arc<AllowedHosts>);

#[derive(Debug)]
struct AllowedHosts {
    public: Url,
    loopback: bool,
    /// Whether the warning of [`warn_once`](Self::warn_once) was logged.
    warned: AtomicBool,
}

impl HostGuard {
    /// Creates the middleware. It accepts the host of `base_url`, and loopback hosts if `listen` or
    /// `base_url` is loopback.
    pub(crate) fn new(base_url: &Url, listen: IpAddr) -> Self {
        Self(Arc::new(AllowedHosts {
            public: base_url.clone(),
            loopback: listen.is_loopback() || is_loopback(base_url),
            warned: AtomicBool::new(false),
        }))
    }
}

impl AllowedHosts {
    fn allows(&self, authority: &str) -> bool {
        // RFC 9112 §3.2: only an authority, without user information.
        if authority.parse::<Authority>().is_err() || authority.contains('@') {
            return false;
        }
        // Parsed as a URL, because the default port depends on the scheme.
        let Ok(url) = Url::parse(&format!("{}://{authority}/", self.public.scheme())) else {
            return false;
        };
        let is_public = url.host() == self.public.host()
            && url.port_or_known_default() == self.public.port_or_known_default();
        if !is_public && self.loopback && is_loopback(&url) {
            self.warn_once(&url);
        }
        is_public || self.loopback && is_loopback(&url)
    }

    /// Warns that a client used another loopback name than `BASE_URL`. `localhost` and `127.0.0.1` are the
    /// same machine, but different OAuth resources: clients compare the URL they were given with the one in
    /// the metadata (RFC 9728 §3.3), and sign-in fails if they differ.
    fn warn_once(&self, requested: &Url) {
        if is_loopback(&self.public) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                requested = %requested.authority(),
                "clients must connect to exactly {}: OAuth treats another name of this machine as a different server",
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

/// The endpoint that [`HostGuard`] wraps around another.
#[derive(Debug)]
pub(crate) struct HostGuardEndpoint<E> {
    hosts: Arc<AllowedHosts>,
    inner: E,
}

impl<E: Endpoint> Endpoint for HostGuardEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        // RFC 9112 §3.2: exactly one Host header. An absolute request target must name an allowed host too;
        // HTTP/2 has only that. Health probes are exempt: orchestrators call them by IP address, and they
        // reveal nothing secret.
        let target = request.original_uri().authority().map(Authority::as_str);
        let allowed = |host: Option<&str>| host.is_some_and(|host| self.hosts.allows(host));
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let hosts = (hosts.next(), hosts.next());
        let is_host_allowed = || match hosts {
            (Some(host), None) => allowed(host.to_str().ok()) && (target.is_none() || allowed(target)),
            (None, _) => allowed(target),
            (Some(_), Some(_)) => false,
        };
        let is_probe = matches!(request.original_uri().path(), paths::HEALTHZ | paths::READYZ);
        if is_probe || is_host_allowed() {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        log_refusal(Reason::HostNotAllowed);
        Ok(json_error(StatusCode::FORBIDDEN, "forbidden", "Host not allowed"))
    }
}
