//! What can be chosen about an instance: Clerk's switches, and where its behaviour has changed or is not settled.

use crate::store::{
    rate_limit::RateLimit,
    scope::{self, Scopes},
};

/// The form of the OAuth access tokens that the token endpoint issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessTokens {
    /// A JWT of type `at+jwt` (RFC 9068), Clerk's default: resource servers verify it with the published keys.
    #[default]
    Jwt,
    /// A random string that begins with `oat_`: resource servers ask the Backend API about it.
    Opaque,
}

/// What becomes of the parameter `resource` (RFC 8707).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResourceIndicators {
    /// Checked at every step and written into `aud`, as Clerk does since late August 2026. Without the parameter
    /// there is no `aud`.
    #[default]
    Strict,
    /// Ignored, as before: no token ever has an `aud`.
    Legacy,
}

/// What the verify endpoints say about an opaque token or a key that was revoked or has expired. Clerk's description
/// leaves it open, so servers must cope with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InactiveTokens {
    /// 200, with `revoked` or `expired` set.
    #[default]
    Flagged,
    /// 404, like one that never was.
    NotFound,
}

/// All choices, with Clerk's defaults where it has them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) access_tokens: AccessTokens,
    pub(crate) resource_indicators: ResourceIndicators,
    pub(crate) inactive_tokens: InactiveTokens,
    /// RFC 7591.
    pub(crate) dynamic_registration: bool,
    /// Client ids that are the URL of a document about the client.
    pub(crate) client_id_metadata_documents: bool,
    pub(crate) default_scopes: Scopes,
    pub(crate) rate_limit: Option<RateLimit>,
    /// Authorities to trust besides the system's when fetching documents, as PEM.
    pub(crate) trusted: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_tokens: AccessTokens::default(),
            resource_indicators: ResourceIndicators::default(),
            inactive_tokens: InactiveTokens::default(),
            dynamic_registration: true,
            client_id_metadata_documents: true,
            default_scopes: scope::DEFAULT.into_iter().collect(),
            rate_limit: None,
            trusted: Vec::new(),
        }
    }
}
