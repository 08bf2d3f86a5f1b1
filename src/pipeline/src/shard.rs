//! One shard: the sole owner of its machines' and sensors' state. Chunks enter, a portion leaves. Pure: no clock, no I/O,
//! no locks but the accounts'.

use crate::dead_letters::{DeadLetters, Sender, dead_letter, snapshot_dead_letter};
use crate::intake;
use genims_analysis::faults;
use genims_analysis::machine::MachineState;
use genims_analysis::sensor::{Admission, Origin, Rules, SensorState};
use genims_analysis::window::Bounds;
use genims_catalogue::{Catalogue, Directory, MachineEntry};
use genims_decode::Form;
use genims_model::event::FaultOpened;
use genims_model::{
    Accounts, Chunk, Event, Group, MachineNo, Portion, RawReading, Reason, RecordOutcome, SensorNo, Snapshot, Topics,
};
use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

/// Readings that one shard remembers to recognise resends, shared out among its sensors.
const RESEND_MEMORY_READINGS: usize = 1 << 20;
const KEEP_PER_SENSOR: std::ops::RangeInclusive<usize> = 16..=16_384;

/// Readings that one shard's windows may hold: 64 MiB, a full minute of 70,000 readings a second. Beyond that the windows
/// of fast sensors get shorter, down to [`HELD_PER_SENSOR_MIN`] readings, instead of the server growing without bound.
const WINDOW_MEMORY_READINGS: usize = 1 << 22;
const HELD_PER_SENSOR_MIN: usize = 1_024;

/// Snapshots remembered per machine for the same purpose.
const RESEND_MEMORY_SNAPSHOTS: usize = 256;

/// One tick looks at this fraction of the sensors, so that a million of them never stall the stream.
const TICK_SLICES: usize = 8;

/// What is known of a chunk's records beside themselves, for those that are set aside.
struct Aside<'c> {
    client: &'c str,
    topics: &'c Topics,
    dead_letters: DeadLetters,
}

#[derive(Debug)]
struct MachineSlot {
    /// The newest number that was seen.
    no: MachineNo,
    state: MachineState,
    recent: VecDeque<(i64, u64)>,
}

#[derive(Debug)]
pub struct Shard {
    index: usize,
    shards: usize,
    directory: Arc<Directory>,
    catalogue: Arc<Catalogue>,
    accounts: Arc<Accounts>,
    rules: Rules,
    /// By sensor number; other shards' places stay empty.
    sensors: Vec<Option<Box<SensorState>>>,
    /// By the machine's home.
    machines: Vec<Option<Box<MachineSlot>>>,
    sensors_owned: usize,
    /// Faults of an earlier run that no sensor of today can end.
    orphaned_faults: Vec<FaultOpened>,
    hasher: foldhash::fast::FixedState,
    tick_slice: usize,
}

impl Shard {
    pub fn new(index: usize, shards: usize, directory: Arc<Directory>, accounts: Arc<Accounts>, rules: Rules) -> Self {
        Self {
            index,
            shards,
            catalogue: directory.load(),
            directory,
            accounts,
            rules,
            sensors: Vec::new(),
            machines: Vec::new(),
            sensors_owned: 0,
            orphaned_faults: Vec::new(),
            hasher: foldhash::fast::FixedState::default(),
            tick_slice: 0,
        }
    }

    /// Takes a chunk; what is left of it is added to `portion`.
    pub fn take(&mut self, chunk: Chunk, portion: &mut Portion) {
        self.follow_catalogue(chunk.received_us, &mut portion.events);
        let origin = Origin { protocol: chunk.protocol, source: chunk.source, received_us: chunk.received_us };
        let mut duplicates = 0;
        let dead_letters_before = portion.dead_letters.len();
        let mut aside =
            Aside { client: chunk.client.as_ref(), topics: &chunk.topics, dead_letters: DeadLetters::default() };
        portion.readings.reserve(chunk.readings.len());
        for (index, raw) in chunk.readings.iter().enumerate() {
            duplicates += u64::from(!self.take_reading((index, raw), origin, &mut aside, portion));
        }
        for (index, snapshot) in chunk.snapshots.into_iter().enumerate() {
            duplicates += u64::from(!self.take_snapshot((index, snapshot), &mut aside, portion));
        }
        if duplicates > 0 {
            self.accounts.finished(chunk.source, RecordOutcome::Duplicate, duplicates);
        }
        portion.events.extend(chunk.events);
        portion.dead_letters.extend(chunk.dead_letters);
        portion.dead_letters[dead_letters_before..]
            .iter()
            .for_each(|dead_letter| self.accounts.set_aside(dead_letter.reason, dead_letter.records));
        portion.rows.extend(chunk.rows);
        portion.marks.extend(chunk.marks);
        portion.receipts.push(chunk.receipt);
    }

