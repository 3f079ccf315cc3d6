//! [`ToolError`]: a tool's failure in words.

use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use thiserror::Error;

use crate::{
    clerk::ClerkError,
    context::{ClientNotInitialized, GetUserError, SessionNotInitialized},
    session::{Denied, NoUser},
};

/// A tool that ran and failed: an MCP result with `isError`, whose text the user gets to read. Never an HTTP error.
///
/// ```
/// use clerk_mcp::{context::get_session, mcp::ToolError};
///
/// async fn pay(amount: u64) -> Result<String, ToolError> {
///     get_session()?.require_permission("org:payments:create")?;
///     if amount > 1_000 {
///         return Err(ToolError::failed("More than 1000 needs a second signature. Ask your treasurer."));
///     }
///     Ok("Paid.".to_owned())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ToolError {
    /// Clerk didn't answer as hoped; the text says whether to try again.
    #[error(transparent)]
    Clerk(#[from] ClerkError),
    /// Clerk says that the user is banned.
    #[error("{}", GetUserError::Banned)]
    Banned,
    /// The caller lacks a scope, role or permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The token speaks for no user.
    #[error(transparent)]
    NoUser(#[from] NoUser),
    /// The server is put together wrongly.
    #[error(transparent)]
    Session(#[from] SessionNotInitialized),
    /// The server is put together wrongly.
    #[error(transparent)]
    Client(#[from] ClientNotInitialized),
    /// Something of the tool's own.
    #[error("{0}")]
    Failed(String),
}

impl ToolError {
    /// A failure in words, for the user to read: what went wrong, and what to do.
    pub fn failed(words: impl Into<String>) -> Self {
        Self::Failed(words.into())
    }
}

impl From<GetUserError> for ToolError {
    fn from(error: GetUserError) -> Self {
        match error {
            GetUserError::Session(error) => Self::Session(error),
            GetUserError::Client(error) => Self::Client(error),
            GetUserError::NoUser(error) => Self::NoUser(error),
            GetUserError::Clerk(error) => Self::Clerk(error),
            GetUserError::Banned => Self::Banned,
        }
    }
}

impl IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        if let Self::Clerk(error) = &self {
            tracing::warn!(cause = error.slug(), detail = ?error, "a tool's call to Clerk failed");
        }
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}
