//! What the hub has of MySQL: values of every type as they are, questions that the source answers, accounts that only read,
//! changes of the source; and a server that has no `mysql_fdw`.

use crate::harness::{Harness, connect_postgres};
use crate::hub_report::{report, status};
use crate::platform::Platform;
use genims_databases::{MysqlSettings, PostgresClient};
use mysql_async::prelude::Queryable;
use serde_json::Value;

/// One column of each type; of the last no other database can have any.
const KINDS: [&str; 5] = [
    "CREATE TABLE kinds (id INT PRIMARY KEY, flag BOOLEAN NOT NULL, small TINYINT, amount DECIMAL(10,2), document JSON, \
     moment DATETIME(6), code CHAR(7), at TIME, huge BIGINT UNSIGNED, words MEDIUMTEXT, bytes VARBINARY(4), nothing INT)",
    "INSERT INTO kinds VALUES (1, TRUE, -5, 12.50, '{\"a\": [1]}', '2026-01-02 03:04:05.678901', 'x', '23:59:00', \
     18446744073709551615, 'ä\\n\\'', X'00FF', NULL)",
    "CREATE TABLE shapes (outline POLYGON)",
    "CREATE TABLE texts (text_key VARCHAR(20) PRIMARY KEY)",
    "INSERT INTO texts VALUES ('b'), ('C'), ('D_1'), ('D-1'), ('d2'), ('E')",
];
/// The same keys elsewhere.
const TEXTS: &str = "INSERT INTO departments (department_id, department_code, department_name) \
    SELECT k, k, k FROM unnest(ARRAY['b', 'C', 'D_1', 'D-1', 'd2', 'E']) AS k";

pub(crate) fn in_the_same_place(platform: &Platform, harness: &'static Harness) {
    harness.block_on(execute(platform, "genims_reporting_db", &KINDS));
    platform.execute("genims_master_db", TEXTS);
    let stale = report(platform, &["hub", "provision", "--check", "--json"], false);
    assert_eq!(status(&stale, "genims_reporting_db"), "stale", "{stale}");
    assert_eq!(status(&stale, "genims_audit_db"), "same", "{stale}");
    let renewed = report(platform, &["hub", "provision", "--json"], true);
    assert_eq!(status(&renewed, "genims_reporting_db"), "imported", "{renewed}");
    assert_eq!(status(&renewed, "genims_production (other names)"), "imported", "{renewed}");
    let reporting =
        renewed["schemas"].as_array().unwrap().iter().find(|entry| entry["schema"] == "genims_reporting_db");
    assert_eq!(reporting.unwrap()["left_out"], serde_json::json!(["shapes"]));
    harness.block_on(async {
        let hub = connect_postgres(&platform.stack.postgres_url("hub")).await;
        values_are_as_they_are(&hub).await;
        nothing_is_lost_between_two_orders(&hub).await;
        the_source_does_the_work(&hub).await;
        nothing_is_written(platform, &hub).await;
    });
    harness.block_on(execute(platform, "genims_reporting_db", &["DROP TABLE kinds, shapes, texts"]));
    report(platform, &["hub", "provision", "--json"], true);
    report(platform, &["hub", "provision", "--check", "--json"], true);
}

