//! [`DirectCalls`]: calls a tool without rmcp's HTTP service, in the plain case. For each request, that service
//! tries 13 message types, and spawns four tasks that are connected by channels.
//!
//! [`DirectCalls::accept`] sends no errors. It accepts a request that is plainly valid, and leaves any other
//! one to rmcp, which then sends the exact error. It repeats rules of rmcp, so `tests/it/direct.rs` compares
//! the responses of both ways.

use std::collections::BTreeSet;

use futures_util::{sink, stream};
use poem::{
    Body, Request, Response,
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use rmcp::{
    RoleServer, ServerHandler, Service,
    model::{
        CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientRequest, ErrorCode, Implementation,
        InitializeRequestParams, JsonObject, MetaObject, ProtocolVersion, RequestId, RequestMetaObject,
        ServerJsonRpcMessage,
    },
    service::{Peer, RequestContext, serve_directly},
};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    handler::WithSession,
    json_rpc_error::{INTERNAL_ERROR, error},
    message::{Message, Purpose},
    sessions::{PROTOCOL_VERSION, SESSION_ID},
};

/// Calls tools that never use their peer, without rmcp's HTTP service.
pub(super) struct DirectCalls<H> {
    handler: WithSession<H>,
    tools: BTreeSet<String>,
    /// A peer for each of [`ProtocolVersion::KNOWN_VERSIONS`]. Their transport is closed. The first call
    /// creates them, because rmcp needs a runtime for it.
    peers: OnceCell<Vec<Peer<RoleServer>>>,
}

/// A call that was accepted.
pub(super) struct DirectCall {
    id: RequestId,
    params: CallToolRequestParams,
    meta: RequestMetaObject,
    version: &'static ProtocolVersion,
}

/// The params of a tool call that has no other members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainParams {
    #[serde(rename = "_meta")]
    meta: Option<JsonObject>,
    name: String,
    arguments: Option<JsonObject>,
}

impl<H: ServerHandler + Clone> DirectCalls<H> {
    /// Calls only these `tools` directly. They must never use [`RequestContext::peer`], which is closed.
    pub(super) fn new(handler: WithSession<H>, mut tools: BTreeSet<String>) -> Self {
        // rmcp compares the arguments of a tool with this annotation with headers (SEP-2243).
        tools.retain(|tool| {
            handler
                .get_tool(tool)
                .and_then(|tool| serde_json::to_string(&tool.input_schema).ok())
                .is_some_and(|schema| !schema.contains("x-mcp-header"))
        });
        Self {
            handler,
            tools,
            peers: OnceCell::new(),
        }
    }

    /// Returns the call, if it can be made directly.
    pub(super) fn accept(&self, headers: &HeaderMap, message: &Message<'_>) -> Option<DirectCall> {
        let Purpose::ToolCall(tool) = &message.purpose else {
            return None;
        };
        if !self.tools.contains(&**tool) || !is_plain(headers) {
            return None;
        }
        let version = match headers.get(PROTOCOL_VERSION) {
            Some(version) => ProtocolVersion::KNOWN_VERSIONS
                .iter()
                .find(|known| version == known.as_str())?,
            // The version of a client that names none.
            None => &ProtocolVersion::V_2025_03_26,
        };
        let params = serde_json::from_str::<PlainParams>(message.params?).ok()?;
        let meta = RequestMetaObject::from(MetaObject(params.meta.unwrap_or_default()));
        let is_consistent = if is_modern(version) {
            let repeats = |name: HeaderName, value| headers.get(name).is_some_and(|header| header == value);
            meta.protocol_version().as_ref() == Some(version)
                && meta.missing_required_keys(version).is_empty()
                && repeats(METHOD, "tools/call")
                && repeats(NAME, &**tool)
        } else {
            !message.names_revision
        };
        if !is_consistent || meta.contains_key("progressToken") {
            return None;
        }
        let mut call = CallToolRequestParams::new(params.name);
        call.arguments = params.arguments;
        Some(DirectCall {
            id: serde_json::from_str(message.id?).ok()?,
            params: call,
            meta,
            version,
        })
    }

