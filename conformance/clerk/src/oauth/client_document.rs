//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document) with Clerk's restrictions: the
//! client id is the https URL of a JSON document that describes the client.

use std::{error::Error, time::Duration};

use jiff::SignedDuration;
use reqwest::{Certificate, ClientBuilder, StatusCode, header, redirect};
use serde_json::{Map, Value};
use url::Url;

use super::redirect_uri;
use crate::{
    http::incoming::Incoming,
    store::{
        grants::{Client, Origin},
        instance::Instance,
        scope::Scopes,
    },
};

/// The time limit for fetching a document.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a document.
const MAX_BYTES: usize = 64 * 1024;
/// How long a document is used before it is fetched again.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);
/// A scope that these clients have in addition to the instance's default scopes, as at Clerk.
const ADDITIONAL_SCOPE: &str = "offline_access";

/// An error in a client ID metadata document or its URL. Its text is shown on the error page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientDocumentError {
    /// The URL cannot be a client id.
    #[error("the client_id is not a valid URL of a client ID metadata document: {0}")]
    Url(&'static str),
    /// The document cannot be fetched.
    #[error(
        "cannot fetch the client ID metadata document: {0}. If its certificate authority is unknown, start the local Clerk with \
         --trust FILE. Without network access, start it with --no-client-documents, so that clients register dynamically"
    )]
    Fetch(String),
    /// The document is invalid.
    #[error("invalid client ID metadata document: {0}")]
    Document(&'static str),
}

