//! `genims retention` on real servers, as of a fixed day: what is too old goes, by the day and by the row; what the law or another
//! row holds stays; the ledger adds up before and after; the audit trail says what went.

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::Value;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("retention::days_of_telemetry_go_and_the_ledger_adds_up", days_of_telemetry),
        harness.trial("retention::documents_go_with_their_parts_unless_something_holds_them", documents),
    ]
}

const OPERATIONS: &str = "genims_operations_db";
const MANUFACTURING: &str = "genims_manufacturing_db";
const ERP: &str = "genims_erp_db";

/// The registry keeps telemetry 1098 days: back from here, to 2020-05-29.
const AS_OF: &str = "2023-06-01";

fn retention(platform: &Platform, arguments: &[&str]) -> Value {
    let output = platform.cli(&[&["retention"], arguments, &["--as-of", AS_OF, "--json"]].concat(), &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

fn table<'a>(report: &'a Value, database: &str, table: &str) -> &'a Value {
    let databases = report["databases"].as_array().unwrap();
    let database = databases.iter().find(|found| found["database"] == database).unwrap();
    database["tables"].as_array().unwrap().iter().find(|found| found["table"] == table).unwrap()
}

/// Rows that go, and rows that are held for a reason that contains a word.
fn goes(found: &Value) -> u64 {
    found["goes"].as_u64().unwrap()
}

fn held(found: &Value, word: &str) -> u64 {
    let held = found["held"].as_object().unwrap();
    held.iter().filter(|(why, _)| why.contains(word)).map(|(_, rows)| rows.as_u64().unwrap()).sum()
}

fn number(platform: &Platform, harness: &'static Harness, database: &str, query: &str) -> i64 {
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url(database)).await;
        client.query_one(query, &[]).await.unwrap().get(0)
    })
}

fn hold(platform: &Platform, step: (&str, u32, &str), of: (&str, &str, &str)) {
    let ((number, sequence, event), (database, table, key)) = (step, of);
    let placed = if sequence == 1 { "NULL" } else { "1" };
    let released = if event == "released" { "'settled'" } else { "NULL" };
    let sql = format!(
        "INSERT INTO legal_holds (hold_number, hold_sequence, hold_event, occurred_at, database_name, table_name, record_key, \
         actor_type, actor_id, matter_name, matter_type, custodian_id, counsel_name, approved_by, placed_hold_id, release_reason) \
         VALUES ('{number}', {sequence}, '{event}', '2023-01-01', '{database}', '{table}', '{key}', 'employee', 'E1', 'm', \
         'litigation', 'E1', 'c', 'E1', {placed}, {released})"
    );
    platform.mysql("genims_audit_db", &sql);
}

/// Whether `genims verify` says that the readings hold the ledger.
fn holds_the_ledger(platform: &Platform) -> bool {
    let output = platform.cli(&["verify", "--module", "ledger", "--json"], &[]);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    let rule = findings.iter().find(|finding| finding["rule"] == "sensor_data_holds_the_ledger").unwrap();
    rule["passed"].as_bool().unwrap()
}

/// As many readings of a day as asked for.
fn readings(platform: &Platform, sensor: &str, day: &str, count: u32) {
    let sql = format!(
        "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, measurement_unit) \
         SELECT '{sensor}', 'M', 'L', 'F', '{day}'::timestamp + n * interval '1 hour', n, 'C' FROM generate_series(0, {count} - 1) n"
    );
    platform.execute(OPERATIONS, &sql);
}

