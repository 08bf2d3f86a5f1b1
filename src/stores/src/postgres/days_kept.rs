//! Which days of a batch are written when the server has too few locks for all of them: the newest.

use crate::batch::Batch;
use crate::order::day_of;
use crate::postgres::partitions::is_stored;
use std::collections::BTreeSet;

/// Why a row of another day is set aside, and what can be done with it.
pub(crate) const SHORT_OF_LOCKS: &str = "its message holds more days than the server has locks for; replay it, and raise \
     max_locks_per_transaction";

/// The days from one on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysKept {
    oldest: i64,
}

impl DaysKept {
    pub fn all() -> Self {
        Self { oldest: i64::MIN }
    }

    pub fn contains(self, timestamp_us: i64) -> bool {
        day_of(timestamp_us) >= self.oldest
    }

    /// The newer half of the days that the batch has among those kept; `None` when that is one.
    pub(crate) fn halved(self, batch: &Batch) -> Option<Self> {
        let readings = batch.readings().map(|(_, reading)| reading.timestamp_us);
        let snapshots = batch.snapshots().map(|(_, snapshot)| snapshot.timestamp_us);
        let times = readings.chain(snapshots).filter(|time| is_stored(*time) && self.contains(*time));
        let days: BTreeSet<i64> = times.map(day_of).collect();
        (days.len() > 1).then(|| Self { oldest: days.iter().nth(days.len().div_ceil(2)).copied().unwrap_or(i64::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::DAY_US;
    use crate::sample;
    use genims_model::{Group, SensorNo};
    use std::sync::Arc;

    #[test]
    fn the_newest_days_stay_down_to_one() {
        let readings = (0..10).map(|day| sample::reading(SensorNo(0), day * DAY_US + 7)).collect();
        let mut batch = Batch::default();
        batch.push(Arc::new(Group { readings, ..Group::default() }));
        let mut kept = DaysKept::all();
        let mut oldest = Vec::new();
        while let Some(fewer) = kept.halved(&batch) {
            kept = fewer;
            oldest.push(kept.oldest);
        }
        assert_eq!(oldest, [5, 8, 9]);
        assert!(kept.contains(9 * DAY_US) && !kept.contains(9 * DAY_US - 1));
    }
}
