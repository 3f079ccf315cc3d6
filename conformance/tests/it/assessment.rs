//! The assessment of results: verdict, causes, and which clients will connect.

use std::collections::BTreeSet;

use clerk_mcp_conformance::{
    assessment::{Assessment, Cause, Connects, Severity, after_sign_in, causes, clients},
    results::{CaseResult, Outcome, Reach, Results, Target},
};

use crate::{
    catalog::cases,
    sample::{CaseResultExt as _, case, results_of},
};

const PROCESSED: &str = "the request is not processed (rejected: 401)";
const RESULT: &str = "200 with a JSON-RPC result";

/// Returns the result of a case that failed with one finding.
fn failed(id: &str, expected: &str, actual: &str) -> CaseResult {
    let section = "claims.any";
    let mut failed = case(section, "The server does this.").failed(&[(1, expected, actual)]);
    id.clone_into(&mut failed.id);
    failed
}

fn cause_of(id: &str, expected: &str, actual: &str) -> &'static str {
    Cause::of(&failed(id, expected, actual)).unwrap().id.as_str()
}

/// The most specific selector decides. Two that are equally specific would depend on the order of the file.
#[test]
fn every_case_has_exactly_one_cause() {
    for id in cases().ids() {
        let fits = |cause: &&Cause| cause.expected.is_empty() && cause.specificity(id).is_some();
        let best = causes()
            .iter()
            .filter(fits)
            .map(|cause| cause.specificity(id))
            .max();
        let best = best.unwrap_or_else(|| panic!("{id} has no cause in causes.toml"));
        let causes: Vec<&str> = causes()
            .iter()
            .filter(|cause| fits(cause) && cause.specificity(id) == best)
            .map(|cause| cause.id.as_str())
            .collect();
        assert_eq!(
            causes.len(),
            1,
            "{id} has several causes in causes.toml: {causes:?}"
        );
        assert_eq!(Cause::of_id(id).map(|cause| cause.id.as_str()), Some(causes[0]));
    }
}

#[test]
fn causes_are_complete_and_their_selectors_match_cases() {
    let catalog = cases();
    let ids: BTreeSet<&str> = causes().iter().map(|cause| cause.id.as_str()).collect();
    assert_eq!(ids.len(), causes().len());
    assert!(ids.len() > 30, "{ids:?}");
    for cause in causes() {
        assert!(!cause.title.ends_with('.'), "{}", cause.id);
        assert!(
            cause.consequence.ends_with('.') && cause.fix.ends_with('.'),
            "{}",
            cause.id
        );
        assert!(
            cause.actual.is_empty() || !cause.expected.is_empty(),
            "{}",
            cause.id
        );
        for selector in &cause.cases {
            let only = Cause {
                cases: vec![selector.clone()],
                id: String::new(),
                severity: cause.severity,
                title: String::new(),
                consequence: String::new(),
                fix: String::new(),
                expected: Vec::new(),
                actual: Vec::new(),
            };
            // The cells of a policy are no part of the catalog.
            let mut ids = catalog.ids().chain(["policy.admin.delete-invoices"]);
            let is_used = ids.any(|id| only.specificity(id).is_some());
            assert!(is_used, "{}: {selector} matches no case", cause.id);
        }
    }
    for severity in Severity::ALL {
        assert!(
            causes().iter().any(|cause| cause.severity == severity),
            "{severity:?}"
        );
    }
}

