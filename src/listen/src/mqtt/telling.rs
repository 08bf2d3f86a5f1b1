//! What the log says of clients that have to be set up otherwise: each once, then once a minute while it lasts, with client
//! id and address. Enters what went wrong; leaves a line or none.

use super::Shared;
use super::input::Input;
use super::packet::{Fault, connect, reason, wire};
use super::proxy;
use crate::notices::{Kind, Peer};
use tokio::time::Instant;

/// Who is at the other end.
#[derive(Debug, Default)]
pub(super) struct Caller {
    pub(super) client_id: Box<str>,
    pub(super) peer: Peer,
    /// See [`connect::Connect::first_received_us`].
    pub(super) first_received_us: Option<i64>,
}

/// A connection that ends before it begins: which device or load balancer has to be set up otherwise.
pub(super) fn refused_connection(shared: &Shared, input: &Input, fault: &Fault, peer: Peer) {
    let packet_bytes_max = shared.options.packet_bytes_max as usize;
    let frame = wire::frame(input.bytes(), packet_bytes_max, None).ok().flatten();
    let client_id = frame.and_then(|frame| connect::client_id(frame.body)).unwrap_or_default();
    let (kind, about) = match *fault {
        _ if proxy::is_about(fault) => (Kind::Proxy, peer.host()),
        Fault { reason: reason::UNSUPPORTED_PROTOCOL_VERSION, .. } if client_id.is_empty() => {
            (Kind::Version, peer.host())
        }
        Fault { reason: reason::UNSUPPORTED_PROTOCOL_VERSION, .. } => (Kind::Version, client_id.to_owned()),
        _ => return,
    };
    if let Some(not_told) = shared.notices.due(kind, &about, Instant::now()) {
        tracing::warn!(client_id, address = %peer, %fault, not_told, "MQTT client refused");
    }
}

/// So many takeovers in half a minute are no reconnects: two devices have one client id.
const FIGHT_FROM: u64 = 5;

/// Tells of a client id that two devices take from each other.
pub(super) fn takeover(shared: &Shared, Caller { client_id, peer, .. }: &Caller) {
    if let Some(not_told) = shared.notices.due_from(FIGHT_FROM, Kind::Takeover, client_id, Instant::now()) {
        tracing::warn!(
            client_id,
            address = %peer,
            not_told,
            "MQTT client id used by two devices, which throw each other out; give each its own"
        );
    }
}

/// A subscription to what this server does not publish.
pub(super) fn refused_subscription(shared: &Shared, Caller { client_id, peer, .. }: &Caller, filter: &str) {
    if let Some(not_told) = shared.notices.due(Kind::Subscription, client_id, Instant::now()) {
        tracing::warn!(
            client_id,
            address = %peer,
            filter,
            not_told,
            "MQTT subscription refused: this server takes messages and passes none on; subscribe at a broker"
        );
    }
}
