//! The keeper: numbers are published when durable, registrations outlive a crash, gone sensors are retired.

use super::Sensor;
use super::error::JournalError;
use super::keeper::{Changes, Keeper, LogIdentity, MasterData};
use super::shifts::FactoryShifts;
use super::tests::{machine, sensor};
use super::used::Used;
use genims_model::event::FaultOpened;
use genims_model::{MachineNo, SensorNo};
use std::path::Path;

fn open(folder: &Path) -> Result<Keeper, JournalError> {
    Keeper::open(folder, LogIdentity { id: uuid::Uuid::from_u128(7), directory: folder, blank: true })
}

fn master(sensors: Vec<Sensor>) -> MasterData {
    MasterData { machines: vec![machine("M1"), machine("M2")], sensors, ..MasterData::default() }
}

#[test]
fn numbers_survive_a_restart_and_gone_sensors_are_retired_not_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![sensor("S1", "M1", "A"), sensor("S2", "M1", "B")])).expect("written");
    let changes = keeper.follow(master(vec![sensor("S2", "M2", "B")])).expect("written");
    assert_eq!(changes, Changes { entered_or_changed: 1, retired: 1 });
    let before = keeper.directory().load();
    drop(keeper);

    let after = open(folder.path()).expect("a journal").directory().load();
    assert_eq!(after.sensors().len(), 3);
    for (old, new) in before.sensors().iter().zip(after.sensors()) {
        assert_eq!((old.no, &old.sensor, old.machine), (new.no, &new.sensor, new.machine));
        assert_eq!((old.home, old.superseded), (new.home, new.superseded));
    }
    assert_eq!(after.active_sensors(), 1);
}

#[test]
fn a_registered_sensor_is_seen_by_others_only_once_it_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
    let first = keeper.register(Some("M1"), "S-NEW").expect("registered");
    assert_eq!(keeper.directory().load().sensor_by_id("S-NEW"), None, "not durable yet");
    assert_eq!(keeper.register(Some("M1"), "S-NEW"), Ok(first), "another connection waits for the same number");
    keeper.sync().expect("written");
    assert_eq!(keeper.directory().load().sensor_by_id("S-NEW"), Some(first.no));
    assert!(keeper.register(Some("M9"), "S-OTHER").is_err());
}

#[test]
fn one_write_serves_all_that_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![])).expect("written");
    for i in 0..100 {
        keeper.register(Some("M1"), &format!("S{i}")).expect("registered");
    }
    keeper.sync().expect("written");
    let bytes = || std::fs::metadata(folder.path().join("catalogue.journal")).expect("a journal").len();
    let written = bytes();
    (0..100).for_each(|_| keeper.sync().expect("nothing to do"));
    assert_eq!((bytes(), keeper.directory().load().sensors().len()), (written, 100));
}

#[test]
fn a_registered_sensor_outlives_the_process_until_master_data_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
    let no = keeper.register(Some("M1"), "S-NEW").expect("registered").no;
    keeper.sync().expect("written");
    drop(keeper);

    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
    assert!(keeper.directory().load().sensor(no).is_some_and(|entry| entry.sensor.active), "retired by the start");
    let known = keeper.registered();
    assert_eq!(known.len(), 1);
    keeper.follow(master(vec![sensor("S1", "M1", "A"), known[0].clone()])).expect("written");
    assert!(keeper.registered().is_empty());
    drop(keeper);

    let keeper = open(folder.path()).expect("a journal");
    assert!(keeper.registered().is_empty(), "master data had it");
    assert_eq!(keeper.directory().load().sensor_by_id("S-NEW"), Some(no));
    keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
    assert_eq!(keeper.directory().load().active_sensors(), 1, "gone from master data, gone here");
}

#[test]
fn a_registered_sensor_whose_machine_has_gone_waits_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![])).expect("written");
    keeper.register(Some("M1"), "S-NEW").expect("registered");
    keeper.follow(MasterData { machines: vec![machine("M2")], ..MasterData::default() }).expect("written");
    assert!(keeper.registered().is_empty());
    assert!(keeper.register(Some("M1"), "S-NEW").is_err_and(|error| error.contains("not active")));
}

#[test]
fn what_is_known_is_not_written_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let shifts = || vec![FactoryShifts { factory_id: "F1".to_owned(), timezone: None, shifts: Vec::new() }];
    let data = || MasterData { factories: shifts(), ..master(vec![sensor("S1", "M1", "A")]) };
    open(folder.path()).and_then(|keeper| keeper.follow(data())).expect("written");
    let journal = || std::fs::read(folder.path().join("catalogue.journal")).expect("a journal");
    let before = journal();
    open(folder.path()).and_then(|keeper| keeper.follow(data())).expect("nothing new");
    assert_eq!(journal(), before);
}

#[test]
fn a_log_that_uses_a_number_nobody_gave_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let keeper = open(folder.path()).expect("a journal");
    keeper.follow(master(vec![sensor("S1", "M1", "A")])).expect("written");
    let used = |machine: u32, sensor: u32| {
        let mut used = Used::default();
        used.see_fault(&FaultOpened {
            machine: MachineNo(machine),
            fault_code: String::new(),
            category: String::new(),
            severity: String::new(),
            description: String::new(),
            start_us: 0,
            sensor: Some(SensorNo(sensor)),
            detection_method: String::new(),
        });
        used
    };
    keeper.covers(Used::default()).expect("a log without records");
    keeper.covers(used(1, 0)).expect("given");
    for (machine, sensor) in [(1, 1), (2, 0)] {
        assert!(matches!(keeper.covers(used(machine, sensor)), Err(JournalError::Unknown { .. })));
    }
}
