//! What the history measured, for the hourly and daily figures: the columns of readings and snapshots that they are
//! computed from. Only of the last days, so that a long history fits in memory.

use super::walk::{Walk, WalkScope};
use super::{DAY_US, PlantHistory};
use crate::value::{Value, round};
use crate::world::Supplied;
use foldhash::HashMap;
use genims_model::reading::flag;
use genims_model::{Reading, Snapshot};
use genims_stores::batch::Batch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a longer history the last days are enough for the reports.
const DAYS_MAX: i64 = 3;

const READINGS: [&str; 10] = [
    "sensor_id",
    "timestamp",
    "measurement_value",
    "quality",
    "is_below_warning",
    "is_above_warning",
    "is_below_critical",
    "is_above_critical",
    "is_anomaly",
    "anomaly_score",
];

const SNAPSHOTS: [&str; 14] = [
    "machine_id",
    "line_id",
    "factory_id",
    "timestamp",
    "machine_state",
    "fault_code",
    "parts_produced_cumulative",
    "parts_produced_shift",
    "parts_rejected_shift",
    "target_cycle_time_seconds",
    "power_consumption_kw",
    "energy_consumed_kwh",
    "shift_id",
    "operator_id",
];

struct Columns<const N: usize> {
    names: [&'static str; N],
    values: [Vec<Value>; N],
}

impl<const N: usize> Columns<N> {
    fn new(names: [&'static str; N]) -> Self {
        Self { names, values: std::array::from_fn(|_| Vec::new()) }
    }

    fn push(&mut self, row: [Value; N]) {
        self.values.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }

    fn supplied(self) -> Supplied {
        let rows = self.values[0].len();
        let columns: HashMap<String, Vec<Value>> =
            self.names.iter().map(|name| (*name).to_owned()).zip(self.values).collect();
        Supplied { rows, columns }
    }
}

/// `sensor_data` and `scada_machine_data`, in the order of the walk.
pub(crate) fn observed(history: &Arc<PlantHistory>) -> BTreeMap<String, Supplied> {
    let (mut readings, mut snapshots) = (Columns::new(READINGS), Columns::new(SNAPSHOTS));
    let from_us = history.parameters.span_us().1 - DAYS_MAX * DAY_US;
    for group in Walk::new(history, WalkScope::All) {
        let mut batch = Batch::default();
        batch.push(Arc::new(group));
        for (_, reading) in batch.readings().filter(|(_, reading)| reading.timestamp_us >= from_us) {
            readings.push(reading_row(history, reading));
        }
        for (_, snapshot) in batch.snapshots().filter(|(_, snapshot)| snapshot.timestamp_us >= from_us) {
            snapshots.push(snapshot_row(history, snapshot));
        }
    }
    let named = |table: &str| format!("genims_operations_db.{table}");
    BTreeMap::from([(named("sensor_data"), readings.supplied()), (named("scada_machine_data"), snapshots.supplied())])
}

fn reading_row(history: &PlantHistory, reading: &Reading) -> [Value; READINGS.len()] {
    let sensor = history.site.catalogue.sensor(reading.sensor);
    let flagged = |bit| Value::Boolean(reading.is(bit));
    [
        sensor.map_or(Value::Null, |entry| Value::text(&entry.sensor.sensor_id)),
        Value::Timestamp(reading.timestamp_us),
        Value::Number(round(reading.value, 4)),
        Value::text(reading.quality.as_str()),
        flagged(flag::BELOW_WARNING),
        flagged(flag::ABOVE_WARNING),
        flagged(flag::BELOW_CRITICAL),
        flagged(flag::ABOVE_CRITICAL),
        flagged(flag::ANOMALY),
        Value::Number(round(f64::from(reading.anomaly_score), 4)),
    ]
}

fn snapshot_row(history: &PlantHistory, snapshot: &Snapshot) -> [Value; SNAPSHOTS.len()] {
    let machine = history.site.catalogue.machine(snapshot.machine);
    let of_machine = |id: fn(&genims_catalogue::Machine) -> &String| {
        machine.map_or(Value::Null, |entry| Value::text(id(&entry.machine)))
    };
    let fields = &snapshot.fields;
    let text = |text: &Option<String>| text.as_ref().map_or(Value::Null, Value::text);
    let whole = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
    let number = |value: Option<f64>, scale| value.map_or(Value::Null, |value| Value::Number(round(value, scale)));
    [
        of_machine(|machine| &machine.machine_id),
        of_machine(|machine| &machine.line_id),
        of_machine(|machine| &machine.factory_id),
        Value::Timestamp(snapshot.timestamp_us),
        Value::text(&fields.machine_state),
        text(&fields.fault_code),
        whole(fields.parts_produced_cumulative),
        whole(fields.parts_produced_shift.map(i64::from)),
        whole(fields.parts_rejected_shift.map(i64::from)),
        whole(fields.target_cycle_time_seconds.map(i64::from)),
        number(fields.power_consumption_kw, 2),
        number(fields.energy_consumed_kwh, 4),
        text(&fields.shift_id),
        text(&fields.operator_id),
    ]
}
