//! The README's first code and its tables are made from the code. `UPDATE_README=1 cargo test readme` writes
//! them.

use std::{fmt::Write as _, fs, time::Duration};

use clerk_mcp::{
    auth::{AuthError, ChallengeError, Outage},
    clerk::Misconfiguration,
    config::VARIABLES,
    session::Denied,
    token::{BearerError, FetchError, TokenError},
};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn tables_are_those_of_the_code() {
    let readme = fs::read_to_string(README).unwrap();
    let made = [
        ("configuration", configuration()),
        ("refusals", refusals()),
        ("quickstart", quickstart()),
        ("dependencies", dependencies()),
    ]
    .into_iter()
    .fold(readme.clone(), |text, (name, table)| replace(&text, name, &table));
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch of the test, not of the server"
    )]
    let update = std::env::var_os("UPDATE_README").is_some();
    if update {
        fs::write(README, &made).unwrap();
    } else {
        assert!(
            made == readme,
            "the README's tables are out of date: run UPDATE_README=1 cargo test readme"
        );
    }
}

/// A server of your own takes few lines.
#[test]
fn quickstart_is_under_thirty_lines_beside_its_tools() {
    let tools = quickstart();
    let (before, rest) = tools.split_once("#[tool_router]\n").unwrap();
    let (_, after) = rest.split_once("\n}\n").unwrap();
    let lines = before
        .lines()
        .chain(after.lines())
        .filter(|line| !line.trim().is_empty() && !line.starts_with("```"));
    assert!(lines.count() < 30);
}

fn replace(text: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no place for {name}"));
    let (_, after) = rest
        .split_once("<!-- end -->")
        .unwrap_or_else(|| panic!("no end of {name}"));
    format!("{before}{begin}{table}<!-- end -->{after}")
}

/// The example's code, without its own introduction.
fn quickstart() -> String {
    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.rs")).unwrap();
    let (_, code) = example.split_once("\n\n").unwrap();
    format!("```rust\n{code}```\n")
}

/// What a manifest needs for the quickstart, with the versions that are built here.
fn dependencies() -> String {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let version = |name: &str| {
        let (_, rest) = manifest
            .split_once(&format!("\n{name} = {{ version = \""))
            .unwrap_or_else(|| panic!("no version of {name}"));
        rest.split_once('"').unwrap().0.to_owned()
    };
    format!(
        "```toml\n[dependencies]\n\
         clerk-mcp = {{ path = \"../clerk-mcp\", default-features = false }}   # where this repository is checked out\n\
         rmcp = {{ version = \"{}\", default-features = false, features = [\"macros\", \"schemars\", \"server\"] }}\n\
         schemars = \"1\"\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n\
         tokio = {{ version = \"{tokio}\", features = [\"macros\", \"net\", \"rt-multi-thread\"] }}\n\
         tracing-subscriber = {{ version = \"{}\", features = [\"env-filter\"] }}\n\n\
         [dev-dependencies]   # for tests with a local Clerk over HTTP\n\
         local-clerk = {{ path = \"../clerk-mcp/conformance/clerk\" }}\n\
         reqwest = {{ version = \"{}\", default-features = false, features = [\"json\"] }}\n\
         serde_json = \"1\"\n```\n",
        version("rmcp"),
        version("tracing-subscriber"),
        version("reqwest"),
        tokio = version("tokio"),
    )
}

fn configuration() -> String {
    let mut table = "| variable | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for variable in VARIABLES {
        let default = match variable.default {
            "none" => "none".to_owned(),
            words if words.contains(' ') && !words.starts_with("4 ") => words.to_owned(),
            value => format!("`{value}`"),
        };
        let _ = writeln!(table, "| `{}` | {default} | {} |", variable.name, variable.help);
    }
    table
}

fn refusals() -> String {
    let cases: [(&str, AuthError); 9] = [
        (
            "no token, another scheme, or not a token",
            BearerError::Missing.into(),
        ),
        ("more than one credential", BearerError::MoreThanOne.into()),
        (
            "expired token",
            TokenError::Expired {
                since: Duration::ZERO,
            }
            .into(),
        ),
        ("any other defect of the token", TokenError::Signature.into()),
        (
            "valid token, scope missing",
            Denied::Scopes {
                needed: vec!["a".into(), "b".into()],
                granted: vec!["a".into()],
            }
            .into(),
        ),
        (
            "Clerk unavailable and no cached result applies",
            Outage::from(FetchError::NoUsableKey).into(),
        ),
        (
            "valid token, role or permission missing",
            Denied::Role {
                needed: "org:admin".into(),
            }
            .into(),
        ),
        (
            "the server's secret key is wrong or belongs to another application",
            Misconfiguration::KeyRejected.into(),
        ),
        ("internal error of the server", AuthError::Internal),
    ];
    let mut table =
        "| case | status | challenge (`WWW-Authenticate`) | `error` in the body | `error_description` in the body |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for (case, error) in cases {
        let refusal = error.refusal();
        let challenge = match refusal.challenge {
            ChallengeError::NoChallenge => "none".to_owned(),
            ChallengeError::Bare => "`Bearer`, without `error`".to_owned(),
            ChallengeError::Code(code) => format!("`Bearer error=\"{code}\"`"),
        };
        let retry = if refusal.retry_after.is_some() {
            " with `Retry-After`"
        } else {
            ""
        };
        let _ = writeln!(
            table,
            "| {case} | {}{retry} | {challenge} | `{}` | {} |",
            refusal.status.as_u16(),
            refusal.error,
            refusal.description,
        );
    }
    table
}
