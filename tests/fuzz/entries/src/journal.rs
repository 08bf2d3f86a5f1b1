//! A journal of numbers whose files were damaged: it opens or says what to do, and no number ever means another sensor.

use crate::damage::{damage, files};
use genims_catalogue::keeper::{Keeper, LogIdentity, MasterData};
use genims_catalogue::{Limits, Machine, Sensor};
use std::path::Path;
use uuid::Uuid;

const LOG: Uuid = Uuid::from_u128(7);
const ROUNDS: u64 = 6;

/// Each six bytes of `data` are one act of damage to the journal or to what the log's folder knows of it.
pub fn journal(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("spool");
    std::fs::create_dir(&log).unwrap();
    let given = fill(folder.path(), &log);
    damage(&[files(folder.path()), files(&log)].concat(), data);

    let keeper = match open(folder.path(), &log, false) {
        Ok(keeper) => keeper,
        Err(error) => {
            assert!(error.to_string().contains(';'), "no remedy in: {error}");
            return;
        }
    };
    let shown = sensors(&keeper);
    assert!(given.starts_with(&shown), "{shown:?} where {given:?} were given");
    drop(keeper);
    // What a start has shown stays, and is gone on with.
    let keeper = open(folder.path(), &log, false).unwrap();
    assert_eq!(sensors(&keeper), shown);
    if keeper.register(Some("M0"), "S-NEW").is_err() {
        // Its machine was never entered.
        return;
    }
    keeper.sync().unwrap();
    drop(keeper);
    let again = sensors(&open(folder.path(), &log, false).unwrap());
    assert_eq!((&again[..shown.len()], again.len()), (&shown[..], shown.len() + 1));
}

fn open(folder: &Path, log: &Path, blank: bool) -> Result<Keeper, genims_catalogue::error::JournalError> {
    Keeper::open(folder, LogIdentity { id: LOG, directory: log, blank })
}

/// Sensor ids with their machines, by number.
fn sensors(keeper: &Keeper) -> Vec<(String, String)> {
    let catalogue = keeper.directory().load();
    let sensors = catalogue.sensors().iter().map(|entry| &entry.sensor);
    sensors.map(|sensor| (sensor.sensor_id.clone(), sensor.machine_id.clone())).collect()
}

/// Master data that grows and moves, with registrations between.
fn fill(folder: &Path, log: &Path) -> Vec<(String, String)> {
    let keeper = open(folder, log, true).unwrap();
    let mut master = MasterData { machines: vec![machine(0), machine(1)], ..MasterData::default() };
    for round in 0..ROUNDS {
        master.sensors.push(sensor(&format!("S{round}"), round % 2));
        if round == 3 {
            master.sensors[0].machine_id = machine(1).machine_id;
        }
        keeper.follow(master.clone()).unwrap();
        keeper.register(Some("M0"), &format!("N{round}")).unwrap();
        keeper.sync().unwrap();
    }
    sensors(&keeper)
}

fn machine(number: u64) -> Machine {
    Machine {
        machine_id: format!("M{number}"),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        machine_code: None,
        machine_type: None,
        design_capacity_units_per_hour: None,
        active: true,
    }
}

fn sensor(id: &str, machine: u64) -> Sensor {
    Sensor {
        sensor_id: id.to_owned(),
        machine_id: format!("M{machine}"),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits::default(),
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    }
}
