//! The start page: a self-contained HTML page, rendered once, and its JSON form.

use askama::Template;
use base64::{Engine, prelude::BASE64_STANDARD};
use poem::http::HeaderValue;
use poem_openapi::{
    ApiResponse, Object,
    payload::{Html, Json},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    PublicSettings,
    clients::{ClientSetup, client_setups},
};
use crate::{
    auth::{BrowserPage, ChallengeContext},
    digest, paths,
};

/// Additional content of the start page in a demo: sample users with tokens, and a command to try.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DemoContent {
    /// The sample users.
    pub(crate) users: Vec<DemoUser>,
    /// A `curl` command that calls a tool and works as printed.
    pub(crate) curl: String,
    /// The URL of the local Clerk.
    pub(crate) clerk_url: String,
    /// Requests that the server rejects.
    pub(crate) broken_requests: Vec<BrokenRequest>,
    /// Whether the page may name commands of the program `clerk-mcp`.
    pub(crate) has_flags: bool,
}

/// A request to the MCP endpoint that the server rejects, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokenRequest {
    /// The defect.
    pub(crate) name: &'static str,
    /// Explains the defect: of the token, the caller or Clerk.
    pub(crate) about: String,
    /// The token. Empty if the page gets the request from `/demo/outage`, which causes the outage.
    pub(crate) token: String,
    /// The name and arguments of the tool to call; `None` to list the tools.
    pub(crate) call: Option<Value>,
    /// The checks that `explain` shows.
    pub(crate) checks: Vec<BrokenRequestCheck>,
    /// The reason in the log.
    pub(crate) reason: &'static str,
}

/// One check of the token of a broken request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokenRequestCheck {
    /// The name of the check.
    pub(crate) name: &'static str,
    /// The outcome: `passed`, `failed` and so on.
    pub(crate) outcome: &'static str,
    /// What the check expects, and what it found.
    pub(crate) text: String,
}

/// A sample user with a token. The token is only valid with the local Clerk of this demo.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DemoUser {
    /// `user_…`.
    pub(crate) id: String,
    /// First and last name.
    pub(crate) name: String,
    /// Email address.
    pub(crate) email: String,
    /// The user's organizations, as a phrase such as `member of Acme`.
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
            playground: settings.playground,
            data: &playground_data(settings),
            curl: settings
                .demo
                .as_ref()
                .map_or_else(String::new, |demo| split_into_lines(&demo.curl)),
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            script: SCRIPT,
            playground_script: PLAYGROUND_SCRIPT,
        };
        Self {
            // Rendering cannot fail, because the template only contains strings.
            html: template.render().unwrap_or_default(),
            policy: content_security_policy(settings),
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

/// Returns whether `Accept` names JSON and not HTML. Browsers name HTML.
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

/// Returns the data of the playground as JSON for a script element.
fn playground_data(settings: &PublicSettings) -> String {
    let users = settings.demo.as_ref().map_or(&[][..], |demo| &demo.users);
    let data = json!({
        "name": settings.name,
        "endpoint": settings.resources.mcp(),
        "scopes": settings.scopes,
        "sessions": settings.sessions,
        "users": users,
        "brokenRequests": settings.demo.as_ref().map(|demo| &demo.broken_requests),
    });
    script_data(&data)
}

/// Formats `data` as JSON that can be the text of a script element: `</script>` or `<!--` in a string would
/// break it.
pub(super) fn script_data(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

/// Returns a Content Security Policy that allows only the inline style and scripts of the page, and requests
/// to this server. The playground also sends requests to Clerk, to sign in.
fn content_security_policy(settings: &PublicSettings) -> String {
    let (scripts, clerk) = if settings.playground {
        (
            format!(" {}", hash_source(PLAYGROUND_SCRIPT)),
            format!(" {}", settings.issuer),
        )
    } else {
        Default::default()
    };
    format!(
        "default-src 'none'; img-src data:; style-src {}; script-src {}{scripts}; connect-src 'self'{clerk}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash_source(STYLE),
        hash_source(SCRIPT),
    )
}

/// Returns the source expression of a Content Security Policy that allows the inline script or style `text`.
pub(super) fn hash_source(text: &str) -> String {
    format!(
        "'sha256-{}'",
        BASE64_STANDARD.encode(digest::sha256(text.as_bytes()))
    )
}

/// Puts each header and the body of a `curl` command on a separate line, with a backslash at the end of the
/// previous one. Quoted text is not changed.
fn split_into_lines(command: &str) -> String {
    let pieces = command.split('\'').enumerate().map(|(index, piece)| {
        // Pieces with an odd index are inside quotes.
        if index % 2 == 0 {
            piece.replace(" -H ", " \\\n  -H ").replace(" -d ", " \\\n  -d ")
        } else {
            piece.to_owned()
        }
    });
    pieces.collect::<Vec<_>>().join("'")
}

/// The response of `/`.
#[derive(ApiResponse)]
pub(crate) enum PageResponse {
    /// The start page.
    #[oai(status = 200)]
    Page(
        Html<String>,
        /// Allows only the inline style and script.
        #[oai(header = "Content-Security-Policy")]
        String,
        /// Links to other sites send no referrer.
        #[oai(header = "Referrer-Policy")]
        String,
        /// The page is not stored, because it contains tokens in a demo.
        #[oai(header = "Cache-Control")]
        String,
    ),
    /// The same information as JSON.
    #[oai(status = 200)]
    Info(Json<ServerInfo>),
}

/// Information about the server as JSON.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct ServerInfo {
    /// The name of the server.
    name: String,
    /// The version of the server.
    version: String,
    /// The URL to which MCP clients connect.
    mcp_endpoint: String,
    /// The issuer of the accepted tokens.
    authorization_server: String,
    /// The URL of the protected resource metadata (RFC 9728).
    resource_metadata: String,
    /// The URL of the API documentation.
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
    playground: bool,
    data: &'a str,
    curl: String,
    version: &'a str,
    style: &'a str,
    script: &'a str,
    playground_script: &'a str,
}

/// Returns the page for a browser that opens the MCP endpoint.
pub(super) fn mcp_page(settings: &PublicSettings) -> BrowserPage {
    let template = McpTemplate {
        name: &settings.name,
        base: settings.resources.base(),
        style: MCP_STYLE,
    };
    let policy = format!(
        "default-src 'none'; img-src data:; style-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_source(MCP_STYLE)
    );
    BrowserPage {
        // Rendering cannot fail, because the template only contains strings.
        html: template.render().unwrap_or_default(),
        policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
    }
}

#[derive(Template)]
#[template(path = "public/mcp.html", config = ".askama.toml")]
struct McpTemplate<'a> {
    name: &'a str,
    base: &'a str,
    style: &'a str,
}

