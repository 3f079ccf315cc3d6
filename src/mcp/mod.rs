//! MCP over streamable HTTP: mounts any rmcp [`ServerHandler`] as a poem endpoint, and gives each tool the
//! session of its caller.

mod accept;
mod admission;
mod audit;
mod direct;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handler;
mod json;
mod json_rpc_error;
mod message;
mod published_tools;
mod request_body;
mod sessions;
mod stream;
mod tool_error;
mod tools;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use poem::{Endpoint, EndpointExt, Response, endpoint::TowerCompatExt};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use tokio_util::sync::CancellationToken;

use self::{
    direct::DirectCalls, endpoint::McpEndpoint, handler::WithSession, request_body::BodyReader,
    sessions::SessionGate,
};
pub use json::Json;
pub(crate) use published_tools::published_tools;
pub use sessions::McpSessions;
pub use tool_error::ToolError;
pub use tools::ExampleTools;

use crate::{
    auth::ChallengeContext,
    clerk::ClerkClient,
    clock::{Clock, SystemClock},
    policy::{ToolPolicy, UnknownTool},
};

/// Settings of the MCP endpoint.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct McpSettings {
    /// Maximum size of a request body, in bytes. The bodies in flight of one user may together have twice
    /// this size, and those of all users 8 times this size; bodies of at most 16 KiB, and bodies that arrive
    /// in one piece (at most 64 KiB), do not count. A message with more than 100,000 values or more than 64
    /// levels of nesting is rejected in any case: once parsed, it could take a hundred times its size in
    /// memory.
    pub max_body_bytes: usize,
    /// Time limit per request. A tool call that exceeds it is cancelled and answered with an `isError`
    /// result, any other request with a JSON-RPC error. With [`sessions`](Self::sessions), the limit includes
    /// the time that a user takes to answer a tool's question.
    pub call_timeout: Duration,
    /// The scopes, roles and permissions that tools require.
    pub policy: ToolPolicy,
    /// Whether to log one event for each tool call, with the target `clerk_mcp::audit`. An event contains
    /// ids, never arguments, results, tokens, names or email addresses.
    pub audit: bool,
    /// The content of the challenges that the policy sends.
    pub challenge: ChallengeContext,
    /// Sessions for clients of 2025-11-25 and earlier. Without sessions, a tool cannot send requests to such
    /// a client: requests through the [`Peer`](rmcp::service::Peer) fail at once, with the error that rmcp
    /// returns for 2026-07-28. If the `_meta` of the client's request names an earlier revision, they fail
    /// after `call_timeout`.
    pub sessions: Option<McpSessions>,
    /// Tools that are called directly, without the HTTP service of rmcp, which makes a call about 1.5 times
    /// as fast. The responses are the same. **These tools must not use the [`Peer`](rmcp::service::Peer)** of
    /// their context: they cannot report progress, and every request to the client fails. Requests that are
    /// not plain calls go through rmcp's service, and so do all requests if [`sessions`](Self::sessions) is
    /// set. By default, no tool is called directly.
    pub direct_tools: BTreeSet<String>,
    /// Cancel this token when the server stops: it ends event streams that would otherwise stay open. Calls
    /// in flight are finished.
    pub stop: CancellationToken,
    /// The clock for event streams: an open-ended stream ends when the token of its request expires, and the
    /// client opens another one.
    pub clock: Arc<dyn Clock>,
}

impl McpSettings {
    /// Returns the defaults: a body limit of 4 MiB, a time limit of 30 s, no policy, no sessions, and an
    /// audit log. Pass the `challenge` of the [`Authenticator`](crate::auth::Authenticator) that protects the
    /// endpoint.
    pub fn new(challenge: ChallengeContext) -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            call_timeout: Duration::from_secs(30),
            policy: ToolPolicy::new(),
            audit: true,
            challenge,
            sessions: None,
            direct_tools: BTreeSet::new(),
            stop: CancellationToken::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// Creates the endpoint for `/mcp` that serves `server`, for every revision of MCP up to 2026-07-28. It
/// answers in JSON, or with an event stream where the revision needs one, and is stateless unless the
/// settings have [sessions](McpSettings::sessions).
///
/// **Wrap it in [`crate::auth::RequireAuth`]**: a request without a [`Session`](crate::session::Session) gets
/// 500. If the policy has [public tools](ToolPolicy::public), call
/// [`RequireAuth::allow_anonymous`](crate::auth::RequireAuth::allow_anonymous). The endpoint does not check
/// `Host` and `Origin`; check them before authentication, as [`App`](crate::app::App) does.
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
/// [`UnknownTool`], when the policy names a tool that [`ServerHandler::get_tool`] does not return.
pub fn endpoint<H: ServerHandler + Clone>(
    server: H,
    client: ClerkClient,
    settings: McpSettings,
) -> Result<impl Endpoint<Output = Response> + 'static, UnknownTool> {
    if let Some(unknown) = settings
        .policy
        .tools()
        .find(|tool| server.get_tool(tool).is_none())
    {
        return Err(UnknownTool(unknown.to_owned()));
    }
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(settings.sessions.is_some())
        .with_json_response(true)
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(settings.max_body_bytes);
    let call_timeout = settings.call_timeout;
    let (policy, policy_client) = (Arc::new(settings.policy.clone()), client.clone());
    // rmcp calls this once per session, or per request without one, so each session has its own notification
    // limit.
    let handler = move || WithSession::new(server.clone(), client.clone(), Arc::clone(&policy), call_timeout);
    let direct = DirectCalls::new(handler(), settings.direct_tools.clone());
    let factory = move || Ok(handler());
    let sessions = settings
        .sessions
        .as_ref()
        .map(|sessions| SessionGate::new(sessions, call_timeout));
    let inner = match &sessions {
        Some(sessions) => StreamableHttpService::new(factory, sessions.manager(), config)
            .compat()
            .boxed(),
        None => StreamableHttpService::new(factory, Arc::new(NeverSessionManager::default()), config)
            .compat()
            .boxed(),
    };
    Ok(McpEndpoint {
        inner,
        reader: BodyReader::new(settings.max_body_bytes, call_timeout),
        direct,
        client: policy_client,
        settings,
        sessions,
    })
}
