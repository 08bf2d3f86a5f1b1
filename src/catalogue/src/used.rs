//! Which numbers a log uses: groups enter, the bounds that a catalogue must cover leave.

use super::Catalogue;
use genims_model::event::FaultOpened;
use genims_model::{Event, Group, MachineNo, SensorNo};

/// The highest numbers seen, none at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub(crate) sensor: Option<u32>,
    pub(crate) machine: Option<u32>,
}

impl Used {
    pub fn see(&mut self, group: &Group) {
        group.readings.iter().for_each(|reading| self.see_sensor(reading.sensor));
        group.snapshots.iter().for_each(|snapshot| self.see_machine(snapshot.machine));
        for event in &group.events {
            match event {
                Event::FaultOpened(fault) => self.see_fault(fault),
                Event::FaultClosed(fault) => self.see_machine(fault.machine),
                Event::SensorHealth(health) => self.see_sensor(health.sensor),
                Event::StateChanged { machine, .. }
                | Event::PartsCounted { machine, .. }
                | Event::EnergyMetered { machine, .. }
                | Event::ToolChanged { machine, .. }
                | Event::OperatorChanged { machine, .. }
                | Event::MachineSilent { machine, .. } => self.see_machine(*machine),
                Event::LimitCrossed(crossed) => self.see_sensor(crossed.sensor),
                Event::AnomalySeen(seen) => self.see_sensor(seen.sensor),
                Event::QualityMeasured { sensor, .. } => self.see_sensor(*sensor),
                Event::OeeHour(hour) => self.see_machine(hour.machine),
                Event::ClientLost { .. } => {}
            }
        }
    }

    pub fn see_fault(&mut self, fault: &FaultOpened) {
        self.see_machine(fault.machine);
        fault.sensor.into_iter().for_each(|no| self.see_sensor(no));
    }

    fn see_sensor(&mut self, no: SensorNo) {
        self.sensor = self.sensor.max(Some(no.0));
    }

    fn see_machine(&mut self, no: MachineNo) {
        self.machine = self.machine.max(Some(no.0));
    }

    /// The kind, the number and how many were given, for a number that the catalogue does not have.
    pub(crate) fn missing_in(&self, catalogue: &Catalogue) -> Option<(&'static str, u32, usize)> {
        let kinds =
            [("sensor", self.sensor, catalogue.sensors().len()), ("machine", self.machine, catalogue.machines().len())];
        kinds
            .into_iter()
            .find_map(|(kind, used, given)| used.filter(|used| *used as usize >= given).map(|used| (kind, used, given)))
    }
}
