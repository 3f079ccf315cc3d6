//! What each session is busy with.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{model::RequestId, transport::streamable_http_server::SessionId};

/// The requests in flight of every session. A client that goes away doesn't end the calls of its session, for it may come back
/// for their answers: without a limit, one session could hold any number of them.
#[derive(Debug)]
pub(super) struct Calls {
    per_session: usize,
    in_flight: Mutex<HashMap<SessionId, InFlight>>,
}

/// What one session is busy with.
#[derive(Debug, Default)]
struct InFlight {
    ids: HashSet<RequestId>,
    /// How many answers are on their way.
    answers: usize,
}

/// Why a session may not begin another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// One with the same id is in flight (MCP, "Requests": an id is used once in a session). rmcp tells answers apart by
    /// ids, and one of the two would never come.
    SameId,
    /// It has as many as one may have.
    TooMany,
}

impl Calls {
    /// So many requests of each session at a time.
    pub(super) fn new(per_session: usize) -> Self {
        Self {
            per_session,
            in_flight: Mutex::default(),
        }
    }

    /// Begins a request of this id, as it was written; it's over when the [`Call`] is dropped.
    ///
    /// # Errors
    /// When it may not begin.
    pub(super) fn begin(self: &Arc<Self>, session: &SessionId, id: &str) -> Result<Call, Busy> {
        // As rmcp reads it: 1 and 1.0 are one id, and so are a letter and its escape. An id that it can't read gets no answer
        // of a tool's.
        let id = serde_json::from_str(id).unwrap_or_else(|_| RequestId::String(id.into()));
        let mut in_flight = self.in_flight();
        let ids = in_flight.get(session).map(|busy| &busy.ids);
        if ids.is_some_and(|ids| ids.contains(&id)) {
            return Err(Busy::SameId);
        }
        if ids.map_or(0, HashSet::len) >= self.per_session {
            return Err(Busy::TooMany);
        }
        let busy = in_flight.entry(session.clone()).or_default();
        busy.ids.insert(id.clone());
        Ok(Call {
            calls: Arc::clone(self),
            session: session.clone(),
            id,
        })
    }

    /// An answer is on its way, until the [`Answer`] is dropped: that goes on when the request is over.
    pub(super) fn answer(self: &Arc<Self>, session: &SessionId) -> Answer {
        self.in_flight().entry(session.clone()).or_default().answers += 1;
        Answer {
            calls: Arc::clone(self),
            session: session.clone(),
        }
    }

    /// Whether a request of this session is in flight, or an answer on its way.
    pub(super) fn has_any(&self, session: &SessionId) -> bool {
        self.in_flight().contains_key(session)
    }

    fn end(&self, session: &SessionId, what: impl FnOnce(&mut InFlight)) {
        let mut in_flight = self.in_flight();
        if let Some(busy) = in_flight.get_mut(session) {
            what(busy);
            if busy.ids.is_empty() && busy.answers == 0 {
                in_flight.remove(session);
            }
        }
    }

    fn in_flight(&self) -> MutexGuard<'_, HashMap<SessionId, InFlight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Call {
    calls: Arc<Calls>,
    session: SessionId,
    id: RequestId,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.end(&self.session, |busy| {
            busy.ids.remove(&self.id);
        });
    }
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    calls: Arc<Calls>,
    session: SessionId,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.calls.end(&self.session, |busy| {
            busy.answers = busy.answers.saturating_sub(1);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_in_flight_once_and_only_so_many_are() {
        let calls = Arc::new(Calls::new(2));
        let (one, other) = (SessionId::from("one"), SessionId::from("other"));
        let first = calls.begin(&one, "1").unwrap();
        // However it's written.
        for same in ["1", "1.0", "1e0"] {
            assert_eq!(calls.begin(&one, same).unwrap_err(), Busy::SameId, "{same}");
        }
        let _elsewhere = calls.begin(&other, "1").unwrap();
        let second = calls.begin(&one, "\"1\"").unwrap();
        assert_eq!(calls.begin(&one, "\"\\u0031\"").unwrap_err(), Busy::SameId);
        assert_eq!(calls.begin(&one, "3").unwrap_err(), Busy::TooMany);
        drop(first);
        let again = calls.begin(&one, "1").unwrap();
        let answers = [(); 2].map(|()| calls.answer(&one));
        drop((again, second));
        assert!(calls.has_any(&one), "what it's told comes after");
        drop(answers);
        assert!(!calls.has_any(&one) && calls.has_any(&other));
    }
}
