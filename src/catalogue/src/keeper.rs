//! The one writer of the catalogue: follows master data, registers unknown sensors, and publishes only what the journal
//! holds durably.
//!
//! - What was entered and is not durable yet stands in `staged` alone. A number out of it may be staged by a connection,
//!   which calls [`Keeper::sync`] before anything that uses it goes on; nobody else sees it.
//! - One sync serves everybody who waits: whoever gets the journal writes what all have entered.
//! - When the disk is full, what was entered keeps its number and is tried again by the next [`Keeper::sync`] or
//!   [`Keeper::follow`]. Until then names that master data has are not unknown: [`Keeper::entered`] gives their numbers, which may
//!   be used like those of a registration.

use super::entry::{Entry, UNKNOWN_UNIT};
use super::error::JournalError;
use super::folder::{Folder, RealFolder};
use super::journal::{Journal, Log, Opened};
use super::shifts::{FactoryShifts, ShiftCalendar};
use super::used::Used;
use super::{Catalogue, Directory, Limits, Machine, Sensor};
use genims_model::{MachineNo, SensorNo};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

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

/// The log whose records use the catalogue's numbers.
#[derive(Clone, Copy, Debug)]
pub struct LogIdentity<'a> {
    pub id: Uuid,
    pub directory: &'a Path,
    /// Nothing was ever appended to it.
    pub blank: bool,
}

/// A number for a name that the published catalogue does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    pub no: SensorNo,
    /// See [`super::SensorEntry::home`].
    pub home: MachineNo,
}

/// Sensors registered but not yet in master data; more are refused until it is reachable.
const REGISTERED_MAX: usize = 10_000;

/// VARCHAR(50) of `sensors.sensor_id`.
const SENSOR_ID_CHARS_MAX: usize = 50;

#[derive(Debug)]
pub struct Keeper {
    directory: Arc<Directory>,
    /// Held while the disk works. Taken before `state` by those who need both.
    journal: Mutex<Writing>,
    /// Held for moments only.
    state: Mutex<State>,
}

#[derive(Debug)]
struct Writing {
    journal: Journal,
    /// The last attempt failed; said once.
    failing: bool,
}

#[derive(Debug)]
struct State {
    /// The journal's catalogue with everything that waits applied.
    staged: Arc<Catalogue>,
    /// Entered, not in the journal yet.
    waiting: Vec<Entry>,
    /// Registered here, not yet seen in master data.
    registered: Vec<Sensor>,
}

impl Keeper {
    /// Opens the journal in `directory` for this log and publishes what it holds.
    pub fn open(directory: &Path, log: LogIdentity<'_>) -> Result<Self, JournalError> {
        let log_folder = Box::new(RealFolder(log.directory.to_owned()));
        Self::open_in(&RealFolder(directory.to_owned()), log_folder, Log { id: log.id, blank: log.blank })
    }

    pub(crate) fn open_in(folder: &dyn Folder, log_folder: Box<dyn Folder>, log: Log) -> Result<Self, JournalError> {
        let Opened { journal, registered } = Journal::open(folder, log_folder, log)?;
        let directory = Directory::default();
        directory.publish(journal.catalogue().clone());
        let state = State { staged: journal.catalogue().clone(), waiting: Vec::new(), registered };
        Ok(Self {
            directory: Arc::new(directory),
            journal: Mutex::new(Writing { journal, failing: false }),
            state: Mutex::new(state),
        })
    }

    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Fails when the log uses a number that the journal never gave: it is then older than the log.
    pub fn covers(&self, used: Used) -> Result<(), JournalError> {
        let writing = self.journal.lock();
        match used.missing_in(writing.journal.catalogue()) {
            None => Ok(()),
            Some((what, used, given)) => {
                Err(JournalError::Unknown { path: writing.journal.path().clone(), what, used, given })
            }
        }
    }

    /// Follows master data: enters what is new, updates what changed, retires what is gone.
    pub fn follow(&self, master: MasterData) -> Result<Changes, JournalError> {
        let mut writing = self.journal.lock();
        // Also while what was entered before waits: what waits grows by changes alone, and a name that is not entered is unknown.
        let changes = self.state.lock().enter(master);
        self.write(&mut writing)?;
        Ok(changes)
    }

    /// Enters a sensor nobody knew, on a machine that is known. The number may be used once [`Keeper::sync`] was fine.
    pub fn register(&self, machine: Option<&str>, sensor: &str) -> Result<Registration, String> {
        self.state.lock().register(machine, sensor)
    }

    /// The number of an active sensor, durable or not. It may be used once [`Keeper::sync`] was fine.
    pub fn entered(&self, machine: Option<&str>, sensor: &str) -> Option<Registration> {
        self.state.lock().entered(machine, sensor).filter(|(_, active)| *active).map(|(found, _)| found)
    }

    /// The same of a machine: its number and its home.
    pub fn entered_machine(&self, machine: &str) -> Option<(MachineNo, MachineNo)> {
        let state = self.state.lock();
        let no = state.staged.machine_by_id(machine)?;
        Some((no, state.staged.machine(no)?.home))
    }

