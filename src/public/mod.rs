//! Everything that is served without a token: discovery documents, health, the OpenAPI document, the start page.
//! Nothing in here looks at a token, and every operation is a GET.

mod authorization_server;
mod clients;
mod docs;
mod health;
mod openapi;
mod page;
mod protected_resource;

use std::sync::Arc;

use bytes::Bytes;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route, get, http::header, middleware::SetHeader};
use poem_openapi::{OpenApi, OpenApiService, Tags, param::Header, payload::Json, types::Any};
use serde_json::Value;

pub use self::health::Health;
pub(crate) use self::{authorization_server::AuthorizationServerMetadata, page::DemoContent};
#[cfg(feature = "cli")]
pub(crate) use self::{
    clients::{ClientSetup, client_setups},
    page::DemoUser,
};
use self::{
    docs::DocsPage,
    health::{HealthResponse, ReadinessResponse},
    openapi::Document,
    page::{PageResponse, StartPage},
    protected_resource::ProtectedResourceMetadata,
};
use crate::{paths, token::ResourceNames};

/// What the public routes show.
#[derive(Debug, Clone)]
pub(crate) struct PublicSettings {
    /// The server's name, as MCP clients show it.
    pub(crate) name: String,
    /// What it's for, as MCP clients are told.
    pub(crate) instructions: Option<String>,
    /// The server's names.
    pub(crate) resources: ResourceNames,
    /// The issuer of tokens: Clerk's Frontend API URL.
    pub(crate) issuer: String,
    /// The scopes to request at sign-in.
    pub(crate) scopes: Vec<String>,
    /// `scopes_supported`: also the scopes that only some tools need.
    pub(crate) all_scopes: Vec<String>,
    /// `resource_documentation`.
    pub(crate) docs_url: Option<String>,
    /// What the start page shows in a demo.
    pub(crate) demo: Option<DemoContent>,
}

/// The public operations, as poem-openapi serves and documents them.
#[derive(Debug)]
pub(crate) struct PublicApi {
    settings: PublicSettings,
    authorization_server: AuthorizationServerMetadata,
    health: Arc<Health>,
    page: StartPage,
}

impl PublicApi {
    /// The operations of a server with `settings`.
    pub(crate) fn new(
        settings: PublicSettings,
        authorization_server: AuthorizationServerMetadata,
        health: Arc<Health>,
    ) -> Self {
        Self {
            page: StartPage::new(&settings),
            settings,
            authorization_server,
            health,
        }
    }

    /// The OpenAPI document of a server with `settings`, with the protected route and those of the document itself.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn document(
        settings: PublicSettings,
        client: reqwest::Client,
        clock: Arc<dyn crate::clock::Clock>,
    ) -> Document {
        let mirror = AuthorizationServerMetadata::new(client, &settings.issuer, clock);
        let health = Health::new(|| true, Arc::default());
        Self::new(settings, mirror, Arc::new(health)).into_service().1
    }

    /// All public routes. `prefix` is the path of `BASE_URL`: the well-known segment goes between host and path
    /// (RFC 9728 §3.1, RFC 8414 §3.1), and all else lies below the path.
    pub(crate) fn into_routes(self, prefix: &str) -> impl IntoEndpoint<Endpoint = Route> {
        let settings = self.settings.clone();
        let mirror = self.authorization_server.clone();
        let (service, document) = self.into_service();
        let json = static_response(document.json(), "application/json");
        let yaml = static_response(document.yaml(), "application/yaml");
        let docs = DocsPage::new(document.value(), &service.swagger_ui_html(), &settings);
        let docs = static_response(docs.html, "text/html; charset=utf-8").with(
            SetHeader::new()
                .overriding(header::CONTENT_SECURITY_POLICY, docs.policy)
                .overriding(header::CACHE_CONTROL, docs.caching)
                .overriding(header::REFERRER_POLICY, "no-referrer"),
        );
        let mut routes = Route::new()
            .at(paths::OPENAPI_JSON, get(json))
            .at(paths::OPENAPI_YAML, get(yaml))
            .at(paths::DOCS, get(docs));
        if !prefix.is_empty() {
            for (suffix, resource) in [
                ("", settings.resources.base()),
                (paths::MCP, settings.resources.mcp()),
            ] {
                let metadata = ProtectedResourceMetadata::new(&settings, resource);
                let document = poem::endpoint::make_sync(move |_| poem::web::Json(metadata.to_value()));
                routes = routes.at(
                    format!("{}{prefix}{suffix}", paths::PROTECTED_RESOURCE),
                    get(document),
                );
            }
            for suffix in ["", paths::MCP] {
                let mirror = mirror.clone();
                let document = poem::endpoint::make(move |_| {
                    let mirror = mirror.clone();
                    async move { poem::web::Json(mirror.oauth().await) }
                });
                routes = routes.at(
                    format!("{}{prefix}{suffix}", paths::AUTHORIZATION_SERVER),
                    get(document),
                );
            }
        }
        routes.nest("/", service)
    }

    fn into_service(self) -> (OpenApiService<Self, ()>, Document) {
        let settings = self.settings.clone();
        let service = OpenApiService::new(self, settings.name.clone(), env!("CARGO_PKG_VERSION"))
            .description(
                "An MCP server that Clerk protects. `/mcp` takes Clerk's session tokens and OAuth access tokens; all \
                 other routes are public.",
            )
            .server(settings.resources.base());
        let document = Document::new(&service, &settings);
        (service, document)
    }
}

