//! The whole walk: a client's socket, the server, PostgreSQL and MongoDB.

use crate::clients::{bridged, publish, try_publish};
use crate::harness::Harness;
use crate::monitoring;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("stream::every_json_form_becomes_its_rows", every_json_form),
        harness.trial("stream::a_snapshot_becomes_a_row_with_its_shift", a_snapshot_becomes_a_row),
        harness.trial("stream::tcp_frames_are_stored_once_also_when_sent_again", tcp_frames),
        harness.trial("stream::line_protocol_is_stored", line_protocol),
        harness.trial("stream::bad_input_is_set_aside_with_its_reason", bad_input_is_set_aside),
        harness.trial("stream::a_dead_letter_comes_in_once_its_sensor_exists", a_dead_letter_comes_in),
        harness.trial("stream::only_the_poisoned_row_is_set_aside", only_the_poisoned_row),
    ]
}

pub(crate) fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

#[track_caller]
pub(crate) fn send(harness: &Harness, plant: &Plant, messages: &[(String, String)]) {
    assert!(try_send(harness, plant, messages), "not all is acknowledged");
}

/// Whether all is acknowledged. Where it is not, some of it may be stored.
pub(crate) fn try_send(harness: &Harness, plant: &Plant, messages: &[(String, String)]) -> bool {
    let messages: Vec<_> = messages.iter().map(|(topic, text)| (topic.clone(), text.clone().into_bytes())).collect();
    let published = try_publish(plant.doors.mqtt, &harness.unique("stream"), 1, &messages);
    published.inspect_err(|error| println!("not acknowledged: {error}")).is_ok()
}

