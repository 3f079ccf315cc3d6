//! `clerk`: starts local Clerks and says how to use them.

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

use super::clerk_text;

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance clerk
      A free port; prints the environment for the server that is to use it.
  clerk-mcp-conformance clerk --port 4567 --auto-approve ada@example.com
      A fixed port; Ada signs in and consents without a page, for scripts.
  clerk-mcp-conformance clerk --json | jq -r '.environment | to_entries[] | \"\\(.key)=\\(.value)\"'
      The environment, in the form of a .env file.
  clerk-mcp-conformance clerk --https --save-authority ca.pem --instances 2
      Two applications over https; clients trust them by ca.pem.

A file for --state:
  [[users]]
  first_name = \"Mary\"            # also id, last_name, features, banned
  email = \"mary@example.com\"
  [[organizations]]
  name = \"Celestial Mechanics\"   # also id, slug
  members = [{ user = \"mary@example.com\", role = \"org:admin\" }]
  [[roles]]                       # instead of those of the samples
  key = \"org:admin\"
  name = \"Admin\"
  permissions = [\"org:reports:read\"]

Admin API, on the same port, closed to web pages of other origins: GET /admin lists what it can do with users, \
tokens, keys, faults, counters and the log of requests. For example, no more keys:
  curl --json '{\"fault\":\"down\",\"endpoints\":[\"jwks\"]}' http://127.0.0.1:4567/admin/faults

Stops on Ctrl-C or SIGTERM. Exit codes: 0 stopped, 2 could not start.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Arguments {
    /// Port to listen on; 0 picks a free one. With several instances, the first of as many ports.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address to listen on. Whoever reaches it can act as any sample user.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// How many to run, each with keys, users and tokens of its own. With --json, one line for each.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    instances: u16,
    /// Sign this user (id, email address or first name) in without showing a page.
    #[arg(long, value_name = "USER")]
    auto_approve: Option<String>,
    /// Users and organizations (TOML) instead of the samples.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Serve https, by a throw-away certificate authority.
    #[arg(long)]
    https: bool,
    /// Save that authority's certificate (PEM), for clients to trust it.
    #[arg(long, value_name = "FILE", requires = "https")]
    save_authority: Option<PathBuf>,
    /// Make the same ids and secrets every time, which anyone can then guess. Instances after the first count up.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The form of OAuth access tokens.
    #[arg(long, value_enum, default_value_t)]
    access_tokens: Form,
    /// `resource` and `aud`: strict as Clerk is now, legacy ignores them as before.
    #[arg(long, value_enum, default_value_t)]
    resource: Resource,
    /// What the verify endpoints say about revoked and expired tokens: their flags, or 404.
    #[arg(long, value_enum, default_value_t)]
    inactive_tokens: Inactive,
    /// Refuse dynamic client registration.
    #[arg(long)]
    no_registration: bool,
    /// Refuse client ids that are the URL of a document.
    #[arg(long)]
    no_client_documents: bool,
    /// Trust the authorities in this file (PEM) when fetching such documents.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Scopes of clients that name none.
    #[arg(long, value_name = "SCOPES", default_value = "email offline_access profile")]
    default_scopes: String,
    /// Limit the Backend API: development (100/10), production (1000/10), or REQUESTS/SECONDS.
    #[arg(long, value_name = "LIMIT")]
    rate_limit: Option<Limit>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Form {
    #[default]
    Jwt,
    Opaque,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Resource {
    #[default]
    Strict,
    Legacy,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Inactive {
    #[default]
    Flagged,
    NotFound,
}

#[derive(Clone, Copy)]
struct Limit(RateLimit);

impl FromStr for Limit {
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
            Some(_) | None => Err("use development, production, or REQUESTS/SECONDS, 100/10 for example"),
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
            clerk_text::json(clerk, saved)?
        } else {
            clerk_text::text(clerk, saved)?
        };
        print(&text).context("cannot write to stdout")?;
    }
    stop.await;
    for clerk in clerks {
        clerk.stop().await;
    }
    Ok(())
}

fn builder(arguments: &Arguments, index: u16) -> anyhow::Result<LocalClerkBuilder> {
    let port = match arguments.port {
        0 => 0,
        first => first
            .checked_add(index)
            .context("there are not as many ports after --port")?,
    };
    let scopes: Vec<&str> = arguments.default_scopes.split_whitespace().collect();
    let mut builder = LocalClerk::builder()
        .bind(SocketAddr::new(arguments.host, port))
        .access_tokens(match arguments.access_tokens {
            Form::Jwt => AccessTokens::Jwt,
            Form::Opaque => AccessTokens::Opaque,
        })
        .resource_indicators(match arguments.resource {
            Resource::Strict => ResourceIndicators::Strict,
            Resource::Legacy => ResourceIndicators::Legacy,
        })
        .inactive_tokens(match arguments.inactive_tokens {
            Inactive::Flagged => InactiveTokens::Flagged,
            Inactive::NotFound => InactiveTokens::NotFound,
        })
        .dynamic_registration(!arguments.no_registration)
        .client_id_metadata_documents(!arguments.no_client_documents)
        .default_scopes(&scopes);
    if let Some(user) = &arguments.auto_approve {
        builder = builder.auto_approve(user);
    }
    if let Some(seed) = arguments.seed {
        builder = builder.seed(seed.wrapping_add(index.into()));
    }
    if let Some(Limit(limit)) = arguments.rate_limit {
        builder = builder.rate_limit(limit);
    }
    Ok(builder)
}

/// Resolves on Ctrl-C or SIGTERM. The handlers are in place when this returns.
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

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    // A script that reads the environment waits for it.
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_help_can_be_read() {
        let (_, rest) = EXAMPLES.split_once("A file for --state:\n").unwrap();
        let (example, _) = rest.split_once("\n\n").unwrap();
        State::parse("help", example).unwrap();
    }

    #[test]
    fn limits_are_named_or_written_out() {
        let limit = |text: &str| text.parse::<Limit>().map(|Limit(limit)| limit);
        assert_eq!(limit("production"), Ok(RateLimit::PRODUCTION));
        assert_eq!(limit("100/10"), Ok(RateLimit::DEVELOPMENT));
        for wrong in ["", "100", "100/0", "a/b", "-1/1"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
