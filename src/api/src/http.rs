//! The HTTP side: `/metrics`, `/stats`, `/healthz`, `/readyz`. Reads only.

use super::prometheus;
use super::report::Observe;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves until `shutdown` turns true.
pub async fn serve(
    listener: TcpListener,
    observer: Arc<dyn Observe>,
    mut shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(observer);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the server is ending too.
            let _ = shutdown.wait_for(|stop| *stop).await;
        })
        .await
}

async fn index() -> &'static str {
    "GenIMS ingest server\n\n/metrics  Prometheus text\n/stats    JSON\n/healthz  alive\n/readyz   can accept durably\n"
}

async fn metrics(State(observer): State<Arc<dyn Observe>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], prometheus::render(&observer.report()))
}

async fn stats(State(observer): State<Arc<dyn Observe>>) -> impl IntoResponse {
    Json(observer.report())
}

/// Ready means: the spool takes data. A database that is down does not make the server unready; below the verdict stands
/// what keeps each sink from following, and which clock is wrong.
async fn ready(State(observer): State<Arc<dyn Observe>>) -> impl IntoResponse {
    let report = observer.report();
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
