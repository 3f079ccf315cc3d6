//! Determines the kind of a token before it is verified.

use super::{error::TokenError, jose::UnverifiedJwt, kind::TokenKind};

/// Parses a token and determines its kind, in the same order as Clerk: an opaque token by its prefix, the JWT of
/// a machine by `sub`, and an access token by `typ`. Any other JWT is a session token. `sub` is examined before
/// `typ`, so that no header can turn the JWT of a machine into a session token.
///
/// Returns no JWT for an opaque token, which only Clerk can verify.
pub(super) fn classify(token: &str) -> Result<(TokenKind, Option<UnverifiedJwt>), TokenError> {
    let opaque = [
        ("mt_", TokenKind::M2mToken),
        ("oat_", TokenKind::OAuthToken),
        ("ak_", TokenKind::ApiKey),
    ];
    if let Some((_, kind)) = opaque.into_iter().find(|(prefix, _)| token.starts_with(prefix)) {
        return Ok((kind, None));
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
    Ok((kind, Some(jwt)))
}

/// The `typ` values of access tokens (RFC 9068 §2.1, §4). They are compared exactly, as in Clerk's SDK.
const ACCESS_TOKEN_TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];
