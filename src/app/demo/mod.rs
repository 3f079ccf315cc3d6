//! `demo`: runs the server and a local Clerk in one process. Prints everything needed to try the server, and
//! shows the same on the start page.

use std::{
    fmt::Write as _,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use clap::Args;
use local_clerk::{LocalClerk, SampleUser, StartError, mint::SigningKey};
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::{
    error::{EXIT_CODES, Failure},
    logging, output, process,
    settings::{Scope, Settings},
};
use crate::{
    app::{self, App},
    config::{Config, Variable, Variables},
    public::{BrokenToken, BrokenTokenCheck, ClientSetup, DemoContent, DemoUser, client_setups},
    token::ResourceNames,
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

impl Scope for DemoVariables {
    const HEADING: &'static str = "Configuration (the demo does not read .env)";

    fn has(name: &str) -> bool {
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
            _ => variable.default,
        })
    }
}

/// Runs the demo until the process is asked to stop (Ctrl-C or SIGTERM).
pub(super) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    // Other variables of the environment, and .env, configure a real Clerk application. The demo must not use
    // them.
    let mut variables = Variables::read_selected(args.settings.flags(), &ENVIRONMENT)?;
    let filter = logging::filter(&variables, DEFAULT_FILTER)?;
    process::runtime()?.block_on(async {
        let stop = process::stop_signal()?;
        let mut notes = Vec::new();
        let clerk = start_clerk(args, &mut notes).await?;
        for (name, value) in clerk.environment() {
            variables.set(name, Some(value));
        }
        let base_url_is_default = variables.get("BASE_URL").is_none();
        if base_url_is_default {
            variables.set("BASE_URL", Some("http://127.0.0.1".to_owned()));
        }
        let mut config = Config::from_variables(&variables)?;
        logging::start(filter, config.log_format);
        let listener = listen(&config, &mut notes).await?;
        if base_url_is_default {
            variables.set(
                "BASE_URL",
                Some(format!("http://{}", reachable(listener.local_addr()?))),
            );
            config = Config::from_variables(&variables)?;
        }
        notes.extend(exposure(config.listen.ip()).map(str::to_owned));
        if let Some(user) = &args.auto_approve {
            notes.push(format!(
                "Every sign-in succeeds as {user}, without a page (--auto-approve)."
            ));
        }
        clerk.register_resource(ResourceNames::new(&config.base_url).mcp());
        let report = DemoReport::new(&clerk, &config, notes)?;
        let broken_tokens = broken_tokens(&clerk, &config).await?;
        let app = App::builder(&config)
            .demo(report.page_content(broken_tokens))
            .build()?;
        output::print(&if args.json {
            report.json()
        } else {
            report.text(args.tokens)
        })?;
        let outcome = app.run(listener, stop).await;
        clerk.stop().await;
        outcome?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Starts the local Clerk on the same port each time, if possible, because clients remember where they signed
/// in.
#[expect(clippy::wildcard_enum_match_arm, reason = "the local Clerk may add errors")]
async fn start_clerk(args: &DemoArgs, notes: &mut Vec<String>) -> Result<LocalClerk, Failure> {
    let start = async |port: u16| {
        let mut builder = LocalClerk::builder()
            .bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
            // A client ID metadata document cannot be fetched without network access. Without this feature,
            // clients register dynamically instead.
            .client_id_metadata_documents(false);
        if let Some(user) = &args.auto_approve {
            builder = builder.auto_approve(user.clone());
        }
        builder.start().await
    };
    let outcome = match start(args.clerk_port.unwrap_or(CLERK_PORT)).await {
        Err(StartError::AddressInUse { .. }) if args.clerk_port.is_none() => {
            notes.push(format!(
                "Port {CLERK_PORT} is taken, so the local Clerk uses a free port. Clients that signed in before must sign in again."
            ));
            start(0).await
        }
        outcome => outcome,
    };
    outcome.map_err(|error| match error {
        StartError::AddressInUse { address } => Failure::ClerkPort {
            address,
            source: io::ErrorKind::AddrInUse.into(),
        },
        StartError::Bind { address, source } => Failure::ClerkPort { address, source },
        error => error.into(),
    })
}

/// Listens on the configured port. If that is the default port and it is taken, listens on a free port
/// instead.
async fn listen(config: &Config, notes: &mut Vec<String>) -> Result<TcpListener, Failure> {
    match process::listen(config.listen).await {
        Err(Failure::Listen { .. }) if config.port_is_default => {
            notes.push(format!(
                "Port {} is taken, so the server uses a free port.",
                config.listen.port()
            ));
            process::listen(SocketAddr::new(config.listen.ip(), 0)).await
        }
        outcome => outcome,
    }
}

/// Returns a warning if others on the network can reach a listener on this address.
fn exposure(ip: IpAddr) -> Option<&'static str> {
    const NOTE: &str = "The server listens on an address that others on the network can reach. Its start page gives everyone \
        tokens of the sample users. Use --host 127.0.0.1 unless you want that.";
    (!ip.is_loopback()).then_some(NOTE)
}

/// Returns the address at which programs on this machine reach a listener that is bound to `address`.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        ip => SocketAddr::new(ip, address.port()),
    }
}

