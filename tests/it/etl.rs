//! `genims etl` on real servers: what changes in the sources is seen whatever commits late or forgets to say so, what is stored agrees
//! with the sources, and nothing half done is visible when a job disagrees, is killed, or finds its target down.
//!
//! - [`warehouse`]: dimensions with their history, stock by the day
//! - [`documents`]: roll-ups of the document store
//! - [`interrupted`]: a run that is killed, moments that no server was there for

mod documents;
mod interrupted;
mod warehouse;

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use chrono::{Datelike, Days, NaiveDate, Utc};
use genims_databases::MysqlSettings;
use genims_dev::Server;
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::process::Output;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("etl::what_changes_is_stored_whole_or_not_at_all", what_changes_is_stored),
        harness.trial("etl::roll_ups_that_lost_something_are_found", documents::what_is_lost_is_found),
    ]
}

const OPERATIONS: &str = "genims_operations_db";
const MANUFACTURING: &str = "genims_manufacturing_db";
const FINANCIAL: &str = "genims_financial_db";
const MAINTENANCE: &str = "genims_maintenance_db";
const HR: &str = "genims_hr_db";
const MASTER: &str = "genims_master_db";
const REPORTING: &str = "genims_reporting_db";
const ANALYTICS: &str = "genims_analytics_db";
const PATIENCE: Duration = Duration::from_secs(60);

const PLANT: &str = "
    INSERT INTO factories (factory_id, factory_name, country, city) VALUES ('F1', 'One', 'IN', 'Pune');
    INSERT INTO production_lines (line_id, factory_id, line_name) VALUES ('L1', 'F1', 'Line');
    INSERT INTO machines (machine_id, line_id, factory_id, machine_name, design_capacity_units_per_hour) VALUES ('M1', 'L1', 'F1', 'Press', 3600)";

struct Plant {
    harness: &'static Harness,
    platform: Platform,
    /// The day before the second one, three days ago: what runs look back to, whenever this is.
    day: NaiveDate,
}

impl Plant {
    fn new(harness: &'static Harness) -> Self {
        let platform = Platform::new(harness);
        let day = Utc::now().date_naive() - Days::new(3);
        let next = day + Days::new(1);
        platform.execute(MASTER, PLANT);
        let snapshot = |at: String, state: &str, parts: u32| {
            format!(
                "INSERT INTO scada_machine_data (machine_id, line_id, factory_id, timestamp, machine_state, parts_produced_cumulative, shift_id) \
                 VALUES ('M1', 'L1', 'F1', '{at}', '{state}', {parts}, 'S1');"
            )
        };
        platform.execute(OPERATIONS, &snapshot(format!("{day} 23:58:00"), "RUNNING", 100));
        platform.execute(OPERATIONS, &snapshot(format!("{day} 23:59:00"), "RUNNING", 110));
        platform.execute(OPERATIONS, &snapshot(format!("{next} 00:02:00"), "idle", 130));
        platform.execute(OPERATIONS, &snapshot(format!("{next} 00:03:00"), "IDLE", 5));
        let plant = Self { harness, platform, day };
        plant.platform.execute(OPERATIONS, &plant.fault("E1", 5));
        plant.platform.execute(
            MANUFACTURING,
            &format!(
                "INSERT INTO downtime_events (downtime_id, machine_id, line_id, factory_id, downtime_start, downtime_end, duration_minutes, downtime_category, \
                 downtime_reason_code, estimated_cost) VALUES ('D1', 'M1', 'L1', 'F1', '{next} 01:00', '{next} 01:30', 30, 'breakdown', 'E1', 8300)"
            ),
        );
        plant.platform.execute(
            MASTER,
            "INSERT INTO products (product_id, product_name, status) VALUES ('P2', 'Valve', 'active')",
        );
        plant.platform.execute(
            MANUFACTURING,
            &format!(
                "INSERT INTO work_orders (work_order_id, work_order_number, product_id, factory_id, line_id, planned_quantity, produced_quantity, good_quantity, \
                 rejected_quantity, scrapped_quantity, status, actual_end_time, total_material_cost) \
                 VALUES ('W1', 'N1', 'P1', 'F1', 'L1', 12, 10, 9, 1, 1, 'completed', '{next} 05:00', 50)"
            ),
        );
        let rate = format!(
            "INSERT INTO exchange_rates (rate_id, from_currency, to_currency, effective_date, exchange_rate) VALUES ('R1', 'USD', 'INR', '{day}', 83), \
             ('R2', 'USD', 'INR', '{next}'::date + 1, 100)"
        );
        plant.platform.execute(FINANCIAL, &rate);
        plant.platform.execute(
            MAINTENANCE,
            &format!(
                "INSERT INTO maintenance_assets (asset_id, asset_number, asset_name, machine_id, line_id, factory_id) VALUES ('A1', 'A1', 'Press', 'M1', 'L1', 'F1'), \
                 ('A2', 'A2', 'Compressor', NULL, NULL, 'F1'); \
                 INSERT INTO work_orders (work_order_id, work_order_number, asset_id, wo_type, description, wo_status, actual_end_date, actual_total_cost) VALUES \
                 ('J1', 'J1', 'A1', 'breakdown', 'a seal', 'completed', '{next} 02:00', 1250), ('J2', 'J2', 'A2', 'preventive', 'oil', 'completed', '{next} 03:00', 40.5), \
                 ('J3', 'J3', 'A1', 'preventive', 'oil', 'in_progress', NULL, 30)"
            ),
        );
        plant.platform.execute(
            HR,
            &format!(
                "INSERT INTO safety_incidents (incident_id, incident_number, incident_date, factory_id, incident_type, description) VALUES \
                 ('S1', 'S1', '{next}', 'F1', 'near_miss', 'a crate'), ('S2', 'S2', '{next}', 'F1', 'lost_time', 'a hand')"
            ),
        );
        plant
    }

