//! A client of an existing MQTT broker: what it subscribes to walks the same way as what comes through our own server.
//!
//! Enters publishes of a broker, MQTT 3.1.1 or 5; leaves acknowledgements to it, each after its message has settled and was
//! not refused. Two halves share one task and meet in a queue:
//! - [`poll`] keeps the connection: connect, subscribe, receive, send what was acknowledged, reconnect with growing pauses;
//! - [`work`] gathers what has come into rounds, submits each under one receipt, and acknowledges settled rounds in order.
//!
//! [`link`] hides the two versions of the client library from both.
//!
//! Invariants
//! - The broker keeps the session (`clean_session = false`, a stable client id): what was not acknowledged when a
//!   connection or this process ends, it sends again. What was stored and is sent again is found by the shards' memory.
//! - An acknowledgement goes to the connection its message came from, or nowhere: every connection has an event loop of
//!   its own, so that no packet id of an old connection reaches a new session, where it could name another message.
//! - The halves never wait for each other's queue. The poller reads no further while
//!   [`BridgeOptions::in_flight_messages_max`] messages are open; a message is done with as soon as its acknowledgement is
//!   handed to the connection, which never waits, so room always comes back. (The library may have read nine more.)
//! - While there is no room the connection is not served: if that lasts longer than the keep-alive allows, the broker
//!   ends it, and sends again to the next what was not acknowledged.
//! - What a broker publishes of itself below `$SYS/` is acknowledged and not taken; a message over
//!   [`BridgeOptions::packet_bytes_max`] is set aside, and what is behind it flows. The library holds a packet whole: a broker of
//!   MQTT 5 is told to send none larger than what may be under way, with 3.1.1 the bound is that of the protocol, 256 MiB.
//! - Rows for a database for which too many wait are set aside: a broker that gets no acknowledgement for them sends nothing else.
//! - A message refused by policy (the spool is full and drops) is not acknowledged. Brokers send such messages again only to
//!   a new connection, so the connection is ended and the next attempt waits longer.

mod filters;
mod link;
mod options;
mod poll;
mod tls;
mod work;

#[cfg(test)]
mod tests;

pub use options::{BridgeOptions, MqttVersion, Qos, Secret};

use super::Decode;
use super::notices::Notices;
use super::talkers::Talkers;
use genims_model::SourceNo;
use genims_pipeline::intake::Intake;
use link::Delivery;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is wrong with a bridge. Errors of a connection that can heal are not among them: those are logged and retried.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    #[error("bridge: {what}")]
    Options { what: &'static str },
    #[error("bridge: cannot read {path}: {source}; check the path and its permissions")]
    File { path: PathBuf, source: std::io::Error },
    #[error("bridge: {path} was written by a later release; start the release that wrote it, or a later one")]
    LaterFilters { path: PathBuf },
    #[error("bridge: no usable certificate in {path}; it must hold certificates in PEM form")]
    Certificates { path: PathBuf },
    #[error(
        "bridge: the operating system has no CA certificates; install ca-certificates, or name the broker's CA in ca_file"
    )]
    SystemCertificates,
    #[error(
        "bridge: no usable key in {path}: {source}; it must hold the key of cert_file in PEM form, without a password"
    )]
    Key { path: PathBuf, source: rustls::pki_types::pem::Error },
    #[error("bridge: TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the connection to the broker failed: {0}")]
    Link3(#[source] Box<rumqttc::ConnectionError>),
    #[error("the connection to the broker failed: {0}")]
    Link5(#[source] Box<rumqttc::v5::ConnectionError>),
    #[error("the broker refused {refused} of {asked} subscriptions; check its access rules for this client")]
    Subscription { refused: usize, asked: usize },
    #[error("messages were refused because the spool is full; free its disk, or choose when_full = \"block\"")]
    Refused,
}

impl BridgeError {
    /// What to do about a connection that does not stand.
    fn remedy(&self) -> &'static str {
        use rumqttc::v5::ConnectionError as Error5;
        use rumqttc::v5::mqttbytes::v5::ConnectReturnCode as Code5;
        use rumqttc::{ConnectReturnCode as Code3, ConnectionError as Error3};
        const CREDENTIALS: &str = "set username and password or password_file as the broker wants them";
        const VERSION: &str = "set mqtt_version = \"3.1.1\" or \"5\", as the broker speaks";
        const CLIENT_ID: &str = "set a client_id that the broker takes";
        const TLS: &str = "see that ca_file holds the broker's CA, that cert_file is one the broker knows, and that it speaks TLS on this port";
        const REACH: &str = "see that the broker runs at this address, and that no other client has this client_id";
        match self {
            Self::Link3(error) => match &**error {
                Error3::ConnectionRefused(Code3::BadUserNamePassword | Code3::NotAuthorized) => CREDENTIALS,
                Error3::ConnectionRefused(Code3::RefusedProtocolVersion) => VERSION,
                Error3::ConnectionRefused(Code3::BadClientId) => CLIENT_ID,
                Error3::Tls(_) => TLS,
                _ => REACH,
            },
            Self::Link5(error) => match &**error {
                Error5::ConnectionRefused(Code5::BadUserNamePassword | Code5::NotAuthorized) => CREDENTIALS,
                Error5::ConnectionRefused(Code5::RefusedProtocolVersion | Code5::UnsupportedProtocolVersion) => VERSION,
                Error5::ConnectionRefused(Code5::BadClientId | Code5::ClientIdentifierNotValid) => CLIENT_ID,
                Error5::Tls(_) => TLS,
                _ => REACH,
            },
            // These say it themselves.
            _ => "",
        }
    }
}

