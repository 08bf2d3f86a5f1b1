//! A sensor that moves or whose unit is corrected gets a new number; what was taken under the old one is still known,
//! in any shard, also after a restart. The same holds for a machine that moves.

use crate::intake::shard_of;
use crate::shard::Shard;
use genims_analysis::sensor::{Rules, SameTimestamp};
use genims_analysis::window::Bounds;
use genims_catalogue::{Catalogue, Directory, Limits, Machine, Sensor};
use genims_model::event::FaultOpened;
use genims_model::snapshot::SnapshotFields;
use genims_model::{
    Accounts, Chunk, Event, Group, MachineNo, Portion, Protocol, Quality, RawReading, Reading, Receipt, SensorNo,
    Snapshot, Topics,
};
use std::sync::Arc;

const NOW_US: i64 = 1_800_000_000_000_000;
const SECOND_US: i64 = 1_000_000;
const SHARDS: usize = 3;

fn sensor(machine: &str, unit: &str) -> Sensor {
    Sensor {
        sensor_id: "S1".to_owned(),
        machine_id: machine.to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: unit.to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits { critical_max: Some(100.0), ..Limits::default() },
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    }
}

fn chunk(readings: Vec<RawReading>, snapshots: Vec<Snapshot>) -> Chunk {
    Chunk {
        protocol: Protocol::Mqtt,
        source: 0,
        client: "".into(),
        received_us: NOW_US,
        topics: Topics::default(),
        readings,
        snapshots,
        events: Vec::new(),
        dead_letters: Vec::new(),
        rows: Vec::new(),
        marks: Vec::new(),
        receipt: Receipt::unwatched(),
    }
}

/// All shards of a server, and the door's part of the work.
struct Shards {
    directory: Arc<Directory>,
    accounts: Arc<Accounts>,
    shards: Vec<Shard>,
}

impl Shards {
    fn new(directory: Arc<Directory>, keep_min: usize) -> Self {
        let accounts = Arc::new(Accounts::new(["test".to_owned()]));
        let rules = Rules {
            same_timestamp: SameTimestamp::KeepAll,
            retention_us: 86_400 * SECOND_US,
            late_after_us: 60 * SECOND_US,
            skew_tolerated_us: 5 * SECOND_US,
            skew_us_max: 3_600 * SECOND_US,
            bounds: Bounds { keep_min, held_max: 1 << 20 },
            routed: true,
        };
        let shards =
            (0..SHARDS).map(|index| Shard::new(index, SHARDS, directory.clone(), accounts.clone(), rules)).collect();
        Self { directory, accounts, shards }
    }

    fn begun() -> Self {
        let mut catalogue = Catalogue::default();
        // Numbered densely, so that neighbours belong to different shards.
        (0..=50).for_each(|no| _ = catalogue.put_machine(Machine::bare(&sensor(&format!("M{no}"), "C"))));
        catalogue.put_sensor(sensor("M0", "C"));
        Self::new(Arc::new(Directory::new(catalogue)), 16)
    }

    /// Publishes the sensor as it is now; its number.
    fn change(&self, sensor: Sensor) -> SensorNo {
        let mut catalogue = Catalogue::clone(&self.directory.load());
        let (no, _) = catalogue.put_sensor(sensor);
        self.directory.publish(catalogue);
        no
    }

    fn send(&mut self, no: SensorNo, readings: &[(i64, f64)]) -> Portion {
        let home = self.directory.load().sensor(no).expect("given").home;
        let mut portion = Portion::default();
        self.accounts.received(0, readings.len() as u64);
        let readings = readings.iter().map(|(seconds, value)| RawReading {
            sensor: no,
            untimed: false,
            quality: Quality::Good,
            timestamp_us: NOW_US + seconds * SECOND_US,
            value: *value,
        });
        let chunk = chunk(readings.collect(), Vec::new());
        self.shards[shard_of(home, SHARDS)].take(chunk, &mut portion);
        portion
    }

    fn send_snapshots(&mut self, no: MachineNo, snapshots: &[(i64, Option<&str>)]) -> Portion {
        let home = self.directory.load().machine(no).expect("given").home;
        let mut portion = Portion::default();
        self.accounts.received(0, snapshots.len() as u64);
        let snapshots = snapshots.iter().map(|(seconds, fault)| Snapshot {
            machine: no,
            source: 0,
            received_us: NOW_US,
            timestamp_us: NOW_US + seconds * SECOND_US,
            fields: SnapshotFields {
                machine_state: "RUNNING".to_owned(),
                fault_code: fault.map(str::to_owned),
                ..SnapshotFields::default()
            },
        });
        let chunk = chunk(Vec::new(), snapshots.collect());
        self.shards[shard_of(home, SHARDS)].take(chunk, &mut portion);
        portion
    }

