//! The one writer of the catalogue: follows master data, registers unknown sensors, and writes the journal before it
//! publishes.

use super::journal::{Journal, JournalError, Line};
use super::shifts::{FactoryShifts, ShiftCalendar};
use super::{Catalogue, Directory, Limits, Machine, Sensor};
use genims_model::SensorNo;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What master data says at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MasterData {
    pub machines: Vec<Machine>,
    pub sensors: Vec<Sensor>,
    pub factories: Vec<FactoryShifts>,
}

/// What one refresh changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub entered_or_changed: usize,
    pub retired: usize,
}

/// Sensors registered but not yet in master data; more are refused until it is reachable.
const REGISTERED_MAX: usize = 10_000;

/// VARCHAR(50) of `sensors.sensor_id`.
const SENSOR_ID_CHARS_MAX: usize = 50;

#[derive(Debug)]
pub struct Keeper {
    directory: Arc<Directory>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    factories: Vec<FactoryShifts>,
    /// Registered here, not yet seen in master data.
    registered: Vec<Sensor>,
}

impl Keeper {
    /// Opens the journal in `directory` and publishes what it holds.
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let (journal, catalogue) = Journal::open(directory)?;
        let state = State { journal, factories: Vec::new(), registered: Vec::new() };
        Ok(Self { directory: Arc::new(Directory::new(catalogue)), state: Mutex::new(state) })
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Follows master data: enters what is new, updates what changed, retires what is gone.
    pub fn follow(&self, master: MasterData) -> Result<Changes, JournalError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let mut catalogue = Catalogue::clone(&self.directory.load());
        let mut lines = Vec::new();
        for machine in master.machines {
            if catalogue.put_machine(machine.clone()).1 {
                lines.push(Line::Machine(machine));
            }
        }
        let mut current: hashbrown::HashSet<SensorNo> = hashbrown::HashSet::with_capacity(master.sensors.len());
        for sensor in master.sensors {
            let (no, changed) = catalogue.put_sensor(sensor.clone());
            current.insert(no);
            if changed {
                lines.push(Line::Sensor(sensor));
            }
        }
        state
            .registered
            .retain(|sensor| catalogue.sensor_by_id(&sensor.sensor_id).is_none_or(|no| !current.contains(&no)));
        let entered_or_changed = lines.len();
        let waiting: hashbrown::HashSet<&str> = state.registered.iter().map(|s| s.sensor_id.as_str()).collect();
        let gone: Vec<Sensor> = catalogue
            .sensors()
            .iter()
            .filter(|entry| entry.sensor.active && catalogue.sensor_by_id(&entry.sensor.sensor_id) == Some(entry.no))
            .filter(|entry| !current.contains(&entry.no) && !waiting.contains(entry.sensor.sensor_id.as_str()))
            .map(|entry| Sensor { active: false, ..entry.sensor.clone() })
            .collect();
        let retired = gone.len();
        for sensor in gone {
            catalogue.put_sensor(sensor.clone());
            lines.push(Line::Sensor(sensor));
        }
        if state.factories != master.factories {
            catalogue.shifts = ShiftCalendar::new(master.factories.clone());
            lines.push(Line::Shifts(master.factories.clone()));
            state.factories = master.factories;
        }
        if !lines.is_empty() {
            state.journal.append(&lines)?;
            state.journal.sync()?;
            self.directory.publish(catalogue);
        }
        Ok(Changes { entered_or_changed, retired })
    }

    /// Enters a sensor nobody knew, on a machine that is known. Not durable before [`Keeper::sync`].
    pub fn register(&self, machine: Option<&str>, sensor: &str) -> Result<SensorNo, String> {
        let mut state = self.lock();
        let catalogue = self.directory.load();
        if let Some(no) = catalogue.sensor_by_id(sensor) {
            return Ok(no);
        }
        if sensor.is_empty() || sensor.chars().count() > SENSOR_ID_CHARS_MAX {
            return Err(format!("sensor {sensor} cannot be registered: an id has 1 to 50 characters"));
        }
        let machine = machine
            .and_then(|id| catalogue.machine_by_id(id))
            .and_then(|no| catalogue.machine(no))
            .ok_or_else(|| format!("sensor {sensor} cannot be registered: its machine is not in the catalogue"))?;
        if state.registered.len() >= REGISTERED_MAX {
            return Err(format!("sensor {sensor} cannot be registered: {REGISTERED_MAX} others wait for master data"));
        }
        let entered = Sensor {
            sensor_id: sensor.to_owned(),
            machine_id: machine.machine.machine_id.clone(),
            line_id: machine.machine.line_id.clone(),
            factory_id: machine.machine.factory_id.clone(),
            unit: "unknown".to_owned(),
            sensor_code: None,
            sensor_type: None,
            limits: Limits::default(),
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        };
        state.journal.append(&[Line::Sensor(entered.clone())]).map_err(|error| error.to_string())?;
        let mut catalogue = Catalogue::clone(&catalogue);
        let (no, _) = catalogue.put_sensor(entered.clone());
        state.registered.push(entered);
        self.directory.publish(catalogue);
        Ok(no)
    }

    pub fn sync(&self) -> Result<(), JournalError> {
        self.lock().journal.sync()
    }

    /// Registered sensors that master data does not have yet.
    pub fn registered(&self) -> Vec<Sensor> {
        self.lock().registered.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::sensor;

    fn master(sensors: Vec<Sensor>) -> MasterData {
        MasterData { sensors, ..MasterData::default() }
    }

    #[test]
    fn numbers_survive_a_restart_and_gone_sensors_are_retired_not_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::open(folder.path()).expect("a journal");
        keeper.follow(master(vec![sensor("S1", "M1", "A"), sensor("S2", "M1", "B")])).expect("written");
        let changes = keeper.follow(master(vec![sensor("S2", "M2", "B")])).expect("written");
        assert_eq!(changes, Changes { entered_or_changed: 1, retired: 1 });
        let before = keeper.directory().load();
        drop(keeper);

        let after = Keeper::open(folder.path()).expect("a journal").directory().load();
        assert_eq!(after.sensors().len(), 3);
        for (old, new) in before.sensors().iter().zip(after.sensors()) {
            assert_eq!((old.no, &old.sensor, old.machine), (new.no, &new.sensor, new.machine));
        }
        assert_eq!(after.active_sensors(), 1);
    }

    #[test]
    fn a_broken_off_last_line_is_cut_and_a_damaged_middle_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE_NAME_FOR_TESTS);
        Keeper::open(folder.path())
            .and_then(|keeper| keeper.follow(master(vec![sensor("S1", "M1", "A")])).map(|_| ()))
            .expect("written");
        let whole = std::fs::read(&path).expect("a journal");
        std::fs::write(&path, [&whole[..], b"{\"sensor\":{\"sens"].concat()).expect("written");
        assert_eq!(Keeper::open(folder.path()).expect("cut").directory().load().sensors().len(), 1);
        assert_eq!(std::fs::read(&path).expect("a journal"), whole);
        std::fs::write(&path, [b"{oops}\n".as_slice(), &whole].concat()).expect("written");
        assert!(matches!(Keeper::open(folder.path()), Err(JournalError::Damaged { line: 1, .. })));
    }

    const FILE_NAME_FOR_TESTS: &str = "catalogue.jsonl";

    #[test]
    fn a_registered_sensor_stays_until_master_data_has_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::open(folder.path()).expect("a journal");
        keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
        let no = keeper.register(Some("M1"), "S-NEW").expect("registered");
        assert!(keeper.register(Some("M9"), "S-OTHER").is_err());
        keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
        assert!(keeper.directory().load().sensor(no).is_some_and(|entry| entry.sensor.active));
        assert_eq!(keeper.registered().len(), 1);
        let known = keeper.registered()[0].clone();
        keeper.follow(master(vec![sensor("S1", "M1", "A"), known])).expect("written");
        assert!(keeper.registered().is_empty());
        assert_eq!(keeper.directory().load().sensor_by_id("S-NEW"), Some(no));
    }
}
