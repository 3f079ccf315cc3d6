//! The configuration. It is read once by the entry point and validated as a whole. No other module reads the
//! environment.

mod clerk;
mod dotenv;
mod error;
mod parse;
mod reader;
mod urls;
mod variables;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use url::Url;

use self::reader::Reader;
#[cfg(feature = "cli")]
pub(crate) use self::reader::copying_mistake;
pub use self::{
    clerk::ClerkConfig,
    error::{ConfigError, InvalidVariable},
    variables::{VARIABLES, Variable, Variables},
};
use crate::{
    origin::{AllowedOrigins, is_loopback},
    token::{AudiencePolicy, TokenKind},
};

/// The validated configuration of the server.
///
/// ```
/// use std::{collections::HashMap, path::Path};
///
/// use clerk_mcp::config::{Config, Variables};
///
/// let flags = HashMap::from([("CLERK_DOMAIN", "app.clerk.accounts.dev".to_owned())]);
/// let environment = |name: &str| (name == "CLERK_SECRET_KEY").then(|| "pk_test_x".to_owned());
/// let error = Config::from_variables(&Variables::from_sources(&flags, environment, Some(Path::new(".env")))?)
///     .unwrap_err()
///     .to_string();
/// // All errors are reported at once.
/// assert!(error.contains("Missing required config: BASE_URL") && error.contains("CLERK_SECRET_KEY"));
/// # Ok::<_, clerk_mcp::config::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The Clerk application.
    pub clerk: ClerkConfig,
    /// `BASE_URL`, without a trailing slash in its path.
    pub base_url: Url,
    /// `HOST` and `PORT`.
    pub listen: SocketAddr,
    /// Whether `PORT` is not set. The demo then picks a free port if the default port is in use.
    pub port_is_default: bool,
    /// The rules for accepted tokens.
    pub tokens: TokenConfig,
    /// `SCOPES`.
    pub scopes: Vec<String>,
    /// `REQUIRED_SCOPES`.
    pub required_scopes: Vec<String>,
    /// `DOCS_URL`.
    pub docs_url: Option<Url>,
    /// `ALLOWED_ORIGINS`.
    pub allowed_origins: AllowedOrigins,
    /// `TRUST_FORWARDED`.
    pub trust_forwarded: bool,
    /// `AUDIT`.
    pub audit: bool,
    /// The limits of the HTTP server.
    pub limits: Limits,
    /// `ADMIN_ADDR`. The program `clerk-mcp` serves its metrics there. A server of your own can install any
    /// exporter of the `metrics` crate.
    pub admin_address: Option<SocketAddr>,
    /// `RUST_LOG`, or its default: a filter for `tracing_subscriber`.
    /// [`from_variables`](Self::from_variables) does not parse it.
    pub log_filter: String,
    /// `LOG_FORMAT`, if set. Used by the program `clerk-mcp`. A server of your own can install any `tracing`
    /// subscriber.
    pub log_format: Option<LogFormat>,
    /// Warnings about the `.env` file.
    file_warnings: Vec<String>,
}

/// The rules for accepted tokens.
///
/// ```
/// use clerk_mcp::{config::{Config, TokenConfig}, token::{AudiencePolicy, TokenKind}};
///
/// fn accepts_machines(Config { tokens: TokenConfig { accepted, .. }, .. }: &Config) -> bool {
///     accepted.contains(&TokenKind::M2mToken)
/// }
/// # fn strict(config: &Config) -> bool { config.tokens.audience == AudiencePolicy::Required }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenConfig {
    /// `CLERK_ACCEPTED_TOKENS`.
    pub accepted: Vec<TokenKind>,
    /// `CLERK_AUDIENCE`.
    pub audience: AudiencePolicy,
    /// `CLERK_SESSION_AUDIENCE`.
    pub session_audience: AudiencePolicy,
    /// `CLERK_ACCEPTED_AUDIENCES`.
    pub accepted_audiences: Vec<String>,
    /// `CLERK_AUTHORIZED_PARTIES`.
    pub authorized_parties: Vec<String>,
    /// `CLERK_CLOCK_SKEW`.
    pub leeway: Duration,
}

/// Limits of the HTTP server.
///
/// ```
/// use clerk_mcp::{config::{Config, Limits}, http::ServerLimits};
///
/// fn limits(config: &Config) -> ServerLimits {
///     let Limits { max_connections, shutdown_grace, .. } = config.limits;
///     ServerLimits::new(max_connections, shutdown_grace)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `MAX_BODY`, in bytes.
    pub max_body_bytes: usize,
    /// `REQUEST_TIMEOUT`.
    pub request_timeout: Duration,
    /// `MAX_CONNECTIONS`.
    pub max_connections: usize,
    /// `IDLE_TIMEOUT`.
    pub idle_timeout: Duration,
    /// `SHUTDOWN_GRACE`.
    pub shutdown_grace: Duration,
}

