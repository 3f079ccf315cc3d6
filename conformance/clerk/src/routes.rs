//! The route table: every path, its methods, its handler. What is not here is a JSON 404.

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
    http::{
        faulty,
        incoming::{BodyError, Incoming},
        respond,
    },
    oauth::{authorize, client_document, decision, metadata, register, revoke, token, token_info, userinfo},
    store::{endpoint::Endpoint, state::Instance},
};

/// Where the Backend API begins.
pub(crate) const BACKEND: &str = "/backend";

/// The host of Clerk's Backend API: what is asked of it is below [`BACKEND`] here.
pub(crate) const BACKEND_HOST: &str = "api.clerk.com";

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_AND_POST: &[Method] = &[Method::GET, Method::POST];

/// Whether pages of other origins may read the answers (Fetch Standard, CORS protocol).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cors {
    /// Any origin, without credentials: clients that run in a browser discover, register, redeem and refresh.
    Open,
    /// None: what a person sees, and what servers ask.
    Closed,
}

/// One endpoint of the Frontend API.
#[derive(Clone, Copy)]
struct Row {
    path: &'static str,
    endpoint: Endpoint,
    methods: &'static [Method],
    cors: Cors,
    handler: fn(&Instance, &Incoming) -> Response,
}

impl Row {
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
const FRONTEND: [Row; 10] = [
    Row::new("/.well-known/jwks.json", Endpoint::Jwks, GET, Cors::Open, metadata::jwks),
    Row::new("/.well-known/oauth-authorization-server", Endpoint::AuthorizationServerMetadata, GET, Cors::Open, metadata::authorization_server),
    Row::new("/.well-known/openid-configuration", Endpoint::OpenIdConfiguration, GET, Cors::Open, metadata::openid_configuration),
    Row::new("/oauth/authorize", Endpoint::Authorize, GET_AND_POST, Cors::Closed, authorize::authorize),
    Row::new("/oauth/authorize/decision", Endpoint::Decision, POST, Cors::Closed, decision::decide),
    Row::new("/oauth/token", Endpoint::Token, POST, Cors::Open, token::token),
    Row::new("/oauth/token/revoke", Endpoint::Revoke, POST, Cors::Open, revoke::revoke),
    Row::new("/oauth/token_info", Endpoint::TokenInfo, POST, Cors::Closed, token_info::token_info),
    Row::new("/oauth/userinfo", Endpoint::UserInfo, GET_AND_POST, Cors::Open, userinfo::userinfo),
    Row::new("/oauth/register", Endpoint::Register, POST, Cors::Open, register::register),
];

/// The whole local Clerk as one endpoint that always answers.
pub(crate) fn all(instance: &Arc<Instance>) -> impl IntoEndpoint<Endpoint: 'static> + use<> {
    let mut route = Route::new();
    for row in FRONTEND {
        let instance = Arc::clone(instance);
        route = route.at(
            row.path,
            make(move |request| {
                let instance = Arc::clone(&instance);
                async move { serve(&instance, row, request).await }
            }),
        );
    }
    route = backend::add_routes(route, BACKEND, instance);
    route = admin::add_routes(route, instance);
    let instance = Arc::clone(instance);
    route = route.at(
        "/*",
        make(move |request| {
            let instance = Arc::clone(&instance);
            async move { faulty::observe(&instance, None, request, async |_| not_found()).await }
        }),
    );
    // What the router itself refuses.
    route
        .catch_all_error(|_| async { not_found() })
        .before(|request| async { Ok(at_own_path(request)) })
}

/// Moves a request for Clerk's Backend API to where it is here.
fn at_own_path(mut request: Request) -> Request {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        // HTTP/2 has the host in its own place.
        .or_else(|| request.original_uri().authority().map(Authority::as_str));
    let is_backend = host.is_some_and(|host| host.split(':').next() == Some(BACKEND_HOST));
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    if is_backend && let Ok(uri) = format!("{BACKEND}{path}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn serve(instance: &Instance, row: Row, request: Request) -> Response {
    let method = request.method().clone();
    if row.cors == Cors::Open
        && method == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return preflight(row.methods);
    }
    let response = faulty::observe(instance, Some(row.endpoint), request, async |request| {
        if !respond::is_allowed(&method, row.methods) {
            let response = problem(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            );
            return respond::with_header(response, header::ALLOW, respond::allow(row.methods));
        }
        match Incoming::read(request).await {
            Ok(incoming) => answer(instance, row, &incoming).await,
            Err(error) => unreadable(error),
        }
    })
    .await;
    match row.cors {
        Cors::Open => opened(response),
        Cors::Closed => response,
    }
}

async fn answer(instance: &Instance, row: Row, incoming: &Incoming) -> Response {
    // The one thing that is not in memory: what a client says about itself elsewhere.
    if row.endpoint == Endpoint::Authorize
        && let Err(error) = client_document::resolve(instance, incoming).await
    {
        return authorize::no_client(&error);
    }
    (row.handler)(instance, incoming)
}

/// The answer to a CORS preflight. Credentials are not allowed, so any origin may be.
fn preflight(methods: &[Method]) -> Response {
    let mut response = opened(respond::empty(StatusCode::NO_CONTENT));
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

fn opened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate"),
    );
    response
}

fn not_found() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "There is nothing here")
}

fn unreadable(error: BodyError) -> Response {
    match error {
        BodyError::TooLarge => problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "invalid_request",
            "The request body is too large",
        ),
        BodyError::Broken => problem(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "The request body could not be read",
        ),
    }
}

fn problem(status: StatusCode, error: &str, description: &str) -> Response {
    respond::json(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}
