//! Sensor numbers under a real server: registrations outlive `kill -9`, an older journal is refused, and a resend is
//! recognised after its sensor has moved.

use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use libtest_mimic::Trial;

/// The follower of master data may come by between the acknowledgement and the kill.
const ATTEMPTS: usize = 5;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("numbers::a_registration_outlives_a_kill", a_registration_outlives_a_kill),
        harness.trial("numbers::a_resend_after_a_move_is_stored_once", a_resend_after_a_move_is_stored_once),
    ]
}

fn in_master(plant: &Plant, sensor: &Sensor) -> bool {
    let query = format!("SELECT 1 FROM sensors WHERE sensor_id = '{}'", sensor.sensor_id);
    !plant.query("genims_master_db", &query).is_empty()
}

fn reading(sensor: &Sensor, value: i32, at_ms: i64) -> (String, String) {
    (sensor.topic(), format!(r#"{{"value": {value}, "timestamp_ms": {at_ms}}}"#))
}

fn a_registration_outlives_a_kill(harness: &'static Harness) {
    let more = "[pipeline]\nunknown_sensors = \"register\"\n";
    let plant = Plant::start(harness, &Setup { more, ..Setup::default() });
    let (known, journal) = (plant.sensor(), plant.folder.join("data/catalogue.journal"));
    let older = std::fs::read(&journal).unwrap();
    let at_ms = now_ms() - 60_000;
    let stranger = (0..ATTEMPTS).find_map(|attempt| {
        let stranger = Sensor { sensor_id: format!("SEN-STRANGER-{attempt}"), ..known.clone() };
        send(harness, &plant, &[reading(&stranger, 1, at_ms)]);
        plant.kill();
        let early = !in_master(&plant, &stranger);
        plant.serve();
        early.then_some(stranger)
    });
    let stranger = stranger.expect("a kill before master data has the sensor");
    eventually("the sensor in master data", PATIENCE, || in_master(&plant, &stranger));
    send(harness, &plant, &[reading(&stranger, 1, at_ms), reading(&stranger, 2, at_ms + 1)]);
    plant.stored_exactly(&stranger, 2);
    let stats = plant.idle();
    assert_eq!(stats["total"]["dead_lettered"], 0, "{stats:#}");

    plant.kill();
    let newest = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, older).unwrap();
    let refused = plant.cli(&["serve"]);
    let said = [refused.stdout, refused.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!refused.status.success() && said.contains("older than the spool"), "{said}");
    std::fs::write(&journal, newest).unwrap();
    plant.serve();
    send(harness, &plant, &[reading(&stranger, 3, at_ms + 2)]);
    plant.stored_exactly(&stranger, 3);
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

fn a_resend_after_a_move_is_stored_once(harness: &'static Harness) {
    const FOLLOWED: &str = "the catalogue follows master data";
    let plant = Plant::start(harness, &Setup::default());
    let changes = [
        "(machine_id, line_id, factory_id) = (SELECT machine_id, line_id, factory_id FROM machines m \
         WHERE m.machine_id <> sensors.machine_id ORDER BY machine_id DESC LIMIT 1)",
        "measurement_unit = 'K'",
    ];
    for change in changes {
        let sensor = plant.sensor();
        let at_ms = now_ms() - 60_000;
        let sent: Vec<_> = (0..3).map(|number| reading(&sensor, number, at_ms + i64::from(number))).collect();
        send(harness, &plant, &sent);
        let looks = plant.log_text().matches(FOLLOWED).count();
        let id = &sensor.sensor_id;
        plant.execute("genims_master_db", &format!("UPDATE sensors SET {change} WHERE sensor_id = '{id}'"));
        eventually("the change", PATIENCE, || plant.log_text().matches(FOLLOWED).count() > looks);
        send(harness, &plant, &sent);
        plant.stored_exactly(&sensor, 3);
        plant.kill();
        plant.serve();
        send(harness, &plant, &sent);
        plant.stored_exactly(&sensor, 3);
        send(harness, &plant, &[reading(&sensor, 9, at_ms + 9)]);
        plant.stored_exactly(&sensor, 4);
    }
}
