//! The page at `/`: users, clients, requests and faults. Its script uses the admin API.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use poem::{
    Request, Response,
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::http::respond;

/// The path of the page.
pub(crate) const PATH: &str = "/";
const STYLE: &str = include_str!("../templates/home.css");
const SCRIPT: &str = include_str!("../templates/home.js");

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    style: &'static str,
    script: &'static str,
}

/// The page contains no data, so it is rendered once.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let page = Home {
        style: STYLE,
        script: SCRIPT,
    };
    // Rendering into a String cannot fail.
    page.render().unwrap_or_default()
});
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; img-src data:; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash_source(STYLE),
        hash_source(SCRIPT)
    )
});

/// Answers a request for `/`. It is neither logged nor affected by faults, which the page switches off.
pub(crate) fn answer(request: &Request) -> Response {
    if !respond::is_allowed(request.method(), &[Method::GET]) {
        let response = respond::empty(StatusCode::METHOD_NOT_ALLOWED);
        return respond::with_header(response, header::ALLOW, respond::allow(&[Method::GET]));
    }
    let response = respond::no_store(respond::html(StatusCode::OK, PAGE.clone()));
    let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ]
    .into_iter()
    .fold(response, |response, (name, value)| {
        respond::with_header(response, name, value)
    })
}

/// Returns the source expression of a Content Security Policy that allows the inline `text`.
fn hash_source(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    format!("'sha256-{}'", BASE64_STANDARD.encode(hash))
}
