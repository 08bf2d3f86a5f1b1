//! Which days need a partition, and which are known to have one: [`partitions`] makes them.

use crate::error::{SinkError, answered};
use crate::order::DAY_US;
use crate::postgres::begin::begin;
use chrono::{DateTime, Days, NaiveDate};
use genims_databases::partitions;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::{Client, Error, Transaction};

/// The partitioned tables of `genims_operations_db`.
pub const TABLES: [&str; 2] = ["sensor_data", "scada_machine_data"];

/// Days before today that are kept ready too, for late data.
const DAYS_BEHIND: u64 = 1;

/// After the server would not make a partition (a dump holds its locks, say). Meanwhile rows of days without one go to
/// the default partition, from where they move when their day is made.
const RETRY_US: i64 = 10 * 60 * 1_000_000;

/// 1970 to 2199. The sink sets rows of other times aside: no plant has them, each such day would cost a table, and
/// parameters outside the calendar would fail their whole statement.
const TIMES_STORED_US: std::ops::Range<i64> = 0..84_006 * DAY_US;

/// Why a row of another time is not.
pub(crate) const TIME_NOT_STORED: &str = "its time lies outside the years 1970 to 2199, which are stored";

/// Whether a row of this time is stored.
pub(crate) fn is_stored(timestamp_us: i64) -> bool {
    TIMES_STORED_US.contains(&timestamp_us)
}

/// Days are counted since 1970.
fn date(day: i64) -> Option<NaiveDate> {
    let is_stored = day.checked_mul(DAY_US).is_some_and(is_stored);
    let days = is_stored.then(|| u64::try_from(day).ok()).flatten()?;
    DateTime::UNIX_EPOCH.date_naive().checked_add_days(Days::new(days))
}

/// `genims_partitions.sensor_data_20261122`; `None` for a day that gets no partition.
pub fn partition_name(table: &str, day: i64) -> Option<String> {
    Some(partitions::name(table, date(day)?))
}

/// Makes the partition of a day unless it is there; whether it now is. Not so when an operator detached it: its rows go
/// into the default partition, never into a table that nobody sees through the parent.
async fn ensure_day(client: &mut Client, begun: &str, table: &str, day: NaiveDate) -> Result<bool, SinkError> {
    let (transaction, _) = begin(client, begun).await?;
    let mut is_there = answered(partitions::is_attached(&transaction, table, day)).await?;
    if !is_there {
        answered(partitions::ensure(&transaction, table, (day, day))).await?;
        is_there = answered(partitions::is_attached(&transaction, table, day)).await?;
    }
    answered(transaction.commit()).await?;
    Ok(is_there)
}

/// Whether the partition of a day is part of its table; asked in the transaction that has written into it, and so holds
/// the lock that a DETACH would need. One that is being detached concurrently is not.
pub async fn is_still_attached(transaction: &Transaction<'_>, partition: &str) -> Result<bool, SinkError> {
    // The column is new in PostgreSQL 14.
    let query = "SELECT EXISTS (SELECT FROM pg_inherits AS i WHERE inhrelid = to_regclass($1)
         AND (to_jsonb(i) ->> 'inhdetachpending') IS DISTINCT FROM 'true')";
    Ok(answered(transaction.query_one(query, &[&partition])).await?.get(0))
}

/// What should be ready at `now_us`.
fn days_ahead(now_us: i64) -> Option<(NaiveDate, NaiveDate)> {
    let today = date(now_us.div_euclid(DAY_US))?;
    let first = today.checked_sub_days(Days::new(DAYS_BEHIND))?;
    Some((first, today.checked_add_days(Days::new(partitions::DAYS_AHEAD))?))
}

