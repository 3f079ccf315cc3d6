//! Redirect URIs: which ones clients may register, and how requested ones are matched.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Schemes that browsers interpret themselves, so that a code would never reach a client.
const FORBIDDEN_SCHEMES: [&str; 9] = [
    "javascript",
    "data",
    "file",
    "blob",
    "about",
    "vbscript",
    "filesystem",
    "ws",
    "wss",
];

/// Checks whether a client may register this URI at the local Clerk whose URL is `origin`.
///
/// Allows https, http on loopback (RFC 8252 §7.3) and private-use schemes (RFC 8252 §7.1), without a fragment
/// (RFC 6749 §3.1.2) and without credentials. Unlike Clerk, also allows http on the host of `origin` if that
/// is http: then a client on the same machine, such as the page of a demo, cannot have https either.
///
/// # Errors
///
/// The requirement that the URI violates, to be put after "the redirect URI".
pub(super) fn check(uri: &str, origin: &str) -> Result<(), &'static str> {
    // `Url` silently repairs backslashes, tabs and surrounding spaces, so they are rejected before parsing.
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err("must contain only printable ASCII characters, and no backslash");
    }
    let url = Url::parse(uri).map_err(|_| "must be an absolute URI")?;
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user name or password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) || is_on_host_of(&url, origin) => Ok(()),
        "http" => Err("must use https, or be on loopback"),
        scheme if FORBIDDEN_SCHEMES.contains(&scheme) => {
            Err("must not use a scheme that browsers interpret themselves")
        }
        _ => Ok(()),
    }
}

/// Returns whether a requested redirect URI matches a registered one.
///
/// They must be equal, except for the port on loopback: a native client gets its port from the operating
/// system at run time (RFC 8252 §7.3). The RFC describes this for IP addresses; here it also applies to
/// `localhost`, which MCP clients use. `localhost` does not match an IP address.
pub(super) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    let (Ok(mut registered_url), Ok(mut requested_url)) = (Url::parse(registered), Url::parse(requested))
    else {
        return false;
    };
    let both_loopback = [&registered_url, &requested_url]
        .iter()
        .all(|url| url.scheme() == "http" && is_loopback(url) && url.username().is_empty());
    if !both_loopback || check(requested, registered).is_err() {
        return false;
    }
    registered_url.set_port(None).is_ok()
        && requested_url.set_port(None).is_ok()
        && registered_url == requested_url
}

/// Describes where a redirect URI leads, for the consent page.
pub(super) fn destination(uri: &str) -> String {
    let Ok(url) = Url::parse(uri) else {
        return uri.to_owned();
    };
    match (url.scheme(), url.host_str(), url.port()) {
        ("http" | "https", Some(host), Some(port)) => format!("{host}:{port}"),
        ("http" | "https", Some(host), None) => host.to_owned(),
        (scheme, _, _) => format!("an app on this device ({scheme}:)"),
    }
}

fn is_on_host_of(url: &Url, origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|origin| origin.scheme() == url.scheme() && origin.host() == url.host())
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(ip)) => ip == Ipv6Addr::LOCALHOST,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "http://127.0.0.1:3002";

    #[test]
    fn only_https_loopback_and_private_use_uris_may_be_registered() {
        for uri in [
            "https://app.example.com/callback?a=b",
            "http://127.0.0.1:4711/callback",
            "http://[::1]/callback",
            "http://localhost:6274/oauth/callback",
            "cursor://anysphere.cursor-deeplink/mcp/auth",
            "com.example.app:/callback",
        ] {
            assert_eq!(check(uri, ORIGIN), Ok(()), "{uri}");
        }
        for uri in [
            "",
            "/callback",
            "http://app.example.com/callback",
            "http://127.0.0.1.example.com/",
            "https://app.example.com/#fragment",
            "https://user:secret@app.example.com/",
            "https://app.example.com/ callback",
            "https:\\\\app.example.com",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            assert!(check(uri, ORIGIN).is_err(), "{uri}");
        }
    }

    #[test]
    fn http_is_allowed_on_the_host_of_a_local_clerk_without_https() {
        let uri = "http://192.0.2.1:3001/";
        assert_eq!(check(uri, "http://192.0.2.1:3002"), Ok(()));
        for origin in [ORIGIN, "http://192.0.2.2:3002", "https://192.0.2.1:3002"] {
            assert!(check(uri, origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn only_the_port_on_loopback_may_differ() {
        assert!(matches("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"));
        assert!(matches("http://[::1]/cb", "http://[::1]:8080/cb"));
        assert!(matches(
            "http://localhost/callback",
            "http://localhost:54293/callback"
        ));
        assert!(matches("https://a.example/cb", "https://a.example/cb"));
        for (registered, requested) in [
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/other"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb?x=y"),
            ("http://127.0.0.1:1/cb", "http://[::1]:1/cb"),
            ("http://127.0.0.1:1/cb", "https://127.0.0.1:1/cb"),
            ("http://127.0.0.1:1/cb", "http://user@127.0.0.1:1/cb"),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb#x"),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb"),
            ("http://localhost:1/cb", "http://localhost.example.com:1/cb"),
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://a.example/%63b"),
        ] {
            assert!(!matches(registered, requested), "{registered} {requested}");
        }
    }
}
