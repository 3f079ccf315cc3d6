//! Sessions for clients of MCP 2025-11-25 and earlier (MCP 2025-11-25, "Transports", "Session Management").
//!
//! rmcp keeps sessions but not their owners: any authenticated user who knows a session's id could call tools
//! in that session, or end it. Here a session belongs to the user who opened it, and is unknown to every
//! other user.
//!
//! - [`SessionGate`] checks each request before rmcp gets it.
//! - [`OwnedSessions`] is the session manager that rmcp calls.
//! - [`Slots`] is the table of sessions that both use.

mod manager;
mod slots;

use std::{sync::Arc, time::Duration};

use poem::{
    Endpoint, IntoResponse, Request, Response, Result,
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};

use self::{
    manager::{OwnedSessions, SessionFailure},
    slots::{EnterError, SessionLimit, Slots},
};
use super::{
    json_rpc_error::{INVALID_REQUEST, SERVER_ERROR, error},
    message::{Message, Purpose, is_sessionless_revision},
};
use crate::reason::Reason;

/// Options for MCP sessions.
///
/// With sessions, tools can send requests to clients of 2025-11-25 and earlier (elicitation, sampling,
/// roots), and those clients can open an event stream with GET. Clients of 2026-07-28 use the same endpoint
/// without a session.
///
/// A session belongs to the user who opened it, identified by the subject of the token. The endpoint accepts
/// tokens of only one issuer, so the subject is unique. The session outlives that token: any valid token of
/// the same user continues it.
/// ```
/// use std::time::Duration;
///
/// use clerk_mcp::mcp::McpSessions;
///
/// let mut sessions = McpSessions::default();
/// sessions.max_per_user = 4;
/// sessions.idle_timeout = Duration::from_mins(10);
/// ```
///
/// # Several replicas
/// A session lives in the memory of the process that opened it (about 50 KB) and ends with that process. With
/// several replicas, use sticky routing: send each request with an `Mcp-Session-Id` header to the replica
/// that opened the session. The proxy has to learn the id from the response to `initialize`, for example in a
/// stick table; a hash of the header does not work, because `initialize` has no id yet. A replica answers 404
/// to an id that it does not know, and the client then opens a new session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McpSessions {
    /// Maximum number of sessions per user (more precisely, per subject, which can also be a machine or an
    /// organization). At the limit, a new session replaces the user's session that has been idle longest,
    /// because many clients exit without ending their session. If all of the user's sessions are busy,
    /// `initialize` gets 429.
    pub max_per_user: usize,
    /// Maximum number of sessions of all users. At the limit, a new session replaces the same user's session
    /// that has been idle longest. If that user has no idle session, `initialize` gets 503.
    pub max_total: usize,
    /// Maximum number of requests in flight per session. Requests above it get 429. A client that disconnects
    /// does not cancel its calls: they run until [`call_timeout`](super::McpSettings::call_timeout), because
    /// the client may resume the stream.
    pub max_requests_per_session: usize,
    /// A session without a message in either direction ends after this time. Values shorter than
    /// [`call_timeout`](super::McpSettings::call_timeout) are raised to it, plus a second.
    pub idle_timeout: Duration,
}

impl Default for McpSessions {
    /// Returns the defaults: 16 sessions per user, 1,024 in all, 64 requests per session, and an idle timeout
    /// of 30 minutes.
    fn default() -> Self {
        Self {
            max_per_user: 16,
            max_total: 1_024,
            max_requests_per_session: 64,
            idle_timeout: Duration::from_mins(30),
        }
    }
}

/// The gate in front of rmcp: passes on a request only if its session belongs to the user of the request.
pub(super) struct SessionGate {
    slots: Arc<Slots>,
    manager: Arc<OwnedSessions>,
}

impl SessionGate {
    /// Creates the gate of a server whose calls may take `call_timeout`.
    pub(super) fn new(settings: &McpSessions, call_timeout: Duration) -> Self {
        let idle_timeout = settings.idle_timeout.max(call_timeout + RESPONSE_TIME);
        let slots = Arc::new(Slots::new(settings));
        Self {
            manager: Arc::new(OwnedSessions::new(Arc::clone(&slots), idle_timeout)),
            slots,
        }
    }

    /// Returns the session manager for rmcp.
    pub(super) fn manager(&self) -> Arc<impl SessionManager + use<>> {
        Arc::clone(&self.manager)
    }

