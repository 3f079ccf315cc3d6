//! Defines all routes and the middleware around them.

use std::{fmt, sync::Arc};

use poem::{
    Endpoint, EndpointExt, IntoEndpoint, Response, Route,
    endpoint::BoxEndpoint,
    error::RouteError,
    http::header::X_CONTENT_TYPE_OPTIONS,
    middleware::{CatchPanic, RequestId, SetHeader},
};
use rmcp::model::Tool;

use super::AppError;
use crate::{
    auth::{Authenticator, RequireAuth},
    config::Config,
    http::{self, AccessLog, Cors, HostGuard},
    paths,
    public::PublicApi,
};

/// A user-defined endpoint that requires authentication.
pub(super) struct Protected {
    pub(super) path: String,
    pub(super) endpoint: BoxEndpoint<'static>,
}

impl fmt::Debug for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Protected").field(&self.path).finish()
    }
}

/// Builds all routes: `/mcp` and the `protected` endpoints behind `authenticator`, and the public routes. The
/// documentation describes the `tools`.
pub(super) fn routes(
    config: &Config,
    mcp: impl Endpoint + 'static,
    protected: Vec<Protected>,
    authenticator: Authenticator,
    public: PublicApi,
    tools: impl Future<Output = Vec<Tool>> + Send + 'static,
) -> Result<BoxEndpoint<'static>, AppError> {
    let auth = RequireAuth::new(authenticator);
    let hosts = HostGuard::new(&config.base_url, config.listen.ip());
    let guarded = |endpoint: BoxEndpoint<'static>| guarded(config, hosts.clone(), endpoint);
    // Unknown paths below /mcp also require authentication: access is denied by default.
    let mcp = Route::new()
        .at("/", mcp)
        .with(auth.clone().browser_page(public.mcp_page()));
    let mcp = guarded(http::allow_methods(mcp, "POST").map_to_response().boxed());
    let mut private = vec![(paths::MCP.to_owned(), mcp.boxed())];
    for Protected { path, endpoint } in protected {
        // poem panics when a nested path contains a parameter or a wildcard.
        if !path.starts_with('/') || path.contains([':', '*', '<']) {
            let reason =
                "expected a path without parameters or wildcards, such as /reports/latest".to_owned();
            return Err(AppError::Path { path, reason });
        }
        private.push((path, guarded(endpoint.with(auth.clone()).boxed()).boxed()));
    }
    let prefix = config.base_url.path().trim_end_matches('/').to_owned();
    let public = public.into_routes(&prefix, tools).into_endpoint();
    let public = guarded(
        http::allow_methods(public, "GET, HEAD, OPTIONS")
            .map_to_response()
            .boxed(),
    );
    let public = Arc::new(public.with(Cors::open()));

    // A reverse proxy may keep or strip the path of BASE_URL, so each route exists with and without it.
    let mut routes = Route::new();
    for (path, endpoint) in private {
        // CORS is the outermost layer, because a preflight carries no token, and because web pages must be
        // able to read error responses from every layer. It also rejects other origins (MCP, "Streamable
        // HTTP", security warning).
        let endpoint = Arc::new(endpoint.with(Cors::restricted(config.allowed_origins.clone())));
        routes = routes
            .try_nest(&path, Arc::clone(&endpoint))
            .map_err(path_error(&path))?;
        if !prefix.is_empty() {
            routes = routes
                .try_nest(format!("{prefix}{path}"), endpoint)
                .map_err(path_error(&path))?;
        }
    }
    if !prefix.is_empty() {
        routes = routes
            .try_nest(&prefix, Arc::clone(&public))
            .map_err(path_error(paths::START_PAGE))?;
    }
    let routes = routes
        .try_nest_no_strip("/", public)
        .map_err(path_error(paths::START_PAGE))?;
    Ok(http::json_errors(routes)
        .with(AccessLog::new(config.trust_forwarded, prefix))
        .with(SetHeader::new().overriding(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .with(RequestId::default())
        .boxed())
}

fn path_error(path: &str) -> impl FnOnce(RouteError) -> AppError {
    move |reason| AppError::Path {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Wraps an endpoint in the middleware that every route has: the `Host` check, the time limit, and a panic
/// handler.
fn guarded(
    config: &Config,
    hosts: HostGuard,
    endpoint: BoxEndpoint<'static>,
) -> impl Endpoint<Output = Response> + use<> {
    endpoint
        .with(hosts)
        .with(http::Timeout::new(config.limits.request_timeout))
        .with(CatchPanic::new().with_handler(|_| http::internal_error()))
        .map_to_response()
}
