//! Reads the form parameters of OAuth requests.

use super::error::OAuthError;
use crate::http::{incoming::Incoming, parameters::Parameters};

/// Parses the form in the body of a request. Only the parameters in `repeatable` may appear more than once.
///
/// # Errors
///
/// `invalid_request` for a body that is not a form, and for a repeated parameter.
pub(super) fn parse(incoming: &Incoming, repeatable: &[&str]) -> Result<Parameters, OAuthError> {
    let form = incoming.form().ok_or_else(|| {
        OAuthError::invalid_request("the request body must be application/x-www-form-urlencoded")
    })?;
    check_repeated(&form, repeatable)?;
    Ok(form)
}

/// RFC 6749 §3.1 and §3.2: parameters must not appear more than once. RFC 8707 §2 exempts `resource`.
///
/// # Errors
///
/// `invalid_request` when a parameter that is not in `repeatable` appears more than once.
pub(super) fn check_repeated(parameters: &Parameters, repeatable: &[&str]) -> Result<(), OAuthError> {
    match parameters.repeated(repeatable) {
        None => Ok(()),
        Some(_) if repeatable.is_empty() => Err(OAuthError::invalid_request(
            "no parameter may appear more than once",
        )),
        Some(_) => Err(OAuthError::invalid_request(format!(
            "no parameter except {} may appear more than once",
            repeatable.join(", ")
        ))),
    }
}
