//! One batch, one transaction: position, rows, dead letters, ledger.

use crate::batch::Batch;
use crate::error::SinkError;
use crate::order::{Row, day_of};
use crate::postgres::copy::{Copied, EncodeRows, Refused, copy, copy_isolating, refusal};
use crate::postgres::event_rows::{self, EventRows, close_faults, naive};
use crate::postgres::letters::{self, LetterRows};
use crate::postgres::partitions::{is_missing_partition, is_stored, partition_name};
use crate::postgres::scada_rows::{self, ScadaRows};
use crate::postgres::sensor_rows::{self, SensorRows, refused, sort};
use crate::postgres::session::{Session, move_position};
use crate::target::Report;
use bytes::BytesMut;
use genims_catalogue::Catalogue;
use genims_model::{Lineage, Position, now_us};
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

/// What writing one batch needs to know.
pub struct Context<'a> {
    pub spool_id: Uuid,
    pub position: u64,
    pub lineage: &'a Lineage,
    pub catalogue: &'a Catalogue,
    /// The listeners' names by number.
    pub sources: &'a [String],
}

/// How rows are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One COPY for all rows: the first refused one fails the batch.
    Whole,
    /// Refused rows are found and set aside.
    Isolating,
}

/// Writes the batch: once more when a partition was dropped behind our back, and once more row by row where rows are
/// refused.
pub async fn commit(
    session: &mut Session,
    batch: &Batch,
    context: &Context<'_>,
    buffer: &mut BytesMut,
) -> Result<Report, SinkError> {
    let mut result = write(session, batch, context, buffer, Mode::Whole).await;
    if matches!(&result, Err(SinkError::Postgres(error)) if is_missing_partition(error)) {
        session.forget();
        result = write(session, batch, context, buffer, Mode::Whole).await;
    }
    match result {
        Err(SinkError::Postgres(error)) if refusal(&error).is_some() => {
            tracing::info!(%error, first_offset = batch.first_offset, "rows refused; looking for them one by one");
            write(session, batch, context, buffer, Mode::Isolating).await
        }
        other => other,
    }
}

/// The prepared statements of one batch.
struct Statements {
    sensors: Statement,
    scada: Statement,
    faults: Statement,
    health: Statement,
    letters: Statement,
}

async fn write(
    session: &mut Session,
    batch: &Batch,
    context: &Context<'_>,
    buffer: &mut BytesMut,
    mode: Mode,
) -> Result<Report, SinkError> {
    let catalogue = context.catalogue;
    let sorted = sort(batch, catalogue);
    let mut set_aside: Vec<Refused> = sorted.unstorable.iter().map(|row| refused(catalogue, row)).collect();
    let mut sensors = SensorRows::new(catalogue, sorted.rows);
    let (mut scada, unstorable) = ScadaRows::of(batch, catalogue);
    set_aside.extend(unstorable);
    let mut events = EventRows::of(batch, catalogue, now_us());

    let days = sensors.days();
    let sensor_days = days.iter().map(|day| ("sensor_data", *day));
    let scada_days = batch.snapshots().map(|(_, snapshot)| ("scada_machine_data", day_of(snapshot.timestamp_us)));
    session.known_days.ensure(&session.client, now_us(), sensor_days.chain(scada_days)).await?;
    let statements = prepare(session, &days).await?;

    let transaction = session.client.transaction().await?;
    let lineage = context.lineage.clone();
    let reached = Position { log: context.spool_id, lineage, offset: batch.next_offset };
    move_position(&transaction, context.position, &reached).await?;
    let replaced = delete_replaced(&transaction, catalogue, &sorted.replacing).await?;
    let mut writer = Writer { transaction: &transaction, buffer, mode, set_aside, bytes: 0 };
    let sensor_rows = writer.write(&statements.sensors, &mut sensors).await?;
    let scada_rows = writer.write(&statements.scada, &mut scada).await?;
    writer.write(&statements.faults, &mut events.faults).await?;
    writer.write(&statements.health, &mut events.health).await?;
    if !events.closed.is_empty() {
        close_faults(&transaction, &events.closed).await?;
    }

    let Writer { set_aside, mut bytes, .. } = writer;
    let mut letters = LetterRows {
        spool_id: context.spool_id,
        sources: context.sources,
        letters: batch.dead_letters().collect(),
        refused: &set_aside,
    };
    if letters.rows() > 0 {
        let all = 0..letters.rows();
        bytes += copy(&transaction, &statements.letters, &mut letters, all, buffer).await?.bytes;
    }
    let refused_events = set_aside.iter().filter(|refused| refused.source.is_none()).count() as u64;
    let ledger = Ledger {
        sensor_rows,
        superseded_rows: sorted.superseded,
        replaced_rows: replaced,
        scada_rows,
        events: batch.events().count() as u64 - refused_events,
        dead_letters: letters.letters.len() as u64,
        refused_rows: set_aside.len() as u64,
    };
    ledger.insert(&transaction, context.spool_id, batch).await?;
    transaction.commit().await?;
    let counted = set_aside.iter().filter_map(|refused| refused.source.map(|source| (refused.log_offset, source)));
    Ok(Report { refused: counted.collect(), refused_uncounted: refused_events, expired: 0, bytes })
}

