//! The Backend API, version 2026-05-12: the operations a resource server needs.
//!
//! Every path works with and without `/v1`, as Clerk's own clients use both. The secret key is checked before the
//! path is looked at, so without one nothing can be learned, not even what exists.

mod error;
mod guard;
mod operations;
mod paging;
mod verify;
mod views;

use std::{slice, sync::Arc};

use poem::{
    Request, Response, Route,
    endpoint::make,
    http::{HeaderValue, Method, StatusCode, header},
};
use serde_json::Value;

use self::error::ClerkError;
use crate::{
    fault_injection::answer_with_faults,
    http::{incoming::Incoming, respond},
    store::{endpoint::Endpoint, instance::Instance},
};

/// One operation.
#[derive(Clone, Copy)]
struct Row {
    path: &'static str,
    endpoint: Endpoint,
    method: &'static Method,
    handler: Handler,
}

/// Answers with the body of a 200, or an error.
type Handler = fn(&Instance, &Incoming) -> Result<Value, ClerkError>;

impl Row {
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
const OPERATIONS: [Row; 9] = [
    Row::get("/jwks", Endpoint::BackendJwks, operations::jwks),
    Row::get("/users/:user_id", Endpoint::BackendUser, operations::user),
    Row::get("/users/:user_id/organization_memberships", Endpoint::BackendUserMemberships, operations::user_memberships),
    Row::get("/organizations/:organization_id", Endpoint::BackendOrganization, operations::organization),
    Row::get("/organizations/:organization_id/memberships", Endpoint::BackendOrganizationMemberships, operations::organization_memberships),
    Row::get("/sessions/:session_id", Endpoint::BackendSession, operations::session),
    Row::post("/oauth_applications/access_tokens/verify", Endpoint::BackendVerifyAccessToken, verify::access_token),
    Row::post("/m2m_tokens/verify", Endpoint::BackendVerifyM2mToken, verify::m2m_token),
    Row::post("/api_keys/verify", Endpoint::BackendVerifyApiKey, verify::api_key),
];

/// Adds every operation below `prefix`, and a catch-all that asks for the key first.
pub(crate) fn add_routes(mut route: Route, prefix: &str, instance: &Arc<Instance>) -> Route {
    for row in OPERATIONS {
        for version in ["", "/v1"] {
            route = route.at(
                format!("{prefix}{version}{}", row.path),
                operation(instance, Some(row)),
            );
        }
    }
    route
        .at(prefix, operation(instance, None))
        .at(format!("{prefix}/*rest"), operation(instance, None))
}

fn operation(instance: &Arc<Instance>, row: Option<Row>) -> impl poem::Endpoint<Output = Response> + use<> {
    let instance = Arc::clone(instance);
    make(move |request| {
        let instance = Arc::clone(&instance);
        async move { serve(&instance, row, request).await }
    })
}

async fn serve(instance: &Instance, row: Option<Row>, request: Request) -> Response {
    let endpoint = row.map(|row| row.endpoint);
    let trace_id = instance.ids.trace_id();
    let mut response = answer_with_faults(instance, endpoint, request, async |request| {
        match answer(instance, row, request).await {
            Ok(body) => respond::json(StatusCode::OK, &body),
            Err(error) => error.into_response(&trace_id),
        }
    })
    .await;
    if response.status() == StatusCode::METHOD_NOT_ALLOWED
        && let Some(row) = row
    {
        response
            .headers_mut()
            .insert(header::ALLOW, respond::allow(slice::from_ref(row.method)));
    }
    if let Ok(trace_id) = HeaderValue::from_str(&trace_id) {
        // A fault has an id of its own.
        response
            .headers_mut()
            .entry(respond::TRACE_ID)
            .or_insert(trace_id);
    }
    response
}

async fn answer(instance: &Instance, row: Option<Row>, request: Request) -> Result<Value, ClerkError> {
    let endpoint = row.map(|row| row.endpoint);
    guard::check_key(instance, endpoint, request.headers())?;
    // Clerk exempts the keys, which servers must always be able to get.
    if endpoint != Some(Endpoint::BackendJwks) {
        let now = instance.clock.now();
        instance
            .limiter
            .admit(now)
            .map_err(ClerkError::too_many_requests)?;
    }
    guard::check_version(request.headers(), request.uri().query().unwrap_or_default())?;
    let row = row.ok_or_else(ClerkError::no_such_resource)?;
    if !respond::is_allowed(request.method(), slice::from_ref(row.method)) {
        return Err(ClerkError::method_not_allowed());
    }
    let incoming = Incoming::read(request).await?;
    (row.handler)(instance, &incoming)
}
