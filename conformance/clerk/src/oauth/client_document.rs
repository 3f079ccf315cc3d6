//! Client id metadata documents: a client id that is the https URL of a document about the client
//! (draft-ietf-oauth-client-id-metadata-document), as Clerk takes them.

use std::{error::Error, time::Duration};

use jiff::SignedDuration;
use reqwest::{Certificate, StatusCode, header, redirect};
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

/// How long to wait for a document.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Far above any document about a client.
const MAX_BYTES: usize = 64 * 1024;
/// How long a document is used before it is fetched again.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);
/// Always granted to these clients, whatever the instance's scopes are, as at Clerk.
const ALWAYS: &str = "offline_access";

/// Why there is no client behind a URL, for the person who looks at the page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientDocumentError {
    /// Not a URL that can be a client id.
    #[error("the client_id is no URL for a document about the client: {0}")]
    Url(&'static str),
    /// The document did not come.
    #[error("the document about the client cannot be fetched: {0}")]
    Fetch(String),
    /// The document is not right.
    #[error("the document about the client is not right: {0}")]
    Document(&'static str),
}

/// Whether a client id asks for a document.
pub(super) fn is_url(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

/// Fetches the document about the client of an authorization request, should there be one to fetch.
///
/// # Errors
///
/// Why there is no client; the request then ends with a page.
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
    let client = client(
        instance,
        client_id,
        &document,
        Some(instance.clock.now() + FRESH_FOR),
    )?;
    instance.grants.lock().add_client(client);
    Ok(())
}

/// Takes a document as if it had been fetched, for as long as the instance lives.
///
/// # Errors
///
/// What is wrong with the URL or the document.
pub(crate) fn pin(instance: &Instance, url: &str, document: &Value) -> Result<(), ClientDocumentError> {
    check_url(url)?;
    let client = client(instance, url, document, None)?;
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

/// §3 of the draft: https, with a path, without a fragment, credentials or dot segments.
fn check_url(client_id: &str) -> Result<(), ClientDocumentError> {
    let refuse = |reason| Err(ClientDocumentError::Url(reason));
    let Ok(url) = Url::parse(client_id) else {
        return refuse("it cannot be read");
    };
    // Dot segments, upper-case hosts and the like do not survive parsing.
    if url.as_str() != client_id {
        return refuse("it is not in its normal form");
    }
    if url.scheme() != "https" {
        return refuse("its scheme must be https");
    }
    if url.path() == "/" {
        return refuse("it must have a path");
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return refuse("it must have neither fragment nor credentials");
    }
    Ok(())
}

async fn fetch(instance: &Instance, url: &str) -> Result<Value, ClientDocumentError> {
    let failed = |error: reqwest::Error| ClientDocumentError::Fetch(root_cause(&error.without_url()));
    let problem = |text: &str| ClientDocumentError::Fetch(text.to_owned());
    let http = match instance.http.get() {
        Some(http) => http,
        None => instance
            .http
            .get_or_init(|| http_client(&instance.settings.trusted)),
    };
    let http = http.as_ref().map_err(|error| problem(error))?;
    let request = http.get(url).header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(failed)?;
    // Redirects are not followed: the client id is the URL of the document itself.
    if response.status() != StatusCode::OK {
        return Err(problem(&format!(
            "the answer is {}, not 200",
            response.status().as_u16()
        )));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            return Err(problem("it is too large"));
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| ClientDocumentError::Document("it is not JSON"))
}

/// What is at the bottom of an error: "certificate unknown" rather than "error sending request".
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Made when the first document is fetched: reading the system's authorities takes longer than starting.
fn http_client(trusted: &[String]) -> Result<reqwest::Client, String> {
    let mut certificates = Vec::new();
    for pem in trusted {
        let more = Certificate::from_pem_bundle(pem.as_bytes())
            .map_err(|error| format!("a trusted authority cannot be read: {error}"))?;
        certificates.extend(more);
    }
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(FETCH_TIMEOUT)
        .https_only(true)
        .tls_certs_merge(certificates)
        .build()
        .map_err(|error| error.to_string())
}

fn client(
    instance: &Instance,
    url: &str,
    document: &Value,
    fresh_until: Option<jiff::Timestamp>,
) -> Result<Client, ClientDocumentError> {
    let refuse = ClientDocumentError::Document;
    let document: &Map<String, Value> = document
        .as_object()
        .ok_or_else(|| refuse("it is not a JSON object"))?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("client_id") != Some(url) {
        return Err(refuse("its client_id is not its own URL"));
    }
    let name = text("client_name")
        .filter(|name| !name.is_empty())
        .ok_or_else(|| refuse("it has no client_name"))?;
    let redirect_uris = document
        .get("redirect_uris")
        .and_then(Value::as_array)
        .filter(|uris| !uris.is_empty())
        .ok_or_else(|| refuse("it has no redirect_uris"))?
        .iter()
        .map(|uri| uri.as_str().filter(|uri| redirect_uri::check(uri).is_ok()))
        .map(|uri| uri.map(str::to_owned))
        .collect::<Option<Vec<String>>>()
        .ok_or_else(|| refuse("one of its redirect_uris is not usable"))?;
    // A document that everybody can read cannot hold a secret (§4.1 of the draft).
    if document.contains_key("client_secret") || document.contains_key("client_secret_expires_at") {
        return Err(refuse("it must not speak of a secret"));
    }
    if !matches!(text("token_endpoint_auth_method"), None | Some("none")) {
        return Err(refuse("its token_endpoint_auth_method must be none"));
    }
    let scopes: Scopes = instance.settings.default_scopes.iter().chain([ALWAYS]).collect();
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
    fn only_some_urls_can_be_client_ids() {
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
