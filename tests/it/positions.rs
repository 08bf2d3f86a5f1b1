//! Positions that are put back, deleted or put ahead while the server writes, as restores and operators do it: what the log still
//! holds is there again, once; nothing is skipped; what cannot be right is said with its remedy.

use crate::harness::Harness;
use crate::routes::{count, picture, plant as routed_plant};
use crate::running::{eventually, goes_on};
use crate::sender::{Load, LoadOptions};
use crate::server::{Plant, Setup};
use crate::stream::{now_ms, send};
use crate::tally::{self, sink};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use std::fs;
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);
/// Long enough for an acknowledgement that must not come.
const SILENCE: Duration = Duration::from_secs(3);
const ROUNDS: usize = 4;
/// Further than any log of a test reaches.
const AHEAD: i64 = 1_000_000_000;

/// What a batch touches in the operations database.
const TABLES: [&str; 7] = [
    "sensor_data",
    "scada_machine_data",
    "machine_faults",
    "sensor_health",
    "genims_internal.dead_letters",
    "genims_internal.ingest_batches",
    "genims_internal.sink_positions",
];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("positions::put_back_with_the_rows_again_and_again_under_load", put_back_with_the_rows),
        harness.trial("positions::put_back_without_the_rows_is_said_with_its_remedy", put_back_without_the_rows),
        harness.trial("positions::the_mirror_s_put_back_again_and_again_under_load", mirror_put_back),
        harness.trial("positions::ahead_of_the_log_close_the_doors_until_they_are_mended", ahead_of_the_log),
        harness.trial("positions::of_routes_put_back_with_the_rows_under_load", of_routes),
    ]
}

fn more(load: &Load, count: u64) {
    let acked = load.acked();
    eventually("acknowledgements", CATCH_UP, || load.acked() > acked + count);
}

#[track_caller]
fn follows(plant: &Plant, name: &str) {
    let end = plant.stats()["spool"]["next_offset"].as_i64().unwrap();
    goes_on("the sink follows again", CATCH_UP, || {
        let shown = sink(&plant.stats(), name);
        let is_there = shown["position"].as_i64() >= Some(end);
        (shown["state"] != "following" || !shown["last_error"].is_null() || !is_there).then_some(shown)
    });
}

/// Everything that was sent is in both databases once, and nothing was given up.
fn verdict(harness: &Harness, plant: &Plant, load: Load) {
    let sent = load.finish(CATCH_UP);
    let stats = tally::drained(plant, CATCH_UP);
    tally::everything_is_there_once(harness, plant, &sent);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    for name in ["postgres", "mongodb"] {
        let shown = sink(&stats, name);
        assert_eq!((&shown["gap_records_total"], &shown["state"]), (&0.into(), &"following".into()), "{stats:#}");
    }
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

/// Keeps the tables as they are at one moment.
fn save(plant: &Plant) {
    let copies = TABLES.iter().map(|table| format!("CREATE TABLE saved.{} AS TABLE {table};", base(table)));
    let copies: String = copies.collect();
    let save = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved; {copies} COMMIT"
    );
    plant.execute("genims_operations_db", &save);
}

/// The name without its schema.
fn base(table: &str) -> &str {
    table.rsplit('.').next().unwrap()
}

/// Puts back what was saved; nothing of the stream, not even a position, when `is_empty`. The position is locked first, as a batch
/// does it, so that neither waits for the other in a circle.
fn put_back(plant: &Plant, is_empty: bool) {
    let back = |table: &&str| format!("INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE saved.{};", base(table));
    let back: String = if is_empty { String::new() } else { TABLES.iter().map(back).collect() };
    let restore = format!(
        "BEGIN; LOCK TABLE genims_internal.sink_positions; TRUNCATE {}; {back} DROP SCHEMA saved CASCADE; COMMIT",
        TABLES.join(", ")
    );
    plant.execute("genims_operations_db", &restore);
}

