//! Redirect URIs: which may be registered, and which match a registered one.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Schemes that a browser acts on itself: a code sent there runs or shows something instead of reaching a client.
const REFUSED_SCHEMES: [&str; 9] = [
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

/// Whether a client may register this URI: https, http on loopback (RFC 8252 §7.3), or a private-use scheme
/// (RFC 8252 §7.1), without a fragment (RFC 6749 §3.1.2) and without credentials.
///
/// # Errors
///
/// What is wrong with it, for the client's developer.
pub(super) fn check(uri: &str) -> Result<(), &'static str> {
    // `Url` mends what it can: backslashes, tabs, spaces at the ends. A URI that needs it is not one.
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err("must be a URI");
    }
    let url = Url::parse(uri).map_err(|_| "must be an absolute URI")?;
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have credentials");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err("must use https unless it is on loopback"),
        scheme if REFUSED_SCHEMES.contains(&scheme) => {
            Err("must not use a scheme that browsers handle themselves")
        }
        _ => Ok(()),
    }
}

/// Whether `asked` is the registered URI. Exactly so, but for the port on loopback, which a native client gets from the
/// operating system only when it runs (RFC 8252 §7.3). That speaks of IPs; clients of MCP say `localhost`, and their
/// documents name no port. One is not the other, though.
pub(super) fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    let (Ok(mut registered_url), Ok(mut asked_url)) = (Url::parse(registered), Url::parse(asked)) else {
        return false;
    };
    let both_loopback = [&registered_url, &asked_url]
        .iter()
        .all(|url| url.scheme() == "http" && is_loopback(url) && url.username().is_empty());
    if !both_loopback || check(asked).is_err() {
        return false;
    }
    registered_url.set_port(None).is_ok() && asked_url.set_port(None).is_ok() && registered_url == asked_url
}

/// Whom the answer goes to, as shown to a person.
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

fn is_loopback(url: &Url) -> bool {
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

    #[test]
    fn what_may_be_registered() {
        for uri in [
            "https://app.example.com/callback?a=b",
            "http://127.0.0.1:4711/callback",
            "http://[::1]/callback",
            "http://localhost:6274/oauth/callback",
            "cursor://anysphere.cursor-deeplink/mcp/auth",
            "com.example.app:/callback",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
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
            assert!(check(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn only_loopback_may_change_its_port() {
        assert!(matches("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"));
        assert!(matches("http://[::1]/cb", "http://[::1]:8080/cb"));
        assert!(matches(
            "http://localhost/callback",
            "http://localhost:54293/callback"
        ));
        assert!(matches("https://a.example/cb", "https://a.example/cb"));
        for (registered, asked) in [
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
            assert!(!matches(registered, asked), "{registered} {asked}");
        }
    }
}
