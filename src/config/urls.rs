//! Parses URLs, origins and host names. If a parser fails, it returns a reason to show.

use url::{Host, Url};

use super::parse::list;
use crate::origin::{AllowedOrigins, is_loopback};

/// Parses an absolute http or https URL without credentials.
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    let expected = || "expected a full URL, such as https://mcp.example.com".to_owned();
    let url = Url::parse(text).map_err(|_| expected())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected an http or https URL".to_owned());
    }
    // The parser is lenient: it drops line breaks, escapes spaces, and accepts other separators after the
    // scheme.
    let has_authority = text
        .split_once("://")
        .is_some_and(|(scheme, rest)| scheme.eq_ignore_ascii_case(url.scheme()) && !rest.starts_with('/'));
    if !has_authority || text.contains(|c: char| c.is_whitespace() || c == '\\') {
        return Err(expected());
    }
    if url.host_str().is_some_and(|host| host.ends_with('.')) {
        return Err("expected a host without a trailing dot".to_owned());
    }
    if !names_one_host(&url) {
        return Err("expected a URL with one host name, without wildcards".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without a user name or password".to_owned());
    }
    Ok(url)
}

/// Returns whether the host of a URL is an IP address or consists of letters, digits, hyphens, underscores
/// and dots. The parser accepts more, such as `*.example.com` and `a.test,b.test`.
fn names_one_host(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        }),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

/// Parses a URL to which paths are appended: no query, no fragment, and https unless it is loopback. Removes
/// trailing slashes.
pub(super) fn url_prefix(text: &str) -> Result<Url, String> {
    let mut url = web_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without a query or fragment".to_owned());
    }
    // RFC 9728 §1.2, OAuth 2.1 §1.5: tokens must be sent over TLS; loopback is the exception.
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("expected https (http is allowed only for loopback)".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.contains("//") || path.contains([':', '*']) {
        return Err("expected a path without empty segments, colons or asterisks".to_owned());
    }
    url.set_path(&path);
    Ok(url)
}

/// Parses `BASE_URL`. Rejects the URL of the MCP endpoint, because `/mcp` is appended to `BASE_URL`.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let url = url_prefix(text)?;
    let is_unspecified = match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    };
    if is_unspecified || url.port() == Some(0) {
        return Err("expected an address that clients can connect to".to_owned());
    }
    if url.path().ends_with(crate::paths::MCP) {
        Err("expected the URL without the trailing /mcp".to_owned())
    } else {
        Ok(url)
    }
}

/// Parses `CLERK_API_URL`. Rejects the version, which is part of the paths that are appended.
pub(super) fn backend_api(text: &str) -> Result<Url, String> {
    let url = url_prefix(text)?;
    if url.path().ends_with("/v1") {
        Err("expected the URL without the trailing /v1".to_owned())
    } else {
        Ok(url)
    }
}

/// Parses `ALLOWED_ORIGINS`. Entries are normalized, because browsers send the normal form.
pub(super) fn origins(text: &str) -> Result<AllowedOrigins, String> {
    let origins = list(text)?
        .iter()
        .map(|item| origin(item))
        .collect::<Result<Vec<_>, _>>()?;
    if origins.is_empty() {
        return Err(expected_origins());
    }
    Ok(AllowedOrigins::exactly(origins))
}

/// Parses `CLERK_AUTHORIZED_PARTIES`. Entries must be in normal form, because they are compared with `azp` as
/// they are.
pub(super) fn authorized_parties(text: &str) -> Result<Vec<String>, String> {
    let parties = list(text)?;
    // An empty list would switch the check off.
    if parties.is_empty() {
        return Err(expected_origins());
    }
    for party in &parties {
        let normal = origin(party)?;
        if *party != normal {
            return Err(format!(
                "expected {normal:?}, exactly as in the claim azp, instead of {party:?}"
            ));
        }
    }
    Ok(parties)
}

fn expected_origins() -> String {
    "expected origins such as https://app.example.com, without a path or wildcards".to_owned()
}

/// Parses an origin (RFC 6454 §6.2) and returns its normal form, without a trailing slash or a default port.
/// Browser extensions and app shells have schemes of their own, such as `chrome-extension`, `app` and
/// `tauri`.
fn origin(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").ok_or_else(expected_origins)?;
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
            });
        let is_host = !rest.is_empty()
            && rest.bytes().all(|byte| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'-' | b'_' | b'.' | b':')
            });
        // Browsers send `null` as the origin of pages with these schemes, or cannot open such pages.
        let has_no_origin = matches!(scheme, "file" | "data" | "ws" | "wss" | "ftp");
        return if is_scheme && is_host && !has_no_origin {
            Ok(text.to_owned())
        } else {
            Err(expected_origins())
        };
    }
    let url = web_url(text).map_err(|_| expected_origins())?;
    // Browsers send only the origin, so an entry with a path would never match.
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        Ok(url.origin().ascii_serialization())
    } else {
        Err(expected_origins())
    }
}

/// Parses a host with an optional port. Accepts a scheme and one trailing slash.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let expected = || {
        "expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API)".to_owned()
    };
    if text.starts_with("pk_") {
        return Err("this is a publishable key; set CLERK_PUBLISHABLE_KEY to it instead".to_owned());
    }
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let url = Url::parse(&format!("https://{bare}/")).map_err(|_| expected())?;
    reject_other_clerk_hosts(&url)?;
    // The URL parser is too lenient for a domain: it skips leading slashes and accepts credentials.
    let plain = url.path() == "/" && !bare.contains(['/', '\\', '@', '?', '#']) && !bare.ends_with('.');
    let named = match url.host() {
        Some(Host::Domain(name)) => (name == "localhost" || name.contains('.')) && names_one_host(&url),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    match url.host_str() {
        Some(host) if plain && named => Ok(url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))),
        _ => Err(expected()),
    }
}

/// Parses `CLERK_FRONTEND_API_URL`.
pub(super) fn frontend_api(text: &str) -> Result<Url, String> {
    let url = url_prefix(text)?;
    reject_other_clerk_hosts(&url)?;
    Ok(url)
}

/// Rejects the hosts of Clerk that people copy by mistake, and names the Frontend API host.
fn reject_other_clerk_hosts(url: &Url) -> Result<(), String> {
    const COPY: &str = "copy the Frontend API host from Clerk Dashboard > Configure > Domains, such as \
                        clerk.example.com or great-fox-12.clerk.accounts.dev";
    let Some(host) = url.domain() else {
        return Ok(());
    };
    let reason = match host.split_once('.') {
        Some((instance, "accounts.dev")) => {
            format!("this is the Account Portal; the Frontend API is {instance}.clerk.accounts.dev")
        }
        Some(("accounts", site)) if site.contains('.') => {
            format!("this is the Account Portal; the Frontend API is clerk.{site}")
        }
        Some(("dashboard", "clerk.com")) => format!("this is the Clerk Dashboard; {COPY}"),
        Some(("api", "clerk.com")) => format!("this is the Backend API; {COPY}"),
        Some(("clerk", "com") | ("www", "clerk.com")) => format!("this is Clerk's own site; {COPY}"),
        Some(_) | None => return Ok(()),
    };
    Err(reason)
}
