//! What a name says about its value, and which values are no secret under any name.

use super::random::looks_random;

/// How surely a name speaks of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Telling {
    /// `key`, `token`: what comes after it may as well be about one.
    Perhaps,
    /// `password`, `client_secret`.
    Surely,
}

/// What a name says; `None` when its value is anybody's business.
pub(super) fn telling(name: &str) -> Option<Telling> {
    let lower = name.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let words: Vec<&str> = lower
        .split(['_', '-', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let camel = name
        .chars()
        .zip(name.chars().skip(1))
        .any(|(one, next)| one.is_lowercase() && next.is_uppercase());
    // What is about a secret and is none: where it is, what it is called, how long it lasts.
    let about = [
        "type",
        "types",
        "url",
        "uri",
        "endpoint",
        "endpoints",
        "supported",
        "path",
        "file",
        "dir",
        "alg",
        "algorithm",
        "name",
        "hint",
        "mode",
        "kind",
        "ttl",
        "interval",
        "seconds",
        "size",
        "limit",
        "header",
        "prefix",
        "realm",
        "user",
        "hasher",
        "issuer",
        "audience",
    ];
    let is_about = match words.last() {
        Some(last) if !camel => words.len() > 1 && about.contains(last),
        _ => about.iter().any(|end| lower.ends_with(end)),
    };
    let is_other = has(&[
        "publishable",
        "public",
        "keyboard",
        "tokeniz",
        "monkey",
        "hockey",
        "turnkey",
        "keycloak",
    ]);
    if is_about || is_other {
        return None;
    }
    let surely = [
        "secret",
        "passw",
        "passphrase",
        "credential",
        "apikey",
        "api_key",
        "api-key",
        "privatekey",
        "private_key",
        "private-key",
        "access_key",
        "accesskey",
        "access_token",
        "accesstoken",
        "refresh_token",
        "refreshtoken",
        "id_token",
        "auth_token",
        "authtoken",
    ];
    if has(&surely) {
        return Some(Telling::Surely);
    }
    // PASS and the like are words of their own, or every bypass would be a secret; PWD alone is a folder.
    let alone = [
        "pass",
        "pw",
        "otp",
        "salt",
        "signing",
        "cookie",
        "private",
        "encryption",
    ];
    let is_word = words.iter().any(|word| alone.contains(word))
        || words.iter().skip(1).any(|word| ["pwd", "auth"].contains(word));
    (is_word || has(&["key", "token"])).then_some(Telling::Perhaps)
}

/// Whether a value is no secret, whatever it is called.
pub(super) fn is_harmless(value: &str) -> bool {
    const WORDS: [&str; 22] = [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "none",
        "null",
        "undefined",
        "required",
        "optional",
        "missing",
        "enabled",
        "disabled",
        "auto",
        "default",
        "bearer",
        "basic",
        "production",
        "development",
        "staging",
        "test",
    ];
    let value = value.trim().trim_matches(['"', '\'']);
    let is_path = value.starts_with(['/', '~']) || value.starts_with("./") || value.starts_with("../");
    value.is_empty()
        || WORDS.contains(&value.to_ascii_lowercase().as_str())
        || is_path && !looks_random(value.trim_start_matches('/'))
        || is_address(value)
        || is_placeholder(value)
        || is_public(value)
}

/// Whether a value is no secret where it stands for itself, as in the environment: passwords begin with `$` and `/`, too.
pub(super) fn is_harmless_literal(value: &str) -> bool {
    const SCHEMES: [&str; 12] = [
        "http",
        "https",
        "ws",
        "wss",
        "file",
        "unix",
        "tcp",
        "postgres",
        "postgresql",
        "mysql",
        "redis",
        "amqp",
    ];
    let literal = value.trim().trim_matches(['"', '\'']);
    let is_path = literal.matches('/').count() >= 2 || std::path::Path::new(literal).exists();
    let starts_otherwise =
        literal.starts_with(['/', '~']) || literal.starts_with("../") || literal.starts_with("./");
    let is_address = literal
        .split_once("://")
        .is_some_and(|(scheme, _)| SCHEMES.contains(&scheme));
    is_harmless(literal)
        && (is_path || !starts_otherwise)
        && (is_address || !literal.contains("://"))
        && (!is_placeholder(literal) || is_public(literal))
}

/// Whether it is meant to be seen: Clerk's publishable keys, public keys, certificates.
pub(super) fn is_public(value: &str) -> bool {
    [
        "pk_test_",
        "pk_live_",
        "-----BEGIN PUBLIC KEY",
        "-----BEGIN CERTIFICATE",
    ]
    .iter()
    .any(|start| value.starts_with(start))
}

/// Whether it stands for a value: `$NAME`, `{secret_key}`, `<secret>`, `sk_test_…`, `xxxx`.
pub(super) fn is_placeholder(value: &str) -> bool {
    let inner = value
        .strip_prefix("${")
        .or_else(|| value.strip_prefix('{'))
        .and_then(|rest| rest.strip_suffix('}'))
        .or_else(|| value.strip_prefix('$'));
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || "_.-".contains(one))
    };
    let in_brackets = value.starts_with('<') && value.ends_with('>') && !value.contains(char::is_whitespace);
    let rest = value.rsplit('_').next().unwrap_or_default();
    let filler = rest.len() > 3 && rest.chars().all(|one| "xX*•.…".contains(one));
    inner.is_some_and(is_name) || in_brackets || filler || value.ends_with('…') || value.ends_with("...")
}

