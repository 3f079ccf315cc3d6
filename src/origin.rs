//! Web origins (RFC 6454) that may call the server from a browser, and loopback addresses.

use url::{Host, Url};

/// The origins that may call the MCP endpoint from a browser.
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
    /// Allows the origin of `base_url`. If `base_url` is a loopback URL, also allows every loopback origin,
    /// because development tools use many ports. This is the default of `ALLOWED_ORIGINS`.
    pub fn of(base_url: &Url) -> Self {
        Self {
            exact: vec![base_url.origin().ascii_serialization()],
            loopback: is_loopback(base_url),
        }
    }

    /// Allows only these origins, each as a browser sends it (`https://app.example.com`).
    pub fn exactly(origins: Vec<String>) -> Self {
        Self {
            exact: origins,
            loopback: false,
        }
    }

    /// Returns whether the value of an `Origin` header is allowed. `null` is never allowed.
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

/// Returns whether the host of a URL is `localhost`, in `127.0.0.0/8`, or `::1`.
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
    fn public_server_allows_only_its_own_origin() {
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
    fn local_server_allows_only_loopback_origins() {
        let origins = AllowedOrigins::of(&Url::parse("http://localhost:3001").unwrap());
        for origin in [
            "http://localhost:3001",
            "http://localhost:6274",
            "http://127.0.0.1:9",
            "http://[::1]",
            "https://localhost",
        ] {
            assert!(origins.allows(origin), "{origin}");
        }
        for origin in [
            "null",
            // Browsers omit the default port.
            "http://[::1]:80",
            "http://localhost.evil.test",
            "http://127.0.0.1.evil.test",
            "http://localhost:3001/x",
            "file://",
        ] {
            assert!(!origins.allows(origin), "{origin}");
        }
    }
}
