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
use futures_util::{StreamExt as _, future::ready, stream};
use local_clerk::mint::TokenKind;

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

/// The server as it comes, and for MCP clients alone with sessions of MCP: some cases are for servers of that kind.
fn profiles() -> [Profile; 2] {
    let whole = Profile::find("clerk-mcp").unwrap();
    let mut narrow = whole.clone();
    narrow.accepts.remove(&TokenKind::SessionToken);
    narrow.sessions = true;
    for (name, value) in [("CLERK_ACCEPTED_TOKENS", "oauth_token"), ("SESSIONS", "on")] {
        narrow.environment.insert(name.to_owned(), value.to_owned());
    }
    [whole, narrow]
}

/// What comes of these cases, or of all when none is named. Those that do not apply to the server as it comes are tried
/// on the other one.
async fn judge(catalogue: &Catalogue, flaw: Option<Flaw>, only: &[&str]) -> Vec<CaseResult> {
    let [whole, narrow] = profiles();
    let (rest, mut results): (Vec<_>, Vec<_>) = judge_as(whole, catalogue, flaw, only)
        .await
        .into_iter()
        .partition(|case| case.outcome == Outcome::NotApplicable);
    let rest: Vec<&str> = rest.iter().map(|case| case.id.as_str()).collect();
    if !rest.is_empty() {
        results.extend(judge_as(narrow, catalogue, flaw, &rest).await);
    }
    results
}

async fn judge_as(
    profile: Profile,
    catalogue: &Catalogue,
    flaw: Option<Flaw>,
    only: &[&str],
) -> Vec<CaseResult> {
    let options = Options {
        profile,
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

/// What a person needs to see of the cases that apply and were not passed.
fn not_passed(results: &[CaseResult]) -> Vec<String> {
    results
        .iter()
        .filter(|case| !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable))
        .map(told)
        .collect()
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
        .filter(|case| case.outcome != Outcome::Pass)
        .map(told)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flaw_fails_the_cases_that_it_is_meant_to_fail() {
    let catalogue = Catalogue::built_in().unwrap();
    let unnoticed: Vec<String> = stream::iter(Flaw::ALL)
        .map(|&flaw| {
            let catalogue = &catalogue;
            async move { (flaw, judge(catalogue, Some(flaw), flaw.breaks()).await) }
        })
        // Most of a flaw's time is spent waiting for a server to start, or for what only time changes.
        .buffer_unordered(FLAWS)
        .flat_map(|(flaw, cases)| stream::iter(cases).map(move |case| (flaw, case)))
        .filter(|(_, case)| ready(!matches!(case.outcome, Outcome::Fail | Outcome::Warn)))
        .map(|(flaw, case)| format!("{}: {}\n{}", flaw.name(), flaw.about(), told(&case)))
        .collect()
        .await;
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

/// A server that answers everybody alike is never right about a token.
#[tokio::test(flavor = "multi_thread")]
async fn one_answer_to_everything_passes_no_case_with_a_token() {
    let catalogue = Catalogue::built_in().unwrap();
    let with_token: Vec<&str> = catalogue
        .iter()
        .filter(|(_, case)| case.steps().iter().any(|step| step.token.is_some()))
        .map(|(_, case)| case.id.as_str())
        .collect();
    let mut passed = Vec::new();
    for flaw in [Flaw::RefusesAll, Flaw::ForbidsAll, Flaw::FailsAll, Flaw::TakesAll] {
        let [profile, _] = profiles();
        let results = judge_as(profile, &catalogue, Some(flaw), &with_token).await;
        let those = results.into_iter().filter(|case| case.outcome == Outcome::Pass);
        passed.extend(those.map(|case| format!("{}: {}", flaw.name(), case.id)));
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

/// What is done to the parts of a JWT does nothing to a token that has none.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_opaque_tokens_alone_fails_no_case_that_needs_a_jwt() {
    let catalogue = Catalogue::built_in().unwrap();
    let [mut profile, _] = profiles();
    profile.accepts = [TokenKind::OpaqueOauthToken].into();
    let sections = ["jose", "claims", "signature", "audience"];
    let results = judge_as(profile, &catalogue, None, &sections).await;
    let wrong = not_passed(&results);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A base URL may have a path; everything is then below it, but for the well-known documents.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_below_a_path_is_tried_there() {
    let catalogue = Catalogue::built_in().unwrap();
    let [mut profile, _] = profiles();
    profile.base_path = "/app".to_owned();
    let sections = ["discovery", "challenges", "refusals", "audience", "web"];
    let results = judge_as(profile.clone(), &catalogue, None, &sections).await;
    let wrong = not_passed(&results);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let only = ["discovery.metadata-of-the-endpoint"];
    let results = judge_as(profile, &catalogue, Some(Flaw::PathOfBaseIgnored), &only).await;
    assert_eq!(results[0].outcome, Outcome::Fail, "{}", told(&results[0]));
}

/// Who accepts machines without being told to is tried as those are who must be told.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_machines_alone_is_tried_without_a_setting() {
    let catalogue = Catalogue::built_in().unwrap();
    let [mut profile, _] = profiles();
    profile.accepts = [TokenKind::M2mToken, TokenKind::OpaqueM2mToken].into();
    profile.settings.remove("accepted_tokens");
    let setting = ("CLERK_ACCEPTED_TOKENS".to_owned(), "m2m_token".to_owned());
    profile.environment.extend([setting]);
    let only = [
        "machine.m2m-accepted",
        "machine.m2m-forged",
        "machine.opaque-m2m",
        "machine.api-key",
    ];
    let results = judge_as(profile, &catalogue, None, &only).await;
    for case in &results {
        let due = match case.id.as_str() {
            "machine.api-key" => Outcome::NotApplicable,
            _ => Outcome::Pass,
        };
        assert_eq!(case.outcome, due, "{}", told(case));
    }
}

/// Cases at once.
const JOBS: usize = 8;
/// Flaws at once.
const FLAWS: usize = 6;
