//! What a sensor's own readings tell beside faults: limits crossed, unusual stretches, parts measured.
//!
//! Rules
//! - A limit (warning and critical, lower and upper) is crossed and left with the hysteresis of [`crate::watch`]. A restart
//!   forgets what was crossed: values that are still beyond are told again, with a new beginning.
//! - At least [`ANOMALY_READINGS`] unusual readings in a row are an anomaly, told when a usual one has ended them, and at the
//!   latest when they fill a minute.
//! - A sensor measures parts when its type is `quality` or begins with `quality_`; its critical thresholds are the
//!   specification limits, and each of its readings is one measurement.

use crate::watch::{Change, Watch, margin};
use crate::window::WINDOW_US;
use genims_catalogue::{Limits, Sensor};
use genims_model::event::{AnomalySeen, LimitCrossed};
use genims_model::reading::flag;
use genims_model::{Event, SensorNo};

/// Fewer in a row are noise.
pub(crate) const ANOMALY_READINGS: u32 = 3;

/// A reading in order, and what the sensor's memory said of it before it learned from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) timestamp_us: i64,
    pub(crate) value: f64,
    pub(crate) score: f32,
    /// Beyond which limits it is, and whether it is unusual.
    pub(crate) flags: u8,
    /// The usual value.
    pub(crate) expected: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Crossings {
    /// Warning low, warning high, critical low, critical high.
    limits: [Watch; 4],
    anomaly: Option<AnomalySeen>,
}

impl Crossings {
    /// Feeds one in-order reading.
    pub(crate) fn see(&mut self, no: SensorNo, sensor: &Sensor, judged: Judged, events: &mut Vec<Event>) {
        self.cross(no, &sensor.limits, judged, events);
        self.score(no, judged, events);
        if measures_parts(sensor) {
            let Limits { critical_min: low, critical_max: high, .. } = sensor.limits;
            let Judged { timestamp_us, value, .. } = judged;
            events.push(Event::QualityMeasured { sensor: no, timestamp_us, value, low, high });
        }
    }

    fn cross(&mut self, no: SensorNo, limits: &Limits, judged: Judged, events: &mut Vec<Event>) {
        let Judged { timestamp_us, value, flags, .. } = judged;
        let each = [
            (limits.warning_min, flag::BELOW_WARNING, false, "warning"),
            (limits.warning_max, flag::ABOVE_WARNING, true, "warning"),
            (limits.critical_min, flag::BELOW_CRITICAL, false, "critical"),
            (limits.critical_max, flag::ABOVE_CRITICAL, true, "critical"),
        ];
        for (watch, (limit, beyond, above, level)) in self.limits.iter_mut().zip(each) {
            let Some(limit) = limit else {
                *watch = Watch::default();
                continue;
            };
            // Distance beyond the limit, negative inside.
            let distance = if above { value - limit } else { limit - value };
            let change = watch.see(timestamp_us, flags & beyond != 0, distance <= -margin(limits, limit));
            let (start_us, beyond) = match change {
                None => continue,
                Some(Change::Opened { start_us }) => (start_us, true),
                Some(Change::Closed { start_us }) => (start_us, false),
            };
            let level = level.to_owned();
            let crossed = LimitCrossed { sensor: no, timestamp_us, start_us, value, limit, above, level, beyond };
            events.push(Event::LimitCrossed(crossed));
        }
    }

    fn score(&mut self, no: SensorNo, judged: Judged, events: &mut Vec<Event>) {
        let Judged { timestamp_us, value, expected, .. } = judged;
        let score = f64::from(judged.score);
        if judged.flags & flag::ANOMALY != 0 {
            let seen = self.anomaly.get_or_insert(AnomalySeen {
                sensor: no,
                start_us: timestamp_us,
                end_us: timestamp_us,
                readings: 0,
                score: 0.0,
                value,
                expected,
            });
            seen.readings = seen.readings.saturating_add(1);
            seen.end_us = seen.end_us.max(timestamp_us);
            if score > seen.score {
                (seen.score, seen.value, seen.expected) = (score, value, expected);
            }
            if seen.end_us - seen.start_us < WINDOW_US {
                return;
            }
        }
        let told = self.anomaly.take().filter(|seen| seen.readings >= ANOMALY_READINGS);
        events.extend(told.map(Event::AnomalySeen));
    }
}

