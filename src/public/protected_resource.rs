//! Protected resource metadata (RFC 9728 §2).

use poem_openapi::Object;
use serde_json::{Value, json};

use super::PublicSettings;

/// What a client learns of this server before it signs in. Members without entries are left out (RFC 9728 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct ProtectedResourceMetadata {
    /// The resource identifier: the value for `resource` in the authorization request, and what `aud` must name.
    resource: String,
    /// The authorization servers: the Clerk application's issuer.
    authorization_servers: Vec<String>,
    /// How tokens are taken: in the header alone.
    bearer_methods_supported: Vec<String>,
    /// The scopes to ask for.
    #[oai(skip_serializing_if_is_empty)]
    scopes_supported: Vec<String>,
    /// The server's name, to be shown to people.
    resource_name: String,
    /// Where people can read about it.
    #[oai(skip_serializing_if_is_none)]
    resource_documentation: Option<String>,
}

impl ProtectedResourceMetadata {
    /// The document of `resource`, one of the server's names.
    pub(super) fn new(settings: &PublicSettings, resource: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            authorization_servers: vec![settings.issuer.clone()],
            bearer_methods_supported: vec!["header".to_owned()],
            scopes_supported: settings.all_scopes.clone(),
            resource_name: settings.name.clone(),
            resource_documentation: settings.docs_url.clone(),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        poem_openapi::types::ToJSON::to_json(self).unwrap_or_else(|| json!({}))
    }
}
