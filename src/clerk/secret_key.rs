//! Whether our secret key is good, and belongs to the application whose tokens we verify.
//!
//! A server with the key of another application verifies tokens well and fails in every tool; one with a revoked key too.
//! Nobody's token is at fault then, so the answer is 500 until a probe succeeds.
//!
//! [`App`](crate::app::App) does all of this itself. On an app of your own:
//!
//! ```
//! use std::sync::Arc;
//!
//! use clerk_mcp::{
//!     auth::Authenticator,
//!     clerk::{ClerkClient, Misconfiguration, SecretKeyProbe, SecretKeyState},
//!     token::JwksCache,
//! };
//!
//! fn watched(authenticator: Authenticator, client: ClerkClient, keys: JwksCache) -> Authenticator {
//!     let state = Arc::new(SecretKeyState::default());
//!     tokio::spawn(SecretKeyProbe::new(client, Some(keys), Arc::clone(&state)).keep_watch());
//!     authenticator.watch_secret_key(state)
//! }
//!
//! fn remedy(state: &SecretKeyState) -> Option<&'static str> {
//!     Some(match state.misconfiguration()? {
//!         Misconfiguration::KeyRefused => "take the current key",
//!         Misconfiguration::AnotherApplication => "take both from one application",
//!     })
//! }
//! ```

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use thiserror::Error;

use super::{ClerkClient, ClerkError};
use crate::{reason::Reason, token::JwksCache};

/// What is wrong with the secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misconfiguration {
    /// Clerk doesn't accept it.
    #[error(
        "Clerk does not accept CLERK_SECRET_KEY; take the current one from the Clerk Dashboard, API keys"
    )]
    KeyRefused,
    /// It's accepted, for another application.
    #[error(
        "CLERK_SECRET_KEY and CLERK_DOMAIN belong to different Clerk applications; take both from one in the Clerk \
         Dashboard"
    )]
    AnotherApplication,
}

impl Misconfiguration {
    /// The reason, for logs and metrics.
    pub fn reason(self) -> Reason {
        match self {
            Self::KeyRefused => Reason::SecretKeyInvalid,
            Self::AnotherApplication => Reason::SecretKeyOfAnotherApplication,
        }
    }
}

/// What the last probes found. Starts out good: a server must not wait for Clerk to start.
#[derive(Debug, Default)]
pub struct SecretKeyState {
    /// 0: good; otherwise the misconfiguration. Read for every request.
    current: AtomicU8,
    history: Mutex<History>,
}

#[derive(Debug, Default)]
struct History {
    succeeded_once: bool,
    failed_in_a_row: u32,
}

impl SecretKeyState {
    /// What is wrong, if anything.
    pub fn misconfiguration(&self) -> Option<Misconfiguration> {
        match self.current.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Misconfiguration::KeyRefused),
            _ => Some(Misconfiguration::AnotherApplication),
        }
    }

    /// Whether the last probe found the key good.
    pub fn is_known_good(&self) -> bool {
        let history = self.history.lock();
        history.succeeded_once && history.failed_in_a_row == 0
    }

    /// Takes in what a probe found. Once a probe has succeeded, it takes two failures in a row to believe them: one alone
    /// may be a fault at Clerk.
    fn record(&self, found: Result<(), Misconfiguration>) {
        let mut history = self.history.lock();
        match found {
            Ok(()) => {
                if self.current.swap(0, Ordering::Relaxed) != 0 {
                    tracing::info!("the secret key is good again");
                }
                *history = History {
                    succeeded_once: true,
                    failed_in_a_row: 0,
                };
            }
            Err(misconfiguration) => {
                history.failed_in_a_row += 1;
                tracing::error!(reason = %misconfiguration.reason(), detail = %misconfiguration, "the secret key is not good");
                if !history.succeeded_once || history.failed_in_a_row >= 2 {
                    let code = match misconfiguration {
                        Misconfiguration::KeyRefused => 1,
                        Misconfiguration::AnotherApplication => 2,
                    };
                    self.current.store(code, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Asks Clerk about the secret key.
#[derive(Clone)]
pub struct SecretKeyProbe {
    client: ClerkClient,
    keys: Option<JwksCache>,
    state: Arc<SecretKeyState>,
}

impl SecretKeyProbe {
    /// A probe of `client`'s key that writes into `state`. With `keys`, those of the Frontend API, it also finds out
    /// whether both are of one application.
    pub fn new(client: ClerkClient, keys: Option<JwksCache>, state: Arc<SecretKeyState>) -> Self {
        Self { client, keys, state }
    }

    /// Asks once. A Clerk that is merely away says nothing about the key.
    pub async fn run_once(&self) {
        match self.client.signing_key_ids().await {
            // Without a key set, whose key it is need not be told.
            Ok(_) if self.keys.is_none() => self.state.record(Ok(())),
            Ok(key_ids) => match self.shares_a_key(&key_ids).await {
                Some(true) => self.state.record(Ok(())),
                Some(false) => self.state.record(Err(Misconfiguration::AnotherApplication)),
                None => tracing::debug!(
                    "the secret key could not be compared: the Frontend API's keys are not there"
                ),
            },
            Err(ClerkError::KeyRefused { .. }) => self.state.record(Err(Misconfiguration::KeyRefused)),
            Err(error) => tracing::debug!(cause = error.slug(), "the secret key could not be probed"),
        }
    }

    /// Asks at once and then every few minutes, sooner while the key is not known to be good, until the future is dropped.
    pub async fn keep_watch(self) {
        loop {
            self.run_once().await;
            // The pace of the probes; what they find doesn't depend on time.
            tokio::time::sleep(if self.state.is_known_good() { EVERY } else { SOONER }).await;
        }
    }

    /// Whether the Frontend API publishes one of our keys. The set that is held may be older than a rotation, so a
    /// difference is believed only of a fresh one.
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

const EVERY: Duration = Duration::from_mins(5);
const SOONER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_success_one_failure_counts_and_afterwards_two() {
        let state = SecretKeyState::default();
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::AnotherApplication));
        assert_eq!(
            state.misconfiguration(),
            Some(Misconfiguration::AnotherApplication)
        );
        state.record(Ok(()));
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::KeyRefused));
        assert_eq!(state.misconfiguration(), None);
        state.record(Err(Misconfiguration::KeyRefused));
        assert_eq!(state.misconfiguration(), Some(Misconfiguration::KeyRefused));
        state.record(Ok(()));
        state.record(Err(Misconfiguration::KeyRefused));
        state.record(Ok(()));
        state.record(Err(Misconfiguration::KeyRefused));
        assert_eq!(
            state.misconfiguration(),
            None,
            "a success between two failures parts them"
        );
    }
}
