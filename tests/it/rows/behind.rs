//! A database that rows are taken for stays away, and the log of events is the smallest: its rows wait for it until they are too
//! many, and nobody else does.

use super::{HR, OPEN, ORDERS, dead_letters, mysql_of, rows_plant_with, send, send_as, settled};
use crate::clients::publish;
use crate::harness::Harness;
use crate::routes::{EACH, change_states, close, count, open};
use crate::running::{eventually, goes_on};
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::now_ms;
use crate::tally::sink;
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

/// The smallest log of events, and as small a spool.
const SMALL: &str = "[routes]\ndirectory = \"routes\"\nmax_bytes = 1048576\n";
const SMALL_SPOOL: &str = "[spool]\nmax_bytes = 4194304\n";

/// With these routes and no others.
fn small_plant(harness: &'static Harness, more: &str, tables: &str, routes: &[(&str, &str)]) -> Plant {
    let plant = rows_plant_with(harness, &format!("{OPEN}{SMALL}{more}"), tables);
    let folder = plant.folder.join("routes");
    fs::create_dir_all(&folder).unwrap();
    routes.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
    plant
}

/// How many segments the log of events has begun so far: eight are as many as it may hold.
fn segments_begun(plant: &Plant) -> u64 {
    let entries = fs::read_dir(plant.folder.join("data/events")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let serials = names.filter_map(|name| name.strip_suffix(".log")?.rsplit_once('-')?.1.parse::<u64>().ok());
    serials.max().unwrap() + 1
}

/// More changes of a state than the log of events holds.
const TOO_MANY: i64 = 14_000;

pub(super) fn events(harness: &'static Harness) {
    let plant = small_plant(harness, "", ORDERS, &EACH);
    plant.serve();
    send(&plant, HR, "t_orders", &json!({"id": 0, "code": "A"}));
    settled(&plant, 1, 0);
    close(&plant, HR);
    send(&plant, HR, "t_orders", &json!({"id": 1, "code": "A"}));
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 86_400_000);
    // The other database of routes gets all of it, and telemetry is acknowledged.
    change_states(harness, &plant, (&sensor, begun_ms), 0..TOO_MANY / 2);
    send(&plant, HR, "t_orders", &json!({"id": 2, "code": "A"}));
    plant.kill();
    plant.serve();
    change_states(harness, &plant, (&sensor, begun_ms), TOO_MANY / 2..TOO_MANY);
    send(&plant, HR, "t_orders", &json!({"id": 3, "code": "A"}));
    let begun = segments_begun(&plant);
    assert!(begun > 8, "{begun} segments are too few to show anything");
    let report = plant.stats();
    assert_eq!(report["spool"]["full_episodes_total"], 0, "{report:#}");

    open(&plant, HR);
    let report = plant.idle();
    assert_eq!(report["identity_holds"], true, "{report:#}");
    assert_eq!(count(&plant, HR, "t_orders", "id IN (0, 1, 2, 3)"), 4, "no row is lost or twice");
    assert_eq!(count(&plant, HR, "t_orders", "true"), 4);
    let written = count(&plant, HR, "hcm_integration_log", "document_id LIKE 'EV-%'");
    let gap = sink(&report, "hr")["gap_records_total"].as_i64().unwrap();
    assert!(gap > 0 && written > 0, "{written} rows, {gap} lacking");
    // The gap counts events of all kinds: the sensors fall silent meanwhile.
    let others = sink(&report, "hr")["position"].as_i64().unwrap() - TOO_MANY;
    assert!((0..=others).contains(&(written + gap - TOO_MANY)), "{written} rows, {:#}", sink(&report, "hr"));
}

const LARGE: &str = "genims/v1/rows/genims_hr_db/t_large";
/// More than both logs take.
const LARGE_ROWS: i64 = 6_000;
const REFUSED: i64 = LARGE_ROWS / 15;
/// More than the first log holds, in messages of five hundred.
const READINGS: i64 = 60_000;
const IN_MESSAGE: i64 = 500;

fn readings(sensor: &Sensor, begun_ms: i64) -> Vec<(String, Vec<u8>)> {
    let message = |begin: i64| {
        let reading = |at: i64| json!({"sensor_id": sensor.sensor_id, "value": 1, "timestamp_ms": begun_ms + at});
        let readings: Vec<Value> = (begin..begin + IN_MESSAGE).map(reading).collect();
        (format!("genims/v1/{}/readings", sensor.factory_id), Value::Array(readings).to_string().into_bytes())
    };
    (0..READINGS).step_by(IN_MESSAGE as usize).map(message).collect()
}

