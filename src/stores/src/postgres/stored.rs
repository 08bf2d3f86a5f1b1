//! What the stream has stored in `genims_operations_db`, read back as the records that it was: all of it as of one moment,
//! and the log position of that moment.
//!
//! Not everything can be read back: state changes, counted parts, OEE hours and lost clients have no table there. What of it can be made
//! anew from what there is: [`super::received`].

use crate::error::SinkError;
use crate::order::DAY_US;
use crate::postgres::event_rows::naive;
use crate::postgres::session;
use chrono::NaiveDateTime;
use genims_catalogue::Catalogue;
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Event, Position, Protocol, Quality, Reading, Snapshot, Status};
use serde_json::{Map, Value};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// Going through everything that a large plant keeps takes its time, and ends.
const SCAN_TIMEOUT: Duration = Duration::from_secs(3_600);
/// A client that puts single rows back may commit them after the stream has committed higher keys.
const KEYS_UNDER_WAY: i64 = 10_000;

/// One moment of the database; it ends with this.
pub struct Stored {
    client: Client,
    catalogue: Arc<Catalogue>,
}

/// The table that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Readings,
    Snapshots,
}

impl Of {
    /// Whose the rows are, the table, its key, and which rows are the stream's: what other clients write has no protocol.
    fn names(self) -> [&'static str; 4] {
        match self {
            Self::Readings => ["sensor_id", "sensor_data", "sensor_data_id", "protocol IS NOT NULL"],
            Self::Snapshots => ["machine_id", "scada_machine_data", "scada_id", "true"],
        }
    }
}

/// Rows that a look at the table is about: received from a time on, with keys above one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsSince {
    pub received_us: i64,
    pub above: i64,
}

/// Some rows of one sensor or machine and one day since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub id: String,
    pub day: i64,
    pub rows: u64,
    /// When they were measured.
    pub times: Range<i64>,
    /// The highest key.
    pub newest: i64,
}

/// The row with the highest key at one moment. The keys of what comes later are higher, for as long as this row is there: a
/// database that was put back gives keys anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestRow {
    key: i64,
    id: String,
    day: i64,
}

impl NewestRow {
    pub fn of(series: &[Series]) -> Option<Self> {
        let last = series.iter().max_by_key(|series| series.newest)?;
        Some(Self { key: last.newest, id: last.id.clone(), day: last.day })
    }
}

/// The beginning or the end of a fault, and when it was written: not before it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFault {
    pub event: Event,
    pub written_us: i64,
}

/// Rows that the catalogue could name, and how many it could not.
pub struct Found<R> {
    pub records: Vec<R>,
    pub unknown: u64,
}

