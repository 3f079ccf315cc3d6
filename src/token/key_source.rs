//! [`KeySource`]: where the keys for verifying signatures come from.

use std::fmt;

use thiserror::Error;

use super::{
    fetch::FetchError,
    jwk::{KeyReference, StaticKey, VerifyingKey},
};

/// A source of verification keys. It also decides how long a verified token may be cached.
///
/// ```
/// use std::collections::HashMap;
///
/// use clerk_mcp::token::{KeyLookupError, KeyReference, KeySource, StaticKey, VerifyingKey};
///
/// /// Keys that are pinned by their ids.
/// #[derive(Debug)]
/// struct Pinned(HashMap<String, StaticKey>);
///
/// impl KeySource for Pinned {
///     async fn keys(&self, kid: &str) -> Result<Vec<VerifyingKey>, KeyLookupError> {
///         match self.0.get(kid) {
///             Some(key) => key.keys(kid).await,
///             None => Ok(Vec::new()),
///         }
///     }
///
///     fn holds(&self, key: &KeyReference) -> bool {
///         self.0.values().any(|one| one.holds(key))
///     }
/// }
/// ```
pub trait KeySource: fmt::Debug + Send + Sync + 'static {
    /// Returns the keys with this id; none if the application has no such key. May fetch the key set. An id
    /// should be unique, but need not be (RFC 7517 §4.5).
    fn keys(&self, kid: &str) -> impl Future<Output = Result<Vec<VerifyingKey>, KeyLookupError>> + Send;

    /// Returns whether `key` may still be used. Called for each cached token, so it must not wait for the
    /// network.
    fn holds(&self, key: &KeyReference) -> bool;
}

impl KeySource for StaticKey {
    async fn keys(&self, _kid: &str) -> Result<Vec<VerifyingKey>, KeyLookupError> {
        Ok(vec![self.0.clone()])
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.0.matches(key)
    }
}

/// No keys are available, because Clerk or the network is unavailable. The token may be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no signing keys: {cause}")]
pub struct KeyLookupError {
    /// Why the last fetch failed.
    pub cause: FetchError,
}
