//! Routes that only the start page of a demo uses. They need a token, which the page has.

use std::sync::{Arc, Weak};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use local_clerk::LocalClerk;
use poem::{
    IntoResponse, Request, Response,
    endpoint::make,
    error::{InternalServerError, ServiceUnavailable},
    post,
    web::Json,
};
use serde_json::json;

use super::broken::BrokenRequests;
use crate::{app::AppBuilder, digest};

/// Adds the routes to `app`.
pub(super) fn add<'a, H>(
    app: AppBuilder<'a, H>,
    broken: BrokenRequests,
    clerk: &Arc<LocalClerk>,
) -> AppBuilder<'a, H> {
    let (broken, clerk) = (Arc::new(broken), Arc::downgrade(clerk));
    let outage = make(move |_| outage(Arc::clone(&broken), Weak::clone(&clerk)));
    // Browsers compute SHA-256 only in a secure context. A page that another machine loads over http is not in
    // one.
    let challenge = make(|mut request: Request| async move {
        let verifier = request.take_body().into_bytes_limit(MAX_VERIFIER).await?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest::sha256(&verifier));
        Ok::<_, poem::Error>(Json(json!({ "challenge": challenge })))
    });
    app.protect("/demo/outage", post(outage))
        .protect("/demo/code-challenge", post(challenge))
}

async fn outage(broken: Arc<BrokenRequests>, clerk: Weak<LocalClerk>) -> poem::Result<Response> {
    let clerk = clerk.upgrade().ok_or_else(|| ServiceUnavailable(Stopped))?;
    let request = broken.during_outage(&clerk).await.map_err(InternalServerError)?;
    Ok(Json(request).into_response())
}

/// The demo is shutting down.
#[derive(Debug, thiserror::Error)]
#[error("the local Clerk has stopped")]
struct Stopped;

/// The longest code verifier (RFC 7636 §4.1).
const MAX_VERIFIER: usize = 128;
