//! The kinds of tokens that Clerk issues.

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Session,
    OAuth,
    M2m,
    ApiKey,
}

impl TokenKind {
    /// Returns the kind with this name in `CLERK_ACCEPTED_TOKENS`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "session_token" => Some(Self::Session),
            "oauth_token" => Some(Self::OAuth),
            "m2m_token" => Some(Self::M2m),
            "api_key" => Some(Self::ApiKey),
            _ => None,
        }
    }
}
