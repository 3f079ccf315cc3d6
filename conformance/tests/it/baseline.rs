//! The baseline: known failures, and errors for stale entries.

use std::path::Path;

use clerk_mcp_conformance::{
    baseline::Baseline,
    results::{Conclusion, Outcome, StaleEntry, Summary},
};

use crate::sample::{CaseResultExt as _, case, results_of};

fn baseline(ids: &[&str]) -> Baseline {
    let entries: Vec<String> = ids
        .iter()
        .map(|id| format!("[[known]]\ncase = {id:?}\nreason = \"later: {id}\"\n"))
        .collect();
    Baseline::parse("baseline.toml", &entries.concat()).unwrap()
}

#[test]
fn baseline_covers_failures_warnings_and_untestable_cases() {
    let mut results = results_of(vec![
        case("challenges.scope", "It should.")
            .recommended()
            .failed(&[(1, "this", "that")]),
        case("claims.expired", "It must.").failed(&[(1, "this", "that")]),
        case("claims.issued-at", "It must.").with_reason(Outcome::NotTestable, "no answer"),
        case("claims.not-before", "It must.").failed(&[(1, "this", "that")]),
    ]);
    let ids = ["challenges.scope", "claims.expired", "claims.issued-at"];
    results.baseline = baseline(&ids).apply(&mut results.cases, []);
    assert_eq!(results.baseline, []);
    let known: Vec<Option<&str>> = results.cases.iter().map(|case| case.known.as_deref()).collect();
    assert_eq!(
        known,
        [
            Some("later: challenges.scope"),
            Some("later: claims.expired"),
            Some("later: claims.issued-at"),
            None
        ]
    );
    assert_eq!(
        results.summary(),
        Summary {
            fail: 1,
            known: 3,
            ..Summary::default()
        }
    );
    assert_eq!(results.conclusion(), Conclusion::Findings);
    assert!(results.cases[3].is_new_failure() && !results.cases[1].is_new_failure());

    results.cases.pop();
    assert_eq!(results.conclusion(), Conclusion::Clean);
}

#[test]
fn entries_for_passing_or_unknown_cases_are_reported() {
    let mut results = results_of(vec![
        case("claims.expired", "It must."),
        case("machine.api-key", "It must.").with_reason(Outcome::NotApplicable, "not accepted"),
    ]);
    let all = ["claims.expired", "claims.not-selected", "machine.api-key"];
    let baseline = baseline(&[
        "claims.expired",
        "claims.not-selected",
        "claims.typo",
        "machine.api-key",
    ]);
    results.baseline = baseline.apply(&mut results.cases, all);
    let stale = |case: &str, problem: &str| StaleEntry {
        case: case.to_owned(),
        problem: problem.to_owned(),
    };
    assert_eq!(
        results.baseline,
        [
            stale("claims.expired", "passes now: remove the entry"),
            stale("claims.typo", "names no case: correct or remove the entry"),
        ]
    );
    assert!(results.cases.iter().all(|case| case.known.is_none()));
    // A stale entry fails a run without other findings.
    assert_eq!(results.conclusion(), Conclusion::Findings);
}

#[test]
fn invalid_baselines_are_rejected() {
    for (text, expected) in [
        (
            "[[known]]\ncase = \"claims.expired\"\nreason = \" \"\n",
            "baseline.toml: claims.expired: the reason is empty",
        ),
        (
            "[[known]]\ncase = \"a.b\"\nreason = \"one\"\n[[known]]\ncase = \"a.b\"\nreason = \"two\"\n",
            "baseline.toml: a.b is listed twice",
        ),
        ("[[known]]\ncase = \"a.b\"\n", "missing field `reason`"),
        ("[[knwon]]\ncase = \"a.b\"\n", "unknown field `knwon`"),
        (
            "[[known]]\ncase = \"a.b\"\nreason = \"one\"\nuntil = \"friday\"\n",
            "unknown field `until`",
        ),
    ] {
        let error = Baseline::parse("baseline.toml", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(Baseline::parse("empty", "").unwrap(), Baseline::default());
    let error = Baseline::read(Path::new("/nowhere/baseline.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nowhere/baseline.toml: cannot read the file: "),
        "{error}"
    );
}
