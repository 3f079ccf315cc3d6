//! The path of each route, below the path of `BASE_URL`.

pub(crate) const START_PAGE: &str = "/";
/// The MCP endpoint.
pub(crate) const MCP: &str = "/mcp";
/// Protected resource metadata of the server (RFC 9728).
pub(crate) const PROTECTED_RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// Protected resource metadata of the MCP endpoint.
pub(crate) const PROTECTED_RESOURCE_OF_MCP: &str = "/.well-known/oauth-protected-resource/mcp";
/// Authorization server metadata (RFC 8414).
pub(crate) const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
/// Authorization server metadata, for the MCP endpoint.
pub(crate) const AUTHORIZATION_SERVER_OF_MCP: &str = "/.well-known/oauth-authorization-server/mcp";
/// OpenID provider metadata (OpenID Connect Discovery 1.0).
pub(crate) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Liveness.
pub(crate) const HEALTHZ: &str = "/healthz";
/// Readiness.
pub(crate) const READYZ: &str = "/readyz";
/// The page of the OpenAPI document.
pub(crate) const DOCS: &str = "/docs";
pub(crate) const OPENAPI_JSON: &str = "/openapi.json";
pub(crate) const OPENAPI_YAML: &str = "/openapi.yaml";

/// Every path.
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