/// Returns whether a client id is the URL of a metadata document.
pub(super) fn is_url(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

/// Fetches the metadata document of an authorization request's client, and registers the client.
///
/// Does nothing when the client id is not a URL, the feature is off, or the document was fetched recently.
///
/// # Errors
///
/// [`ClientDocumentError`] when the URL or the document cannot be used.
pub(crate) async fn resolve(instance: &Instance, incoming: &Incoming) -> Result<(), ClientDocumentError> {
    let parameters = match incoming.form() {
        Some(form) => form,
        None => incoming.query(),
    };
    let Some(client_id) = parameters.get("client_id").filter(|id| is_url(id)) else {
        return Ok(());
    };
    if !instance.settings.client_id_metadata_documents || is_fresh(instance, client_id) {
        return Ok(());
    }
    check_url(client_id)?;
    let document = fetch(instance, client_id).await?;
    let client = client_from_document(
        instance,
        client_id,
        &document,
        Some(instance.clock.now() + FRESH_FOR),
    )?;
    instance.grants.lock().add_client(client);
    Ok(())
}

/// Registers a client with this document instead of fetching it. The document never becomes stale.
///
/// # Errors
///
/// [`ClientDocumentError`] when the URL or the document is invalid.
pub(crate) fn pin(instance: &Instance, url: &str, document: &Value) -> Result<(), ClientDocumentError> {
    check_url(url)?;
    let client = client_from_document(instance, url, document, None)?;
    instance.grants.lock().add_client(client);
    Ok(())
}

fn is_fresh(instance: &Instance, client_id: &str) -> bool {
    let grants = instance.grants.lock();
    match grants.client(client_id).map(|client| &client.origin) {
        Some(Origin::Document { fresh_until }) => {
            fresh_until.is_none_or(|fresh_until| instance.clock.now() < fresh_until)
        }
        Some(Origin::Registered) | None => false,
    }
}

/// §3 of the draft: an https URL with a path, and without a fragment, credentials or dot segments.
fn check_url(client_id: &str) -> Result<(), ClientDocumentError> {
    let invalid = |reason| Err(ClientDocumentError::Url(reason));
    let Ok(url) = Url::parse(client_id) else {
        return invalid("it cannot be parsed");
    };
    // Parsing normalizes dot segments, upper-case hosts and default ports.
    if url.as_str() != client_id {
        return invalid("it is not in normalized form");
    }
    if url.scheme() != "https" {
        return invalid("its scheme must be https");
    }
    if url.path() == "/" {
        return invalid("it must have a path");
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return invalid("it must not have a fragment or credentials");
    }
    Ok(())
}

async fn fetch(instance: &Instance, url: &str) -> Result<Value, ClientDocumentError> {
    let failed = |error: reqwest::Error| ClientDocumentError::Fetch(root_cause(&error.without_url()));
    let fetch_error = |text: &str| ClientDocumentError::Fetch(text.to_owned());
    let settings = &instance.settings;
    let is_loopback = Url::parse(url).is_ok_and(|url| redirect_uri::is_loopback(&url));
    let http = if is_loopback {
        // A proxy of the environment cannot reach loopback.
        http_client(&settings.trusted, ClientBuilder::no_proxy)
    } else {
        let client = || http_client(&settings.trusted, |client| client);
        instance.http.get_or_init(client).clone()
    };
    let http = http.map_err(|error| fetch_error(&error))?;
    let request = http.get(url).header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(failed)?;
    // Redirects are not followed: the client id must be the URL of the document itself.
    if response.status() != StatusCode::OK {
        return Err(fetch_error(&format!(
            "the response status is {}, not 200",
            response.status().as_u16()
        )));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(fetch_error("it is larger than 64 KiB"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| ClientDocumentError::Document("it is not JSON"))
}

/// Returns the innermost cause of an error: "certificate unknown" instead of "error sending request".
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Creates the HTTP client. Called for the first document, because loading the system's certificate
/// authorities would slow down every start.
fn http_client(
    trusted: &[String],
    proxy: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Result<reqwest::Client, String> {
    let mut certificates = Vec::new();
    for pem in trusted {
        let more = Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| format!("invalid PEM of a trusted certificate authority: {error}"))?;
        certificates.extend(more);
    }
    proxy(reqwest::Client::builder())
        .redirect(redirect::Policy::none())
        .timeout(FETCH_TIMEOUT)
        .https_only(true)
        .tls_certs_merge(certificates)
        .build()
        .map_err(|error| error.to_string())
}

/// Creates a client from its document, which is used until `fresh_until`, or forever without it.
fn client_from_document(
    instance: &Instance,
    url: &str,
    document: &Value,
    fresh_until: Option<jiff::Timestamp>,
) -> Result<Client, ClientDocumentError> {
    let invalid = ClientDocumentError::Document;
    let document: &Map<String, Value> = document
        .as_object()
        .ok_or_else(|| invalid("it is not a JSON object"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("client_id") != Some(url) {
        return Err(invalid("its client_id is not its URL"));
    }
    let name = text("client_name")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| invalid("it has no client_name"))?;
    let redirect_uris = document
        .get("redirect_uris")
        .and_then(Value::as_array)
        .filter(|uris| !uris.is_empty())
        .ok_or_else(|| invalid("it has no redirect_uris"))?
        .iter()
        .map(|uri| {
            uri.as_str()
                .filter(|uri| redirect_uri::check(uri, &instance.origin).is_ok())
        })
        .map(|uri| uri.map(str::to_owned))
        .collect::<Option<Vec<String>>>()
        .ok_or_else(|| invalid("one of its redirect_uris is not allowed"))?;
    // §4.1 of the draft: the document is public, so it must not contain a secret.
    if document.contains_key("client_secret") || document.contains_key("client_secret_expires_at") {
        return Err(invalid("it must not contain a client secret"));
    }
    if !matches!(text("token_endpoint_auth_method"), None | Some("none")) {
        return Err(invalid("its token_endpoint_auth_method must be none"));
    }
    let scopes: Scopes = instance
        .settings
        .default_scopes
        .iter()
        .chain([ADDITIONAL_SCOPE])
        .collect();
    Ok(Client {
        id: url.to_owned(),
        name: name.to_owned(),
        secret: None,
        redirect_uris,
        scopes,
        origin: Origin::Document { fresh_until },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_id_must_be_a_normalized_https_url_with_a_path() {
        for url in [
            "https://app.example.com/client.json",
            "https://app.example.com:8443/a/b?version=2",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/a/../client.json",
            "https://APP.example.com/client.json",
            "https://app.example.com/client.json#x",
            "https://user@app.example.com/client.json",
            "http://127.0.0.1/client.json",
            "https://",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
