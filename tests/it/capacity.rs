//! `genims capacity` on real servers, as part of the doctor's scene: what grew is measured, what is near its end is found, what
//! takes long is seen, on each engine.

use crate::document::Reader;
use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::running::eventually;
use genims_databases::{MysqlSettings, partitions};
use genims_dev::Server;
use mongodb::bson::{DateTime, Document, doc};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(120);
const DAY_MS: i64 = 86_400_000;
/// Where no server of ours answers; and as long as any answer may take on a machine with much else to do.
const UNHURRIED: [&str; 4] = ["--url", "http://127.0.0.1:1", "--timeout", "60s"];

/// With its exit code.
fn report(platform: &Platform, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, Value) {
    let output = platform.cli(&[&["capacity", "--json"], &UNHURRIED[..], arguments].concat(), more);
    let told = || String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", told()));
    assert_eq!(output.status.success(), report["passed"] == true, "{report:#}");
    (output.status.code(), report)
}

fn lines<'r>(report: &'r Value, kind: &str) -> Vec<&'r Value> {
    report["lines"].as_array().unwrap().iter().filter(|line| line["kind"] == kind).collect()
}

fn line<'r>(report: &'r Value, what: &str) -> &'r Value {
    let mut all = report["lines"].as_array().unwrap().iter();
    all.find(|line| line["what"] == what).unwrap_or_else(|| panic!("no {what}: {report:#}"))
}

fn short(report: &Value) -> Vec<&str> {
    let all = report["lines"].as_array().unwrap().iter();
    all.filter(|line| line["state"] == "short").map(|line| line["what"].as_str().unwrap()).collect()
}

/// How much is free on the disk of this machine is no matter of a test.
fn short_beside_disks(report: &Value) -> Vec<&str> {
    short(report).into_iter().filter(|what| !what.starts_with("disk ")).collect()
}

/// As a document shows it.
pub(crate) fn is_told(reader: &mut Reader<'_>) {
    reader.run("genims capacity || test $? = 1");
    for what in ["disk ", "log of readings ", "partitions of sensor_data "] {
        assert!(reader.said.lines().any(|line| line.starts_with(what)), "{what}: {}", reader.said);
    }
    let mut faults = reader.said.lines().filter(|line| line.contains(" SHORT ") || line.contains(" NO ANSWER "));
    assert!(faults.all(|line| line.starts_with("disk ")), "{}", reader.said);
}

/// Nothing is short on empty servers; what came on the days before today is measured, in each engine.
pub(crate) fn what_fills_up(harness: &'static Harness, platform: &Platform) {
    let (_, found) = report(platform, &[], &[]);
    assert_eq!((short_beside_disks(&found), lines(&found, "database").len()), (Vec::new(), 17), "{found:#}");
    for database in lines(&found, "database") {
        assert!(database["now"].as_u64().unwrap() > 0, "{database}");
    }
    let crm = line(&found, "genims_crm_db");
    assert_eq!((&crm["state"], &crm["growth_a_day"]), (&"unmeasured".into(), &Value::Null), "{crm}");
    for table in ["sensor_data", "scada_machine_data"] {
        let ahead = line(&found, &format!("partitions of {table}"))["now"].as_u64().unwrap();
        // Of the day on which they were made.
        assert!((partitions::DAYS_AHEAD - 1..=partitions::DAYS_AHEAD).contains(&ahead), "{ahead}");
    }
    assert_eq!((lines(&found, "numbers").len(), lines(&found, "transactions").len()), (1, 1), "{found:#}");
    assert_eq!(lines(&found, "log").len(), 2, "{found:#}");
    for log in lines(&found, "log") {
        assert!(log["now"].is_null() && log["remark"].as_str().unwrap().contains("is not there yet"), "{log}");
    }
    let disks = lines(&found, "disk");
    let remarks: String = disks.iter().map(|disk| disk["remark"].as_str().unwrap()).collect();
    for engine in ["PostgreSQL 127.0.0.1:", "MySQL 127.0.0.1:", "MongoDB 127.0.0.1:"] {
        assert!(remarks.contains(engine), "{engine}: {disks:#?}");
    }
    assert!(disks.iter().all(|disk| disk["limit"].as_u64() > disk["now"].as_u64()), "{disks:#?}");
    rows_of_yesterday(harness, platform);
    let (_, found) = report(platform, &[], &[]);
    for name in ["genims_hr_db", "genims_operations_db", "genims_reporting_db", "genims_production"] {
        let database = line(&found, name);
        assert!(database["growth_a_day"].as_f64() > Some(0.0) && database["state"] == "enough", "{database}");
        assert!(database["remark"].as_str().unwrap().contains(" complete day"), "{database}");
    }
    // Some day every disk that grows is full.
    let (code, found) = report(platform, &["--warn-days", "4294967295"], &[]);
    assert!(code == Some(1) && short(&found).iter().any(|what| what.starts_with("disk at ")), "{found:#}");
    what_is_near_its_end(platform);
    a_database_that_is_away(platform);
}

