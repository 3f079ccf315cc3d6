//! Reads the one bearer token of a request from its headers (RFC 6750 §2.1, RFC 9110 §11).

use std::fmt;

use http::{HeaderMap, header::AUTHORIZATION};
use thiserror::Error;

/// The maximum length of a token, in bytes: four times Clerk's largest session tokens.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// One bearer token. Only its form has been checked: it is **not verified**.
/// ```
/// use clerk_mcp::token::{BearerError, BearerToken};
/// use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
///
/// let mut headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("bearer abc.def"))]);
/// assert!(BearerToken::from_headers(&headers).is_ok());
/// headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer another"));
/// assert_eq!(BearerToken::from_headers(&headers), Err(BearerError::MoreThanOne));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// Reads the token from the headers of a request. Body and query parameters (RFC 6750 §2.2, §2.3) are
    /// ignored: the body cannot be read before authentication, and MCP forbids tokens in the query.
    ///
    /// # Errors
    /// [`BearerError`]. No variant contains any part of the header.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, BearerError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(BearerError::Missing)?;
        if values.next().is_some() {
            return Err(BearerError::MoreThanOne);
        }
        let value = value.to_str().map_err(|_| BearerError::Malformed)?;
        // The usual case, in one pass. A token68 contains no comma.
        if let Some(Ok(token)) = value.strip_prefix("Bearer ").map(str::parse) {
            return Ok(token);
        }
        // A proxy that joins two Authorization headers produces a comma-separated list (RFC 9110 §5.3). A comma
        // can also separate the parameters of one credential (`Digest`), but no parameter begins with a scheme
        // and a space.
        if value
            .split(',')
            .skip(1)
            .any(|part| names_scheme(part.trim_start()))
        {
            return Err(BearerError::MoreThanOne);
        }
        // RFC 9110 §11.1: the scheme is case-insensitive, and one or more spaces follow it.
        let (scheme, rest) = value.split_once(' ').ok_or(BearerError::OtherScheme)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(BearerError::OtherScheme);
        }
        rest.trim_matches(' ').parse()
    }

    /// Returns the text of the token. Only the verifier and the Backend API client may use it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for BearerToken {
    type Err = BearerError;

    fn from_str(text: &str) -> Result<Self, BearerError> {
        if text.len() > MAX_TOKEN_BYTES || !is_token68(text) {
            return Err(BearerError::Malformed);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Hides the token.
impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

/// Why no bearer token could be read from a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BearerError {
    /// There is no `Authorization` header.
    #[error("no Authorization header")]
    Missing,
    /// The scheme is not `Bearer`.
    #[error("the scheme of the Authorization header is not Bearer")]
    OtherScheme,
    /// The token is not a token68, or is longer than 16 KiB.
    #[error("the bearer token is not a token68 of at most {MAX_TOKEN_BYTES} bytes")]
    Malformed,
    /// The request has more than one credential.
    #[error("the request has more than one credential")]
    MoreThanOne,
}

/// Returns whether `part` begins with an authentication scheme that an MCP client could send.
fn names_scheme(part: &str) -> bool {
    part.split_once(' ').is_some_and(|(word, _)| {
        ["basic", "bearer", "dpop"]
            .iter()
            .any(|scheme| word.eq_ignore_ascii_case(scheme))
    })
}

/// Returns whether `text` is a token68 (RFC 9110 §11.2): letters, digits and `-._~+/`, then only `=`.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    // Without an early exit, the compiler checks many bytes at once.
    !body.is_empty()
        && body.bytes().fold(true, |valid, byte| {
            valid & (byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/'))
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn from(values: &[&str]) -> Result<String, BearerError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        BearerToken::from_headers(&headers).map(|token| token.expose().to_owned())
    }

    #[test]
    fn scheme_case_and_extra_spaces_are_ignored() {
        for value in [
            "Bearer a.b-c_d~e+f/g==",
            "bearer a.b-c_d~e+f/g==",
            "BEARER   a.b-c_d~e+f/g== ",
        ] {
            assert_eq!(from(&[value]), Ok("a.b-c_d~e+f/g==".to_owned()), "{value}");
        }
        let longest = "x".repeat(MAX_TOKEN_BYTES);
        assert_eq!(from(&[&format!("Bearer {longest}")]), Ok(longest));
    }

    #[test]
    fn each_invalid_header_has_its_own_error() {
        assert_eq!(from(&[]), Err(BearerError::Missing));
        for value in [
            "",
            "Bearer",
            "Basic dXNlcjpwdw==",
            "Token abc",
            "Bearerabc",
            "Bearer\tabc",
        ] {
            assert_eq!(from(&[value]), Err(BearerError::OtherScheme), "{value:?}");
        }
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1));
        for value in [
            "Bearer ",
            "Bearer =",
            "Bearer a=b",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            &long,
        ] {
            assert_eq!(from(&[value]), Err(BearerError::Malformed), "{value:?}");
        }
        for values in [
            &["Bearer a", "Bearer a"][..],
            &["Bearer a", "Basic b"],
            &["Bearer a, Bearer b"],
            &["Basic x, Bearer y"],
            &["Bearer a,Basic b"],
        ] {
            assert_eq!(from(values), Err(BearerError::MoreThanOne), "{values:?}");
        }
    }

    #[test]
    fn debug_hides_the_token() {
        assert_eq!(
            format!("{:?}", BearerToken("secret".to_owned())),
            "BearerToken(…)"
        );
    }
}