/// The log format.
///
/// ```
/// use clerk_mcp::config::LogFormat;
///
/// fn log(format: Option<LogFormat>) {
///     let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
///     match format {
///         Some(LogFormat::Json) => log.json().init(),
///         Some(LogFormat::Pretty) | None => log.init(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable text.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads the configuration from the environment and from the file `.env` in the working directory.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that lists every missing or invalid variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(&Variables::read(&HashMap::new(), Path::new(".env"))?)
    }

    /// Parses and validates `variables`.
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that lists every missing or invalid variable, not only the first.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let mut read = Reader::new(variables);
        let clerk = clerk::read(&mut read);
        let base_url = read.required("BASE_URL", BASE_URL_SOURCE, urls::base_url);
        let host = read.or("HOST", IpAddr::V4(Ipv4Addr::LOCALHOST), parse::host);
        let port = read.or(
            "PORT",
            DEFAULT_PORT,
            parse::number("a port number from 0 to 65535"),
        );
        let tokens = TokenConfig {
            accepted: read.or(
                "CLERK_ACCEPTED_TOKENS",
                vec![TokenKind::SessionToken, TokenKind::OAuthToken],
                parse::accepted_tokens,
            ),
            audience: read.or("CLERK_AUDIENCE", AudiencePolicy::Required, parse::audience),
            session_audience: read.or(
                "CLERK_SESSION_AUDIENCE",
                AudiencePolicy::IfPresent,
                parse::session_audience,
            ),
            accepted_audiences: read.or("CLERK_ACCEPTED_AUDIENCES", Vec::new(), parse::list),
            authorized_parties: read.or("CLERK_AUTHORIZED_PARTIES", Vec::new(), urls::authorized_parties),
            leeway: read.or(
                "CLERK_CLOCK_SKEW",
                Duration::from_secs(5),
                parse::duration(Duration::ZERO, MAX_LEEWAY),
            ),
        };
        let scopes = read.or(
            "SCOPES",
            vec!["profile".to_owned(), "email".to_owned()],
            parse::scopes,
        );
        let required_scopes = read.or("REQUIRED_SCOPES", Vec::new(), parse::required_scopes);
        let docs_url = read.optional("DOCS_URL", urls::web_url);
        let allowed_origins = read.optional("ALLOWED_ORIGINS", urls::origins);
        let trust_forwarded = read.or("TRUST_FORWARDED", false, parse::boolean);
        let audit = read.or("AUDIT", true, parse::on_or_off);
        let limits = Limits {
            max_body_bytes: read.or("MAX_BODY", 4 * 1024 * 1024, parse::size),
            request_timeout: read.or(
                "REQUEST_TIMEOUT",
                Duration::from_secs(30),
                parse::duration(ONE_SECOND, ONE_HOUR),
            ),
            max_connections: read.or("MAX_CONNECTIONS", 10_000, parse::count),
            idle_timeout: read.or(
                "IDLE_TIMEOUT",
                Duration::from_secs(75),
                parse::duration(ONE_SECOND, ONE_HOUR),
            ),
            shutdown_grace: read.or(
                "SHUTDOWN_GRACE",
                Duration::from_secs(20),
                parse::duration(Duration::ZERO, ONE_HOUR),
            ),
        };
        let log_format = read.optional("LOG_FORMAT", parse::log_format);
        let admin_address = read.optional("ADMIN_ADDR", parse::socket_address);
        read.finish()?;
        // `finish` returned no error, so both are `Some`.
        let (Some(clerk), Some(base_url)) = (clerk, base_url) else {
            return Err(ConfigError::default());
        };
        Ok(Self {
            allowed_origins: allowed_origins.unwrap_or_else(|| AllowedOrigins::of(&base_url)),
            clerk,
            base_url,
            listen: SocketAddr::new(host, port),
            port_is_default: variables.get("PORT").is_none(),
            tokens,
            scopes,
            required_scopes,
            docs_url,
            trust_forwarded,
            audit,
            limits,
            admin_address,
            log_filter: variables.get("RUST_LOG").unwrap_or(DEFAULT_LOG_FILTER).to_owned(),
            log_format,
            file_warnings: variables.warnings().to_vec(),
        })
    }

    /// Takes the configuration from `pairs` of names and values, for tests and for servers that are
    /// configured by other means. `base_url` is `BASE_URL`. Neither the environment nor `.env` is read.
    ///
    /// A test that calls a tool over HTTP. It needs tokio with the features `macros`, `net` and `rt`, and the
    /// packages `local-clerk`, `reqwest` (feature `json`) and `serde_json`:
    ///
    /// ```no_run
    /// use clerk_mcp::{app::App, config::Config, mcp::ExampleTools};
    /// use local_clerk::LocalClerk;
    /// use serde_json::{Value, json};
    /// use tokio::net::TcpListener;
    ///
    /// #[tokio::test]
    /// async fn greet_names_the_caller() {
    ///     let clerk = LocalClerk::builder().start().await.unwrap();
    ///     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ///     let base_url = format!("http://{}", listener.local_addr().unwrap());
    ///     let config = Config::from_pairs(clerk.environment(), &base_url).unwrap();
    ///     let app = App::builder(&config).server(ExampleTools::new("mine")).build().unwrap();
    ///     tokio::spawn(app.run(listener, std::future::pending()));
    ///
    ///     let endpoint = format!("{base_url}/mcp");
    ///     let token = clerk.oauth_token("ada", "client", &["profile"], Some(&endpoint)).unwrap();
    ///     let request = reqwest::Client::builder()
    ///         .no_proxy()
    ///         .build()
    ///         .unwrap()
    ///         .post(&endpoint)
    ///         .bearer_auth(token.mint())
    ///         .header("Accept", "application/json, text/event-stream")
    ///         .json(&json!({
    ///             "jsonrpc": "2.0", "id": 1, "method": "tools/call",
    ///             "params": { "name": "greet", "arguments": { "name": "Ada" } },
    ///         }));
    ///     let answer: Value = request.send().await.unwrap().json().await.unwrap();
    ///     let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    ///     assert!(text.starts_with("Hello, Ada! Your Clerk user ID is user_"), "{answer}");
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns a [`ConfigError`] that lists every missing, invalid or unknown variable.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
        base_url: &str,
    ) -> Result<Self, ConfigError> {
        let mut variables = Variables::from_pairs(pairs)?;
        variables.set("BASE_URL", Some(base_url.to_owned()));
        Self::from_variables(&variables)
    }

    /// Returns warnings to be logged at start: about settings that are valid but weaken security or are
    /// probably mistakes.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.file_warnings.clone();
        let (url, port) = (&self.base_url, self.listen.port());
        if is_loopback(url) && port != 0 && url.port_or_known_default() != Some(port) {
            let base_url = url.as_str().trim_end_matches('/');
            warnings.push(format!(
                "BASE_URL is {base_url}, but the server listens on port {port} (PORT): clients cannot reach it, unless a proxy \
                 on this machine forwards requests"
            ));
        }
        match self.tokens.audience {
            AudiencePolicy::Required => {}
            AudiencePolicy::IfPresent => warnings.push(
                "CLERK_AUDIENCE=if-present: OAuth tokens without an audience are accepted, even if they were issued for \
                 another server of the Clerk application"
                    .to_owned(),
            ),
            AudiencePolicy::Observe => warnings.push(
                "CLERK_AUDIENCE=observe: OAuth tokens that were issued for other servers are accepted and logged; set \
                 it to required when the log names no more clients"
                    .to_owned(),
            ),
            AudiencePolicy::Off => warnings.push(
                "CLERK_AUDIENCE=off: OAuth tokens that were issued for other servers are accepted".to_owned(),
            ),
        }
        if self.tokens.session_audience == AudiencePolicy::Off {
            warnings.push(
                "CLERK_SESSION_AUDIENCE=off: session tokens with the audience of another server are accepted"
                    .to_owned(),
            );
        }
        for scope in ["openid", "offline_access"] {
            if self.scopes.iter().any(|one| one == scope) {
                warnings.push(format!(
                    "SCOPES contains {scope}: a resource server should not request it; clients request it themselves"
                ));
            }
        }
        warnings
    }
}

/// The default of `RUST_LOG`. At level INFO rmcp logs a line per request, which is too much.
pub(crate) const DEFAULT_LOG_FILTER: &str = "info,rmcp=off";
const DEFAULT_PORT: u16 = 3001;
const ONE_SECOND: Duration = Duration::from_secs(1);
const ONE_HOUR: Duration = Duration::from_hours(1);
/// A larger leeway would accept tokens for minutes after they expire. A clock that is further off must be
/// corrected.
const MAX_LEEWAY: Duration = Duration::from_mins(5);
const BASE_URL_SOURCE: &str = "the URL at which clients reach this server, such as http://127.0.0.1:3001";
