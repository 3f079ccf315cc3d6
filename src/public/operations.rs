//! The public routes that poem-openapi serves and documents.

use poem_openapi::{OpenApi, Tags, param::Header, payload::Json, types::Any};
use serde_json::Value;

use super::{
    PublicApi,
    health::{Alive, ReadinessResponse},
    page::PageResponse,
    protected_resource::ProtectedResourceMetadata,
};

#[derive(Tags)]
enum Tag {
    /// How clients find the authorization server (RFC 9728, RFC 8414).
    Discovery,
    /// Health checks for operators and orchestrators.
    Health,
    /// Pages for people, and the OpenAPI document.
    Pages,
}

#[expect(clippy::unused_async, reason = "poem-openapi requires async operations")]
#[OpenApi]
impl PublicApi {
    /// Start page
    ///
    /// Describes the server and how to connect to it. An HTML page by default, and JSON for
    /// `Accept: application/json`.
    #[oai(path = "/", method = "get", tag = "Tag::Pages", operation_id = "startPage")]
    async fn start_page(&self, accept: Header<Option<String>>) -> PageResponse {
        self.page.respond(accept.0.as_deref())
    }

    /// Protected resource metadata of the server
    ///
    /// RFC 9728 §2. The resource is the base URL.
    #[oai(
        path = "/.well-known/oauth-protected-resource",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "protectedResourceMetadata"
    )]
    async fn protected_resource(&self) -> Json<ProtectedResourceMetadata> {
        Json(ProtectedResourceMetadata::new(
            &self.settings,
            self.settings.resources.base(),
        ))
    }

    /// Protected resource metadata of the MCP endpoint
    ///
    /// RFC 9728 §2. Challenges refer to this document in `resource_metadata`.
    #[oai(
        path = "/.well-known/oauth-protected-resource/mcp",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "protectedResourceMetadataOfMcp"
    )]
    async fn protected_resource_of_mcp(&self) -> Json<ProtectedResourceMetadata> {
        Json(ProtectedResourceMetadata::new(
            &self.settings,
            self.settings.resources.mcp(),
        ))
    }

    /// Authorization server metadata
    ///
    /// Clerk's own document (RFC 8414), for clients that request it from the MCP server. The issuer is Clerk.
    #[oai(
        path = "/.well-known/oauth-authorization-server",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "authorizationServerMetadata"
    )]
    async fn authorization_server(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.oauth().await))
    }

    /// Authorization server metadata of the MCP endpoint
    ///
    /// The same document at the path that clients of older MCP revisions, such as 2025-03-26, request.
    #[oai(
        path = "/.well-known/oauth-authorization-server/mcp",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "authorizationServerMetadataOfMcp"
    )]
    async fn authorization_server_of_mcp(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.oauth().await))
    }

    /// OpenID provider metadata
    ///
    /// Clerk's own document (OpenID Connect Discovery 1.0 §3), for clients that request it from the MCP
    /// server.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "openidConfiguration"
    )]
    async fn openid_configuration(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.openid().await))
    }

    /// Liveness
    ///
    /// Returns 200 while the process is running. Does not call Clerk.
    #[oai(
        path = "/healthz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "alive"
    )]
    async fn healthz(&self) -> Json<Alive> {
        Json(Alive::new())
    }

    /// Readiness
    ///
    /// Returns 200 if the server is ready for requests, else 503. Both list the status of each part. Does not
    /// call Clerk.
    #[oai(path = "/readyz", method = "get", tag = "Tag::Health", operation_id = "ready")]
    async fn readyz(&self) -> ReadinessResponse {
        self.health.ready()
    }
}
