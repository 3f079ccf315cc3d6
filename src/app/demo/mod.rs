//! A demo: the server and a local Clerk in one process. [`App::demo`] runs one for any tools, and the
//! program's command `demo` for the example tools.

mod broken;
mod report;
mod routes;
mod tokens;

use std::{
    collections::HashMap,
    fmt,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use local_clerk::{LocalClerk, MintError, StartError};
use rmcp::ServerHandler;
use thiserror::Error;
use tokio::net::TcpListener;
use url::Url;

use self::broken::BrokenRequests;
pub(crate) use self::report::DemoReport;
use super::{App, AppBuilder, AppError, ListenError, lifecycle::PlainIoError, listen, shutdown_signal};
use crate::{
    config::{Config, ConfigError, InvalidVariable, Variables},
    origin::AllowedOrigins,
    token::ResourceNames,
};

impl App {
    /// Runs `app` with a local Clerk and sample users until Ctrl-C or SIGTERM. Needs no Clerk account, no
    /// network and no configuration. Prints the URLs on stdout; the start page has a playground for your
    /// tools and tokens of the sample users.
    ///
    /// Reads only `HOST`, `PORT`, `LOG_FORMAT` and `RUST_LOG`, because the other variables describe your
    /// Clerk application. It starts no log: the last two are in the configuration that `app` gets. Listens on
    /// 127.0.0.1 and ports 3001 and 3002, or on free ports if these are taken. Needs the feature `demo`.
    ///
    /// **Anyone who can connect gets tokens of the sample users.** Keep it on loopback.
    ///
    /// ```no_run
    /// # use clerk_mcp::mcp::ExampleTools as MyTools;
    /// use clerk_mcp::{app::{App, AppBuilder, DemoError}, config::Config};
    ///
    /// fn app(config: &Config) -> AppBuilder<'_, MyTools> {
    ///     App::builder(config).server(MyTools::new("mine"))
    /// }
    ///
    /// # async fn run() -> Result<(), DemoError> {
    /// App::demo(app).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// Returns a [`DemoError`] if a variable is invalid, an address cannot be listened on, or the app cannot
    /// be built.
    pub async fn demo<H: ServerHandler + Clone>(
        app: impl for<'a> FnOnce(&'a Config) -> AppBuilder<'a, H>,
    ) -> Result<(), DemoError> {
        let stop = shutdown_signal()?;
        let variables = Variables::read_selected(&HashMap::new(), &ENVIRONMENT)?;
        let demo = Demo::start(variables, &DemoOptions::default()).await?;
        let (app, report) = demo.build(app(&demo.config)).await?;
        // If stdout is closed, the server is still useful.
        let _ = writeln!(io::stdout().lock(), "{}", report.text(false));
        demo.run(app, stop).await
    }
}

/// The variables that a demo reads from the environment. The others, and `.env`, configure a real Clerk
/// application.
pub(crate) const ENVIRONMENT: [&str; 4] = ["HOST", "PORT", "LOG_FORMAT", "RUST_LOG"];

/// With the last of these scopes, the user chooses an organization at sign-in.
pub(crate) const SCOPES: &str = "profile,email,user:org:read";

/// Settings of a demo that are not variables of the server.
#[derive(Debug, Default)]
pub(crate) struct DemoOptions {
    /// The port of the local Clerk, if it is not the default.
    pub(crate) clerk_port: Option<u16>,
    /// Signs in as this user without a page.
    pub(crate) auto_approve: Option<String>,
    /// Serves other machines at this address of this machine.
    pub(crate) network: Option<IpAddr>,
    /// Whether the program `clerk-mcp` runs the demo, so that texts may name its commands and flags.
    pub(crate) in_program: bool,
}

/// A local Clerk, and the listener and configuration of the server that trusts it.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) config: Config,
    /// Shared with the [routes] of the demo.
    clerk: Arc<LocalClerk>,
    listener: TcpListener,
    in_program: bool,
    /// What differs from the default, such as another port.
    notes: Vec<String>,
}

