//! Two runs of one target, before and after a change.

use clerk_mcp_conformance::{
    compare::{Comparison, compare},
    report::Style,
    results::{CaseResult, Outcome, Reach, Results},
};

use crate::sample::{Become as _, HOSTILE, case, of, results};

const WRONG: &[(usize, &str, &str)] = &[(1, "status 401", "status 200")];

fn before() -> Results {
    of(vec![
        case("challenges.no-token", "It must."),
        case("challenges.scope", "It should.").recommended().failed(WRONG),
        case("claims.expired", "A token past its exp is refused."),
        case("claims.issued-at", "It must.").failed(WRONG),
        case("claims.not-before", "It must.").because(Outcome::NotTestable, "no answer"),
        case("claims.removed", "It must."),
        case("claims.removed-unapplied", "It must.").because(Outcome::NotApplicable, "not offered"),
        case("machine.api-key", "It must.").because(Outcome::NotApplicable, "not accepted"),
        case("machine.m2m", "It must.").failed(WRONG),
    ])
}

fn after() -> Results {
    of(vec![
        case("challenges.no-token", "It must."),
        case("challenges.scope", "It should.").recommended(),
        case("claims.expired", "A token past its exp is refused.").failed(WRONG),
        case("claims.issued-at", "It must.").failed(WRONG).known("later"),
        case("claims.not-before", "It must.").failed(WRONG),
        case("claims.added", "It must.").failed(WRONG),
        case("claims.added-unapplied", "It must.").because(Outcome::NotApplicable, "not offered"),
        case("machine.api-key", "It must."),
        case("machine.m2m", "It must.").because(Outcome::NotApplicable, "not accepted"),
    ])
}

fn ids(changes: &[clerk_mcp_conformance::compare::Change]) -> Vec<&str> {
    changes.iter().map(|change| change.id.as_str()).collect()
}

#[test]
fn changes_are_told_apart() {
    let comparison = compare(&before(), &after());
    assert!(comparison.is_regression());
    assert_eq!(ids(&comparison.worse), ["claims.expired", "claims.not-before"]);
    assert_eq!(ids(&comparison.better), ["challenges.scope"]);
    assert_eq!(ids(&comparison.new), ["claims.added", "machine.api-key"]);
    assert_eq!(ids(&comparison.gone), ["machine.m2m", "claims.removed"]);
    assert_eq!(comparison.same, 2);
    assert_eq!(comparison.notes, [""; 0]);
    insta::assert_snapshot!("comparison", comparison.render(Style::default()));

    let back = compare(&after(), &before());
    assert_eq!(ids(&back.better), ids(&comparison.worse));
    assert_eq!(ids(&back.worse), ids(&comparison.better));
}

/// Or a narrower profile would be the way to get a green run.
#[test]
fn what_was_right_and_is_not_tried_is_a_finding() {
    let passed = || case("claims.expired", "A token past its exp is refused.");
    let failed = || case("claims.issued-at", "It must.").failed(WRONG);
    let not_offered = |case: CaseResult| case.because(Outcome::NotApplicable, "not offered");
    let before = of(vec![passed(), failed()]);
    for (after, lost) in [
        (vec![failed()], true),
        (vec![not_offered(passed()), failed()], true),
        (vec![passed(), not_offered(failed())], false),
        (vec![passed()], false),
    ] {
        let comparison = compare(&before, &of(after));
        assert_eq!(comparison.is_regression(), lost, "{comparison:?}");
        let text = comparison.render(Style::default());
        assert_eq!(text.contains("LESS TRIED 0 worse"), lost, "{text}");
    }
    // Another suite may have another name for it.
    let mut other = of(vec![failed()]);
    other.suite.version = "0.2.0".to_owned();
    assert!(!compare(&before, &other).is_regression());
    other.cases.push(not_offered(passed()));
    assert!(compare(&before, &other).is_regression());
}

#[test]
fn a_run_is_no_worse_than_itself() {
    let comparison = compare(&results(), &results());
    assert_eq!(
        comparison,
        Comparison {
            same: 9,
            ..Comparison::default()
        }
    );
    assert!(!comparison.is_regression());
    assert_eq!(
        comparison.render(Style::default()),
        "NO REGRESSION 0 worse, 0 better, 0 new, 0 gone, 9 the same\n"
    );
}

#[test]
fn other_conditions_are_noted() {
    let mut new = before();
    new.suite.version = "0.2.0".to_owned();
    new.target.profile = format!("own{HOSTILE}");
    new.target.reach = Reach::NoToken;
    let comparison = compare(&before(), &new);
    assert_eq!(comparison.notes.len(), 3);
    assert_eq!(
        comparison.notes[0],
        "The suite differs: it was clerk-mcp-conformance 0.1.0, it is clerk-mcp-conformance 0.2.0. A change below \
         may come from that."
    );
    assert!(!comparison.is_regression());
    let text = comparison.render(Style::default());
    assert!(
        text.contains("without a token") && !text.contains('\u{1b}'),
        "{text}"
    );
    // Another command is how most people compare two builds.
    new = before();
    new.target.address = "./other".to_owned();
    assert_eq!(compare(&before(), &new).notes, [""; 0]);
}
