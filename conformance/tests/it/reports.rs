//! The reports: snapshots, validation with parsers of the formats, and output of a hostile target.

use std::{collections::HashSet, time::Duration};

use clap::ValueEnum as _;
use clerk_mcp_conformance::{
    assessment::clients,
    policy::Cell,
    report::{Format, Style},
    results::{CaseResult, Results, Timing},
};
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

use crate::sample::{CaseResultExt as _, HOSTILE, case, results, results_of};

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

/// Returns whether the suite wrote this link, and not the target.
fn is_own_link(url: &str) -> bool {
    url.starts_with("https://www.rfc-editor.org/") || clients().iter().any(|client| client.source == url)
}

fn clean() -> Results {
    results_of(vec![case(
        "claims.expired",
        "The server rejects a token whose `exp` has passed.",
    )])
}

#[test]
fn renders_every_format() {
    for format in FORMATS {
        insta::assert_snapshot!(format.name(), render(format, &results()));
    }
}

#[test]
fn renders_all_details_in_a_verbose_terminal_report() {
    let style = Style {
        verbose: true,
        ..Style::default()
    };
    insta::assert_snapshot!(
        "terminal_verbose",
        Format::Terminal.render(&results(), style).unwrap()
    );
}

/// A reader must not have to run a case again to see its only finding.
#[test]
fn few_findings_are_shown_in_detail() {
    let failed = |id: &str| case(id, "The server does this.").failed(&[(1, "status 401", "status 200")]);
    let mut cases: Vec<CaseResult> = (0..3).map(|number| failed(&format!("claims.{number}"))).collect();
    let text = render(Format::Terminal, &results_of(cases.clone()));
    assert_eq!(text.matches("Run again").count(), 3, "{text}");
    cases.push(failed("claims.3"));
    let text = render(Format::Terminal, &results_of(cases));
    assert!(!text.contains("Run again"), "{text}");
    assert!(
        text.contains("Add --verbose for all details, or run one case:"),
        "{text}"
    );
}

#[test]
fn reports_for_people_show_when_the_run_was() {
    let timing = Timing {
        started: "2026-11-27T10:30:59Z".parse().unwrap(),
        duration: Duration::from_millis(83_900),
    };
    let results = Results {
        timing: Some(timing),
        ..clean()
    };
    for format in FORMATS {
        let is_shown = render(format, &results).contains("2026-11-27 10:30 UTC, 1 min 23 s");
        let is_for_people = matches!(format, Format::Terminal | Format::Markdown | Format::Html);
        assert_eq!(is_shown, is_for_people, "{format}");
    }
}

#[test]
fn renders_every_format_of_a_clean_run() {
    for format in FORMATS {
        insta::assert_snapshot!(format!("clean_{format}"), render(format, &clean()));
    }
}

#[test]
fn formats_are_parsed_by_name() {
    for format in FORMATS {
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
        assert_eq!(format.to_possible_value().unwrap().get_name(), format.name());
    }
    assert_eq!(
        "HTML".parse::<Format>().unwrap_err().to_string(),
        "unknown format \"HTML\": expected one of terminal, json, junit, sarif, markdown, html"
    );
}

/// Newlines are the only control characters in a report. Otherwise a target could move the cursor, set the
/// title of the window, or change the writing direction.
#[test]
fn control_characters_from_a_target_are_escaped() {
    for format in FORMATS {
        let style = Style {
            verbose: true,
            ..Style::default()
        };
        let text = format.render(&results(), style).unwrap();
        let unescaped: Vec<char> = text
            .chars()
            .filter(|one| {
                (one.is_control() && *one != '\n') || "\u{2028}\u{202e}\u{feff}\u{ffff}".contains(*one)
            })
            .collect();
        assert!(unescaped.is_empty(), "{format}: {unescaped:?}");
        assert!(
            text.contains("owned"),
            "{format}: the text must be present in escaped form"
        );
    }
}

#[test]
fn colors_do_not_change_the_text() {
    let style = Style {
        color: true,
        ..Style::default()
    };
    let colored = Format::Terminal.render(&results(), style).unwrap();
    let colors = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    assert!(colors.is_match(&colored));
    assert_eq!(
        colors.replace_all(&colored, ""),
        render(Format::Terminal, &results())
    );
    // Each color ends on its line, so that a pager can show any part of the report.
    for line in colored.lines() {
        let last = colors.find_iter(line).last();
        assert!(last.is_none_or(|last| last.as_str() == "\u{1b}[0m"), "{line:?}");
    }
}

#[test]
fn lines_fit_the_width_except_commands_and_urls() {
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
fn json_report_can_be_read_back() {
    let text = render(Format::Json, &results());
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results());
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["summary"],
        serde_json::json!({"pass": 4, "warn": 1, "fail": 3, "notTestable": 2, "notApplicable": 3, "known": 1})
    );
}

