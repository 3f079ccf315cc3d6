//! The body, before rmcp sees it: what isn't one JSON-RPC message is answered as JSON-RPC says, and a call that the policy
//! doesn't allow is refused before the tool runs. What goes on for longer than one answer ends with the caller's token.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use jiff::Timestamp;
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    error::ReadBodyError,
    http::{Method, StatusCode, header},
};

use super::{
    McpSettings,
    message::{Message, NO_MESSAGE, Purpose},
    refusal::{INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, error, in_json, worded},
    sessions::{BoundSessions, SESSION_ID},
};
use crate::{
    auth::{self, AuthError},
    reason::Reason,
    session::Session,
};

/// Lets messages of MCP through to `inner`, and refuses all else that is posted.
pub(super) struct JsonRpcBody<E> {
    pub(super) inner: E,
    pub(super) settings: McpSettings,
    pub(super) sessions: Option<BoundSessions>,
}

impl<E: Endpoint> Endpoint for JsonRpcBody<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let Some(session) = request.extensions().get::<Arc<Session>>().cloned() else {
            tracing::error!("an MCP request came without a session: the endpoint is not behind RequireAuth");
            let message = "[Clerk] Session not initialized";
            return Ok(error(
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
                message,
                None,
            ));
        };
        if request.method() == Method::POST {
            self.posted(request, &session).await
        } else {
            self.not_posted(request, &session).await
        }
    }
}

impl<E: Endpoint> JsonRpcBody<E> {
    async fn not_posted(&self, request: Request, session: &Session) -> Result<Response> {
        let is_get = request.method() == Method::GET;
        let response = worded(
            self.pass_on(request, session, None).await?,
            StatusCode::METHOD_NOT_ALLOWED,
            "Send MCP messages by POST",
            None,
        );
        let response = in_json(response, None).await;
        Ok(if is_get {
            self.until_stop(response, session)
        } else {
            response
        })
    }

    async fn posted(&self, mut request: Request, session: &Session) -> Result<Response> {
        let limit = self.settings.max_body_bytes;
        // The server's own limit ends what it serves; on a server of somebody's own there's none for bodies.
        let body = request.take_body().into_bytes_limit(limit);
        let body = match tokio::time::timeout(self.settings.call_timeout, body).await {
            Ok(Ok(body)) => body,
            Err(_) => {
                Reason::RequestTimeout.count();
                let message = "The message did not come within the time that it may take";
                return Ok(error(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, message, None));
            }
            Ok(Err(ReadBodyError::PayloadTooLarge)) => {
                return Ok(error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    INVALID_REQUEST,
                    format!("The message is larger than {limit} bytes"),
                    None,
                ));
            }
            Ok(Err(error)) => return Err(error.into()),
        };
        let message = match Message::read(&body) {
            Ok(message) => message,
            Err(fault) => {
                let status = if fault.code == METHOD_NOT_FOUND {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::BAD_REQUEST
                };
                return Ok(error(status, fault.code, fault.message, fault.id));
            }
        };
        if let Purpose::ToolCall(tool) = &message.purpose
            && let Some(refusal) = self.refusal(tool, session)
        {
            return Ok(refusal);
        }
        let is_json = is_json(&request);
        request.set_body(Body::from_bytes(body.clone()));
        let response = self.pass_on(request, session, Some(&message)).await?;
        // rmcp says 415 of a body that it can't parse, too.
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && is_json {
            return Ok(error(
                StatusCode::BAD_REQUEST,
                INVALID_REQUEST,
                NO_MESSAGE,
                message.id,
            ));
        }
        let response = in_json(response, message.id).await;
        Ok(if message.purpose == Purpose::Listen {
            self.until_stop(response, session)
        } else {
            response
        })
    }

    /// Passes the request on to rmcp.
    async fn pass_on(
        &self,
        mut request: Request,
        session: &Session,
        message: Option<&Message<'_>>,
    ) -> Result<Response> {
        if let Some(sessions) = &self.sessions {
            return sessions
                .call(&self.inner, request, &session.subject, message)
                .await;
        }
        // It means nothing here, and a tool isn't to take the request for one of a session.
        request.headers_mut().remove(SESSION_ID);
        self.inner.call(request).await.map(IntoResponse::into_response)
    }

    /// A stream that goes on until somebody ends it: here the server that stops, and the token that it was opened with. A
    /// request with an expired one is refused, and what was asked for before it expired is no better. Calls are finished
    /// instead.
    fn until_stop(&self, response: Response, session: &Session) -> Response {
        let (parts, body) = response.into_parts();
        let end = until_end(self.settings.clock.now(), session.expires_at);
        let stop = self.settings.stop.clone().cancelled_owned();
        let stop = async move {
            tokio::select! {
                () = stop => {}
                () = tokio::time::sleep(end) => {}
            }
        };
        let events = body.into_bytes_stream().take_until(Box::pin(stop));
        Response::from_parts(parts, Body::from_bytes_stream(events))
    }

    /// The refusal of a call that the policy doesn't allow.
    fn refusal(&self, tool: &str, session: &Session) -> Option<Response> {
        let requirement = self.settings.policy.of(tool)?;
        let error = AuthError::from(requirement.check(session).err()?);
        Some(auth::refuse(&error, &self.settings.challenge))
    }
}

/// How long a stream may go on. One opened with a token that doesn't expire is opened anew now and then, so that a
/// revocation counts.
fn until_end(now: Timestamp, expires_at: Option<Timestamp>) -> Duration {
    let left = expires_at.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
    left.map_or(LONGEST_STREAM, |left| left.min(LONGEST_STREAM))
}

/// Whether the request says that its body is JSON.
fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

const LONGEST_STREAM: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_with_its_token_and_within_the_hour() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let after = |seconds| Some(now + jiff::SignedDuration::from_secs(seconds));
        assert_eq!(until_end(now, after(60)), Duration::from_mins(1));
        assert_eq!(until_end(now, after(-3)), Duration::ZERO);
        assert_eq!(until_end(now, after(86_400)), LONGEST_STREAM);
        assert_eq!(until_end(now, None), LONGEST_STREAM);
    }
}
