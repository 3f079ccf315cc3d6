//! [`TokenPolicy`]: the settings of the verifier: issuer, audiences, accepted kinds, leeway.

use std::time::Duration;

use super::{kind::TokenKind, resource::ResourceNames};

/// How the audience of a kind of token is checked (`CLERK_AUDIENCE`, `CLERK_SESSION_AUDIENCE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AudiencePolicy {
    /// `aud` must name this server, as MCP and RFC 8707 require.
    #[default]
    Required,
    /// If `aud` is present, it must name this server; a token without `aud` is accepted. **Any client of the
    /// Clerk application can obtain such a token**, even if it was meant for another server.
    IfPresent,
    /// OAuth tokens without `aud` or with the `aud` of another server are accepted, logged and counted. Use
    /// it to find the clients that `Required` would reject. **Tokens for other servers are accepted.**
    Observe,
    /// `aud` is not checked. **Tokens for other servers are accepted.**
    Off,
}

/// The settings of the verifier. There is no default, because each setting affects security.
#[derive(Debug, Clone)]
pub struct TokenPolicy {
    /// The issuer: the Frontend API URL, without a trailing slash.
    pub issuer: String,
    /// The accepted kinds of token.
    pub accepted: Vec<TokenKind>,
    /// How `aud` of OAuth tokens is checked.
    pub audience: AudiencePolicy,
    /// How `aud` of session tokens is checked. They have one only if the application adds it, so `Required`
    /// rejects most of them.
    pub session_audience: AudiencePolicy,
    /// The resource identifiers of this server, which `aud` must name.
    pub resources: ResourceNames,
    /// Further values of `aud` that count as naming this server, compared exactly.
    pub accepted_audiences: Vec<String>,
    /// The allowed `azp` values of session tokens. If empty, `azp` is not checked.
    pub authorized_parties: Vec<String>,
    /// The leeway when checking `exp`, `nbf` and `iat` (`CLERK_CLOCK_SKEW`).
    pub leeway: Duration,
}
