//! Dead letters one can live with: a message, a cause and the whole table make only so many, and the books balance.

use crate::clients::publish;
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("letters::one_message_makes_few_and_comes_back_whole", one_message),
        harness.trial("letters::repeats_of_a_cause_fold_and_are_counted", repeats),
        harness.trial("letters::what_is_purged_stays_in_the_books", purged),
        harness.trial("letters::a_server_keeps_what_its_configuration_says", kept),
        harness.trial("letters::what_a_device_sends_meanwhile_has_not_returned", meanwhile),
    ]
}

fn plant(harness: &'static Harness, more: &str) -> Plant {
    Plant::start(harness, &Setup { more, ..Setup::default() })
}

fn number(plant: &Plant, query: &str) -> i64 {
    plant.query("genims_operations_db", query)[0].get(0)
}

const TABLE: &str = "genims_internal.dead_letters";

fn sum(plant: &Plant, column: &str, condition: &str) -> i64 {
    number(plant, &format!("SELECT coalesce(sum({column}), 0)::bigint FROM {TABLE} WHERE {condition}"))
}

/// The ledger, the rows and what was purged agree, and so do the server's accounts.
fn balanced(plant: &Plant) {
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    let set_aside = sum(plant, "records", "true")
        + number(plant, "SELECT coalesce(sum(records), 0)::bigint FROM genims_internal.dead_letters_purged");
    assert_eq!(stats["total"]["dead_lettered"], set_aside, "{stats:#}");
    let ledger = "SELECT coalesce(sum(dead_letters + refused_rows), 0)::bigint FROM genims_internal.ingest_batches";
    let letters = sum(plant, "letters", "true")
        + number(plant, "SELECT coalesce(sum(letters), 0)::bigint FROM genims_internal.dead_letters_purged");
    assert_eq!(number(plant, ledger), letters);
    let verdict = plant.cli(&["verify", "--module", "ledger", "--json"]).stdout;
    let verdict: Value = serde_json::from_slice(&verdict).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    let rule = findings.iter().find(|finding| finding["rule"] == "dead_letters_hold_the_ledger").unwrap();
    assert_eq!((&rule["passed"], &rule["explanation"]), (&true.into(), &"equal".into()), "{rule:#}");
}

fn one_message(harness: &'static Harness) {
    let plant = plant(harness, "");
    let known = plant.sensor();
    let new = Sensor { sensor_id: "SEN-LATER".to_owned(), sensor_code: "LATER-1".to_owned(), ..known.clone() };
    let topic = format!("genims/v1/{}/readings", known.factory_id);
    // What a gateway with a wrong table sends: 500 KB, and every second byte is at fault.
    send(harness, &plant, &[(topic.clone(), format!("[{}1]", "1,".repeat(249_999)))]);
    let malformed = "reason = 'malformed_payload'";
    eventually("all is set aside", PATIENCE, || sum(&plant, "records", malformed) == 250_000);
    let rows = plant.rows(TABLE, malformed);
    assert!(rows <= 40, "{rows} rows of one message");
    balanced(&plant);

    // Good elements and bad ones in one message: the bad ones come back, the good ones are not sent again.
    let start_us = (now_ms() - 60_000) * 1_000;
    let elements: Vec<Value> = (0..4_000_i64)
        .map(|no| {
            let sensor = if no % 2 == 0 { &known } else { &new };
            json!({ "sensor_id": sensor.sensor_id, "value": no, "timestamp_us": start_us + no })
        })
        .collect();
    send(harness, &plant, &[(topic, Value::Array(elements).to_string())]);
    let unknown = "reason = 'unknown_sensor'";
    eventually("half is set aside", PATIENCE, || sum(&plant, "records", unknown) == 2_000);
    assert!(plant.rows(TABLE, unknown) <= 24, "{}", plant.rows(TABLE, unknown));
    let catalogue = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
    plant.execute(
        "genims_master_db",
        &format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{{\"sensor_id\": \"SEN-LATER\", \"sensor_code\": \"LATER-1\"}}')).* \
             FROM sensors s WHERE sensor_id = '{}'",
            known.sensor_id
        ),
    );
    eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == catalogue + 1);
    plant.cli_ok(&["deadletter", "replay", "--reason", "unknown_sensor"]);
    for sensor in [&known, &new] {
        let condition = format!("sensor_id = '{}'", sensor.sensor_id);
        assert_eq!(plant.rows("sensor_data", &condition), 2_000, "{}", sensor.sensor_id);
    }
    assert_eq!(plant.stats()["total"]["duplicate"], 0);
    balanced(&plant);
}

fn garbage(topic: &str, count: usize, text: impl Fn(usize) -> String) -> Vec<(String, Vec<u8>)> {
    (0..count).map(|no| (topic.to_owned(), text(no).into_bytes())).collect()
}

