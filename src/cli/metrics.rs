//! The second listener, which serves `/metrics` to Prometheus, and `/healthz` and `/readyz` to orchestrators. MCP
//! clients do not need to reach it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use poem::{EndpointExt, Route, endpoint::make_sync, get, middleware::SetHeader};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::{error::Failure, process};
use crate::{
    http::{ServerLimits, serve as serve_endpoint},
    paths,
    public::{Health, HealthResponse},
};

/// Starts to collect metrics. Call it once per process, before the server is built.
pub(super) fn collect() -> Result<PrometheusHandle, Failure> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full("clerk_mcp_token_verification_seconds".to_owned()),
            &VERIFICATION_BUCKETS,
        )?
        .install_recorder()?)
}

/// Serves the metrics and the health of the server on `address` until the returned handle is dropped.
///
/// Unlike the main listener, this one accepts every `Host`: Kubernetes probes with the address of the pod.
pub(super) async fn serve(
    address: SocketAddr,
    recorder: PrometheusHandle,
    health: Arc<Health>,
) -> Result<AbortOnDropHandle<()>, Failure> {
    let listener = process::bind(address, |_| "ADMIN_ADDR").await?;
    tracing::info!(address = %listener.local_addr()?, "serving metrics");
    let collected = recorder.clone();
    let tasks = Handle::current().metrics();
    let metrics = make_sync(move |_| {
        let tasks = u32::try_from(tasks.num_alive_tasks()).unwrap_or(u32::MAX);
        metrics::gauge!("clerk_mcp_tasks").set(tasks);
        recorder.render()
    })
    .with(SetHeader::new().overriding("content-type", "text/plain; version=0.0.4; charset=utf-8"));
    let endpoint = Route::new()
        .at("/metrics", get(metrics))
        .at(paths::HEALTHZ, get(make_sync(|_| HealthResponse::alive())))
        .at(paths::READYZ, get(make_sync(move |_| health.ready())))
        .boxed();
    let limits = ServerLimits::new(16, Duration::ZERO);
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        // The recorder keeps every sample until upkeep runs or the metrics are read. Without this task,
        // memory would grow while no Prometheus reads them.
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                collected.run_upkeep();
            }
        };
        let serving = serve_endpoint(listener, endpoint, limits, upkeep);
        if let Err(error) = serving.await {
            tracing::error!(%error, "metrics are no longer served");
        }
    })))
}

/// In seconds: from a token in the cache (microseconds) to a token that Clerk has to verify (seconds).
const VERIFICATION_BUCKETS: [f64; 9] = [
    0.000_005, 0.000_02, 0.000_1, 0.000_5, 0.002_5, 0.01, 0.1, 1.0, 5.0,
];
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
