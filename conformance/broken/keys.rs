//! Clerk's key set: cached in memory, fetched by one request at a time, and kept while Clerk is unavailable.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use parking_lot::Mutex;
use reqwest::{Client, StatusCode, header, redirect};
use serde_json::Value;

use super::{
    flaw::Flaw,
    outbound::{REQUEST_TIMEOUT, http_client, read_body},
    rsa::PublicKey,
};

/// No key set is cached, and none could be fetched.
#[derive(Debug)]
pub(crate) struct KeysUnavailable;

/// The keys that verify tokens.
#[derive(Debug)]
pub(crate) struct Keys {
    http: Client,
    url: String,
    /// `CLERK_JWT_KEY`. If set, no key set is fetched.
    configured: Option<PublicKey>,
    flaw: Option<Flaw>,
    cache: Mutex<Cache>,
    /// What flaws remember: the last token, and unknown key ids.
    token: Mutex<String>,
    unknown_kids: Mutex<HashSet<String>>,
    /// The symmetric key in the key set. Only a flaw uses it.
    secret: Mutex<Option<Vec<u8>>>,
    /// Held during a fetch, so that concurrent requests share it.
    fetch_lock: tokio::sync::Mutex<()>,
}

/// The cached key set and the history of its fetches.
#[derive(Debug, Default)]
struct Cache {
    keys: HashMap<String, Vec<PublicKey>>,
    /// Time of the last successful fetch.
    fetched_at: Option<Instant>,
    /// Time of the last fetch, successful or not.
    last_fetch_at: Option<Instant>,
    /// Whether the last fetch failed.
    failed: bool,
    /// Number of completed fetches.
    fetches: u64,
    /// Times of the recent fetches that unknown key ids caused.
    unknown_kid_fetches: Vec<Instant>,
}

