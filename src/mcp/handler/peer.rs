//! Makes a tool's requests to the client (elicitation, sampling, roots) fail at once if there is no MCP
//! session to receive the answer.

use rmcp::{
    RoleServer,
    model::{InitializeRequestParams, ProtocolVersion},
    service::RequestContext,
};

use super::caller::parts;
use crate::mcp::sessions::SESSION_ID;

/// Returns the context for the handler of a request. In a request without an MCP session, the handler's
/// requests to the client fail at once.
///
/// Without a session, rmcp would send the handler's request but reject the client's answer with 400, so the
/// call would wait until it times out. If the peer is a client of 2026-07-28, a revision without such
/// requests, rmcp returns an error at once. Therefore this function sets the revision of the peer to
/// 2026-07-28, and stores the real revision in the `_meta` of the request.
pub(super) fn handler_context(mut context: RequestContext<RoleServer>) -> RequestContext<RoleServer> {
    let has_session = parts(&context.extensions).is_some_and(|parts| parts.headers.contains_key(SESSION_ID));
    // A closed peer cannot send requests. All direct calls share it, so it must not be changed.
    if !has_session
        && !context.peer.is_transport_closed()
        && context.meta.protocol_version().is_none()
        && let Some(info) = context.peer.peer_info()
        && info.protocol_version < ProtocolVersion::V_2026_07_28
    {
        context.meta.set_protocol_version(info.protocol_version.clone());
        let mut info = InitializeRequestParams::clone(&info);
        info.protocol_version = ProtocolVersion::V_2026_07_28;
        context.peer.set_peer_info(info);
    }
    context
}
