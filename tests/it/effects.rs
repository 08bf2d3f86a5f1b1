//! What readings set in motion beyond their own row: faults, health, OEE, rules for the same timestamp, late
//! acknowledgements, and the account of it all.

use crate::clients::publish;
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, rows, send};
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("effects::a_fault_opens_and_closes", a_fault_opens_and_closes),
        harness.trial("effects::a_stuck_sensor_and_a_finished_hour_are_noticed", stuck_sensor_and_finished_hour),
        harness.trial("effects::clients_insert_on_the_days_that_the_server_writes", clients_insert_beside_the_server),
        harness.trial("effects::last_replaces_and_unknown_registers", last_replaces_and_unknown_registers),
        harness.trial("effects::of_one_time_both_databases_keep_the_same", of_one_time_both_keep_the_same),
        harness.trial("effects::digits_beyond_the_column_are_the_same_in_both", digits_beyond_the_column),
        harness.trial("effects::puback_may_wait_for_the_commit", puback_waits_for_the_commit),
        harness.trial("effects::identity_holds_under_load_and_sigterm_loses_nothing", identity_and_sigterm),
    ]
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
    // At noon, so that the row a millisecond later is of the same day.
    let past_ms = (now_ms() / 86_400_000 - 400) * 86_400_000 + 43_200_000;
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
    // With the mirror, which cannot delete from a time series, `genims validate` refuses it.
    let plant = Plant::start(harness, &Setup { more, sinks: &["postgres"], ..Setup::default() });
    let sensor = plant.sensor();
    let at_ms = now_ms() - 60_000;
    let value = |value: i32| (sensor.topic(), format!(r#"{{"value": {value}, "timestamp_ms": {at_ms}}}"#));
    send(harness, &plant, &[value(1)]);
    plant.idle();
    // Once in a batch of its own, once with its successor in the same batch.
    send(harness, &plant, &[value(2)]);
    plant.idle();
    send(harness, &plant, &[value(3), value(4)]);
    plant.idle();
    assert_eq!(rows(&plant, &sensor), [(at_ms * 1_000, "4.0000".to_owned())]);
    assert_eq!(plant.stored(&sensor), (1, 0));
    assert_eq!(plant.stats()["identity_holds"], true);

    let unknown = Sensor { sensor_id: "SEN-STRANGER".to_owned(), ..sensor };
    send(harness, &plant, &[(unknown.topic(), format!(r#"{{"value": 7, "timestamp_ms": {at_ms}}}"#))]);
    plant.idle();
    assert_eq!(plant.stored(&unknown), (1, 0));
    let query = "SELECT machine_id, line_id, factory_id FROM sensors WHERE sensor_id = 'SEN-STRANGER'";
    eventually("the sensor in master data", PATIENCE, || plant.query("genims_master_db", query).len() == 1);
    let row = &plant.query("genims_master_db", query)[0];
    let place = (row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, &str>(2));
    assert_eq!(place, (unknown.machine_id.as_str(), unknown.line_id.as_str(), unknown.factory_id.as_str()));
    // The rules of the mirror have nothing to compare with.
    let told = String::from_utf8(plant.cli(&["verify", "--module", "ledger"]).stdout).unwrap();
    for rule in ["ledger_has_no_gaps", "ledger_adds_up", "sensor_data_holds_the_ledger"] {
        let line = told.lines().find(|line| line.starts_with(rule)).unwrap_or_default();
        assert!(line.contains(" 0  ok"), "{told}");
    }
}

/// What both databases hold of a sensor, in the order of time.
fn values_in_both(plant: &Plant, sensor: &Sensor) -> (Vec<String>, Vec<f64>) {
    let stored = rows(plant, sensor).into_iter().map(|(_, value)| value).collect();
    let mut mirrored = plant.documents("sensor_readings", doc! { "meta.sensor_id": &sensor.sensor_id });
    mirrored.sort_by_key(|document| document.get_datetime("timestamp").unwrap().timestamp_millis());
    (stored, mirrored.iter().map(|document| document.get_f64("value").unwrap()).collect())
}

fn of_one_time_both_keep_the_same(harness: &'static Harness) {
    for (rule, kept, dead_letters) in [("first", 1, 0), ("reject", 1, 3), ("keep_all", 4, 0)] {
        let more = format!("[pipeline]\nsame_timestamp = \"{rule}\"\n");
        let plant = Plant::start(harness, &Setup { more: &more, ..Setup::default() });
        let sensor = plant.sensor();
        let at_ms = now_ms() - 60_000;
        let value = |value: i32| (sensor.topic(), format!(r#"{{"value": {value}, "timestamp_ms": {at_ms}}}"#));
        send(harness, &plant, &[value(1)]);
        plant.idle();
        // In a batch of its own, and with others in one.
        send(harness, &plant, &[value(2)]);
        plant.idle();
        send(harness, &plant, &[value(3), value(4)]);
        plant.idle();
        plant.stored_exactly(&sensor, kept);
        let (mut stored, mut mirrored) = values_in_both(&plant, &sensor);
        // Of one time no order is promised.
        stored.sort();
        mirrored.sort_by(f64::total_cmp);
        let expected: (Vec<String>, Vec<f64>) = (1..=kept).map(|value| (format!("{value}.0000"), value as f64)).unzip();
        assert_eq!((stored, mirrored), expected, "{rule}");
        let count = "SELECT coalesce(sum(records), 0)::bigint FROM genims_internal.dead_letters";
        assert_eq!(plant.query("genims_operations_db", count)[0].get::<_, i64>(0), dead_letters, "{rule}");
        assert_eq!(plant.stats()["identity_holds"], true, "{rule}");
    }
}

fn digits_beyond_the_column(harness: &'static Harness) {
    let plant = Plant::shared(harness);
    let sensor = plant.sensor();
    let base_ms = now_ms() - 60_000;
    let written = ["18.54322356", "\"18.54325\"", "-18.54325", "0.00004"];
    let message = |(index, value): (usize, &&str)| {
        let at_ms = base_ms + index as i64;
        (sensor.topic(), format!(r#"{{"value": {value}, "timestamp_ms": {at_ms}}}"#))
    };
    send(harness, plant, &written.iter().enumerate().map(message).collect::<Vec<_>>());
    plant.stored_exactly(&sensor, written.len() as i64);
    let (stored, mirrored) = values_in_both(plant, &sensor);
    assert_eq!(stored, ["18.5432", "18.5433", "-18.5433", "0.0000"]);
    assert_eq!(mirrored, [18.5432, 18.5433, -18.5433, 0.0]);
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
    const BATCHES: i64 = 600;
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
    assert!(polls > 0, "the load was over before anybody looked");
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
    let verdict: Value = serde_json::from_str(&plant.cli_ok(&["verify", "--module", "ledger", "--json"])).unwrap();
    assert_eq!(verdict["passed"], true, "{verdict:#}");
    crate::window::agrees(harness, &plant);
    crate::plants::agree(harness, &plant);
}

/// Declared families, a number at the end of each sample, and no name of a sensor.
#[track_caller]
fn check_metrics(text: &str) {
    let declared: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut samples = 0;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let parts = ["_sum", "_count", "_bucket"];
        let family = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(value.parse::<f64>().is_ok() && name.starts_with("genims_"), "{line}");
        assert!(declared.contains(&family) && !line.contains("SEN-"), "{line}");
        samples += 1;
    }
    assert!(samples > 30, "{text}");
}
