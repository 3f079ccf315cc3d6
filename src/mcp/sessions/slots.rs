//! [`Slots`]: the table of MCP sessions, with their owners and limits.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use parking_lot::Mutex;
use rmcp::{model::RequestId, transport::streamable_http_server::SessionId};

use super::McpSessions;

/// The sessions of this process.
///
/// One lock guards the table, so that choosing a session to evict and removing it is a single step.
#[derive(Debug)]
pub(super) struct Slots {
    max_per_user: usize,
    max_total: usize,
    max_requests_per_session: usize,
    by_session: Mutex<HashMap<SessionId, Slot>>,
}

/// One session.
#[derive(Debug)]
struct Slot {
    /// The subject of the token that opened the session.
    owner: Arc<str>,
    last_message: Instant,
    /// Whether `initialize` has been answered.
    is_open: bool,
    requests: HashSet<RequestId>,
    /// The number of responses that are being sent to the client.
    responses: usize,
}

impl Slot {
    fn new(owner: Arc<str>) -> Self {
        metrics::gauge!("clerk_mcp_sessions").increment(1);
        Self {
            owner,
            last_message: Instant::now(),
            is_open: false,
            requests: HashSet::new(),
            responses: 0,
        }
    }

    /// Returns whether evicting the session would break something in progress.
    fn is_busy(&self) -> bool {
        !self.is_open || !self.requests.is_empty() || self.responses > 0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!("clerk_mcp_sessions").decrement(1);
    }
}

/// The limit because of which a session cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionLimit {
    /// [`McpSessions::max_per_user`].
    PerUser,
    /// [`McpSessions::max_total`].
    Total,
}

/// The reason why a request may not use a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnterError {
    /// The session does not exist, or belongs to another user.
    UnknownSession,
    /// A request with the same id is in flight (MCP, "Requests": an id is used once in a session). rmcp
    /// matches responses to requests by id, so one of the two would never be answered.
    DuplicateRequestId,
    /// [`McpSessions::max_requests_per_session`] requests are in flight.
    TooManyRequests,
}

impl Slots {
    /// Creates an empty table with the limits of `settings`.
    pub(super) fn new(settings: &McpSessions) -> Self {
        Self {
            max_per_user: settings.max_per_user,
            max_total: settings.max_total,
            max_requests_per_session: settings.max_requests_per_session,
            by_session: Mutex::default(),
        }
    }

    /// Adds a session of `owner`. At a limit, it replaces the owner's session that has been idle longest, and
    /// returns the id of the replaced session. Busy sessions are not replaced.
    ///
    /// # Errors
    /// The limit, when it is reached and the owner has no session to evict.
    pub(super) fn insert(
        &self,
        session: &SessionId,
        owner: Arc<str>,
    ) -> Result<Option<SessionId>, SessionLimit> {
        let mut slots = self.by_session.lock();
        let owned = || slots.iter().filter(|(_, slot)| slot.owner == owner);
        let limit = if owned().count() >= self.max_per_user {
            Some(SessionLimit::PerUser)
        } else if slots.len() >= self.max_total {
            Some(SessionLimit::Total)
        } else {
            None
        };
        let evicted = match limit {
            Some(limit) => {
                let idle = owned().filter(|(_, slot)| !slot.is_busy());
                let (id, _) = idle.min_by_key(|(_, slot)| slot.last_message).ok_or(limit)?;
                Some(id.clone())
            }
            None => None,
        };
        if let Some(evicted) = &evicted {
            slots.remove(evicted);
        }
        slots.insert(session.clone(), Slot::new(owner));
        Ok(evicted)
    }

    /// Records that `initialize` was answered. From now on the session may be evicted.
    pub(super) fn set_open(&self, session: &SessionId) {
        if let Some(slot) = self.by_session.lock().get_mut(session) {
            slot.is_open = true;
        }
    }

    /// Removes a session, if it is still there.
    pub(super) fn remove(&self, session: &SessionId) {
        self.by_session.lock().remove(session);
    }

    /// Checks that `session` belongs to `owner`, and records a message for it. `request_id` is the id of a
    /// request, as written in the message; that request is in flight until the returned guard is dropped.
    ///
    /// # Errors
    /// [`EnterError`] when the message may not be passed on to the session.
    pub(super) fn enter(
        self: &Arc<Self>,
        session: &SessionId,
        owner: &str,
        request_id: Option<&str>,
    ) -> Result<Option<InFlight>, EnterError> {
        let mut slots = self.by_session.lock();
        let slot = slots
            .get_mut(session)
            .filter(|slot| *slot.owner == *owner)
            .ok_or(EnterError::UnknownSession)?;
        slot.last_message = Instant::now();
        let Some(id) = request_id else {
            return Ok(None);
        };
        // Parsed as rmcp parses it: 1 and 1.0 are the same id, and so are a character and its escape
        // sequence.
        let id = serde_json::from_str(id).unwrap_or_else(|_| RequestId::String(id.into()));
        if slot.requests.contains(&id) {
            return Err(EnterError::DuplicateRequestId);
        }
        if slot.requests.len() >= self.max_requests_per_session {
            return Err(EnterError::TooManyRequests);
        }
        slot.requests.insert(id.clone());
        Ok(Some(self.in_flight(session, InFlightKind::Request(id))))
    }

