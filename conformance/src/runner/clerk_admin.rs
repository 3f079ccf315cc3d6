//! The admin API of a local Clerk.

use std::{collections::BTreeMap, time::Duration};

use local_clerk::mint::TokenSpec;
use reqwest::{Client, Method};
use serde_json::{Map, Value};
use url::Url;

use super::values::Values;
use crate::case::{AUTHORIZED, AUTHORIZED_AT, ClerkAction, HUGE_BYTES, QUERY_AT};

/// A client for the admin API of a local Clerk, which may run in another process.
#[derive(Clone, Debug)]
pub(super) struct ClerkAdmin {
    url: String,
    http: Client,
}

/// A failed call of the admin API.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the local Clerk: {0}")]
pub(super) struct ClerkError(String);

/// The time limit for a call. Everything happens in memory; generating a key takes longest.
const TIMEOUT: Duration = Duration::from_secs(30);

impl ClerkAdmin {
    /// Creates a client for the admin API at `url`. `authority` (PEM) is the certificate authority for https.
    pub(super) fn new(url: &str, authority: Option<&str>) -> Result<Self, ClerkError> {
        let mut http = Client::builder().timeout(TIMEOUT).no_proxy();
        if let Some(pem) = authority {
            let certificate =
                reqwest::Certificate::from_pem(pem.as_bytes()).map_err(|error| failed(&error))?;
            http = http.add_root_certificate(certificate);
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            http: http.build().map_err(|error| failed(&error))?,
        })
    }

    /// Creates a client for the local Clerk at `url`.
    pub(super) fn at(url: &Url) -> Result<Self, ClerkError> {
        Self::new(&format!("{}/admin", url.as_str().trim_end_matches('/')), None)
    }

    /// Mints a token.
    pub(super) async fn mint(&self, spec: &TokenSpec) -> Result<String, ClerkError> {
        let body = serde_json::to_value(spec).map_err(|error| failed(&error))?;
        let answer = self.call(Method::POST, "/tokens", Some(&body)).await?;
        let token = answer.get("token").and_then(Value::as_str);
        token
            .map(str::to_owned)
            .ok_or_else(|| ClerkError("the answer has no token".to_owned()))
    }

    /// Performs an action as often as it says.
    pub(super) async fn act(&self, action: &ClerkAction) -> Result<(), ClerkError> {
        for number in 1..=action.times.unwrap_or(1) {
            let mut values = Values::default();
            values.set("n", number.to_string());
            let action: ClerkAction = values.fill_in(action).map_err(|error| failed(&error))?;
            let (method, path) = action
                .operation
                .split_once(' ')
                .ok_or_else(|| ClerkError(format!("{:?} is not a method and a path", action.operation)))?;
            let method = Method::from_bytes(method.as_bytes()).map_err(|error| failed(&error))?;
            let body = action.with.map(Value::Object);
            self.call(method, path, body.as_ref()).await?;
        }
        Ok(())
    }

    /// Returns the users, organizations and other state.
    pub(super) async fn state(&self) -> Result<Value, ClerkError> {
        self.call(Method::GET, "/state", None).await
    }

    /// Returns the number of requests to each endpoint, and the other counters.
    pub(super) async fn request_counts(&self) -> Result<BTreeMap<String, u64>, ClerkError> {
        let answer = self.call(Method::GET, "/requests", None).await?;
        let counters = answer.get("counters").and_then(Value::as_object);
        let mut counts: BTreeMap<String, u64> = counters
            .into_iter()
            .flatten()
            .filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)))
            .collect();
        for request in answer
            .get("requests")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let endpoint = request
                .get("endpoint")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if request.get("authorization").is_some_and(Value::is_string) {
                *counts.entry(AUTHORIZED.to_owned()).or_default() += 1;
                *counts.entry(format!("{AUTHORIZED_AT}{endpoint}")).or_default() += 1;
            }
            if request.get("query") == Some(&Value::Bool(true)) {
                *counts.entry(format!("{QUERY_AT}{endpoint}")).or_default() += 1;
            }
        }
        let huge_bytes = answer.get(HUGE_BYTES).and_then(Value::as_u64);
        counts.insert(HUGE_BYTES.to_owned(), huge_bytes.unwrap_or_default());
        Ok(counts)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, ClerkError> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        } else if method != Method::GET {
            request = request.json(&Map::new());
        }
        let response = request
            .send()
            .await
            .map_err(|error| failed(&error.without_url()))?;
        let status = response.status();
        let answer: Value = response
            .json()
            .await
            .map_err(|error| failed(&error.without_url()))?;
        if status.is_success() {
            return Ok(answer);
        }
        let reason = answer.get("error").and_then(Value::as_str).unwrap_or("no reason");
        Err(ClerkError(format!("{method} /admin{path}: {reason}")))
    }
}

fn failed(error: &dyn std::error::Error) -> ClerkError {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    ClerkError(text)
}
