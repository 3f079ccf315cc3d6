//! Dynamic client registration (RFC 7591 §3).

use poem::{Response, http::StatusCode};
use serde_json::{Map, Value, json};

use super::{
    error::{ErrorCode, OAuthError, clerk_error},
    metadata::{AUTHENTICATION_METHODS, GRANT_TYPES, RESPONSE_TYPES},
    redirect_uri,
};
use crate::{
    http::{incoming::Incoming, respond},
    store::{
        grants::{Client, Origin},
        instance::Instance,
        scope::Scopes,
    },
};

/// The maximum length of `client_name`, in characters.
const MAX_NAME_CHARACTERS: usize = 256;
/// The maximum length of the other text members, in characters.
const MAX_CHARACTERS: usize = 1024;

/// Registers a client. While the feature is off, responds with an error in Clerk's own envelope, as Clerk
/// does.
pub(crate) fn register(instance: &Instance, incoming: &Incoming) -> Response {
    if !instance.settings.dynamic_registration {
        return clerk_error(
            instance,
            StatusCode::UNPROCESSABLE_ENTITY,
            "feature_requires_dynamic_oauth_client_registration",
            "Dynamic client registration is not enabled",
            "Dynamic OAuth client registration is not enabled for this instance.",
        );
    }
    match try_register(instance, incoming) {
        Ok(body) => respond::no_store(respond::json(StatusCode::CREATED, &body)),
        Err(error) => error.into_response(),
    }
}

fn try_register(instance: &Instance, incoming: &Incoming) -> Result<Value, OAuthError> {
    if !incoming.has_content_type("application/json") {
        return Err(invalid_metadata("the request body must be application/json"));
    }
    let Ok(Value::Object(metadata)) = serde_json::from_slice::<Value>(incoming.body()) else {
        return Err(invalid_metadata("the request body must be a JSON object"));
    };
    let redirect_uris = redirect_uris(&metadata, &instance.origin)?;
    // RFC 7591 §2: unknown members are ignored.
    let method =
        text(&metadata, "token_endpoint_auth_method", MAX_CHARACTERS)?.unwrap_or("client_secret_basic");
    if !AUTHENTICATION_METHODS.contains(&method) {
        return Err(invalid_metadata(format!(
            "token_endpoint_auth_method must be one of {}",
            AUTHENTICATION_METHODS.join(", ")
        )));
    }
    let client_id = instance.ids.alphanumeric("client_id", 16);
    let client_name = text(&metadata, "client_name", MAX_NAME_CHARACTERS)?
        .unwrap_or(&client_id)
        .to_owned();
    let client_uri = web_url(&metadata, "client_uri")?;
    let logo_uri = web_url(&metadata, "logo_uri")?;
    let scopes = scopes(instance, &metadata)?;
    let client_secret = (method != "none").then(|| instance.ids.alphanumeric("client_secret", 43));

    let mut body = json!({
        "client_id": client_id,
        "client_id_issued_at": instance.clock.now().as_second(),
        "client_secret_expires_at": 0,
        "client_name": client_name,
        "redirect_uris": redirect_uris,
        "grant_types": grant_types(instance),
        "response_types": RESPONSE_TYPES,
        "scope": scopes.to_string(),
        "token_endpoint_auth_method": method,
    });
    if let Some(body) = body.as_object_mut() {
        let optional = [
            ("client_secret", client_secret.as_deref()),
            ("client_uri", client_uri),
            ("logo_uri", logo_uri),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
    }
    instance.grants.lock().add_client(Client {
        id: client_id,
        name: client_name,
        secret: client_secret,
        redirect_uris,
        scopes,
        origin: Origin::Registered,
    });
    Ok(body)
}

/// Returns the grant types in the response. Every client may refresh, but Clerk does not say so here
/// (clerk/mcp-tools #19).
fn grant_types(instance: &Instance) -> &'static [&'static str] {
    if instance.settings.registration_lists_refresh_token {
        &GRANT_TYPES
    } else {
        &["authorization_code"]
    }
}

fn redirect_uris(metadata: &Map<String, Value>, origin: &str) -> Result<Vec<String>, OAuthError> {
    let invalid = |reason: &str| OAuthError::new(ErrorCode::InvalidRedirectUri, reason.to_owned());
    let Some(Value::Array(uris)) = metadata.get("redirect_uris") else {
        return Err(invalid("redirect_uris must be an array of strings"));
    };
    if uris.is_empty() {
        return Err(invalid("redirect_uris must not be empty"));
    }
    uris.iter()
        .map(|uri| {
            let uri = uri
                .as_str()
                .ok_or_else(|| invalid("redirect_uris must be an array of strings"))?;
            redirect_uri::check(uri, origin)
                .map_err(|reason| invalid(&format!("a redirect URI {reason}")))?;
            Ok(uri.to_owned())
        })
        .collect()
}

fn scopes(instance: &Instance, metadata: &Map<String, Value>) -> Result<Scopes, OAuthError> {
    let requested = text(metadata, "scope", MAX_CHARACTERS)?
        .map(Scopes::parse)
        .filter(|scopes| !scopes.is_empty());
    let Some(requested) = requested else {
        return Ok(instance.settings.default_scopes.clone());
    };
    let known: Scopes = instance.settings.scopes_supported().collect();
    if requested.first_not_in(&known).is_some() {
        return Err(invalid_metadata(format!("scope may contain only: {known}")));
    }
    Ok(requested)
}

/// Returns a member that must be an http or https URL. Other schemes are rejected, because the URL may be
/// shown as a link.
fn web_url<'a>(metadata: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, OAuthError> {
    let url = text(metadata, name, MAX_CHARACTERS)?;
    let is_web = |url: &str| url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    match url {
        Some(url) if !is_web(url) => Err(invalid_metadata(format!("{name} must be an http or https URL"))),
        Some(_) | None => Ok(url),
    }
}

/// Returns a member that must be a string if present. `null` and the empty string count as absent.
fn text<'a>(metadata: &'a Map<String, Value>, name: &str, max: usize) -> Result<Option<&'a str>, OAuthError> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() > max => Err(invalid_metadata(format!(
            "{name} must have at most {max} characters"
        ))),
        Some(Value::String(text)) => Ok((!text.is_empty()).then_some(text.as_str())),
        Some(_) => Err(invalid_metadata(format!("{name} must be a string"))),
    }
}

fn invalid_metadata(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}