fn is_full(plant: &Plant) -> bool {
    let report = plant.stats();
    sink(&report, "hr")["last_error"].as_str().is_some_and(|error| error.contains("too many rows wait"))
}

/// As many are with the library at a time. Connected again, it sends what waits there without a bound, and forgets one for whose
/// packet identifier another is still not acknowledged: fewer than the hundred identifiers that it uses are never such.
const WINDOW: usize = 50;

/// Publishes with MQTT 3.1.1 as a program does that keeps what is not acknowledged: connects again whenever the server ends the
/// connection.
fn publish_patiently(address: SocketAddr, client_id: &str, messages: &[(String, Vec<u8>)]) {
    use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
    let mut options = MqttOptions::new(client_id, address.ip().to_string(), address.port());
    // The library keeps what is not acknowledged as long as the server keeps the session.
    options.set_clean_session(false);
    let (client, mut connection) = Client::new(options, WINDOW);
    let (mut waiting, mut acknowledged) = (messages.iter(), 0);
    let mut publish_next = || {
        if let Some((topic, payload)) = waiting.next() {
            client.publish(topic, QoS::AtLeastOnce, false, payload.clone()).unwrap();
        }
    };
    (0..WINDOW).for_each(|_| publish_next());
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(Incoming::PubAck(_))) => {
                acknowledged += 1;
                publish_next();
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
        if acknowledged == messages.len() {
            return;
        }
    }
}

const LATE: i64 = LARGE_ROWS + 1;

/// MQTT 5 says so of the message alone.
fn is_refused(plant: &Plant) {
    let (port, row) = (plant.doors.mqtt.port().to_string(), json!({"id": LATE}).to_string());
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5", "-q", "1", "-t", LARGE, "-m", &row]);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("Quota exceeded"), "{told}");
}

/// With QoS 0 nobody can be told.
fn is_set_aside(plant: &Plant) {
    publish(plant.doors.mqtt, "hr-late", 0, &[(LARGE.to_owned(), json!({"id": LATE}).to_string().into_bytes())]);
    eventually("a dead letter", PATIENCE, || {
        dead_letters(plant).iter().any(|(reason, detail)| reason == "bad_row" && detail.contains("too many rows wait"))
    });
}

pub(super) fn rows(harness: &'static Harness) {
    let plant = small_plant(harness, SMALL_SPOOL, "CREATE TABLE t_large (id INTEGER PRIMARY KEY, text TEXT)", &[]);
    harness.block_on(async {
        mysql_of(&plant).await.query_drop("CREATE TABLE t_other (id INT PRIMARY KEY)").await.unwrap();
    });
    let sensor = plant.sensor();
    plant.serve();
    send(&plant, HR, "t_large", &json!({"id": 0}));
    settled(&plant, 1, 0);
    close(&plant, HR);
    let text = "x".repeat(2_000);
    // Some are there already, which their database alone can tell.
    let message = |id: i64| {
        let row = json!({"id": if id % (LARGE_ROWS / REFUSED) == 0 { 0 } else { id }, "text": text});
        (LARGE.to_owned(), row.to_string().into_bytes())
    };
    let (messages, mqtt): (Vec<_>, _) = ((1..=LARGE_ROWS).map(message).collect(), plant.doors.mqtt);
    // Not joined: a failure must not wait for a sender that tries again.
    let sent = std::thread::spawn(move || publish_patiently(mqtt, "hr-program", &messages));
    eventually("its rows are taken no more", PATIENCE, || is_full(&plant));
    // All of this is acknowledged, whatever waits there.
    publish(mqtt, "plc", 1, &readings(&sensor, now_ms() - 3_600_000));
    send_as(&plant, "reporting-program", "genims_reporting_db", "t_other", &[json!({"id": 1}).to_string()]);
    is_refused(&plant);
    is_set_aside(&plant);
    assert!(!sent.is_finished() && is_full(&plant));
    eventually("the other database has its row", PATIENCE, || {
        let query = "SELECT COUNT(*) FROM t_other";
        harness.block_on(async { mysql_of(&plant).await.query_first::<i64, _>(query).await.unwrap() }) == Some(1)
    });
    open(&plant, HR);
    goes_on("all is acknowledged", PATIENCE, || {
        (!sent.is_finished()).then(|| sink(&plant.stats(), "hr")["position"].as_u64())
    });
    settled(&plant, (1 + LARGE_ROWS - REFUSED + READINGS + 1) as u64, (REFUSED + 1) as u64);
    assert_eq!(count(&plant, HR, "t_large", "true"), 1 + LARGE_ROWS - REFUSED);
    assert_eq!(count(&plant, HR, "t_large", "id = 0 AND text IS NULL"), 1);
    assert!(!is_full(&plant));
}
