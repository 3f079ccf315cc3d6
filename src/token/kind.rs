//! The kinds of token that Clerk issues, and how they are told apart before anything is verified.

use std::{fmt, str::FromStr};

use super::{error::TokenError, jose::UnverifiedJwt};

/// A kind of token, by Clerk's own name for it.
///
/// ```
/// use clerk_mcp::token::{TokenKind, UnknownTokenKind};
///
/// assert_eq!("oauth_token".parse(), Ok(TokenKind::OAuthToken));
/// assert_eq!("id_token".parse::<TokenKind>(), Err(UnknownTokenKind));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// The JWT of a signed-in session.
    SessionToken,
    /// An OAuth access token: a JWT of type `at+jwt` (RFC 9068), or an opaque `oat_…`.
    OAuthToken,
    /// A machine's token: a JWT whose subject is a machine, or an opaque `mt_…`.
    M2mToken,
    /// An API key, `ak_…`.
    ApiKey,
}

impl TokenKind {
    /// Every kind, in the order of Clerk's documentation.
    pub const ALL: [Self; 4] = [Self::SessionToken, Self::OAuthToken, Self::M2mToken, Self::ApiKey];

    /// Clerk's name, as in `acceptsToken` and `CLERK_ACCEPTED_TOKENS`.
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

/// The text names no kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected session_token, oauth_token, m2m_token or api_key")]
pub struct UnknownTokenKind;

/// A presented token, told apart by form, header and prefix; **unverified**.
pub(super) enum Presented {
    /// Three parts: to be verified here.
    Jwt(TokenKind, UnverifiedJwt),
    /// To be verified by asking Clerk.
    Opaque(TokenKind),
}

impl Presented {
    /// Clerk's own order: machine subject, access token type, opaque prefixes, session token. A machine's JWT is
    /// told by its subject alone, so that no header can pass it off as a session.
    pub(super) fn classify(token: &str) -> Result<Self, TokenError> {
        let opaque = [
            ("mt_", TokenKind::M2mToken),
            ("oat_", TokenKind::OAuthToken),
            ("ak_", TokenKind::ApiKey),
        ];
        if let Some((_, kind)) = opaque.into_iter().find(|(prefix, _)| token.starts_with(prefix)) {
            return Ok(Self::Opaque(kind));
        }
        let jwt = UnverifiedJwt::parse(token)?;
        let kind = if jwt
            .unverified_subject()
            .is_some_and(|subject| subject.starts_with("mch_"))
        {
            TokenKind::M2mToken
        } else if jwt
            .unverified_type()
            .is_some_and(|typ| ACCESS_TOKEN_TYPES.contains(&typ))
        {
            TokenKind::OAuthToken
        } else {
            TokenKind::SessionToken
        };
        Ok(Self::Jwt(kind, jwt))
    }
}

/// RFC 9068 §2.1 and §4; exactly so, as Clerk's SDK compares them.
const ACCESS_TOKEN_TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];
