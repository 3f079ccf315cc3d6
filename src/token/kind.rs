//! The kinds of token that Clerk issues.

use std::{fmt, str::FromStr};

/// A kind of token, with Clerk's name for it.
///
/// ```
/// use clerk_mcp::token::{TokenKind, UnknownTokenKind};
///
/// assert_eq!("oauth_token".parse(), Ok(TokenKind::OAuthToken));
/// assert_eq!("id_token".parse::<TokenKind>(), Err(UnknownTokenKind));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// The JWT of a signed-in user's session.
    SessionToken,
    /// An OAuth access token: a JWT of type `at+jwt` (RFC 9068), or an opaque `oat_…`.
    OAuthToken,
    /// A machine-to-machine token: a JWT whose subject is a machine, or an opaque `mt_…`.
    M2mToken,
    /// An API key, `ak_…`.
    ApiKey,
}

impl TokenKind {
    /// Every kind, in the order of Clerk's documentation.
    pub const ALL: [Self; 4] = [Self::SessionToken, Self::OAuthToken, Self::M2mToken, Self::ApiKey];

    /// Returns Clerk's name for the kind, as used in `acceptsToken` and `CLERK_ACCEPTED_TOKENS`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionToken => "session_token",
            Self::OAuthToken => "oauth_token",
            Self::M2mToken => "m2m_token",
            Self::ApiKey => "api_key",
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TokenKind {
    type Err = UnknownTokenKind;

    fn from_str(text: &str) -> Result<Self, UnknownTokenKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownTokenKind)
    }
}

/// The text is not the name of a kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected session_token, oauth_token, m2m_token or api_key")]
pub struct UnknownTokenKind;
