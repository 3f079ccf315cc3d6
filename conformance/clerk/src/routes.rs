//! The route table of the Frontend API, and the router that joins it with the Backend API, the admin API
//! and the page at `/`. Other paths get a JSON 404.

use std::sync::Arc;

use poem::{
    EndpointExt as _, IntoEndpoint, Request, Response, Route,
    endpoint::make,
    http::{
        HeaderValue, Method, StatusCode, header,
        uri::{Authority, PathAndQuery},
    },
};
use serde_json::json;

use crate::{
    admin, backend,
    fault_injection::answer_with_faults,
    home,
    http::{
        incoming::{BodyError, Incoming},
        respond,
    },
    oauth::{authorize, client_document, decision, metadata, register, revoke, token, token_info, userinfo},
    store::{endpoint::Endpoint, instance::Instance},
};

/// The path prefix of the Backend API.
pub(crate) const BACKEND: &str = "/backend";

/// The host of Clerk's Backend API. Requests for this host are routed below [`BACKEND`].
pub(crate) const BACKEND_HOST: &str = "api.clerk.com";

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_AND_POST: &[Method] = &[Method::GET, Method::POST];

/// Whether web pages of other origins may read the responses (Fetch Standard, CORS protocol).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cors {
    /// Any origin may, without credentials: clients that run in a browser use these endpoints.
    Open,
    /// None may: pages shown to users, and endpoints that only servers call.
    Closed,
}

/// One endpoint of the Frontend API.
#[derive(Clone, Copy)]
struct FrontendRoute {
    path: &'static str,
    endpoint: Endpoint,
    methods: &'static [Method],
    cors: Cors,
    handler: fn(&Instance, &Incoming) -> Response,
}

impl FrontendRoute {
    const fn new(
        path: &'static str,
        endpoint: Endpoint,
        methods: &'static [Method],
        cors: Cors,
        handler: fn(&Instance, &Incoming) -> Response,
    ) -> Self {
        Self {
            path,
            endpoint,
            methods,
            cors,
            handler,
        }
    }
}

#[rustfmt::skip]
const FRONTEND: [FrontendRoute; 10] = [
    FrontendRoute::new("/.well-known/jwks.json", Endpoint::Jwks, GET, Cors::Open, metadata::jwks),
    FrontendRoute::new("/.well-known/oauth-authorization-server", Endpoint::AuthorizationServerMetadata, GET, Cors::Open, metadata::authorization_server),
    FrontendRoute::new("/.well-known/openid-configuration", Endpoint::OpenIdConfiguration, GET, Cors::Open, metadata::openid_configuration),
    FrontendRoute::new("/oauth/authorize", Endpoint::Authorize, GET_AND_POST, Cors::Closed, authorize::authorize),
    FrontendRoute::new("/oauth/authorize/decision", Endpoint::Decision, POST, Cors::Closed, decision::decide),
    FrontendRoute::new("/oauth/token", Endpoint::Token, POST, Cors::Open, token::token),
    FrontendRoute::new("/oauth/token/revoke", Endpoint::Revoke, POST, Cors::Open, revoke::revoke),
    FrontendRoute::new("/oauth/token_info", Endpoint::TokenInfo, POST, Cors::Closed, token_info::token_info),
    FrontendRoute::new("/oauth/userinfo", Endpoint::UserInfo, GET_AND_POST, Cors::Open, userinfo::userinfo),
    FrontendRoute::new("/oauth/register", Endpoint::Register, POST, Cors::Open, register::register),
];

