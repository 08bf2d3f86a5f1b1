//! Ten patterns in which machines go wrong: which kinds of sensors they touch, how far, and along which curve. The reach is
//! a share of the way from the usual value to the critical limit, so more than 1 crosses it.

/// How an effect grows while the pattern's progress runs from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    Linear,
    /// Slow at first, steep at the end: wear.
    Exponential,
    /// Fast at first, then level: heat, leaks.
    Saturating,
    /// Nothing until a quarter, then at once.
    Sudden,
    /// Grows while swinging.
    Swinging,
    /// Spikes that come more often, and stay in the end.
    Spikes,
    /// In four steps.
    Stepwise,
}

impl Curve {
    /// The share of the reach at `progress` (0..=1).
    pub(super) fn at(self, progress: f64) -> f64 {
        let p = progress.clamp(0.0, 1.0);
        match self {
            Self::Linear => p,
            Self::Exponential => (3.0 * p).exp_m1() / 3.0_f64.exp_m1(),
            Self::Saturating => (1.0 - (-4.0 * p).exp()) / (1.0 - (-4.0_f64).exp()),
            Self::Sudden => f64::from(u8::from(p >= 0.25)),
            Self::Swinging => p * (0.9 + 0.1 * (p * 60.0).sin()),
            Self::Spikes if p < 1.0 && (p * 40.0).fract() > 0.15 + 0.5 * p => 0.0,
            Self::Spikes => 0.4 + 0.6 * p,
            Self::Stepwise => (p * 4.0).ceil() / 4.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Effect {
    /// `sensor_type` of the sensors it touches; empty for one sensor of any type.
    pub sensor_type: &'static str,
    /// Positive towards the upper critical limit, negative towards the lower.
    pub reach: f64,
    pub curve: Curve,
}

#[derive(Debug)]
pub(super) struct Pattern {
    /// What the controller shows.
    pub code: &'static str,
    pub description: &'static str,
    pub root_cause_category: &'static str,
    pub root_cause: &'static str,
    pub resolution: &'static str,
    pub parts_usd: f64,
    /// From the first sign to the full effect.
    pub develops_minutes: f64,
    /// Repair takes about this long.
    pub repair_minutes: f64,
    /// Whether it stops the machine in the end; a drifting sensor only misleads.
    pub stops: bool,
    pub effects: &'static [Effect],
}

const fn effect(sensor_type: &'static str, reach: f64, curve: Curve) -> Effect {
    Effect { sensor_type, reach, curve }
}

use Curve::{Exponential, Linear, Saturating, Spikes, Stepwise, Sudden, Swinging};

pub(super) static PATTERNS: [Pattern; 10] = [
    Pattern {
        code: "F101_BEARING_WEAR",
        description: "Bearing wear: vibration rises, the bearing gets warm",
        root_cause_category: "Wear",
        root_cause: "Rolling bearing at the end of its life, raceway pitted",
        resolution: "Bearing replaced, shaft aligned, lubrication interval shortened",
        parts_usd: 640.0,
        develops_minutes: 240.0,
        repair_minutes: 150.0,
        stops: true,
        effects: &[effect("vibration", 1.25, Exponential), effect("temperature", 0.6, Exponential)],
    },
    Pattern {
        code: "F102_OVERHEATING",
        description: "Overheating under load",
        root_cause_category: "Cooling",
        root_cause: "Heat exchanger clogged",
        resolution: "Heat exchanger flushed, filter mat replaced",
        parts_usd: 85.0,
        develops_minutes: 90.0,
        repair_minutes: 75.0,
        stops: true,
        effects: &[effect("temperature", 1.2, Saturating), effect("electrical_current", 0.3, Linear)],
    },
    Pattern {
        code: "F103_PRESSURE_LOSS",
        description: "Pressure falls slowly",
        root_cause_category: "Leakage",
        root_cause: "Seal of the hydraulic unit leaks",
        resolution: "Seal kit replaced, oil topped up",
        parts_usd: 210.0,
        develops_minutes: 150.0,
        repair_minutes: 110.0,
        stops: true,
        effects: &[effect("pressure", -1.2, Linear), effect("flow", -0.7, Linear)],
    },
    Pattern {
        code: "F104_TOOL_WEAR",
        description: "Worn tool: torque and power rise",
        root_cause_category: "Wear",
        root_cause: "Tool used beyond its life",
        resolution: "Tool changed, offset measured",
        parts_usd: 130.0,
        develops_minutes: 210.0,
        repair_minutes: 35.0,
        stops: true,
        effects: &[effect("torque", 1.2, Linear), effect("vibration", 0.7, Linear), effect("power", 0.6, Linear)],
    },
    Pattern {
        code: "F105_CURRENT_DRIFT",
        description: "Current drifts and swings",
        root_cause_category: "Electrical",
        root_cause: "Contact resistance of the power lead risen",
        resolution: "Lead and contact tips replaced, transformer checked",
        parts_usd: 175.0,
        develops_minutes: 120.0,
        repair_minutes: 60.0,
        stops: true,
        effects: &[effect("electrical_current", 1.35, Swinging), effect("power", 0.5, Swinging)],
    },
    Pattern {
        code: "F106_PNEUMATIC_LEAK",
        description: "Air is lost: pressure falls, positions waver",
        root_cause_category: "Leakage",
        root_cause: "Hose chafed at the cable carrier",
        resolution: "Hose replaced and fastened",
        parts_usd: 40.0,
        develops_minutes: 75.0,
        repair_minutes: 40.0,
        stops: true,
        effects: &[effect("pressure", -1.2, Saturating), effect("position", 0.5, Swinging)],
    },
    Pattern {
        code: "F107_COOLANT_FAILURE",
        description: "Coolant flow breaks down",
        root_cause_category: "Cooling",
        root_cause: "Coolant pump impeller broken",
        resolution: "Pump replaced, tank cleaned",
        parts_usd: 520.0,
        develops_minutes: 50.0,
        repair_minutes: 120.0,
        stops: true,
        effects: &[effect("flow", -1.25, Sudden), effect("temperature", 1.15, Saturating)],
    },
    Pattern {
        code: "F108_POSITIONING_ERROR",
        description: "Axis misses its position in steps",
        root_cause_category: "Mechanical",
        root_cause: "Coupling between drive and spindle slips",
        resolution: "Coupling tightened, reference run, tolerance checked",
        parts_usd: 60.0,
        develops_minutes: 100.0,
        repair_minutes: 80.0,
        stops: true,
        effects: &[effect("position", 1.25, Stepwise), effect("vibration", 0.4, Linear)],
    },
    Pattern {
        code: "F109_POWER_SPIKES",
        description: "Spikes in current and power",
        root_cause_category: "Electrical",
        root_cause: "Brake resistor of the frequency inverter defective",
        resolution: "Frequency inverter replaced, parameters restored",
        parts_usd: 1_450.0,
        develops_minutes: 60.0,
        repair_minutes: 130.0,
        stops: true,
        effects: &[effect("power", 1.25, Spikes), effect("electrical_current", 1.2, Spikes)],
    },
    Pattern {
        code: "F110_SENSOR_DRIFT",
        description: "A sensor drifts away from the truth",
        root_cause_category: "Instrumentation",
        root_cause: "Zero of the transmitter has moved",
        resolution: "Transmitter calibrated",
        parts_usd: 0.0,
        develops_minutes: 300.0,
        repair_minutes: 25.0,
        stops: false,
        effects: &[effect("", 0.8, Linear)],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_that_stops_a_machine_crosses_a_limit_with_its_first_effect() {
        for pattern in &PATTERNS {
            let effect = pattern.effects[0];
            assert_eq!(effect.reach.abs() * effect.curve.at(1.0) > 1.1, pattern.stops, "{}", pattern.code);
        }
    }

    #[test]
    fn curves_begin_with_nothing_and_stay_within_the_reach() {
        for curve in [Linear, Exponential, Saturating, Sudden, Swinging, Stepwise] {
            assert!(curve.at(0.0).abs() < 1e-9, "{curve:?}");
        }
        for curve in [Linear, Exponential, Saturating, Sudden, Swinging, Spikes, Stepwise] {
            assert!(
                (0..=1_000).all(|step| (0.0..=1.0 + 1e-9).contains(&curve.at(f64::from(step) / 1_000.0))),
                "{curve:?}"
            );
        }
    }
}
