//! How what goes by the day goes: a partition is detached and dropped, a day of the default partition deleted.
//!
//! Invariants: legal holds are asked for again in the transaction in which something goes, and so are rows that the archive does
//! not stand for; readers are blocked half a second at most, and waited for a bounded number of times.

use super::holds::{Held, Law};
use super::partitions::Days;
use super::parts::{Dropped, Part};
use genims_databases::{Engine, PostgresClient, quoted};
use genims_model::Backoff;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

/// Writers into a day that nobody should write into any more wait so long. More than `deadlock_timeout`: after that,
/// autovacuum makes way.
const WRITERS_WAIT: &str = "3s";
/// Whoever reads the table is blocked so long while an older reader is waited for.
const READERS_WAIT: &str = "500ms";
/// Between two attempts nobody waits for us.
const ATTEMPTS_MAX: u32 = 20;
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Rows of the default partition deleted at once.
const AT_ONCE: u64 = 10_000;

impl Days {
    pub(super) async fn drop_patiently(
        &self,
        client: &mut PostgresClient,
        law: &Law<'_>,
        part: &Part,
    ) -> Result<Dropped, Error> {
        let backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let attempt = async || match &part.day {
            None => self.drop_once(client, law, part).await,
            Some(_) => self.delete_once(client, law, part).await,
        };
        match backoff.retry(ATTEMPTS_MAX, is_contended, attempt).await {
            Err(error) if is_contended(&error) => {
                Ok(Dropped::InUse(format!("in use: {} could not be locked in {ATTEMPTS_MAX} attempts", part.name())))
            }
            ended => ended,
        }
    }

    async fn drop_once(&self, client: &mut PostgresClient, law: &Law<'_>, part: &Part) -> Result<Dropped, Error> {
        let (partition, time, id) = (&part.relation, self.time(), self.id());
        let transaction = client.transaction().await?;
        // Nobody writes into it from here on, so what is counted is what goes; readers are not in the way of that.
        let lock = format!("SET LOCAL lock_timeout = '{WRITERS_WAIT}'; LOCK TABLE {partition} IN SHARE MODE");
        transaction.batch_execute(&lock).await?;
        if let Some(stays) = self.stays(transaction.client(), law, part).await? {
            transaction.rollback().await?;
            return Ok(stays);
        }
        let days = format!("days AS (SELECT t.{time}::date AS day, t.{id} AS id FROM {partition} t)");
        let count = self.entered(&days, "$1");
        let row = transaction.query_typed_one(&count, &[(&self.rule.table.name, Type::TEXT)]).await?;
        let Some(gone) = as_archived(&row) else {
            transaction.rollback().await?;
            return Ok(Dropped::Changed);
        };
        // CONCURRENTLY is refused beside a default partition.
        let parent = quoted(Engine::Postgresql, &self.rule.table.name);
        let drop = format!(
            "SET LOCAL lock_timeout = '{READERS_WAIT}'; ALTER TABLE public.{parent} DETACH PARTITION {partition}; \
             DROP TABLE {partition}"
        );
        transaction.batch_execute(&drop).await?;
        transaction.commit().await?;
        Ok(Dropped::Gone(gone))
    }

    /// A day of the default partition, which nothing locks: a row that comes after the look at the holds was not condensed, so it
    /// counts as a change, and the next attempt sees what holds it.
    async fn delete_once(&self, client: &mut PostgresClient, law: &Law<'_>, part: &Part) -> Result<Dropped, Error> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(&format!("SET LOCAL lock_timeout = '{WRITERS_WAIT}'")).await?;
        if let Some(stays) = self.stays(transaction.client(), law, part).await? {
            transaction.rollback().await?;
            return Ok(stays);
        }
        let (relation, time, id) = (&part.relation, self.time(), self.id());
        let days = format!(
            "days AS (DELETE FROM {relation} t WHERE {} RETURNING t.{time}::date AS day, t.{id} AS id)",
            part.condition(&time),
        );
        let entered = self.entered(&days, "$1");
        let row = transaction.query_typed_one(&entered, &[(&self.rule.table.name, Type::TEXT)]).await?;
        let Some(gone) = as_archived(&row) else {
            transaction.rollback().await?;
            return Ok(Dropped::Changed);
        };
        transaction.commit().await?;
        Ok(Dropped::Gone(gone))
    }

