//! `serve`: runs the server with the given configuration.

use std::process::ExitCode;

use super::{error::Failure, logging, metrics, process, settings::Settings};
use crate::{
    app::{self, App},
    config::Config,
    token::ResourceNames,
};

/// Runs the server until the process is asked to stop (Ctrl-C or SIGTERM).
pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let variables = settings.variables()?;
    // All configuration errors are reported at once, including an invalid log filter.
    let (config, filter) = match (
        Config::from_variables(&variables),
        logging::filter(&variables, logging::DEFAULT_LOG_FILTER),
    ) {
        (Ok(config), Ok(filter)) => (config, filter),
        (Err(config), Err(filter)) => return Err(config.and(filter).into()),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => return Err(error.into()),
    };
    logging::start(filter, config.log_format);
    process::runtime()?.block_on(async {
        let listener = app::listen(&config).await?;
        let _metrics = match config.admin_address {
            Some(address) => Some(metrics::serve(address).await?),
            None => None,
        };
        let app = App::builder(&config).build()?;
        let names = ResourceNames::new(&config.base_url);
        tracing::info!(address = %listener.local_addr()?, endpoint = %names.mcp(), "listening");
        app.run(listener, app::shutdown_signal()?).await?;
        Ok(ExitCode::SUCCESS)
    })
}
