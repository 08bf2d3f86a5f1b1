//! Everything one shard knows of one sensor, and what it makes of a reading. Pure: clock and thresholds are arguments.

use crate::anomaly::{ANOMALY_FROM, Usual};
use crate::faults::{FaultWatch, Owner};
use crate::health::{HealthWatch, Seen};
use crate::window::{Bounds, Known, WINDOW_US, Window};
use genims_catalogue::{Limits, SensorEntry};
use genims_model::reading::flag;
use genims_model::{Event, Protocol, Quality, RawReading, Reading, Reason, Status};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What happens to a reading with the sensor and timestamp of an earlier one but another value. Same value is a
/// duplicate under every rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameTimestamp {
    /// Both are stored.
    #[default]
    KeepAll,
    /// The earlier one stays; the later counts as duplicate.
    First,
    /// The later one replaces the earlier row in PostgreSQL.
    Last,
    /// The later one goes to the dead letters.
    Reject,
}

/// Readings further ahead of our clock than this are remembered apart. Among the others one of them would be the newest
/// until our clock has reached it: nothing behind it would be watched, and the memory would only grow.
pub const AHEAD_US: i64 = WINDOW_US;

/// The rules of time that a reading is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub same_timestamp: SameTimestamp,
    /// Older readings are set aside.
    pub retention_us: i64,
    /// Readings this far behind their sensor's newest are flagged `late`.
    pub late_after_us: i64,
    /// Source clocks this far ahead are flagged `skewed`.
    pub skew_tolerated_us: i64,
    /// Source clocks this far ahead are refused.
    pub skew_us_max: i64,
    /// What one sensor's memory may hold.
    pub bounds: Bounds,
}

/// What became of a raw reading.
#[derive(Debug)]
pub enum Verdict {
    Accepted(Reading),
    Duplicate,
    Rejected(Reason, String),
}

#[derive(Debug)]
pub struct SensorState {
    entry: Arc<SensorEntry>,
    window: Window,
    /// What came from further ahead than [`AHEAD_US`]; most sensors never have any.
    ahead: Option<Box<Window>>,
    usual: Usual,
    faults: FaultWatch,
    health: HealthWatch,
}

/// Where a chunk came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub protocol: Protocol,
    pub source: u8,
    pub received_us: i64,
}

impl SensorState {
    pub fn new(entry: Arc<SensorEntry>) -> Self {
        let limits = &entry.sensor.limits;
        let range = limits.range_max.zip(limits.range_min).map(|(max, min)| max - min);
        Self {
            usual: Usual::new(range),
            entry,
            window: Window::default(),
            ahead: None,
            faults: FaultWatch::default(),
            health: HealthWatch::default(),
        }
    }

    pub fn entry(&self) -> &Arc<SensorEntry> {
        &self.entry
    }

    /// Follows a change of the catalogue.
    pub fn set_entry(&mut self, entry: &Arc<SensorEntry>) {
        if !Arc::ptr_eq(&self.entry, entry) {
            self.entry = entry.clone();
        }
    }

    pub fn faults(&mut self) -> &mut FaultWatch {
        &mut self.faults
    }

    /// Judges one reading and learns from it.
    pub fn see(&mut self, raw: &RawReading, origin: Origin, rules: &Rules, events: &mut Vec<Event>) -> Verdict {
        let (at_us, value) = (raw.timestamp_us, raw.value);
        if let Some((reason, detail)) = out_of_time(at_us, origin.received_us, rules) {
            return Verdict::Rejected(reason, detail);
        }
        let replaces = match self.known(at_us, value) {
            Known::No => false,
            Known::Same => return Verdict::Duplicate,
            Known::OtherValue => match rules.same_timestamp {
                SameTimestamp::KeepAll => false,
                SameTimestamp::First => return Verdict::Duplicate,
                SameTimestamp::Last => true,
                SameTimestamp::Reject => {
                    let detail = "another value with this timestamp was taken before".to_owned();
                    return Verdict::Rejected(Reason::SameTimestamp, detail);
                }
            },
        };
        let memory = self.memory(at_us, origin.received_us);
        let newest_us = memory.newest_us().unwrap_or(i64::MIN);
        let window = memory.insert(at_us, value, rules.bounds);
        let anomaly_score = self.usual.score(value);
        let limits = &self.entry.sensor.limits;
        let mut flags = threshold_flags(value, limits);
        if anomaly_score >= ANOMALY_FROM {
            flags |= flag::ANOMALY;
        }
        if replaces {
            flags |= flag::REPLACES;
        }
        let out_of_range =
            limits.range_min.is_some_and(|min| value < min) || limits.range_max.is_some_and(|max| value > max);
        let quality = match raw.quality {
            Quality::Good if out_of_range => Quality::Bad,
            Quality::Good if at_us > origin.received_us + rules.skew_tolerated_us => Quality::Skewed,
            Quality::Good if at_us < newest_us.saturating_sub(rules.late_after_us) => Quality::Late,
            said => said,
        };
        let usual = self.usual;
        // A newest reading from the future orders nothing: until our clock has passed it, arrival counts.
        let in_order = at_us >= newest_us || newest_us > origin.received_us.saturating_add(rules.skew_tolerated_us);
        if in_order {
            self.watch(
                Seen {
                    value,
                    // A fault far in the future would end before it began.
                    timestamp_us: at_us.min(origin.received_us.saturating_add(AHEAD_US)),
                    received_us: origin.received_us,
                    out_of_range,
                    window,
                    usual: &usual,
                },
                events,
            );
        }
        Verdict::Accepted(Reading {
            sensor: raw.sensor,
            protocol: origin.protocol,
            status: status_of(flags),
            quality,
            flags,
            source: origin.source,
            timestamp_us: at_us,
            received_us: origin.received_us,
            value,
            min_1min: window.min,
            max_1min: window.max,
            avg_1min: window.mean,
            std_1min: window.std_dev,
            anomaly_score,
        })
    }

