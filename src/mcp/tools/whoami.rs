//! `whoami`: returns the caller's session, and the user from Clerk.

use rmcp::{handler::server::wrapper::Parameters, tool, tool_router};
use schemars::JsonSchema;
use serde::Serialize;

use super::{ExampleTools, NoInput, session_with_role};
use crate::{
    clerk::User,
    context::get_user,
    id::{ClerkSessionId, OrganizationId, UserId},
    mcp::{
        json::{DateTime, Json},
        tool_error::ToolError,
    },
    session::Session,
};

/// Output of `whoami`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WhoAmI {
    /// The session: from the access token, and for an OAuth token role and permissions from Clerk.
    session: SessionInfo,
    /// The user's current data at Clerk.
    user: UserInfo,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionInfo {
    user_id: Option<UserId>,
    session_id: Option<ClerkSessionId>,
    organization_id: Option<OrganizationId>,
    /// The role in the active organization, such as org:admin.
    organization_role: Option<String>,
    /// The permissions in the active organization, such as org:invoices:create.
    organization_permissions: Vec<String>,
    /// When the token expires, ISO 8601.
    expires_at: Option<DateTime>,
    /// When the token was issued, ISO 8601.
    issued_at: Option<DateTime>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UserInfo {
    id: UserId,
    /// The primary email address.
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    image_url: Option<String>,
    /// ISO 8601.
    created_at: DateTime,
    /// ISO 8601.
    updated_at: DateTime,
}

impl From<&Session> for SessionInfo {
    fn from(session: &Session) -> Self {
        Self {
            user_id: session.user_id.clone(),
            session_id: session.session_id.clone(),
            organization_id: session.organization_id.clone(),
            organization_role: session.organization_role.clone(),
            organization_permissions: session.organization_permissions.clone(),
            expires_at: session.expires_at.map(Into::into),
            issued_at: session.issued_at.map(Into::into),
        }
    }
}

impl From<&User> for UserInfo {
    fn from(user: &User) -> Self {
        Self {
            email: user.primary_email().map(str::to_owned),
            id: user.id.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            image_url: user.image_url.clone(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

#[tool_router(router = whoami_router, vis = "pub(super)")]
impl ExampleTools {
    #[tool(
        name = "whoami",
        title = "Who Am I",
        description = "Returns the session of the access token, and the current data of the signed-in user at Clerk.",
        annotations(
            title = "Who Am I",
            read_only_hint = true,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn whoami(&self, Parameters(NoInput {}): Parameters<NoInput>) -> Result<Json<WhoAmI>, ToolError> {
        let user = get_user().await?;
        let session = session_with_role().await?;
        Ok(Json(WhoAmI {
            session: session.as_ref().into(),
            user: user.as_ref().into(),
        }))
    }
}
