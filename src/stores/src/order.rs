//! The order in which databases like a batch's readings: by day, sensor, timestamp, and log offset.
//!
//! Days because each has its own partition in PostgreSQL; sensors because the (sensor_id, timestamp) index then takes
//! neighbours one after the other, because a time-series collection writes a bucket per sensor, and because what all
//! rows of a sensor share is encoded once per run.

use crate::batch::Batch;
use genims_model::Reading;

pub const DAY_US: i64 = 86_400_000_000;

/// One reading and its place in the log.
#[derive(Clone, Copy, Debug)]
pub struct OrderedReading<'a> {
    pub reading: &'a Reading,
    pub offset: u64,
}

/// The day since 1970 in which a timestamp falls.
pub fn day_of(timestamp_us: i64) -> i64 {
    timestamp_us.div_euclid(DAY_US)
}

/// The readings that `keep` lets pass, sorted.
pub fn sorted(batch: &Batch, mut keep: impl FnMut(&OrderedReading<'_>) -> bool) -> Vec<OrderedReading<'_>> {
    let mut keyed: Vec<(u128, OrderedReading<'_>)> = Vec::with_capacity(batch.len() as usize);
    for (offset, reading) in batch.readings() {
        let row = OrderedReading { reading, offset };
        if keep(&row) {
            keyed.push((key(reading, offset - batch.first_offset), row));
        }
    }
    keyed.sort_unstable_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// Day, sensor, microsecond within the day, place in the batch: 32 + 32 + 37 + 27 bits. The place needs no more: a batch
/// holds fewer than 2^27 readings.
fn key(reading: &Reading, place: u64) -> u128 {
    let day = day_of(reading.timestamp_us).wrapping_sub(i64::from(i32::MIN)) as u32;
    let within_us = reading.timestamp_us.rem_euclid(DAY_US) as u128;
    u128::from(day) << 96 | u128::from(reading.sensor.0) << 64 | within_us << 27 | u128::from(place & ((1 << 27) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use genims_model::{Group, SensorNo};
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn the_key_sorts_as_the_four_fields_do(
            readings in proptest::collection::vec((0_u32..4, -3 * DAY_US..3 * DAY_US), 0..60)
        ) {
            let readings: Vec<Reading> =
                readings.into_iter().map(|(no, timestamp_us)| sample::reading(SensorNo(no), timestamp_us)).collect();
            let mut batch = Batch::default();
            batch.push(Arc::new(Group { first_offset: 7, readings, ..Group::default() }));
            let fields = |row: &OrderedReading<'_>| {
                (day_of(row.reading.timestamp_us), row.reading.sensor, row.reading.timestamp_us, row.offset)
            };
            let rows = sorted(&batch, |_| true);
            prop_assert_eq!(rows.len() as u64, batch.len());
            prop_assert!(rows.is_sorted_by_key(fields));
        }
    }
}
