//! What a token must say to be accepted: the verifier's settings.

use std::time::Duration;

use super::{kind::TokenKind, resource::ResourceNames};

/// How the audience of OAuth access tokens is treated (`CLERK_AUDIENCE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudiencePolicy {
    /// `aud` must name this server: what MCP and RFC 8707 ask for.
    #[default]
    Required,
    /// A token without `aud` passes; one that names somebody else doesn't. **Any client of the Clerk application
    /// can get such a token**, with no thought of this server.
    IfPresent,
    /// `aud` is not looked at. **Tokens made for other servers pass.**
    Off,
}

/// What a token must say to be accepted. Settings of the verifier; no default, for each of them is a decision.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// The issuer: the Frontend API URL, without a trailing slash.
    pub issuer: String,
    /// The kinds that are accepted.
    pub accepted: Vec<TokenKind>,
    /// How `aud` of OAuth tokens is treated.
    pub audience: AudiencePolicy,
    /// The names of this server that an audience may use.
    pub resources: ResourceNames,
    /// The `azp` values that session tokens may have; empty: not looked at.
    pub authorized_parties: Vec<String>,
    /// The leeway for `exp`, `nbf` and `iat`.
    pub leeway: Duration,
}
