//! What one machine's day does to the databases of all modules, on real servers, by the routes that the program comes with: a fault and its
//! end, parts, energy, a tool, an operator, measured parts, two critical faults at once; then facts and reports of it. What routes wrote obeys
//! the rules of `verify`. The audit trail is written by the account that may only insert.
//!
//! - [`plant`]: what the databases hold before; [`watched`]: a machine whose hours, setups, bookings and condition are told

mod plant;
mod watched;

use crate::harness::Harness;
use crate::routes::{count, in_one_hour, picture, work};
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::{now_ms, send};
use crate::tally::sink;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use mysql_async::prelude::Queryable;
use plant::{beside, characteristics, limit, only_insert_into_the_trail, order, people};
use serde_json::{Value, json};
use std::fs;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("routes::a_fault_tells_its_story_in_every_database", story)]
}

/// All that have routes, those that the routes look up, and those that jobs fill.
const MODULES: [&str; 17] = [
    "master",
    "operations",
    "production",
    "manufacturing",
    "maintenance",
    "audit",
    "hr",
    "quality",
    "erp",
    "wms",
    "financial",
    "crm",
    "service",
    "tms",
    "supplier",
    "reporting",
    "analytics",
];

/// Rules of config/verify that what routes write must obey.
const RULES: [&str; 27] = [
    "balances_equal_movements",
    "stock_never_negative",
    "stock_value_is_quantity_times_price",
    "production_receipts_equal_orders",
    "production_dates_in_order",
    "production_status_fits",
    "receiving_task_is_sum_of_lines",
    "task_times_in_order",
    "case_cost_equals_its_parts",
    "case_quantities",
    "case_status_fits_its_dates",
    "case_names_one_subject",
    "point_beyond_limits_is_flagged",
    "attendance_hours_follow_the_clock",
    "one_attendance_per_person_and_day",
    "status_of_the_day_fits_the_clock",
    "tracking_events_in_order",
    "comments_within_ticket",
    "shipment_status_is_its_last_event",
    "labor_lies_in_its_operation_and_shift",
    "operation_hours_are_its_bookings",
    "job_cost_is_material_labor_and_overhead",
    "inspection_counts_its_defects",
    "changeover_adds_up",
    "current_meter_is_last_reading",
    "chart_limits_and_capability",
    "supplier_month_adds_up",
];

pub(crate) fn mysql(harness: &'static Harness, plant: &Plant, query: &str) -> Vec<(String, String)> {
    harness.block_on(async {
        let mut connection = mysql_async::Conn::from_url(plant.stack.mysql_url("genims_audit_db")).await.unwrap();
        let rows = connection.query(query).await.unwrap();
        connection.disconnect().await.unwrap();
        rows
    })
}

/// A picture that also tells of energy, tool and operator.
fn full(sensor: &Sensor, at_ms: i64, parts: i64, kwh: f64, tool: i32, operator: &str) -> (String, String) {
    let (topic, text) = picture(sensor, at_ms, "RUNNING", parts, None);
    let mut message: Value = serde_json::from_str(&text).unwrap();
    message["energy_consumed_kwh"] = json!(kwh);
    message["tool_number"] = json!(tool);
    message["operator_id"] = json!(operator);
    (topic, message.to_string())
}

/// One reading a second, from `at_ms` on.
fn readings(sensor: &Sensor, at_ms: i64, values: &[f64]) -> Vec<(String, String)> {
    let message = |(second, value): (usize, &f64)| {
        let text = json!({ "timestamp_ms": at_ms + second as i64 * 1_000, "value": value }).to_string();
        (sensor.topic(), text)
    };
    values.iter().enumerate().map(message).collect()
}

