//! Every case passes where nothing is wrong, and fails where something is.

#![expect(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use clerk_mcp_conformance::{
    case::Catalogue,
    profile::Profile,
    results::{CaseResult, Outcome},
    runner::{Options, Selection, TargetOptions, run},
    target::{self, Ended, Launcher},
};

use crate::broken::{Flaw, server::Running, start};

impl target::Running for Running {}

/// Starts the server with this flaw, for the runner.
fn launcher(flaw: Option<Flaw>) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            match start(environment, flaw).await {
                Ok(running) => Ok(Box::new(running) as Box<dyn target::Running>),
                Err(failure) => Err(Ended {
                    exit: Some(failure.exit),
                    output: failure.output,
                }),
            }
        })
    })
}

/// What comes of these cases, or of all when none is named.
async fn judge(catalogue: &Catalogue, flaw: Option<Flaw>, only: &[&str]) -> Vec<CaseResult> {
    let options = Options {
        profile: Profile::find("clerk-mcp").unwrap(),
        target: TargetOptions::Inside(launcher(flaw)),
        selection: Selection {
            only: only.iter().map(|id| (*id).to_owned()).collect(),
            ..Selection::default()
        },
        baseline: None,
        jobs: JOBS,
        timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(10),
        authority: None,
        rerun: String::new(),
    };
    run(catalogue, &options, &()).await.unwrap().cases
}

/// What a person needs to see of a case that did not end as it should.
fn told(case: &CaseResult) -> String {
    let findings: Vec<String> = case
        .findings
        .iter()
        .map(|finding| {
            format!(
                "    step {}: {}; got {}",
                finding.step, finding.expected, finding.actual
            )
        })
        .collect();
    let reason = case.reason.as_deref().unwrap_or_default();
    format!(
        "  {}: {:?} {reason}\n{}",
        case.id,
        case.outcome,
        findings.join("\n")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_flaw_every_case_passes() {
    let catalogue = Catalogue::built_in().unwrap();
    let cases = judge(&catalogue, None, &[]).await;
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable))
        .map(told)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flaw_fails_the_cases_that_it_is_meant_to_fail() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut unnoticed = Vec::new();
    for flaw in Flaw::ALL {
        for case in judge(&catalogue, Some(*flaw), flaw.breaks()).await {
            if !matches!(case.outcome, Outcome::Fail | Outcome::Warn) {
                unnoticed.push(format!("{}: {}\n{}", flaw.name(), flaw.about(), told(&case)));
            }
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

#[test]
fn every_case_is_failed_by_a_flaw_and_every_flaw_fails_a_case() {
    let catalogue = Catalogue::built_in().unwrap();
    let named: BTreeSet<&str> = Flaw::ALL.iter().flat_map(|flaw| flaw.breaks()).copied().collect();
    let all: BTreeSet<&str> = catalogue.ids().collect();
    let untried: Vec<&&str> = all.difference(&named).collect();
    assert!(untried.is_empty(), "no flaw fails {untried:?}");
    let unknown: Vec<&&str> = named.difference(&all).collect();
    assert!(unknown.is_empty(), "there is no case {unknown:?}");
    let harmless: Vec<&str> = Flaw::ALL
        .iter()
        .filter(|flaw| flaw.breaks().is_empty())
        .map(|flaw| flaw.name())
        .collect();
    assert!(harmless.is_empty(), "nothing fails by {harmless:?}");
}

/// Cases at once.
const JOBS: usize = 8;
