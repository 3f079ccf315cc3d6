//! `explain`: explains one case of a report.

use clap::Args;
use clerk_mcp_conformance::{explain::explain, near_miss::did_you_mean, profile::Profile};

use super::{CasesArgument, print, terminal_style};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance explain claims.expired
      Prints the requirement and the reason for it, the request, and the expected answer. Sends nothing.

Exit codes: 0 explained, 2 unknown case.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the case.
    id: String,
    /// Profile of the target that the requests are for: a name (list --profiles) or a .toml file.
    #[arg(long, value_name = "NAME|FILE", default_value = "generic")]
    profile: String,
    #[command(flatten)]
    cases: CasesArgument,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let profile = Profile::find(&arguments.profile)?;
    let catalog = arguments.cases.catalog()?.with_policy(&profile);
    let Some((section, case)) = catalog.find(&arguments.id) else {
        let hint = did_you_mean(&arguments.id, catalog.ids());
        let hint = hint.unwrap_or_else(|| "`list` prints all cases".to_owned());
        anyhow::bail!("unknown case {:?}: {hint}", arguments.id);
    };
    print(&explain(section, case, &profile, terminal_style().width))
}
