//! The reports: as they look, as other readers of their formats see them, and with a target that means harm.

use std::collections::HashSet;

use clap::ValueEnum as _;
use clerk_mcp_conformance::{
    report::{Format, Style},
    results::{CaseResult, Results},
};
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use crate::sample::{Become as _, HOSTILE, case, of, results};

const FORMATS: [Format; 6] = [
    Format::Terminal,
    Format::Json,
    Format::Junit,
    Format::Sarif,
    Format::Markdown,
    Format::Html,
];

fn render(format: Format, results: &Results) -> String {
    format.render(results, Style::default()).unwrap()
}

fn clean() -> Results {
    of(vec![case("claims.expired", "A token past its exp is refused.")])
}

#[test]
fn every_report_of_one_run() {
    for format in FORMATS {
        insta::assert_snapshot!(format.name(), render(format, &results()));
    }
}

#[test]
fn every_report_of_a_clean_run() {
    for format in FORMATS {
        insta::assert_snapshot!(format!("clean_{format}"), render(format, &clean()));
    }
}

#[test]
fn formats_go_by_their_names() {
    for format in FORMATS {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
        assert_eq!(format.to_possible_value().unwrap().get_name(), format.name());
    }
    assert_eq!(
        "HTML".parse::<Format>().unwrap_err().to_string(),
        "there is no format \"HTML\": there are terminal, json, junit, sarif, markdown, html"
    );
}

/// Line ends are the only controls that a report has, whatever the target sent; so the cursor cannot be moved, the
/// title of the window set, or the direction of writing turned.
#[test]
fn nothing_acts_on_the_text_around_it() {
    for format in FORMATS {
        let text = render(format, &results());
        let acting: Vec<char> = text
            .chars()
            .filter(|one| {
                (one.is_control() && *one != '\n') || "\u{2028}\u{202e}\u{feff}\u{ffff}".contains(*one)
            })
            .collect();
        assert!(acting.is_empty(), "{format}: {acting:?}");
        assert!(text.contains("owned"), "{format}: the text itself must be there");
    }
}

#[test]
fn colours_add_nothing_but_themselves() {
    let style = Style {
        colour: true,
        ..Style::default()
    };
    let coloured = Format::Terminal.render(&results(), style).unwrap();
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert!(colours.is_match(&coloured));
    assert_eq!(
        colours.replace_all(&coloured, ""),
        render(Format::Terminal, &results())
    );
    // Each colour ends on its line, so that a pager that shows a part shows it right.
    for line in coloured.lines() {
        let last = colours.find_iter(line).last();
        assert!(last.is_none_or(|last| last.as_str() == "\u{1b}[0m"), "{line:?}");
    }
}

