//! The matrix of a policy: every cell passes against the server without a flaw, and finds unchecked roles.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use clerk_mcp_conformance::{
    case::Catalog,
    policy::Matrix,
    profile::Profile,
    results::{Outcome, Reach, Results, Suite, Target},
};

use crate::{
    broken::Flaw,
    cases::{describe, is_for_policy, profiles, run_profile},
};

const POLICY: &str = r#"
    name = "policy"
    about = "The policy of the server with a tool for admins."
    accepts = ["session_token"]
    [policy.tools]
    whoami = {}
    get-user-info = { organization = true }
    [policy.identities]
    anonymous = { anonymous = true, calls = [] }
    user = { token = "oauth_token", calls = ["whoami"] }
    member = { token = "oauth_token", permissions = ["org:reports:read"], calls = ["whoami"] }
    admin = { token = "oauth_token", role = "org:admin", calls = ["whoami", "get-user-info"] }
    session-member = { token = "session_token", role = "org:member", calls = ["whoami"] }
    session-admin = { token = "session_token", role = "org:admin", calls = ["whoami", "get-user-info"] }
"#;

fn profile() -> Profile {
    let [_, _, mut profile] = profiles();
    profile.policy = Profile::parse("policy.toml", POLICY).unwrap().policy;
    profile
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_a_flaw_follows_its_policy() {
    let catalog = Catalog::built_in().unwrap();
    let cases = run_profile(profile(), &catalog, None, &["policy"]).await;
    let failed: Vec<String> = cases
        .iter()
        .filter(|case| case.outcome != Outcome::Pass)
        .map(describe)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let results = Results {
        suite: Suite {
            name: String::new(),
            version: String::new(),
            cases: cases.len(),
        },
        target: Target {
            profile: String::new(),
            address: String::new(),
            reach: Reach::Everything,
        },
        timing: None,
        good_token_refused: None,
        cases,
        baseline: Vec::new(),
    };
    let matrix = Matrix::of(&results).unwrap();
    assert_eq!(matrix.tools, ["get-user-info", "whoami"]);
    let rows: Vec<(&str, usize)> = matrix
        .rows
        .iter()
        .map(|row| (row.identity, row.cells.iter().flatten().count()))
        .collect();
    let expected = [
        ("admin", 2),
        ("admin, foreign organization", 1),
        ("admin, membership ended", 1),
        ("anonymous", 2),
        ("member", 2),
        ("session-admin", 2),
        ("session-member", 2),
        ("user", 2),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_finds_an_unchecked_role() {
    let catalog = Catalog::built_in().unwrap();
    for flaw in Flaw::ALL.iter().filter(|flaw| is_for_policy(**flaw)) {
        let cases = run_profile(profile(), &catalog, Some(*flaw), &["policy"]).await;
        let failed: Vec<&str> = cases
            .iter()
            .filter(|case| !matches!(case.outcome, Outcome::Pass | Outcome::NotApplicable))
            .map(|case| case.id.as_str())
            .collect();
        assert_eq!(failed, flaw.expected_failures(), "{}", flaw.name());
    }
}
