//! From text to values. Each parser gives the reason on failure; [`Reader`] collects them all.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;
use url::{Host, Url};

use super::{ConfigError, Fault, MissingVariable, VARIABLES, Variables};
use crate::{
    origin::{AllowedOrigins, is_loopback},
    token::{AudiencePolicy, TokenKind},
};

/// Reads variables and keeps what is wrong with them.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    error: ConfigError,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            error: ConfigError::default(),
        }
    }

    /// The value if the variable is set and right. `parse` says what was expected.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.variables.get(name)?;
        match parse(text) {
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

    /// The value, or `default` when the variable isn't set (or wrong: then nothing is made of it anyway).
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.optional(name, parse).unwrap_or(default)
    }

    /// The value of a variable that must be set; `source` says where to get one.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        source: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if self.variables.get(name).is_none() {
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
        self.error.invalid.push(Fault::new(variable, reason));
    }

    pub(super) fn finish(self) -> Result<(), ConfigError> {
        if self.error == ConfigError::default() {
            Ok(())
        } else {
            Err(self.error)
        }
    }
}

/// Whether an error may repeat the value: not of a secret, nor of anything that looks like one in the wrong place.
pub(super) fn may_show(name: &str, text: &str) -> bool {
    let secret = VARIABLES
        .iter()
        .any(|variable| variable.name == name && variable.secret);
    !secret && !text.contains("sk_") && !text.contains('@') && !text.contains("-----BEGIN")
}

/// The form of the log.
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
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected pretty or json".to_owned()),
    }
}

/// An absolute http or https URL without credentials.
pub(super) fn web_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|_| "expected a full URL, such as https://mcp.example.com".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without user name and password".to_owned());
    }
    Ok(url)
}

/// A URL under which other URLs lie: no query, no fragment, no trailing slash, and https unless it is loopback.
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let mut url = web_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without query and fragment".to_owned());
    }
    // RFC 9728 §1.2, OAuth 2.1 §1.5: tokens only travel over TLS, but for this machine alone.
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("expected https (http is for loopback only)".to_owned());
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.contains("//") || path.contains([':', '*']) {
        return Err("expected a path without empty segments, colons and asterisks".to_owned());
    }
    if url.host_str().is_some_and(|host| host.ends_with('.')) {
        return Err("expected a host without a dot at its end".to_owned());
    }
    url.set_path(&path);
    Ok(url)
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:9090".to_owned())
}

/// The server's own URL: the endpoint is found below it, so it isn't the endpoint's.
pub(super) fn own_url(text: &str) -> Result<Url, String> {
    let url = base_url(text)?;
    if url.path().ends_with(crate::paths::MCP) {
        Err("expected the URL without /mcp at its end".to_owned())
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
    move |text| text.parse().map_err(|_| format!("expected {expected}"))
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
                    "expected a duration from {least:?} to {}s, such as 5s or 1m",
                    most.as_secs()
                )
            })
    }
}

/// Items separated by commas; spaces around them don't count.
#[expect(clippy::unnecessary_wraps, reason = "one form for all parsers")]
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Scope tokens (RFC 6749 §3.3), separated by commas or spaces.
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
        Err("expected scopes of printable ASCII without quotes and backslashes".to_owned())
    }
}

pub(super) fn accepted_tokens(text: &str) -> Result<Vec<TokenKind>, String> {
    let kinds = list(text)?
        .iter()
        .map(|item| item.parse::<TokenKind>().map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if kinds.is_empty() {
        Err("expected at least one kind".to_owned())
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

pub(super) fn origins(text: &str) -> Result<AllowedOrigins, String> {
    let expected = || "expected origins such as https://app.example.com, without a path".to_owned();
    let origins = list(text)?
        .iter()
        .map(|item| {
            let url = web_url(item).map_err(|_| expected())?;
            let origin = url.origin().ascii_serialization();
            // Anything beyond the origin would never match, for browsers send no more than that.
            if item.trim_end_matches('/').eq_ignore_ascii_case(&origin)
                || url.port_or_known_default().is_some_and(|port| {
                    item.trim_end_matches('/')
                        .eq_ignore_ascii_case(&format!("{origin}:{port}"))
                })
            {
                Ok(origin)
            } else {
                Err(expected())
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(AllowedOrigins::exactly(origins))
}

/// A host with an optional port, with or without `https://` and a trailing slash.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let expected = || "expected the host of the Frontend API, such as clerk.example.com".to_owned();
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let url = Url::parse(&format!("https://{bare}/")).map_err(|_| expected())?;
    // The parser is lenient where a domain must not be: it skips slashes at the start and takes credentials.
    let plain = url.path() == "/" && !bare.contains(['/', '\\', '@', '?', '#']) && !bare.ends_with('.');
    let named = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.contains('.'),
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
