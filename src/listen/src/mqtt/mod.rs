//! The MQTT server: v3.1, v3.1.1 and v5 on one port. It ingests; it is not a router.
//!
//! Sockets enter; what clients publish leaves through the intake, and comes back as receipts, upon which PUBACK and PUBREC
//! are sent, never before. One task per connection, its parts in the order of the walk:
//!
//! - [`packet`]: the codec
//! - `proxy`: the header of a load balancer, before CONNECT
//! - `handshake`: CONNECT, CONNACK, the session
//! - `connection`: the loop: read, process, submit, acknowledge, write
//! - `input`: what was read and not processed
//! - `dialogue`: what each packet means
//! - `aliases`: topics by number
//! - `acks`: acknowledgements that wait for their receipts
//! - `session`, `registry`: what outlives a connection, takeover, wills
//! - `subscriptions`: `$SYS/#`
//! - `telling`: what the log says of clients
//!
//! Rules
//! - Who may come in, and what it may publish, is the business of [`locks`](crate::locks). A message under a topic that its
//!   client may not publish under is not stored: MQTT 5 is told so, and goes on; with 3.1.1, where an acknowledgement would
//!   say that it is stored, the connection ends ([MQTT-3.3.5-2] of 3.1.1). With QoS 0 it is passed over.
//! - Where clients log in, a session belongs to the client and the client id together: nobody takes over another's.
//! - RETAIN is no business of an ingest server: such a message is stored like any other.
//! - What is published below `$SYS/` is a broker's talk of itself, a bridge's state for one: acknowledged and not stored.
//! - A message that cannot be stored (unknown topic, not a number) becomes a dead letter and is acknowledged once that
//!   is durable; sending it again would not help.
//! - Of what comes again (a replay), a client of MQTT 5 says when it was received first, by the user property
//!   `genims-received-us` of its CONNECT; that stands in where a message says no time.
//! - While too many rows wait for a database, a message with more of them is not stored: MQTT 5 is told so (0x97), and goes on;
//!   with 3.1.1 what came before is acknowledged and the connection ends. With QoS 0 it becomes a dead letter.
//! - While the pipeline pushes back, or the client has sent as much as it may, the socket is read ahead up to a bound and PINGREQ is still answered; messages wait.
//! - A will fires as [`Event::ClientLost`](genims_model::Event::ClientLost); a shutdown of the server fires none.

pub mod packet;

mod acks;
mod aliases;
mod close;
mod connection;
mod dialogue;
mod end;
mod handshake;
mod input;
mod proxy;
mod registry;
mod session;
#[cfg(feature = "simulation")]
pub mod simulated;
mod subscriptions;
mod telling;
mod will;

#[cfg(test)]
mod tests;

pub use subscriptions::Statistics;

use super::accept::{self, AcceptLimits, Probes};
use super::locks::{ListenerGate, Pass, TlsOptions};
use super::notices::Notices;
use super::{Acknowledge, Decode, ListenMetrics};
use genims_model::{Protocol, SourceNo};
use genims_pipeline::intake::{Intake, IntakeBuffer};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// One MQTT listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttOptions {
    #[serde(deserialize_with = "crate::address::deserialize")]
    pub listen: SocketAddr,
    pub connections_max: usize,
    /// Of those without an account, from one address; 0 is any number.
    pub connections_per_address_max: usize,
    pub packet_bytes_max: u32,
    /// QoS 1 and 2 messages that one client may have under way. v5 clients that send more are disconnected, v3
    /// clients wait.
    pub receive_maximum: u16,
    pub topic_alias_maximum: u16,
    /// Longer keep-alives, and none at all, are shortened to this where v5 allows to say so.
    #[serde(with = "humantime_serde")]
    pub keep_alive_max: Duration,
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub session_expiry_max: Duration,
    /// Sessions kept without a connection.
    pub sessions_max: usize,
    #[serde(with = "humantime_serde")]
    pub will_delay_max: Duration,
    /// How long a client may take nothing of what is written to it.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// How long open receipts are waited for at shutdown, or after the client has closed its side.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    pub acknowledge: Acknowledge,
    /// Every connection comes through a load balancer that sends a PROXY header (version 1 or 2) first. Connections without
    /// one are refused then: anybody could name any address in it.
    pub proxy_protocol: bool,
    pub tls: Option<TlsOptions>,
    /// Listens in clear outside loopback.
    pub plaintext: bool,
    /// Where clients log in, those who show nothing are let in, too.
    pub anonymous: bool,
}

