//! The values of placeholders such as `{base_url}` or `{ada}`.

use std::{collections::BTreeMap, sync::LazyLock};

use local_clerk::LocalClerk;
use regex::{Captures, Regex};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

/// The values of the placeholders in cases and profiles.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(BTreeMap<String, String>);

/// A placeholder without a value in this run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{{{0}}} has no value in this run")]
pub(super) struct UnknownPlaceholder(pub(super) String);

impl UnknownPlaceholder {
    /// Returns what a run against a running target must be given to know the value.
    pub(super) fn remedy(&self, has_clerk: bool) -> String {
        match self.0.as_str() {
            "issuer" if !has_clerk => {
                "the case needs the issuer of the target's tokens: give --issuer".to_owned()
            }
            _ if !has_clerk => "the case needs the local Clerk".to_owned(),
            name => format!("the case needs {{{name}}}, which only a run with --command has"),
        }
    }
}

/// Placeholders that are filled in later: the token of the request and the id of its caller, the parts and
/// keys of a minted token, the number of a repetition.
const FILLED_LATER: [&str; 7] = [
    CALLER,
    "token",
    "header",
    "claims",
    "another_key",
    "another_certificate",
    "n",
];

/// The placeholder for the tool that callers without a token may call. It has a value if there is one.
pub(super) const PUBLIC_TOOL: &str = "public_tool";

/// The placeholder for the id of the user who sent a request.
pub(super) const CALLER: &str = "caller";

static PLACEHOLDER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([a-z][a-z0-9_.-]*)\}").ok());