impl Demo {
    /// Starts the local Clerk, and listens for the server.
    pub(crate) async fn start(mut variables: Variables, options: &DemoOptions) -> Result<Self, DemoError> {
        let mut notes = Vec::new();
        let clerk = start_clerk(options, &mut notes).await?;
        for (name, value) in clerk.environment() {
            variables.set(name, Some(value));
        }
        if variables.get("SCOPES").is_none() {
            variables.set("SCOPES", Some(SCOPES.to_owned()));
        }
        if let Some(address) = options.network {
            variables.set("HOST", Some(address.to_string()));
            // The configuration allows http only for loopback. `publish` sets the real URLs.
            variables.set("CLERK_FRONTEND_API_URL", Some("http://127.0.0.1".to_owned()));
            variables.set("CLERK_API_URL", Some("http://127.0.0.1".to_owned()));
        }
        let base_url_is_default = variables.get("BASE_URL").is_none();
        if base_url_is_default {
            variables.set("BASE_URL", Some("http://127.0.0.1".to_owned()));
        }
        let mut config = Config::from_variables(&variables)?;
        let ip = config.listen.ip();
        if base_url_is_default && options.network.is_none() && !ip.is_loopback() && !ip.is_unspecified() {
            let reason = format!(
                "the demo serves {ip} only with --network {ip} of `clerk-mcp demo`; without it, expected a loopback \
                 address, 0.0.0.0 or ::"
            );
            return Err(ConfigError::invalid(vec![InvalidVariable::new("HOST", reason)]).into());
        }
        let listener = listen_or_free_port(&config, &mut notes).await?;
        let address = reachable(listener.local_addr()?);
        if options.network.is_some() {
            publish(&mut config, address, &clerk)?;
            if variables.get("ALLOWED_ORIGINS").is_none() {
                config.allowed_origins = AllowedOrigins::of(&config.base_url);
            }
        } else if base_url_is_default {
            variables.set("BASE_URL", Some(format!("http://{address}")));
            config = Config::from_variables(&variables)?;
        }
        notes.extend(exposure(config.listen.ip(), options));
        if let Some(user) = &options.auto_approve {
            notes.push(format!(
                "Every sign-in succeeds as {user}, without a page (--auto-approve)."
            ));
        }
        clerk.register_resource(ResourceNames::new(&config.base_url).mcp());
        Ok(Self {
            config,
            clerk: Arc::new(clerk),
            listener,
            in_program: options.in_program,
            notes,
        })
    }

    /// Builds the app with the sample users on its start page, and the report to print.
    pub(crate) async fn build<H: ServerHandler + Clone>(
        &self,
        app: AppBuilder<'_, H>,
    ) -> Result<(App, DemoReport), DemoError> {
        let report = DemoReport::new(self, &app).await?;
        let broken = BrokenRequests::new(&self.config)?;
        let requests = broken.all(&self.clerk, &app).await?;
        let app = routes::add(app, broken, &self.clerk)
            .show_sample_users(report.page_content(requests))
            .build()?;
        Ok((app, report))
    }

    /// Serves `app` until `stop` completes, then stops the local Clerk.
    pub(crate) async fn run(self, app: App, stop: impl Future<Output = ()>) -> Result<(), DemoError> {
        let outcome = app.run(self.listener, stop).await;
        // The routes hold the local Clerk only during a request.
        if let Some(clerk) = Arc::into_inner(self.clerk) {
            clerk.stop().await;
        }
        Ok(outcome?)
    }
}

/// Starts the local Clerk on the same port each time, if possible, because clients remember where they signed
/// in.
#[expect(clippy::wildcard_enum_match_arm, reason = "the local Clerk may add errors")]
async fn start_clerk(options: &DemoOptions, notes: &mut Vec<String>) -> Result<LocalClerk, DemoError> {
    let ip = options.network.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let start = async |port: u16| {
        let mut builder = LocalClerk::builder()
            .bind(SocketAddr::new(ip, port))
            // A client ID metadata document cannot be fetched without network access. Without this feature,
            // clients register dynamically instead.
            .client_id_metadata_documents(false);
        if let Some(user) = &options.auto_approve {
            builder = builder.auto_approve(user.clone());
        }
        builder.start().await
    };
    let outcome = match start(options.clerk_port.unwrap_or(CLERK_PORT)).await {
        Err(StartError::AddressInUse { .. }) if options.clerk_port.is_none() => {
            notes.push(format!(
                "Port {CLERK_PORT} is taken, so the local Clerk uses a free port. Clients that signed in before must sign in again."
            ));
            start(0).await
        }
        outcome => outcome,
    };
    outcome.map_err(|error| match error {
        StartError::AddressInUse { address } => DemoError::ClerkPort {
            address,
            source: io::ErrorKind::AddrInUse.into(),
        },
        StartError::Bind { address, source } => DemoError::ClerkPort { address, source },
        error => error.into(),
    })
}

