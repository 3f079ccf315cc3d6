//! The only writer of `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

use http::HeaderValue;
use url::{Position, Url};

use crate::{paths, token::ResourceNames};

/// What every challenge of one protected resource says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChallengeContext {
    /// Absolute URL of the protected resource metadata, that of the MCP endpoint.
    pub resource_metadata: String,
    /// The scopes to ask for at sign-in.
    pub scopes: Vec<String>,
    /// The scopes that every request needs, whatever it is for.
    pub required_scopes: Vec<String>,
}

impl ChallengeContext {
    /// The context of the MCP endpoint of `resources`, whose clients should sign in with `scopes`. No scope is required yet.
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

    /// Asks every token for these scopes.
    #[must_use]
    pub fn require_scopes(mut self, scopes: Vec<String>) -> Self {
        self.required_scopes = scopes;
        self
    }

    /// The scopes of an operation that needs `needed`: those that every request needs, too. A client that asks for what a
    /// challenge names, and gets that, must get through (MCP, "Scope Challenge Handling").
    pub(super) fn all_scopes(&self, needed: &[String]) -> Vec<String> {
        let mut all = self.required_scopes.clone();
        for scope in needed {
            if !all.contains(scope) {
                all.push(scope.clone());
            }
        }
        all
    }
}

/// A `Bearer` challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge<'a> {
    /// `error` and `error_description`; none when there was no token to find fault with (RFC 6750 §3.1).
    pub(super) error: Option<(&'a str, &'a str)>,
    /// Scopes that this request needs, in place of those of the context.
    pub(super) scopes: Option<&'a [String]>,
}

impl Challenge<'_> {
    /// The header's value: always the same order, comma-separated, each value quoted.
    pub(super) fn header(&self, context: &ChallengeContext) -> HeaderValue {
        let mut parameters = Vec::new();
        if let Some((error, description)) = self.error {
            parameters.push(("error", error.to_owned()));
            parameters.push(("error_description", description.to_owned()));
        }
        let scopes = self.scopes.unwrap_or(&context.scopes).join(" ");
        if !scopes.is_empty() {
            parameters.push(("scope", scopes));
        }
        parameters.push(("resource_metadata", context.resource_metadata.clone()));
        let text = parameters
            .into_iter()
            .map(|(name, value)| format!("{name}=\"{}\"", quotable(&value)))
            .collect::<Vec<_>>()
            .join(", ");
        // `quotable` leaves visible ASCII and spaces only, of which every header value may consist.
        HeaderValue::try_from(format!("Bearer {text}")).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
    }
}

/// RFC 6750 §3: `%x20-21 / %x23-5B / %x5D-7E`, which leaves out the quote and the backslash, so nothing needs
/// escaping. What isn't allowed is dropped.
fn quotable(value: &str) -> String {
    value
        .chars()
        .filter(|c| matches!(c, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e'))
        .collect()
}
