//! `explain`: shows the contents of a token and the outcome of each check.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use super::{error::Failure, output, settings::Settings};
use crate::{
    app,
    auth::{CheckOutcome, CheckResult, Explanation},
    config::Config,
    token::{TokenKind, unverified_members},
};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{EXAMPLES}\n\nRun with --help to see the configuration flags."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct ExplainArgs {
    /// The token; if omitted or -, it is read from stdin, where other users of this machine cannot see it
    token: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Explains one token. Contacts only the configured Clerk instance.
pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let token = token(args)?;
    if ["sk_test_", "sk_live_"]
        .iter()
        .any(|prefix| token.starts_with(prefix))
    {
        return Err(Failure::SecretKey);
    }
    let print = |explanation: &Explanation| {
        let text = if args.json {
            to_json(explanation)
        } else {
            to_text(explanation)
        };
        // In JSON these characters occur only inside strings, where the escapes are valid too.
        output::print(&output::escape_controls(&text))
    };
    let config = match args
        .settings
        .variables()
        .and_then(|variables| Config::from_variables(&variables))
    {
        Ok(config) => config,
        Err(error) => {
            // Without a configuration, the contents of the token can still be shown.
            let mut explanation = Explanation::default();
            (explanation.header, explanation.claims) = unverified_members(&token).unzip();
            print(&explanation)?;
            output::note(NOTHING_CHECKED);
            return Err(error.into());
        }
    };
    let (authenticator, probe) = app::authenticator(&config)?;
    let explanation = Runtime::new()?.block_on(async {
        probe.run_once().await;
        authenticator.explain(&token).await
    });
    print(&explanation)?;
    Ok(if explanation.session.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Reads the token from the command line or stdin. Removes quotes and the prefixes that people often copy
/// with it.
fn token(args: &ExplainArgs) -> Result<String, Failure> {
    let text = match &args.token {
        Some(text) if text != "-" => text.clone(),
        _ => {
            if io::stdin().is_terminal() {
                output::note("Paste the token, then press Enter and Ctrl-D.");
            }
            let mut bytes = Vec::new();
            io::stdin().take(MAX_INPUT).read_to_end(&mut bytes)?;
            // Non-UTF-8 input is reported as a malformed token.
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let mut text = text.trim().trim_matches(['"', '\'']);
    for prefix in ["authorization:", "bearer"] {
        if text
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        {
            text = text.get(prefix.len()..).unwrap_or_default().trim_start();
        }
    }
    if text.is_empty() {
        return Err(Failure::NoToken);
    }
    Ok(text.to_owned())
}

/// Formats the explanation for a terminal: without color, and in 80 columns except for the contents of the
/// token.
fn to_text(explanation: &Explanation) -> String {
    let mut text = String::new();
    if let Some(kind) = explanation.kind {
        let _ = writeln!(text, "Kind: {kind}\n");
    }
    text.push_str(&members(explanation.header.as_ref(), explanation.claims.as_ref()));
    if explanation.checks.is_empty() {
        return text;
    }
    text.push_str("Checks\n");
    for result in &explanation.checks {
        let mark = match result.outcome {
            CheckOutcome::Passed => "ok",
            CheckOutcome::NotApplicable(_) => "-",
            CheckOutcome::Failed(_) => "FAIL",
            CheckOutcome::NotReached => "?",
        };
        let words = explanation.describe(result);
        let _ = writeln!(
            text,
            "{}",
            output::check(mark, result.check.as_str(), WIDTH, &words)
        );
    }
    match (&explanation.session, explanation.first_failure()) {
        (Some(session), _) => {
            let mut session = json!(session);
            if let Some(members) = session.as_object_mut() {
                members.remove("claims");
            }
            let _ = write!(text, "\nAccepted. The session that tools see:\n{session:#}");
        }
        (None, Some(error)) => {
            let refusal = error.refusal();
            let _ = write!(
                text,
                "\nRejected: {} {}, \"{}\"\nReason in the log: {}",
                refusal.status.as_u16(),
                refusal.error,
                refusal.description,
                error.reason()
            );
        }
        (None, None) => text.push_str("\nRejected."),
    }
    text
}

/// Formats the header and claims of the token.
fn members(header: Option<&Map<String, Value>>, claims: Option<&Map<String, Value>>) -> String {
    let mut text = String::new();
    for (title, members) in [("Header", header), ("Claims", claims)] {
        let Some(members) = members else { continue };
        let _ = writeln!(text, "{title}\n{:#}", json!(members));
        for name in ["iat", "nbf", "exp"] {
            let time = members.get(name).and_then(Value::as_i64);
            if let Some(time) = time.and_then(|seconds| Timestamp::from_second(seconds).ok()) {
                let _ = writeln!(text, "  {name} is {time}");
            }
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Formats the explanation as JSON.
fn to_json(explanation: &Explanation) -> String {
    let checks: Vec<_> = explanation
        .checks
        .iter()
        .map(|CheckResult { check, outcome }| {
            json!({
                "check": check.as_str(),
                "demand": check.demand(),
                "verdict": outcome.as_str(),
                "detail": outcome.detail(),
                "received": explanation.received(*check),
            })
        })
        .collect();
    let refusal = explanation.first_failure().map(|error| {
        let refusal = error.refusal();
        json!({
            "status": refusal.status.as_u16(),
            "error": refusal.error,
            "errorDescription": refusal.description,
            "reason": error.reason().as_str(),
        })
    });
    json!({
        "kind": explanation.kind.map(TokenKind::as_str),
        "header": explanation.header,
        "claims": explanation.claims,
        "checks": checks,
        "accepted": explanation.session.is_some(),
        "session": explanation.session,
        "refusal": refusal,
    })
    .to_string()
}

/// The length of the longest name of a check.
const WIDTH: usize = 10;
const NOTHING_CHECKED: &str =
    "Nothing was checked: the checks need the configuration of the server that the token is for.";
/// The maximum length of the input. It is larger than any token.
const MAX_INPUT: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  clerk-mcp explain < token.txt
  pbpaste | clerk-mcp explain --json";

const EXIT_CODES: &str = "\
Exit codes:
  0   the token is accepted
  1   the token is rejected or is the secret key, Clerk is unavailable, or an I/O error occurred
  2   the command line is invalid, or there is no token
  78  the configuration is missing or invalid; the contents of the token are still shown";
