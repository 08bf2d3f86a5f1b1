//! Daily partitions in schema `genims_partitions`, made ahead of time and for late data.
//!
//! Every maker of partitions (provisioning, the PostgreSQL sink) comes here, and the work is done by
//! `genims_internal.ensure_partition` in the database: one day at a time under a lock, whoever comes second finds it done,
//! and rows that waited in the default partition move into their day. It waits 5 s for its locks at most (SQLSTATE 55P03).

use super::registry::Database;
use chrono::{Days, NaiveDate};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, GenericClient};

/// A fortnight: nobody has to look after a server over the holidays for its writers to find their partition.
pub const DAYS_AHEAD: u64 = 14;

/// What comes late is seldom later; what is makes the partition of its day itself.
const DAYS_BACK: u64 = 90;

/// First and last day that should have a partition: some days back, fewer if the database keeps fewer, today and the days
/// ahead. One day more at the beginning, because retention is counted from now and partitions are whole days.
pub fn window(database: &Database, today: NaiveDate) -> (NaiveDate, NaiveDate) {
    let kept = (database.retention.unwrap_or(Duration::ZERO).as_secs() / 86_400).min(DAYS_BACK);
    let first = today.checked_sub_days(Days::new(kept + 1)).unwrap_or(today);
    let last = today.checked_add_days(Days::new(DAYS_AHEAD)).unwrap_or(today);
    (first, last)
}

/// The partitioned tables of a database's contract, `sensor_data` ...
pub async fn parents(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let query = "SELECT relname::text FROM pg_class WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace \
                 ORDER BY relname";
    Ok(client.query_typed(query, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// The table that holds one day of `parent`.
pub fn name(parent: &str, day: NaiveDate) -> String {
    format!("genims_partitions.{parent}_{}", day.format("%Y%m%d"))
}

/// Whether rows of `day` have a partition of their own. One that was detached, say to be archived, still has its name
/// but is no part of its parent.
pub async fn is_attached(client: &impl GenericClient, parent: &str, day: NaiveDate) -> Result<bool, Error> {
    let query = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1))";
    Ok(client.query_typed_one(query, &[(&name(parent, day), Type::TEXT)]).await?.get(0))
}

/// How many partitions of `parent` are missing in a span of days.
pub async fn missing(
    client: &impl GenericClient,
    parent: &str,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<i64, Error> {
    let query = "SELECT count(*) FROM generate_series($2::date::timestamp, $3::date::timestamp, interval '1 day') AS day \
                 WHERE to_regclass('genims_partitions.' || $1::text || to_char(day, '_YYYYMMDD')) IS NULL";
    let values: [(&(dyn ToSql + Sync), Type); 3] = [(&parent, Type::TEXT), (&first, Type::DATE), (&last, Type::DATE)];
    Ok(client.query_typed_one(query, &values).await?.get(0))
}

/// Makes the missing partitions of `parent` in a span of days; how many were made. Cheap when none is missing.
pub async fn ensure(
    client: &impl GenericClient,
    parent: &str,
    (first, last): (NaiveDate, NaiveDate),
) -> Result<i32, Error> {
    let query = "SELECT genims_internal.ensure_partitions(format('public.%I', $1::text)::regclass, $2, $3)";
    let values: [(&(dyn ToSql + Sync), Type); 3] = [(&parent, Type::TEXT), (&first, Type::DATE), (&last, Type::DATE)];
    Ok(client.query_typed_one(query, &values).await?.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_covers_three_months_and_a_fortnight_ahead_but_no_day_that_is_not_kept() {
        let registry = crate::Registry::load(None).expect("the embedded registry");
        let operations = registry.get("operations").expect("in the registry");
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!(window(operations, day("2026-11-22")), (day("2026-08-23"), day("2026-12-06")));
        let brief = Database { retention: Some(Duration::from_secs(7 * 86_400)), ..operations.clone() };
        assert_eq!(window(&brief, day("2026-11-22")), (day("2026-11-14"), day("2026-12-06")));
    }
}
