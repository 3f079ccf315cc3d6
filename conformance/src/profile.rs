//! Profiles: what a kind of server is told at its start, and what it offers. Small TOML files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use include_dir::{Dir, include_dir};
use local_clerk::{mint::TokenKind, position::toml_fault};
use schemars::JsonSchema;
use serde::Deserialize;

pub use crate::vocabulary::{OPTIONS, SETTINGS};
use crate::{
    schema,
    vocabulary::{duration, is_option, is_setting},
};

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/profiles");

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
        if let Some(unknown) = profile.offers.iter().find(|option| !is_option(option)) {
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
