//! Profiles: what a kind of server is told at its start, and what it offers. Small TOML files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use include_dir::{Dir, include_dir};
use schemars::JsonSchema;
use serde::Deserialize;

use local_clerk::{mint::TokenKind, position::toml_fault};

use crate::schema;

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/profiles");

/// What a profile can offer besides the kinds of tokens, with what it means.
#[rustfmt::skip]
pub const OPTIONS: &[(&str, &str)] = &[
    ("revision-2025-11-25", "It speaks MCP 2025-11-25 (initialize)."),
    ("revision-2026-07-28", "It speaks MCP 2026-07-28 (server/discover)."),
    ("texts", "Its refusals have the bodies and descriptions of clerk-mcp."),
    ("tools", "It has the four tools of clerk-mcp."),
    ("root-metadata", "It has protected resource metadata at the host's root too, for the server as a whole."),
    ("authorization-server-metadata", "It mirrors Clerk's RFC 8414 document, for older clients."),
    ("full-mirror", "It mirrors it under every name that clients try, and without Clerk, too."),
    ("cors", "It lets web pages of other origins read its answers."),
    ("origin-check", "It knows which origins are allowed."),
    ("host-check", "It knows which hosts it is reached by."),
    ("health", "It has /healthz and /readyz."),
    ("pages", "It has a start page, /docs and the OpenAPI documents."),
    ("start-messages", "It says what is wrong with its configuration as clerk-mcp does, and exits with 78."),
    ("asks-clerk", "It has Clerk verify every token, JWTs too, and holds no keys itself."),
    ("retry-after", "It answers 503 with Retry-After when Clerk is away."),
];

/// The settings that cases change, with what they give them. A profile maps those that its server has.
#[rustfmt::skip]
pub const SETTINGS: &[(&str, &str)] = &[
    ("accepted_tokens", "The kinds of tokens it accepts, with commas between: session_token,api_key."),
    ("audience", "Whether an OAuth token must name this server: required, if-present or off."),
    ("authorized_parties", "Whom azp may name, with commas between."),
    ("clock_skew", "How far clocks may differ: 5s."),
    ("jwt_key", "The public key that verifies tokens, as PEM."),
    ("scopes", "The scopes it asks clients to get, with commas between."),
    ("required_scopes", "The scopes without which it refuses a token, with commas between."),
    ("docs_url", "Where its documentation is."),
    ("allowed_origins", "The origins of web pages that may call it, with commas between."),
    ("max_body", "How large a body may be: 10 KiB."),
    ("base_url", "The URL that it is reached by, which is not where it listens; requests have its path."),
    ("publishable_key", "Clerk's publishable key, good or bad."),
];

/// What the pause of a case is that waits as long as a profile says.
pub(crate) const KEY_INTERVAL: &str = "{key_interval}";

/// A kind of server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// The kinds of tokens it accepts as it is configured here.
    pub accepts: BTreeSet<TokenKind>,
    /// What else it offers; see `list --options`.
    #[serde(default)]
    #[schemars(schema_with = "schema::offers")]
    pub offers: BTreeSet<String>,
    /// The path that everything is below, `/app`, where its base URL has one.
    #[serde(default)]
    pub base_path: String,
    /// The path of its MCP endpoint, below the base path.
    #[serde(default = "mcp_path")]
    pub mcp_path: String,
    /// The path that answers 200 when it is ready. Without it, any answer at all will do.
    #[serde(default)]
    pub ready: Option<String>,
    /// The audience that OAuth tokens have to be for.
    #[serde(default = "resource")]
    pub resource: String,
    /// The scopes of the OAuth tokens that it is asked with.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Whether calls of 2025-11-25 need a session (`Mcp-Session-Id`).
    #[serde(default)]
    pub sessions: bool,
    /// Whether the local Clerk must speak https. The target is then told whom to trust, as `{ca_file}`.
    #[serde(default)]
    pub https: bool,
    /// Whether Clerk's hosts are built into it, so that its requests must be intercepted (`run --intercept`).
    #[serde(default)]
    pub intercept: bool,
    /// How long it waits between two looks at Clerk's keys, `30s`: cases that publish a key wait as long before they use
    /// it.
    #[serde(default = "key_interval")]
    pub key_interval: String,
    /// Its environment. `{host}`, `{port}`, `{base_url}`, `{secret_key}`, `{publishable_key}`, `{domain}`,
    /// `{frontend_api_url}`, `{backend_api_url}`, `{jwks_url}`, `{ca_file}` stand for what they are in the run.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The settings that cases can change: their variables. See `list --settings`.
    #[serde(default)]
    #[schemars(schema_with = "schema::settings")]
    pub settings: BTreeMap<String, String>,
}

