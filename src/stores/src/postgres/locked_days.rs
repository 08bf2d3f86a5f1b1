//! Days whose partitions another session has locked for longer than a batch waits: an operator's VACUUM FULL or ALTER TABLE. One
//! late reading of such a day must not stop all others, so its rows are set aside. Those of today and yesterday wait: they are
//! most of what comes.

use crate::error::{SinkError, answered};
use crate::order::DAY_US;
use crate::postgres::partitions::{TABLES, partition_name};
use std::collections::BTreeSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

/// More rows than so many wait for the lock: it is what a device stored, or a batch of history, and no straggler.
pub(crate) const ROWS_MAX: usize = 1_000;

/// Held or waited for: whoever comes later waits behind both.
const LOCKED: &str = "SELECT DISTINCT relnamespace::regnamespace || '.' || relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
     WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND relnamespace = 'genims_partitions'::regnamespace AND pid <> pg_backend_pid()
       AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')";

/// What was found last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockedDays {
    days: BTreeSet<i64>,
}

impl LockedDays {
    /// Whether any of these was locked when it was looked for last: then nobody waits for the lock again before he has looked.
    pub(crate) fn may_hold(&self, days: impl FnOnce() -> BTreeSet<i64>) -> bool {
        !self.days.is_empty() && !self.days.is_disjoint(&days())
    }

    /// Which of these days somebody has locked; none of today and yesterday.
    pub(crate) async fn find(
        &mut self,
        client: &Client,
        days: &BTreeSet<i64>,
        now_us: i64,
    ) -> Result<BTreeSet<i64>, SinkError> {
        let rows = answered(client.query_typed(LOCKED, &[])).await?;
        let locked: BTreeSet<String> = rows.iter().map(|row: &Row| row.get(0)).collect();
        let yesterday = now_us.div_euclid(DAY_US) - 1;
        let is_locked = |table, day| partition_name(table, day).is_some_and(|name| locked.contains(&name));
        let old = days.iter().copied().take_while(|day| *day < yesterday);
        let found: BTreeSet<i64> = old.filter(|day| TABLES.iter().any(|table| is_locked(table, *day))).collect();
        self.days.retain(|day| !days.contains(day));
        self.days.extend(&found);
        Ok(found)
    }
}

/// Whether a lock was waited for until the session's bound, or the role's.
pub(crate) fn is_kept_waiting(error: &SinkError) -> bool {
    let SinkError::Postgres(error) = error else { return false };
    matches!(error.code(), Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::QUERY_CANCELED)
}
