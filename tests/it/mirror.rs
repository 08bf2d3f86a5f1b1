//! A mirror that the log has cut off is brought back from the operations database while the stream goes on.

use crate::harness::Harness;
use crate::monitoring;
use crate::running::{eventually, goes_on};
use crate::sender::{Load, LoadOptions, Speech};
use crate::server::{Plant, Setup};
use crate::stream::{now_ms, send};
use crate::tally;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);
/// The mirror may hold half of it.
const SMALL_SPOOL: &str = "[spool]\nmax_bytes = 4194304\n";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("mirror::what_was_cut_off_is_brought_back_whole", what_was_cut_off_is_brought_back),
        harness.trial("mirror::alone_it_is_waited_for", alone_it_is_waited_for),
        harness.trial("mirror::it_is_made_anew_from_postgresql_instead_of_a_backup", made_anew_from_postgresql),
    ]
}

fn mirror(plant: &Plant) -> Value {
    tally::sink(&plant.stats(), "mongodb")
}

fn what_was_cut_off_is_brought_back(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
    let load = Load::start(&plant, &LoadOptions { speeches, ..LoadOptions::usual("mirror") });
    eventually("the mirror follows", CATCH_UP, || mirror(&plant)["position"].as_u64().unwrap() > 2_000);

    plant.stack.stop_server(Server::Mongodb).unwrap();
    let machine = plant.sensor();
    let snapshot = |seconds_ago: i64, state: &str| {
        let message = json!({
            "timestamp_ms": now_ms() - seconds_ago * 1_000, "machine_state": state, "program_number": "P-9",
            "fault_code": (state == "FAULT").then_some("E-9"),
        });
        (format!("{}/scada", machine.machine_topic()), message.to_string())
    };
    send(harness, &plant, &[snapshot(30, "RUNNING"), snapshot(20, "FAULT"), snapshot(10, "RUNNING")]);
    eventually("the mirror is cut off", CATCH_UP, || mirror(&plant)["state"] == "cut_off");
    let (status, told) = plant.get("/readyz").unwrap();
    assert!(status == 200 && told.starts_with("ready\n"), "nobody waits for the mirror: {status} {told}");
    assert!(told.contains("sink mongodb: cut_off: "), "and whoever asks is told: {told}");
    monitoring::fires(&plant, &["GenimsSinkCutOff"]);
    let acked = load.acked();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 2_000);
    // A crash forgets that it was cut off, not that it lacks something.
    plant.kill();
    plant.serve();
    let acked = load.acked();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 2_000);

    plant.stack.start_server(Server::Mongodb).unwrap();
    let back = || plant.log_text().contains("the mirror is back");
    let under_way = || mirror(&plant)["last_error"].as_str().is_some_and(|error| error.contains("being brought back"));
    eventually("it is being brought back", CATCH_UP, || under_way() || back());
    // The load goes on meanwhile, for a while: a slow machine writes less than clients send, and would never be done.
    let acked = load.acked();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 2_000);
    let sent: Vec<_> = load.finish(CATCH_UP);
    goes_on("the mirror follows again", CATCH_UP, || {
        let shown = mirror(&plant);
        (shown["state"] != "following" || !back()).then_some(shown)
    });
    let stats = tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &sent);
    assert_eq!((&stats["identity_holds"], &stats["total"]["dead_lettered"]), (&true.into(), &0.into()), "{stats:#}");
    let snapshots = doc! { "meta.machine_id": &machine.machine_id, "event_type": "snapshot" };
    assert_eq!(plant.documents("scada_events", snapshots).len(), 3);
    // The load's own sensors cross limits, too.
    for (kind, rows) in [("fault_opened", "true"), ("fault_closed", "status = 'resolved'")] {
        let documents = plant.documents("machine_fault_events", doc! { "event_type": kind });
        assert_eq!(documents.len() as i64, plant.rows("machine_faults", rows), "{kind}");
        let ours = documents.iter().filter(|document| document.get_str("fault_code").ok() == Some("E-9")).count();
        assert_eq!(ours, 1, "{kind}");
    }
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