fn story(harness: &'static Harness) {
    let plant = crate::routes::plant(harness, "[routes]\n", &MODULES);
    only_insert_into_the_trail(&plant);
    let (sensor, other, third) = (plant.sensor(), plant.sensor(), plant.sensor());
    let (gauge, fine) = (beside(&plant, &sensor), beside(&plant, &third));
    for sensor in [&sensor, &other, &third] {
        work(&plant, &sensor.machine_id);
    }
    let at_ms = in_one_hour(now_ms() - 600_000, 400_000);
    order(&plant, &sensor);
    people(&plant, &sensor, at_ms);
    characteristics(&plant, &gauge);
    let second = beside(&plant, &other);
    limit(&plant, &other, 100.0, "warning_threshold_max = 90");
    limit(&plant, &second, 100.0, "warning_threshold_max = NULL");
    plant::watched(&plant, &third, &fine);
    let checked: Value = serde_json::from_slice(&plant.cli(&["routes", "check", "--json"]).stdout).unwrap();
    let wrong: Vec<&Value> = checked.as_array().unwrap().iter().filter(|finding| !finding["error"].is_null()).collect();
    assert!(wrong.is_empty() && checked.as_array().unwrap().len() > 40, "{wrong:#?}");
    is_only_tried(harness, &plant, &sensor);
    plant.serve();
    opens(harness, &plant, &sensor, at_ms);
    closes(harness, &plant, &sensor, at_ms);
    hits_the_order(harness, &plant, &sensor);
    is_measured(harness, &plant, &gauge, at_ms);
    fails_twice(harness, &plant, [&other, &second], at_ms);
    watched::tells(harness, &plant, [&third, &fine], at_ms);
    let report = plant.idle();
    let routes = report["routes"].as_array().unwrap();
    let rows = |name: &str| routes.iter().find(|route| route["route"] == name).map(|route| route["rows_total"].clone());
    assert_eq!(rows("customer_to_be_told"), Some(json!(1)), "{report:#}");
    assert!(routes.iter().all(|route| route["refused_total"] == 0), "{report:#}");
    for name in ["maintenance", "audit", "production"] {
        let seen = &sink(&report, name)["receive_to_committed_ms"];
        assert!(seen["count"].as_u64() > Some(0) && seen["p50"].as_f64() > Some(0.0), "{name}: {report:#}");
    }
    assert_eq!(report["identity_holds"], true);
    is_reported(harness, &plant, &sensor);
    obeys_the_rules(&plant);
}

/// `genims routes test` shows what three kinds of databases would be told, and writes nothing.
fn is_only_tried(harness: &'static Harness, plant: &Plant, sensor: &Sensor) {
    let Sensor { machine_id, line_id, factory_id, .. } = sensor;
    let at = "2026-02-03T04:05:06Z";
    let event = json!({
        "kind": "fault_opened", "at": at, "started_at": at, "machine_id": machine_id, "line_id": line_id, "factory_id": factory_id,
        "fault_code": "E-TRIED", "severity": "high", "category": "control", "description": "tried", "detection_method": "plc",
    });
    fs::write(plant.folder.join("event.json"), event.to_string()).unwrap();
    let told: Vec<Value> = serde_json::from_str(&plant.cli_ok(&["routes", "test", "event.json", "--json"])).unwrap();
    for (route, column) in [
        ("fault_downtime", "downtime_reason_code"),
        ("fault_work_order", "source_document_id"),
        ("fault_alert", "alert_title"),
        ("high_fault_notice", "message"),
    ] {
        let found =
            told.iter().find(|finding| finding["route"] == route).unwrap_or_else(|| panic!("{route}: {told:#?}"));
        let text = found["rows"][0][column].as_str().unwrap_or_default();
        assert!(text.contains("E-TRIED") || text == "tried", "{found:#}");
    }
    assert_eq!(count(plant, "genims_manufacturing_db", "downtime_events", "true"), 0);
    assert_eq!(count(plant, "genims_maintenance_db", "work_orders", "true"), 0);
    assert!(mysql(harness, plant, "SELECT alert_number, severity FROM business_alerts").is_empty());
    assert!(plant.documents("notifications", doc! {}).is_empty());
}

/// Facts and reports, by the jobs that run each hour.
fn is_reported(harness: &'static Harness, plant: &Plant, sensor: &Sensor) {
    eventually("the jobs have run", PATIENCE, || {
        plant.cli(&["etl", "run", "fault_facts", "machine_performance"]).status.success()
    });
    let query = format!(
        "SELECT CAST((SELECT COUNT(*) FROM genims_analytics_db.fact_machine_fault AS fact \
             JOIN genims_analytics_db.dim_fault_code AS code ON code.fault_code_key = fact.fault_code_key \
             WHERE code.fault_code = 'E-77' AND fact.fault_status = 'resolved') AS CHAR), \
         CAST((SELECT SUM(fault_count) FROM genims_reporting_db.machine_performance_daily WHERE machine_id = '{}') AS CHAR)",
        sensor.machine_id
    );
    assert_eq!(mysql(harness, plant, &query), [("1".to_owned(), "1".to_owned())]);
}

