//! Checks that every public item is used in a doc test or an example, that the READMEs and the guide name files
//! that exist, and that the threat model names tests that exist.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::sources::rust_files;

/// Returns the code blocks in the doc comments of `source`.
fn doc_tests(source: &str) -> String {
    let mut code = String::new();
    // Whether a fenced block is open, and whether it contains code rather than text.
    let (mut open, mut is_code) = (false, false);
    for line in source.lines() {
        let Some(text) = line
            .trim_start()
            .strip_prefix("///")
            .or_else(|| line.trim_start().strip_prefix("//!"))
        else {
            open = false;
            continue;
        };
        let text = text.trim();
        if let Some(language) = text.strip_prefix("```") {
            open = !open;
            is_code = language != "text";
        } else if open && is_code {
            code.push_str(text);
            code.push('\n');
        }
    }
    code
}

/// Returns the names of the public items that `source` declares at module level.
fn public_items(source: &str) -> Vec<String> {
    source
        .lines()
        .filter_map(|line| line.strip_prefix("pub "))
        .filter_map(|line| {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let (kind, rest) = line.split_once(' ')?;
            matches!(kind, "fn" | "struct" | "enum" | "trait" | "const" | "type").then(|| {
                rest.chars()
                    .take_while(|character| character.is_alphanumeric() || *character == '_')
                    .collect()
            })
        })
        .collect()
}

#[test]
fn every_public_item_is_used_in_a_doc_test_or_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut items = BTreeSet::new();
    let mut usage = String::new();
    for file in rust_files(&root.join("src")) {
        let source = fs::read_to_string(&file).unwrap();
        usage.push_str(&doc_tests(&source));
        // `cli` and `main.rs` belong to the binary, and the others are hidden from the docs.
        let path = file.strip_prefix(root.join("src")).unwrap();
        if ![
            "cli",
            "fuzz.rs",
            "main.rs",
            "mcp/fuzz.rs",
            "public",
            "token/fuzz.rs",
        ]
        .iter()
        .any(|one| path.starts_with(one))
        {
            items.extend(public_items(&source));
        }
    }
    for file in rust_files(&root.join("examples")) {
        usage.push_str(&fs::read_to_string(file).unwrap());
    }
    let words: BTreeSet<&str> = usage
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .collect();
    // The middleware returns this type; users never need to write its name.
    items.remove("RequireAuthEndpoint");
    let missing: Vec<_> = items
        .iter()
        .filter(|item| !words.contains(item.as_str()))
        .collect();
    assert!(
        items.len() > 50,
        "expected more than 50 public items, found {items:?}"
    );
    assert!(
        missing.is_empty(),
        "neither a doc test nor an example uses {missing:?}"
    );
}

#[test]
fn every_metric_is_in_the_guide() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/guide/telemetry.md")).unwrap();
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `clerk_mcp_")?.split('`').next())
        .collect();
    let mut recorded = BTreeSet::new();
    for file in rust_files(&root.join("src")) {
        let source = fs::read_to_string(&file).unwrap();
        let names = source.split("\"clerk_mcp_").skip(1);
        recorded.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    let recorded: BTreeSet<&str> = recorded.iter().map(String::as_str).collect();
    assert_eq!(documented, recorded);
}

/// The table of the threat model, whose last column names tests as `file::test`.
#[test]
fn every_claim_of_the_threat_model_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("src/guide/threat_model.md")).unwrap();
    let mut claims = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let Some(tests) = row.split('|').rev().nth(1).filter(|tests| tests.contains("::")) else {
            continue;
        };
        claims += 1;
        for test in tests.split('`').filter(|part| part.contains("::")) {
            let (file, name) = test.split_once("::").unwrap();
            let source = ["tests/it", "src"]
                .map(|folder| root.join(folder).join(format!("{file}.rs")))
                .iter()
                .find_map(|path| fs::read_to_string(path).ok());
            let source = source.unwrap_or_else(|| panic!("{test}: there is no such file"));
            assert!(
                source.contains(&format!("fn {name}(")),
                "{test}: there is no such test"
            );
        }
    }
    assert!(claims > 25, "only {claims} claims name a test");
}

#[test]
fn files_that_the_readmes_and_the_guide_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(root.join("src/guide")).unwrap();
    let mut pages: Vec<_> = guide.map(|entry| entry.unwrap().path()).collect();
    pages.extend(["README.md", "conformance/README.md"].map(|page| root.join(page)));
    let mut named = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let words = text.split(['`', '(', ')', '[', ']']);
        let folders = ["src/", "tests/", "conformance/", "examples/"];
        for file in words.filter(|word| folders.iter().any(|folder| word.starts_with(folder))) {
            // The rest of a word that is no path, such as an argument.
            if file.contains([' ', '\n', '*']) {
                continue;
            }
            named += 1;
            assert!(root.join(file).exists(), "{}: there is no {file}", page.display());
        }
    }
    assert!(named > 30, "only {named} files are named");
}