/// A profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(String);

impl Profile {
    /// The profile of this name, or in this file when it names one (`.toml`).
    ///
    /// # Errors
    ///
    /// [`ProfileError`], when there is none or it is wrong; it says which there are.
    pub fn find(name: &str) -> Result<Self, ProfileError> {
        if Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = fs::read_to_string(name)
                .map_err(|error| ProfileError(format!("{name}: cannot be read: {error}")))?;
            return Self::parse(name, &text);
        }
        match BUILT_IN
            .get_file(format!("{name}.toml"))
            .and_then(|file| file.contents_utf8())
        {
            Some(text) => Self::parse(&format!("profiles/{name}.toml"), text),
            None => Err(ProfileError(format!(
                "there is no profile {name:?}: there are {}; or name a file, ./{name}.toml",
                Self::names().join(", ")
            ))),
        }
    }

    /// The same for a text; `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`ProfileError`].
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)
            .map_err(|error| ProfileError(format!("{name}: {}", toml_fault(text, &error))))?;
        if profile.accepts.is_empty() {
            return Err(ProfileError(format!(
                "{name}: accepts is empty: a server that takes no token has nothing to judge; see list --options"
            )));
        }
        if let Some(unknown) = profile.offers.iter().find(|option| !names(OPTIONS, option)) {
            return Err(ProfileError(format!(
                "{name}: {unknown:?} cannot be offered; see list --options"
            )));
        }
        if let Some(unknown) = profile.settings.keys().find(|setting| !is_setting(setting)) {
            return Err(ProfileError(format!(
                "{name}: no case changes {unknown:?}; see list --settings"
            )));
        }
        let path = &profile.base_path;
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
            return Err(ProfileError(format!(
                "{name}: base_path: {path:?} has no slash at its beginning, or one at its end: /app, for example"
            )));
        }
        if duration(&profile.key_interval).is_none() {
            return Err(ProfileError(format!(
                "{name}: key_interval: {:?} is no time: 30s or 500ms, for example",
                profile.key_interval
            )));
        }
        Ok(profile)
    }

    /// The names of the profiles that come with the program.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Whether it offers this, be it a kind of token or something else.
    pub fn offers(&self, option: &str) -> bool {
        self.offers.contains(option) || self.accepts.iter().any(|kind| kind.name() == option)
    }

    /// The token to use where any will do: that of a session, or an OAuth token, or another JWT, or the first it accepts.
    pub fn ordinary_kind(&self) -> Option<TokenKind> {
        self.ordinary_kind_of(|_| true)
    }

    /// The same of those kinds that `can` be used.
    pub(crate) fn ordinary_kind_of(&self, can: impl Fn(&TokenKind) -> bool) -> Option<TokenKind> {
        [TokenKind::SessionToken, TokenKind::OauthToken]
            .iter()
            .filter(|kind| self.accepts.contains(kind))
            .chain(self.accepts.iter().filter(|kind| kind.is_jwt()))
            .chain(&self.accepts)
            .copied()
            .find(can)
    }
}

/// Whether a profile could offer this.
pub(crate) fn is_option(name: &str) -> bool {
    names(OPTIONS, name)
        || toml::Value::String(name.to_owned())
            .try_into::<TokenKind>()
            .is_ok()
}

/// Whether a case could change this.
pub(crate) fn is_setting(name: &str) -> bool {
    names(SETTINGS, name)
}

fn names(table: &[(&str, &str)], name: &str) -> bool {
    table.iter().any(|(one, _)| *one == name)
}

/// `1s`, `500ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}

fn mcp_path() -> String {
    "/mcp".to_owned()
}

fn resource() -> String {
    "{mcp_url}".to_owned()
}

fn key_interval() -> String {
    "0s".to_owned()
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}
