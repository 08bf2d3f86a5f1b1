//! Ten patterns in which machines go wrong. A pattern says which quantities it touches, how far, and along which curve;
//! the reach is a share of the way from the usual value to the critical limit, so 1.0 or more crosses it.

use super::quantity::Quantity;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    BearingWear,
    Overheating,
    PressureLoss,
    ToolWear,
    WeldDrift,
    PneumaticLoss,
    CoolantFailure,
    PositioningError,
    ElectricalFault,
    SensorDrift,
}

/// How an effect develops while the fault's progress runs from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub enum Curve {
    Linear,
    /// Slow at first, steep at the end: wear.
    Exponential,
    /// Fast at first, then level: heat, leaks.
    Saturating,
    /// Nothing until a quarter, then at once.
    Sudden,
    /// Grows while swinging.
    Swinging,
    /// Short spikes that come more often.
    Spikes,
    /// In four steps.
    Stepwise,
}

#[derive(Clone, Copy, Debug)]
pub struct Effect {
    pub quantity: Quantity,
    /// Positive towards the upper critical limit, negative towards the lower.
    pub reach: f64,
    pub curve: Curve,
}

const fn effect(quantity: Quantity, reach: f64, curve: Curve) -> Effect {
    Effect { quantity, reach, curve }
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::BearingWear,
        Self::Overheating,
        Self::PressureLoss,
        Self::ToolWear,
        Self::WeldDrift,
        Self::PneumaticLoss,
        Self::CoolantFailure,
        Self::PositioningError,
        Self::ElectricalFault,
        Self::SensorDrift,
    ];

    /// Empty for [`Fault::SensorDrift`], which touches one sensor of any kind.
    pub fn effects(self) -> &'static [Effect] {
        use Curve::{Exponential, Linear, Saturating, Spikes, Stepwise, Sudden, Swinging};
        use Quantity::{Current, Flow, Force, Position, Power, Pressure, Temperature, Vibration, Voltage};
        match self {
            Self::BearingWear => {
                const { &[effect(Vibration, 1.2, Exponential), effect(Temperature, 0.6, Exponential)] }
            }
            Self::Overheating => const { &[effect(Temperature, 1.15, Saturating), effect(Current, 0.3, Linear)] },
            Self::PressureLoss => const { &[effect(Pressure, -1.15, Linear), effect(Flow, -0.7, Linear)] },
            Self::ToolWear => {
                const { &[effect(Force, 1.1, Linear), effect(Vibration, 0.7, Linear), effect(Power, 0.6, Linear)] }
            }
            Self::WeldDrift => const { &[effect(Current, -1.1, Swinging), effect(Voltage, 1.05, Swinging)] },
            Self::PneumaticLoss => const { &[effect(Pressure, -1.1, Saturating), effect(Position, 0.5, Swinging)] },
            Self::CoolantFailure => const { &[effect(Flow, -1.2, Sudden), effect(Temperature, 1.1, Saturating)] },
            Self::PositioningError => const { &[effect(Position, 1.2, Stepwise), effect(Vibration, 0.4, Linear)] },
            Self::ElectricalFault => const { &[effect(Voltage, -1.2, Spikes), effect(Current, 1.2, Spikes)] },
            Self::SensorDrift => &[],
        }
    }

    /// The alarm code that the controller shows.
    pub fn code(self) -> &'static str {
        match self {
            Self::BearingWear => "F101_BEARING_WEAR",
            Self::Overheating => "F102_OVERHEATING",
            Self::PressureLoss => "F103_PRESSURE_LOSS",
            Self::ToolWear => "F104_TOOL_WEAR",
            Self::WeldDrift => "F105_WELD_DRIFT",
            Self::PneumaticLoss => "F106_PNEUMATIC_LOSS",
            Self::CoolantFailure => "F107_COOLANT_FAILURE",
            Self::PositioningError => "F108_POSITIONING_ERROR",
            Self::ElectricalFault => "F109_ELECTRICAL",
            Self::SensorDrift => "F110_SENSOR_DRIFT",
        }
    }

    /// Whether it stops the machine in the end; a drifting sensor only misleads.
    pub fn stops_the_machine(self) -> bool {
        self != Self::SensorDrift
    }

    /// Plant seconds from the first sign to the end.
    pub fn develops_s(self) -> f64 {
        match self {
            Self::BearingWear | Self::ToolWear | Self::SensorDrift => 3_600.0,
            Self::WeldDrift | Self::PressureLoss => 1_800.0,
            Self::Overheating | Self::PneumaticLoss | Self::PositioningError => 900.0,
            Self::CoolantFailure | Self::ElectricalFault => 300.0,
        }
    }
}

impl Curve {
    /// The share of the reach at `progress` (0..=1).
    pub fn at(self, progress: f64) -> f64 {
        let p = progress.clamp(0.0, 1.0);
        match self {
            Self::Linear => p,
            Self::Exponential => (3.0 * p).exp_m1() / 3.0_f64.exp_m1(),
            Self::Saturating => (1.0 - (-4.0 * p).exp()) / (1.0 - (-4.0_f64).exp()),
            Self::Sudden => {
                if p < 0.25 {
                    0.0
                } else {
                    1.0
                }
            }
            Self::Swinging => p * (0.8 + 0.2 * (p * 60.0).sin()),
            Self::Spikes => {
                let spike = (p * 40.0).fract() < 0.15 + 0.5 * p;
                if spike { 0.4 + 0.6 * p } else { 0.0 }
            }
            Self::Stepwise => (p * 4.0).ceil() / 4.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_that_names_quantities_crosses_a_critical_limit_in_the_end() {
        for fault in Fault::ALL {
            let crossing = fault.effects().iter().filter(|effect| effect.reach.abs() > 1.0).count();
            assert_eq!(crossing > 0, fault != Fault::SensorDrift, "{fault:?}");
        }
    }

    #[test]
    fn curves_start_at_nothing_and_stay_within_the_reach() {
        use Curve::*;
        for curve in [Linear, Exponential, Saturating, Sudden, Swinging, Stepwise] {
            assert!(curve.at(0.0).abs() < 1e-9, "{curve:?}");
            for step in 0..=1_000 {
                let share = curve.at(f64::from(step) / 1_000.0);
                assert!((-1e-9..=1.0 + 1e-9).contains(&share), "{curve:?} {share}");
            }
        }
        assert!((0..1_000).any(|step| Spikes.at(f64::from(step) / 1_000.0) > 0.9));
    }
}
