//! The output of `explain`, which must describe what a run does.

use clerk_mcp_conformance::{explain::explain, profile::Profile};

use crate::catalog::cases;

const WIDTH: usize = 80;

fn explained(id: &str, profile: &str) -> String {
    let cases = cases();
    let (section, case) = cases.find(id).unwrap();
    explain(section, case, &Profile::find(profile).unwrap(), WIDTH)
}

#[test]
fn explains_an_expected_rejection_and_its_control() {
    insta::assert_snapshot!(explained("claims.expired", "generic"));
}

/// A run requests OAuth tokens for the target. The printed `mint` command must do the same.
#[test]
fn mint_command_creates_the_token_that_a_run_sends() {
    let cases = cases();
    let (section, case) = cases
        .iter()
        .find(|(_, case)| {
            let token = case.steps().first().and_then(|step| step.token.clone());
            token.is_some_and(|spec| spec.kind.name() == "oauth_token" && spec.resource.is_none())
        })
        .unwrap();
    let text = explain(section, case, &Profile::find("generic").unwrap(), WIDTH);
    for part in [
        r#""resource":"{mcp_url}""#,
        r#""scopes":["profile","email"]"#,
        "Placeholders in braces",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn explanations_fit_the_width_and_leave_no_placeholder_of_the_profile() {
    for (section, case) in cases().iter() {
        let text = explain(section, case, &Profile::find("generic").unwrap(), WIDTH);
        for line in text.lines() {
            let is_command_or_url = line.trim().starts_with("clerk-mcp") || line.trim().starts_with("http");
            assert!(
                is_command_or_url || line.chars().count() <= WIDTH,
                "{}: {line}",
                case.id
            );
        }
        for placeholder in ["{mcp}", "{base_path}", r#""kind":"any""#] {
            assert!(!text.contains(placeholder), "{}: {placeholder}\n{text}", case.id);
        }
        for expected in text.split("Expected:\n").skip(1) {
            let expected = expected.split("\n\n").next().unwrap();
            assert!(
                !(expected.contains("rejected: ") && expected.contains("  status ")),
                "{}: {expected}",
                case.id
            );
        }
    }
    let text = explained("web.oversized-body", "generic");
    assert!(text.len() < 8_000 && text.contains("more characters]"), "{text}");
}
