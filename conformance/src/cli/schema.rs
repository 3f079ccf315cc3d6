//! `schema`: JSON Schemas for the files people write.

use clap::{Args, ValueEnum};
use clerk_mcp_conformance::{baseline, case::CaseFile, profile::Profile};
use local_clerk::mint::TokenSpec;
use schemars::{Schema, schema_for};

use super::print;

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance schema > case.schema.json
      For files of cases; editors complete and check TOML with it.
  clerk-mcp-conformance schema --of profile

Exit code: 0.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Which files.
    #[arg(long, value_enum, default_value_t)]
    of: What,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum What {
    /// Files of cases.
    #[default]
    Cases,
    /// Profiles.
    Profile,
    /// Baselines.
    Baseline,
    /// Recipes of tokens.
    Token,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let schema: Schema = match arguments.of {
        What::Cases => schema_for!(CaseFile),
        What::Profile => schema_for!(Profile),
        What::Baseline => baseline::schema(),
        What::Token => schema_for!(TokenSpec),
    };
    print(&serde_json::to_string_pretty(&schema)?)
}
