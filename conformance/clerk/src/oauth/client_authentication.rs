//! Client authentication at the token, revocation and introspection endpoints (RFC 6749 §2.3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use url::form_urlencoded;

use super::error::{ErrorCode, OAuthError};
use crate::{
    http::{incoming::Incoming, parameters::Parameters},
    store::{grants::Client, instance::Instance},
};

/// The client id and secret from the `Authorization` header or from the form.
struct Credentials {
    client_id: String,
    secret: Option<String>,
}

/// Finds the client and checks its secret.
///
/// `client_secret_basic` and `client_secret_post` are interchangeable, as at Clerk. A public client has no
/// secret and must not send one.
///
/// # Errors
///
/// `invalid_client` for an unknown client or a wrong secret, `invalid_request` for credentials in both
/// places.
pub(super) fn authenticate(
    instance: &Instance,
    incoming: &Incoming,
    form: &Parameters,
) -> Result<Client, OAuthError> {
    let credentials = credentials(incoming, form)?;
    // All failures have the same description, so that it does not reveal which client ids exist.
    let failed = || OAuthError::new(ErrorCode::InvalidClient, "client authentication failed");
    let client = instance
        .grants
        .lock()
        .client(&credentials.client_id)
        .cloned()
        .ok_or_else(failed)?;
    let authentic = match (&client.secret, &credentials.secret) {
        (Some(expected), Some(given)) => {
            verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
        }
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if authentic { Ok(client) } else { Err(failed()) }
}

fn credentials(incoming: &Incoming, form: &Parameters) -> Result<Credentials, OAuthError> {
    let in_form = form.get("client_id");
    let secret_in_form = form.get("client_secret");
    let Some(basic) = incoming.credentials("Basic") else {
        if incoming.header("authorization").is_some() {
            return Err(OAuthError::new(
                ErrorCode::InvalidClient,
                "the scheme of the Authorization header must be Basic",
            ));
        }
        let client_id = in_form
            .ok_or_else(|| OAuthError::new(ErrorCode::InvalidClient, "client_id is missing"))?
            .to_owned();
        return Ok(Credentials {
            client_id,
            secret: secret_in_form.map(str::to_owned),
        });
    };
    let malformed = || OAuthError::new(ErrorCode::InvalidClient, "the Authorization header is malformed");
    let decoded = BASE64_STANDARD
        .decode(basic)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(malformed)?;
    let (client_id, client_secret) = decoded.split_once(':').ok_or_else(malformed)?;
    let client_id = form_decode(client_id);
    if secret_in_form.is_some() || in_form.is_some_and(|in_form| in_form != client_id) {
        return Err(OAuthError::invalid_request(
            "client credentials must not be in both the Authorization header and the form",
        ));
    }
    let client_secret = form_decode(client_secret);
    Ok(Credentials {
        client_id,
        secret: (!client_secret.is_empty()).then_some(client_secret),
    })
}

/// Decodes a client id or secret, which RFC 6749 §2.3.1 form-encodes before joining them.
fn form_decode(text: &str) -> String {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    match (pairs.next(), pairs.next()) {
        // Without `=` and `&`, the text parses as one name without a value.
        (Some((name, value)), None) if value.is_empty() => name.into_owned(),
        _ => text.to_owned(),
    }
}