fn opens(harness: &'static Harness, plant: &Plant, sensor: &Sensor, at_ms: i64) {
    let machine = sensor.machine_id.as_str();
    let minute = |minute: i64| at_ms + minute * 60_000;
    send(
        harness,
        plant,
        &[
            full(sensor, minute(0), 100, 10.0, 4, "EMP-T1"),
            // Two stays of one tool, which a batch brings together.
            full(sensor, minute(0) + 10_000, 100, 10.0, 5, "EMP-T1"),
            full(sensor, minute(0) + 20_000, 100, 10.0, 4, "EMP-T1"),
            full(sensor, minute(1), 130, 12.5, 5, "EMP-T1"),
            picture(sensor, minute(2), "FAULT", 130, Some("E-77")),
        ],
    );
    eventually("the order of a repair", PATIENCE, || {
        count(plant, "genims_maintenance_db", "work_orders", "wo_status = 'created'") == 1
    });
    eventually("the stop", PATIENCE, || {
        let open = format!("machine_id = '{machine}' AND status = 'active' AND operation_id = 'O-{machine}'");
        count(plant, "genims_manufacturing_db", "downtime_events", &open) == 1
    });
    let raised = "SELECT alert_event, severity FROM business_alerts ORDER BY alert_sequence";
    eventually("the alert", PATIENCE, || mysql(harness, plant, raised) == [("raised".to_owned(), "high".to_owned())]);
    eventually("the live state", PATIENCE, || {
        let filter = doc! { "machine_id": machine, "state": "FAULT", "fault_code": "E-77" };
        plant.documents("machine_live_state", filter).len() == 1
    });
    let made = "completed_quantity = 30 AND rejected_quantity = 0";
    eventually("the parts", PATIENCE, || count(plant, "genims_manufacturing_db", "work_order_operations", made) == 1);
    assert_eq!(count(plant, "genims_manufacturing_db", "work_orders", "produced_quantity = 30"), 1);
    eventually("the supervisor's notice", PATIENCE, || {
        let filter = doc! { "machine_id": machine, "notification_type": "fault", "severity": "error", "message": "E-77 of the test" };
        plant.documents("notifications", filter).len() == 1
    });
    eventually("the tool", PATIENCE, || {
        let stays = plant.documents("tool_usage_history", doc! { "machine_id": machine });
        let open = stays.iter().filter(|stay| stay.get_datetime("removed_at").is_err());
        let open: Vec<&str> = open.filter_map(|stay| stay.get_str("tool_id").ok()).collect();
        stays.len() == 3 && open == [format!("{machine}/T5")]
    });
}

fn closes(harness: &'static Harness, plant: &Plant, sensor: &Sensor, at_ms: i64) {
    let machine = sensor.machine_id.as_str();
    send(harness, plant, &[full(sensor, at_ms + 300_000, 131, 12.5, 6, "")]);
    eventually("the end of the stop", PATIENCE, || {
        let closed = format!("machine_id = '{machine}' AND status = 'resolved' AND duration_minutes = 3");
        count(plant, "genims_manufacturing_db", "downtime_events", &closed) == 1
    });
    let raised = "SELECT alert_event, severity FROM business_alerts ORDER BY alert_sequence";
    eventually("the end of the alert", PATIENCE, || {
        let steps = mysql(harness, plant, raised);
        steps.iter().map(|(event, _)| event.as_str()).eq(["raised", "resolved"])
    });
    eventually("the repair's downtime", PATIENCE, || {
        count(plant, "genims_maintenance_db", "work_orders", "downtime_minutes = 3 AND wo_status = 'created'") == 1
    });
    assert_eq!(count(plant, "genims_manufacturing_db", "work_orders", "downtime_minutes = 3"), 1);
    eventually("the stay of the tool has ended", PATIENCE, || {
        let filter = doc! { "tool_id": format!("{machine}/T5"), "removed_at": { "$type": "date" } };
        plant.documents("tool_usage_history", filter).len() == 2
    });
    let changes = plant.documents("machine_state_changes", doc! { "meta.machine_id": machine });
    assert_eq!(changes.len(), 3, "{changes:?}");
    let resolved =
        format!("machine_id = '{machine}' AND fault_code = 'E-77' AND status = 'resolved' AND downtime_minutes = 3");
    eventually("the fault itself", PATIENCE, || plant.rows("machine_faults", &resolved) == 1);
    eventually("its two documents", PATIENCE, || {
        let told = |kind: &str| doc! { "meta.machine_id": machine, "fault_code": "E-77", "event_type": kind };
        ["fault_opened", "fault_closed"]
            .iter()
            .all(|kind| plant.documents("machine_fault_events", told(kind)).len() == 1)
    });
}

