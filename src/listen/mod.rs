//! A socket accepts bytes; each connection decodes what one read brought into its own
//! [`IntakeBuffer`](crate::pipeline::intake::IntakeBuffer), submits it under one receipt, and acknowledges once the receipt
//! has settled, never before.
//!
//! - [`mqtt`]: an MQTT server, v3.1.1 and v5, that ingests what is published
//! - [`tcp`]: our binary frames with cumulative acknowledgements
//! - [`line`]: Influx line protocol, which knows no acknowledgement
//! - [`bridge`]: an MQTT client of an existing broker
//! - [`accept`]: taking connections from a TCP socket, shared by the listeners

pub mod accept;
pub mod bridge;
pub mod line;
pub mod mqtt;
pub mod tcp;

#[cfg(test)]
mod trial;

use crate::pipeline::intake::IntakeBuffer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// One published message becomes staged records; what is wrong with it becomes dead letters. Never fails as a whole.
pub trait Decode: Send + Sync {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer);
}

/// What one listener has seen since the start. Read by `ops`; relaxed order, each counter is exact by itself.
#[derive(Debug, Default)]
pub struct ListenMetrics {
    pub connections_open: AtomicU64,
    pub connections_total: AtomicU64,
    /// Turned away: too many connections, no handshake in time, taken over.
    pub refused_total: AtomicU64,
    /// Read from sockets.
    pub bytes_total: AtomicU64,
    /// Frames, lines or publishes with records.
    pub messages_total: AtomicU64,
    pub acks_total: AtomicU64,
    pub protocol_errors_total: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// The wall clock, microseconds since 1970 UTC.
pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_micros() as i64)
}

/// Resolves when `shutdown` is true, or its sender is gone, which means the same. Cancel-safe.
pub(crate) async fn until_shutdown(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|down| *down).await;
}
