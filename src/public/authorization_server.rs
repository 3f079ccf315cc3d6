//! Mirrors Clerk's authorization server metadata, because clients of older MCP revisions request it from the
//! MCP server.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use crate::{clock::Clock, flight::Flight, log_limit::log_limited, outbound};

/// A cached mirror of Clerk's two metadata documents.
///
/// Each document is fetched on first use and cached according to Clerk's cache headers, for at most an hour.
/// While Clerk is unavailable, the last document is served. If no document was ever fetched, one is built
/// from Clerk's fixed endpoints.
#[derive(Debug, Clone)]
pub(crate) struct MetadataMirror(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    /// The URL at which the documents are fetched.
    frontend_api: String,
    issuer: String,
    clock: Arc<dyn Clock>,
    oauth: MirroredDocument,
    openid: MirroredDocument,
}

#[derive(Debug)]
struct MirroredDocument {
    well_known: &'static str,
    state: Mutex<MirrorState>,
}

#[derive(Debug, Default)]
struct MirrorState {
    /// The last document fetched from Clerk.
    document: Option<Arc<Value>>,
    /// When the last attempt ended, and how long to wait before the next one.
    last_attempt: Option<(Timestamp, Duration)>,
    in_flight: Option<Flight<()>>,
}

impl MetadataMirror {
    /// Creates a mirror of the documents of `issuer`, which are fetched at `frontend_api`. Usually both are
    /// the same URL.
    pub(crate) fn new(client: Client, frontend_api: &str, issuer: &str, clock: Arc<dyn Clock>) -> Self {
        let mirrored = |well_known| MirroredDocument {
            well_known,
            state: Mutex::default(),
        };
        Self(Arc::new(Inner {
            client,
            frontend_api: frontend_api.to_owned(),
            issuer: issuer.to_owned(),
            clock,
            oauth: mirrored("oauth-authorization-server"),
            openid: mirrored("openid-configuration"),
        }))
    }

    /// Returns the authorization server metadata (RFC 8414).
    pub(crate) async fn oauth(&self) -> Value {
        match self.document(|inner| &inner.oauth).await {
            Some(document) => document.as_ref().clone(),
            None => fallback_metadata(&self.0.issuer),
        }
    }

    /// Returns the OpenID Connect discovery metadata.
    pub(crate) async fn openid(&self) -> Value {
        match self.document(|inner| &inner.openid).await {
            Some(document) => document.as_ref().clone(),
            None => fallback_openid_metadata(&self.0.issuer),
        }
    }

    /// Returns the cached document. If it is stale, a background task refreshes it. Waits for a fetch only if
    /// no document is cached.
    async fn document(&self, which: fn(&Inner) -> &MirroredDocument) -> Option<Arc<Value>> {
        let flight = {
            let mut state = which(&self.0).state.lock();
            let is_fresh = state
                .last_attempt
                .is_some_and(|(ended, wait)| self.0.clock.now().duration_since(ended).unsigned_abs() < wait);
            if is_fresh {
                return state.document.clone();
            }
            let pending = state.in_flight.clone().filter(Flight::is_running);
            let flight = pending.unwrap_or_else(|| Flight::start(self.clone().fetch_and_store(which)));
            state.in_flight = Some(flight.clone());
            if let Some(stale) = &state.document {
                return Some(Arc::clone(stale));
            }
            flight
        };
        flight.outcome().await;
        which(&self.0).state.lock().document.clone()
    }

    async fn fetch_and_store(self, which: fn(&Inner) -> &MirroredDocument) {
        let mirrored = which(&self.0);
        let outcome = self.0.fetch(mirrored.well_known).await;
        let now = self.0.clock.now();
        let mut state = mirrored.state.lock();
        match outcome {
            Ok((document, lifetime)) => {
                state.document = Some(Arc::new(document));
                state.last_attempt = Some((now, lifetime));
            }
            Err(cause) => {
                log_limited!(
                    warn,
                    "metadata",
                    document = mirrored.well_known,
                    cause,
                    "cannot fetch Clerk's metadata"
                );
                state.last_attempt = Some((now, RETRY_AFTER));
            }
        }
    }
}

impl Inner {
    async fn fetch(&self, well_known: &str) -> Result<(Value, Duration), &'static str> {
        let url = format!("{}/.well-known/{well_known}", self.frontend_api);
        let response = self.client.get(url).send().await.map_err(|_| "no response")?;
        if response.status() != StatusCode::OK {
            return Err("not status 200");
        }
        let lifetime = lifetime(
            response
                .headers()
                .get(header::CACHE_CONTROL)
                .and_then(|value| value.to_str().ok()),
        );
        let body = outbound::read_body(response)
            .await
            .map_err(|_| "the response is incomplete or too large")?;
        let document: Value = serde_json::from_slice(&body).map_err(|_| "not JSON")?;
        // RFC 8414 §3.3: a document of another issuer must not be used. Mirroring it would send clients to
        // that issuer.
        if document.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
            return Err("wrong issuer");
        }
        Ok((document, lifetime))
    }
}

/// Returns how long a document with this `Cache-Control` is fresh: at least the retry interval, because
/// otherwise every request of a client would cause a request to Clerk.
fn lifetime(cache_control: Option<&str>) -> Duration {
    let Some(directives) = cache_control else {
        return DEFAULT_LIFETIME;
    };
    let mut max_age = DEFAULT_LIFETIME;
    for directive in directives.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
            return RETRY_AFTER;
        }
        if let Some((name, seconds)) = directive.split_once('=')
            && name.eq_ignore_ascii_case("max-age")
            && let Ok(seconds) = seconds.trim_matches('"').parse()
        {
            max_age = Duration::from_secs(seconds);
        }
    }
    max_age.clamp(RETRY_AFTER, MAX_LIFETIME)
}

/// Builds the metadata that is the same for every Clerk application. Members that depend on the application's
/// settings are left out; clients can get them from Clerk.
fn fallback_metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/token/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "none", "client_secret_post"],
        "scopes_supported": ["openid", "profile", "email", "public_metadata", "private_metadata", "offline_access"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "email", "name"],
        "code_challenge_methods_supported": ["S256"],
    })
}

fn fallback_openid_metadata(issuer: &str) -> Value {
    let mut document = fallback_metadata(issuer);
    if let Some(members) = document.as_object_mut() {
        members.insert(
            "userinfo_endpoint".to_owned(),
            format!("{issuer}/oauth/userinfo").into(),
        );
        members.insert(
            "introspection_endpoint".to_owned(),
            format!("{issuer}/oauth/token_info").into(),
        );
        members.insert(
            "response_modes_supported".to_owned(),
            json!(["query", "form_post"]),
        );
        members.insert("backchannel_logout_supported".to_owned(), false.into());
        members.insert("frontchannel_logout_supported".to_owned(), false.into());
    }
    document
}

const MAX_LIFETIME: Duration = Duration::from_hours(1);
/// Used if Clerk sends no `max-age`.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(5);
const RETRY_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_honored_within_limits() {
        let cases = [
            (None, 300),
            (Some("public"), 300),
            (Some("public, max-age=60"), 60),
            (Some("MAX-AGE=\"120\""), 120),
            (Some("max-age=86400"), 3600),
            (Some("max-age=0"), 10),
            (Some("no-store, max-age=600"), 10),
            (Some("max-age=x"), 300),
        ];
        for (header, seconds) in cases {
            assert_eq!(lifetime(header), Duration::from_secs(seconds), "{header:?}");
        }
    }
}
