//! [`OwnedSessions`]: rmcp's in-memory sessions, each with an owner and within the limits.

use std::{cell::Cell, pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt};
use rmcp::{
    model::{ClientJsonRpcMessage, ServerJsonRpcMessage},
    transport::{
        Transport,
        streamable_http_server::{
            SessionId, SessionManager,
            session::{
                ServerSseMessage,
                local::{self, LocalSessionManager, LocalSessionManagerError},
            },
        },
    },
};
use thiserror::Error;

use super::slots::{SessionLimit, Slots};

tokio::task_local! {
    /// The request that rmcp is processing. It carries the user to [`SessionManager::create_session`], and
    /// the manager's error back to the session gate, because rmcp passes on neither.
    static CURRENT: CurrentRequest;
}

struct CurrentRequest {
    owner: Arc<str>,
    failure: Cell<Option<SessionFailure>>,
}

impl CurrentRequest {
    /// Records why the request failed.
    fn fail(failure: SessionFailure) {
        let _ = CURRENT.try_with(|current| current.failure.set(Some(failure)));
    }
}

/// The reason why a request failed in the session layer.
#[derive(Debug, Clone, Copy)]
pub(super) enum SessionFailure {
    /// The session was not opened, because a limit is reached.
    LimitReached(SessionLimit),
    /// The server's own handler rejected `initialize`, so the session was not opened.
    InitializeRejected,
    /// The session ended.
    Ended,
}

/// The error that rmcp gets; it turns each one into a 500.
#[derive(Debug, Error)]
pub(super) enum SessionError {
    #[error("the request did not come through the session gate")]
    NoOwner,
    #[error("the session limit is reached: {0:?}")]
    LimitReached(SessionLimit),
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// A [`SessionManager`] that gives each session of [`LocalSessionManager`] a slot.
pub(super) struct OwnedSessions {
    local: Arc<LocalSessionManager>,
    slots: Arc<Slots>,
}

impl OwnedSessions {
    /// Creates a manager whose sessions end after `idle_timeout` without a message.
    pub(super) fn new(slots: Arc<Slots>, idle_timeout: Duration) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(idle_timeout);
        Self {
            local: Arc::new(local),
            slots,
        }
    }

    /// Runs `request`, which may open a session for `owner`. Returns its output, and why the session layer
    /// failed, if it did.
    pub(super) async fn on_behalf_of<F: Future>(
        owner: &str,
        request: F,
    ) -> (F::Output, Option<SessionFailure>) {
        let current = CurrentRequest {
            owner: owner.into(),
            failure: Cell::new(None),
        };
        let request = async {
            let output = request.await;
            (output, CURRENT.with(|current| current.failure.get()))
        };
        CURRENT.scope(current, request).await
    }

    /// Ends a session that has no slot any more, in a separate task: rmcp waits for room in the session's
    /// channel, which is full when the client does not read.
    fn end(&self, session: SessionId) {
        let local = Arc::clone(&self.local);
        tokio::spawn(async move { local.close_session(&session).await });
    }
}

/// The events of one response.
type Events = Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>;

/// Records [`SessionFailure::Ended`] if an operation failed because its session ended.
fn record_end<T>(outcome: Result<T, LocalSessionManagerError>) -> Result<T, SessionError> {
    if let Err(
        LocalSessionManagerError::SessionNotFound(_)
        | LocalSessionManagerError::SessionError(local::SessionError::SessionServiceTerminated),
    ) = &outcome
    {
        CurrentRequest::fail(SessionFailure::Ended);
    }
    Ok(outcome?)
}

impl SessionManager for OwnedSessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    /// rmcp calls this after its own checks of the request, so a request that it rejects evicts no session.
    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionError> {
        let owner = CURRENT
            .try_with(|current| Arc::clone(&current.owner))
            .map_err(|_| SessionError::NoOwner)?;
        let (id, mut transport) = self.local.create_session().await?;
        // Do not await between here and the return: rmcp then spawns the task that ends the session. If the
        // request were cancelled before that, the slot would never be removed.
        match self.slots.insert(&id, owner) {
            Ok(evicted) => {
                if let Some(evicted) = evicted {
                    self.end(evicted);
                }
                Ok((id, transport))
            }
            Err(limit) => {
                CurrentRequest::fail(SessionFailure::LimitReached(limit));
                let local = Arc::clone(&self.local);
                tokio::spawn(async move {
                    // Close the transport first. Otherwise rmcp logs that an uninitialized session ended.
                    let _ = transport.close().await;
                    local.close_session(&id).await
                });
                Err(SessionError::LimitReached(limit))
            }
        }
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionError> {
        let answer = self.local.initialize_session(id, message).await?;
        if let ServerJsonRpcMessage::Error(_) = &answer {
            self.slots.remove(id);
            CurrentRequest::fail(SessionFailure::InitializeRejected);
        } else {
            self.slots.set_open(id);
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(self.local.has_session(id).await?)
    }

    /// rmcp calls this whenever a session ends: after DELETE, the idle timeout or a rejected `initialize`.
    async fn close_session(&self, id: &SessionId) -> Result<(), SessionError> {
        self.slots.remove(id);
        self.end(id.clone());
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        let response = self.slots.begin_response(id);
        let (local, id) = (Arc::clone(&self.local), id.clone());
        // Runs in its own task, so that it completes even if the client disconnects. Otherwise rmcp would
        // keep the stream until the session ends.
        let created = tokio::spawn(async move {
            let events: Events = Box::pin(local.create_stream(&id, message).await?);
            Ok(events)
        });
        let events = record_end(created.await.unwrap_or(Err(TERMINATED)))?;
        // The closure owns the guard, so the session stays busy until the stream is dropped.
        Ok(events.inspect(move |_| {
            let _guard = &response;
        }))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionError> {
        record_end(self.local.accept_message(id, message).await)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        record_end(self.local.create_standalone_stream(id).await)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionError> {
        record_end(self.local.resume(id, last_event_id).await)
    }
}

/// The outcome of a task that the runtime dropped at shutdown.
const TERMINATED: LocalSessionManagerError =
    LocalSessionManagerError::SessionError(local::SessionError::SessionServiceTerminated);