    /// Another run of the server over the same log.
    fn restart(&self, log: &[Vec<Reading>], faults: &[FaultOpened]) -> Self {
        let mut again = Self::new(self.directory.clone(), 16);
        for readings in log {
            let group = Group { readings: readings.clone(), ..Group::default() };
            again.shards.iter_mut().for_each(|shard| shard.remember(&group));
        }
        again.shards.iter_mut().for_each(|shard| shard.resume_faults(faults));
        again
    }

    fn move_machine(&self, id: &str, line: &str) -> MachineNo {
        let mut catalogue = Catalogue::clone(&self.directory.load());
        let (no, _) = catalogue.put_machine(Machine { line_id: line.to_owned(), ..Machine::bare(&sensor(id, "C")) });
        self.directory.publish(catalogue);
        no
    }

    fn tick(&mut self) -> Vec<Event> {
        let mut portion = Portion::default();
        self.shards.iter_mut().for_each(|shard| shard.tick(NOW_US, &mut portion));
        portion.events
    }

    fn duplicates(&self) -> u64 {
        self.accounts.total().duplicate
    }
}

/// Moved to machines of every shard, and corrected in place.
fn changes() -> Vec<Vec<Sensor>> {
    let moves = (1..=4).map(|machine| vec![sensor(&format!("M{machine}"), "C")]);
    let twice = vec![sensor("M1", "C"), sensor("M2", "C")];
    let there_and_back = vec![sensor("M1", "C"), sensor("M0", "C")];
    moves.chain([vec![sensor("M0", "F")], twice, there_and_back]).collect()
}

#[test]
fn a_resend_after_a_move_or_a_corrected_unit_is_a_duplicate_also_after_a_restart() {
    for changes in changes() {
        let mut shards = Shards::begun();
        let sent = [(-3, 1.0), (-2, 2.0), (-1, 3.0)];
        let mut log = vec![shards.send(SensorNo(0), &sent).readings];
        assert_eq!(log[0].len(), 3);
        let mut no = SensorNo(0);
        for (step, change) in changes.iter().enumerate() {
            no = shards.change(change.clone());
            let fresh = [(step as i64, 9.0)];
            log.push(shards.send(no, &fresh).readings);
            let again = shards.send(no, &[&sent[..], &fresh].concat());
            assert!(again.readings.is_empty(), "stored a second time after {changes:?}");
        }
        assert_eq!(shards.duplicates(), 4 * changes.len() as u64);

        let mut after = shards.restart(&log, &[]);
        assert!(after.send(no, &sent).readings.is_empty(), "stored a second time after a restart, {changes:?}");
        assert_eq!(after.send(no, &[(3, 4.0)]).readings.len(), 1, "and only resends are kept out");
    }
}

#[test]
fn what_was_resolved_before_the_move_keeps_its_identity_and_is_known_under_both_numbers() {
    let mut shards = Shards::begun();
    shards.send(SensorNo(0), &[(-2, 1.0)]);
    let new = shards.change(sensor("M1", "F"));
    shards.send(new, &[(-1, 50.0)]);
    let late = shards.send(SensorNo(0), &[(0, 3.0)]).readings;
    assert_eq!((late[0].sensor, late[0].min_1min, late[0].max_1min), (SensorNo(0), 1.0, 3.0), "of its own unit");
    let fresh = shards.send(new, &[(0, 3.0), (1, 60.0)]).readings;
    assert_eq!((fresh.len(), shards.duplicates()), (1, 1));
    assert_eq!((fresh[0].min_1min, fresh[0].max_1min), (50.0, 60.0), "readings of the old unit do not mix in");
    shards.send(SensorNo(0), &[(1, 60.0)]);
    assert_eq!(shards.duplicates(), 2);
}

