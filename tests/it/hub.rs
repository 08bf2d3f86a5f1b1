//! `genims hub` on real servers: questions over several databases at once, each caller only in his own modules, in step with
//! what the sources are, and the names that the platform's applications say. What MySQL brings is in `hub_mysql`, what the
//! names show in `hub_names`, the questions of the shipped files in `hub_questions`.

use crate::harness::{Harness, connect_postgres};
use crate::hub_mysql;
use crate::hub_names;
use crate::hub_report::{execute, report, status};
use crate::platform::Platform;
use genims_databases::{Engine, PostgresClient, PostgresSettings, Registry};
use libtest_mimic::Trial;
use serde_json::Value;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("hub::all_postgresql_databases_answer_in_one_place", one_place)]
}

fn one_place(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let made = report(&platform, &["hub", "provision", "--json"], true);
    assert_eq!(status(&made, "genims_master_db"), "imported", "{made}");
    let again = report(&platform, &["hub", "provision", "--json"], true);
    for schema in again["schemas"].as_array().unwrap() {
        assert_eq!(schema["status"], "same", "{schema}");
    }
    counts_are_the_contract(&again);
    harness.block_on(async {
        let admin = connect_postgres(&platform.stack.postgres_url("hub")).await;
        joined(&platform, &admin).await;
        other_names(&admin).await;
        hub_names::show_what_the_sources_hold(&platform, &admin).await;
        reads_only(&admin).await;
    });
    harness.block_on(own_modules_only(&platform));
    hub_mysql::in_the_same_place(&platform, harness);
    follows_the_source(&platform, harness);
    what_is_not_ours_is_left_alone(&platform, harness);
    hub_mysql::a_server_without_the_extension_says_so(&platform, harness);
}

/// 343 tables and the module views of the same keys; the other names of three databases have the same.
fn counts_are_the_contract(report: &Value) {
    let tables = |schema: &str| {
        let found = report["schemas"].as_array().unwrap().iter().find(|entry| entry["schema"] == schema);
        found.unwrap()["tables"].as_u64().unwrap()
    };
    assert_eq!(tables("genims_master_db"), 15);
    assert_eq!(tables("genims_hr_db"), 32);
    for database in Registry::load(None).unwrap().all().iter().filter(|database| database.engine == Engine::Mysql) {
        assert_eq!(tables(&database.name), u64::from(database.tables));
    }
    assert_eq!(tables("genims_operational_db"), tables("genims_operations_db"));
    assert_eq!(tables("genims_mes_db"), tables("genims_manufacturing_db"));
    assert_eq!(tables("genims_qms_db"), tables("genims_quality_db"));
}

/// One question over three databases. What is asked for is written at the sources first.
async fn joined(platform: &Platform, admin: &PostgresClient) {
    execute(
        platform,
        "genims_master_db",
        "INSERT INTO departments (department_id, department_code, department_name) VALUES ('D1', 'D1', 'Casting')",
    )
    .await;
    execute(
        platform,
        "genims_operations_db",
        "INSERT INTO scada_machine_data (machine_id, line_id, factory_id, \"timestamp\", energy_consumed_kwh, machine_state) VALUES \
         ('M1', 'L1', 'F1', '2026-01-01 00:00', 100, 'RUNNING'), ('M1', 'L1', 'F1', '2026-01-01 00:10', 112.5, 'RUNNING'), \
         ('M1', 'L1', 'F1', '2026-01-01 00:20', 3, 'RUNNING'), ('M2', 'L1', 'F1', '2026-01-01 00:20', 900, 'RUNNING')",
    ).await;
    execute(
        platform,
        "genims_wms_db",
        "INSERT INTO inventory_levels (inventory_level_id, warehouse_id, material_id, quantity_on_hand, available_quantity, \
         unit_of_measure) VALUES ('IL-1', 'W1', 'MAT1', 9, 7.5, 'kg')",
    )
    .await;
    let sql = "SELECT (SELECT count(*) FROM genims_master_db.departments), \
               (SELECT count(*) FROM genims_operations_db.scada_machine_data), \
               (SELECT count(*) FROM genims_maintenance_db.work_orders)";
    let row = admin.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (1, 4, 0));
}

