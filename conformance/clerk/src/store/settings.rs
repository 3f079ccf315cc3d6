//! The settings of an instance: options of the Clerk Dashboard, and behavior that differs between Clerk
//! versions or is not documented.

use jiff::SignedDuration;

use crate::store::{
    rate_limit::RateLimit,
    scope::{self, Scopes},
};

/// The format of the OAuth access tokens that the token endpoint issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessTokens {
    /// A JWT of type `at+jwt` (RFC 9068), Clerk's default. Resource servers verify it with the published
    /// keys.
    #[default]
    Jwt,
    /// A random string that begins with `oat_`. Resource servers verify it with the Backend API.
    Opaque,
}

/// How the `resource` parameter (RFC 8707) is handled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceIndicators {
    /// As at Clerk since November 2026: only [registered](crate::LocalClerk::register_resource) resources are
    /// granted and written into `aud`, and any other is refused with `invalid_target`. Until the first
    /// resource is registered, the parameter is ignored and tokens have no `aud`.
    Registered,
    /// Like [`Registered`](Self::Registered), but until the first resource is registered, every resource is
    /// granted, as at Clerk from late August 2026. Without the parameter, tokens have no `aud`.
    #[default]
    Strict,
    /// Ignored, as Clerk did before. Tokens never have an `aud`.
    Legacy,
}

/// How the verify endpoints answer for an opaque token or API key that is revoked or expired. Clerk's API
/// description allows both answers, so servers must handle both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InactiveTokens {
    /// 200 with `revoked` or `expired` set.
    #[default]
    Flagged,
    /// 404, as for an unknown token.
    NotFound,
}

/// All settings. The defaults are Clerk's, except that dynamic registration and client metadata documents are
/// on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) access_tokens: AccessTokens,
    pub(crate) resource_indicators: ResourceIndicators,
    pub(crate) inactive_tokens: InactiveTokens,
    /// Whether clients may register themselves (RFC 7591).
    pub(crate) dynamic_registration: bool,
    /// Whether the response to a registration lists the grant type `refresh_token`.
    pub(crate) registration_lists_refresh_token: bool,
    /// Whether a client id may be the URL of a client metadata document.
    pub(crate) client_id_metadata_documents: bool,
    /// Scopes of the application, with their descriptions on the consent page.
    pub(crate) custom_scopes: Vec<(String, String)>,
    /// The scopes of clients that register without `scope`.
    pub(crate) default_scopes: Scopes,
    pub(crate) rate_limit: Option<RateLimit>,
    /// How long after its first use a refresh token may be used again.
    pub(crate) refresh_leeway: SignedDuration,
    /// Certificate authorities (PEM) to trust in addition to the system's when fetching client metadata
    /// documents.
    pub(crate) trusted: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_tokens: AccessTokens::default(),
            resource_indicators: ResourceIndicators::default(),
            inactive_tokens: InactiveTokens::default(),
            dynamic_registration: true,
            registration_lists_refresh_token: false,
            client_id_metadata_documents: true,
            custom_scopes: Vec::new(),
            default_scopes: scope::DEFAULT.into_iter().collect(),
            rate_limit: None,
            refresh_leeway: SignedDuration::ZERO,
            trusted: Vec::new(),
        }
    }
}

impl Settings {
    /// Returns the scopes that clients may have, in the order of the metadata.
    pub(crate) fn scopes_supported(&self) -> impl Iterator<Item = &str> {
        let custom = self.custom_scopes.iter().map(|(name, _)| name.as_str());
        scope::built_in().chain(custom)
    }

    /// Returns the description of a supported scope for the consent page.
    pub(crate) fn scope_description(&self, scope: &str) -> Option<&str> {
        let custom = self.custom_scopes.iter().find(|(name, _)| name == scope);
        scope::description(scope).or_else(|| custom.map(|(_, description)| description.as_str()))
    }
}
