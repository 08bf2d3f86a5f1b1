//! Which days of a batch are written when not all can be: those that nobody has locked, and the newest when the server has too few
//! locks for them.

use crate::batch::Batch;
use crate::order::day_of;
use crate::postgres::partitions::is_stored;
use std::collections::BTreeSet;

/// Why a row of another day is set aside, and what can be done with it.
pub(crate) const SHORT_OF_LOCKS: &str = "its message holds more days than the server has locks for; replay it, and raise \
     max_locks_per_transaction";

/// The same for a day that somebody else works on.
pub(crate) const LOCKED: &str = "the partition of its day is locked by another session (VACUUM FULL, ALTER TABLE ...); replay it when \
     that has ended";

/// The days from one on, without some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaysKept {
    oldest: i64,
    locked: BTreeSet<i64>,
}

impl DaysKept {
    pub fn all() -> Self {
        Self { oldest: i64::MIN, locked: BTreeSet::new() }
    }

    /// Leaves these out, too.
    pub(crate) fn without(mut self, locked: &BTreeSet<i64>) -> Self {
        self.locked.extend(locked);
        self
    }

    pub fn contains(&self, timestamp_us: i64) -> bool {
        self.lack(timestamp_us).is_none()
    }

    /// Why a row of this time is not written now.
    pub(crate) fn lack(&self, timestamp_us: i64) -> Option<&'static str> {
        let day = day_of(timestamp_us);
        if day < self.oldest {
            Some(SHORT_OF_LOCKS)
        } else if self.locked.contains(&day) {
            Some(LOCKED)
        } else {
            None
        }
    }

    /// The days that the batch has among those kept.
    pub(crate) fn of(&self, batch: &Batch) -> BTreeSet<i64> {
        let readings = batch.readings().map(|(_, reading)| reading.timestamp_us);
        let snapshots = batch.snapshots().map(|(_, snapshot)| snapshot.timestamp_us);
        readings.chain(snapshots).filter(|time| is_stored(*time) && self.contains(*time)).map(day_of).collect()
    }

    /// The newer half of the days that the batch has among those kept; `None` when that is one.
    pub(crate) fn halved(&self, batch: &Batch) -> Option<Self> {
        let days = self.of(batch);
        let oldest = days.iter().nth(days.len().div_ceil(2)).copied().unwrap_or(i64::MAX);
        (days.len() > 1).then(|| Self { oldest, locked: self.locked.clone() })
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
        let kept = DaysKept::all().without(&BTreeSet::from([3]));
        assert_eq!([3, 4].map(|day| kept.lack(day * DAY_US)), [Some(LOCKED), None]);
        let half = kept.halved(&batch).unwrap();
        assert_eq!([3, 5, 6].map(|day| half.lack(day * DAY_US)), [Some(SHORT_OF_LOCKS), Some(SHORT_OF_LOCKS), None]);
    }
}
