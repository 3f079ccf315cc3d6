//! `openapi`: the OpenAPI document.

use std::{process::ExitCode, sync::Arc};

use super::{
    error::Failure,
    output,
    settings::{Scope, Settings},
};
use crate::{
    app::AppError,
    clock::SystemClock,
    config::{Config, Variables},
    outbound,
    public::{PublicApi, PublicSettings},
    token::ResourceNames,
};

/// What the OpenAPI document tells of the configuration.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct DocumentVariables;

impl DocumentVariables {
    const NAMES: [&str; 3] = ["BASE_URL", "SCOPES", "DOCS_URL"];
}

impl Scope for DocumentVariables {
    const HEADING: &'static str =
        "What the document tells of the configuration (without it, that of an example server)";

    fn has(name: &str) -> bool {
        Self::NAMES.contains(&name)
    }
}

/// Prints the OpenAPI document. Needs no configuration: without `BASE_URL` it's that of an example server.
pub(super) fn run(settings: &Settings<DocumentVariables>, yaml: bool) -> Result<ExitCode, Failure> {
    let given = settings.variables()?;
    let mut variables = Variables::default();
    for name in DocumentVariables::NAMES {
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
