//! `compare`: reports what changed between two runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{compare::compare, redact::redact_results, results::Results};

use super::{CommandOutcome, print, terminal_style};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance run … --report json=new.json
  clerk-mcp-conformance compare old.json new.json
      Lists cases that got worse or better, are new, or are no longer tested.

Exit codes: 0 no regression, 1 a case got worse, or a case that passed is no longer tested, 2 a file cannot be read.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// JSON report of the older run.
    old: PathBuf,
    /// JSON report of the newer run.
    new: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let comparison = compare(&read(&arguments.old)?, &read(&arguments.new)?);
    print(&comparison.render(terminal_style()))?;
    Ok(if comparison.is_regression() {
        CommandOutcome::Findings
    } else {
        CommandOutcome::Clean
    })
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let results = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a JSON report of `run`", path.display()))?;
    Ok(redact_results(results))
}
