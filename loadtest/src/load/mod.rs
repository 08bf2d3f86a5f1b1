//! Load: feeds make messages, connections carry them, sessions know what is acknowledged.
//!
//! - [`feed`]: the seam: a [`feed::Feed`] says what to send next and when
//! - [`assign`]: which connection owns which sensors
//! - [`generator`]: the feed of a plan's stream, with its chaos; [`payload`] writes its messages
//! - [`probe`]: marker readings whose visibility is timed
//! - [`snapshot`]: SCADA snapshots as JSON
//! - [`session`]: in-flight windows, acknowledgements and resends of one client, across its connections
//! - [`connection`]: one client's socket: coalesced writes, reconnects, storms, the end
//! - [`socket`]: what it runs on: a plain socket or TLS, each compiled for itself; where a listener is and how it is spoken to
//! - [`tally`]: what was sent, per sensor, for the verdict
//! - [`stats`]: counters and latencies of a stream

pub mod assign;
pub mod connection;
pub mod feed;
pub mod generator;
pub mod payload;
pub mod probe;
pub mod session;
pub mod snapshot;
pub mod socket;
pub mod stats;
pub mod tally;