    /// False for a duplicate.
    fn take_reading(
        &mut self,
        (place, raw): (usize, &RawReading),
        origin: Origin,
        aside: &mut Aside<'_>,
        portion: &mut Portion,
    ) -> bool {
        let rules = self.rules;
        let mut set_aside = |sensor_id: &str, reason, detail| {
            let topic = aside.topics.of_reading(place);
            let sender = Sender { source: origin.source, client: aside.client, topic, received_us: origin.received_us };
            let dead_letter = dead_letter(raw, sensor_id, sender, reason, detail);
            aside.dead_letters.put(&mut portion.dead_letters, dead_letter, Some(Form::Elements));
        };
        let index = self.sensor(raw.sensor).unwrap_or(usize::MAX);
        let Some(Some(state)) = self.sensors.get_mut(index) else {
            set_aside("?", Reason::UnknownSensor, "unknown number".to_owned());
            return true;
        };
        let superseded = if index == raw.sensor.0 as usize { None } else { self.catalogue.sensor(raw.sensor) };
        let verdict = match superseded {
            None => state.see(raw, origin, &rules, &mut portion.events),
            Some(entry) => state.see_superseded(raw, entry, origin, &rules),
        };
        match verdict {
            Admission::Accepted(reading) => portion.readings.push(reading),
            Admission::Duplicate => return false,
            Admission::Rejected(reason, detail) => {
                set_aside(&state.entry().sensor.sensor_id, reason, detail);
            }
        }
        true
    }

    /// False for a duplicate.
    fn take_snapshot(
        &mut self,
        (place, snapshot): (usize, Snapshot),
        aside: &mut Aside<'_>,
        portion: &mut Portion,
    ) -> bool {
        let catalogue = &self.catalogue;
        let mut set_aside = |snapshot: &Snapshot, reason, detail| {
            let (source, received_us) = (snapshot.source, snapshot.received_us);
            let topic = aside.topics.of_snapshot(place);
            let sender = Sender { source, client: aside.client, topic, received_us };
            let dead_letter = snapshot_dead_letter(snapshot, catalogue, sender, reason, detail);
            aside.dead_letters.put(&mut portion.dead_letters, dead_letter, Some(Form::Elements));
        };
        if let Some((reason, detail)) =
            genims_analysis::sensor::out_of_time(snapshot.timestamp_us, snapshot.received_us, &self.rules)
        {
            set_aside(&snapshot, reason, detail);
            return true;
        }
        let key = (snapshot.timestamp_us, self.fingerprint(&snapshot));
        let Some(entry) = self.catalogue.machine(snapshot.machine).cloned() else {
            set_aside(&snapshot, Reason::UnknownMachine, "unknown number".to_owned());
            return true;
        };
        let skew_tolerated_us = self.rules.skew_tolerated_us;
        let slot = self.machine(&entry);
        if slot.recent.contains(&key) {
            return false;
        }
        slot.remember(key);
        slot.state.see(&entry.machine, &snapshot, skew_tolerated_us, &mut portion.events);
        portion.snapshots.push(snapshot);
        true
    }

    fn fingerprint(&self, snapshot: &Snapshot) -> u64 {
        // The encoding of a plain struct into a vector cannot fail; an empty one would only weaken the memory.
        self.hasher.hash_one(postcard::to_stdvec(&snapshot.fields).unwrap_or_default())
    }

    /// Looks at the clock, about once a second: silent sensors, finished hours.
    pub fn tick(&mut self, now_us: i64, portion: &mut Portion) {
        self.follow_catalogue(now_us, &mut portion.events);
        for fault in self.orphaned_faults.drain(..) {
            let end_us = now_us.max(fault.start_us);
            portion.events.push(faults::closed(fault.machine, fault.fault_code, fault.start_us, end_us));
        }
        self.tick_slice = (self.tick_slice + 1) % TICK_SLICES;
        for state in self.sensors.iter_mut().skip(self.tick_slice).step_by(TICK_SLICES).flatten() {
            state.tick(now_us, &mut portion.events);
        }
        for slot in self.machines.iter_mut().flatten() {
            slot.state.tick(slot.no, now_us, &mut portion.events);
        }
    }

    /// Rebuilds memory from a group that an earlier run wrote.
    pub fn remember(&mut self, group: &Group) {
        for reading in &group.readings {
            let bounds = self.rules.bounds;
            if self.owns_sensor(reading.sensor)
                && let Some(index) = self.sensor(reading.sensor)
                && let Some(state) = &mut self.sensors[index]
            {
                state.remember(reading, bounds);
            }
        }
        for snapshot in &group.snapshots {
            let Some(entry) = self.catalogue.machine(snapshot.machine).cloned() else { continue };
            if intake::shard_of(entry.home, self.shards) == self.index {
                let key = (snapshot.timestamp_us, self.fingerprint(snapshot));
                let skew_tolerated_us = self.rules.skew_tolerated_us;
                let slot = self.machine(&entry);
                slot.remember(key);
                // Its events were written with the group.
                slot.state.see(&entry.machine, snapshot, skew_tolerated_us, &mut Vec::new());
            }
        }
    }