async fn values_are_as_they_are(hub: &PostgresClient) {
    let sql = "SELECT concat_ws('|', flag, small, amount, document->>'a', moment, code, at, huge, words, bytes, nothing) \
               FROM genims_reporting_db.kinds WHERE flag AND moment >= '2026-01-02'";
    let row: String = hub.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(row, "t|-5|12.50|[1]|2026-01-02 03:04:05.678901|x|23:59:00|18446744073709551615|ä\n'|\\x00ff");
    let declared = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute \
                    WHERE attrelid = 'genims_reporting_db.kinds'::regclass AND attnum > 0";
    let declared: String = hub.query_one(declared, &[]).await.unwrap().get(0);
    assert_eq!(
        declared,
        "integer, boolean, smallint, numeric(10,2), json, timestamp(6) without time zone, character varying(7), \
         time(0) without time zone, numeric(20,0), text, bytea, integer"
    );
    let joined = "SELECT count(*) FROM genims_reporting_db.kinds k JOIN genims_master_db.departments d ON d.department_id = 'D' || k.id";
    assert_eq!(hub.query_one(joined, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// MySQL sorts text without regard to case, and a merge join that believed it would lose rows; so the hub makes none.
async fn nothing_is_lost_between_two_orders(hub: &PostgresClient) {
    let setting: String = hub.query_one("SELECT current_setting('enable_mergejoin')", &[]).await.unwrap().get(0);
    assert_eq!(setting, "off");
    hub.batch_execute("SET enable_hashjoin = off").await.unwrap();
    let joined = "SELECT count(*) FROM genims_reporting_db.texts t JOIN genims_master_db.departments d ON d.department_id = t.text_key";
    assert_eq!(hub.query_one(joined, &[]).await.unwrap().get::<_, i64>(0), 6);
    hub.batch_execute("RESET enable_hashjoin").await.unwrap();
}

/// Conditions and joins go to where the rows are, on both engines.
async fn the_source_does_the_work(hub: &PostgresClient) {
    for (sql, told) in [
        (
            "SELECT d.machine_id, sum(f.produced_units) FROM genims_analytics_db.fact_oee_hourly f \
             JOIN genims_analytics_db.dim_machine d USING (machine_key) WHERE f.date_key > 20260101 GROUP BY 1",
            ["INNER JOIN", "GROUP BY"],
        ),
        (
            // No sum: of tables as empty as these PostgreSQL takes it to be as cheap here as there.
            "SELECT m.line_id, s.sensor_id FROM genims_master_db.machines m JOIN genims_master_db.sensors s USING (machine_id) \
             WHERE m.status = 'active'",
            ["INNER JOIN", "'active'"],
        ),
    ] {
        let plan = hub.query(&format!("EXPLAIN (VERBOSE, COSTS OFF) {sql}"), &[]).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let remote = plan.iter().find(|line| line.contains("Remote ") && line.contains("SELECT"));
        let remote = remote.unwrap_or_else(|| panic!("{plan:#?}"));
        assert!(told.iter().all(|part| remote.contains(part)), "{plan:#?}");
    }
}

/// Neither by the right of the account nor by an administrator's session.
async fn nothing_is_written(platform: &Platform, hub: &PostgresClient) {
    hub.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    let sql = "INSERT INTO genims_reporting_db.kinds (id, flag) VALUES (2, false)";
    let refused = hub.execute(sql, &[]).await.unwrap_err();
    let cause = refused.as_db_error().unwrap().message().to_owned();
    assert!(cause.contains("READ ONLY") || cause.contains("denied"), "{cause}");
    let mut source = connect(platform, "genims_reporting_db").await;
    let grants: Vec<String> = source.query("SHOW GRANTS FOR 'genims_reporting_hub'@'%'").await.unwrap();
    let rights: Vec<&str> = grants.iter().filter_map(|grant| grant.split(" TO ").next()).collect();
    assert_eq!(rights, ["GRANT USAGE ON *.*", "GRANT SELECT ON `genims_reporting_db`.*"]);
    let rows: Option<i64> = source.query_first("SELECT COUNT(*) FROM kinds").await.unwrap();
    assert_eq!(rows, Some(1));
    source.disconnect().await.unwrap();
}

/// The view by which the server tells of its extensions is changed in an empty database, as if the package were not installed.
pub(crate) fn a_server_without_the_extension_says_so(platform: &Platform, harness: &'static Harness) {
    platform.execute("postgres", "CREATE DATABASE bare");
    platform.execute(
        "bare",
        "SET allow_system_table_mods = on; CREATE OR REPLACE VIEW pg_catalog.pg_available_extensions AS \
         SELECT e.name, e.default_version, x.extversion AS installed_version, e.comment FROM pg_available_extensions() AS e \
         LEFT JOIN pg_extension AS x ON e.name = x.extname WHERE e.name <> 'mysql_fdw'",
    );
    let there = [("GENIMS_HUB_URL", platform.stack.postgres_url("bare"))];
    let there: Vec<(&str, &str)> = there.iter().map(|(name, url)| (*name, url.as_str())).collect();
    for arguments in [&["hub", "provision", "--json"][..], &["hub", "provision", "--check", "--json"]] {
        let output = platform.cli(arguments, &there);
        assert!(!output.status.success());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        for schema in told["schemas"].as_array().unwrap() {
            let name = schema["schema"].as_str().unwrap();
            let error = schema["error"].as_str().unwrap_or_default();
            let expected = match name {
                "genims_reporting_db" | "genims_analytics_db" | "genims_audit_db" => "apt-get install postgresql-",
                "genims_production (other names)" => "genims_analytics_db",
                _ => "",
            };
            assert_eq!(error.is_empty(), expected.is_empty(), "{name}: {error}");
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
    harness.block_on(async {
        let bare = connect_postgres(&platform.stack.postgres_url("bare")).await;
        for table in ["genims_hr_db.employees", "genims_production.sensor_readings"] {
            bare.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
        }
    });
}

async fn connect(platform: &Platform, database: &str) -> mysql_async::Conn {
    MysqlSettings::from_url(database, &platform.stack.mysql_url(database)).unwrap().connect().await.unwrap()
}

pub(crate) async fn execute(platform: &Platform, database: &str, statements: &[&str]) {
    let mut connection = connect(platform, database).await;
    for statement in statements {
        connection.query_drop(*statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    connection.disconnect().await.unwrap();
}
