//! The admin API: changes a running local Clerk over HTTP, for servers and tests in any language.
//!
//! `GET /admin` describes every operation. [`operation`] has the table behind it, and the other modules have
//! the handlers.
//!
//! The admin API requires no key: a client that can connect to the listener can sign in as any user anyway. A
//! browser on this machine can connect, too, so the [`guard`] rejects requests from web pages of other
//! origins. Requests to the admin API are neither counted nor logged, and no fault affects them.

mod directory;
mod faults;
mod guard;
mod keys;
mod operation;
mod requests;
mod tokens;

use std::sync::Arc;

use poem::{
    Request, Response, Route,
    endpoint::make,
    http::{StatusCode, header},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::operation::OPERATIONS;
pub use self::operation::is_operation;
use crate::{
    DirectoryError, EndTokenError, MintError,
    http::{incoming::Incoming, respond},
    store::instance::Instance,
};

/// The path of the description; all operations are below it.
pub(crate) const PREFIX: &str = "/admin";

/// The status of an error response, and a sentence for the developer who sent the request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdminError {
    status: StatusCode,
    message: String,
}

impl AdminError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

impl From<DirectoryError> for AdminError {
    fn from(error: DirectoryError) -> Self {
        let status = match error {
            DirectoryError::UnknownUser(_)
            | DirectoryError::UnknownOrganization(_)
            | DirectoryError::UnknownRole(_)
            | DirectoryError::UnknownMachine(_)
            | DirectoryError::UnknownSession(_)
            | DirectoryError::NotAMember { .. } => StatusCode::NOT_FOUND,
            DirectoryError::AmbiguousUser(_) | DirectoryError::Taken(_) => StatusCode::CONFLICT,
            DirectoryError::Malformed(..) => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<MintError> for AdminError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Directory(error) => error.into(),
            MintError::Specification(message) => Self::bad_request(message),
        }
    }
}

impl From<EndTokenError> for AdminError {
    fn from(error: EndTokenError) -> Self {
        let status = match error {
            EndTokenError::Unknown => StatusCode::NOT_FOUND,
            EndTokenError::SelfContained => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

/// Adds every operation, and a catch-all below the prefix.
pub(crate) fn add_routes(mut route: Route, instance: &Arc<Instance>) -> Route {
    let mut paths: Vec<&'static str> = OPERATIONS.iter().map(|operation| operation.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        route = route.at(format!("{PREFIX}{path}"), endpoint(instance, Some(path)));
    }
    route.at(format!("{PREFIX}/*rest"), endpoint(instance, None))
}

fn endpoint(
    instance: &Arc<Instance>,
    path: Option<&'static str>,
) -> impl poem::Endpoint<Output = Response> + use<> {
    let instance = Arc::clone(instance);
    make(move |request| {
        let instance = Arc::clone(&instance);
        async move {
            let answer = serve(instance, path, request).await;
            respond::no_store(match answer {
                Ok(body) => respond::json(StatusCode::OK, &body),
                Err(error) => respond::json(error.status, &json!({ "error": error.message })),
            })
        }
    })
}

async fn serve(
    instance: Arc<Instance>,
    path: Option<&'static str>,
    request: Request,
) -> Result<Value, AdminError> {
    guard::check(&instance, &request)?;
    let path = path.ok_or_else(|| {
        AdminError::new(
            StatusCode::NOT_FOUND,
            "unknown operation: GET /admin lists the operations",
        )
    })?;
    let handler = OPERATIONS
        .iter()
        .find(|operation| operation.path == path && operation.method == request.method())
        .map(|operation| operation.handler)
        .ok_or_else(|| {
            let message = format!(
                "this path does not support {}: GET /admin lists the operations",
                request.method()
            );
            AdminError::new(StatusCode::METHOD_NOT_ALLOWED, message)
        })?;
    let incoming = Incoming::read(request)
        .await
        .map_err(|_| AdminError::bad_request("the body is too large or could not be read"))?;
    // Generating a key blocks long enough to delay other requests on this thread.
    tokio::task::spawn_blocking(move || handler(&instance, &incoming))
        .await
        .map_err(|error| AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

/// Parses the JSON body of an operation. An empty body is an object without members.
///
/// Requires `Content-Type: application/json`: a browser does not send it for a page of another origin without
/// a CORS preflight, which the [`guard`] rejects.
fn body<T: DeserializeOwned>(incoming: &Incoming) -> Result<T, AdminError> {
    if !incoming.has_content_type(respond::JSON) {
        let message = format!("expected the header {}: {}", header::CONTENT_TYPE, respond::JSON);
        return Err(AdminError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let members = if incoming.body().is_empty() {
        b"{}".as_slice()
    } else {
        incoming.body()
    };
    serde_json::from_slice(members).map_err(|error| AdminError::bad_request(format!("invalid body: {error}")))
}
