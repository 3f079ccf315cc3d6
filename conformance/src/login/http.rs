//! Requests of a login. They do not follow redirects, and the size of an answer is limited.

use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, header, redirect};
use serde_json::{Map, Value};
use url::Url;

use super::LoginError;
use crate::wire::Answer;

/// The maximum size of an answer.
const MAX_BYTES: usize = 1024 * 1024;

pub(super) struct Http(Client);

impl Http {
    /// Creates a client that trusts the authorities of the system and `authority` (PEM). Like all requests of a
    /// run, its requests use no proxy.
    pub(super) fn new(authority: Option<&str>, timeout: Duration) -> Result<Self, LoginError> {
        let failed = |error: reqwest::Error| LoginError::new(format!("cannot set up TLS: {error}"));
        let mut builder = Client::builder()
            .timeout(timeout)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .user_agent(concat!("clerk-mcp-conformance/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authority {
            for certificate in Certificate::from_pem_bundle(pem.as_bytes()).map_err(failed)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self(builder.build().map_err(failed)?))
    }

    pub(super) async fn get(&self, url: &Url, accept: &'static str) -> Result<Answer, LoginError> {
        self.send(url, self.0.get(url.clone()).header(header::ACCEPT, accept))
            .await
    }

    /// Posts what `with` adds to the request.
    pub(super) async fn post(
        &self,
        url: &Url,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, LoginError> {
        self.send(url, with(self.0.post(url.clone()))).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Answer, LoginError> {
        let failed = |error: reqwest::Error| {
            let error = crate::wire::describe(&error.without_url());
            LoginError::new(format!("{} does not answer: {error}", without_query(url)))
        };
        let mut response = request.send().await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(LoginError::new(format!(
                    "the answer of {} is larger than 1 MiB",
                    without_query(url)
                )));
            }
        }
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        })
    }
}

/// Returns the JSON object in an answer.
pub(super) fn object(answer: &Answer) -> Option<Map<String, Value>> {
    serde_json::from_slice(&answer.body).ok()
}

/// Describes the answer to a rejected OAuth request: its status, and the error that it names (RFC 6749 §5.2).
pub(super) fn rejection(answer: &Answer) -> String {
    let document = object(answer).unwrap_or_default();
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let status = answer.status.as_u16();
    match (text("error"), text("error_description")) {
        (Some(error), Some(description)) => format!("{status} {error}: {description}"),
        (Some(error), None) => format!("{status} {error}"),
        (None, _) => status.to_string(),
    }
}

/// Returns the URL without its query, which can contain values of one login.
pub(super) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}
