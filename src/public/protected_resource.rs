//! Protected resource metadata (RFC 9728 §2).

use poem_openapi::Object;

use super::PublicSettings;

/// Describes the server to clients that have not signed in yet. Empty members are left out (RFC 9728 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct ProtectedResourceMetadata {
    /// The resource identifier: the value of `resource` in authorization requests and of `aud` in tokens.
    resource: String,
    /// The authorization servers: the issuer of the Clerk application.
    authorization_servers: Vec<String>,
    /// How clients send tokens: only in the `Authorization` header.
    bearer_methods_supported: Vec<String>,
    /// The scopes that clients should request.
    #[oai(skip_serializing_if_is_empty)]
    scopes_supported: Vec<String>,
    /// The name of the server, for display.
    resource_name: String,
    /// The URL of the documentation for people.
    #[oai(skip_serializing_if_is_none)]
    resource_documentation: Option<String>,
}

impl ProtectedResourceMetadata {
    /// Creates the document for `resource`, one of the resource identifiers of the server.
    pub(super) fn new(settings: &PublicSettings, resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            authorization_servers: vec![settings.issuer.clone()],
            bearer_methods_supported: vec!["header".to_owned()],
            scopes_supported: settings.scopes_supported.clone(),
            resource_name: settings.name.clone(),
            resource_documentation: settings.docs_url.clone(),
        }
    }
}
