//! What `explain` says is what a run does.

use clerk_mcp_conformance::{explain::explain, profile::Profile};

use crate::catalogue::cases;

const WIDTH: usize = 80;

fn explained(id: &str, profile: &str) -> String {
    let cases = cases();
    let (section, case) = cases.find(id).unwrap();
    explain(section, case, &Profile::find(profile).unwrap(), WIDTH)
}

#[test]
fn a_refusal_is_told_with_what_must_be_accepted() {
    insta::assert_snapshot!(explained("claims.expired", "generic"));
}

/// An OAuth token is for the target, and so is what the line makes.
#[test]
fn a_token_is_made_as_it_is_sent() {
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
fn every_case_fits_and_leaves_nothing_open() {
    for (section, case) in cases().iter() {
        let text = explain(section, case, &Profile::find("generic").unwrap(), WIDTH);
        for line in text.lines() {
            let is_copied = line.trim().starts_with("clerk-mcp") || line.trim().starts_with("http");
            assert!(is_copied || line.chars().count() <= WIDTH, "{}: {line}", case.id);
        }
        for open in ["{mcp}", "{base_path}", r#""kind":"any""#] {
            assert!(!text.contains(open), "{}: {open}\n{text}", case.id);
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