/// Everything that the demo prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DemoReport {
    page: String,
    mcp_endpoint: String,
    docs: String,
    clerk: ClerkDetails,
    users: Vec<DemoUser>,
    curl: String,
    clients: Vec<ClientSetup>,
    /// What differs from the default, such as another port.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClerkDetails {
    frontend_api_url: String,
    backend_api_url: String,
    publishable_key: String,
}

impl DemoReport {
    fn new(clerk: &LocalClerk, config: &Config, notes: Vec<String>) -> Result<Self, Failure> {
        let names = ResourceNames::new(&config.base_url);
        let users = clerk
            .sample_users()
            .into_iter()
            .map(|user| demo_user(clerk, config, names.mcp(), user))
            .collect::<Result<Vec<_>, _>>()?;
        let token = users.first().map(|user| user.token.as_str()).unwrap_or_default();
        Ok(Self {
            page: format!("{}/", names.base()),
            mcp_endpoint: names.mcp().to_owned(),
            docs: format!("{}/docs", names.base()),
            clerk: ClerkDetails {
                frontend_api_url: clerk.frontend_api_url().to_owned(),
                backend_api_url: clerk.backend_api_url().to_owned(),
                publishable_key: clerk.publishable_key().to_owned(),
            },
            curl: curl(names.mcp(), token),
            clients: client_setups(names.mcp()),
            users,
            notes,
        })
    }

    fn page_content(&self, broken_tokens: Vec<BrokenToken>) -> DemoContent {
        DemoContent {
            users: self.users.clone(),
            curl: self.curl.clone(),
            clerk_url: self.clerk.frontend_api_url.clone(),
            broken_tokens,
        }
    }

    fn json(&self) -> String {
        // A struct of strings always serializes.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Formats the report for a terminal: without color, and in 80 columns except for text to copy. Without
    /// the tokens it fits one screen of 24 lines.
    fn text(&self, with_tokens: bool) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "clerk-mcp demo: an MCP server and a local Clerk, running on this machine.\n"
        );
        let _ = writeln!(text, "  Page      {}", self.page);
        let _ = writeln!(text, "  MCP       {}", self.mcp_endpoint);
        let _ = writeln!(text, "  API docs  {}", self.docs);
        let _ = writeln!(text, "  Clerk     {}/", self.clerk.frontend_api_url);
        for note in &self.notes {
            let _ = writeln!(text, "\n{}", textwrap::fill(note, 80));
        }
        let _ = writeln!(text, "\nOpen the page to call the tools as a sample user.");
        if with_tokens {
            self.write_setups(&mut text);
            self.write_tokens(&mut text);
        } else if let Some(ClientSetup {
            client, text: setup, ..
        }) = self.clients.first()
        {
            let _ = writeln!(
                text,
                "Or connect {client}, and sign in as a sample user:\n\n  {setup}\n\n\
                 The page has the setup of other clients. --tokens prints it here, with a token\n\
                 per sample user."
            );
        }
        // The last line is visible even in a small terminal.
        let _ = write!(text, "\nPress Ctrl-C to stop.");
        text
    }

    fn write_setups(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nConnect a client. Use exactly this URL. You sign in as a sample user:\n"
        );
        for ClientSetup {
            client,
            place,
            text: setup,
        } in &self.clients
        {
            let _ = writeln!(text, "  {client} ({place})");
            for line in setup.lines() {
                let _ = writeln!(text, "    {line}");
            }
        }
    }

    fn write_tokens(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nOr use a token, without signing in. One per sample user, valid for one day:"
        );
        for user in &self.users {
            let _ = writeln!(
                text,
                "\n  {} <{}>\n  {}\n{}",
                user.name, user.email, user.about, user.token
            );
        }
        let _ = writeln!(
            text,
            "\nOr call a tool now. This command works as printed:\n\n{}",
            self.curl
        );
    }
}