/// Beyond which limits a value is.
pub(crate) fn threshold_flags(value: f64, limits: &Limits) -> u8 {
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

fn measures_parts(sensor: &Sensor) -> bool {
    let rest = sensor.sensor_type.as_deref().and_then(|kind| kind.strip_prefix("quality"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn sensor(sensor_type: &str) -> Sensor {
        let usual = sample::sensor();
        let limits = Limits { warning_max: Some(70.0), ..usual.limits };
        Sensor { sensor_type: Some(sensor_type.to_owned()), limits, ..usual }
    }

    fn feed(sensor: &Sensor, values: &[(f64, f32)]) -> Vec<Event> {
        let (mut crossings, mut events) = (Crossings::default(), Vec::new());
        for (second, (value, score)) in values.iter().enumerate() {
            let unusual = if *score >= 0.6 { flag::ANOMALY } else { 0 };
            let judged = Judged {
                timestamp_us: second as i64 * 1_000_000,
                value: *value,
                score: *score,
                flags: threshold_flags(*value, &sensor.limits) | unusual,
                expected: 50.0,
            };
            crossings.see(SensorNo(3), sensor, judged, &mut events);
        }
        events
    }

    #[test]
    fn each_limit_is_crossed_once_and_left_once() {
        let climb = [60.0, 71.0, 72.0, 75.0, 81.0, 79.0, 82.0, 83.0, 84.0];
        let fall = [75.0; 5].into_iter().chain([60.0; 9]);
        let values: Vec<(f64, f32)> = climb.into_iter().chain(fall).map(|value| (value, 0.0)).collect();
        let told: Vec<(String, bool, i64, f64)> = feed(&sensor("temperature"), &values)
            .into_iter()
            .map(|event| match event {
                Event::LimitCrossed(crossed) => {
                    (crossed.level, crossed.beyond, crossed.start_us / 1_000_000, crossed.limit)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("warning", true, 1, 70.0), ("critical", true, 6, 80.0), ("critical", false, 6, 80.0)]
            .into_iter()
            .chain([("warning", false, 1, 70.0)])
            .map(|(level, beyond, start, limit)| (level.to_owned(), beyond, start, limit));
        assert_eq!(told, expected.collect::<Vec<_>>());
    }

    #[test]
    fn an_unusual_stretch_is_told_once_with_its_worst_reading_and_a_single_spike_never() {
        let quiet = (50.0, 0.1);
        let values = [quiet, (60.0, 0.7), quiet, (61.0, 0.7), (66.0, 0.9), (62.0, 0.8), quiet, quiet];
        let told = feed(&sensor("temperature"), &values);
        let expected = AnomalySeen {
            sensor: SensorNo(3),
            start_us: 3_000_000,
            end_us: 5_000_000,
            readings: 3,
            score: f64::from(0.9_f32),
            value: 66.0,
            expected: 50.0,
        };
        assert_eq!(told, [Event::AnomalySeen(expected)]);
        // One that does not end is told once a minute.
        assert_eq!(feed(&sensor("temperature"), &[(66.0, 0.9); 200]).len(), 3);
    }

    #[test]
    fn only_a_sensor_of_quality_measures_parts() {
        for (kind, measurements) in [("quality", 2), ("quality_bore", 2), ("qualityless", 0), ("torque", 0)] {
            let told = feed(&sensor(kind), &[(50.0, 0.0), (51.0, 0.0)]);
            let measured = told.iter().filter(|event| matches!(event, Event::QualityMeasured { .. })).count();
            assert_eq!(measured, measurements, "{kind}");
        }
    }
}
