//! The questions of config/hub/questions on a seeded platform: every answer is sensible, no answer and a wrong one are not, and some
//! are computed a second time from the databases themselves, without the hub. Asked for a fixed day.

use crate::harness::{Harness, connect_postgres};
use crate::hub_report::report;
use crate::platform::Platform;
use crate::seeding;
use genims_databases::{Engine, MysqlSettings, PostgresClient, Registry};
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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
        sql: "SELECT supplier_id::text, sum(total_value)::float8 FROM goods_receipts \
              WHERE gr_status <> 'cancelled' AND purchase_order_id IS NOT NULL GROUP BY 1" },
];

/// Of each question a column, and what would be wrong in it.
#[rustfmt::skip]
const WRONG: [(&str, &str, &str); QUESTIONS] = [
    ("candidates_for_replacement", "percent_of_value", "-percent_of_value"),
    ("cost_centers_over_budget", "over_percent", "0"),
    ("critical_cases_and_their_plans", "closed_without_either", "1"),
    ("deliveries_against_the_promise", "arrived_late", "delivered"),
    ("downtime_cost_by_plant", "hours", "hours * 10000"),
    ("energy_per_good_part", "price_inr", "price_inr / 100"),
    ("faults_and_their_work_orders", "with_work_order", "with_work_order - 1"),
    ("faults_in_warehouse_and_source", "facts", "facts + 1"),
    ("forecast_against_orders", "ordered", "0"),
    ("gauges_past_their_calibration", "overdue_in_use", "1"),
    ("invoices_beyond_receipts", "beyond_percent", "10"),
    ("load_and_oee_of_lines", "planned_hours", "planned_hours + 360"),
    ("maintenance_against_production", "jobs", "0"),
    ("margin_by_customer_tier", "share_percent", "share_percent / 2"),
    ("materials_to_order", "on_order", "-1"),
    ("order_and_approval_by_one_hand", "by_one_hand", "1"),
    ("orders_at_risk", "sales_order_number", "'the same'"),
    ("overdue_receivables", "customer_id", "'the same'"),
    ("people_of_the_coming_fortnight", "on_leave", "people"),
    ("pipeline_against_stock", "expected", "wanted + 1"),
    ("preventive_work_on_busy_machines", "running_hours", "running_hours + 24 * days"),
    ("recalls_and_their_customers", "recovered", "shipped + 1"),
    ("received_and_not_invoiced", "open_value", "received_value * 2"),
    ("report_agrees_with_the_ledger", "difference", "NULL::numeric"),
    ("sick_sensors", "unwell", "observed"),
    ("spare_parts_short", "missing", "0"),
    ("stock_in_books_and_warehouses", "difference_percent", "2"),
    ("technicians_at_work", "booked_percent", "120"),
    ("who_changes_what", "personal", "0"),
    ("worst_machines", "machine_id", "'the same'"),
];
/// The generator makes these worse than all others.
const BAD_MACHINES: [&str; 5] = ["MCH-0007", "MCH-0019", "MCH-0042", "MCH-0088", "MCH-0131"];

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
    let worst = answers["worst_machines"].to_string();
    assert!(BAD_MACHINES.iter().any(|machine| worst.contains(machine)), "{worst}");
    harness.block_on(async {
        let hub = connect_postgres(&platform.stack.postgres_url("hub")).await;
        for (question, column, wrong) in WRONG {
            not_everything_is_sensible(&hub, answers[question], column, wrong).await;
        }
    });
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

/// No rows are no answer, and one in which a column is wrong is noticed.
async fn not_everything_is_sensible(hub: &PostgresClient, answer: &Value, wrong_column: &str, wrong: &str) {
    let name = answer["name"].as_str().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hub/questions").join(format!("{name}.sql"));
    let sql = std::fs::read_to_string(file).unwrap().replace("CURRENT_DATE", &format!("DATE '{}'", seeding::ORDINARY));
    let sql = sql.trim_end().trim_end_matches(';');
    let rows = regex::Regex::new(r"\brows\b").unwrap();
    let sensible = rows.replace_all(answer["sensible"].as_str().unwrap(), "count(*)");
    let columns: Vec<&str> = answer["columns"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(columns.contains(&wrong_column), "{name}: {columns:?}");
    let spoilt: Vec<String> = columns
        .iter()
        .map(|column| if *column == wrong_column { format!("{wrong} AS {column}") } else { (*column).to_owned() })
        .collect();
    let judged = format!(
        "WITH answer AS MATERIALIZED ({sql}) \
         SELECT (SELECT {sensible} FROM answer), (SELECT {sensible} FROM answer WHERE false), \
                (SELECT {sensible} FROM (SELECT {} FROM answer) AS spoilt)",
        spoilt.join(", ")
    );
    let row = hub.query_one(&judged, &[]).await.unwrap_or_else(|error| panic!("{judged}: {error:?}"));
    let verdicts: [Option<bool>; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(verdicts.map(|verdict| verdict == Some(true)), [true, false, false], "{name}: {wrong_column} = {wrong}");
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
