//! The questions of config/hub/questions on a seeded platform: every answer is sensible, and some are computed a second time from
//! the databases themselves, without the hub. Asked for a fixed day.

use crate::harness::{Harness, connect_postgres};
use crate::hub_report::report;
use crate::platform::Platform;
use crate::seeding;
use genims_databases::{Engine, MysqlSettings, Registry};
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::collections::BTreeMap;

/// So many are shipped.
const QUESTIONS: usize = 30;

/// A value for each key, as a question's column and as the database itself has it. Numbers as text differ by zeros alone.
struct Twice {
    question: &'static str,
    key: &'static str,
    value: &'static str,
    database: &'static str,
    /// Gives the key and the value; `{day}` is the day.
    sql: &'static str,
}

#[rustfmt::skip]
const TWICE: [Twice; 7] = [
    Twice { question: "downtime_cost_by_plant", key: "factory_id", value: "standstill_cost", database: "genims_manufacturing_db",
        sql: "SELECT factory_id::text, sum(estimated_cost)::float8 FROM downtime_events \
              WHERE downtime_start >= DATE '{day}' - 90 AND duration_minutes > 0 GROUP BY 1" },
    Twice { question: "downtime_cost_by_plant", key: "factory_id", value: "maintenance_cost", database: "genims_maintenance_db",
        sql: "SELECT a.factory_id::text, sum(c.cost_amount)::float8 FROM maintenance_costs c JOIN maintenance_assets a USING (asset_id) \
              WHERE c.cost_date >= DATE '{day}' - 90 GROUP BY 1" },
    Twice { question: "faults_in_warehouse_and_source", key: "factory_id", value: "faults", database: "genims_operations_db",
        sql: "SELECT factory_id::text, count(*)::float8 FROM machine_faults GROUP BY 1" },
    Twice { question: "faults_in_warehouse_and_source", key: "factory_id", value: "fact_minutes", database: "genims_analytics_db",
        sql: "SELECT d.factory_id, CAST(SUM(f.downtime_minutes) AS DOUBLE) FROM fact_machine_fault f JOIN dim_factory d USING (factory_key) GROUP BY 1" },
    Twice { question: "stock_in_books_and_warehouses", key: "plant_id", value: "warehouse_quantity", database: "genims_wms_db",
        sql: "SELECT w.plant_id::text, sum(i.quantity_on_hand)::float8 FROM warehouse_inventory i JOIN warehouses w USING (warehouse_id) GROUP BY 1" },
    Twice { question: "energy_per_good_part", key: "factory_id", value: "cost_inr", database: "genims_analytics_db",
        sql: "SELECT d.factory_id, CAST(SUM(f.energy_cost_inr) AS DOUBLE) FROM fact_energy_hourly f JOIN dim_machine d USING (machine_key) GROUP BY 1" },
    Twice { question: "received_and_not_invoiced", key: "supplier_id", value: "received_value", database: "genims_erp_db",
        sql: "SELECT supplier_id::text, sum(quantity_received * unit_price)::float8 FROM goods_receipts \
              WHERE gr_status <> 'cancelled' AND purchase_order_id IS NOT NULL GROUP BY 1" },
];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("hub::every_question_of_the_hub_has_a_sensible_answer", every_question)]
}

fn every_question(harness: &'static Harness) {
    let platform = seeding::seeded(harness, seeding::ORDINARY);
    report(platform, &["hub", "provision", "--json"], true);
    let listed = report(platform, &["hub", "ask", "--json"], true);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), QUESTIONS);
    let mut arguments = vec!["hub", "ask", "--json", "--as-of", seeding::ORDINARY];
    arguments.extend(&names);
    let answers = report(platform, &arguments, true);
    let answers: BTreeMap<&str, &Value> =
        answers.as_array().unwrap().iter().map(|answer| (answer["name"].as_str().unwrap(), answer)).collect();
    let senseless: Vec<&&Value> = answers.values().filter(|answer| answer["is_sensible"] != true).collect();
    assert_eq!(answers.len(), QUESTIONS);
    assert!(senseless.is_empty(), "{senseless:#?}");
    for twice in &TWICE {
        let hub = by_key(answers[twice.question], twice.key, twice.value);
        let source = harness.block_on(directly(platform, twice));
        assert!(!hub.is_empty(), "{}", twice.question);
        for (key, value) in &hub {
            let expected = source.get(key).unwrap_or_else(|| panic!("{} {key}: not at the source", twice.question));
            let difference = (value - expected).abs();
            assert!(
                difference <= 0.01 + expected.abs() * 1e-9,
                "{} {key}: {value} instead of {expected}",
                twice.question
            );
        }
    }
    everybody_asks_what_he_may(platform, harness);
}

fn by_key(answer: &Value, key: &str, value: &str) -> BTreeMap<String, f64> {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.map(|row| (row[key].as_str().unwrap().to_owned(), row[value].as_f64().unwrap())).collect()
}

async fn directly(platform: &Platform, twice: &Twice) -> BTreeMap<String, f64> {
    let sql = twice.sql.replace("{day}", seeding::ORDINARY);
    let registry = Registry::load(None).unwrap();
    let entry = registry.get(twice.database).unwrap();
    if entry.engine == Engine::Mysql {
        let settings = MysqlSettings::from_url(&entry.name, &platform.stack.mysql_url(&entry.name)).unwrap();
        let mut connection = settings.connect().await.unwrap();
        let rows: Vec<(String, f64)> = connection.query(sql).await.unwrap();
        connection.disconnect().await.unwrap();
        return rows.into_iter().collect();
    }
    let client = connect_postgres(&platform.stack.postgres_url(&entry.name)).await;
    client.query(&sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// A planner of two modules gets what is asked of them, and the reason why not for the rest; the next question is asked all the same.
fn everybody_asks_what_he_may(platform: &Platform, harness: &'static Harness) {
    harness.block_on(async {
        let server = connect_postgres(&platform.stack.postgres_url("postgres")).await;
        let make = "CREATE ROLE storekeeper LOGIN PASSWORD 'pw'; \
                    GRANT genims_erp_reader, genims_wms_reader, genims_crm_reader TO storekeeper";
        server.batch_execute(make).await.unwrap();
    });
    let url = platform.stack.postgres_url("hub");
    let url = format!("postgresql://storekeeper:pw@{}", url.rsplit_once('@').unwrap().1);
    let ask = ["hub", "ask", "worst_machines", "pipeline_against_stock", "--json", "--as-of", seeding::ORDINARY];
    let output = platform.cli(&ask, &[("GENIMS_HUB_URL", &url)]);
    assert_eq!(output.status.code(), Some(1));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = answers[0]["error"].as_str().unwrap();
    assert!(error.contains("permission denied for schema genims_"), "{error}");
    assert_eq!(answers[1]["is_sensible"], true, "{answers}");
    let unknown = platform.cli(&["hub", "ask", "nonsense"], &[]);
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("worst_machines"));
    let table = platform.cli(&["hub", "ask", "worst_machines", "--as-of", seeding::ORDINARY], &[]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("net_book_value") && table.contains("as it should be"), "{table}");
}