fn put_back_with_the_rows(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("restored"));
    for round in 0..ROUNDS {
        more(&load, 2_000);
        save(&plant);
        more(&load, 2_000);
        let before = plant.rows("sensor_data", "true");
        put_back(&plant, round % 2 == 1);
        if round < 2 {
            follows(&plant, "postgres");
            assert!(plant.rows("sensor_data", "true") >= before, "more was sent meanwhile");
        }
        // Afterwards the next one comes while the log is still being read again.
    }
    follows(&plant, "postgres");
    verdict(harness, &plant, load);
}

/// As a restore of that one table does it, or an operator who deletes a row that he does not know.
fn put_back_without_the_rows(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("alone"));
    for statement in [
        "DELETE FROM genims_internal.sink_positions",
        // Of the run before: the log has begun another epoch since.
        "UPDATE genims_internal.sink_positions SET history = regexp_replace(history, ' [^ ]+$', ''),
             next_offset = (SELECT min(next_offset) FROM genims_internal.ingest_batches)",
    ] {
        more(&load, 2_000);
        plant.execute("genims_operations_db", statement);
        let error = || sink(&plant.stats(), "postgres")["last_error"].as_str().unwrap_or_default().to_owned();
        eventually("the remedy", CATCH_UP, || error().contains("say so: UPDATE"));
        let (_, ready) = plant.get("/readyz").unwrap();
        assert!(ready.contains("sink postgres: retrying: ") && ready.contains("say so: UPDATE"), "{ready}");
        let rows = plant.rows("sensor_data", "true");
        more(&load, 2_000);
        assert_eq!(plant.rows("sensor_data", "true"), rows, "written beside rows that are there");
        let text = error();
        plant.execute("genims_operations_db", &text[text.find("UPDATE genims_internal").expect("a statement")..]);
        follows(&plant, "postgres");
        plant.kill();
        plant.serve();
    }
    verdict(harness, &plant, load);
}

/// Does something to MongoDB's positions, and gives what it answered.
fn with_mongo<T, F: Future<Output = T>>(
    harness: &'static Harness,
    plant: &Plant,
    work: impl FnOnce(mongodb::Client) -> F,
) -> T {
    harness.block_on(async { work(mongodb::Client::with_uri_str(plant.stack.mongodb_url()).await.unwrap()).await })
}

fn internal(client: &mongodb::Client, collection: &str) -> mongodb::Collection<Document> {
    client.database("genims_internal").collection(collection)
}

fn mirror_put_back(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("mirror"));
    eventually("the mirror remembers a position", CATCH_UP, || {
        let count = async |client| internal(&client, "sink_positions").count_documents(doc! {}).await.unwrap();
        with_mongo(harness, &plant, count) == 1
    });
    for round in 0..6 {
        more(&load, 1_500);
        with_mongo(harness, &plant, |client| async move {
            let positions = internal(&client, "sink_positions");
            match round {
                // The bookkeeping alone: what is there is looked up.
                0 => {
                    let back = doc! { "$set": { "next_offset": 0_i64, "intent_offset": 0_i64 } };
                    assert_eq!(positions.update_many(doc! {}, back).await.unwrap().matched_count, 1);
                }
                1 => assert_eq!(positions.delete_many(doc! {}).await.unwrap().deleted_count, 1),
                2 => {
                    let position = positions.find_one(doc! {}).await.unwrap().unwrap();
                    let half = position.get_i64("next_offset").unwrap() / 2;
                    let back = doc! { "$set": { "next_offset": half } };
                    positions.update_many(doc! {}, back).await.unwrap();
                }
                // All of it, to before the log's first record, wherever a batch is under way.
                _ => {
                    let production = client.database("genims_production");
                    production.collection::<Document>("sensor_readings").drop().await.unwrap();
                    internal(&client, "ingest_batches").delete_many(doc! {}).await.unwrap();
                    positions.delete_many(doc! {}).await.unwrap();
                }
            }
        });
        // The last ones come while the log is still being read again.
        if round < 3 {
            follows(&plant, "mongodb");
        }
    }
    follows(&plant, "mongodb");
    verdict(harness, &plant, load);
}

