//! Stored records become events again: the analysis of the stream sees them in the order in which it saw them.
//!
//! In: readings, snapshots and the sensors' health, by receipt; what was known before. Out: events.
//!
//! - What was judged of a reading stands beside it: whether it was unusual, and beyond which limits.
//! - A sensor's health is told as it was stored; what the analysis would say of it depends on when its clock was looked at.
//! - Faults are those that have a row, their ends those of the row: a restart of the server forgets when a fault began. What of a row the
//!   analysis does not find is for the caller to tell: [`Maker::has_found`].
//! - Energy is told once a minute, so it is told at the same moments only when the register is taken up where it was told last:
//!   [`Maker::take_up_energy`].
//! - That a machine fell silent, or is heard again, is known by the clock alone, and a lost client by its connection: neither is made anew.

use genims_analysis::faults;
use genims_analysis::machine::MachineState;
use genims_analysis::sensor::{Rules, SensorState};
use genims_catalogue::Catalogue;
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::{Event, MachineNo, Reading, SensorNo, Snapshot};
use genims_stores::postgres::received::Received;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Kinds of events that no table tells of.
pub const NEVER_MADE: [&str; 3] = ["client_lost", "machine_silent", "machine_heard"];

/// How often the clock is looked at, and how far behind: what the stream tells by its clock is behind records that are a little older.
const TICK_US: i64 = 1_000_000;
const BEHIND_US: i64 = 60_000_000;

/// Whose fault, which, since when.
type FaultKey = (MachineNo, String, i64);

/// See the module's header.
pub struct Maker {
    catalogue: Arc<Catalogue>,
    rules: Rules,
    sensors: HashMap<SensorNo, Box<SensorState>>,
    machines: HashMap<MachineNo, MachineState>,
    opened: Vec<FaultOpened>,
    known: HashSet<FaultKey>,
    closed: HashMap<FaultKey, FaultClosed>,
    /// Beginnings and ends (true) that the analysis has found again.
    found: HashSet<(FaultKey, bool)>,
    next_tick_us: i64,
}

impl Maker {
    /// `faults`: those of the time, as they are stored, and those that were open when it began.
    pub fn new(catalogue: Arc<Catalogue>, rules: Rules, faults: Vec<Event>) -> Self {
        let (mut opened, mut closed): (Vec<FaultOpened>, HashMap<FaultKey, FaultClosed>) = Default::default();
        for fault in faults {
            match fault {
                Event::FaultOpened(fault) => opened.push(fault),
                Event::FaultClosed(fault) => {
                    closed.insert(key_of_end(&fault), fault);
                }
                _ => {}
            }
        }
        let known = opened.iter().map(key_of).collect();
        let (sensors, machines, found) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { catalogue, rules, sensors, machines, opened, known, closed, found, next_tick_us: i64::MIN }
    }

    /// A reading of the time before: its sensor's state is to be as it was, and what it tells of was told.
    pub fn recall(&mut self, reading: &Reading) {
        self.reading(reading, &mut Vec::new());
    }

    /// The clock reaches a receipt, and nothing that it says before is made anew: the stream's clock went on while nothing came.
    pub fn pass(&mut self, received_us: i64) {
        self.tick(received_us.saturating_sub(BEHIND_US), &mut Vec::new());
    }

    /// Sees the next record; what it tells of is added to `events`. Of a snapshot the time at which it counts, where it is no late one.
    pub fn see(&mut self, received: &Received, events: &mut Vec<Event>) -> Option<i64> {
        let first = events.len();
        self.tick(received.received_us().saturating_sub(BEHIND_US), events);
        let counts_us = match received {
            Received::Reading(reading) => {
                self.reading(reading, events);
                None
            }
            Received::Snapshot(snapshot) => self.snapshot(snapshot, events),
            Received::Health(_) => None,
        };
        let mut told = events.split_off(first);
        told.retain_mut(|event| self.was_told(event));
        events.append(&mut told);
        if let Received::Health(health) = received {
            events.push(Event::SensorHealth((**health).clone()));
        }
        counts_us
    }

