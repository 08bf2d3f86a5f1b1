//! Who is who: sensors, machines and shifts by name and by number.
//!
//! A [`Catalogue`] is immutable; a change publishes a new one ([`Directory`]). Numbers are given once and written to the
//! journal before a catalogue that contains them is published, so a number found in the spool can always be resolved,
//! also while every database is down. When the identity of a sensor changes (another machine, line, factory or unit), or
//! that of a machine (another line or factory), it gets a new number: what was taken earlier keeps the identity under
//! which it was taken.
//!
//! - [`keeper`]: the one writer: follows master data, registers unknown sensors, writes before it publishes
//! - `journal`: every number ever given, in `frame`s; `compact`: without what was changed since; `witness`: what the log relies on; `legacy`: the earlier format
//! - [`used`]: which numbers a log uses

mod compact;
mod entry;
pub mod error;
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "reached by the simulation of the whole walk"))]
mod folder;
mod frame;
mod journal;
pub mod keeper;
mod legacy;
pub mod shifts;
#[cfg(feature = "simulation")]
pub mod simulated;
pub mod used;
mod witness;

#[cfg(test)]
mod fake_folder;
#[cfg(test)]
mod journal_compaction_tests;
#[cfg(test)]
mod journal_tests;
#[cfg(test)]
mod keeper_tests;

use arc_swap::ArcSwap;
use genims_model::{MachineNo, SensorNo};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Thresholds of one sensor; `None` is "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub range_min: Option<f64>,
    pub range_max: Option<f64>,
    pub warning_min: Option<f64>,
    pub warning_max: Option<f64>,
    pub critical_min: Option<f64>,
    pub critical_max: Option<f64>,
}

/// A row of `genims_master_db.sensors`, as far as the stream needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensor {
    pub sensor_id: String,
    pub machine_id: String,
    pub line_id: String,
    pub factory_id: String,
    pub unit: String,
    pub sensor_code: Option<String>,
    pub sensor_type: Option<String>,
    pub limits: Limits,
    pub sampling_frequency_hz: Option<f64>,
    /// Days since 1970 of the last calibration, and the interval.
    pub calibration_day: Option<i32>,
    pub calibration_frequency_days: Option<i32>,
    /// False once the row is gone or its status is not `active`: such a sensor is no longer accepted.
    pub active: bool,
}

impl Sensor {
    /// Whether rows taken under `self` and `other` would name the same things.
    pub(crate) fn same_identity(&self, other: &Self) -> bool {
        self.sensor_id == other.sensor_id
            && self.machine_id == other.machine_id
            && self.line_id == other.line_id
            && self.factory_id == other.factory_id
            && self.unit == other.unit
    }
}

/// A row of `genims_master_db.machines`, as far as the stream needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub machine_id: String,
    pub line_id: String,
    pub factory_id: String,
    pub machine_code: Option<String>,
    pub machine_type: Option<String>,
    pub design_capacity_units_per_hour: Option<i32>,
    pub active: bool,
}

/// A sensor with its number and its machine's.
#[derive(Clone, Debug, PartialEq)]
pub struct SensorEntry {
    pub no: SensorNo,
    pub machine: MachineNo,
    /// Where the machine of the sensor's first number is at home: the same for all its numbers, so that one shard owns them all.
    pub home: MachineNo,
    /// The sensor has a newer number.
    pub superseded: bool,
    pub sensor: Sensor,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MachineEntry {
    pub no: MachineNo,
    /// The machine's first number: one shard owns all its numbers.
    pub home: MachineNo,
    /// The machine has a newer number.
    pub superseded: bool,
    pub machine: Machine,
}

/// Everything that resolves names, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// By number. Grows only.
    sensors: Vec<Arc<SensorEntry>>,
    machines: Vec<Arc<MachineEntry>>,
    by_sensor_id: HashMap<Box<str>, SensorNo, foldhash::fast::RandomState>,
    /// Key: machine id, 0x1F, sensor code.
    by_code: HashMap<Box<str>, SensorNo, foldhash::fast::RandomState>,
    by_machine_id: HashMap<Box<str>, MachineNo, foldhash::fast::RandomState>,
    pub shifts: shifts::ShiftCalendar,
}

