//! Rejects requests that a web page of another origin made a browser on this machine send.

use poem::{
    Request,
    http::{HeaderMap, StatusCode, header},
};
use url::Url;

use super::AdminError;
use crate::store::instance::Instance;

/// Rejects requests from web pages of other origins, and requests whose `Host` is not this listener (DNS
/// rebinding).
///
/// # Errors
///
/// 403 with the reason.
pub(super) fn check(instance: &Instance, request: &Request) -> Result<(), AdminError> {
    const OTHER_ORIGIN: &str = "requests from web pages of other origins are not allowed";
    let reject = |reason: &str| Err(AdminError::new(StatusCode::FORBIDDEN, reason));
    let host = text(request.headers(), header::HOST.as_str())
        .map(str::to_owned)
        // HTTP/2 sends the host as `:authority`.
        .or_else(|| request.original_uri().authority().map(ToString::to_string));
    if !host.is_some_and(|host| is_own_host(instance, &host)) {
        return reject("the Host header must be the address and port of this listener");
    }
    if request.headers().contains_key(header::ORIGIN) {
        let is_own_origin = text(request.headers(), header::ORIGIN.as_str())
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(scheme, host)| {
                instance.origin.split_once("://").map(|(own, _)| own) == Some(scheme)
                    && is_own_host(instance, host)
            });
        if !is_own_origin {
            return reject(OTHER_ORIGIN);
        }
    }
    match text(request.headers(), "sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => reject(OTHER_ORIGIN),
    }
}

/// Returns whether a host and port name this listener: by its own host, or as `127.0.0.1`, `[::1]` or
/// `localhost`.
fn is_own_host(instance: &Instance, host: &str) -> bool {
    let scheme = instance.origin.split("://").next().unwrap_or_default();
    let (Ok(own), Ok(given)) = (
        Url::parse(&instance.origin),
        Url::parse(&format!("{scheme}://{host}")),
    ) else {
        return false;
    };
    let Some(name) = given.host_str() else {
        return false;
    };
    given.port_or_known_default() == own.port_or_known_default()
        && (["127.0.0.1", "[::1]", "localhost"].contains(&name) || own.host_str() == Some(name))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