impl Stored {
    pub async fn open(client: Client, catalogue: Arc<Catalogue>) -> Result<Self, SinkError> {
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL TIME ZONE 'UTC'",
            SCAN_TIMEOUT.as_millis()
        );
        scanned(client.batch_execute(&begin)).await?;
        Ok(Self { client, catalogue })
    }

    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Everything that the log holds below is here.
    pub async fn position(&self, log: Uuid) -> Result<Option<Position>, SinkError> {
        session::OPERATIONS.remembered(&self.client, log).await
    }

    /// Readings of the log that its ledger accounts for.
    pub async fn readings_accounted(&self, log: Uuid) -> Result<i64, SinkError> {
        let sum = "SELECT coalesce(sum(sensor_rows + superseded_rows), 0)::bigint FROM genims_internal.ingest_batches
             WHERE spool_id = $1";
        Ok(self.query(sum, &[&log]).await?.first().map_or(0, |row| row.get(0)))
    }

    /// The stream's rows since then, of days from `from_us` on; by day.
    pub async fn series(&self, of: Of, since: RowsSince, from_us: i64) -> Result<Vec<Series>, SinkError> {
        let [id, table, key, ours] = of.names();
        let select = format!(
            "SELECT {id}, timestamp::date - DATE '1970-01-01', count(*), min(timestamp), max(timestamp), max({key})
             FROM public.{table} WHERE {ours} AND timestamp >= $1 AND created_at >= $2 AND {key} > $3
             GROUP BY 1, 2 ORDER BY 2, 1"
        );
        let rows = self.query(&select, &[&naive(from_us), &naive(since.received_us), &since.above]).await?;
        let series = |row: &Row| Series {
            id: row.get(0),
            day: i64::from(row.get::<_, i32>(1)),
            rows: row.get::<_, i64>(2).unsigned_abs(),
            times: micros(row.get(3))..micros(row.get(4)) + 1,
            newest: row.get(5),
        };
        Ok(rows.iter().map(series).collect())
    }

    /// Above which keys the rows are that came since `newest` was the newest; all of them when that row is gone.
    pub async fn above(&self, of: Of, newest: Option<&NewestRow>) -> Result<i64, SinkError> {
        let Some(NewestRow { key, id, day }) = newest else { return Ok(0) };
        let [whose, table, column, _] = of.names();
        let select = format!(
            "SELECT FROM public.{table} WHERE {whose} = $1 AND {column} = $2 AND timestamp >= $3 AND timestamp < $4"
        );
        let times = times_of(*day);
        let found = self.query(&select, &[id, key, &naive(times.start), &naive(times.end)]).await?;
        Ok(if found.is_empty() { 0 } else { key - KEYS_UNDER_WAY })
    }

    /// The stream's readings of these sensors, by sensor and time.
    pub async fn readings(
        &self,
        sensors: &[&str],
        times: Range<i64>,
        since: RowsSince,
    ) -> Result<Found<Reading>, SinkError> {
        let select = "SELECT sensor_id, timestamp, measurement_value::float8, status, quality, anomaly_score::float8,
                 created_at, protocol FROM public.sensor_data
             WHERE protocol IS NOT NULL AND sensor_id = ANY($1) AND timestamp >= $2 AND timestamp < $3
                 AND created_at >= $4 AND sensor_data_id > $5
             ORDER BY sensor_id, timestamp";
        let (start, end) = (naive(times.start), naive(times.end));
        let rows = self.query(select, &[&sensors, &start, &end, &naive(since.received_us), &since.above]).await?;
        Ok(found(&rows, |row| reading_of(&self.catalogue, row)))
    }

    /// The snapshots of these machines, by machine and time.
    pub async fn snapshots(
        &self,
        machines: &[&str],
        times: Range<i64>,
        since: RowsSince,
    ) -> Result<Found<Snapshot>, SinkError> {
        let select = "SELECT machine_id, timestamp, created_at, last_fault_timestamp, to_jsonb(s)
             FROM public.scada_machine_data AS s
             WHERE machine_id = ANY($1) AND timestamp >= $2 AND timestamp < $3 AND created_at >= $4 AND scada_id > $5
             ORDER BY machine_id, timestamp";
        let (start, end) = (naive(times.start), naive(times.end));
        let rows = self.query(select, &[&machines, &start, &end, &naive(since.received_us), &since.above]).await?;
        Ok(found(&rows, |row| snapshot_of(&self.catalogue, row)))
    }

    /// Faults that the stream opened or closed since `since_us`, as the events that they were.
    pub async fn faults(&self, since_us: i64) -> Result<Found<Event>, SinkError> {
        let Found { records, unknown } = self.faults_where("updated_at >= $1", since_us).await?;
        Ok(Found { records: records.into_iter().map(|fault| fault.event).collect(), unknown })
    }

    /// The same, and those that are still open.
    pub async fn faults_and_open_ones(&self, since_us: i64) -> Result<Vec<StoredFault>, SinkError> {
        Ok(self.faults_where("(updated_at >= $1 OR fault_end_time IS NULL)", since_us).await?.records)
    }

    async fn faults_where(&self, condition: &str, since_us: i64) -> Result<Found<StoredFault>, SinkError> {
        let select = format!(
            "SELECT machine_id, fault_code, fault_category, fault_severity, fault_description,
                 fault_start_time, contributing_sensors, detection_method, fault_end_time, downtime_minutes,
                 production_loss_units, created_at, updated_at
             FROM public.machine_faults WHERE detection_method IN ('threshold', 'plc') AND {condition}
             ORDER BY fault_start_time"
        );
        let rows = self.query(&select, &[&naive(since_us)]).await?;
        let text = |row: &Row, index: usize| row.get::<_, Option<String>>(index).unwrap_or_default();
        let written = |row: &Row, index: usize| row.get::<_, Option<NaiveDateTime>>(index).map_or(i64::MAX, micros);
        let opened = found(&rows, |row| {
            let event = Event::FaultOpened(FaultOpened {
                machine: self.catalogue.machine_by_id(row.get(0))?,
                fault_code: row.get(1),
                category: text(row, 2),
                severity: text(row, 3),
                description: text(row, 4),
                start_us: micros(row.get(5)),
                sensor: row.get::<_, Option<&str>>(6).and_then(|id| self.catalogue.sensor_by_id(id)),
                detection_method: text(row, 7),
            });
            Some(StoredFault { event, written_us: written(row, 11) })
        });
        let closed = rows.iter().filter_map(|row| {
            let event = Event::FaultClosed(FaultClosed {
                machine: self.catalogue.machine_by_id(row.get(0))?,
                fault_code: row.get(1),
                start_us: micros(row.get(5)),
                end_us: row.get::<_, Option<NaiveDateTime>>(8).map(micros)?,
                downtime_minutes: row.get(9),
                production_loss_units: row.get(10),
            });
            Some(StoredFault { event, written_us: written(row, 12) })
        });
        Ok(Found { records: opened.records.into_iter().chain(closed).collect(), unknown: opened.unknown })
    }

    /// A cursor of this moment, which ends with it.
    pub(crate) async fn declare(&self, name: &str, select: &str) -> Result<(), SinkError> {
        scanned(self.client.batch_execute(&format!("DECLARE {name} NO SCROLL CURSOR FOR {select}"))).await
    }

    pub(crate) async fn query(&self, text: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, SinkError> {
        scanned(self.client.query(text, parameters)).await
    }
}