fn days_of_telemetry(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let days = "SELECT genims_internal.ensure_partitions('public.sensor_data', '2020-05-27', '2020-05-30')";
    platform.execute(OPERATIONS, days);
    let given = [("2020-05-27", 2), ("2020-05-28", 3), ("2020-05-29", 4), ("2020-05-30", 5), ("2020-05-01", 6)];
    for (day, count) in given {
        readings(&platform, if day == "2020-05-27" { "HELD" } else { "S" }, day, count);
    }
    platform.execute(
        OPERATIONS,
        "INSERT INTO genims_internal.ingest_batches (spool_id, first_offset, next_offset, sensor_rows, scada_rows, dead_letters, refused_rows) \
         VALUES ('6b1f4f0e-0000-4000-8000-000000000001', 0, 20, 20, 0, 0, 0)",
    );
    assert!(holds_the_ledger(&platform));
    hold(&platform, ("LH-1", 1, "placed"), (OPERATIONS, "sensor_data", "HELD"));

    let plan = retention(&platform, &["plan"]);
    let found = table(&plan, OPERATIONS, "sensor_data");
    assert_eq!((goes(found), held(found, "LH-1"), found["partitions"].as_u64()), (9, 2, Some(1)), "{found}");
    assert_eq!(found["before"], "2020-05-29");
    let rows = |query: &str| number(&platform, harness, OPERATIONS, query);
    assert_eq!(rows("SELECT count(*) FROM sensor_data"), 20, "a plan changes nothing");

    in_use(harness, &platform);
    let run = retention(&platform, &["run", "--module", "operations"]);
    assert_eq!(table(&run, OPERATIONS, "sensor_data")["gone"], 3, "{run}");
    assert_eq!(rows("SELECT count(*) FROM sensor_data"), 11);
    assert_eq!(rows("SELECT count(*) FROM pg_class WHERE relname = 'sensor_data_20200528'"), 0);
    assert_eq!(
        rows("SELECT count(*) FROM pg_inherits WHERE inhrelid = to_regclass('genims_partitions.sensor_data_20200527')"),
        1
    );
    assert!(holds_the_ledger(&platform));
    let entered = |gone: u32, day: &str| {
        rows(&format!(
            "SELECT count(*) FROM genims_internal.changes WHERE op = 'action' AND actor = 'service:genims-retention' AND rows = {gone} \
             AND after ->> 'activity' = 'delete' AND after ->> 'module' = 'operations' \
             AND after ->> 'description' LIKE 'retention: sensor_data: {gone} rows deleted, % before {day}%'"
        ))
    };
    assert_eq!((entered(6, "2020-05-29"), entered(3, "2020-05-29")), (1, 1));

    hold(&platform, ("LH-1", 2, "released"), (OPERATIONS, "sensor_data", "HELD"));
    retention(&platform, &["run", "--module", "operations"]);
    assert_eq!(rows("SELECT count(*) FROM sensor_data"), 9);
    assert_eq!(rows("SELECT sum(rows)::bigint FROM genims_internal.purged_rows"), 11);
    assert!(holds_the_ledger(&platform));
    platform.execute(OPERATIONS, "DELETE FROM genims_internal.purged_rows WHERE day = '2020-05-28'");
    assert!(!holds_the_ledger(&platform), "what is not entered as purged is missing");
    refusals(&platform);
}

/// A reader that never ends is not waited for without end, and rows that need no lock against it go all the same.
fn in_use(harness: &'static Harness, platform: &Platform) {
    let url = platform.stack.postgres_url(OPERATIONS);
    let client = harness.block_on(async {
        let client = connect_postgres(&url).await;
        client.batch_execute("BEGIN; SELECT count(*) FROM sensor_data").await.unwrap();
        client
    });
    let run = retention(platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    assert_eq!((&found["gone"], held(found, "in use")), (&Value::from(6), 3), "{found}");
    harness.block_on(async { client.batch_execute("COMMIT").await.unwrap() });
}

/// Days to come, and legal holds that cannot be read.
fn refusals(platform: &Platform) {
    let future = platform.cli(&["retention", "run", "--as-of", "9999-01-01"], &[]);
    assert!(!future.status.success() && String::from_utf8_lossy(&future.stderr).contains("--as-of"));
    let away = [("GENIMS_AUDIT_DB_URL", "mysql://u@127.0.0.1:1/genims_audit_db")];
    let unknown = platform.cli(&["retention", "run", "--as-of", AS_OF], &away);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("legal holds"), "{said}");
}

