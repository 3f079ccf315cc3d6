//! Profiles: TOML files that say what a server offers and how it is configured.

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
    case::{Case, Issuer},
    near_miss::did_you_mean,
    policy::Policy,
    schema,
    vocabulary::{duration, is_of_clerk_mcp, is_option, is_setting},
};

/// The options that a profile has if it names a tool.
const TOOL_OPTIONS: [&str; 3] = ["identity", "admin-tool", "public-tool"];

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/profiles");

/// A description of a server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name of the profile.
    pub name: String,
    /// What the server is, in one sentence.
    pub about: String,
    /// The token kinds that the server accepts with this environment.
    pub accepts: BTreeSet<TokenKind>,
    /// The issuer of the tokens: `clerk`, or `any` for a server that accepts access tokens (RFC 9068) of any OAuth
    /// issuer. Such a server is tested only with cases about RFCs and MCP.
    #[serde(default = "clerk")]
    pub issuer: Issuer,
    /// The path of the issuer's URL, for `any`: `/tenant`.
    #[serde(default)]
    pub issuer_path: String,
    /// The algorithms that the server accepts. The local issuer signs valid tokens with RS256. Cases that expect
    /// that another algorithm is rejected do not apply if the server accepts it.
    #[serde(default = "algorithms")]
    pub algorithms: BTreeSet<String>,
    /// What else the server offers. `list --options` shows the options.
    #[serde(default)]
    #[schemars(schema_with = "schema::offers")]
    pub offers: BTreeSet<String>,
    /// The path of the base URL, if it has one: `/app`.
    #[serde(default)]
    pub base_path: String,
    /// The path of the MCP endpoint, below the base path.
    #[serde(default = "mcp_path")]
    pub mcp_path: String,
    /// The path that answers 200 when the server is ready. Without it, the server is ready when it answers at
    /// all.
    #[serde(default)]
    pub ready: Option<String>,
    /// The audience of OAuth tokens.
    #[serde(default = "resource")]
    pub resource: String,
    /// The scopes of OAuth tokens.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// A tool whose result contains the user id of its caller and of no other user. Cases use it to check that
    /// the server does not mix up its callers.
    #[serde(default)]
    pub identity_tool: Option<String>,
    /// A tool that requires the role `org:admin` in the active organization. It is called without arguments.
    #[serde(default)]
    pub admin_tool: Option<String>,
    /// A tool that callers without a token may call, without arguments. They may also send `initialize`,
    /// `server/discover`, `tools/list` and `ping`. Needs an `identity_tool`, which requires a token.
    #[serde(default)]
    pub public_tool: Option<String>,
    /// Which identity may call which tool. Every cell of this matrix is tried as a case: `policy.IDENTITY.TOOL`.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// Whether requests of MCP 2025-11-25 need a session (`Mcp-Session-Id`).
    #[serde(default)]
    pub sessions: bool,
    /// Whether the local Clerk uses https. `{ca_file}` is the file with its certificate authority.
    #[serde(default)]
    pub https: bool,
    /// Whether the server has Clerk's hosts built in, so that its requests must be intercepted (`run
    /// --intercept`).
    #[serde(default)]
    pub intercept: bool,
    /// The minimum interval between two fetches of Clerk's keys: `30s`. Cases that publish a key wait this
    /// long before they use it.
    #[serde(default = "no_interval")]
    pub key_interval: String,
    /// How long the server may use a role that it looked up at Clerk: `31s`. Cases that change a role wait this
    /// long before they use it.
    #[serde(default = "no_interval")]
    pub role_interval: String,
    /// The environment variables of the server. Their values may contain placeholders: `{host}`, `{port}`,
    /// `{base_url}`, `{secret_key}`, `{publishable_key}`, `{domain}`, `{issuer}`, `{frontend_api_url}`,
    /// `{backend_api_url}`, `{jwks_url}`, `{audience}` (the `resource`), `{jwt_key}`, `{ca_file}`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The environment variable of each setting that cases can change. `list --settings` shows the settings.
    #[serde(default)]
    #[schemars(schema_with = "schema::settings")]
    pub settings: BTreeMap<String, String>,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ProfileError(String);

