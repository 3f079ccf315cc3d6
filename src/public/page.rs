//! The start page: one self-contained document, rendered once.

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use poem_openapi::{
    ApiResponse, Object,
    payload::{Html, Json},
};
use serde::Serialize;

use super::{
    PublicSettings,
    clients::{ClientSetup, client_setups},
};
use crate::{auth::ChallengeContext, digest, paths};

/// What the page shows in a demo, beside the rest: people to be, and tokens to be them with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DemoContent {
    /// The sample users.
    pub(crate) users: Vec<DemoUser>,
    /// A command that works as it stands.
    pub(crate) curl: String,
    /// Where the local Clerk is.
    pub(crate) clerk_url: String,
}

/// A sample user and a token of theirs. The token is good for the demo's own local Clerk and for nothing else.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DemoUser {
    /// `user_…`.
    pub(crate) id: String,
    /// First and last name.
    pub(crate) name: String,
    /// E-mail address.
    pub(crate) email: String,
    /// What is particular about them.
    pub(crate) about: String,
    /// An OAuth access token for this server.
    pub(crate) token: String,
}

/// The page and its JSON form.
#[derive(Debug)]
pub(crate) struct StartPage {
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
            curl: settings
                .demo
                .as_ref()
                .map_or_else(String::new, |demo| over_lines(&demo.curl)),
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
                documentation: format!("{}{}", settings.resources.base(), paths::DOCS),
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
    format!(
        "default-src 'none'; img-src data:; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; frame-ancestors \
         'none'",
        hash_source(STYLE),
        hash_source(SCRIPT),
    )
}

/// The inline script or style `text` as a source of a Content Security Policy.
pub(super) fn hash_source(text: &str) -> String {
    format!(
        "'sha256-{}'",
        BASE64_STANDARD.encode(digest::sha256(text.as_bytes()))
    )
}

/// A `curl` command with each header and the body on a line of its own, to be pasted just as well. Of what is quoted nothing
/// is changed.
fn over_lines(command: &str) -> String {
    let pieces = command.split('\'').enumerate().map(|(index, piece)| {
        // Every other piece lies between quotes.
        if index % 2 == 0 {
            piece.replace(" -H ", " \\\n  -H ").replace(" -d ", " \\\n  -d ")
        } else {
            piece.to_owned()
        }
    });
    pieces.collect::<Vec<_>>().join("'")
}

/// Answer of `/`.
#[derive(ApiResponse)]
pub(crate) enum PageResponse {
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
pub(crate) struct ServerInfo {
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
    curl: String,
    version: &'a str,
    style: &'a str,
    script: &'a str,
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
pub(super) mod tests {
    use url::Url;

    use super::*;
    use crate::token::ResourceNames;

    pub(in crate::public) fn settings() -> PublicSettings {
        PublicSettings {
            name: "Mine".to_owned(),
            instructions: None,
            resources: ResourceNames::new(&Url::parse("http://127.0.0.1:3001").unwrap()),
            issuer: "http://127.0.0.1:9".to_owned(),
            scopes: Vec::new(),
            all_scopes: Vec::new(),
            docs_url: None,
            demo: None,
        }
    }

    pub(in crate::public) fn demo_settings() -> PublicSettings {
        let ada = DemoUser {
            id: "user_ada".to_owned(),
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.com".to_owned(),
            about: "member of no organization".to_owned(),
            token: "token.of.ada".to_owned(),
        };
        let demo = DemoContent {
            users: vec![ada],
            curl: "curl -s http://127.0.0.1:3001/mcp -H 'A: b -H c' -d '{}'".to_owned(),
            clerk_url: "http://127.0.0.1:9".to_owned(),
        };
        PublicSettings {
            demo: Some(demo),
            ..settings()
        }
    }

    #[test]
    fn a_command_over_lines_is_the_same_command() {
        let command = demo_settings().demo.unwrap().curl;
        let lines = over_lines(&command);
        assert_eq!(
            lines,
            "curl -s http://127.0.0.1:3001/mcp \\\n  -H 'A: b -H c' \\\n  -d '{}'"
        );
        // What a shell makes of it: a backslash and the end of its line are nothing.
        assert_eq!(lines.replace("\\\n  ", ""), command);
    }

    #[test]
    fn connecting_comes_first_and_tokens_before_commands() {
        let html = StartPage::new(&demo_settings()).html;
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text} in {html}"));
        assert!(at("id=\"connect\"") < at("id=\"users\"") && at("id=\"users\"") < at("id=\"try\""));
        assert!(at("data-what=\"the token of Ada Lovelace\"") < at("token.of.ada"));
        let html = StartPage::new(&settings()).html;
        assert!(!html.contains("id=\"users\"") && !html.contains("curl"), "{html}");
    }
}
