//! A socket accepts bytes; each connection decodes what one read brought into its own
//! [`IntakeBuffer`](genims_pipeline::intake::IntakeBuffer), submits it under one receipt, and acknowledges once the receipt
//! has settled, never before.
//!
//! - [`mqtt`]: an MQTT server, v3.1.1 and v5, that ingests what is published
//! - [`tcp`]: our binary frames with cumulative acknowledgements
//! - [`line`]: Influx line protocol, which knows no acknowledgement
//! - [`bridge`]: an MQTT client of an existing broker
//! - [`accept`]: taking connections from a TCP socket, shared by the listeners
//! - [`address`]: how a listener's address is written
//! - [`locks`]: TLS, clients and what they may send
//! - [`talkers`]: who sends how much
//! - `topic`: filters of topics
//! - `notices`: what clients do wrong over and over, told once in a while

pub mod accept;
pub mod address;
pub mod bridge;
pub mod line;
pub mod locks;
pub mod mqtt;
pub mod talkers;
pub mod tcp;

mod notices;
mod resends;
mod topic;

#[cfg(test)]
mod trial;

use genims_pipeline::intake::IntakeBuffer;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use talkers::Talkers;

/// One published message becomes staged records; what is wrong with it becomes dead letters. Never fails as a whole.
pub trait Decode: Send + Sync {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer);
}

/// When a listener acknowledges: PUBACK and PUBREC, ACK of the frame protocol, PUBACK and PUBREC to a bridged broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledge {
    /// After the fsync of the spool.
    #[default]
    Durable,
    /// After the PostgreSQL commit.
    Committed,
}

impl Acknowledge {
    pub fn waits_for_commit(self) -> bool {
        self == Self::Committed
    }
}

/// What one listener has seen since the start. Read by `ops`; relaxed order, each counter is exact by itself.
#[derive(Debug, Default)]
pub struct ListenMetrics {
    pub connections_open: AtomicU64,
    pub connections_total: AtomicU64,
    /// Turned away: too many connections, no handshake in time, taken over, not the PROXY header that is due.
    pub refused_total: AtomicU64,
    /// Read from sockets.
    pub bytes_total: AtomicU64,
    /// Frames, lines or publishes with records.
    pub messages_total: AtomicU64,
    pub acks_total: AtomicU64,
    pub protocol_errors_total: AtomicU64,
    /// Connections of the frame protocol that began at or below the sequence that WELCOME had told.
    pub sequence_regressions_total: AtomicU64,
    /// TLS handshakes that failed: no certificate, a revoked one, plain text.
    pub handshakes_refused_total: AtomicU64,
    /// Clients that were not let in.
    pub logins_refused_total: AtomicU64,
    /// Messages under topics that their client may not publish under.
    pub denied_total: AtomicU64,
    /// Connections ended because their client may no longer be in.
    pub evicted_total: AtomicU64,
    /// Waits of connections whose client had sent as much as it may.
    pub rate_limited_total: AtomicU64,
    pub talkers: Arc<Talkers>,
}

/// Whether a topic is one under which a broker publishes its own state, a bridge's connection among it. No device speaks
/// there: such messages are acknowledged and not taken.
pub(crate) fn is_broker_state(topic: &[u8]) -> bool {
    topic.starts_with(b"$SYS/")
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}
