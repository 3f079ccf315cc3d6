//! `compare`: what changed between two runs.

use std::{
    env, fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{compare::compare, report::Style, results::Results};

use super::print;

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance run … --report json=new.json
  clerk-mcp-conformance compare old.json new.json
      What got worse, better, is new, is gone.

Exit codes: 0 nothing got worse, 1 something did, 2 a file cannot be read.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The JSON report of the run before.
    old: PathBuf,
    /// That of the run after.
    new: PathBuf,
}

/// Whether nothing got worse.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let comparison = compare(&read(&arguments.old)?, &read(&arguments.new)?);
    let style = Style {
        colour: io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        width: terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)),
    };
    print(&comparison.render(style))?;
    Ok(!comparison.is_regression())
}

fn read(path: &Path) -> anyhow::Result<Results> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON report", path.display()))
}