    /// Marks the session as busy with sending a response, until the returned guard is dropped. Otherwise the
    /// session could be evicted after the handler has returned and before the response has been sent.
    pub(super) fn begin_response(self: &Arc<Self>, session: &SessionId) -> InFlight {
        if let Some(slot) = self.by_session.lock().get_mut(session) {
            slot.responses += 1;
        }
        self.in_flight(session, InFlightKind::Response)
    }

    fn in_flight(self: &Arc<Self>, session: &SessionId, kind: InFlightKind) -> InFlight {
        InFlight {
            slots: Arc::clone(self),
            session: session.clone(),
            kind,
        }
    }
}

/// A request or response in flight. While it exists, its session is not evicted.
#[derive(Debug)]
pub(super) struct InFlight {
    slots: Arc<Slots>,
    session: SessionId,
    kind: InFlightKind,
}

#[derive(Debug)]
enum InFlightKind {
    Request(RequestId),
    Response,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(slot) = self.slots.by_session.lock().get_mut(&self.session) {
            match &self.kind {
                InFlightKind::Request(id) => {
                    slot.requests.remove(id);
                }
                InFlightKind::Response => slot.responses -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(change: impl FnOnce(&mut McpSessions)) -> Arc<Slots> {
        let mut settings = McpSessions::default();
        change(&mut settings);
        Arc::new(Slots::new(&settings))
    }

    impl Slots {
        /// Adds a session and sets it open.
        fn open(&self, session: &str, owner: &str) -> Result<Option<SessionId>, SessionLimit> {
            let session = SessionId::from(session);
            let evicted = self.insert(&session, owner.into())?;
            self.set_open(&session);
            Ok(evicted)
        }
    }

    #[test]
    fn a_session_at_the_user_limit_evicts_the_longest_silent_session_of_that_user() {
        let slots = slots(|sessions| sessions.max_per_user = 2);
        for (session, owner) in [("alan's", "alan"), ("first", "ada"), ("second", "ada")] {
            assert_eq!(slots.open(session, owner), Ok(None));
        }
        slots.enter(&"first".into(), "ada", None).unwrap();
        assert_eq!(slots.open("third", "ada"), Ok(Some("second".into())));
        let enter = |session: &str, owner| slots.enter(&session.into(), owner, None).map(drop);
        assert_eq!(enter("second", "ada"), Err(EnterError::UnknownSession));
        assert_eq!(
            [
                enter("first", "ada"),
                enter("third", "ada"),
                enter("alan's", "alan")
            ],
            [Ok(()); 3]
        );
    }

    #[test]
    fn a_session_at_the_total_limit_evicts_only_a_session_of_its_own_user() {
        let slots = slots(|sessions| sessions.max_total = 1);
        assert_eq!(slots.open("first", "ada"), Ok(None));
        assert_eq!(slots.open("other", "alan"), Err(SessionLimit::Total));
        assert_eq!(slots.open("second", "ada"), Ok(Some("first".into())));
        slots.remove(&"second".into());
        assert_eq!(slots.open("other", "alan"), Ok(None));
    }

    #[test]
    fn a_busy_session_is_not_evicted() {
        let slots = slots(|sessions| sessions.max_per_user = 1);
        let session = SessionId::from("first");
        let open_another = || slots.open("second", "ada");
        assert_eq!(slots.insert(&session, "ada".into()), Ok(None));
        assert_eq!(open_another(), Err(SessionLimit::PerUser), "not open yet");
        slots.set_open(&session);
        let request = slots.enter(&session, "ada", Some("1")).unwrap();
        assert_eq!(
            open_another(),
            Err(SessionLimit::PerUser),
            "a request is in flight"
        );
        let responses = [(); 2].map(|()| slots.begin_response(&session));
        drop(request);
        assert_eq!(
            open_another(),
            Err(SessionLimit::PerUser),
            "responses are in flight"
        );
        drop(responses);
        assert_eq!(open_another(), Ok(Some(session)));
    }

    #[test]
    fn a_session_is_unknown_to_every_user_but_its_owner() {
        let slots = slots(|_| {});
        slots.open("session", "ada").unwrap();
        for (session, owner) in [
            ("session", "alan"),
            ("session", ""),
            ("Session", "ada"),
            ("", "ada"),
        ] {
            assert_eq!(
                slots.enter(&session.into(), owner, Some("1")).unwrap_err(),
                EnterError::UnknownSession,
                "{session} {owner}"
            );
        }
        slots.enter(&"session".into(), "ada", Some("1")).unwrap();
    }

    #[test]
    fn a_request_id_is_in_flight_once_in_a_session_however_it_is_written() {
        let slots = slots(|sessions| sessions.max_requests_per_session = 2);
        slots.open("one", "ada").unwrap();
        slots.open("other", "ada").unwrap();
        let enter = |session: &str, id| slots.enter(&session.into(), "ada", Some(id));
        let first = enter("one", "1").unwrap();
        for same in ["1", "1.0", "1e0"] {
            assert_eq!(
                enter("one", same).unwrap_err(),
                EnterError::DuplicateRequestId,
                "{same}"
            );
        }
        let _other = enter("other", "1").unwrap();
        let _second = enter("one", "\"1\"").unwrap();
        assert_eq!(
            enter("one", "\"\\u0031\"").unwrap_err(),
            EnterError::DuplicateRequestId
        );
        assert_eq!(enter("one", "3").unwrap_err(), EnterError::TooManyRequests);
        drop(first);
        let _again = enter("one", "1").unwrap();
    }
}