impl Catalogue {
    pub fn sensor(&self, no: SensorNo) -> Option<&Arc<SensorEntry>> {
        self.sensors.get(no.0 as usize)
    }

    pub fn machine(&self, no: MachineNo) -> Option<&Arc<MachineEntry>> {
        self.machines.get(no.0 as usize)
    }

    /// The current number of a sensor id, active or not.
    pub fn sensor_by_id(&self, sensor_id: &str) -> Option<SensorNo> {
        self.by_sensor_id.get(sensor_id).copied()
    }

    /// The current number of a sensor code on a machine.
    pub fn sensor_by_code(&self, machine_id: &str, code: &str) -> Option<SensorNo> {
        // One small key on the stack instead of an allocation for each look-up.
        let mut key = [0_u8; 160];
        let length = machine_id.len() + 1 + code.len();
        let key = key.get_mut(..length)?;
        key[..machine_id.len()].copy_from_slice(machine_id.as_bytes());
        key[machine_id.len()] = CODE_SEPARATOR;
        key[machine_id.len() + 1..].copy_from_slice(code.as_bytes());
        self.by_code.get(std::str::from_utf8(key).ok()?).copied()
    }

    /// The entry under the sensor's present number.
    pub fn present<'a>(&'a self, entry: &'a Arc<SensorEntry>) -> Option<&'a Arc<SensorEntry>> {
        if entry.superseded { self.sensor(self.sensor_by_id(&entry.sensor.sensor_id)?) } else { Some(entry) }
    }

    pub fn machine_by_id(&self, machine_id: &str) -> Option<MachineNo> {
        self.by_machine_id.get(machine_id).copied()
    }

    /// All numbers ever given, current or superseded.
    pub fn sensors(&self) -> &[Arc<SensorEntry>] {
        &self.sensors
    }

    pub fn machines(&self) -> &[Arc<MachineEntry>] {
        &self.machines
    }

    pub fn active_sensors(&self) -> usize {
        self.by_sensor_id.values().filter(|no| self.sensor(**no).is_some_and(|entry| entry.sensor.active)).count()
    }

    /// Enters a machine. A changed place gets a new number; other changes keep the number. Returns the number and whether
    /// anything changed.
    pub fn put_machine(&mut self, machine: Machine) -> (MachineNo, bool) {
        let no = MachineNo(self.machines.len() as u32);
        let mut home = no;
        if let Some(known) = self.machine_by_id(&machine.machine_id) {
            let slot = &mut self.machines[known.0 as usize];
            if slot.machine == machine {
                return (known, false);
            }
            if slot.machine.same_identity(&machine) {
                *slot = Arc::new(MachineEntry { machine, ..MachineEntry::clone(slot) });
                return (known, true);
            }
            home = slot.home;
            *slot = Arc::new(MachineEntry { superseded: true, ..MachineEntry::clone(slot) });
        }
        self.by_machine_id.insert(machine.machine_id.as_str().into(), no);
        self.machines.push(Arc::new(MachineEntry { no, home, superseded: false, machine }));
        (no, true)
    }

