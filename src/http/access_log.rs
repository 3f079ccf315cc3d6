//! The access log and the request counter: one line per request, at level DEBUG with the target
//! `clerk_mcp::access`. It contains no text that a client can choose freely: no query, no unknown path, and
//! no header except the forwarded address (only with `TRUST_FORWARDED`).

use std::{net::IpAddr, time::Instant};

use poem::{
    Request,
    http::{HeaderMap, StatusCode},
};
use tracing::Span;

use crate::{paths, trace};

/// Logs and counts requests.
#[derive(Debug)]
pub(crate) struct AccessLog {
    trust_forwarded: bool,
    prefix: String,
}

impl AccessLog {
    /// Creates the log. The logged client address is the peer address of the connection, or with
    /// `trust_forwarded` the last `X-Forwarded-For` address. `prefix` is the path of `BASE_URL`; a reverse
    /// proxy may or may not strip it.
    pub(crate) fn new(trust_forwarded: bool, prefix: impl Into<String>) -> Self {
        Self {
            trust_forwarded,
            prefix: prefix.into(),
        }
    }

    /// Returns the known route that `path` leads to, or `other`. Unknown paths are not logged, because
    /// clients choose them freely.
    fn route(&self, path: &str) -> &'static str {
        let bare = match path.strip_prefix(&*self.prefix) {
            Some("") => paths::START_PAGE,
            Some(rest) if rest.starts_with('/') => rest,
            Some(_) | None => path,
        };
        paths::ALL
            .iter()
            .find(|route| **route == bare || (**route == paths::MCP && bare == "/mcp/"))
            .unwrap_or(&"other")
    }

    fn client(&self, request: &Request) -> Option<IpAddr> {
        let forwarded = || {
            // Only the last address was added by the nearest proxy; the client can forge the others.
            let list = request
                .headers()
                .get_all("x-forwarded-for")
                .iter()
                .next_back()?
                .to_str()
                .ok()?;
            list.rsplit(',').next()?.trim().parse().ok()
        };
        let connection = || {
            request
                .remote_addr()
                .as_socket_addr()
                .map(std::net::SocketAddr::ip)
        };
        if self.trust_forwarded {
            forwarded().or_else(connection)
        } else {
            connection()
        }
    }

    /// Starts the entry of a request.
    pub(super) fn begin(&self, request: &Request) -> Entry {
        let method = request.method().as_str();
        let is_logged = tracing::enabled!(target: TARGET, tracing::Level::DEBUG);
        Entry {
            method: METHODS.iter().find(|known| **known == method).unwrap_or(&"other"),
            route: self.route(request.uri().path()),
            client: is_logged.then(|| self.client(request)).flatten(),
            started: is_logged.then(Instant::now),
        }
    }
}

/// The entry of a request in progress.
pub(super) struct Entry {
    method: &'static str,
    route: &'static str,
    client: Option<IpAddr>,
    /// `None` if the request is not logged.
    started: Option<Instant>,
}

impl Entry {
    /// Creates the span of the request for traces.
    pub(super) fn span(&self, headers: &HeaderMap) -> Span {
        trace::request(self.method, self.route, headers)
    }

    /// Logs and counts the request.
    pub(super) fn finish(self, status: StatusCode) {
        metrics::counter!(
            "clerk_mcp_requests_total",
            "method" => self.method,
            "route" => self.route,
            "status" => status.as_str().to_owned(),
        )
        .increment(1);
        tracing::debug!(
            target: TARGET,
            method = self.method,
            route = self.route,
            status = status.as_u16(),
            milliseconds = self.started.map(|started| started.elapsed().as_secs_f64() * 1_000.0),
            client = self.client.map(tracing::field::display),
            "request",
        );
    }
}

const TARGET: &str = "clerk_mcp::access";

/// The methods that are logged by name; all others are logged as `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[cfg(test)]
mod tests {
    use poem::{
        http::uri::Scheme,
        web::{LocalAddr, RemoteAddr},
    };

    use super::*;

    fn request(forwarded: &[&str]) -> Request {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        for value in forwarded {
            parts.headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let remote = RemoteAddr("10.0.0.1:1".parse::<std::net::SocketAddr>().unwrap().into());
        let parts = poem::RequestParts::from((parts, LocalAddr::default(), remote, Scheme::HTTP));
        Request::from_parts(parts, poem::Body::empty())
    }

    #[test]
    fn a_forwarded_address_counts_when_it_is_trusted() {
        let address = |text: &str| Some(text.parse().unwrap());
        let proxied = request(&["1.1.1.1", "2.2.2.2, 3.3.3.3"]);
        assert_eq!(AccessLog::new(false, "").client(&proxied), address("10.0.0.1"));
        assert_eq!(AccessLog::new(true, "").client(&proxied), address("3.3.3.3"));
        assert_eq!(
            AccessLog::new(true, "").client(&request(&["rubbish"])),
            address("10.0.0.1")
        );
        assert_eq!(
            AccessLog::new(true, "").client(&request(&[])),
            address("10.0.0.1")
        );
    }

    #[test]
    fn routes_are_known_with_and_without_the_path_of_the_base_url() {
        let log = AccessLog::new(false, "/base");
        for (path, route) in [
            ("/mcp", "/mcp"),
            ("/base/mcp", "/mcp"),
            ("/mcp/", "/mcp"),
            ("/base/mcp/", "/mcp"),
            ("/base", "/"),
            ("/base/", "/"),
            ("/basement/mcp", "other"),
            ("/base/nothing", "other"),
        ] {
            assert_eq!(log.route(path), route, "{path}");
        }
        assert_eq!(AccessLog::new(false, "").route("/"), "/");
    }
}
