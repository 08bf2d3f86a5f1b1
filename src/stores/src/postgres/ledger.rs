//! A batch's row in `ingest_batches`: what became of each of its offsets.

use crate::batch::Batch;
use crate::error::{SinkError, answered};
use crate::postgres::event_rows::naive;
use crate::postgres::partitions::is_stored;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

/// Behind the last batch that the ledger has of a log. Rows and position are committed with it, so it is never ahead of the position,
/// unless that was put back alone.
pub async fn entered_until(client: &Client, spool_id: Uuid) -> Result<u64, SinkError> {
    let select =
        "SELECT next_offset FROM genims_internal.ingest_batches WHERE spool_id = $1 ORDER BY first_offset DESC LIMIT 1";
    let log: [(&(dyn ToSql + Sync), Type); 1] = [(&spool_id, Type::UUID)];
    let last = answered(client.query_typed(select, &log)).await?;
    Ok(last.first().map_or(0, |row| row.get::<_, i64>(0) as u64))
}

/// A row of `ingest_batches`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LedgerRow {
    pub sensor_rows: u64,
    pub superseded_rows: u64,
    pub replaced_rows: u64,
    pub scada_rows: u64,
    pub events: u64,
    pub dead_letters: u64,
    pub refused_rows: u64,
}

impl LedgerRow {
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
        let [first, next, sensor, superseded, replaced, scada, events, dead_letters, refused] = [
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
        let values: [&(dyn ToSql + Sync); 12] = [
            &spool_id,
            &first,
            &next,
            &sensor,
            &superseded,
            &replaced,
            &scada,
            &events,
            &dead_letters,
            &refused,
            &min,
            &max,
        ];
        answered(transaction.execute(insert, &values)).await?;
        Ok(())
    }
}
