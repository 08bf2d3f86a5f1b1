//! What the stream has stored in `genims_operations_db`, in the order in which it was received: readings, snapshots and the sensors'
//! health, a page at a time, all as of the moment of a [`Stored`].
//!
//! In: a span of receipt. Out: records, and with each when it was received. What was received in the same microsecond came in one
//! message mostly, and goes by its own times. Receipts have no index, times have one; the ledger says which times came in since.
//!
//! What is to be known of the time before: [`super::before`].

use crate::error::SinkError;
use crate::postgres::event_rows::naive;
use crate::postgres::stored::{Stored, micros, reading_of, snapshot_of};
use chrono::NaiveDateTime;
use genims_model::event::SensorHealth;
use genims_model::reading::flag;
use genims_model::{Reading, Snapshot};
use std::collections::VecDeque;
use std::ops::Range;
use tokio_postgres::Row;

/// Rows that are fetched at once.
const PAGE: usize = 5_000;

/// A record of any of the three kinds.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    Reading(Reading),
    Snapshot(Box<Snapshot>),
    /// The sensor's health, as it was told.
    Health(Box<SensorHealth>),
}

impl Received {
    pub fn received_us(&self) -> i64 {
        match self {
            Self::Reading(reading) => reading.received_us,
            Self::Snapshot(snapshot) => snapshot.received_us,
            // It is told at a receipt, or by the clock.
            Self::Health(health) => health.timestamp_us,
        }
    }
}

/// From which receipt on each kind is of use; `None`: it is of none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiptsSince {
    pub readings_us: Option<i64>,
    pub snapshots_us: Option<i64>,
    pub health_us: Option<i64>,
}

/// All of a span, in order.
pub struct Receipts<'a> {
    stored: &'a Stored,
    ledger: Option<Ledger>,
    cursors: Vec<Cursor>,
    /// Rows of sensors or machines that the catalogue does not know.
    pub unknown: u64,
}

/// Of a reading, as [`reading`] takes it.
pub(crate) const READING: &str = "sensor_id, timestamp, measurement_value::float8, status, quality, anomaly_score::float8, created_at, \
     protocol, is_below_warning, is_above_warning, is_below_critical, is_above_critical, is_anomaly";
/// So long before its receipt nothing was committed, by two clocks.
const CLOCKS_APART_US: i64 = 3_600_000_000;
const HOUR_US: i64 = 3_600_000_000;
/// Readings are sorted by receipt so many at a time: those of a day would not fit.
const WINDOW_US: i64 = 900_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Readings,
    Snapshots,
    Health,
}

struct Cursor {
    kind: Kind,
    /// Receipts that are still to be read.
    windows: VecDeque<Range<i64>>,
    ahead_us: i64,
    is_open: bool,
    page: VecDeque<Received>,
}

impl<'a> Receipts<'a> {
    /// What was received up to `end_us`. No clock was believed that was further ahead than `ahead_us`.
    pub fn of(stored: &'a Stored, since: ReceiptsSince, end_us: i64, ahead_us: i64) -> Self {
        let cursor = |kind, since_us: Option<i64>, width_us| {
            let windows = windows(since_us?..end_us, width_us);
            Some(Cursor { kind, windows, ahead_us, is_open: false, page: VecDeque::new() })
        };
        let cursors = [
            cursor(Kind::Readings, since.readings_us, WINDOW_US),
            cursor(Kind::Snapshots, since.snapshots_us, i64::MAX),
            cursor(Kind::Health, since.health_us, i64::MAX),
        ];
        Self { stored, ledger: None, cursors: cursors.into_iter().flatten().collect(), unknown: 0 }
    }

    /// The next one, of whichever kind.
    pub async fn next(&mut self) -> Result<Option<Received>, SinkError> {
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            none => none.insert(Ledger::of(self.stored).await?),
        };
        for cursor in &mut self.cursors {
            self.unknown += cursor.fill(self.stored, ledger).await?;
        }
        let first = self
            .cursors
            .iter_mut()
            .filter(|cursor| !cursor.page.is_empty())
            .min_by_key(|cursor| cursor.page.front().map(Received::received_us));
        Ok(first.and_then(|cursor| cursor.page.pop_front()))
    }
}

