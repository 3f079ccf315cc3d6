//! Checks that the secret key is valid and belongs to the application whose tokens the server verifies.
//!
//! With a revoked key, every call of the Backend API fails. With a key of another application, tools could read
//! the data of its users. The tokens are not at fault, so requests with a token get 500: after one failed probe, or
//! two in a row if an earlier one succeeded, until a probe succeeds.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use thiserror::Error;

use super::{ClerkClient, ClerkError};
use crate::{reason::Reason, token::JwksCache};

/// What is wrong with the secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misconfiguration {
    /// Clerk rejects the key.
    #[error(
        "Clerk rejects CLERK_SECRET_KEY, or forbids this call for its application (403); copy the current key from \
         Clerk Dashboard > Configure > API keys"
    )]
    KeyRejected,
    /// The key is valid, but belongs to another application than the domain.
    #[error(
        "CLERK_SECRET_KEY and CLERK_DOMAIN belong to different Clerk applications; copy both from the same application \
         in the Clerk Dashboard"
    )]
    AnotherApplication,
}

impl Misconfiguration {
    /// Returns the reason for logs and metrics.
    pub fn reason(self) -> Reason {
        match self {
            Self::KeyRejected => Reason::SecretKeyInvalid,
            Self::AnotherApplication => Reason::SecretKeyOfAnotherApplication,
        }
    }
}

/// The result of the last probes. Initially valid, so that the server can start while Clerk is unavailable.
#[derive(Debug, Default)]
pub struct SecretKeyState(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    misconfiguration: Option<Misconfiguration>,
    succeeded_once: bool,
    failed_in_a_row: u32,
}

impl SecretKeyState {
    /// Returns what is wrong with the key, or `None` if it is considered valid.
    pub fn misconfiguration(&self) -> Option<Misconfiguration> {
        self.0.read().misconfiguration
    }

    /// Returns whether the last probe that got a definite answer from Clerk found the key valid.
    pub fn is_known_good(&self) -> bool {
        let state = self.0.read();
        state.succeeded_once && state.failed_in_a_row == 0
    }

    /// Records the result of a probe. After the first success, only two failures in a row count: a single one
    /// may be caused by an error at Clerk.
    fn record(&self, result: Result<(), Misconfiguration>) {
        // No lock is held while a line is logged: every request reads the state, and the log may be slow.
        match result {
            Ok(()) => {
                let valid = State {
                    misconfiguration: None,
                    succeeded_once: true,
                    failed_in_a_row: 0,
                };
                let before = std::mem::replace(&mut *self.0.write(), valid);
                if before.misconfiguration.is_some() {
                    tracing::info!("the check of the secret key passes again");
                }
            }
            Err(misconfiguration) => {
                tracing::error!(reason = %misconfiguration.reason(), detail = %misconfiguration, "the check of the secret key failed");
                let mut state = self.0.write();
                state.failed_in_a_row += 1;
                if !state.succeeded_once || state.failed_in_a_row >= 2 {
                    state.misconfiguration = Some(misconfiguration);
                }
            }
        }
    }
}

/// A probe that checks the secret key with Clerk.
///
/// [`App`](crate::app::App) starts one itself. In an app of your own:
///
/// ```
/// use std::sync::Arc;
///
/// use clerk_mcp::{
///     auth::Authenticator,
///     clerk::{ClerkClient, Misconfiguration, SecretKeyProbe, SecretKeyState},
///     token::JwksCache,
/// };
///
/// fn watched(authenticator: Authenticator, client: ClerkClient, keys: JwksCache) -> Authenticator {
///     let state = Arc::new(SecretKeyState::default());
///     tokio::spawn(SecretKeyProbe::new(client, Some(keys), Arc::clone(&state)).keep_watch());
///     authenticator.watch_secret_key(state)
/// }
///
/// fn remedy(state: &SecretKeyState) -> Option<&'static str> {
///     Some(match state.misconfiguration()? {
///         Misconfiguration::KeyRejected => "copy the current key",
///         Misconfiguration::AnotherApplication => "copy both from the same application",
///     })
/// }
/// ```
#[derive(Clone)]
pub struct SecretKeyProbe {
    client: ClerkClient,
    keys: Option<JwksCache>,
    state: Arc<SecretKeyState>,
}

impl SecretKeyProbe {
    /// Creates a probe of `client`'s secret key that writes its results to `state`. With `keys`, the key set
    /// of the Frontend API, it also checks that the key and the domain belong to the same application.
    pub fn new(client: ClerkClient, keys: Option<JwksCache>, state: Arc<SecretKeyState>) -> Self {
        Self { client, keys, state }
    }

    /// Probes once. If Clerk is unavailable, the state does not change.
    pub async fn run_once(&self) {
        match self.client.signing_key_ids().await {
            // Without a key set, only the validity of the key can be checked.
            Ok(_) if self.keys.is_none() => self.state.record(Ok(())),
            Ok(key_ids) => match self.shares_a_key(&key_ids).await {
                Some(true) => self.state.record(Ok(())),
                Some(false) => self.state.record(Err(Misconfiguration::AnotherApplication)),
                None => tracing::debug!(
                    "cannot compare the secret key: the Frontend API's keys are not available"
                ),
            },
            Err(ClerkError::KeyRejected { .. }) => self.state.record(Err(Misconfiguration::KeyRejected)),
            Err(error) => tracing::debug!(cause = error.slug(), "cannot probe the secret key"),
        }
    }

    /// Probes at once and then every five minutes until the future is dropped. While the key is not known to
    /// be valid, probes every 30 seconds.
    pub async fn keep_watch(self) {
        loop {
            self.run_once().await;
            // Real time instead of the injected clock: it only sets the interval, not the result.
            tokio::time::sleep(if self.state.is_known_good() {
                PROBE_INTERVAL
            } else {
                RETRY_INTERVAL
            })
            .await;
        }
    }

    /// Returns whether the Frontend API publishes one of `key_ids`, or `None` if its keys cannot be fetched.
    /// If the cached set has none of them, fetches it again first, because it may be older than a key
    /// rotation.
    async fn shares_a_key(&self, key_ids: &BTreeSet<String>) -> Option<bool> {
        let keys = self.keys.as_ref()?;
        if keys
            .key_ids()
            .is_some_and(|published| !key_ids.is_disjoint(&published))
        {
            return Some(true);
        }
        keys.refresh().await.ok()?;
        keys.key_ids().map(|published| !key_ids.is_disjoint(&published))
    }
}

impl fmt::Debug for SecretKeyProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKeyProbe")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

const PROBE_INTERVAL: Duration = Duration::from_mins(5);
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_counts_before_the_first_success_and_two_afterwards() {
        let state = SecretKeyState::default();
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::AnotherApplication));
        assert_eq!(
            state.misconfiguration(),
            Some(Misconfiguration::AnotherApplication)
        );
        state.record(Ok(()));
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::KeyRejected));
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::KeyRejected));
        assert_eq!(state.misconfiguration(), Some(Misconfiguration::KeyRejected));
        state.record(Ok(()));
        state.record(Err(Misconfiguration::KeyRejected));
        state.record(Ok(()));
        state.record(Err(Misconfiguration::KeyRejected));
        assert_eq!(
            state.misconfiguration(),
            None,
            "a success between two failures resets the count"
        );
    }
}
