//! Machines by factory and line, and sensors by machine: an index of a catalogue, made anew when another catalogue is in force.

use genims_api::plants::report::{FactoryEntry, MachineMaster, SensorMaster, Thresholds};
use genims_catalogue::{Catalogue, Machine, Sensor};
use genims_model::{MachineNo, SensorNo};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) struct Index {
    pub(super) catalogue: Arc<Catalogue>,
    /// Active ones, by factory, line and id.
    machines: Vec<MachineNo>,
    /// Active ones of a machine's id, by their own.
    sensors: HashMap<String, Vec<SensorNo>>,
}

impl Index {
    pub(super) fn of(catalogue: Arc<Catalogue>) -> Self {
        let mut machines: Vec<(&Machine, MachineNo)> = catalogue
            .machines()
            .iter()
            .filter(|entry| !entry.superseded && entry.machine.active)
            .map(|entry| (&entry.machine, entry.no))
            .collect();
        machines.sort_unstable_by_key(|(machine, _)| (&machine.factory_id, &machine.line_id, &machine.machine_id));
        let machines = machines.into_iter().map(|(_, no)| no).collect();
        let mut sensors: HashMap<String, Vec<SensorNo>> = HashMap::new();
        for entry in catalogue.sensors().iter().filter(|entry| !entry.superseded && entry.sensor.active) {
            match sensors.get_mut(&entry.sensor.machine_id) {
                Some(own) => own.push(entry.no),
                None => drop(sensors.insert(entry.sensor.machine_id.clone(), vec![entry.no])),
            }
        }
        let id = |no: &SensorNo| catalogue.sensor(*no).map(|entry| entry.sensor.sensor_id.as_str());
        sensors.values_mut().for_each(|own| own.sort_unstable_by_key(id));
        Self { machines, sensors, catalogue }
    }

    fn machine_of(&self, no: MachineNo) -> Option<&Machine> {
        self.catalogue.machine(no).map(|entry| &entry.machine)
    }

    fn active(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter_map(|no| self.machine_of(*no))
    }

    pub(super) fn factories(&self) -> Vec<FactoryEntry> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        self.active().for_each(|machine| *counts.entry(&machine.factory_id).or_default() += 1);
        counts.into_iter().map(|(id, machines)| FactoryEntry { factory_id: id.to_owned(), machines }).collect()
    }

    pub(super) fn machines(
        &self,
        factory: Option<&str>,
        (offset, limit): (usize, usize),
    ) -> (usize, Vec<MachineMaster>) {
        let of = || self.active().filter(|machine| factory.is_none_or(|wanted| machine.factory_id == wanted));
        (of().count(), of().skip(offset).take(limit).map(|machine| self.master(machine)).collect())
    }

    pub(super) fn machine(&self, machine_id: &str) -> Option<MachineMaster> {
        self.known(machine_id).map(|machine| self.master(machine))
    }

    fn known(&self, machine_id: &str) -> Option<&Machine> {
        self.machine_of(self.catalogue.machine_by_id(machine_id)?).filter(|machine| machine.active)
    }

    fn master(&self, machine: &Machine) -> MachineMaster {
        MachineMaster {
            machine_id: machine.machine_id.clone(),
            machine_code: machine.machine_code.clone(),
            machine_type: machine.machine_type.clone(),
            line_id: machine.line_id.clone(),
            factory_id: machine.factory_id.clone(),
            sensors: self.sensors.get(&machine.machine_id).map_or(0, Vec::len),
        }
    }

    fn sensors_of(&self, machine_id: &str) -> impl Iterator<Item = &Sensor> {
        let own = self.sensors.get(machine_id).into_iter().flatten();
        own.filter_map(|no| self.catalogue.sensor(*no)).map(|entry| &entry.sensor)
    }

    pub(super) fn sensors(&self, machine_id: &str, offset: usize, limit: usize) -> Vec<SensorMaster> {
        self.sensors_of(machine_id).skip(offset).take(limit).map(sensor).collect()
    }

    /// Machines and sensors, side by side: of each machine `most` at most.
    pub(super) fn pairs(&self, machines: &[String], most: usize) -> (Vec<String>, Vec<String>) {
        let of = |machine: &'_ String| {
            let ids = self.sensors_of(machine).take(most).map(|sensor| (machine.clone(), sensor.sensor_id.clone()));
            ids.collect::<Vec<_>>()
        };
        machines.iter().flat_map(of).unzip()
    }

    /// Seconds for one part, as the machine was designed.
    pub(super) fn design_cycle_s(&self, machine_id: &str) -> Option<f64> {
        let per_hour = self.known(machine_id)?.design_capacity_units_per_hour.filter(|per_hour| *per_hour > 0);
        per_hour.map(|per_hour| 3_600.0 / f64::from(per_hour))
    }
}

