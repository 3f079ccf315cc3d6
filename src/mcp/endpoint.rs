//! [`McpEndpoint`]: the endpoint of `/mcp`. It reads and checks each message, applies the policy, and calls
//! the tool directly or passes the request to rmcp. It converts rmcp's plain-text errors to JSON-RPC errors.

use std::sync::Arc;

use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    http::{Method, StatusCode},
};
use rmcp::ServerHandler;

use super::{
    McpSettings,
    accept::{NOT_ACCEPTABLE, allow_both_types, is_json},
    admission::{admit, is_public},
    direct::DirectCalls,
    json_rpc_error::{INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, error, text_to_json},
    message::{Message, NOT_A_MESSAGE, Purpose},
    request_body::BodyReader,
    sessions::{SESSION_ID, SessionGate, UNKNOWN_SESSION},
    stream::limit_stream,
};
use crate::{
    auth::{self, Anonymous, AuthError},
    clerk::ClerkClient,
    log_limit::log_limited,
    session::Session,
};

/// The endpoint of `/mcp`: checks each message and the policy, then calls the tool or passes it to `inner`.
pub(super) struct McpEndpoint<E, H> {
    pub(super) inner: E,
    pub(super) reader: BodyReader,
    pub(super) direct: DirectCalls<H>,
    pub(super) client: ClerkClient,
    pub(super) settings: McpSettings,
    pub(super) sessions: Option<SessionGate>,
}

impl<E: Endpoint, H: ServerHandler + Clone> Endpoint for McpEndpoint<E, H> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let session = request.extensions().get::<Arc<Session>>().cloned();
        if session.is_none() && request.extensions().get::<Anonymous>().is_none() {
            log_limited!(
                error,
                "no-session",
                "MCP request without a session: the endpoint is not wrapped in RequireAuth"
            );
            let message = "[Clerk] Session not initialized";
            return Ok(error(
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
                message,
                None,
            ));
        }
        allow_both_types(request.headers_mut());
        if request.method() == Method::POST {
            self.handle_post(request, session.as_ref()).await
        } else if let Some(session) = session {
            Box::pin(self.handle_other_method(request, &session)).await
        } else {
            Ok(self.needs_token())
        }
    }
}

impl<E: Endpoint, H: ServerHandler + Clone> McpEndpoint<E, H> {
    /// Rejects a request that needs a token and has none.
    fn needs_token(&self) -> Response {
        auth::refuse(&AuthError::NO_TOKEN, &self.settings.challenge)
    }

    async fn handle_other_method(&self, request: Request, session: &Session) -> Result<Response> {
        let is_get = request.method() == Method::GET;
        let response = self.forward(request, Some(session), None).await?;
        let texts = [
            (StatusCode::METHOD_NOT_ALLOWED, "Send MCP messages with POST"),
            (StatusCode::NOT_FOUND, UNKNOWN_SESSION),
        ];
        let response = text_to_json(response, None, &texts).await;
        Ok(if is_get {
            limit_stream(response, session, &self.settings)
        } else {
            response
        })
    }

    async fn handle_post(&self, mut request: Request, session: Option<&Arc<Session>>) -> Result<Response> {
        let subject = session.map_or(ANONYMOUS, |session| &session.subject);
        // The reader has its own time limit, because this endpoint may be mounted without `App`, which limits
        // the time of a whole request.
        let body = match self.reader.read(&mut request, subject).await {
            Ok(body) => body,
            Err(error) => return Ok(error.into_response()),
        };
        let message = match Message::parse(&body.bytes) {
            Ok(message) => message,
            Err(invalid) => {
                let status = if invalid.code == METHOD_NOT_FOUND {
                    StatusCode::NOT_FOUND
                } else {
                    StatusCode::BAD_REQUEST
                };
                return Ok(error(status, invalid.code, invalid.message, invalid.id));
            }
        };
        if session.is_none() && !is_public(&message, request.headers(), &self.settings) {
            return Ok(self.needs_token());
        }
        if let Purpose::ToolCall(tool) = &message.purpose
            && let Err(error) = admit(tool, session, &mut request, &self.client, &self.settings).await
        {
            return Ok(auth::refuse(&error, &self.settings.challenge));
        }
        if self.sessions.is_none()
            && let Some(call) = self.direct.accept(request.headers(), &message)
        {
            return Ok(Box::pin(self.direct.call(call, request)).await);
        }
        let is_json = is_json(&request);
        request.set_body(Body::from_bytes(body.bytes.clone()));
        let caller = session.map(Arc::as_ref);
        let response = Box::pin(self.forward(request, caller, Some(&message))).await?;
        // rmcp also answers 415 to a body that it cannot parse.
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE && is_json {
            return Ok(error(
                StatusCode::BAD_REQUEST,
                INVALID_REQUEST,
                NOT_A_MESSAGE,
                message.id,
            ));
        }
        let texts = [
            (StatusCode::NOT_ACCEPTABLE, NOT_ACCEPTABLE),
            (StatusCode::NOT_FOUND, UNKNOWN_SESSION),
        ];
        let response = with_length(text_to_json(response, message.id, &texts).await).await?;
        Ok(match caller {
            // The response to `subscriptions/listen` is an open-ended stream.
            Some(session) if message.purpose == Purpose::Listen => {
                limit_stream(response, session, &self.settings)
            }
            Some(_) | None => response,
        })
    }

    /// Passes the request on to rmcp, through the session gate if MCP sessions are on. An anonymous caller has no
    /// MCP session.
    async fn forward(
        &self,
        mut request: Request,
        session: Option<&Session>,
        message: Option<&Message<'_>>,
    ) -> Result<Response> {
        if let (Some(sessions), Some(session)) = (&self.sessions, session) {
            return sessions
                .call(&self.inner, request, &session.subject, message)
                .await;
        }
        // Without MCP sessions the id has no meaning. `WithSession` reads the header to decide whether a tool may
        // ask the client.
        request.headers_mut().remove(SESSION_ID);
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

/// Collects the body of a JSON response, which rmcp sends without its length.
async fn with_length(response: Response) -> Result<Response> {
    if response.content_type() != Some("application/json") {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    Ok(Response::from_parts(
        parts,
        Body::from_bytes(body.into_bytes().await?),
    ))
}

/// The subject under which the body limits count all anonymous callers together. No real subject is empty.
const ANONYMOUS: &str = "";
