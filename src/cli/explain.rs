//! `explain`: what a token says, and what this server makes of it, check by check.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Read},
    process::ExitCode,
};

use clap::Args;
use clerk_mcp::{
    app,
    auth::{Explanation, Finding, Verdict},
    config::Config,
    token::{TokenKind, unverified_members},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Failure, output, serve, settings::Settings, variables};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{EXAMPLES}\n\nEvery variable has a flag: see --help."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct ExplainArgs {
    /// The token; without it, it's read from stdin, where no other user of the machine can see it
    token: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Explains one token. Nobody is contacted but the configured Clerk.
pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let token = token(args)?;
    let config = match variables(&args.settings).and_then(|variables| Config::from_variables(&variables)) {
        Ok(config) => config,
        Err(error) => {
            // What it says can be shown all the same.
            if let Some((header, claims)) = unverified_members(&token) {
                output::print(&output::harmless(&members(Some(&header), Some(&claims))))?;
            }
            return Err(error.into());
        }
    };
    let authenticator = app::authenticator(&config)?;
    let explanation = serve::runtime()?.block_on(authenticator.explain(&token));
    output::print(&if args.json {
        in_json(&explanation)
    } else {
        output::harmless(&in_words(&explanation))
    })?;
    Ok(if explanation.session.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The token of the command line or of stdin, without what people copy along with it.
fn token(args: &ExplainArgs) -> Result<String, Failure> {
    let text = match &args.token {
        Some(text) if text != "-" => text.clone(),
        _ => {
            if io::stdin().is_terminal() {
                output::note("Paste the token, then press Enter and Ctrl-D.");
            }
            let mut text = String::new();
            io::stdin().take(MAX_INPUT).read_to_string(&mut text)?;
            text
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

/// Readable without colour and in 80 columns, but for what the token says itself.
fn in_words(explanation: &Explanation) -> String {
    let mut text = String::new();
    if let Some(kind) = explanation.kind {
        let _ = writeln!(text, "Kind: {kind}\n");
    }
    text.push_str(&members(explanation.header.as_ref(), explanation.claims.as_ref()));
    text.push_str("\nChecks\n");
    for Finding { check, verdict } in &explanation.findings {
        let (mark, words) = match verdict {
            Verdict::Passed => ("ok", check.demand().to_owned()),
            Verdict::NotAsked(why) => ("-", format!("not asked: {why}")),
            Verdict::Failed(error) => ("FAIL", format!("{error}. Due: {}", check.demand())),
            Verdict::NotReached => ("?", "not reached".to_owned()),
        };
        let _ = writeln!(text, "{}", output::check(mark, check.as_str(), WIDTH, &words));
    }
    match (&explanation.session, explanation.refusal()) {
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
                "\nRefused: {} {}, \"{}\"\nReason in the log: {}",
                refusal.status.as_u16(),
                refusal.error,
                refusal.description,
                error.reason()
            );
        }
        (None, None) => text.push_str("\nRefused."),
    }
    text
}

/// What the token says.
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
    text
}

/// For programs.
fn in_json(explanation: &Explanation) -> String {
    let checks: Vec<_> = explanation
        .findings
        .iter()
        .map(|Finding { check, verdict }| {
            let (verdict, detail) = match verdict {
                Verdict::Passed => ("passed", None),
                Verdict::NotAsked(why) => ("not-asked", Some((*why).to_owned())),
                Verdict::Failed(error) => ("failed", Some(error.to_string())),
                Verdict::NotReached => ("not-reached", None),
            };
            json!({ "check": check.as_str(), "demand": check.demand(), "verdict": verdict, "detail": detail })
        })
        .collect();
    let refusal = explanation.refusal().map(|error| {
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

/// Of the longest name of a check.
const WIDTH: usize = 9;
/// More than any token has.
const MAX_INPUT: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  clerk-mcp explain < token.txt
  pbpaste | clerk-mcp explain --json";

const EXIT_CODES: &str = "\
Exit codes:
  0   the token is accepted
  1   it is refused, or nothing can be said of it (Clerk is away)
  2   the command line is wrong
  78  the configuration is missing or wrong; what the token says is shown all the same";
