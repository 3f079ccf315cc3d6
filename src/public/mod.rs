//! The public routes: discovery documents, health, the OpenAPI document, and the start page. They accept only
//! GET and HEAD, and ignore tokens.

mod authorization_server;
mod clients;
mod docs;
mod health;
mod openapi;
mod page;
mod protected_resource;
mod sample;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use poem::{
    Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, StatusCode, header},
};
use poem_openapi::{
    OpenApi, OpenApiService, Tags,
    param::Header,
    payload::Json,
    types::{Any, ToJSON},
};
use rmcp::model::Tool;
use serde_json::Value;

pub use self::health::Health;
#[cfg(feature = "cli")]
pub(crate) use self::health::health_routes;
pub(crate) use self::{authorization_server::MetadataMirror, health::HealthResponse, page::DemoContent};
#[cfg(feature = "demo")]
pub(crate) use self::{
    clients::{ClientSetup, client_setups},
    page::{BrokenRequest, BrokenRequestCheck, DemoUser},
    sample::arguments as sample_arguments,
};
use self::{
    docs::DocsPage,
    health::{Alive, ReadinessResponse},
    openapi::Document,
    page::{PageResponse, StartPage},
    protected_resource::ProtectedResourceMetadata,
};
use crate::{
    auth::{BrowserPage, ErrorBody},
    paths,
    token::ResourceNames,
};

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
    /// Whether MCP clients get sessions. The playground then uses a revision of MCP that has none.
    pub(crate) sessions: bool,
    /// Whether some requests to the MCP endpoint need no token.
    pub(crate) allows_anonymous: bool,
    /// The sample users on the start page; only in a demo.
    pub(crate) demo: Option<DemoContent>,
}

/// The public operations, served and documented by poem-openapi.
#[derive(Debug)]
pub(crate) struct PublicApi {
    settings: PublicSettings,
    authorization_server: MetadataMirror,
    health: Arc<Health>,
    page: StartPage,
}

impl PublicApi {
    /// Creates the operations of a server with `settings`.
    pub(crate) fn new(
        settings: PublicSettings,
        authorization_server: MetadataMirror,
        health: Arc<Health>,
    ) -> Self {
        Self {
            page: StartPage::new(&settings),
            settings,
            authorization_server,
            health,
        }
    }

    /// Returns the page for a browser that opens the MCP endpoint.
    pub(crate) fn mcp_page(&self) -> BrowserPage {
        page::mcp_page(&self.settings)
    }

    /// Creates the OpenAPI document of a server with `settings` and `tools`. It covers all routes, including
    /// `/mcp` and the routes of the document itself.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn document(
        settings: PublicSettings,
        tools: &[Tool],
        client: reqwest::Client,
        clock: Arc<dyn crate::clock::Clock>,
    ) -> Document {
        let mirror = MetadataMirror::new(client, &settings.issuer, &settings.issuer, clock);
        let health = Health::new(|| true, Arc::default());
        let (_, document) = Self::new(settings, mirror, Arc::new(health)).into_service();
        document.with_tools(tools)
    }

    /// Creates all public routes. `prefix` is the path of `BASE_URL`. The well-known segment goes between
    /// host and path (RFC 9728 §3.1, RFC 8414 §3.1); all other routes are below the path.
    ///
    /// The documentation describes the `tools`, which it waits for when it is first requested.
    pub(crate) fn into_routes(
        self,
        prefix: &str,
        tools: impl Future<Output = Vec<Tool>> + Send + 'static,
    ) -> Route {
        let settings = self.settings.clone();
        let mirror = self.authorization_server.clone();
        let (service, document) = self.into_service();
        let swagger_ui = service.swagger_ui_html();
        let documentation = {
            let settings = settings.clone();
            let tools = tools.map(move |tools| {
                Arc::new(Documentation::new(
                    &document.with_tools(&tools),
                    &swagger_ui,
                    &settings,
                ))
            });
            tools.boxed().shared()
        };
        let json = documented(&documentation, |all| {
            static_response(&all.json, "application/json")
        });
        let yaml = documented(&documentation, |all| {
            static_response(&all.yaml, "application/yaml")
        });
        let docs = documented(&documentation, |all| all.page.response());
        let alive = Bytes::from(Alive::new().to_json_string());
        let mut routes = Route::new()
            .at(paths::OPENAPI_JSON, get(json))
            .at(paths::OPENAPI_YAML, get(yaml))
            .at(paths::DOCS, get(docs))
            // Probed often, so it bypasses poem-openapi.
            .at(
                paths::HEALTHZ,
                get(make_sync(move |_| static_response(&alive, JSON))),
            );
        // `service` serves the documents at the documented paths. These routes also serve them below the path
        // of BASE_URL, and with a trailing slash, which clients that were configured with `/mcp/` request.
        let (base, mcp) = (settings.resources.base(), settings.resources.mcp());
        let slash = format!("{}/", paths::MCP);
        let mut aliases = vec![(slash.clone(), mcp)];
        if !prefix.is_empty() {
            aliases.extend([
                (prefix.to_owned(), base),
                (format!("{prefix}{}", paths::MCP), mcp),
                (format!("{prefix}{slash}"), mcp),
            ]);
        }
        for (suffix, resource) in aliases {
            let metadata = ProtectedResourceMetadata::new(&settings, resource);
            let document = make_sync(move |_| poem::web::Json(metadata.to_value()));
            let mirror = mirror.clone();
            let mirrored = poem::endpoint::make(move |_| {
                let mirror = mirror.clone();
                async move { poem::web::Json(mirror.oauth().await) }
            });
            routes = routes
                .at(format!("{}{suffix}", paths::PROTECTED_RESOURCE), get(document))
                .at(format!("{}{suffix}", paths::AUTHORIZATION_SERVER), get(mirrored));
        }
        let mcp = settings.resources.mcp().to_owned();
        let service = service.into_endpoint().around(move |service, request| {
            let is_misdirected =
                request.method() == Method::POST && matches!(request.uri().path(), "" | paths::START_PAGE);
            let answer = is_misdirected.then(|| misdirected(&mcp));
            async move {
                match answer {
                    Some(answer) => Ok(answer),
                    None => service.call(request).await.map(IntoResponse::into_response),
                }
            }
        });
        routes.nest("/", service)
    }

    fn into_service(self) -> (OpenApiService<Self, ()>, Document) {
        let settings = self.settings.clone();
        let service = OpenApiService::new(self, settings.name.clone(), env!("CARGO_PKG_VERSION"))
            .description(
                "An MCP server protected by Clerk. `/mcp` accepts Clerk session tokens and OAuth access tokens; all \
                 other routes are public.",
            )
            .server(settings.resources.base());
        let document = Document::new(&service, &settings);
        (service, document)
    }
}