    /// Makes a call. `request` is the HTTP request without its body.
    pub(super) async fn call(&self, call: DirectCall, request: Request) -> Response {
        let peers = self.peers.get_or_init(|| self.closed_peers()).await;
        let known = ProtocolVersion::KNOWN_VERSIONS.iter().zip(peers);
        let Some((_, peer)) = known.into_iter().find(|(known, _)| *known == call.version) else {
            return internal_error();
        };
        let mut context = RequestContext::new(call.id.clone(), peer.clone());
        context.meta = call.meta;
        let (parts, _) = http::Request::from(request).into_parts();
        context.extensions.insert(parts);
        // Tells tasks of the tool that the call has ended, even if the client disconnected.
        let _cancel_on_drop = context.ct.clone().drop_guard();
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call.params));
        let (message, status) = match self.handler.handle_request(request, context).await {
            Ok(result) => (ServerJsonRpcMessage::response(result, call.id), StatusCode::OK),
            Err(error) => {
                let status = status(call.version, error.code);
                (ServerJsonRpcMessage::error(error, Some(call.id)), status)
            }
        };
        let Ok(body) = serde_json::to_vec(&message) else {
            return internal_error();
        };
        Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from_vec(body))
    }

    async fn closed_peers(&self) -> Vec<Peer<RoleServer>> {
        let mut peers = Vec::new();
        for version in ProtocolVersion::KNOWN_VERSIONS {
            let client =
                InitializeRequestParams::new(ClientCapabilities::default(), Implementation::default())
                    .with_protocol_version(version.clone());
            let transport = (sink::drain(), stream::empty());
            let service = serve_directly(self.handler.clone(), transport, Some(client));
            peers.push(service.peer().clone());
            // Returns when the service has noticed that the transport is closed.
            let _ = service.waiting().await;
        }
        peers
    }
}

fn is_modern(version: &ProtocolVersion) -> bool {
    *version >= ProtocolVersion::V_2026_07_28
}

/// Returns whether the headers have a usual form that rmcp accepts, and repeat none of [`SINGLE_HEADERS`].
/// Headers that repeat values of the body are compared in [`DirectCalls::accept`].
fn is_plain(headers: &HeaderMap) -> bool {
    let is = |name, values: &[&str]| {
        headers
            .get(name)
            .is_some_and(|value| values.iter().any(|one| value == one))
    };
    // The first is the usual case, and needs no lookup.
    let has_single_values = headers.len() == headers.keys_len()
        || SINGLE_HEADERS
            .iter()
            .all(|name| headers.get_all(name).iter().nth(1).is_none());
    is(header::CONTENT_TYPE, &["application/json"])
        && is(header::ACCEPT, &ACCEPTED)
        && !headers.contains_key(SESSION_ID)
        && has_single_values
        && !headers.keys().any(|name| name.as_str().starts_with("mcp-param-"))
}

/// Returns the HTTP status that rmcp sends with an error of this code.
fn status(version: &ProtocolVersion, code: ErrorCode) -> StatusCode {
    match code {
        _ if !is_modern(version) => StatusCode::OK,
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::HEADER_MISMATCH => StatusCode::BAD_REQUEST,
        ErrorCode::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

fn internal_error() -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    error(status, INTERNAL_ERROR, "Internal error", None)
}

/// The usual forms of `Accept`. rmcp requires both types.
pub(super) const ACCEPTED: [&str; 3] = [
    "application/json, text/event-stream",
    "application/json,text/event-stream",
    "text/event-stream, application/json",
];
/// The headers that rmcp reads. A plain request has each at most once. They are not strings, which would be
/// parsed for each request.
static SINGLE_HEADERS: [HeaderName; 5] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    METHOD,
    NAME,
    PROTOCOL_VERSION,
];
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
