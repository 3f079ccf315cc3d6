//! The SARIF 2.1.0 report (OASIS): each case is a rule, each finding is a result.
//!
//! Written for GitHub code scanning, which supports a part of the format and requires some optional
//! properties.

use serde::Serialize;

use super::{
    sanitize::{self, Limit, block, line},
    status::Status,
};
use crate::{
    case::Level,
    results::{CaseResult, Results, StaleEntry},
};

/// The limit for an expected or actual answer. A message appears in a list of alerts; the other formats
/// contain the complete exchange.
const MESSAGE: Limit = Limit {
    lines: 8,
    characters: 600,
};
/// The id of the rule for errors in the baseline.
const BASELINE: &str = "baseline";

#[derive(Serialize)]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: AutomationDetails,
    results: Vec<Finding>,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
struct Driver {
    name: String,
    version: String,
    rules: Vec<Rule>,
}

/// Distinguishes runs against different targets, so that one run does not close the alerts of another.
#[derive(Serialize)]
struct AutomationDetails {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
    full_description: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<String>,
    help: Text,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Properties {
    tags: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: String,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    partial_fingerprints: Fingerprints,
    /// Always present. An empty list means that the result is not suppressed (section 3.27.23).
    suppressions: Vec<Suppression>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

/// Identifies an alert across runs. By default GitHub uses the location, which is the same for all results
/// here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fingerprints {
    primary_location_line_hash: String,
}

#[derive(Serialize)]
struct Suppression {
    kind: &'static str,
    status: &'static str,
    justification: String,
}

pub(super) fn render(results: &Results) -> Result<String, serde_json::Error> {
    let mut rules: Vec<Rule> = results.cases.iter().map(rule).collect();
    let mut findings: Vec<Finding> = results
        .cases
        .iter()
        .enumerate()
        .filter_map(|(index, case)| finding(index, case, &results.target.profile))
        .collect();
    if !results.baseline.is_empty() {
        findings.extend(
            results
                .baseline
                .iter()
                .map(|entry| baseline_finding(rules.len(), entry, &results.target.profile)),
        );
        rules.push(baseline_rule());
    }
    sanitize::to_json(&Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: line(&results.suite.name),
                    version: line(&results.suite.version),
                    rules,
                },
            },
            automation_details: AutomationDetails {
                // The part after the last slash identifies one run. It is empty, so that runs of one target
                // are comparable.
                id: format!("{}/", address(&results.target.profile)),
            },
            results: findings,
        }],
    })
}

fn rule(case: &CaseResult) -> Rule {
    let references = case.references.iter().map(|reference| {
        let url = reference.url.as_deref().unwrap_or_default();
        line(&format!("{} {url}", reference.title)).trim_end().to_owned()
    });
    let help: Vec<String> = [line(&case.why)].into_iter().chain(references).collect();
    Rule {
        id: line(&case.id),
        short_description: text(&line(&case.requirement)),
        full_description: text(&line(&case.why)),
        help_uri: case.references.iter().find_map(|reference| reference.url.clone()),
        help: text(&help.join("\n")),
        default_configuration: Configuration {
            level: match case.level {
                Level::Must => "error",
                Level::Should => "warning",
            },
        },
        properties: Properties {
            tags: vec![line(&case.section.key), case.level.name().to_owned()],
        },
    }
}

fn finding(rule_index: usize, case: &CaseResult, profile: &str) -> Option<Finding> {
    let (level, suppressions) = match Status::of(case) {
        Status::Pass | Status::NotApplicable => return None,
        Status::Fail | Status::NotTestable => ("error", Vec::new()),
        Status::Warn => ("warning", Vec::new()),
        Status::Known => (
            if case.outcome.is_failure() {
                "error"
            } else {
                "warning"
            },
            vec![Suppression {
                // The suppression is in the baseline, not in the source of the target.
                kind: "external",
                status: "accepted",
                justification: line(case.known.as_deref().unwrap_or_default()),
            }],
        ),
    };
    let mut message = vec![line(&case.requirement)];
    if let Some(reason) = &case.reason {
        message.push(format!("Not testable: {}", line(reason)));
    }
    for finding in &case.findings {
        message.push(format!("Expected: {}", block(&finding.expected, MESSAGE)));
        message.push(format!("Actual: {}", block(&finding.actual, MESSAGE)));
    }
    message.push(format!("Run again: {}", line(&case.rerun)));
    Some(Finding {
        rule_id: line(&case.id),
        rule_index,
        level,
        message: text(&message.join("\n")),
        locations: [location(profile, &case.id)],
        partial_fingerprints: fingerprints(&case.id),
        suppressions,
    })
}

fn baseline_rule() -> Rule {
    Rule {
        id: BASELINE.to_owned(),
        short_description: text("Every entry of the baseline names a case that fails."),
        full_description: text("An entry whose case passes or does not exist must be corrected or removed."),
        help_uri: None,
        help: text("Correct the entry, or remove it."),
        default_configuration: Configuration { level: "error" },
        properties: Properties {
            tags: vec![BASELINE.to_owned()],
        },
    }
}

fn baseline_finding(rule_index: usize, entry: &StaleEntry, profile: &str) -> Finding {
    let name = format!("{BASELINE}.{}", entry.case);
    Finding {
        rule_id: BASELINE.to_owned(),
        rule_index,
        level: "error",
        message: text(&line(&format!("{} {}", entry.case, entry.problem))),
        locations: [location(profile, &name)],
        partial_fingerprints: fingerprints(&name),
        suppressions: Vec::new(),
    }
}

/// Returns a location with the profile as its file. GitHub rejects results without a file, and closes and
/// reopens an alert whose file changes. The profile, unlike the command or the URL, is the same in every run.
fn location(profile: &str, id: &str) -> Location {
    Location {
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: address(profile),
            },
            region: Region { start_line: 1 },
        },
        logical_locations: [LogicalLocation {
            fully_qualified_name: line(id),
            kind: "case",
        }],
    }
}

fn fingerprints(id: &str) -> Fingerprints {
    Fingerprints {
        primary_location_line_hash: line(id),
    }
}

/// Returns the relative reference (RFC 3986) of a profile.
fn address(profile: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(profile.as_bytes()).collect();
    format!("clerk-mcp-conformance/{}", name.replace('+', "%20"))
}

/// Escapes a SARIF message, in which braces are placeholders (section 3.11.5) and `[text](address)` is a link
/// (section 3.11.6).
fn text(plain: &str) -> Text {
    Text {
        text: plain.replace('{', "{{").replace('}', "}}").replace("](", "]\\("),
    }
}