/// Returns the response to an MCP message that was sent to the start page: the most likely wrong URL.
fn misdirected(mcp: &str) -> Response {
    let body = ErrorBody {
        error: "method_not_allowed",
        error_description: &format!("The MCP endpoint is {mcp}. Send MCP messages to that URL."),
    };
    poem::web::Json(body)
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .with_header(header::ALLOW, "GET, HEAD, OPTIONS")
        .with_header(header::CACHE_CONTROL, "no-store")
        .into_response()
}

#[derive(Tags)]
enum Tag {
    /// How clients find the authorization server (RFC 9728, RFC 8414).
    Discovery,
    /// Health checks for operators and orchestrators.
    Health,
    /// Pages for people, and the OpenAPI document.
    Pages,
}

#[expect(clippy::unused_async, reason = "poem-openapi requires async operations")]
#[OpenApi]
impl PublicApi {
    /// Start page
    ///
    /// Describes the server and how to connect to it. An HTML page by default, and JSON for
    /// `Accept: application/json`.
    #[oai(path = "/", method = "get", tag = "Tag::Pages", operation_id = "startPage")]
    async fn start_page(&self, accept: Header<Option<String>>) -> PageResponse {
        self.page.respond(accept.0.as_deref())
    }

    /// Protected resource metadata of the server
    ///
    /// RFC 9728 §2. The resource is the base URL.
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
    /// RFC 9728 §2. Challenges refer to this document in `resource_metadata`.
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
    /// Clerk's own document (RFC 8414), for clients that request it from the MCP server. The issuer is Clerk.
    #[oai(
        path = "/.well-known/oauth-authorization-server",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "authorizationServerMetadata"
    )]
    async fn authorization_server(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.oauth().await))
    }

    /// Authorization server metadata of the MCP endpoint
    ///
    /// The same document at the path that clients of older MCP revisions, such as 2025-03-26, request.
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
    /// Clerk's own document (OpenID Connect Discovery 1.0 §3), for clients that request it from the MCP
    /// server.
    #[oai(
        path = "/.well-known/openid-configuration",
        method = "get",
        tag = "Tag::Discovery",
        operation_id = "openidConfiguration"
    )]
    async fn openid_configuration(&self) -> Json<Any<Value>> {
        Json(Any(self.authorization_server.openid().await))
    }

    /// Liveness
    ///
    /// Returns 200 while the process is running. Does not call Clerk.
    #[oai(
        path = "/healthz",
        method = "get",
        tag = "Tag::Health",
        operation_id = "alive"
    )]
    async fn healthz(&self) -> HealthResponse {
        HealthResponse::alive()
    }

    /// Readiness
    ///
    /// Returns 200 if the server is ready for requests, else 503. Both list the status of each part. Does not
    /// call Clerk.
    #[oai(path = "/readyz", method = "get", tag = "Tag::Health", operation_id = "ready")]
    async fn readyz(&self) -> ReadinessResponse {
        self.health.ready()
    }
}

/// The content type of `poem_openapi::payload::Json`.
const JSON: &str = "application/json; charset=utf-8";

/// The OpenAPI document in each form.
#[derive(Debug)]
struct Documentation {
    json: Bytes,
    yaml: Bytes,
    page: DocsPage,
}

impl Documentation {
    fn new(document: &Document, swagger_ui: &str, settings: &PublicSettings) -> Self {
        Self {
            json: document.json().into(),
            yaml: document.yaml().into(),
            page: DocsPage::new(document.value(), swagger_ui, settings),
        }
    }
}

/// Returns an endpoint that serves one form of the documentation.
fn documented(
    documentation: &Shared<BoxFuture<'static, Arc<Documentation>>>,
    response: fn(&Documentation) -> Response,
) -> impl Endpoint + use<> {
    let documentation = documentation.clone();
    poem::endpoint::make(move |_| documentation.clone().map(move |all| response(&all)))
}

/// Returns a response with `body`, without copying it.
fn static_response(body: &Bytes, content_type: &'static str) -> Response {
    Response::builder().content_type(content_type).body(body.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::SystemClock;

    /// `#[oai(path)]` only accepts literals, so the paths could differ from those in `paths`.
    #[test]
    fn documented_paths_equal_the_paths_of_the_server() {
        let document = PublicApi::document(
            page::tests::settings(),
            &[],
            crate::outbound::client(&"http://127.0.0.1:9".parse().unwrap(), &[]).unwrap(),
            Arc::new(SystemClock),
        );
        let paths = document.value()["paths"].as_object().unwrap();
        let paths: BTreeSet<_> = paths.keys().map(String::as_str).collect();
        assert_eq!(paths, BTreeSet::from(paths::ALL));
    }
}
