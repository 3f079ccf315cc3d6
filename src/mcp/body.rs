//! The body, before rmcp sees it: what isn't one JSON-RPC message is answered as JSON-RPC says, which rmcp would refuse
//! with 415 and the parser's own words.

use poem::{
    Body, Endpoint, IntoResponse, Request, Response, Result,
    http::{Method, StatusCode, header},
};
use serde::de::IgnoredAny;
use serde_json::json;

/// Lets JSON objects through to `inner`, and refuses all else that is posted.
pub(super) struct JsonRpcBody<E> {
    pub(super) inner: E,
    pub(super) max_bytes: usize,
}

impl<E: Endpoint> Endpoint for JsonRpcBody<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.method() != Method::POST {
            return Ok(in_json(self.inner.call(request).await?.into_response()));
        }
        let body = match request.take_body().into_bytes_limit(self.max_bytes).await {
            Ok(body) => body,
            Err(poem::error::ReadBodyError::PayloadTooLarge) => {
                let limit = self.max_bytes;
                return Ok(error(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    -32600,
                    &format!("The message is larger than {limit} bytes"),
                ));
            }
            Err(error) => return Err(error.into()),
        };
        match body.trim_ascii_start().first() {
            Some(b'{') if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => {
                request.set_body(Body::from_bytes(body));
                self.inner.call(request).await.map(IntoResponse::into_response)
            }
            // JSON-RPC 2.0 §6. MCP has had no batches since 2025-06-18.
            Some(b'[') if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => Ok(error(
                StatusCode::BAD_REQUEST,
                -32600,
                "Batches are not supported; send one message at a time",
            )),
            Some(_) if serde_json::from_slice::<IgnoredAny>(&body).is_ok() => Ok(error(
                StatusCode::BAD_REQUEST,
                -32600,
                "The body is not a JSON-RPC message",
            )),
            Some(_) | None => Ok(error(StatusCode::BAD_REQUEST, -32700, "The body is not JSON")),
        }
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
    );
    if let Some(allow) = response.headers().get(header::ALLOW) {
        refusal.headers_mut().insert(header::ALLOW, allow.clone());
    }
    refusal
}

/// A JSON-RPC error to a message whose id could not be read (JSON-RPC 2.0 §5).
fn error(status: StatusCode, code: i32, message: &str) -> Response {
    let body = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    poem::web::Json(body)
        .with_status(status)
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}
