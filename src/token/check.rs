//! What a token is asked, one question at a time: the names of the checks, and how one of them ends well.

use std::fmt;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $demand:literal;)*) => {
        /// One check of a token. Those of a JWT come in the order of this list.
        ///
        /// ```
        /// use clerk_mcp::token::Check;
        ///
        /// assert_eq!(Check::Algorithm.as_str(), "alg");
        /// assert_eq!(Check::Algorithm.demand(), "exactly RS256 (RFC 8725 §3.1)");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[$doc])* $variant,)*
        }

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name: that of the header member or claim where it's about one.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it asks for, and who says so.
            pub const fn demand(self) -> &'static str {
                match self {
                    $(Self::$variant => $demand,)*
                }
            }
        }
    };
}

checks! {
    /// Our own key, without which no token is accepted.
    SecretKey = "secret-key", "CLERK_SECRET_KEY is good, and of the application of CLERK_DOMAIN";
    /// The token as a text.
    Form = "form", "one token68 of at most 16 KiB; a JWT has three strict base64url parts (RFC 6750 §2.1, RFC 7515 §7.1)";
    /// What it is.
    Kind = "kind", "one of CLERK_ACCEPTED_TOKENS";
    /// The header's `alg`.
    Algorithm = "alg", "exactly RS256 (RFC 8725 §3.1)";
    /// The header's `crit`.
    Critical = "crit", "absent: no extension is understood (RFC 7515 §4.1.11)";
    /// The header's `typ` and `cat`.
    Class = "typ", "that of its kind, and so is Clerk's cat (RFC 8725 §3.11)";
    /// The header's `kid`.
    KeyId = "kid", "there, a text (RFC 7515 §4.1.4)";
    /// The key of that id.
    Key = "key", "one of the application's, RSA of at least 2048 bits (RFC 7518 §3.3)";
    /// The signature.
    Signature = "signature", "made with that key (RFC 7515 §5.2)";
    /// What Clerk says of an opaque token.
    Active = "clerk", "known to Clerk and active (Clerk Backend API)";
    /// Clerk's flag `revoked`.
    Revoked = "revoked", "not revoked (Clerk Backend API)";
    /// `iss`.
    Issuer = "iss", "the Frontend API URL (RFC 7519 §4.1.1)";
    /// `sub`.
    Subject = "sub", "an id of the kind's own form (RFC 7519 §4.1.2)";
    /// `sid`.
    SessionId = "sid", "sess_… (Clerk, \"Session tokens\")";
    /// `exp`.
    Expiry = "exp", "there, and to come (RFC 7519 §4.1.4)";
    /// `nbf`.
    NotBefore = "nbf", "past (RFC 7519 §4.1.5)";
    /// `iat`.
    IssuedAt = "iat", "not in the future (RFC 7519 §4.1.6)";
    /// `azp`.
    AuthorizedParty = "azp", "one of CLERK_AUTHORIZED_PARTIES (Clerk, \"Session tokens\")";
    /// `aud`.
    Audience = "aud", "this server (RFC 8707 §2, MCP \"Token Audience Binding\")";
    /// `sts`.
    Status = "sts", "not pending (Clerk, \"Session tasks\")";
    /// The scopes that every token must have.
    Scopes = "scope", "those of REQUIRED_SCOPES (RFC 6750 §3.1)";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a check ends that doesn't fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// What it asks for is so.
    Held,
    /// It asks nothing of this token, for this reason.
    NotAsked(&'static str),
}