    /// The register's energy was told by this snapshot, which counts at this time.
    pub fn take_up_energy(&mut self, snapshot: &Snapshot, counts_us: i64) {
        if let (Some(state), Some(kwh)) =
            (self.machines.get_mut(&snapshot.machine), snapshot.fields.energy_consumed_kwh)
        {
            state.take_up_energy(counts_us, kwh);
        }
    }

    /// Whether the analysis has found this beginning or end of a fault again. It does not where the limits are others by now, or the value
    /// was stored a little smaller than it came.
    pub fn has_found(&self, fault: &Event) -> bool {
        match fault {
            Event::FaultOpened(fault) => self.found.contains(&(key_of(fault), false)),
            Event::FaultClosed(fault) => self.found.contains(&(key_of_end(fault), true)),
            _ => false,
        }
    }

    fn tick(&mut self, now_us: i64, events: &mut Vec<Event>) {
        if now_us < self.next_tick_us {
            return;
        }
        self.next_tick_us = now_us.saturating_add(TICK_US);
        for (no, state) in &mut self.machines {
            state.tick(*no, now_us, events);
        }
    }

    fn reading(&mut self, reading: &Reading, events: &mut Vec<Event>) {
        let Reading { sensor, timestamp_us, .. } = *reading;
        let Some(entry) = self.catalogue.sensor(sensor) else { return };
        let opened = &self.opened;
        let state = self.sensors.entry(sensor).or_insert_with(|| {
            let mut state = Box::new(SensorState::new(entry.clone()));
            let closed = &self.closed;
            for fault in opened.iter().filter(|fault| fault.sensor == Some(sensor)) {
                let side = faults::side_of(&fault.fault_code).filter(|_| was_open(fault, closed, timestamp_us));
                side.into_iter().for_each(|side| state.faults().resume(side, fault.start_us));
            }
            state
        });
        state.replay(reading, &self.rules, events);
    }

    fn snapshot(&mut self, snapshot: &Snapshot, events: &mut Vec<Event>) -> Option<i64> {
        let no = snapshot.machine;
        let entry = self.catalogue.machine(no)?;
        let (opened, closed) = (&self.opened, &self.closed);
        let state = self.machines.entry(no).or_insert_with(|| {
            let mut state = MachineState::default();
            let own = |fault: &&FaultOpened| fault.sensor.is_none() && fault.machine == no;
            let open = opened.iter().filter(own).filter(|fault| was_open(fault, closed, snapshot.timestamp_us));
            open.for_each(|fault| state.resume_fault(no, fault.fault_code.clone(), fault.start_us));
            state
        });
        state.see(&entry.machine, snapshot, self.rules.skew_tolerated_us, events)
    }

    /// Whether the stream told this, too. A fault's end is then as its row says.
    fn was_told(&mut self, event: &mut Event) -> bool {
        match event {
            Event::SensorHealth(_) | Event::MachineSilent { .. } => false,
            Event::FaultOpened(fault) => {
                let is_known = self.known.contains(&key_of(fault));
                if is_known {
                    self.found.insert((key_of(fault), false));
                }
                is_known
            }
            Event::FaultClosed(fault) => {
                let key = key_of_end(fault);
                let Some(stored) = self.closed.get(&key) else { return false };
                *fault = stored.clone();
                self.found.insert((key, true));
                true
            }
            _ => true,
        }
    }
}

fn key_of(fault: &FaultOpened) -> FaultKey {
    (fault.machine, fault.fault_code.clone(), fault.start_us)
}

fn key_of_end(fault: &FaultClosed) -> FaultKey {
    (fault.machine, fault.fault_code.clone(), fault.start_us)
}

fn was_open(fault: &FaultOpened, closed: &HashMap<FaultKey, FaultClosed>, at_us: i64) -> bool {
    fault.start_us < at_us && closed.get(&key_of(fault)).is_none_or(|closed| closed.end_us >= at_us)
}

#[cfg(test)]
#[path = "making_tests.rs"]
pub(crate) mod tests;
