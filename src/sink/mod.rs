//! What follows the log into the databases, each sink at its own pace.
//!
//! In: groups from the spool. Out: rows of PostgreSQL, documents of MongoDB, and a cursor that lets the spool delete.
//!
//! - [`log`]: the three things a sink asks of the spool
//! - [`gather`]: consecutive groups become one batch
//! - [`follow`]: the loop every sink runs: gather, commit, settle; retry, back off, recall, stop
//! - [`postgres`]: binary COPY; the position moves in the same transaction: exactly once
//! - [`mongo`]: raw BSON with deterministic `_id`s; looks before it repeats: exactly once
//! - [`dead_letters`]: what was set aside, for `genims deadletter`
//!
//! Invariants:
//! - The database says where a sink stands; the spool's cursor only follows it and never leads.
//! - A batch is settled (accounts, commit receipts) only after the database confirmed it.
//! - A sink that fails holds one batch in memory, and nobody else waits for it.

mod backoff;
pub mod dead_letters;
mod error;
pub mod follow;
#[cfg(test)]
mod follow_tests;
pub mod gather;
pub mod log;
mod metrics;
pub mod mongo;
pub mod order;
pub mod postgres;
#[cfg(test)]
mod sample;
mod spool_log;

pub use error::{Cause, SinkError};
pub use metrics::{SinkMetrics, SinkState};
