//! Parses the values of variables. If a parser fails, it returns a reason to show.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use jiff::SignedDuration;

use super::LogFormat;
use crate::token::{AudiencePolicy, TokenKind};

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("expected pretty or json".to_owned()),
    }
}

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:9090".to_owned())
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
