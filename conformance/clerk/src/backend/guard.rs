//! Checks that precede routing: the secret key and the API version.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use poem::http::{HeaderMap, header};

use super::error::ClerkError;
use crate::{
    http::parameters::Parameters,
    store::{endpoint::Endpoint, instance::Instance},
};

const VERSION_HEADER: &str = "clerk-api-version";
const VERSION_PARAMETER: &str = "__clerk_api_version";
/// The known versions of the Backend API.
const VERSIONS: [&str; 6] = [
    "2021-02-05",
    "2024-10-01",
    "2025-03-12",
    "2025-04-10",
    "2025-11-10",
    "2026-05-12",
];

/// Checks that the request has the secret key of the instance as its bearer token.
///
/// The endpoint that verifies machine-to-machine tokens also accepts the secret key of a machine.
pub(super) fn check_key(
    instance: &Instance,
    endpoint: Option<Endpoint>,
    headers: &HeaderMap,
) -> Result<(), ClerkError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ClerkError::authorization_header_format_invalid());
    };
    let key = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|key| !key.is_empty() && !key.contains(' '))
        .ok_or_else(ClerkError::authorization_header_format_invalid)?;
    if endpoint == Some(Endpoint::BackendVerifyM2mToken) && key.starts_with("ak_") {
        let credentials = instance.credentials.lock();
        return match credentials.machine_by_secret(key) {
            Some(_) => Ok(()),
            None => Err(ClerkError::machine_secret_key_invalid()),
        };
    }
    verify_slices_are_equal(key.as_bytes(), instance.secret_key.as_bytes())
        .map_err(|_| ClerkError::clerk_key_invalid())
}

/// Checks the API version of a request. A request may name one by header or by parameter, not both.
pub(super) fn check_version(headers: &HeaderMap, query: &str) -> Result<(), ClerkError> {
    let parameters = Parameters::parse(query.as_bytes());
    let version = match (headers.get(VERSION_HEADER), parameters.get(VERSION_PARAMETER)) {
        (None, None) => return Ok(()),
        (Some(_), Some(_)) => {
            return Err(ClerkError::api_version_invalid(
                "set by both the header and the parameter; use one of them",
            ));
        }
        (Some(header), None) => header.to_str().unwrap_or_default(),
        (None, Some(parameter)) => parameter,
    };
    if VERSIONS.contains(&version) {
        Ok(())
    } else {
        Err(ClerkError::api_version_invalid(&format!(
            "unknown version {version:?}"
        )))
    }
}
