//! The case files, and the errors of the loader.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clerk_mcp_conformance::{
    case::{CaseFile, Catalog, Level},
    profile::Profile,
    runner::Selection,
};

/// Reads the cases from the source tree, so that a changed case needs no rebuild.
pub(crate) fn cases() -> Catalog {
    Catalog::read(&folder()).unwrap_or_else(|error| panic!("{error}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Editors that use the schema must accept the same files as the loader.
#[test]
fn case_files_match_the_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(CaseFile)).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut files = Vec::new();
    for folder in fs::read_dir(folder()).unwrap() {
        files.extend(
            fs::read_dir(folder.unwrap().path())
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
    }
    assert!(files.len() > 10);
    for path in files {
        let file: toml::Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let file = serde_json::to_value(file).unwrap();
        if let Err(error) = schema.validate(&file) {
            panic!("{}: {}: {error}", path.display(), error.instance_path());
        }
    }
    let wrong = serde_json::json!({ "number": 1, "section": "a", "title": "A", "case": [{ "id": "a.b" }] });
    assert!(!schema.is_valid(&wrong));
}

/// A file with one case. Tests replace a line of it.
pub(crate) const FILE: &str = r#"number = 6
section = "claims"
title = "Registered claims"

[[case]]
id = "claims.expired"
requirement = "The server rejects a token whose `exp` has passed."
level = "must"
refs = ["rfc7519#4.1.4"]
why = "Otherwise a stolen token works forever."
token = { kind = "any", claims = { exp = "@now-1h" } }
expect = { is = "refused" }
"#;

/// Returns the error of the loader for these files. Panics if it accepts them.
#[track_caller]
fn error_of(texts: &[&str]) -> String {
    let files = texts
        .iter()
        .enumerate()
        .map(|(number, text)| (format!("cases/{}.toml", number + 1), (*text).to_owned()))
        .collect();
    Catalog::parse(files)
        .expect_err("the loader accepted an invalid file")
        .to_string()
}

/// Returns the error of the loader for [`FILE`] after replacing `line` with `instead`.
#[track_caller]
fn error_with(line: &str, instead: &str) -> String {
    assert!(FILE.contains(line), "{line} is not in the file");
    error_of(&[&FILE.replace(line, instead)])
}

#[test]
fn sections_and_ids_are_consistent() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut titles: BTreeMap<u8, BTreeSet<(String, String)>> = BTreeMap::new();
    for (section, _) in cases.iter() {
        let names = (section.key.clone(), section.title.clone());
        titles.entry(section.number).or_default().insert(names);
    }
    assert_eq!(
        titles.keys().copied().collect::<Vec<_>>(),
        (1..=19).collect::<Vec<_>>()
    );
    for (number, names) in &titles {
        assert_eq!(names.len(), 1, "section {number}: {names:?}");
    }
    let keys: BTreeSet<&String> = titles.values().flatten().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), titles.len(), "two sections share a key: {titles:?}");
    let ids: BTreeSet<&str> = cases.ids().collect();
    assert_eq!(ids.len(), cases.len());
}

/// The build must not use outdated case files.
#[test]
fn program_contains_all_cases_of_the_source_tree() {
    let built_in = Catalog::built_in().unwrap();
    assert_eq!(
        built_in.ids().collect::<Vec<_>>(),
        cases().ids().collect::<Vec<_>>()
    );
}

#[test]
fn cases_are_found_by_id_and_sorted() {
    let other = FILE.replace("claims.expired", "claims.a-first");
    let files = vec![("b".to_owned(), FILE.to_owned()), ("a".to_owned(), other)];
    let cases = Catalog::parse(files).unwrap();
    assert_eq!(
        cases.ids().collect::<Vec<_>>(),
        ["claims.a-first", "claims.expired"]
    );
    let (section, case) = cases.find("claims.expired").unwrap();
    assert_eq!((section.number, case.level), (6, Level::Must));
    assert_eq!(case.steps().len(), 1);
    assert!(cases.find("claims").is_none());
}

