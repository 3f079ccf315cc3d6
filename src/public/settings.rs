//! [`PublicSettings`]: the settings that the public routes publish.

use super::demo::DemoContent;
use crate::token::ResourceNames;

/// The settings that the public routes publish.
#[derive(Debug, Clone)]
pub(crate) struct PublicSettings {
    /// The name of the server, as shown by MCP clients.
    pub(crate) name: String,
    /// The instructions that MCP clients receive.
    pub(crate) instructions: Option<String>,
    /// The resource identifiers of the server.
    pub(crate) resources: ResourceNames,
    /// The issuer of tokens: Clerk's Frontend API URL.
    pub(crate) issuer: String,
    /// The scopes to request at sign-in.
    pub(crate) scopes: Vec<String>,
    /// `scopes_supported`: also the scopes that only some tools need.
    pub(crate) scopes_supported: Vec<String>,
    /// `resource_documentation`.
    pub(crate) docs_url: Option<String>,
    /// Whether the start page has a playground and the documentation describes the tools.
    pub(crate) playground: bool,
    /// Whether MCP sessions are enabled. If so, the playground uses MCP 2026-07-28, which has no sessions.
    pub(crate) sessions: bool,
    /// Whether some requests to the MCP endpoint need no token.
    pub(crate) allows_anonymous: bool,
    /// The sample users on the start page; only in a demo.
    pub(crate) demo: Option<DemoContent>,
}

#[cfg(test)]
pub(super) mod tests {
    use url::Url;

    use super::*;
    use crate::public::demo::DemoUser;

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
            in_program: true,
        };
        PublicSettings {
            demo: Some(demo),
            ..settings()
        }
    }
}
