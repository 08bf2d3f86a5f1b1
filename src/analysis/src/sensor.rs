//! Everything one shard knows of one sensor, and what it makes of a reading. Pure: clock and thresholds are arguments.

use crate::anomaly::{ANOMALY_FROM, Usual};
use crate::crossings::{Crossings, Judged, threshold_flags};
use crate::earlier::Earlier;
use crate::faults::{FaultWatch, Owner};
use crate::health::{HealthWatch, Seen};
use crate::window::{Bounds, Known, WINDOW_US, Window, WindowStats};
use chrono::{DateTime, SecondsFormat};
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
pub(crate) const AHEAD_US: i64 = WINDOW_US;

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
    /// Events are routed: also those are told that no sink of the stream has a row for (limits crossed, unusual stretches,
    /// measured parts).
    pub routed: bool,
}

/// What became of a raw reading.
#[derive(Debug)]
pub enum Admission {
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
    earlier: Earlier,
    usual: Usual,
    faults: FaultWatch,
    health: HealthWatch,
    crossings: Crossings,
    /// First and last of the times that untimed readings got in a row.
    given: Option<(i64, i64)>,
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
            earlier: Earlier::default(),
            faults: FaultWatch::default(),
            health: HealthWatch::default(),
            crossings: Crossings::default(),
            given: None,
        }
    }

    pub fn entry(&self) -> &Arc<SensorEntry> {
        &self.entry
    }

    /// Follows a change of the catalogue that left the number. A fault that the new entry cannot end is over.
    pub fn set_entry(&mut self, entry: &Arc<SensorEntry>, now_us: i64, events: &mut Vec<Event>) {
        if !Arc::ptr_eq(&self.entry, entry) {
            self.faults.follow(owner(&self.entry), &entry.sensor, now_us, events);
            self.entry = entry.clone();
        }
    }

    /// The state of the same sensor under its new number: it remembers what was taken, and judges anew. Faults of the
    /// machine and unit it leaves are over: nobody looks at them any longer.
    pub fn succeed(mut self, entry: Arc<SensorEntry>, now_us: i64, events: &mut Vec<Event>) -> Self {
        self.faults.end(owner(&self.entry), now_us, events);
        let mut successor = Self::new(entry);
        successor.earlier = self.earlier;
        successor.earlier.keep(self.entry.no, self.window);
        // Recognised when it comes again; nothing is judged by it until our clock has reached it.
        successor.ahead = self.ahead;
        successor
    }

    pub fn faults(&mut self) -> &mut FaultWatch {
        &mut self.faults
    }

    /// Judges one reading and learns from it.
    pub fn see(&mut self, raw: &RawReading, origin: Origin, rules: &Rules, events: &mut Vec<Event>) -> Admission {
        let raw = &self.timed(*raw);
        let (at_us, value) = (raw.timestamp_us, raw.value);
        let replaces = match self.admit(raw, origin, rules) {
            Ok(replaces) => replaces,
            Err(verdict) => return verdict,
        };
        let (newest_us, window) = self.keep(raw, origin.received_us, rules);
        let expected = self.usual.mean();
        let anomaly_score = self.usual.score(value);
        let mut flags = threshold_flags(value, &self.entry.sensor.limits);
        if anomaly_score >= ANOMALY_FROM {
            flags |= flag::ANOMALY;
        }
        if replaces {
            flags |= flag::REPLACES;
        }
        let out_of_range = is_out_of_range(value, &self.entry.sensor.limits);
        let quality = quality_of(raw, origin, rules, out_of_range, newest_us);
        let usual = self.usual;
        if is_in_order(at_us, newest_us, origin.received_us, rules) {
            // A fault far in the future would end before it began.
            let timestamp_us = at_us.min(origin.received_us.saturating_add(AHEAD_US));
            let received_us = origin.received_us;
            self.watch(Seen { value, timestamp_us, received_us, out_of_range, window, usual: &usual }, events);
            if rules.routed {
                let judged = Judged { timestamp_us, value, score: anomaly_score, flags, expected };
                self.crossings.see(self.entry.no, &self.entry.sensor, judged, events);
            }
        }
        Admission::Accepted(reading(raw, origin, quality, flags, window, anomaly_score))
    }

    /// Sees again what was accepted once. Whether it was unusual, and beyond which limits, is as it was judged then, of the value that came
    /// and by the limits of the time; its sensor's health is not looked at.
    pub fn replay(&mut self, stored: &Reading, rules: &Rules, events: &mut Vec<Event>) {
        let Reading { timestamp_us: at_us, received_us, value, flags, anomaly_score: score, .. } = *stored;
        let raw =
            RawReading { sensor: stored.sensor, quality: stored.quality, untimed: false, timestamp_us: at_us, value };
        let (newest_us, _) = self.keep(&raw, received_us, rules);
        let expected = self.usual.mean();
        self.usual.score(value);
        if is_in_order(at_us, newest_us, received_us, rules) {
            let timestamp_us = at_us.min(received_us.saturating_add(AHEAD_US));
            self.faults.see(owner(&self.entry), timestamp_us, value, events);
            let judged = Judged { timestamp_us, value, score, flags, expected };
            self.crossings.see(self.entry.no, &self.entry.sensor, judged, events);
        }
    }

    /// Keeps a reading in mind; the newest before it, and the minute up to it.
    fn keep(&mut self, raw: &RawReading, received_us: i64, rules: &Rules) -> (i64, WindowStats) {
        let memory = self.memory(raw.timestamp_us, received_us);
        let newest_us = memory.newest_us().unwrap_or(i64::MIN);
        let window = memory.insert(raw.timestamp_us, raw.value, rules.bounds);
        self.earlier.forget_behind(&self.window, rules.bounds);
        (newest_us, window)
    }

    /// Judges a reading that was resolved just before the sensor got its present number: it keeps the identity under
    /// which it was taken, `entry`, and its neighbours are those of that identity. Nothing is watched under it any longer.
    pub fn see_superseded(
        &mut self,
        raw: &RawReading,
        entry: &SensorEntry,
        origin: Origin,
        rules: &Rules,
    ) -> Admission {
        let raw = &self.timed(*raw);
        let replaces = match self.admit(raw, origin, rules) {
            Ok(replaces) => replaces,
            Err(verdict) => return verdict,
        };
        let limits = &entry.sensor.limits;
        let window = self.earlier.insert(raw.sensor, raw.timestamp_us, raw.value, rules.bounds);
        let flags = threshold_flags(raw.value, limits) | if replaces { flag::REPLACES } else { 0 };
        let quality = quality_of(raw, origin, rules, is_out_of_range(raw.value, limits), i64::MIN);
        Admission::Accepted(reading(raw, origin, quality, flags, window, 0.0))
    }

    /// An untimed reading gets the first microsecond from its receipt on that no reading of the sensor has: two equal values
    /// are two measurements, also when one read of a socket brought both, or two sockets did.
    fn timed(&mut self, raw: RawReading) -> RawReading {
        if !raw.untimed {
            return raw;
        }
        let row = self.given.filter(|(first, last)| (*first..=*last).contains(&raw.timestamp_us));
        let mut at_us = row.map_or(raw.timestamp_us, |(_, last)| last + 1);
        while self.known(at_us, raw.value) != Known::No {
            at_us += 1;
        }
        self.given = Some((row.map_or(raw.timestamp_us, |(first, _)| first), at_us));
        RawReading { untimed: false, timestamp_us: at_us, ..raw }
    }

    /// Whether the reading replaces an earlier one, or the verdict that keeps it out.
    fn admit(&self, raw: &RawReading, origin: Origin, rules: &Rules) -> Result<bool, Admission> {
        if let Some((reason, detail)) = out_of_time(raw.timestamp_us, origin.received_us, rules) {
            return Err(Admission::Rejected(reason, detail));
        }
        match self.known(raw.timestamp_us, raw.value) {
            Known::No => Ok(false),
            Known::Same => Err(Admission::Duplicate),
            Known::OtherValue => match rules.same_timestamp {
                SameTimestamp::KeepAll => Ok(false),
                SameTimestamp::First => Err(Admission::Duplicate),
                SameTimestamp::Last => Ok(true),
                SameTimestamp::Reject => {
                    let detail = "another value with this timestamp was taken before".to_owned();
                    Err(Admission::Rejected(Reason::SameTimestamp, detail))
                }
            },
        }
    }

    /// Whether a reading was taken before, under whichever number. What came from ahead may come again when our clock has
    /// reached it.
    fn known(&self, at_us: i64, value: f64) -> Known {
        let ahead = self.ahead.as_ref().map_or(Known::No, |ahead| ahead.known(at_us, value));
        let memories = [self.window.known(at_us, value), ahead, self.earlier.known(at_us, value)];
        if memories.contains(&Known::Same) {
            Known::Same
        } else if memories.contains(&Known::OtherValue) {
            Known::OtherValue
        } else {
            Known::No
        }
    }

    /// The memory that a reading belongs to.
    fn memory(&mut self, at_us: i64, received_us: i64) -> &mut Window {
        if at_us > received_us.saturating_add(AHEAD_US) { self.ahead.get_or_insert_default() } else { &mut self.window }
    }

    fn watch(&mut self, seen: Seen<'_>, events: &mut Vec<Event>) {
        let (timestamp_us, value, received_us) = (seen.timestamp_us, seen.value, seen.received_us);
        self.faults.see(owner(&self.entry), timestamp_us, value, events);
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

    /// Remembers a reading that an earlier run of the server took, perhaps under an earlier number.
    pub fn remember(&mut self, reading: &Reading, bounds: Bounds) {
        if reading.sensor == self.entry.no {
            self.memory(reading.timestamp_us, reading.received_us).insert(reading.timestamp_us, reading.value, bounds);
            self.earlier.forget_behind(&self.window, bounds);
            self.usual.score(reading.value);
        } else {
            self.earlier.insert(reading.sensor, reading.timestamp_us, reading.value, bounds);
        }
    }
}

