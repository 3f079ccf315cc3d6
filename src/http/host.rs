//! The `Host` guard: which host a request may be for.

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

/// Refuses requests for another host: a page of another site that gets its name to resolve to this machine (DNS
/// rebinding) still sends its own name.
#[derive(Debug, Clone)]
pub(crate) struct HostGuard(Arc<AllowedHosts>);

#[derive(Debug)]
struct AllowedHosts {
    public: Url,
    loopback: bool,
    /// Whether it was told that somebody uses another name of this machine.
    warned: AtomicBool,
}

impl HostGuard {
    /// Accepts the host of `base_url`, and loopback when listening there.
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
        // RFC 9112 §3.2: an authority, nothing before or behind it.
        if authority.parse::<Authority>().is_err() || authority.contains('@') {
            return false;
        }
        // The scheme gives the default port its meaning; a host alone can't be compared.
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

    /// `localhost` and 127.0.0.1 are the same machine, but to OAuth they are two resources: clients compare the URL they were
    /// given with that of the metadata (RFC 9728 §3.3), and give up.
    fn warn_once(&self, called: &Url) {
        if is_loopback(&self.public) && !self.warned.swap(true, Ordering::Relaxed) {
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
    hosts: Arc<AllowedHosts>,
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
        let is_probe = matches!(request.original_uri().path(), paths::HEALTHZ | paths::READYZ);
        if is_probe || is_ours() {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        log_refusal(Reason::HostNotAllowed);
        Ok(json_error(StatusCode::FORBIDDEN, "forbidden", "Host not allowed"))
    }
}
