//! Parses the values of variables. A parser returns the reason on failure; [`Reader`] collects all reasons.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;
use url::{Host, Url};

use super::{ConfigError, InvalidVariable, MissingVariable, VARIABLES, Variables};
use crate::{
    origin::{AllowedOrigins, is_loopback},
    token::{AudiencePolicy, TokenKind},
};

/// Reads variables and collects their errors.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    error: ConfigError,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            error: ConfigError::invalid(variables.faults().to_vec()),
        }
    }

    /// Returns the value if the variable is set and valid. If it is invalid, records the error of `parse`,
    /// which says what was expected.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.variables.get(name)?;
        match unexpanded(text).map_or_else(|| parse(text), Err) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(
                    name,
                    if may_show(name, text) {
                        format!("{reason}, got {text:?}")
                    } else {
                        reason
                    },
                );
                None
            }
        }
    }

    /// Returns the value, or `default` if the variable is not set or is invalid. An invalid value is recorded
    /// as an error, so the default is never used in that case.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// Returns the value of a required variable. `source` tells the operator where to get the value.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        source: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        // A file that cannot be read is reported already.
        if self.variables.get(name).is_none() && !self.error.names(&format!("{name}_FILE")) {
            self.missing(name, source);
        }
        self.optional(name, parse)
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.variables.get(name).is_some()
    }

    pub(super) fn missing(&mut self, variable: &'static str, source: &'static str) {
        self.error.missing.push(MissingVariable { variable, source });
    }

    pub(super) fn fault(&mut self, variable: &'static str, reason: String) {
        self.error.invalid.push(InvalidVariable::new(variable, reason));
    }

    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if self.error == ConfigError::default() {
            return Ok(());
        }
        self.error.warnings = self.variables.warnings().to_vec();
        Err(self.error)
    }
}

/// Returns whether an error message may contain the value. Returns `false` for a secret variable, for a text
/// that looks like a secret in the wrong variable, and for a URL that may contain a password (`@`).
pub(super) fn may_show(name: &str, text: &str) -> bool {
    let secret = VARIABLES
        .iter()
        .any(|variable| variable.name == name && variable.secret);
    // A private key may have been put into CLERK_JWT_KEY.
    !secret
        && name != "CLERK_JWT_KEY"
        && !text.contains("sk_")
        && !text.contains('@')
        && !text.contains("-----BEGIN")
}

/// Returns the fault of a value that a person or a program should have changed first. `docker --env-file`,
/// for example, keeps quotes and does not replace `${…}`.
pub(crate) fn unexpanded(text: &str) -> Option<String> {
    if text.contains(['“', '”', '„', '‘', '’']) {
        return Some(
            "expected the value without curly quotes, which some editors and web pages put in place of straight ones"
                .to_owned(),
        );
    }
    let is_quote = |c: char| matches!(c, '"' | '\'' | '`');
    if text.starts_with(is_quote) || text.ends_with(is_quote) {
        return Some("expected the value without quotes".to_owned());
    }
    if text.contains("${") {
        return Some("expected the value itself, but ${…} was not replaced".to_owned());
    }
    is_placeholder(text)
        .then(|| "this is a placeholder; replace it with the value of your application".to_owned())
}

/// Returns whether a value was copied from documentation, such as `sk_test_…`, `sk_test_xxxx`, `<domain>` or
/// `your-app-12.clerk.accounts.dev`.
fn is_placeholder(text: &str) -> bool {
    let body = ["sk_test_", "sk_live_", "pk_test_", "pk_live_"]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let is_masked =
        |body: &str| body.len() > 2 && body.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'*' | b'.'));
    let starts_with_your = |text: &str| {
        text.get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("your-") || start.eq_ignore_ascii_case("your_"))
    };
    text.contains('…')
        || text.contains("...")
        || (text.starts_with('<') && text.ends_with('>'))
        || (text.ends_with(".clerk.accounts.dev") && starts_with_your(text))
        || body.is_some_and(|body| is_masked(body) || starts_with_your(body))
}