impl Default for MqttOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 1884)),
            connections_max: 20_000,
            connections_per_address_max: 0,
            packet_bytes_max: 1024 * 1024,
            receive_maximum: 4_096,
            topic_alias_maximum: 256,
            keep_alive_max: Duration::from_secs(3_600),
            connect_timeout: Duration::from_secs(5),
            session_expiry_max: Duration::from_secs(24 * 3_600),
            sessions_max: 100_000,
            will_delay_max: Duration::from_secs(3_600),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            acknowledge: Acknowledge::Durable,
            proxy_protocol: false,
            tls: None,
            plaintext: false,
            anonymous: false,
        }
    }
}

/// Small enough for any CONNECT and command; the largest that the fixed header can say.
const PACKET_BYTES_RANGE: std::ops::RangeInclusive<u32> = 1_024..=packet::wire::REMAINING_LENGTH_MAX as u32;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("packet_bytes_max is {0}; set it to 1024 or more, up to 268435455")]
    PacketBytesMax(u32),
    #[error("receive_maximum is 0, which MQTT forbids; set it to 1 or more")]
    ReceiveMaximum,
    #[error("{0} is 0; set it to a second or more")]
    ZeroDuration(&'static str),
}

impl MqttOptions {
    pub fn validate(&self) -> Result<(), ListenError> {
        if !PACKET_BYTES_RANGE.contains(&self.packet_bytes_max) {
            return Err(ListenError::PacketBytesMax(self.packet_bytes_max));
        }
        if self.receive_maximum == 0 {
            return Err(ListenError::ReceiveMaximum);
        }
        for (name, duration) in [("keep_alive_max", self.keep_alive_max), ("connect_timeout", self.connect_timeout)] {
            if duration.as_secs() == 0 {
                return Err(ListenError::ZeroDuration(name));
            }
        }
        Ok(())
    }
}

/// What the connections of one listener share.
struct Shared {
    options: MqttOptions,
    source: SourceNo,
    intake: Arc<Intake>,
    decode: Arc<dyn Decode>,
    metrics: Arc<ListenMetrics>,
    gate: Arc<ListenerGate>,
    statistics: Arc<dyn Statistics>,
    started: Instant,
    buffers: input::Buffers,
    registry: registry::Registry,
    notices: Notices,
}

impl Shared {
    fn intake_buffer(&self, caller: &telling::Caller, pass: Option<&Pass>) -> IntakeBuffer {
        let on_commit = self.options.acknowledge.waits_for_commit();
        let mut intake = self.intake.buffer(self.source, Protocol::Mqtt, on_commit);
        intake.set_client(&caller.client_id);
        intake.set_first_received(caller.first_received_us);
        intake.set_scope(pass.map(Pass::scope).unwrap_or_default());
        intake
    }

    fn picture(&self) -> subscriptions::Picture {
        let metrics = &self.metrics;
        [
            ("$SYS/broker/version", format!("GenIMS {}", env!("CARGO_PKG_VERSION"))),
            ("$SYS/broker/uptime", format!("{} seconds", self.started.elapsed().as_secs())),
            ("$SYS/broker/clients/connected", metrics.connections_open.load(Ordering::Relaxed).to_string()),
            ("$SYS/broker/messages/received", metrics.messages_total.load(Ordering::Relaxed).to_string()),
            ("$SYS/broker/readings/received", self.statistics.readings_received().to_string()),
        ]
    }
}

/// Serves until `shutdown` is cancelled; then accepts and reads no more, waits (bounded) for open receipts, sends the last
/// acknowledgements and, to v5 clients, DISCONNECT. `source` is this listener's number in the accounts of `intake`.
#[expect(clippy::too_many_arguments, reason = "called once, by the file that joins the rooms")]
pub async fn serve(
    listener: TcpListener,
    options: MqttOptions,
    intake: Arc<Intake>,
    decode: Arc<dyn Decode>,
    source: SourceNo,
    gate: Arc<ListenerGate>,
    statistics: Arc<dyn Statistics>,
    shutdown: CancellationToken,
) -> Result<(), ListenError> {
    options.validate()?;
    let limits = AcceptLimits {
        connections_max: options.connections_max,
        // Two bounded waits more: the last write and the peer's close.
        drain_timeout: options.drain_timeout + 3 * close::LINGER,
        probes: Probes::default(),
    };
    let registry = registry::Registry::new(options.sessions_max);
    let metrics = gate.metrics.clone();
    let shared = Arc::new(Shared {
        options,
        source,
        intake,
        decode,
        metrics: metrics.clone(),
        gate,
        statistics,
        started: Instant::now(),
        buffers: input::Buffers::default(),
        registry,
        notices: Notices::default(),
    });
    let serve = |stream| connection::serve(stream, shared.clone(), shutdown.child_token());
    let refuse = |stream| handshake::refuse_busy(stream, shared.clone());
    let accepting = accept::run(listener, limits, metrics, shutdown.clone(), serve, refuse);
    tokio::join!(accepting, registry::keep(&shared, shutdown.clone()));
    Ok(())
}
