//! `openapi`: prints the OpenAPI document.

use std::{process::ExitCode, sync::Arc};

use tokio::runtime::Runtime;

use super::{
    error::Failure,
    output,
    settings::{AcceptedVariables, Settings},
};
use crate::{
    app::AppError,
    clock::SystemClock,
    config::{Config, Variable, Variables},
    mcp::{self, ExampleTools},
    outbound,
    public::{PublicApi, PublicSettings},
    token::ResourceNames,
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

/// Prints the OpenAPI document. It needs no configuration: without `BASE_URL` it describes an example server.
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
    let settings = PublicSettings {
        name: "Clerk MCP server".to_owned(),
        instructions: None,
        resources: ResourceNames::new(&config.base_url),
        issuer: config.clerk.issuer().to_owned(),
        scopes: config.scopes.clone(),
        scopes_supported: config.scopes.clone(),
        docs_url: config.docs_url.as_ref().map(ToString::to_string),
        playground: true,
        sessions: false,
        allows_anonymous: false,
        demo: None,
    };
    let client = outbound::client(&config.clerk.frontend_api, &[]).map_err(AppError::Tls)?;
    let tools = Runtime::new()?.block_on(mcp::published_tools(ExampleTools::new(&*settings.name)));
    let document = PublicApi::document(settings, &tools, client, Arc::new(SystemClock));
    output::print(&if yaml { document.yaml() } else { document.json() })?;
    Ok(ExitCode::SUCCESS)
}

const EXAMPLE_BASE_URL: &str = "https://mcp.example.com";