    /// Why nothing of a part may go by now, should the law hold some of it.
    async fn stays(&self, client: &PostgresClient, law: &Law<'_>, part: &Part) -> Result<Option<Dropped>, Error> {
        let held = match self.held_by_now(law).await {
            Ok(held) => held,
            Err(why) => return Ok(Some(Dropped::HoldsUnknown(why))),
        };
        let stays = self.is_part_held(client, &held, part).await?;
        Ok(stays.then(|| Dropped::Held(held.name())))
    }

    /// Rows of the default partition that are old and not held, of a table without an archive.
    pub(super) async fn delete_rows(&mut self, client: &PostgresClient, law: &Law<'_>) -> Result<(), Error> {
        loop {
            let held = match self.held_by_now(law).await {
                Ok(held) => held,
                Err(why) => {
                    self.report.block(why, self.report.goes.saturating_sub(self.report.gone));
                    return Ok(());
                }
            };
            if held.all.is_some() {
                return Ok(());
            }
            let rows = self.delete_some(client, &held).await?;
            self.report.gone += rows;
            if rows < AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn delete_some(&self, client: &PostgresClient, held: &Held) -> Result<u64, Error> {
        let (partition, time, id) = (self.default_partition(), self.time(), self.id());
        let (is_held, before) = (self.is_held(), self.before);
        let gone = format!(
            "aged AS (SELECT t.ctid FROM {partition} t WHERE t.{time} < '{before}' AND NOT {is_held} LIMIT {AT_ONCE}),
             days AS (DELETE FROM {partition} t USING aged WHERE t.ctid = aged.ctid
                 RETURNING t.{time}::date AS day, t.{id} AS id)"
        );
        let sql = self.entered(&gone, "$2");
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&held.key_list(), Type::TEXT_ARRAY), (&self.rule.table.name, Type::TEXT)];
        Ok(client.query_typed_one(&sql, &values).await?.get::<_, i64>(0).unsigned_abs())
    }

    /// A statement that enters the rows of the relation `days` (columns `day` and `id`) as purged from the table that the
    /// parameter names, and gives their number, and how many of the days are not archived as they are here.
    fn entered(&self, days: &str, table: &str) -> String {
        let (unlike, marked) = match self.rule.archive {
            Some(_) => (
                "count(*) FILTER (WHERE (marked.rows, marked.newest_id) IS DISTINCT FROM (sums.rows, sums.newest_id))",
                format!(
                    " LEFT JOIN genims_internal.archived_days marked
                      ON marked.table_name = {table}::text AND marked.day = sums.day"
                ),
            ),
            None => ("0::bigint", String::new()),
        };
        format!(
            "WITH {days}, sums AS (SELECT day, count(*) AS rows, max(id) AS newest_id FROM days GROUP BY day),
             entered AS (INSERT INTO genims_internal.purged_rows AS purged (table_name, day, rows)
                 SELECT {table}::text, day, rows FROM sums ON CONFLICT (table_name, day)
                 DO UPDATE SET rows = purged.rows + excluded.rows, purged_at = now())
             SELECT coalesce(sum(sums.rows), 0)::bigint, {unlike} FROM sums{marked}"
        )
    }
}

/// The rows that go by what [`Days::entered`] gives; none when the archive stands for others.
fn as_archived(row: &Row) -> Option<u64> {
    let (rows, unlike): (i64, i64) = (row.get(0), row.get(1));
    (unlike == 0).then_some(rows.unsigned_abs())
}

/// A lock that was not to be had in time, or only at the cost of a deadlock.
fn is_contended(error: &Error) -> bool {
    error.code().is_some_and(|code| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}
