//! A machine that is set up for its next order: its hours, what they cost, its changeover, the condition of its sensor, and a gauge whose chart
//! gets its limits.

use super::{count, picture, readings};
use crate::harness::Harness;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Sensor};
use crate::stream::send;
use mongodb::bson::doc;

const HOUR_MS: i64 = 3_600_000;

pub(super) fn tells(harness: &'static Harness, plant: &Plant, [sensor, gauge]: [&Sensor; 2], at_ms: i64) {
    hours_and_setup(harness, plant, sensor, at_ms);
    condition(harness, plant, sensor, at_ms);
    limits(harness, plant, gauge, at_ms);
}

/// Two minutes of an hour and six of the next, which is what a picture holds when none follows; then three minutes of setup.
fn hours_and_setup(harness: &'static Harness, plant: &Plant, sensor: &Sensor, at_ms: i64) {
    let machine = sensor.machine_id.as_str();
    let hour_ms = (at_ms - 2 * HOUR_MS).div_euclid(HOUR_MS) * HOUR_MS;
    let earlier = [58, 59, 61].map(|minute| picture(sensor, hour_ms + minute * 60_000, "RUNNING", 0, None));
    send(harness, plant, &earlier);
    let states = [(0, "RUNNING"), (60, "SETUP"), (240, "RUNNING")];
    send(harness, plant, &states.map(|(second, state)| picture(sensor, at_ms + second * 1_000, state, 0, None)));
    eventually("the readings of the hour meter", PATIENCE, || {
        count(plant, "genims_maintenance_db", "equipment_meter_readings", "reading_source = 'automatic'") >= 2
    });
    let meter = format!("machine_id = '{machine}' AND current_meter_reading = 100.13");
    eventually("the meter", PATIENCE, || count(plant, "genims_maintenance_db", "maintenance_assets", &meter) == 1);
    let cost = format!("work_order_id = 'W-{machine}' AND total_overhead_cost = 80.00");
    eventually("the hours' cost", PATIENCE, || count(plant, "genims_manufacturing_db", "work_orders", &cost) == 1);
    let changed = format!(
        "machine_id = '{machine}' AND to_work_order_id = 'N-{machine}' AND changeover_type = 'product' \
         AND actual_duration_minutes = 3 AND changeover_end = changeover_start + interval '3 minutes'"
    );
    eventually("the changeover", PATIENCE, || {
        count(plant, "genims_manufacturing_db", "changeover_events", &changed) == 1
    });
}

/// A sensor that has been steady leaps: it is not well, and what it says is unusual.
fn condition(harness: &'static Harness, plant: &Plant, sensor: &Sensor, at_ms: i64) {
    let steady = (0..40).map(|second| 50.0 + f64::from(second % 3) * 0.1);
    let values: Vec<f64> = steady.chain([150.0; 5]).chain([50.0, 50.1, 50.2]).collect();
    send(harness, plant, &readings(sensor, at_ms, &values));
    let unwell = format!("sensor_id = '{}' AND health_score < 80 AND measured_at > '2000-01-01'", sensor.sensor_id);
    eventually("the asset's condition", PATIENCE, || {
        count(plant, "genims_maintenance_db", "condition_monitoring", &unwell) == 1
    });
    eventually("the anomaly", PATIENCE, || {
        let found = plant.documents("anomaly_detections", doc! { "sensor_id": &sensor.sensor_id });
        found.len() == 1
            && found[0].get_str("detection_id").is_ok_and(|id| id.starts_with("EV-"))
            && found[0].get_f64("observed_value").ok() == Some(150.0)
            && found[0].get_str("status").ok() == Some("new")
    });
}

/// Of the first 25 parts one is far off: the limits are those of the others, and it is beyond them.
fn limits(harness: &'static Harness, plant: &Plant, gauge: &Sensor, at_ms: i64) {
    let values = (0..26).map(|part| if part == 10 { 60.0 } else { 49.5 + f64::from(part % 2) });
    send(harness, plant, &readings(gauge, at_ms, &values.collect::<Vec<f64>>()));
    let computed = "chart_id = 'SPC-3' AND center_line BETWEEN 49.9 AND 50.1 AND upper_control_limit BETWEEN 52 AND 53 \
                    AND lower_control_limit BETWEEN 47 AND 48 AND cp > 3 AND last_calculation_date IS NOT NULL";
    eventually("the limits", PATIENCE, || count(plant, "genims_quality_db", "spc_control_charts", computed) == 1);
    let judged = |condition: &str| {
        count(plant, "genims_quality_db", "spc_data_points", &format!("chart_id = 'SPC-3' AND {condition}"))
    };
    eventually("all points", PATIENCE, || judged("true") == 26);
    assert_eq!(
        (judged("out_of_control"), judged("violation_type = 'beyond_limits' AND measurement_value = 60")),
        (1, 1)
    );
}
