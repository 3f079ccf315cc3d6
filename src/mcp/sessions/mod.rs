//! Sessions for clients of 2025-11-25 and before (MCP 2025-11-25, "Transports", "Session Management"), each bound to its user.
//!
//! rmcp keeps sessions, but asks nobody whose they are: with a session's id alone any authenticated user could call tools on
//! it or end it. Here an id is worth something only together with a token of the user who opened it.

mod calls;
mod entrance;
mod key;
mod manager;
mod places;

use std::{fmt, sync::Arc, time::Duration};

use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager, session::SessionStore};

pub use self::key::SessionKey;
use self::{
    calls::{Busy, Calls},
    entrance::NoEntrance,
    manager::{Failure, PlacedSessions},
    places::Full,
};
use super::{
    message::{Message, Purpose, is_without_sessions},
    refusal::{INVALID_REQUEST, SERVER_ERROR, error, worded},
};
use crate::reason::Reason;

/// Sessions, as an option of the mount: with them tools can ask clients of 2025-11-25 and before (elicitation, sampling,
/// roots), and those clients get an event stream by GET. Requests of 2026-07-28 have no session, on the same endpoint.
///
/// A session lives in the process that opened it, costs it some 50 KB, and ends with it, unless there's a
/// [store](Self::store).
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::mcp::{McpSessions, SessionKey};
///
/// let mut sessions = McpSessions::new("https://clerk.example.com");
/// sessions.max_per_user = 4;
/// sessions.idle_timeout = Duration::from_mins(10);
/// // Replicas share a key, and a store of sessions if clients may move between them.
/// # let from_a_secret_store = [0; 32];
/// sessions.key = SessionKey::from_bytes(&from_a_secret_store);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct McpSessions {
    /// Who issued the tokens: `user_1` of another Clerk application is another user.
    pub issuer: String,
    /// What binds an id to its user: a random key, unless replicas are to share one.
    pub key: SessionKey,
    /// Most sessions of one user (or machine, or organization: of one subject) at a time. One more ends the one that was
    /// silent for longest, for clients that just end leave theirs behind; it's refused with 429 when all are busy.
    pub max_per_user: usize,
    /// Most sessions at a time; one more is refused with 503.
    pub max_in_all: usize,
    /// Most requests of one session at a time; one more is refused with 429. A client that goes away leaves its session's
    /// calls running, until their time is up ([`call_timeout`](super::McpSettings::call_timeout)).
    pub max_calls_per_session: usize,
    /// How long a session lives without a message either way; in any case longer than a call may take.
    pub idle_timeout: Duration,
    /// Where a replica, or the next process, finds sessions that it didn't open itself. It needs the same
    /// [key](Self::key) there. What was going on in a session is lost all the same; the limits are each process's own; and a
    /// session that one replica ended goes on at another that has it in memory, until it's idle for long enough. Nothing is
    /// taken out of it that ends by idleness, so it needs an expiry of its own.
    pub store: Option<Arc<dyn SessionStore>>,
}

impl McpSessions {
    /// 16 sessions per user and 1,024 in all, which end after half an hour of silence, and 64 requests at a time in each; for
    /// tokens of `issuer`, which is the Frontend API URL ([`ClerkConfig::issuer`](crate::config::ClerkConfig::issuer)).
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            key: SessionKey::random(),
            max_per_user: 16,
            max_in_all: 1_024,
            max_calls_per_session: 64,
            idle_timeout: Duration::from_mins(30),
            store: None,
        }
    }
}

impl fmt::Debug for McpSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessions")
            .field("issuer", &self.issuer)
            .field("max_per_user", &self.max_per_user)
            .field("max_in_all", &self.max_in_all)
            .field("max_calls_per_session", &self.max_calls_per_session)
            .field("idle_timeout", &self.idle_timeout)
            .field("has_store", &self.store.is_some())
            .finish_non_exhaustive()
    }
}

/// Lets a request through to a session of its own user's, and to no other.
pub(super) struct BoundSessions {
    issuer: String,
    key: SessionKey,
    calls: Arc<Calls>,
    manager: Arc<PlacedSessions>,
}

impl BoundSessions {
    /// Sessions as `settings` has them, of a server whose calls may take `call_timeout`.
    pub(super) fn new(settings: &McpSessions, call_timeout: Duration) -> Self {
        let idle = settings.idle_timeout.max(call_timeout + ANSWER_TIME);
        let calls = Arc::new(Calls::new(settings.max_calls_per_session));
        Self {
            issuer: settings.issuer.clone(),
            key: settings.key.clone(),
            manager: Arc::new(PlacedSessions::new(settings, idle, Arc::clone(&calls))),
            calls,
        }
    }

    /// Where rmcp keeps them.
    pub(super) fn manager(&self) -> Arc<impl SessionManager + use<>> {
        Arc::clone(&self.manager)
    }

