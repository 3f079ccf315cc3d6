//! The page for a browser that opens the MCP endpoint.

use askama::Template;
use poem::http::HeaderValue;

use super::{
    inline::{content_security_policy, hash_source},
    settings::PublicSettings,
};
use crate::auth::BrowserPage;

/// Returns the page for a browser that opens the MCP endpoint.
pub(super) fn mcp_page(settings: &PublicSettings) -> BrowserPage {
    let template = McpTemplate {
        name: &settings.name,
        base: settings.resources.base(),
        style: STYLE,
    };
    let policy = content_security_policy(&format!("style-src {}", hash_source(STYLE)));
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

const STYLE: &str = include_str!("mcp.css");
