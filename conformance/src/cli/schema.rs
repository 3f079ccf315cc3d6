//! `schema`: prints JSON Schemas of case files, profiles, baselines and token recipes.

use clap::{Args, ValueEnum};
use clerk_mcp_conformance::{baseline, case::CaseFile, profile::Profile};
use local_clerk::mint::TokenSpec;
use schemars::{Schema, schema_for};

use super::print;

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance schema > case.schema.json
      For case files. Editors use it to complete and check TOML.
  clerk-mcp-conformance schema --of profile

Exit code: 0.";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Kind of file.
    #[arg(long, value_enum, default_value_t)]
    of: SchemaKind,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum SchemaKind {
    /// Case files.
    #[default]
    Cases,
    /// Profiles.
    Profile,
    /// Baselines.
    Baseline,
    /// Token recipes.
    Token,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let schema: Schema = match arguments.of {
        SchemaKind::Cases => schema_for!(CaseFile),
        SchemaKind::Profile => schema_for!(Profile),
        SchemaKind::Baseline => baseline::schema(),
        SchemaKind::Token => schema_for!(TokenSpec),
    };
    print(&serde_json::to_string_pretty(&schema)?)
}