    /// Passes `request` of `subject` on to rmcp (`inner`), with the session that it names if that is its own. `message` is what
    /// was posted; `initialize` opens a session.
    pub(super) async fn call<E: Endpoint>(
        &self,
        inner: &E,
        mut request: Request,
        subject: &str,
        message: Option<&Message<'_>>,
    ) -> Result<Response> {
        let opens = message.is_some_and(|message| message.purpose == Purpose::Initialize);
        let id = message.and_then(|message| message.id);
        if ![Method::POST, Method::GET, Method::DELETE].contains(request.method()) {
            return inner.call(request).await.map(IntoResponse::into_response);
        }
        if is_sessionless(request.headers()) && !opens {
            // SEP-2567: no sessions since 2026-07-28; an id means nothing there.
            request.headers_mut().remove(SESSION_ID);
            return inner.call(request).await.map(IntoResponse::into_response);
        }
        let mut entrance = None;
        if request.headers().contains_key(SESSION_ID) {
            let Some(session) = self.own_session(request.headers(), subject) else {
                return Ok(unknown_session(id));
            };
            // Before the session is looked up: from here on it isn't ended for another.
            if let (Some(id), Some(true)) = (id, message.map(Message::is_request)) {
                match self.calls.begin(&session, id) {
                    // It goes where the request goes, and is dropped with it.
                    Ok(call) => request.extensions_mut().insert(Arc::new(call)),
                    Err(busy) => return Ok(too_busy(busy, id)),
                };
            }
            let Ok(bare) = HeaderValue::from_str(&session) else {
                return Ok(unknown_session(id));
            };
            entrance = match self.manager.enter(&session).await {
                Ok(entrance) => Some(entrance),
                Err(NoEntrance::Unknown) => return Ok(unknown_session(id)),
                Err(no @ (NoEntrance::StoreAway | NoEntrance::NotYet)) => {
                    tracing::warn!(?no, "a request could not be let into its session");
                    return Ok(not_now(id));
                }
            };
            request.headers_mut().insert(SESSION_ID, bare);
        } else if !opens && !message.is_some_and(|message| message.has_version) {
            return Ok(error(StatusCode::BAD_REQUEST, INVALID_REQUEST, NO_SESSION_ID, id));
        }
        let (response, failure) = self.manager.on_behalf_of(subject, inner.call(request)).await;
        drop(entrance);
        let mut response = response?.into_response();
        match failure {
            Some(Failure::NoPlace(full)) => return Ok(no_place(full, id)),
            Some(Failure::Gone) => return Ok(unknown_session(id)),
            Some(Failure::NotRestored) => return Ok(not_now(id)),
            Some(Failure::NotOpened(session)) => {
                response.headers_mut().remove(SESSION_ID);
                self.manager.forget(&session).await;
            }
            None => self.bind(&mut response, subject),
        }
        Ok(worded(response, StatusCode::NOT_FOUND, UNKNOWN_SESSION, id))
    }

    /// Binds the id of a session that was opened to its user.
    fn bind(&self, response: &mut Response, subject: &str) {
        let bound = response.headers_mut().remove(SESSION_ID).and_then(|id| {
            let bound = self.key.bind(&self.issuer, subject, id.to_str().ok()?);
            HeaderValue::try_from(bound).ok()
        });
        if let Some(bound) = bound {
            response.headers_mut().insert(SESSION_ID, bound);
        }
    }

    /// The session that the request names, when it's of its own user; there or not.
    fn own_session(&self, headers: &HeaderMap, subject: &str) -> Option<SessionId> {
        let mut ids = headers.get_all(SESSION_ID).iter();
        let (Some(id), None) = (ids.next(), ids.next()) else {
            return None;
        };
        let id = self.key.unbind(&self.issuer, subject, id.to_str().ok()?)?;
        Some(id.into())
    }
}

/// Whether the request says that it's of a revision without sessions. rmcp holds body and header to the same version.
fn is_sessionless(headers: &HeaderMap) -> bool {
    headers
        .get(PROTOCOL_VERSION)
        .is_some_and(|version| is_without_sessions(version.as_bytes()))
}

/// Another user's session, an ended one and one that never was look the same: MCP 2025-11-25, "Session Management", asks
/// for 404, upon which a client opens a new session.
fn unknown_session(id: Option<&str>) -> Response {
    Reason::McpSessionUnknown.count();
    tracing::info!(reason = %Reason::McpSessionUnknown, "request refused");
    error(StatusCode::NOT_FOUND, INVALID_REQUEST, UNKNOWN_SESSION, id)
}

fn no_place(full: Full, id: Option<&str>) -> Response {
    Reason::McpSessionLimit.count();
    tracing::info!(reason = %Reason::McpSessionLimit, ?full, "request refused");
    let (status, message) = match full {
        // RFC 6585 §4.
        Full::User => (
            StatusCode::TOO_MANY_REQUESTS,
            "You have too many sessions, and all are busy: end one (DELETE with its Mcp-Session-Id), or wait",
        ),
        // RFC 9110 §15.6.4.
        Full::All => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server has no room for another session",
        ),
    };
    again_later(error(status, SERVER_ERROR, message, id), RETRY_AFTER_SECONDS)
}

/// It's there, and a client that were told 404 would give it up.
fn not_now(id: Option<&str>) -> Response {
    let message = "The session can't be had at the moment; try again";
    let response = error(StatusCode::SERVICE_UNAVAILABLE, SERVER_ERROR, message, id);
    again_later(response, 1)
}

fn too_busy(busy: Busy, id: &str) -> Response {
    match busy {
        Busy::SameId => error(
            StatusCode::BAD_REQUEST,
            INVALID_REQUEST,
            "A request with this id is in flight in this session",
            Some(id),
        ),
        Busy::TooMany => {
            Reason::McpSessionLimit.count();
            tracing::info!(reason = %Reason::McpSessionLimit, ?busy, "request refused");
            let message = "This session has too many requests in flight; wait until some are answered";
            let response = error(StatusCode::TOO_MANY_REQUESTS, SERVER_ERROR, message, Some(id));
            again_later(response, 1)
        }
    }
}

/// Asks the client to come again.
fn again_later(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const UNKNOWN_SESSION: &str = "Session not found; send initialize to open one";
const NO_SESSION_ID: &str =
    "This request needs a session: send initialize, then the Mcp-Session-Id of its answer";
const RETRY_AFTER_SECONDS: u64 = 60;
/// For an answer to leave before its session is idle.
const ANSWER_TIME: Duration = Duration::from_secs(1);
