//! The frame protocol: batches of readings over TCP, acknowledged once they are durable. This header is its
//! specification; a client needs nothing else.
//!
//! # Frames
//!
//! Both sides send frames, one behind the other. All integers are little-endian.
//!
//! | offset | bytes | header field |
//! |---|---|---|
//! | 0 | 2 | magic `47 46` ("GF") |
//! | 2 | 1 | version, 1 |
//! | 3 | 1 | type |
//! | 4 | 4 | body_bytes: what follows the header |
//! | 8 | 4 | crc32: CRC-32/ISO-HDLC (zlib's, Ethernet's; reflected polynomial EDB88320, start and final xor FFFFFFFF) over header bytes 0..8 and then the body |
//!
//! | type | name | from | body |
//! |---|---|---|---|
//! | 1 | HELLO | client | client_id_bytes u16, client_id UTF-8 (1 to 128 bytes); to log in also name_bytes u16, name UTF-8 (1 to 128 bytes), secret_bytes u16, secret (up to 1,024 bytes) |
//! | 2 | WELCOME | server | last_sequence u64, body_bytes_max u32, in_flight_max u32 |
//! | 3 | DATA | client | see below |
//! | 4 | ACK | server | sequence u64: everything up to and including it is durable |
//! | 5 | REFUSE | server | sequence u64 (0: none), code u16, message_bytes u16, message UTF-8; the server closes |
//! | 6 | PING | client | empty |
//! | 7 | PONG | server | empty |
//!
//! DATA, in this order:
//!
//! | bytes | field |
//! |---|---|
//! | 8 | sequence u64 |
//! | 8 | base_us i64: microseconds since 1970-01-01 UTC |
//! | 2 | names u16: how many entries follow |
//! | 3 + n each | handle u16, length u8, sensor id UTF-8: from here on, on this connection, the handle means this sensor |
//! | 4 | count u32: how many records follow |
//! | 16 each | handle u16, quality u8 (0 good, 1 uncertain, 2 bad), kind u8 (0: value is f64, 1: value is i64), delta_us i32 (time = base_us + delta_us), value (8 bytes) |
//!
//! REFUSE codes: 1 malformed; 2 frame larger than body_bytes_max; 3 protocol error (no HELLO first, sequence gap, too many
//! names); 4 the spool is full and drops by policy, or too many rows wait for the database of ROWS: frames from `sequence` on were
//! not stored; 5 busy; 6 a newer connection uses the client id; 7 not let in, or no longer. After 1, 2, 3: mend the client. After
//! 4, 5, 7: connect again later, pauses growing to a minute or so, with some randomness. After 6: two programs use one client id.
//!
//! # Rules for clients
//!
//! 1. Connect, send HELLO within five seconds, wait for WELCOME. A client id names one stream of frames for good; give
//!    every program its own.
//! 2. Number DATA frames 1, 2, 3 ... for each client id, without gaps, also across connections. Keep every frame until an
//!    ACK covers it.
//! 3. After WELCOME drop the frames up to last_sequence: they are durable. Then send the kept rest, oldest first, under
//!    their old sequences, then new ones. A client that has kept nothing goes on at last_sequence + 1. If all kept
//!    frames lie above last_sequence + 1 (the server may remember less than it has acknowledged), just send them: a
//!    connection's first DATA may leave a gap (of 2^32 frames at most, and up to 2^39), no other may. Sequences beyond 2^40
//!    are refused. A client that has lost its count goes on at last_sequence + 1, too. One that begins below all the same
//!    counts anew where its first DATA lies more than twice in_flight_max, and more than 4,096, below last_sequence: nobody
//!    has so many frames without ACK. Nearer, its frames cannot be told from frames sent again (rule 6): they are
//!    acknowledged and not stored until it has passed last_sequence. The server's log and
//!    `genims_sequence_regressions_total` tell of either.
//! 4. Handles are forgotten with the connection. Sensors used in frames sent again must be named again: send the names
//!    with a frame's first use of them on each connection, or simply in every frame.
//! 5. Have at most in_flight_max frames without ACK. The server reads no further anyway. ACKs are cumulative: one may
//!    cover hundreds of frames.
//! 6. A frame sent again under a sequence that the server has seen is counted as duplicate, not stored, and
//!    acknowledged (again) once durable, whatever it holds: never give a used sequence to other readings.
//! 7. A record that cannot be stored (unknown sensor, not finite, too large) is set aside with its reason and does not
//!    refuse its frame: ACK then means "kept, or set aside durably".
//! 8. Send PING when idle; a connection that is silent for `idle_timeout` (two minutes) with nothing in flight is
//!    closed. PONG comes also while the server pushes back, or the client has sent as much as it may, unless over 512 KiB
//!    of frames stand before the PING. No PONG for a while: connect again; the newer connection takes the client id over.
//! 9. Where the server lets in whom it knows, HELLO carries a name and a secret that `genims client add` has given, or TLS a
//!    certificate of that name. Client ids count for each name by themselves.
//! 10. Gather readings: frames of 100 to 10,000 records cost the least. Integers beyond 2^53 do not fit the store.
//!
//! # Example
//!
//! Client `plc-7` sends 21.5 and, 100 ms later, 22 for sensor `TEMP-0042` from 2026-01-01 00:00:00 UTC on.
//!
//! ```text
//! HELLO    47 46 01 01 07 00 00 00 e4 46 46 58 | 05 00 | 70 6c 63 2d 37
//! WELCOME  47 46 01 02 10 00 00 00 77 08 f0 4b | 00 00 00 00 00 00 00 00 | 00 00 10 00 | 00 04 00 00
//! DATA     47 46 01 03 42 00 00 00 ae 77 6d a6 | 01 00 00 00 00 00 00 00 | 00 40 20 46 48 47 06 00
//!          01 00 | 07 00 09 54 45 4d 50 2d 30 30 34 32
//!          02 00 00 00 | 07 00 00 00 00 00 00 00 00 00 00 00 00 80 35 40
//!                      | 07 00 00 01 a0 86 01 00 16 00 00 00 00 00 00 00
//! ACK      47 46 01 04 08 00 00 00 d5 17 2d 40 | 01 00 00 00 00 00 00 00
//! PING     47 46 01 06 00 00 00 00 db 72 bd 25
//! PONG     47 46 01 07 00 00 00 00 6b 5b dd 18
//! ```
//!
//! # How the server keeps its word
//!
//! ACK leaves when the receipts of all rounds up to the sequence have settled. A [`Mark`](genims_model::Mark) with the
//! sequence enters the spool *after* that, with the client's next frames or alone after a pause: a mark in the same round
//! could become durable before the round's other shards, and WELCOME would tell more than is stored. After a crash the
//! marks may therefore lag behind; what the client sends again is then found by the shards' memory of readings.