/// A sensor's rows in the order of time: microseconds since 1970, value as text.
pub(crate) fn rows(plant: &Plant, sensor: &Sensor) -> Vec<(i64, String)> {
    let query = format!(
        "SELECT (extract(epoch FROM timestamp) * 1000000)::bigint, measurement_value::text FROM sensor_data \
         WHERE sensor_id = '{}' ORDER BY timestamp, sensor_data_id",
        sensor.sensor_id
    );
    plant.query("genims_operations_db", &query).iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn every_json_form(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let (one, batch) = (plant.sensor(), plant.sensor());
    let base_s = now_ms() / 1_000 - 600;
    let at_ms = |seconds: i64| (base_s + seconds) * 1_000;
    let text = chrono::DateTime::from_timestamp(base_s + 5, 250_000_000).unwrap().to_rfc3339();
    let messages = [
        format!(r#"{{"value": 0.5, "timestamp_ms": {}}}"#, at_ms(0) + 1),
        format!(r#"{{"timestamp_us": {}, "value": 1}}"#, at_ms(1) * 1_000 + 7),
        format!(r#"{{"value": 2.25, "timestamp_ns": {}}}"#, at_ms(2) * 1_000_000 + 8_999),
        format!(r#"{{"value": 3, "timestamp": {}}}"#, base_s + 3),
        format!(r#"{{"value": 4.0001, "ts": {}, "quality": "uncertain"}}"#, at_ms(4) * 1_000),
        format!(r#"{{"value": 5, "time": "{text}"}}"#),
        // Exact up to the last digit that the column has.
        format!(r#"{{"value": 99999999999, "t": {}}}"#, at_ms(6)),
        format!(r#"[{{"value": 7, "ts": {}}}, {{"value": 8, "ts": {}}}]"#, at_ms(7), at_ms(8)),
        // More digits than it has are rounded, alike in both databases.
        format!(r#"{{"value": 18.54325356, "ts": {}}}"#, at_ms(9)),
        format!(r#"{{"value": -0.00005, "ts": {}}}"#, at_ms(10)),
    ];
    send(harness, plant, &messages.map(|message| (one.topic(), message)));
    let factory = format!("genims/v1/{}/readings", batch.factory_id);
    let values = format!(
        r#"[{{"machine_id": "{}", "ts": {}, "values": {{"{}": 1.5}}}}, {{"ts": {}, "values": {{"{}": 2.5}}}}]"#,
        batch.machine_id,
        at_ms(1),
        batch.sensor_code,
        at_ms(2),
        batch.sensor_id
    );
    let array = format!(r#"[{{"sensor_id": "{}", "value": 3.5, "timestamp_ms": {}}}]"#, batch.sensor_id, at_ms(3));
    send(harness, plant, &[(factory.clone(), values), (factory, array)]);
    let before_us = now_ms() * 1_000;
    send(harness, plant, &[(batch.topic(), "-4.5".to_owned())]);

    plant.stored_exactly(&one, 11);
    let us = |seconds: i64| at_ms(seconds) * 1_000;
    let expected = [
        (us(0) + 1_000, "0.5000"),
        (us(1) + 7, "1.0000"),
        (us(2) + 8, "2.2500"),
        (us(3), "3.0000"),
        (us(4), "4.0001"),
        (us(5) + 250_000, "5.0000"),
        (us(6), "99999999999.0000"),
        (us(7), "7.0000"),
        (us(8), "8.0000"),
        (us(9), "18.5433"),
        (us(10), "-0.0001"),
    ];
    assert_eq!(rows(plant, &one), expected.map(|(at, value)| (at, value.to_owned())));
    let mut mirrored: Vec<(i64, f64)> = plant
        .documents("sensor_readings", doc! { "meta.sensor_id": &one.sensor_id })
        .iter()
        .map(|document| {
            (document.get_datetime("timestamp").unwrap().timestamp_millis(), document.get_f64("value").unwrap())
        })
        .collect();
    mirrored.sort_by_key(|(at_ms, _)| *at_ms);
    assert_eq!(mirrored, expected.map(|(at, value)| (at / 1_000, value.parse().unwrap())));
    // What no such device can measure is stored, and marked.
    let query =
        format!("SELECT quality, measurement_value = 4.0001 FROM sensor_data WHERE sensor_id = '{}'", one.sensor_id);
    let marked = |quality: &str| {
        let found = plant.query("genims_operations_db", &format!("{query} AND quality = '{quality}'"));
        found.iter().map(|row| row.get::<_, bool>(1)).collect::<Vec<_>>()
    };
    assert_eq!(marked("uncertain"), [true]);
    assert_eq!(marked("bad").last(), Some(&false));

    plant.stored_exactly(&batch, 4);
    let found = rows(plant, &batch);
    let expected = [(us(1), "1.5000"), (us(2), "2.5000"), (us(3), "3.5000")];
    assert_eq!(found[..3], expected.map(|(at, value)| (at, value.to_owned())));
    // A bare number has the time of its arrival.
    assert_eq!(found[3].1, "-4.5000");
    assert!((before_us..before_us + 30_000_000).contains(&found[3].0), "{found:?}");
}

fn a_snapshot_becomes_a_row(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let sensor = plant.sensor();
    let timestamp_ms = now_ms() - 900_000;
    // 2^53 + 1: no f64 holds it.
    let message = json!({
        "timestamp_ms": timestamp_ms, "machine_state": "RUNNING", "parts_produced_cumulative": 9_007_199_254_740_993_i64,
        "oee_percentage": 81.25, "program_number": "P-7",
    });
    send(harness, plant, &[(format!("{}/scada", sensor.machine_topic()), message.to_string())]);
    let (machine, factory) = (&sensor.machine_id, &sensor.factory_id);
    let condition = format!("machine_id = '{machine}' AND program_number = 'P-7'");
    eventually("the snapshot's row", PATIENCE, || plant.rows("scada_machine_data", &condition) == 1);
    let query = format!(
        "SELECT machine_state, parts_produced_cumulative, oee_percentage::text, line_id, factory_id, shift_id, \
         (extract(epoch FROM timestamp) * 1000)::bigint FROM scada_machine_data WHERE {condition}"
    );
    let row = &plant.query("genims_operations_db", &query)[0];
    assert_eq!((row.get::<_, &str>(0), row.get::<_, i64>(1)), ("RUNNING", 9_007_199_254_740_993));
    assert_eq!((row.get::<_, &str>(2), row.get::<_, i64>(6)), ("81.25", timestamp_ms));
    assert_eq!((row.get::<_, &str>(3), row.get::<_, &str>(4)), (sensor.line_id.as_str(), factory.as_str()));
    // The shift by master data itself: local time of the factory, also across midnight.
    let query = format!(
        "SELECT shift_id FROM shifts JOIN factories f USING (factory_id), \
         LATERAL (SELECT (to_timestamp({timestamp_ms} / 1000.0) AT TIME ZONE f.timezone)::time AS at) AS moment \
         WHERE factory_id = '{factory}' AND CASE WHEN start_time < end_time THEN at >= start_time AND at < end_time \
         ELSE at >= start_time OR at < end_time END"
    );
    let shift: String = plant.query("genims_master_db", &query)[0].get(0);
    assert_eq!(row.get::<_, Option<&str>>(5), Some(shift.as_str()));
    eventually("the snapshot's document", PATIENCE, || {
        let filter = doc! { "meta.machine_id": machine, "event_type": "snapshot", "program_number": "P-7" };
        plant.documents("scada_events", filter).len() == 1
    });
}

/// A frame of our protocol, written by hand from its description.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![b'G', b'F', 1, kind];
    frame.extend((body.len() as u32).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&frame);
    crc.update(body);
    frame.extend(crc.finalize().to_le_bytes());
    frame.extend(body);
    frame
}

fn data_frame(sequence: u64, sensor: &Sensor, base_us: i64, count: u32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(sequence.to_le_bytes());
    body.extend(base_us.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(7_u16.to_le_bytes());
    body.push(sensor.sensor_id.len() as u8);
    body.extend(sensor.sensor_id.as_bytes());
    body.extend(count.to_le_bytes());
    for number in 0..count {
        body.extend(7_u16.to_le_bytes());
        body.extend([0, (number % 2) as u8]);
        body.extend((number as i32 * 1_000).to_le_bytes());
        match number % 2 {
            0 => body.extend(f64::from(number).to_le_bytes()),
            _ => body.extend(i64::from(number).to_le_bytes()),
        }
    }
    frame(3, &body)
}

/// Says hello; the connection and the last sequence that the server knows.
fn hello(plant: &Plant, client_id: &str) -> (TcpStream, u64) {
    let mut stream = TcpStream::connect(plant.doors.tcp).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut body = (client_id.len() as u16).to_le_bytes().to_vec();
    body.extend(client_id.as_bytes());
    stream.write_all(&frame(1, &body)).unwrap();
    let (kind, body) = read_frame(&mut stream);
    assert_eq!(kind, 2, "WELCOME");
    (stream, u64::from_le_bytes(body[..8].try_into().unwrap()))
}

fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[..3], *b"GF\x01");
    let mut body = vec![0; u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize];
    stream.read_exact(&mut body).unwrap();
    (head[3], body)
}

fn acknowledged(stream: &mut TcpStream, sequence: u64) {
    loop {
        let (kind, body) = read_frame(stream);
        assert_eq!(kind, 4, "an ACK, not {body:?}");
        if u64::from_le_bytes(body[..8].try_into().unwrap()) >= sequence {
            return;
        }
    }
}

fn duplicates_of(plant: &Plant, source: &str) -> i64 {
    let stats = plant.stats();
    let sources = stats["sources"].as_array().unwrap();
    sources.iter().find(|found| found["name"] == source).unwrap()["duplicate"].as_i64().unwrap()
}

fn tcp_frames(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let (sensor, client_id) = (plant.sensor(), harness.unique("plc"));
    let base_us = (now_ms() - 600_000) * 1_000;
    let frames: Vec<_> =
        (1..=4).map(|sequence| data_frame(sequence, &sensor, base_us + sequence as i64 * 1_000_000, 100)).collect();
    let (mut stream, last) = hello(plant, &client_id);
    assert_eq!(last, 0);
    stream.write_all(&frames[..3].concat()).unwrap();
    acknowledged(&mut stream, 3);
    drop(stream);
    let before = duplicates_of(plant, "tcp");
    let (mut stream, last) = hello(plant, &client_id);
    assert_eq!(last, 3);
    stream.write_all(&frames[1..].concat()).unwrap();
    acknowledged(&mut stream, 4);
    stream.write_all(&frame(6, &[])).unwrap();
    assert_eq!(read_frame(&mut stream).0, 7, "PONG");
    plant.stored_exactly(&sensor, 400);
    let query = format!(
        "SELECT count(DISTINCT timestamp), sum(measurement_value)::bigint FROM sensor_data WHERE sensor_id = '{}'",
        sensor.sensor_id
    );
    let row = &plant.query("genims_operations_db", &query)[0];
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (400, 4 * 4_950));
    assert_eq!(duplicates_of(plant, "tcp") - before, 200);
}

fn line_protocol(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let (one, two) = (plant.sensor(), plant.sensor());
    let base_ns = (now_ms() - 600_000) * 1_000_000;
    let mut text = String::new();
    for number in 0..50 {
        let at = base_ns + number * 1_000_000;
        text.push_str(&format!("plant,sensor_id={} value={number}i {at}\n", one.sensor_id));
        text.push_str(&format!("plant,machine_id={} {}={number}.5 {at}\n", two.machine_id, two.sensor_code));
    }
    TcpStream::connect(plant.doors.line).unwrap().write_all(text.as_bytes()).unwrap();
    plant.stored_exactly(&one, 50);
    plant.stored_exactly(&two, 50);
    assert_eq!(rows(plant, &two)[49], (base_ns / 1_000 + 49_000, "49.5000".to_owned()));
}

/// The reasons of the dead letters of a topic, oldest first.
fn reasons(plant: &Plant, topic: &str) -> Vec<String> {
    let query = format!("SELECT reason FROM genims_internal.dead_letters WHERE topic = '{topic}' ORDER BY letter_id");
    plant.query("genims_operations_db", &query).iter().map(|row| row.get(0)).collect()
}

fn bad_input_is_set_aside(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let now = now_ms();
    let value = |value: &str| format!(r#"{{"value": {value}, "timestamp_ms": {now}}}"#);
    let at = |at_ms: i64| format!(r#"{{"value": 1, "timestamp_ms": {at_ms}}}"#);
    let cases = [
        ("malformed_payload", r#"{"value": 1"#.to_owned()),
        ("not_a_number", value(r#""hot""#)),
        ("not_a_number", value("[1, 2]")),
        ("not_a_number", value("null")),
        ("not_finite", "NaN".to_owned()),
        ("out_of_range", value("9007199254740993")),
        ("bad_timestamp", at(now + 3 * 3_600_000)),
        ("too_old", at(now - 1_200 * 86_400_000)),
    ];
    for (reason, payload) in cases {
        let sensor = plant.sensor();
        send(harness, plant, &[(sensor.topic(), payload.clone())]);
        // Whoever set it aside, the door or the analysis behind it.
        let topic = sensor.topic();
        eventually(&format!("{payload} is set aside"), PATIENCE, || !reasons(plant, &topic).is_empty());
        assert_eq!(reasons(plant, &topic), [reason], "{payload}");
        let told = format!("topic = '{topic}' AND source = 'mqtt' AND client LIKE '%stream%'");
        assert_eq!(plant.rows("genims_internal.dead_letters", &told), 1, "{payload}");
        assert_eq!(plant.stored(&sensor), (0, 0), "{payload}");
    }
    for (topic, reason, payload) in [
        ("nonsense/topic", "unknown_topic", "1"),
        ("genims/v1/F/L/M/NOBODY-KNOWS", "unknown_sensor", "1"),
        ("genims/v1/F/L/NO-MACHINE/scada", "unknown_machine", r#"{"machine_state": "IDLE"}"#),
    ] {
        send(harness, plant, &[(topic.to_owned(), payload.to_owned())]);
        eventually(&format!("{topic} is set aside"), PATIENCE, || !reasons(plant, topic).is_empty());
        assert_eq!(reasons(plant, topic), [reason]);
    }
}

fn a_dead_letter_comes_in(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let like = plant.sensor();
    let new = Sensor { sensor_id: "SEN-NEW".to_owned(), sensor_code: "NEW-1".to_owned(), ..like.clone() };
    let bridge = Sensor { sensor_id: "SEN-BRIDGE".to_owned(), sensor_code: "NEW-2".to_owned(), ..like.clone() };
    let at_ms = now_ms() - 60_000;
    let payload = format!(r#"{{"value": 17.25, "timestamp_ms": {at_ms}}}"#);
    send(harness, plant, &[(new.topic(), payload.clone())]);
    eventually("the dead letter", PATIENCE, || reasons(plant, &new.topic()) == ["unknown_sensor"]);
    // Behind a broker, without a time, and nothing that is understood as long as nobody knows the sensor.
    bridged(plant);
    let (tags, untimed) = (format!("{}/tags", like.machine_topic()), br#"{"NEW-2": ["21.5"]}"#.to_vec());
    publish(plant.stack.mqtt_address(), &harness.unique("stream"), 1, &[(tags.clone(), untimed)]);
    eventually("the bridge's dead letter", PATIENCE, || reasons(plant, &tags) == ["malformed_payload"]);
    let of_bridge = format!("topic = '{tags}' AND source LIKE 'bridge-%' AND replayed_at IS NULL");
    let query = format!(
        "SELECT letter_id, (extract(epoch FROM received_at) * 1000000)::bigint FROM genims_internal.dead_letters WHERE {of_bridge}"
    );
    let row = &plant.query("genims_operations_db", &query)[0];
    let (of_bridge, received_us): (String, i64) = (row.get::<_, i64>(0).to_string(), row.get(1));

    let list: Value =
        serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--reason", "unknown_sensor", "--json"])).unwrap();
    let dead_letter =
        list["letters"].as_array().unwrap().iter().find(|dead_letter| dead_letter["topic"] == new.topic()).unwrap();
    let id = dead_letter["letter_id"].to_string();
    let shown: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "show", &id, "--json"])).unwrap();
    let said: Value = serde_json::from_str(shown["payload_text"].as_str().unwrap()).unwrap();
    assert_eq!(said["value"], 17.25, "{shown:#}");

    // Too early: it comes back, which replay says and exits with; so does a misspelt id or reason.
    let early = plant.cli(&["deadletter", "replay", &id, &of_bridge, "--json"]);
    let said: Value = serde_json::from_slice(&early.stdout).unwrap();
    assert_eq!((&said["replayed"], &said["returned"], early.status.code()), (&json!(2), &json!(2), Some(1)), "{said}");
    for wrong in ["replay 999999999", "show 999999999", "list --reason=unknown"] {
        let refused = plant.cli(&["deadletter"].into_iter().chain(wrong.split(' ')).collect::<Vec<_>>());
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{wrong:?}");
    }
    // It waits as before, in its one row.
    for (id, topic) in [(&id, &new.topic()), (&of_bridge, &tags)] {
        assert_eq!(plant.rows("genims_internal.dead_letters", &format!("topic = '{topic}'")), 1);
        assert_eq!(plant.rows("genims_internal.dead_letters", &format!("letter_id = {id} AND replayed_at IS NULL")), 1);
    }

    let known = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
    for Sensor { sensor_id, sensor_code, .. } in [&new, &bridge] {
        let names = json!({ "sensor_id": sensor_id, "sensor_code": sensor_code });
        let like = &like.sensor_id;
        let copy = format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{names}')).* FROM sensors s WHERE sensor_id = '{like}'"
        );
        plant.execute("genims_master_db", &copy);
    }
    eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == known + 2);
    let replayed: Value =
        serde_json::from_str(&plant.cli_ok(&["deadletter", "replay", &id, &of_bridge, "--json"])).unwrap();
    assert_eq!((&replayed["stored"], &replayed["asked"]), (&json!(2), &json!(2)), "{replayed}");
    plant.stored_exactly(&new, 1);
    plant.stored_exactly(&bridge, 1);
    assert_eq!(rows(plant, &new), [(at_ms * 1_000, "17.2500".to_owned())]);
    assert_eq!(rows(plant, &bridge), [(received_us, "21.5000".to_owned())], "under the time of its first receipt");
    for id in [id, of_bridge] {
        let replayed = format!("letter_id = {id} AND replayed_at IS NOT NULL");
        assert_eq!(plant.rows("genims_internal.dead_letters", &replayed), 1);
    }
}

fn only_the_poisoned_row(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let sensor = plant.sensor();
    plant.execute(
        "genims_operations_db",
        "ALTER TABLE sensor_data ADD CONSTRAINT poison CHECK (measurement_value <> 666)",
    );
    plant.execute(
        "genims_operations_db",
        "ALTER TABLE scada_machine_data ADD CONSTRAINT poison CHECK (fault_code <> 'POISON')",
    );
    let start_ms = now_ms() - 600_000;
    let readings: Vec<Value> = (0..1_000)
        .map(|number| {
            let value = if matches!(number, 17 | 500) { 666 } else { number + 1_000 };
            json!({ "sensor_id": sensor.sensor_id, "value": value, "timestamp_ms": start_ms + number })
        })
        .collect();
    let topic = format!("genims/v1/{}/readings", sensor.factory_id);
    let Sensor { factory_id, line_id, machine_id, .. } = &sensor;
    let scada = format!("genims/v1/{factory_id}/{line_id}/{machine_id}/scada");
    let snapshot = json!({ "machine_state": "FAULT", "fault_code": "POISON", "timestamp_ms": start_ms });
    send(harness, &plant, &[(topic, Value::Array(readings).to_string()), (scada, snapshot.to_string())]);
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true);
    assert_eq!((&stats["total"]["committed"], &stats["total"]["dead_lettered"]), (&json!(998), &json!(3)), "{stats:#}");
    monitoring::fires(&plant, &["GenimsRowsRefused"]);
    // The mirror took them: it knows nothing of PostgreSQL's constraint.
    assert_eq!(plant.stored(&sensor), (998, 1_000));
    let query = "SELECT sqlstate, reason, source, topic, client, payload FROM genims_internal.dead_letters";
    for row in plant.query("genims_operations_db", query) {
        // The log, from which the row came, repeats neither topic nor client for each.
        let said: Vec<&str> = (0..5).map(|column| row.get(column)).collect();
        assert_eq!(said, ["23514", "refused_by_database", "mqtt", "", ""]);
        let payload = String::from_utf8_lossy(row.get(5));
        assert!(payload.contains("666") || payload.contains("POISON"), "{payload}");
    }
    // Verify knows why the mirror has more.
    let verdict: Value = serde_json::from_str(&plant.cli_ok(&["verify", "--module", "ledger", "--json"])).unwrap();
    let explained = |finding: &Value| finding["explanation"].as_str().unwrap().contains("2 behind (3 refused");
    assert!(verdict["findings"].as_array().unwrap().iter().any(explained), "{verdict:#}");

    // As long as the cause stands the dead letters wait; once it is mended the rows come back, and the mirror has them already.
    let replay = ["deadletter", "replay", "--reason", "refused_by_database", "--json"];
    assert!(!plant.cli(&replay).status.success());
    for table in ["sensor_data", "scada_machine_data"] {
        plant.execute("genims_operations_db", &format!("ALTER TABLE {table} DROP CONSTRAINT poison"));
    }
    let replayed: Value = serde_json::from_str(&plant.cli_ok(&replay)).unwrap();
    assert_eq!(replayed["replayed"], 3);
    assert_eq!(plant.stored(&sensor), (1_000, 1_000));
    let restored = "SELECT fault_code, line_id, data_source FROM scada_machine_data WHERE machine_state = 'FAULT'";
    let rows = plant.query("genims_operations_db", restored);
    let row: Vec<&str> = (0..3).map(|column| rows[0].get(column)).collect();
    assert_eq!((rows.len(), row), (1, vec!["POISON", line_id.as_str(), "PLC"]));
}
