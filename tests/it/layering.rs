//! Checks which module may use which. A new dependency between modules must be added to the table below.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::sources::rust_files;

/// The modules of `src/`, each with the modules of this crate that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("digest", &[]),
    ("flight", &[]),
    ("id", &[]),
    ("log_limit", &[]),
    ("nearest", &[]),
    ("origin", &[]),
    ("reason", &[]),
    ("outbound", &["origin"]),
    ("paths", &[]),
    ("request_id", &[]),
    ("shared_cache", &["clock", "flight"]),
    ("simulation", &["clock"]),
    ("time_limit", &[]),
    ("trace", &[]),
    (
        "token",
        &[
            "clock",
            "digest",
            "flight",
            "log_limit",
            "outbound",
            "paths",
            "reason",
            "simulation",
            "trace",
        ],
    ),
    ("session", &["id", "token"]),
    ("policy", &["session"]),
    (
        "clerk",
        &[
            "clock",
            "id",
            "log_limit",
            "outbound",
            "reason",
            "shared_cache",
            "token",
            "trace",
        ],
    ),
    (
        "auth",
        &[
            "clerk",
            "clock",
            "digest",
            "log_limit",
            "paths",
            "reason",
            "session",
            "shared_cache",
            "simulation",
            "token",
            "trace",
        ],
    ),
    ("membership", &["clerk", "session"]),
    ("context", &["clerk", "id", "membership", "session"]),
    (
        "mcp",
        &[
            "auth",
            "clerk",
            "clock",
            "context",
            "id",
            "log_limit",
            "membership",
            "policy",
            "reason",
            "request_id",
            "session",
            "time_limit",
            "trace",
        ],
    ),
    (
        "public",
        &[
            "auth",
            "clerk",
            "clock",
            "digest",
            "flight",
            "log_limit",
            "outbound",
            "paths",
            "session",
            "token",
        ],
    ),
    (
        "http",
        &[
            "auth",
            "log_limit",
            "origin",
            "paths",
            "reason",
            "request_id",
            "simulation",
            "time_limit",
            "trace",
        ],
    ),
    ("config", &["nearest", "origin", "paths", "token"]),
    (
        "app",
        &[
            "auth", "clerk", "clock", "config", "digest", "http", "mcp", "origin", "outbound", "paths",
            "policy", "public", "token",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "auth",
            "clerk",
            "clock",
            "config",
            "http",
            "mcp",
            "outbound",
            "paths",
            "public",
            "request_id",
            "token",
            "trace",
        ],
    ),
    ("fuzz", &["mcp", "session", "token"]),
    ("guide", &[]),
    ("lib", &[]),
];

#[test]
fn every_module_uses_only_its_allowed_dependencies() {
    let mut seen = BTreeSet::new();
    for file in rust_files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let relative = file
            .strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
            .unwrap();
        let module = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if module == "main" {
            // The binary uses the library through its public API.
            continue;
        }
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("module {module} is missing from MAY_USE"));
        seen.insert(module.to_owned());
        // Doc comments may link to any module.
        let source = fs::read_to_string(&file).unwrap();
        let code: Vec<_> = source
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for used in uses(&code.join("\n")) {
            assert!(
                used == module || allowed.contains(&used.as_str()),
                "{}: {module} may not use {used}",
                relative.display()
            );
        }
    }
    let listed: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(seen, listed, "MAY_USE lists modules that do not exist");
}

/// The suite must not share the server's code, or it would share its bugs.
#[test]
fn the_conformance_package_does_not_depend_on_this_one() {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/Cargo.toml")).unwrap();
    for line in manifest.lines() {
        let name = line.split(['=', '.']).next().unwrap_or_default().trim();
        assert_ne!(name, "clerk-mcp", "{line}");
    }
}

/// Returns the top-level modules named by `crate::` paths in `source`, including grouped imports.
fn uses(source: &str) -> BTreeSet<String> {
    let name = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut modules = BTreeSet::new();
    for (position, _) in source.match_indices("crate::") {
        let rest = &source[position + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            modules.insert(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut at_start = true;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => at_start = true,
                c if at_start && c.is_alphabetic() => {
                    modules.insert(name(&group[index..]));
                    at_start = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    modules
}