fn owner(entry: &SensorEntry) -> Owner<'_> {
    Owner { machine: entry.machine, no: entry.no, sensor: &entry.sensor }
}

pub fn out_of_time(at_us: i64, received_us: i64, rules: &Rules) -> Option<(Reason, String)> {
    if at_us > received_us.saturating_add(rules.skew_us_max) {
        let (at, ahead) = (written(at_us), span(at_us.saturating_sub(received_us)));
        let most = span(rules.skew_us_max);
        return Some((
            Reason::BadTimestamp,
            format!(
                "the time {at} is {ahead} ahead of the server's clock, and at most {most} are taken (clock_skew_max); set the \
                 sender's clock, or write the time with its offset"
            ),
        ));
    }
    if at_us < received_us.saturating_sub(rules.retention_us) {
        let (at, old) = (written(at_us), span(received_us.saturating_sub(at_us)));
        let most = span(rules.retention_us);
        return Some((
            Reason::TooOld,
            format!("the time {at} is {old} old, and at most {most} are kept (retention); load it into the archive"),
        ));
    }
    None
}

/// A time as RFC 3339 writes it.
fn written(at_us: i64) -> String {
    DateTime::from_timestamp_micros(at_us)
        .map_or_else(|| format!("{at_us} us"), |at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// In the largest unit of which it is one, or two and more.
fn span(us: i64) -> String {
    const SECOND_US: i64 = 1_000_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")].map(|(seconds, name)| (seconds * SECOND_US, name));
    let fits = |(unit, _): &(i64, &str)| us >= 2 * unit || us == *unit;
    let (unit, name) = units.into_iter().find(fits).unwrap_or((SECOND_US, "s"));
    format!("{} {name}", us / unit)
}

/// A newest reading from the future orders nothing: until our clock has passed it, arrival counts.
fn is_in_order(at_us: i64, newest_us: i64, received_us: i64, rules: &Rules) -> bool {
    at_us >= newest_us || newest_us > received_us.saturating_add(rules.skew_tolerated_us)
}

fn is_out_of_range(value: f64, limits: &Limits) -> bool {
    limits.range_min.is_some_and(|min| value < min) || limits.range_max.is_some_and(|max| value > max)
}

fn quality_of(raw: &RawReading, origin: Origin, rules: &Rules, out_of_range: bool, newest_us: i64) -> Quality {
    match raw.quality {
        Quality::Good if out_of_range => Quality::Bad,
        Quality::Good if raw.timestamp_us > origin.received_us + rules.skew_tolerated_us => Quality::Skewed,
        Quality::Good if raw.timestamp_us < newest_us.saturating_sub(rules.late_after_us) => Quality::Late,
        said => said,
    }
}

fn reading(
    raw: &RawReading,
    origin: Origin,
    quality: Quality,
    flags: u8,
    window: WindowStats,
    anomaly_score: f32,
) -> Reading {
    Reading {
        sensor: raw.sensor,
        protocol: origin.protocol,
        status: status_of(flags),
        quality,
        flags,
        source: origin.source,
        timestamp_us: raw.timestamp_us,
        received_us: origin.received_us,
        value: raw.value,
        min_1min: window.min,
        max_1min: window.max,
        avg_1min: window.mean,
        std_1min: window.std_dev,
        anomaly_score,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_refused_is_told_with_what_is_allowed() {
        let rules = Rules {
            same_timestamp: SameTimestamp::KeepAll,
            retention_us: 1_095 * 86_400_000_000,
            late_after_us: 0,
            skew_tolerated_us: 0,
            skew_us_max: 3_600_000_000,
            bounds: Bounds { keep_min: 16, held_max: 1 << 20 },
            routed: false,
        };
        let now_us = 1_700_000_000_000_000;
        let told = |seconds: i64| out_of_time(now_us + seconds * 1_000_000, now_us, &rules);
        assert_eq!((told(3_600), told(-1_095 * 86_400)), (None, None));
        let (reason, ahead) = told(345_600).expect("ahead");
        assert_eq!(reason, Reason::BadTimestamp);
        let expected = "the time 2023-11-18T22:13:20Z is 4 d ahead of the server's clock, and at most 1 h are taken (clock_skew_max)";
        assert!(ahead.starts_with(expected), "{ahead}");
        let (reason, old) = told(-1_096 * 86_400).expect("old");
        assert_eq!(reason, Reason::TooOld);
        let expected = "the time 2020-11-13T22:13:20Z is 1096 d old, and at most 1095 d are kept (retention)";
        assert!(old.starts_with(expected), "{old}");
        let spans = [0, 119, 120, 7_199, 7_200, 86_400, 172_799].map(|seconds| span(seconds * 1_000_000));
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h", "1 d", "47 h"]);
        assert_eq!(written(now_us + 250_000), "2023-11-14T22:13:20.250Z");
        assert_eq!(written(i64::MAX), "9223372036854775807 us");
    }
}
