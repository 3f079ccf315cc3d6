//! MCP over streamable HTTP: any rmcp [`ServerHandler`] as a poem endpoint whose tools know their caller.

mod body;
mod handler;
mod json;
mod message;
mod refusal;
mod sessions;
mod tool_error;
mod tools;

use std::{sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, endpoint::TowerCompatExt};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio_util::sync::CancellationToken;

use self::{body::JsonRpcBody, handler::WithSession, sessions::BoundSessions};
pub use json::Json;
pub use sessions::{McpSessions, SessionKey};
pub use tool_error::ToolError;
pub use tools::ExampleTools;

use crate::{
    auth::ChallengeContext,
    clerk::ClerkClient,
    clock::{Clock, SystemClock},
    policy::{ToolPolicy, UnknownTool},
};

/// What the mount needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McpSettings {
    /// The largest request body, in bytes. Whatever it allows, a message of more than 100,000 values or nested more than 64
    /// deep is refused: parsed, it would take a hundred times its room.
    pub max_body_bytes: usize,
    /// How long a request may take, a tool's call above all. It's then dropped and answered: a tool's call with a result that
    /// says so (`isError`), other requests with a JSON-RPC error. With [`sessions`](Self::sessions), the time that a user
    /// takes to answer a tool's question counts.
    pub call_timeout: Duration,
    /// What tools ask of their callers.
    pub policy: ToolPolicy,
    /// What refusals by the policy say.
    pub challenge: ChallengeContext,
    /// Sessions for clients of 2025-11-25 and before. Without them every request stands for itself, and a tool can't ask its
    /// client anything in those revisions: [`Peer`](rmcp::service::Peer)'s requests fail at once, in the words of 2026-07-28,
    /// whose rule that is. (Of a request that names an older revision in its own `_meta`, they wait for `call_timeout`.)
    pub sessions: Option<McpSessions>,
    /// Ends the event streams that would go on for ever: cancelled when the server stops. Calls in flight are finished.
    pub stop: CancellationToken,
    /// Tells when the token expires that such a stream was opened with, which then ends too; the client opens another.
    pub clock: Arc<dyn Clock>,
}

impl McpSettings {
    /// A body of 4 MiB at most, 30 s for a call, no policy and no sessions. `challenge` is that of the authenticator in front.
    pub fn new(challenge: ChallengeContext) -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            call_timeout: Duration::from_secs(30),
            policy: ToolPolicy::new(),
            challenge,
            sessions: None,
            stop: CancellationToken::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Mounts `server` as an endpoint for `/mcp`: both eras of the protocol, JSON answers, stateless unless the settings have
/// [sessions](McpSettings::sessions).
///
/// **Wrap it in [`crate::auth::RequireAuth`]**: a request without a [`Session`](crate::session::Session) is answered with 500.
/// Host and origin are the app's to check, before authentication; here they're no longer looked at.
/// ```
/// use clerk_mcp::{
///     auth::{Authenticator, ChallengeContext, RequireAuth},
///     clerk::ClerkClient,
///     mcp::{self, ExampleTools, McpSettings},
///     policy::UnknownTool,
/// };
/// use poem::{Endpoint, EndpointExt, Route};
///
/// fn app(
///     authenticator: Authenticator,
///     client: ClerkClient,
///     challenge: ChallengeContext,
/// ) -> Result<impl Endpoint, UnknownTool> {
///     let mut settings = McpSettings::new(challenge);
///     settings.call_timeout = std::time::Duration::from_secs(10);
///     let tools = mcp::endpoint(ExampleTools::new("mine"), client, settings)?;
///     Ok(Route::new().at("/mcp", tools.with(RequireAuth::new(authenticator))))
/// }
/// ```
///
/// # Errors
/// [`UnknownTool`], when the policy names a tool that [`ServerHandler::get_tool`] doesn't know.
pub fn endpoint<H: ServerHandler + Clone>(
    server: H,
    client: ClerkClient,
    settings: McpSettings,
) -> Result<impl Endpoint + 'static, UnknownTool> {
    if let Some(unknown) = settings
        .policy
        .tools()
        .find(|tool| server.get_tool(tool).is_none())
    {
        return Err(UnknownTool::new(unknown));
    }
    let mut config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(settings.sessions.is_some())
        .with_json_response(true)
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(settings.max_body_bytes);
    config.session_store = settings.sessions.as_ref().and_then(|one| one.store.clone());
    let call_timeout = settings.call_timeout;
    // One for each session, which has its own limits.
    let factory = move || Ok(WithSession::new(server.clone(), client.clone(), call_timeout));
    let sessions = settings
        .sessions
        .as_ref()
        .map(|sessions| BoundSessions::new(sessions, call_timeout));
    let inner = match &sessions {
        Some(sessions) => StreamableHttpService::new(factory, sessions.manager(), config)
            .compat()
            .boxed(),
        None => StreamableHttpService::new(factory, Arc::new(NeverSessionManager::default()), config)
            .compat()
            .boxed(),
    };
    Ok(JsonRpcBody {
        inner,
        settings,
        sessions,
    })
}
