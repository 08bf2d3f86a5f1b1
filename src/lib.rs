//! GenIMS: a durable, measured path from a PLC's socket to the databases of a manufacturing group.
//!
//! The walk of a reading, which only ever goes down this list:
//!
//! 1. [`listen`]: a socket accepts bytes (MQTT server, MQTT bridge, TCP frames, line protocol)
//! 2. [`decode`]: bytes become points; [`catalogue`] says whose they are
//! 3. [`pipeline`]: points reach the shard that owns their sensor and are analysed
//! 4. [`spool`]: groups of finished readings are synced to the log; now, and not earlier, receipts settle
//! 5. [`sink`]: each sink follows the log at its own pace: PostgreSQL COPY, MongoDB mirror
//!
//! What flows is in [`model`]. [`databases`] is the registry of the 17 databases, [`platform`] provisions and fills them,
//! [`ops`] shows what happens, [`devstack`] runs private servers. [`server`] alone joins the wings.

pub mod catalogue;
pub mod databases;
pub mod decode;
pub mod devstack;
pub mod listen;
pub mod model;
pub mod ops;
pub mod pipeline;
pub mod platform;
pub mod server;
pub mod settings;
pub mod sink;
pub mod spool;
