//! Alive and ready. Neither asks Clerk: an outage there must not make an orchestrator restart healthy servers.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use poem_openapi::{ApiResponse, Object, payload::Json};

use crate::clerk::SecretKeyState;

/// The state that readiness is told from.
pub struct Health {
    holds_keys: Box<dyn Fn() -> bool + Send + Sync>,
    secret_key: Arc<SecretKeyState>,
    draining: AtomicBool,
}

impl Health {
    /// Health of a server whose keys are there when `holds_keys` says so, and whose secret key is what `secret_key` says.
    pub fn new(
        holds_keys: impl Fn() -> bool + Send + Sync + 'static,
        secret_key: Arc<SecretKeyState>,
    ) -> Self {
        Self {
            holds_keys: Box::new(holds_keys),
            secret_key,
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
        let misconfiguration = self.secret_key.misconfiguration();
        let ready = keys && misconfiguration.is_none() && !draining;
        let readiness = Readiness {
            status: if ready { "ready" } else { "not ready" }.to_owned(),
            keys: if keys {
                "held"
            } else {
                "none yet: Clerk's key set could not be fetched so far"
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

/// Answer of `/healthz`.
#[derive(ApiResponse)]
pub(crate) enum HealthResponse {
    /// The process answers.
    #[oai(status = 200)]
    Alive(Json<Alive>),
}

/// The process answers.
#[derive(Object)]
pub(crate) struct Alive {
    /// Always `alive`.
    status: String,
}

/// Answer of `/readyz`.
#[derive(ApiResponse)]
pub(crate) enum ReadinessResponse {
    /// Requests can be served.
    #[oai(status = 200)]
    Ready(Json<Readiness>),
    /// Requests can't be served now.
    #[oai(status = 503)]
    NotReady(Json<Readiness>),
}

/// The parts that readiness stands on.
#[derive(Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Readiness {
    /// `ready` or `not ready`.
    status: String,
    /// Whether the keys are held that tokens are verified with.
    keys: String,
    /// `good`, also before the first probe of it, or what is wrong: `secret-key-invalid`,
    /// `secret-key-of-another-application`.
    secret_key: String,
    /// Whether the server is shutting down.
    shutdown: String,
}
