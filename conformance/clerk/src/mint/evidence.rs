//! Guessing the kind of a token from its text, in the order in which Clerk's SDK distinguishes kinds.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Value};

use super::TokenKind;

/// The kinds that a token may have, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The possible kinds, most likely first.
    pub kinds: &'static [TokenKind],
    /// The reason as a clause without any part of the token, for example "it begins with oat_".
    pub because: &'static str,
}

impl Evidence {
    /// Examines a token without verifying it.
    pub fn of(token: &str) -> Self {
        use TokenKind as Kind;
        let (kinds, because): (&[TokenKind], _) = match token.split_once('_').map(|(prefix, _)| prefix) {
            Some("mt") => (&[Kind::OpaqueM2mToken], "it begins with mt_"),
            Some("oat") => (&[Kind::OpaqueOauthToken], "it begins with oat_"),
            Some("ak") => (&[Kind::ApiKey], "it begins with ak_"),
            _ => match decode_jwt(token) {
                Some((header, claims)) => of_jwt(&header, &claims),
                None => (
                    &[Kind::RefreshToken],
                    "it is not a JWT and does not begin with oat_, mt_ or ak_",
                ),
            },
        };
        Self { kinds, because }
    }
}

/// Returns the possible kinds of a JWT, and the reason.
fn of_jwt(header: &Map<String, Value>, claims: &Map<String, Value>) -> (&'static [TokenKind], &'static str) {
    use TokenKind as Kind;
    let text = |object: &Map<String, Value>, name: &str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let typ = text(header, "typ").to_ascii_lowercase();
    if text(claims, "sub").starts_with("mch_") {
        (&[Kind::M2mToken], "its sub is a machine id")
    } else if typ == "at+jwt" || typ == "application/at+jwt" {
        (&[Kind::OauthToken], "the typ of its header is at+jwt")
    } else if !claims.contains_key("sid") {
        (
            &[Kind::IdToken, Kind::TemplateToken],
            "it has no sid, and the typ of its header is not at+jwt",
        )
    } else if claims.get("act").is_some_and(Value::is_object) {
        (&[Kind::ImpersonationToken], "it has a sid and an act")
    } else if text(claims, "sts") == "pending" {
        (&[Kind::PendingSessionToken], "its sts is pending")
    } else {
        // ID tokens and template tokens may have a `sid` too.
        (
            &[Kind::SessionToken, Kind::IdToken, Kind::TemplateToken],
            "it has a sid",
        )
    }
}

/// Decodes header and claims; `None` if the token is not a JWT.
fn decode_jwt(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let mut parts = token.split('.');
    let mut object = || serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
    let (header, claims) = (object()?, object()?);
    (parts.count() == 1).then_some((header, claims))
}