/// Stock, warehouse, books, people, customer, service, transport.
fn hits_the_order(_: &'static Harness, plant: &Plant, sensor: &Sensor) {
    let expect = |what: &str, database: &str, table: &str, condition: &str| {
        eventually(what, PATIENCE, || count(plant, database, table, condition) == 1);
    };
    let delivered = "delivered_quantity = 31 AND system_status = 'partially_confirmed'";
    expect("what the order has delivered", "genims_erp_db", "production_orders", delivered);
    expect("stock", "genims_erp_db", "inventory_balances", "unrestricted_stock = 31 AND stock_value = 387.50");
    let posted = "(SELECT sum(quantity) AS quantity FROM inventory_transactions WHERE movement_type = '101') AS posted";
    expect("goods receipts", "genims_erp_db", posted, "quantity = 31");
    let tasks =
        "(SELECT sum(expected_quantity) AS quantity FROM receiving_tasks WHERE task_status = 'pending') AS tasks";
    expect("tasks of the warehouse", "genims_wms_db", tasks, "quantity = 31");
    let energy = "(SELECT sum(amount) AS amount FROM accruals WHERE status = 'draft') AS energy";
    expect("the price of 2.5 kWh", "genims_financial_db", energy, "amount = 20.00");
    let present = "employee_id = 'EMP-T1' AND attendance_status = 'late' AND late_minutes > 10 AND overtime_hours = 0 \
                   AND actual_hours = 0.08 AND clock_out_time = clock_in_time + interval '5 minutes'";
    expect("the operator's attendance", "genims_hr_db", "attendance_records", present);
    let booked = "employee_id = 'EMP-T1' AND duration_minutes = 5 AND actual_hours = 0.08 AND NOT approved";
    expect("the operator's booking", "genims_manufacturing_db", "labor_transactions", booked);
    expect("the operation's hours", "genims_manufacturing_db", "work_order_operations", "labor_hours = 0.08");
    expect(
        "the task of the account's manager",
        "genims_crm_db",
        "tasks",
        "related_to_id = 'ACT-1' AND priority = 'high'",
    );
    expect("the note in the ticket", "genims_service_db", "ticket_comments", "ticket_id = 'TKT-1' AND is_internal");
    assert_eq!(count(plant, "genims_service_db", "ticket_comments", "true"), 1);
    let late = format!("event_type = 'exception' AND exception_reason LIKE 'Machine {} stopped%'", sensor.machine_id);
    expect("the shipment's risk", "genims_tms_db", "tracking_events", &late);
}

fn is_measured(harness: &'static Harness, plant: &Plant, gauge: &Sensor, at_ms: i64) {
    // The last one is outside the specification too.
    let values = [50.2, 49.9, 54.0, 50.1, 52.5, 52.4, 57.0];
    send(harness, plant, &readings(gauge, at_ms, &values));
    eventually("the points of the chart", PATIENCE, || {
        count(plant, "genims_quality_db", "spc_data_points", "true") == 7
    });
    let points =
        "SELECT subgroup_number, coalesce(violation_type, '-') FROM spc_data_points ORDER BY measurement_timestamp";
    let points: Vec<(i32, String)> =
        plant.query("genims_quality_db", points).iter().map(|row| (row.get(0), row.get(1))).collect();
    let (beyond, zone) = ("beyond_limits", "two_of_3_zone_a");
    let judged = ["-", "-", beyond, "-", zone, zone, beyond];
    let expected: Vec<(i32, String)> = (1..).zip(judged.map(str::to_owned)).collect();
    assert_eq!(points, expected);
    eventually("one case", PATIENCE, || {
        count(plant, "genims_quality_db", "ncr_headers", "source_document_id = 'SPC-1' AND product_id = 'P1'") == 1
    });
    assert_eq!(count(plant, "genims_quality_db", "ncr_headers", "true"), 1);
    eventually("the supplier's notice", PATIENCE, || {
        count(plant, "genims_supplier_db", "supplier_notifications", "supplier_id = 'SUP-1' AND reference_id = 'MAT-2'")
            == 1
    });
    let month = "supplier_id = 'SUP-1' AND quantity_rejected = 1 AND defect_ppm = 1000000";
    eventually("the supplier's month", PATIENCE, || {
        count(plant, "genims_quality_db", "supplier_quality_metrics", month) == 1
    });
    let inspected =
        "(SELECT sum(sample_size) AS parts, sum(defects_found) AS defects FROM quality_inspections) AS inspected";
    let failed = "inspection_result = 'fail' AND defects_found = 1 AND measured_values ->> 'Bore diameter' = '57'";
    // Of an hour each: the parts may be of two.
    eventually("the inspection", PATIENCE, || {
        count(plant, "genims_manufacturing_db", inspected, "parts = 7 AND defects = 1") == 1
            && count(plant, "genims_manufacturing_db", "quality_inspections", failed) == 1
            && count(plant, "genims_manufacturing_db", "defects", "quantity_affected = 1") == 1
    });
    eventually("the measured parts", PATIENCE, || {
        let of = |result: &str| {
            let filter = doc! { "meta.characteristic_id": "CHR-00001", "meta.product_id": "P1", "result": result };
            plant.documents("quality_measurements", filter).len()
        };
        (of("pass"), of("fail")) == (6, 1)
    });
}

