//! Snapshots become rows of `scada_machine_data`: every column of the contract but the generated one.

use crate::batch::Batch;
use crate::order::day_of;
use crate::postgres::copy::{EncodeRows, Refused};
use crate::postgres::days_kept::DaysKept;
use crate::postgres::field::{PutField, time_text};
use crate::postgres::partitions::{TIME_NOT_STORED, is_stored};
use bytes::{BufMut, BytesMut};
use genims_catalogue::{Catalogue, Machine, MachineEntry};
use genims_model::Snapshot;

pub const COLUMNS: &str = "machine_id, line_id, factory_id, timestamp, machine_state, operation_mode, fault_code, \
     fault_description, parts_produced_cumulative, parts_produced_shift, parts_rejected_shift, \
     target_cycle_time_seconds, actual_cycle_time_seconds, availability_percentage, performance_percentage, \
     quality_percentage, oee_percentage, spindle_speed_rpm, feed_rate_mm_min, tool_number, program_number, \
     power_consumption_kw, energy_consumed_kwh, temperature_setpoint_c, temperature_actual_c, pressure_setpoint_bar, \
     pressure_actual_bar, downtime_seconds_shift, last_fault_timestamp, uptime_seconds_shift, active_alarms, \
     alarm_codes, warning_codes, shift_id, operator_id, data_source, data_quality, created_at";
const FIELDS: i16 = 38;

/// The contract's defaults, for a client that says nothing: COPY would store an explicit NULL.
const DATA_SOURCE: &str = "PLC";
const DATA_QUALITY: &str = "good";

/// The snapshots of a batch.
pub struct ScadaRows<'a> {
    catalogue: &'a Catalogue,
    rows: Vec<(u64, &'a Snapshot, &'a MachineEntry)>,
}

impl<'a> ScadaRows<'a> {
    /// Answers also the snapshots that have no place: an unknown machine number, a time that is not stored, or not now.
    pub fn of(batch: &'a Batch, catalogue: &'a Catalogue, kept: &DaysKept) -> (Self, Vec<Refused>) {
        let mut rows = Vec::new();
        let mut unstorable = Vec::new();
        for (offset, snapshot) in batch.snapshots() {
            match catalogue.machine(snapshot.machine) {
                Some(machine) if is_stored(snapshot.timestamp_us) && kept.contains(snapshot.timestamp_us) => {
                    rows.push((offset, snapshot, machine.as_ref()))
                }
                machine => {
                    let mut refused = refused(catalogue, offset, snapshot, machine.map(AsRef::as_ref));
                    if refused.detail.is_empty() {
                        refused.detail = kept.lack(snapshot.timestamp_us).unwrap_or_default().to_owned();
                    }
                    unstorable.push(refused);
                }
            }
        }
        (Self { catalogue, rows }, unstorable)
    }

    /// The days that the rows fall in.
    pub fn days(&self) -> impl Iterator<Item = i64> {
        self.rows.iter().map(|(_, snapshot, _)| day_of(snapshot.timestamp_us))
    }
}

impl EncodeRows for ScadaRows<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        let (_, snapshot, entry) = self.rows[index];
        let (machine, fields) = (&entry.machine, &snapshot.fields);
        let text = |out: &mut BytesMut, text: &Option<String>| out.put_optional(text.as_deref(), PutField::put_text);
        let numeric = |out: &mut BytesMut, value: Option<f64>, scale: u16| {
            out.put_optional(value, |out, value| out.put_numeric(value, scale));
        };
        let int4 = |out: &mut BytesMut, value: Option<i32>| out.put_optional(value, PutField::put_int4);

        out.put_i16(FIELDS);
        out.put_text(&machine.machine_id);
        out.put_text(&machine.line_id);
        out.put_text(&machine.factory_id);
        out.put_timestamp(snapshot.timestamp_us);
        out.put_text(&fields.machine_state);
        text(out, &fields.operation_mode);
        text(out, &fields.fault_code);
        text(out, &fields.fault_description);
        out.put_optional(fields.parts_produced_cumulative, PutField::put_int8);
        int4(out, fields.parts_produced_shift);
        int4(out, fields.parts_rejected_shift);
        int4(out, fields.target_cycle_time_seconds);
        numeric(out, fields.actual_cycle_time_seconds, 2);
        numeric(out, fields.availability_percentage, 2);
        numeric(out, fields.performance_percentage, 2);
        numeric(out, fields.quality_percentage, 2);
        numeric(out, fields.oee_percentage, 2);
        int4(out, fields.spindle_speed_rpm);
        numeric(out, fields.feed_rate_mm_min, 2);
        int4(out, fields.tool_number);
        text(out, &fields.program_number);
        numeric(out, fields.power_consumption_kw, 2);
        numeric(out, fields.energy_consumed_kwh, 4);
        numeric(out, fields.temperature_setpoint_c, 2);
        numeric(out, fields.temperature_actual_c, 2);
        numeric(out, fields.pressure_setpoint_bar, 2);
        numeric(out, fields.pressure_actual_bar, 2);
        int4(out, fields.downtime_seconds_shift);
        out.put_optional(fields.last_fault_timestamp_us, PutField::put_timestamp);
        int4(out, fields.uptime_seconds_shift);
        int4(out, fields.active_alarms);
        text(out, &fields.alarm_codes);
        text(out, &fields.warning_codes);
        out.put_optional(shift(self.catalogue, machine, snapshot), PutField::put_text);
        text(out, &fields.operator_id);
        out.put_text(fields.data_source.as_deref().unwrap_or(DATA_SOURCE));
        out.put_text(fields.data_quality.as_deref().unwrap_or(DATA_QUALITY));
        out.put_timestamp(snapshot.received_us);
    }

    fn refused(&self, index: usize) -> Refused {
        let (offset, snapshot, machine) = self.rows[index];
        refused(self.catalogue, offset, snapshot, Some(machine))
    }
}

