//! Every case passes against the server without a flaw, and fails against the flaws that it must detect.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use clerk_mcp_conformance::{
    case::Catalog,
    profile::Profile,
    results::{CaseResult, Outcome},
    runner::{Options, Selection, TargetOptions, run},
    target::{self, Ended, Launcher},
};
use futures_util::{StreamExt as _, future::ready, stream};
use local_clerk::mint::TokenKind;

use crate::broken::{Flaw, server::RunningServer, start};

impl target::Running for RunningServer {
    fn output(&self) -> String {
        Self::output(self)
    }
}

/// Returns a launcher that starts the server with this flaw inside the test process.
fn launcher(flaw: Option<Flaw>) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            match start(environment, flaw).await {
                Ok(running) => Ok(Box::new(running) as Box<dyn target::Running>),
                Err(failure) => Err(Ended {
                    exit: Some(failure.exit_code),
                    output: failure.output,
                }),
            }
        })
    })
}

/// Returns three profiles: the server's own, one that accepts only OAuth tokens and keeps MCP sessions, and one
/// with a public tool and a tool for admins. Some cases apply only to servers like the second or the third.
pub(crate) fn profiles() -> [Profile; 3] {
    let full = Profile::find("clerk-mcp").unwrap();
    let mut narrow = full.clone();
    narrow.accepts.remove(&TokenKind::SessionToken);
    narrow.sessions = true;
    for (name, value) in [("CLERK_ACCEPTED_TOKENS", "oauth_token"), ("SESSIONS", "on")] {
        narrow.environment.insert(name.to_owned(), value.to_owned());
    }
    let mut with_policy = full.clone();
    with_policy.public_tool = Some("greet".to_owned());
    with_policy.admin_tool = Some("get-user-info".to_owned());
    for (name, value) in [("PUBLIC_TOOL", "greet"), ("ADMIN_TOOL", "get-user-info")] {
        with_policy.environment.insert(name.to_owned(), value.to_owned());
    }
    [full, narrow, with_policy]
}

/// Runs these cases, or all if none is given, and returns the results. Cases that do not apply to a profile run
/// with the next.
async fn run_cases(catalog: &Catalog, flaw: Option<Flaw>, only: &[&str]) -> Vec<CaseResult> {
    let [full, others @ ..] = profiles();
    let mut results = run_profile(full, catalog, flaw, only).await;
    for profile in others {
        let (rest, applied): (Vec<_>, Vec<_>) = results
            .into_iter()
            .partition(|case| case.outcome == Outcome::NotApplicable);
        results = applied;
        let rest: Vec<&str> = rest.iter().map(|case| case.id.as_str()).collect();
        if !rest.is_empty() {
            results.extend(run_profile(profile, catalog, flaw, &rest).await);
        }
    }
    results
}

/// Runs these cases with one profile.
pub(crate) async fn run_profile(
    profile: Profile,
    catalog: &Catalog,
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
    run(catalog, &options, &()).await.unwrap().cases
}

/// Describes the cases that apply and did not pass.
fn not_passed(results: &[CaseResult]) -> Vec<String> {
    results
        .iter()
        .filter(|case| !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable))
        .map(describe)
        .collect()
}