    /// Enters a sensor. A changed identity gets a new number; other changes keep the number. Its machine is entered
    /// on the way when it is missing. Returns the number and whether anything changed.
    pub fn put_sensor(&mut self, sensor: Sensor) -> (SensorNo, bool) {
        let machine = match self.machine_by_id(&sensor.machine_id) {
            Some(no) => no,
            None => self.put_machine(Machine::bare(&sensor)).0,
        };
        let known = self.sensor_by_id(&sensor.sensor_id);
        if let Some(no) = known {
            let slot = &mut self.sensors[no.0 as usize];
            if slot.sensor == sensor {
                return (no, false);
            }
            if slot.sensor.same_identity(&sensor) {
                let old_code = slot.sensor.sensor_code.clone();
                *slot = Arc::new(SensorEntry { sensor, ..SensorEntry::clone(slot) });
                self.recode(no, old_code);
                return (no, true);
            }
        }
        let no = SensorNo(self.sensors.len() as u32);
        let home = match known {
            Some(old) => self.supersede(old),
            None => self.machine(machine).map_or(machine, |entry| entry.home),
        };
        self.by_sensor_id.insert(sensor.sensor_id.as_str().into(), no);
        self.sensors.push(Arc::new(SensorEntry { no, machine, home, superseded: false, sensor }));
        self.recode(no, None);
        (no, true)
    }

    /// Marks a number as one that its sensor no longer has; tells the sensor's home.
    fn supersede(&mut self, old: SensorNo) -> MachineNo {
        let slot = &mut self.sensors[old.0 as usize];
        *slot = Arc::new(SensorEntry { superseded: true, ..SensorEntry::clone(slot) });
        let (home, machine_id, code) = (slot.home, slot.sensor.machine_id.clone(), slot.sensor.sensor_code.clone());
        self.forget_code(old, &machine_id, code.as_deref());
        home
    }

    /// The code may have gone to another sensor of the machine meanwhile.
    fn forget_code(&mut self, no: SensorNo, machine_id: &str, code: Option<&str>) {
        let Some(code) = code else { return };
        let key = code_key(machine_id, code);
        if self.by_code.get(key.as_str()) == Some(&no) {
            self.by_code.remove(key.as_str());
        }
    }

    fn recode(&mut self, no: SensorNo, old_code: Option<String>) {
        let entry = self.sensors[no.0 as usize].clone();
        self.forget_code(no, &entry.sensor.machine_id, old_code.as_deref());
        if let Some(code) = &entry.sensor.sensor_code {
            self.by_code.insert(code_key(&entry.sensor.machine_id, code).into_boxed_str(), no);
        }
    }
}

const CODE_SEPARATOR: u8 = 0x1F;

fn code_key(machine_id: &str, code: &str) -> String {
    format!("{machine_id}{}{code}", char::from(CODE_SEPARATOR))
}

impl Machine {
    /// Whether rows taken under `self` and `other` would name the same things.
    pub(crate) fn same_identity(&self, other: &Self) -> bool {
        self.machine_id == other.machine_id && self.line_id == other.line_id && self.factory_id == other.factory_id
    }

    /// What is known of a machine from one of its sensors alone.
    pub fn bare(sensor: &Sensor) -> Self {
        Self {
            machine_id: sensor.machine_id.clone(),
            line_id: sensor.line_id.clone(),
            factory_id: sensor.factory_id.clone(),
            machine_code: None,
            machine_type: None,
            design_capacity_units_per_hour: None,
            active: true,
        }
    }
}

/// The catalogue in force; readers load it once per batch.
#[derive(Debug, Default)]
pub struct Directory {
    current: ArcSwap<Catalogue>,
}

impl Directory {
    pub fn new(catalogue: Catalogue) -> Self {
        Self { current: ArcSwap::from_pointee(catalogue) }
    }

    pub fn load(&self) -> Arc<Catalogue> {
        self.current.load_full()
    }

    /// For one look-up without touching the reference count.
    pub fn peek(&self) -> arc_swap::Guard<Arc<Catalogue>> {
        self.current.load()
    }