/// Other servers cannot pass them, and a long list of cases that do not apply hides the others.
#[test]
fn cases_that_only_clerk_mcp_can_pass_are_left_out_for_other_servers() {
    let catalog = cases();
    let selected = |only: &[&str], profile: &str| {
        let selection = Selection {
            only: only.iter().map(|id| (*id).to_owned()).collect(),
            ..Selection::default()
        };
        let profile = Profile::find(profile).unwrap();
        selection.apply(&catalog, Some(&profile)).unwrap().len()
    };
    let general = catalog
        .iter()
        .filter(|(_, case)| !case.is_for_clerk_mcp())
        .count();
    assert!((300..catalog.len() - 100).contains(&general), "{general}");
    assert_eq!(selected(&[], "generic"), general);
    assert_eq!(selected(&[], "clerk-mcp"), catalog.len());
    assert_eq!(
        selected(&["tools.greet"], "generic"),
        1,
        "the reader asked for it"
    );
}

#[test]
fn syntax_errors_name_file_and_line() {
    let error = error_with("level = \"must\"", "level = must");
    assert!(error.starts_with("cases/1.toml:8: "), "{error}");
    let error = error_with("level = \"must\"", "level = \"may\"");
    assert!(error.starts_with("cases/1.toml:"), "{error}");
    assert!(error.contains("`may`") && error.contains("`must`"), "{error}");
}

#[test]
fn unknown_members_are_rejected() {
    let error = error_with("why = ", "reason = ");
    assert!(error.contains("`reason`"), "{error}");
    let error = error_with("expect = { is = \"refused\" }", "expect = { was = \"refused\" }");
    assert!(error.contains("`was`"), "{error}");
    let error = error_with("kind = \"any\"", "kind = \"session\"");
    assert!(error.contains("`session`"), "{error}");
}

#[test]
fn unknown_references_are_rejected() {
    assert_eq!(
        error_with("rfc7519#4.1.4", "rfc7519#99"),
        "cases/1.toml:6: claims.expired: \"rfc7519#99\" is not in the table of references (list --references)"
    );
    let error = error_with("refs = [\"rfc7519#4.1.4\"]", "refs = []");
    assert!(error.contains("refs is empty"), "{error}");
}

#[test]
fn unknown_options_are_rejected() {
    for member in ["needs", "unless"] {
        let error = error_with(
            "level = \"must\"",
            &format!("level = \"must\"\n{member} = [\"wings\"]"),
        );
        assert!(
            error.ends_with("\"wings\" is not an option of profiles (list --options)"),
            "{error}"
        );
    }
}

#[test]
fn duplicate_ids_are_rejected() {
    assert_eq!(
        error_of(&[FILE, FILE]),
        "cases/2.toml:6: claims.expired: another case has the same id"
    );
}

#[test]
fn ids_without_section_prefix_or_with_invalid_characters_are_rejected() {
    for id in [
        "expired",
        "jose.expired",
        "claims.",
        "claims.Expired",
        "claims.has expired",
        "claimsexpired",
    ] {
        let error = error_with("claims.expired", id);
        assert!(
            error.contains("ids of this section are \"claims.\""),
            "{id}: {error}"
        );
    }
}

#[test]
fn files_that_disagree_about_a_section_are_rejected() {
    let other = FILE
        .replace("claims.expired", "claims.other")
        .replace("\"Registered claims\"", "\"Claims\"");
    assert_eq!(
        error_of(&[FILE, &other]),
        "cases/2.toml:1: section 6 is \"claims\" (\"Registered claims\") in another file"
    );
}

#[test]
fn requirement_and_why_must_end_with_a_period() {
    for (line, instead) in [("has passed.", "has passed"), ("works forever.", "works forever")] {
        let error = error_with(line, instead);
        assert!(
            error.ends_with("requirement and why must be sentences"),
            "{error}"
        );
    }
}

