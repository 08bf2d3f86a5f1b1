//! The whole walk: a client's socket, the server, PostgreSQL and MongoDB.

use crate::clients::publish;
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("stream::every_json_form_becomes_its_rows", every_json_form),
        harness.trial("stream::a_snapshot_becomes_a_row_with_its_shift", a_snapshot_becomes_a_row),
        harness.trial("stream::tcp_frames_are_stored_once_also_when_sent_again", tcp_frames),
        harness.trial("stream::line_protocol_is_stored", line_protocol),
        harness.trial("stream::bad_input_is_set_aside_with_its_reason", bad_input_is_set_aside),
        harness.trial("stream::a_letter_comes_in_once_its_sensor_exists", a_letter_comes_in),
        harness.trial("stream::only_the_poisoned_row_is_set_aside", only_the_poisoned_row),
        harness.trial("stream::a_fault_opens_and_closes", a_fault_opens_and_closes),
        harness.trial("stream::a_stuck_sensor_and_a_finished_hour_are_noticed", stuck_sensor_and_finished_hour),
        harness.trial("stream::clients_insert_on_the_days_that_the_server_writes", clients_insert_beside_the_server),
        harness.trial("stream::last_replaces_and_unknown_registers", last_replaces_and_unknown_registers),
        harness.trial("stream::puback_may_wait_for_the_commit", puback_waits_for_the_commit),
        harness.trial("stream::identity_holds_under_load_and_sigterm_loses_nothing", identity_and_sigterm),
    ]
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn send(harness: &Harness, plant: &Plant, messages: &[(String, String)]) {
    let messages: Vec<_> = messages.iter().map(|(topic, text)| (topic.clone(), text.clone().into_bytes())).collect();
    publish(plant.doors.mqtt, &harness.unique("stream"), 1, &messages);
}

/// A sensor's rows in the order of time: microseconds since 1970, value as text.
fn rows(plant: &Plant, sensor: &Sensor) -> Vec<(i64, String)> {
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

    plant.stored_exactly(&one, 9);
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
    ];
    assert_eq!(rows(plant, &one), expected.map(|(at, value)| (at, value.to_owned())));
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

/// The reasons of the letters of a topic, oldest first.
fn reasons(plant: &Plant, topic: &str) -> Vec<String> {
    reasons_where(plant, &format!("topic = '{topic}'"))
}

fn reasons_where(plant: &Plant, condition: &str) -> Vec<String> {
    let query = format!("SELECT reason FROM genims_internal.dead_letters WHERE {condition} ORDER BY letter_id");
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
        ("not_a_number", value("true")),
        ("not_a_number", value("null")),
        ("not_finite", "NaN".to_owned()),
        ("out_of_range", value("9007199254740993")),
        ("bad_timestamp", at(now + 3 * 3_600_000)),
        ("too_old", at(now - 1_200 * 86_400_000)),
    ];
    for (reason, payload) in cases {
        let sensor = plant.sensor();
        send(harness, plant, &[(sensor.topic(), payload.clone())]);
        // A letter has the topic, or, from behind the analysis, a payload that names the sensor itself.
        let id = &sensor.sensor_id;
        let of_sensor = format!("topic = '{}' OR convert_from(payload, 'UTF8') LIKE '%\"{id}\"%'", sensor.topic());
        eventually(&format!("{payload} is set aside"), PATIENCE, || !reasons_where(plant, &of_sensor).is_empty());
        assert_eq!(reasons_where(plant, &of_sensor), [reason], "{payload}");
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

fn a_letter_comes_in(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let like = plant.sensor();
    let new = Sensor { sensor_id: "SEN-NEW".to_owned(), sensor_code: "NEW-1".to_owned(), ..like.clone() };
    let at_ms = now_ms() - 60_000;
    let payload = format!(r#"{{"value": 17.25, "timestamp_ms": {at_ms}}}"#);
    send(harness, plant, &[(new.topic(), payload.clone())]);
    eventually("the letter", PATIENCE, || reasons(plant, &new.topic()) == ["unknown_sensor"]);

    let list: Value =
        serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--reason", "unknown_sensor", "--json"])).unwrap();
    let letter = list["letters"].as_array().unwrap().iter().find(|letter| letter["topic"] == new.topic()).unwrap();
    let id = letter["letter_id"].to_string();
    let shown: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "show", &id, "--json"])).unwrap();
    let said: Value = serde_json::from_str(shown["payload_text"].as_str().unwrap()).unwrap();
    assert_eq!(said["value"], 17.25, "{shown:#}");

    let known = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
    plant.execute(
        "genims_master_db",
        &format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{{\"sensor_id\": \"SEN-NEW\", \"sensor_code\": \"NEW-1\"}}')).* \
             FROM sensors s WHERE sensor_id = '{}'",
            like.sensor_id
        ),
    );
    eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == known + 1);
    let replayed: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "replay", &id, "--json"])).unwrap();
    assert_eq!(replayed["replayed"], 1);
    plant.stored_exactly(&new, 1);
    assert_eq!(rows(plant, &new), [(at_ms * 1_000, "17.2500".to_owned())]);
    assert_eq!(plant.rows("genims_internal.dead_letters", &format!("letter_id = {id} AND replayed_at IS NOT NULL")), 1);
}

