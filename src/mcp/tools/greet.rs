//! `greet`: a minimal tool that uses the caller's session.

use rmcp::{handler::server::wrapper::Parameters, tool, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ExampleTools;
use crate::{context::get_session, mcp::tool_error::ToolError};

/// Input of `greet`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GreetInput {
    /// The name to greet.
    #[schemars(length(min = 1), example = &"Ada")]
    name: String,
}

#[tool_router(router = greet_router, vis = "pub(super)")]
impl ExampleTools {
    #[tool(
        name = "greet",
        title = "Greet User",
        description = "Greets the user by name and returns their Clerk user ID.",
        annotations(
            title = "Greet User",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn greet(
        &self,
        Parameters(GreetInput { name }): Parameters<GreetInput>,
    ) -> Result<String, ToolError> {
        if name.trim().is_empty() {
            return Err(ToolError::failed("The argument `name` must not be empty."));
        }
        let session = get_session()?;
        Ok(format!(
            "Hello, {name}! Your Clerk user ID is {}",
            session.require_user()?
        ))
    }
}
