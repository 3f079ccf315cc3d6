//! The body, before rmcp sees it: what isn't one JSON-RPC message is answered as JSON-RPC says, which rmcp would refuse
//! with 415 and the parser's own words; and a call that the policy doesn't allow is refused before the tool runs.

use std::{borrow::Cow, sync::Arc};

use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    error::ReadBodyError,
    http::{Method, StatusCode, header},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{json, value::RawValue};

use super::McpSettings;
use crate::{
    auth::{self, AuthError},
    session::Session,
};

/// Lets JSON objects through to `inner`, and refuses all else that is posted.
pub(super) struct JsonRpcBody<E> {
    pub(super) inner: E,
    pub(super) settings: McpSettings,
}

impl<E: Endpoint> Endpoint for JsonRpcBody<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::POST {
            return Ok(in_json(self.inner.call(request).await?.into_response()));
        }
        let limit = self.settings.max_body_bytes;
        let body = match request.take_body().into_bytes_limit(limit).await {
            Ok(body) => body,
            Err(ReadBodyError::PayloadTooLarge) => {
                return Ok(error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    -32600,
                    &format!("The message is larger than {limit} bytes"),
                    None,
                ));
            }
            Err(error) => return Err(error.into()),
        };
        let tool = match called_tool(&body) {
            Ok(tool) => tool,
            Err(fault) => {
                return Ok(error(
                    StatusCode::BAD_REQUEST,
                    fault.code,
                    fault.message,
                    fault.id,
                ));
            }
        };
        if let Some(refusal) = tool.and_then(|tool| self.refusal(&tool, &request)) {
            return Ok(refusal);
        }
        request.set_body(Body::from_bytes(body));
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

impl<E> JsonRpcBody<E> {
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
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
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

/// The tool that the message calls, if it calls one.
fn called_tool(body: &[u8]) -> Result<Option<Cow<'_, str>>, Fault<'_>> {
    let fault = |code, message, id| Fault { code, message, id };
    let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
        if serde_json::from_slice::<IgnoredAny>(body).is_err() {
            return Err(fault(-32700, "The body is not JSON", None));
        }
        return Err(match body.trim_ascii_start().first() {
            // MCP has had no batches since 2025-06-18.
            Some(b'[') => fault(
                -32600,
                "Batches are not supported; send one message at a time",
                None,
            ),
            _ => fault(-32600, "The body is not a JSON-RPC message", None),
        });
    };
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(fault(-32600, "The body is not a JSON-RPC message", None));
    }
    if message.method.as_deref() != Some("tools/call") {
        return Ok(None);
    }
    let call = message
        .params
        .map(RawValue::get)
        .and_then(|params| serde_json::from_str::<ToolCall<'_>>(params).ok());
    match call {
        Some(call) => Ok(Some(call.name)),
        None => Err(fault(
            -32602,
            "A tools/call needs params with the tool's name",
            message.id,
        )),
    }
}

/// rmcp's refusals of other methods are plain text; only the status and `Allow` are kept of them.
fn in_json(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let mut refusal = error(
        StatusCode::METHOD_NOT_ALLOWED,
        -32600,
        "Send MCP messages by POST",
        None,
    );
    if let Some(allow) = response.headers().get(header::ALLOW) {
        refusal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refusal
}

/// A JSON-RPC error; its id is null when that of the message could not be read (JSON-RPC 2.0 §5).
fn error(status: StatusCode, code: i32, message: &str, id: Option<&RawValue>) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}
