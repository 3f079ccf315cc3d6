//! Reads the bearer token of a request (RFC 6750 §2.1, RFC 9110 §11).

use poem::http::{HeaderMap, Uri, header};
use url::form_urlencoded;

use super::{flaw::Flaw, refusal::Refusal, server::Server};

/// Longest accepted token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

impl Server {
    /// Returns the only token of the request. `body` is set only if a flaw reads the body before
    /// authentication.
    pub(crate) fn bearer(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        body: Option<&[u8]>,
    ) -> Result<String, Refusal> {
        let values: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
        let value = match values.as_slice() {
            [] => {
                return self
                    .token_outside_header(headers, uri, body)
                    .ok_or(Refusal::Missing);
            }
            [value] => value,
            [first, ..] if self.has(Flaw::FirstOfTwoTokens) => first,
            [.., last] if self.has(Flaw::LastOfTwoTokens) => last,
            _ => return Err(Refusal::TwoCredentials),
        };
        let malformed = if self.has(Flaw::MalformedHeaderAs500) {
            Refusal::Internal
        } else {
            Refusal::Missing
        };
        let mut value = value.to_str().map_err(|_| malformed.clone())?;
        let schemes = ["basic ", "bearer ", "dpop "];
        let second_credential = value.split(',').skip(1).any(|part| {
            let part = part.trim_start().to_ascii_lowercase();
            schemes.iter().any(|scheme| part.starts_with(scheme))
        });
        if second_credential && !self.has(Flaw::FirstOfAList) {
            return Err(Refusal::TwoCredentials);
        }
        if self.has(Flaw::FirstOfAList) {
            value = value.split(',').next().unwrap_or_default().trim_end();
        }
        let tabbed = value.replace('\t', " ");
        if self.has(Flaw::TabAfterScheme) {
            value = &tabbed;
        }
        let (scheme, rest) = match value.split_once(' ') {
            Some(parts) => parts,
            None if self.has(Flaw::SchemeNotNeeded) => ("Bearer", value),
            None if self.has(Flaw::SchemeGlued) => value.split_at_checked(6).ok_or(Refusal::Missing)?,
            None => return Err(malformed),
        };
        let is_bearer = if self.has(Flaw::SchemeCaseSensitive) {
            scheme == "Bearer"
        } else {
            let lower = scheme.to_ascii_lowercase();
            lower == "bearer"
                || lower.starts_with("bearer") && self.has(Flaw::SchemePrefix)
                || self.has(Flaw::AnyScheme)
        };
        if !is_bearer {
            return Err(Refusal::Missing);
        }
        if self.has(Flaw::OneSpaceOnly) && rest.starts_with(' ') {
            return Err(malformed);
        }
        self.parse_token68(rest.trim_matches(' '), malformed)
    }

    /// Checks the token68 syntax (RFC 9110 §11.2) and the length.
    fn parse_token68(&self, text: &str, malformed: Refusal) -> Result<String, Refusal> {
        if self.has(Flaw::QuotedToken) {
            return Ok(text.trim_matches('"').to_owned());
        }
        if self.has(Flaw::LastWord) {
            // The token is the longest word, first or last.
            let word = text.split(' ').max_by_key(|word| word.len());
            return Ok(word.unwrap_or_default().to_owned());
        }
        if let (Some((_, value)), true) = (text.split_once("=\""), self.has(Flaw::TokenParameter)) {
            return Ok(value.trim_end_matches('"').to_owned());
        }
        if self.has(Flaw::PercentDecodedToken) {
            return Ok(text.replace("%0A", "").replace("%0a", ""));
        }
        if text.len() > MAX_TOKEN && self.has(Flaw::OversizedTokenAs500) {
            return Err(Refusal::Internal);
        }
        let limit = if self.has(Flaw::LittleTokenLimit) {
            MAX_TOKEN / 2
        } else {
            MAX_TOKEN
        };
        let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let body = text.trim_end_matches('=');
        let well_formed = !body.is_empty() && body.bytes().all(is_token68) || self.has(Flaw::PaddingAccepted);
        if well_formed && (text.len() <= limit || self.has(Flaw::NoTokenLimit)) {
            Ok(text.to_owned())
        } else {
            Err(malformed)
        }
    }

    /// Returns a token that is not in the Authorization header, which only flaws accept: in a cookie, the
    /// query or the body (RFC 6750 §2.2, §2.3).
    fn token_outside_header(&self, headers: &HeaderMap, uri: &Uri, body: Option<&[u8]>) -> Option<String> {
        if self.has(Flaw::ProxyAuthorizationAccepted) {
            let value = headers.get(header::PROXY_AUTHORIZATION)?.to_str().ok()?;
            return value.strip_prefix("Bearer ").map(str::to_owned);
        }
        if self.has(Flaw::OtherTokenHeader) {
            let value = headers
                .get("x-access-token")
                .or_else(|| headers.get("x-auth-token"))?;
            return value
                .to_str()
                .ok()
                .map(|value| value.trim_start_matches("Bearer ").to_owned());
        }
        if self.has(Flaw::TokenInCookie) {
            let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
            let mut cookies = cookies.split("; ");
            return cookies.find_map(|cookie| cookie.strip_prefix("__session=").map(str::to_owned));
        }
        let parameters = if self.has(Flaw::TokenInQuery) {
            uri.query()?.as_bytes()
        } else {
            body?
        };
        if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(parameters) {
            return members.get("access_token")?.as_str().map(str::to_owned);
        }
        form_urlencoded::parse(parameters)
            .find(|(name, _)| matches!(name.as_ref(), "access_token" | "token"))
            .map(|(_, token)| token.into_owned())
    }
}
