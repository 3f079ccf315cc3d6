//! The paths of all routes of this server, and of Clerk's key set.

/// The start page.
pub(crate) const START_PAGE: &str = "/";
/// The MCP endpoint.
pub(crate) const MCP: &str = "/mcp";
/// The folder of the metadata documents (RFC 8615).
pub(crate) const WELL_KNOWN: &str = "/.well-known";
/// Protected resource metadata of the server (RFC 9728).
pub(crate) const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Protected resource metadata of the MCP endpoint.
pub(crate) const PROTECTED_RESOURCE_OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";
/// Authorization server metadata (RFC 8414).
pub(crate) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Authorization server metadata of the MCP endpoint.
pub(crate) const AUTHORIZATION_SERVER_OF_MCP: &str = "/.well-known/oauth-authorization-server/mcp";
/// OpenID provider metadata (OpenID Connect Discovery 1.0).
pub(crate) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// The key set of the Frontend API, which is not a route of this server.
pub(crate) const JWKS: &str = "/.well-known/jwks.json";
/// Liveness.
pub(crate) const HEALTHZ: &str = "/healthz";
/// Readiness.
pub(crate) const READYZ: &str = "/readyz";
/// The API documentation (Swagger UI).
pub(crate) const DOCS: &str = "/docs";
/// The OpenAPI document as JSON.
pub(crate) const OPENAPI_JSON: &str = "/openapi.json";
/// The OpenAPI document as YAML.
pub(crate) const OPENAPI_YAML: &str = "/openapi.yaml";

/// The paths of all routes of this server.
pub(crate) const ALL: [&str; 12] = [
    START_PAGE,
    MCP,
    PROTECTED_RESOURCE,
    PROTECTED_RESOURCE_OF_MCP,
    AUTHORIZATION_SERVER,
    AUTHORIZATION_SERVER_OF_MCP,
    OPENID_CONFIGURATION,
    HEALTHZ,
    READYZ,
    DOCS,
    OPENAPI_JSON,
    OPENAPI_YAML,
];
