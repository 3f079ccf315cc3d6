//! Keeps web pages out: a browser on this machine sends their requests here as readily as anybody else's.

use poem::{
    Request,
    http::{HeaderMap, StatusCode, header},
};
use url::Url;

use super::AdminError;
use crate::store::instance::Instance;

/// Refuses what a page of another origin can make a browser send, and what reaches this listener under a name that
/// is not its own (DNS rebinding).
///
/// # Errors
///
/// 403 with the reason.
pub(super) fn check(instance: &Instance, request: &Request) -> Result<(), AdminError> {
    let refuse = |reason: &str| Err(AdminError::new(StatusCode::FORBIDDEN, reason));
    let host = text(request.headers(), header::HOST.as_str())
        .map(str::to_owned)
        // HTTP/2 has the host in its own place.
        .or_else(|| request.original_uri().authority().map(ToString::to_string));
    if !host.is_some_and(|host| is_own(instance, &host)) {
        return refuse("the admin API answers only under the name and port of this listener");
    }
    if request.headers().contains_key(header::ORIGIN) {
        let own = text(request.headers(), header::ORIGIN.as_str())
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(scheme, host)| {
                instance.origin.split_once("://").map(|(own, _)| own) == Some(scheme)
                    && is_own(instance, host)
            });
        if !own {
            return refuse("the admin API does not answer pages of other origins");
        }
    }
    match text(request.headers(), "sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => refuse("the admin API does not answer pages of other origins"),
    }
}

/// Whether a host with its port means this listener: its address, or this machine's names for itself.
fn is_own(instance: &Instance, host: &str) -> bool {
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
