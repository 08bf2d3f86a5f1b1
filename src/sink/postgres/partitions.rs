//! One partition per day of `timestamp`, in schema `genims_partitions`, so that schema `public` shows exactly the
//! contract.
//!
//! `genims_internal.ensure_partition` of the schema makes them: beside the parent, then attached, so that readers and
//! writers of other days go on; safe against others who do the same at the same time.

use crate::sink::order::DAY_US;
use chrono::{DateTime, Days, NaiveDate};
use std::collections::BTreeSet;
use tokio_postgres::{Client, Error};

/// The partitioned tables of `genims_operations_db`.
pub const TABLES: [&str; 2] = ["sensor_data", "scada_machine_data"];

/// Partitions kept ready: yesterday to a week ahead.
const DAYS_BEHIND: i64 = 1;
const DAYS_AHEAD: i64 = 7;

/// Days for which partitions are made: 1970 to 2199. PostgreSQL refuses rows outside for want of a partition, and they
/// become dead letters instead of a table each.
const DAYS_ALLOWED: std::ops::Range<i64> = 0..84_006;

/// The days that should exist at `now_us`.
pub fn days_ahead(now_us: i64) -> std::ops::RangeInclusive<i64> {
    let today = now_us.div_euclid(DAY_US);
    today - DAYS_BEHIND..=today + DAYS_AHEAD
}

/// `genims_partitions.sensor_data_20261122`; `None` for a day that gets no partition. Days are counted since 1970.
pub fn partition_name(table: &str, day: i64) -> Option<String> {
    let date = DAYS_ALLOWED.contains(&day).then(|| date(day))??;
    Some(format!("genims_partitions.{table}_{}", date.format("%Y%m%d")))
}

fn date(day: i64) -> Option<NaiveDate> {
    DateTime::UNIX_EPOCH.date_naive().checked_add_days(Days::new(u64::try_from(day).ok()?))
}

/// Makes the partitions of `table` that are missing. Days without a partition by rule are passed over.
pub async fn ensure_days(client: &Client, table: &str, days: impl IntoIterator<Item = i64>) -> Result<(), Error> {
    for day in days {
        ensure_day(client, table, day).await?;
    }
    Ok(())
}

/// Rows that other clients wrote for this day move out of the default partition.
async fn ensure_day(client: &Client, table: &str, day: i64) -> Result<(), Error> {
    let (Some(name), Some(date)) = (partition_name(table, day), date(day)) else {
        return Ok(());
    };
    let attached = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))";
    if client.query_one(attached, &[&name]).await?.get(0) {
        return Ok(());
    }
    let make = "SELECT genims_internal.ensure_partition($1::text::regclass, $2)";
    client.execute(make, &[&format!("public.{table}"), &date]).await.map(|_| ())
}

/// Which partitions are known to exist, so that nobody asks per batch.
#[derive(Clone, Debug, Default)]
pub struct KnownDays {
    days: BTreeSet<(&'static str, i64)>,
    ahead_of: Option<i64>,
}

impl KnownDays {
    /// Makes what is missing of `days`, and once a day what should be ready ahead.
    pub async fn ensure(
        &mut self,
        client: &Client,
        now_us: i64,
        days: impl IntoIterator<Item = (&'static str, i64)>,
    ) -> Result<(), Error> {
        let today = now_us.div_euclid(DAY_US);
        let mut wanted: BTreeSet<(&'static str, i64)> = days.into_iter().collect();
        if self.ahead_of != Some(today) {
            for table in TABLES {
                wanted.extend(days_ahead(now_us).map(|day| (table, day)));
            }
        }
        for (table, day) in wanted {
            if !self.days.contains(&(table, day)) {
                ensure_day(client, table, day).await?;
                self.days.insert((table, day));
            }
        }
        self.ahead_of = Some(today);
        Ok(())
    }

    /// After a partition turned out to be gone.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Whether an error says that a partition is missing: routed through the parent (23514), or named directly (42P01).
pub fn is_missing_partition(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| match db.code().code() {
        // A check that the row itself violates has a name.
        "23514" => db.constraint().is_none(),
        "42P01" => true,
        _ => false,
    })
}

/// Whether a row of this time can be stored. A parameter outside would fail its whole statement.
pub fn has_partition(timestamp_us: i64) -> bool {
    DAYS_ALLOWED.contains(&timestamp_us.div_euclid(DAY_US))
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
        assert_eq!(partition_name("sensor_data", -1), None);
        assert_eq!(partition_name("sensor_data", 84_006), None);
        assert_eq!(partition_name("sensor_data", i64::MAX), None);
    }

    #[test]
    fn a_week_ahead_is_kept_ready() {
        assert_eq!(days_ahead(20_779 * DAY_US + 5), 20_778..=20_786);
    }
}