/// Of another, longer log, by all that can be known: nothing is acknowledged, for it could be taken for what is there.
fn ahead_of_the_log(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let load = Load::start(&plant, &LoadOptions::usual("ahead"));
    for name in ["postgres", "mongodb"] {
        more(&load, 2_000);
        let move_by = |offsets: i64| match name {
            "postgres" => {
                let ahead = format!("UPDATE genims_internal.sink_positions SET next_offset = next_offset + {offsets}");
                plant.execute("genims_operations_db", &ahead);
            }
            _ => with_mongo(harness, &plant, |client| async move {
                let ahead = doc! { "$inc": { "next_offset": offsets } };
                internal(&client, "sink_positions").update_many(doc! {}, ahead).await.unwrap();
            }),
        };
        move_by(AHEAD);
        eventually("closed doors, with the remedy", CATCH_UP, || {
            let (status, text) = plant.get("/readyz").unwrap_or_default();
            status == 503
                && text.contains(&format!("{name} has the records below"))
                && text.contains("genims log adopt")
        });
        let stats = plant.stats();
        let (shown, end) = (sink(&stats, name), stats["spool"]["next_offset"].as_i64().unwrap());
        assert_eq!((&shown["state"], shown["position"].as_i64() > Some(end)), (&"failed".into(), true), "{shown:#}");
        let is_late = shown["lag_records"].as_i64() >= Some(AHEAD / 2) && shown["lag_seconds"].as_f64() > Some(0.0);
        assert!(is_late, "ahead of the log, and shown as in time: {shown:#}");
        // What was under way when the doors closed may still get through.
        std::thread::sleep(Duration::from_secs(1));
        let acked = load.acked();
        std::thread::sleep(SILENCE);
        assert_eq!(load.acked(), acked, "acknowledged, but {name} would not get it");
        plant.terminate();
        move_by(-AHEAD);
        plant.serve();
        more(&load, 2_000);
        follows(&plant, name);
    }
    verdict(harness, &plant, load);
}

/// A row for each change of a state, and no key that would hide a second one.
pub(crate) const EACH: [(&str, &str); 2] = [
    (
        "hr.toml",
        r#"
database = "genims_hr_db"
[[route]]
name = "each"
about = "a row for each change of a state"
events = ["state_changed"]
table = "hcm_integration_log"
[route.columns]
log_id = "gen_random_uuid()::text"
document_id = "event.uid"
"#,
    ),
    (
        "audit.toml",
        r#"
database = "genims_audit_db"
[[route]]
name = "each"
about = "a row for each change of a state"
events = ["state_changed"]
table = "business_alerts"
[route.columns]
alert_number = "UUID()"
alert_sequence = "1"
alert_event = "'raised'"
occurred_at = "event.at"
database_name = "'genims_operations_db'"
table_name = "'machine_faults'"
record_key = "event.uid"
actor_type = "'service'"
actor_id = "'genims'"
alert_type = "'machine_fault'"
severity = "'info'"
alert_title = "'a state'"
alert_message = "'a state'"
"#,
    ),
];
const CHANGES: i64 = 1_500;
const CHANGES_AT_ONCE: i64 = 20;