impl Values {
    pub(super) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Fills in every placeholder of a text.
    pub(super) fn fill(&self, text: &str) -> Result<String, UnknownPlaceholder> {
        let mut unknown = None;
        let Some(placeholder) = PLACEHOLDER.as_ref() else {
            return Ok(text.to_owned());
        };
        let filled = placeholder.replace_all(text, |found: &Captures<'_>| {
            let (whole, [name]) = found.extract();
            match self.get(name) {
                Some(value) => value.to_owned(),
                None if FILLED_LATER.contains(&name) => whole.to_owned(),
                None => {
                    unknown.get_or_insert_with(|| name.to_owned());
                    String::new()
                }
            }
        });
        match unknown {
            Some(name) => Err(UnknownPlaceholder(name)),
            None => Ok(filled.into_owned()),
        }
    }

    /// Returns the values that are known without a target: the paths of its MCP endpoint, but no host.
    pub(super) fn without_target(mcp_path: &str) -> Self {
        let mut values = Self::default();
        values.add_target("http://target.invalid", mcp_path);
        for (name, value) in &mut values.0 {
            if value.contains("target.invalid") {
                *value = format!("{{{name}}}");
            }
        }
        values
    }

    /// Fills in every text of a value. Unknown placeholders stay.
    pub(super) fn fill_known<T: Serialize + DeserializeOwned>(
        &mut self,
        value: &T,
    ) -> Result<T, UnknownPlaceholder> {
        loop {
            match self.fill_in(value) {
                Err(UnknownPlaceholder(name)) if self.get(&name).is_none() => {
                    let itself = format!("{{{name}}}");
                    self.set(name, itself);
                }
                filled => return filled,
            }
        }
    }

    /// Fills in every text of a value.
    pub(super) fn fill_in<T: Serialize + DeserializeOwned>(
        &self,
        value: &T,
    ) -> Result<T, UnknownPlaceholder> {
        let mut json = serde_json::to_value(value).map_err(|error| UnknownPlaceholder(error.to_string()))?;
        self.fill_json(&mut json)?;
        serde_json::from_value(json).map_err(|error| UnknownPlaceholder(error.to_string()))
    }

    fn fill_json(&self, value: &mut Value) -> Result<(), UnknownPlaceholder> {
        match value {
            Value::String(text) => *text = self.fill(text)?,
            Value::Array(values) => {
                for value in values {
                    self.fill_json(value)?;
                }
            }
            Value::Object(members) => {
                for (_, value) in members {
                    self.fill_json(value)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        Ok(())
    }

    /// Adds the URLs and keys of a local Clerk, under names with a prefix.
    pub(super) fn add_clerk(&mut self, clerk: &LocalClerk, prefix: &str) {
        for (name, value) in [
            ("issuer", clerk.issuer().to_owned()),
            ("frontend_api_url", clerk.frontend_api_url().to_owned()),
            ("backend_api_url", clerk.backend_api_url().to_owned()),
            (
                "jwks_url",
                format!("{}/.well-known/jwks.json", clerk.frontend_api_url()),
            ),
            ("domain", clerk.domain().to_owned()),
            ("secret_key", clerk.secret_key().to_owned()),
            ("publishable_key", clerk.publishable_key().to_owned()),
            ("jwt_key", clerk.signing_key().public_key_pem()),
            ("kid", clerk.instance_id().to_owned()),
            ("kid.capitals", clerk.instance_id().to_ascii_uppercase()),
        ] {
            self.set(format!("{prefix}{name}"), value);
        }
    }

    /// Adds the ids of users by their first names, and of organizations by their slugs.
    pub(super) fn add_people(&mut self, state: &Value) {
        let list = |name: &str| {
            state
                .get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        for user in list("users") {
            if let (Some(id), Some(name)) = (text(&user, "id"), text(&user, "first_name")) {
                self.set(name.to_ascii_lowercase(), id);
            }
        }
        for organization in list("organizations") {
            if let (Some(id), Some(slug)) = (text(&organization, "id"), text(&organization, "slug")) {
                self.set(format!("org.{slug}"), id);
            }
        }
    }

    /// Adds the URLs of a target whose base URL has a path.
    pub(super) fn add_target_below(&mut self, origin: &str, base_path: &str, mcp_path: &str) {
        self.add_target(origin, &format!("{base_path}{mcp_path}"));
        self.set("base_url", format!("{origin}{base_path}"));
        self.set("base_path", base_path);
    }

    /// Adds the URLs of the target with this MCP endpoint.
    pub(super) fn add_mcp_url(&mut self, url: &Url) {
        let base = url.as_str().trim_end_matches(url.path());
        self.add_target(base, url.path());
    }

    /// Adds the URLs of a target, and other spellings of its MCP path.
    pub(super) fn add_target(&mut self, base_url: &str, mcp_path: &str) {
        let base_url = base_url.trim_end_matches('/');
        let parsed = Url::parse(base_url).ok();
        let origin = parsed.as_ref().map(|url| url.origin().ascii_serialization());
        let authority = origin.as_deref().and_then(|origin| origin.split_once("://"));
        self.set("base_url", base_url);
        self.set("authority", authority.map_or("", |(_, authority)| authority));
        self.set("origin", origin.clone().unwrap_or_default());
        // An origin that ends with a port (RFC 6454 §6.2), whose host begins like the target's.
        let alike = parsed.as_ref().and_then(|url| {
            let host = format!("{}.attacker.example", url.host_str()?);
            let port = url.port().map_or(String::new(), |port| format!(":{port}"));
            Some(format!("{}://{host}{port}", url.scheme()))
        });
        self.set("origin.alike", alike.unwrap_or_default());
        self.set("mcp_url", format!("{base_url}{mcp_path}"));
        self.set("mcp", mcp_path);
        let (before, last) = mcp_path.rsplit_once('/').unwrap_or(("", mcp_path));
        self.set("mcp.last", format!("/{last}"));
        self.set("mcp.capitals", mcp_path.to_ascii_uppercase());
        let mut letters = last.chars();
        let encoded = letters
            .next()
            .filter(char::is_ascii)
            .map(|first| format!("%{:02x}", u32::from(first)));
        let encoded = encoded.unwrap_or_default();
        self.set("mcp.encoded", format!("{before}/{encoded}{}", letters.as_str()));
        self.set(
            "base_path",
            parsed.map_or(String::new(), |url| url.path().trim_end_matches('/').to_owned()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let mut values = Values::default();
        values.set("base_url", "http://a");
        assert_eq!(
            values.fill("{base_url}/mcp {token}").unwrap(),
            "http://a/mcp {token}"
        );
        let json = r#"{"jsonrpc":"2.0","params":{}} \d{3}"#;
        assert_eq!(values.fill(json).unwrap(), json);
        assert_eq!(
            values.fill("{nothing}"),
            Err(UnknownPlaceholder("nothing".to_owned()))
        );
    }

    #[test]
    fn the_mcp_path_has_other_spellings() {
        let mut values = Values::default();
        values.add_target("http://a.example:8080", "/api/mcp");
        for (text, expected) in [
            ("{mcp}/..{mcp.last}", "/api/mcp/../mcp"),
            ("{mcp.capitals}", "/API/MCP"),
            ("{mcp.encoded}", "/api/%6dcp"),
            ("{origin.alike}", "http://a.example.attacker.example:8080"),
            ("{base_url}{base_path}", "http://a.example:8080"),
        ] {
            assert_eq!(values.fill(text).unwrap(), expected);
        }
        values.add_target_below("http://a.example:8080", "/app", "/mcp");
        for (text, expected) in [
            ("{origin}", "http://a.example:8080"),
            ("{base_url}", "http://a.example:8080/app"),
            ("{mcp_url}", "http://a.example:8080/app/mcp"),
            ("{mcp}", "/app/mcp"),
        ] {
            assert_eq!(values.fill(text).unwrap(), expected);
        }
    }
}
