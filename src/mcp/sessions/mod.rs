//! Sessions for clients of 2025-11-25 and before (MCP 2025-11-25, "Transports", "Session Management"), each bound to its user.
//!
//! rmcp keeps sessions, but asks nobody whose they are: with a session's id alone any authenticated user could call tools on
//! it or end it. Here an id is worth something only together with a token of the user who opened it.

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
    manager::{PlacedSessions, with_place},
    places::{Full, Places},
};
use super::refusal::{INVALID_REQUEST, SERVER_ERROR, error, worded};
use crate::{reason::Reason, session::Session};

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
    /// Most sessions of one user (or machine, or organization: of one subject) at a time; one more is refused with 429.
    pub max_per_user: usize,
    /// Most sessions at a time; one more is refused with 503.
    pub max_in_all: usize,
    /// How long a session lives without a message either way.
    pub idle_timeout: Duration,
    /// Where a replica, or the next process, finds sessions that it didn't open itself. It needs the same
    /// [key](Self::key) there. What was going on in a session is lost all the same.
    pub store: Option<Arc<dyn SessionStore>>,
}

impl McpSessions {
    /// 16 sessions per user and 1,024 in all, which end after half an hour of silence; for tokens of `issuer`, which is the
    /// Frontend API URL ([`ClerkConfig::issuer`](crate::config::ClerkConfig::issuer)).
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            key: SessionKey::random(),
            max_per_user: 16,
            max_in_all: 1_024,
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
            .field("idle_timeout", &self.idle_timeout)
            .field("has_store", &self.store.is_some())
            .finish_non_exhaustive()
    }
}

/// Lets a request through to a session of its own user's, and to no other.
pub(super) struct BoundSessions {
    issuer: String,
    key: SessionKey,
    places: Arc<Places>,
    manager: Arc<PlacedSessions>,
    has_store: bool,
}

impl BoundSessions {
    pub(super) fn new(settings: &McpSessions) -> Self {
        Self {
            issuer: settings.issuer.clone(),
            key: settings.key.clone(),
            places: Arc::new(Places::new(settings.max_per_user, settings.max_in_all)),
            manager: Arc::new(PlacedSessions::new(settings.idle_timeout)),
            has_store: settings.store.is_some(),
        }
    }

    /// Where rmcp keeps them.
    pub(super) fn manager(&self) -> Arc<impl SessionManager + use<>> {
        Arc::clone(&self.manager)
    }

    /// Passes `request` on to rmcp (`inner`); `opens` says that it's an `initialize`, which opens a session.
    pub(super) async fn call<E: Endpoint>(
        &self,
        inner: &E,
        mut request: Request,
        opens: bool,
    ) -> Result<Response> {
        if is_sessionless(request.headers()) && !opens {
            // SEP-2567: no sessions since 2026-07-28; an id means nothing there.
            request.headers_mut().remove(SESSION_ID);
            return inner.call(request).await.map(IntoResponse::into_response);
        }
        let Some(session) = request.extensions().get::<Arc<Session>>().cloned() else {
            tracing::error!("an MCP request came without a session: the endpoint is not behind RequireAuth");
            return Ok(error(
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
                "[Clerk] Session not initialized",
                None,
            ));
        };
        let subject = session.subject.as_str();
        let mut needs_place = opens;
        if request.headers().contains_key(SESSION_ID) {
            let id = self.own_session(request.headers(), subject);
            let is_here = match &id {
                Some(id) => self.manager.has_session(id).await.unwrap_or(false),
                None => false,
            };
            let Some(bare) = id
                .filter(|_| is_here || self.has_store)
                .and_then(|id| HeaderValue::from_str(&id).ok())
            else {
                return Ok(unknown_session());
            };
            request.headers_mut().insert(SESSION_ID, bare);
            // One that isn't here may be in the store, and come here.
            needs_place = !is_here && request.method() != Method::DELETE;
        }
        let place = match needs_place.then(|| self.places.take(subject)).transpose() {
            Ok(place) => place,
            Err(full) => return Ok(no_place(full)),
        };
        let mut response = with_place(place, inner.call(request)).await?.into_response();
        if let Some(id) = response.headers_mut().remove(SESSION_ID)
            && let Some(bound) = id
                .to_str()
                .ok()
                .and_then(|id| HeaderValue::try_from(self.key.bind(&self.issuer, subject, id)).ok())
        {
            response.headers_mut().insert(SESSION_ID, bound);
        }
        let response = worded(response, StatusCode::NOT_FOUND, UNKNOWN_SESSION);
        Ok(worded(response, StatusCode::BAD_REQUEST, NO_SESSION_ID))
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
        .is_some_and(|version| version.as_bytes() >= FIRST_WITHOUT_SESSIONS)
}

/// Another user's session, an ended one and one that never was look the same: MCP 2025-11-25, "Session Management", asks
/// for 404, upon which a client opens a new session.
fn unknown_session() -> Response {
    Reason::McpSessionUnknown.count();
    tracing::info!(reason = %Reason::McpSessionUnknown, "request refused");
    error(StatusCode::NOT_FOUND, INVALID_REQUEST, UNKNOWN_SESSION, None)
}

fn no_place(full: Full) -> Response {
    Reason::McpSessionLimit.count();
    tracing::info!(reason = %Reason::McpSessionLimit, ?full, "request refused");
    let (status, message) = match full {
        // RFC 6585 §4.
        Full::User => (
            StatusCode::TOO_MANY_REQUESTS,
            "You have too many sessions: end one (DELETE with its Mcp-Session-Id), or wait until one was idle for long enough",
        ),
        // RFC 9110 §15.6.4.
        Full::All => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server has no room for another session",
        ),
    };
    let mut response = error(status, SERVER_ERROR, message, None);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
    response
}

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Revisions are dates, so later ones are greater.
const FIRST_WITHOUT_SESSIONS: &[u8] = b"2026-07-28";
const UNKNOWN_SESSION: &str = "Session not found; send initialize to open one";
const NO_SESSION_ID: &str =
    "This request needs a session: send initialize, then the Mcp-Session-Id of its answer";
const INTERNAL_ERROR: i32 = -32603;
const RETRY_AFTER_SECONDS: u64 = 60;
