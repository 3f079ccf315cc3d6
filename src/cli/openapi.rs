//! `openapi`: prints the OpenAPI document.

use std::{io, process::ExitCode};

use poem::{Endpoint, Request, http::header};
use tokio::runtime::Runtime;
use url::Position;

use super::{
    error::Failure,
    output,
    settings::{AcceptedVariables, Settings},
};
use crate::{
    app::App,
    config::{Config, Variable, Variables},
    paths,
};

/// Accepts the variables that appear in the OpenAPI document.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct DocumentVariables;

impl DocumentVariables {
    const NAMES: [&str; 3] = ["BASE_URL", "SCOPES", "DOCS_URL"];
}

impl AcceptedVariables for DocumentVariables {
    const HEADING: &'static str = "Configuration that appears in the document";

    fn accepts(name: &str) -> bool {
        Self::NAMES.contains(&name)
    }

    fn default_of(variable: &Variable) -> Option<&'static str> {
        Some(match variable.name {
            "BASE_URL" => EXAMPLE_BASE_URL,
            _ => variable.default,
        })
    }
}

/// Prints the OpenAPI document that the server would serve. Needs no configuration: without `BASE_URL`, the
/// document describes an example server.
pub(super) fn run(settings: &Settings<DocumentVariables>, yaml: bool) -> Result<ExitCode, Failure> {
    let given = settings.variables()?;
    let mut variables = Variables::default();
    for name in DocumentVariables::NAMES {
        variables.set(name, given.get(name).map(str::to_owned));
    }
    if variables.get("BASE_URL").is_none() {
        variables.set("BASE_URL", Some(EXAMPLE_BASE_URL.to_owned()));
    }
    // The configuration requires a Clerk application, but the document does not mention it.
    variables.set("CLERK_DOMAIN", Some("clerk.example.com".to_owned()));
    variables.set("CLERK_SECRET_KEY", Some("sk_live_unused".to_owned()));
    let config = Config::from_variables(&variables)?;
    let app = App::builder(&config).build()?;
    let path = if yaml {
        paths::OPENAPI_YAML
    } else {
        paths::OPENAPI_JSON
    };
    // The server accepts only requests that name the host of `BASE_URL`.
    let host = &config.base_url[Position::BeforeHost..Position::AfterPort];
    let request = Request::builder()
        .uri_str(path)
        .header(header::HOST, host)
        .finish();
    let document = Runtime::new()?.block_on(async {
        let response = app.endpoint.get_response(request).await;
        if !response.status().is_success() {
            let status = response.status();
            return Err(io::Error::other(format!("{path} has status {status}")));
        }
        response.into_body().into_string().await.map_err(io::Error::other)
    })?;
    output::print(&document)?;
    Ok(ExitCode::SUCCESS)
}

const EXAMPLE_BASE_URL: &str = "https://mcp.example.com";
