//! [`AdminListener`]: the second listener (`ADMIN_ADDR`) for operators, with `/metrics` and the health probes.
//! It answers even while the first listener is busy. MCP clients do not need to reach it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use poem::{
    Endpoint, EndpointExt, IntoResponse, Request, Response, Result,
    endpoint::make_sync,
    get,
    http::{StatusCode, header},
    middleware::SetHeader,
};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::error::Failure;
use crate::{
    app::ListenError,
    http::{ServerLimits, serve as serve_endpoint},
    public::{Health, health_routes},
};

/// The listener, and the metrics that it will serve.
pub(super) struct AdminListener {
    listener: TcpListener,
    recorder: PrometheusHandle,
}

impl AdminListener {
    /// Starts to collect metrics, and listens on `address`.
    pub(super) async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(
                Matcher::Full("clerk_mcp_token_verification_seconds".to_owned()),
                &VERIFICATION_BUCKETS,
            )?
            .install_recorder()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| ListenError::new(address, "ADMIN_ADDR", error))?;
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        Ok(Self { listener, recorder })
    }

    /// Serves the metrics and `health` until the returned handle is dropped.
    pub(super) fn serve(self, health: Arc<Health>) -> AbortOnDropHandle<()> {
        let Self { listener, recorder } = self;
        let collected = recorder.clone();
        let tasks = Handle::current().metrics();
        let metrics = make_sync(move |_| {
            let tasks = u32::try_from(tasks.num_alive_tasks()).unwrap_or(u32::MAX);
            metrics::gauge!("clerk_mcp_tasks").set(tasks);
            recorder.render()
        })
        .with(SetHeader::new().overriding("content-type", "text/plain; version=0.0.4; charset=utf-8"))
        .around(check_host);
        let endpoint = health_routes(health).at("/metrics", get(metrics)).boxed();
        let limits = ServerLimits::new(16, Duration::ZERO);
        AbortOnDropHandle::new(tokio::spawn(async move {
            // The recorder keeps every sample until upkeep runs or the metrics are read. Without upkeep,
            // memory would grow while no Prometheus reads them.
            let upkeep = async {
                loop {
                    tokio::time::sleep(UPKEEP_EVERY).await;
                    collected.run_upkeep();
                }
            };
            let serving = serve_endpoint(listener, endpoint, limits, std::future::pending());
            tokio::select! {
                outcome = serving => {
                    if let Err(error) = outcome {
                        tracing::error!(%error, "metrics are no longer served");
                    }
                }
                () = upkeep => {}
            }
        }))
    }
}

/// Rejects requests whose `Host` is a name with a dot. In a DNS rebinding attack, the attacker's domain is
/// such a name. Prometheus uses an IP address, `localhost`, or the name of a container.
async fn check_host(metrics: Arc<impl Endpoint>, request: Request) -> Result<Response> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    };
    let Some(url) = host.and_then(|host| Url::parse(&format!("http://{host}/")).ok()) else {
        return Ok((
            StatusCode::BAD_REQUEST,
            "Exactly one valid Host header is required\n",
        )
            .into_response());
    };
    match url.host() {
        Some(Host::Domain(name)) if name.contains('.') => Ok((
            StatusCode::FORBIDDEN,
            "Host not allowed: use an IP address or a name without dots\n",
        )
            .into_response()),
        _ => metrics.call(request).await.map(IntoResponse::into_response),
    }
}

/// In seconds: from a token in the cache (microseconds) to a token that Clerk has to verify (seconds).
const VERIFICATION_BUCKETS: [f64; 9] = [
    0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002_5, 0.01, 0.1, 1.0, 5.0,
];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