mod connection;
mod handshake;
mod progress;
mod refusal;
mod sequence;
#[cfg(feature = "simulation")]
pub mod simulated;
mod wire;

#[cfg(test)]
mod tests;

pub use progress::{CLIENTS_MAX, Progress};

use super::accept::{self, AcceptError, AcceptLimits, Probes};
use super::locks::{ListenerGate, TlsOptions};
use super::notices::Notices;
use super::{Acknowledge, ListenMetrics, accept::bind};
use genims_model::{Accounts, SourceNo};
use genims_pipeline::intake::Intake;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// One listener of the frame protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpOptions {
    #[serde(deserialize_with = "crate::address::deserialize")]
    pub listen: SocketAddr,
    pub connections_max: usize,
    /// Of those without an account, from one address; 0 is any number.
    pub connections_per_address_max: usize,
    /// The largest body that a client may send.
    pub body_bytes_max: u32,
    /// DATA frames, and their bytes, that one client may have under way.
    pub in_flight_frames_max: u32,
    pub in_flight_bytes_max: usize,
    #[serde(with = "humantime_serde")]
    pub hello_timeout: Duration,
    /// Silence, with nothing in flight, after which a connection is closed.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long a new connection waits for the same client's older one to hand over.
    #[serde(with = "humantime_serde")]
    pub takeover_timeout: Duration,
    /// How long open frames are waited for at shutdown, or after the client has closed its side.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
    pub acknowledge: Acknowledge,
    pub tls: Option<TlsOptions>,
    /// Listens in clear outside loopback.
    pub plaintext: bool,
    /// Where clients log in, those who show nothing are let in, too.
    pub anonymous: bool,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5020)),
            connections_max: 10_000,
            connections_per_address_max: 0,
            body_bytes_max: 1024 * 1024,
            in_flight_frames_max: 1_024,
            in_flight_bytes_max: 8 * 1024 * 1024,
            hello_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(120),
            takeover_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
            acknowledge: Acknowledge::Durable,
            tls: None,
            plaintext: false,
            anonymous: false,
        }
    }
}

/// What the connections of one listener share.
struct Shared {
    options: TcpOptions,
    source: SourceNo,
    intake: Arc<Intake>,
    accounts: Arc<Accounts>,
    progress: Arc<Progress>,
    metrics: Arc<ListenMetrics>,
    gate: Arc<ListenerGate>,
    notices: Notices,
}

/// A bound listener, ready to serve.
pub struct TcpServer {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl TcpServer {
    /// `source`: this listener's number in `accounts`, which must be the accounts of `intake`. `progress` is shared by all
    /// listeners of the protocol.
    pub async fn bind(
        options: TcpOptions,
        source: SourceNo,
        intake: Arc<Intake>,
        accounts: Arc<Accounts>,
        progress: Arc<Progress>,
        gate: Arc<ListenerGate>,
    ) -> Result<Self, AcceptError> {
        let listener = bind(options.listen).await?;
        let metrics = gate.metrics.clone();
        let notices = Notices::default();
        let shared = Shared { options, source, intake, accounts, progress, metrics, gate, notices };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// The address, with the port that the system chose where the options say 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is cancelled; then reads no more, waits (bounded) for open receipts, and sends the last
    /// acknowledgements.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { listener, shared } = self;
        let options = &shared.options;
        let limits = AcceptLimits {
            connections_max: options.connections_max,
            drain_timeout: options.drain_timeout + Duration::from_secs(1),
            probes: Probes::default(),
        };
        let serve = |stream| connection::accept(stream, shared.clone(), shutdown.child_token());
        let refuse = |stream| connection::refuse_busy(stream, shared.clone());
        accept::run(listener, limits, shared.metrics.clone(), shutdown.clone(), serve, refuse).await;
    }
}
