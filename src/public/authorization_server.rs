//! Clerk's authorization server metadata, mirrored: clients of older MCP revisions ask the MCP server for it.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::{Client, StatusCode, header};
use serde_json::{Value, json};

use crate::{clock::Clock, outbound};

/// The mirror of both of Clerk's documents: each fetched when first asked for, cached as Clerk's headers say and for an
/// hour at most, served stale while Clerk is away, and built from Clerk's fixed endpoints when it was never reached.
#[derive(Debug, Clone)]
pub(crate) struct AuthorizationServerMetadata(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
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
    /// The newest document that Clerk gave.
    document: Option<Arc<Value>>,
    /// When the last try ended, and for how long it counts.
    fresh: Option<(Timestamp, Duration)>,
    in_flight: Option<PendingFetch>,
}

type PendingFetch = Shared<BoxFuture<'static, ()>>;

impl AuthorizationServerMetadata {
    /// A mirror of the documents of `issuer`, the Frontend API URL.
    pub(crate) fn new(client: Client, issuer: &str, clock: Arc<dyn Clock>) -> Self {
        let mirrored = |well_known| MirroredDocument {
            well_known,
            state: Mutex::default(),
        };
        Self(Arc::new(Inner {
            client,
            issuer: issuer.to_owned(),
            clock,
            oauth: mirrored("oauth-authorization-server"),
            openid: mirrored("openid-configuration"),
        }))
    }

    /// RFC 8414 metadata.
    pub(crate) async fn oauth(&self) -> Value {
        match self.document(|inner| &inner.oauth).await {
            Some(document) => document.as_ref().clone(),
            None => fallback_metadata(&self.0.issuer),
        }
    }

    /// OpenID Connect discovery metadata.
    pub(crate) async fn openid(&self) -> Value {
        match self.document(|inner| &inner.openid).await {
            Some(document) => document.as_ref().clone(),
            None => fallback_openid_metadata(&self.0.issuer),
        }
    }

    /// The document: a held one at once, while a stale one is fetched again on a task of its own; only without any is
    /// that waited for.
    async fn document(&self, which: fn(&Inner) -> &MirroredDocument) -> Option<Arc<Value>> {
        let flight = {
            let mut state = which(&self.0).state.lock();
            let is_fresh = state.fresh.is_some_and(|(ended, lifetime)| {
                self.0.clock.now().duration_since(ended).unsigned_abs() < lifetime
            });
            if is_fresh {
                return state.document.clone();
            }
            let flying = state.in_flight.clone().filter(|flight| flight.peek().is_none());
            let flight = flying.unwrap_or_else(|| {
                let task = tokio::spawn(self.clone().fetch_and_store(which));
                async move { drop(task.await) }.boxed().shared()
            });
            state.in_flight = Some(flight.clone());
            if let Some(stale) = &state.document {
                return Some(Arc::clone(stale));
            }
            flight
        };
        flight.await;
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
                state.fresh = Some((now, lifetime));
            }
            Err(cause) => {
                tracing::warn!(
                    document = mirrored.well_known,
                    cause,
                    "Clerk's metadata could not be fetched"
                );
                state.fresh = Some((now, RETRY_AFTER));
            }
        }
    }
}

impl Inner {
    async fn fetch(&self, well_known: &str) -> Result<(Value, Duration), &'static str> {
        let url = format!("{}/.well-known/{well_known}", self.issuer);
        let response = self.client.get(url).send().await.map_err(|_| "no answer")?;
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
            .map_err(|_| "the answer broke off or is too large")?;
        let document: Value = serde_json::from_slice(&body).map_err(|_| "not JSON")?;
        // RFC 8414 §3.3: a document of another issuer must not be used; mirrored, it would lead clients there.
        if document.get("issuer").and_then(Value::as_str) != Some(&self.issuer) {
            return Err("another issuer");
        }
        Ok((document, lifetime))
    }
}

/// How long a document with this `Cache-Control` is fresh. At least for the time between two tries, or everyone could
/// make us ask Clerk with every request.
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

/// What holds for every Clerk application, whatever its settings. What depends on them is left out: a client that needs
/// it will ask Clerk.
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
/// When Clerk says nothing.
const DEFAULT_LIFETIME: Duration = Duration::from_mins(5);
const RETRY_AFTER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clerks_cache_headers_count_within_bounds() {
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
