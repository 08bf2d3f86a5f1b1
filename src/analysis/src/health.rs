//! Is a sensor itself well? Stuck, erratic and silent sensors are noticed; each change of state makes one `sensor_health`
//! record, and every sensor that speaks makes one each hour.
//!
//! - stuck: at least [`STUCK_READINGS`] equal values in a row over at least [`STUCK_US`], from a sensor that used to vary
//! - erratic: the spread of the last minute is more than [`ERRATIC_RATIO`] times the usual spread
//! - silent: nothing for ten times the usual interval, and for [`SILENT_US_MIN`] at least

use crate::anomaly::Usual;
use crate::window::WindowStats;
use genims_catalogue::Limits;
use genims_model::SensorNo;
use genims_model::event::SensorHealth;

pub(crate) const STUCK_READINGS: u32 = 60;
pub(crate) const STUCK_US: i64 = 60_000_000;
pub(crate) const ERRATIC_RATIO: f64 = 6.0;
pub(crate) const SILENT_US_MIN: i64 = 60_000_000;
const SILENT_INTERVALS: i64 = 10;
const ERRATIC_READINGS: u32 = 20;
const HOUR_US: i64 = 3_600_000_000;
/// DECIMAL(8,4) holds four digits before the point.
const DECIMAL_8_4_MAX: f64 = 9_999.999_9;

#[derive(Clone, Debug, Default)]
pub struct HealthWatch {
    last_bits: u64,
    same_run: u32,
    same_since_us: i64,
    last_received_us: i64,
    interval_us: i64,
    latency_us: i64,
    baseline_mean: Option<f64>,
    /// Out-of-range readings and silences by hour of the last day.
    hours: Box<[HourCount; 24]>,
    hour: i64,
    reported_us: i64,
    stuck: bool,
    erratic: bool,
    silent: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct HourCount {
    out_of_range: u16,
    silences: u16,
}

/// What one reading brings to the watch.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub value: f64,
    pub timestamp_us: i64,
    pub received_us: i64,
    pub out_of_range: bool,
    pub window: WindowStats,
    pub usual: &'a Usual,
}

impl HealthWatch {
    /// Feeds one in-order reading; true when the sensor's state changed.
    pub fn see(&mut self, seen: Seen<'_>) -> bool {
        self.clock(seen);
        if seen.out_of_range {
            let count = &mut self.this_hour(seen.received_us).out_of_range;
            *count = count.saturating_add(1);
        }
        let bits = seen.value.to_bits();
        if bits == self.last_bits {
            self.same_run = self.same_run.saturating_add(1);
        } else {
            self.last_bits = bits;
            self.same_run = 1;
            self.same_since_us = seen.timestamp_us;
        }
        let varied = seen.usual.is_warm() && seen.usual.std_dev() > seen.usual.mean().abs() * 1e-6 + 1e-9;
        let stuck = self.same_run >= STUCK_READINGS
            && seen.timestamp_us - self.same_since_us >= STUCK_US
            && (varied || self.stuck);
        let erratic = varied
            && seen.window.count >= ERRATIC_READINGS
            && seen.window.std_dev > ERRATIC_RATIO * seen.usual.std_dev();
        let changed = stuck != self.stuck || erratic != self.erratic || self.silent;
        (self.stuck, self.erratic, self.silent) = (stuck, erratic, false);
        changed
    }

    fn clock(&mut self, seen: Seen<'_>) {
        if self.last_received_us != 0 {
            let interval_us = (seen.received_us - self.last_received_us).max(0);
            self.interval_us += (interval_us - self.interval_us) / 16;
        }
        self.last_received_us = seen.received_us;
        self.latency_us += (seen.received_us - seen.timestamp_us - self.latency_us) / 16;
        if self.baseline_mean.is_none() && seen.usual.is_warm() {
            self.baseline_mean = Some(seen.usual.mean());
        }
    }

    /// Looks at the clock; true when a record is due: the sensor fell silent, or an hour has passed.
    pub fn tick(&mut self, now_us: i64) -> bool {
        if self.last_received_us == 0 {
            return false;
        }
        let patience_us = SILENT_US_MIN.max(self.interval_us.saturating_mul(SILENT_INTERVALS));
        if !self.silent && now_us - self.last_received_us > patience_us {
            self.silent = true;
            let count = &mut self.this_hour(now_us).silences;
            *count = count.saturating_add(1);
            return true;
        }
        if self.reported_us == 0 {
            self.reported_us = now_us;
        }
        !self.silent && now_us - self.reported_us >= HOUR_US
    }