#[test]
fn lines_fit_unless_they_are_for_copying() {
    for width in [60, 80, 120] {
        let style = Style {
            width,
            ..Style::default()
        };
        let text = Format::Terminal.render(&results(), style).unwrap();
        for line in text.lines() {
            let for_copying =
                line.contains("clerk-mcp-conformance run") || line.trim().starts_with("https://");
            assert!(for_copying || line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn json_reads_back() {
    let text = render(Format::Json, &results());
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["summary"],
        serde_json::json!({"pass": 2, "warn": 1, "fail": 3, "notTestable": 2, "notApplicable": 3, "known": 1})
    );
}

#[test]
fn junit_is_xml_and_counts_right() {
    let text = render(Format::Junit, &results());
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let all = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count();
    // The baseline's complaints are cases of their own.
    assert_eq!(root.attribute("tests"), Some("14"));
    assert_eq!((root.attribute("failures"), all("failure")), (Some("5"), 5));
    assert_eq!((root.attribute("errors"), all("error")), (Some("2"), 2));
    assert_eq!(all("skipped"), 4);
    let hostile = root
        .descendants()
        .find(|node| node.attribute("name") == Some("claims.hostile"))
        .unwrap();
    let failure = hostile.first_element_child().unwrap();
    assert_eq!(failure.children().filter(roxmltree::Node::is_element).count(), 0);
    assert!(failure.text().unwrap().contains("<script>alert(1)</script>"));
    assert!(!text.contains("timestamp") && !text.contains(" time="));
}

#[test]
fn sarif_is_what_the_standard_says_and_github_asks() {
    let schema: Value = serde_json::from_str(include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/sarif/sarif-2.1.0.schema.json"
    )))
    .unwrap();
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    for results in [results(), clean()] {
        let log: Value = serde_json::from_str(&render(Format::Sarif, &results)).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&log)
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    let log: Value = serde_json::from_str(&render(Format::Sarif, &results())).unwrap();
    let run = &log["runs"][0];
    let findings = run["results"].as_array().unwrap();
    let mut fingerprints = HashSet::new();
    for finding in findings {
        let rule = usize::try_from(finding["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], finding["ruleId"]);
        assert!(finding["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string());
        let fingerprint = finding["partialFingerprints"]["primaryLocationLineHash"].as_str();
        assert!(fingerprints.insert(fingerprint.unwrap()), "{finding}");
        let text = finding["message"]["text"].as_str().unwrap();
        assert!(!text.contains("]("), "a link: {text}");
        assert!(!text.replace("{{", "").contains('{'), "a placeholder: {text}");
    }
    let suppressed: Vec<&Value> = findings
        .iter()
        .filter(|finding| finding["suppressions"] != serde_json::json!([]))
        .map(|finding| &finding["ruleId"])
        .collect();
    assert_eq!(suppressed, ["audience.another-server"]);
    // A warning, three failures, two that could not be tried, one that is known, two complaints.
    assert_eq!(findings.len(), 9);
}

/// Read as a browser does, but strictly: the page is written as XML that is HTML.
#[test]
fn html_holds_only_its_own_elements() {
    for results in [results(), clean()] {
        let text = render(Format::Html, &results);
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            ..roxmltree::ParsingOptions::default()
        };
        let document = roxmltree::Document::parse_with_options(&text, options).unwrap();
        let ids: Vec<&str> = document
            .descendants()
            .filter_map(|node| node.attribute("id"))
            .collect();
        let unique: HashSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            assert!(
                ![
                    "script", "img", "iframe", "link", "object", "embed", "form", "base", "b"
                ]
                .contains(&name),
                "{name}"
            );
            for attribute in node.attributes() {
                let (name, value) = (attribute.name(), attribute.value());
                assert!(
                    !name.starts_with("on") && !["src", "style"].contains(&name),
                    "{name}={value}"
                );
                match (name, value.strip_prefix('#')) {
                    ("href", Some(id)) => assert!(ids.contains(&id), "{id}"),
                    ("href", None) => assert!(value.starts_with("https://www.rfc-editor.org/"), "{value}"),
                    _ => {}
                }
            }
        }
        let levels: Vec<u32> = document
            .descendants()
            .filter_map(|node| node.tag_name().name().strip_prefix('h')?.parse().ok())
            .collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    }
    assert!(render(Format::Html, &results()).contains("&#60;script&#62;alert(1)&#60;/script&#62;"));
}

/// Many cases that one thing keeps from being tried are one entry, and the table leads to what it counts.
#[test]
fn html_leads_to_what_was_found() {
    let text = render(Format::Html, &results());
    for part in [
        "<details class=\"section\" id=\"section-claims\">",
        "<td class=\"count fail\"><a href=\"#claims.audience\">3</a></td>",
        "<td class=\"count not-testable\"><a href=\"#audience.issuer\">2</a></td>",
        "<li id=\"audience.party\">",
        "<td class=\"count\"></td>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains(">0<"));
    assert_eq!(text.matches("a refusal proves nothing").count(), 1);
}

#[test]
fn markdown_holds_only_its_own_markup() {
    let text = render(Format::Markdown, &results());
    let mut code = String::new();
    let mut in_code = false;
    for event in Parser::new_ext(&text, Options::all()) {
        match &event {
            Event::Html(html) | Event::InlineHtml(html) => {
                let own = ["<details>", "</details>", "<summary>"];
                assert!(own.iter().any(|tag| html.starts_with(tag)), "{html}");
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with("https://www.rfc-editor.org/"), "{dest_url}");
            }
            Event::Start(Tag::Image { dest_url, .. }) => panic!("an image: {dest_url}"),
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => in_code = false,
            Event::Text(text) if in_code => code.push_str(text),
            Event::Text(text) => assert!(!text.contains("evil.example"), "{text}"),
            Event::Start(_)
            | Event::End(_)
            | Event::Code(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::Rule => {}
            Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => panic!("not ours: {event:?}"),
        }
    }
    // The target's text is all there, three times in a message and once in a finding.
    let telling = HOSTILE
        .split_once("</pre>")
        .unwrap()
        .1
        .trim_end_matches(" {0} $x$");
    assert_eq!(code.matches(telling).count(), 4, "{code}");
}

#[test]
fn markdown_stays_within_what_github_takes() {
    let body = "a line\n".repeat(400);
    let cases: Vec<CaseResult> = (0..1_000)
        .map(|number| {
            case(&format!("claims.{number}"), "Every claim is read.")
                .failed(&[(1, &body, &body)])
                .exchanged(1, &body, &body)
        })
        .collect();
    let text = render(Format::Markdown, &of(cases));
    assert!((800_000..1_024 * 1_024).contains(&text.len()), "{}", text.len());
    let told = regex::Regex::new("There is no room here for ([0-9]+) cases more").unwrap();
    let left: usize = told.captures(&text).unwrap()[1].parse().unwrap();
    assert_eq!(text.matches("<details>").count() + left, 1_000);
}

/// Whoever reads a report with a hundred cases that could not be tried wants to know first why.
#[test]
fn that_no_token_is_accepted_stands_at_the_head() {
    let refused = Results {
        good_token_refused: Some("{\"kind\":\"session_token\"}: 401".to_owned()),
        ..clean()
    };
    for (format, head) in [
        (Format::Terminal, "  6 Registered claims"),
        (Format::Markdown, "| Section |"),
        (Format::Html, "<main>"),
        (Format::Json, "\"cases\": ["),
    ] {
        let text = render(format, &refused);
        let (head, _) = text.split_once(head).unwrap();
        let said = match format {
            Format::Json => "\"goodTokenRefused\": \"{",
            Format::Terminal | Format::Junit | Format::Sarif | Format::Markdown | Format::Html => {
                "No token was accepted, not even a good one"
            }
        };
        assert!(head.contains(said) && head.contains("401"), "{format}: {head}");
    }
}