    /// Passes `request` of the user `owner` on to rmcp (`inner`), if the session that it names is the user's
    /// own. `message` is the body of a POST; `initialize` opens a session.
    pub(super) async fn call<E: Endpoint>(
        &self,
        inner: &E,
        mut request: Request,
        owner: &str,
        message: Option<&Message<'_>>,
    ) -> Result<Response> {
        let opens = message.is_some_and(|message| message.purpose == Purpose::Initialize);
        let id = message.and_then(|message| message.id);
        if ![Method::POST, Method::GET, Method::DELETE].contains(request.method()) {
            return inner.call(request).await.map(IntoResponse::into_response);
        }
        if is_sessionless(request.headers()) && !opens {
            // SEP-2567: there are no sessions since 2026-07-28, so the id has no meaning.
            request.headers_mut().remove(SESSION_ID);
            return inner.call(request).await.map(IntoResponse::into_response);
        }
        if request.headers().contains_key(SESSION_ID) {
            let request_id = message
                .filter(|message| message.is_request())
                .and_then(|message| message.id);
            let entered = session_id(request.headers())
                .ok_or(EnterError::UnknownSession)
                .and_then(|session| self.slots.enter(&session, owner, request_id));
            match entered {
                // The request owns the guard: when the request is dropped, it is no longer in flight.
                Ok(in_flight) => request.extensions_mut().insert(Arc::new(in_flight)),
                Err(error) => return Ok(not_entered(error, id)),
            };
        } else if !opens && !message.is_some_and(|message| message.names_revision) {
            return Ok(error(StatusCode::BAD_REQUEST, INVALID_REQUEST, NO_SESSION_ID, id));
        }
        let (response, failure) = OwnedSessions::on_behalf_of(owner, inner.call(request)).await;
        let mut response = response?.into_response();
        match failure {
            Some(SessionFailure::LimitReached(limit)) => return Ok(limit_reached(limit, id)),
            Some(SessionFailure::Ended) => return Ok(unknown_session(id)),
            Some(SessionFailure::InitializeRejected) => {
                response.headers_mut().remove(SESSION_ID);
            }
            None => {}
        }
        Ok(response)
    }
}

/// Returns the session id of a request, if it has exactly one.
fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    let mut ids = headers.get_all(SESSION_ID).iter();
    let (Some(id), None) = (ids.next(), ids.next()) else {
        return None;
    };
    id.to_str().ok().map(Into::into)
}

/// Returns whether `MCP-Protocol-Version` names a revision without sessions. rmcp rejects a body of another
/// revision.
pub(super) fn is_sessionless(headers: &HeaderMap) -> bool {
    headers
        .get(PROTOCOL_VERSION)
        .is_some_and(|version| is_sessionless_revision(version.as_bytes()))
}

fn not_entered(reason: EnterError, id: Option<&str>) -> Response {
    match reason {
        EnterError::UnknownSession => unknown_session(id),
        EnterError::DuplicateRequestId => error(
            StatusCode::BAD_REQUEST,
            INVALID_REQUEST,
            "A request with this id is already in flight in this session",
            id,
        ),
        EnterError::TooManyRequests => {
            Reason::McpSessionLimit.count();
            tracing::info!(reason = %Reason::McpSessionLimit, limit = "requests per session", "request rejected");
            let message = "This session has too many requests in flight; wait for some of the responses";
            let response = error(StatusCode::TOO_MANY_REQUESTS, SERVER_ERROR, message, id);
            retry_after(response, 1)
        }
    }
}

/// Returns the same 404 for another user's session, an ended one and one that never existed: MCP 2025-11-25,
/// "Session Management", requires it, and a client then opens a new session.
fn unknown_session(id: Option<&str>) -> Response {
    Reason::McpSessionUnknown.count();
    tracing::info!(reason = %Reason::McpSessionUnknown, "request rejected");
    error(StatusCode::NOT_FOUND, INVALID_REQUEST, UNKNOWN_SESSION, id)
}

fn limit_reached(limit: SessionLimit, id: Option<&str>) -> Response {
    Reason::McpSessionLimit.count();
    tracing::info!(reason = %Reason::McpSessionLimit, ?limit, "request rejected");
    let (status, message) = match limit {
        // RFC 6585 §4.
        SessionLimit::PerUser => (
            StatusCode::TOO_MANY_REQUESTS,
            "You have too many sessions, and all of them are busy: end one (DELETE with its Mcp-Session-Id), or wait",
        ),
        // RFC 9110 §15.6.4.
        SessionLimit::Total => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server has reached its limit of sessions; try again later",
        ),
    };
    retry_after(error(status, SERVER_ERROR, message, id), 60)
}

fn retry_after(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The text of the 404 for a session that does not exist. rmcp sends a plain-text 404 only in this case.
pub(super) const UNKNOWN_SESSION: &str = "Session not found; send initialize to open one";
const NO_SESSION_ID: &str =
    "This request needs a session: send initialize, then use the Mcp-Session-Id of its response";
/// Extra idle time, so that the response of a timed-out call is sent before its session ends.
const RESPONSE_TIME: Duration = Duration::from_secs(1);