#[test]
fn cases_without_an_expectation_are_rejected() {
    let error = error_with("expect = { is = \"refused\" }\n", "");
    assert_eq!(
        error,
        "cases/1.toml:6: claims.expired: step 1: the step expects nothing, so it cannot fail"
    );
    let error = error_with("{ is = \"refused\" }", "{ matches = \"x\" }");
    assert!(error.contains("`matches`"), "{error}");
}

#[test]
fn cases_that_change_clerk_or_count_requests_need_their_own_target() {
    let steps = |step: &str| {
        let start = FILE.split("token = ").next().unwrap();
        format!("{start}[[case.steps]]\n{step}\n")
    };
    for (case, what) in [
        (
            FILE.replace(
                "{ is = \"refused\" }",
                "{ is = \"refused\", clerk_requests = { jwks = { at_most = 1 } } }",
            ),
            "changes Clerk or counts requests",
        ),
        (
            steps("clerk = [{ do = \"POST /keys/rotate\" }]\nexpect = { is = \"refused\" }"),
            "changes Clerk or counts requests",
        ),
        (
            FILE.replace("level = ", "before = [{ do = \"POST /keys/rotate\" }]\nlevel = "),
            "the case changes Clerk",
        ),
        (
            FILE.replace(
                "level = ",
                "instead = { secret_key = \"{other.secret_key}\" }\nlevel = ",
            ),
            "the case changes Clerk",
        ),
    ] {
        let error = error_of(&[&case]);
        assert!(error.contains(what) && error.contains("own = {}"), "{error}");
        let own = case.replace("level = ", "own = {}\nlevel = ");
        Catalog::parse(vec![("own".to_owned(), own)]).unwrap();
    }
}

#[test]
fn invalid_steps_are_rejected() {
    let start = FILE.split("token = ").next().unwrap();
    let accepted = "[[case.steps]]\nexpect = { is = \"accepted\" }\n";
    for (step, what) in [
        (
            "token_of_step = 2\nexpect = { is = \"refused\" }",
            "step 2 is not an earlier step",
        ),
        (
            "token_of_step = 0\nexpect = { is = \"refused\" }",
            "step 0 is not an earlier step",
        ),
        ("expect = { same_as_step = 2 }", "step 2 is not an earlier step"),
        (
            "pause = \"soon\"\nexpect = { is = \"refused\" }",
            "\"soon\" is not a duration",
        ),
        (
            "pause = [\"1s\", \"later\"]\nexpect = { is = \"refused\" }",
            "\"later\" is not a duration",
        ),
        (
            "limit = \"long\"\nexpect = { is = \"refused\" }",
            "\"long\" is not a duration",
        ),
        (
            "session_of_step = 2\nexpect = { is = \"refused\" }",
            "step 2 is not an earlier step",
        ),
        (
            "expect = { same_refusal_as_step = 2 }",
            "step 2 is not an earlier step",
        ),
        (
            "send = { message = \"ping\", body = \"{\" }\nexpect = { is = \"refused\" }",
            "exclude each other",
        ),
        (
            "expect = { body = { matches = \"(\" } }",
            "\"(\" is not a regular expression",
        ),
        ("send = { message = \"ping\" }", "the step expects nothing"),
        (
            "send = { method = \"GET IT\" }\nexpect = { is = \"refused\" }",
            "\"GET IT\" is not an HTTP method",
        ),
        (
            "send = { path = \"{mcp}/a b\" }\nexpect = { is = \"refused\" }",
            "\"{mcp}/a b\" is not a path",
        ),
        (
            "send = { headers = { \"X Y\" = \"z\" } }\nexpect = { is = \"refused\" }",
            "\"X Y\" is not a header name",
        ),
        (
            "send = { headers = { X = \"a\\nb\" } }\nexpect = { is = \"refused\" }",
            "the header X cannot have the value \"a\\nb\"",
        ),
        (
            "authorization = [\"Bearer a\\nb\"]\nexpect = { is = \"refused\" }",
            "the header Authorization cannot have the value",
        ),
    ] {
        let error = error_of(&[&format!("{start}{accepted}[[case.steps]]\n{step}\n")]);
        assert!(
            error.contains("step 2: ") && error.contains(what),
            "{step}: {error}"
        );
    }
}

