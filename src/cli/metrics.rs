//! The second listener, which serves `/metrics` to Prometheus. MCP clients do not need to reach it.

use std::{net::SocketAddr, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use poem::{EndpointExt, Route, endpoint::make_sync, get, middleware::SetHeader};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::error::Failure;
use crate::{
    app::ListenError,
    http::{ServerLimits, serve as serve_endpoint},
};

/// Starts to collect metrics, and serves them on `address` until the returned handle is dropped.
pub(super) async fn serve(address: SocketAddr) -> Result<AbortOnDropHandle<()>, Failure> {
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
    let collected = recorder.clone();
    let metrics = make_sync(move |_| recorder.render())
        .with(SetHeader::new().overriding("content-type", "text/plain; version=0.0.4; charset=utf-8"));
    let endpoint = Route::new().at("/metrics", get(metrics)).boxed();
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