/// Describes a result for an assertion message.
pub(crate) fn describe(case: &CaseResult) -> String {
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
async fn every_case_passes_without_a_flaw() {
    let catalog = Catalog::built_in().unwrap();
    let cases = run_cases(&catalog, None, &[]).await;
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| case.outcome != Outcome::Pass)
        .map(describe)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flaw_fails_its_expected_cases() {
    let catalog = Catalog::built_in().unwrap();
    // `policy.rs` tests the cells of a policy, which are no part of the catalog.
    let flaws = Flaw::ALL.iter().filter(|flaw| !is_for_policy(**flaw));
    let undetected: Vec<String> = stream::iter(flaws)
        .map(|&flaw| {
            let catalog = &catalog;
            async move {
                (
                    flaw,
                    run_cases(catalog, Some(flaw), flaw.expected_failures()).await,
                )
            }
        })
        // Runs mostly wait: for the server to start, and in cases that sleep.
        .buffer_unordered(CONCURRENT_FLAWS)
        .flat_map(|(flaw, cases)| stream::iter(cases).map(move |case| (flaw, case)))
        .filter(|(_, case)| ready(!matches!(case.outcome, Outcome::Fail | Outcome::Warn)))
        .map(|(flaw, case)| format!("{}: {}\n{}", flaw.name(), flaw.description(), describe(&case)))
        .collect()
        .await;
    assert!(undetected.is_empty(), "{}", undetected.join("\n"));
}

#[test]
fn every_case_has_a_flaw_that_fails_it_and_every_flaw_fails_a_case() {
    let catalog = Catalog::built_in().unwrap();
    let named: BTreeSet<&str> = Flaw::ALL
        .iter()
        .flat_map(|flaw| flaw.expected_failures())
        .copied()
        .collect();
    let all: BTreeSet<&str> = catalog.ids().collect();
    let uncovered: Vec<&&str> = all.difference(&named).collect();
    assert!(uncovered.is_empty(), "no flaw fails these cases: {uncovered:?}");
    let unknown = named.difference(&all).filter(|id| !id.starts_with("policy."));
    let unknown: Vec<&&str> = unknown.collect();
    assert!(
        unknown.is_empty(),
        "expected failures name unknown cases: {unknown:?}"
    );
    let harmless: Vec<&str> = Flaw::ALL
        .iter()
        .filter(|flaw| flaw.expected_failures().is_empty())
        .map(|flaw| flaw.name())
        .collect();
    assert!(harmless.is_empty(), "these flaws fail no case: {harmless:?}");
}

/// Returns whether the cells of a policy test the flaw, and not the matrix of cases.
pub(crate) fn is_for_policy(flaw: Flaw) -> bool {
    flaw.expected_failures()
        .iter()
        .all(|id| id.starts_with("policy."))
}

/// Otherwise a server that ignores tokens could pass cases about tokens.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_one_answer_to_everything_passes_no_case_with_a_token() {
    let catalog = Catalog::built_in().unwrap();
    let with_token: Vec<&str> = catalog
        .iter()
        .filter(|(_, case)| case.steps().iter().any(|step| step.token.is_some()))
        .map(|(_, case)| case.id.as_str())
        .collect();
    let mut passed = Vec::new();
    for flaw in [Flaw::RefusesAll, Flaw::ForbidsAll, Flaw::FailsAll, Flaw::TakesAll] {
        let [profile, ..] = profiles();
        let results = run_profile(profile, &catalog, Some(flaw), &with_token).await;
        let passes = results.into_iter().filter(|case| case.outcome == Outcome::Pass);
        passed.extend(passes.map(|case| format!("{}: {}", flaw.name(), case.id)));
    }
    assert!(passed.is_empty(), "{}", passed.join("\n"));
}

/// Cases that damage a JWT do not apply to opaque tokens.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_only_opaque_tokens_fails_no_case_that_needs_a_jwt() {
    let catalog = Catalog::built_in().unwrap();
    let [mut profile, ..] = profiles();
    profile.accepts = [TokenKind::OpaqueOauthToken].into();
    let sections = ["jose", "claims", "signature", "audience"];
    let results = run_profile(profile, &catalog, None, &sections).await;
    let failed = not_passed(&results);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// With a path in the base URL, all routes are below that path, except the well-known documents.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_below_a_path_is_tested_at_that_path() {
    let catalog = Catalog::built_in().unwrap();
    let [mut profile, ..] = profiles();
    profile.base_path = "/app".to_owned();
    let sections = ["discovery", "challenges", "refusals", "audience", "web"];
    let results = run_profile(profile.clone(), &catalog, None, &sections).await;
    let failed = not_passed(&results);
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let only = ["discovery.metadata-of-the-endpoint"];
    let results = run_profile(profile, &catalog, Some(Flaw::PathOfBaseIgnored), &only).await;
    assert_eq!(results[0].outcome, Outcome::Fail, "{}", describe(&results[0]));
}

/// A server may accept machine tokens without a setting for it. The cases for machine tokens still apply.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_accepts_machine_tokens_is_tested_without_the_setting() {
    let catalog = Catalog::built_in().unwrap();
    let [mut profile, ..] = profiles();
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
    let results = run_profile(profile, &catalog, None, &only).await;
    for case in &results {
        let expected = match case.id.as_str() {
            "machine.api-key" => Outcome::NotApplicable,
            _ => Outcome::Pass,
        };
        assert_eq!(case.outcome, expected, "{}", describe(case));
    }
}

/// Cases that run in parallel.
const JOBS: usize = 8;
/// Flaws that run in parallel.
const CONCURRENT_FLAWS: usize = 6;
