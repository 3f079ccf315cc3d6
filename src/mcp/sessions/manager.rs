//! rmcp's sessions in memory, each in a place of its own.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::{
        RestoreOutcome, SessionId, SessionManager,
        session::{
            self, ServerSseMessage, SessionStore,
            local::{LocalSessionManager, LocalSessionManagerError},
        },
    },
};
use thiserror::Error;

use super::{
    McpSessions,
    calls::Calls,
    entrance::{Entrance, Entrances, NoEntrance},
    places::{Full, Place, Places},
};

tokio::task_local! {
    /// The request that rmcp works at: it asks for a session without saying whose it will be, and of a failure it says no
    /// more than that there was one.
    static CURRENT: Current;
}

struct Current {
    subject: Arc<str>,
    failure: Mutex<Option<Failure>>,
}

impl Current {
    /// Why it failed. The first cause counts; without a request there's nobody to tell.
    fn failed(failure: Failure) {
        let _ = CURRENT.try_with(|current| {
            lock(&current.failure).get_or_insert(failure);
        });
    }
}

/// Why a request within a session, or for one, could not be carried out.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// There's no room for the session that it was to open.
    NoPlace(Full),
    /// Its session came to an end.
    Gone,
    /// The server's own handler refused to open this one.
    NotOpened(SessionId),
    /// It refused to go on with one that was opened elsewhere.
    NotRestored,
}

/// Sessions that hold a place from their first request until they end, whichever way they do.
pub(super) struct PlacedSessions {
    local: Arc<LocalSessionManager>,
    places: Arc<Places>,
    calls: Arc<Calls>,
    store: Option<Arc<dyn SessionStore>>,
    held: Mutex<HashMap<SessionId, Held>>,
    entrances: Entrances,
}

/// What is known of a session that is here.
#[derive(Debug)]
struct Held {
    place: Place,
    last_message: Instant,
    /// Whether it comes from the store.
    is_restored: bool,
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
    /// Sessions as `settings` has them, which live for at least `idle` without a message; those with `calls` in flight aren't
    /// ended for others.
    pub(super) fn new(settings: &McpSessions, idle: Duration, calls: Arc<Calls>) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(idle);
        Self {
            local: Arc::new(local),
            places: Arc::new(Places::new(settings.max_per_user, settings.max_in_all)),
            calls,
            store: settings.store.clone(),
            held: Mutex::default(),
            entrances: Entrances::default(),
        }
    }

    /// Runs `request` of `subject`, which may be within a session or open one; tells beside its output what failed about that.
    pub(super) async fn on_behalf_of<F: Future>(
        &self,
        subject: &str,
        request: F,
    ) -> (F::Output, Option<Failure>) {
        let current = Current {
            subject: subject.into(),
            failure: Mutex::default(),
        };
        CURRENT
            .scope(current, async {
                let output = request.await;
                (output, CURRENT.with(|current| lock(&current.failure).take()))
            })
            .await
    }

    /// Lets a request into a session, if there is such a one: here, where this counts as a message, or in the store. That is
    /// asked before there's a place for it, or an id that is long gone could cost the user a session that isn't.
    ///
    /// Of the requests that come at once for one that is only in the store, the first fetches it, and the others wait until it
    /// lets go of the [`Entrance`]: rmcp would let them into a session that isn't open yet, and that would be its end.
    ///
    /// # Errors
    /// When it may not enter.
    pub(super) async fn enter(&self, session: &SessionId) -> Result<Entrance, NoEntrance> {
        if self.touch(session) == Some(true) {
            return Ok(Entrance::OPEN);
        }
        let store = self.store.as_ref().ok_or(NoEntrance::Unknown)?;
        let stored = store.load(session).await.map_err(|error| {
            tracing::warn!(%error, "the store of sessions could not be asked");
            NoEntrance::StoreAway
        })?;
        if stored.is_none() {
            return Err(NoEntrance::Unknown);
        }
        let entrance = self.entrances.wait(session).await;
        match self.touch(session) {
            Some(true) => Ok(Entrance::OPEN),
            Some(false) => Err(NoEntrance::NotYet),
            None => Ok(entrance),
        }
    }

    /// A place for a session of the current request's user, if need be that of one of the user's own that is silent.
    async fn place(&self) -> Result<Place, SessionError> {
        let subject = CURRENT
            .try_with(|current| Arc::clone(&current.subject))
            .map_err(|_| SessionError::Nobody)?;
        let full = match self.places.take(&subject) {
            Ok(place) => return Ok(place),
            Err(full) => full,
        };
        let Some((silent, place)) = self.longest_silent(&subject) else {
            Current::failed(Failure::NoPlace(full));
            return Err(SessionError::NoPlace);
        };
        self.end(silent).await;
        Ok(place)
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

    /// Ends a session that has no place any more, also when the request that wants this goes away meanwhile.
    async fn end(&self, session: SessionId) {
        let (local, store) = (Arc::clone(&self.local), self.store.clone());
        soon(async move {
            forget(store.as_deref(), &session).await;
            // However it ends, nobody finds it.
            let _ = local.close_session(&session).await;
        })
        .await;
    }

    /// Takes a session that wasn't opened out of the store, where rmcp puts it all the same.
    pub(super) async fn forget(&self, session: &SessionId) {
        forget(self.store.as_deref(), session).await;
    }

    fn occupy(&self, id: &SessionId, place: Place, is_restored: bool) {
        let held = Held {
            place,
            last_message: Instant::now(),
            is_restored,
            is_open: false,
        };
        lock(&self.held).insert(id.clone(), held);
    }

    /// A message came for this session; tells whether it's open, if it's here.
    fn touch(&self, id: &SessionId) -> Option<bool> {
        let mut held = lock(&self.held);
        let held = held.get_mut(id)?;
        held.last_message = Instant::now();
        Some(held.is_open)
    }
}

