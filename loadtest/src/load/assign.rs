//! Which connection owns which sensors. Every original reading is unique by (sensor, timestamp): a sensor belongs to one
//! connection, or, where there are more connections than sensors, its owners use disjoint microseconds.

use crate::plan::{Form, Stream};
use crate::plant::Plant;

/// What one connection sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Indices into [`Plant::sensors`], ascending.
    pub sensors: Vec<usize>,
    /// Indices into [`Plant::machines`]: for snapshots.
    pub machines: Vec<usize>,
    /// The connection uses only microseconds with `us % stride == rank`.
    pub stride: i64,
    pub rank: i64,
}

/// Machines for each stream in proportion to the weights. Streams of snapshots see all machines, because they write to
/// a table of their own.
pub fn machines_by_stream(plant: &Plant, streams: &[Stream]) -> Vec<Vec<usize>> {
    let takes = |stream: &Stream| stream.form != Form::Scada;
    let total: u64 = streams.iter().filter(|s| takes(s)).map(|stream| u64::from(stream.weight)).sum();
    let mut before = 0;
    let machines = plant.machines.len() as u64;
    streams
        .iter()
        .map(|stream| {
            if !takes(stream) {
                return (0..plant.machines.len()).collect();
            }
            let from = machines * before / total;
            before += u64::from(stream.weight);
            (from as usize..(machines * before / total) as usize).collect()
        })
        .collect()
}

/// Splits a stream's machines over its connections. `reserved`: a sensor that belongs to the probes.
pub fn shares(plant: &Plant, machines: &[usize], connections: usize, reserved: Option<usize>) -> Vec<Share> {
    let sensors_of = |machines: &[usize]| -> Vec<usize> {
        machines
            .iter()
            .flat_map(|&machine| plant.machines[machine].sensors.clone())
            .filter(|&sensor| Some(sensor) != reserved)
            .collect()
    };
    let slice = |total: usize, part: usize| total * part / connections..total * (part + 1) / connections;
    if connections <= machines.len() {
        return (0..connections)
            .map(|part| {
                let machines = machines[slice(machines.len(), part)].to_vec();
                Share { sensors: sensors_of(&machines), machines, stride: 1, rank: 0 }
            })
            .collect();
    }
    let sensors = sensors_of(machines);
    let machine_of = |part: usize| machines.get(part % machines.len().max(1)).copied().into_iter().collect();
    if connections <= sensors.len() {
        return (0..connections)
            .map(|part| Share {
                sensors: sensors[slice(sensors.len(), part)].to_vec(),
                machines: machine_of(part),
                stride: 1,
                rank: 0,
            })
            .collect();
    }
    let stride = connections.div_ceil(sensors.len().max(1)) as i64;
    (0..connections)
        .map(|part| Share {
            sensors: sensors.get(part % sensors.len().max(1)).copied().into_iter().collect(),
            machines: machine_of(part),
            stride,
            rank: (part / sensors.len().max(1)) as i64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn owners(plant: &Plant, connections: usize) -> HashMap<usize, Vec<(i64, i64)>> {
        let machines: Vec<usize> = (0..plant.machines.len()).collect();
        let mut owners: HashMap<usize, Vec<(i64, i64)>> = HashMap::new();
        for share in shares(plant, &machines, connections, Some(0)) {
            assert!(!share.sensors.is_empty());
            for sensor in share.sensors {
                owners.entry(sensor).or_default().push((share.stride, share.rank));
            }
        }
        owners
    }

    #[test]
    fn every_sensor_but_the_reserved_one_is_owned_and_owners_never_share_a_microsecond() {
        let plant = Plant::synthetic(5, 3);
        for connections in [1, 4, 5, 6, 14, 15, 40] {
            let owners = owners(&plant, connections);
            assert_eq!(owners.len(), 14, "{connections}");
            assert!(!owners.contains_key(&0));
            for slots in owners.values() {
                let mut ranks: Vec<i64> = slots.iter().map(|(_, rank)| *rank).collect();
                ranks.sort_unstable();
                ranks.dedup();
                assert_eq!(ranks.len(), slots.len());
                assert!(slots.iter().all(|(stride, rank)| rank < stride));
            }
        }
    }

    #[test]
    fn streams_get_machines_by_weight() {
        let plant = Plant::synthetic(10, 1);
        let stream = |weight, form| -> Stream {
            toml::from_str(&format!("name=\"s\"\nprotocol=\"mqtt\"\nform=\"{form}\"\nrate=1\nweight={weight}"))
                .expect("valid")
        };
        let streams = [stream(1, "frame"), stream(1, "scada"), stream(4, "frame")];
        let machines = machines_by_stream(&plant, &streams);
        assert_eq!(machines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 10, 8]);
    }
}