/// Consecutive parts of a span, none longer than this.
fn windows(span: Range<i64>, width_us: i64) -> VecDeque<Range<i64>> {
    let mut windows = VecDeque::new();
    let mut from_us = span.start.max(0);
    while from_us < span.end {
        let to_us = from_us.saturating_add(width_us).min(span.end);
        windows.push_back(from_us..to_us);
        from_us = to_us;
    }
    windows
}

impl Cursor {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Readings => "genims_readings",
            Kind::Snapshots => "genims_snapshots",
            Kind::Health => "genims_health",
        }
    }

    /// Fetches a page where there is none; how many of its rows the catalogue does not know.
    async fn fill(&mut self, stored: &Stored, ledger: &Ledger) -> Result<u64, SinkError> {
        let mut unknown = 0;
        while self.page.is_empty() {
            if !self.is_open {
                let Some(window) = self.windows.pop_front() else { break };
                stored.declare(self.name(), &self.select(ledger, window)).await?;
                self.is_open = true;
            }
            let rows = stored.query(&format!("FETCH {PAGE} FROM {}", self.name()), &[]).await?;
            let records: Vec<Received> = rows.iter().filter_map(|row| self.record(stored, row)).collect();
            unknown += (rows.len() - records.len()) as u64;
            self.page.extend(records);
            if rows.len() < PAGE {
                stored.query(&format!("CLOSE {}", self.name()), &[]).await?;
                self.is_open = false;
            }
        }
        Ok(unknown)
    }

    fn record(&self, stored: &Stored, row: &Row) -> Option<Received> {
        match self.kind {
            Kind::Readings => reading(stored, row).map(Received::Reading),
            Kind::Snapshots => {
                snapshot_of(stored.catalogue(), row).map(|snapshot| Received::Snapshot(Box::new(snapshot)))
            }
            Kind::Health => health_of(stored, row),
        }
    }

    fn select(&self, ledger: &Ledger, window: Range<i64>) -> String {
        let [from, to, ahead] = [window.start, window.end, window.end.saturating_add(self.ahead_us)].map(literal);
        match self.kind {
            Kind::Readings => {
                let came_in = ledger.since(window.start);
                format!(
                    "SELECT {READING} FROM public.sensor_data
                     WHERE protocol IS NOT NULL AND created_at >= {from} AND created_at < {to} AND timestamp <= {ahead}{came_in}
                     ORDER BY created_at, timestamp, sensor_data_id"
                )
            }
            Kind::Snapshots => format!(
                "SELECT machine_id, timestamp, created_at, last_fault_timestamp, to_jsonb(s)
                 FROM public.scada_machine_data AS s WHERE created_at >= {from} AND created_at < {to} AND timestamp <= {ahead}
                 ORDER BY created_at, timestamp, scada_id"
            ),
            Kind::Health => format!(
                "SELECT sensor_id, timestamp, health_score::float8, drift_percentage::float8, noise_level::float8,
                     last_communication, communication_failures_24h, stuck_value_detected, erratic_readings_detected,
                     out_of_range_readings_24h, average_latency_ms::float8, overall_status
                 FROM public.sensor_health WHERE timestamp >= {from} AND timestamp < {to} ORDER BY timestamp, sensor_id"
            ),
        }
    }
}

