//! `organization-report`: an example of a tool that only admins may call. Only the demo has it.

use rmcp::{handler::server::wrapper::Parameters, tool, tool_router};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ExampleTools, NoInput};
use crate::{
    context::get_organization,
    id::OrganizationId,
    mcp::{json::Json, tool_error::ToolError},
    policy::{Requirement, ToolPolicy},
};

/// Output of `organization-report`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OrganizationReport {
    organization_id: OrganizationId,
    /// The caller's role in the organization, such as org:admin.
    role: Option<String>,
    /// The caller's permissions in the organization, such as org:invoices:create.
    permissions: Vec<String>,
}

#[tool_router(router = organization_report_router, vis = "pub(super)")]
impl ExampleTools {
    /// Returns the policy of [`for_demo`](Self::for_demo).
    pub(crate) fn demo_policy() -> ToolPolicy {
        ToolPolicy::new().require(NAME, Requirement::new().role("org:admin"))
    }

    #[tool(
        name = "organization-report",
        title = "Organization Report",
        description = "Returns the caller's role and permissions in the active organization. Only for admins (org:admin).",
        annotations(
            title = "Organization Report",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn organization_report(
        &self,
        Parameters(NoInput {}): Parameters<NoInput>,
    ) -> Result<Json<OrganizationReport>, ToolError> {
        // The policy admits only callers with an organization.
        let organization = get_organization()
            .await?
            .ok_or_else(|| ToolError::failed("The token names no organization."))?;
        Ok(Json(OrganizationReport {
            organization_id: organization.id,
            role: organization.role,
            permissions: organization.permissions,
        }))
    }
}

const NAME: &str = "organization-report";
