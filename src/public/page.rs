//! The start page: one self-contained document, rendered once.

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Html, Json},
};
use serde::Serialize;

use super::{ClientSetup, PublicSettings, client_setups};
use crate::{auth::ChallengeContext, digest};

/// What the page shows in a demo, beside the rest: people to be, and tokens to be them with.
#[derive(Debug, Clone, Serialize)]
pub struct DemoContent {
    /// The sample users.
    pub users: Vec<DemoUser>,
    /// A command that works as it stands.
    pub curl: String,
    /// Where the local Clerk is.
    pub clerk_url: String,
}

/// A sample user and a token of theirs. The token is good for the demo's own local Clerk and for nothing else.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoUser {
    /// `user_…`.
    pub id: String,
    /// First and last name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// What is particular about them.
    pub about: String,
    /// An OAuth access token for this server.
    pub token: String,
}

/// The page and its JSON form.
#[derive(Debug)]
pub struct StartPage {
    html: String,
    policy: String,
    info: ServerInfo,
}

impl StartPage {
    pub(super) fn new(settings: &PublicSettings) -> Self {
        let endpoint = settings.resources.mcp();
        let resource_metadata = ChallengeContext::new(&settings.resources, Vec::new()).resource_metadata;
        let template = PageTemplate {
            name: &settings.name,
            instructions: settings.instructions.as_deref(),
            endpoint,
            base: settings.resources.base(),
            resource_metadata: &resource_metadata,
            issuer: &settings.issuer,
            setups: client_setups(endpoint),
            scopes: &settings.scopes,
            docs_url: settings.docs_url.as_deref(),
            demo: settings.demo.as_ref(),
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            script: SCRIPT,
        };
        Self {
            // The template takes strings alone, so rendering can't fail.
            html: template.render().unwrap_or_default(),
            policy: content_security_policy(),
            info: ServerInfo {
                name: settings.name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                mcp_endpoint: endpoint.to_owned(),
                authorization_server: settings.issuer.clone(),
                resource_metadata,
                documentation: format!("{}/docs", settings.resources.base()),
            },
        }
    }

    pub(super) fn respond(&self, accept: Option<&str>) -> PageResponse {
        if accept.is_some_and(prefers_json) {
            PageResponse::Info(Json(self.info.clone()))
        } else {
            PageResponse::Page(
                Html(self.html.clone()),
                self.policy.clone(),
                "no-referrer".to_owned(),
                "no-store".to_owned(),
            )
        }
    }
}

/// Browsers name HTML first; only a client that names JSON and not HTML gets JSON.
fn prefers_json(accept: &str) -> bool {
    let names = |media_type: &str| {
        accept.split(',').any(|one| {
            one.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case(media_type)
        })
    };
    names("application/json") && !names("text/html")
}

/// Only the style and the script that are in the page may run, and nothing is loaded from anywhere.
fn content_security_policy() -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(digest::sha256(text.as_bytes()));
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT),
    )
}

/// Answer of `/`.
#[derive(ApiResponse)]
pub enum PageResponse {
    /// The page.
    #[oai(status = 200)]
    Page(
        Html<String>,
        /// What the page may load: nothing.
        #[oai(header = "Content-Security-Policy")]
        String,
        /// Links away don't tell where they were.
        #[oai(header = "Referrer-Policy")]
        String,
        /// In a demo there are tokens on it.
        #[oai(header = "Cache-Control")]
        String,
    ),
    /// The same for programs.
    #[oai(status = 200)]
    Info(Json<ServerInfo>),
}

/// What this server is, for programs.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub struct ServerInfo {
    /// The server's name.
    name: String,
    /// The version of the program.
    version: String,
    /// Where MCP clients connect.
    mcp_endpoint: String,
    /// The issuer of the tokens it takes.
    authorization_server: String,
    /// The protected resource metadata (RFC 9728).
    resource_metadata: String,
    /// The API, described.
    documentation: String,
}

#[derive(Template)]
#[template(path = "public/page.html", config = ".askama.toml")]
struct PageTemplate<'a> {
    name: &'a str,
    instructions: Option<&'a str>,
    endpoint: &'a str,
    base: &'a str,
    resource_metadata: &'a str,
    issuer: &'a str,
    setups: Vec<ClientSetup>,
    scopes: &'a [String],
    docs_url: Option<&'a str>,
    demo: Option<&'a DemoContent>,
    version: &'a str,
    style: &'a str,
    script: &'a str,
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
