//! Replays of many dead letters, and of those that stand beside what was stored: nothing is stored twice, all is counted.

use crate::clients::publish;
use crate::dead_letters::{TABLE, balanced, ledger_holds};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::now_ms;
use libtest_mimic::Trial;
use serde_json::{Value, json};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("replays::many_dead_letters_are_counted_and_end_with_those_they_began_with", many),
        harness.trial("replays::what_was_stored_beside_a_dead_letter_is_not_stored_again", beside),
    ]
}

/// More than are sent before it is looked what came back.
const MANY: i64 = 1_150;
/// Each so many-th sensor stays unknown.
const UNKNOWN_EACH: i64 = 23;

fn replayed(plant: &Plant, arguments: &[&str]) -> (Value, Option<i32>) {
    let said = plant.cli(&[&["deadletter", "replay", "--json"][..], arguments].concat());
    (serde_json::from_slice(&said.stdout).unwrap_or_default(), said.status.code())
}

fn many(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let like = plant.sensor();
    let at_ms = now_ms() - 60_000;
    let topic = format!("genims/v1/{}/readings", like.factory_id);
    let message = |no: i64| json!({ "sensor_id": format!("MANY-{no}"), "value": no, "timestamp_ms": at_ms + no });
    let messages: Vec<_> = (0..MANY).map(|no| (topic.clone(), message(no).to_string().into_bytes())).collect();
    publish(plant.doors.mqtt, "press-7", 1, &messages);
    plant.idle();
    let waiting = |plant: &Plant| plant.rows(TABLE, "reason = 'unknown_sensor' AND replayed_at IS NULL");
    assert_eq!((waiting(&plant), plant.rows(TABLE, "true")), (MANY, MANY));

    // Nobody takes them: none is stored, and all were to be.
    plant.terminate();
    let (said, code) = replayed(&plant, &["--reason", "unknown_sensor"]);
    assert_eq!((&said["asked"], &said["stored"], code), (&json!(MANY), &json!(0), Some(1)), "{said}");
    assert_eq!(waiting(&plant), MANY);
    plant.serve();

    let catalogue = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
    let unknown = MANY / UNKNOWN_EACH;
    plant.execute(
        "genims_master_db",
        &format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, jsonb_build_object('sensor_id', 'MANY-' || no, 'sensor_code', 'M-' || no))).* \
             FROM sensors s, generate_series(0, {MANY} - 1) AS no WHERE s.sensor_id = '{}' AND no % {UNKNOWN_EACH} <> 0",
            like.sensor_id
        ),
    );
    let known = MANY - unknown;
    eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == catalogue + known);
    let (said, code) = replayed(&plant, &["--reason", "unknown_sensor"]);
    let counts = ["asked", "stored", "replayed", "returned"].map(|count| said[count].as_i64().unwrap_or(-1));
    assert_eq!((counts, code), ([MANY, known, MANY, unknown], Some(1)), "{said}");
    // Of those that came back the first ones are told, oldest first, each under its own number.
    let back: Vec<i64> =
        said["back"].as_array().unwrap().iter().map(|back| back["letter_id"].as_i64().unwrap()).collect();
    let oldest = plant.query(
        "genims_operations_db",
        &format!("SELECT letter_id FROM {TABLE} WHERE replayed_at IS NULL ORDER BY letter_id LIMIT 20"),
    );
    assert_eq!(back, oldest.iter().map(|row| row.get(0)).collect::<Vec<i64>>());
    assert_eq!((waiting(&plant), plant.rows(TABLE, "true")), (unknown, MANY), "no dead letter came beside those");
    let right = "sensor_id LIKE 'MANY-%' AND measurement_value::text = split_part(sensor_id, '-', 2) || '.0000'";
    assert_eq!(
        (plant.rows("sensor_data", "sensor_id LIKE 'MANY-%'"), plant.rows("sensor_data", right)),
        (known, known)
    );
    ledger_holds(&plant);

    // Again: those that wait, and no others.
    let (said, code) = replayed(&plant, &["--reason", "unknown_sensor"]);
    assert_eq!((&said["asked"], &said["stored"], code), (&json!(unknown), &json!(0), Some(1)), "{said}");
    assert_eq!(plant.rows("sensor_data", "sensor_id LIKE 'MANY-%'"), known);
    ledger_holds(&plant);
}

/// Without a time, so that nothing but the dead letter itself keeps it from being stored once more.
fn beside(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let [values, lines, states] = [plant.sensor(), plant.sensor(), plant.sensor()];
    let text = json!({ "values": { (values.sensor_code.as_str()): 1, "OTHER": "x" } }).to_string();
    let messages = [
        (format!("{}/tags", values.machine_topic()), json!({ "_msgid": "a", "payload": text }).to_string()),
        (format!("{}/tags", lines.machine_topic()), format!("{} {}=1,OTHER=NaN", lines.machine_id, lines.sensor_code)),
        (
            format!("{}/scada", states.machine_topic()),
            r#"{"machine_state": "RUNNING", "tool_number": 3.5, "shift_id": "A"}"#.to_owned(),
        ),
    ];
    let messages = messages.map(|(topic, payload)| (topic, payload.into_bytes()));
    publish(plant.doors.mqtt, "press-7", 1, &messages);
    plant.idle();
    let stored = |plant: &Plant| {
        let of_sensors = format!("sensor_id IN ('{}', '{}')", values.sensor_id, lines.sensor_id);
        let of_machine = format!("machine_id = '{}' AND shift_id = 'A' AND tool_number IS NULL", states.machine_id);
        (plant.rows("sensor_data", &of_sensors), plant.rows("scada_machine_data", &of_machine))
    };
    assert_eq!((stored(&plant), plant.rows(TABLE, "true")), ((2, 1), 3));
    let kept = |plant: &Plant| -> Vec<(i64, String)> {
        let query = format!(
            "SELECT letter_id, convert_from(payload, 'UTF8') FROM {TABLE} WHERE replayed_at IS NULL ORDER BY letter_id"
        );
        plant.query("genims_operations_db", &query).iter().map(|row| (row.get(0), row.get(1))).collect()
    };
    balanced(&plant);
    let before = kept(&plant);
    for (_, payload) in &before {
        assert!(!payload.contains("RUNNING") && !payload.contains("=1") && !payload.contains("\":1"), "{payload}");
    }
    // A new start has forgotten what it saw: only the dead letters tell.
    plant.terminate();
    plant.serve();
    let ids: Vec<String> = before.iter().map(|(letter_id, _)| letter_id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for _ in 0..2 {
        let (said, code) = replayed(&plant, &ids);
        assert_eq!((&said["asked"], &said["stored"], code), (&json!(3), &json!(0), Some(1)), "{said}");
        assert_eq!((stored(&plant), kept(&plant)), ((2, 1), before.clone()));
        ledger_holds(&plant);
    }
}
