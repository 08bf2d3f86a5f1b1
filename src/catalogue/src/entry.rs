//! One change of the catalogue, as the journal holds it.

use super::shifts::{FactoryShifts, ShiftCalendar};
use super::{Catalogue, Machine, Sensor};
use serde::{Deserialize, Serialize};

/// The journal's file.
pub(crate) const NAME: &str = "catalogue.journal";

/// The unit of a registered sensor, until master data says better.
pub(crate) const UNKNOWN_UNIT: &str = "unknown";

/// One change. Numbers are implied by order: the n-th new sensor identity gets number n, so replaying the entries through
/// the same `put_*` functions gives the same numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Machine(Machine),
    /// As master data has it.
    Sensor(Sensor),
    /// Entered at the door; master data does not have it yet.
    Registered(Sensor),
    Shifts(Vec<FactoryShifts>),
}

impl Entry {
    pub(crate) fn apply(&self, catalogue: &mut Catalogue) {
        match self {
            Self::Machine(machine) => {
                catalogue.put_machine(machine.clone());
            }
            Self::Sensor(sensor) | Self::Registered(sensor) => {
                catalogue.put_sensor(sensor.clone());
            }
            Self::Shifts(factories) => catalogue.shifts = ShiftCalendar::new(factories.iter().cloned()),
        }
    }
}