fn only_the_poisoned_row(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let sensor = plant.sensor();
    plant.execute(
        "genims_operations_db",
        "ALTER TABLE sensor_data ADD CONSTRAINT poison CHECK (measurement_value <> 666)",
    );
    let start_ms = now_ms() - 600_000;
    let readings: Vec<Value> = (0..1_000)
        .map(|number| {
            let value = if matches!(number, 17 | 500) { 666 } else { number + 1_000 };
            json!({ "sensor_id": sensor.sensor_id, "value": value, "timestamp_ms": start_ms + number })
        })
        .collect();
    let topic = format!("genims/v1/{}/readings", sensor.factory_id);
    send(harness, &plant, &[(topic, Value::Array(readings).to_string())]);
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true);
    assert_eq!((&stats["total"]["committed"], &stats["total"]["dead_lettered"]), (&json!(998), &json!(2)), "{stats:#}");
    // The mirror took them: it knows nothing of PostgreSQL's constraint.
    assert_eq!(plant.stored(&sensor), (998, 1_000));
    let query = "SELECT sqlstate, reason, payload FROM genims_internal.dead_letters";
    for row in plant.query("genims_operations_db", query) {
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("23514", "refused_by_database"));
        assert!(String::from_utf8_lossy(row.get(2)).contains("666"));
    }
    // Verify knows why the mirror has more.
    let verdict: Value = serde_json::from_str(&plant.cli_ok(&["verify", "--json"])).unwrap();
    let explained = |finding: &Value| finding["explanation"].as_str().unwrap().contains("2 refused");
    assert!(verdict["findings"].as_array().unwrap().iter().any(explained), "{verdict:#}");
}

/// A sensor with an upper critical limit; its measuring range and that limit.
fn with_upper_limit(plant: &Plant) -> (Sensor, f64, f64, f64) {
    loop {
        let sensor = plant.sensor();
        let query = format!(
            "SELECT measurement_range_min::float8, measurement_range_max::float8, critical_threshold_max::float8, \
             warning_threshold_max::float8 FROM sensors WHERE sensor_id = '{}'",
            sensor.sensor_id
        );
        let row = &plant.query("genims_master_db", &query)[0];
        if let Some(critical) = row.get::<_, Option<f64>>(2) {
            let (min, max): (f64, f64) = (row.get(0), row.get(1));
            let good = row.get::<_, Option<f64>>(3).unwrap_or(critical) - (max - min) * 0.03;
            return (sensor, good, critical, (critical + max) / 2.0);
        }
    }
}

