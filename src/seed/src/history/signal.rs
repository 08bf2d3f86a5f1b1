//! What one sensor would show: a pure function of seed, sensor, time, its machine's load and what is wrong with it.
//!
//! A level that swings slowly, follows the load a little and stays within the warning limits; noise; one reading in a
//! thousand strays towards a warning. Only an episode crosses a critical limit.

use super::site::Device;
use crate::functions::{Random, site_seed};
use genims_catalogue::Sensor;

/// Readings that stray for no reason.
const STRAY: f64 = 0.001;

#[derive(Clone, Debug)]
pub(super) struct Signal {
    seed: u64,
    centre: f64,
    half_span: f64,
    noise: f64,
    /// How much lower it is when the machine stands, in half spans.
    idle_drop: f64,
    /// Where usual values stay.
    usual: (f64, f64),
    /// Where strays end.
    stray: (f64, f64),
    critical: (Option<f64>, Option<f64>),
    range: (f64, f64),
    period_us: f64,
    phase: f64,
}

impl Signal {
    pub(super) fn new(seed: u64, sensor: &Sensor, device: &Device) -> Self {
        let seed = site_seed(seed, &sensor.sensor_id, 2);
        let mut random = Random::new(seed, 0);
        let limits = &sensor.limits;
        let (low, high) = device.normal;
        let half_span = (high - low) / 2.0;
        let range = (limits.range_min.unwrap_or(f64::MIN), limits.range_max.unwrap_or(f64::MAX));
        let inside =
            |limit: Option<f64>, normal: f64, end: f64| limit.map_or(end, |limit| limit + (normal - limit) * 0.15);
        let beyond = |warning: Option<f64>, critical: Option<f64>, usual: f64| match (warning, critical) {
            (Some(warning), Some(critical)) => warning + (critical - warning) * 0.6,
            _ => usual,
        };
        let usual = (inside(limits.warning_min, low, range.0), inside(limits.warning_max, high, range.1));
        let standing = matches!(
            sensor.sensor_type.as_deref(),
            Some("electrical_current" | "power" | "rotational_speed" | "torque" | "vibration" | "flow")
        );
        Self {
            seed,
            centre: low + half_span * (0.85 + 0.3 * random.unit()),
            half_span,
            noise: half_span * (0.03 + 0.05 * random.unit()),
            idle_drop: if standing { 1.1 } else { 0.25 },
            usual,
            stray: (
                beyond(limits.warning_min, limits.critical_min, usual.0),
                beyond(limits.warning_max, limits.critical_max, usual.1),
            ),
            critical: (limits.critical_min, limits.critical_max),
            range,
            period_us: (3.0 + 21.0 * random.unit()) * 3.6e9,
            phase: random.unit() * std::f64::consts::TAU,
        }
    }

    /// `effect`: the share of the way to the upper (positive) or lower (negative) critical limit that something wrong adds.
    pub(super) fn value(&self, at_us: i64, load: f64, effect: Option<f64>) -> f64 {
        let mut random = Random::new(self.seed ^ 0x5EED, at_us as usize);
        let swing = (at_us as f64 / self.period_us * std::f64::consts::TAU + self.phase).sin();
        // Four uniform numbers are close enough to a gaussian.
        let gaussian: f64 = (0..4).map(|_| random.unit()).sum::<f64>() - 2.0;
        let level = self.centre + self.half_span * (0.3 * swing - self.idle_drop * (1.0 - load));
        let usual =
            (level.clamp(self.usual.0, self.usual.1) + gaussian * 1.7 * self.noise).clamp(self.usual.0, self.usual.1);
        let value = match effect.and_then(|share| Some((share, self.towards(share)?))) {
            Some((share, limit)) => usual + share.abs() * (limit - usual),
            None if random.unit() < STRAY => {
                if random.unit() < 0.5 {
                    self.stray.0
                } else {
                    self.stray.1
                }
            }
            None => usual,
        };
        // What DECIMAL(15,4) holds.
        (value.clamp(self.range.0, self.range.1) * 10_000.0).round() / 10_000.0
    }

    /// The critical limit on that side, if there is one.
    pub(super) fn towards(&self, share: f64) -> Option<f64> {
        if share < 0.0 { self.critical.0 } else { self.critical.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::site::Site;
    use super::*;
    use crate::PlantSize;

    #[test]
    fn no_sensor_is_critical_unless_something_is_wrong() {
        let site = Site::new(PlantSize::default());
        let (mut strays, mut readings) = (0, 0);
        for (entry, device) in site.catalogue.sensors().iter().zip(&site.devices) {
            let signal = Signal::new(1, &entry.sensor, device);
            let limits = entry.sensor.limits;
            for step in 0..400 {
                let load = f64::from(step % 11) / 10.0;
                let value = signal.value(i64::from(step) * 600_000_000, load, None);
                let name = &entry.sensor.sensor_id;
                assert!(limits.critical_min.is_none_or(|limit| value > limit), "{name} {value} {limits:?}");
                assert!(limits.critical_max.is_none_or(|limit| value < limit), "{name} {value} {limits:?}");
                assert!(limits.range_min.is_none_or(|limit| value >= limit), "{name} {value} {limits:?}");
                let warns = limits.warning_min.is_some_and(|limit| value < limit)
                    || limits.warning_max.is_some_and(|limit| value > limit);
                (strays, readings) = (strays + u32::from(warns), readings + 1);
            }
        }
        assert!((1..readings / 500).contains(&strays), "{strays} of {readings}");
    }
}