fn sensor(sensor: &Sensor) -> SensorMaster {
    let limits = &sensor.limits;
    SensorMaster {
        sensor_id: sensor.sensor_id.clone(),
        sensor_code: sensor.sensor_code.clone(),
        sensor_type: sensor.sensor_type.clone(),
        unit: sensor.unit.clone(),
        thresholds: Thresholds {
            warning_min: limits.warning_min,
            warning_max: limits.warning_max,
            critical_min: limits.critical_min,
            critical_max: limits.critical_max,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_catalogue::Limits;

    fn machine(id: &str, line: &str, factory: &str) -> Machine {
        Machine {
            machine_id: id.to_owned(),
            line_id: line.to_owned(),
            factory_id: factory.to_owned(),
            machine_code: None,
            machine_type: None,
            design_capacity_units_per_hour: Some(1_800),
            active: true,
        }
    }

    fn sensor(id: &str, machine: &str) -> Sensor {
        Sensor {
            sensor_id: id.to_owned(),
            machine_id: machine.to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            unit: "C".to_owned(),
            sensor_code: None,
            sensor_type: None,
            limits: Limits { warning_max: Some(80.0), ..Limits::default() },
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        }
    }

    #[test]
    fn machines_stand_by_their_place_with_what_is_active_of_them() {
        let mut catalogue = Catalogue::default();
        for (id, line, factory) in [("M9", "L2", "F1"), ("M2", "L1", "F2"), ("M3", "L1", "F1"), ("M1", "L1", "F1")] {
            catalogue.put_machine(machine(id, line, factory));
        }
        catalogue.put_machine(Machine { active: false, ..machine("M0", "L1", "F1") });
        // It moved: its first number is superseded.
        catalogue.put_machine(machine("M3", "L3", "F1"));
        for (id, of) in [("S2", "M1"), ("S1", "M1"), ("S3", "M9")] {
            catalogue.put_sensor(sensor(id, of));
        }
        catalogue.put_sensor(Sensor { active: false, ..sensor("S0", "M1") });
        let index = Index::of(Arc::new(catalogue));
        let ids = |factory, part| {
            let (total, machines) = index.machines(factory, part);
            (total, machines.into_iter().map(|machine| machine.machine_id).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(ids(None, (0, 9)), (4, "M1 M9 M3 M2".to_owned()));
        assert_eq!(ids(Some("F1"), (1, 1)), (3, "M9".to_owned()));
        assert_eq!(ids(Some("none"), (0, 9)), (0, String::new()));
        let factories: Vec<_> = index.factories().into_iter().map(|entry| (entry.factory_id, entry.machines)).collect();
        assert_eq!(factories, [("F1".to_owned(), 3), ("F2".to_owned(), 1)]);
        assert_eq!(index.machine("M1").map(|machine| machine.sensors), Some(2));
        assert!(index.machine("M0").is_none() && index.machine("none").is_none());
        let sensors = index.sensors("M1", 0, 9);
        assert_eq!(sensors.iter().map(|sensor| &*sensor.sensor_id).collect::<Vec<_>>(), ["S1", "S2"]);
        assert_eq!((sensors[0].thresholds.warning_max, index.sensors("M1", 1, 9).len()), (Some(80.0), 1));
        let (machines, sensors) = index.pairs(&["M1".to_owned(), "M9".to_owned(), "M2".to_owned()], 1);
        assert_eq!((machines.join(" "), sensors.join(" ")), ("M1 M9".to_owned(), "S1 S3".to_owned()));
        assert_eq!(index.design_cycle_s("M1"), Some(2.0));
    }
}
