//! Encoders and writers of the databases that the stream fills, shared by consumers and seeding.
//!
//! In: batches of the log. Out: rows of PostgreSQL, documents of MongoDB, and a position beside them.
//!
//! - [`batch`]: consecutive groups; [`target`]: what a database does with one
//! - [`capacity`]: how much of it a database takes at once
//! - [`postgres`]: binary COPY; the position moves in the same transaction: exactly once
//! - [`mongo`]: raw BSON with deterministic `_id`s; looks before it repeats: exactly once
//! - [`routed`]: the databases that events are routed to
//! - [`master`]: the master data that the stream's catalogue is made of

pub mod batch;
pub mod capacity;
pub mod error;
pub mod master;
pub mod mongo;
pub mod order;
pub mod postgres;
pub mod routed;
pub mod rows;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod target;

pub use error::SinkError;