#[test]
fn findings_decide_about_the_cause_before_the_case_does() {
    for (id, expected, actual, cause) in [
        ("audience.missing", PROCESSED, RESULT, "audience"),
        (
            "audience.missing",
            "status 401",
            "500 without a JSON-RPC response",
            "server-errors",
        ),
        (
            "audience.missing",
            "status 401",
            "400 without a JSON-RPC response",
            "wrong-status",
        ),
        (
            "audience.text",
            "accepted: 200 with a JSON-RPC result",
            "401",
            "valid-rejected",
        ),
        (
            "jose.kid-not-text",
            "the target keeps running",
            "it exited with code 1",
            "request-stops",
        ),
        (
            "keys.set-is-huge",
            "the target keeps running",
            "it exited with code 1",
            "bad-answer-stops",
        ),
        (
            "claims.expired",
            "no secret key in the answer",
            "the answer contains a secret key",
            "secret-keys-shown",
        ),
        (
            "claims.expired",
            "no part of the token in the answer",
            "the answer contains a part of the token",
            "tokens-shown",
        ),
        (
            "web.output-without-secrets",
            "no secret key or private key in the output",
            "key=<secret>",
            "secret-keys-shown",
        ),
        (
            "web.output-without-secrets",
            "no token in the output",
            "rejected <secret>",
            "tokens-logged",
        ),
        ("claims.exp-missing", PROCESSED, RESULT, "no-expiry"),
        ("claims.expired", PROCESSED, RESULT, "times"),
        (
            "claims.exp-huge",
            "status 200 or 401",
            "500 without a JSON-RPC response",
            "server-errors",
        ),
        (
            "claims.exp-huge",
            "status 200 or 401",
            "403 without a JSON-RPC response",
            "wrong-status",
        ),
        (
            "challenges.no-token",
            "status 401",
            "404 without a JSON-RPC response",
            "no-401",
        ),
        (
            "challenges.no-token",
            "a Bearer challenge",
            "no WWW-Authenticate",
            "no-challenge",
        ),
        (
            "challenges.get",
            "status 401",
            "200 without a JSON-RPC response",
            "no-token",
        ),
        (
            "keys.new-key",
            "accepted: 200 with a JSON-RPC result",
            "401",
            "rotation",
        ),
        (
            "claims.expired",
            "an answer",
            "no answer within 10 s",
            "no-answer",
        ),
    ] {
        assert_eq!(cause_of(id, expected, actual), cause, "{id}: {expected}");
    }
}

#[test]
fn causes_are_ordered_by_what_they_mean_and_failures_precede_warnings() {
    let mut missing_nosniff = failed("web.sniffing", "header x is \"nosniff\"", "absent");
    missing_nosniff.outcome = Outcome::Warn;
    let mut other_audience = failed("audience.other", PROCESSED, RESULT);
    other_audience.outcome = Outcome::Warn;
    let results = results_of(vec![
        missing_nosniff,
        failed("protocol.ping", "a result", "none"),
        failed("audience.missing", PROCESSED, RESULT),
        other_audience,
        failed(
            "jose.kid-not-text",
            "the target keeps running",
            "it exited with code 1",
        ),
        failed("oauth.id-token", PROCESSED, RESULT),
        failed("audience.issuer-other", PROCESSED, RESULT).known("ISSUE-1"),
    ]);
    let assessment = Assessment::of(&results);
    let groups: Vec<(&str, usize, usize)> = assessment
        .groups
        .iter()
        .map(|group| (group.id, group.failed.len(), group.warned.len()))
        .collect();
    assert_eq!(
        groups,
        [
            ("request-stops", 1, 0),
            ("audience", 1, 1),
            ("kind", 1, 0),
            ("protocol", 1, 0),
            ("http", 0, 1)
        ]
    );
    assert_eq!(assessment.verdict.title, "Not safe to expose");
    assert_eq!(
        assessment.verdict.reasons,
        "One request ends the process. Tokens for other servers are accepted. Tokens made for another purpose are \
         accepted. 1 more cause."
    );
}

#[test]
fn verdicts_say_what_the_run_proves() {
    let passed = || {
        case(
            "claims.expired",
            "The server rejects a token whose `exp` has passed.",
        )
    };
    let one = |case: CaseResult| results_of(vec![case]);
    let untestable = passed().with_reason(Outcome::NotTestable, "no answer");
    let inapplicable = passed().with_reason(Outcome::NotApplicable, "no token");
    let without_a_token = Results {
        target: Target {
            reach: Reach::NoToken,
            ..one(passed()).target
        },
        ..one(passed())
    };
    let rejecting = Results {
        good_token_refused: Some("401".to_owned()),
        ..one(failed("audience.missing", PROCESSED, RESULT))
    };
    for (results, title, reasons) in [
        (one(passed()), "No failures", "1 case passed."),
        (
            without_a_token,
            "No failures",
            "Only what needs no token was tested.",
        ),
        (
            one(passed().recommended().failed(&[(1, "a", "b")])),
            "No failures",
            "0 cases passed. 1 recommendation is not met.",
        ),
        (
            one(passed().failed(&[(1, "a", "b")]).known("ISSUE-1")),
            "No failures",
            "0 cases passed. The baseline excuses 1 case.",
        ),
        (one(untestable), "Not proven", "1 case could not be tested."),
        (
            one(inapplicable),
            "Nothing tested",
            "No selected case applies to this target.",
        ),
        (
            rejecting,
            "Not proven",
            "The target rejected a valid token and accepted none, so rejections of invalid tokens prove nothing. Fix \
             this first: 401",
        ),
        (
            one(failed("keys.new-key", "accepted: 200", "401")),
            "Not ready for users",
            "New or additional keys of the issuer are not used.",
        ),
        (
            one(failed("protocol.ping", "a result", "none")),
            "Not conformant",
            "MCP messages are not handled as specified.",
        ),
        (
            one(failed("mine.own", "a result", "none")),
            "Not conformant",
            "The server does this.",
        ),
    ] {
        let verdict = Assessment::of(&results).verdict;
        assert_eq!((verdict.title, verdict.reasons.as_str()), (title, reasons));
    }
}

