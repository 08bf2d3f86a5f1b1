//! The operations history of the last days: what machines did, as the stream would have recorded it.
//!
//! Enters: [`HistoryParameters`]. Leaves: groups of a log, as the spool would hold them, and from these by the sinks' own
//! encoders the rows of `genims_operations_db` and the documents of the mirror.
//!
//! - [`site`]: the plant, without a database
//! - [`timeline`] decides what happens to each machine, with the [`pattern`]s in which machines go wrong
//! - [`signal`] and [`controller`]: what sensors show and controllers say
//! - [`walk`]: all of it through `pipeline::Shard`, the analysis that serves live data: computed columns are true
//! - [`faults`]: the rows of `machine_faults`, known beforehand; [`supplied`]: rows for those who refer to them;
//!   [`observed`]: what was measured, for reports
//! - [`load`] with [`postgres`]: into the databases
//!
//! Invariants: the same parameters give the same groups, offsets and ids; no group holds two days; one group is held in
//! memory at a time (a few, while they are written).

mod controller;
mod faults;
mod load;
mod observed;
mod pattern;
mod postgres;
mod signal;
mod site;
mod supplied;
#[cfg(test)]
mod tests;
mod timeline;
mod walk;

pub use load::{HistoryProgress, HistorySummary, Written, load_history, stored_history};
pub(super) use observed::observed;
pub(super) use supplied::{Tables, supplied};

use super::plant::PlantSize;
use super::spec::Scale;
use genims_model::{Group, SensorNo};
use genims_stores::batch::Batch;
use pattern::{Curve, PATTERNS, Pattern};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use site::Site;
use std::sync::Arc;
use timeline::{DAY_US, Plan, Timeline};
use uuid::Uuid;
use walk::{Walk, WalkScope};

/// The name of the one source in the accounts.
const SOURCE: &str = "seed";
/// Raised whenever the same parameters would give other rows.
const VERSION: u32 = 1;

/// What the whole history depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryParameters {
    pub seed: u64,
    /// Days since 1970-01-01. The history ends where this day begins (UTC).
    pub today: i32,
    pub days: u32,
    pub sensor_interval_s: u32,
    pub scada_interval_s: u32,
    pub plant: PlantSize,
}

impl HistoryParameters {
    /// What a scale means. Snapshots come every five minutes: what lies further apart the analysis of OEE does not count.
    pub fn new(scale: Scale, seed: u64, today: i32) -> Self {
        let (days, sensor_interval_s) = match scale {
            Scale::Small => (2, 600),
            Scale::Medium => (3, 600),
            // About 7 GB in PostgreSQL: 232 bytes a reading with its index, 350 a snapshot, 231 a row of sensor_health.
            Scale::Full => (60, 450),
        };
        Self { seed, today, days, sensor_interval_s, scada_interval_s: 300, plant: PlantSize::default() }
    }

    fn check(&self) -> Result<(), String> {
        if self.days == 0 || self.days > 1_000 {
            return Err(format!("a history has 1 to 1,000 days, not {}", self.days));
        }
        for interval_s in [self.sensor_interval_s, self.scada_interval_s] {
            if !(60..=3_600).contains(&interval_s) || 3_600 % interval_s != 0 {
                return Err(format!("an interval is 60 s to 3,600 s and a whole part of an hour, not {interval_s} s"));
            }
        }
        Ok(())
    }

    fn span_us(&self) -> (i64, i64) {
        let until_us = i64::from(self.today) * DAY_US;
        (until_us - i64::from(self.days) * DAY_US, until_us)
    }

    fn sensor_interval_us(&self) -> i64 {
        i64::from(self.sensor_interval_s) * 1_000_000
    }

    fn scada_interval_us(&self) -> i64 {
        i64::from(self.scada_interval_s) * 1_000_000
    }

    /// As the ledger keeps them.
    fn digest(&self) -> String {
        serde_json::json!({ "version": VERSION, "parameters": self }).to_string()
    }

    /// The name of the log that the history is.
    pub fn log_id(&self) -> Uuid {
        let hash = Sha256::digest(self.digest());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Uuid::from_bytes(bytes)
    }
}

/// When the last record of a batch was received: its rows' time of storing.
fn stored_us(batch: &Batch) -> i64 {
    let readings = batch.readings().map(|(_, reading)| reading.received_us);
    readings.chain(batch.snapshots().map(|(_, snapshot)| snapshot.received_us)).max().unwrap_or(0)
}

/// What happened, as far as it is decided without measuring.
#[derive(Debug)]
pub struct PlantHistory {
    pub parameters: HistoryParameters,
    site: Site,
    /// By machine number.
    timelines: Vec<Timeline>,
}

/// Decides what happens. Measuring begins with [`PlantHistory::groups`].
pub fn simulate(parameters: HistoryParameters) -> Result<Arc<PlantHistory>, String> {
    parameters.check()?;
    let site = Site::new(parameters.plant);
    let mut history = PlantHistory { parameters, site, timelines: Vec::new() };
    history.timelines = (0..history.site.stations.len()).map(|no| history.timeline(no)).collect();
    Ok(Arc::new(history))
}

impl PlantHistory {
    /// Everything, in order, group by group.
    pub fn groups(self: &Arc<Self>) -> impl Iterator<Item = Group> + Send + use<> {
        Walk::new(self, WalkScope::All)
    }

    fn timeline(&self, no: usize) -> Timeline {
        let (catalogue, sensors) = (&self.site.catalogue, &self.site.stations[no].sensors);
        let machine = &catalogue.machines()[no].machine;
        // The wind farm's faults are in its own records.
        let turbine = machine.machine_type.as_deref() == Some("Wind turbine");
        let shown = |pattern: &&Pattern| {
            let first = pattern.effects[0];
            sensors.iter().any(|sensor| first.sensor_type.is_empty() || self.touches(&first, *sensor).is_some())
        };
        let patterns: Vec<&'static Pattern> = PATTERNS.iter().filter(|_| !turbine).filter(shown).collect();
        let line: u32 = machine.line_id.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(1);
        Timeline::new(&Plan {
            seed: self.parameters.seed,
            machine_id: &machine.machine_id,
            span_us: self.parameters.span_us(),
            rests: !turbine && line.is_multiple_of(3),
            patterns: if patterns.iter().any(|pattern| pattern.stops) { &patterns } else { &[] },
            sensors,
        })
    }

    /// The way to the limit that an effect reaches for, if the sensor is of its type and has such a limit.
    fn touches(&self, effect: &pattern::Effect, sensor: u32) -> Option<(f64, Curve)> {
        let entry = self.site.catalogue.sensor(SensorNo(sensor))?;
        let limits = &entry.sensor.limits;
        let limit = if effect.reach < 0.0 { limits.critical_min } else { limits.critical_max };
        (entry.sensor.sensor_type.as_deref() == Some(effect.sensor_type))
            .then_some(limit?)
            .map(|_| (effect.reach, effect.curve))
    }

    /// What an episode does to a sensor of its machine.
    fn reach(&self, episode: &timeline::Episode, sensor: u32) -> Option<(f64, Curve)> {
        let drifts = episode.pattern.effects.iter().find(|effect| effect.sensor_type.is_empty());
        match drifts {
            Some(effect) => (episode.drifting == sensor).then_some((effect.reach * episode.sign, effect.curve)),
            None => episode.pattern.effects.iter().find_map(|effect| self.touches(effect, sensor)),
        }
    }
}
