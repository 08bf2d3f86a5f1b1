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
        harness.trial("dead_letters::one_message_makes_few_and_comes_back_whole", one_message),
        harness.trial("dead_letters::repeats_of_a_cause_fold_and_are_counted", repeats),
        harness.trial("dead_letters::what_is_purged_stays_in_the_books", purged),
        harness.trial("dead_letters::a_server_keeps_what_its_configuration_says", kept),
        harness.trial("dead_letters::what_a_device_sends_meanwhile_has_not_returned", meanwhile),
        harness.trial("dead_letters::a_replay_that_fails_leaves_the_dead_letters_as_they_were", failed_replay),
        harness.trial("dead_letters::what_came_often_without_a_time_comes_back_as_often", as_often_as_it_came),
        harness.trial("dead_letters::a_server_keeps_no_more_bytes_than_it_may", kept_in_bytes),
        harness.trial("dead_letters::of_a_dead_letter_stored_in_part_the_rest_waits", replay_in_part),
    ]
}

fn plant(harness: &'static Harness, more: &str) -> Plant {
    Plant::start(harness, &Setup { more, ..Setup::default() })
}

fn number(plant: &Plant, query: &str) -> i64 {
    plant.query("genims_operations_db", query)[0].get(0)
}

pub(crate) const TABLE: &str = "genims_internal.dead_letters";

fn sum(plant: &Plant, column: &str, condition: &str) -> i64 {
    number(plant, &format!("SELECT coalesce(sum({column}), 0)::bigint FROM {TABLE} WHERE {condition}"))
}

/// The ledger, the rows and what was purged agree, and so do the server's accounts.
pub(crate) fn balanced(plant: &Plant) {
    let stats = plant.idle();
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    let set_aside = sum(plant, "records", "true")
        + number(plant, "SELECT coalesce(sum(records), 0)::bigint FROM genims_internal.dead_letters_purged");
    assert_eq!(stats["total"]["dead_lettered"], set_aside, "{stats:#}");
    ledger_holds(plant);
}