async fn prepare(session: &mut Session, days: &[i64]) -> Result<Statements, SinkError> {
    // Straight into the partition saves the router's work, about 3 % of a COPY. Late data of many days would need as
    // many COPYs, so they go through the parent.
    let partition = match days {
        [day] if session.known_days.contains("sensor_data", *day) => partition_name("sensor_data", *day),
        _ => None,
    };
    let table = partition.as_deref().unwrap_or("public.sensor_data");
    Ok(Statements {
        sensors: session.prepare(&copy_in(table, sensor_rows::COLUMNS)).await?,
        scada: session.prepare(&copy_in("public.scada_machine_data", scada_rows::COLUMNS)).await?,
        faults: session.prepare(&copy_in("public.machine_faults", event_rows::FAULT_COLUMNS)).await?,
        health: session.prepare(&copy_in("public.sensor_health", event_rows::HEALTH_COLUMNS)).await?,
        letters: session.prepare(&copy_in("genims_internal.dead_letters", letters::COLUMNS)).await?,
    })
}

/// The statement that [`copy`] runs.
pub fn copy_in(table: &str, columns: &str) -> String {
    format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)")
}

/// Copies into one transaction after the other table, in one mode.
struct Writer<'a> {
    transaction: &'a Transaction<'a>,
    buffer: &'a mut BytesMut,
    mode: Mode,
    set_aside: Vec<Refused>,
    bytes: u64,
}

impl Writer<'_> {
    async fn write(&mut self, statement: &Statement, rows: &mut dyn EncodeRows) -> Result<u64, SinkError> {
        let count = rows.rows();
        if count == 0 {
            return Ok(0);
        }
        let Copied { rows, bytes } = match self.mode {
            Mode::Whole => copy(self.transaction, statement, rows, 0..count, self.buffer).await?,
            Mode::Isolating => {
                copy_isolating(self.transaction, statement, rows, self.buffer, &mut self.set_aside).await?
            }
        };
        self.bytes += bytes;
        Ok(rows)
    }
}

/// Deletes what earlier batches stored under the same sensor and timestamp (`same_timestamp = "last"`).
async fn delete_replaced(
    transaction: &Transaction<'_>,
    catalogue: &Catalogue,
    replacing: &[Row<'_>],
) -> Result<u64, SinkError> {
    let times = replacing.iter().map(|row| row.reading.timestamp_us);
    let (Some(min), Some(max)) = (times.clone().min(), times.clone().max()) else { return Ok(0) };
    let sensors: Vec<&str> = replacing
        .iter()
        .map(|row| catalogue.sensor(row.reading.sensor).map_or("", |entry| entry.sensor.sensor_id.as_str()))
        .collect();
    let times: Vec<_> = times.map(naive).collect();
    // The bounds let the planner leave out the partitions of other days.
    let delete = "DELETE FROM public.sensor_data AS old USING unnest($1::text[], $2::timestamp[]) AS new (sensor, time)
         WHERE old.sensor_id = new.sensor AND old.timestamp = new.time AND old.timestamp BETWEEN $3 AND $4";
    Ok(transaction.execute(delete, &[&sensors, &times, &naive(min), &naive(max)]).await?)
}

/// A row of `ingest_batches`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    pub sensor_rows: u64,
    pub superseded_rows: u64,
    pub replaced_rows: u64,
    pub scada_rows: u64,
    pub events: u64,
    pub dead_letters: u64,
    pub refused_rows: u64,
}

impl Ledger {
    pub async fn insert(&self, transaction: &Transaction<'_>, spool_id: Uuid, batch: &Batch) -> Result<(), SinkError> {
        let times = batch.readings().map(|(_, reading)| reading.timestamp_us).filter(|us| is_stored(*us));
        let (min, max) = times.fold((None, None), |(min, max): (Option<i64>, Option<i64>), us| {
            (Some(min.map_or(us, |min| min.min(us))), Some(max.map_or(us, |max| max.max(us))))
        });
        let (min, max) = (min.map(naive), max.map(naive));
        let insert = "INSERT INTO genims_internal.ingest_batches (spool_id, first_offset, next_offset, sensor_rows,
                 superseded_rows, replaced_rows, scada_rows, events, dead_letters, refused_rows, timestamp_min,
                 timestamp_max)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let [first, next, sensor, superseded, replaced, scada, events, letters, refused] = [
            batch.first_offset,
            batch.next_offset,
            self.sensor_rows,
            self.superseded_rows,
            self.replaced_rows,
            self.scada_rows,
            self.events,
            self.dead_letters,
            self.refused_rows,
        ]
        .map(|count| count as i64);
        transaction
            .execute(
                insert,
                &[
                    &spool_id,
                    &first,
                    &next,
                    &sensor,
                    &superseded,
                    &replaced,
                    &scada,
                    &events,
                    &letters,
                    &refused,
                    &min,
                    &max,
                ],
            )
            .await?;
        Ok(())
    }
}
