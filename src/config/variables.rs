//! The table of variables, and the sources of their values: flags, then the environment, then `.env`.

use std::{
    collections::HashMap,
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::{
    ConfigError, InvalidVariable,
    dotenv::Dotenv,
    reader::{copying_mistake, may_show},
};
use crate::nearest::nearest;

/// A configuration variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// The name of the environment variable. The flag has the same name in kebab case.
    pub name: &'static str,
    /// The placeholder for the value in `--help`.
    pub value: &'static str,
    /// The default, as shown in `--help` and in the README.
    pub default: &'static str,
    /// The description, as shown in `--help` and in the README.
    pub help: &'static str,
    /// Whether the value is secret. A secret is never printed, and has no flag, because every user of the
    /// machine can read the arguments of a process. Pass it in the environment, in `.env` or in a file.
    pub secret: bool,
}

/// All variables, in the order in which they are documented.
///
/// ```
/// use clerk_mcp::config::{VARIABLES, Variable};
///
/// for Variable { name, default, help, .. } in VARIABLES {
///     println!("{name}\t{default}\t{help}");
/// }
/// ```
pub const VARIABLES: &[Variable] = &[
    Variable {
        secret: true,
        ..var(
            "CLERK_SECRET_KEY",
            "KEY",
            "none (required)",
            "Secret key of the Clerk application (sk_test_… or sk_live_…)",
        )
    },
    var(
        "CLERK_SECRET_KEY_FILE",
        "FILE",
        "none",
        "File that contains the secret key",
    ),
    var(
        "CLERK_DOMAIN",
        "HOST",
        "none (required)",
        "Frontend API host of the Clerk application",
    ),
    var(
        "CLERK_PUBLISHABLE_KEY",
        "KEY",
        "none",
        "Publishable key (pk_…). If CLERK_DOMAIN is not set, it is derived from this key.",
    ),
    var(
        "BASE_URL",
        "URL",
        "none (required)",
        "Public URL of this server; all URLs that it publishes are derived from it",
    ),
    var("HOST", "IP", "127.0.0.1", "Address to listen on"),
    var("PORT", "PORT", "3001", "Port to listen on; 0 picks a free port"),
    var(
        "CLERK_API_URL",
        "URL",
        "https://api.clerk.com",
        "URL of Clerk's Backend API",
    ),
    var(
        "CLERK_FRONTEND_API_URL",
        "URL",
        "https://$CLERK_DOMAIN",
        "URL of Clerk's Frontend API, which issues the tokens; http is allowed only for loopback",
    ),
    var(
        "CLERK_ISSUER",
        "URL",
        "the Frontend API URL",
        "Issuer (iss) of the tokens, if this server reaches the Frontend API at another URL than clients do",
    ),
    var(
        "CLERK_CA_FILE",
        "FILE",
        "none",
        "Additional root certificates to trust for connections to Clerk (PEM file)",
    ),
    var(
        "CLERK_JWT_KEY",
        "PEM",
        "none",
        "Public key of the Clerk application (PEM), to verify tokens without fetching keys",
    ),
    var(
        "CLERK_ACCEPTED_TOKENS",
        "LIST",
        "session_token,oauth_token",
        "Accepted kinds of token: session_token, oauth_token, m2m_token, api_key",
    ),
    var(
        "CLERK_AUDIENCE",
        "POLICY",
        "required",
        "Audience check of OAuth tokens: required (aud must name this server), if-present (aud may be absent), observe \
         (log a missing or foreign aud and accept the token) or off",
    ),
    var(
        "CLERK_SESSION_AUDIENCE",
        "POLICY",
        "if-present",
        "Audience check of session tokens: if-present (aud may be absent) or off",
    ),
    var(
        "CLERK_ACCEPTED_AUDIENCES",
        "LIST",
        "none",
        "Additional audiences (aud) to accept, as exact strings",
    ),
    var(
        "CLERK_AUTHORIZED_PARTIES",
        "LIST",
        "none",
        "Allowed azp values of session tokens; if set, session tokens must have one of them",
    ),
    var(
        "CLERK_CLOCK_SKEW",
        "DURATION",
        "5s",
        "Leeway when checking exp, nbf and iat",
    ),
    var(
        "SCOPES",
        "LIST",
        "profile,email",
        "Scopes that clients are asked to request",
    ),
    var(
        "REQUIRED_SCOPES",
        "LIST",
        "none",
        "Scopes that every token must have; session tokens have no scopes and are rejected",
    ),
    var(
        "DOCS_URL",
        "URL",
        "none",
        "URL of this server's documentation, published as resource_documentation",
    ),
    var(
        "ALLOWED_ORIGINS",
        "LIST",
        "the origin of BASE_URL, plus any loopback origin if BASE_URL is loopback",
        "Origins whose web pages may call /mcp",
    ),
    var(
        "TRUST_FORWARDED",
        "BOOL",
        "false",
        "Log the last X-Forwarded-For address. Used for logging only.",
    ),
    var(
        "AUDIT",
        "on or off",
        "on",
        "Log one line per tool call, without arguments and personal data",
    ),
    var("MAX_BODY", "SIZE", "4 MiB", "Maximum size of a request body"),
    var(
        "REQUEST_TIMEOUT",
        "DURATION",
        "30s",
        "Time limit per request. Tool calls time out at 90 % of it.",
    ),
    var(
        "MAX_CONNECTIONS",
        "COUNT",
        "10000",
        "Maximum number of open connections; further clients wait. Lowered if the limit of open files is too small.",
    ),
    var(
        "IDLE_TIMEOUT",
        "DURATION",
        "75s",
        "Time after which an idle connection is closed. Set it higher than the idle timeout of the proxy in front.",
    ),
    var(
        "SHUTDOWN_GRACE",
        "DURATION",
        "20s",
        "Grace period for in-flight requests at shutdown, during which /readyz returns 503. New connections are accepted during the first quarter (at most 5s), except on loopback.",
    ),
    var(
        "ADMIN_ADDR",
        "IP:PORT",
        "none",
        "Address of a second listener, for /metrics (Prometheus), /healthz and /readyz",
    ),
    var(
        "LOG_FORMAT",
        "FORMAT",
        "pretty on a terminal, else json",
        "Format of the log on stderr: pretty or json",
    ),
    var("RUST_LOG", "FILTER", "info,rmcp=off", "Log filter"),
];

