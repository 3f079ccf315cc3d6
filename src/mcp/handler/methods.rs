//! Tells invalid params from an unknown method, by the names of MCP's methods: rmcp reports both in the same
//! way.

use rmcp::{
    ErrorData, RoleServer,
    model::{CustomRequest, ProtocolVersion},
    service::RequestContext,
};

/// Rejects a request of a known method: rmcp did not parse it, so its params are invalid.
///
/// # Errors
/// `Invalid params`, unless the method is unknown, or removed in the revision of the request.
pub(super) fn reject_invalid_params(
    request: &CustomRequest,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let method = request.method.as_str();
    let is_removed = REMOVED_METHODS.contains(&method)
        && context
            .protocol_version()
            .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    if METHODS.contains(&method) && !is_removed {
        let message = format!("Invalid params for {method}");
        return Err(ErrorData::invalid_params(message, None));
    }
    Ok(())
}

/// The request methods of all MCP revisions so far. rmcp passes one whose params it cannot parse to
/// `on_custom_request`.
const METHODS: [&str; 21] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/call",
    "tools/list",
];
/// The methods that were removed in 2026-07-28 (SEP-2575).
const REMOVED_METHODS: [&str; 5] = [
    "initialize",
    "logging/setLevel",
    "ping",
    "resources/subscribe",
    "resources/unsubscribe",
];
