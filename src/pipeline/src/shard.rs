//! One shard: the sole owner of its machines' and sensors' state. Chunks enter, a portion leaves. Pure: no clock, no I/O,
//! no locks but the accounts'.

use crate::dead_letters::{dead_letter, snapshot_dead_letter};
use crate::intake;
use genims_analysis::faults;
use genims_analysis::machine::MachineState;
use genims_analysis::sensor::{Origin, Rules, SensorState, Verdict};
use genims_analysis::window::Bounds;
use genims_catalogue::{Catalogue, Directory, MachineEntry};
use genims_model::event::FaultOpened;
use genims_model::{
    Accounts, Chunk, Event, Group, MachineNo, Outcome, Portion, RawReading, Reason, SensorNo, Snapshot,
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
        portion.readings.reserve(chunk.readings.len());
        for raw in &chunk.readings {
            duplicates += u64::from(!self.take_reading(raw, origin, portion));
        }
        for snapshot in chunk.snapshots {
            duplicates += u64::from(!self.take_snapshot(snapshot, portion));
        }
        if duplicates > 0 {
            self.accounts.finished(chunk.source, Outcome::Duplicate, duplicates);
        }
        portion.events.extend(chunk.events);
        portion.dead_letters.extend(chunk.dead_letters);
        portion.dead_letters[dead_letters_before..]
            .iter()
            .for_each(|dead_letter| self.accounts.set_aside(dead_letter.reason));
        portion.marks.extend(chunk.marks);
        portion.receipts.push(chunk.receipt);
    }

    /// False for a duplicate.
    fn take_reading(&mut self, raw: &RawReading, origin: Origin, portion: &mut Portion) -> bool {
        let rules = self.rules;
        let index = self.sensor(raw.sensor).unwrap_or(usize::MAX);
        let Some(Some(state)) = self.sensors.get_mut(index) else {
            portion.dead_letters.push(dead_letter(
                raw,
                "?",
                origin,
                Reason::UnknownSensor,
                "unknown number".to_owned(),
            ));
            return true;
        };
        let superseded = if index == raw.sensor.0 as usize { None } else { self.catalogue.sensor(raw.sensor) };
        let verdict = match superseded {
            None => state.see(raw, origin, &rules, &mut portion.events),
            Some(entry) => state.see_superseded(raw, entry, origin, &rules),
        };
        match verdict {
            Verdict::Accepted(reading) => portion.readings.push(reading),
            Verdict::Duplicate => return false,
            Verdict::Rejected(reason, detail) => {
                let sensor_id = &state.entry().sensor.sensor_id;
                portion.dead_letters.push(dead_letter(raw, sensor_id, origin, reason, detail));
            }
        }
        true
    }

    /// False for a duplicate.
    fn take_snapshot(&mut self, snapshot: Snapshot, portion: &mut Portion) -> bool {
        if let Some((reason, detail)) =
            genims_analysis::sensor::out_of_time(snapshot.timestamp_us, snapshot.received_us, &self.rules)
        {
            portion.dead_letters.push(snapshot_dead_letter(&snapshot, &self.catalogue, reason, detail));
            return true;
        }
        let key = (snapshot.timestamp_us, self.fingerprint(&snapshot));
        let Some(entry) = self.catalogue.machine(snapshot.machine).cloned() else {
            let detail = "unknown number".to_owned();
            portion.dead_letters.push(snapshot_dead_letter(&snapshot, &self.catalogue, Reason::UnknownMachine, detail));
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
mod tests {
    use super::*;
    use genims_analysis::sensor::SameTimestamp;
    use genims_catalogue::{Limits, Sensor};
    use genims_model::{Protocol, Quality, Receipt, Status};

    fn rules(same_timestamp: SameTimestamp) -> Rules {
        Rules {
            same_timestamp,
            retention_us: 86_400_000_000,
            late_after_us: 60_000_000,
            skew_tolerated_us: 5_000_000,
            skew_us_max: 3_600_000_000,
            bounds: Bounds { keep_min: 16, held_max: 1 << 20 },
        }
    }

    fn shard(same_timestamp: SameTimestamp) -> Shard {
        let mut catalogue = Catalogue::default();
        catalogue.put_sensor(Sensor {
            sensor_id: "S1".to_owned(),
            machine_id: "M1".to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            unit: "C".to_owned(),
            sensor_code: None,
            sensor_type: None,
            limits: Limits {
                range_max: Some(200.0),
                warning_max: Some(80.0),
                critical_max: Some(100.0),
                ..Limits::default()
            },
            sampling_frequency_hz: None,
            calibration_day: None,
            calibration_frequency_days: None,
            active: true,
        });
        let accounts = Arc::new(Accounts::new(["test".to_owned()]));
        Shard::new(0, 1, Arc::new(Directory::new(catalogue)), accounts, rules(same_timestamp))
    }

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn send(shard: &mut Shard, readings: &[(i64, f64)]) -> Portion {
        let mut portion = Portion::default();
        let readings = readings
            .iter()
            .map(|(offset_us, value)| RawReading {
                sensor: SensorNo(0),
                quality: Quality::Good,
                timestamp_us: NOW_US + offset_us,
                value: *value,
            })
            .collect::<Vec<_>>();
        shard.accounts.received(0, readings.len() as u64);
        let chunk = Chunk {
            protocol: Protocol::Mqtt,
            source: 0,
            received_us: NOW_US,
            readings,
            snapshots: Vec::new(),
            events: Vec::new(),
            dead_letters: Vec::new(),
            marks: Vec::new(),
            receipt: Receipt::unwatched(),
        };
        shard.take(chunk, &mut portion);
        portion
    }

    #[test]
    fn status_follows_the_thresholds_and_quality_the_clock() {
        let mut shard = shard(SameTimestamp::KeepAll);
        let portion = send(
            &mut shard,
            &[(-1_000, 50.0), (0, 90.0), (1, 101.0), (2, 201.0), (9_000_000, 1.0), (-80_000_000, 1.0)],
        );
        let seen: Vec<_> = portion.readings.iter().map(|r| (r.status, r.quality)).collect();
        assert_eq!(
            seen,
            [
                (Status::Normal, Quality::Good),
                (Status::Warning, Quality::Good),
                (Status::Critical, Quality::Good),
                (Status::Critical, Quality::Bad),
                (Status::Normal, Quality::Skewed),
                (Status::Normal, Quality::Late),
            ]
        );
    }

    #[test]
    fn a_resend_is_counted_once_under_every_rule_and_survives_a_restart() {
        for rule in [SameTimestamp::KeepAll, SameTimestamp::First, SameTimestamp::Last, SameTimestamp::Reject] {
            let mut first_run = shard(rule);
            let taken = send(&mut first_run, &[(0, 1.0), (1, 2.0), (0, 1.0)]);
            assert_eq!((taken.readings.len(), first_run.accounts.total().duplicate), (2, 1));

            let mut second_run = shard(rule);
            second_run.remember(&Group { readings: taken.readings, ..Group::default() });
            let again = send(&mut second_run, &[(0, 1.0), (1, 2.0), (2, 3.0)]);
            assert_eq!((again.readings.len(), second_run.accounts.total().duplicate), (1, 2));
        }
    }

    #[test]
    fn another_value_at_the_same_timestamp_follows_the_rule() {
        let outcome = |rule| {
            let mut shard = shard(rule);
            let portion = send(&mut shard, &[(0, 1.0), (0, 2.0)]);
            let replaces = portion.readings.iter().filter(|r| r.is(genims_model::reading::flag::REPLACES)).count();
            (portion.readings.len(), replaces, portion.dead_letters.len(), shard.accounts.total().duplicate)
        };
        assert_eq!(outcome(SameTimestamp::KeepAll), (2, 0, 0, 0));
        assert_eq!(outcome(SameTimestamp::First), (1, 0, 0, 1));
        assert_eq!(outcome(SameTimestamp::Last), (2, 1, 0, 0));
        assert_eq!(outcome(SameTimestamp::Reject), (1, 0, 1, 0));
    }

    #[test]
    fn readings_out_of_time_are_set_aside_with_the_reason_and_can_be_replayed() {
        let mut shard = shard(SameTimestamp::KeepAll);
        let portion = send(&mut shard, &[(-90_000_000_000, 1.5), (4_000_000_000, 1.0)]);
        let reasons: Vec<_> = portion.dead_letters.iter().map(|dead_letter| dead_letter.reason).collect();
        assert_eq!(reasons, [Reason::TooOld, Reason::BadTimestamp]);
        let element: serde_json::Value = serde_json::from_slice(&portion.dead_letters[0].payload).expect("JSON");
        assert_eq!(element["sensor_id"], "S1");
        assert_eq!(element["value"], 1.5);
    }

    #[test]
    fn a_reading_from_the_future_does_not_blind_its_sensor() {
        for ahead_us in [59_000_000, 61_000_000, 3_300_000_000] {
            let mut shard = shard(SameTimestamp::KeepAll);
            send(&mut shard, &[(ahead_us, 50.0)]);
            let critical: Vec<_> = (0..10).map(|at| (at, 150.0)).collect();
            let portion = send(&mut shard, &critical);
            let starts = portion.events.iter().filter_map(|event| match event {
                Event::FaultOpened(fault) => Some(fault.start_us - NOW_US),
                _ => None,
            });
            let starts = starts.collect::<Vec<_>>();
            assert_eq!(starts, [0], "{ahead_us}");
            let seen = |reading: &genims_model::Reading| (reading.quality, reading.min_1min, reading.max_1min);
            if ahead_us > 60_000_000 {
                assert!(portion.readings.iter().all(|reading| seen(reading) == (Quality::Good, 150.0, 150.0)));
            }
            // It spoke just now: it is not silent half a minute later.
            let mut later = Portion::default();
            (0..TICK_SLICES).for_each(|_| shard.tick(NOW_US + 30_000_000, &mut later));
            assert!(!later.events.iter().any(|event| matches!(event, Event::SensorHealth(_))), "{:?}", later.events);
            // What came is known, whatever came from ahead and however much.
            let again = send(&mut shard, &[&critical[..], &[(ahead_us, 50.0)]].concat());
            assert_eq!((again.readings.len(), shard.accounts.total().duplicate), (0, 11), "{ahead_us}");
        }
    }

    #[test]
    fn a_sensor_that_is_always_ahead_is_analysed_too() {
        let mut shard = shard(SameTimestamp::KeepAll);
        let ahead: Vec<_> = (0..5).map(|at| (600_000_000 + at, 150.0)).collect();
        // One reading even further ahead does not blind it either.
        let portion = send(&mut shard, &[&[(3_300_000_000, 50.0)], &ahead[..]].concat());
        assert_eq!(portion.events.iter().filter(|event| matches!(event, Event::FaultOpened(_))).count(), 1);
        assert_eq!(portion.readings.len(), 6);
    }

    #[test]
    fn a_snapshot_of_a_machine_that_nobody_numbered_is_set_aside() {
        let mut shard = shard(SameTimestamp::KeepAll);
        shard.accounts.received(0, 1);
        let (machine, fields) = (MachineNo(7), genims_model::snapshot::SnapshotFields::default());
        let snapshot = Snapshot { machine, source: 0, received_us: NOW_US, timestamp_us: NOW_US, fields };
        let mut portion = Portion::default();
        assert!(shard.take_snapshot(snapshot, &mut portion), "it is no duplicate");
        let reasons: Vec<_> = portion.dead_letters.iter().map(|dead_letter| dead_letter.reason).collect();
        assert_eq!((portion.snapshots.len(), reasons), (0, vec![Reason::UnknownMachine]));
    }

    #[test]
    fn a_full_memory_knows_what_it_took_last() {
        let mut shard = shard(SameTimestamp::KeepAll);
        send(&mut shard, &[(1_000_000_000, 1.0)]);
        shard.rules.bounds = Bounds { keep_min: 16, held_max: 16 };
        for at in 0..100 {
            assert_eq!(send(&mut shard, &[(100_000_000 + at, 2.0)]).readings.len(), 1);
            assert_eq!(send(&mut shard, &[(100_000_000 + at, 2.0)]).readings.len(), 0, "{at}");
        }
    }

    #[test]
    fn an_open_fault_is_taken_up_after_a_restart_and_closes_once() {
        let mut first_run = shard(SameTimestamp::KeepAll);
        let portion = send(&mut first_run, &[(0, 150.0), (1, 150.0), (2, 150.0)]);
        let opened: Vec<_> = portion
            .events
            .iter()
            .filter_map(|event| if let Event::FaultOpened(fault) = event { Some(fault.clone()) } else { None })
            .collect();
        assert_eq!(opened.len(), 1);

        let mut second_run = shard(SameTimestamp::KeepAll);
        second_run.resume_faults(&opened);
        let readings: Vec<_> = (3..10).map(|offset| (offset, 20.0)).collect();
        let events = send(&mut second_run, &readings).events;
        let closed = events.iter().filter(|e| matches!(e, Event::FaultClosed(f) if f.start_us == NOW_US)).count();
        assert_eq!(closed, 1);
    }
}