/// The snapshot as an element of a batch payload, with the finished row under `row`: the stream has taken the snapshot, so
/// `genims deadletter replay` puts the row itself where it belongs.
fn refused(catalogue: &Catalogue, log_offset: u64, snapshot: &Snapshot, machine: Option<&MachineEntry>) -> Refused {
    let mut element = serde_json::to_value(&snapshot.fields).unwrap_or_default();
    if let Some(element) = element.as_object_mut() {
        element.retain(|_, value| !value.is_null());
        element.insert("machine_id".to_owned(), machine.map(|entry| entry.machine.machine_id.as_str()).into());
        element.insert("timestamp_us".to_owned(), snapshot.timestamp_us.into());
        if let Some(entry) = machine {
            element.insert("row".to_owned(), finished_row(catalogue, entry, snapshot));
        }
    }
    Refused {
        log_offset,
        source: Some(snapshot.source),
        received_us: snapshot.received_us,
        payload: element.to_string().into_bytes(),
        sqlstate: None,
        detail: match machine {
            Some(_) if !is_stored(snapshot.timestamp_us) => TIME_NOT_STORED.to_owned(),
            Some(_) => String::new(),
            None => format!("machine number {} is not in the catalogue's journal", snapshot.machine.0),
        },
    }
}

/// The shift that the snapshot names, else the one its time falls into.
fn shift<'a>(catalogue: &'a Catalogue, machine: &Machine, snapshot: &'a Snapshot) -> Option<&'a str> {
    let named = snapshot.fields.shift_id.as_deref();
    named.or_else(|| catalogue.shifts.shift_at(&machine.factory_id, snapshot.timestamp_us))
}

/// Names and values as `scada_machine_data` has them, for `jsonb_populate_record`.
fn finished_row(catalogue: &Catalogue, entry: &MachineEntry, snapshot: &Snapshot) -> serde_json::Value {
    let (machine, fields) = (&entry.machine, &snapshot.fields);
    // Most fields are named like their columns.
    let mut row = serde_json::to_value(fields).unwrap_or_default();
    row["machine_id"] = machine.machine_id.as_str().into();
    row["line_id"] = machine.line_id.as_str().into();
    row["factory_id"] = machine.factory_id.as_str().into();
    row["timestamp"] = time_text(snapshot.timestamp_us).into();
    row["last_fault_timestamp"] = fields.last_fault_timestamp_us.and_then(time_text).into();
    row["shift_id"] = shift(catalogue, machine, snapshot).into();
    row["data_source"] = fields.data_source.as_deref().unwrap_or(DATA_SOURCE).into();
    row["data_quality"] = fields.data_quality.as_deref().unwrap_or(DATA_QUALITY).into();
    row["created_at"] = time_text(snapshot.received_us).into();
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::snapshot::SnapshotFields;
    use genims_model::{Group, MachineNo};
    use std::sync::Arc;

    #[test]
    fn the_field_count_matches_the_column_list() {
        assert_eq!(COLUMNS.split(',').count(), FIELDS as usize);
    }

    #[test]
    fn a_refused_snapshot_carries_every_column_of_its_row() {
        let catalogue = sample::catalogue(1);
        let fields = SnapshotFields { machine_state: "RUNNING".to_owned(), ..SnapshotFields::default() };
        let snapshot = Snapshot { machine: MachineNo(0), source: 0, received_us: 9, timestamp_us: 5, fields };
        let group = Group { snapshots: vec![snapshot], ..Group::default() };
        let mut batch = Batch::default();
        batch.push(Arc::new(group));
        let (rows, unstorable) = ScadaRows::of(&batch, &catalogue, &DaysKept::all());
        assert!(unstorable.is_empty());
        let element: serde_json::Value = serde_json::from_slice(&rows.refused(0).payload).expect("JSON");
        let row = &element["row"];
        assert!(COLUMNS.split(", ").all(|column| row.get(column).is_some()), "{row}");
        assert_eq!(row["timestamp"], "1970-01-01 00:00:00.000005");
    }
}