    /// Makes everything entered before the call durable and publishes it.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.write(&mut self.journal.lock())
    }

    /// Registered sensors that master data does not have yet.
    pub fn registered(&self) -> Vec<Sensor> {
        self.state.lock().registered.clone()
    }

    fn write(&self, writing: &mut Writing) -> Result<(), JournalError> {
        let outcome = self.write_waiting(&mut writing.journal);
        match &outcome {
            Ok(()) if writing.failing => tracing::info!("the catalogue journal is written again"),
            Err(error) if !writing.failing && error.is_full() => {
                tracing::warn!(%error, "new numbers wait, and are tried again")
            }
            Err(error) if !writing.failing => tracing::error!(%error, "new numbers wait"),
            _ => {}
        }
        writing.failing = outcome.is_err();
        outcome
    }

    fn write_waiting(&self, journal: &mut Journal) -> Result<(), JournalError> {
        let entries = std::mem::take(&mut self.state.lock().waiting);
        if !entries.is_empty()
            && let Err(error) = journal.append(&entries)
        {
            // In front of what was entered meanwhile: the order is the numbers.
            self.state.lock().waiting.splice(..0, entries);
            return Err(error);
        }
        journal.confirm()?;
        if !Arc::ptr_eq(journal.catalogue(), &self.directory.peek()) {
            self.directory.publish(journal.catalogue().clone());
            let mut state = self.state.lock();
            if state.waiting.is_empty() {
                // The same contents: one copy of them is enough.
                state.staged = journal.catalogue().clone();
            }
        }
        Ok(())
    }
}

impl State {
    fn enter(&mut self, master: MasterData) -> Changes {
        let catalogue = Arc::make_mut(&mut self.staged);
        let mut entries = Vec::new();
        let machines: hashbrown::HashSet<String> =
            master.machines.iter().map(|machine| machine.machine_id.clone()).collect();
        for machine in master.machines {
            if catalogue.put_machine(machine.clone()).1 {
                entries.push(Entry::Machine(machine));
            }
        }
        let mut current: hashbrown::HashSet<SensorNo> = hashbrown::HashSet::with_capacity(master.sensors.len());
        for sensor in master.sensors {
            let (no, changed) = catalogue.put_sensor(sensor.clone());
            current.insert(no);
            if changed {
                entries.push(Entry::Sensor(sensor));
            }
        }
        let entered_or_changed = entries.len();
        let (arrived, waiting): (Vec<Sensor>, Vec<Sensor>) = std::mem::take(&mut self.registered)
            .into_iter()
            .partition(|sensor| catalogue.sensor_by_id(&sensor.sensor_id).is_some_and(|no| current.contains(&no)));
        // Said even when nothing changed: at the next start it no longer waits.
        let arrived = arrived.iter().filter_map(|known| catalogue.sensor(catalogue.sensor_by_id(&known.sensor_id)?));
        entries.extend(arrived.map(|entry| Entry::Sensor(entry.sensor.clone())));
        // A sensor whose machine has gone can never enter master data.
        self.registered = waiting.into_iter().filter(|sensor| machines.contains(&sensor.machine_id)).collect();
        let waiting: hashbrown::HashSet<&str> = self.registered.iter().map(|s| s.sensor_id.as_str()).collect();
        let gone: Vec<Sensor> = catalogue
            .sensors()
            .iter()
            .filter(|entry| entry.sensor.active && !entry.superseded && !current.contains(&entry.no))
            .filter(|entry| !waiting.contains(entry.sensor.sensor_id.as_str()))
            .map(|entry| Sensor { active: false, ..entry.sensor.clone() })
            .collect();
        let retired = gone.len();
        for sensor in gone {
            catalogue.put_sensor(sensor.clone());
            entries.push(Entry::Sensor(sensor));
        }
        let shifts = ShiftCalendar::new(master.factories.iter().cloned());
        if catalogue.shifts != shifts {
            catalogue.shifts = shifts;
            entries.push(Entry::Shifts(master.factories));
        }
        self.waiting.extend(entries);
        Changes { entered_or_changed, retired }
    }

    /// A sensor by its id, or by its code on the machine, and whether it is active.
    fn entered(&self, machine: Option<&str>, sensor: &str) -> Option<(Registration, bool)> {
        let by_code = || self.staged.sensor_by_code(machine?, sensor);
        let entry = self.staged.sensor(self.staged.sensor_by_id(sensor).or_else(by_code)?)?;
        Some((Registration { no: entry.no, home: entry.home }, entry.sensor.active))
    }

    fn register(&mut self, machine: Option<&str>, sensor: &str) -> Result<Registration, String> {
        match self.entered(machine, sensor) {
            Some((known, true)) => return Ok(known),
            Some((_, false)) => {
                return Err(format!("sensor {sensor} is not active; set its status in genims_master_db.sensors"));
            }
            None => {}
        }
        if sensor.is_empty() || sensor.chars().count() > SENSOR_ID_CHARS_MAX {
            return Err(format!("sensor {sensor} cannot be registered: an id has 1 to 50 characters"));
        }
        let machine = machine
            .and_then(|id| self.staged.machine_by_id(id))
            .and_then(|no| self.staged.machine(no))
            .ok_or_else(|| {
                let what = "its machine is not in the catalogue; add that to genims_master_db.machines";
                format!("sensor {sensor} cannot be registered: {what}")
            })?;
        if self.registered.len() >= REGISTERED_MAX {
            return Err(format!("sensor {sensor} cannot be registered: {REGISTERED_MAX} others wait for master data"));
        }
        let home = machine.no;
        let entered = Sensor {
            sensor_id: sensor.to_owned(),
            machine_id: machine.machine.machine_id.clone(),
            line_id: machine.machine.line_id.clone(),
            factory_id: machine.machine.factory_id.clone(),
            unit: UNKNOWN_UNIT.to_owned(),
            sensor_code: None,
            sensor_type: None,
            limits: Limits::default(),
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        };
        let (no, _) = Arc::make_mut(&mut self.staged).put_sensor(entered.clone());
        self.waiting.push(Entry::Registered(entered.clone()));
        self.registered.push(entered);
        Ok(Registration { no, home })
    }
}