fn a_fault_opens_and_closes(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let (sensor, good, critical, bad) = with_upper_limit(plant);
    assert!(good < critical && critical < bad);
    let start_ms = now_ms() - 300_000;
    let messages = |values: &[f64], from: i64| -> Vec<_> {
        let at = |index: usize| start_ms + (from + index as i64) * 1_000;
        let text = |(index, value): (usize, &f64)| {
            (sensor.topic(), format!(r#"{{"value": {value:.4}, "timestamp_ms": {}}}"#, at(index)))
        };
        values.iter().enumerate().map(text).collect()
    };
    send(harness, plant, &messages(&[good, good, bad, bad, bad, bad], 0));
    let of_sensor = format!("machine_id = '{}' AND contributing_sensors = '{}'", sensor.machine_id, sensor.sensor_id);
    let open = format!("{of_sensor} AND fault_end_time IS NULL AND status = 'open'");
    eventually("the open fault", PATIENCE, || plant.rows("machine_faults", &open) == 1);
    send(harness, plant, &messages(&[good; 6], 6));
    let closed = format!(
        "{of_sensor} AND fault_end_time > fault_start_time AND status <> 'open' AND fault_duration_seconds > 0 \
         AND fault_start_time = timestamp 'epoch' + interval '1 ms' * {}",
        start_ms + 2_000
    );
    eventually("the closed fault", PATIENCE, || plant.rows("machine_faults", &closed) == 1);
    assert_eq!(plant.rows("machine_faults", &of_sensor), 1);
    let critical = format!("sensor_id = '{}' AND is_above_critical AND status = 'critical'", sensor.sensor_id);
    assert_eq!(plant.rows("sensor_data", &critical), 4);
    for event in ["fault_opened", "fault_closed"] {
        let filter = doc! { "meta.machine_id": &sensor.machine_id, "event_type": event };
        eventually(event, PATIENCE, || !plant.documents("machine_fault_events", filter.clone()).is_empty());
    }
}

fn stuck_sensor_and_finished_hour(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let sensor = plant.sensor();
    let start_ms = now_ms() - 1_000_000;
    let reading = |number: i64| {
        let value = if number < 300 { 20.0 + (number % 7) as f64 } else { 22.0 };
        json!({ "sensor_id": sensor.sensor_id, "value": value, "timestamp_ms": start_ms + number * 1_000 })
    };
    let readings: Vec<Value> = (0..400).map(reading).collect();
    send(harness, plant, &[(format!("genims/v1/{}/readings", sensor.factory_id), Value::Array(readings).to_string())]);
    let stuck = format!("sensor_id = '{}' AND stuck_value_detected AND overall_status <> 'healthy'", sensor.sensor_id);
    eventually("the stuck sensor", PATIENCE, || plant.rows("sensor_health", &stuck) >= 1);

    // Half an hour running at one part a minute, half an hour idle, of the last but one full hour.
    let hour_ms = (now_ms() / 3_600_000 - 2) * 3_600_000;
    let snapshots: Vec<_> = (0..=61)
        .map(|minute| {
            let running = minute < 30;
            let message = json!({
                "timestamp_ms": hour_ms + minute * 60_000, "machine_state": if running { "RUNNING" } else { "IDLE" },
                "parts_produced_cumulative": 1_000 + minute.min(30), "target_cycle_time_seconds": 60,
            });
            (format!("{}/scada", sensor.machine_topic()), message.to_string())
        })
        .collect();
    send(harness, plant, &snapshots);
    let filter = doc! {
        "meta.machine_id": &sensor.machine_id, "timestamp": mongodb::bson::DateTime::from_millis(hour_ms),
    };
    eventually("the hour's OEE", PATIENCE, || !plant.documents("oee_metrics", filter.clone()).is_empty());
    let hours = plant.documents("oee_metrics", filter);
    assert_eq!(hours.len(), 1, "{hours:?}");
    let hour: Value = serde_json::to_value(&hours[0]).unwrap();
    let near = |name: &str, expected: f64| {
        let found = hour[name].as_f64().unwrap_or(f64::NAN);
        assert!((found - expected).abs() < 0.02, "{name} is {found}, not {expected}: {hour:#}");
    };
    near("availability", 0.5);
    near("performance", 1.0);
    near("oee", 0.5);
}

fn clients_insert_beside_the_server(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let sensor = plant.sensor();
    let id = &sensor.sensor_id;
    // A day without a partition: the client's rows wait in the default one until the server makes the day's.
    let past_ms = now_ms() - 400 * 86_400_000;
    let insert = |timestamp: &str| {
        format!(
            "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, \
             measurement_unit) VALUES ('{id}', 'M', 'L', 'F', {timestamp}, 21.5, 'C'); \
             INSERT INTO sensor_data VALUES (nextval('sensor_data_sensor_data_id_seq'), '{id}', 'M', 'L', 'F', \
             {timestamp}, 1, 'C', 'normal', 'good', false, false, false, false, 1, 1, 1, 0, 0.1, false, 'IoT', 'mqtt', \
             now()); \
             INSERT INTO scada_machine_data (machine_id, line_id, factory_id, timestamp, machine_state, operator_id) \
             VALUES ('M', 'L', 'F', {timestamp}, 'running', '{id}')"
        )
    };
    let past = format!("timestamp 'epoch' + interval '1 ms' * {past_ms}");
    for timestamp in [past.as_str(), "'2009-05-05 05:05'", "now()", "now() + interval '1 day'"] {
        plant.execute("genims_operations_db", &insert(timestamp));
    }
    for (number, at_ms) in [(1, past_ms + 1), (2, now_ms() - 1_000), (3, now_ms() + 1_000)] {
        let topic = sensor.topic();
        send(harness, plant, &[(topic, format!(r#"{{"value": {number}, "timestamp_ms": {at_ms}}}"#))]);
    }
    let all = format!("sensor_id = '{id}'");
    eventually("the server's rows beside the client's", PATIENCE, || plant.rows("sensor_data", &all) == 8 + 3);
    let ids = format!("SELECT count(DISTINCT sensor_data_id) FROM sensor_data WHERE {all}");
    assert_eq!(plant.query("genims_operations_db", &ids)[0].get::<_, i64>(0), 11);
    let that_day = format!("{all} AND timestamp::date = ({past})::date");
    let place = format!("SELECT DISTINCT tableoid::regclass::text FROM sensor_data WHERE {that_day}");
    let places = plant.query("genims_operations_db", &place);
    assert_eq!((plant.rows("sensor_data", &that_day), places.len()), (3, 1));
    assert!(!places[0].get::<_, &str>(0).ends_with("_default"));
    assert_eq!(plant.rows("scada_machine_data", &format!("operator_id = '{id}'")), 4);
}

fn last_replaces_and_unknown_registers(harness: &'static Harness) {
    let more = "[pipeline]\nsame_timestamp = \"last\"\nunknown_sensors = \"register\"\n";
    let plant = Plant::start(harness, &Setup { more, ..Setup::default() });
    let sensor = plant.sensor();
    let at_ms = now_ms() - 60_000;
    let value = |value: i32| (sensor.topic(), format!(r#"{{"value": {value}, "timestamp_ms": {at_ms}}}"#));
    send(harness, &plant, &[value(1)]);
    plant.stored_exactly(&sensor, 1);
    // Once in a batch of its own, once with its successor in the same batch.
    send(harness, &plant, &[value(2)]);
    plant.idle();
    send(harness, &plant, &[value(3), value(4)]);
    plant.idle();
    assert_eq!(rows(&plant, &sensor), [(at_ms * 1_000, "4.0000".to_owned())]);
    // The mirror cannot delete from a time series: it keeps them all.
    assert_eq!(plant.stored(&sensor), (1, 4));
    assert_eq!(plant.stats()["identity_holds"], true);

    let unknown = Sensor { sensor_id: "SEN-STRANGER".to_owned(), ..sensor };
    send(harness, &plant, &[(unknown.topic(), format!(r#"{{"value": 7, "timestamp_ms": {at_ms}}}"#))]);
    plant.stored_exactly(&unknown, 1);
    let query = "SELECT machine_id, line_id, factory_id FROM sensors WHERE sensor_id = 'SEN-STRANGER'";
    eventually("the sensor in master data", PATIENCE, || plant.query("genims_master_db", query).len() == 1);
    let row = &plant.query("genims_master_db", query)[0];
    let place = (row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, &str>(2));
    assert_eq!(place, (unknown.machine_id.as_str(), unknown.line_id.as_str(), unknown.factory_id.as_str()));
    plant.cli_ok(&["verify"]);
}

fn puback_waits_for_the_commit(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { mqtt: "acknowledge = \"committed\"", ..Setup::default() });
    for number in 0..10 {
        let sensor = plant.sensor();
        send(harness, &plant, &[(sensor.topic(), format!("{number}"))]);
        // At once: no waiting for the row.
        assert_eq!(plant.rows("sensor_data", &format!("sensor_id = '{}'", sensor.sensor_id)), 1);
    }
    // While PostgreSQL refuses to write, nothing is acknowledged.
    plant.execute("postgres", "ALTER DATABASE genims_operations_db ALLOW_CONNECTIONS false");
    plant.execute(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'genims_operations_db'",
    );
    let sensor = plant.sensor();
    let (address, topic, id) = (plant.doors.mqtt, sensor.topic(), harness.unique("committed"));
    let sender = std::thread::spawn(move || publish(address, &id, 1, &[(topic, b"1".to_vec())]));
    eventually("the message is received", PATIENCE, || plant.stats()["total"]["received"] == 11);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!sender.is_finished(), "acknowledged without a commit");
    plant.execute("postgres", "ALTER DATABASE genims_operations_db ALLOW_CONNECTIONS true");
    sender.join().unwrap();
    assert_eq!(plant.rows("sensor_data", &format!("sensor_id = '{}'", sensor.sensor_id)), 1);
}

fn identity_and_sigterm(harness: &'static Harness) {
    const BATCHES: i64 = 200;
    const BATCH: i64 = 100;
    let plant = Plant::start(harness, &Setup::default());
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (sensor, address, id) = (plant.sensor(), plant.doors.mqtt, harness.unique("load"));
            let start_ms = now_ms() - 1_000_000;
            let batch = |number: i64| {
                let reading = |index: i64| {
                    let at = start_ms + number * BATCH + index;
                    json!({ "sensor_id": sensor.sensor_id, "value": index, "timestamp_ms": at })
                };
                let readings = Value::Array((0..BATCH).map(reading).collect());
                (format!("genims/v1/{}/readings", sensor.factory_id), readings.to_string().into_bytes())
            };
            let messages: Vec<_> = (0..BATCHES).map(batch).collect();
            let sender = std::thread::spawn(move || publish(address, &id, 1, &messages));
            (sensor, sender)
        })
        .collect();
    let mut polls = 0;
    while senders.iter().any(|(_, sender)| !sender.is_finished()) {
        let stats = plant.stats();
        for account in stats["sources"].as_array().unwrap().iter().chain([&stats["total"]]) {
            let count = |name: &str| account[name].as_u64().unwrap();
            let ended = count("committed") + count("duplicate") + count("dead_lettered") + count("dropped");
            assert_eq!(count("received"), ended + count("in_flight"), "{account:#}");
        }
        polls += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(polls > 3, "the load was over before anybody looked");
    for (_, sender) in &senders {
        assert!(sender.is_finished());
    }
    check_metrics(&plant.get("/metrics").unwrap().1);
    // Everything was acknowledged; most of it is not in the databases yet.
    let began = Instant::now();
    plant.terminate();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    plant.serve();
    plant.idle();
    for (sensor, sender) in senders {
        sender.join().unwrap();
        assert_eq!(plant.stored(&sensor), (BATCHES * BATCH, BATCHES * BATCH), "{sensor:?}");
    }
    let verdict: Value = serde_json::from_str(&plant.cli_ok(&["verify", "--json"])).unwrap();
    assert_eq!(verdict["passed"], true, "{verdict:#}");
}

/// Prometheus text: declared families, a number at the end of each sample, and no name of a sensor.
#[track_caller]
fn check_metrics(text: &str) {
    let declared: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut samples = 0;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let family = name.strip_suffix("_count").or_else(|| name.strip_suffix("_sum")).unwrap_or(name);
        assert!(value.parse::<f64>().is_ok() && name.starts_with("genims_"), "{line}");
        assert!(declared.contains(&family) && !line.contains("SEN-"), "{line}");
        samples += 1;
    }
    assert!(samples > 30, "{text}");
}