/// Whether it is a URL without a user or a query.
fn is_address(value: &str) -> bool {
    value.split_once("://").is_some_and(|(scheme, rest)| {
        scheme
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one))
            && !rest.contains(['@', '?', '&', ' '])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_or_do_not() {
        for name in [
            "CLERK_SECRET_KEY",
            "PGPASSWD",
            "clientSecret",
            "api-key",
            "AWS_ACCESS_KEY_ID",
            "db_password",
        ] {
            assert_eq!(telling(name), Some(Telling::Surely), "{name}");
        }
        for name in [
            "TOKENS",
            "key",
            "DB_PASS",
            "SSH_AUTH",
            "sessionToken",
            "signing-key",
            "SESSION_SALT",
            "JWT_SIGNING",
            "DB_PW",
        ] {
            assert_eq!(telling(name), Some(Telling::Perhaps), "{name}");
        }
        for name in [
            "PWD",
            "AUTH",
            "BYPASS",
            "PORT",
            "token_type",
            "token_endpoint",
            "tokenType",
            "CLERK_PUBLISHABLE_KEY",
            "CLERK_SECRET_KEY_FILE",
            "TOKENIZERS_PARALLELISM",
            "grant_types_supported",
            "STRIPE",
            "KEYCLOAK_REALM",
            "TOKEN_HEADER",
            "MONKEY",
        ] {
            assert_eq!(telling(name), None, "{name}");
        }
    }

    #[test]
    fn some_values_are_harmless_under_any_name() {
        for value in [
            "",
            "'production'",
            "/run/secrets/key",
            "https://example.com/token",
            "$KEY",
            "\"${KEY}\"",
            "{secret_key}",
            "sk_test_…",
            "sk_test_xxxxxxxx",
            "<secret>",
            "pk_test_bG9jYWwuY2xlcms",
        ] {
            assert!(is_harmless(value), "{value}");
        }
        for value in [
            "hunter2",
            "/aB3dEf5gH7iJ9kL1mN3oP5=",
            "https://me:pw@example.com",
            "https://example.com?key=a",
            "${KEY:-abc}",
            "sk_test_0123456789",
            "two words",
        ] {
            assert!(!is_harmless(value), "{value}");
        }
        for value in [
            "$ecretStart99",
            "/slash-start99",
            "ends-with-dots...",
            "{bracepw99}",
            "<brackpw99>",
            "~tildepw99",
            "auto://pwpwpw99",
        ] {
            assert!(!is_harmless_literal(value), "{value}");
        }
        for value in [
            "/run/secrets/key",
            "production",
            "https://example.com/token",
            "/tmp",
        ] {
            assert!(is_harmless_literal(value), "{value}");
        }
    }
}