    fn this_hour(&mut self, now_us: i64) -> &mut HourCount {
        let hour = now_us.div_euclid(HOUR_US);
        let passed = (hour - self.hour).clamp(0, 24);
        for past in 0..passed {
            self.hours[(hour - past).rem_euclid(24) as usize] = HourCount::default();
        }
        self.hour = self.hour.max(hour);
        &mut self.hours[hour.rem_euclid(24) as usize]
    }

    /// The record for `sensor_health`.
    pub fn report(&mut self, sensor: SensorNo, limits: &Limits, usual: &Usual, now_us: i64) -> SensorHealth {
        self.reported_us = now_us;
        self.this_hour(now_us);
        let out_of_range: u32 = self.hours.iter().map(|hour| u32::from(hour.out_of_range)).sum();
        let silences: u32 = self.hours.iter().map(|hour| u32::from(hour.silences)).sum();
        let penalty = [(self.stuck, 50.0), (self.erratic, 30.0), (self.silent, 60.0)];
        let lost: f64 = penalty.iter().filter(|(holds, _)| *holds).map(|(_, points)| points).sum();
        let score = (100.0 - lost - f64::from(out_of_range.min(20))).max(0.0);
        let width = limits.range_max.zip(limits.range_min).map(|(max, min)| max - min).filter(|width| *width > 0.0);
        let drift = self.baseline_mean.zip(width).map(|(mean, width)| 100.0 * (usual.mean() - mean) / width);
        SensorHealth {
            sensor,
            timestamp_us: now_us,
            health_score: score,
            drift_percentage: drift.map(|drift| drift.clamp(-DECIMAL_8_4_MAX, DECIMAL_8_4_MAX)),
            noise_level: usual.is_warm().then(|| usual.std_dev().min(DECIMAL_8_4_MAX)),
            last_communication_us: Some(self.last_received_us),
            communication_failures_24h: silences as i32,
            stuck: self.stuck,
            erratic: self.erratic,
            out_of_range_24h: out_of_range as i32,
            average_latency_ms: Some((self.latency_us as f64 / 1_000.0).clamp(0.0, 99_999_999.0)),
            overall_status: self.status(score).to_owned(),
        }
    }

    fn status(&self, score: f64) -> &'static str {
        match score {
            _ if self.silent => "silent",
            _ if self.stuck => "failed",
            score if score < 80.0 => "degraded",
            _ => "healthy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{Bounds, Window};

    struct Rig {
        watch: HealthWatch,
        usual: Usual,
        window: Window,
        now_us: i64,
    }

    impl Rig {
        fn varied() -> Self {
            let mut rig = Self {
                watch: HealthWatch::default(),
                usual: Usual::new(None),
                window: Window::default(),
                now_us: 1_000_000_000,
            };
            (0..600).for_each(|i| {
                rig.read(f64::from(i % 10));
            });
            rig
        }

        /// One reading each second.
        fn read(&mut self, value: f64) -> bool {
            self.now_us += 1_000_000;
            self.usual.score(value);
            let window = self.window.insert(self.now_us, value, Bounds { keep_min: 0, held_max: 1_000 });
            let (timestamp_us, received_us) = (self.now_us, self.now_us);
            self.watch.see(Seen { value, timestamp_us, received_us, out_of_range: false, window, usual: &self.usual })
        }

        fn status(&mut self) -> String {
            self.watch.report(SensorNo(0), &Limits::default(), &self.usual, self.now_us).overall_status
        }
    }

    #[test]
    fn a_sensor_that_repeats_itself_is_stuck_once_and_recovers_once() {
        let mut rig = Rig::varied();
        let changes = (0..200).filter(|_| rig.read(4.0)).count();
        assert_eq!((changes, rig.status()), (1, "failed".to_owned()));
        assert!(rig.read(5.0));
        assert_eq!(rig.status(), "healthy");
    }

    #[test]
    fn a_sensor_that_jumps_about_is_erratic() {
        let mut rig = Rig::varied();
        let changed = (0..60).any(|i| rig.read(if i % 2 == 0 { -400.0 } else { 400.0 }));
        assert!(changed && rig.watch.erratic);
    }

    #[test]
    fn a_sensor_that_says_nothing_is_silent_after_a_minute_and_speaks_again() {
        let mut rig = Rig::varied();
        rig.now_us += 50_000_000;
        assert!(!rig.watch.tick(rig.now_us));
        rig.now_us += 20_000_000;
        assert!(rig.watch.tick(rig.now_us));
        assert!(!rig.watch.tick(rig.now_us));
        assert_eq!(rig.status(), "silent");
        assert!(rig.read(3.0));
        assert_eq!(rig.status(), "healthy");
    }
}
