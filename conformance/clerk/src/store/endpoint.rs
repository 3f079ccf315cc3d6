//! The names of the endpoints. Request counters and faults refer to endpoints by name.

use std::fmt;

/// Declares each endpoint once: its documentation, variant and name in the admin API.
macro_rules! endpoints {
    ($($(#[$docs:meta])* $variant:ident = $name:literal,)*) => {
        /// An endpoint of the local Clerk, for
        /// [`LocalClerk::request_count`](crate::LocalClerk::request_count) and [faults](crate::Fault).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Endpoint {
            $($(#[$docs])* $variant,)*
        }

        impl Endpoint {
            /// All endpoints, the Frontend API's first.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name in the admin API, for example `jwks` or `backend_user`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

endpoints! {
    /// `/.well-known/jwks.json` (RFC 7517).
    Jwks = "jwks",
    /// `/.well-known/oauth-authorization-server` (RFC 8414).
    AuthorizationServerMetadata = "authorization_server_metadata",
    /// `/.well-known/openid-configuration` (OIDC Discovery 1.0).
    OpenIdConfiguration = "openid_configuration",
    /// `/oauth/authorize` (RFC 6749 §3.1).
    Authorize = "authorize",
    /// `/oauth/authorize/decision`, which receives the form of the sign-in and consent page.
    Decision = "decision",
    /// `/oauth/token` (RFC 6749 §3.2).
    Token = "token",
    /// `/oauth/token/revoke` (RFC 7009).
    Revoke = "revoke",
    /// `/oauth/token_info` (RFC 7662).
    TokenInfo = "token_info",
    /// `/oauth/userinfo` (OIDC Core §5.3).
    UserInfo = "userinfo",
    /// `/oauth/register` (RFC 7591).
    Register = "register",
    /// Backend API `/jwks`.
    BackendJwks = "backend_jwks",
    /// Backend API `/users/{user_id}`.
    BackendUser = "backend_user",
    /// Backend API `/users/{user_id}/organization_memberships`.
    BackendUserMemberships = "backend_user_memberships",
    /// Backend API `/organizations/{organization_id}`.
    BackendOrganization = "backend_organization",
    /// Backend API `/organizations/{organization_id}/memberships`.
    BackendOrganizationMemberships = "backend_organization_memberships",
    /// Backend API `/sessions/{session_id}`.
    BackendSession = "backend_session",
    /// Backend API `/oauth_applications/access_tokens/verify`.
    BackendVerifyAccessToken = "backend_verify_access_token",
    /// Backend API `/m2m_tokens/verify`.
    BackendVerifyM2mToken = "backend_verify_m2m_token",
    /// Backend API `/api_keys/verify`.
    BackendVerifyApiKey = "backend_verify_api_key",
}

impl Endpoint {
    /// Returns the endpoint with this [name](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|endpoint| endpoint.name() == name)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
