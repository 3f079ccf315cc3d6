//! The whole of it: what a command, a variable, an answer become.

use super::*;

#[test]
fn secrets_known_and_unknown_are_taken_out() {
    let mut redactor = Redactor::empty();
    redactor.know(
        "header-of-token-1.claims-of-token-1.signature-of-token",
        "session_token",
    );
    let text = redactor.clean(
        "Bearer header-of-token-1.claims-of-token-1.signature-of-token; claims-of-token-1; \
         eyJhbGciOiJub25lIn0.e30. sk_test_0123456789abcdef ak_0123456789 peak_0123456789",
    );
    assert_eq!(
        text,
        "Bearer <session_token>; <part of session_token>; <secret> <secret> <secret> peak_0123456789"
    );
}

#[test]
fn what_a_command_sets_is_taken_out() {
    for (command, due) in [
        (
            "CLERK_SECRET_KEY=abc npm start",
            "CLERK_SECRET_KEY=<secret> npm start",
        ),
        (
            "env DB_PASSWORD='a b'\\''c' TOKENS=\"x\\\"y\" PORT=1 ./run",
            "env DB_PASSWORD=<secret> TOKENS=<secret> PORT=1 ./run",
        ),
        ("A_KEY=$B_KEY C_KEY=\"${D}\" x", "A_KEY=$B_KEY C_KEY=\"${D}\" x"),
        (
            "x --api-key abc --token=def --port 1",
            "x --api-key <secret> --token=<secret> --port 1",
        ),
        (
            "x --db postgres://me:pw@host/db",
            "x --db postgres://<secret>@host/db",
        ),
        ("x client_secret=abc; y", "x client_secret=<secret>; y"),
        ("x --show-keys --port 1", "x --show-keys --port 1"),
        (
            "DB_PASS=abc PGPASSWD=x SESSION_CREDENTIAL=y ./run",
            "DB_PASS=<secret> PGPASSWD=<secret> SESSION_CREDENTIAL=<secret> ./run",
        ),
        ("x --pass abc --port 1", "x --pass <secret> --port 1"),
        (
            "curl -H 'Authorization: Bearer abc' -u me:pw x",
            "curl -H 'Authorization: Bearer <secret>' -u <secret> x",
        ),
        ("curl --user me:pw x", "curl --user <secret> x"),
        (
            "x -u service --passive --bypass 1",
            "x -u service --passive --bypass 1",
        ),
        ("npm start", "npm start"),
    ] {
        assert_eq!(shown_command(command), due);
    }
}

#[test]
fn an_environment_is_printed_without_its_secrets() {
    assert_eq!(
        shown_text("AWS_SECRET_ACCESS_KEY=a/b+c\nHOME=/\u{1b}[2J\nkey=value"),
        "AWS_SECRET_ACCESS_KEY=<secret>\nHOME=/\\u{1b}[2J\nkey=value"
    );
    for (text, due) in [
        ("DB_PASSWORD=two words\nPORT=1", "DB_PASSWORD=<secret>\nPORT=1"),
        ("DB_PASS=a\nPWD=/srv", "DB_PASS=<secret>\nPWD=/srv"),
        ("SESSION_CREDENTIAL=a", "SESSION_CREDENTIAL=<secret>"),
        (
            "KEY=-----BEGIN PRIVATE KEY-----\nMIIE\nvQIB\n-----END PRIVATE KEY-----\nPORT=1",
            "KEY=<secret>\nPORT=1",
        ),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x",
            "<secret> x",
        ),
        // As far as it was printed.
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQ", "<secret>"),
        (
            "{'DB_PASSWORD': 'a b', 'PORT': '1'}",
            "{'DB_PASSWORD': <secret>, 'PORT': '1'}",
        ),
        (
            "{\"client_secret\":\"a\\\"b\",\"id\":1}",
            "{\"client_secret\":<secret>,\"id\":1}",
        ),
        ("  CLERK_SECRET_KEY: 'abc',", "  CLERK_SECRET_KEY: <secret>,"),
        (
            "sent Authorization: Basic bWU6cHc=",
            "sent Authorization: Basic <secret>",
        ),
        (
            "CLERK_SECRET_KEY: Clerk Dashboard, API keys",
            "CLERK_SECRET_KEY: Clerk Dashboard, API keys",
        ),
        ("Bearer token is missing", "Bearer token is missing"),
    ] {
        assert_eq!(shown_text(text), due);
    }
}