#[test]
fn earlier_memory_is_bounded_and_lives_as_long_as_that_of_a_sensor_that_stayed() {
    let mut shards = Shards::begun();
    shards.send(SensorNo(0), &[(0, 1.0)]);
    for machine in 1..=50 {
        shards.change(sensor(&format!("M{machine}"), "C"));
        let no = SensorNo(machine);
        shards.send(no, &[(i64::from(machine), 1.0)]);
    }
    let newest = SensorNo(50);
    assert!(shards.send(newest, &[(45, 1.0)]).readings.is_empty(), "a few numbers back");
    assert_eq!(shards.send(newest, &[(0, 1.0)]).readings.len(), 1, "fifty numbers back");
}

#[test]
fn an_open_fault_ends_with_the_identity_it_was_seen_under() {
    let opened = |events: &[Event]| -> Vec<FaultOpened> {
        events
            .iter()
            .filter_map(|event| if let Event::FaultOpened(fault) = event { Some(fault.clone()) } else { None })
            .collect()
    };
    let closes = |events: &[Event], fault: &FaultOpened| {
        let is = |event: &&Event| {
            matches!(event, Event::FaultClosed(closed) if closed.machine == fault.machine
                && closed.fault_code == fault.fault_code && closed.start_us == fault.start_us
                && closed.end_us >= closed.start_us)
        };
        events.iter().filter(is).count()
    };
    let hot = [(-3, 150.0), (-2, 150.0), (-1, 150.0)];
    let recoded = Sensor { sensor_code: Some("T-9".to_owned()), ..sensor("M0", "C") };
    let unlimited = Sensor { limits: Limits::default(), ..sensor("M0", "C") };
    let retired = Sensor { active: false, ..sensor("M0", "C") };
    for change in [sensor("M1", "C"), sensor("M0", "F"), recoded, unlimited, retired] {
        let mut shards = Shards::begun();
        let portion = shards.send(SensorNo(0), &hot);
        let fault = opened(&portion.events).remove(0);
        let no = shards.change(change.clone());
        assert_eq!(closes(&shards.tick(), &fault), 1, "{change:?}");
        assert_eq!(closes(&shards.tick(), &fault), 0);

        // The server ended between the change and the tick: the log still says that the fault is open.
        let mut after = shards.restart(&[portion.readings], std::slice::from_ref(&fault));
        assert_eq!(closes(&after.tick(), &fault), 1, "{change:?}");
        let calm: Vec<_> = (0..9).map(|second| (second, 20.0)).collect();
        assert_eq!(closes(&after.send(no, &calm).events, &fault), 0, "once");
    }
    let mut shards = Shards::begun();
    let fault = opened(&shards.send(SensorNo(0), &hot).events).remove(0);
    let mut after = shards.restart(&[], std::slice::from_ref(&fault));
    assert_eq!(closes(&after.tick(), &fault), 0, "nothing changed");
    let calm: Vec<_> = (0..9).map(|second| (second, 20.0)).collect();
    assert_eq!(closes(&after.send(SensorNo(0), &calm).events, &fault), 1);
}

#[test]
fn a_moved_machine_s_snapshots_are_known_and_its_fault_ends_where_it_began() {
    let mut shards = Shards::begun();
    let old = MachineNo(1);
    let sent = [(-3, None), (-2, Some("E42")), (-1, Some("E42"))];
    let portion = shards.send_snapshots(old, &sent);
    let opened = |event: &Event| if let Event::FaultOpened(fault) = event { Some(fault.clone()) } else { None };
    let fault = portion.events.iter().find_map(opened).expect("the PLC's fault");
    assert_eq!((portion.snapshots.len(), fault.machine), (3, old));
    let new = shards.move_machine("M1", "L2");
    assert_ne!(shard_of(new, SHARDS), shard_of(old, SHARDS), "the number alone would lead to another shard");

    let mut after = Shards::new(shards.directory.clone(), 16);
    let group = Group { snapshots: portion.snapshots, ..Group::default() };
    after.shards.iter_mut().for_each(|shard| shard.remember(&group));
    after.shards.iter_mut().for_each(|shard| shard.resume_faults(std::slice::from_ref(&fault)));
    for run in [&mut shards, &mut after] {
        assert!(run.send_snapshots(new, &sent).snapshots.is_empty(), "stored a second time");
        assert_eq!(run.duplicates(), 3);
        let portion = run.send_snapshots(new, &[(0, None)]);
        assert_eq!(portion.snapshots[0].machine, new);
        let closes = |event: &&Event| {
            matches!(event, Event::FaultClosed(closed)
            if (closed.machine, closed.start_us) == (old, fault.start_us))
        };
        assert_eq!(portion.events.iter().filter(closes).count(), 1);
    }
}
