//! What follows the log into the databases, each sink at its own pace.
//!
//! In: groups from the log. Out: committed batches, and a cursor that lets the log delete.
//!
//! - [`gather`]: consecutive groups become one batch
//! - [`follow`]: the loop every sink runs: gather, commit, settle; retry, back off, recall, stop
//! - [`mirror`]: the same for the mirror, which comes back when the log has cut it off
//! - [`router`]: events and programs' rows, into a log of their own
//! - [`kept_dead_letters`]: dead letters of rows that a database refused
//! - [`supervise`]: starts that loop again when it ends without being asked
//!
//! Invariants:
//! - The database says where a sink stands; the log's cursor only follows it and never leads.
//! - A batch is settled (accounts, commit receipts) only after the database confirmed it.
//! - A sink that fails holds one batch in memory, and nobody else waits for it.

#[cfg(test)]
mod backlog_tests;
#[cfg(test)]
mod fake_database;
pub mod follow;
#[cfg(test)]
mod follow_tests;
#[cfg(test)]
mod gap_tests;
mod gaps;
pub mod gather;
pub mod kept_dead_letters;
mod metrics;
pub mod mirror;
pub mod router;
#[cfg(test)]
mod router_tests;
mod settlement;
pub mod supervise;
#[cfg(test)]
mod supervise_tests;

pub use metrics::{SinkMetrics, SinkState};
