//! Servers that accept access tokens of any OAuth issuer.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::BTreeSet;

use clerk_mcp_conformance::{
    case::{Catalog, Issuer},
    profile::Profile,
    results::{CaseResult, Outcome},
};

use crate::{
    broken::Flaw,
    cases::{describe, run_profile},
};

fn profile() -> Profile {
    let mut profile = Profile::find("oauth").unwrap();
    // The server is ready when it has fetched the keys.
    profile.ready = Some("/readyz".to_owned());
    profile
}

fn with_outcome<'a>(cases: &'a [CaseResult], outcomes: &[Outcome]) -> Vec<&'a CaseResult> {
    cases
        .iter()
        .filter(|case| outcomes.contains(&case.outcome))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_cases_about_any_issuer_are_run_and_pass() {
    let catalog = Catalog::built_in().unwrap();
    let cases = run_profile(profile(), &catalog, None, &[]).await;
    let failed: Vec<String> = with_outcome(&cases, &[Outcome::Fail, Outcome::NotTestable])
        .into_iter()
        .map(describe)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let about_clerk: BTreeSet<&str> = catalog
        .iter()
        .filter(|(_, case)| case.issuer == Issuer::Clerk)
        .map(|(_, case)| case.id.as_str())
        .collect();
    assert!(cases.iter().all(|case| !about_clerk.contains(case.id.as_str())));
    let passed = with_outcome(&cases, &[Outcome::Pass]);
    assert!(passed.len() > 180, "{}", passed.len());
    for case in &cases {
        let text = format!("{} {} {:?}", case.requirement, case.why, case.reason);
        assert!(!text.contains("Clerk"), "{}: {text}", case.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flaws_of_servers_for_any_issuer_are_detected() {
    let catalog = Catalog::built_in().unwrap();
    for (flaw, id) in [
        (Flaw::AcceptsNone, "jose.alg-none"),
        (Flaw::AudSubstring, "audience.inside-another"),
        (Flaw::IssHostOnly, "claims.issuer-exactly"),
    ] {
        let cases = run_profile(profile(), &catalog, Some(flaw), &[id]).await;
        assert_eq!(cases[0].outcome, Outcome::Fail, "{}", describe(&cases[0]));
    }
}
