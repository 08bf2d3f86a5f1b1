//! Events become rows: an opened fault in `machine_faults`, a sensor's health in `sensor_health`. A closed fault
//! completes the row that its opening made. The other events are for other databases.

use crate::batch::Batch;
use crate::error::{SinkError, answered};
use crate::order::DAY_US;
use crate::postgres::copy::{Copied, EncodeRows, Refused};
use crate::postgres::field::PutField;
use crate::postgres::isolate::Rowwise;
use crate::postgres::partitions::is_stored;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, NaiveDateTime};
use genims_catalogue::{Catalogue, MachineEntry, SensorEntry};
use genims_model::Event;
use genims_model::event::{FaultClosed, FaultOpened, SensorHealth};
use std::ops::Range;
use tokio_postgres::Transaction;

pub const FAULT_COLUMNS: &str = "machine_id, line_id, factory_id, fault_code, fault_category, fault_severity, \
     fault_description, fault_start_time, contributing_sensors, detection_method, status, created_at, updated_at";
const FAULT_FIELDS: i16 = 13;

pub const HEALTH_COLUMNS: &str = "sensor_id, machine_id, timestamp, health_score, drift_percentage, noise_level, \
     days_since_calibration, is_calibration_due, average_latency_ms, last_communication, communication_failures_24h, \
     stuck_value_detected, erratic_readings_detected, out_of_range_readings_24h, overall_status, created_at";
const HEALTH_FIELDS: i16 = 16;

/// A batch's events, by the table they go to. Events of sensors or machines that the catalogue does not know are left out.
pub struct EventRows<'a> {
    pub faults: FaultRows<'a>,
    pub health: HealthRows<'a>,
    pub closed: Closings<'a>,
}

impl<'a> EventRows<'a> {
    pub fn of(batch: &'a Batch, catalogue: &'a Catalogue, now_us: i64) -> Self {
        let mut rows = Self {
            faults: FaultRows { catalogue, rows: Vec::new(), now_us },
            health: HealthRows { rows: Vec::new(), now_us },
            closed: Closings { rows: Vec::new() },
        };
        for (offset, event) in batch.events() {
            match event {
                Event::FaultOpened(opened) => {
                    let machine = catalogue.machine(opened.machine);
                    rows.faults.rows.extend(machine.map(|machine| (offset, opened, machine.as_ref())));
                }
                Event::FaultClosed(closed) => {
                    let machine = catalogue.machine(closed.machine).filter(|_| is_storable(closed));
                    rows.closed.rows.extend(machine.map(|machine| (offset, closed, machine.as_ref())));
                }
                Event::SensorHealth(health) => {
                    let sensor = catalogue.sensor(health.sensor);
                    rows.health.rows.extend(sensor.map(|sensor| (offset, health, sensor.as_ref())));
                }
                Event::StateChanged { .. }
                | Event::PartsCounted { .. }
                | Event::EnergyMetered { .. }
                | Event::ToolChanged { .. }
                | Event::OperatorChanged { .. }
                | Event::LimitCrossed(_)
                | Event::AnomalySeen(_)
                | Event::QualityMeasured { .. }
                | Event::MachineSilent { .. }
                | Event::OeeHour(_)
                | Event::ClientLost { .. } => {}
            }
        }
        rows
    }

    /// Without the faults, which somebody else has written.
    pub fn health_alone(mut self) -> Self {
        self.faults.rows.clear();
        self.closed.rows.clear();
        self
    }
}

pub struct FaultRows<'a> {
    catalogue: &'a Catalogue,
    rows: Vec<(u64, &'a FaultOpened, &'a MachineEntry)>,
    now_us: i64,
}

impl EncodeRows for FaultRows<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        let (_, fault, entry) = self.rows[index];
        let sensor = fault.sensor.and_then(|no| self.catalogue.sensor(no));
        out.put_i16(FAULT_FIELDS);
        out.put_text(&entry.machine.machine_id);
        out.put_text(&entry.machine.line_id);
        out.put_text(&entry.machine.factory_id);
        out.put_text(&fault.fault_code);
        out.put_text(&fault.category);
        out.put_text(&fault.severity);
        out.put_text(&fault.description);
        out.put_timestamp(fault.start_us);
        out.put_optional(sensor, |out, entry| out.put_text(&entry.sensor.sensor_id));
        out.put_text(&fault.detection_method);
        out.put_text("open");
        out.put_timestamp(self.now_us);
        out.put_timestamp(self.now_us);
    }

    fn refused(&self, index: usize) -> Refused {
        let (offset, fault, _) = self.rows[index];
        refused(offset, fault.start_us, fault)
    }
}

pub struct HealthRows<'a> {
    rows: Vec<(u64, &'a SensorHealth, &'a SensorEntry)>,
    now_us: i64,
}

impl EncodeRows for HealthRows<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn encode(&mut self, index: usize, out: &mut BytesMut) {
        let (_, health, entry) = self.rows[index];
        let numeric = |out: &mut BytesMut, value: Option<f64>, scale: u16| {
            out.put_optional(value, |out, value| out.put_numeric(value, scale));
        };
        let (days, due) = calibration(entry, health.timestamp_us);
        out.put_i16(HEALTH_FIELDS);
        out.put_text(&entry.sensor.sensor_id);
        out.put_text(&entry.sensor.machine_id);
        out.put_timestamp(health.timestamp_us);
        out.put_numeric(health.health_score, 2);
        numeric(out, health.drift_percentage, 4);
        numeric(out, health.noise_level, 4);
        out.put_optional(days, PutField::put_int4);
        out.put_bool(due);
        numeric(out, health.average_latency_ms, 2);
        out.put_optional(health.last_communication_us, PutField::put_timestamp);
        out.put_int4(health.communication_failures_24h);
        out.put_bool(health.stuck);
        out.put_bool(health.erratic);
        out.put_int4(health.out_of_range_24h);
        out.put_text(&health.overall_status);
        out.put_timestamp(self.now_us);
    }

    fn refused(&self, index: usize) -> Refused {
        let (offset, health, _) = self.rows[index];
        refused(offset, health.timestamp_us, health)
    }
}

