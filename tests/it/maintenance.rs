//! `genims maintain` on real servers: what wore out is found on each engine and put in order; what somebody has locked is left; partitions
//! are vacuumed and nothing else; the end of a window ends the work; the audit trail says what was done.

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::running::eventually;
use chrono::{DateTime, Utc};
use genims_databases::Registry;
use genims_platform::maintenance::{self, MaintenanceMode, UpkeepState};
use libtest_mimic::Trial;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Document, doc};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::cell::Cell;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const HR: &str = "genims_hr_db";
const OPERATIONS: &str = "genims_operations_db";
const DAY: &str = "genims_partitions.sensor_data_20200528";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("maintenance::each_engine_is_put_in_order_and_nobody_is_locked_out", each_engine)]
}

fn each_engine(harness: &'static Harness) {
    let platform = Platform::new(harness);
    wear_out(&platform);
    store(harness, &platform);
    tables_and_indexes(harness, &platform);
    partitions_are_vacuumed_alone(&platform);
    most_of_a_file(&platform, "reporting", "optimize", "notes");
    most_of_a_file(&platform, "production", "compact", "notes");
    the_end_of_a_window(harness, &platform);
}

/// Of a run that ended well.
fn report(platform: &Platform, arguments: &[&str]) -> Value {
    let output = platform.cli(&[&["maintain"], arguments, &["--json"]].concat(), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// The kinds of work on one thing, each with its state.
fn work(report: &Value, of: &str) -> Vec<(String, String)> {
    let all = report["databases"].as_array().unwrap().iter().flat_map(|found| found["upkeep"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    all.filter(|upkeep| upkeep["of"] == of).map(|upkeep| (text(&upkeep["kind"]), text(&upkeep["state"]))).collect()
}

fn pair(kind: &str, state: &str) -> (String, String) {
    (kind.to_owned(), state.to_owned())
}

/// Nine rows of ten go, of which each page keeps some: its index stays as large as it was. Autovacuum is not to be first.
fn wear_out(platform: &Platform) {
    for table in ["worn", "held"] {
        let sql = format!(
            "CREATE TABLE {table} (id text PRIMARY KEY) WITH (autovacuum_enabled = off); \
             INSERT INTO {table} SELECT repeat('k', 20) || lpad(n::text, 6, '0') FROM generate_series(1, 100000) n; \
             DELETE FROM {table} WHERE right(id, 1) <> '0'"
        );
        platform.execute(HR, &sql);
    }
    let partition = format!(
        "SELECT genims_internal.ensure_partitions('public.sensor_data', '2020-05-28', '2020-05-28'); \
         ALTER TABLE {DAY} SET (autovacuum_enabled = off); \
         INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, measurement_unit) \
         SELECT 'S', 'M', 'L', 'F', '2020-05-28'::timestamp + n * interval '100 milliseconds', n, 'C' FROM generate_series(1, 100000) n; \
         DELETE FROM {DAY} WHERE measurement_value::int % 10 <> 0"
    );
    platform.execute(OPERATIONS, &partition);
    platform.mysql("genims_reporting_db", "CREATE TABLE notes (id INT PRIMARY KEY, text LONGTEXT)");
    platform.mysql("genims_reporting_db", "INSERT INTO notes SELECT seq, REPEAT('x', 8000) FROM seq_1_to_4000");
    platform.mysql("genims_reporting_db", "DELETE FROM notes WHERE id > 400");
}

fn store(harness: &'static Harness, platform: &Platform) {
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let notes = client.database("genims_production").collection::<Document>("notes");
        let mut random = StdRng::seed_from_u64(1);
        let documents = (0..4_000).map(|id| {
            let mut bytes = vec![0; 8_000];
            random.fill_bytes(&mut bytes);
            doc! { "_id": id, "text": Binary { subtype: BinarySubtype::Generic, bytes } }
        });
        notes.insert_many(documents.collect::<Vec<_>>()).await.unwrap();
        // Of each state a checkpoint is on the disk: until then nothing of it is free.
        client.database("admin").run_command(doc! { "fsync": 1 }).await.unwrap();
        notes.delete_many(doc! { "_id": { "$gt": 400 } }).await.unwrap();
        client.database("admin").run_command(doc! { "fsync": 1 }).await.unwrap();
    });
}

fn tables_and_indexes(harness: &'static Harness, platform: &Platform) {
    // What a session did is counted when it ends.
    eventually("the server counts what was deleted", PATIENCE, || {
        let plan = report(platform, &["plan", "hr"]);
        ["public.worn", "public.held"].iter().all(|table| work(&plan, table) == [pair("vacuum", "planned")])
    });
    let other = harness.block_on(async {
        let other = connect_postgres(&platform.stack.postgres_url(HR)).await;
        other.batch_execute("BEGIN; LOCK TABLE held IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
        other
    });
    let run = report(platform, &["run", "hr", "--now"]);
    harness.block_on(other.batch_execute("ROLLBACK")).unwrap();
    assert_eq!(work(&run, "public.worn"), [pair("vacuum", "done")], "{run:#}");
    assert_eq!(work(&run, "public.worn_pkey"), [pair("reindex", "done")], "{run:#}");
    assert_eq!(work(&run, "public.held"), [pair("vacuum", "in_use")], "{run:#}");
    let again = report(platform, &["run", "hr", "--now"]);
    assert!(["public.worn", "public.worn_pkey"].iter().all(|done| work(&again, done).is_empty()), "{again:#}");
    assert_eq!(work(&again, "public.held"), [pair("vacuum", "done")], "{again:#}");
    assert_eq!(work(&again, "public.held_pkey"), [pair("reindex", "done")], "{again:#}");
    let entered = "SELECT count(*) FROM genims_internal.changes WHERE op = 'action' AND actor = 'service:genims-maintain' \
                   AND after ->> 'description' LIKE 'maintenance: vacuum of %, reindex of 1 (%'";
    assert_eq!(number(harness, platform, HR, entered), 2);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(number(harness, platform, HR, invalid), 0);
}

fn number(harness: &'static Harness, platform: &Platform, database: &str, sql: &str) -> i64 {
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url(database)).await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    })
}

