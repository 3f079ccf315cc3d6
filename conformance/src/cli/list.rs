//! `list`: which cases there are, and what they can name.

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
      Every case, by section.
  clerk-mcp-conformance list claims 'session.permissions*'
      Those of a section, and those whose id begins so.
  clerk-mcp-conformance list --level must --json | jq -r '.[].id'
      The ids of what is required.
  clerk-mcp-conformance list --profiles

Exit codes: 0 listed, 2 a selector matches nothing, or a case file is wrong.";

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Arguments {
    /// Ids, sections, or patterns with `*` (`claims.exp*`).
    selectors: Vec<String>,
    /// Only those of this level.
    #[arg(long, value_enum)]
    level: Option<LevelArgument>,
    /// The table of references that cases can cite, instead.
    #[arg(long, group = "what")]
    references: bool,
    /// What profiles can offer, instead.
    #[arg(long, group = "what")]
    options: bool,
    /// The settings that cases change, instead.
    #[arg(long, group = "what")]
    settings: bool,
    /// The profiles that come with the program, instead.
    #[arg(long, group = "what")]
    profiles: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cases: CasesArgument,
}

/// A level, on the command line.
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
            "Besides these, cases need kinds of tokens (accepts): session_token, oauth_token,\nopaque_oauth_token, m2m_token, opaque_m2m_token, api_key.",
            OPTIONS,
        )
    } else if arguments.settings {
        table(
            "A profile maps these to variables, where the server takes such values:",
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
    let catalogue = arguments.cases.catalogue()?;
    let selection = Selection {
        only: arguments.selectors.clone(),
        skip: Vec::new(),
        level: arguments.level.map(Level::from),
    };
    let mut text = String::new();
    let mut json = Vec::new();
    let mut section_number = None;
    let selected = selection.apply(&catalogue)?;
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
    let _ = writeln!(text, "{} of {} cases", selected.len(), catalogue.len());
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