#[test]
fn clients_depend_on_cases_and_cite_their_source() {
    let catalog = cases();
    let names: Vec<&str> = clients().iter().map(|client| client.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "claude.ai",
            "Claude Code",
            "ChatGPT",
            "VS Code",
            "Cursor",
            "MCP Inspector",
            "mcp-remote"
        ]
    );
    for client in clients() {
        assert!(
            client.rule.ends_with('.') && client.source.starts_with("https://"),
            "{}",
            client.name
        );
        assert!(!client.needs.is_empty(), "{}", client.name);
    }
    for id in clients()
        .iter()
        .flat_map(|client| &client.needs)
        .chain(after_sign_in())
    {
        assert!(catalog.find(id).is_some(), "clients.toml: there is no case {id}");
    }
}

#[test]
fn clients_connect_if_the_cases_that_they_need_passed() {
    let mut all: Vec<CaseResult> = clients()
        .iter()
        .flat_map(|client| &client.needs)
        .chain(after_sign_in())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|id| CaseResult {
            id: id.clone(),
            ..case("claims.any", "The server does this.")
        })
        .collect();
    let answers = |cases: &[CaseResult]| -> Vec<Connects> {
        let results = results_of(cases.to_vec());
        let assessment = Assessment::of(&results);
        assessment.clients.iter().map(|answer| answer.connects).collect()
    };
    assert!(answers(&all).iter().all(|answer| *answer == Connects::Yes));
    let set = |all: &mut Vec<CaseResult>, id: &str, outcome| {
        all.iter_mut().find(|case| case.id == id).unwrap().outcome = outcome;
    };
    set(&mut all, "oauth.accepted", Outcome::NotApplicable);
    assert!(answers(&all).iter().all(|answer| *answer == Connects::SignsIn));
    // Only claude.ai depends on this.
    set(&mut all, "challenges.names-the-metadata", Outcome::Warn);
    assert_eq!(answers(&all)[..2], [Connects::No, Connects::SignsIn]);
    set(&mut all, "challenges.names-the-metadata", Outcome::Pass);
    set(&mut all, "discovery.from-the-challenge", Outcome::NotTestable);
    assert_eq!(answers(&all)[..2], [Connects::Unknown, Connects::SignsIn]);
    set(&mut all, "discovery.json", Outcome::NotApplicable);
    assert_eq!(answers(&all), [], "nothing is known about any client");
}

/// The patterns of `causes.toml` are texts of the runner. If one changes, its cause no longer matches.
#[test]
fn texts_of_findings_in_causes_are_texts_of_the_suite() {
    let sources = [
        include_str!("../../src/runner/case_runner.rs"),
        include_str!("../../src/runner/mod.rs"),
        include_str!("../../src/runner/trial.rs"),
        include_str!("../../src/assertions/leaks.rs"),
        include_str!("../../src/assertions/expected_answer.rs"),
        include_str!("../../src/assertions/rpc.rs"),
        include_str!("../../src/assertions/challenge.rs"),
    ]
    .concat();
    for pattern in causes().iter().flat_map(|cause| &cause.expected) {
        // The suite fills in statuses and whatever a star stands for.
        let text = pattern
            .split(|one: char| one == '*' || one.is_ascii_digit())
            .next();
        let text = text.unwrap_or_default().trim_end();
        assert!(sources.contains(&format!("\"{text}")), "{pattern}");
    }
}