async fn other_names(admin: &PostgresClient) {
    let one = |sql: &'static str| async move { admin.query_one(sql, &[]).await.unwrap().get::<_, String>(0) };
    assert_eq!(one("SELECT count(*)::text FROM genims_operational_db.scada_machine_data").await, "4");
    assert_eq!(one("SELECT count(*)::text FROM genims_mes_db.work_orders").await, "0");
    assert_eq!(one("SELECT count(*)::text FROM genims_qms_db.ncr_headers").await, "0");
    assert_eq!(one("SELECT department_name::text FROM genims_hr_db.departments").await, "Casting");
    assert_eq!(one("SELECT material_id || ' ' || available_quantity FROM inventory_levels").await, "MAT1 7.5000");
    assert_eq!(one("SELECT string_agg(unit_of_measure, ' ') FROM genims_erp_db.inventory_levels").await, "kg");
    assert_eq!(one("SELECT count(*)::text FROM genims_quality_db.\"gage_r&r_studies\"").await, "0");
    // Collections: the last snapshot of each of the two machines, and the first states of both.
    assert_eq!(
        one("SELECT string_agg(machine_id, ' ' ORDER BY machine_id) FROM genims_production.machine_live_state").await,
        "M1 M2"
    );
    assert_eq!(
        one("SELECT string_agg(state, ' ') FROM genims_production.machine_state_changes").await,
        "RUNNING RUNNING"
    );
    for collection in ["oee_metrics", "entity_change_stream", "monthly_financial_summary"] {
        let sql = format!("SELECT count(*)::text FROM genims_production.{collection}");
        assert_eq!(admin.query_one(&sql, &[]).await.unwrap().get::<_, String>(0), "0");
    }
    // Each name that the list has can be asked, with all of its columns.
    let names: toml::Table = include_str!("../../config/hub/names.toml").parse().unwrap();
    let views = names["views"].as_array().unwrap();
    assert_eq!(views.len(), 16);
    for view in views {
        let (schema, name) = (view["schema"].as_str().unwrap(), view["name"].as_str().unwrap());
        let sql = format!("SELECT * FROM {schema}.\"{name}\" LIMIT 1");
        admin.query(&sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    assert_eq!(
        one("SELECT string_agg(machine_id, ' ' ORDER BY machine_id) FROM genims_production.scada_events").await,
        "M1 M1 M1 M2"
    );
    // The meter of M1 went from 100 to 112.5 and was then changed; M2 has one reading and no difference.
    let energy = "SELECT string_agg(concat_ws('=', machine_id, energy_consumed_kwh::text), ' ' ORDER BY machine_id, \"timestamp\") \
                  FROM energy_consumption";
    assert_eq!(one(energy).await, "M1 M1=12.5000 M1 M2");
}

/// Even an administrator, even where the session may write: the login at the source only reads.
async fn reads_only(admin: &PostgresClient) {
    let refused = admin.execute("CREATE TABLE genims_master_db.mine (a int)", &[]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006", "{refused:?}");
    admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    let refused = admin.execute("DELETE FROM genims_master_db.departments", &[]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "42501", "{refused:?}");
}

/// A person of two modules asks both and no third; the password of the hub's own login is shown to nobody.
async fn own_modules_only(platform: &Platform) {
    let server = connect_postgres(&platform.stack.postgres_url("postgres")).await;
    server
        .batch_execute(
            "CREATE ROLE controller LOGIN PASSWORD 'pw'; GRANT genims_hr_reader, genims_wms_reader TO controller",
        )
        .await
        .unwrap();
    let url = platform.stack.postgres_url("hub");
    let place = url.rsplit_once('@').unwrap().1;
    let settings = PostgresSettings::from_url("hub", &format!("postgresql://controller:pw@{place}")).unwrap();
    let person = settings.connect().await.unwrap();
    for sql in ["SELECT count(*) FROM genims_hr_db.employees", "SELECT count(*) FROM inventory_levels"] {
        person.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    for table in [
        "genims_crm_db.leads",
        "genims_mes_db.work_orders",
        "energy_consumption",
        "genims_hr_db.departments",
        "genims_audit_db.login_audit_log",
        "genims_production.sensor_readings",
    ] {
        let error = person.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{table}: {error:?}");
    }
    let shown = "SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL";
    assert_eq!(person.query_one(shown, &[]).await.unwrap().get::<_, i64>(0), 0);
}

/// A column more at a source: said by --check, then imported with the names that stand on it. A source that is away stops no other.
fn follows_the_source(platform: &Platform, harness: &'static Harness) {
    platform.execute("genims_quality_db", "ALTER TABLE gage_rr_studies ADD COLUMN remark text");
    let stale = report(platform, &["hub", "provision", "--check", "--json"], false);
    assert_eq!(status(&stale, "genims_quality_db"), "stale", "{stale}");
    let renewed = report(platform, &["hub", "provision", "--json"], true);
    assert_eq!(status(&renewed, "genims_quality_db"), "imported", "{renewed}");
    assert_eq!(status(&renewed, "genims_qms_db"), "imported", "{renewed}");
    assert_eq!(status(&renewed, "genims_hr_db"), "same", "{renewed}");
    harness.block_on(async {
        let admin = connect_postgres(&platform.stack.postgres_url("hub")).await;
        for table in ["genims_quality_db.\"gage_r&r_studies\"", "genims_qms_db.gage_rr_studies"] {
            admin.query(&format!("SELECT remark FROM {table}"), &[]).await.unwrap();
        }
    });
    let away = [("GENIMS_CRM_DB_URL", "postgresql://nobody@127.0.0.1:1/genims_crm_db")];
    let output = platform.cli(&["hub", "provision", "--json"], &away);
    assert!(!output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status(&told, "genims_crm_db"), "failed", "{told}");
    assert_eq!(status(&told, "genims_service_db"), "same", "{told}");
}

/// Databases of others are refused, what somebody built in the hub is named and kept, a login that no longer fits is noticed.
fn what_is_not_ours_is_left_alone(platform: &Platform, harness: &'static Harness) {
    let refused = |database: &str| {
        let url = platform.stack.postgres_url(database);
        let output = platform.cli(&["hub", "provision"], &[("GENIMS_HUB_URL", &url)]);
        assert!(!output.status.success(), "{database}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    platform.execute("postgres", "CREATE DATABASE app");
    platform.execute("app", "CREATE SCHEMA genims_hr_db; CREATE TABLE genims_hr_db.employees (a int)");
    assert!(refused("app").contains("genims_hr_db.employees"));
    for database in ["postgres", "genims_hr_db"] {
        assert!(refused(database).contains("no place for the hub"), "{database}");
    }
    harness.block_on(async {
        let admin = connect_postgres(&platform.stack.postgres_url("hub")).await;
        admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
        admin.batch_execute("CREATE VIEW public.mine AS SELECT * FROM genims_hr_db.employees").await.unwrap();
    });
    platform.execute(
        "genims_hr_db",
        "CREATE TYPE kind AS ENUM ('a'); CREATE TABLE typed (kind kind); CREATE TABLE plain (a int)",
    );
    let stopped = report(platform, &["hub", "provision", "--json"], false);
    assert!(stopped.to_string().contains("view mine depends on"), "{stopped}");
    harness.block_on(async {
        let admin = connect_postgres(&platform.stack.postgres_url("hub")).await;
        admin.query("SELECT FROM public.mine", &[]).await.unwrap();
        admin.batch_execute("SET default_transaction_read_only = off").await.unwrap();
        admin.batch_execute("DROP VIEW public.mine").await.unwrap();
    });
    let goes_on = report(platform, &["hub", "provision", "--json"], true);
    let hr = goes_on["schemas"].as_array().unwrap().iter().find(|entry| entry["schema"] == "genims_hr_db").unwrap();
    assert_eq!((&hr["tables"], &hr["left_out"]), (&Value::from(33), &serde_json::json!(["typed"])), "{hr}");
    platform.execute("postgres", "ALTER ROLE genims_hr_hub PASSWORD 'other'");
    let noticed = report(platform, &["hub", "provision", "--check", "--json"], false);
    assert_eq!(status(&noticed, "genims_hr_db"), "failed", "{noticed}");
    report(platform, &["hub", "provision", "--json"], true);
    report(platform, &["hub", "provision", "--check", "--json"], true);
}
