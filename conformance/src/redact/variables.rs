//! Variables whose names say that they hold a secret, and what may be shown of a shell command.

use std::sync::LazyLock;

use regex::Regex;

/// Names of secrets: `CLERK_SECRET_KEY`, `PGPASSWORD`, `SESSION_COOKIE`, `API_KEY_2`. `AUTH` and `PWD` count
/// only as the last word, and `PWD` not alone: that is the current directory.
const TELLING: &str = r"(?ix)
    (?: secret | passw(?:or)?d | passphrase | token | credential | cookie | key | pass ) s? \d*
    (?: $ | [_.-] )
    | (?: ^ | [_.-] ) auth $
    | [_.-] pwd? $";

/// Names of values that are public, or that are about a secret: its file, its type.
const HARMLESS: &str =
    r"(?i)publi(?:c|shable)|[_.-](?:file|path|dir|url|uri|endpoint|type|alg|algorithm|name|header|mode|ttl)$";

/// A variable that a command sets, `NAME=value`, with the value in quotes or without.
const ASSIGNMENT: &str = r#"(?x) (?: ^ | [\s;&|(] ) (?P<name> [A-Za-z_][A-Za-z0-9_]* ) =
    (?: '(?P<single> [^']* )' | "(?P<double> [^"]* )" | (?P<bare> [^\s'"]+ ) )"#;

/// The first word of a command, after variables that it sets. Does not match values with substitutions other
/// than `$NAME`, because only a shell can tell where they end.
const PROGRAM: &str = r#"(?x) ^ \s*
    (?: [A-Za-z_][A-Za-z0-9_]* =
        (?: '[^']*' | " (?: [^"\\`$] | \\. | \$[A-Za-z_] )* " | \\. | \$[A-Za-z_]\w* | [^\s'"\\;&|<>()`$] )*
        \s+
    )*
    (?: [A-Za-z0-9_.+@:~-]* / )* (?P<program> [A-Za-z0-9_.+@:-]+ )
    (?: [\s;&|<>] | $ )"#;

/// Returns the name of the program that a shell command runs: `npm` for `API_KEY=… npm start`. Returns `sh`,
/// which runs the command, if it does not begin with a plain program name. The rest of a command may contain
/// secrets and is never shown.
pub fn program_name(command: &str) -> &str {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PROGRAM).ok());
    let found = PATTERN.as_ref().and_then(|pattern| pattern.captures(command));
    found
        .and_then(|found| found.name("program"))
        .map_or("sh", |program| program.as_str())
}

/// Returns the names and values of the variables that a shell command sets.
pub(super) fn assignments(command: &str) -> Vec<(&str, &str)> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ASSIGNMENT).ok());
    let found = PATTERN.iter().flat_map(|pattern| pattern.captures_iter(command));
    found
        .filter_map(|found| {
            let value = ["single", "double", "bare"]
                .iter()
                .find_map(|group| found.name(group))?;
            Some((found.name("name")?.as_str(), value.as_str()))
        })
        .collect()
}

/// Returns whether the name of a variable says that its value is a secret.
pub(super) fn is_telling(name: &str) -> bool {
    static PATTERNS: LazyLock<Option<(Regex, Regex)>> =
        LazyLock::new(|| Some((Regex::new(TELLING).ok()?, Regex::new(HARMLESS).ok()?)));
    // Without patterns, every variable counts as a secret.
    PATTERNS
        .as_ref()
        .is_none_or(|(telling, harmless)| telling.is_match(name) && !harmless.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_of_a_command_is_shown() {
        for (command, program) in [
            ("npm start", "npm"),
            ("target/debug/clerk-mcp", "clerk-mcp"),
            (
                "/nix/store/abc-node/bin/node dist/server.js --api-key abc",
                "node",
            ),
            (
                "CLERK_SECRET_KEY=abc DB_PASSWORD='a b'\\''c' D=\"x \\\"y\" npm start",
                "npm",
            ),
            ("A=$B C=\"$D\" uv run server", "uv"),
            ("env API_KEY=abc npm start", "env"),
            ("server;", "server"),
            ("exec ./run.sh", "exec"),
        ] {
            assert_eq!(program_name(command), program, "{command}");
        }
    }

    #[test]
    fn commands_that_cannot_be_split_safely_are_shown_as_sh() {
        for command in [
            "",
            "API_KEY=abc",
            "API_KEY='abc",
            "API_KEY=$(cat \"my secret file\") npm start",
            "API_KEY=\"$(cat \"my secret file\")\" npm start",
            "A=${B} npm start",
            "API_KEY=\"${B:-\"my secret\"}\" npm start",
            "API_KEY=`cat my secret file` npm start",
            "API_KEY=$'a\\'b secret more' npm start",
            "'my secret/program' --port 1",
            "\"$PROGRAM\" --port 1",
            "(cd app; npm start)",
            "bearer,abc",
        ] {
            assert_eq!(program_name(command), "sh", "{command}");
        }
    }

    #[test]
    fn variables_that_a_command_sets_are_found() {
        assert_eq!(
            assignments("A=1 B='two words' env C=\"three\"; export D=4&&x --e=5 f=6"),
            [
                ("A", "1"),
                ("B", "two words"),
                ("C", "three"),
                ("D", "4&&x"),
                ("f", "6")
            ]
        );
    }

    #[test]
    fn names_of_secrets_are_telling() {
        for name in [
            "CLERK_SECRET_KEY",
            "SECRET_KEY_BASE",
            "PGPASSWORD",
            "PGPASSWD",
            "clientSecret",
            "api-key",
            "API_KEY_2",
            "AWS_ACCESS_KEY_ID",
            "db_password",
            "GITHUB_TOKEN",
            "TOKENS",
            "DB_PASS",
            "DB_PWD",
            "DB_PW",
            "REGISTRY_AUTH",
            "AUTH",
            "MY_PASSPHRASE",
            "SOME_CREDENTIALS",
            "SESSION_COOKIE",
        ] {
            assert!(is_telling(name), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_telling() {
        for name in [
            "PWD",
            "OLDPWD",
            "PORT",
            "SSH_AUTH_SOCK",
            "AUTHOR",
            "KEYBOARD",
            "KEYCLOAK_REALM",
            "TOKENIZERS_PARALLELISM",
            "PASSENGER_PORT",
            "token_type",
            "TOKEN_ENDPOINT",
            "CLERK_PUBLISHABLE_KEY",
            "JWT_PUBLIC_KEY",
            "CLERK_SECRET_KEY_FILE",
        ] {
            assert!(!is_telling(name), "{name}");
        }
    }
}
