//! The start page: a self-contained HTML page, rendered once, and its JSON form.

use askama::Template;
use poem_openapi::{
    ApiResponse, Object,
    payload::{Html, Json},
};
use serde_json::json;

use super::{
    clients::{ClientSetup, client_setups},
    demo::DemoContent,
    inline::{self, hash_source, script_data},
    settings::PublicSettings,
};
use crate::{auth::ChallengeContext, paths};

/// The page and its JSON form.
#[derive(Debug)]
pub(crate) struct StartPage {
    html: String,
    content_security_policy: String,
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
            content_security_policy: content_security_policy(settings),
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
                self.content_security_policy.clone(),
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
    inline::content_security_policy(&format!(
        "style-src {}; script-src {}{scripts}; connect-src 'self'{clerk}",
        hash_source(STYLE),
        hash_source(SCRIPT),
    ))
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

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const PLAYGROUND_SCRIPT: &str = include_str!("playground.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::settings::tests::{demo_settings, settings};

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
        settings.demo.as_mut().unwrap().in_program = false;
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
            on.content_security_policy
                .contains("connect-src 'self' http://127.0.0.1:9;"),
            "{}",
            on.content_security_policy
        );
        let mut settings = settings();
        settings.playground = false;
        let off = StartPage::new(&settings);
        assert!(
            off.content_security_policy.contains("connect-src 'self';"),
            "{}",
            off.content_security_policy
        );
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