async fn scanned<V>(work: impl Future<Output = Result<V, tokio_postgres::Error>>) -> Result<V, SinkError> {
    match tokio::time::timeout(SCAN_TIMEOUT, work).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(SinkError::TimedOut(SCAN_TIMEOUT)),
    }
}

/// A reading from `sensor_id, timestamp, measurement_value, status, quality, anomaly_score, created_at, protocol`.
pub(crate) fn reading_of(catalogue: &Catalogue, row: &Row) -> Option<Reading> {
    let value = row.get::<_, Option<f64>>(2)?;
    Some(Reading {
        sensor: catalogue.sensor_by_id(row.get(0))?,
        protocol: named(row.get(7), Protocol::from_u8, Protocol::as_str).unwrap_or(Protocol::Mqtt),
        status: named(row.get(3), Status::from_u8, Status::as_str).unwrap_or(Status::Normal),
        quality: named(row.get(4), Quality::from_u8, Quality::as_str).unwrap_or(Quality::Good),
        flags: 0,
        source: 0,
        timestamp_us: micros(row.get(1)),
        received_us: row.get::<_, Option<NaiveDateTime>>(6).map_or(0, micros),
        value,
        min_1min: value,
        max_1min: value,
        avg_1min: value,
        std_1min: 0.0,
        anomaly_score: row.get::<_, Option<f64>>(5).unwrap_or(0.0) as f32,
    })
}

/// A snapshot from `machine_id, timestamp, created_at, last_fault_timestamp, to_jsonb(row)`.
pub(crate) fn snapshot_of(catalogue: &Catalogue, row: &Row) -> Option<Snapshot> {
    let mut columns: Map<String, Value> = row.get::<_, Value>(4).as_object()?.clone();
    columns.insert("last_fault_timestamp_us".to_owned(), row.get::<_, Option<NaiveDateTime>>(3).map(micros).into());
    Some(Snapshot {
        machine: catalogue.machine_by_id(row.get(0))?,
        source: 0,
        received_us: row.get::<_, Option<NaiveDateTime>>(2).map_or(0, micros),
        timestamp_us: micros(row.get(1)),
        fields: serde_json::from_value::<SnapshotFields>(Value::Object(columns)).ok()?,
    })
}

fn found<R>(rows: &[Row], record: impl Fn(&Row) -> Option<R>) -> Found<R> {
    let records: Vec<R> = rows.iter().filter_map(record).collect();
    Found { unknown: (rows.len() - records.len()) as u64, records }
}

/// The one of a small closed set that bears this name.
fn named<E: Copy>(name: Option<&str>, each: fn(u8) -> Option<E>, text: fn(E) -> &'static str) -> Option<E> {
    (0..).map_while(each).find(|one| Some(text(*one)) == name)
}

pub(crate) fn micros(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}

/// Microseconds of a day since 1970.
pub fn times_of(day: i64) -> Range<i64> {
    day * DAY_US..(day + 1) * DAY_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_closed_sets_are_found_again() {
        for code in 0..4 {
            let protocol = Protocol::from_u8(code).expect("a protocol");
            assert_eq!(named(Some(protocol.as_str()), Protocol::from_u8, Protocol::as_str), Some(protocol));
        }
        assert_eq!(named(Some("of another client"), Quality::from_u8, Quality::as_str), None);
        assert_eq!(named(None, Quality::from_u8, Quality::as_str), None);
    }
}
