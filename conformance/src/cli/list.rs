//! `list`: prints the cases, and the names that cases and profiles can use.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::Args;
use clerk_mcp_conformance::{
    case::Level,
    profile::{OPTIONS, Profile, SETTINGS},
    runner::Selection,
    spec::Reference,
};
use serde_json::{Value, json};

use super::{CasesArgument, print};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance list
      Prints all cases by section.
  clerk-mcp-conformance list claims 'session.permissions*'
      Prints one section, and all cases whose id begins with session.permissions.
  clerk-mcp-conformance list --level must --json | jq -r '.[].id'
      Prints the ids of all required cases.
  clerk-mcp-conformance list --profiles

Exit codes: 0 listed, 2 a selector matches no case, or a case file is invalid.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Arguments {
    /// Cases to print: ids, sections, or patterns with `*` (`claims.exp*`). Default: all.
    selectors: Vec<String>,
    /// Print only cases of this level.
    #[arg(long, value_enum)]
    level: Option<LevelArgument>,
    /// Print the references that cases can cite.
    #[arg(long, group = "list")]
    references: bool,
    /// Print the options that profiles can list in `offers`.
    #[arg(long, group = "list")]
    options: bool,
    /// Print the settings that cases change.
    #[arg(long, group = "list")]
    settings: bool,
    /// Print the built-in profiles.
    #[arg(long, group = "list")]
    profiles: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cases: CasesArgument,
}

/// The level of a case on the command line.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum LevelArgument {
    /// Requirements.
    Must,
    /// Recommendations.
    Should,
}

impl From<LevelArgument> for Level {
    fn from(level: LevelArgument) -> Self {
        match level {
            LevelArgument::Must => Self::Must,
            LevelArgument::Should => Self::Should,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (text, json) = if arguments.references {
        references()
    } else if arguments.options {
        table(
            "In a profile, `accepts` lists kinds of tokens: session_token, oauth_token,\nopaque_oauth_token, m2m_token, opaque_m2m_token, api_key. `offers` lists these:",
            OPTIONS,
        )
    } else if arguments.settings {
        table(
            "A profile maps each setting that the server supports to an environment variable:",
            SETTINGS,
        )
    } else if arguments.profiles {
        profiles()?
    } else {
        cases(arguments)?
    };
    if arguments.json {
        print(&serde_json::to_string_pretty(&json)?)
    } else {
        print(&text)
    }
}

fn cases(arguments: &Arguments) -> anyhow::Result<(String, Value)> {
    let catalog = arguments.cases.catalog()?;
    let selection = Selection {
        only: arguments.selectors.clone(),
        skip: Vec::new(),
        level: arguments.level.map(Level::from),
    };
    let mut text = String::new();
    let mut json = Vec::new();
    let mut section_number = None;
    let selected = selection.apply(&catalog, None)?;
    for (section, case) in &selected {
        if section_number != Some(section.number) {
            section_number = Some(section.number);
            let _ = writeln!(text, "{:2} {}", section.number, section.title);
        }
        let _ = writeln!(text, "   {:6} {}", case.level.name(), case.id);
        json.push(json!({
            "id": case.id,
            "section": section,
            "level": case.level,
            "requirement": case.requirement,
            "references": case.refs,
            "needs": case.needs,
        }));
    }
    let of_clerk_mcp = selected
        .iter()
        .filter(|(_, case)| case.is_for_clerk_mcp())
        .count();
    let _ = writeln!(
        text,
        "{} of {} cases, {of_clerk_mcp} of them only for copies of clerk-mcp",
        selected.len(),
        catalog.len()
    );
    Ok((text, Value::Array(json)))
}

fn references() -> (String, Value) {
    let mut text = String::new();
    for reference in Reference::all() {
        let _ = writeln!(text, "{:50} {}", reference.key, reference.title);
    }
    (text, json!(Reference::all().collect::<Vec<_>>()))
}

fn table(about: &str, rows: &[(&str, &str)]) -> (String, Value) {
    let mut text = format!("{about}\n");
    for (name, meaning) in rows {
        let _ = writeln!(text, "  {name:30} {meaning}");
    }
    let json: BTreeMap<_, _> = rows.iter().copied().collect();
    (text, json!(json))
}

fn profiles() -> anyhow::Result<(String, Value)> {
    let mut text = String::new();
    let mut json = Vec::new();
    for name in Profile::names() {
        let profile = Profile::find(&name)?;
        let _ = writeln!(text, "{name:16} {}", profile.about);
        json.push(json!({ "name": name, "about": profile.about }));
    }
    Ok((text, Value::Array(json)))
}
