//! One line on the log every ten seconds: rates, the identity, lags, latencies.

use super::report::{Observe, ServerReport};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub const EVERY: Duration = Duration::from_secs(10);

/// Writes lines until `shutdown` is cancelled.
pub async fn run(observer: Arc<dyn Observe>, shutdown: CancellationToken) {
    let mut before = (Instant::now(), observer.report());
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        let now = (Instant::now(), observer.report());
        write(&before.1, &now.1, now.0.duration_since(before.0).as_secs_f64());
        before = now;
    }
}

fn write(before: &ServerReport, now: &ServerReport, seconds: f64) {
    let rate = |now: u64, before: u64| ((now.saturating_sub(before)) as f64 / seconds).round() as u64;
    let sinks: Vec<String> = now
        .sinks
        .iter()
        .map(|sink| format!("{}: lag {} ({:.1} s)", sink.name, sink.lag_records, sink.lag_seconds))
        .collect();
    let total = &now.total;
    tracing::info!(
        received_per_s = rate(total.received, before.total.received),
        committed_per_s = rate(total.committed, before.total.committed),
        received = total.received,
        committed = total.committed,
        duplicate = total.duplicate,
        dead_lettered = total.dead_lettered,
        dropped = total.dropped,
        in_flight = total.in_flight,
        identity = now.identity_holds,
        durable_p99_ms = now.spool.receive_to_durable_ms.p99,
        sinks = sinks.join(", "),
        "throughput"
    );
}
