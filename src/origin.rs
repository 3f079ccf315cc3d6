//! Web origins (RFC 6454) and loopback: who may call from a browser, and which hosts are this machine.

use url::{Host, Url};

/// Which origins may call the MCP endpoint from a browser.
/// ```
/// use clerk_mcp::origin::AllowedOrigins;
///
/// let origins = AllowedOrigins::of(&"https://mcp.example.com/base".parse()?);
/// assert!(origins.allows("https://mcp.example.com"));
/// assert!(!origins.allows("https://mcp.example.com.evil.test") && !origins.allows("null"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedOrigins {
    exact: Vec<String>,
    loopback: bool,
}

impl AllowedOrigins {
    /// The default for a server at `base_url`: its own origin, and any loopback origin if it's one itself, for the
    /// tools of a developer run at many ports.
    pub fn of(base_url: &Url) -> Self {
        Self {
            exact: vec![base_url.origin().ascii_serialization()],
            loopback: is_loopback(base_url),
        }
    }

    /// These origins and no others, each as a browser sends it (`https://app.example.com`).
    pub fn exactly(origins: Vec<String>) -> Self {
        Self {
            exact: origins,
            loopback: false,
        }
    }

    /// Whether `origin`, the header's text, is allowed. `null` never is.
    pub fn allows(&self, origin: &str) -> bool {
        self.exact.iter().any(|allowed| allowed == origin)
            || self.loopback
                && Url::parse(origin).is_ok_and(|url| {
                    matches!(url.scheme(), "http" | "https")
                        && is_loopback(&url)
                        && url.origin().ascii_serialization() == origin
                })
    }
}

/// Whether the URL's host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_server_allows_its_own_origin_alone() {
        let origins = AllowedOrigins::of(&Url::parse("https://mcp.example.com/base").unwrap());
        assert!(origins.allows("https://mcp.example.com"));
        for origin in [
            "null",
            "",
            "http://mcp.example.com",
            "https://mcp.example.com:8443",
            "http://localhost:3000",
        ] {
            assert!(!origins.allows(origin), "{origin}");
        }
    }

    #[test]
    fn a_local_server_allows_every_loopback_origin_and_nothing_that_looks_like_one() {
        let origins = AllowedOrigins::of(&Url::parse("http://localhost:3001").unwrap());
        for origin in [
            "http://localhost:3001",
            "http://localhost:6274",
            "http://127.0.0.1:9",
            "http://[::1]:80",
            "https://localhost",
        ] {
            assert_eq!(origins.allows(origin), origin != "http://[::1]:80", "{origin}");
        }
        for origin in [
            "null",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test",
            "http://localhost:3001/x",
            "file://",
        ] {
            assert!(!origins.allows(origin), "{origin}");
        }
    }
}
