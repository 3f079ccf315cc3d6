//! rmcp's sessions in memory, each in a place of its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        RestoreOutcome, SessionId, SessionManager,
        session::{
            ServerSseMessage,
            local::{LocalSessionManager, LocalSessionManagerError},
        },
    },
};
use thiserror::Error;

use super::places::Place;

tokio::task_local! {
    /// The place for a session that the current request may open: rmcp asks for a session without saying for whom.
    static PLACE: Mutex<Option<Place>>;
}

/// Runs `request`, which may put a session into `place`; if it doesn't, the place is free again.
pub(super) async fn with_place<F: Future>(place: Option<Place>, request: F) -> F::Output {
    PLACE.scope(Mutex::new(place), request).await
}

fn take_place() -> Result<Place, SessionError> {
    PLACE
        .try_with(|place| place.lock().unwrap_or_else(PoisonError::into_inner).take())
        .ok()
        .flatten()
        .ok_or(SessionError::NoPlace)
}

/// Sessions that hold a place from their first request until they end, whichever way they do.
#[derive(Debug)]
pub(super) struct PlacedSessions {
    local: LocalSessionManager,
    held: Mutex<HashMap<SessionId, Held>>,
}

/// What is known of a session that is here.
#[derive(Debug)]
struct Held {
    place: Place,
    last_message: Instant,
}

/// A session could not be used.
#[derive(Debug, Error)]
pub(super) enum SessionError {
    /// The request came without a place: it was not expected to open a session.
    #[error("no place was taken for the session")]
    NoPlace,
    /// rmcp's own.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl PlacedSessions {
    /// Sessions that end after `idle` without a message either way.
    pub(super) fn new(idle: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(idle);
        Self {
            local,
            held: Mutex::default(),
        }
    }

    /// Of this subject's sessions, the one with the longest silence that isn't `busy`.
    pub(super) fn longest_silent(
        &self,
        subject: &str,
        busy: impl Fn(&SessionId) -> bool,
    ) -> Option<SessionId> {
        self.held()
            .iter()
            .filter(|(id, held)| held.place.subject() == subject && !busy(id))
            .min_by_key(|(_, held)| held.last_message)
            .map(|(id, _)| id.clone())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<SessionId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn occupy(&self, id: &SessionId, place: Place) {
        let last_message = Instant::now();
        self.held().insert(id.clone(), Held { place, last_message });
    }

    /// A message came.
    fn touch(&self, id: &SessionId) {
        if let Some(held) = self.held().get_mut(id) {
            held.last_message = Instant::now();
        }
    }
}

impl SessionManager for PlacedSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let place = take_place()?;
        let (id, transport) = self.local.create_session().await?;
        self.occupy(&id, place);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.local.has_session(id).await?)
    }

    /// rmcp calls this however a session ends: by DELETE, by idleness, by a failed start.
    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        let closed = self.local.close_session(id).await;
        self.held().remove(id);
        Ok(closed?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        self.touch(id);
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        Ok(self.local.resume(id, last_event_id).await?)
    }

    /// Of a session that another replica opened, as far as a store knows it.
    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, SessionError> {
        let place = take_place()?;
        let outcome = self.local.restore_session(id.clone()).await?;
        if let RestoreOutcome::Restored(_) = &outcome {
            self.occupy(&id, place);
        }
        Ok(outcome)
    }
}
