//! Rows of the history for those who refer to them (work orders to faults, calibrations to a sensor's health), computed
//! anew without a database.

use super::walk::{Walk, WalkScope};
use super::{PlantHistory, faults, stored_us};
use crate::value::{DAY_US, Value, round};
use crate::world::Supplied;
use foldhash::HashMap;
use genims_databases::{Model, Registry};
use genims_model::Event;
use genims_model::event::SensorHealth;
use genims_stores::batch::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

const OPERATIONS: &str = "genims_operations_db";

/// Which tables are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// `machine_faults`: a walk over the faulty machines alone.
    Faults,
    /// `sensor_health` too: a walk over everything, and 0.5 kB a row, so not for the full scale.
    FaultsAndHealth,
}

/// By `database.table`, all columns, with the keys that the database will hold.
pub(crate) fn supplied(
    history: &Arc<PlantHistory>,
    registry: &Registry,
    tables: Tables,
) -> Result<BTreeMap<String, Supplied>, String> {
    let mut all = BTreeMap::from([faults(history, registry)?]);
    if tables == Tables::FaultsAndHealth {
        all.extend([sensor_health(history, registry)?]);
    }
    Ok(all)
}

fn faults(history: &Arc<PlantHistory>, registry: &Registry) -> Result<(String, Supplied), String> {
    let faults = faults::all(history);
    let rows = (1..).zip(&faults).map(|(id, fault)| fault.row(history, id).to_vec());
    table(registry, "machine_faults", &faults::COLUMNS, rows)
}

const HEALTH_COLUMNS: [&str; 21] = [
    "health_id",
    "sensor_id",
    "machine_id",
    "timestamp",
    "health_score",
    "drift_percentage",
    "noise_level",
    "days_since_calibration",
    "is_calibration_due",
    "calibration_drift_detected",
    "packet_loss_percentage",
    "average_latency_ms",
    "last_communication",
    "communication_failures_24h",
    "battery_percentage",
    "is_low_battery",
    "stuck_value_detected",
    "erratic_readings_detected",
    "out_of_range_readings_24h",
    "overall_status",
    "created_at",
];

fn sensor_health(history: &Arc<PlantHistory>, registry: &Registry) -> Result<(String, Supplied), String> {
    let mut rows = Vec::new();
    for group in Walk::new(history, WalkScope::All) {
        let mut batch = Batch::default();
        batch.push(Arc::new(group));
        let created_us = stored_us(&batch);
        for (_, event) in batch.events() {
            if let Event::SensorHealth(health) = event {
                rows.extend(health_row(history, health, rows.len() as i64 + 1, created_us));
            }
        }
    }
    table(registry, "sensor_health", &HEALTH_COLUMNS, rows.into_iter())
}

/// As `sink::postgres::event_rows` writes it; what the stream leaves out has its default.
fn health_row(history: &PlantHistory, health: &SensorHealth, id: i64, created_us: i64) -> Option<Vec<Value>> {
    let sensor = &history.site.catalogue.sensor(health.sensor)?.sensor;
    let number = |value: Option<f64>, scale: i64| value.map_or(Value::Null, |value| Value::Number(round(value, scale)));
    let today = health.timestamp_us.div_euclid(DAY_US);
    let since = sensor.calibration_day.map(|day| today - i64::from(day));
    let due = since.zip(sensor.calibration_frequency_days).is_some_and(|(days, every)| days >= i64::from(every));
    Some(vec![
        Value::Integer(id),
        Value::text(&sensor.sensor_id),
        Value::text(&sensor.machine_id),
        Value::Timestamp(health.timestamp_us),
        number(Some(health.health_score), 2),
        number(health.drift_percentage, 4),
        number(health.noise_level, 4),
        since.map_or(Value::Null, Value::Integer),
        Value::Boolean(due),
        Value::Boolean(false),
        Value::Null,
        number(health.average_latency_ms, 2),
        health.last_communication_us.map_or(Value::Null, Value::Timestamp),
        Value::Integer(health.communication_failures_24h.into()),
        Value::Null,
        Value::Boolean(false),
        Value::Boolean(health.stuck),
        Value::Boolean(health.erratic),
        Value::Integer(health.out_of_range_24h.into()),
        Value::text(&health.overall_status),
        Value::Timestamp(created_us),
    ])
}

/// Columns from rows; the schema must have the same ones.
fn table(
    registry: &Registry,
    name: &str,
    columns: &[&str],
    rows: impl Iterator<Item = Vec<Value>>,
) -> Result<(String, Supplied), String> {
    let model = Model::of(registry.get(OPERATIONS).map_err(|error| error.to_string())?)?;
    let described = model.table(name).ok_or_else(|| format!("{OPERATIONS} has no table {name}"))?;
    if described.columns.iter().map(|column| column.name.as_str()).ne(columns.iter().copied()) {
        return Err(format!("{OPERATIONS}.{name} has other columns than the history"));
    }
    let mut by_column: Vec<Vec<Value>> = vec![Vec::new(); columns.len()];
    let mut count = 0;
    for row in rows {
        count += 1;
        by_column.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let columns: HashMap<String, Vec<Value>> = columns.iter().map(|name| (*name).to_owned()).zip(by_column).collect();
    Ok((format!("{OPERATIONS}.{name}"), Supplied { rows: count, columns }))
}
