//! The HTTP side: `/metrics`, `/stats`, `/healthz`, `/readyz`. Reads only.

use super::prometheus;
use super::report::Observe;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    observer: Arc<dyn Observe>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(Seen { registry: Arc::new(prometheus::registry(observer.clone())), observer });
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the server is ending too.
            shutdown.cancelled().await;
        })
        .await
}

#[derive(Clone)]
struct Seen {
    observer: Arc<dyn Observe>,
    registry: Arc<Registry>,
}

async fn index() -> &'static str {
    "GenIMS ingest server\n\n/metrics  OpenMetrics text\n/stats    JSON\n/healthz  alive\n/readyz   can accept durably\n"
}

async fn metrics(State(seen): State<Seen>) -> impl IntoResponse {
    let mut page = String::with_capacity(16_384);
    match encode(&mut page, &seen.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::CONTENT_TYPE)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn stats(State(seen): State<Seen>) -> impl IntoResponse {
    Json(seen.observer.report())
}

/// Ready means: the spool takes data. A database that is down does not make the server unready; below the verdict stands
/// what keeps each sink from following, and which clock is wrong.
async fn ready(State(seen): State<Seen>) -> impl IntoResponse {
    let report = seen.observer.report();
    let away = report.sinks.iter().filter(|sink| !sink.connected);
    let sinks: String = away
        .map(|sink| {
            format!("sink {}: {}: {}\n", sink.name, sink.state, sink.last_error.as_deref().unwrap_or("no error"))
        })
        .collect();
    let clocks = report.clocks.iter().filter_map(|clock| clock.complaint.as_ref());
    let clocks: String = clocks.map(|complaint| format!("clock: {complaint}\n")).collect();
    match report.not_ready_because {
        None => (StatusCode::OK, format!("ready\n{sinks}{clocks}")),
        Some(cause) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {cause}\n{sinks}{clocks}")),
    }
}
