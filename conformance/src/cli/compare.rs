//! `compare`: what changed between two runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{compare::compare, redact::redact_results, results::Results};

use super::{End, print, terminal_style};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance run … --report json=new.json
  clerk-mcp-conformance compare old.json new.json
      What got worse, better, is new, is gone.

Exit codes: 0 nothing got worse, 1 something did or is not tried any more, 2 a file cannot be read.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The JSON report of the run before.
    old: PathBuf,
    /// That of the run after.
    new: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<End> {
    let comparison = compare(&read(&arguments.old)?, &read(&arguments.new)?);
    print(&comparison.render(terminal_style()))?;
    Ok(if comparison.is_regression() {
        End::Findings
    } else {
        End::Clean
    })
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let results =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON report", path.display()))?;
    Ok(redact_results(results))
}