fn demo_user(
    clerk: &LocalClerk,
    config: &Config,
    resource: &str,
    user: SampleUser,
) -> Result<DemoUser, Failure> {
    // Duplicate scopes do no harm.
    let scopes: Vec<&str> = config
        .scopes
        .iter()
        .chain(&config.required_scopes)
        .map(String::as_str)
        .collect();
    let token = clerk
        .oauth_token(&user.id, CLIENT_ID, &scopes, Some(resource))?
        .mint();
    let organizations: Vec<_> = user.organizations.iter().map(|one| one.name.as_str()).collect();
    let about = match organizations.as_slice() {
        [] => "member of no organization".to_owned(),
        several => format!("member of {}", several.join(", ")),
    };
    Ok(DemoUser {
        name: format!("{} {}", user.first_name, user.last_name),
        id: user.id,
        email: user.email,
        about,
        token,
    })
}

/// Makes tokens with one defect each, and lists what `explain` shows about them.
async fn broken_tokens(clerk: &LocalClerk, config: &Config) -> Result<Vec<BrokenToken>, Failure> {
    let names = ResourceNames::new(&config.base_url);
    let Some(user) = clerk.sample_users().into_iter().next() else {
        return Ok(Vec::new());
    };
    let valid = || clerk.oauth_token(&user.id, CLIENT_ID, &["profile"], Some(names.mcp()));
    let header: Value = serde_json::from_str(&valid()?.header_json()).unwrap_or_default();
    let key_id = header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let (authenticator, _) = app::authenticator(config)?;
    let mut tokens = Vec::new();
    for (name, recipe) in [
        ("Expired", valid()?.claim("exp", 1_700_000_000)),
        (
            "For another server",
            valid()?.claim("aud", "https://other.example.com/mcp"),
        ),
        (
            "Without signature (alg: none)",
            valid()?.header("alg", "none").unsigned(),
        ),
        (
            "Signed by another key",
            valid()?.signed_by(&SigningKey::generate(key_id)),
        ),
        (
            "From another issuer",
            valid()?.claim("iss", "https://clerk.example.com"),
        ),
    ] {
        let token = recipe.mint();
        let explanation = authenticator.explain(&token).await;
        let reason = explanation
            .first_failure()
            .map_or("none", |error| error.reason().as_str());
        let checks = explanation.checks.iter().map(|result| BrokenTokenCheck {
            name: result.check.as_str(),
            outcome: result.outcome.as_str(),
            text: result
                .outcome
                .detail()
                .unwrap_or_else(|| result.check.demand().to_owned()),
        });
        tokens.push(BrokenToken {
            name,
            checks: checks.collect(),
            reason,
            token,
        });
    }
    Ok(tokens)
}

fn curl(endpoint: &str, token: &str) -> String {
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-user-info","arguments":{}}}"#;
    format!(
        "curl -s {endpoint} -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \
         -H 'Accept: application/json, text/event-stream' -d '{call}'"
    )
}

/// The `client_id` of the printed tokens.
const CLIENT_ID: &str = "demo";
/// Logs each request, because people follow the demo in a terminal.
const DEFAULT_FILTER: &str = "warn,clerk_mcp=info,clerk_mcp::access=debug,local_clerk=warn,rmcp=warn";
const CLERK_PORT: u16 = 3002;
/// The variables that the demo reads from the environment.
const ENVIRONMENT: [&str; 4] = ["HOST", "PORT", "LOG_FORMAT", "RUST_LOG"];

const EXAMPLES: &str = "\
Examples:
  clerk-mcp demo
  clerk-mcp demo --tokens
  clerk-mcp demo --port 8080 --clerk-port 8081
  clerk-mcp demo --auto-approve ada --json";

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
            assert_eq!(exposure(address.parse().unwrap()).is_some(), warns, "{address}");
        }
    }
}
