//! The `Host` check: rejects requests that name another host, which protects against DNS rebinding.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use poem::{
    Request,
    http::{Version, header, uri::Authority},
};
use url::{Position, Url};

use crate::{origin::is_loopback, paths};

/// The hosts that requests may name. In a DNS rebinding attack, the name of another site resolves to this
/// machine, but the browser still sends that name in `Host`.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    public: Url,
    /// The authority of `public`, as clients send it.
    public_authority: String,
    loopback: bool,
    /// Whether the warning of [`warn_once`](Self::warn_once) was logged.
    warned: AtomicBool,
}

/// Why the host of a request is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HostError {
    /// The request names no host, several hosts, or something that is not a host.
    Invalid,
    /// The request names this host, which is not allowed.
    NotAllowed(String),
}

impl AllowedHosts {
    /// Allows the host of `base_url`, and loopback hosts if `listen` or `base_url` is loopback.
    pub(crate) fn new(base_url: &Url, listen: IpAddr) -> Self {
        Self {
            public: base_url.clone(),
            public_authority: base_url[Position::BeforeHost..Position::AfterPort].to_owned(),
            loopback: listen.is_loopback() || is_loopback(base_url),
            warned: AtomicBool::new(false),
        }
    }

    /// Checks the host that a request names.
    ///
    /// RFC 9112 §3.2: an HTTP/1.1 request has exactly one `Host` header. An absolute request target must name
    /// an allowed host too; HTTP/2 clients usually send only the target. Health probes are exempt: orchestrators
    /// call them by IP address, and they reveal nothing secret.
    pub(super) fn check(&self, request: &Request) -> Result<(), HostError> {
        if matches!(request.original_uri().path(), paths::HEALTHZ | paths::READYZ) {
            return Ok(());
        }
        let target = request.original_uri().authority().map(Authority::as_str);
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => Some(host.to_str().map_err(|_| HostError::Invalid)?),
            (None, _) if request.version() != Version::HTTP_11 => None,
            (None | Some(_), _) => return Err(HostError::Invalid),
        };
        for authority in [host, target].into_iter().flatten() {
            self.check_authority(authority)?;
        }
        if host.or(target).is_none() {
            return Err(HostError::Invalid);
        }
        Ok(())
    }

    fn check_authority(&self, authority: &str) -> Result<(), HostError> {
        // The usual case, without parsing.
        if authority == self.public_authority {
            return Ok(());
        }
        // RFC 9112 §3.2: only an authority, without user information.
        if authority.parse::<Authority>().is_err() || authority.contains('@') {
            return Err(HostError::Invalid);
        }
        // Parsed as a URL, because the default port depends on the scheme.
        let url = Url::parse(&format!("{}://{authority}/", self.public.scheme()))
            .map_err(|_| HostError::Invalid)?;
        let is_public = url.host() == self.public.host()
            && url.port_or_known_default() == self.public.port_or_known_default();
        if !is_public && self.loopback && is_loopback(&url) {
            self.warn_once(&url);
        }
        if is_public || self.loopback && is_loopback(&url) {
            Ok(())
        } else {
            Err(HostError::NotAllowed(authority.to_owned()))
        }
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
