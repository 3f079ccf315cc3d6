//! `get-user-info`: returns the caller's profile as one flat object.

use rmcp::{handler::server::wrapper::Parameters, tool, tool_router};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ExampleTools, NoInput, session_with_role};
use crate::{
    context::get_user,
    id::{ClerkSessionId, OrganizationId, UserId},
    mcp::{json::Json, tool_error::ToolError},
};

/// Output of `get-user-info`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CallerInfo {
    user_id: UserId,
    session_id: Option<ClerkSessionId>,
    organization_id: Option<OrganizationId>,
    /// The role in the active organization, such as org:admin.
    organization_role: Option<String>,
    /// The primary email address.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
}

#[tool_router(router = get_user_info_router, vis = "pub(super)")]
impl ExampleTools {
    #[tool(
        name = "get-user-info",
        title = "Get User Info",
        description = "Returns the signed-in user's name, primary email address and picture.",
        annotations(
            title = "Get User Info",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn get_user_info(
        &self,
        Parameters(NoInput {}): Parameters<NoInput>,
    ) -> Result<Json<CallerInfo>, ToolError> {
        let user = get_user().await?;
        let session = session_with_role().await?;
        Ok(Json(CallerInfo {
            email: user.primary_email().map(str::to_owned),
            user_id: user.id.clone(),
            session_id: session.session_id.clone(),
            organization_id: session.organization_id.clone(),
            organization_role: session.organization_role.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            image_url: user.image_url.clone(),
        }))
    }
}
