//! `get-my-organizations`: returns all organization memberships of the caller, from every page of Clerk's
//! list.

use rmcp::{
    ErrorData,
    handler::server::{tool::IntoCallToolResult, wrapper::Parameters},
    model::CallToolResponse,
    tool, tool_router,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ExampleTools, NoInput};
use crate::{
    clerk::Membership,
    context::{get_client, get_session},
    id::{MembershipId, OrganizationId, UserId},
    mcp::{
        json::{self, DateTime},
        tool_error::ToolError,
    },
};

/// Output of `get-my-organizations`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MyOrganizations {
    user_id: UserId,
    /// The number of memberships. All of them are listed.
    #[schemars(schema_with = "count")]
    membership_count: usize,
    memberships: Vec<MembershipInfo>,
}

/// Returns the schema of a count, without the non-standard format `uint` that schemars would add.
fn count(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "minimum": 0 })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MembershipInfo {
    id: MembershipId,
    organization_id: OrganizationId,
    organization_name: String,
    /// The role's full key, such as org:admin.
    role: String,
    /// When the user became a member, ISO 8601.
    created_at: DateTime,
}

impl From<&Membership> for MembershipInfo {
    fn from(membership: &Membership) -> Self {
        Self {
            id: membership.id.clone(),
            organization_id: membership.organization.id.clone(),
            organization_name: membership.organization.name.clone(),
            role: membership.role.clone(),
            created_at: membership.created_at.into(),
        }
    }
}

impl IntoCallToolResult for MyOrganizations {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let none =
            (self.membership_count == 0).then(|| "You are not a member of any organizations.".to_owned());
        Ok(json::result(&self, none)?.into())
    }
}

#[tool_router(router = get_my_organizations_router, vis = "pub(super)")]
impl ExampleTools {
    #[tool(
        name = "get-my-organizations",
        title = "Get My Organizations",
        description = "Lists all organizations that the signed-in user is a member of, with the role in each.",
        output_schema = rmcp::handler::server::tool::schema_for_output::<MyOrganizations>(),
        annotations(
            title = "Get My Organizations",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn get_my_organizations(
        &self,
        Parameters(NoInput {}): Parameters<NoInput>,
    ) -> Result<MyOrganizations, ToolError> {
        let session = get_session()?;
        let user_id = session.require_user()?.clone();
        let memberships = get_client()?.organization_memberships(&user_id).await?;
        Ok(MyOrganizations {
            user_id,
            membership_count: memberships.len(),
            memberships: memberships.iter().map(MembershipInfo::from).collect(),
        })
    }
}