const MCP_STYLE: &str = include_str!("mcp.css");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const PLAYGROUND_SCRIPT: &str = include_str!("playground.js");

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
            scopes_supported: Vec::new(),
            docs_url: None,
            playground: true,
            sessions: false,
            allows_anonymous: false,
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
            broken_requests: Vec::new(),
            has_flags: true,
        };
        PublicSettings {
            demo: Some(demo),
            ..settings()
        }
    }

    #[test]
    fn splitting_a_command_into_lines_does_not_change_it() {
        let command = demo_settings().demo.unwrap().curl;
        let lines = split_into_lines(&command);
        assert_eq!(
            lines,
            "curl -s http://127.0.0.1:3001/mcp \\\n  -H 'A: b -H c' \\\n  -d '{}'"
        );
        // A shell ignores a backslash at the end of a line, so the command is unchanged.
        assert_eq!(lines.replace("\\\n  ", ""), command);
    }

    #[test]
    fn page_begins_with_the_endpoint_and_the_playground_and_hides_tokens() {
        let html = StartPage::new(&demo_settings()).html;
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text} in {html}"));
        let order = [
            at("MCP endpoint"),
            at("id=\"playground\""),
            at("id=\"connect\""),
            at("Show the tokens"),
            at("data-what=\"the token of Ada Lovelace\""),
        ];
        assert!(order.is_sorted(), "{order:?}");
        let html = StartPage::new(&settings()).html;
        assert!(
            html.contains("id=\"playground\"") && !html.contains("Show the tokens"),
            "{html}"
        );
    }

    /// A user's own server does not have the program.
    #[test]
    fn page_names_the_command_explain_only_in_the_demo_of_the_program() {
        let mut settings = demo_settings();
        let html = StartPage::new(&settings).html;
        assert!(html.contains("clerk-mcp explain"), "{html}");
        settings.demo.as_mut().unwrap().has_flags = false;
        let html = StartPage::new(&settings).html;
        assert!(
            !html.contains("clerk-mcp explain") && html.contains("Authenticator::explain"),
            "{html}"
        );
    }

    #[test]
    fn without_the_playground_the_page_sends_no_request_to_clerk() {
        let on = StartPage::new(&settings());
        assert!(
            on.policy.contains("connect-src 'self' http://127.0.0.1:9;"),
            "{}",
            on.policy
        );
        let mut settings = settings();
        settings.playground = false;
        let off = StartPage::new(&settings);
        assert!(off.policy.contains("connect-src 'self';"), "{}", off.policy);
        assert!(
            !off.html.contains("id=\"playground\"") && !off.html.contains("id=\"data\""),
            "{}",
            off.html
        );
    }

    #[test]
    fn nothing_in_the_data_ends_its_script() {
        let mut settings = settings();
        settings.name = "</script><!--".to_owned();
        assert!(playground_data(&settings).contains("\\u003c/script>\\u003c!--"));
    }
}