/// Two critical faults of one machine: the end of the first leaves the asset down.
fn fails_twice(harness: &'static Harness, plant: &Plant, [one, two]: [&Sensor; 2], at_ms: i64) {
    let asset = |status: &str| {
        let condition = format!("machine_id = '{}' AND asset_status = '{status}'", one.machine_id);
        count(plant, "genims_maintenance_db", "maintenance_assets", &condition) == 1
    };
    let ended = |sensor: &Sensor| {
        let condition = format!("source_document_id = '{}_HIGH' AND downtime_minutes IS NOT NULL", sensor.sensor_code);
        count(plant, "genims_maintenance_db", "work_orders", &condition) == 1
    };
    for sensor in [one, two] {
        send(harness, plant, &readings(sensor, at_ms, &[150.0; 3]));
    }
    let flagged = format!("sensor_id = '{}' AND is_above_critical", one.sensor_id);
    eventually("the flagged readings", PATIENCE, || plant.rows("sensor_data", &flagged) == 3);
    eventually("two orders", PATIENCE, || {
        count(plant, "genims_maintenance_db", "work_orders", "priority = 'emergency'") == 2 && asset("breakdown")
    });
    send(harness, plant, &readings(one, at_ms + 10_000, &[50.0; 5]));
    eventually("the end of the first", PATIENCE, || ended(one));
    assert!(asset("breakdown"), "it was given back though another fault is open");
    send(harness, plant, &readings(two, at_ms + 10_000, &[50.0; 5]));
    eventually("the end of the last", PATIENCE, || ended(two) && asset("operational"));
    eventually("the notices", PATIENCE, || {
        let of = |kind: &str, severity: &str| {
            let filter = doc! { "machine_id": &one.machine_id, "notification_type": kind, "severity": severity };
            plant.documents("notifications", filter).len()
        };
        (of("fault", "critical"), of("threshold", "warning")) == (2, 1)
    });
}

/// Each of the rules looks at rows, and finds nothing wrong.
fn obeys_the_rules(plant: &Plant) {
    let folder = plant.folder.join("rules");
    fs::create_dir(&folder).unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/verify");
    let mut chosen = String::new();
    for module in ["erp_a", "wms", "quality", "hr", "tms", "service", "manufacturing", "maintenance"] {
        let text = fs::read_to_string(format!("{shipped}/{module}.toml")).unwrap();
        for rule in
            text.split("[[rule]]").filter(|rule| RULES.iter().any(|name| rule.contains(&format!("name = \"{name}\""))))
        {
            chosen.push_str("[[rule]]");
            chosen.push_str(rule);
        }
    }
    fs::write(folder.join("routed.toml"), chosen).unwrap();
    let verdict: Value =
        serde_json::from_slice(&plant.cli(&["verify", "--rules", "rules", "--module", "routed", "--json"]).stdout)
            .unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.len(), RULES.len(), "{verdict:#}");
    let wrong: Vec<&Value> = findings.iter().filter(|finding| finding["outcome"] != "passed").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
