//! Alive and ready. Neither asks Clerk: an outage there must not make an orchestrator restart healthy servers.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use poem_openapi::{ApiResponse, Object, payload::Json};

/// The state that readiness is told from.
pub struct Health {
    holds_keys: Box<dyn Fn() -> bool + Send + Sync>,
    draining: AtomicBool,
}

impl Health {
    /// Health of a server whose keys are there when `holds_keys` says so.
    pub fn new(holds_keys: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            holds_keys: Box::new(holds_keys),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on the server is not ready, so that no new requests are sent its way.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    #[expect(clippy::unused_self, reason = "the counterpart of ready()")]
    pub(super) fn alive(&self) -> HealthResponse {
        HealthResponse::Alive(Json(Alive {
            status: "alive".to_owned(),
        }))
    }

    pub(super) fn ready(&self) -> ReadinessResponse {
        let keys = (self.holds_keys)();
        let draining = self.draining.load(Ordering::Relaxed);
        let ready = keys && !draining;
        let readiness = Readiness {
            status: if ready { "ready" } else { "not ready" }.to_owned(),
            keys: if keys {
                "held"
            } else {
                "none yet: Clerk's key set could not be fetched so far"
            }
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

/// Answer of `/healthz`.
#[derive(ApiResponse)]
pub enum HealthResponse {
    /// The process answers.
    #[oai(status = 200)]
    Alive(Json<Alive>),
}

/// The process answers.
#[derive(Object)]
pub struct Alive {
    /// Always `alive`.
    status: String,
}

/// Answer of `/readyz`.
#[derive(ApiResponse)]
pub enum ReadinessResponse {
    /// Requests can be served.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Requests can't be served now.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

/// The parts that readiness stands on.
#[derive(Object)]
pub struct Readiness {
    /// `ready` or `not ready`.
    status: String,
    /// Whether the keys are held that tokens are verified with.
    keys: String,
    /// Whether the server is shutting down.
    shutdown: String,
}