/// The log format.
///
/// ```
/// use clerk_mcp::config::LogFormat;
///
/// fn log(format: Option<LogFormat>) {
///     let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
///     match format {
///         Some(LogFormat::Json) => log.json().init(),
///         Some(LogFormat::Pretty) | None => log.init(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable text.
    Pretty,
    /// One JSON object per line.
    Json,
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected pretty or json".to_owned()),
    }
}

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

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:9090".to_owned())
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

pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        _ => text
            .parse()
            .map_err(|_| "expected an IP address, such as 127.0.0.1 or 0.0.0.0".to_owned()),
    }
}

pub(super) fn number<T: FromStr>(expected: &'static str) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        text.parse()
            .ok()
            // The standard library also accepts a sign.
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| format!("expected {expected}"))
    }
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    let expected = "a number above 0";
    number(expected)(text).and_then(|count| {
        if count == 0 {
            Err(format!("expected {expected}"))
        } else {
            Ok(count)
        }
    })
}

pub(super) fn size(text: &str) -> Result<usize, String> {
    let expected = || "expected a size from 1 KiB to 1 GiB, such as 4 MiB".to_owned();
    let size: bytesize::ByteSize = text.parse().map_err(|_| expected())?;
    usize::try_from(size.as_u64())
        .ok()
        .filter(|bytes| (1 << 10..=1 << 30).contains(bytes))
        .ok_or_else(expected)
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

pub(super) fn duration(least: Duration, most: Duration) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| {
        text.parse::<SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| (least..=most).contains(duration))
            .ok_or_else(|| {
                format!(
                    "expected a duration from {}s to {}s, such as 5s or 1m",
                    least.as_secs(),
                    most.as_secs()
                )
            })
    }
}

/// Splits a comma-separated list. Ignores spaces around the items, and empty items.
#[expect(clippy::unnecessary_wraps, reason = "all parsers have the same signature")]
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Parses scopes (RFC 6749 §3.3), separated by commas or spaces.
pub(super) fn scopes(text: &str) -> Result<Vec<String>, String> {
    let allowed = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
    let scopes: Vec<_> = text
        .split([',', ' '])
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if scopes.iter().all(|scope| scope.chars().all(allowed)) {
        Ok(scopes)
    } else {
        Err("expected scopes in printable ASCII without quotes or backslashes".to_owned())
    }
}

pub(super) fn required_scopes(text: &str) -> Result<Vec<String>, String> {
    let scopes = scopes(text)?;
    if scopes.iter().any(|scope| scope == "offline_access") {
        // MCP, "Refresh Tokens": a server should not ask for it.
        let reason = "offline_access only says that a client wants refresh tokens; remove it from the list";
        return Err(reason.to_owned());
    }
    Ok(scopes)
}

pub(super) fn accepted_tokens(text: &str) -> Result<Vec<TokenKind>, String> {
    let kinds = list(text)?
        .iter()
        .map(|item| item.parse::<TokenKind>().map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        Err("expected at least one kind of token".to_owned())
    } else {
        Ok(kinds)
    }
}

pub(super) fn audience(text: &str) -> Result<AudiencePolicy, String> {
    match text {
        "required" => Ok(AudiencePolicy::Required),
        "if-present" => Ok(AudiencePolicy::IfPresent),
        "observe" => Ok(AudiencePolicy::Observe),
        "off" => Ok(AudiencePolicy::Off),
        _ => Err("expected required, if-present, observe or off".to_owned()),
    }
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("expected on or off".to_owned()),
    }
}

pub(super) fn session_audience(text: &str) -> Result<AudiencePolicy, String> {
    match text {
        "if-present" => Ok(AudiencePolicy::IfPresent),
        "off" => Ok(AudiencePolicy::Off),
        _ => Err("expected if-present or off".to_owned()),
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
    not_frontend_api(&url)?;
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
    not_frontend_api(&url)?;
    Ok(url)
}

/// Rejects the hosts of Clerk that people copy by mistake, and names the Frontend API host.
fn not_frontend_api(url: &Url) -> Result<(), String> {
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