#[test]
fn unknown_operations_of_the_local_clerk_are_rejected() {
    let start = FILE.split("token = ").next().unwrap();
    let own = start.replace("level = ", "own = {}\nlevel = ");
    for (operation, valid) in [
        ("POST /faults", true),
        ("DELETE /faults/fault_1", true),
        ("PUT /organizations/{org.a}/members/Alan", true),
        ("POST /users/Ada/ban", true),
        ("POST /users/Ada", false),
        ("POST /users//ban", false),
        ("POST /users/Ada/ban/now", false),
        ("PATCH /faults", false),
        ("/faults", false),
        ("POST /fault", false),
    ] {
        for text in [
            format!(
                "{own}[[case.steps]]\nclerk = [{{ do = \"{operation}\" }}]\nexpect = {{ is = \"refused\" }}\n"
            ),
            own.replace(
                "level = ",
                &format!("before = [{{ do = \"{operation}\" }}]\nlevel = "),
            ) + "[[case.steps]]\nexpect = { is = \"refused\" }\n",
        ] {
            if valid {
                Catalog::parse(vec![("right".to_owned(), text)]).unwrap();
            } else {
                let error = error_of(&[&text]);
                assert!(error.starts_with("cases/1.toml:6: claims.expired: "), "{error}");
                assert!(
                    error.contains("is not an operation of the local Clerk"),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn unknown_endpoints_in_clerk_requests_are_rejected() {
    for names in ["moon", "jwks+moon", "other.moon"] {
        let error = error_with(
            "expect = { is = \"refused\" }",
            &format!("own = {{}}\nexpect = {{ clerk_requests = {{ \"{names}\" = {{ at_most = 1 }} }} }}"),
        );
        let expected = format!("\"{names}\" is not an endpoint of Clerk");
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn case_with_both_steps_and_a_request_is_rejected() {
    let error = error_of(&[&format!(
        "{FILE}[[case.steps]]\nexpect = {{ is = \"refused\" }}\n"
    )]);
    assert!(
        error.ends_with("token, authorization, send and expect belong to its steps"),
        "{error}"
    );
}

#[test]
fn case_with_refuses_to_start_and_requests_is_rejected() {
    let error = error_with(
        "level = \"must\"",
        "level = \"must\"\nrefuses_to_start = { exit = 78 }",
    );
    assert!(
        error.ends_with("a target that does not start cannot be sent requests"),
        "{error}"
    );
}

#[test]
fn folders_without_cases_are_rejected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let error = Catalog::read(&folder).unwrap_err().to_string();
    assert!(
        error.ends_with("templates: the folder contains no .toml file"),
        "{error}"
    );
    let error = Catalog::read(&folder.join("nothing")).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read ") && error.contains("nothing: "),
        "{error}"
    );
}

#[test]
fn folders_are_about_the_issuer_that_their_files_name() {
    let folders = fs::read_dir(folder())
        .unwrap()
        .map(|folder| folder.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    for path in files.map(|file| file.unwrap().path()) {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).unwrap();
        let about_clerk = !file.contains("cases/authorization/");
        assert_eq!(text.contains("\nissuer = \"clerk\"\n"), about_clerk, "{file}");
        let table: toml::Table = text.parse().unwrap();
        let cases = table["case"].as_array().unwrap();
        for case in cases.iter().filter(|_| !about_clerk) {
            let text = |name: &str| case[name].as_str().unwrap();
            let words = format!("{} {} {}", text("id"), text("requirement"), text("why"));
            assert!(!words.to_lowercase().contains("clerk"), "{words}");
            let of_clerk = |reference: &toml::Value| reference.as_str().unwrap().starts_with("clerk");
            assert!(!case["refs"].as_array().unwrap().iter().any(of_clerk), "{words}");
        }
    }
}
