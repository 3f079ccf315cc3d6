//! `doctor`: checks the configuration against Clerk and the running server. Prints one entry per check, with
//! a remedy if the check failed.

mod checks;
mod diagnosis;
mod document;

use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use tokio::runtime::Runtime;

use self::diagnosis::{Diagnoses, Diagnosis, Status};
use super::{
    error::{Failure, demo_hint},
    output,
    settings::Settings,
};
use crate::config::Config;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{EXAMPLES}\n\nRun with --help to see the configuration flags."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs every check. It changes nothing, and contacts only Clerk and the server at `BASE_URL`.
pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut diagnoses = Diagnoses {
        are_printed: !args.json,
        all: Vec::new(),
    };
    match args
        .settings
        .variables()
        .and_then(|variables| Config::from_variables(&variables))
    {
        Ok(config) => Runtime::new()?.block_on(checks::run(&config, &mut diagnoses))?,
        Err(error) => diagnoses.add(Diagnosis::failed(
            checks::CONFIG,
            format!("{error}{}", demo_hint(&error)).trim_end_matches('.'),
            "Correct the configuration, then run doctor again: the other checks need it.",
        ))?,
    }
    let failed = diagnoses
        .all
        .iter()
        .filter(|one| one.status == Status::Failed)
        .count();
    output::print(&if args.json {
        json!({ "healthy": failed == 0, "findings": diagnoses.all }).to_string()
    } else {
        match failed {
            0 => "\nNo check failed.".to_owned(),
            1 => "\n1 check failed.".to_owned(),
            several => format!("\n{several} checks failed."),
        }
    })?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const EXAMPLES: &str = "\
Examples:
  clerk-mcp doctor
  clerk-mcp doctor --json";

const EXIT_CODES: &str = "\
Exit codes:
  0   no check failed
  1   at least one check failed (its entry says what to do), or an I/O error occurred
  2   the command line is invalid";
