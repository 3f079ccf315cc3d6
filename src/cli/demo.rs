//! `demo`: the arguments of the command. It runs [`Demo`](crate::app::demo::Demo) with the example tools, and
//! prints its report.

use std::{net::IpAddr, process::ExitCode};

use clap::Args;
use tokio::runtime::Runtime;

use super::{
    error::{EXIT_CODES, Failure},
    logging, output, process,
    settings::{AcceptedVariables, Settings},
};
use crate::{
    app::{
        App,
        demo::{Demo, DemoOptions, ENVIRONMENT, SCOPES},
        shutdown_signal,
    },
    config::{Variable, Variables},
    mcp::ExampleTools,
};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{EXAMPLES}\n\nRun with --help to see the configuration flags."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct DemoArgs {
    /// Port of the local Clerk [default: 3002, or a free port if 3002 is taken]
    #[arg(long, value_name = "PORT")]
    clerk_port: Option<u16>,
    /// Sign in as this sample user (ID, email address or first name) without a sign-in page, for scripts
    #[arg(long, value_name = "USER")]
    auto_approve: Option<String>,
    /// Let others on the network sign in: the server and the local Clerk listen on this address of this machine, over
    /// http without encryption
    #[arg(long, value_name = "IP", value_parser = network_address, conflicts_with_all = ["HOST", "BASE_URL"])]
    network: Option<IpAddr>,
    /// Also print a token per sample user, the setup of each client, and a curl command that calls a tool
    #[arg(long)]
    tokens: bool,
    /// Print everything as one JSON object on stdout once the server is ready
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings<DemoVariables>,
}

/// Accepts the variables that do not describe the Clerk application: the demo uses its local Clerk.
#[derive(Debug, Default, Clone, Copy)]
struct DemoVariables;

impl AcceptedVariables for DemoVariables {
    const HEADING: &'static str = "Configuration (the demo does not read .env)";

    fn accepts(name: &str) -> bool {
        !matches!(
            name,
            "CLERK_SECRET_KEY_FILE"
                | "CLERK_DOMAIN"
                | "CLERK_PUBLISHABLE_KEY"
                | "CLERK_API_URL"
                | "CLERK_FRONTEND_API_URL"
                | "CLERK_ISSUER"
                | "CLERK_CA_FILE"
                | "CLERK_JWT_KEY"
                | "CLERK_AUTHORIZED_PARTIES"
                | "ADMIN_ADDR"
        )
    }

    fn reads_environment(name: &str) -> bool {
        ENVIRONMENT.contains(&name)
    }

    fn default_of(variable: &Variable) -> Option<&'static str> {
        Some(match variable.name {
            "BASE_URL" => "the address that the server listens on",
            "PORT" => "3001, or a free port if 3001 is taken",
            "SCOPES" => SCOPES,
            _ => variable.default,
        })
    }
}

/// Runs the demo until the process is asked to stop (Ctrl-C or SIGTERM).
pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let variables = Variables::read_selected(args.settings.flags(), &ENVIRONMENT)?;
    let default = if logging::is_on_terminal() {
        DEFAULT_FILTER
    } else {
        DEFAULT_FILTER_OF_FILE
    };
    let filter = logging::filter(&variables, default)?;
    let options = DemoOptions {
        clerk_port: args.clerk_port,
        auto_approve: args.auto_approve.clone(),
        network: args.network,
        in_program: true,
    };
    Runtime::new()?.block_on(async {
        let stop = shutdown_signal()?;
        let mut demo = Demo::start(variables, &options).await?;
        let _log = logging::start(filter, demo.config.log_format, None)?;
        process::fit_connections(&mut demo.config.limits);
        let tools = ExampleTools::for_demo("Clerk MCP server");
        let direct_tools: Vec<_> = tools.names().map(str::to_owned).collect();
        let app = App::builder(&demo.config)
            .server(tools)
            .direct_tools(direct_tools)
            .policy(ExampleTools::demo_policy());
        let (app, report) = demo.build(app).await?;
        output::print(&if args.json {
            report.json()
        } else {
            report.text(args.tokens)
        })?;
        demo.run(app, stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Parses an address that can be part of a URL.
fn network_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| "expected an IP address of this machine, such as 192.168.1.5".to_owned())?;
    if address.is_unspecified() {
        return Err("expected one address, because it becomes part of the URLs".to_owned());
    }
    Ok(address)
}

/// Logs each tool call (the audit log) and each rejected request, because people follow the demo in a
/// terminal.
const DEFAULT_FILTER: &str = "warn,clerk_mcp=info,local_clerk=warn,rmcp=off";
/// The same without a line for each tool call, so that a log file does not fill the disk.
const DEFAULT_FILTER_OF_FILE: &str = "warn,clerk_mcp=info,clerk_mcp::audit=warn,local_clerk=warn,rmcp=off";

const EXAMPLES: &str = "\
Examples:
  clerk-mcp demo
  clerk-mcp demo --tokens
  clerk-mcp demo --port 8080 --clerk-port 8081
  clerk-mcp demo --auto-approve ada --json";
