//! From text to an [`UnverifiedJwt`]: the compact JWS of RFC 7515 §7.1, read strictly.
//!
//! Lenient decoding makes several texts of one token; each check here closes one such gap, so that changing any
//! character of a valid token yields an invalid one.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    check::{Check, Pass, Recorder},
    error::{TokenError, VerifyError},
    json::unique_object,
    kind::TokenKind,
};

/// A well-formed JWT **whose signature nobody has checked**. Its members may be used to choose a key and a kind,
/// and for nothing else.
pub(super) struct UnverifiedJwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signing_input: String,
    signature: String,
}

impl UnverifiedJwt {
    pub(super) fn parse(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::NotCompactJws("it has not exactly three parts"));
        };
        if signature.is_empty() {
            return Err(TokenError::NotCompactJws("it has no signature"));
        }
        decode(signature)?;
        Ok(Self {
            header: unique_object(&decode(header)?).ok_or(TokenError::NotJsonObject { part: "header" })?,
            claims: unique_object(&decode(payload)?).ok_or(TokenError::NotJsonObject { part: "payload" })?,
            signing_input: format!("{header}.{payload}"),
            signature: signature.to_owned(),
        })
    }

    pub(super) fn unverified_type(&self) -> Option<&str> {
        self.header.get("typ")?.as_str()
    }

    pub(super) fn unverified_subject(&self) -> Option<&str> {
        self.claims.get("sub")?.as_str()
    }

    /// Checks the header against what tokens of `kind` carry. `jwk`, `jku`, `x5c` and `x5u` are ignored: keys come only
    /// from the configured application (RFC 8725 §3.10).
    pub(super) fn check_header(
        &self,
        kind: TokenKind,
        recorder: &mut Recorder<VerifyError>,
    ) -> Result<(), VerifyError> {
        recorder.record(Check::Algorithm, self.check_algorithm())?;
        recorder.record(Check::Critical, self.check_critical())?;
        recorder.record(Check::Class, self.check_class(kind))?;
        recorder.record(Check::KeyId, self.unverified_kid().map(|_| Pass::Held))
    }

    /// RFC 8725 §3.1: the algorithm comes from us; the header may only agree.
    fn check_algorithm(&self) -> Result<Pass, TokenError> {
        if self.header.get("alg").and_then(Value::as_str) == Some("RS256") {
            return Ok(Pass::Held);
        }
        Err(TokenError::Algorithm)
    }

    /// RFC 7515 §4.1.11: no extension is understood here, so none may be critical.
    fn check_critical(&self) -> Result<Pass, TokenError> {
        if self.header.contains_key("crit") {
            return Err(TokenError::CriticalHeader);
        }
        Ok(Pass::Held)
    }

    /// One key signs every kind of an instance's tokens; `typ` and Clerk's `cat` are what keeps one from passing
    /// for another (RFC 8725 §3.11).
    fn check_class(&self, kind: TokenKind) -> Result<Pass, TokenError> {
        if kind != TokenKind::OAuthToken && self.unverified_type() != Some("JWT") {
            return Err(TokenError::HeaderType("typ is not JWT"));
        }
        let class = match self.header.get("cat") {
            None => return Ok(Pass::Held),
            Some(class) => class
                .as_str()
                .ok_or(TokenError::HeaderType("cat is not a string"))?,
        };
        let fits = match kind {
            TokenKind::SessionToken => class == CLASS_SESSION,
            TokenKind::M2mToken => class == CLASS_M2M,
            // No class is defined for access tokens: `typ` tells them.
            TokenKind::OAuthToken | TokenKind::ApiKey => false,
        };
        if fits || class == CLASS_UNSPECIFIED {
            return Ok(Pass::Held);
        }
        Err(TokenError::HeaderType(
            "cat is that of another kind, such as a JWT template",
        ))
    }

    /// Returns the id of the key that is to verify the signature.
    pub(super) fn unverified_kid(&self) -> Result<&str, TokenError> {
        self.header
            .get("kid")
            .and_then(Value::as_str)
            .filter(|kid| !kid.is_empty())
            .ok_or(TokenError::KeyIdMissing)
    }

    /// What the signature covers, and the signature, base64url.
    pub(super) fn signed(&self) -> (&str, &str) {
        (&self.signing_input, &self.signature)
    }

    /// The claims, **to be taken only after the signature was found to match**.
    pub(super) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

/// What a JWT says, header and claims, **whoever wrote it**: for showing it to somebody. `None` when these can't be read;
/// whether there's a signature doesn't matter.
///
/// ```
/// let (header, claims) = clerk_mcp::token::unverified_members("eyJhbGciOiJub25lIn0.e30.").unwrap();
/// assert_eq!((&header["alg"], claims.len()), (&"none".into(), 0));
/// ```
pub fn unverified_members(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let mut parts = token.split('.').map(|part| unique_object(&decode(part).ok()?));
    Some((parts.next()??, parts.next()??))
}

/// RFC 7515 §2: base64url without padding; the trailing bits must be zero (RFC 4648 §3.5), or two texts would
/// decode to the same signature.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::NotCompactJws("a part is not canonical base64url"))
}

/// Clerk's classes of tokens, the header member `cat`.
const CLASS_SESSION: &str = "cl_B7d4PD111AAA";
const CLASS_M2M: &str = "cl_B7d4PD333AAA";
/// Stamped on every class by some instances; says nothing.
const CLASS_UNSPECIFIED: &str = "cl_I7d4PD111III";
