//! The body, before rmcp sees it: what isn't one JSON-RPC message is answered as JSON-RPC says, which rmcp would refuse
//! with 415 and the parser's own words; and a call that the policy doesn't allow is refused before the tool runs.

use std::{borrow::Cow, sync::Arc};

use futures_util::StreamExt;
use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    error::ReadBodyError,
    http::{Method, StatusCode},
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    McpSettings,
    refusal::{INVALID_REQUEST, error, in_json, worded},
    sessions::BoundSessions,
};
use crate::{
    auth::{self, AuthError},
    session::Session,
};

/// Lets JSON objects through to `inner`, and refuses all else that is posted.
pub(super) struct JsonRpcBody<E> {
    pub(super) inner: E,
    pub(super) settings: McpSettings,
    pub(super) sessions: Option<BoundSessions>,
}

impl<E: Endpoint> Endpoint for JsonRpcBody<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let response = self.answer(request).await?;
        Ok(in_json(response).await)
    }
}

impl<E: Endpoint> JsonRpcBody<E> {
    async fn answer(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::POST {
            let is_get = request.method() == Method::GET;
            let response = worded(
                self.pass_on(request, false).await?,
                StatusCode::METHOD_NOT_ALLOWED,
                "Send MCP messages by POST",
            );
            return Ok(if is_get {
                self.until_stop(response)
            } else {
                response
            });
        }
        let limit = self.settings.max_body_bytes;
        let body = match request.take_body().into_bytes_limit(limit).await {
            Ok(body) => body,
            Err(ReadBodyError::PayloadTooLarge) => {
                return Ok(error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    INVALID_REQUEST,
                    &format!("The message is larger than {limit} bytes"),
                    None,
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let purpose = match purpose(&body) {
            Ok(purpose) => purpose,
            Err(fault) => {
                return Ok(error(
                    StatusCode::BAD_REQUEST,
                    fault.code,
                    fault.message,
                    fault.id,
                ));
            }
        };
        if let Purpose::ToolCall(tool) = &purpose
            && let Some(refusal) = self.refusal(tool, &request)
        {
            return Ok(refusal);
        }
        let (opens, listens) = (purpose == Purpose::Initialize, purpose == Purpose::Listen);
        request.set_body(Body::from_bytes(body));
        let response = self.pass_on(request, opens).await?;
        Ok(if listens {
            self.until_stop(response)
        } else {
            response
        })
    }

    /// Passes the request on to rmcp; `opens` says that it's an `initialize`.
    async fn pass_on(&self, request: Request, opens: bool) -> Result<Response> {
        match &self.sessions {
            Some(sessions) => sessions.call(&self.inner, request, opens).await,
            None => self.inner.call(request).await.map(IntoResponse::into_response),
        }
    }

    /// A stream that goes on until somebody ends it: here, the server that stops. Calls are finished instead.
    fn until_stop(&self, response: Response) -> Response {
        let (parts, body) = response.into_parts();
        let stop = self.settings.stop.clone().cancelled_owned();
        let events = body.into_bytes_stream().take_until(stop);
        Response::from_parts(parts, Body::from_bytes_stream(events))
    }

    /// The refusal of a call that the policy doesn't allow.
    fn refusal(&self, tool: &str, request: &Request) -> Option<Response> {
        let requirement = self.settings.policy.of(tool)?;
        let outcome = match request.extensions().get::<Arc<Session>>() {
            Some(session) => requirement.check(session).map_err(AuthError::from),
            // Without authentication in front there's nobody to allow anything.
            None => Err(AuthError::Internal),
        };
        outcome
            .err()
            .map(|error| auth::refuse(&error, &self.settings.challenge))
    }
}

/// A JSON-RPC message, as far as it decides who may send it. Members that are there twice are an error: rmcp might go by
/// the other one.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// A member that is there, be it null: MCP has no id that is.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Message<'_> {
    /// Whether it's a request, a notification or a response (JSON-RPC 2.0 §4 and §5, with MCP's ids: texts and numbers).
    fn is_well_formed(&self) -> bool {
        let id = self.id.and_then(|id| id.get().bytes().next());
        let has_id = id.is_some_and(|first| first == b'"' || first == b'-' || first.is_ascii_digit());
        let is_response = self.result.is_some() || self.error.is_some();
        self.jsonrpc.as_deref() == Some("2.0")
            && (has_id || id.is_none())
            && (self.method.is_some() || has_id && is_response)
    }
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// What's wrong with a message, in terms of JSON-RPC 2.0 §5.1.
struct Fault<'a> {
    code: i32,
    message: &'static str,
    /// That of the message, when it could be read.
    id: Option<&'a RawValue>,
}

/// What a message is for, as far as it makes a difference before rmcp has it.
#[derive(PartialEq)]
enum Purpose<'a> {
    /// The call of the tool of this name.
    ToolCall(Cow<'a, str>),
    /// A client of 2025-11-25 or before begins.
    Initialize,
    /// A client of 2026-07-28 listens for changes.
    Listen,
    Other,
}

/// Reads what `body` is for.
fn purpose(body: &[u8]) -> Result<Purpose<'_>, Fault<'_>> {
    let fault = |code, message, id| Fault { code, message, id };
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
        if serde_json::from_slice::<IgnoredAny>(body).is_err() {
            return Err(fault(-32700, "The body is not JSON", None));
        }
        return Err(match body.trim_ascii_start().first() {
            // MCP has had no batches since 2025-06-18.
            Some(b'[') => fault(
                INVALID_REQUEST,
                "Batches are not supported; send one message at a time",
                None,
            ),
            _ => fault(INVALID_REQUEST, "The body is not a JSON-RPC message", None),
        });
    };
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(fault(INVALID_REQUEST, "The body is not a JSON-RPC message", None));
    }
    if !message.is_well_formed() {
        return Err(fault(INVALID_REQUEST, "The body is not a JSON-RPC message", None));
    }
    match message.method.as_deref() {
        Some("tools/call") => {}
        Some("initialize") => return Ok(Purpose::Initialize),
        Some("subscriptions/listen") => return Ok(Purpose::Listen),
        Some(_) | None => return Ok(Purpose::Other),
    }
    let call = message
        .params
        .map(RawValue::get)
        .and_then(|params| serde_json::from_str::<ToolCall<'_>>(params).ok());
    match call {
        Some(call) => Ok(Purpose::ToolCall(call.name)),
        None => Err(fault(
            -32602,
            "A tools/call needs params with the tool's name",
            message.id,
        )),
    }
}