    /// Whether a reading was taken before. What came from ahead may come again when our clock has reached it.
    fn known(&self, at_us: i64, value: f64) -> Known {
        let ahead = self.ahead.as_ref().map_or(Known::No, |ahead| ahead.known(at_us, value));
        match (self.window.known(at_us, value), ahead) {
            (Known::Same, _) | (_, Known::Same) => Known::Same,
            (Known::No, Known::No) => Known::No,
            _ => Known::OtherValue,
        }
    }

    /// The memory that a reading belongs to.
    fn memory(&mut self, at_us: i64, received_us: i64) -> &mut Window {
        if at_us > received_us.saturating_add(AHEAD_US) { self.ahead.get_or_insert_default() } else { &mut self.window }
    }

    fn watch(&mut self, seen: Seen<'_>, events: &mut Vec<Event>) {
        let (timestamp_us, value, received_us) = (seen.timestamp_us, seen.value, seen.received_us);
        let entry = &self.entry;
        let owner = Owner { machine: entry.machine, no: entry.no, sensor: &entry.sensor };
        self.faults.see(owner, timestamp_us, value, events);
        if self.health.see(seen) {
            self.report_health(received_us, events);
        }
    }

    fn report_health(&mut self, now_us: i64, events: &mut Vec<Event>) {
        let limits = self.entry.sensor.limits;
        events.push(Event::SensorHealth(self.health.report(self.entry.no, &limits, &self.usual, now_us)));
    }

    /// Looks at the clock.
    pub fn tick(&mut self, now_us: i64, events: &mut Vec<Event>) {
        if self.health.tick(now_us) {
            self.report_health(now_us, events);
        }
    }

    /// Remembers a reading that an earlier run of the server took.
    pub fn remember(&mut self, reading: &Reading, bounds: Bounds) {
        self.memory(reading.timestamp_us, reading.received_us).insert(reading.timestamp_us, reading.value, bounds);
        self.usual.score(reading.value);
    }
}

pub fn out_of_time(at_us: i64, received_us: i64, rules: &Rules) -> Option<(Reason, String)> {
    if at_us > received_us.saturating_add(rules.skew_us_max) {
        let ahead_s = (at_us - received_us) / 1_000_000;
        return Some((Reason::BadTimestamp, format!("{ahead_s} s ahead of the server's clock")));
    }
    if at_us < received_us.saturating_sub(rules.retention_us) {
        let days = received_us.saturating_sub(at_us) / 86_400_000_000;
        return Some((Reason::TooOld, format!("{days} days old, beyond the retention window")));
    }
    None
}

fn threshold_flags(value: f64, limits: &Limits) -> u8 {
    let mut flags = 0;
    for (limit, below, flag) in [
        (limits.warning_min, true, flag::BELOW_WARNING),
        (limits.warning_max, false, flag::ABOVE_WARNING),
        (limits.critical_min, true, flag::BELOW_CRITICAL),
        (limits.critical_max, false, flag::ABOVE_CRITICAL),
    ] {
        if limit.is_some_and(|limit| if below { value < limit } else { value > limit }) {
            flags |= flag;
        }
    }
    flags
}

fn status_of(flags: u8) -> Status {
    if flags & (flag::BELOW_CRITICAL | flag::ABOVE_CRITICAL) != 0 {
        Status::Critical
    } else if flags & (flag::BELOW_WARNING | flag::ABOVE_WARNING) != 0 {
        Status::Warning
    } else {
        Status::Normal
    }
}