fn literal(us: i64) -> String {
    format!("TIMESTAMP '{}'", naive(us.max(0)).format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// What the ledger says of the times of readings: for each hour of commits, oldest first, the earliest reading of the batches from then on.
/// Where these have none it is `i64::MAX`.
struct Ledger(Vec<(i64, i64)>);

impl Ledger {
    async fn of(stored: &Stored) -> Result<Self, SinkError> {
        let hours = "SELECT extract(epoch FROM date_trunc('hour', committed_at))::bigint * 1000000, min(timestamp_min)
             FROM genims_internal.ingest_batches GROUP BY 1 ORDER BY 1";
        let rows = stored.query(hours, &[]).await?;
        let hour = |row: &Row| (row.get(0), row.get::<_, Option<NaiveDateTime>>(1).map_or(i64::MAX, micros));
        Ok(Self::from_hours(rows.iter().map(hour).collect()))
    }

    fn from_hours(mut hours: Vec<(i64, i64)>) -> Self {
        let mut earliest_us = i64::MAX;
        for (_, of_hour_us) in hours.iter_mut().rev() {
            earliest_us = earliest_us.min(*of_hour_us);
            *of_hour_us = earliest_us;
        }
        Self(hours)
    }

    /// A condition on the times of readings that were received since; none where the ledger does not reach back so far.
    fn since(&self, received_us: i64) -> String {
        let committed_us = received_us.saturating_sub(CLOCKS_APART_US);
        let before = self.0.partition_point(|(hour_us, _)| hour_us + HOUR_US <= committed_us);
        match self.0.get(before) {
            _ if before == 0 => String::new(),
            Some((_, earliest_us)) if *earliest_us < i64::MAX => format!(" AND timestamp >= {}", literal(*earliest_us)),
            _ => " AND false".to_owned(),
        }
    }
}

/// A reading from the columns of [`READING`], with what was judged of it.
pub(crate) fn reading(stored: &Stored, row: &Row) -> Option<Reading> {
    let judged = [flag::BELOW_WARNING, flag::ABOVE_WARNING, flag::BELOW_CRITICAL, flag::ABOVE_CRITICAL, flag::ANOMALY];
    let holds = |index: usize| row.get::<_, Option<bool>>(index).unwrap_or(false);
    let flags = (8..).zip(judged).filter(|(index, _)| holds(*index)).fold(0, |flags, (_, flag)| flags | flag);
    reading_of(stored.catalogue(), row).map(|reading| Reading { flags, ..reading })
}

fn health_of(stored: &Stored, row: &Row) -> Option<Received> {
    let number = |index: usize| row.get::<_, Option<f64>>(index);
    let count = |index: usize| row.get::<_, Option<i32>>(index).unwrap_or(0);
    let holds = |index: usize| row.get::<_, Option<bool>>(index).unwrap_or(false);
    Some(Received::Health(Box::new(SensorHealth {
        sensor: stored.catalogue().sensor_by_id(row.get(0))?,
        timestamp_us: micros(row.get(1)),
        health_score: number(2).unwrap_or(0.0),
        drift_percentage: number(3),
        noise_level: number(4),
        last_communication_us: row.get::<_, Option<NaiveDateTime>>(5).map(micros),
        communication_failures_24h: count(6),
        stuck: holds(7),
        erratic: holds(8),
        out_of_range_24h: count(9),
        average_latency_ms: number(10),
        overall_status: row.get::<_, Option<String>>(11).unwrap_or_default(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_in_windows_that_leave_nothing_out() {
        assert_eq!(windows(5..35, 10), [5..15, 15..25, 25..35]);
        assert_eq!(windows(5..36, 10).back(), Some(&(35..36)));
        assert_eq!((windows(-5..7, i64::MAX).pop_front(), windows(-5..7, i64::MAX).len()), (Some(0..7), 1));
        assert!(windows(7..7, 10).is_empty());
    }

    #[test]
    fn the_ledger_bounds_the_times_of_readings_and_leaves_none_out() {
        // Commits of hours 1, 3 and 4; in the fourth one came what is as old as the second.
        let hours = [(HOUR_US, HOUR_US / 2), (3 * HOUR_US, 3 * HOUR_US), (4 * HOUR_US, 2 * HOUR_US)];
        let ledger = Ledger::from_hours(hours.to_vec());
        let from = |us| format!(" AND timestamp >= {}", literal(us));
        // It does not reach back so far.
        assert_eq!(ledger.since(2 * HOUR_US), "");
        assert_eq!(ledger.since(3 * HOUR_US), from(2 * HOUR_US));
        assert_eq!(ledger.since(6 * HOUR_US - 1), from(2 * HOUR_US));
        assert_eq!(ledger.since(6 * HOUR_US), " AND false");
        assert_eq!(Ledger::from_hours(vec![(0, 0), (3 * HOUR_US, i64::MAX)]).since(3 * HOUR_US), " AND false");
        assert_eq!(Ledger::from_hours(Vec::new()).since(0), "");
    }
}
