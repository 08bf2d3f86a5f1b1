//! `genims retention` on real servers, as of a fixed day: what is too old goes, by the day and by the row; what the law or another
//! row holds stays; telemetry is archived first, once; the ledger adds up before and after; the audit trail says what went.

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use futures_util::TryStreamExt;
use libtest_mimic::Trial;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::Value;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("retention::days_of_telemetry_go_and_the_ledger_adds_up", days_of_telemetry),
        harness.trial("retention::documents_go_with_their_parts_unless_something_holds_them", documents),
    ]
}

const OPERATIONS: &str = "genims_operations_db";
const MASTER: &str = "genims_master_db";
const MANUFACTURING: &str = "genims_manufacturing_db";
const ERP: &str = "genims_erp_db";

/// The registry keeps telemetry 1098 days: back from here, to 2020-05-29.
const AS_OF: &str = "2023-06-01";

fn retention(platform: &Platform, arguments: &[&str]) -> Value {
    let (is_well, report) = told(platform, arguments, &[]);
    assert!(is_well, "{report}");
    report
}

/// Whether it ended well, and its report.
fn told(platform: &Platform, arguments: &[&str], variables: &[(&str, &str)]) -> (bool, Value) {
    let output = platform.cli(&[&["retention"], arguments, &["--as-of", AS_OF, "--json"]].concat(), variables);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = serde_json::from_str(&text);
    (output.status.success(), report.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))))
}

/// That a plan promises nothing, and a run fails: so many rows should go and cannot, for a reason that contains a word.
fn is_blocked(platform: &Platform, rows: u64, word: &str, variables: &[(&str, &str)]) {
    for action in ["plan", "run"] {
        let (is_well, report) = told(platform, &[action, "--module", "operations"], variables);
        let found = table(&report, OPERATIONS, "sensor_data");
        assert_eq!((goes(found), held(found, word), &found["gone"]), (0, rows, &Value::from(0)), "{found}");
        assert_eq!((&found["blocked"], is_well), (&Value::from(rows), action == "plan"), "{found}");
    }
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

/// As many readings of a day as asked for, three a minute.
fn readings(platform: &Platform, sensor: &str, day: &str, count: u32) {
    let sql = format!(
        "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, measurement_unit, \
         status, quality, anomaly_score) \
         SELECT '{sensor}', 'M', 'L', 'F', '{day}'::timestamp + n * interval '20 seconds', (ARRAY[1, 7, 4])[n % 3 + 1] + n, 'C', \
         (ARRAY['warning', 'normal', 'critical'])[n % 3 + 1], CASE WHEN n = 1 THEN 'bad' ELSE 'good' END, n / 10.0 \
         FROM generate_series(0, {count} - 1) n"
    );
    platform.execute(OPERATIONS, &sql);
}

/// What the archive holds, by time, without the ids and times of its making.
fn archive(harness: &'static Harness, platform: &Platform) -> Vec<Document> {
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let archive = client.database("genims_production").collection::<Document>("sensor_readings_archive");
        let find = archive.find(doc! {}).sort(doc! { "timestamp": 1 }).projection(doc! { "_id": 0, "archived_at": 0 });
        find.await.unwrap().try_collect().await.unwrap()
    })
}

/// The readings that the archive stands for, and its documents.
fn archived(harness: &'static Harness, platform: &Platform) -> (i64, usize) {
    let documents = archive(harness, platform);
    (documents.iter().map(|document| document.get_i64("count").unwrap()).sum(), documents.len())
}