/// The messages of one request.
type Events = Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>;

const ENDING: LocalSessionManagerError =
    LocalSessionManagerError::SessionError(session::local::SessionError::SessionServiceTerminated);

/// Does `work` to its end, and waits a moment for that: rmcp tells a session that it's over by way of a channel, which is full
/// when its client doesn't read what it's sent.
async fn soon<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    tokio::time::timeout(A_MOMENT, tokio::spawn(work))
        .await
        .ok()?
        .ok()
}

const A_MOMENT: Duration = Duration::from_secs(1);

async fn forget(store: Option<&dyn SessionStore>, session: &SessionId) {
    if let Some(store) = store
        && let Err(error) = store.delete(session).await
    {
        tracing::warn!(%error, "a session that was ended could not be taken out of the store");
    }
}

/// What rmcp makes of it, having noted that the session is gone if it's that.
fn noted<T>(outcome: Result<T, LocalSessionManagerError>) -> Result<T, SessionError> {
    if let Err(
        LocalSessionManagerError::SessionNotFound(_)
        | LocalSessionManagerError::SessionError(session::local::SessionError::SessionServiceTerminated),
    ) = &outcome
    {
        Current::failed(Failure::Gone);
    }
    Ok(outcome?)
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
        self.occupy(&id, place, false);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        let answer = self.local.initialize_session(id, message).await?;
        if let Some(held) = lock(&self.held).get_mut(id) {
            match (&answer, held.is_restored) {
                (ServerJsonRpcMessage::Error(_), true) => Current::failed(Failure::NotRestored),
                (ServerJsonRpcMessage::Error(_), false) => Current::failed(Failure::NotOpened(id.clone())),
                _ => held.is_open = true,
            }
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.local.has_session(id).await?)
    }

    /// rmcp calls this however a session ends: by DELETE, by idleness, by a failed start.
    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        lock(&self.held).remove(id);
        let (local, id) = (Arc::clone(&self.local), id.clone());
        let closed = soon(async move { local.close_session(&id).await }).await;
        Ok(closed.unwrap_or(Ok(()))?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        // The request is over before its answer has gone through the stream.
        let answer = self.calls.answer(id);
        let (local, id) = (Arc::clone(&self.local), id.clone());
        // To the end, also when the client goes away: a stream that is asked for and not taken stays in the session as long as
        // that lives.
        let created = tokio::spawn(async move {
            let events: Events = Box::pin(local.create_stream(&id, message).await?);
            Ok(events)
        });
        // It only doesn't end when the process does.
        let events = noted(created.await.unwrap_or(Err(ENDING)))?;
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
        noted(self.local.accept_message(id, message).await)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        noted(self.local.create_standalone_stream(id).await)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        self.touch(id);
        noted(self.local.resume(id, last_event_id).await)
    }

    /// Of a session that another replica opened, as far as a store knows it.
    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, SessionError> {
        let place = self.place().await?;
        let outcome = self.local.restore_session(id.clone()).await?;
        if let RestoreOutcome::Restored(_) = &outcome {
            self.occupy(&id, place, true);
        }
        Ok(outcome)
    }
}
