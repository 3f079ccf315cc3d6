//! `explain`: one case, for whoever met it in a report.

use clap::Args;
use clerk_mcp_conformance::{explain::explain, profile::Profile};

use super::{CasesArgument, print, terminal_style};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance explain claims.expired
      What is required and why, what would be sent, and what is expected.

Exit codes: 0 explained, 2 there is no such case.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// The case's id.
    id: String,
    /// As it is sent to a target of this profile: a name (list --profiles) or a .toml file.
    #[arg(long, value_name = "NAME|FILE", default_value = "generic")]
    profile: String,
    #[command(flatten)]
    cases: CasesArgument,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let catalogue = arguments.cases.catalogue()?;
    let Some((section, case)) = catalogue.find(&arguments.id) else {
        let near: Vec<&str> = catalogue
            .ids()
            .filter(|id| id.contains(arguments.id.as_str()))
            .take(5)
            .collect();
        let hint = if near.is_empty() {
            "`list` shows them all".to_owned()
        } else {
            format!("perhaps {}?", near.join(", "))
        };
        anyhow::bail!("there is no case {:?}: {hint}", arguments.id);
    };
    let profile = Profile::find(&arguments.profile)?;
    print(&explain(section, case, &profile, terminal_style().width))
}