fn days_of_telemetry(harness: &'static Harness) {
    let platform = Platform::new(harness);
    // Ten years after these days the archive lets them expire.
    platform.expire(false);
    platform.execute(
        MASTER,
        "INSERT INTO sensors (sensor_id, machine_id, line_id, factory_id, sensor_name, sensor_type) \
         VALUES ('S', 'M', 'L', 'F', 'S', 'temperature')",
    );
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
    assert_eq!(found["archive"], "sensor_readings_archive");
    let rows = |query: &str| number(&platform, harness, OPERATIONS, query);
    assert_eq!(rows("SELECT count(*) FROM sensor_data"), 20, "a plan changes nothing");

    away(&platform);
    assert_eq!((rows("SELECT count(*) FROM sensor_data"), archived(harness, &platform)), (20, (0, 0)));
    in_use(harness, &platform);
    each_minute(&archive(harness, &platform));
    // As a run that was killed between its last insert and the mark of the day.
    platform.execute(OPERATIONS, "DELETE FROM genims_internal.archived_days");
    let run = retention(&platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    assert_eq!((&found["gone"], &found["archived"]), (&Value::from(3), &Value::from(0)), "{run}");
    assert_eq!(archived(harness, &platform), (9, 3), "nothing is there twice");
    assert_eq!(rows("SELECT (rows * 10 + documents)::bigint FROM genims_internal.archived_days"), 31);
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
    assert_eq!(archived(harness, &platform), (11, 4), "what went is what is archived");
    assert!(holds_the_ledger(&platform));
    platform.execute(OPERATIONS, "DELETE FROM genims_internal.purged_rows WHERE day = '2020-05-28'");
    assert!(!holds_the_ledger(&platform), "what is not entered as purged is missing");
    late(harness, &platform);
    meanwhile(harness, &platform);
    refusals(&platform);
}

/// Where nothing can be archived, nothing goes, and it is said what to do.
fn away(platform: &Platform) {
    let url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500&connectTimeoutMS=500";
    let cases = [
        ("GENIMS_MONGODB_URL", url, "mend host, port and tls of GENIMS_MONGODB_URL"),
        ("GENIMS_MONGODB_URL", "", "set GENIMS_MONGODB_URL"),
        ("GENIMS_MASTER_DB_URL", "postgresql://u@127.0.0.1:1/genims_master_db", "genims_master_db"),
    ];
    for (variable, url, remedy) in cases {
        is_blocked(platform, 9, remedy, &[(variable, url)]);
    }
    platform.execute(OPERATIONS, "ALTER TABLE genims_internal.archived_days RENAME TO not_migrated");
    is_blocked(platform, 9, "run `genims provision`", &[]);
    platform.execute(OPERATIONS, "ALTER TABLE genims_internal.not_migrated RENAME TO archived_days");
}

/// Of 2020-05-01 two minutes, of 2020-05-28 one; the day that the law holds is not archived.
fn each_minute(archive: &[Document]) {
    let minute = |time: &str, [mean, lowest, highest, last]: [f64; 4], [count, bad, of_each]: [i64; 3], score: f64| {
        doc! {
            "timestamp": DateTime::parse_rfc3339_str(time).unwrap(),
            "meta": {
                "factory_id": "F", "line_id": "L", "machine_id": "M",
                "sensor_id": "S", "sensor_type": "temperature", "unit": "C",
            },
            "value": mean, "value_min": lowest, "value_max": highest, "value_last": last,
            "count": count, "warning_count": of_each, "critical_count": of_each, "bad_quality_count": bad,
            "anomaly_score_max": score,
        }
    };
    let expected = [
        minute("2020-05-01T00:00:00Z", [5.0, 1.0, 8.0, 6.0], [3, 1, 1], 0.2),
        minute("2020-05-01T00:01:00Z", [8.0, 4.0, 11.0, 9.0], [3, 0, 1], 0.5),
        minute("2020-05-28T00:00:00Z", [5.0, 1.0, 8.0, 6.0], [3, 1, 1], 0.2),
    ];
    // By their fields: a time series gives back `timestamp` and `meta` where it likes.
    let in_order = |document: &Document| {
        let mut fields: Vec<_> = document.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
        fields.sort();
        fields
    };
    let [archive, expected]: [Vec<_>; 2] =
        [archive, &expected[..]].map(|documents| documents.iter().map(in_order).collect());
    assert_eq!(archive, expected);
}

/// Rows of a day that has gone already: another minute is archived, too; of a minute that is, they stay.
fn late(harness: &'static Harness, platform: &Platform) {
    let before = archived(harness, platform);
    readings(platform, "S", "2020-05-28 00:00:30", 1);
    is_blocked(platform, 1, "delete no document", &[]);
    assert_eq!(archived(harness, platform), before);
    let later = "UPDATE sensor_data SET \"timestamp\" = '2020-05-28 12:00' WHERE \"timestamp\" < '2020-05-29'";
    platform.execute(OPERATIONS, later);
    let run = retention(platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    assert_eq!((&found["gone"], &found["archived"]), (&Value::from(1), &Value::from(1)), "{found}");
    assert_eq!(archived(harness, platform), (before.0 + 1, before.1 + 1));
    portions(harness, platform);
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

/// Lets a reading come whenever a day is marked as archived.
fn comes_late(platform: &Platform, sensor: &str) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION genims_internal.comes_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, measurement_unit)
             VALUES ('{sensor}', 'M', 'L', 'F', NEW.day + time '12:00', 1, 'C');
             RETURN NULL;
         END $$;
         CREATE OR REPLACE TRIGGER comes_late AFTER INSERT ON genims_internal.archived_days
         FOR EACH ROW EXECUTE FUNCTION genims_internal.comes_late()"
    );
    platform.execute(OPERATIONS, &sql);
}

