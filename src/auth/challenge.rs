//! The only writer of `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

use http::HeaderValue;
use url::{Position, Url};

use crate::{paths, session::add_missing, token::ResourceNames};

/// The values that all challenges of one protected resource share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeContext {
    /// The absolute URL of the protected resource metadata of the MCP endpoint.
    pub resource_metadata: String,
    /// The scopes that a client should request at sign-in. They include the required scopes.
    pub scopes: Vec<String>,
    /// The scopes that every request needs.
    pub required_scopes: Vec<String>,
}

impl ChallengeContext {
    /// Creates the context of the MCP endpoint of `resources`. Clients should sign in with `scopes`; none is
    /// required.
    pub fn new(resources: &ResourceNames, scopes: Vec<String>) -> Self {
        // RFC 9728 §3.1: the well-known segment goes between host and path.
        let resource_metadata = match Url::parse(resources.mcp()) {
            Ok(url) => {
                format!(
                    "{}{}{}",
                    &url[..Position::BeforePath],
                    paths::PROTECTED_RESOURCE,
                    url.path()
                )
            }
            Err(_) => String::new(),
        };
        Self {
            resource_metadata,
            scopes,
            required_scopes: Vec::new(),
        }
    }

    /// Requires these scopes for every request. The 401 challenge asks clients to request them at sign-in.
    #[must_use]
    pub fn require_scopes(mut self, scopes: Vec<String>) -> Self {
        add_missing(&mut self.scopes, &scopes);
        self.required_scopes = scopes;
        self
    }

    /// Builds a `Bearer` challenge. The parameters are in a fixed order, comma-separated and quoted.
    ///
    /// `error` has `error` and `error_description`; `None` without a well-formed bearer token (RFC 6750 §3.1).
    /// `scopes` are the scopes that this request needs, if they differ from those for sign-in.
    pub(super) fn header(&self, error: Option<(&str, &str)>, scopes: Option<&[String]>) -> HeaderValue {
        let mut text = String::with_capacity(256);
        text.push_str("Bearer");
        if let Some((error, description)) = error {
            push_parameter(&mut text, "error", [error]);
            push_parameter(&mut text, "error_description", [description]);
        }
        let scopes = scopes.unwrap_or(&self.scopes);
        if scopes.iter().any(|scope| !scope.is_empty()) {
            push_parameter(&mut text, "scope", scopes.iter().map(String::as_str));
        }
        push_parameter(&mut text, "resource_metadata", [self.resource_metadata.as_str()]);
        // Only visible ASCII and spaces are pushed, so this conversion cannot fail.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
    }
}

/// Appends a parameter whose value is `words`, separated by spaces. Characters that RFC 6750 §3 does not
/// allow are left out. Quote and backslash are among them, so the value needs no escaping.
fn push_parameter<'a>(text: &mut String, name: &str, words: impl IntoIterator<Item = &'a str>) {
    text.push_str(if text.ends_with('"') { ", " } else { " " });
    text.push_str(name);
    text.push_str("=\"");
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let is_allowed = |c| matches!(c, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
        // The usual case, in one copy.
        if word.bytes().map(char::from).all(is_allowed) {
            text.push_str(word);
        } else {
            text.extend(word.chars().filter(|c| is_allowed(*c)));
        }
    }
    text.push('"');
}
