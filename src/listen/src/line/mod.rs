//! Influx line protocol over TCP, as Telegraf's `socket_writer` and many gateways send it: lines, each ended by a newline.
//!
//! The protocol knows no acknowledgement: what is read is taken, and what the server has not read when it dies is the
//! sender's to know. Push-back is the only answer there is: while the pipeline has no room the socket is not read.
//!
//! - [`lines`]: cuts the stream into blocks of whole lines, however the network cut it
//! - [`room`]: bounds what all connections keep of lines that are too long
//! - [`connection`]: one connection, from accept to the last line

mod connection;
mod lines;
mod room;
#[cfg(feature = "simulation")]
pub mod simulated;

#[cfg(test)]
mod tests;

use super::ListenMetrics;
use super::accept::{self, AcceptError, AcceptLimits, Probes, bind};
use super::locks::{ListenerGate, TlsOptions};
use genims_decode::timestamp::Unit;
use genims_model::SourceNo;
use genims_pipeline::intake::Intake;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// One line protocol listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineOptions {
    #[serde(deserialize_with = "crate::address::deserialize")]
    pub listen: SocketAddr,
    pub connections_max: usize,
    /// Of those without an account, from one address; 0 is any number.
    pub connections_per_address_max: usize,
    /// What the timestamps count. Without it their digits tell: see [`genims_decode::timestamp`].
    pub precision: Option<Unit>,
    /// Longer lines are set aside as dead letters, of which [`PAYLOAD_KEPT_BYTES_MAX`](genims_model::dead_letter::PAYLOAD_KEPT_BYTES_MAX) are kept.
    pub line_bytes_max: usize,
    /// Longer than any flush interval in use: a sender whose idle connection was closed loses its next write.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long lines already read are waited for at shutdown.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    pub tls: Option<TlsOptions>,
    /// Listens in clear outside loopback.
    pub plaintext: bool,
    /// Where clients log in, those who show no certificate are let in, too: the protocol has no other way.
    pub anonymous: bool,
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            // The port of Telegraf's own socket_listener.
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8094)),
            connections_max: 1_000,
            connections_per_address_max: 0,
            precision: None,
            line_bytes_max: 64 * 1024,
            idle_timeout: Duration::from_secs(15 * 60),
            drain_timeout: Duration::from_secs(5),
            tls: None,
            plaintext: false,
            anonymous: false,
        }
    }
}

/// What all connections of a listener keep of lines that are too long, as long as these are on their way: beyond it less is
/// kept of each.
const HEADS_BYTES_MAX: usize = 32 << 20;

/// What the connections of one listener share.
struct Shared {
    options: LineOptions,
    source: SourceNo,
    intake: Arc<Intake>,
    metrics: Arc<ListenMetrics>,
    heads: Arc<room::Room>,
    gate: Arc<ListenerGate>,
}

/// A bound listener, ready to serve.
pub struct LineServer {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl LineServer {
    /// `source`: this listener's number in the accounts of `intake`.
    pub async fn bind(
        options: LineOptions,
        source: SourceNo,
        intake: Arc<Intake>,
        gate: Arc<ListenerGate>,
    ) -> Result<Self, AcceptError> {
        let listener = bind(options.listen).await?;
        let (metrics, heads) = (gate.metrics.clone(), room::Room::new(HEADS_BYTES_MAX));
        Ok(Self { listener, shared: Arc::new(Shared { options, source, intake, metrics, heads, gate }) })
    }

    /// The address, with the port that the system chose where the options say 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is cancelled; then reads no more and waits (bounded) until what was read is durable.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { listener, shared } = self;
        let limits = AcceptLimits {
            connections_max: shared.options.connections_max,
            drain_timeout: shared.options.drain_timeout + Duration::from_secs(1),
            probes: Probes::default(),
        };
        let serve = |stream| connection::accept(stream, shared.clone(), shutdown.child_token());
        // There is no word for "no" in this protocol.
        let refuse = |stream| async move { drop(stream) };
        accept::run(listener, limits, shared.metrics.clone(), shutdown.clone(), serve, refuse).await;
    }
}