/// A row that comes between the mark of its day and the drop is archived, too, before the day goes.
fn meanwhile(harness: &'static Harness, platform: &Platform) {
    let before = archived(harness, platform);
    let day = "SELECT genims_internal.ensure_partitions('public.sensor_data', '2020-05-02', '2020-05-02')";
    platform.execute(OPERATIONS, day);
    comes_late(platform, "S");
    readings(platform, "S", "2020-05-02", 3);
    let run = retention(platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    assert_eq!((&found["gone"], &found["archived"]), (&Value::from(4), &Value::from(2)), "{found}");
    assert_eq!(archived(harness, platform), (before.0 + 4, before.1 + 2));
    held_meanwhile(harness, platform);
}

/// The first and the last minute of a day of so many sensors that they are looked up in more than one portion.
fn portions(harness: &'static Harness, platform: &Platform) {
    let before = archived(harness, platform);
    platform.execute(
        OPERATIONS,
        "INSERT INTO sensor_data (sensor_id, machine_id, line_id, factory_id, \"timestamp\", measurement_value, measurement_unit) \
         SELECT 'P' || n, 'M', 'L', 'F', at, 1, 'C' FROM generate_series(1, 150) n, \
         (VALUES (timestamp '2020-05-03 00:00'), (timestamp '2020-05-03 23:59')) AS times (at)",
    );
    let run = retention(platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    assert_eq!((&found["gone"], &found["archived"]), (&Value::from(300), &Value::from(300)), "{found}");
    assert_eq!(archived(harness, platform), (before.0 + 300, before.1 + 300));
}

/// A day of which the law holds a row by the time of its drop stays, and what comes late to it is told with what may be deleted.
fn held_meanwhile(harness: &'static Harness, platform: &Platform) {
    comes_late(platform, "LATE");
    hold(platform, ("LH-3", 1, "placed"), (OPERATIONS, "sensor_data", "LATE"));
    readings(platform, "S", "2020-05-04", 3);
    let run = retention(platform, &["run", "--module", "operations"]);
    let found = table(&run, OPERATIONS, "sensor_data");
    let none = Value::from(0);
    assert_eq!((&found["gone"], held(found, "LH-3"), &found["blocked"]), (&none, 3, &none), "{found}");
    let left = "SELECT count(*) FROM sensor_data WHERE \"timestamp\" < '2020-05-05'";
    assert_eq!(number(platform, harness, OPERATIONS, left), 4);
    platform.execute(OPERATIONS, "DROP TRIGGER comes_late ON genims_internal.archived_days");
    hold(platform, ("LH-3", 2, "released"), (OPERATIONS, "sensor_data", "LATE"));
    readings(platform, "S", "2020-05-04 00:00:30", 1);
    is_blocked(platform, 5, "delete the documents of these minutes, not the rows", &[]);
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
