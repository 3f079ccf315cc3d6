//! The library's docs as a promise: whatever is public is shown in use, in a doc test or in an example.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::sources::rust_files;

/// The code in the doc comments of `source`.
fn doc_tests(source: &str) -> String {
    let mut code = String::new();
    // Whether a block is open, and whether it's code.
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

/// The names of what `source` makes public, apart from what belongs to a type.
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
fn every_public_item_is_shown_in_use() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut items = BTreeSet::new();
    let mut shown = String::new();
    for file in rust_files(&root.join("src")) {
        let source = fs::read_to_string(&file).unwrap();
        shown.push_str(&doc_tests(&source));
        // The program is no library, and `public` is hidden from the docs.
        let path = file.strip_prefix(root.join("src")).unwrap();
        if !["cli", "main.rs", "public"]
            .iter()
            .any(|one| path.starts_with(one))
        {
            items.extend(public_items(&source));
        }
    }
    for file in rust_files(&root.join("examples")) {
        shown.push_str(&fs::read_to_string(file).unwrap());
    }
    let words: BTreeSet<&str> = shown
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .collect();
    // Nobody writes its name: it's what the middleware makes.
    items.remove("RequireAuthEndpoint");
    let missing: Vec<_> = items
        .iter()
        .filter(|item| !words.contains(item.as_str()))
        .collect();
    assert!(items.len() > 50, "these are not all: {items:?}");
    assert!(missing.is_empty(), "no doc test and no example shows {missing:?}");
}
