//! Parses a compact JWS (RFC 7515 §7.1) strictly into an [`UnverifiedJwt`], and checks its header.
//!
//! With lenient decoding, several texts decode to the same token. Each check here rules out one such case, so
//! that changing any character of a valid token makes it invalid.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    check::Check,
    error::{TokenError, VerifyError},
    json::unique_object,
    kind::TokenKind,
    recorder::{CheckPass, Recorder},
};

/// A well-formed JWT **whose signature has not been checked**. Use its members only to choose the key and the
/// kind.
pub(super) struct UnverifiedJwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signing_input: String,
    signature: String,
}

impl UnverifiedJwt {
    /// Parses the three parts of a token.
    pub(super) fn parse(token: &str) -> Result<Self, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::NotCompactJws("it does not have exactly three parts"));
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

    /// Checks `alg`, `crit`, `typ`, `cat` and `kid` of a token of `kind`. Ignores `jwk`, `jku`, `x5c` and
    /// `x5u`: keys come only from the configured application (RFC 8725 §3.10).
    pub(super) fn check_header(&self, kind: TokenKind, recorder: &mut Recorder) -> Result<(), VerifyError> {
        recorder.record(Check::Algorithm, self.check_algorithm())?;
        recorder.record(Check::Critical, self.check_critical())?;
        recorder.record(Check::Type, self.check_type(kind))?;
        recorder.record(Check::KeyId, self.unverified_kid().map(|_| CheckPass::Passed))
    }

    /// Checks `alg`: the server chooses the algorithm, and the header must match (RFC 8725 §3.1).
    fn check_algorithm(&self) -> Result<CheckPass, TokenError> {
        if self.header.get("alg").and_then(Value::as_str) == Some("RS256") {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::Algorithm)
    }

    /// Checks `crit`: no extension is supported, so none may be critical (RFC 7515 §4.1.11).
    fn check_critical(&self) -> Result<CheckPass, TokenError> {
        if self.header.contains_key("crit") {
            return Err(TokenError::CriticalHeader);
        }
        Ok(CheckPass::Passed)
    }

    /// Checks `typ` and Clerk's `cat`, the class of the token (RFC 8725 §3.11). One key signs all tokens of
    /// an instance, so only these members prevent a token of one kind from being accepted as another kind.
    fn check_type(&self, kind: TokenKind) -> Result<CheckPass, TokenError> {
        if kind != TokenKind::OAuthToken && self.unverified_type() != Some("JWT") {
            return Err(TokenError::HeaderType("typ is not JWT"));
        }
        let class = match self.header.get("cat") {
            None => return Ok(CheckPass::Passed),
            Some(class) => class
                .as_str()
                .ok_or(TokenError::HeaderType("cat is not a string"))?,
        };
        let fits = match kind {
            TokenKind::SessionToken => class == CLASS_SESSION,
            TokenKind::M2mToken => class == CLASS_M2M,
            // Access tokens have no class of their own; `typ` identifies them.
            TokenKind::OAuthToken | TokenKind::ApiKey => false,
        };
        if fits || class == CLASS_UNSPECIFIED {
            return Ok(CheckPass::Passed);
        }
        Err(TokenError::HeaderType(
            "cat names another kind, such as a JWT template",
        ))
    }

    /// Returns `kid`, the id of the key for verifying the signature.
    pub(super) fn unverified_kid(&self) -> Result<&str, TokenError> {
        self.header
            .get("kid")
            .and_then(Value::as_str)
            .filter(|kid| !kid.is_empty())
            .ok_or(TokenError::KeyIdMissing)
    }

    /// Returns the text that the signature covers, and the signature in base64url.
    pub(super) fn signed(&self) -> (&str, &str) {
        (&self.signing_input, &self.signature)
    }

    /// Returns the claims. **They must not be used before the signature has been checked.**
    pub(super) fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

/// Returns the header and claims of a JWT **without verifying it**, for display. `None` if they cannot be
/// parsed; the signature is ignored and may be missing.
pub(crate) fn unverified_members(token: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let mut parts = token.split('.').map(|part| unique_object(&decode(part).ok()?));
    Some((parts.next()??, parts.next()??))
}

/// Decodes base64url without padding (RFC 7515 §2). The trailing bits must be zero (RFC 4648 §3.5): otherwise
/// two texts would decode to the same signature.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::NotCompactJws("a part is not canonical base64url"))
}

/// The class of session tokens, in Clerk's header member `cat`.
const CLASS_SESSION: &str = "cl_B7d4PD111AAA";
const CLASS_M2M: &str = "cl_B7d4PD333AAA";
/// Some instances put this class on every token, so it carries no information.
const CLASS_UNSPECIFIED: &str = "cl_I7d4PD111III";
