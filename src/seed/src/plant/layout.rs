//! Where things stand: lines are spread evenly over factories, machines over lines, sensors over machines. Numbers count
//! from 0 across the group.

use super::PlantSize;
use super::kinds::{LINES, LineKind, MachineKind, Point};

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub size: PlantSize,
}

/// The share of `0..parts` into which `number` of `0..all` falls.
fn share(number: u64, parts: u64, all: u64) -> u64 {
    number * parts / all
}

/// The first number whose share is `part`.
fn first(part: u64, parts: u64, all: u64) -> u64 {
    (part * all).div_ceil(parts)
}

/// A machine among those of its line.
#[derive(Clone, Copy, Debug)]
pub(super) struct MachinePlace {
    pub line: u64,
    pub factory: u64,
    /// From 1 along the line.
    pub position: u64,
    pub kind: &'static MachineKind,
}

/// A measuring point on its machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct SensorPlace {
    pub machine: u64,
    pub point: &'static Point,
    /// From 1 among the sensors of the same type on the machine: the 1 of `TEMP-1`.
    pub number: u64,
    /// How many times the machine's list of points was gone through before.
    pub round: u64,
}

impl Layout {
    pub(super) fn factory_of_line(&self, line: u64) -> u64 {
        share(line, self.size.factories.into(), self.size.lines.into())
    }

    /// From 1 within its factory.
    pub(super) fn number_in_factory(&self, line: u64) -> u64 {
        line - first(self.factory_of_line(line), self.size.factories.into(), self.size.lines.into()) + 1
    }

    pub(super) fn line_kind(&self, line: u64) -> &'static LineKind {
        &LINES[(line % LINES.len() as u64) as usize]
    }

    pub(super) fn machines_of_line(&self, line: u64) -> u64 {
        let (lines, machines) = (self.size.lines.into(), self.size.machines.into());
        first(line + 1, lines, machines) - first(line, lines, machines)
    }

    pub(super) fn machine(&self, machine: u64) -> MachinePlace {
        let (lines, machines) = (self.size.lines.into(), self.size.machines.into());
        let line = share(machine, lines, machines);
        let index = machine - first(line, lines, machines);
        let kinds = self.line_kind(line).machines;
        MachinePlace {
            line,
            factory: self.factory_of_line(line),
            position: index + 1,
            kind: kinds[(index % kinds.len() as u64) as usize],
        }
    }

    pub(super) fn sensor(&self, sensor: u64) -> SensorPlace {
        let (machines, sensors) = (self.size.machines.into(), self.size.sensors.into());
        let machine = share(sensor, machines, sensors);
        let index = sensor - first(machine, machines, sensors);
        let points = self.machine(machine).kind.points;
        let (round, place) = (index / points.len() as u64, (index % points.len() as u64) as usize);
        let point = &points[place];
        let same = |other: &&Point| other.quantity.code == point.quantity.code;
        let (per_round, before) = (points.iter().filter(same).count(), points[..place].iter().filter(same).count());
        SensorPlace { machine, point, number: round * per_round as u64 + before as u64 + 1, round }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn codes_are_unique_on_a_machine_and_every_part_gets_its_even_share(
            factories in 1_u32..6, more_lines in 0_u32..20, more_machines in 0_u32..60, sensors in 1_u32..900,
        ) {
            let lines = factories + more_lines;
            let machines = lines + more_machines;
            let layout = Layout { size: PlantSize { factories, lines, machines, sensors, seed: 1 } };
            let mut codes = HashSet::new();
            for sensor in 0..u64::from(sensors) {
                let place = layout.sensor(sensor);
                prop_assert!(place.machine < u64::from(machines));
                prop_assert!(codes.insert((place.machine, place.point.quantity.code, place.number)));
            }
            let counted: u64 = (0..u64::from(lines)).map(|line| layout.machines_of_line(line)).sum();
            prop_assert_eq!(counted, u64::from(machines));
            for machine in 0..u64::from(machines) {
                let place = layout.machine(machine);
                prop_assert!(place.line < u64::from(lines) && place.factory < u64::from(factories));
                prop_assert!(place.position <= layout.machines_of_line(place.line));
            }
        }
    }
}
