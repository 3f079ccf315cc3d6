//! MCP over streamable HTTP: any rmcp [`ServerHandler`] as a poem endpoint whose tools know their caller.

mod body;
mod handler;
mod json;
mod tools;

use std::sync::Arc;

use poem::{Endpoint, endpoint::TowerCompatExt};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};

use self::body::JsonRpcBody;
pub use json::Json;
pub use tools::{ExampleTools, ToolError};

use crate::{auth::ChallengeContext, clerk::ClerkClient, policy::ToolPolicy};

/// What the mount needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McpSettings {
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    /// What tools ask of their callers.
    pub policy: ToolPolicy,
    /// What refusals by the policy say.
    pub challenge: ChallengeContext,
}

impl McpSettings {
    /// A body of 4 MiB at most, and no policy. `challenge` is that of the authenticator in front.
    pub fn new(challenge: ChallengeContext) -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            policy: ToolPolicy::new(),
            challenge,
        }
    }
}

/// Mounts `server` as an endpoint for `/mcp`: stateless, JSON answers, both eras of the protocol.
///
/// **Wrap it in [`crate::auth::RequireAuth`]**: a request without a session is answered with an error for each call.
/// Host and origin are the app's to check, before authentication; here they're no longer looked at.
pub fn endpoint<H: ServerHandler + Clone>(
    server: H,
    client: ClerkClient,
    settings: McpSettings,
) -> impl Endpoint + 'static {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(settings.max_body_bytes);
    let server = handler::WithSession::new(server, client);
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    JsonRpcBody {
        inner: service.compat(),
        settings,
    }
}