const fn var(name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable {
        name,
        value,
        default,
        help,
        secret: false,
    }
}

/// The values of all variables, as text. `Debug` shows only their names.
#[derive(Default)]
pub struct Variables {
    values: HashMap<&'static str, SecretString>,
    /// The errors of files that could not be read.
    /// [`Config::from_variables`](super::Config::from_variables) reports them together with all other errors.
    faults: Vec<InvalidVariable>,
    /// Warnings about the `.env` file.
    warnings: Vec<String>,
}

impl Variables {
    /// Reads each variable from `flags`, else from the process environment, else from the file `dotenv`, if it
    /// exists. An empty value counts as not set.
    ///
    /// The secret key can also come from the file that `CLERK_SECRET_KEY_FILE` names, or from a systemd
    /// credential (`LoadCredential=CLERK_SECRET_KEY:…`).
    ///
    /// # Errors
    /// Returns an error if `dotenv` cannot be read.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only module that reads the environment"
    )]
    pub fn read(flags: &HashMap<&'static str, String>, dotenv: &Path) -> Result<Self, ConfigError> {
        let environment = |name: &str| env::var(name).ok();
        Self::from_sources(flags, environment, Some(dotenv))
    }

    /// Like [`read`](Self::read), but reads only the variables in `names` from the environment, and no `.env`
    /// file.
    ///
    /// # Errors
    /// Never returns an error, because it reads no `.env` file.
    #[expect(
        clippy::disallowed_methods,
        reason = "the only module that reads the environment"
    )]
    pub fn read_selected(flags: &HashMap<&'static str, String>, names: &[&str]) -> Result<Self, ConfigError> {
        let environment = |name: &str| names.contains(&name).then(|| env::var(name).ok()).flatten();
        Self::from_sources(flags, environment, None)
    }

    /// Takes the variables from `pairs` of names and values, such as the environment of a local Clerk.
    ///
    /// # Errors
    /// Returns an error that lists the names that are not in [`VARIABLES`].
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError> {
        let mut values = HashMap::new();
        let mut unknown = Vec::new();
        for (name, value) in pairs {
            let name = name.as_ref();
            match VARIABLES.iter().find(|variable| variable.name == name) {
                Some(variable) => drop(values.insert(variable.name, value.into())),
                None => unknown.push(InvalidVariable::new("variables", unknown_variable(name))),
            }
        }
        if !unknown.is_empty() {
            return Err(ConfigError::invalid(unknown));
        }
        Self::from_sources(&values, |_| None, None)
    }

    /// Like [`read`](Self::read), but with `environment` instead of the environment of the process. `dotenv` is
    /// optional.
    ///
    /// # Errors
    /// Returns an error if `dotenv` cannot be read.
    pub fn from_sources(
        flags: &HashMap<&'static str, String>,
        environment: impl Fn(&str) -> Option<String>,
        dotenv: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let dotenv = dotenv.map(Dotenv::read).transpose()?.unwrap_or_default();
        let mut values = Self {
            warnings: dotenv.warnings,
            ..Self::default()
        };
        for variable in VARIABLES {
            let value = flags
                .get(variable.name)
                .cloned()
                .or_else(|| environment(variable.name))
                .or_else(|| dotenv.values.get(variable.name).cloned());
            values.set(variable.name, value);
        }
        if values.get(SECRET_KEY).is_none() {
            let credential =
                environment("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(SECRET_KEY));
            if let Some(file) = values.get("CLERK_SECRET_KEY_FILE").map(PathBuf::from) {
                values.read_secret_key("CLERK_SECRET_KEY_FILE", &file);
            } else if let Some(file) = credential.filter(|file| file.exists()) {
                values.read_secret_key(SECRET_KEY, &file);
            }
        }
        Ok(values)
    }

    /// Reads the secret key from a file that `source` names.
    fn read_secret_key(&mut self, source: &'static str, file: &Path) {
        match fs::read_to_string(file) {
            Ok(text) => self.set(SECRET_KEY, Some(text)),
            Err(error) => self.faults.push(unreadable(source, file, &error)),
        }
    }

    /// Returns the errors of files that could not be read.
    pub(super) fn faults(&self) -> &[InvalidVariable] {
        &self.faults
    }

    /// Returns the warnings about the `.env` file.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Sets or removes a value. For programs that supply values themselves, such as the demo.
    pub fn set(&mut self, name: &'static str, value: Option<String>) {
        match value
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
        {
            Some(value) => self.values.insert(name, value.into()),
            None => self.values.remove(name),
        };
    }

    /// Returns the value of a variable, or `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn unknown_variable(name: &str) -> String {
    match nearest(name, VARIABLES.iter().map(|variable| variable.name)) {
        Some(meant) => format!("there is no variable {name:?}; did you mean {meant}?"),
        None => format!("there is no variable {name:?}"),
    }
}

fn unreadable(variable: &'static str, file: &Path, error: &io::Error) -> InvalidVariable {
    let shown = file.to_string_lossy();
    if let Some(reason) = copying_mistake(&shown) {
        return InvalidVariable::new(variable, reason);
    }
    // The value may be a secret key instead of a file name, and must not be printed then.
    let name = if may_show(variable, &shown) {
        shown
    } else {
        "the file".into()
    };
    InvalidVariable::new(variable, format!("cannot read {name} ({})", error.kind()))
}

/// The name of the only secret variable.
const SECRET_KEY: &str = "CLERK_SECRET_KEY";