/// Its index is as empty as that of `worn`.
fn partitions_are_vacuumed_alone(platform: &Platform) {
    eventually("the server counts what was deleted", PATIENCE, || {
        work(&report(platform, &["plan", "operations"]), DAY) == [pair("vacuum", "planned")]
    });
    let run = report(platform, &["run", "operations", "--now"]);
    assert_eq!(work(&run, DAY), [pair("vacuum", "done")], "{run:#}");
    let upkeep = run["databases"][0]["upkeep"].as_array().unwrap();
    let mut partitions =
        upkeep.iter().filter(|upkeep| upkeep["of"].as_str().unwrap().starts_with("genims_partitions."));
    assert!(partitions.all(|upkeep| upkeep["kind"] == "vacuum"), "{run:#}");
}

/// Rows and documents are not gone from a file at once when they are deleted.
fn most_of_a_file(platform: &Platform, module: &str, kind: &str, name: &str) {
    let planned = || work(&report(platform, &["plan", module]), name).contains(&pair(kind, "planned"));
    eventually("most of the file is free", PATIENCE, planned);
    let run = report(platform, &["run", module, "--now"]);
    assert!(work(&run, name).contains(&pair(kind, "done")), "{run:#}");
    let all = run["databases"][0]["upkeep"].as_array().unwrap();
    assert!(all.iter().all(|upkeep| upkeep["state"] == "done"), "{run:#}");
    assert!(!planned(), "it is free no more");
}

/// On a Sunday at three it is open, and closed when the clock is looked at for the third time: the database's turn, the first piece of
/// work, the second.
fn the_end_of_a_window(harness: &'static Harness, platform: &Platform) {
    for table in ["one", "two"] {
        platform.execute(HR, &format!("CREATE TABLE {table} AS SELECT generate_series(1, 100) AS id"));
    }
    let plan = || report(platform, &["plan", "hr"]);
    eventually("the server counts both", PATIENCE, || {
        let plan = plan();
        !work(&plan, "public.one").is_empty() && !work(&plan, "public.two").is_empty()
    });
    let registry = Registry::load(None).unwrap();
    let hr = [registry.get("hr").unwrap()];
    let looked = Cell::new(0);
    let clock = || {
        looked.set(looked.get() + 1);
        let moment = if looked.get() < 3 { "2026-12-06T03:00:00Z" } else { "2026-12-06T04:00:00Z" };
        moment.parse::<DateTime<Utc>>().unwrap()
    };
    let environment = platform.environment(&[]);
    let run = maintenance::run(&registry, &environment, &hr, MaintenanceMode::Due, &clock, &|_: &str| {});
    let run = harness.block_on(run);
    let states: Vec<UpkeepState> = run.databases[0].upkeep.iter().map(|upkeep| upkeep.state).collect();
    assert!(run.ok() && states.len() > 1, "{run:#?}");
    assert_eq!(states[0], UpkeepState::Done, "{run:#?}");
    assert!(states[1..].iter().all(|state| *state == UpkeepState::Left), "{run:#?}");
}
