//! What a token says of its kind by itself, in the order in which Clerk's own SDK tells them apart.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Map, Value};

use super::TokenKind;

/// Which kinds a token can be of, and how that can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The likeliest first.
    pub kinds: &'static [TokenKind],
    /// What is seen, as half a sentence that repeats nothing of the token.
    pub because: &'static str,
}

impl Evidence {
    /// Looks at a token. Whether it is valid is not looked at.
    pub fn of(token: &str) -> Self {
        use TokenKind as Kind;
        let (kinds, because): (&[TokenKind], _) = match token.split_once('_').map(|(prefix, _)| prefix) {
            Some("mt") => (&[Kind::OpaqueM2mToken], "it begins with mt_"),
            Some("oat") => (&[Kind::OpaqueOauthToken], "it begins with oat_"),
            Some("ak") => (&[Kind::ApiKey], "it begins with ak_"),
            _ => match parts(token) {
                Some((header, claims)) => of_jwt(&header, &claims),
                None => (
                    &[Kind::RefreshToken],
                    "it is no JWT, and begins with none of oat_, mt_ and ak_",
                ),
            },
        };
        Self { kinds, because }
    }
}

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
        (&[Kind::M2mToken], "its sub is a machine")
    } else if typ == "at+jwt" || typ == "application/at+jwt" {
        (&[Kind::OauthToken], "the typ of its header is at+jwt")
    } else if !claims.contains_key("sid") {
        (
            &[Kind::IdToken, Kind::TemplateToken],
            "it has no sid, and the typ of its header is not at+jwt",
        )
    } else if claims.get("act").is_some_and(Value::is_object) {
        (&[Kind::ImpersonationToken], "it has an act beside its sid")
    } else if text(claims, "sts") == "pending" {
        (&[Kind::PendingSessionToken], "its sts is pending")
    } else {
        // Others may have one, too.
        (
            &[Kind::SessionToken, Kind::IdToken, Kind::TemplateToken],
            "it has a sid",
        )
    }
}

/// Header and claims, when it is a JWT.
fn parts(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let mut parts = token.split('.');
    let mut object = || serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
    let (header, claims) = (object()?, object()?);
    (parts.count() == 1).then_some((header, claims))
}
