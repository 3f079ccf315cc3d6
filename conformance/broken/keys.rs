//! The keys of Clerk: one set in memory, fetched by one request at a time, kept while Clerk is away.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use reqwest::{Client, Response, StatusCode, header, redirect};
use serde_json::Value;

use super::{flaw::Flaw, rsa::PublicKey};

/// No key set, and none to be had now.
#[derive(Debug)]
pub(crate) struct KeysAway;

#[derive(Debug)]
pub(crate) struct Keys {
    http: Client,
    url: String,
    configured: Option<PublicKey>,
    flaw: Option<Flaw>,
    state: Mutex<State>,
    /// What the set gives away, which only a flaw looks at.
    secret: Mutex<Option<Vec<u8>>>,
    /// Held by whoever fetches.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    keys: HashMap<String, PublicKey>,
    fetched_at: Option<Instant>,
    ended_at: Option<Instant>,
    failed: bool,
    /// Counts the fetches that ended.
    fetches: u64,
    /// When unknown keys made us fetch.
    turns: Vec<Instant>,
}

impl Keys {
    pub(crate) fn new(issuer: &str, configured: Option<PublicKey>, flaw: Option<Flaw>) -> Self {
        let policy = if flaw == Some(Flaw::RedirectsFollowed) {
            redirect::Policy::default()
        } else {
            redirect::Policy::none()
        };
        let limit = if flaw == Some(Flaw::FetchWithoutLimit) {
            Duration::from_mins(1)
        } else {
            TOTAL
        };
        Self {
            http: client(policy, limit),
            url: format!("{issuer}/.well-known/jwks.json"),
            configured,
            flaw,
            state: Mutex::default(),
            secret: Mutex::default(),
            flight: tokio::sync::Mutex::new(()),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether tokens can be verified.
    pub(crate) fn held(&self) -> bool {
        self.configured.is_some() || self.state.lock().usable()
    }

    /// The ids of the keys, unless one is configured.
    pub(crate) fn ids(&self) -> Option<Vec<String>> {
        let state = self.state.lock();
        (self.configured.is_none() && state.usable()).then(|| state.keys.keys().cloned().collect())
    }

    /// Every key there is.
    pub(crate) fn all(&self) -> Vec<PublicKey> {
        let held = self.state.lock();
        self.configured
            .iter()
            .chain(held.keys.values())
            .cloned()
            .collect()
    }

    /// A secret that the set held when it was last fetched.
    pub(crate) fn published_secret(&self) -> Option<Vec<u8>> {
        self.secret.lock().clone()
    }

    /// The key of this id, asked for at Clerk if need be; `None` when Clerk has none.
    pub(crate) async fn key(&self, kid: &str) -> Result<Option<PublicKey>, KeysAway> {
        if let Some(key) = &self.configured {
            return Ok(Some(key.clone()));
        }
        let (known, fetches) = {
            let state = self.state.lock();
            let fresh = state.usable() && !self.has(Flaw::FetchPerRequest);
            let known = state.keys.get(kid).filter(|_| fresh).cloned();
            (known, state.fetches)
        };
        if known.is_some() {
            return Ok(known);
        }
        if self.has(Flaw::FetchesNotShared) {
            self.fetch().await;
        } else {
            let _flight = self.flight.lock().await;
            // Otherwise somebody has fetched while this request waited.
            let first = self.state.lock().fetches == fetches;
            if (first || self.has(Flaw::FetchPerUnknownKid)) && self.take_turn() {
                self.fetch().await;
            }
        }
        let state = self.state.lock();
        let lost = state.failed && self.has(Flaw::FetchPerRequest);
        match state.keys.get(kid).filter(|_| state.usable() && !lost) {
            Some(key) => Ok(Some(key.clone())),
            // After a failure nothing can be said of this id.
            None if state.failed || !state.usable() => Err(KeysAway),
            None => Ok(None),
        }
    }

    /// Fetches the set now.
    pub(crate) async fn refresh(&self) {
        let given_up = self.has(Flaw::GivesUpOnKeys) && self.state.lock().failed;
        if self.configured.is_none() && !given_up {
            let _flight = self.flight.lock().await;
            self.fetch().await;
        }
    }

    /// Whether a request may make us fetch: two times in a row, and then once in ten seconds.
    fn take_turn(&self) -> bool {
        let mut state = self.state.lock();
        let waited = |since: Instant, least| since.elapsed() >= least;
        if state.failed && self.has(Flaw::GivesUpOnKeys) {
            return false;
        }
        if !state.usable() {
            return state.ended_at.is_none_or(|ended| waited(ended, RETRY))
                || self.has(Flaw::FetchPerRequestWhileAway);
        }
        if self.has(Flaw::RotationUnseen) {
            return false;
        }
        if self.has(Flaw::FetchPerUnknownKid) || self.has(Flaw::FetchPerRequest) {
            return true;
        }
        state.turns.retain(|turn| !waited(*turn, 2 * COOL_DOWN));
        let allowed = state.turns.len() < 2;
        if allowed {
            state.turns.push(Instant::now());
        }
        allowed
    }

    async fn fetch(&self) {
        let keys = self.download().await;
        let mut state = self.state.lock();
        state.fetches += 1;
        state.ended_at = Some(Instant::now());
        state.failed = keys.is_none();
        match keys {
            Some(keys) => {
                if !self.has(Flaw::WithdrawnKeysKept) {
                    state.keys.clear();
                }
                state.keys.extend(keys);
                state.fetched_at = Some(Instant::now());
            }
            None if self.has(Flaw::KeysLostOnFailure) => state.fetched_at = None,
            None => {}
        }
    }

    async fn download(&self) -> Option<HashMap<String, PublicKey>> {
        let response = self.http.get(&self.url).send().await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let json = response.headers().get(header::CONTENT_TYPE);
        let json = json.is_some_and(|kind| kind == "application/json");
        if self.has(Flaw::OtherMediaTypeIsEmpty) && !json {
            return Some(HashMap::new());
        }
        let body = read_body(response, MAX_BODY).await?;
        let set: Value = serde_json::from_slice(&body).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let left = if self.has(Flaw::OneKeyOnly) { 1 } else { keys.len() };
        let mut usable = HashMap::new();
        for jwk in keys.iter().take(left) {
            match PublicKey::from_jwk(jwk, self.flaw) {
                Some((kid, key)) => drop(usable.insert(kid, key)),
                None if self.has(Flaw::BadKeySpoilsSet) => return None,
                None if self.has(Flaw::UnusableKeyHides) => {
                    drop(usable.remove(jwk.get("kid").and_then(Value::as_str).unwrap_or_default()));
                }
                None => {}
            }
        }
        if self.has(Flaw::PublishedSecretTrusted) {
            *self.secret.lock() = keys.iter().find_map(secret_of);
        }
        (!usable.is_empty() || self.has(Flaw::EmptySetTaken)).then_some(usable)
    }
}

/// The secret that a key is (RFC 7518 §6.4).
fn secret_of(jwk: &Value) -> Option<Vec<u8>> {
    let secret = jwk.get("k")?.as_str()?;
    BASE64_URL_SAFE_NO_PAD.decode(secret).ok()
}

impl State {
    fn usable(&self) -> bool {
        self.fetched_at.is_some_and(|fetched| fetched.elapsed() < STALE)
    }
}

/// A client towards Clerk.
pub(crate) fn client(policy: redirect::Policy, limit: Duration) -> Client {
    let builder = Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT)
        .timeout(limit)
        .redirect(policy);
    builder.build().unwrap_or_default()
}

/// The body, if it comes whole and is no larger than `limit` bytes.
pub(crate) async fn read_body(response: Response, limit: usize) -> Option<Vec<u8>> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.ok()?);
        if body.len() > limit {
            return None;
        }
    }
    Some(body)
}

const CONNECT: Duration = Duration::from_secs(2);
pub(crate) const TOTAL: Duration = Duration::from_secs(5);
pub(crate) const MAX_BODY: usize = 1 << 20;
/// How long a set serves while Clerk is away.
const STALE: Duration = Duration::from_hours(1);
/// Between two fetches without any key.
const RETRY: Duration = Duration::from_secs(1);
/// Between two fetches for unknown keys.
const COOL_DOWN: Duration = Duration::from_secs(10);