#[test]
fn junit_report_is_xml_with_correct_counts() {
    let text = render(Format::Junit, &results());
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let all = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count();
    // Each error in the baseline is a test case.
    assert_eq!(root.attribute("tests"), Some("16"));
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
fn sarif_report_satisfies_the_schema_and_github() {
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
    // One warning, three failures, two untestable cases, one known failure, and two errors in the baseline.
    assert_eq!(findings.len(), 9);
}

/// The page is valid XML, so a strict parser can check it.
#[test]
fn html_report_contains_no_elements_from_a_target() {
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
        let mut scripts = 0;
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let name = node.tag_name().name();
            if name == "script" {
                assert_eq!(node.text(), Some(include_str!("../../templates/report.js")));
                scripts += 1;
                continue;
            }
            assert!(
                !["img", "iframe", "link", "object", "embed", "form", "base", "b"].contains(&name),
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
                    ("href", None) => assert!(is_own_link(value), "{value}"),
                    _ => {}
                }
            }
        }
        assert_eq!(scripts, 1);
        let levels: Vec<u32> = document
            .descendants()
            .filter_map(|node| node.tag_name().name().strip_prefix('h')?.parse().ok())
            .collect();
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    }
    assert!(render(Format::Html, &results()).contains("&#60;script&#62;alert(1)&#60;/script&#62;"));
}

/// Untestable cases with the same reason are one entry. Each count in the table links to its findings.
#[test]
fn html_report_links_counts_to_findings() {
    let text = render(Format::Html, &results());
    for part in [
        "<details class=\"section\" id=\"section-claims\" data-group=\"\">",
        "<td class=\"count fail\"><a href=\"#claims.audience\">3</a></td>",
        "<td class=\"count not-testable\"><a href=\"#audience.issuer\">2</a></td>",
        "<li id=\"audience.party\" ",
        "<td class=\"count\"></td>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains(">0<"));
    assert_eq!(text.matches("a rejection proves nothing").count(), 1);
}

#[test]
fn markdown_report_contains_no_markup_from_a_target() {
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
                assert!(is_own_link(dest_url), "{dest_url}");
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
            | Event::TaskListMarker(_) => panic!("unexpected markup: {event:?}"),
        }
    }
    // The complete text of the target is present: three times in a message, and once in a finding.
    let sent = HOSTILE
        .split_once("</pre>")
        .unwrap()
        .1
        .trim_end_matches(" {0} $x$");
    assert_eq!(code.matches(sent).count(), 4, "{code}");
}

#[test]
fn markdown_report_stays_below_the_size_limit_of_github() {
    let body = "a line\n".repeat(400);
    let cases: Vec<CaseResult> = (0..1_000)
        .map(|number| {
            case(&format!("claims.{number}"), "The server reads every claim.")
                .failed(&[(1, &body, &body)])
                .exchanged(1, &body, &body)
        })
        .collect();
    let text = render(Format::Markdown, &results_of(cases));
    assert!((800_000..1_024 * 1_024).contains(&text.len()), "{}", text.len());
    let note = regex::Regex::new("([0-9]+) cases left out").unwrap();
    let left: usize = note.captures(&text).unwrap()[1].parse().unwrap();
    assert_eq!(text.matches("<details>").count() + left, 1_000);
}

/// Otherwise a reader would have to search many untestable cases for their common reason.
#[test]
fn reports_begin_with_a_warning_if_no_valid_token_was_accepted() {
    let results = Results {
        good_token_refused: Some("{\"kind\":\"session_token\"}: 401".to_owned()),
        ..clean()
    };
    for (format, head) in [
        (Format::Terminal, "CLEAN"),
        (Format::Markdown, "| Section |"),
        (Format::Html, "<main>"),
        (Format::Json, "\"cases\": ["),
    ] {
        let text = render(format, &results);
        let (head, _) = text.split_once(head).unwrap();
        let warning = match format {
            Format::Json => "\"goodTokenRefused\": \"{",
            Format::Terminal | Format::Junit | Format::Sarif | Format::Markdown | Format::Html => {
                "The target rejected a valid token and accepted none"
            }
        };
        assert!(head.contains(warning) && head.contains("401"), "{format}: {head}");
    }
}

#[test]
fn reports_show_the_matrix_of_the_policy() {
    let cell = |identity: &str, tool: &str, allowed| {
        let mut result = case("claims.cell", "The cell.");
        result.id = format!("policy.{identity}.{tool}");
        result.cell = Some(Cell {
            identity: identity.to_owned(),
            tool: tool.to_owned(),
            allowed,
        });
        result
    };
    let mut results = clean();
    results.cases = vec![
        cell("admin", "delete", true),
        cell("admin", "list", true),
        cell("member", "delete", false).failed(&[(1, "denied: 401 or 403", "200 with a JSON-RPC result")]),
        cell("member", "list", true),
    ];
    for (format, expected) in [
        (
            Format::Terminal,
            &["  admin   ✓ allowed  ✓ allowed\n  member  ✗ denied   ✓ allowed\n"][..],
        ),
        (
            Format::Markdown,
            &[
                "| Your policy | `delete` | `list` |\n",
                "| member | ✗ denied | ✓ allowed |\n",
            ],
        ),
        (Format::Html, &["<th scope=\"row\">member</th>", "denied (fail"]),
        (
            Format::Json,
            &["\"identity\": \"member\"", "\"case\": \"policy.member.delete\""],
        ),
    ] {
        let report = render(format, &results);
        for expected in expected {
            assert!(report.contains(expected), "{expected}\n{report}");
        }
    }
}
