//! `doctor`: the configuration against the live Clerk and the server itself, a line for each check, with what to do.

mod checks;
mod document;

use std::process::ExitCode;

use clap::Args;
use clerk_mcp::config::Config;
use serde::Serialize;
use serde_json::json;

use super::{Failure, output, serve, settings::Settings, variables};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("{EXAMPLES}\n\nEvery variable has a flag: see --help."),
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
)]
pub(super) struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// One check, and what came of it.
#[derive(Debug, Serialize)]
struct Diagnosis {
    check: &'static str,
    #[serde(rename = "verdict")]
    status: Status,
    /// What is so.
    detail: String,
    /// What to do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Passed,
    Failed,
    /// Nothing could be found out, for want of what an earlier check would have found.
    NotReached,
    /// There's nothing to find out here.
    NotAsked,
}

impl Diagnosis {
    fn passed(check: &'static str, detail: impl Into<String>) -> Self {
        Self::new(check, Status::Passed, detail)
    }

    fn failed(check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..Self::new(check, Status::Failed, detail)
        }
    }

    fn not_reached(check: &'static str, why: &str) -> Self {
        Self::new(check, Status::NotReached, why)
    }

    fn not_asked(check: &'static str, why: &str) -> Self {
        Self::new(check, Status::NotAsked, why)
    }

    fn new(check: &'static str, status: Status, detail: impl Into<String>) -> Self {
        Self {
            check,
            status,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// Readable without colour and in 80 columns.
    fn in_words(&self) -> String {
        let mark = match self.status {
            Status::Passed => "ok",
            Status::Failed => "FAIL",
            Status::NotReached => "?",
            Status::NotAsked => "-",
        };
        let remedy = self.remedy.as_deref().map(|remedy| format!(" {remedy}"));
        let words = format!("{}.{}", self.detail, remedy.unwrap_or_default());
        output::check(mark, self.check, WIDTH, &words)
    }
}

/// What was found so far; each is told as soon as it's there.
struct Diagnoses {
    are_printed: bool,
    all: Vec<Diagnosis>,
}

impl Diagnoses {
    fn add(&mut self, diagnosis: Diagnosis) -> Result<(), Failure> {
        if self.are_printed {
            output::print(&diagnosis.in_words())?;
        }
        self.all.push(diagnosis);
        Ok(())
    }
}

/// Looks at everything. Nothing is changed anywhere, and nobody contacted but Clerk and the server at `BASE_URL`.
pub(super) fn run(args: &DoctorArgs) -> Result<ExitCode, Failure> {
    let mut diagnoses = Diagnoses {
        are_printed: !args.json,
        all: Vec::new(),
    };
    match variables(&args.settings).and_then(|variables| Config::from_variables(&variables)) {
        Ok(config) => serve::runtime()?.block_on(checks::run(&config, &mut diagnoses))?,
        Err(error) => diagnoses.add(Diagnosis::failed(
            checks::CONFIG,
            error.to_string().trim_end_matches('.'),
            "Nothing else was looked at.",
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
            0 => "\nNothing is wrong.".to_owned(),
            1 => "\n1 thing is wrong.".to_owned(),
            several => format!("\n{several} things are wrong."),
        }
    })?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Of the longest name of a check.
const WIDTH: usize = 16;

const EXAMPLES: &str = "\
Examples:
  clerk-mcp doctor
  clerk-mcp doctor --json";

const EXIT_CODES: &str = "\
Exit codes:
  0   nothing is wrong
  1   something is wrong; each line says what to do
  2   the command line is wrong";
