//! [`ToolError`], the failure of a tool.

use rmcp::{
    ErrorData,
    handler::server::tool::IntoCallToolResult,
    model::{CallToolResponse, CallToolResult, ContentBlock},
};
use thiserror::Error;

use crate::{
    clerk::ClerkError,
    context::{GetOrganizationError, GetUserError, NoCaller},
    log_limit::log_limited,
    session::{Denied, NoUser},
};

/// The failure of a tool. The client receives an MCP result with `isError` and this text, never an HTTP
/// error.
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
    /// A call to Clerk failed. The text says whether to retry.
    #[error(transparent)]
    Clerk(#[from] ClerkError),
    /// The user is banned, locked or deprovisioned at Clerk.
    #[error("{}", GetUserError::Banned)]
    Banned,
    /// The caller is no longer a member of the active organization.
    #[error("{}", GetOrganizationError::NotAMember)]
    NotAMember,
    /// The caller lacks a scope, role or permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The token belongs to no user, for example a machine token.
    #[error(transparent)]
    NoUser(#[from] NoUser),
    /// The caller has no token, or a function of [`context`](crate::context) was called outside a tool, such
    /// as in a spawned task, which is a bug of the server.
    #[error(transparent)]
    NoCaller(#[from] NoCaller),
    /// A failure that the tool describes itself.
    #[error("{0}")]
    Failed(String),
}

impl ToolError {
    /// Creates a failure from a sentence for the user: what went wrong, and what to do.
    pub fn failed(words: impl Into<String>) -> Self {
        Self::Failed(words.into())
    }
}

impl From<GetUserError> for ToolError {
    fn from(error: GetUserError) -> Self {
        match error {
            GetUserError::NoCaller(error) => Self::NoCaller(error),
            GetUserError::NoUser(error) => Self::NoUser(error),
            GetUserError::Clerk(error) => Self::Clerk(error),
            GetUserError::Banned => Self::Banned,
        }
    }
}

impl From<GetOrganizationError> for ToolError {
    fn from(error: GetOrganizationError) -> Self {
        match error {
            GetOrganizationError::NoCaller(error) => Self::NoCaller(error),
            GetOrganizationError::Clerk(error) => Self::Clerk(error),
            GetOrganizationError::NotAMember => Self::NotAMember,
        }
    }
}

impl IntoCallToolResult for ToolError {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        if let Self::Clerk(error) = &self {
            log_limited!(warn, error.slug(), cause = error.slug(), detail = ?error, "a tool's call to Clerk failed");
        }
        Ok(CallToolResult::error(vec![ContentBlock::text(self.to_string())]).into())
    }
}
