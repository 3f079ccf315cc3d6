//! Parses the values of environment variables. Errors say what was expected.

use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use jiff::SignedDuration;
use url::{Host, Url};

use super::token_kind::TokenKind;

/// `CLERK_AUDIENCE`: how the `aud` of access tokens is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AudienceMode {
    Required,
    IfPresent,
    Off,
}

/// Returns whether a host belongs to a development instance: `word-word-00.clerk.accounts.dev` or the older
/// `clerk.….lcl.dev`.
pub(crate) fn is_development(host: &str) -> bool {
    host.ends_with(".lcl.dev") || host.contains(".clerk.accounts.") && host.ends_with("dev")
}

/// Returns whether the host is `localhost`, in `127.0.0.0/8`, or `::1`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Returns the URL as text, without trailing slashes.
pub(crate) fn without_trailing_slash(url: Url) -> String {
    String::from(url).trim_end_matches('/').to_owned()
}

/// Parses an http or https URL without credentials.
pub(crate) fn http_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|_| "expected a full URL, such as https://mcp.example.com".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without a user name or password".to_owned());
    }
    Ok(url)
}

/// Parses an https URL without query and fragment. Allows http for loopback.
pub(crate) fn secure_url(text: &str) -> Result<Url, String> {
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without a query or fragment".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("expected https (http is allowed only for loopback)".to_owned());
    }
    Ok(url)
}

/// Parses `BASE_URL`.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = secure_url(text)?;
    if url.path().trim_end_matches('/').ends_with("/mcp") {
        return Err("expected the URL without the trailing /mcp".to_owned());
    }
    Ok(url)
}

/// Parses the host of the Frontend API. Accepts a scheme and a trailing slash.
pub(crate) fn domain(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let fits = |character: char| character.is_ascii_alphanumeric() || ".-:[]".contains(character);
    if !bare.contains(['.', ':']) && bare != "localhost" || !bare.chars().all(fits) || bare.ends_with('.') {
        return Err("expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API)".to_owned());
    }
    Ok(bare.to_ascii_lowercase())
}

/// Parses a publishable key: `pk_test_` or `pk_live_`, then the base64 of the Frontend API host and `$`.
/// Returns whether it is a test key, and the host.
pub(crate) fn publishable_key(text: &str) -> Result<(bool, String), String> {
    if text.starts_with("sk_") {
        let reason =
            "expected a publishable key (pk_…), but this is a secret key; move it to CLERK_SECRET_KEY";
        return Err(reason.to_owned());
    }
    let read = || {
        let test = text.starts_with("pk_test_");
        let body = text
            .strip_prefix("pk_test_")
            .or_else(|| text.strip_prefix("pk_live_"))?;
        let host = BASE64_STANDARD_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
        let host = String::from_utf8(host).ok()?;
        domain(host.strip_suffix('$')?).ok().map(|host| (test, host))
    };
    read()
        .ok_or_else(|| "expected pk_test_… or pk_live_… (Clerk Dashboard > Configure > API keys)".to_owned())
}

/// Parses a listen address.
pub(crate) fn host(text: &str) -> Result<IpAddr, String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    text.parse()
        .map_err(|_| "expected an IP address, such as 127.0.0.1 or 0.0.0.0".to_owned())
}

/// Splits a comma-separated list.
pub(crate) fn list(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

/// Parses scopes, separated by commas or spaces (RFC 6749 §3.3).
pub(crate) fn scopes(text: &str) -> Result<Vec<String>, String> {
    if text
        .chars()
        .any(|character| !matches!(character, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e'))
    {
        return Err("expected scopes in printable ASCII without quotes or backslashes".to_owned());
    }
    let scopes = text.split([',', ' ']).filter(|scope| !scope.is_empty());
    Ok(scopes.map(str::to_owned).collect())
}

/// Parses `CLERK_ACCEPTED_TOKENS`.
pub(crate) fn kinds(text: &str) -> Result<Vec<TokenKind>, String> {
    let kinds: Option<Vec<TokenKind>> = list(text).iter().map(|name| TokenKind::from_name(name)).collect();
    let kinds =
        kinds.ok_or_else(|| "expected session_token, oauth_token, m2m_token or api_key".to_owned())?;
    if kinds.is_empty() {
        return Err("expected at least one kind of token".to_owned());
    }
    Ok(kinds)
}

/// Parses `CLERK_AUDIENCE`.
pub(crate) fn audience(text: &str) -> Result<AudienceMode, String> {
    match text {
        "required" => Ok(AudienceMode::Required),
        "if-present" => Ok(AudienceMode::IfPresent),
        "off" => Ok(AudienceMode::Off),
        _ => Err("expected required, if-present or off".to_owned()),
    }
}

/// Parses `CLERK_CLOCK_SKEW` and returns it in milliseconds.
pub(crate) fn leeway(text: &str) -> Result<i64, String> {
    let leeway = text.parse::<SignedDuration>().ok();
    let fits = |leeway: &SignedDuration| (0..=300).contains(&leeway.as_secs());
    leeway
        .filter(fits)
        .and_then(|leeway| i64::try_from(leeway.as_millis()).ok())
        .ok_or_else(|| "expected a duration from 0s to 300s, such as 5s or 1m".to_owned())
}

/// Parses a list of web origins.
pub(crate) fn origins(text: &str) -> Result<Vec<String>, String> {
    let expected = || "expected origins such as https://app.example.com, without a path".to_owned();
    let origin = |item: &String| {
        let url = http_url(item).map_err(|_| expected())?;
        if url.path() == "/" && url.query().is_none() {
            Ok(url.origin().ascii_serialization())
        } else {
            Err(expected())
        }
    };
    list(text).iter().map(origin).collect()
}

/// Parses a size and returns it in bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = match text.strip_prefix(digits).map(str::trim) {
        Some("" | "B") => Some(1),
        Some("KiB") => Some(1 << 10),
        Some("MiB") => Some(1 << 20),
        Some("KB" | "kB" | "K") => Some(1_000),
        Some("MB" | "M") => Some(1_000_000),
        Some(_) | None => None,
    };
    let size = unit.and_then(|unit: usize| unit.checked_mul(digits.parse().ok()?));
    size.filter(|size| (1 << 10..=1 << 30).contains(size))
        .ok_or_else(|| "expected a size from 1 KiB to 1 GiB, such as 4 MiB".to_owned())
}
