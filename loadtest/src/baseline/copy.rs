//! Bare binary COPY: one writer, one transaction a batch, ready-made rows sorted by (sensor, timestamp), into a table
//! defined like `public.sensor_data` (columns, defaults, indexes, partitioned by day if that is), in a scratch schema.

use super::rows::{COLUMNS, POSTGRES_EPOCH_US, batch, push_row};
use super::{BATCH_ROWS, BaselineError};
use crate::plant::Plant;
use bytes::Bytes;
use futures_util::SinkExt;
use std::pin::pin;
use tokio_postgres::Client;

const SCHEMA: &str = "genims_loadtest";
/// The buffer goes out in pieces of this size.
const CHUNK_BYTES: usize = 256 * 1024;
const DAY_US: i64 = 86_400_000_000;

pub struct CopyBaseline {
    client: Client,
    buffer: Vec<u8>,
    times_at: Vec<usize>,
    /// Between two batches all times move on by this.
    batch_us: i64,
    first_us: i64,
    batches: u64,
}

impl CopyBaseline {
    pub async fn prepare(client: Client, plant: &Plant) -> Result<Self, BaselineError> {
        let first_us = midnight_us();
        create(&client, first_us).await?;
        let mut buffer = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
        let mut times_at = Vec::with_capacity(2 * BATCH_ROWS);
        let per_sensor = (BATCH_ROWS / plant.sensors.len().max(1) + 1) as i64;
        let interval_us = 1_000;
        for row in batch(plant, BATCH_ROWS, first_us, interval_us) {
            push_row(&mut buffer, &row, &mut times_at);
        }
        buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        Ok(Self { client, buffer, times_at, batch_us: per_sensor * interval_us, first_us, batches: 0 })
    }

    /// One transaction; returns its rows.
    pub async fn batch(&mut self) -> Result<u64, BaselineError> {
        if self.batches > 0 {
            self.move_on();
        }
        self.batches += 1;
        let copy = format!("copy {SCHEMA}.sensor_data ({COLUMNS}) from stdin (format binary)");
        let mut sink = pin!(self.client.copy_in::<_, Bytes>(&copy).await?);
        for chunk in self.buffer.chunks(CHUNK_BYTES) {
            sink.send(Bytes::copy_from_slice(chunk)).await?;
        }
        Ok(sink.finish().await?)
    }

    /// The same rows a little later, as a stream would bring them; after a day's worth they begin again.
    fn move_on(&mut self) {
        let day_end = self.first_us + DAY_US - POSTGRES_EPOCH_US;
        let last = self.times_at.iter().map(|&at| read(&self.buffer, at)).max().unwrap_or(0);
        let step_us = if last + 2 * self.batch_us < day_end { self.batch_us } else { self.batch_us - DAY_US / 2 };
        for &at in &self.times_at {
            let moved = read(&self.buffer, at) + step_us;
            self.buffer[at..at + 8].copy_from_slice(&moved.to_be_bytes());
        }
    }

    pub async fn remove(self) -> Result<(), BaselineError> {
        self.client.batch_execute(&format!("drop schema if exists {SCHEMA} cascade")).await?;
        Ok(())
    }
}

fn read(buffer: &[u8], at: usize) -> i64 {
    buffer[at..at + 8].try_into().map_or(0, i64::from_be_bytes)
}

fn midnight_us() -> i64 {
    chrono::Utc::now().timestamp() / 86_400 * DAY_US
}

async fn create(client: &Client, day_us: i64) -> Result<(), BaselineError> {
    // What a run that was killed left behind goes first.
    client.batch_execute(&format!("drop schema if exists {SCHEMA} cascade; create schema {SCHEMA}")).await?;
    let row = client
        .query_one("select relkind = 'p' from pg_class where oid = to_regclass('public.sensor_data')", &[])
        .await
        .map_err(|_| {
            BaselineError::Other("genims_operations_db has no table sensor_data: run `genims provision`".into())
        })?;
    let partitioned: bool = row.try_get(0)?;
    let by = if partitioned { "partition by range (timestamp)" } else { "" };
    client
        .batch_execute(&format!(
            "create table {SCHEMA}.sensor_data (like public.sensor_data including all) {by};
             create sequence {SCHEMA}.ids;
             alter table {SCHEMA}.sensor_data alter column sensor_data_id drop identity if exists;
             alter table {SCHEMA}.sensor_data alter column sensor_data_id set default nextval('{SCHEMA}.ids')"
        ))
        .await?;
    if partitioned {
        let day = |us: i64| crate::verdict::postgres::timestamp(us).format("%Y-%m-%d").to_string();
        client
            .batch_execute(&format!(
                "create table {SCHEMA}.sensor_data_day partition of {SCHEMA}.sensor_data \
                 for values from ('{}') to ('{}')",
                day(day_us),
                day(day_us + DAY_US)
            ))
            .await?;
    }
    Ok(())
}
