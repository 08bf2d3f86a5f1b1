//! Telemetry goes by the day: a partition that is older than kept is detached and dropped.
//!
//! Enters: the partitions of a table, what legal holds name. Invariants: each partition is a short transaction of its own, in which
//! `genims_internal.purged_rows` gets the number of its rows by day, so that the ledger still adds up; readers are blocked half a
//! second at most, and waited for a bounded number of times; what lies in the default partition goes in bounded batches.

use super::holds::{Held, reason};
use super::report::{How, TableReport};
use super::rules::{By, Rule};
use super::sql::{column, key_text};
use chrono::NaiveDate;
use genims_databases::{Engine, PostgresClient, quoted};
use genims_model::Backoff;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

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

pub(super) struct Days {
    pub(super) rule: Rule,
    pub(super) before: NaiveDate,
    pub(super) report: TableReport,
    held: Held,
    /// What is to be dropped, oldest first, with its rows.
    partitions: Vec<(String, u64)>,
}

impl Days {
    pub(super) fn new(rule: Rule, as_of: NaiveDate, held: Held) -> Self {
        let before = rule.before(as_of);
        let report = TableReport::new(&rule.table.name, How::Partitions, rule.decides(), Some(before));
        Self { rule, before, report, held, partitions: Vec::new() }
    }

    fn time(&self) -> String {
        match &self.rule.by {
            By::Time(name) | By::Month(name) | By::Parent { column: name, .. } => quoted(Engine::Postgresql, name),
        }
    }

    fn default_partition(&self) -> String {
        format!("genims_partitions.{}", quoted(Engine::Postgresql, &format!("{}_default", self.rule.table.name)))
    }

    /// That the row `t` is held: its key is named, or the first part of it, the sensor or the machine.
    fn is_held(&self) -> String {
        let whole = key_text(Engine::Postgresql, &self.rule.table, "t");
        let first = self.rule.table.key.first().map(String::as_str).unwrap_or_default();
        let first = column(Engine::Postgresql, "t", first);
        format!("({first}::text = ANY($1) OR {whole} = ANY($1))")
    }

    fn held_keys(&self) -> Vec<&String> {
        self.held.keys.keys().collect()
    }

    fn hold_name(&self) -> String {
        let holds: std::collections::BTreeSet<&String> = self.held.all.iter().chain(self.held.keys.values()).collect();
        reason(&holds.into_iter().cloned().collect::<Vec<_>>().join(", "))
    }

