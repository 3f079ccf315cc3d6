//! Liveness and readiness. Neither calls Clerk: an outage of Clerk must not make an orchestrator restart
//! healthy servers.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

#[cfg(feature = "cli")]
use poem::{IntoResponse, Route, endpoint::make_sync, get};
use poem_openapi::{ApiResponse, Object, payload::Json};

use crate::clerk::SecretKeyState;
#[cfg(feature = "cli")]
use crate::paths;

/// The state that `/readyz` reports: whether keys are available, the secret key is valid, and the server is
/// draining.
pub struct Health {
    holds_keys: Box<dyn Fn() -> bool + Send + Sync>,
    secret_key: Arc<SecretKeyState>,
    draining: AtomicBool,
}

impl Health {
    /// Creates the state of a server. `holds_keys` returns whether signing keys are available, and
    /// `secret_key` holds the result of the last probe of the secret key.
    pub(crate) fn new(
        holds_keys: impl Fn() -> bool + Send + Sync + 'static,
        secret_key: Arc<SecretKeyState>,
    ) -> Self {
        Self {
            holds_keys: Box::new(holds_keys),
            secret_key,
            draining: AtomicBool::new(false),
        }
    }

    /// Marks the server as shutting down: `/readyz` returns 503 from now on, so that load balancers stop
    /// sending requests.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn ready(&self) -> ReadinessResponse {
        let keys = (self.holds_keys)();
        let draining = self.draining.load(Ordering::Relaxed);
        let misconfiguration = self.secret_key.misconfiguration();
        let ready = keys && misconfiguration.is_none() && !draining;
        let readiness = Readiness {
            status: if ready { "ready" } else { "not ready" }.to_owned(),
            keys: if keys {
                "held"
            } else {
                "none: Clerk's key set is not available"
            }
            .to_owned(),
            secret_key: misconfiguration
                .map_or("good", |one| one.reason().as_str())
                .to_owned(),
            shutdown: if draining { "draining" } else { "no" }.to_owned(),
        };
        if ready {
            ReadinessResponse::Ready(Json(readiness))
        } else {
            ReadinessResponse::NotReady(Json(readiness))
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

/// Returns `/healthz` and `/readyz` alone, for a second listener.
#[cfg(feature = "cli")]
pub(crate) fn health_routes(health: Arc<Health>) -> Route {
    let ready = make_sync(move |_| health.ready().into_response());
    Route::new()
        .at(
            paths::HEALTHZ,
            get(make_sync(|_| Json(Alive::new()).into_response())),
        )
        .at(paths::READYZ, get(ready))
}

/// The process is running.
#[derive(Object)]
pub(crate) struct Alive {
    /// Always `alive`.
    status: String,
}

impl Alive {
    pub(super) fn new() -> Self {
        Self {
            status: "alive".to_owned(),
        }
    }
}

/// The response of `/readyz`.
#[derive(ApiResponse)]
pub(crate) enum ReadinessResponse {
    /// The server is ready for requests.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// The server is not ready for requests.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

/// The status of each part that readiness depends on.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Readiness {
    /// `ready` or `not ready`.
    status: String,
    /// Whether the keys for verifying tokens are available: `held`, or the reason why not.
    keys: String,
    /// `good` (also before the first probe), `secret-key-invalid` or `secret-key-of-another-application`.
    secret_key: String,
    /// Whether the server is shutting down: `draining` or `no`.
    shutdown: String,
}
