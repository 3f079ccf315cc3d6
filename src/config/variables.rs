//! The table of variables, and where their values come from: flags, then the environment, then `.env`.

use std::{
    collections::HashMap,
    env, fmt, fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use super::{ConfigError, Fault, parse::may_show};

/// One variable of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name in the environment. The flag is the same in kebab case.
    pub name: &'static str,
    /// What stands for the value in `--help`.
    pub value: &'static str,
    /// The default, as documented.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Whether its value may never be shown. Secrets have no flag, for every user of a machine can read the
    /// arguments of a process; a file can be named instead.
    pub secret: bool,
}

/// Every variable, in the order of the documentation.
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
            "none; it must be set",
            "Secret key of the Clerk application (sk_test_… or sk_live_…)",
        )
    },
    var(
        "CLERK_SECRET_KEY_FILE",
        "FILE",
        "none",
        "File that holds the secret key",
    ),
    var(
        "CLERK_DOMAIN",
        "HOST",
        "none; it must be set",
        "Frontend API host of the Clerk application",
    ),
    var(
        "CLERK_PUBLISHABLE_KEY",
        "KEY",
        "none",
        "Publishable key (pk_…); CLERK_DOMAIN is derived from it when only this is given",
    ),
    var(
        "BASE_URL",
        "URL",
        "none; it must be set",
        "Public URL of this server; decides every URL it publishes",
    ),
    var("HOST", "IP", "127.0.0.1", "Address to listen on"),
    var("PORT", "PORT", "3001", "Port to listen on; 0 takes a free one"),
    var(
        "CLERK_API_URL",
        "URL",
        "https://api.clerk.com",
        "Clerk's Backend API",
    ),
    var(
        "CLERK_FRONTEND_API_URL",
        "URL",
        "https://$CLERK_DOMAIN",
        "Clerk's Frontend API, the issuer of tokens; http only on loopback",
    ),
    var(
        "CLERK_CA_FILE",
        "FILE",
        "none",
        "Root certificates to trust for Clerk, beside the system's (PEM)",
    ),
    var(
        "CLERK_JWT_KEY",
        "PEM",
        "none",
        "Public key of the application (PEM): verify without fetching keys",
    ),
    var(
        "CLERK_ACCEPTED_TOKENS",
        "LIST",
        "session_token,oauth_token",
        "Kinds of tokens that are accepted; also m2m_token and api_key",
    ),
    var(
        "CLERK_AUDIENCE",
        "POLICY",
        "required",
        "How aud of OAuth tokens is checked: required, if-present, observe (accept and log) or off",
    ),
    var(
        "CLERK_SESSION_AUDIENCE",
        "POLICY",
        "if-present",
        "How aud of session tokens is checked: if-present or off",
    ),
    var(
        "CLERK_ACCEPTED_AUDIENCES",
        "LIST",
        "none",
        "Further values of aud to accept, as exact strings",
    ),
    var(
        "CLERK_AUTHORIZED_PARTIES",
        "LIST",
        "none",
        "Origins that session tokens may come from (azp)",
    ),
    var(
        "CLERK_CLOCK_SKEW",
        "DURATION",
        "5s",
        "Leeway for exp, nbf and iat",
    ),
    var(
        "SCOPES",
        "LIST",
        "profile,email",
        "Scopes that clients are told to ask for",
    ),
    var(
        "REQUIRED_SCOPES",
        "LIST",
        "none",
        "Scopes that every token must have; session tokens have none",
    ),
    var(
        "DOCS_URL",
        "URL",
        "none",
        "Documentation of this server, for clients (resource_documentation)",
    ),
    var(
        "ALLOWED_ORIGINS",
        "LIST",
        "that of BASE_URL; loopback when it is loopback",
        "Web origins that may call /mcp",
    ),
    var(
        "TRUST_FORWARDED",
        "BOOL",
        "false",
        "Log the client address that X-Forwarded-For ends with; it counts for nothing else",
    ),
    var(
        "AUDIT",
        "on or off",
        "on",
        "Log one line per tool call, without arguments and personal data",
    ),
    var("MAX_BODY", "SIZE", "4 MiB", "Largest request body"),
    var(
        "REQUEST_TIMEOUT",
        "DURATION",
        "30s",
        "Longest time for one request; a call within it gets nine tenths",
    ),
    var("MAX_CONNECTIONS", "COUNT", "10000", "Most connections at a time"),
    var(
        "SHUTDOWN_GRACE",
        "DURATION",
        "20s",
        "Time that requests in flight get at shutdown; for a quarter of it, 5s at most, /readyz still says so, unless on loopback",
    ),
    var(
        "ADMIN_ADDR",
        "IP:PORT",
        "none",
        "Second listener, for /metrics (Prometheus)",
    ),
    var(
        "LOG_FORMAT",
        "FORMAT",
        "pretty on a terminal, else json",
        "Form of the log on stderr: pretty or json",
    ),
    var("RUST_LOG", "FILTER", "info,rmcp=warn", "What is logged"),
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

