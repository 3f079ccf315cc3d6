//! The operations of the Backend API, version 2026-05-12, that resource servers use.
//!
//! Every path works with and without `/v1`, because Clerk's own clients use both. The secret key is checked
//! before the path, so a request without the key does not reveal which paths exist.

mod error;
mod guard;
mod objects;
mod operations;
mod paging;
mod verify;

use std::{slice, sync::Arc};

use poem::{
    Request, Response, Route,
    endpoint::make,
    http::{HeaderValue, Method, StatusCode, header},
};
use serde_json::Value;

use self::error::ClerkError;
use crate::{
    fault_injection,
    http::{incoming::Incoming, respond},
    store::{endpoint::Endpoint, instance::Instance},
};

/// A path of the Backend API with its method and handler.
#[derive(Clone, Copy)]
struct Operation {
    path: &'static str,
    endpoint: Endpoint,
    method: &'static Method,
    handler: Handler,
}

/// Returns the body of a 200 response, or an error.
type Handler = fn(&Instance, &Incoming) -> Result<Value, ClerkError>;

impl Operation {
    const fn get(path: &'static str, endpoint: Endpoint, handler: Handler) -> Self {
        Self {
            path,
            endpoint,
            method: &Method::GET,
            handler,
        }
    }

    const fn post(path: &'static str, endpoint: Endpoint, handler: Handler) -> Self {
        Self {
            path,
            endpoint,
            method: &Method::POST,
            handler,
        }
    }
}

#[rustfmt::skip]
const OPERATIONS: [Operation; 9] = [
    Operation::get("/jwks", Endpoint::BackendJwks, operations::jwks),
    Operation::get("/users/:user_id", Endpoint::BackendUser, operations::user),
    Operation::get("/users/:user_id/organization_memberships", Endpoint::BackendUserMemberships, operations::user_memberships),
    Operation::get("/organizations/:organization_id", Endpoint::BackendOrganization, operations::organization),
    Operation::get("/organizations/:organization_id/memberships", Endpoint::BackendOrganizationMemberships, operations::organization_memberships),
    Operation::get("/sessions/:session_id", Endpoint::BackendSession, operations::session),
    Operation::post("/oauth_applications/access_tokens/verify", Endpoint::BackendVerifyAccessToken, verify::access_token),
    Operation::post("/m2m_tokens/verify", Endpoint::BackendVerifyM2mToken, verify::m2m_token),
    Operation::post("/api_keys/verify", Endpoint::BackendVerifyApiKey, verify::api_key),
];

/// Adds every operation below `prefix`, and a catch-all that checks the key before it responds with 404.
pub(crate) fn add_routes(mut route: Route, prefix: &str, instance: &Arc<Instance>) -> Route {
    for operation in OPERATIONS {
        for version in ["", "/v1"] {
            route = route.at(
                format!("{prefix}{version}{}", operation.path),
                endpoint(instance, Some(operation)),
            );
        }
    }
    route
        .at(prefix, endpoint(instance, None))
        .at(format!("{prefix}/*rest"), endpoint(instance, None))
}

fn endpoint(
    instance: &Arc<Instance>,
    operation: Option<Operation>,
) -> impl poem::Endpoint<Output = Response> + use<> {
    let instance = Arc::clone(instance);
    make(move |request| {
        let instance = Arc::clone(&instance);
        async move { serve(&instance, operation, request).await }
    })
}

async fn serve(instance: &Instance, operation: Option<Operation>, request: Request) -> Response {
    let endpoint = operation.map(|operation| operation.endpoint);
    let trace_id = instance.ids.trace_id();
    let mut response = fault_injection::answer_with_faults(instance, endpoint, request, async |request| {
        match answer(instance, operation, request).await {
            Ok(body) => respond::json(StatusCode::OK, &body),
            Err(error) => error.into_response(&trace_id),
        }
    })
    .await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(operation) = operation
    {
        response
            .headers_mut()
            .insert(header::ALLOW, respond::allow(slice::from_ref(operation.method)));
    }
    if let Ok(trace_id) = HeaderValue::from_str(&trace_id) {
        // A fault has set its own id.
        response
            .headers_mut()
            .entry(respond::TRACE_ID)
            .or_insert(trace_id);
    }
    response
}

async fn answer(
    instance: &Instance,
    operation: Option<Operation>,
    request: Request,
) -> Result<Value, ClerkError> {
    let endpoint = operation.map(|operation| operation.endpoint);
    guard::check_key(instance, endpoint, request.headers())?;
    // As at Clerk, the JWKS is exempt from the rate limit.
    if endpoint != Some(Endpoint::BackendJwks) {
        let now = instance.clock.now();
        instance
            .limiter
            .admit(now)
            .map_err(ClerkError::too_many_requests)?;
    }
    guard::check_version(request.headers(), request.uri().query().unwrap_or_default())?;
    let operation = operation.ok_or_else(ClerkError::no_such_resource)?;
    if !respond::is_allowed(request.method(), slice::from_ref(operation.method)) {
        return Err(ClerkError::method_not_allowed());
    }
    let incoming = Incoming::read(request).await?;
    (operation.handler)(instance, &incoming)
}
