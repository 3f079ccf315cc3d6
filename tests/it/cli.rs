//! The command line: help, and every error that can occur before the server runs.

use std::process::Output;

use serde_json::Value;

use crate::support::{
    program::{Folder, RIGHT, program},
    server::config,
};

fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let folder = Folder::new("run");
    program(&folder.0)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

/// Returns what the program prints about an invalid configuration, and checks the exit code.
#[track_caller]
fn config_error(variables: &[(&str, &str)]) -> String {
    let output = run(variables, &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{text}");
    assert!(output.stdout.is_empty());
    text
}

/// Returns valid variables with these changes.
fn valid_except(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let kept = RIGHT
        .into_iter()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().copied()).collect()
}

#[test]
fn all_missing_variables_are_reported_at_once() {
    insta::assert_snapshot!(config_error(&[]), @"
    [Clerk] Missing required config: CLERK_SECRET_KEY, CLERK_DOMAIN, BASE_URL
      CLERK_SECRET_KEY: Clerk Dashboard > Configure > API keys > Secret keys
      CLERK_DOMAIN: Clerk Dashboard > Configure > Domains > Frontend API
      BASE_URL: the URL at which clients reach this server, such as http://127.0.0.1:3001
    Without a Clerk account, run `clerk-mcp demo`: it needs no configuration.
    ");
}

/// A `main` that returns an error prints it with `Debug`.
#[test]
fn debug_of_a_configuration_error_is_its_display() {
    let error = config(&[("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev".to_owned())].into()).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(
        error
            .to_string()
            .starts_with("[Clerk] Missing required config: CLERK_SECRET_KEY, BASE_URL"),
        "{error}"
    );
}

#[test]
fn empty_variables_count_as_missing() {
    insta::assert_snapshot!(config_error(&valid_except(&[("CLERK_SECRET_KEY", " "), ("BASE_URL", "")])), @"
    [Clerk] Missing required config: CLERK_SECRET_KEY, BASE_URL
      CLERK_SECRET_KEY: Clerk Dashboard > Configure > API keys > Secret keys
      BASE_URL: the URL at which clients reach this server, such as http://127.0.0.1:3001
    Without a Clerk account, run `clerk-mcp demo`: it needs no configuration.
    ");
}

#[test]
fn all_invalid_variables_are_reported_at_once() {
    insta::assert_snapshot!(
        config_error(&[
            ("CLERK_SECRET_KEY", "sk_prod_hush"),
            ("CLERK_DOMAIN", "clerk.example.com/path"),
            ("CLERK_PUBLISHABLE_KEY", "pk_test_rubbish"),
            ("BASE_URL", "http://mcp.example.com"),
            ("HOST", "everywhere"),
            ("PORT", "99999"),
            ("CLERK_API_URL", "ftp://api.clerk.com"),
            ("CLERK_FRONTEND_API_URL", "https://clerk.example.com/?x=1"),
            ("CLERK_CA_FILE", "missing.pem"),
            ("CLERK_JWT_KEY", "-----BEGIN PUBLIC KEY-----"),
            ("CLERK_ACCEPTED_TOKENS", "session_token,cookie"),
            ("CLERK_AUDIENCE", "maybe"),
            ("CLERK_SESSION_AUDIENCE", "required"),
            ("AUDIT", "yes"),
            ("CLERK_CLOCK_SKEW", "1h"),
            ("SCOPES", "pro\"file"),
            ("REQUIRED_SCOPES", "a\\b"),
            ("DOCS_URL", "docs"),
            ("ALLOWED_ORIGINS", "https://app.example.com/path"),
            ("TRUST_FORWARDED", "perhaps"),
            ("MAX_BODY", "much"),
            ("REQUEST_TIMEOUT", "0s"),
            ("MAX_CONNECTIONS", "0"),
            ("IDLE_TIMEOUT", "0s"),
            ("SHUTDOWN_GRACE", "-1s"),
            ("ADMIN_ADDR", "9090"),
            ("LOG_FORMAT", "xml"),
            ("RUST_LOG", "=,="),
        ]),
        @r#"
    [Clerk] Invalid config: CLERK_SECRET_KEY: expected sk_test_… or sk_live_…
    [Clerk] Invalid config: CLERK_DOMAIN: expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API), got "clerk.example.com/path"
    [Clerk] Invalid config: CLERK_PUBLISHABLE_KEY: expected pk_test_… or pk_live_… (Clerk Dashboard > Configure > API keys), got "pk_test_rubbish"
    [Clerk] Invalid config: CLERK_FRONTEND_API_URL: expected a URL without a query or fragment, got "https://clerk.example.com/?x=1"
    [Clerk] Invalid config: CLERK_API_URL: expected an http or https URL, got "ftp://api.clerk.com"
    [Clerk] Invalid config: CLERK_CA_FILE: cannot read the file (entity not found), got "missing.pem"
    [Clerk] Invalid config: CLERK_JWT_KEY: the line -----END PUBLIC KEY----- is missing
    [Clerk] Invalid config: BASE_URL: expected https (http is allowed only for loopback), got "http://mcp.example.com"
    [Clerk] Invalid config: HOST: expected an IP address, such as 127.0.0.1 or 0.0.0.0, got "everywhere"
    [Clerk] Invalid config: PORT: expected a port number from 0 to 65535, got "99999"
    [Clerk] Invalid config: CLERK_ACCEPTED_TOKENS: expected session_token, oauth_token, m2m_token or api_key, got "session_token,cookie"
    [Clerk] Invalid config: CLERK_AUDIENCE: expected required, if-present, observe or off, got "maybe"
    [Clerk] Invalid config: CLERK_SESSION_AUDIENCE: expected if-present or off, got "required"
    [Clerk] Invalid config: CLERK_CLOCK_SKEW: expected a duration from 0s to 300s, such as 5s or 1m, got "1h"
    [Clerk] Invalid config: SCOPES: expected scopes in printable ASCII without quotes or backslashes, got "pro\"file"
    [Clerk] Invalid config: REQUIRED_SCOPES: expected scopes in printable ASCII without quotes or backslashes, got "a\\b"
    [Clerk] Invalid config: DOCS_URL: expected a full URL, such as https://mcp.example.com, got "docs"
    [Clerk] Invalid config: ALLOWED_ORIGINS: expected origins such as https://app.example.com, without a path or wildcards, got "https://app.example.com/path"
    [Clerk] Invalid config: TRUST_FORWARDED: expected true or false, got "perhaps"
    [Clerk] Invalid config: AUDIT: expected on or off, got "yes"
    [Clerk] Invalid config: MAX_BODY: expected a size from 1 KiB to 1 GiB, such as 4 MiB, got "much"
    [Clerk] Invalid config: REQUEST_TIMEOUT: expected a duration from 1s to 3600s, such as 5s or 1m, got "0s"
    [Clerk] Invalid config: MAX_CONNECTIONS: expected a number above 0, got "0"
    [Clerk] Invalid config: IDLE_TIMEOUT: expected a duration from 1s to 3600s, such as 5s or 1m, got "0s"
    [Clerk] Invalid config: SHUTDOWN_GRACE: expected a duration from 0s to 3600s, such as 5s or 1m, got "-1s"
    [Clerk] Invalid config: LOG_FORMAT: expected pretty or json, got "xml"
    [Clerk] Invalid config: ADMIN_ADDR: expected an IP address and a port, such as 127.0.0.1:9090, got "9090"
    [Clerk] Invalid config: RUST_LOG: expected a filter such as info,rmcp=off
    "#
    );
}

#[test]
fn log_filter_in_quotes_is_rejected() {
    for filter in ["\"info\"", "${LEVEL}"] {
        let text = config_error(&valid_except(&[("RUST_LOG", filter)]));
        assert!(
            text.starts_with("[Clerk] Invalid config: RUST_LOG: expected the value"),
            "{text}"
        );
    }
}

#[test]
fn publishable_key_as_secret_key_is_named() {
    insta::assert_snapshot!(config_error(&valid_except(&[("CLERK_SECRET_KEY", "pk_test_Y2xlcms")])), @"[Clerk] Invalid config: CLERK_SECRET_KEY: this is a publishable key (pk_…); the secret key starts with sk_");
}

#[test]
fn secret_key_as_publishable_key_is_not_printed() {
    let text = config_error(&valid_except(&[("CLERK_PUBLISHABLE_KEY", "sk_test_hush")]));
    assert!(!text.contains("hush"));
    insta::assert_snapshot!(text, @"[Clerk] Invalid config: CLERK_PUBLISHABLE_KEY: expected a publishable key (pk_…), but this is a secret key; move it to CLERK_SECRET_KEY");
}

#[test]
fn test_key_with_production_domain_and_the_reverse_are_rejected() {
    insta::assert_snapshot!(config_error(&valid_except(&[("CLERK_SECRET_KEY", "sk_live_hush")])), @"[Clerk] Invalid config: CLERK_SECRET_KEY: a live key (sk_live_…) does not match the development domain great-fox-12.clerk.accounts.dev; copy both from the same instance");
    insta::assert_snapshot!(config_error(&valid_except(&[("CLERK_DOMAIN", "clerk.example.com")])), @"[Clerk] Invalid config: CLERK_SECRET_KEY: a test key (sk_test_…) does not match the production domain clerk.example.com; copy both from the same instance");
}

#[test]
fn publishable_key_of_another_domain_is_rejected() {
    // clerk.example.com$
    insta::assert_snapshot!(config_error(&valid_except(&[("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")])), @"[Clerk] Invalid config: CLERK_PUBLISHABLE_KEY: the key belongs to clerk.example.com, but CLERK_DOMAIN is great-fox-12.clerk.accounts.dev; set only one of them");
}

#[test]
fn secret_in_the_wrong_variable_is_not_printed() {
    for (variable, value) in [
        ("CLERK_SECRET_KEY_FILE", "sk_live_hush"),
        (
            "CLERK_JWT_KEY",
            "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----",
        ),
        ("BASE_URL", "https://user:hush@mcp.example.com"),
        ("CLERK_DOMAIN", "sk_live_hush"),
    ] {
        let changes = [(variable, value), ("CLERK_SECRET_KEY", "")];
        let text = config_error(&valid_except(if variable == "CLERK_SECRET_KEY_FILE" {
            &changes
        } else {
            &changes[..1]
        }));
        assert!(text.contains(variable) && !text.contains("hush"), "{text}");
    }
}

#[test]
fn unusable_urls_and_domains_are_rejected() {
    let errors = [
        ("BASE_URL", "https://mcp.example.com/mcp"),
        ("BASE_URL", "https://mcp.example.com/a:b"),
        ("BASE_URL", "https://mcp.example.com/*x"),
        ("BASE_URL", "https://mcp.example.com./"),
        ("CLERK_DOMAIN", ":pw@great-fox-12.clerk.accounts.dev"),
        ("CLERK_DOMAIN", "/great-fox-12.clerk.accounts.dev"),
        ("CLERK_DOMAIN", "great-fox-12.clerk.accounts.dev."),
    ]
    .map(|change| config_error(&valid_except(&[change])));
    insta::assert_snapshot!(errors.concat(), @r#"
    [Clerk] Invalid config: BASE_URL: expected the URL without the trailing /mcp, got "https://mcp.example.com/mcp"
    [Clerk] Invalid config: BASE_URL: expected a path without empty segments, colons or asterisks, got "https://mcp.example.com/a:b"
    [Clerk] Invalid config: BASE_URL: expected a path without empty segments, colons or asterisks, got "https://mcp.example.com/*x"
    [Clerk] Invalid config: BASE_URL: expected a host without a trailing dot, got "https://mcp.example.com./"
    [Clerk] Invalid config: CLERK_DOMAIN: expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API)
    [Clerk] Invalid config: CLERK_DOMAIN: expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API), got "/great-fox-12.clerk.accounts.dev"
    [Clerk] Invalid config: CLERK_DOMAIN: expected one host name, such as clerk.example.com (Clerk Dashboard > Configure > Domains > Frontend API), got "great-fox-12.clerk.accounts.dev."
    "#);
}

