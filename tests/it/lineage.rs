//! Logs and databases that come back older than the other side: nothing is skipped, nothing is there twice, and nothing is
//! acknowledged that could not be delivered.

use crate::harness::Harness;
use crate::routes;
use crate::routes_story::mysql;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Sent};
use crate::server::{Plant, Setup};
use crate::stream::{now_ms, send};
use crate::tally;
use genims_dev::Server;
use genims_log::contract::Consumer;
use genims_log::file::{self, Appender, Recovered, Spool, SpoolOptions};
use genims_model::{Event, Mark, Portion};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);
/// Long enough for an acknowledgement that must not come.
const SILENCE: Duration = Duration::from_secs(3);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("lineage::a_log_restored_from_an_older_copy_is_refused_and_adopted", older_copy),
        harness.trial("lineage::the_log_of_events_is_adopted_with_it", older_events),
        harness.trial("lineage::databases_restored_under_the_running_server_get_the_log_again", restored_databases),
        harness.trial("lineage::positions_put_back_twice_are_one_again", positions_twice),
    ]
}

/// Sends for a while; everything that was acknowledged is in both databases when this returns.
fn sent(plant: &Plant, name: &str) -> Vec<Sent> {
    let load = Load::start(plant, &LoadOptions::usual(name));
    eventually("acknowledgements", CATCH_UP, || load.acked() > 3_000);
    let sent = load.finish(CATCH_UP);
    tally::drained(plant, CATCH_UP);
    sent
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

fn older_copy(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let mut all = sent(&plant, "before");
    plant.terminate();
    let (data, backup) = (plant.folder.join("data"), plant.folder.join("backup"));
    copy(&data, &backup);
    plant.serve();
    all.extend(sent(&plant, "lost"));
    plant.terminate();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    // While no database says what it has, the log is taken for what it is; it grows past what they remember.
    let away = [Server::Postgres, Server::Mongodb];
    away.iter().for_each(|server| plant.stack.stop_server(*server).unwrap());
    plant.serve();
    let load = Load::start(&plant, &LoadOptions::usual("after"));
    eventually("acknowledgements", CATCH_UP, || load.acked() > 8_000);
    away.iter().for_each(|server| plant.stack.start_server(*server).unwrap());
    let refused =
        || plant.get("/readyz").is_some_and(|(status, text)| status == 503 && text.contains("genims log adopt"));
    eventually("closed doors, with the remedy", CATCH_UP, refused);
    // What was under way when the doors closed may still get through.
    std::thread::sleep(Duration::from_secs(1));
    let acked = load.acked();
    std::thread::sleep(SILENCE);
    assert_eq!(load.acked(), acked, "acknowledged, but the databases cannot take it");
    assert_eq!(plant.stats()["identity_holds"], true);
    plant.terminate();

    let shown = plant.cli_ok(&["log", "adopt"]);
    assert!(shown.contains("of a history that this log does not hold") && shown.contains("--yes"), "{shown}");
    assert!(plant.cli_ok(&["log", "adopt", "--yes"]).contains("Adopted"));
    assert!(plant.cli_ok(&["log", "adopt"]).contains("nothing to adopt"));
    let json = |arguments: &[&str]| serde_json::from_str::<serde_json::Value>(&plant.cli_ok(arguments)).unwrap();
    let adopted = json(&["log", "adopt", "--json"]);
    assert_eq!(
        (&adopted["adopted"], &adopted["databases"][0]["parted"]),
        (&false.into(), &false.into()),
        "{adopted:#}"
    );
    assert_eq!(json(&["log", "quarantine", "--json"])["segments"], serde_json::json!([]));
    let events = data.join("events");
    let damaged = damaged_log(&events);
    let set_aside = json(&["log", "quarantine", "--json"]);
    assert_eq!(set_aside["segments"][0]["segment"], damaged.to_str().unwrap(), "{set_aside:#}");
    std::fs::remove_dir_all(events).unwrap();
    plant.serve();
    eventually("acknowledgements again", CATCH_UP, || load.acked() > acked);
    all.extend(load.finish(CATCH_UP));
    tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &all);
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

/// A row of MySQL for each change of a state.
const EACH_IN_MYSQL: &str = r#"
database = "genims_audit_db"
[[route]]
name = "each"
about = "a row for each change of a state"
events = ["state_changed"]
table = "business_alerts"
[route.columns]
alert_number = "CONCAT('EACH-', event.uid)"
alert_sequence = "1"
alert_event = "'raised'"
occurred_at = "event.at"
database_name = "'genims_operations_db'"
table_name = "'scada_machine_data'"
record_key = "event.uid"
actor_type = "'service'"
actor_id = "'genims'"
alert_type = "'machine_fault'"
severity = "'info'"
alert_title = "'a state'"
alert_message = "'a state'"
"#;
/// Changes of a state in each of the three histories: before the copy, lost with it, after.
const CHANGES: i64 = 40;

/// What the lost history brought to the databases of the routes stays, and what comes after it comes once.
fn older_events(harness: &'static Harness) {
    let modules: Vec<&str> = routes::MODULES.into_iter().chain(["audit"]).collect();
    let plant = routes::plant(harness, "[routes]\ndirectory = \"routes\"\n", &modules);
    let folder = plant.folder.join("routes");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in routes::EACH.into_iter().chain([("audit.toml", EACH_IN_MYSQL)]) {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let (sensor, begun_ms) = (plant.sensor(), now_ms() - 3_600_000);
    let changed = |round: i64| {
        let picture = |number: i64| {
            let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
            routes::picture(&sensor, begun_ms + number * 1_000, state, 0, None)
        };
        let messages: Vec<_> = (round * CHANGES..(round + 1) * CHANGES).map(picture).collect();
        send(harness, &plant, &messages);
        plant.idle();
    };
    let there = || {
        let rows = routes::count(&plant, "genims_hr_db", "hcm_integration_log", "document_id LIKE 'EV-%'");
        let documents = plant.documents("machine_state_changes", doc! { "meta.machine_id": &sensor.machine_id });
        let alerts =
            mysql(harness, &plant, "SELECT alert_number, '' FROM business_alerts WHERE alert_number LIKE 'EACH-%'");
        (rows, documents.len() as i64, alerts.len() as i64)
    };
    plant.serve();
    changed(0);
    plant.terminate();
    let (data, backup) = (plant.folder.join("data"), plant.folder.join("backup"));
    copy(&data, &backup);
    plant.serve();
    changed(1);
    plant.terminate();
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    assert_eq!(there(), (2 * CHANGES, 2 * CHANGES, 2 * CHANGES));
    // As after a kill: the cursor says less than the log of events.
    let (appender, log, _) = opened(&data.join("spool"));
    log.rewind("events", log.first_offset()).unwrap();
    log.close().unwrap();
    drop((appender, log));

    let shown = plant.cli_ok(&["log", "adopt"]);
    assert!(shown.contains("The log of events holds") && shown.matches("Nothing was changed").count() == 2, "{shown}");
    let adopted: serde_json::Value = serde_json::from_str(&plant.cli_ok(&["log", "adopt", "--yes", "--json"])).unwrap();
    assert_eq!((&adopted["adopted"], &adopted["events"]["adopted"]), (&true.into(), &true.into()), "{adopted:#}");
    plant.serve();
    changed(2);
    assert_eq!(there(), (3 * CHANGES, 3 * CHANGES, 3 * CHANGES));
    plant.terminate();
    ahead_of_its_log(&plant, &data);
    changed(3);
    assert_eq!(there(), (4 * CHANGES, 4 * CHANGES, 4 * CHANGES));
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

fn opened(directory: &Path) -> (Appender, Spool, Recovered) {
    file::open(&SpoolOptions { directory: directory.to_owned(), ..SpoolOptions::default() }).unwrap()
}

/// The log of events alone is of a newer copy: nothing is served before it is adopted.
fn ahead_of_its_log(plant: &Plant, data: &Path) {
    let of_router = |shown: &Value| {
        let (router, others): (Vec<_>, Vec<_>) =
            shown["databases"].as_array().unwrap().iter().partition(|place| place["database"] == "events");
        let is_parted = |place: &&Value| place["parted"] == true;
        (router.iter().any(is_parted), others.iter().any(is_parted))
    };
    let shown = || serde_json::from_str::<Value>(&plant.cli_ok(&["log", "adopt", "--json"])).unwrap();
    let before = shown();
    assert_eq!(of_router(&before), (false, false), "{before:#}");
    let (mut appender, log, _) = opened(&data.join("events"));
    let client = format!("log/{}", before["log"].as_str().unwrap());
    let sequence = before["next_offset"].as_u64().unwrap() + 1_000;
    appender.append_marks(vec![Mark { client, sequence }]).unwrap();
    log.close().unwrap();
    drop((appender, log));
    plant.begin();
    eventually("closed doors, with the remedy", CATCH_UP, || {
        let (status, text) = plant.get("/readyz").unwrap_or_default();
        status == 503 && text.contains("events has the records below") && text.contains("genims log adopt")
    });
    plant.terminate();
    let parted = shown();
    assert_eq!(of_router(&parted), (true, false), "{parted:#}");
    assert!(plant.cli_ok(&["log", "adopt", "--yes"]).contains("Adopted"));
    plant.serve();
}

/// A log of events of which a segment is missing that nobody has read; the segment.
fn damaged_log(directory: &Path) -> PathBuf {
    let options = SpoolOptions { directory: directory.to_owned(), segment_bytes: 4 << 10, ..SpoolOptions::default() };
    let (mut appender, log, _) = file::open(&options).unwrap();
    log.register(&Consumer::hold("maintenance")).unwrap();
    for timestamp_us in 0..200 {
        let (client_id, will_topic, will_payload) = ("plc".to_owned(), "t".to_owned(), vec![7; 100]);
        let events = vec![Event::ClientLost { client_id, timestamp_us, will_topic, will_payload }];
        appender.append(&mut Portion { events, ..Portion::default() }).unwrap();
    }
    log.close().unwrap();
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    let missing = segments.swap_remove(2);
    std::fs::remove_file(&missing).unwrap();
    missing
}

fn restored_databases(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let all = sent(&plant, "all");
    let rows = plant.rows("sensor_data", "true");
    // As a restore of an empty state does it; nothing is sent meanwhile.
    plant.execute(
        "genims_operations_db",
        "BEGIN;
         TRUNCATE sensor_data, machine_faults, sensor_health, genims_internal.ingest_batches, genims_internal.dead_letters;
         UPDATE genims_internal.sink_positions SET next_offset = 0;
         COMMIT",
    );
    eventually("all rows again", CATCH_UP, || plant.rows("sensor_data", "true") == rows);
    // The mirror's bookkeeping alone goes back: its documents are looked up, not repeated.
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
        let positions = client.database("genims_internal").collection::<Document>("sink_positions");
        let back = doc! { "$set": { "next_offset": 0_i64, "intent_offset": 0_i64 } };
        assert_eq!(positions.update_many(doc! {}, back).await.unwrap().matched_count, 1);
    });
    let end = plant.stats()["spool"]["next_offset"].as_i64().unwrap();
    eventually("the mirror at the end again", CATCH_UP, || {
        harness.block_on(async {
            let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
            let positions = client.database("genims_internal").collection::<Document>("sink_positions");
            positions.find_one(doc! {}).await.unwrap().unwrap().get_i64("next_offset").unwrap() == end
        })
    });
    let stats = tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &all);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

/// A restore makes the table anew without its key, and puts its row beside the one that the sink has made meanwhile.
fn positions_twice(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let mut all = sent(&plant, "one");
    plant.execute(
        "genims_operations_db",
        "ALTER TABLE genims_internal.sink_positions DROP CONSTRAINT sink_positions_pkey;
         INSERT INTO genims_internal.sink_positions SELECT * FROM genims_internal.sink_positions",
    );
    all.extend(sent(&plant, "two"));
    tally::everything_is_there_once(harness, &plant, &all);
    assert_eq!(plant.rows("genims_internal.sink_positions", "true"), 1);
}
