//! The reasons why requests are rejected: one closed list of slugs. A slug is the field `reason` in the log
//! and the label `reason` of the metric `clerk_mcp_refusals_total`. Slugs of Clerk's SDK are reused, so that
//! operators can search for them.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal,)*) => {
        /// Why a request was rejected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the slug.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $slug,)*
                }
            }
        }
    };
}

reasons! {
    /// The request has no `Authorization` header.
    TokenMissing = "token-missing",
    /// The scheme is not `Bearer`, or the token is not a token68.
    TokenMalformed = "token-malformed",
    /// The request has more than one credential.
    TokenRepeated = "token-repeated",
    /// The form or header of the token is invalid, or Clerk does not know the token.
    TokenInvalid = "token-invalid",
    /// The algorithm is not RS256.
    TokenInvalidAlgorithm = "token-invalid-algorithm",
    /// The kind of token is not accepted.
    TokenTypeMismatch = "token-type-mismatch",
    /// The token has no `kid`, or the application has no key with it.
    JwkKidMismatch = "jwk-kid-mismatch",
    /// The signature does not match.
    TokenInvalidSignature = "token-invalid-signature",
    /// A claim is missing or malformed.
    TokenVerificationFailed = "token-verification-failed",
    /// The issuer is not the Frontend API URL.
    TokenInvalidIssuer = "token-invalid-issuer",
    /// `exp` has passed.
    TokenExpired = "token-expired",
    /// `nbf` is in the future.
    TokenNotActiveYet = "token-not-active-yet",
    /// `iat` is in the future.
    TokenIatInTheFuture = "token-iat-in-the-future",
    /// `azp` is not an authorized party.
    TokenInvalidAuthorizedParties = "token-invalid-authorized-parties",
    /// The token was revoked at Clerk.
    TokenRevoked = "token-revoked",
    /// The token has no audience.
    AudienceMissing = "audience-missing",
    /// The audience does not name this server.
    AudienceMismatch = "audience-mismatch",
    /// The user has not completed the sign-in.
    SessionPending = "session-pending",
    /// A scope is missing.
    ScopeMissing = "scope-missing",
    /// A role is missing.
    RoleMissing = "role-missing",
    /// A permission is missing.
    PermissionMissing = "permission-missing",
    /// The key set is unavailable.
    JwkRemoteFailedToLoad = "jwk-remote-failed-to-load",
    /// The server could not verify a token with Clerk, because Clerk was unavailable.
    ClerkUnavailable = "clerk-unavailable",
    /// Too many unknown opaque tokens were looked up at Clerk.
    TokenLookupLimit = "token-lookup-limit",
    /// Clerk does not accept the server's secret key.
    SecretKeyInvalid = "secret-key-invalid",
    /// The server's secret key and the Frontend API belong to different applications.
    SecretKeyOfAnotherApplication = "secret-key-of-another-application",
    /// The `Host` header does not name this server.
    HostNotAllowed = "host-not-allowed",
    /// The `Origin` is not allowed.
    OriginNotAllowed = "origin-not-allowed",
    /// The MCP session is unknown or belongs to another user.
    McpSessionUnknown = "mcp-session-unknown",
    /// The limit on MCP sessions, per user or in total, is reached.
    McpSessionLimit = "mcp-session-limit",
    /// The request bodies in flight, of the user or in total, take too many bytes.
    BodyLimit = "body-limit",
    /// The request timed out.
    RequestTimeout = "request-timeout",
    /// An internal error of the server.
    Internal = "internal",
}

impl Reason {
    /// Counts a rejected request in `clerk_mcp_refusals_total`.
    pub(crate) fn count(self) {
        metrics::counter!("clerk_mcp_refusals_total", "reason" => self.as_str()).increment(1);
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn slugs_are_unique_and_kebab_case() {
        let slugs: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(slugs.len(), Reason::ALL.len());
        assert!(
            slugs
                .iter()
                .all(|slug| slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        );
    }
}
