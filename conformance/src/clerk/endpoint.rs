//! The endpoints, by name: what requests are counted by.

/// An endpoint of the local Clerk, for [`LocalClerk::request_count`](super::LocalClerk::request_count).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/.well-known/jwks.json` (RFC 7517).
    Jwks,
    /// `/.well-known/oauth-authorization-server` (RFC 8414).
    AuthorizationServerMetadata,
    /// `/.well-known/openid-configuration` (OIDC Discovery 1.0).
    OpenIdConfiguration,
    /// `/oauth/authorize` (RFC 6749 §3.1).
    Authorize,
    /// `/oauth/authorize/decision`: the answer to the sign-in and consent page.
    Decision,
    /// `/oauth/token` (RFC 6749 §3.2).
    Token,
    /// `/oauth/token/revoke` (RFC 7009).
    Revoke,
    /// `/oauth/token_info` (RFC 7662).
    TokenInfo,
    /// `/oauth/userinfo` (OIDC Core §5.3).
    UserInfo,
    /// `/oauth/register` (RFC 7591).
    Register,
    /// Backend API `/jwks`.
    BackendJwks,
    /// Backend API `/users/{user_id}`.
    BackendUser,
    /// Backend API `/users/{user_id}/organization_memberships`.
    BackendUserMemberships,
    /// Backend API `/organizations/{organization_id}`.
    BackendOrganization,
    /// Backend API `/organizations/{organization_id}/memberships`.
    BackendOrganizationMemberships,
    /// Backend API `/sessions/{session_id}`.
    BackendSession,
    /// Backend API `/oauth_applications/access_tokens/verify`.
    BackendVerifyAccessToken,
}
