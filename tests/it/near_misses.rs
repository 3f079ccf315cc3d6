//! Values that look almost right: each is rejected at start with a reason, or works.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
};

use clerk_mcp::config::{Config, VARIABLES};

use crate::support::{
    program::Folder,
    server::{config, signing_key},
};

/// Returns a valid configuration with these changes.
fn with<'a>(changes: &[(&'a str, &str)]) -> HashMap<&'a str, String> {
    let mut values = HashMap::from([
        ("CLERK_SECRET_KEY", "sk_test_1".to_owned()),
        ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev".to_owned()),
        ("BASE_URL", "https://mcp.example.com".to_owned()),
    ]);
    values.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    values
}

/// Near misses per variable. The values contain no secret, so they may be printed.
const REJECTED: &[(&str, &[&str])] = &[
    (
        "CLERK_SECRET_KEY",
        &[
            "\"sk_test_1\"",
            "'sk_test_1'",
            "${CLERK_SECRET_KEY}",
            "sk_test_",
            "sk_test_1 2",
            "pk_test_1",
            "test_1",
            "sk_test_…",
        ],
    ),
    (
        "CLERK_SESSION_AUDIENCE",
        &["\"off\"", "required", "observe", "Off", "if_present", "true"],
    ),
    (
        "CLERK_ACCEPTED_AUDIENCES",
        &["\"convex\"", "'convex'", "${AUDIENCES}", "convex,\"mobile\""],
    ),
    ("AUDIT", &["\"on\"", "true", "false", "ON", "1", "yes"]),
    (
        "CLERK_SECRET_KEY_FILE",
        &[
            "\"/run/secrets/clerk\"",
            "${CREDENTIALS}/clerk",
            "/nonexistent/clerk",
            "sk_test_1",
        ],
    ),
    (
        "CLERK_DOMAIN",
        &[
            "\"clerk.example.com\"",
            "'clerk.example.com'",
            "${CLERK_DOMAIN}",
            "a.clerk.accounts.dev,b.clerk.accounts.dev",
            "a.clerk.accounts.dev b.clerk.accounts.dev",
            "*.clerk.accounts.dev",
            "clerk.example.com/v1",
            "great-fox-12.accounts.dev",
            "pk_test_1",
            "example",
            "clerk..example.com",
            "$CLERK_DOMAIN.example.com",
        ],
    ),
    (
        "CLERK_PUBLISHABLE_KEY",
        &[
            "\"pk_test_1\"",
            "pk_test_",
            "pk_test_1",
            "sk_test_1",
            "pk_test_KiQ",
        ],
    ),
    (
        "BASE_URL",
        &[
            "\"https://mcp.example.com\"",
            "https://${HOST}",
            "https://*.example.com",
            "https://a.example.com,https://b.example.com",
            "https://a.example.com,b.example.com",
            "https://mcp.example.com/a b",
            "mcp.example.com",
            "mcp.example.com:3001",
            "localhost:3001",
            "https:mcp.example.com",
            "https:///mcp.example.com",
            "https:\\\\mcp.example.com",
            "http://0.0.0.0:3001",
            "https://[::]:3001",
            "http://localhost:0",
            "http://mcp.example.com",
            "https://mcp.example.com/mcp",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com?x=1",
            "ws://mcp.example.com",
        ],
    ),
    (
        "HOST",
        &[
            "\"127.0.0.1\"",
            "127.0.0.1:3001",
            "http://127.0.0.1",
            "[::1]",
            "*",
            "mcp.example.com",
            "127.1",
        ],
    ),
    (
        "PORT",
        &[
            "\"3001\"",
            ":3001",
            "+3001",
            "-1",
            "3001/tcp",
            "3 001",
            "65536",
            "0x10",
            "tcp://10.0.0.1:3001",
        ],
    ),
    (
        "CLERK_API_URL",
        &[
            "\"https://api.clerk.com\"",
            "api.clerk.com",
            "https://api.clerk.com/v1",
            "https://api.clerk.com/v1/",
            "http://api.clerk.com",
            "https://*.clerk.com",
        ],
    ),
    (
        "CLERK_FRONTEND_API_URL",
        &[
            "'https://clerk.example.com'",
            "clerk.example.com",
            "http://clerk.example.com",
            "https://clerk.example.com?x",
            "https://a.test,b.test",
        ],
    ),
    (
        "CLERK_ISSUER",
        &[
            "\"https://clerk.example.com\"",
            "clerk.example.com",
            "http://clerk.example.com",
            "https://*.example.com",
        ],
    ),
    (
        "CLERK_CA_FILE",
        &[
            "\"/etc/ca.pem\"",
            "/nonexistent/ca.pem",
            "Cargo.toml",
            "-----BEGIN CERTIFICATE-----",
        ],
    ),
    (
        "CLERK_JWT_KEY",
        &[
            "\"-----BEGIN PUBLIC KEY-----\"",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
            "-----BEGIN RSA PUBLIC KEY-----\nAA==\n-----END RSA PUBLIC KEY-----",
            "AAAA",
            "key.pem",
            "https://clerk.example.com/.well-known/jwks.json",
        ],
    ),
    (
        "CLERK_ACCEPTED_TOKENS",
        &[
            "\"oauth_token\"",
            "oauth",
            "oauth_token;session_token",
            "OAUTH_TOKEN",
            ",",
            "any",
        ],
    ),
    (
        "CLERK_AUDIENCE",
        &[
            "\"required\"",
            "true",
            "Required",
            "https://mcp.example.com/mcp",
            "if_present",
        ],
    ),
    (
        "CLERK_AUTHORIZED_PARTIES",
        &[
            "\"https://app.example.com\"",
            "https://app.example.com/",
            "app.example.com",
            "localhost:3000",
            "https://APP.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com/path",
            "https://app.example.com:443",
            "*",
            "https://*.example.com",
            "https://app.example.com,*",
            "https://app.example.com https://b.example.com",
            "https://${APP}",
            "null",
            ",",
            "file://",
            "chrome-extension://abc/",
            "chrome-extension://*",
        ],
    ),
    (
        "CLERK_CLOCK_SKEW",
        &["\"5s\"", "5", "five", "-5s", "1h", "5000000s"],
    ),
    (
        "SCOPES",
        &["\"profile\"", "profile,\"email\"", "pro\\file", "${SCOPES}"],
    ),
    (
        "REQUIRED_SCOPES",
        &["'profile'", "profilé", "profile,offline_access"],
    ),
    (
        "DOCS_URL",
        &[
            "\"https://example.com\"",
            "example.com/docs",
            "/docs",
            "ftp://example.com",
            "https://a:b@example.com",
            "https://example.com/a b",
        ],
    ),
    (
        "ALLOWED_ORIGINS",
        &[
            "\"https://app.example.com\"",
            "app.example.com",
            "https://*.example.com",
            "*",
            "null",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://${APP}",
            "https://a.test https://b.test",
            "file://",
            "chrome-extension://",
            "chrome-extension://abc/popup.html",
            ",",
        ],
    ),
    ("TRUST_FORWARDED", &["\"true\"", "yes", "TRUE", "2"]),
    ("MAX_BODY", &["\"4 MiB\"", "4", "-4 MiB", "4 apples", "2 GiB"]),
    ("REQUEST_TIMEOUT", &["'30s'", "30", "0s", "2h"]),
    (
        "MAX_CONNECTIONS",
        &["\"10\"", "0", "+10", "-1", "1e4", "10_000", "unlimited"],
    ),
    ("IDLE_TIMEOUT", &["\"75s\"", "75", "0s", "500ms", "2h"]),
    ("SHUTDOWN_GRACE", &["\"20s\"", "20", "-1s", "2h"]),
    (
        "ADMIN_ADDR",
        &[
            "\"127.0.0.1:9090\"",
            "9090",
            ":9090",
            "127.0.0.1",
            "localhost:9090",
            "http://127.0.0.1:9090",
        ],
    ),
    ("LOG_FORMAT", &["\"json\"", "JSON", "text"]),
];