pub(crate) fn ledger_holds(plant: &Plant) {
    let ledger = "SELECT coalesce(sum(dead_letters + refused_rows), 0)::bigint FROM genims_internal.ingest_batches";
    let dead_letters = sum(plant, "letters", "true")
        + number(plant, "SELECT coalesce(sum(letters), 0)::bigint FROM genims_internal.dead_letters_purged");
    assert_eq!(number(plant, ledger), dead_letters);
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
    let dead_letters = list["letters"].as_array().unwrap();
    assert_eq!(dead_letters.len(), 2, "{list:#}");
    for (dead_letter, (client, count)) in dead_letters.iter().zip([("press-8", 3), ("press-7", 1_000)]) {
        assert_eq!((&dead_letter["client"], &dead_letter["letters"]), (&client.into(), &count.into()), "{list:#}");
        assert_eq!(
            (&dead_letter["listener"], &dead_letter["payload_text"]),
            (&"mqtt".into(), &"?!".into()),
            "{list:#}"
        );
    }
    assert_eq!(plant.rows(TABLE, "client = 'press-7' AND received_at < last_received_at"), 1);
    let text = plant.cli_ok(&["deadletter", "list"]);
    assert!(text.contains("1000x") && text.contains("?!") && text.contains("mqtt"), "{text}");
    // What is no text is shown by its bytes.
    publish(plant.doors.mqtt, "press-6", 1, &[(topic.to_owned(), b"\xff\xfe?".to_vec())]);
    plant.idle();
    let list: Value = serde_json::from_str(&plant.cli_ok(&["deadletter", "list", "--json"])).unwrap();
    let dead_letter =
        list["letters"].as_array().unwrap().iter().find(|dead_letter| dead_letter["client"] == "press-6").unwrap();
    assert_eq!(
        (&dead_letter["payload_text"], &dead_letter["payload_hex"]),
        (&Value::Null, &"fffe3f".into()),
        "{dead_letter:#}"
    );
    assert!(plant.cli_ok(&["deadletter", "list"]).contains(r"\xff\xfe?"));

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
    // The noisy device pushes out its own dead letters, the oldest first.
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

/// The dead letters that wait: id, listener, client, topic, payload.
fn waiting(plant: &Plant) -> Vec<(i64, String, String, String, Vec<u8>)> {
    let query = format!(
        "SELECT letter_id, source, client, topic, payload FROM {TABLE} WHERE replayed_at IS NULL ORDER BY letter_id"
    );
    let of = |row: &tokio_postgres::Row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
    plant.query("genims_operations_db", &query).iter().map(of).collect()
}

fn failed_replay(harness: &'static Harness) {
    let plant = plant(harness, "");
    let known = plant.sensor();
    let old = format!(r#"{{"value": 1, "timestamp_ms": {}}}"#, now_ms() - 1_200 * 86_400_000);
    let ahead = format!(r#"{{"value": 1, "timestamp_ms": {}}}"#, now_ms() + 4 * 86_400_000);
    let messages = [
        ("genims/v1/F/L/M/NOBODY".to_owned(), br#"{"value": 1}"#.to_vec()),
        (known.topic(), br#"{"value": "warm"}"#.to_vec()),
        (known.topic(), old.into_bytes()),
        (known.topic(), ahead.into_bytes()),
        ("acme/x".to_owned(), b"1".to_vec()),
    ];
    publish(plant.doors.mqtt, "press-7", 1, &messages);
    // A frame's and a line's dead letters have no topic.
    std::io::Write::write_all(
        &mut std::net::TcpStream::connect(plant.doors.line).unwrap(),
        b"m,sensor_id=NOBODY value=1 1700000000000000000\n",
    )
    .unwrap();
    eventually("all is set aside", PATIENCE, || plant.rows(TABLE, "true") == 6);
    plant.idle();
    let before = waiting(&plant);
    assert!(
        before.iter().filter(|dead_letter| dead_letter.1 == "mqtt").all(|dead_letter| dead_letter.2 == "press-7"),
        "{before:?}"
    );
    assert!(
        before.iter().any(|dead_letter| (dead_letter.1.as_str(), dead_letter.2.as_str()) == ("line", "127.0.0.1")),
        "{before:?}"
    );
    let ids: Vec<String> = before.iter().map(|dead_letter| dead_letter.0.to_string()).collect();
    let replay: Vec<&str> = ["deadletter", "replay"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    for _ in 0..2 {
        let said = plant.cli(&replay);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said.status.code(), Some(1), "{text}");
        assert!(text.starts_with("0 of 6 stored.\n"), "{text}");
        assert!(text.contains(&format!("dead letter {} came back and waits: ", ids[0])), "{text}");
        assert!(
            text.contains("1 dead letter was sent to genims/v1/replay/readings, since frames and lines have no topic"),
            "{text}"
        );
        assert_eq!((waiting(&plant), plant.rows(TABLE, "true")), (before.clone(), 6));
        balanced(&plant);
    }
    without_row(&plant);
    // Nobody to send it to.
    plant.terminate();
    let said = plant.cli(&replay);
    assert_eq!((said.status.success(), waiting(&plant)), (false, before));
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("0 of 6 stored."));
}

/// A dead letter that was refused itself has lost its content: nothing of it can be stored, and a replay says so.
fn without_row(plant: &Plant) {
    plant.execute(
        "genims_operations_db",
        &format!(
            "INSERT INTO {TABLE} (spool_id, log_offset, received_at, source, client, topic, reason, detail, payload, payload_bytes, \
             letters, records, last_received_at) VALUES (gen_random_uuid(), 1, now(), 'mqtt', '', '', 'refused_by_database', \
             'the dead letter itself was refused', '', 0, 1, 1, now())"
        ),
    );
    let id = number(plant, &format!("SELECT max(letter_id) FROM {TABLE}")).to_string();
    let said = plant.cli(&["deadletter", "replay", &id]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!((said.status.code(), text.starts_with("0 of 1 stored.\n")), (Some(1), true), "{text}");
    assert!(text.contains("1 dead letter was left without a row that could be put back"), "{text}");
    let shown = plant.cli(&["deadletter", "show", &id]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(
        shown.contains("there is no row to put back") && shown.contains("\nremedy    read the SQLSTATE"),
        "{shown}"
    );
    plant.execute("genims_operations_db", &format!("DELETE FROM {TABLE} WHERE letter_id = {id}"));
}

fn replay_in_part(harness: &'static Harness) {
    let plant = plant(harness, "");
    let like = plant.sensor();
    // More than are kept one by one: the last four share a dead letter.
    let at_us = (now_ms() - 60_000) * 1_000;
    let elements: Vec<Value> = (0..20_i64)
        .map(|no| json!({ "sensor_id": format!("LATER-{no}"), "value": no, "timestamp_us": at_us + no }))
        .collect();
    let topic = format!("genims/v1/{}/readings", like.factory_id);
    publish(plant.doors.mqtt, "press-7", 1, &[(topic.clone(), Value::Array(elements).to_string().into_bytes())]);
    plant.idle();
    assert_eq!(plant.rows(TABLE, "true"), 17);
    let joined = number(&plant, &format!("SELECT letter_id FROM {TABLE} WHERE records = 4"));
    let catalogue = plant.stats()["catalogue"]["sensors"].as_i64().unwrap();
    plant.execute(
        "genims_master_db",
        &format!(
            "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{{\"sensor_id\": \"LATER-17\", \"sensor_code\": \"L-17\"}}')).* \
             FROM sensors s WHERE sensor_id = '{}'",
            like.sensor_id
        ),
    );
    eventually("the catalogue follows", PATIENCE, || plant.stats()["catalogue"]["sensors"] == catalogue + 1);
    let received =
        |plant: &Plant| plant.query("genims_operations_db", &format!("SELECT min(received_at)::text FROM {TABLE}"));
    let first: String = received(&plant)[0].get(0);
    let said = plant.cli(&["deadletter", "replay", &joined.to_string()]);
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!((said.status.code(), text.starts_with("0 of 1 stored.\n")), (Some(1), true), "{text}");
    assert_eq!(plant.rows("sensor_data", "sensor_id = 'LATER-17'"), 1);
    // What came back stands where the whole stood: from whom it came, when, and to be replayed.
    let rest: Vec<_> = waiting(&plant).into_iter().filter(|dead_letter| dead_letter.0 > joined).collect();
    assert_eq!(rest.len(), 3);
    let numbers: Vec<String> = rest.iter().map(|dead_letter| dead_letter.0.to_string()).collect();
    let told = format!(
        "dead letter {joined} is stored in part: 1 of its 4 records; 3 remain, now dead letters {}: unknown_sensor: ",
        numbers.join(", ")
    );
    assert!(text.contains(&told), "{text}");
    for (dead_letter, no) in rest.iter().zip([16, 18, 19]) {
        let payload = String::from_utf8_lossy(&dead_letter.4);
        assert!(payload.contains(&format!("LATER-{no}\"")), "{payload}");
        assert_eq!((&*dead_letter.1, &*dead_letter.2, dead_letter.3.as_str()), ("mqtt", "press-7", topic.as_str()));
    }
    assert_eq!(plant.rows(TABLE, &format!("received_at::text = '{first}' AND letter_id > {joined}")), 3);
    assert_eq!(plant.rows(TABLE, &format!("letter_id = {joined} AND replayed_at IS NOT NULL")), 1);
    balanced(&plant);
    // Once more: what is stored is not sent again.
    plant.cli(&["deadletter", "replay", "--reason", "unknown_sensor"]);
    assert_eq!((plant.rows("sensor_data", "sensor_id = 'LATER-17'"), waiting(&plant).len()), (1, 19));
    assert_eq!(plant.stats()["total"]["duplicate"], 0);
    balanced(&plant);
}

fn meanwhile(harness: &'static Harness) {
    let plant = plant(harness, "");
    // A reading with its time: whoever sends it again sends the same dead letter.
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

/// A layout of topics that nobody has told the server of.
fn as_often_as_it_came(harness: &'static Harness) {
    let plant = plant(harness, "");
    let [untimed, timed, snapshots] = [plant.sensor(), plant.sensor(), plant.sensor()];
    let topic = |sensor: &Sensor, end: &str| format!("press/{}/{end}", sensor.machine_id);
    let at_ms = now_ms() - 60_000;
    let sent = [
        (topic(&untimed, &untimed.sensor_id), "71.5".to_owned(), 100),
        (topic(&timed, &timed.sensor_id), format!(r#"{{"value": 2, "timestamp_ms": {at_ms}}}"#), 30),
        (topic(&snapshots, "scada"), r#"{"machine_state": "IDLE"}"#.to_owned(), 20),
    ];
    for (topic, payload, count) in &sent {
        publish(plant.doors.mqtt, "press-7", 1, &garbage(topic, *count, |_| payload.clone()));
    }
    plant.idle();
    assert_eq!((plant.rows(TABLE, "true"), sum(&plant, "letters", "reason = 'unknown_topic'")), (3, 150));
    let before = waiting(&plant);
    let first_us =
        "SELECT (extract(epoch FROM received_at) * 1000000)::bigint FROM genims_internal.dead_letters WHERE topic";
    let first_us = number(&plant, &format!("{first_us} = '{}'", sent[0].0));
    // Too early: all copies come back, into the rows that there were.
    let replay = ["deadletter", "replay", "--reason", "unknown_topic", "--json"];
    let early = plant.cli(&replay);
    let said: Value = serde_json::from_slice(&early.stdout).unwrap();
    assert_eq!((&said["stored"], early.status.code()), (&json!(0), Some(1)), "{said}");
    assert_eq!((waiting(&plant), sum(&plant, "letters", "true")), (before, 150));
    balanced(&plant);

    plant.terminate();
    let path = plant.folder.join("genims.toml");
    let mended = ["{sensor}", "scada"].map(|end| format!("[[topics]]\ntemplate = \"press/{{machine}}/{end}\"\n"));
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &mended.concat()).unwrap();
    plant.serve();
    let replayed: Value = serde_json::from_str(&plant.cli_ok(&replay)).unwrap();
    assert_eq!((&replayed["stored"], &replayed["asked"]), (&json!(3), &json!(3)), "{replayed}");
    plant.stored_exactly(&untimed, 100);
    plant.stored_exactly(&timed, 1);
    let times =
        "SELECT (extract(epoch FROM min(timestamp)) * 1000000)::bigint, count(DISTINCT timestamp) FROM sensor_data";
    let row = &plant.query("genims_operations_db", &format!("{times} WHERE sensor_id = '{}'", untimed.sensor_id))[0];
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (first_us, 100));
    assert_eq!(plant.rows("scada_machine_data", &format!("machine_id = '{}'", snapshots.machine_id)), 20);
    plant.idle();
    ledger_holds(&plant);
}

fn kept_in_bytes(harness: &'static Harness) {
    let plant = plant(harness, "[dead_letters]\nmax_bytes = 1048576\n");
    let long = |count: usize| garbage("acme/noise", count, |no| format!("{no}{}", "x".repeat(10_000)));
    publish(plant.doors.mqtt, "noisy", 1, &long(400));
    publish(plant.doors.mqtt, "quiet", 1, &garbage("acme/quiet", 2, |no| format!("{no}")));
    plant.idle();
    let bytes = || number(&plant, &format!("SELECT sum(octet_length(payload))::bigint FROM {TABLE}"));
    // It looks at each start, and then every ten minutes.
    plant.terminate();
    plant.serve();
    eventually("no more than it may", PATIENCE, || bytes() < 1_048_576);
    let noisy = plant.rows(TABLE, "client = 'noisy'");
    assert!((50..105).contains(&noisy), "{noisy}");
    assert_eq!(plant.rows(TABLE, "client = 'quiet'"), 2);
    assert_eq!(plant.rows(TABLE, "client = 'noisy' AND payload < '29'"), 0, "the oldest go first");
    plant.idle();
    ledger_holds(&plant);
    assert!(plant.log_text().contains("beyond what [dead_letters] keeps"), "{}", plant.log_text());
}
