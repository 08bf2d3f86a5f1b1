//! The verdict: what the databases hold, compared with what was sent.
//!
//! - [`postgres`], [`mongodb`]: what the databases hold of this run, per sensor: counts and order-independent sums
//! - [`wait`]: waits, bounded, until both have caught up
//! - [`judge`]: pure arithmetic: missing, duplicates, altered, unexpected
//!
//! Only rows of the run count: its sensors within its span of source times. What the same span held before the run
//! (possible in replays) is measured first and subtracted.

pub mod judge;
pub mod mongodb;
pub mod postgres;
pub mod wait;

use crate::load::tally::Tally;
use std::collections::HashMap;

/// What one database holds of a run.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// By sensor id.
    pub sensors: HashMap<String, Tally>,
    /// By machine id: snapshots.
    pub machines: HashMap<String, u64>,
}

impl Holdings {
    pub fn readings(&self) -> u64 {
        self.sensors.values().map(|tally| tally.count).sum()
    }

    pub fn snapshots(&self) -> u64 {
        self.machines.values().sum()
    }
}

/// The run's span of source times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from_us: i64,
    /// Inclusive.
    pub to_us: i64,
}

impl Span {
    /// Times in sums count from this whole millisecond.
    pub fn base_us(&self) -> i64 {
        self.from_us.div_euclid(1_000) * 1_000
    }
}

#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    #[error("PostgreSQL cannot answer for the verdict: {0}")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("MongoDB cannot answer for the verdict: {0}")]
    Mongo(#[from] ::mongodb::error::Error),
    #[error("{0}")]
    Unreadable(String),
}