/// Without an operations database nothing could bring it back: nothing is acknowledged that the log cannot keep for it.
fn alone_it_is_waited_for(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, sinks: &["mongodb"], ..Setup::default() });
    let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
    let load = Load::start(&plant, &LoadOptions { speeches, ..LoadOptions::usual("alone") });
    eventually("it follows", CATCH_UP, || mirror(&plant)["position"].as_u64().unwrap() > 2_000);
    plant.stack.stop_server(Server::Mongodb).unwrap();
    eventually("the log is full", CATCH_UP, || plant.stats()["spool"]["full"] == true);
    assert_ne!(mirror(&plant)["state"], "cut_off");
    plant.kill();
    plant.stack.start_server(Server::Mongodb).unwrap();
    plant.serve();
    eventually("there is room again", CATCH_UP, || plant.stats()["spool"]["full"] == false);
    let acked = load.acked();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + 2_000);
    let sent = load.finish(CATCH_UP);
    tally::caught_up(&plant, &["mongodb"], CATCH_UP);
    tally::each_document_is_there_once(harness, &plant, &sent);
}

/// The log begins later than the mirror did, so most of it comes from PostgreSQL; what is not the stream's stays.
fn made_anew_from_postgresql(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SPOOL, ..Setup::default() });
    let speeches = vec![Speech::MqttV3, Speech::Frames, Speech::MqttV5, Speech::Frames];
    let load = Load::start(&plant, &LoadOptions { speeches, ..LoadOptions::usual("anew") });
    let begins = || plant.stats()["spool"]["first_offset"].as_u64().unwrap();
    eventually("the log has let its beginning go", CATCH_UP, || begins() > 0);
    let sent: Vec<_> = load.finish(CATCH_UP);
    tally::drained(&plant, CATCH_UP);
    let note = |wanted: &str| plant.documents("documents", doc! { "_id": wanted }).len();
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap();
        let documents = client.database("genims_production").collection::<Document>("documents");
        documents.insert_one(doc! { "_id": "kept" }).bypass_document_validation(true).await.unwrap();
    });

    let refused = plant.cli(&["restore", "production", "--from-postgres"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--replace"), "{refused:?}");
    // As of a PostgreSQL that was lost and made anew: nobody could give these again.
    let kept = "CREATE SCHEMA kept; CREATE TABLE kept.readings AS TABLE sensor_data LIMIT 0; WITH gone AS (DELETE FROM sensor_data \
        WHERE sensor_id = (SELECT min(sensor_id) FROM sensor_data) RETURNING *) INSERT INTO kept.readings SELECT * FROM gone";
    plant.execute("genims_operations_db", kept);
    let gone: i64 = plant.query("genims_operations_db", "SELECT count(*) FROM kept.readings")[0].get(0);
    let before = plant.documents("sensor_readings", doc! {}).len();
    let refused = plant.cli(&["restore", "production", "--from-postgres", "--replace"]);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("--lose-readings"), "{told}");
    assert!(told.contains(&format!(" {gone} readings of 1 sensor (")) && told.contains(", 0 in PostgreSQL"), "{told}");
    assert_eq!(plant.documents("sensor_readings", doc! {}).len(), before, "nothing was touched");
    let back = "INSERT INTO sensor_data OVERRIDING SYSTEM VALUE TABLE kept.readings; DROP SCHEMA kept CASCADE";
    plant.execute("genims_operations_db", back);

    let times_back = || plant.log_text().matches("the mirror is back").count();
    // Under load it may have been cut off before.
    let before = times_back();
    let restore = ["restore", "production", "--from-postgres", "--replace", "--json"];
    let told: Value = serde_json::from_str(&plant.cli_ok(&restore)).unwrap();
    assert!(told["gone"]["sensor_readings"].as_u64() > Some(0), "{told:#}");
    goes_on("the mirror is brought back", CATCH_UP, || {
        let shown = mirror(&plant);
        (times_back() == before || shown["state"] != "following").then_some(shown)
    });
    tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &sent);
    assert_eq!(note("kept"), 1, "it is not the stream's");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}