impl Profile {
    /// Returns the built-in profile with this name, or reads the file if the name ends with `.toml`.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], when there is no such profile, or it is invalid.
    pub fn find(name: &str) -> Result<Self, ProfileError> {
        if Path::new(name)
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let text = fs::read_to_string(name)
                .map_err(|error| ProfileError(format!("cannot read {name}: {error}")))?;
            return Self::parse(name, &text);
        }
        let built_in = BUILT_IN.get_file(format!("{name}.toml"));
        if let Some(text) = built_in.and_then(|file| file.contents_utf8()) {
            return Self::parse(&format!("profiles/{name}.toml"), text);
        }
        let names = Self::names();
        let suggestion = did_you_mean(name, names.iter().map(String::as_str));
        Err(ProfileError(format!(
            "unknown profile {name:?}: {}use {}, or a file such as ./{name}.toml",
            suggestion
                .map(|question| question + " Otherwise ")
                .unwrap_or_default(),
            names.join(", ")
        )))
    }

    /// Parses a profile. Errors contain `name`.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], when the profile is invalid.
    pub fn parse(name: &str, text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text)
            .map_err(|error| ProfileError(format!("{name}: {}", toml_fault(text, &error))))?;
        if profile.accepts.is_empty() {
            return Err(ProfileError(format!(
                "{name}: accepts is empty: list the token kinds that the server accepts (list --options)"
            )));
        }
        if let Some(unknown) = profile.offers.iter().find(|option| !is_option(option)) {
            let hint = hint(unknown, OPTIONS, "list --options");
            return Err(ProfileError(format!(
                "{name}: offers: unknown option {unknown:?}: {hint}"
            )));
        }
        if let Some(option) = TOOL_OPTIONS
            .iter()
            .find(|option| profile.offers.contains(**option))
        {
            let member = option.strip_suffix("-tool").unwrap_or(option);
            return Err(ProfileError(format!(
                "{name}: offers: name the tool in {member}_tool instead of {option:?}"
            )));
        }
        if profile.public_tool.is_some()
            && (profile.identity_tool.is_none() || profile.identity_tool == profile.public_tool)
        {
            return Err(ProfileError(format!(
                "{name}: public_tool: also name an identity_tool, which requires a token"
            )));
        }
        if let Some(unknown) = profile.settings.keys().find(|setting| !is_setting(setting)) {
            let hint = hint(unknown, SETTINGS, "list --settings");
            return Err(ProfileError(format!(
                "{name}: settings: unknown setting {unknown:?}: {hint}"
            )));
        }
        if !profile.algorithms.contains("RS256") {
            return Err(ProfileError(format!(
                "{name}: algorithms: add RS256, because the local issuer signs valid tokens with it"
            )));
        }
        for (member, path) in [
            ("base_path", &profile.base_path),
            ("issuer_path", &profile.issuer_path),
        ] {
            if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
                return Err(ProfileError(format!(
                    "{name}: {member}: expected a path such as /app, without a slash at its end, got {path:?}"
                )));
            }
        }
        if let Some(policy) = &profile.policy {
            policy
                .validate()
                .map_err(|problem| ProfileError(format!("{name}: policy: {problem}")))?;
        }
        for (member, interval) in [
            ("key_interval", &profile.key_interval),
            ("role_interval", &profile.role_interval),
        ] {
            if duration(interval).is_none() {
                return Err(ProfileError(format!(
                    "{name}: {member}: expected a duration such as 30s or 500ms, got {interval:?}"
                )));
            }
        }
        Ok(profile)
    }

    /// Returns the names of the built-in profiles.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN
            .files()
            .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Returns whether the server accepts this token kind or offers this option.
    pub fn offers(&self, option: &str) -> bool {
        match option {
            "identity" => self.identity_tool.is_some(),
            "admin-tool" => self.admin_tool.is_some(),
            "public-tool" => self.public_tool.is_some(),
            "rs384" | "ps256" => self.algorithms.contains(&option.to_ascii_uppercase()),
            "several-scopes" => self.scopes.len() > 1,
            _ => self.offers.contains(option) || self.accepts.iter().any(|kind| kind.name() == option),
        }
    }

    /// Returns whether the suite for this server contains the case. Cases about Clerk belong to it only if the
    /// issuer is Clerk, and cases that only a copy of clerk-mcp can pass only if the profile offers what they need.
    pub fn covers(&self, case: &Case) -> bool {
        if !self.covers_issuer_of(case) {
            return false;
        }
        let mut of_clerk_mcp = case.needs.iter().filter(|option| is_of_clerk_mcp(option));
        of_clerk_mcp.all(|option| self.offers(option))
    }

    /// Returns whether the case is about the issuer of this server's tokens, or about any.
    pub(crate) fn covers_issuer_of(&self, case: &Case) -> bool {
        case.issuer == Issuer::Any || self.issuer == Issuer::Clerk
    }

    /// Returns the token kind to use if any will do: a session token, an OAuth token, another JWT, or the
    /// first that the server accepts.
    pub fn ordinary_kind(&self) -> Option<TokenKind> {
        self.ordinary_kind_of(|_| true)
    }

    /// Returns the token kind to use if any will do, from those that are available.
    pub(crate) fn ordinary_kind_of(&self, is_available: impl Fn(&TokenKind) -> bool) -> Option<TokenKind> {
        [TokenKind::SessionToken, TokenKind::OauthToken]
            .iter()
            .filter(|kind| self.accepts.contains(kind))
            .chain(self.accepts.iter().filter(|kind| kind.is_jwt()))
            .chain(&self.accepts)
            .copied()
            .find(is_available)
    }
}

/// Returns what to write instead of an unknown name.
fn hint(unknown: &str, known: &[(&str, &str)], list: &str) -> String {
    let names = known.iter().map(|(name, _)| *name);
    did_you_mean(unknown, names).unwrap_or_else(|| format!("`{list}` shows all"))
}

fn mcp_path() -> String {
    "/mcp".to_owned()
}

fn resource() -> String {
    "{mcp_url}".to_owned()
}

fn clerk() -> Issuer {
    Issuer::Clerk
}

fn algorithms() -> BTreeSet<String> {
    ["RS256".to_owned()].into()
}

fn no_interval() -> String {
    "0s".to_owned()
}

fn scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}
