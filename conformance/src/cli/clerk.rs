//! `clerk`: runs one or more local Clerks and prints how to use them.

use std::{
    fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use local_clerk::{
    AccessTokens, Authority, InactiveTokens, LocalClerk, LocalClerkBuilder, RateLimit, ResourceIndicators,
    State,
};

use super::clerk_output;

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance clerk
      Uses a free port and prints the environment variables for your server.
  clerk-mcp-conformance clerk --port 4567 --auto-approve ada@example.com
      Uses a fixed port. Ada is signed in and consents without a page, for scripts.
  clerk-mcp-conformance clerk --json | jq -r '.environment | to_entries[] | \"\\(.key)=\\(.value)\"'
      Prints the environment variables in the format of a .env file.
  clerk-mcp-conformance clerk --https --save-authority ca.pem --instances 2
      Runs two instances with https. Clients can trust the certificate in ca.pem.

A file for --state:
  [[users]]
  first_name = \"Mary\"            # also id, last_name, features, banned
  email = \"mary@example.com\"
  [[organizations]]
  name = \"Celestial Mechanics\"   # also id, slug
  members = [{ user = \"mary@example.com\", role = \"org:admin\" }]
  [[roles]]                       # replaces the sample roles
  key = \"org:admin\"
  name = \"Admin\"
  permissions = [\"org:reports:read\"]

Admin API: GET /admin on the same port lists the operations on users, tokens, keys, faults, counters and the request \
log. Web pages of other origins cannot use it. For example, make the key set unavailable:
  curl --json '{\"fault\":\"down\",\"endpoints\":[\"jwks\"]}' http://127.0.0.1:4567/admin/faults

Stops on Ctrl-C or SIGTERM. Exit codes: 0 stopped, 2 could not start.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Arguments {
    /// Port to listen on; 0 picks a free port. Further instances use the following ports.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address to listen on. Anyone who can connect to it can sign in as any sample user.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Number of instances, each with its own keys, users and tokens. With --json, prints one line per
    /// instance.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    instances: u16,
    /// Sign in this user (id, email address or first name) without showing a page.
    #[arg(long, value_name = "USER")]
    auto_approve: Option<String>,
    /// TOML file with users and organizations that replace the samples.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Serve https with a certificate from a temporary certificate authority.
    #[arg(long)]
    https: bool,
    /// Save the certificate of this authority (PEM), so that clients can trust it.
    #[arg(long, value_name = "FILE", requires = "https")]
    save_authority: Option<PathBuf>,
    /// Generate the same ids and secrets in every run. They are predictable. Each further instance adds 1 to
    /// the seed.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Format of OAuth access tokens.
    #[arg(long, value_enum, default_value_t)]
    access_tokens: AccessTokenFormat,
    /// Resource indicators (`resource` and `aud`). registered behaves as Clerk does now: only registered
    /// resources are granted. strict grants every resource until one is registered. legacy ignores them.
    #[arg(long, value_enum, default_value_t)]
    resource: ResourceMode,
    /// Register this resource, the URL of an MCP endpoint. Repeatable.
    #[arg(long, value_name = "URL")]
    register_resource: Vec<String>,
    /// Response of the verify endpoints for revoked and expired tokens: the token with flags, or 404.
    #[arg(long, value_enum, default_value_t)]
    inactive_tokens: InactiveTokenResponse,
    /// Reject dynamic client registration.
    #[arg(long)]
    no_registration: bool,
    /// List `refresh_token` in the response to a dynamic registration. Clerk does not, and some clients
    /// refuse that.
    #[arg(long)]
    registration_lists_refresh_token: bool,
    /// Reject client ids that are URLs of client metadata documents.
    #[arg(long)]
    no_client_documents: bool,
    /// Also trust these certificate authorities (PEM) when fetching client metadata documents.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Seconds after its first use in which a refresh token may be used again. With 0, a second use revokes
    /// the grant, also if a client refreshes twice at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    refresh_leeway: u32,
    /// Scope of the application, with its description on the consent page. Repeatable.
    #[arg(long, value_name = "NAME=DESCRIPTION", value_parser = custom_scope)]
    custom_scope: Vec<(String, String)>,
    /// Scopes of clients that do not request any.
    #[arg(long, value_name = "SCOPES", default_value = "email offline_access profile")]
    default_scopes: String,
    /// Rate limit of the Backend API: development (100/10), production (1000/10), or REQUESTS/SECONDS.
    #[arg(long, value_name = "LIMIT")]
    rate_limit: Option<RateLimitArgument>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum AccessTokenFormat {
    #[default]
    Jwt,
    Opaque,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum ResourceMode {
    Registered,
    #[default]
    Strict,
    Legacy,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum InactiveTokenResponse {
    #[default]
    Flagged,
    NotFound,
}

#[derive(Clone, Copy)]
struct RateLimitArgument(RateLimit);

impl FromStr for RateLimitArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => return Ok(Self(RateLimit::DEVELOPMENT)),
            "production" => return Ok(Self(RateLimit::PRODUCTION)),
            _ => {}
        }
        let numbers = text
            .split_once('/')
            .and_then(|(requests, seconds)| Some((requests.parse().ok()?, seconds.parse().ok()?)));
        match numbers {
            Some((requests, seconds @ 1..)) => Ok(Self(RateLimit {
                requests,
                period: Duration::from_secs(seconds),
            })),
            Some(_) | None => Err("use development, production, or REQUESTS/SECONDS such as 100/10"),
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let authority = arguments.https.then(Authority::generate).transpose()?;
    if let (Some(authority), Some(path)) = (&authority, &arguments.save_authority) {
        authority
            .save(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let state = arguments.state.as_ref().map(State::read).transpose()?;
    let trust = match &arguments.trust {
        Some(path) => {
            Some(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => None,
    };
    let mut clerks = Vec::new();
    for index in 0..arguments.instances {
        let mut builder = builder(&arguments, index)?;
        if let Some(authority) = &authority {
            builder = builder.https(authority);
        }
        if let Some(state) = &state {
            builder = builder.state(state.clone());
        }
        if let Some(pem) = &trust {
            builder = builder.trust(pem);
        }
        clerks.push(builder.start().await?);
    }
    for clerk in &clerks {
        let saved = arguments.save_authority.as_deref();
        let text = if arguments.json {
            clerk_output::json(clerk, saved)?
        } else {
            clerk_output::text(clerk, saved)?
        };
        print(&text).context("cannot write to stdout")?;
    }
    stop.await;
    for clerk in clerks {
        clerk.stop().await;
    }
    Ok(())
}

/// Parses the value of `--custom-scope`. A scope consists of the characters that RFC 6749 §3.3 allows.
fn custom_scope(value: &str) -> Result<(String, String), String> {
    let (name, description) = value.split_once('=').ok_or("expected NAME=DESCRIPTION")?;
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(format!(
            "invalid scope {name:?}: expected ASCII characters without spaces, quotes and backslashes"
        ));
    }
    Ok((name.to_owned(), description.to_owned()))
}

/// Returns a builder for the instance with this index.
fn builder(arguments: &Arguments, index: u16) -> anyhow::Result<LocalClerkBuilder> {
    let port = match arguments.port {
        0 => 0,
        first => first
            .checked_add(index)
            .context("the ports after --port are too few for --instances")?,
    };
    let scopes: Vec<&str> = arguments.default_scopes.split_whitespace().collect();
    let mut builder = LocalClerk::builder()
        .bind(SocketAddr::new(arguments.host, port))
        .access_tokens(match arguments.access_tokens {
            AccessTokenFormat::Jwt => AccessTokens::Jwt,
            AccessTokenFormat::Opaque => AccessTokens::Opaque,
        })
        .resource_indicators(match arguments.resource {
            ResourceMode::Registered => ResourceIndicators::Registered,
            ResourceMode::Strict => ResourceIndicators::Strict,
            ResourceMode::Legacy => ResourceIndicators::Legacy,
        })
        .inactive_tokens(match arguments.inactive_tokens {
            InactiveTokenResponse::Flagged => InactiveTokens::Flagged,
            InactiveTokenResponse::NotFound => InactiveTokens::NotFound,
        })
        .dynamic_registration(!arguments.no_registration)
        .registration_lists_refresh_token(arguments.registration_lists_refresh_token)
        .client_id_metadata_documents(!arguments.no_client_documents)
        .refresh_leeway(Duration::from_secs(arguments.refresh_leeway.into()))
        .default_scopes(&scopes);
    for (name, description) in &arguments.custom_scope {
        builder = builder.custom_scope(name, description);
    }
    for resource in &arguments.register_resource {
        builder = builder.register_resource(resource);
    }
    if let Some(user) = &arguments.auto_approve {
        builder = builder.auto_approve(user);
    }
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed.wrapping_add(index.into()));
    }
    if let Some(RateLimitArgument(limit)) = arguments.rate_limit {
        builder = builder.rate_limit(limit);
    }
    Ok(builder)
}

/// Returns a future that resolves on Ctrl-C or SIGTERM. The signal handlers are installed before this
/// returns.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
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

/// Prints `text` and flushes stdout.
fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    // A script may be waiting for this output.
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_file_in_the_help_text_is_valid() {
        let (_, rest) = EXAMPLES.split_once("A file for --state:\n").unwrap();
        let (example, _) = rest.split_once("\n\n").unwrap();
        State::parse("help", example).unwrap();
    }

    #[test]
    fn rate_limits_are_names_or_numbers() {
        let limit = |text: &str| {
            text.parse::<RateLimitArgument>()
                .map(|RateLimitArgument(limit)| limit)
        };
        assert_eq!(limit("production"), Ok(RateLimit::PRODUCTION));
        assert_eq!(limit("100/10"), Ok(RateLimit::DEVELOPMENT));
        for wrong in ["", "100", "100/0", "a/b", "-1/1"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