impl Keys {
    pub(crate) fn new(url: String, configured: Option<PublicKey>, flaw: Option<Flaw>) -> Self {
        let policy = if flaw == Some(Flaw::RedirectsFollowed) {
            redirect::Policy::default()
        } else {
            redirect::Policy::none()
        };
        let timeout = if flaw == Some(Flaw::FetchWithoutLimit) {
            Duration::from_mins(1)
        } else {
            REQUEST_TIMEOUT
        };
        Self {
            http: http_client(policy, timeout),
            url,
            configured,
            flaw,
            cache: Mutex::default(),
            token: Mutex::default(),
            unknown_kids: Mutex::default(),
            secret: Mutex::default(),
            fetch_lock: tokio::sync::Mutex::new(()),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Returns whether tokens can be verified.
    pub(crate) fn are_available(&self) -> bool {
        self.configured.is_some() || self.cache.lock().is_usable()
    }

    /// Returns the ids of the cached keys, or `None` if a key is configured or no usable set is cached.
    pub(crate) fn ids(&self) -> Option<Vec<String>> {
        let cache = self.cache.lock();
        (self.configured.is_none() && cache.is_usable()).then(|| cache.keys.keys().cloned().collect())
    }

    /// Returns the configured key and every cached key.
    pub(crate) fn all(&self) -> Vec<PublicKey> {
        let cache = self.cache.lock();
        self.configured
            .iter()
            .chain(cache.keys.values().flatten())
            .cloned()
            .collect()
    }

    /// Returns whether the last fetch of the key set failed.
    pub(crate) fn last_fetch_failed(&self) -> bool {
        self.cache.lock().failed
    }

    /// Returns the symmetric key of the last fetched set.
    pub(crate) fn published_secret(&self) -> Option<Vec<u8>> {
        self.secret.lock().clone()
    }

    /// Returns the keys with this id; none if there are none. Fetches the key set if the id is unknown.
    pub(crate) async fn with_id(&self, kid: &str) -> Result<Vec<PublicKey>, KeysUnavailable> {
        if let Some(key) = &self.configured {
            return Ok(vec![key.clone()]);
        }
        let lower = kid.to_ascii_lowercase();
        let kid = if self.has(Flaw::KidCaseInsensitive) {
            &lower
        } else {
            kid
        };
        if self.has(Flaw::UnknownKidRemembered) && self.unknown_kids.lock().contains(kid) {
            return Ok(Vec::new());
        }
        if self.has(Flaw::KidInKeyUrl) {
            kid.clone_into(&mut self.token.lock());
        }
        let (cached, fetches) = {
            let cache = self.cache.lock();
            let fresh = cache.is_usable() && !self.has(Flaw::FetchPerRequest);
            let cached = cache.keys.get(kid).filter(|_| fresh).cloned();
            (cached, cache.fetches)
        };
        if let Some(cached) = cached {
            return Ok(cached);
        }
        if self.has(Flaw::FetchesNotShared) {
            self.fetch().await;
        } else {
            let _guard = self.fetch_lock.lock().await;
            // If the count differs, another request fetched the set while this one waited.
            let first = self.cache.lock().fetches == fetches;
            if (first || self.has(Flaw::FetchPerUnknownKid)) && self.may_fetch() {
                self.fetch().await;
            }
        }
        let cache = self.cache.lock();
        let lost = cache.failed && self.has(Flaw::FetchPerRequest);
        match cache.keys.get(kid).filter(|_| cache.is_usable() && !lost) {
            Some(keys) => Ok(keys.clone()),
            // After a failed fetch, the id may exist in a newer set.
            None if cache.failed || !cache.is_usable() => Err(KeysUnavailable),
            None => {
                if self.has(Flaw::UnknownKidRemembered) {
                    self.unknown_kids.lock().insert(kid.to_owned());
                }
                Ok(Vec::new())
            }
        }
    }

    /// Sets the token that a flaw sends along.
    pub(crate) fn set_token(&self, token: &str) {
        token.clone_into(&mut self.token.lock());
    }

    /// Fetches the key set now.
    pub(crate) async fn refresh(&self) {
        let gave_up = self.has(Flaw::GivesUpOnKeys) && self.cache.lock().failed;
        if self.configured.is_none() && !gave_up {
            let _guard = self.fetch_lock.lock().await;
            self.fetch().await;
        }
    }

    /// Returns whether a request may cause a fetch, and counts that fetch.
    fn may_fetch(&self) -> bool {
        let mut cache = self.cache.lock();
        if cache.failed && self.has(Flaw::GivesUpOnKeys) {
            return false;
        }
        if !cache.is_usable() {
            return cache
                .last_fetch_at
                .is_none_or(|last| last.elapsed() >= RETRY_INTERVAL)
                || self.has(Flaw::FetchPerRequestWhileAway);
        }
        if self.has(Flaw::RotationUnseen) {
            return false;
        }
        if self.has(Flaw::FetchPerUnknownKid) || self.has(Flaw::FetchPerRequest) {
            return true;
        }
        cache
            .unknown_kid_fetches
            .retain(|fetch| fetch.elapsed() < UNKNOWN_KID_WINDOW);
        let allowed = cache.unknown_kid_fetches.len() < UNKNOWN_KID_FETCHES;
        if allowed {
            cache.unknown_kid_fetches.push(Instant::now());
        }
        allowed
    }

    /// Fetches the key set and updates the cache.
    async fn fetch(&self) {
        let keys = self.download().await;
        let mut cache = self.cache.lock();
        cache.fetches += 1;
        cache.last_fetch_at = Some(Instant::now());
        cache.failed = keys.is_none();
        match keys {
            Some(keys) => {
                if !self.has(Flaw::WithdrawnKeysKept) {
                    cache.keys.clear();
                }
                cache.keys.extend(keys);
                cache.fetched_at = Some(Instant::now());
            }
            None if self.has(Flaw::KeysLostOnFailure) => cache.fetched_at = None,
            None => {}
        }
    }

    /// Downloads the key set and returns its usable keys. A set without any counts as a failure.
    async fn download(&self) -> Option<HashMap<String, Vec<PublicKey>>> {
        let mut request = self.http.get(&self.url);
        let token = self.token.lock().clone();
        if !token.is_empty() && self.has(Flaw::TokenSentForKeys) {
            request = request.bearer_auth(token);
        } else if !token.is_empty() {
            request = request.query(&[("kid", token)]);
        }
        let response = request.send().await.ok()?;
        if response.status() != StatusCode::OK && !self.has(Flaw::ErrorStatusKeysUsed) {
            return None;
        }
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let json = media_type.is_some_and(|media_type| media_type == "application/json");
        if self.has(Flaw::OtherMediaTypeIsEmpty) && !json {
            return Some(HashMap::new());
        }
        let body = if self.has(Flaw::KeySetWithoutLimit) {
            response.bytes().await.ok()?.to_vec()
        } else {
            read_body(response).await?
        };
        let set: Value = serde_json::from_slice(&body).ok()?;
        let keys = set.get("keys")?.as_array()?;
        let limit = if self.has(Flaw::OneKeyOnly) { 1 } else { keys.len() };
        let mut usable: HashMap<String, Vec<PublicKey>> = HashMap::new();
        for jwk in keys.iter().take(limit) {
            match PublicKey::from_jwk(jwk, self.flaw) {
                Some((kid, key)) if self.has(Flaw::KidCaseInsensitive) => {
                    usable.entry(kid.to_ascii_lowercase()).or_default().push(key);
                }
                Some((kid, key)) if self.has(Flaw::OneKeyPerId) => drop(usable.insert(kid, vec![key])),
                Some((kid, key)) => usable.entry(kid).or_default().push(key),
                None if self.has(Flaw::BadKeySpoilsSet) => return None,
                None if self.has(Flaw::UnusableKeyHides) => {
                    drop(usable.remove(jwk.get("kid").and_then(Value::as_str).unwrap_or_default()));
                }
                None => {}
            }
        }
        if self.has(Flaw::PublishedSecretTrusted) {
            *self.secret.lock() = keys.iter().find_map(symmetric_key);
        }
        (!usable.is_empty() || self.has(Flaw::EmptySetTaken)).then_some(usable)
    }
}

/// Decodes a symmetric key (RFC 7518 §6.4).
fn symmetric_key(jwk: &Value) -> Option<Vec<u8>> {
    let secret = jwk.get("k")?.as_str()?;
    BASE64_URL_SAFE_NO_PAD.decode(secret).ok()
}

impl Cache {
    fn is_usable(&self) -> bool {
        self.fetched_at.is_some_and(|fetched| fetched.elapsed() < MAX_AGE)
    }
}

/// How long cached keys stay usable while the key set cannot be fetched.
const MAX_AGE: Duration = Duration::from_hours(1);
/// Interval between fetches while no usable key set is cached.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Fetches that unknown key ids may cause within [`UNKNOWN_KID_WINDOW`].
const UNKNOWN_KID_FETCHES: usize = 2;
const UNKNOWN_KID_WINDOW: Duration = Duration::from_secs(20);