#[derive(Tags)]
enum Tag {
    /// How clients find the authorization server (RFC 9728, RFC 8414).
    Discovery,
    /// For operators and their tools.
    Health,
    /// For people.
    Pages,
}

#[expect(clippy::unused_async, reason = "poem-openapi takes async operations alone")]
#[OpenApi]
impl PublicApi {
    /// Start page
    ///
    /// What this is and how to connect: a page, or JSON for `Accept: application/json`.
    #[oai(path = "/", method = "get", tag = "Tag::Pages", operation_id = "startPage")]
    async fn start_page(&self, accept: Header<Option<String>>) -> PageResponse {
        self.page.respond(accept.0.as_deref())
    }

    /// Protected resource metadata of the server
    ///
    /// RFC 9728 §2, with the base URL as the resource.
    #[oai(
        path = "/.well-known/oauth-protected-resource",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "protectedResourceMetadata"
    )]
    async fn protected_resource(&self) -> Json<ProtectedResourceMetadata> {
        Json(ProtectedResourceMetadata::new(
            &self.settings,
            self.settings.resources.base(),
        ))
    }

    /// Protected resource metadata of the MCP endpoint
    ///
    /// RFC 9728 §2. The document that challenges name in `resource_metadata`.
    #[oai(
        path = "/.well-known/oauth-protected-resource/mcp",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "protectedResourceMetadataOfMcp"
    )]
    async fn protected_resource_of_mcp(&self) -> Json<ProtectedResourceMetadata> {
        Json(ProtectedResourceMetadata::new(
            &self.settings,
            self.settings.resources.mcp(),
        ))
    }

    /// Authorization server metadata
    ///
    /// Clerk's own document (RFC 8414), for clients that look for it here. The issuer stays Clerk's.
    #[oai(
        path = "/.well-known/oauth-authorization-server",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "authorizationServerMetadata"
    )]
    async fn authorization_server(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.oauth().await))
    }

    /// Authorization server metadata, for the MCP endpoint
    ///
    /// The same document, where clients of the MCP revision 2025-03-26 and their kin look for it.
    #[oai(
        path = "/.well-known/oauth-authorization-server/mcp",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "authorizationServerMetadataOfMcp"
    )]
    async fn authorization_server_of_mcp(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.oauth().await))
    }

    /// OpenID provider metadata
    ///
    /// Clerk's own document (OpenID Connect Discovery 1.0 §3), for clients that look for it here.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "openidConfiguration"
    )]
    async fn openid_configuration(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.openid().await))
    }

    /// Alive
    ///
    /// Answers as long as the process does. Never asks Clerk.
    #[oai(
        path = "/healthz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "alive"
    )]
    async fn healthz(&self) -> HealthResponse {
        self.health.alive()
    }

    /// Ready
    ///
    /// 200 when requests can be served, 503 otherwise, with a reason per part. Never asks Clerk.
    #[oai(path = "/readyz", method = "get", tag = "Tag::Health", operation_id = "ready")]
    async fn readyz(&self) -> ReadinessResponse {
        self.health.ready()
    }
}

/// An endpoint that always answers `body`, which all answers share.
fn static_response(body: String, content_type: &'static str) -> impl Endpoint {
    let body = Bytes::from(body);
    poem::endpoint::make_sync(move |_| Response::builder().content_type(content_type).body(body.clone()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::SystemClock;

    /// `#[oai(path)]` takes literals alone.
    #[test]
    fn every_path_is_an_operation_of_the_document_and_nothing_else_is() {
        let document = PublicApi::document(
            page::tests::settings(),
            reqwest::Client::new(),
            Arc::new(SystemClock),
        );
        let paths = document.value()["paths"].as_object().unwrap();
        let paths: BTreeSet<_> = paths.keys().map(String::as_str).collect();
        assert_eq!(paths, BTreeSet::from(paths::ALL));
    }
}
