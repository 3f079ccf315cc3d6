//! Who calls the token, revocation and introspection endpoints (RFC 6749 §2.3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use url::form_urlencoded;

use super::error::{ErrorCode, OAuthError};
use crate::{
    http::{incoming::Incoming, parameters::Parameters},
    store::{grants::Client, instance::Instance},
};

/// The client's id and secret as presented, in the header or in the form, not in both.
struct Credentials {
    client_id: String,
    secret: Option<String>,
}

/// Finds the client and checks its secret. `client_secret_basic` and `client_secret_post` are interchangeable, as at
/// Clerk; a public client has no secret and must not send one.
///
/// # Errors
///
/// `invalid_client` for a client that is unknown or not who it says, `invalid_request` for two ways at once.
pub(super) fn authenticate(
    instance: &Instance,
    incoming: &Incoming,
    form: &Parameters,
) -> Result<Client, OAuthError> {
    let credentials = credentials(incoming, form)?;
    // One text for all of these: it must not tell which client ids exist.
    let refused = || OAuthError::new(ErrorCode::InvalidClient, "client authentication failed");
    let client = instance
        .grants
        .lock()
        .client(&credentials.client_id)
        .cloned()
        .ok_or_else(refused)?;
    let authentic = match (&client.secret, &credentials.secret) {
        (Some(expected), Some(given)) => {
            verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
        }
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if authentic { Ok(client) } else { Err(refused()) }
}

fn credentials(incoming: &Incoming, form: &Parameters) -> Result<Credentials, OAuthError> {
    let in_form = form.get("client_id");
    let secret_in_form = form.get("client_secret");
    let Some(basic) = incoming.credentials("Basic") else {
        if incoming.header("authorization").is_some() {
            return Err(OAuthError::new(
                ErrorCode::InvalidClient,
                "clients authenticate with the scheme Basic",
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
    let malformed = || {
        OAuthError::new(
            ErrorCode::InvalidClient,
            "the Authorization header cannot be read",
        )
    };
    let decoded = BASE64_STANDARD
        .decode(basic)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(malformed)?;
    let (client_id, client_secret) = decoded.split_once(':').ok_or_else(malformed)?;
    let client_id = form_decode(client_id);
    if secret_in_form.is_some() || in_form.is_some_and(|in_form| in_form != client_id) {
        return Err(OAuthError::invalid_request(
            "the client authenticates in two ways at once",
        ));
    }
    let client_secret = form_decode(client_secret);
    Ok(Credentials {
        client_id,
        secret: (!client_secret.is_empty()).then_some(client_secret),
    })
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before they are joined.
fn form_decode(text: &str) -> String {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    match (pairs.next(), pairs.next()) {
        // A text without `=` and `&` is one name without a value.
        (Some((name, value)), None) if value.is_empty() => name.into_owned(),
        _ => text.to_owned(),
    }
}