fn repeats(harness: &'static Harness) {
    let plant = plant(harness, "");
    let topic = "genims/v1/F/L/M/S";
    // In two batches at least: what the table has is counted there.
    for _ in 0..2 {
        publish(plant.doors.mqtt, "press-7", 1, &garbage(topic, 500, |_| "?!".to_owned()));
        plant.idle();
    }
    publish(plant.doors.mqtt, "press-8", 1, &garbage(topic, 3, |_| "?!".to_owned()));
    plant.idle();
    let list: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--json"])).unwrap();
    let letters = list["letters"].as_array().unwrap();
    assert_eq!(letters.len(), 2, "{list:#}");
    for (letter, (client, count)) in letters.iter().zip([("press-8", 3), ("press-7", 1_000)]) {
        assert_eq!((&letter["client"], &letter["letters"]), (&client.into(), &count.into()), "{list:#}");
        assert_eq!((&letter["listener"], &letter["payload_text"]), (&"mqtt".into(), &"?!".into()), "{list:#}");
    }
    assert_eq!(plant.rows(TABLE, "client = 'press-7' AND received_at < last_received_at"), 1);
    let text = plant.cli_ok(&["deadletter", "list"]);
    assert!(text.contains("1000x") && text.contains("?!") && text.contains("mqtt"), "{text}");

    // A counter in the garbage makes each message another one.
    publish(plant.doors.mqtt, "press-9", 1, &garbage(topic, 200, |no| format!("?{no}")));
    plant.idle();
    publish(plant.doors.mqtt, "press-9", 1, &garbage(topic, 200, |no| format!("!{no}")));
    plant.idle();
    let of_device = "client = 'press-9'";
    assert_eq!(sum(&plant, "letters", of_device), 400);
    // An hour may have begun meanwhile.
    let most =
        format!("SELECT max(rows) FROM (SELECT count(*) AS rows FROM {TABLE} WHERE {of_device} GROUP BY cause) AS c");
    assert_eq!(number(&plant, &most), 101);
    balanced(&plant);
    // A new start knows what the table has.
    plant.terminate();
    plant.serve_full();
    publish(plant.doors.mqtt, "press-7", 1, &garbage(topic, 5, |_| "?!".to_owned()));
    plant.idle();
    assert_eq!((plant.rows(TABLE, "client = 'press-7'"), sum(&plant, "letters", "client = 'press-7'")), (1, 1_005));
}

fn purged(harness: &'static Harness) {
    let plant = plant(harness, "");
    publish(plant.doors.mqtt, "noisy", 1, &garbage("acme/noise", 400, |no| format!("{no}{}", "x".repeat(1_000))));
    publish(plant.doors.mqtt, "quiet", 1, &garbage("acme/quiet", 2, |no| format!("{no}")));
    publish(plant.doors.mqtt, "press", 1, &garbage("genims/v1/F/L/M/S", 50, |_| "?!".to_owned()));
    plant.idle();
    for nothing in [&["deadletter", "purge"][..], &["deadletter", "purge", "999999999"]] {
        assert!(!plant.cli(nothing).status.success(), "{nothing:?}");
    }
    let purge = |arguments: &[&str]| -> Value {
        let arguments = [&["deadletter", "purge", "--json"], arguments].concat();
        serde_json::from_str(&plant.cli_ok(&arguments)).unwrap()
    };
    assert_eq!(purge(&["--older-than", "1h"])["rows"], 0);
    assert_eq!(purge(&["--reason", "malformed_payload"]), json!({ "rows": 1, "letters": 50, "records": 50 }));
    balanced(&plant);
    // The noisy device pushes out its own letters, the oldest first.
    let done = purge(&["--max-bytes", "100000"]);
    assert!(done["rows"].as_i64().unwrap() > 250, "{done}");
    assert_eq!(plant.rows(TABLE, "client = 'quiet'"), 2);
    let noisy = plant.rows(TABLE, "client = 'noisy'");
    assert!((10..100).contains(&noisy), "{noisy}");
    let kept = number(&plant, &format!("SELECT min(letter_id) FROM {TABLE} WHERE client = 'noisy'"));
    assert_eq!(plant.rows(TABLE, &format!("client = 'noisy' AND letter_id >= {kept}")), noisy);
    balanced(&plant);
    let id = kept.to_string();
    assert_eq!(purge(&[&id])["rows"], 1);
    let list: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--json"])).unwrap();
    let malformed = list["reasons"].as_array().unwrap().iter().find(|count| count["reason"] == "malformed_payload");
    assert_eq!(malformed.unwrap()["purged"], 50, "{list:#}");
    balanced(&plant);
}

fn kept(harness: &'static Harness) {
    let plant = plant(harness, "[dead_letters]\nkeep_for = \"30d\"\n");
    publish(plant.doors.mqtt, "press", 1, &garbage("acme/old", 5, |no| format!("{no}")));
    plant.idle();
    plant.execute(
        "genims_operations_db",
        &format!(
            "UPDATE {TABLE} SET received_at = received_at - interval '31 days', \
             last_received_at = last_received_at - interval '31 days' WHERE payload <> '0'"
        ),
    );
    plant.terminate();
    plant.serve_full();
    eventually("the old ones are gone", PATIENCE, || plant.rows(TABLE, "true") == 1);
    let purged = "SELECT letters FROM genims_internal.dead_letters_purged WHERE source = 'mqtt'";
    assert_eq!(number(&plant, purged), 4);
}

fn meanwhile(harness: &'static Harness) {
    let plant = plant(harness, "");
    // A reading with its time: whoever sends it again sends the same letter.
    let message = ("genims/v1/F/L/M/NOBODY".to_owned(), format!(r#"{{"value": 1, "timestamp_ms": {}}}"#, now_ms()));
    let message = [(message.0, message.1.into_bytes())];
    publish(plant.doors.mqtt, "device", 1, &message);
    plant.idle();
    let id = number(&plant, &format!("SELECT letter_id FROM {TABLE}")).to_string();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for no in 0_u64.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                publish(plant.doors.mqtt, &format!("device-{no}"), 1, &message);
            }
        });
        let replayed = plant.cli(&["deadletter", "replay", &id, "--json"]);
        over.store(true, Ordering::Relaxed);
        let said: Value = serde_json::from_slice(&replayed.stdout).unwrap();
        assert_eq!((&said["replayed"], &said["returned"]), (&json!(1), &json!(1)), "{said}");
        assert_eq!(replayed.status.code(), Some(1));
    });
    plant.idle();
    assert!(plant.rows(TABLE, "client LIKE 'device-%'") > 0, "the device was not heard meanwhile");
}