    pub fn publish(&self, catalogue: impl Into<Arc<Catalogue>>) {
        self.current.store(catalogue.into());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sensor(id: &str, machine: &str, code: &str) -> Sensor {
        Sensor {
            sensor_id: id.to_owned(),
            machine_id: machine.to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            unit: "C".to_owned(),
            sensor_code: Some(code.to_owned()),
            sensor_type: None,
            limits: Limits::default(),
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        }
    }

    pub(crate) fn machine(id: &str) -> Machine {
        Machine {
            machine_id: id.to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            machine_code: None,
            machine_type: None,
            design_capacity_units_per_hour: None,
            active: true,
        }
    }

    #[test]
    fn a_sensor_is_found_by_id_and_by_code_on_its_machine() {
        let mut catalogue = Catalogue::default();
        let (no, changed) = catalogue.put_sensor(sensor("S1", "M1", "TEMP"));
        assert!(changed);
        assert_eq!(catalogue.sensor_by_id("S1"), Some(no));
        assert_eq!(catalogue.sensor_by_code("M1", "TEMP"), Some(no));
        assert_eq!(catalogue.sensor_by_code("M2", "TEMP"), None);
        assert!(!catalogue.put_sensor(sensor("S1", "M1", "TEMP")).1);
    }

    #[test]
    fn a_moved_sensor_gets_a_new_number_and_the_old_one_still_resolves() {
        let mut catalogue = Catalogue::default();
        let (old, _) = catalogue.put_sensor(sensor("S1", "M1", "TEMP"));
        let (new, _) = catalogue.put_sensor(sensor("S1", "M2", "TEMP"));
        assert_ne!(old, new);
        assert_eq!(catalogue.sensor_by_id("S1"), Some(new));
        assert_eq!(catalogue.sensor(old).map(|e| e.sensor.machine_id.as_str()), Some("M1"));
        assert_eq!(catalogue.sensor_by_code("M1", "TEMP"), None);
        let (old, new) = (catalogue.sensor(old).expect("given"), catalogue.sensor(new).expect("given"));
        assert!(old.superseded && !new.superseded);
        assert_eq!((new.home, catalogue.present(old).map(|entry| entry.no)), (old.machine, Some(new.no)));
    }

    #[test]
    fn a_moved_machine_gets_a_new_number_and_keeps_its_home() {
        let mut catalogue = Catalogue::default();
        catalogue.put_machine(machine("M0"));
        let (old, _) = catalogue.put_machine(machine("M1"));
        let renamed = Machine { machine_code: Some("X".to_owned()), ..machine("M1") };
        assert_eq!(catalogue.put_machine(renamed.clone()), (old, true));
        let (new, _) = catalogue.put_machine(Machine { line_id: "L2".to_owned(), ..renamed });
        let place =
            |no| catalogue.machine(no).map(|entry| (entry.machine.line_id.as_str(), entry.home, entry.superseded));
        assert_eq!(place(old), Some(("L1", old, true)));
        assert_eq!(place(new), Some(("L2", old, false)));
        assert_eq!(catalogue.machine_by_id("M1"), Some(new));
    }

    #[test]
    fn a_code_that_went_to_another_sensor_stays_there_when_the_first_one_moves() {
        let mut catalogue = Catalogue::default();
        catalogue.put_sensor(sensor("S1", "M1", "TEMP"));
        let (second, _) = catalogue.put_sensor(sensor("S2", "M1", "TEMP"));
        catalogue.put_sensor(sensor("S1", "M2", "TEMP"));
        assert_eq!(catalogue.sensor_by_code("M1", "TEMP"), Some(second));
    }

    #[test]
    fn a_changed_limit_keeps_the_number() {
        let mut catalogue = Catalogue::default();
        let (no, _) = catalogue.put_sensor(sensor("S1", "M1", "TEMP"));
        let mut changed = sensor("S1", "M1", "TEMP2");
        changed.limits.warning_max = Some(80.0);
        assert_eq!(catalogue.put_sensor(changed), (no, true));
        assert_eq!(catalogue.sensor_by_code("M1", "TEMP"), None);
        assert_eq!(catalogue.sensor_by_code("M1", "TEMP2"), Some(no));
    }
}
