//! `serve`: runs the server with the given configuration.

use std::{process::ExitCode, sync::Arc};

use tokio::runtime::Runtime;

#[cfg(feature = "otlp")]
use super::telemetry::Telemetry;
use super::{admin_listener::AdminListener, error::Failure, logging, process, settings::Settings};
use crate::{
    app::{self, App},
    config::Config,
    token::ResourceNames,
};

/// Runs the server until the process is asked to stop (Ctrl-C or SIGTERM).
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let variables = settings.variables()?;
    // All configuration errors are reported at once, including an invalid log filter.
    let (mut config, filter) = match (
        Config::from_variables(&variables),
        logging::filter(&variables, logging::DEFAULT_LOG_FILTER),
    ) {
        (Ok(config), Ok(filter)) => (config, filter),
        (Err(config), Err(filter)) => return Err(config.and(filter).into()),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error.into()),
    };
    // Before the runtime starts, because the exporter has a thread of its own.
    #[cfg(feature = "otlp")]
    let telemetry = Telemetry::start()?;
    #[cfg(not(feature = "otlp"))]
    let telemetry = None;
    let _log = logging::start(filter, config.log_format, telemetry.as_ref())?;
    process::fit_connections(&mut config.limits);
    Runtime::new()?.block_on(async {
        let listener = app::listen(&config).await?;
        // Installs the metrics recorder, which must exist before the app is built.
        let admin = match config.admin_address {
            Some(address) => Some(AdminListener::bind(address).await?),
            None => None,
        };
        let app = App::builder(&config).build()?;
        let _admin = admin.map(|admin| admin.serve(Arc::clone(&app.health)));
        let names = ResourceNames::new(&config.base_url);
        // The signal handler is installed before `listening` is logged: a supervisor that waits for that line may
        // send SIGTERM at once.
        let stop = app::shutdown_signal()?;
        tracing::info!(address = %listener.local_addr()?, endpoint = %names.mcp(), "listening");
        app.run(listener, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}