fn rows_of_yesterday(harness: &'static Harness, platform: &Platform) {
    let yesterday = "((now() AT TIME ZONE 'UTC')::date - 1)";
    platform.execute(
        "genims_hr_db",
        &format!(
            "INSERT INTO skills_catalog (skill_id, skill_code, skill_name, created_at) \
             SELECT 'SKL-' || n, 'SKL-' || n, 'Welding', {yesterday} FROM generate_series(1, 100) n"
        ),
    );
    platform.execute(
        "genims_operations_db",
        &format!(
            "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, timestamp, measurement_value, measurement_unit) \
             SELECT 'S', 'M', 'L', 'F', {yesterday} + n * interval '1 second', n, 'C' FROM generate_series(1, 1000) n"
        ),
    );
    let day = "INSERT INTO line_performance_daily (performance_date, line_id, line_name, factory_id, factory_name, refreshed_at) \
               VALUES (UTC_DATE() - INTERVAL 1 DAY, 'L', 'L', 'F', 'F', UTC_TIMESTAMP())";
    platform.mysql("genims_reporting_db", day);
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let store = client.database("genims_production");
        let at = DateTime::from_millis(DateTime::now().timestamp_millis() - DAY_MS);
        let meta = doc! { "factory_id": "F", "line_id": "L", "machine_id": "M", "sensor_id": "S", "unit": "C" };
        let reading = doc! { "timestamp": at, "meta": meta, "value": 1.5, "status": "normal", "anomaly_score": 0.0 };
        store.collection::<Document>("sensor_readings").insert_one(reading).await.unwrap();
        let message = doc! {
            "message_id": "M-1", "conversation_id": "C-1", "sender_id": "E-1", "recipient_ids": ["E-2"], "sent_at": at, "body": "Hello",
        };
        store.collection::<Document>("messages").insert_one(message).await.unwrap();
    });
}