    fn fault(&self, code: &str, lost: u32) -> String {
        format!(
            "INSERT INTO machine_faults (machine_id, line_id, factory_id, fault_code, fault_severity, fault_start_time, production_loss_units, updated_at) \
             VALUES ('M1', 'L1', 'F1', '{code}', 'critical', '{} 12:00', {lost}, '2020-01-01')",
            self.day
        )
    }

    fn etl(&self, arguments: &[&str]) -> (bool, Vec<Value>) {
        let output: Output = self.platform.cli(&[&["etl", "--json"], arguments].concat(), &[]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {text}{said}"));
        (output.status.success(), told)
    }

    /// The names of all jobs.
    fn jobs(&self) -> Vec<String> {
        let (_, told) = self.etl(&["list"]);
        told.iter().map(|job| job["job"].as_str().unwrap().to_owned()).collect()
    }

    /// The days that a job computed anew.
    fn days(&self, job: &str) -> u64 {
        let (success, told) = self.etl(&["run", job]);
        assert!(success, "{told:?}");
        told[0]["days"].as_u64().unwrap()
    }

    /// The message of a run that fails.
    fn failure(&self, arguments: &[&str]) -> String {
        let (success, told) = self.etl(arguments);
        assert!(!success, "{told:?}");
        told[0]["error"].as_str().unwrap().to_owned()
    }

    fn mysql(&self, database: &str, sql: &str) -> Vec<String> {
        self.harness.block_on(async {
            let url = self.platform.stack.mysql_url(database);
            let mut connection = MysqlSettings::from_url("test", &url).unwrap().connect().await.unwrap();
            let rows = connection.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            connection.disconnect().await.unwrap();
            rows
        })
    }

    fn postgres(&self, database: &str, sql: &str) -> i64 {
        self.harness.block_on(async {
            let client = connect_postgres(&self.platform.stack.postgres_url(database)).await;
            client.query_one(sql, &[]).await.unwrap().get(0)
        })
    }

    /// Count and lost units of the faults, in the report and in the warehouse.
    fn faults(&self) -> [String; 2] {
        let report =
            "SELECT CONCAT_WS(' ', SUM(fault_count), SUM(production_loss_units)) FROM factory_performance_daily";
        let facts = "SELECT CONCAT_WS(' ', COUNT(*), SUM(production_loss_units)) FROM fact_machine_fault";
        [self.mysql(REPORTING, report).remove(0), self.mysql(ANALYTICS, facts).remove(0)]
    }

    fn staging_tables(&self) -> Vec<String> {
        let select = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'genims_staging'";
        self.mysql(ANALYTICS, select)
    }

    fn last_outcome(&self, job: &str, nth: usize) -> String {
        let (_, told) = self.etl(&["status"]);
        let found = told.iter().find(|told| told["job"] == job).unwrap();
        found["runs"][nth]["outcome"].as_str().unwrap().to_owned()
    }
}

fn what_changes_is_stored(harness: &'static Harness) {
    let plant = Plant::new(harness);
    let (jobs, day) = (plant.jobs(), Utc::now().date_naive());
    let (success, told) = plant.etl(&[&["run"], &jobs.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    assert!(success, "{told:?}");
    what_was_computed(&plant);
    let stored = plant.mysql(
        REPORTING,
        "SELECT CONCAT_WS(' ', machine_performance_id, refreshed_at) FROM machine_performance_daily ORDER BY 1",
    );
    for job in &jobs {
        let days = plant.days(job);
        // To jobs that say :today the next day is a change.
        assert!(days == 0 || Utc::now().date_naive() > day, "nothing changed: {job}");
    }
    let again = plant.mysql(
        REPORTING,
        "SELECT CONCAT_WS(' ', machine_performance_id, refreshed_at) FROM machine_performance_daily ORDER BY 1",
    );
    assert_eq!(again, stored);
    changes_are_seen(&plant);
    warehouse::history_is_kept(&plant);
    warehouse::every_day_has_its_stock(&plant);
    what_belongs_to_others_is_seen(&plant);
    what_disagrees_is_refused(&plant);
    one_run_at_a_time(&plant);
    a_target_that_is_down(&plant);
    interrupted::a_run_that_is_killed(&plant);
    documents::hours_are_computed(&plant);
    documents::days_are_those_of_the_plant(&plant);
    documents::what_disagrees_is_refused(&plant);
    documents::what_counted_is_brought_to_its_place(&plant);
    documents::what_is_gone_takes_no_day_along(&plant);
    interrupted::what_was_missed_is_made_up_for(&plant);
}

/// By hand: a span over midnight is split, a step belongs to the later snapshot, a counter that fell counts from zero.
fn what_was_computed(plant: &Plant) {
    let next = plant.day + Days::new(1);
    let machine = |day: NaiveDate| {
        let sql = format!(
            "SELECT CONCAT_WS(' ', snapshot_count, observed_seconds, running_seconds, idle_seconds, produced_units, ideal_seconds, fault_count, stop_count, oee_percentage) \
             FROM machine_performance_daily WHERE machine_id = 'M1' AND performance_date = '{day}'"
        );
        plant.mysql(REPORTING, &sql)
    };
    assert_eq!(machine(plant.day), ["2 120.000 120.000 0.000 10 10.000 1 0 8.33"]);
    assert_eq!(machine(next), ["2 480.000 120.000 360.000 25 25.000 0 1 5.21"]);
    let sums = "SELECT CONCAT_WS(' ', SUM(observed_seconds), SUM(produced_units), SUM(downtime_minutes)) FROM";
    for table in ["line_performance_daily", "factory_performance_daily"] {
        assert_eq!(plant.mysql(REPORTING, &format!("{sums} {table}")), ["600.000 35 30"], "{table}");
    }
    // A compressor is no machine: what it costs, its plant pays.
    let jobs = |table: &str| {
        let sql = format!(
            "SELECT CONCAT_WS(' ', maintenance_job_count, maintenance_cost) FROM {table} WHERE performance_date = '{next}'"
        );
        plant.mysql(REPORTING, &sql)
    };
    let told = ["machine", "line", "factory"].map(|what| jobs(&format!("{what}_performance_daily")).join(", "));
    assert_eq!(told, ["1 1250.00", "1 1250.00", "2 1290.50"]);
    let incidents = "SELECT CONCAT_WS(' ', SUM(safety_incident_count), SUM(lost_time_incident_count)) FROM factory_performance_daily";
    assert_eq!(plant.mysql(REPORTING, incidents), ["2 1"]);
    let shifts = "SELECT CONCAT_WS(' ', shift_id, SUM(planned_seconds), SUM(produced_units)) FROM oee_daily_summary GROUP BY shift_id";
    assert_eq!(plant.mysql(REPORTING, shifts), ["S1 600.000 35"]);
    assert_eq!(plant.faults(), ["1 5", "1 5"]);
    // 8,300 rupees at 83 a dollar: the rate of the day before is the latest.
    assert_eq!(plant.mysql(ANALYTICS, "SELECT CAST(estimated_cost_usd AS CHAR) FROM fact_downtime"), ["100.00"]);
}

/// A transaction that commits late, an UPDATE that says nothing of itself, a DELETE.
fn changes_are_seen(plant: &Plant) {
    let jobs = ["machine_performance", "fault_facts"];
    plant.harness.block_on(async {
        let late = connect_postgres(&plant.platform.stack.postgres_url(OPERATIONS)).await;
        late.batch_execute(&format!("BEGIN; {}", plant.fault("E2", 2))).await.unwrap();
        assert_eq!(jobs.map(|job| plant.days(job)), [0, 0], "what is not committed is not seen");
        late.batch_execute("COMMIT").await.unwrap();
    });
    // The days beside it, too: what a machine did is measured from snapshot to snapshot.
    assert_eq!(jobs.map(|job| plant.days(job)), [3, 1]);
    assert_eq!(plant.faults(), ["2 7", "2 7"]);
    // A backfill stores the days that it names and not those beside them: the next run makes up for it.
    plant.platform.execute(OPERATIONS, "UPDATE machine_faults SET production_loss_units = 8 WHERE fault_code = 'E1'");
    let day = plant.day.to_string();
    let (success, told) = plant.etl(&["backfill", "machine_performance", "--from", &day, "--to", &day]);
    assert!(success && told[0]["days"] == 1, "{told:?}");
    assert_eq!(jobs.map(|job| plant.days(job)), [3, 1]);
    plant.platform.execute(OPERATIONS, "UPDATE machine_faults SET production_loss_units = 9 WHERE fault_code = 'E1'");
    assert_eq!(jobs.map(|job| plant.days(job)), [3, 1]);
    assert_eq!(plant.faults(), ["2 11", "2 11"]);
    plant.platform.execute(OPERATIONS, "DELETE FROM machine_faults WHERE fault_code = 'E2'");
    assert_eq!(jobs.map(|job| plant.days(job)), [3, 1]);
    assert_eq!(plant.faults(), ["1 9", "1 9"]);
    // A rate holds until the next one, so it changes more than its own day.
    plant.platform.execute(FINANCIAL, "UPDATE exchange_rates SET exchange_rate = 80 WHERE rate_id = 'R1'");
    assert_eq!(plant.days("downtime_facts"), 1);
    assert_eq!(plant.mysql(ANALYTICS, "SELECT CAST(estimated_cost_usd AS CHAR) FROM fact_downtime"), ["103.75"]);
}

/// Rows that belong to the day of another row, tables whose change concerns every day, and a backfill that leaves others what they owe.
fn what_belongs_to_others_is_seen(plant: &Plant) {
    let (day, next) = (plant.day.to_string(), plant.day + Days::new(1));
    let made = || {
        let sql = "SELECT CONCAT_WS(' ', production_date, product_name, good_units, labor_hours, yield_percentage, total_cost) FROM production_summary_daily";
        plant.mysql(REPORTING, sql)
    };
    assert_eq!(made(), [format!("{next} P1 9 0.00 90.00 50.00")]);
    // Booked today, it belongs to the day on which its work order ended.
    plant.platform.execute(
        MANUFACTURING,
        "INSERT INTO labor_transactions (labor_transaction_id, transaction_date, employee_id, work_order_id, actual_hours) VALUES ('L1', now(), 'E1', 'W1', 2.5)",
    );
    assert_eq!(plant.days("production"), 1);
    assert_eq!(made(), [format!("{next} P1 9 2.50 90.00 50.00")]);
    plant.platform.execute(MASTER, "UPDATE products SET status = 'idle' WHERE product_id = 'P2'");
    assert_eq!(plant.days("production"), 0, "a column that no job reads");
    plant.platform.execute(MASTER, "INSERT INTO products (product_id, product_name) VALUES ('P1', 'Pump')");
    let (success, told) = plant.etl(&["backfill", "production", "--from", &day, "--to", &day]);
    assert!(success, "{told:?}");
    assert_eq!(made(), [format!("{next} P1 9 2.50 90.00 50.00")], "not of the days that the backfill named");
    assert_eq!(plant.days("production"), 1);
    assert_eq!(made(), [format!("{next} Pump 9 2.50 90.00 50.00")]);
    plant.platform.execute(MANUFACTURING, "DELETE FROM work_orders WHERE work_order_id = 'W1'");
    assert_eq!(plant.days("production"), 1);
    assert_eq!(made(), [""; 0]);
    let inspected = || {
        let sql = "SELECT CONCAT_WS(' ', d.full_date, d.fiscal_period, f.passed_count, f.defects_found, f.defect_cost_usd) FROM fact_quality_inspection f \
                   JOIN dim_date d ON d.date_key = f.date_key";
        plant.mysql(ANALYTICS, sql)
    };
    plant.platform.execute(
        MANUFACTURING,
        &format!(
            "INSERT INTO quality_inspections (inspection_id, inspection_type, inspection_date, inspector_id, inspection_result, defects_found) \
             VALUES ('I1', 'final', '{next} 06:00', 'E1', 'fail', 2)"
        ),
    );
    assert_eq!(plant.days("inspection_facts"), 1);
    let period = (next.month() + 8) % 12 + 1;
    assert_eq!(inspected(), [format!("{next} {period} 0 2 0.00")]);
    // Found today, it belongs to the day of its inspection.
    plant.platform.execute(
        MANUFACTURING,
        "INSERT INTO defects (defect_id, defect_description, detected_date, inspection_id, total_cost) VALUES ('X1', 'a crack', now(), 'I1', 800)",
    );
    assert_eq!(plant.days("inspection_facts"), 1);
    assert_eq!(inspected(), [format!("{next} {period} 0 2 10.00")]);
    plant.platform.execute(MANUFACTURING, "DELETE FROM quality_inspections");
    assert_eq!(plant.days("inspection_facts"), 1);
    assert_eq!(inspected(), [""; 0]);
}

/// A job that loses a row on its way does not reach the warehouse.
fn what_disagrees_is_refused(plant: &Plant) {
    let folder = plant.harness.folder("jobs");
    let good = include_str!("../../config/etl/fault_facts.toml");
    let bad = good.replace("FROM {faults} AS f\n", "FROM (SELECT * FROM {faults} WHERE fault_code <> 'E1') AS f\n");
    assert_ne!(good, bad);
    std::fs::write(folder.join("fault_facts.toml"), bad).unwrap();
    std::fs::write(folder.join("dimensions.toml"), include_str!("../../config/etl/dimensions.toml")).unwrap();
    let (folder, day) = (folder.display().to_string(), plant.day.to_string());
    let error = plant.failure(&["--jobs", &folder, "backfill", "fault_facts", "--from", &day, "--to", &day]);
    assert!(error.contains("does not agree") && error.contains("E1: source 1 0 9 0.00, target nothing"), "{error}");
    assert_eq!(plant.faults(), ["1 9", "1 9"]);
    assert_eq!(plant.staging_tables(), [""; 0]);
    assert_eq!(plant.last_outcome("fault_facts", 0), "failed");
    let jobs = jobs_succeed(plant);
    assert_eq!(
        (&jobs["outcome"], &jobs["examples"][0]["key"]),
        (&"violated".into(), &"fault_facts".into()),
        "{jobs:#}"
    );
    assert!(jobs["looked_at"].as_u64() == Some(plant.jobs().len() as u64) && jobs["violations"] == 1, "{jobs:#}");
}

/// What `genims verify` says of the jobs.
fn jobs_succeed(plant: &Plant) -> Value {
    let output = plant.platform.cli(&["verify", "--module", "master", "--json"], &[]).stdout;
    let verdict: Value = serde_json::from_slice(&output).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["rule"] == "jobs_succeed").unwrap().clone()
}

fn one_run_at_a_time(plant: &Plant) {
    plant.harness.block_on(async {
        let other = connect_postgres(&plant.platform.stack.postgres_url(MASTER)).await;
        let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('genims etl'), hashtext('fault_facts'))";
        other.batch_execute(lock).await.unwrap();
        let error = plant.failure(&["run", "fault_facts"]);
        assert!(error.contains("under way elsewhere"), "{error}");
    });
}

fn a_target_that_is_down(plant: &Plant) {
    plant.platform.execute(OPERATIONS, &plant.fault("E3", 1));
    plant.platform.stack.kill_server(Server::Mariadb).unwrap();
    let error = plant.failure(&["run", "fault_facts"]);
    assert!(error.contains(ANALYTICS), "{error}");
    plant.platform.stack.start_server(Server::Mariadb).unwrap();
    assert_eq!(plant.faults(), ["1 9", "1 9"]);
    assert_eq!(plant.days("fault_facts"), 1, "the failed run left its day");
    assert_eq!(plant.faults()[1], "2 10");
}
