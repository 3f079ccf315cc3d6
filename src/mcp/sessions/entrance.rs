//! One request at a time fetches a session from the store; those that come for the same one meanwhile wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rmcp::transport::streamable_http_server::SessionId;
use tokio::sync::OwnedMutexGuard;

/// The ways into the sessions that are being fetched, one for each.
#[derive(Debug, Default)]
pub(super) struct Entrances(Mutex<HashMap<SessionId, Weak<tokio::sync::Mutex<()>>>>);

/// A request's way into a session, which is held while it fetches that.
#[derive(Debug)]
pub(super) struct Entrance(
    #[expect(dead_code, reason = "it's held, not looked at")] Option<OwnedMutexGuard<()>>,
);

/// Why a request may not enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoEntrance {
    /// There is no such session.
    Unknown,
    /// The store can't be asked, so nothing can be said of the session.
    StoreAway,
    /// Whoever fetched it went away, and it's not over yet.
    NotYet,
}

impl Entrance {
    /// Into a session that is open.
    pub(super) const OPEN: Self = Self(None);
}

impl Entrances {
    /// Waits until nobody else fetches this session.
    pub(super) async fn wait(&self, session: &SessionId) -> Entrance {
        let way = {
            let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ways.retain(|_, way| way.strong_count() > 0);
            let known = ways.get(session).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let way = Arc::default();
                ways.insert(session.clone(), Arc::downgrade(&way));
                way
            })
        };
        Entrance(Some(way.lock_owned().await))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn only_those_of_one_session_wait_for_each_other() {
        let ways = Entrances::default();
        let (one, other) = (SessionId::from("one"), SessionId::from("other"));
        let first = ways.wait(&one).now_or_never().expect("nobody is there");
        assert!(ways.wait(&one).now_or_never().is_none());
        let second = ways.wait(&other).now_or_never();
        assert!(second.is_some());
        drop((first, second));
        assert!(ways.wait(&one).now_or_never().is_some());
        assert_eq!(ways.0.lock().unwrap().len(), 1, "what is over is forgotten");
    }
}