/// Which partitions are known to exist, so that nobody asks per batch.
///
/// The first batch of each UTC day also makes the partitions ahead. A day on which nothing arrives is passed over, and
/// does no harm: the next batch, whenever it comes, makes its own days before it is written and then all days ahead.
#[derive(Clone, Debug, Default)]
pub struct KnownDays {
    days: BTreeSet<(&'static str, i64)>,
    /// Tables of which no partition can be made until then.
    deferred: BTreeMap<&'static str, i64>,
    ahead_due_us: i64,
}

impl KnownDays {
    /// Makes what is missing of `days`, and once a day what should be ready ahead. What the server will not make now, for
    /// the locks of another session or for any other reason, is tried again later. Transactions start with `begun`.
    pub async fn ensure(
        &mut self,
        client: &mut Client,
        begun: &str,
        now_us: i64,
        days: impl IntoIterator<Item = (&'static str, i64)>,
    ) -> Result<(), SinkError> {
        let unknown: BTreeSet<_> = days.into_iter().filter(|(table, day)| !self.contains(table, *day)).collect();
        for (table, day) in unknown {
            let Some(date) = date(day).filter(|_| !self.is_deferred(table, now_us)) else { continue };
            match ensure_day(client, begun, table, date).await {
                Ok(true) => {
                    self.days.insert((table, day));
                }
                Ok(false) => {}
                Err(error) if is_answer(&error) => {
                    // All days of a table need the same locks: waiting for each would hold the batch up.
                    tracing::warn!(%error, table, day = %date, "no partition now; its rows go to the default partition");
                    self.deferred.insert(table, now_us.saturating_add(RETRY_US));
                }
                Err(error) => return Err(error),
            }
        }
        if now_us >= self.ahead_due_us && !TABLES.iter().any(|table| self.is_deferred(table, now_us)) {
            self.ahead_due_us = match ensure_ahead(client, begun, now_us).await {
                Err(error) if is_answer(&error) => {
                    tracing::warn!(%error, "partitions ahead are made later");
                    now_us.saturating_add(RETRY_US)
                }
                result => result.map(|()| next_day_us(now_us))?,
            };
        }
        Ok(())
    }

    fn is_deferred(&self, table: &str, now_us: i64) -> bool {
        self.deferred.get(table).is_some_and(|until_us| now_us < *until_us)
    }

    /// Whether rows may go straight into the partition of a day.
    pub fn contains(&self, table: &'static str, day: i64) -> bool {
        self.days.contains(&(table, day))
    }

    /// After a partition turned out to be gone.
    pub fn forget(&mut self) {
        self.days.clear();
        self.ahead_due_us = 0;
    }
}

async fn ensure_ahead(client: &mut Client, begun: &str, now_us: i64) -> Result<(), SinkError> {
    let Some(span) = days_ahead(now_us) else { return Ok(()) };
    for table in TABLES {
        let (transaction, _) = begin(client, begun).await?;
        answered(partitions::ensure(&transaction, table, span)).await?;
        answered(transaction.commit()).await?;
    }
    Ok(())
}

/// Whether the server said no; anything else ends the attempt.
fn is_answer(error: &SinkError) -> bool {
    matches!(error, SinkError::Postgres(error) if error.as_db_error().is_some())
}

fn next_day_us(now_us: i64) -> i64 {
    (now_us.div_euclid(DAY_US) + 1).saturating_mul(DAY_US)
}

/// Whether an error says that a partition is missing: named directly (42P01), or made under the feet of a row that was
/// on its way to the default partition (23514).
pub(crate) fn is_missing_partition(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| match db.code().code() {
        // A check that the row itself violates has a name.
        "23514" => db.constraint().is_none(),
        "42P01" => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_after_its_day() {
        assert_eq!(partition_name("sensor_data", 0).as_deref(), Some("genims_partitions.sensor_data_19700101"));
        assert_eq!(partition_name("sensor_data", 20_779).as_deref(), Some("genims_partitions.sensor_data_20261122"));
        assert_eq!(partition_name("sensor_data", 84_005).as_deref(), Some("genims_partitions.sensor_data_21991231"));
    }

    #[test]
    fn days_far_from_any_plant_get_no_partition() {
        for day in [i64::MIN, -1, 84_006, i64::MAX] {
            assert_eq!(partition_name("sensor_data", day), None);
        }
        assert!(is_stored(0) && is_stored(84_006 * DAY_US - 1));
        assert!(!is_stored(-1) && !is_stored(84_006 * DAY_US));
    }

    #[test]
    fn yesterday_and_a_fortnight_ahead_are_kept_ready_and_looked_after_at_midnight() {
        let now_us = 20_779 * DAY_US + 5;
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(days_ahead(now_us), Some((day("2026-11-21"), day("2026-12-06"))));
        assert_eq!(next_day_us(now_us), 20_780 * DAY_US);
        assert_eq!(next_day_us(20_780 * DAY_US), 20_781 * DAY_US);
    }
}