/// Work orders are kept seven years, production orders ten.
fn documents(harness: &'static Harness) {
    let platform = Platform::new(harness);
    platform.execute(
        MANUFACTURING,
        "INSERT INTO work_orders (work_order_id, work_order_number, product_id, factory_id, planned_quantity, closed_at, erp_order_id) VALUES
         ('GOES', 'N1', 'P', 'F', 1, '2015-01-01', NULL), ('BOOKED', 'N2', 'P', 'F', 1, '2015-01-01', NULL),
         ('OPEN', 'N3', 'P', 'F', 1, NULL, NULL), ('LAW', 'N4', 'P', 'F', 1, '2015-01-01', NULL),
         ('ERP', 'N5', 'P', 'F', 1, '2015-01-01', NULL), ('CIRCLE', 'N6', 'P', 'F', 1, '2010-01-01', 'C'),
         ('YOUNG', 'N7', 'P', 'F', 1, '2017-01-01', NULL);
         INSERT INTO work_order_operations (operation_id, work_order_id, operation_sequence, operation_name, planned_quantity)
         SELECT 'O-' || work_order_id, work_order_id, 1, 'turn', 1 FROM work_orders;
         INSERT INTO labor_transactions (labor_transaction_id, transaction_date, employee_id, work_order_id) VALUES
         ('T1', '2020-01-01', 'E', 'BOOKED'), ('T2', '2014-12-01', 'E', 'GOES')",
    );
    platform.execute(
        ERP,
        "INSERT INTO production_orders (production_order_id, production_order_number, material_id, plant_id, order_quantity,
         basic_start_date, basic_end_date, work_order_id, closed_at) VALUES
         ('E', 'E', 'M', 'F', 1, '2014-01-01', '2014-02-01', 'ERP', NULL),
         ('C', 'C', 'M', 'F', 1, '2009-01-01', '2009-02-01', 'CIRCLE', '2010-01-02')",
    );
    hold(&platform, ("LH-2", 1, "placed"), (MANUFACTURING, "work_orders", "LAW"));
    figures(&platform);

    let plan = retention(&platform, &["plan"]);
    let orders = table(&plan, MANUFACTURING, "work_orders");
    assert_eq!((goes(orders), held(orders, "LH-2"), held(orders, "labor_transactions")), (2, 1, 1), "{orders}");
    assert_eq!(held(orders, "genims_erp_db.production_orders"), 1, "{orders}");
    let parts = table(&plan, MANUFACTURING, "work_order_operations");
    assert_eq!((goes(parts), held(parts, "its work_orders stays")), (2, 3), "{parts}");
    assert_eq!(goes(table(&plan, ERP, "production_orders")), 1);

    let alone = retention(&platform, &["plan", "--module", "manufacturing"]);
    assert_eq!(
        goes(table(&alone, MANUFACTURING, "work_orders")),
        1,
        "what the ERP keeps holds its work order: {alone}"
    );

    let run = retention(&platform, &["run"]);
    assert_eq!(table(&run, MANUFACTURING, "work_orders")["gone"], 2, "{run}");
    let left = "SELECT count(*) FROM work_orders WHERE work_order_id IN ('BOOKED', 'OPEN', 'LAW', 'ERP', 'YOUNG')";
    let rows = |query: &str| number(&platform, harness, MANUFACTURING, query);
    assert_eq!((rows(left), rows("SELECT count(*) FROM work_orders")), (5, 5));
    assert_eq!(rows("SELECT count(*) FROM work_order_operations"), 5);
    assert_eq!(rows("SELECT count(*) FROM labor_transactions"), 1);
    let days = "SELECT CAST(performance_date AS CHAR) FROM machine_performance_daily";
    assert_eq!(platform.mysql("genims_reporting_db", days), ["2023-05-01"]);
    let oee = "SELECT CAST(oee_date AS CHAR) FROM oee_daily_summary ORDER BY oee_date";
    assert_eq!(platform.mysql("genims_reporting_db", oee), ["2022-03-01", "2023-05-01"]);
    collections(harness, &platform, &run);
}

/// A month, fifteen and twenty-five months old: days are kept for a year, OEE for two.
fn figures(platform: &Platform) {
    for day in ["2023-05-01", "2022-03-01", "2021-05-01"] {
        let sql = format!(
            "INSERT INTO machine_performance_daily (performance_date, machine_id, machine_name, line_id, line_name, factory_id, \
             factory_name, refreshed_at) VALUES ('{day}', 'M', 'M', 'L', 'L', 'F', 'F', '{day}')"
        );
        platform.mysql("genims_reporting_db", &sql);
        let sql = format!(
            "INSERT INTO oee_daily_summary (oee_date, shift_id, line_id, line_name, factory_id, factory_name, refreshed_at) \
             VALUES ('{day}', 'S', 'L', 'L', 'F', 'F', '{day}')"
        );
        platform.mysql("genims_reporting_db", &sql);
    }
}

/// What the server lets expire is as the files say, or it is said.
fn collections(harness: &'static Harness, platform: &Platform, report: &Value) {
    let remarks = |report: &Value| {
        let databases = report["databases"].as_array().unwrap();
        let production = databases.iter().find(|found| found["database"] == "genims_production").unwrap();
        production["remarks"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(remarks(report), Vec::<String>::new());
    let found = table(report, "genims_production", "sensor_readings");
    assert_eq!((&found["how"], &found["before"]), (&Value::from("expiry"), &Value::from("2023-03-03")));
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let shorter = doc! { "collMod": "sensor_readings", "expireAfterSeconds": 86_400_i64 };
        client.database("genims_production").run_command(shorter).await.unwrap();
    });
    let plan = retention(platform, &["plan", "--module", "production"]);
    let remarks = remarks(&plan);
    assert!(remarks.len() == 1 && remarks[0].contains("sensor_readings keeps documents 1 days"), "{remarks:?}");
}