/// Listens on the configured port. If that is the default port and it is taken, listens on a free port
/// instead.
async fn listen_or_free_port(config: &Config, notes: &mut Vec<String>) -> Result<TcpListener, ListenError> {
    match listen(config).await {
        Err(_) if config.port_is_default => {
            notes.push(format!(
                "Port {} cannot be used, so the server uses a free port.",
                config.listen.port()
            ));
            let mut config = config.clone();
            config.listen.set_port(0);
            listen(&config).await
        }
        outcome => outcome,
    }
}

/// Makes the server and the local Clerk name addresses that other machines can reach, over http.
fn publish(config: &mut Config, address: SocketAddr, clerk: &LocalClerk) -> Result<(), DemoError> {
    let url = |text: &str| Url::parse(text).map_err(|_| AppError::FrontendApi(text.to_owned()));
    config.base_url = url(&format!("http://{address}"))?;
    config.clerk.frontend_api = url(clerk.frontend_api_url())?;
    config.clerk.backend_api = url(clerk.backend_api_url())?;
    Ok(())
}

/// Returns what other machines can do, if they can reach a listener on this address.
fn exposure(ip: IpAddr, options: &DemoOptions) -> Option<String> {
    if ip.is_loopback() {
        return None;
    }
    if options.network.is_some() {
        return Some(
            "Everyone on the network can call the tools and sign in as any sample user, over http without encryption. \
             The playground gives them tokens, too."
                .to_owned(),
        );
    }
    let mut note = "Everyone on the network can reach the server. Browsers get 403, but a request that names 127.0.0.1 as its \
                    host gets tokens of the sample users. They cannot sign in: the local Clerk and the published URLs are \
                    on 127.0.0.1."
        .to_owned();
    note.push_str(if options.in_program {
        " Use --network with an address of this machine instead of --host to let them sign in, or --host 127.0.0.1 to \
         keep them out."
    } else {
        " Set HOST to 127.0.0.1 to keep them out."
    });
    Some(note)
}

/// Returns the address at which programs on this machine reach a listener that is bound to `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        ip => SocketAddr::new(ip, address.port()),
    }
}

/// Why a demo ended. `Debug` prints the same text as `Display`, because a `main` that returns an error prints
/// it with `Debug`.
#[derive(Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A variable is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The app could not be built.
    #[error(transparent)]
    App(#[from] AppError),
    /// The server cannot listen on its address.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The local Clerk could not start.
    #[error("[Clerk] The local Clerk cannot start: {source}{}", ErrorChain(.source))]
    LocalClerk {
        /// The error of the local Clerk.
        #[from]
        source: StartError,
    },
    /// The local Clerk cannot listen on its address.
    #[error("[Clerk] The local Clerk cannot listen on {address}: {}. Free the port, or choose another one (--clerk-port).", PlainIoError(.source))]
    ClerkPort {
        /// The address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A token of a sample user could not be made.
    #[error("[Clerk] The local Clerk cannot make a token: {0}")]
    Token(#[from] MintError),
    /// The listener failed.
    #[error("[Clerk] I/O error: {0}")]
    Io(#[from] io::Error),
}

impl fmt::Debug for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats the sources of an error, each after a colon.
struct ErrorChain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

const CLERK_PORT: u16 = 3002;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_others_can_reach_cause_a_warning() {
        for (address, warns) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("0.0.0.0", true),
            ("::", true),
            ("10.0.0.1", true),
        ] {
            let note = exposure(address.parse().unwrap(), &DemoOptions::default());
            assert_eq!(note.is_some(), warns, "{address}");
        }
    }

    #[test]
    fn note_says_what_others_can_do_and_names_the_flags_only_in_the_program() {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut options = DemoOptions::default();
        insta::assert_snapshot!(exposure(any, &options).unwrap(), @"Everyone on the network can reach the server. Browsers get 403, but a request that names 127.0.0.1 as its host gets tokens of the sample users. They cannot sign in: the local Clerk and the published URLs are on 127.0.0.1. Set HOST to 127.0.0.1 to keep them out.");
        options.in_program = true;
        insta::assert_snapshot!(exposure(any, &options).unwrap(), @"Everyone on the network can reach the server. Browsers get 403, but a request that names 127.0.0.1 as its host gets tokens of the sample users. They cannot sign in: the local Clerk and the published URLs are on 127.0.0.1. Use --network with an address of this machine instead of --host to let them sign in, or --host 127.0.0.1 to keep them out.");
        options.network = Some(any);
        insta::assert_snapshot!(exposure(any, &options).unwrap(), @"Everyone on the network can call the tools and sign in as any sample user, over http without encryption. The playground gives them tokens, too.");
    }
}
