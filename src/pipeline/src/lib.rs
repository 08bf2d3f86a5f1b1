//! Readings find their shard, are analysed by the one thread that owns their sensor, and leave as portions.
//!
//! - [`intake`]: the listeners' door: decode, resolve, stage, submit; pushes back when a shard is full
//! - [`queue`]: the bounded lock-free queue between the door and a shard
//! - [`recovery`]: what a start takes from the log
//! - [`shard`]: one shard's state: chunks in, a portion out; [`worker`] is its thread
//!
//! What a shard makes of a reading or a snapshot is in `genims_analysis`.

mod dead_letters;
#[cfg(test)]
mod dead_letters_tests;
pub mod intake;
#[cfg(test)]
mod intake_tests;
mod primitives;
pub mod queue;
#[cfg(test)]
mod queue_tests;
mod receipt_time;
pub mod recovery;
pub mod remarks;
#[cfg(test)]
mod rows_tests;
pub mod shard;
mod stage;
#[cfg(test)]
mod succession_tests;
pub mod worker;

use crate::intake::WhenFull;
use genims_analysis::sensor::Rules;
pub use genims_analysis::sensor::SameTimestamp;
use genims_analysis::window::Bounds;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to readings of sensors that the catalogue does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSensors {
    /// They wait in the dead letters until the sensor exists and somebody replays them.
    #[default]
    DeadLetter,
    /// The sensor is entered in the catalogue and in master data.
    Register,
}

/// `[pipeline]` of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineOptions {
    /// Threads that analyse; 0 is one per core, four at most.
    pub shards: usize,
    /// Records that may wait in front of one shard.
    pub queue_records: usize,
    /// What happens when the spool is at its cap.
    pub when_full: WhenFull,
    pub unknown_sensors: UnknownSensors,
    pub same_timestamp: SameTimestamp,
    /// Older readings are set aside as `too_old`. Not configured: it is what the operations database keeps.
    #[serde(skip)]
    pub retention: Duration,
    #[serde(with = "humantime_serde")]
    pub late_after: Duration,
    #[serde(with = "humantime_serde")]
    pub clock_skew_tolerated: Duration,
    #[serde(with = "humantime_serde")]
    pub clock_skew_max: Duration,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            shards: 0,
            queue_records: 131_072,
            when_full: WhenFull::Block,
            unknown_sensors: UnknownSensors::DeadLetter,
            same_timestamp: SameTimestamp::KeepAll,
            // Whoever has no database keeps everything.
            retention: Duration::MAX,
            late_after: Duration::from_secs(60),
            clock_skew_tolerated: Duration::from_secs(5),
            clock_skew_max: Duration::from_secs(3_600),
        }
    }
}

impl PipelineOptions {
    pub fn shard_count(&self) -> usize {
        match self.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(4),
            shards => shards.min(64),
        }
    }

    pub fn rules(&self) -> Rules {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Rules {
            same_timestamp: self.same_timestamp,
            retention_us: micros(self.retention),
            late_after_us: micros(self.late_after),
            skew_tolerated_us: micros(self.clock_skew_tolerated),
            skew_us_max: micros(self.clock_skew_max),
            // Each shard shares its memory out among its sensors.
            bounds: Bounds { keep_min: 16, held_max: 1 << 20 },
            // Only the server knows.
            routed: false,
        }
    }
}
