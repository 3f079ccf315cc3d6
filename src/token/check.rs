//! [`Check`]: the list of all checks of a token, with their names and sources. `explain` prints it.

use std::fmt;

macro_rules! checks {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $demand:literal;)*) => {
        /// One check of a token. A JWT is checked in the order of this list.
        ///
        /// ```
        /// use clerk_mcp::token::Check;
        ///
        /// assert_eq!(Check::Algorithm.as_str(), "alg");
        /// assert_eq!(Check::Algorithm.demand(), "alg is exactly RS256 (RFC 8725 §3.1)");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Check {
            $($(#[$doc])* $variant,)*
        }

        impl Check {
            /// Returns the name of the check. A check of a header member or claim has the name of that member
            /// or claim.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns what the check expects, and the document that requires it.
            pub const fn demand(self) -> &'static str {
                match self {
                    $(Self::$variant => $demand,)*
                }
            }
        }
    };
}

checks! {
    /// The server's own secret key. No token is accepted while it is wrong.
    SecretKey = "secret-key", "CLERK_SECRET_KEY is valid and belongs to the application of CLERK_DOMAIN";
    /// The form of the token's text.
    Form = "form", "the token is a token68 of at most 16 KiB; a JWT has three strict base64url parts (RFC 6750 §2.1, RFC 7515 §7.1)";
    /// The kind of token.
    Kind = "kind", "the kind is listed in CLERK_ACCEPTED_TOKENS";
    /// The header's `alg`.
    Algorithm = "alg", "alg is exactly RS256 (RFC 8725 §3.1)";
    /// The header's `crit`.
    Critical = "crit", "crit is absent, because no extension is supported (RFC 7515 §4.1.11)";
    /// The header's `typ` and `cat`.
    Type = "typ", "typ and Clerk's cat match the kind of the token (RFC 8725 §3.11)";
    /// The header's `kid`.
    KeyId = "kid", "kid is a non-empty string (RFC 7515 §4.1.4)";
    /// The key with that id.
    Key = "key", "kid names an RSA key of the application, of at least 2048 bits (RFC 7518 §3.3)";
    /// The signature.
    Signature = "signature", "the signature was made with that key (RFC 7515 §5.2)";
    /// Clerk's report about an opaque token.
    Active = "clerk", "Clerk knows the token and reports it as active (Clerk Backend API)";
    /// Clerk's flag `revoked`.
    Revoked = "revoked", "the token is not revoked (Clerk Backend API)";
    /// `iss`.
    Issuer = "iss", "iss is the Frontend API URL (RFC 7519 §4.1.1)";
    /// `sub`.
    Subject = "sub", "sub is an id with the prefix that belongs to the kind (RFC 7519 §4.1.2)";
    /// `sid`.
    SessionId = "sid", "sid begins with sess_ (Clerk, \"Session tokens\")";
    /// `exp`.
    Expiry = "exp", "exp is present and in the future (RFC 7519 §4.1.4)";
    /// `nbf`.
    NotBefore = "nbf", "nbf is not in the future (RFC 7519 §4.1.5)";
    /// `iat`.
    IssuedAt = "iat", "iat is not in the future (RFC 7519 §4.1.6)";
    /// `azp`.
    AuthorizedParty = "azp", "azp is listed in CLERK_AUTHORIZED_PARTIES (Clerk, \"Session tokens\")";
    /// `aud`.
    Audience = "aud", "aud names this server (RFC 8707 §2, MCP \"Token Audience Binding\")";
    /// `sts`.
    Status = "sts", "sts is active, not pending (Clerk, \"Session tasks\")";
    /// The scopes that every request needs.
    Scopes = "scope", "the token has every scope of REQUIRED_SCOPES (RFC 6750 §3.1)";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