    /// Looks what is old enough.
    pub(super) async fn look(&mut self, client: &PostgresClient) -> Result<(), Error> {
        let attached =
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE i.inhparent = format('public.%I', $1::text)::regclass
              AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)')::timestamp <= $2::date
            ORDER BY c.relname";
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.rule.table.name, Type::TEXT), (&self.before, Type::DATE)];
        let attached = client.query_typed(attached, &values).await?;
        for partition in attached.iter().map(|row| row.get::<_, String>(0)) {
            let rows = count(client, &format!("{partition} t"), &[]).await?;
            self.report.goes += rows;
            if self.is_partition_held(client, &partition).await? {
                self.report.hold(self.hold_name(), rows);
            } else {
                self.report.partitions += 1;
                self.partitions.push((partition, rows));
            }
        }
        let old = format!("{} t WHERE t.{} < '{}'", self.default_partition(), self.time(), self.before);
        let rows = count(client, &old, &[]).await?;
        self.report.goes += rows;
        let held = match (&self.held.all, self.held.keys.is_empty()) {
            (Some(_), _) => rows,
            (None, true) => 0,
            (None, false) => {
                let keys = self.held_keys();
                count(client, &format!("{old} AND {}", self.is_held()), &[(&keys, Type::TEXT_ARRAY)]).await?
            }
        };
        self.report.hold(self.hold_name(), held);
        Ok(())
    }

    async fn is_partition_held(&self, client: &PostgresClient, partition: &str) -> Result<bool, Error> {
        if self.held.is_empty() || self.held.all.is_some() {
            return Ok(self.held.all.is_some());
        }
        let query = format!("SELECT EXISTS (SELECT FROM {partition} t WHERE {})", self.is_held());
        Ok(client.query_typed_one(&query, &[(&self.held_keys(), Type::TEXT_ARRAY)]).await?.get(0))
    }

    /// Lets it go.
    pub(super) async fn run(&mut self, client: &mut PostgresClient, progress: &dyn Fn(&str)) -> Result<(), Error> {
        let partitions = std::mem::take(&mut self.partitions);
        for (index, (partition, _)) in partitions.iter().enumerate() {
            progress(&format!("{partition}, {} of {}", index + 1, partitions.len()));
            match self.drop_patiently(client, partition).await? {
                Some(gone) => self.report.gone += gone,
                None => {
                    let left: u64 = partitions[index..].iter().map(|(_, rows)| rows).sum();
                    self.report
                        .hold(format!("in use: {partition} could not be locked in {ATTEMPTS_MAX} attempts"), left);
                    break;
                }
            }
        }
        if self.held.all.is_some() {
            return Ok(());
        }
        progress(&self.default_partition());
        loop {
            let rows = self.delete_some(client).await?;
            self.report.gone += rows;
            if rows < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// `None`: somebody held it all the while.
    async fn drop_patiently(&self, client: &mut PostgresClient, partition: &str) -> Result<Option<u64>, Error> {
        let backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let attempt = async || self.drop_once(client, partition).await;
        match backoff.retry(ATTEMPTS_MAX, is_contended, attempt).await {
            Err(error) if is_contended(&error) => Ok(None),
            ended => ended.map(Some),
        }
    }

    async fn drop_once(&self, client: &mut PostgresClient, partition: &str) -> Result<u64, Error> {
        let transaction = client.transaction().await?;
        // Nobody writes into it from here on, so what is counted is what goes; readers are not in the way of that.
        let lock = format!("SET LOCAL lock_timeout = '{WRITERS_WAIT}'; LOCK TABLE {partition} IN SHARE MODE");
        transaction.batch_execute(&lock).await?;
        let days = format!("days AS (SELECT t.{}::date AS day FROM {partition} t)", self.time());
        let count = entered(&days, "$1");
        let gone: i64 = transaction.query_typed_one(&count, &[(&self.rule.table.name, Type::TEXT)]).await?.get(0);
        // CONCURRENTLY is refused beside a default partition.
        let parent = quoted(Engine::Postgresql, &self.rule.table.name);
        let drop = format!(
            "SET LOCAL lock_timeout = '{READERS_WAIT}'; ALTER TABLE public.{parent} DETACH PARTITION {partition}; \
             DROP TABLE {partition}"
        );
        transaction.batch_execute(&drop).await?;
        transaction.commit().await?;
        Ok(gone.unsigned_abs())
    }

    async fn delete_some(&self, client: &PostgresClient) -> Result<u64, Error> {
        let (partition, time) = (self.default_partition(), self.time());
        let (held, before) = (self.is_held(), self.before);
        let gone = format!(
            "aged AS (SELECT t.ctid FROM {partition} t WHERE t.{time} < '{before}' AND NOT {held} LIMIT {AT_ONCE}),
             days AS (DELETE FROM {partition} t USING aged WHERE t.ctid = aged.ctid RETURNING t.{time}::date AS day)"
        );
        let sql = entered(&gone, "$2");
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.held_keys(), Type::TEXT_ARRAY), (&self.rule.table.name, Type::TEXT)];
        Ok(client.query_typed_one(&sql, &values).await?.get::<_, i64>(0).unsigned_abs())
    }
}

/// A statement that enters the rows of the relation `days` (a column `day`) as purged from the table that the parameter names,
/// and gives their number.
fn entered(days: &str, table: &str) -> String {
    format!(
        "WITH {days}, sums AS (SELECT day, count(*) AS rows FROM days GROUP BY day),
         entered AS (INSERT INTO genims_internal.purged_rows AS purged (table_name, day, rows)
             SELECT {table}::text, day, rows FROM sums ON CONFLICT (table_name, day)
             DO UPDATE SET rows = purged.rows + excluded.rows, purged_at = now())
         SELECT coalesce(sum(rows), 0)::bigint FROM sums"
    )
}

/// A lock that was not to be had in time, or only at the cost of a deadlock.
fn is_contended(error: &Error) -> bool {
    error.code().is_some_and(|code| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

async fn count(client: &PostgresClient, from: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64, Error> {
    let row = client.query_typed_one(&format!("SELECT count(*) FROM {from}"), values).await?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