#[test]
fn what_variables_have_is_known_by_name_or_by_its_looks() {
    let mut redactor = Redactor::empty();
    for (name, value) in [
        ("DB_PASSWORD", "two words"),
        ("DATABASE_URL", "postgres://me:p%40ssword@host/db"),
        ("HOSTNAME", "clerk-mcp-conformance-7d9f8b6c5d-x2x4z"),
        ("SSL_KEY", "/etc/ssl/key.pem"),
        ("SECRET_STORE", "production"),
        (
            "CLERK_PUBLISHABLE_KEY",
            "pk_test_bG9jYWwuY2xlcmsuYWNjb3VudHMuZGV2JA",
        ),
    ] {
        redactor.know_variable(name, value);
    }
    for (text, due) in [
        ("it is two%20words", "it is <secret>"),
        ("as me with p@ssword", "as me with <secret>"),
        ("on clerk-mcp-conformance-7d9f8b6c5d-x2x4z", "on <secret>"),
        (
            "clerk-mcp-conformance in production",
            "clerk-mcp-conformance in production",
        ),
        ("/etc/ssl/key.pem is missing", "/etc/ssl/key.pem is missing"),
        (
            "pk_test_bG9jYWwuY2xlcmsuYWNjb3VudHMuZGV2JA",
            "pk_test_bG9jYWwuY2xlcmsuYWNjb3VudHMuZGV2JA",
        ),
    ] {
        assert_eq!(redactor.clean(text), due);
    }
}

#[test]
fn answers_stay_readable() {
    for text in [
        r#"{"token_endpoint":"https://a/oauth/token","token_endpoint_auth_methods_supported":["none"]}"#,
        r#"{"token_type":"Bearer","keys":[{"kty":"RSA","kid":"ins_1"}]}"#,
        "www-authenticate: Bearer error=\"invalid_token\", error_description=\"The token is expired\"",
        "CLERK_SECRET_KEY is missing: it begins with sk_test_… or sk_live_…, as in sk_test_your_secret_key",
        "access-control-allow-headers: Authorization, Mcp-Session-Id",
    ] {
        assert_eq!(Redactor::empty().clean(text), text);
    }
}

#[test]
fn what_has_the_form_of_a_secret_is_taken_out() {
    for (text, due) in [
        ("oat_ab-cd_ef-gh12345 whsec_ab1cdefgh", "<secret> <secret>"),
        ("ewogICJhbGciOiAiUlMyNTYifQ.ewogICJzdWIiOiAifQ.c2lnbg", "<secret>"),
        (
            "db_password = \"a b\"\n5 | API_TOKEN = [\"c\"]",
            "db_password = <secret>\n5 | API_TOKEN = <secret>",
        ),
        ("secret_key: zebra123", "secret_key: <secret>"),
        (
            "{\"text\":\"{\\\"client_secret\\\":\\\"a b\\\"}\"}",
            "{\"text\":\"{\\\"client_secret\\\":<secret>}\"}",
        ),
        ("cookie: sid=abc; other=def", "cookie: <secret>"),
        ("set-cookie: sid=abc; Path=/", "set-cookie: sid=<secret>; Path=/"),
        (
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAA\nvQ==\n-----END PRIVATE KEY-----",
            "<secret>",
        ),
    ] {
        assert_eq!(Redactor::empty().clean(text), due);
    }
}

#[test]
fn passwords_in_urls_end_where_people_end_them() {
    for (text, due) in [
        ("postgres://app:Sup@rPass99@h/db", "postgres://<secret>@h/db"),
        ("postgres://app:pw/slash99@h/db", "postgres://app:<secret>@h/db"),
        (
            "http://h:80/users/me@example.com",
            "http://h:80/users/me@example.com",
        ),
        ("http://h/a@b", "http://h/a@b"),
    ] {
        assert_eq!(shown_text(text), due);
    }
}

#[test]
fn authorization_needs_no_known_scheme() {
    for (text, due) in [
        (
            r#"{"authorization":"swordfish"}"#,
            r#"{"authorization":"<secret>"}"#,
        ),
        ("Authorization: hunterE1", "Authorization: <secret>"),
        ("x-auth-token: swordfish", "x-auth-token: <secret>"),
        (
            "access-control-allow-headers: Authorization",
            "access-control-allow-headers: Authorization",
        ),
        ("Authorization: required", "Authorization: required"),
    ] {
        assert_eq!(shown_text(text), due);
    }
}

#[test]
fn a_telling_variable_may_hold_anything() {
    let mut redactor = Redactor::empty();
    for value in [
        "$ecretStart99",
        "/slash-start99",
        "ends-with-dots...",
        "<brackpw99>",
    ] {
        redactor.know_variable("DB_PASSWORD", value);
        assert_eq!(redactor.clean_own(&format!("({value})")), "(<secret>)");
    }
}