    /// Takes up the faults that were open when an earlier run ended; call after all groups are remembered.
    pub fn resume_faults(&mut self, open: &[FaultOpened]) {
        for fault in open {
            match fault.sensor {
                Some(no) if self.owns_sensor(no) => self.resume_fault(no, fault),
                Some(_) => {}
                None => {
                    let Some(entry) = self.catalogue.machine(fault.machine).cloned() else { continue };
                    if intake::shard_of(entry.home, self.shards) == self.index {
                        let state = &mut self.machine(&entry).state;
                        state.resume_fault(fault.machine, fault.fault_code.clone(), fault.start_us);
                    }
                }
            }
        }
    }

    fn resume_fault(&mut self, no: SensorNo, fault: &FaultOpened) {
        let side = self.catalogue.sensor(no).filter(|entry| !entry.superseded).and_then(|entry| {
            faults::side_of(&fault.fault_code).filter(|side| faults::can_end(&entry.sensor, *side, &fault.fault_code))
        });
        match (side, self.sensor(no)) {
            (Some(side), Some(index)) => {
                if let Some(state) = &mut self.sensors[index] {
                    state.faults().resume(side, fault.start_us);
                }
            }
            _ => self.orphaned_faults.push(fault.clone()),
        }
    }

    fn follow_catalogue(&mut self, now_us: i64, events: &mut Vec<Event>) {
        if Arc::ptr_eq(&self.catalogue, &self.directory.peek()) {
            return;
        }
        self.catalogue = self.directory.load();
        for index in 0..self.sensors.len() {
            let Some(entry) = self.catalogue.sensor(SensorNo(index as u32)) else { continue };
            if !entry.superseded {
                if let Some(state) = &mut self.sensors[index] {
                    state.set_entry(entry, now_us, events);
                }
            } else if let Some(state) = self.sensors[index].take()
                && let Some(present) = self.catalogue.present(entry).cloned()
            {
                let place = self.place(present.no.0 as usize);
                *place = Some(Box::new(state.succeed(present, now_us, events)));
            }
        }
    }

    /// All numbers of a sensor have the same home, so its memory never leaves the shard.
    fn owns_sensor(&self, no: SensorNo) -> bool {
        self.catalogue.sensor(no).is_some_and(|entry| intake::shard_of(entry.home, self.shards) == self.index)
    }

    /// Where the state of a sensor is, under its present number whichever was asked for; made at its first reading.
    /// `None` for a number nobody gave.
    fn sensor(&mut self, no: SensorNo) -> Option<usize> {
        if self.sensors.get(no.0 as usize).is_some_and(Option::is_some) {
            return Some(no.0 as usize);
        }
        let entry = self.catalogue.present(self.catalogue.sensor(no)?)?.clone();
        let index = entry.no.0 as usize;
        let place = self.place(index);
        if place.is_none() {
            *place = Some(Box::new(SensorState::new(entry)));
            self.sensors_owned += 1;
            let share = RESEND_MEMORY_READINGS / self.sensors_owned;
            self.rules.bounds = Bounds {
                keep_min: share.clamp(*KEEP_PER_SENSOR.start(), *KEEP_PER_SENSOR.end()),
                held_max: (WINDOW_MEMORY_READINGS / self.sensors_owned).max(HELD_PER_SENSOR_MIN),
            };
        }
        Some(index)
    }

    fn place(&mut self, index: usize) -> &mut Option<Box<SensorState>> {
        if self.sensors.len() <= index {
            self.sensors.resize_with(index + 1, || None);
        }
        &mut self.sensors[index]
    }

    fn machine(&mut self, entry: &MachineEntry) -> &mut MachineSlot {
        let index = entry.home.0 as usize;
        if self.machines.len() <= index {
            self.machines.resize_with(index + 1, || None);
        }
        let slot = self.machines[index].get_or_insert_with(|| Box::new(MachineSlot::new(entry.no)));
        // Numbers grow: a snapshot that was resolved before the move does not take the machine back.
        slot.no = slot.no.max(entry.no);
        slot
    }
}

impl MachineSlot {
    fn new(no: MachineNo) -> Self {
        Self { no, state: MachineState::default(), recent: VecDeque::new() }
    }

    fn remember(&mut self, key: (i64, u64)) {
        if self.recent.len() >= RESEND_MEMORY_SNAPSHOTS {
            self.recent.pop_front();
        }
        self.recent.push_back(key);
    }
}

#[cfg(test)]
mod tests;
