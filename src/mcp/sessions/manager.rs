//! rmcp's sessions in memory, each in a place of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::{Stream, StreamExt};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        RestoreOutcome, SessionId, SessionManager,
        session::{
            ServerSseMessage, SessionStore,
            local::{LocalSessionManager, LocalSessionManagerError},
        },
    },
};
use thiserror::Error;

use super::{
    McpSessions,
    calls::Calls,
    places::{Full, Place, Places},
};

tokio::task_local! {
    /// For whom the current request may open a session: rmcp asks for one without saying whose it will be, and says of a
    /// refusal no more than that there was one.
    static OPENING: Opening;
}

struct Opening {
    subject: Arc<str>,
    refusal: Mutex<Option<Full>>,
}

/// Sessions that hold a place from their first request until they end, whichever way they do.
pub(super) struct PlacedSessions {
    local: LocalSessionManager,
    places: Arc<Places>,
    calls: Arc<Calls>,
    store: Option<Arc<dyn SessionStore>>,
    held: Mutex<HashMap<SessionId, Held>>,
}

/// What is known of a session that is here.
#[derive(Debug)]
struct Held {
    place: Place,
    last_message: Instant,
    /// Whether `initialize` was answered.
    is_open: bool,
}

/// A session could not be used.
#[derive(Debug, Error)]
pub(super) enum SessionError {
    /// Nobody is known whose it would be.
    #[error("a session was to be opened for nobody")]
    Nobody,
    /// There's no room.
    #[error("no place is free")]
    NoPlace,
    /// rmcp's own.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}
impl PlacedSessions {
    /// Sessions as `settings` has them; those with `calls` in flight aren't ended for others.
    pub(super) fn new(settings: &McpSessions, calls: Arc<Calls>) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(settings.idle_timeout);
        Self {
            local,
            places: Arc::new(Places::new(settings.max_per_user, settings.max_in_all)),
            calls,
            store: settings.store.clone(),
            held: Mutex::default(),
        }
    }

    /// Runs `request`, which may open a session for `subject`.
    ///
    /// # Errors
    /// When it was to open one and there's no room, whatever it was answered.
    pub(super) async fn with_room_for<F: Future>(
        &self,
        subject: &str,
        request: F,
    ) -> Result<F::Output, Full> {
        let opening = Opening {
            subject: subject.into(),
            refusal: Mutex::default(),
        };
        OPENING
            .scope(opening, async {
                let output = request.await;
                let refusal = OPENING.with(|opening| *lock(&opening.refusal));
                refusal.map_or(Ok(output), Err)
            })
            .await
    }

    /// Whether there is such a session: here, where this counts as a message, or in the store. That is asked before there's a
    /// place for it, or an id that is long gone could cost the user a session that isn't.
    pub(super) async fn knows(&self, session: &SessionId) -> bool {
        self.touch(session) || self.is_stored(session).await
    }

    async fn is_stored(&self, session: &SessionId) -> bool {
        let Some(store) = &self.store else {
            return false;
        };
        match store.load(session).await {
            Ok(state) => state.is_some(),
            Err(error) => {
                tracing::warn!(%error, "the store of sessions could not be asked");
                false
            }
        }
    }

    /// A place for a session of the current request's user, if need be that of one that is silent.
    async fn place(&self) -> Result<Place, SessionError> {
        let subject = OPENING
            .try_with(|opening| Arc::clone(&opening.subject))
            .map_err(|_| SessionError::Nobody)?;
        let full = match self.places.take(&subject) {
            Ok(place) => return Ok(place),
            Err(full) => full,
        };
        if full == Full::User
            && let Some((silent, place)) = self.longest_silent(&subject)
        {
            self.end(&silent).await;
            return Ok(place);
        }
        OPENING.with(|opening| *lock(&opening.refusal) = Some(full));
        Err(SessionError::NoPlace)
    }

    /// Takes out, of this subject's sessions, the one with the longest silence that isn't busy. Chosen and taken under one lock,
    /// so that nobody else chooses it, and whoever looks for it either has made it busy before or doesn't find it.
    fn longest_silent(&self, subject: &str) -> Option<(SessionId, Place)> {
        let mut held = lock(&self.held);
        let (id, _) = held
            .iter()
            .filter(|(id, held)| held.is_open && held.place.subject() == subject && !self.calls.has_any(id))
            .min_by_key(|(_, held)| held.last_message)?;
        let id = id.clone();
        held.remove(&id).map(|held| (id, held.place))
    }

    /// Ends a session that has no place any more.
    async fn end(&self, session: &SessionId) {
        // However it ends, nobody finds it.
        let _ = self.local.close_session(session).await;
        if let Some(store) = &self.store
            && let Err(error) = store.delete(session).await
        {
            tracing::warn!(%error, "a session that was ended could not be taken out of the store");
        }
    }

    fn occupy(&self, id: &SessionId, place: Place) {
        let held = Held {
            place,
            last_message: Instant::now(),
            is_open: false,
        };
        lock(&self.held).insert(id.clone(), held);
    }

    /// A message came for this session; tells whether it's here.
    fn touch(&self, id: &SessionId) -> bool {
        match lock(&self.held).get_mut(id) {
            Some(held) => {
                held.last_message = Instant::now();
                true
            }
            None => false,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SessionManager for PlacedSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let place = self.place().await?;
        let (id, transport) = self.local.create_session().await?;
        self.occupy(&id, place);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        let answer = self.local.initialize_session(id, message).await?;
        if let Some(held) = lock(&self.held).get_mut(id) {
            held.is_open = true;
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.local.has_session(id).await?)
    }

    /// rmcp calls this however a session ends: by DELETE, by idleness, by a failed start.
    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        let closed = self.local.close_session(id).await;
        lock(&self.held).remove(id);
        Ok(closed?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        // The request is over before its answer has gone through the stream.
        let answer = self.calls.answer(id);
        let events = self.local.create_stream(id, message).await?;
        Ok(events.inspect(move |_| {
            let _on_its_way = &answer;
        }))
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
        let place = self.place().await?;
        let outcome = self.local.restore_session(id.clone()).await?;
        if let RestoreOutcome::Restored(_) = &outcome {
            self.occupy(&id, place);
        }
        Ok(outcome)
    }
}