/// What one bridge has seen since the start.
#[derive(Debug, Default)]
pub struct BridgeMetrics {
    /// Whether a session with the broker stands now.
    pub connected: AtomicBool,
    /// Sessions that ended other than by our shutdown, and attempts that failed.
    pub reconnects_total: AtomicU64,
    pub messages_total: AtomicU64,
    pub bytes_total: AtomicU64,
    /// Acknowledgements handed to the connection.
    pub acks_total: AtomicU64,
    /// Messages not acknowledged because they were refused by policy.
    pub refused_total: AtomicU64,
    pub subscriptions_refused_total: AtomicU64,
    /// The bridge itself: what it brings is its client id's.
    pub talkers: Arc<Talkers>,
}

/// Who a bridge is, to the broker and in the log.
#[derive(Clone, Copy, Debug)]
pub struct BridgeName<'a> {
    /// Stays with the data directory.
    pub server: Uuid,
    pub listener: &'a str,
    /// Where it remembers which filters the broker's session holds. Without it, what is taken out of the configuration stays
    /// subscribed for as long as the broker keeps the session.
    pub folder: Option<&'a Path>,
}

impl BridgeName<'_> {
    /// Unique on any broker, the same after each start; of characters that every broker takes.
    fn client_id(self) -> String {
        let server = self.server.simple().to_string();
        let listener = self.listener.replace(|other: char| !other.is_ascii_alphanumeric(), "-");
        // What was replaced would make one id of several names.
        let original = match listener == self.listener {
            true => String::new(),
            false => format!("-{:08x}", crc32fast::hash(self.listener.as_bytes())),
        };
        format!("genims-{}-{listener}{original}", &server[..12])
    }
}

/// What the two halves share.
struct Shared {
    listener: String,
    client_id: String,
    notices: Notices,
    options: BridgeOptions,
    metrics: Arc<BridgeMetrics>,
    /// Messages, and their bytes, handed to the worker and not yet done with.
    open_messages: AtomicUsize,
    open_bytes: AtomicUsize,
    /// Woken when messages are done with, and when a connection is condemned.
    eased: Notify,
    /// The worker has done all it will do.
    worked: AtomicBool,
}

impl Shared {
    fn has_room(&self) -> bool {
        self.open_messages.load(Ordering::Acquire) < usize::from(self.options.in_flight_messages_max)
            && self.open_bytes.load(Ordering::Acquire) < self.options.in_flight_bytes_max
    }

    fn open(&self, bytes: usize) {
        self.open_messages.fetch_add(1, Ordering::AcqRel);
        self.open_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn close(&self, messages: usize, bytes: usize) {
        self.open_messages.fetch_sub(messages, Ordering::AcqRel);
        self.open_bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.eased.notify_one();
    }
}

/// One bridge, ready to run.
pub struct Bridge {
    shared: Arc<Shared>,
    dialer: link::Dialer,
    filters: filters::Filters,
    worker: work::Worker,
    deliveries: mpsc::UnboundedSender<Delivery>,
}

impl Bridge {
    /// Checks the options and reads the files they name; connects to nothing yet. `source`: this listener's number in the
    /// accounts of `intake`.
    pub fn new(
        options: BridgeOptions,
        name: BridgeName<'_>,
        source: SourceNo,
        intake: &Arc<Intake>,
        decode: Arc<dyn Decode>,
        metrics: Arc<BridgeMetrics>,
    ) -> Result<Self, BridgeError> {
        options.check()?;
        let client_id = options.client_id.clone().unwrap_or_else(|| name.client_id());
        let dialer = link::Dialer::new(&options, client_id.clone())?;
        let filters = filters::Filters::open(name.folder, &client_id)?;
        let shared = Arc::new(Shared {
            listener: name.listener.to_owned(),
            client_id,
            notices: Notices::default(),
            options,
            metrics,
            open_messages: AtomicUsize::new(0),
            open_bytes: AtomicUsize::new(0),
            eased: Notify::new(),
            worked: AtomicBool::new(false),
        });
        // Unbounded by type; what it holds is bounded by the poller, which reads no further without room.
        let (deliveries, arrivals) = mpsc::unbounded_channel();
        let worker = work::Worker::new(shared.clone(), intake, source, decode, arrivals);
        Ok(Self { shared, dialer, filters, worker, deliveries })
    }

    /// Runs until `shutdown` is cancelled; then takes no more messages, waits (bounded) for open receipts, sends the last
    /// acknowledgements and disconnects. Connection errors are logged and retried for ever.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { shared, dialer, filters, worker, deliveries } = self;
        let poller = poll::Poller::new(shared, dialer, filters, deliveries, shutdown.clone());
        tokio::join!(poller.run(), worker.run(shutdown));
    }
}
