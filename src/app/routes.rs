//! Assigns every route to an [`Area`](crate::http::Area), a group of routes with the same checks around them.

use std::{fmt, sync::Arc};

use poem::{
    Endpoint, EndpointExt, Request, Response, Route,
    endpoint::{BoxEndpoint, make},
    error::{NotFoundError, RouteError},
};
use rmcp::model::Tool;

use super::AppError;
use crate::{
    auth::{Authenticator, RequireAuth},
    config::Config,
    http::{AccessLog, AllowedHosts, Area, Cors, Edge},
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

/// Builds all routes: `/mcp` and the `protected` endpoints behind `authenticator`, and the public routes.
/// The documentation of the public routes describes the `tools`. If `allows_anonymous`, `mcp` decides which
/// requests need a token.
///
/// A reverse proxy may keep or strip the path of `BASE_URL`, so each route exists with and without it.
pub(super) fn routes(
    config: &Config,
    mcp: impl Endpoint<Output = Response> + 'static,
    protected: Vec<Protected>,
    authenticator: Authenticator,
    allows_anonymous: bool,
    public: PublicApi,
    tools: impl Future<Output = Vec<Tool>> + Send + 'static,
) -> Result<BoxEndpoint<'static>, AppError> {
    let auth = RequireAuth::new(authenticator);
    let hosts = Arc::new(AllowedHosts::new(&config.base_url, config.listen.ip()));
    let area = |cors, methods, endpoint| Area {
        cors,
        hosts: Arc::clone(&hosts),
        time_limit: config.limits.request_timeout,
        methods,
        endpoint,
    };
    let restricted = || Cors::restricted(config.allowed_origins.clone());
    let prefix = config.base_url.path().trim_end_matches('/');
    let with_and_without_prefix = |path: &str| {
        let mut paths = vec![path.to_owned(), format!("{prefix}{path}")];
        paths.dedup();
        paths
    };

    let mcp_auth = auth.clone().browser_page(public.mcp_page());
    // Built before `allow_anonymous`: a path below `/mcp` always needs a token.
    let below_mcp = make(|_| async { Err::<Response, _>(poem::Error::from(NotFoundError)) });
    let below_mcp = below_mcp.with(mcp_auth.clone()).boxed();
    let mcp_auth = if allows_anonymous {
        mcp_auth.allow_anonymous()
    } else {
        mcp_auth
    };
    let mcp = Exactly {
        paths: with_and_without_prefix(paths::MCP),
        endpoint: mcp.with(mcp_auth),
        below: below_mcp,
    };
    let mcp = area(restricted(), Some("POST"), mcp.boxed());
    let mut areas = vec![(with_and_without_prefix(paths::MCP), mcp)];
    for Protected { path, endpoint } in protected {
        let bare = path.trim_end_matches('/');
        let invalid = |reason: &str| AppError::Path {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        if !path.starts_with('/') || path.contains([':', '*', '<']) {
            return Err(invalid(
                "expected a path without parameters or wildcards, such as /reports/latest",
            ));
        }
        let paths = with_and_without_prefix(bare);
        // A path above the path of `BASE_URL` would take all routes below it.
        let is_above_prefix = prefix.starts_with(&format!("{bare}/"));
        let is_taken = |path: &String| {
            is_public(path.strip_prefix(prefix).unwrap_or(path))
                || areas.iter().any(|(taken, _)| taken.contains(path))
        };
        if is_public(bare) || is_above_prefix || paths.iter().any(is_taken) {
            return Err(invalid("the path is already in use"));
        }
        let nested = nest(&paths, endpoint).map_err(|error| invalid(&error.to_string()))?;
        areas.push((paths, area(restricted(), None, nested.with(auth.clone()).boxed())));
    }
    let public = public.into_routes(prefix, tools);
    let public = if prefix.is_empty() {
        public.boxed()
    } else {
        let paths = [prefix, paths::START_PAGE].map(str::to_owned);
        let public = nest(&paths, public).map_err(|error| AppError::Path {
            path: prefix.to_owned(),
            reason: error.to_string(),
        })?;
        public.boxed()
    };
    let public = area(Cors::open(), Some("GET, HEAD, OPTIONS"), public);
    let log = AccessLog::new(config.trust_forwarded, prefix);
    Ok(Edge::new(log, areas, public).boxed())
}

/// Returns whether the public routes use `path`, which has no slash at the end.
fn is_public(path: &str) -> bool {
    path.is_empty()
        || path == paths::WELL_KNOWN
        || path.starts_with(&format!("{}/", paths::WELL_KNOWN))
        || paths::ALL.contains(&path)
}

/// Serves `endpoint` at each of `paths` and below it. The endpoint sees only the rest of the path.
fn nest(paths: &[String], endpoint: impl Endpoint + 'static) -> Result<Route, RouteError> {
    let endpoint = Arc::new(endpoint);
    paths.iter().try_fold(Route::new(), |route, path| {
        route.try_nest(path, Arc::clone(&endpoint))
    })
}

/// An endpoint at its exact paths. A request for a path below them gets 404 if it is authenticated, and
/// 401 if not: access is denied by default, also if anonymous requests are allowed at the paths.
struct Exactly<E> {
    paths: Vec<String>,
    endpoint: E,
    below: BoxEndpoint<'static>,
}

impl<E: Endpoint<Output = Response>> Endpoint for Exactly<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let path = request.uri().path();
        let path = path.strip_suffix('/').unwrap_or(path);
        if self.paths.iter().any(|served| served == path) {
            self.endpoint.call(request).await
        } else {
            self.below.call(request).await
        }
    }
}