/// Days since the last calibration, and whether the next one is due. Nothing is due where nothing is known.
fn calibration(entry: &SensorEntry, timestamp_us: i64) -> (Option<i32>, bool) {
    let today = timestamp_us.div_euclid(DAY_US);
    let days = entry.sensor.calibration_day.and_then(|day| i32::try_from(today - i64::from(day)).ok());
    let due = days.zip(entry.sensor.calibration_frequency_days).is_some_and(|(days, every)| days >= every);
    (days, due)
}

/// Completes the rows of closed faults.
pub struct Closings<'a> {
    rows: Vec<(u64, &'a FaultClosed, &'a MachineEntry)>,
}

const CLOSE: &str = "UPDATE machine_faults AS fault
     SET fault_end_time = closed.ends, fault_duration_seconds = closed.seconds,
         downtime_minutes = closed.downtime, production_loss_units = closed.loss,
         status = 'resolved', updated_at = now() AT TIME ZONE 'UTC'
     FROM unnest($1::text[], $2::text[], $3::timestamp[], $4::timestamp[], $5::int[], $6::int[], $7::int[])
          AS closed (machine, code, start, ends, seconds, downtime, loss)
     WHERE fault.machine_id = closed.machine AND fault.fault_code = closed.code
       AND fault.fault_start_time = closed.start AND fault.status = 'open'";

impl Rowwise for Closings<'_> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    async fn run(&mut self, transaction: &Transaction<'_>, range: Range<usize>) -> Result<Copied, SinkError> {
        let closed = &self.rows[range];
        let machines: Vec<&str> = closed.iter().map(|(_, _, entry)| entry.machine.machine_id.as_str()).collect();
        let codes: Vec<&str> = closed.iter().map(|(_, fault, _)| fault.fault_code.as_str()).collect();
        let starts: Vec<NaiveDateTime> = closed.iter().map(|(_, fault, _)| naive(fault.start_us)).collect();
        let ends: Vec<NaiveDateTime> = closed.iter().map(|(_, fault, _)| naive(fault.end_us)).collect();
        let seconds: Vec<i32> = closed.iter().map(|(_, fault, _)| duration_seconds(fault)).collect();
        let downtimes: Vec<Option<i32>> = closed.iter().map(|(_, fault, _)| fault.downtime_minutes).collect();
        let losses: Vec<Option<i32>> = closed.iter().map(|(_, fault, _)| fault.production_loss_units).collect();
        let rows =
            answered(transaction.execute(CLOSE, &[&machines, &codes, &starts, &ends, &seconds, &downtimes, &losses]))
                .await?;
        Ok(Copied { rows, bytes: 0 })
    }

    fn refused(&self, index: usize) -> Refused {
        let (offset, closed, _) = self.rows[index];
        refused(offset, closed.end_us, closed)
    }
}

/// A row of other times was refused when the fault opened.
fn is_storable(fault: &FaultClosed) -> bool {
    is_stored(fault.start_us) && is_stored(fault.end_us)
}

fn duration_seconds(fault: &FaultClosed) -> i32 {
    i32::try_from(fault.end_us.saturating_sub(fault.start_us) / 1_000_000).unwrap_or(i32::MAX)
}

/// For parameters, whose times are stored and so fit every calendar.
pub(super) fn naive(timestamp_us: i64) -> NaiveDateTime {
    DateTime::from_timestamp_micros(timestamp_us).unwrap_or_default().naive_utc()
}

fn refused(log_offset: u64, received_us: i64, event: &impl serde::Serialize) -> Refused {
    Refused {
        log_offset,
        source: None,
        received_us,
        payload: serde_json::to_vec(event).unwrap_or_default(),
        sqlstate: None,
        detail: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::{MachineNo, SensorNo};

    #[test]
    fn the_field_counts_match_the_column_lists() {
        assert_eq!(FAULT_COLUMNS.split(',').count(), FAULT_FIELDS as usize);
        assert_eq!(HEALTH_COLUMNS.split(',').count(), HEALTH_FIELDS as usize);
    }

    #[test]
    fn calibration_is_due_on_the_day_the_interval_ends() {
        let catalogue = sample::catalogue(1);
        let entry = catalogue.sensor(SensorNo(0)).expect("a sensor");
        assert_eq!(calibration(entry, (20_000 + 364) * DAY_US), (Some(364), false));
        assert_eq!(calibration(entry, (20_000 + 365) * DAY_US), (Some(365), true));
    }

    #[test]
    fn a_fault_that_never_seems_to_end_keeps_a_duration_that_fits() {
        let closed = FaultClosed {
            machine: MachineNo(0),
            fault_code: "F".to_owned(),
            start_us: i64::MIN,
            end_us: i64::MAX,
            downtime_minutes: None,
            production_loss_units: None,
        };
        assert_eq!(duration_seconds(&closed), i32::MAX);
    }
}