/// Returns the endpoint that serves all three APIs. It answers every request.
pub(crate) fn endpoint(instance: &Arc<Instance>) -> impl IntoEndpoint<Endpoint: 'static> + use<> {
    let mut route = Route::new();
    for entry in FRONTEND {
        let instance = Arc::clone(instance);
        route = route.at(
            entry.path,
            make(move |request| {
                let instance = Arc::clone(&instance);
                async move { serve(&instance, entry, request).await }
            }),
        );
    }
    route = backend::add_routes(route, BACKEND, instance);
    route = admin::add_routes(route, instance);
    let issuer_path = instance.issuer_path.clone();
    let instance = Arc::clone(instance);
    // Also matches `/`.
    route = route.at(
        "/*",
        make(move |request| {
            let instance = Arc::clone(&instance);
            async move {
                if request.uri().path() == home::PATH {
                    return home::answer(&request);
                }
                answer_with_faults(&instance, None, request, async |_| not_found()).await
            }
        }),
    );
    // Requests that the router itself rejects.
    route
        .catch_all_error(|_| async { not_found() })
        .before(move |request| {
            let request = route_issuer_path(route_backend_host(request), &issuer_path);
            async move { Ok(request) }
        })
}

/// Removes the path of the issuer from the path of a request. It is at the beginning, or, for metadata documents,
/// at the end (RFC 8414 §3.1).
fn route_issuer_path(mut request: Request, issuer_path: &str) -> Request {
    if issuer_path.is_empty() {
        return request;
    }
    let path = request.uri().path();
    let below = path
        .strip_prefix(issuer_path)
        .filter(|rest| rest.starts_with('/'));
    let well_known = || {
        path.strip_suffix(issuer_path)
            .filter(|rest| rest.starts_with("/.well-known/"))
    };
    if let Some(inner) = below.or_else(well_known) {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        if let Ok(uri) = format!("{inner}{query}").parse() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Rewrites the path of a request for [`BACKEND_HOST`], so that it reaches the Backend API.
fn route_backend_host(mut request: Request) -> Request {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        // HTTP/2 sends `:authority` instead of `Host` (RFC 9113 §8.3.1).
        .or_else(|| request.original_uri().authority().map(Authority::as_str));
    let is_backend = host.is_some_and(|host| host.split(':').next() == Some(BACKEND_HOST));
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    if is_backend && let Ok(uri) = format!("{BACKEND}{path}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn serve(instance: &Instance, entry: FrontendRoute, request: Request) -> Response {
    let method = request.method().clone();
    if entry.cors == Cors::Open
        && method == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return preflight(entry.methods);
    }
    let response = answer_with_faults(instance, Some(entry.endpoint), request, async |request| {
        if !respond::is_allowed(&method, entry.methods) {
            let response = json_error(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            );
            return respond::with_header(response, header::ALLOW, respond::allow(entry.methods));
        }
        match Incoming::read(request).await {
            Ok(incoming) => answer(instance, entry, &incoming).await,
            Err(error) => body_error(error),
        }
    })
    .await;
    match entry.cors {
        Cors::Open => with_cors(response),
        Cors::Closed => response,
    }
}

async fn answer(instance: &Instance, entry: FrontendRoute, incoming: &Incoming) -> Response {
    // Handlers are synchronous, so the client metadata document is fetched before the handler runs.
    if entry.endpoint == Endpoint::Authorize
        && let Err(error) = client_document::resolve(instance, incoming).await
    {
        return authorize::no_client(&error);
    }
    (entry.handler)(instance, incoming)
}

/// Returns the response to a CORS preflight. Any origin is allowed because credentials are not.
fn preflight(methods: &[Method]) -> Response {
    let mut response = with_cors(respond::empty(StatusCode::NO_CONTENT));
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, respond::allow(methods));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        // `*` does not cover `Authorization` (Fetch Standard, CORS-preflight fetch).
        HeaderValue::from_static("Authorization, Content-Type, MCP-Protocol-Version, *"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn with_cors(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate"),
    );
    response
}

fn not_found() -> Response {
    json_error(
        StatusCode::NOT_FOUND,
        "not_found",
        "There is no endpoint at this path",
    )
}

fn body_error(error: BodyError) -> Response {
    match error {
        BodyError::TooLarge => json_error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            "The request body is too large",
        ),
        BodyError::Unreadable => json_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The request body could not be read",
        ),
    }
}

fn json_error(status: StatusCode, error: &str, description: &str) -> Response {
    respond::json(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}
