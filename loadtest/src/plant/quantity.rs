//! What a sensor measures, told from the words in its type, code or unit.

/// The physical quantities that faults act upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Temperature,
    Vibration,
    Pressure,
    Flow,
    Current,
    Voltage,
    Power,
    Speed,
    Force,
    Position,
    Other,
}

/// Words as they occur in sensor types; the first match wins, so the special ones come first.
const WORDS: [(&str, Quantity); 25] = [
    ("vibration", Quantity::Vibration),
    ("acoustic", Quantity::Vibration),
    ("acceler", Quantity::Vibration),
    ("temp", Quantity::Temperature),
    ("thermo", Quantity::Temperature),
    ("pressure", Quantity::Pressure),
    ("vacuum", Quantity::Pressure),
    ("flow", Quantity::Flow),
    ("coolant", Quantity::Flow),
    ("level", Quantity::Flow),
    ("current", Quantity::Current),
    ("ampere", Quantity::Current),
    ("voltage", Quantity::Voltage),
    ("power", Quantity::Power),
    ("energy", Quantity::Power),
    ("speed", Quantity::Speed),
    ("rpm", Quantity::Speed),
    ("cycle", Quantity::Speed),
    ("torque", Quantity::Force),
    ("force", Quantity::Force),
    ("load", Quantity::Force),
    ("position", Quantity::Position),
    ("proximity", Quantity::Position),
    ("displacement", Quantity::Position),
    ("angle", Quantity::Position),
];

impl Quantity {
    pub const ALL: [Self; 11] = [
        Self::Temperature,
        Self::Vibration,
        Self::Pressure,
        Self::Flow,
        Self::Current,
        Self::Voltage,
        Self::Power,
        Self::Speed,
        Self::Force,
        Self::Position,
        Self::Other,
    ];

    pub fn of(sensor_type: &str, sensor_code: &str) -> Self {
        for text in [sensor_type, sensor_code] {
            let text = text.to_lowercase();
            if let Some((_, quantity)) = WORDS.iter().find(|(word, _)| text.contains(word)) {
                return *quantity;
            }
        }
        Self::Other
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::Temperature => "TEMP",
            Self::Vibration => "VIBR",
            Self::Pressure => "PRES",
            Self::Flow => "FLOW",
            Self::Current => "CURR",
            Self::Voltage => "VOLT",
            Self::Power => "POWR",
            Self::Speed => "SPED",
            Self::Force => "FORC",
            Self::Position => "POSN",
            Self::Other => "MISC",
        }
    }

    /// How strongly the value falls when the machine stands still, 0 (not at all) to 1 (to the lower end).
    pub fn idle_drop(self) -> f64 {
        match self {
            Self::Speed | Self::Power | Self::Current | Self::Force | Self::Vibration => 0.8,
            Self::Flow => 0.6,
            Self::Temperature => 0.5,
            Self::Pressure => 0.2,
            Self::Voltage | Self::Position | Self::Other => 0.05,
        }
    }

    /// Noise (one standard deviation) as a share of half the normal range.
    pub fn noise_share(self) -> f64 {
        match self {
            Self::Vibration => 0.12,
            Self::Flow | Self::Force | Self::Power | Self::Current => 0.06,
            Self::Pressure | Self::Speed | Self::Voltage => 0.04,
            Self::Temperature | Self::Position | Self::Other => 0.02,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_words_beat_code_words() {
        assert_eq!(Quantity::of("Temperature", "X1"), Quantity::Temperature);
        assert_eq!(Quantity::of("motor_current", "TEMP"), Quantity::Current);
        assert_eq!(Quantity::of("", "SPINDLE_SPEED"), Quantity::Speed);
        assert_eq!(Quantity::of("humidity", "H1"), Quantity::Other);
    }
}
