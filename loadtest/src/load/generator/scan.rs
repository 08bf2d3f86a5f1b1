//! Scans: which sensors are read together, and when.

use super::super::assign::Share;
use crate::plan::{Form, Stream};
use crate::plant::Plant;
use std::ops::Range;

/// Sensors that share a message.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) slots: Range<usize>,
    pub(super) topic: Vec<u8>,
    pub(super) cursor: usize,
    pub(super) scan_us: i64,
}

/// The first allowed microsecond that is at least `at_us` and later than `previous_us`.
pub(super) fn next_scan_us(previous_us: i64, at_us: i64, share: &Share) -> i64 {
    let aligned = at_us.div_euclid(share.stride) * share.stride + share.rank;
    if aligned > previous_us { aligned } else { previous_us + share.stride }
}

/// The machines to simulate, and for each sensor of the share its place in them.
pub(super) fn places(plant: &Plant, share: &Share, form: Form) -> (Vec<usize>, Vec<(usize, usize)>) {
    if form == Form::Scada {
        return (share.machines.clone(), Vec::new());
    }
    let mut machines: Vec<usize> = Vec::new();
    let places = share
        .sensors
        .iter()
        .map(|&sensor| {
            let machine = plant.sensors[sensor].machine;
            if machines.last() != Some(&machine) {
                machines.push(machine);
            }
            (machines.len() - 1, sensor - plant.machines[machine].sensors.start)
        })
        .collect();
    (machines, places)
}

pub(super) fn groups(plant: &Plant, share: &Share, stream: &Stream) -> Vec<Group> {
    let key = |sensor: usize| {
        let machine = &plant.machines[plant.sensors[sensor].machine];
        match stream.form {
            Form::MachineJson => machine.machine_id.as_str(),
            Form::ReadingsJson | Form::Frame | Form::LineProtocol if stream.protocol.is_mqtt() => &machine.factory_id,
            _ => "",
        }
    };
    let mut groups: Vec<Group> = Vec::new();
    for (slot, &sensor) in share.sensors.iter().enumerate() {
        let joins = slot > 0 && key(share.sensors[slot - 1]) == key(sensor);
        match groups.last_mut().filter(|_| joins) {
            Some(group) => group.slots.end = slot + 1,
            None => {
                let factory = &plant.machines[plant.sensors[sensor].machine].factory_id;
                let topic = format!("genims/v1/{factory}/readings").into_bytes();
                groups.push(Group { slots: slot..slot + 1, topic, cursor: 0, scan_us: 0 });
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn owners_of_one_sensor_use_disjoint_microseconds() {
        let share = |rank| Share { sensors: vec![0], machines: vec![0], stride: 4, rank };
        let mut seen = HashSet::new();
        for rank in 0..4 {
            let mut previous = 0;
            for at in (0..1_000).step_by(7) {
                previous = next_scan_us(previous, at, &share(rank));
                assert!(seen.insert(previous));
            }
        }
    }
}