/// A sequence, a column that ends before its sequence, and a column of MySQL.
fn what_is_near_its_end(platform: &Platform) {
    let tables = "CREATE TABLE nearly_done (id smallserial PRIMARY KEY); SELECT setval('nearly_done_id_seq', 32000); \
                  CREATE SEQUENCE wide; CREATE TABLE narrow (id int PRIMARY KEY DEFAULT nextval('wide')); \
                  ALTER SEQUENCE wide OWNED BY narrow.id; SELECT setval('wide', 2147483000)";
    platform.execute("genims_hr_db", tables);
    let reporting = "genims_reporting_db";
    platform.mysql(reporting, "CREATE TABLE nearly_done (id TINYINT NOT NULL AUTO_INCREMENT PRIMARY KEY)");
    platform.mysql(reporting, "INSERT INTO nearly_done VALUES (120)");
    let (code, found) = report(platform, &[], &[]);
    let near = short_beside_disks(&found);
    let of = |database: &str, column: &str| format!("numbers of {database}: {column}");
    let expected =
        [of("genims_hr_db", "narrow.id"), of("genims_hr_db", "nearly_done.id"), of(reporting, "nearly_done.id")];
    assert_eq!((code, &near), (Some(1), &expected.iter().map(String::as_str).collect()), "{found:#}");
    let all = short(&found).len();
    for (what, now, limit) in
        [(&expected[0], 2_147_483_000_u64, 2_147_483_647_u64), (&expected[1], 32_000, 32_767), (&expected[2], 120, 127)]
    {
        let line = line(&found, what);
        assert_eq!((line["now"].as_u64(), line["limit"].as_u64()), (Some(now), Some(limit)), "{line}");
    }
    let output = platform.cli(&[&["capacity"], &UNHURRIED[..]].concat(), &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let summary = format!("\n{all} are short; ");
    assert!(text.contains(&summary) && text.contains("  SHORT  "), "{text}");
    platform.execute("genims_hr_db", "DROP TABLE nearly_done, narrow");
    platform.mysql(reporting, "DROP TABLE nearly_done");
    assert_eq!(short_beside_disks(&report(platform, &[], &[]).1), Vec::<&str>::new());
}

fn a_database_that_is_away(platform: &Platform) {
    let away = [("GENIMS_HR_DB_URL", "postgresql://u@127.0.0.1:1/d")];
    let (code, found) = report(platform, &[], &away);
    let hr = line(&found, "genims_hr_db");
    assert_eq!((code, &hr["state"], lines(&found, "database").len()), (Some(1), &"unreachable".into(), 17), "{hr}");
    assert!(hr["remark"].as_str().unwrap().contains("start the server"), "{hr}");
}

fn slow(platform: &Platform) -> Value {
    let output = platform.cli(&["capacity", "slow", "--json", "--timeout", "60s"], &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && report["passed"] == true, "{report:#}");
    report
}

/// Whether a list of the report has a statement with this text.
fn has(report: &Value, list: &str, engine: &str, text: &str) -> bool {
    let all = report[list].as_array().unwrap().iter();
    let mut of_engine = all.filter(|one| one["engine"] == engine);
    of_engine.any(|one| one["text"].as_str().unwrap().contains(text))
}

fn says(report: &Value, text: &str) -> bool {
    report["remarks"].as_array().unwrap().iter().any(|remark| remark.as_str().unwrap().contains(text))
}

/// What runs and what was counted, in one view. PostgreSQL is started anew for it.
pub(crate) fn what_takes_long(harness: &'static Harness, platform: &Platform) {
    let sleeping = sleeping(harness, platform);
    profiled(harness, platform);
    eventually("both are seen", PATIENCE, || {
        let seen = slow(platform);
        has(&seen, "running", "postgresql", "pg_sleep(600)") && has(&seen, "running", "mysql", "SLEEP(600)")
    });
    let seen = slow(platform);
    assert!(has(&seen, "slowest", "mongodb", r#""body": "?""#), "{seen:#}");
    assert!(!seen.to_string().contains("a_value_to_keep_secret"), "{seen:#}");
    for remedy in ["add pg_stat_statements to", "set performance_schema = ON", "run db.setProfilingLevel(1"] {
        assert!(says(&seen, remedy), "{remedy}: {seen:#}");
    }
    let text = String::from_utf8(platform.cli(&["capacity", "slow", "--timeout", "60s"], &[]).stdout).unwrap();
    assert!(text.contains("took longest, all calls") && text.contains("runs now, for more than a second"), "{text}");
    sleeping.iter().for_each(JoinHandle::abort);
    // Without its library the extension says so, and nothing else is the worse.
    platform.execute("genims_crm_db", "CREATE EXTENSION pg_stat_statements");
    let seen = slow(platform);
    assert!(says(&seen, "must be loaded via"), "{seen:#}");
    platform.execute("genims_crm_db", "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
    platform.stack.stop_server(Server::Postgres).unwrap();
    platform.stack.start_server(Server::Postgres).unwrap();
    platform.execute("genims_hr_db", "SELECT pg_sleep(0.5), 'counted'");
    let seen = slow(platform);
    assert!(has(&seen, "slowest", "postgresql", "pg_sleep($1)") && !says(&seen, "pg_stat_statements"), "{seen:#}");
}

/// Statements that run for as long as this scene.
fn sleeping(harness: &'static Harness, platform: &Platform) -> [JoinHandle<()>; 2] {
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url("genims_hr_db")).await;
        let reporting = "genims_reporting_db";
        let settings = MysqlSettings::from_url(reporting, &platform.stack.mysql_url(reporting)).unwrap();
        let mut connection = settings.connect().await.unwrap();
        // That they end with their session, or with the server, is no failure.
        let postgres = tokio::spawn(async move { drop(client.simple_query("SELECT pg_sleep(600)").await) });
        let mysql = tokio::spawn(async move { drop(connection.query_drop("SELECT SLEEP(600)").await) });
        [postgres, mysql]
    })
}

fn profiled(harness: &'static Harness, platform: &Platform) {
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let store = client.database("genims_production");
        store.run_command(doc! { "profile": 2 }).await.unwrap();
        let messages = store.collection::<Document>("messages");
        messages.find_one(doc! { "body": "a_value_to_keep_secret" }).await.unwrap();
        store.run_command(doc! { "profile": 0 }).await.unwrap();
    });
}
