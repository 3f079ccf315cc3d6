//! Secrets that are recognized by their form, without knowing their value.

use std::sync::LazyLock;

use regex::Regex;

/// Patterns of tokens.
const TOKENS: [&str; 2] = [
    // JSON Web Tokens, whole or cut off: the header begins with `{"`, which is `eyJ` in base64.
    r"(?-u:\b)eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)*",
    // Clerk's opaque tokens and API keys.
    r"(?-u:\b)(?:oat|mt|ak)_[A-Za-z0-9_/+-]{16,}=*",
];

/// Patterns of secret keys, webhook secrets and private keys.
const KEYS: [&str; 2] = [
    r"(?-u:\b)(?:[sr]k_(?:test|live)|whsec)_[A-Za-z0-9_/+-]{16,}=*",
    r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
];

/// Patterns of other secrets. The groups `before` and `after` are kept.
const OTHERS: [&str; 2] = [
    // The end of a private key.
    r"[A-Za-z0-9+/=\\\s]{16,}-----END [A-Z ]*PRIVATE KEY-----",
    // User name and password in a URL. A password may contain `@`.
    r#"(?P<before>://)[^/?#\s'"]+(?P<after>@)"#,
];

/// The credential in an `Authorization` header, as HTTP, JSON and programs write it.
const AUTHORIZATION: &str = r#"(?i)(?P<before>(?-u:\b)authorization["'\\]*\s*[:=]\s*["'\\]*(?:bearer|basic|dpop)\s+)[^\s'"<>,\\]{8,}"#;

/// Replaces secrets that have one of the forms above, except [`AUTHORIZATION`].
pub(super) fn hide(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| compile(&[TOKENS, KEYS, OTHERS].concat()));
    replace(&PATTERNS, text)
}

/// Returns whether a text contains a token outside the query of a URL. Access logs show URLs, and a client must
/// not put a token into one (RFC 6750 §5.3), so the server is not to blame for it.
pub(crate) fn contains_token(text: &str) -> bool {
    static IN_QUERY: LazyLock<Vec<Regex>> = LazyLock::new(|| compile(&[r"[?&]access_token=[^&\s]+"]));
    static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| compile(&TOKENS));
    let text = replace(&IN_QUERY, text);
    PATTERNS.iter().any(|pattern| pattern.is_match(&text))
}

/// Returns whether a text contains a secret key or a private key.
pub(crate) fn contains_key(text: &str) -> bool {
    static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| compile(&KEYS));
    PATTERNS.iter().any(|pattern| pattern.is_match(text))
}

/// Replaces the credential in an `Authorization` header.
pub(super) fn hide_authorization(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| compile(&[AUTHORIZATION]));
    replace(&PATTERNS, text)
}

fn compile(patterns: &[&str]) -> Vec<Regex> {
    patterns
        .iter()
        .filter_map(|pattern| Regex::new(pattern).ok())
        .collect()
}

fn replace(patterns: &[Regex], text: &str) -> String {
    patterns.iter().fold(text.to_owned(), |text, pattern| {
        pattern
            .replace_all(&text, "${before}<secret>${after}")
            .into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_hidden(cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(hide_authorization(&hide(text)), *expected);
        }
    }

    #[test]
    fn every_pattern_compiles() {
        let all = [TOKENS, KEYS, OTHERS].concat();
        assert_eq!(compile(&all).len(), all.len());
        assert_eq!(compile(&[AUTHORIZATION]).len(), 1);
    }

    #[test]
    fn tokens_are_found_except_in_a_query() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln";
        assert!(contains_token(&format!("rejected {token}")));
        assert!(contains_token(&format!(
            "GET /mcp?access_token={token} with {token}"
        )));
        assert!(!contains_token(&format!(
            "\"GET /mcp?a=b&access_token={token} HTTP/1.1\" 401"
        )));
        assert!(!contains_token("sk_test_0123456789abcdef"));
    }

    #[test]
    fn jwts_are_hidden() {
        assert_hidden(&[
            ("eyJhbGciOiJub25lIn0.e30. is a JWT", "<secret> is a JWT"),
            ("(eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln)", "(<secret>)"),
            ("token=eyJhbGciOiJSUzI1Ni… (cut off)", "token=<secret>… (cut off)"),
        ]);
    }

    #[test]
    fn keys_and_opaque_tokens_are_hidden() {
        assert_hidden(&[
            (
                "sk_test_0123456789abcdef, sk_live_0123456789abcdef",
                "<secret>, <secret>",
            ),
            (
                "rk_live_0123456789abcdef whsec_MfKQ9r8GKYqrTwjU==",
                "<secret> <secret>",
            ),
            (
                "oat_ab-cd_ef-gh12345 mt_0123456789abcdef ak_0123456789abcdef",
                "<secret> <secret> <secret>",
            ),
            ("peak_0123456789abcdef", "peak_0123456789abcdef"),
        ]);
    }

    #[test]
    fn private_keys_are_hidden_as_far_as_they_are_there() {
        assert_hidden(&[
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nvQ==\n-----END RSA PRIVATE KEY----- x",
                "<secret> x",
            ),
            (
                r#"{"key": "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"}"#,
                r#"{"key": "<secret>\n"}"#,
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQ", "<secret>"),
            (
                "MIIEvQIBADANBgkqhkiG9w0BAQEFAA\nvQ==\n-----END PRIVATE KEY-----",
                "<secret>",
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nMIIB",
                "-----BEGIN PUBLIC KEY-----\nMIIB",
            ),
        ]);
    }

    #[test]
    fn userinfo_in_urls_is_hidden() {
        assert_hidden(&[
            ("postgres://app:Sup@rPass99@h/db", "postgres://<secret>@h/db"),
            ("http://token@h:80/a?b=c@d", "http://<secret>@h:80/a?b=c@d"),
            (
                "http://h:80/users/me@example.com",
                "http://h:80/users/me@example.com",
            ),
            ("http://h?user=me@example.com", "http://h?user=me@example.com"),
        ]);
    }

    #[test]
    fn credentials_in_authorization_headers_are_hidden() {
        assert_hidden(&[
            ("Authorization: Basic bWU6cHc=", "Authorization: Basic <secret>"),
            ("authorization=bearer swordfish", "authorization=bearer <secret>"),
            (
                r#"{"text": "{\"authorization\": \"DPoP swordfish\"}"}"#,
                r#"{"text": "{\"authorization\": \"DPoP <secret>\"}"}"#,
            ),
        ]);
    }

    #[test]
    fn answers_of_servers_stay_readable() {
        for text in [
            r#"{"token_endpoint":"https://a/oauth/token","token_endpoint_auth_methods_supported":["none"]}"#,
            r#"{"token_type":"Bearer","keys":[{"kty":"RSA","kid":"ins_1"}]}"#,
            "www-authenticate: Bearer error=\"invalid_token\", error_description=\"The token is expired\"",
            "CLERK_SECRET_KEY is missing: it begins with sk_test_… or sk_live_…, as in sk_test_your_secret_key",
            "access-control-allow-headers: Authorization, Mcp-Session-Id",
            "x-clerk-auth-reason: token-verification-failed\r\nx-clerk-auth-status: signed-out",
            "CLERK_PUBLISHABLE_KEY=pk_test_bG9jYWwuY2xlcmsuYWNjb3VudHMuZGV2JA",
            "Bearer token is missing",
        ] {
            assert_hidden(&[(text, text)]);
        }
    }

    #[test]
    fn hidden_texts_stay_as_they_are() {
        let text = "postgres://<secret>@h Authorization: Bearer <secret> <session_token>";
        assert_hidden(&[(text, text)]);
    }
}
