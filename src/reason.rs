//! Why a request was refused, as one closed list of slugs: the log's `reason`, the metric's label, nothing else. Clerk's
//! own slug is used where its SDK has one, for those are what people search for.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal,)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The slug.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $slug,)*
                }
            }
        }
    };
}

reasons! {
    /// No `Authorization` header.
    TokenMissing = "token-missing",
    /// Another scheme, or no token68.
    TokenMalformed = "token-malformed",
    /// More than one credential.
    TokenRepeated = "token-repeated",
    /// Not what Clerk makes: form, header, or unknown to Clerk.
    TokenInvalid = "token-invalid",
    /// Another algorithm than RS256.
    TokenInvalidAlgorithm = "token-invalid-algorithm",
    /// A kind that is not accepted.
    TokenTypeMismatch = "token-type-mismatch",
    /// Signed with a key that the application doesn't have.
    JwkKidMismatch = "jwk-kid-mismatch",
    /// The signature does not match.
    TokenInvalidSignature = "token-invalid-signature",
    /// A claim is missing or malformed.
    TokenVerificationFailed = "token-verification-failed",
    /// Another issuer.
    TokenInvalidIssuer = "token-invalid-issuer",
    /// `exp` has passed.
    TokenExpired = "token-expired",
    /// `nbf` is to come.
    TokenNotActiveYet = "token-not-active-yet",
    /// `iat` is to come.
    TokenIatInTheFuture = "token-iat-in-the-future",
    /// `azp` is not an authorized party.
    TokenInvalidAuthorizedParties = "token-invalid-authorized-parties",
    /// Revoked at Clerk.
    TokenRevoked = "token-revoked",
    /// No audience.
    AudienceMissing = "audience-missing",
    /// Another audience.
    AudienceMismatch = "audience-mismatch",
    /// The session's sign-in isn't complete.
    SessionPending = "session-pending",
    /// A scope is missing.
    ScopeMissing = "scope-missing",
    /// A role is missing.
    RoleMissing = "role-missing",
    /// A permission is missing.
    PermissionMissing = "permission-missing",
    /// The key set can't be had.
    JwkRemoteFailedToLoad = "jwk-remote-failed-to-load",
    /// Clerk didn't answer about a token.
    ClerkUnavailable = "clerk-unavailable",
    /// Clerk doesn't accept our secret key.
    SecretKeyInvalid = "secret-key-invalid",
    /// Our secret key belongs to another application than the Frontend API.
    SecretKeyOfAnotherApplication = "secret-key-of-another-application",
    /// A host that is not ours.
    HostNotAllowed = "host-not-allowed",
    /// An origin that is not allowed.
    OriginNotAllowed = "origin-not-allowed",
    /// An MCP session that is unknown, or another user's.
    McpSessionUnknown = "mcp-session-unknown",
    /// No more MCP sessions, of a user or in all.
    McpSessionLimit = "mcp-session-limit",
    /// The request took too long.
    RequestTimeout = "request-timeout",
    /// A fault of ours.
    Internal = "internal",
}

impl Reason {
    /// Counts a refusal for this reason.
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
    fn slugs_are_distinct_and_of_one_form() {
        let slugs: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(slugs.len(), Reason::ALL.len());
        assert!(
            slugs
                .iter()
                .all(|slug| slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
        );
    }
}