#[test]
fn test_publishable_key_with_live_secret_key_is_rejected() {
    // clerk.example.com$
    let variables = [
        ("CLERK_SECRET_KEY", "sk_live_hush"),
        ("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
        ("BASE_URL", "https://mcp.example.com"),
    ];
    insta::assert_snapshot!(config_error(&variables), @"[Clerk] Invalid config: CLERK_PUBLISHABLE_KEY: this key and CLERK_SECRET_KEY do not match: one is a test key, the other a live key; copy both from the same instance");
}

#[test]
fn invalid_env_file_is_reported_without_its_content() {
    let folder = Folder::new("dotenv");
    folder.write(
        ".env",
        "BASE_URL=http://localhost:3001\nCLERK_SECRET_KEY sk_test_hush\n",
    );
    let output = program(&folder.0).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("hush"));
    insta::assert_snapshot!(format!("exit {}\n{text}", output.status.code().unwrap()), @"
    exit 78
    [Clerk] Invalid config: .env: line 2: CLERK_SECRET_KEY: expected NAME=value
    ");
}

#[test]
fn missing_secret_key_file_is_reported() {
    let variables = valid_except(&[("CLERK_SECRET_KEY", ""), ("CLERK_SECRET_KEY_FILE", "missing")]);
    insta::assert_snapshot!(config_error(&variables), @"[Clerk] Invalid config: CLERK_SECRET_KEY_FILE: cannot read missing (entity not found)");
}

#[test]
fn port_in_use_is_reported() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&RIGHT, &["--port", &port]);
    let text = String::from_utf8(output.stderr).unwrap().replace(&port, "[port]");
    insta::assert_snapshot!(format!("exit {}\n{text}", output.status.code().unwrap()), @"
    exit 1
    [Clerk] Cannot listen on 127.0.0.1:[port]: the address is in use by another program. Set PORT to another port, or to 0 for a free port.
    ");
    let output = run(&[], &["demo", "--port", "0", "--clerk-port", &port]);
    let text = String::from_utf8(output.stderr).unwrap().replace(&port, "[port]");
    insta::assert_snapshot!(format!("exit {}\n{text}", output.status.code().unwrap()), @"
    exit 1
    [Clerk] The local Clerk cannot listen on 127.0.0.1:[port]: the address is in use by another program. Free the port, or choose another one (--clerk-port).
    ");
}

#[test]
fn unknown_command_is_rejected() {
    let output = run(&[], &["heal"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("unrecognized subcommand 'heal'")
    );
}

/// A flag that would have no effect is rejected.
#[test]
fn commands_reject_flags_that_do_not_apply() {
    for arguments in [
        ["demo", "--clerk-domain", "clerk.example.com"],
        ["openapi", "--port", "1"],
    ] {
        let output = run(&[], &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains("unexpected argument"),
            "{arguments:?}"
        );
    }
    let short = String::from_utf8(run(&[], &["-h"]).stdout).unwrap();
    assert!(
        short.lines().count() < 40 && short.contains("Examples:"),
        "{short}"
    );
}

#[test]
fn help_names_every_variable_and_the_exit_codes() {
    let help = String::from_utf8(run(&[], &["--help"]).stdout).unwrap();
    for variable in clerk_mcp::config::VARIABLES
        .iter()
        .filter(|variable| !variable.secret)
    {
        assert!(help.contains(variable.name), "{}", variable.name);
    }
    assert!(help.contains("Examples:") && help.contains("78  the configuration is incomplete or invalid"));
}

/// Returns the long help of a command, with line breaks replaced by spaces.
fn help(command: &str) -> String {
    let text = String::from_utf8(run(&[], &[command, "--help"]).stdout).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `demo` and `openapi` need no configuration, so their help must not say that they do.
#[test]
fn help_marks_variables_as_required_only_where_they_are() {
    for command in ["demo", "openapi"] {
        let help = help(command);
        assert!(help.contains("--base-url"), "{help}");
        assert!(
            !help.contains("must be set") && !help.contains("[required]"),
            "{help}"
        );
    }
    assert!(help("openapi").contains("[default: https://mcp.example.com]"));
    let serve = help("serve");
    assert_eq!(serve.matches("[required]").count(), 2, "{serve}");
    assert!(!serve.contains("must be set"), "{serve}");
}

/// The demo ignores most of the environment, so its help must not name those variables.
#[test]
fn help_of_demo_names_only_the_variables_that_it_reads() {
    let help = help("demo");
    assert!(
        help.contains("[env: PORT]") && !help.contains("[env: BASE_URL]"),
        "{help}"
    );
}

#[test]
fn openapi_needs_no_configuration() {
    let document: Value = serde_json::from_slice(&run(&[], &["openapi"]).stdout).unwrap();
    assert_eq!(document["servers"][0]["url"], "https://mcp.example.com");
    let yaml = run(&[("BASE_URL", "https://a.test")], &["openapi", "--yaml"]);
    let document: Value = serde_norway::from_slice(&yaml.stdout).unwrap();
    assert_eq!(document["servers"][0]["url"], "https://a.test");
}

#[test]
fn other_hosts_of_clerk_are_named_and_the_frontend_api_is_suggested() {
    let errors = [
        ("CLERK_DOMAIN", "https://great-fox-12.accounts.dev/sign-in"),
        ("CLERK_DOMAIN", "accounts.example.com"),
        (
            "CLERK_DOMAIN",
            "https://dashboard.clerk.com/apps/app_1/instances/ins_1",
        ),
        ("CLERK_DOMAIN", "api.clerk.com"),
        ("CLERK_DOMAIN", "clerk.com"),
        ("CLERK_DOMAIN", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"),
        ("CLERK_FRONTEND_API_URL", "https://great-fox-12.accounts.dev"),
    ]
    .map(|change| config_error(&valid_except(&[change])));
    insta::assert_snapshot!(errors.concat(), @r#"
    [Clerk] Invalid config: CLERK_DOMAIN: this is the Account Portal; the Frontend API is great-fox-12.clerk.accounts.dev, got "https://great-fox-12.accounts.dev/sign-in"
    [Clerk] Invalid config: CLERK_DOMAIN: this is the Account Portal; the Frontend API is clerk.example.com, got "accounts.example.com"
    [Clerk] Invalid config: CLERK_DOMAIN: this is the Clerk Dashboard; copy the Frontend API host from Clerk Dashboard > Configure > Domains, such as clerk.example.com or great-fox-12.clerk.accounts.dev, got "https://dashboard.clerk.com/apps/app_1/instances/ins_1"
    [Clerk] Invalid config: CLERK_DOMAIN: this is the Backend API; copy the Frontend API host from Clerk Dashboard > Configure > Domains, such as clerk.example.com or great-fox-12.clerk.accounts.dev, got "api.clerk.com"
    [Clerk] Invalid config: CLERK_DOMAIN: this is Clerk's own site; copy the Frontend API host from Clerk Dashboard > Configure > Domains, such as clerk.example.com or great-fox-12.clerk.accounts.dev, got "clerk.com"
    [Clerk] Invalid config: CLERK_DOMAIN: this is a publishable key; set CLERK_PUBLISHABLE_KEY to it instead, got "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
    [Clerk] Invalid config: CLERK_FRONTEND_API_URL: this is the Account Portal; the Frontend API is great-fox-12.clerk.accounts.dev, got "https://great-fox-12.accounts.dev"
    "#);
}

#[test]
fn placeholders_and_curly_quotes_are_named() {
    let errors = [
        ("CLERK_SECRET_KEY", "sk_test_…"),
        ("CLERK_SECRET_KEY", "sk_test_xxxxxxxx"),
        ("CLERK_SECRET_KEY", "sk_live_your_key"),
        ("CLERK_DOMAIN", "your-app-12.clerk.accounts.dev"),
        ("CLERK_DOMAIN", "….clerk.accounts.dev"),
        ("BASE_URL", "<url>"),
        ("CLERK_SECRET_KEY", "“sk_test_hush”"),
        ("CLERK_DOMAIN", "‘great-fox-12.clerk.accounts.dev’"),
    ]
    .map(|change| config_error(&valid_except(&[change])));
    assert!(!errors.concat().contains("hush"));
    insta::assert_snapshot!(errors.concat(), @r#"
    [Clerk] Invalid config: CLERK_SECRET_KEY: this is a placeholder; replace it with the value of your application
    [Clerk] Invalid config: CLERK_SECRET_KEY: this is a placeholder; replace it with the value of your application
    [Clerk] Invalid config: CLERK_SECRET_KEY: this is a placeholder; replace it with the value of your application
    [Clerk] Invalid config: CLERK_DOMAIN: this is a placeholder; replace it with the value of your application, got "your-app-12.clerk.accounts.dev"
    [Clerk] Invalid config: CLERK_DOMAIN: this is a placeholder; replace it with the value of your application, got "….clerk.accounts.dev"
    [Clerk] Invalid config: BASE_URL: this is a placeholder; replace it with the value of your application, got "<url>"
    [Clerk] Invalid config: CLERK_SECRET_KEY: expected the value without curly quotes, which some editors and web pages put in place of straight ones
    [Clerk] Invalid config: CLERK_DOMAIN: expected the value without curly quotes, which some editors and web pages put in place of straight ones, got "‘great-fox-12.clerk.accounts.dev’"
    "#);
}

/// A misspelled variable is the likely cause of a missing one.
#[test]
fn missing_variable_is_reported_with_the_misspelled_one() {
    let folder = Folder::new("misspelled");
    folder.write(
        ".env",
        "\u{feff}CLERK_SECRET_KEY=sk_test_hush\nCLERK_DOMIAN=great-fox-12.clerk.accounts.dev\nBASE_URL=http://localhost:3001\nBASE_URL=http://localhost:3001\n",
    );
    let output = program(&folder.0).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!text.contains("hush"));
    insta::assert_snapshot!(format!("exit {}\n{text}", output.status.code().unwrap()), @"
    exit 78
    [Clerk] Missing required config: CLERK_DOMAIN
      CLERK_DOMAIN: Clerk Dashboard > Configure > Domains > Frontend API
    [Clerk] .env sets CLERK_DOMIAN on line 2, which has no effect; did you mean CLERK_DOMAIN?
    [Clerk] .env sets BASE_URL on lines 3 and 4; line 4 is used. Remove one of them
    Without a Clerk account, run `clerk-mcp demo`: it needs no configuration.
    ");
}

/// The demo has no certificate, so it cannot publish an https URL at that address.
#[test]
fn demo_on_another_address_needs_the_network_option() {
    let output = run(&[], &["demo", "--host", "192.0.2.1"]);
    assert_eq!(output.status.code(), Some(78));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"[Clerk] Invalid config: HOST: the demo serves 192.0.2.1 only with --network 192.0.2.1 of `clerk-mcp demo`; without it, expected a loopback address, 0.0.0.0 or ::");
}

#[test]
fn network_option_of_demo_needs_one_address() {
    let errors = [
        vec!["demo", "--network", "0.0.0.0"],
        vec!["demo", "--network", "lan"],
        vec!["demo", "--network", "127.0.0.1", "--host", "0.0.0.0"],
    ]
    .map(|arguments| {
        let output = run(&[], &arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        format!(
            "exit {}\n{}",
            output.status.code().unwrap(),
            text.lines().next().unwrap()
        )
    });
    insta::assert_snapshot!(errors.join("\n"), @"
    exit 2
    error: invalid value '0.0.0.0' for '--network <IP>': expected one address, because it becomes part of the URLs
    exit 2
    error: invalid value 'lan' for '--network <IP>': expected an IP address of this machine, such as 192.168.1.5
    exit 2
    error: the argument '--network <IP>' cannot be used with '--host <IP>'
    ");
}
