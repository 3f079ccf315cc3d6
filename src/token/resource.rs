//! The resource identifiers of this server (RFC 9728 §1.2, MCP "Canonical Server URI").

use url::Url;

use crate::paths;

/// The two resource identifiers of a server: its base URL, and the URL of its MCP endpoint.
/// ```
/// use clerk_mcp::token::ResourceNames;
///
/// let names = ResourceNames::new(&"https://example.com/base/".parse()?);
/// assert_eq!((names.base(), names.mcp()), ("https://example.com/base", "https://example.com/base/mcp"));
/// assert!(names.contains("HTTPS://EXAMPLE.COM/base/mcp/") && !names.contains("https://example.com/"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceNames {
    base: String,
    mcp: String,
}

impl ResourceNames {
    /// Creates the identifiers of the server whose public URL is `base`. A trailing slash is ignored.
    pub fn new(base: &Url) -> Self {
        let base = base.as_str().trim_end_matches('/').to_owned();
        Self {
            mcp: format!("{base}{}", paths::MCP),
            base,
        }
    }

    /// Returns the base URL, without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns the URL of the MCP endpoint: the resource of the metadata document that challenges name.
    pub fn mcp(&self) -> &str {
        &self.mcp
    }

    /// Returns whether `name` is one of the identifiers. Scheme and authority are compared after URL
    /// normalization (RFC 3986 §6.2.2.1), and one trailing slash is ignored. The path must be equal, without query
    /// and fragment.
    pub fn contains(&self, name: &str) -> bool {
        let Ok(url) = Url::parse(name) else { return false };
        // The parser resolves `/x/../mcp` and drops tabs and newlines. An audience is an identifier, so
        // everything after the authority must be equal before normalization.
        let Some((_, rest)) = name.split_once("://") else {
            return false;
        };
        let path = rest
            .find(['/', '?', '#'])
            .map_or("", |start| rest.split_at(start).1);
        if url.path() != path && !(url.path() == "/" && path.is_empty()) {
            return false;
        }
        let normal = url.as_str();
        let normal = normal.strip_suffix('/').unwrap_or(normal);
        normal == self.base || normal == self.mcp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_case_and_one_trailing_slash_are_ignored() {
        let names = ResourceNames::new(&Url::parse("https://mcp.example.com/").unwrap());
        assert_eq!(
            (names.base(), names.mcp()),
            ("https://mcp.example.com", "https://mcp.example.com/mcp")
        );
        for name in [
            "https://mcp.example.com",
            "https://mcp.example.com/",
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/mcp/",
            "HTTPS://MCP.Example.COM/mcp",
            "https://mcp.example.com:443/mcp",
        ] {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn any_other_difference_is_another_server() {
        let names = ResourceNames::new(&Url::parse("https://mcp.example.com").unwrap());
        for name in [
            "",
            "mcp.example.com",
            "http://mcp.example.com/mcp",
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/mcp//",
            "https://mcp.example.com//mcp",
            "https://mcp.example.com/x/../mcp",
            "https://mcp.example.com/mcp?x=1",
            "https://mcp.example.com/mcp#x",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com.evil.test/mcp",
            "https://user@mcp.example.com/mcp",
            "https://mcp.example.com/mcp/other",
            "https://mcp.example.com/m\tcp",
            "https:/mcp.example.com/mcp",
        ] {
            assert!(!names.contains(name), "{name}");
        }
    }

    #[test]
    fn path_of_the_base_url_is_kept() {
        let names = ResourceNames::new(&Url::parse("https://example.com/tools/clerk/").unwrap());
        assert_eq!(names.mcp(), "https://example.com/tools/clerk/mcp");
        assert!(names.contains("https://example.com/tools/clerk"));
        assert!(!names.contains("https://example.com"));
    }
}
