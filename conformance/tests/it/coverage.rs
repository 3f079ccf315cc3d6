//! The list of requirements (`requirements.toml`): each requirement has cases or a reason why it has none.

use std::{collections::BTreeSet, fs, path::Path};

use clerk_mcp_conformance::{case::Level, spec::Reference};
use serde::Deserialize;

use crate::catalog::cases;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    requirement: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    number: u8,
    level: Level,
    text: String,
    refs: Vec<String>,
    #[serde(default)]
    cases: Vec<String>,
    excluded: Option<String>,
}

fn requirements() -> Vec<Requirement> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements.toml");
    let text = fs::read_to_string(path).unwrap();
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("requirements.toml: {error}"));
    file.requirement
}

#[test]
fn requirement_numbers_are_complete_and_unique() {
    let numbers: Vec<u8> = requirements().iter().map(|one| one.number).collect();
    assert_eq!(numbers, (1..=42).collect::<Vec<_>>());
}

#[test]
fn every_requirement_has_cases_or_a_reason() {
    for Requirement {
        number,
        text,
        refs,
        cases,
        excluded,
        ..
    } in requirements()
    {
        assert!(text.ends_with('.'), "{number}: {text}");
        assert!(!refs.is_empty(), "{number} cites nothing");
        for key in &refs {
            assert!(
                Reference::find(key).is_some(),
                "{number}: {key} is not in the table"
            );
        }
        match excluded {
            Some(reason) => assert!(cases.is_empty() && reason.ends_with('.'), "{number}: {reason}"),
            None => assert!(!cases.is_empty(), "{number} has neither cases nor a reason"),
        }
    }
}

/// A reference without a citation is a requirement that may have been overlooked.
#[test]
fn every_reference_is_cited() {
    let cited: BTreeSet<String> = cases()
        .iter()
        .flat_map(|(_, case)| case.refs.clone())
        .chain(requirements().into_iter().flat_map(|one| one.refs))
        .collect();
    let idle: Vec<String> = Reference::all()
        .map(|one| one.key)
        .filter(|key| !cited.contains(key))
        .collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn cases_of_requirements_exist() {
    let catalog = cases();
    for requirement in requirements() {
        let named: BTreeSet<&String> = requirement.cases.iter().collect();
        assert_eq!(named.len(), requirement.cases.len(), "{}", requirement.number);
        for id in named {
            assert!(
                catalog.find(id).is_some(),
                "{}: there is no case {id}",
                requirement.number
            );
        }
    }
}

/// A mandatory requirement needs a case that can fail the run, not only cases that can warn.
#[test]
fn must_requirements_have_a_must_case() {
    let catalog = cases();
    for Requirement { number, cases, .. } in requirements()
        .into_iter()
        .filter(|one| one.level == Level::Must && one.excluded.is_none())
    {
        let levels = cases.iter().filter_map(|id| Some(catalog.find(id)?.1.level));
        assert!(levels.into_iter().any(|level| level == Level::Must), "{number}");
    }
}
