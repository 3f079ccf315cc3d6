//! [`get_session`], [`get_user`] and [`get_client`]: who calls and how to ask Clerk, anywhere inside a tool.
//!
//! They read a task-local that is set anew around each MCP request, so they work in whatever a tool awaits, and
//! nowhere else: a task that the tool spawns has no session unless it is handed one.

use std::sync::Arc;

use thiserror::Error;

use crate::{
    clerk::{ClerkClient, ClerkError, User},
    session::{NoUser, Session},
};

tokio::task_local! {
    static CONTEXT: CallContext;
}

/// What the three functions give.
#[derive(Debug, Clone)]
pub(crate) struct CallContext {
    session: Arc<Session>,
    client: ClerkClient,
}

impl CallContext {
    pub(crate) fn new(session: Arc<Session>, client: ClerkClient) -> Self {
        Self { session, client }
    }

    /// Runs `call` so that it sees this context.
    pub(crate) async fn scope<F: Future>(self, call: F) -> F::Output {
        CONTEXT.scope(self, call).await
    }
}

/// The caller's session. A task that a tool spawns has none, unless it gets one handed:
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<(), ToolError> {
///     let session = context::get_session()?;
///     tokio::spawn(async move { eprintln!("on behalf of {}", session.subject) });
///     Ok(())
/// }
/// // This is not a tool.
/// assert_eq!(context::get_session(), Err(context::SessionNotInitialized));
/// assert_eq!(context::get_client().unwrap_err(), context::ClientNotInitialized);
/// ```
///
/// # Errors
/// [`SessionNotInitialized`] outside of an authenticated MCP request.
pub fn get_session() -> Result<Arc<Session>, SessionNotInitialized> {
    CONTEXT
        .try_with(|context| Arc::clone(&context.session))
        .map_err(|_| SessionNotInitialized)
}

/// The Backend API client, of the application that the server is for.
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<usize, ToolError> {
///     let session = context::get_session()?;
///     Ok(context::get_client()?.organization_memberships(session.require_user()?).await?.len())
/// }
/// ```
///
/// # Errors
/// [`ClientNotInitialized`] outside of an authenticated MCP request.
pub fn get_client() -> Result<ClerkClient, ClientNotInitialized> {
    CONTEXT
        .try_with(|context| context.client.clone())
        .map_err(|_| ClientNotInitialized)
}

/// The caller's user, as Clerk had it at most 30 s ago.
///
/// ```
/// # use clerk_mcp::{context, mcp::ToolError};
/// async fn in_a_tool() -> Result<String, ToolError> {
///     let user = context::get_user().await?;
///     user.primary_email().map(str::to_owned).ok_or_else(|| ToolError::failed("You have no e-mail address."))
/// }
/// ```
///
/// # Errors
/// Outside of an authenticated MCP request, for a token that speaks for no user, and when Clerk doesn't answer.
pub async fn get_user() -> Result<Arc<User>, GetUserError> {
    let session = get_session()?;
    let user = get_client()?.user(session.require_user()?).await?;
    if user.banned || user.locked || user.deprovisioned {
        Err(GetUserError::Banned)
    } else {
        Ok(user)
    }
}

/// There's no session here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "[Clerk] Session not initialized. Call get_session() inside a tool of a server mounted behind RequireAuth; hand \
     the session to tasks that you spawn"
)]
pub struct SessionNotInitialized;

/// There's no client here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "[Clerk] Client not initialized. Call get_client() inside a tool of a server mounted behind RequireAuth; hand \
     the client to tasks that you spawn"
)]
pub struct ClientNotInitialized;

/// Why there's no user.
///
/// ```
/// use clerk_mcp::{context::{GetUserError, get_user}, mcp::ToolError};
///
/// async fn in_a_tool() -> Result<String, ToolError> {
///     match get_user().await {
///         Ok(user) => Ok(user.id.to_string()),
///         Err(GetUserError::NoUser(_)) => Ok("a machine".to_owned()),
///         Err(other) => Err(other.into()),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GetUserError {
    /// See [`SessionNotInitialized`].
    #[error(transparent)]
    Session(#[from] SessionNotInitialized),
    /// See [`ClientNotInitialized`].
    #[error(transparent)]
    Client(#[from] ClientNotInitialized),
    /// The token speaks for no user.
    #[error(transparent)]
    NoUser(#[from] NoUser),
    /// Clerk says that the user is banned, locked or deprovisioned: their tokens are good until they expire, but they are not welcome.
    #[error("This account is banned or locked. Trying again won't help; ask the application's support.")]
    Banned,
    /// Clerk didn't give the user.
    #[error(transparent)]
    Clerk(#[from] ClerkError),
}