fn of_routes(harness: &'static Harness) {
    let modules = ["master", "operations", "production", "hr", "audit"];
    let plant = routed_plant(harness, "[routes]\ndirectory = \"routes\"\n", &modules);
    let folder = plant.folder.join("routes");
    fs::create_dir(&folder).unwrap();
    for (name, text) in EACH {
        fs::write(folder.join(name), text).unwrap();
    }
    plant.serve();
    let sensor = plant.sensor();
    let begun_ms = now_ms() - 86_400_000;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            for begin in (0..CHANGES).step_by(CHANGES_AT_ONCE as usize) {
                let change = |number| {
                    let state = if number % 2 == 0 { "RUNNING" } else { "IDLE" };
                    picture(&sensor, begun_ms + number * 1_000, state, 0, None)
                };
                send(harness, &plant, &(begin..begin + CHANGES_AT_ONCE).map(change).collect::<Vec<_>>());
            }
        });
        let mut round = 0;
        while !sending.is_finished() || round < ROUNDS {
            let (routed, alerts) = (rows_of_hr(&plant).0, rows_of_audit(harness, &plant).0);
            put_routes_back(harness, &plant, round % 2 == 1);
            eventually("more rows than before", CATCH_UP, || {
                sending.is_finished() || rows_of_hr(&plant).0 > routed && rows_of_audit(harness, &plant).0 > alerts
            });
            round += 1;
        }
    });
    // What was put back last is noticed when the position is asked for again.
    eventually("every row is there again", CATCH_UP, || {
        rows_of_hr(&plant).0 >= CHANGES && rows_of_audit(harness, &plant).0 >= CHANGES
    });
    let stats = plant.idle();
    assert_eq!(rows_of_hr(&plant), (CHANGES, CHANGES), "{stats:#}");
    assert_eq!(rows_of_audit(harness, &plant), (CHANGES, CHANGES), "{stats:#}");
    for name in ["hr", "audit"] {
        let shown = sink(&stats, name);
        assert_eq!((&shown["gap_records_total"], &shown["state"]), (&0.into(), &"following".into()), "{stats:#}");
    }
    assert_eq!(count(&plant, "genims_hr_db", "genims_internal.refused_events", "true"), 0);
}

/// Both databases as they were before the first event; the position's row is deleted or set back.
fn put_routes_back(harness: &'static Harness, plant: &Plant, is_deleted: bool) {
    let position = if is_deleted {
        "DELETE FROM genims_internal.route_positions"
    } else {
        "UPDATE genims_internal.route_positions SET next_offset = 0"
    };
    let back = format!("BEGIN; {position}; DELETE FROM hcm_integration_log WHERE document_id LIKE 'EV-%'; COMMIT");
    // A batch locks the position last: one of the two may be told that they wait for each other.
    eventually("the restore of genims_hr_db", CATCH_UP, || {
        harness.block_on(async {
            let client = crate::harness::connect_postgres(&plant.stack.postgres_url("genims_hr_db")).await;
            client.batch_execute(&back).await.is_ok()
        })
    });
    eventually("the restore of genims_audit_db", CATCH_UP, || {
        harness.block_on(async {
            let mut mysql = mysql_async::Conn::from_url(plant.stack.mysql_url("genims_audit_db")).await.unwrap();
            for statement in ["START TRANSACTION", position, "DELETE FROM business_alerts", "COMMIT"] {
                if mysql.query_drop(statement).await.is_err() {
                    return false;
                }
            }
            mysql.disconnect().await.is_ok()
        })
    });
}

/// All, and how many different ones.
fn rows_of_hr(plant: &Plant) -> (i64, i64) {
    let query = "SELECT count(*), count(DISTINCT document_id) FROM hcm_integration_log WHERE document_id LIKE 'EV-%'";
    let row = &plant.query("genims_hr_db", query)[0];
    (row.get(0), row.get(1))
}

fn rows_of_audit(harness: &'static Harness, plant: &Plant) -> (i64, i64) {
    harness.block_on(async {
        let mut mysql = mysql_async::Conn::from_url(plant.stack.mysql_url("genims_audit_db")).await.unwrap();
        let query = "SELECT count(*), count(DISTINCT record_key) FROM business_alerts";
        let row = mysql.query_first(query).await.unwrap().unwrap();
        mysql.disconnect().await.unwrap();
        row
    })
}
