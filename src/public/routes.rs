//! Assembles the public routes: the documented [`operations`](super::operations), and all others.

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
    http::{HeaderValue, Method, StatusCode, header},
};
use poem_openapi::{payload::Json, types::ToJSON};
use rmcp::model::Tool;

use super::{
    PublicApi, docs::DocsPage, health::Alive, openapi::Document,
    protected_resource::ProtectedResourceMetadata, settings::PublicSettings,
};
use crate::{auth::ErrorBody, paths, token::ResourceNames};

impl PublicApi {
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
        for (suffix, resource) in aliases(prefix, &settings.resources) {
            let metadata = ProtectedResourceMetadata::new(&settings, resource);
            let document = make_sync(move |_| Json(metadata.clone()));
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
            let rejected = is_misdirected.then(|| misdirected(&mcp));
            async move {
                match rejected {
                    Some(response) => Ok(response),
                    None => service.call(request).await.map(IntoResponse::into_response),
                }
            }
        });
        routes.nest("/", service)
    }
}

/// Returns the suffixes of further metadata paths, each with the resource that the metadata describes.
///
/// poem-openapi serves the metadata at the documented paths. It must also be found below the path of
/// `BASE_URL` (`prefix`), and with a trailing slash, which clients that were configured with `/mcp/` request.
fn aliases<'a>(prefix: &str, resources: &'a ResourceNames) -> Vec<(String, &'a str)> {
    let (base, mcp) = (resources.base(), resources.mcp());
    let slash = format!("{}/", paths::MCP);
    let mut aliases = vec![(slash.clone(), mcp)];
    if !prefix.is_empty() {
        aliases.extend([
            (prefix.to_owned(), base),
            (format!("{prefix}{}", paths::MCP), mcp),
            (format!("{prefix}{slash}"), mcp),
        ]);
    }
    aliases
}

/// Returns the response to an MCP message that was sent to the start page: the most likely wrong URL.
fn misdirected(mcp: &str) -> Response {
    let body = ErrorBody {
        error: "method_not_allowed",
        error_description: &format!("The MCP endpoint is {mcp}. Send MCP messages to that URL."),
    };
    let mut response = body.into_response(StatusCode::METHOD_NOT_ALLOWED);
    let allow = HeaderValue::from_static("GET, HEAD, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The content type of [`Json`].
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
