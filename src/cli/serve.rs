//! `serve` and `openapi`: the server as configured.

use std::{io, net::SocketAddr, process::ExitCode, sync::Arc};

use clerk_mcp::{
    app::{App, AppError},
    clock::SystemClock,
    config::{Config, Variables},
    outbound,
    public::{PublicApi, PublicSettings},
    token::ResourceNames,
};
use tokio::net::TcpListener;

use super::{
    Failure, logging, metrics, output,
    settings::{Scope, Settings},
    variables,
};

/// Runs the server until a signal comes.
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let variables = variables(settings)?;
    // Both are read before either is reported, so that everything wrong is told at once.
    let (config, filter) = match (
        Config::from_variables(&variables),
        logging::filter(&variables, logging::DEFAULT_FILTER),
    ) {
        (Ok(config), Ok(filter)) => (config, filter),
        (Err(config), Err(filter)) => return Err(config.and(filter).into()),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error.into()),
    };
    logging::start(filter, config.log_format);
    runtime()?.block_on(async {
        let listener = listen(config.listen).await?;
        let _metrics = match config.admin_address {
            Some(address) => Some(metrics::serve(address).await?),
            None => None,
        };
        let app = App::builder(&config).build()?;
        tracing::info!(address = %listener.local_addr()?, endpoint = %mcp_endpoint(&config), "listening");
        app.run(listener, stop_signal()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What the OpenAPI document tells of the configuration.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Published;

impl Published {
    const VARIABLES: [&str; 3] = ["BASE_URL", "SCOPES", "DOCS_URL"];
}

impl Scope for Published {
    const HEADING: &'static str =
        "What the document tells of the configuration (without it, that of an example server)";

    fn has(name: &str) -> bool {
        Self::VARIABLES.contains(&name)
    }
}

/// Prints the OpenAPI document. Needs no configuration: without `BASE_URL` it's that of an example server.
pub(super) fn print_openapi(settings: &Settings<Published>, yaml: bool) -> Result<ExitCode, Failure> {
    let given = variables(settings)?;
    let mut variables = Variables::default();
    for name in Published::VARIABLES {
        variables.set(name, given.get(name).map(str::to_owned));
    }
    if variables.get("BASE_URL").is_none() {
        variables.set("BASE_URL", Some("https://mcp.example.com".to_owned()));
    }
    // The document says nothing of the Clerk application.
    variables.set("CLERK_DOMAIN", Some("clerk.example.com".to_owned()));
    variables.set("CLERK_SECRET_KEY", Some("sk_live_unused".to_owned()));
    let config = Config::from_variables(&variables)?;
    let settings = PublicSettings {
        name: "Clerk MCP server".to_owned(),
        instructions: None,
        resources: ResourceNames::new(&config.base_url),
        issuer: config.clerk.issuer().to_owned(),
        scopes: config.scopes.clone(),
        docs_url: config.docs_url.as_ref().map(ToString::to_string),
        demo: None,
    };
    let client = outbound::client(&config.clerk.frontend_api, &[]).map_err(AppError::Tls)?;
    let document = PublicApi::document(settings, client, Arc::new(SystemClock));
    output::print(&if yaml { document.yaml() } else { document.json() })?;
    Ok(ExitCode::SUCCESS)
}

/// Binds the address that `HOST` and `PORT` make.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    bind(address, |error| {
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            "HOST"
        } else {
            "PORT"
        }
    })
    .await
}

/// Binds an address; `variable` names the one to change when that fails.
pub(super) async fn bind(
    address: SocketAddr,
    variable: impl Fn(&io::Error) -> &'static str,
) -> Result<TcpListener, Failure> {
    let failed = |source| Failure::Listen {
        address,
        variable: variable(&source),
        source,
    };
    TcpListener::bind(address).await.map_err(failed)
}

/// Ends at Ctrl-C or SIGTERM.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// The runtime of every command that runs something.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

pub(super) fn mcp_endpoint(config: &Config) -> String {
    ResourceNames::new(&config.base_url).mcp().to_owned()
}
