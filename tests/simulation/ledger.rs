//! What the outside was told: every reading that was ever sent, and whether it was acknowledged.

use crate::database::{Database, Key, lock};
use crate::rows::RowLedger;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Whether it was acknowledged.
    sent: BTreeMap<Key, bool>,
    /// Stored, and gone from the log before its sender knew: sent again after a restart it is taken for new, as the README
    /// says.
    forgotten: BTreeSet<Key>,
    /// Known to be lost: the log said so, or was put back to a time before it.
    pub(crate) lost: BTreeSet<Key>,
    /// Damage was set aside, or a torn end cut, with this many records.
    pub(crate) lost_uncounted: u64,
    pub(crate) rows: RowLedger,
}

impl Ledger {
    pub(crate) fn send(&mut self, keys: &[Key]) {
        for key in keys {
            assert!(self.sent.insert(key.clone(), false).is_none(), "a simulated reading is new");
        }
    }

    pub(crate) fn acknowledge(&mut self, keys: &[Key]) {
        keys.iter().for_each(|key| *self.sent.get_mut(key).expect("only what was sent is acknowledged") = true);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.sent.values().filter(|acknowledged| **acknowledged).count()
    }

    /// What a copy of the data folder certainly holds.
    pub(crate) fn acknowledged_keys(&self) -> BTreeSet<Key> {
        self.sent.iter().filter(|(_, acknowledged)| **acknowledged).map(|(key, _)| key.clone()).collect()
    }

    /// Everything sent so far, for a log that is about to be put back.
    pub(crate) fn all(&self) -> BTreeSet<Key> {
        self.sent.keys().cloned().collect()
    }

    /// The log begins at `first` when a start reads it: what was consumed below and not acknowledged is forgotten.
    pub(crate) fn begin_at(&mut self, database: &Database, log: Uuid, first: u64) {
        for (_, key) in database.contents.rows.range((log, 0)..(log, first)) {
            if self.sent.get(key) == Some(&false) {
                self.forgotten.insert(key.clone());
            }
        }
    }

    /// Part of the log cannot be read any more: what was not acknowledged, and is sent again, may be taken for new.
    pub(crate) fn forget_unacknowledged(&mut self) {
        let unknown = self.sent.iter().filter(|(_, acknowledged)| !**acknowledged);
        self.forgotten.extend(unknown.map(|(key, _)| key.clone()));
    }

    /// Every acknowledged reading once, no other twice, none that nobody sent.
    pub(crate) fn judge(&self, database: &Arc<Mutex<Database>>) {
        let database = lock(database);
        let name = database.name;
        let mut found: BTreeMap<&Key, u32> = BTreeMap::new();
        database.contents.rows.values().for_each(|key| *found.entry(key).or_default() += 1);
        let may_miss = self.may_miss(&database);
        let (mut missing, mut doubled) = (0, 0);
        for (key, acknowledged) in &self.sent {
            let count = found.remove(key).unwrap_or(0);
            if count == 0 && *acknowledged && !self.lost.contains(key) {
                missing += 1;
                assert!(missing <= may_miss, "{name}: {key:?} was acknowledged and is not there");
            }
            if count > 1 && !self.forgotten.contains(key) && !self.lost.contains(key) {
                // The memory of what was lost is lost with it.
                doubled += 1;
                assert!(doubled <= self.lost_uncounted, "{name}: {key:?} is there {count} times");
            }
        }
        assert!(found.is_empty(), "{name}: nobody sent {:?}", found.keys().next());
    }

    /// Every event that the log of everything held is in the database with routes once, but for those that a log no longer
    /// held when they were asked for. Of a damaged log nobody can say what it had held.
    pub(crate) fn judge_events(&self, [first, mirror, routed]: [&Database; 3]) {
        let mut told = first.told.clone();
        told.extend(mirror.told.clone());
        let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
        told.values().for_each(|event| *balance.entry(event.as_str()).or_default() += 1);
        routed.contents.events.values().for_each(|event| *balance.entry(event.as_str()).or_default() -= 1);
        let may_miss: u64 = routed.gaps.iter().map(|(_, from, to)| to - from).sum();
        let mut missing = 0;
        for (event, count) in balance {
            assert!(count >= 0, "{}: {event} is there {} times too often", routed.name, -count);
            missing += count.unsigned_abs();
            assert!(missing <= may_miss, "{}: {event} was told and is not there", routed.name);
        }
    }

    fn may_miss(&self, database: &Database) -> u64 {
        self.lost_uncounted + database.gaps.iter().map(|(_, from, to)| to - from).sum::<u64>()
    }
}
