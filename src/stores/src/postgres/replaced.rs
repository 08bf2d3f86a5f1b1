//! Deletes what earlier batches stored under the sensor and timestamp of readings that replace it.

use crate::error::{SinkError, answered};
use crate::order::OrderedReading;
use crate::postgres::copy::{Copied, Refused};
use crate::postgres::days_kept::DaysKept;
use crate::postgres::event_rows::naive;
use crate::postgres::isolate::Rowwise;
use crate::postgres::sensor_rows::refused;
use genims_catalogue::Catalogue;
use std::ops::Range;
use tokio_postgres::Transaction;

pub struct Replaced<'a, 'b> {
    pub catalogue: &'a Catalogue,
    pub replacing: &'a [OrderedReading<'b>],
}

impl Rowwise for Replaced<'_, '_> {
    fn rows(&self) -> usize {
        self.replacing.len()
    }

    async fn run(&mut self, transaction: &Transaction<'_>, range: Range<usize>) -> Result<Copied, SinkError> {
        let rows = &self.replacing[range];
        let times = rows.iter().map(|row| row.reading.timestamp_us);
        let (Some(min), Some(max)) = (times.clone().min(), times.clone().max()) else { return Ok(Copied::default()) };
        let sensor = |row: &OrderedReading<'_>| {
            self.catalogue.sensor(row.reading.sensor).map(|entry| entry.sensor.sensor_id.as_str())
        };
        let sensors: Vec<&str> = rows.iter().map(|row| sensor(row).unwrap_or_default()).collect();
        let times: Vec<_> = times.map(naive).collect();
        // The bounds let the planner leave out the partitions of other days.
        let delete =
            "DELETE FROM public.sensor_data AS old USING unnest($1::text[], $2::timestamp[]) AS new (sensor, time)
             WHERE old.sensor_id = new.sensor AND old.timestamp = new.time AND old.timestamp BETWEEN $3 AND $4";
        let deleted = answered(transaction.execute(delete, &[&sensors, &times, &naive(min), &naive(max)])).await?;
        Ok(Copied { rows: deleted, bytes: 0 })
    }

    fn refused(&self, index: usize) -> Refused {
        refused(self.catalogue, &self.replacing[index], &DaysKept::all())
    }
}
