//! One sensor's value over time: a level that its machine sets a few times a second, and noise per reading.
//!
//! A reading costs a table look-up and a multiplication, because the harness shares its cores with the server.

use super::Sensor;
use super::fault::Effect;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::OnceLock;

const NOISE_STEPS: usize = 4_096;
/// Noise is stored in 1/1024 of a standard deviation.
const NOISE_UNIT: i64 = 1_024;

/// Normally distributed noise, the same for every run.
fn noise() -> &'static [i16; NOISE_STEPS] {
    static TABLE: OnceLock<Box<[i16; NOISE_STEPS]>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut rng = ChaCha8Rng::seed_from_u64(0x6E6F_6973);
        let mut table = Box::new([0; NOISE_STEPS]);
        for slot in table.iter_mut() {
            // Twelve uniform numbers add up to a variance of one (Irwin-Hall).
            let sum: f64 = (0..12).map(|_| unit(&mut rng)).sum();
            *slot = ((sum - 6.0) * NOISE_UNIT as f64) as i16;
        }
        table
    })
}

/// Uniform in 0..1.
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// What the machine's state means for a level.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub plant_s: f64,
    /// 0 (standing) to 1 (full load).
    pub load: f64,
    /// 0 (new) to 1 (worn).
    pub tool_wear: f64,
}

#[derive(Clone, Debug)]
pub struct Signal {
    centre: f64,
    half_span: f64,
    /// Way from the centre to the lower and upper critical limit.
    to_critical: (f64, f64),
    idle_drop: f64,
    wear_share: f64,
    drift_period_s: f64,
    drift_phase: f64,
    level_e4: i64,
    noise_e4: i64,
    min_e4: i64,
    max_e4: i64,
    step: usize,
    table: &'static [i16; NOISE_STEPS],
}

impl Signal {
    pub fn new(sensor: &Sensor, rng: &mut ChaCha8Rng) -> Self {
        use super::quantity::Quantity::{Force, Power, Vibration};
        let limits = sensor.limits;
        let (low, high) = limits.normal;
        let half_span = (high - low) / 2.0;
        let centre = low + half_span * (0.8 + 0.4 * unit(rng));
        let wears = matches!(sensor.quantity, Vibration | Force | Power);
        Self {
            centre,
            half_span,
            to_critical: (centre - limits.critical.0, limits.critical.1 - centre),
            idle_drop: sensor.quantity.idle_drop(),
            wear_share: if wears { 0.35 } else { 0.0 },
            drift_period_s: 3_600.0 * (4.0 + 20.0 * unit(rng)),
            drift_phase: unit(rng) * std::f64::consts::TAU,
            level_e4: to_e4(centre),
            noise_e4: to_e4(half_span * sensor.quantity.noise_share()).max(1),
            min_e4: to_e4(limits.range.0),
            max_e4: to_e4(limits.range.1),
            step: (rng.next_u32() as usize) % NOISE_STEPS,
            table: noise(),
        }
    }

    /// Sets the level. `fault`: an effect on this very sensor and its progress.
    pub fn set(&mut self, conditions: &Conditions, fault: Option<(Effect, f64)>) {
        let drift = (conditions.plant_s / self.drift_period_s * std::f64::consts::TAU + self.drift_phase).sin();
        let mut level = self.centre + self.half_span * 0.3 * drift;
        level += self.half_span * self.wear_share * conditions.tool_wear;
        level -= self.half_span * self.idle_drop * (1.0 - conditions.load);
        if let Some((effect, progress)) = fault {
            let way = if effect.reach < 0.0 { self.to_critical.0 } else { self.to_critical.1 };
            level += effect.reach * way * effect.curve.at(progress);
        }
        self.level_e4 = to_e4(level);
    }

    /// The next reading, in ten-thousandths.
    pub fn next_e4(&mut self) -> i64 {
        self.step = (self.step + 1) % NOISE_STEPS;
        let noise = i64::from(self.table[self.step]) * self.noise_e4 / NOISE_UNIT;
        (self.level_e4 + noise).clamp(self.min_e4, self.max_e4)
    }
}

/// Nearest ten-thousandth; what `DECIMAL(15,4)` cannot hold is cut to what it can.
pub fn to_e4(value: f64) -> i64 {
    const E4_MAX: f64 = 999_999_999_999_999.0;
    (value * 10_000.0).round().clamp(-E4_MAX, E4_MAX) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::Plant;
    use crate::plant::fault::Fault;

    fn signal() -> Signal {
        let plant = Plant::synthetic(1, 1);
        Signal::new(&plant.sensors[0], &mut ChaCha8Rng::seed_from_u64(7))
    }

    #[test]
    fn readings_stay_near_the_level_and_within_the_range() {
        let mut signal = signal();
        signal.set(&Conditions { plant_s: 0.0, load: 1.0, tool_wear: 0.0 }, None);
        for _ in 0..10_000 {
            let value = signal.next_e4();
            assert!((350_000..=650_000).contains(&value), "{value}");
        }
    }

    #[test]
    fn a_finished_fault_pushes_the_level_over_the_critical_limit() {
        let mut signal = signal();
        let effect = Fault::Overheating.effects()[0];
        signal.set(&Conditions { plant_s: 0.0, load: 1.0, tool_wear: 0.0 }, Some((effect, 1.0)));
        assert!(signal.next_e4() > 1_000_000);
    }

    #[test]
    fn noise_has_a_mean_near_zero_and_a_deviation_near_one() {
        let table = noise();
        let mean = table.iter().map(|&n| f64::from(n)).sum::<f64>() / NOISE_STEPS as f64;
        let variance = table.iter().map(|&n| (f64::from(n) - mean).powi(2)).sum::<f64>() / NOISE_STEPS as f64;
        assert!(mean.abs() < 0.05 * NOISE_UNIT as f64);
        assert!((variance.sqrt() / NOISE_UNIT as f64 - 1.0).abs() < 0.05);
    }
}