#[test]
fn near_misses_are_rejected_with_a_reason() {
    let mut wrong = Vec::new();
    for (name, values) in REJECTED {
        for value in *values {
            let mut changes = vec![(*name, *value)];
            if *name == "CLERK_SECRET_KEY_FILE" {
                // The file is read only if the key itself is not set.
                changes.push(("CLERK_SECRET_KEY", ""));
            }
            match config(&with(&changes)) {
                Ok(_) => wrong.push(format!("{name}={value} is accepted")),
                Err(error) => {
                    let error = error.to_string();
                    if !error.starts_with(&format!("[Clerk] Invalid config: {name}: "))
                        || error.lines().count() > 1
                    {
                        wrong.push(format!("{name}={value}: {error}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_variable_has_near_misses() {
    let tested: BTreeSet<_> = REJECTED.iter().map(|(name, _)| *name).collect();
    let all = VARIABLES.iter().map(|variable| variable.name);
    // The program reads this one itself; `tests/it/cli.rs` has its test.
    let expected: BTreeSet<_> = all.filter(|name| *name != "RUST_LOG").collect();
    assert_eq!(tested, expected);
}

#[test]
fn quotes_and_variables_that_were_not_replaced_are_named() {
    for (value, reason) in [
        ("\"https://mcp.example.com\"", "expected the value without quotes"),
        ("'https://mcp.example.com'", "expected the value without quotes"),
        ("https://${HOST}", "${…} was not replaced"),
    ] {
        let error = config(&with(&[("BASE_URL", value)])).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn unusual_but_working_values_are_accepted() {
    for (name, value) in [
        ("CLERK_DOMAIN", "https://Great-Fox-12.clerk.accounts.dev/"),
        ("BASE_URL", "https://mcp.example.com/"),
        ("BASE_URL", "HTTPS://MCP.example.com:8443/base"),
        ("BASE_URL", "http://[::1]:3001"),
        (
            "CLERK_AUTHORIZED_PARTIES",
            "https://app.example.com, http://localhost:3000",
        ),
        (
            "CLERK_AUTHORIZED_PARTIES",
            "chrome-extension://abcdefghijklmnop,tauri://localhost,com.example.app://callback",
        ),
        (
            "ALLOWED_ORIGINS",
            "https://app.example.com/,https://APP.example.com:443",
        ),
        (
            "ALLOWED_ORIGINS",
            "chrome-extension://abcdefghijklmnop,app://obsidian.md,app://-,tauri://localhost",
        ),
        ("CLERK_ISSUER", "http://localhost:4000"),
        ("CLERK_API_URL", "https://proxy.example.com/clerk"),
    ] {
        let outcome = config(&with(&[(name, value)]));
        // The test key belongs to a development instance; an issuer on loopback may be any.
        assert!(outcome.is_ok(), "{name}={value}: {outcome:?}");
    }
}

#[test]
fn origins_of_extensions_and_app_shells_are_allowed_as_they_are_sent() {
    let origins = [
        "chrome-extension://abcdefghijklmnop",
        "app://obsidian.md",
        "tauri://localhost",
    ];
    let config = config(&with(&[("ALLOWED_ORIGINS", &origins.join(","))])).unwrap();
    for origin in origins {
        assert!(config.allowed_origins.allows(origin), "{origin}");
    }
    assert!(!config.allowed_origins.allows("tauri://localhost.evil.test"));
}

#[test]
fn public_key_is_accepted_in_every_common_form() {
    let pem = signing_key().public_key_pem();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    for (form, value) in [
        ("PEM", pem.clone()),
        ("PEM with CRLF", pem.replace('\n', "\r\n")),
        ("escaped \\n", pem.replace('\n', "\\n")),
        ("escaped \\r\\n", pem.replace('\n', "\\r\\n")),
        ("one line with spaces", pem.replace('\n', " ")),
        ("one line without separators", pem.replace('\n', "")),
        ("only the body", body.clone()),
        (
            "the body in lines",
            pem.lines()
                .filter(|line| !line.starts_with("-----"))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    ] {
        let outcome = config(&with(&[("CLERK_JWT_KEY", &value)]));
        assert!(
            outcome.is_ok_and(|config| config.clerk.jwt_key.is_some()),
            "{form}"
        );
    }
}

#[test]
fn public_key_is_never_printed() {
    let error = config(&with(&[("CLERK_JWT_KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC")])).unwrap_err();
    assert!(!error.to_string().contains("MIIE"), "{error}");
}

/// A systemd credential that cannot be read is not also reported as missing.
#[test]
fn unreadable_credential_is_reported_once() {
    let folder = Folder::new("credential");
    fs::write(folder.0.join("CLERK_SECRET_KEY"), b"\xff").unwrap();
    let mut values = with(&[("CLERK_SECRET_KEY", "")]);
    values.insert("CREDENTIALS_DIRECTORY", folder.0.to_str().unwrap().to_owned());
    let error = config(&values).unwrap_err().to_string();
    assert_eq!(
        error,
        "[Clerk] Invalid config: CLERK_SECRET_KEY: cannot read the file (invalid data)"
    );
}

#[test]
fn secret_key_file_can_be_given_as_a_pair() {
    let folder = Folder::new("key-file");
    fs::write(folder.0.join("key"), "sk_test_from_a_file\n").unwrap();
    let file = folder.0.join("key").to_str().unwrap().to_owned();
    let pairs = [
        ("CLERK_SECRET_KEY_FILE", file),
        ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev".to_owned()),
    ];
    let config = Config::from_pairs(pairs, "http://127.0.0.1:3001");
    assert!(config.is_ok(), "{config:?}");
}

#[test]
fn unreadable_secret_key_file_is_reported_with_all_other_errors() {
    let values = with(&[
        ("CLERK_SECRET_KEY", ""),
        ("CLERK_SECRET_KEY_FILE", "/nonexistent/clerk"),
        ("PORT", "x"),
    ]);
    let error = config(&values).unwrap_err().to_string();
    insta::assert_snapshot!(error, @r#"
    [Clerk] Invalid config: CLERK_SECRET_KEY_FILE: cannot read /nonexistent/clerk (entity not found)
    [Clerk] Invalid config: PORT: expected a port number from 0 to 65535, got "x"
    "#);
}
