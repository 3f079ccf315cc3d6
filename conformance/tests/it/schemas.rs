//! The schemas that `schema` prints.

use std::{fs, path::Path};

use clerk_mcp_conformance::{case::CaseFile, profile::Profile};

use crate::catalog::FILE;

/// The schemas list all valid names, so that editors can complete them and mark typos.
#[test]
fn schemas_accept_only_known_names() {
    let valid = |schema: schemars::Schema, text: &str| {
        let file: toml::Table = toml::from_str(text).unwrap();
        let schema = jsonschema::validator_for(&serde_json::to_value(schema).unwrap()).unwrap();
        schema.is_valid(&serde_json::to_value(file).unwrap())
    };
    for (line, expected) in [
        ("needs = [\"tools\", \"session_token\"]", true),
        ("needs = [\"tool\"]", false),
        ("unless = [\"asks-clerk\"]", true),
        ("unless = [\"asks_clerk\"]", false),
        ("own = { clock_skew = \"5s\" }", true),
        ("own = { clock_drift = \"5s\" }", false),
        ("own = {}", true),
    ] {
        let file = format!("{FILE}{line}\n");
        assert_eq!(valid(schemars::schema_for!(CaseFile), &file), expected, "{line}");
    }
    let file = FILE.replace("rfc7519#4.1.4", "rfc7519#4.1.99");
    assert!(!valid(schemars::schema_for!(CaseFile), &file));

    for profile in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")).unwrap() {
        let path = profile.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(valid(schemars::schema_for!(Profile), &text), "{}", path.display());
    }
    let profile = "name = \"a\"\nabout = \"A.\"\naccepts = [\"api_key\"]\n";
    for line in ["offers = [\"CORS\"]", "[settings]\nscope = \"SCOPES\""] {
        assert!(
            !valid(schemars::schema_for!(Profile), &format!("{profile}{line}\n")),
            "{line}"
        );
    }
}