/// The values of all variables, as text. `Debug` shows names only.
#[derive(Default)]
pub struct Variables(HashMap<&'static str, SecretString>);

impl Variables {
    /// Takes each variable from `flags` if it's there, else from the process environment, else from the file `dotenv`
    /// if there is one. An empty value counts as none.
    ///
    /// The secret key may also be in the file that `CLERK_SECRET_KEY_FILE` names, or be handed over by systemd
    /// (`LoadCredential=CLERK_SECRET_KEY:…`).
    ///
    /// # Errors
    /// When a file can't be read.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn read(flags: &HashMap<&'static str, String>, dotenv: &Path) -> Result<Self, ConfigError> {
        let environment = |name: &str| env::var(name).ok();
        Self::from_sources(flags, environment, dotenv)
    }

    /// As [`read`](Self::read), of the environment only the variables `names`, and no file.
    ///
    /// # Errors
    /// When a file can't be read that a flag names.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn read_only(flags: &HashMap<&'static str, String>, names: &[&str]) -> Result<Self, ConfigError> {
        let environment = |name: &str| names.contains(&name).then(|| env::var(name).ok()).flatten();
        Self::from_sources(flags, environment, Path::new(""))
    }

    /// As [`read`](Self::read), with `environment` in place of the process's.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn from_sources(
        flags: &HashMap<&'static str, String>,
        environment: impl Fn(&str) -> Option<String>,
        dotenv: &Path,
    ) -> Result<Self, ConfigError> {
        let dotenv = read_dotenv(dotenv)?;
        let mut values = Self::default();
        for variable in VARIABLES {
            let value = flags
                .get(variable.name)
                .cloned()
                .or_else(|| environment(variable.name))
                .or_else(|| dotenv.get(variable.name).cloned());
            values.set(variable.name, value);
        }
        if values.get(SECRET_KEY).is_none() {
            let credential =
                environment("CREDENTIALS_DIRECTORY").map(|folder| Path::new(&folder).join(SECRET_KEY));
            if let Some(file) = values.get("CLERK_SECRET_KEY_FILE").map(PathBuf::from) {
                let text = fs::read_to_string(&file)
                    .map_err(|error| unreadable("CLERK_SECRET_KEY_FILE", &file, &error))?;
                values.set(SECRET_KEY, Some(text));
            } else if let Some(file) = credential.filter(|file| file.exists()) {
                let text =
                    fs::read_to_string(&file).map_err(|error| unreadable(SECRET_KEY, &file, &error))?;
                values.set(SECRET_KEY, Some(text));
            }
        }
        Ok(values)
    }

    /// Sets a value; used by programs that bring their own, such as the demo.
    pub fn set(&mut self, name: &'static str, value: Option<String>) {
        match value
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
        {
            Some(value) => self.0.insert(name, value.into()),
            None => self.0.remove(name),
        };
    }

    /// The text of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn read_dotenv(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    if path.as_os_str().is_empty() {
        return Ok(HashMap::new());
    }
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(HashMap::new()),
        Err(_) => {
            return Err(ConfigError::invalid(vec![Fault::new(
                ".env",
                "the file can't be read",
            )]));
        }
    };
    lines.collect::<Result<_, _>>().map_err(|error| {
        // The error's own text holds the line, which may hold a secret.
        let reason = if let dotenvy::Error::LineParse(_, position) = error {
            format!(
                "a line is not of the form NAME=value (at its character {position}); quote values with spaces"
            )
        } else {
            "the file can't be read as UTF-8 text".to_owned()
        };
        ConfigError::invalid(vec![Fault::new(".env", reason)])
    })
}

fn unreadable(variable: &'static str, file: &Path, error: &io::Error) -> ConfigError {
    let shown = file.to_string_lossy();
    // Somebody may have put the key where the file's name belongs.
    let name = if may_show(variable, &shown) {
        shown
    } else {
        "the file".into()
    };
    ConfigError::invalid(vec![Fault::new(
        variable,
        format!("{name} can't be read ({})", error.kind()),
    )])
}

/// The name of the one secret.
const SECRET_KEY: &str = "CLERK_SECRET_KEY";
