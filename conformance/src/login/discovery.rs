//! Finds the authorization server of a target, as MCP clients do.

use serde_json::{Map, Value};
use url::{Position, Url};

use super::{
    LoginError,
    http::{Http, object},
};
use crate::{assertions::Challenge, runner::initialize};

/// What the protected resource metadata (RFC 9728) and the challenge of the target say.
pub(super) struct Resource {
    pub(super) identifier: String,
    /// The first authorization server.
    pub(super) issuer: Url,
    /// The scopes to request: `scope` of the challenge, otherwise `scopes_supported` (MCP, Scope Selection
    /// Strategy). Empty if the target names none.
    pub(super) scopes: Vec<String>,
}

/// The authorization server metadata (RFC 8414).
pub(super) struct AuthorizationServer {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) registration_endpoint: Option<Url>,
    /// Whether every redirect contains `iss` (RFC 9207).
    pub(super) sends_issuer: bool,
}

impl Resource {
    pub(super) async fn discover(http: &Http, mcp_url: &Url) -> Result<Self, LoginError> {
        let answer = http
            .post(mcp_url, |request| {
                request
                    .header("accept", "application/json, text/event-stream")
                    .json(&initialize())
            })
            .await?;
        let challenge = Challenge::of(&answer);
        let parameter = |name: &str| challenge.as_ref()?.get(name);
        let candidates = match parameter("resource_metadata") {
            Some(url) => vec![url.parse().map_err(|error| {
                LoginError::new(format!(
                    "`resource_metadata` in the challenge of {mcp_url} is not a URL: {url:?} ({error})"
                ))
            })?],
            None => vec![
                below_well_known(mcp_url, "oauth-protected-resource", mcp_url.path()),
                below_well_known(mcp_url, "oauth-protected-resource", ""),
            ],
        };
        let (url, document) =
            first_document(http, &candidates, "protected resource metadata (RFC 9728)").await?;
        let identifier = text(&document, "resource").unwrap_or_default();
        if !contains(identifier, mcp_url) {
            return Err(LoginError::new(format!(
                "the metadata at {url} is for the resource {identifier:?}, not for {mcp_url}. Give the server's public \
                 URL with --url, or correct the base URL in the server's configuration"
            )));
        }
        let list = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let issuers = list("authorization_servers");
        let issuer = issuers
            .first()
            .and_then(Value::as_str)
            .and_then(|issuer| Url::parse(issuer).ok());
        let issuer = issuer.ok_or_else(|| {
            LoginError::new(format!(
                "the metadata at {url} names no URL in `authorization_servers`"
            ))
        })?;
        let scopes = match parameter("scope") {
            Some(scope) => scope.split_whitespace().map(str::to_owned).collect(),
            None => list("scopes_supported")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        };
        Ok(Self {
            identifier: identifier.to_owned(),
            issuer,
            scopes,
        })
    }
}

impl AuthorizationServer {
    pub(super) async fn discover(http: &Http, issuer: &Url) -> Result<Self, LoginError> {
        let path = issuer.path().trim_end_matches('/');
        let mut candidates = vec![
            below_well_known(issuer, "oauth-authorization-server", path),
            below_well_known(issuer, "openid-configuration", path),
        ];
        if !path.is_empty() {
            let mut url = issuer.clone();
            url.set_path(&format!("{path}/.well-known/openid-configuration"));
            candidates.push(url);
        }
        let (url, document) =
            first_document(http, &candidates, "authorization server metadata (RFC 8414)").await?;
        let named = text(&document, "issuer").unwrap_or_default();
        if named.trim_end_matches('/') != issuer.as_str().trim_end_matches('/') {
            return Err(LoginError::new(format!(
                "the metadata at {url} is of the issuer {named:?}, not of {issuer} (RFC 8414 §3.3)"
            )));
        }
        let methods = document
            .get("code_challenge_methods_supported")
            .and_then(Value::as_array);
        if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
            return Err(LoginError::new(format!(
                "the metadata at {url} does not list S256 in `code_challenge_methods_supported`, so MCP clients refuse \
                 to sign in"
            )));
        }
        let endpoint = |name: &str| text(&document, name).and_then(|endpoint| Url::parse(endpoint).ok());
        let required = |name: &str| {
            endpoint(name)
                .ok_or_else(|| LoginError::new(format!("the metadata at {url} has no URL in `{name}`")))
        };
        Ok(Self {
            issuer: named.to_owned(),
            authorization_endpoint: required("authorization_endpoint")?,
            token_endpoint: required("token_endpoint")?,
            registration_endpoint: endpoint("registration_endpoint"),
            sends_issuer: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

/// Returns the first JSON object that one of the URLs serves, with its URL.
async fn first_document(
    http: &Http,
    candidates: &[Url],
    what: &str,
) -> Result<(Url, Map<String, Value>), LoginError> {
    let mut answers = Vec::new();
    for url in candidates {
        let answer = http.get(url, "application/json").await?;
        match object(&answer) {
            Some(document) if answer.status == 200 => return Ok((url.clone(), document)),
            Some(_) | None => answers.push(format!("{url} answered {}", answer.status.as_u16())),
        }
    }
    Err(LoginError::new(format!(
        "there is no {what}: {}, without a JSON object",
        answers.join(", ")
    )))
}

/// Returns the well-known URL for an identifier with this path (RFC 8414 §3.1, RFC 9728 §3.1).
fn below_well_known(identifier: &Url, name: &str, path: &str) -> Url {
    let mut url = identifier.clone();
    url.set_path(&format!("/.well-known/{name}{}", path.trim_end_matches('/')));
    url
}

/// Returns whether the resource is the endpoint, or a server that contains it.
fn contains(resource: &str, endpoint: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let path = resource.path().trim_end_matches('/');
    let rest = endpoint.path().strip_prefix(path);
    resource[..Position::BeforePath] == endpoint[..Position::BeforePath]
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text<'a>(document: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_contains_endpoints_below_its_path() {
        let endpoint = Url::parse("https://a.example/app/mcp").unwrap();
        for (resource, expected) in [
            ("https://a.example/app/mcp", true),
            ("https://a.example/app/", true),
            ("https://a.example", true),
            ("https://a.example/ap", false),
            ("http://a.example/app/mcp", false),
            ("https://b.example/app/mcp", false),
            ("", false),
        ] {
            assert_eq!(contains(resource, &endpoint), expected, "{resource}");
        }
    }
}
