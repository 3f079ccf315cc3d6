//! [`KeySource`]: where the keys for verifying signatures come from.

use std::fmt;

use futures_util::{
    FutureExt,
    future::{self, BoxFuture},
};

use super::{
    fetch::FetchError,
    jwk::{KeyReference, StaticKey, VerifyingKey},
};

/// A source of verification keys. A verified token is cached only while the source still holds its key.
///
/// ```
/// use std::collections::HashMap;
///
/// use clerk_mcp::token::{FetchError, KeyReference, KeySource, StaticKey, VerifyingKey};
/// use futures_util::{FutureExt, future::{self, BoxFuture}};
///
/// /// Keys that are pinned by their ids.
/// #[derive(Debug)]
/// struct Pinned(HashMap<String, StaticKey>);
///
/// impl KeySource for Pinned {
///     fn keys<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>> {
///         match self.0.get(kid) {
///             Some(key) => key.keys(kid),
///             None => future::ready(Ok(Vec::new())).boxed(),
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
    /// should be unique, but need not be (RFC 7517 §4.5). An error means that no keys are available, because
    /// Clerk or the network is unavailable: the token may be valid.
    fn keys<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>>;

    /// Returns whether `key` may still be used. Called for each cached token, so it must not wait for the
    /// network.
    fn holds(&self, key: &KeyReference) -> bool;
}

impl KeySource for StaticKey {
    fn keys<'a>(&'a self, _kid: &'a str) -> BoxFuture<'a, Result<Vec<VerifyingKey>, FetchError>> {
        future::ready(Ok(vec![self.0.clone()])).boxed()
    }

    fn holds(&self, key: &KeyReference) -> bool {
        self.0.matches(key)
    }
}
