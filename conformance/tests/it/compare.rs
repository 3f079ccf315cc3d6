//! Comparisons of two runs.

use clerk_mcp_conformance::{
    compare::{Comparison, compare},
    report::Style,
    results::{CaseResult, Outcome, Reach, Results},
};

use crate::sample::{CaseResultExt as _, HOSTILE, case, results, results_of};

const WRONG: &[(usize, &str, &str)] = &[(1, "status 401", "status 200")];

fn before() -> Results {
    results_of(vec![
        case("challenges.no-token", "It must."),
        case("challenges.scope", "It should.").recommended().failed(WRONG),
        case(
            "claims.expired",
            "The server rejects a token whose `exp` has passed.",
        ),
        case("claims.issued-at", "It must.").failed(WRONG),
        case("claims.not-before", "It must.").with_reason(Outcome::NotTestable, "no answer"),
        case("claims.removed", "It must."),
        case("claims.removed-unapplied", "It must.").with_reason(Outcome::NotApplicable, "not offered"),
        case("machine.api-key", "It must.").with_reason(Outcome::NotApplicable, "not accepted"),
        case("machine.m2m", "It must.").failed(WRONG),
    ])
}

fn after() -> Results {
    results_of(vec![
        case("challenges.no-token", "It must."),
        case("challenges.scope", "It should.").recommended(),
        case(
            "claims.expired",
            "The server rejects a token whose `exp` has passed.",
        )
        .failed(WRONG),
        case("claims.issued-at", "It must.").failed(WRONG).known("later"),
        case("claims.not-before", "It must.").failed(WRONG),
        case("claims.added", "It must.").failed(WRONG),
        case("claims.added-unapplied", "It must.").with_reason(Outcome::NotApplicable, "not offered"),
        case("machine.api-key", "It must."),
        case("machine.m2m", "It must.").with_reason(Outcome::NotApplicable, "not accepted"),
    ])
}

fn ids(changes: &[clerk_mcp_conformance::compare::Change]) -> Vec<&str> {
    changes.iter().map(|change| change.id.as_str()).collect()
}

#[test]
fn sorts_changes_by_kind() {
    let comparison = compare(&before(), &after());
    assert!(comparison.is_regression());
    assert_eq!(ids(&comparison.worse), ["claims.expired", "claims.not-before"]);
    assert_eq!(ids(&comparison.better), ["challenges.scope"]);
    assert_eq!(ids(&comparison.new), ["claims.added", "machine.api-key"]);
    assert_eq!(
        ids(&comparison.no_longer_tested),
        ["machine.m2m", "claims.removed"]
    );
    assert_eq!(comparison.unchanged, 2);
    assert_eq!(comparison.notes, [""; 0]);
    insta::assert_snapshot!("comparison", comparison.render(Style::default()));

    let back = compare(&after(), &before());
    assert_eq!(ids(&back.better), ids(&comparison.worse));
    assert_eq!(ids(&back.worse), ids(&comparison.better));
}

/// Otherwise a narrower profile would hide a regression.
#[test]
fn passed_case_that_is_no_longer_tested_is_a_regression() {
    let passed = || {
        case(
            "claims.expired",
            "The server rejects a token whose `exp` has passed.",
        )
    };
    let failed = || case("claims.issued-at", "It must.").failed(WRONG);
    let not_offered = |case: CaseResult| case.with_reason(Outcome::NotApplicable, "not offered");
    let before = results_of(vec![passed(), failed()]);
    for (after, lost) in [
        (vec![failed()], true),
        (vec![not_offered(passed()), failed()], true),
        (vec![passed(), not_offered(failed())], false),
        (vec![passed()], false),
    ] {
        let comparison = compare(&before, &results_of(after));
        assert_eq!(comparison.is_regression(), lost, "{comparison:?}");
        let text = comparison.render(Style::default());
        assert_eq!(text.contains("FEWER CASES TESTED 0 worse"), lost, "{text}");
    }
    // Another suite may have renamed the case.
    let mut other = results_of(vec![failed()]);
    other.suite.version = "0.2.0".to_owned();
    assert!(!compare(&before, &other).is_regression());
    other.cases.push(not_offered(passed()));
    assert!(compare(&before, &other).is_regression());
}

#[test]
fn identical_runs_have_no_changes() {
    let comparison = compare(&results(), &results());
    assert_eq!(
        comparison,
        Comparison {
            unchanged: 11,
            ..Comparison::default()
        }
    );
    assert!(!comparison.is_regression());
    assert_eq!(
        comparison.render(Style::default()),
        "NO REGRESSION 0 worse, 0 better, 0 new, 0 no longer tested, 11 unchanged\n"
    );
}

#[test]
fn notes_name_a_different_suite_profile_and_reach() {
    let mut new = before();
    new.suite.version = "0.2.0".to_owned();
    new.target.profile = format!("own{HOSTILE}");
    new.target.reach = Reach::NoToken;
    let comparison = compare(&before(), &new);
    assert_eq!(comparison.notes.len(), 3);
    assert_eq!(
        comparison.notes[0],
        "The suite differs: it was clerk-mcp-conformance 0.1.0, it is clerk-mcp-conformance 0.2.0. This may \
         explain changes below."
    );
    assert!(!comparison.is_regression());
    let text = comparison.render(Style::default());
    assert!(
        text.contains("without a token") && !text.contains('\u{1b}'),
        "{text}"
    );
    // The command may differ, because it often names the build.
    new = before();
    new.target.address = "./other".to_owned();
    assert_eq!(compare(&before(), &new).notes, [""; 0]);
}
