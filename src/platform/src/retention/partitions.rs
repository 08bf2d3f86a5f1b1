//! Telemetry goes by the day: a partition that is older than kept is detached and dropped.
//!
//! Enters: the partitions of a table, what legal holds name. Invariants: each partition is a short transaction of its own, in which
//! `genims_internal.purged_rows` gets the number of its rows by day, so that the ledger still adds up; readers are blocked half a
//! second at most, and waited for a bounded number of times; what lies in the default partition goes in bounded batches.
//!
//! Of a table with an archive a day goes only while `genims_internal.archived_days` says that its very rows stand there, which is
//! compared in the transaction that drops it; then the default partition goes by whole days, too.

use super::archive::{self, Archive, Archiver, MASTER_AWAY, Stop};
use super::holds::{Held, reason};
use super::minutes::{self, Condensed};
use super::report::{How, TableReport};
use super::rules::{By, Rule};
use super::sql::{column, key_text};
use chrono::NaiveDate;
use genims_databases::{Database, Engine, Environment, PostgresClient, quoted};
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

/// How often a part is archived again because rows came into it before it was dropped.
const CHANGES_MAX: u32 = 3;

/// What goes at once.
struct Part {
    /// The partition.
    relation: String,
    /// Of the default partition a day, as PostgreSQL writes it.
    day: Option<String>,
    rows: u64,
}

impl Part {
    fn name(&self) -> String {
        self.day.as_ref().map_or_else(|| self.relation.clone(), |day| format!("{day} in {}", self.relation))
    }

    /// That the row `t` belongs to it.
    fn condition(&self, time: &str) -> String {
        let of_day = |day: &String| format!("t.{time} >= date '{day}' AND t.{time} < date '{day}' + 1");
        self.day.as_ref().map_or_else(|| "true".to_owned(), of_day)
    }
}

/// How an attempt to drop a part ended.
enum Dropped {
    Gone(u64),
    /// It has other rows than the archive.
    Changed,
    /// Somebody held it all the while.
    InUse,
}

/// What became of a part.
enum Outcome {
    Gone(u64),
    Held(String),
    /// For a reason that holds for those after it as well.
    AllHeld(String),
}

pub(super) struct Days {
    pub(super) rule: Rule,
    pub(super) before: NaiveDate,
    pub(super) report: TableReport,
    held: Held,
    /// What goes, oldest first; what needs no lock against readers before the partitions.
    parts: Vec<Part>,
    archive: Option<Archive>,
}

impl Days {
    pub(super) fn new(rule: Rule, as_of: NaiveDate, held: Held) -> Self {
        let before = rule.before(as_of);
        let mut report = TableReport::new(&rule.table.name, How::Partitions, rule.decides(), Some(before));
        report.archive.clone_from(&rule.archive);
        Self { rule, before, report, held, parts: Vec::new(), archive: None }
    }

    fn time(&self) -> String {
        match &self.rule.by {
            By::Time(name) | By::Month(name) | By::Parent { column: name, .. } => quoted(Engine::Postgresql, name),
        }
    }

    /// The column that numbers the rows: the key's last.
    fn id(&self) -> String {
        quoted(Engine::Postgresql, self.rule.table.key.last().map(String::as_str).unwrap_or_default())
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
        match self.rule.archive {
            Some(_) => self.look_at_days(client).await?,
            None => self.look_at_rows(client).await?,
        }
        let attached =
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE i.inhparent = format('public.%I', $1::text)::regclass
              AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)')::timestamp <= $2::date
            ORDER BY c.relname";
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.rule.table.name, Type::TEXT), (&self.before, Type::DATE)];
        let attached = client.query_typed(attached, &values).await?;
        for relation in attached.iter().map(|row| row.get::<_, String>(0)) {
            let rows = count(client, &format!("{relation} t"), &[]).await?;
            self.report.goes += rows;
            if self.is_partition_held(client, &relation).await? {
                self.report.hold(self.hold_name(), rows);
            } else {
                self.report.partitions += 1;
                self.parts.push(Part { relation, day: None, rows });
            }
        }
        Ok(())
    }

    /// The default partition, row by row.
    async fn look_at_rows(&mut self, client: &PostgresClient) -> Result<(), Error> {
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

    /// The default partition by whole days, for a minute is condensed once. A row before all days has none, and stays.
    async fn look_at_days(&mut self, client: &PostgresClient) -> Result<(), Error> {
        let (relation, time, before) = (self.default_partition(), self.time(), self.before);
        let query = format!(
            "SELECT t.{time}::date::text, count(*), bool_or({}) FROM {relation} t \
             WHERE t.{time} < '{before}' AND t.{time} > '-infinity' GROUP BY 1 ORDER BY min(t.{time})",
            self.is_held()
        );
        let days = client.query_typed(&query, &[(&self.held_keys(), Type::TEXT_ARRAY)]).await?;
        for day in &days {
            let rows = day.get::<_, i64>(1).unsigned_abs();
            self.report.goes += rows;
            if self.held.all.is_some() || day.get(2) {
                self.report.hold(self.hold_name(), rows);
            } else {
                self.parts.push(Part { relation: relation.clone(), day: Some(day.get(0)), rows });
            }
        }
        Ok(())
    }

    /// Where it is archived first. All of it stays while that is not to be reached, or nobody knows the sensors.
    pub(super) async fn look_at_archive(
        &mut self,
        production: &Database,
        environment: &Environment,
        is_master_there: bool,
    ) {
        let Some(collection) = &self.rule.archive else { return };
        let opened = Archive::open(production, environment, collection).await;
        match opened {
            Ok(_) if !is_master_there => self.hold_all(&not_archived(MASTER_AWAY)),
            Ok(archive) => self.archive = Some(archive),
            Err(why) => self.hold_all(&not_archived(&why)),
        }
    }

    fn hold_all(&mut self, why: &str) {
        let rows: u64 = self.parts.drain(..).map(|part| part.rows).sum();
        self.report.hold(why, rows);
        self.report.partitions = 0;
    }

    async fn is_partition_held(&self, client: &PostgresClient, partition: &str) -> Result<bool, Error> {
        if self.held.is_empty() || self.held.all.is_some() {
            return Ok(self.held.all.is_some());
        }
        let query = format!("SELECT EXISTS (SELECT FROM {partition} t WHERE {})", self.is_held());
        Ok(client.query_typed_one(&query, &[(&self.held_keys(), Type::TEXT_ARRAY)]).await?.get(0))
    }

    /// Lets it go; with an archive it takes `master`, who knows the sensors.
    pub(super) async fn run(
        &mut self,
        client: &mut PostgresClient,
        master: Option<&PostgresClient>,
        progress: &dyn Fn(&str),
    ) -> Result<(), Error> {
        let archive = self.archive.take();
        let archiver = archive.as_ref().zip(master).map(|(archive, master)| Archiver { archive, master });
        if self.rule.archive.is_some() && archiver.is_none() {
            self.hold_all(&not_archived(MASTER_AWAY));
            return Ok(());
        }
        let parts = std::mem::take(&mut self.parts);
        for (index, part) in parts.iter().enumerate() {
            let step = format!("{}, {} of {}", part.name(), index + 1, parts.len());
            progress(&step);
            let told = |readings: i64| progress(&format!("{step}: {readings} rows archived"));
            match self.let_go(client, part, archiver.as_ref(), &told).await? {
                Outcome::Gone(rows) => self.report.gone += rows,
                Outcome::Held(why) => self.report.hold(why, part.rows),
                Outcome::AllHeld(why) => {
                    self.report.hold(why, parts[index..].iter().map(|part| part.rows).sum());
                    break;
                }
            }
        }
        if self.held.all.is_some() || archiver.is_some() {
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

    /// Archived, marked, dropped; from the beginning when rows came into it meanwhile.
    async fn let_go(
        &mut self,
        client: &mut PostgresClient,
        part: &Part,
        archiver: Option<&Archiver<'_>>,
        told: &dyn Fn(i64),
    ) -> Result<Outcome, Error> {
        let name = part.name();
        for _ in 0..CHANGES_MAX {
            if let Some(archiver) = archiver {
                let minutes = minutes::select(&part.relation, &self.time(), &self.id(), &part.condition(&self.time()));
                let mut condensed = Condensed::default();
                let ended = archiver.condense(client, &minutes, &mut condensed, told).await;
                self.report.archived += condensed.inserted;
                match ended {
                    Ok(()) if condensed.differing > 0 => return Ok(Outcome::Held(differs(&name, condensed.differing))),
                    Ok(()) => archive::mark(client, &self.rule.table.name, &condensed).await?,
                    Err(Stop::Away(why)) => return Ok(Outcome::AllHeld(not_archived(&why))),
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            match self.drop_patiently(client, part).await? {
                Dropped::Gone(rows) => return Ok(Outcome::Gone(rows)),
                Dropped::InUse => {
                    let why = format!("in use: {name} could not be locked in {ATTEMPTS_MAX} attempts");
                    // Who reads the table is in the way of every partition, and of no day of the default one.
                    return Ok(if part.day.is_some() { Outcome::Held(why) } else { Outcome::AllHeld(why) });
                }
                Dropped::Changed => {}
            }
        }
        Ok(Outcome::Held(format!("rows still come into {name}: run this again when whoever writes them is done")))
    }

    async fn drop_patiently(&self, client: &mut PostgresClient, part: &Part) -> Result<Dropped, Error> {
        let backoff = Backoff::new(PAUSE_MIN, PAUSE_MAX);
        let attempt = async || match &part.day {
            None => self.drop_once(client, &part.relation).await,
            Some(_) => self.delete_once(client, part).await,
        };
        match backoff.retry(ATTEMPTS_MAX, is_contended, attempt).await {
            Err(error) if is_contended(&error) => Ok(Dropped::InUse),
            ended => ended,
        }
    }

    async fn drop_once(&self, client: &mut PostgresClient, partition: &str) -> Result<Dropped, Error> {
        let transaction = client.transaction().await?;
        // Nobody writes into it from here on, so what is counted is what goes; readers are not in the way of that.
        let lock = format!("SET LOCAL lock_timeout = '{WRITERS_WAIT}'; LOCK TABLE {partition} IN SHARE MODE");
        transaction.batch_execute(&lock).await?;
        let days = format!("days AS (SELECT t.{}::date AS day, t.{} AS id FROM {partition} t)", self.time(), self.id());
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

    /// A day of the default partition. What the law holds by now was not condensed for this, so it counts as a change.
    async fn delete_once(&self, client: &mut PostgresClient, part: &Part) -> Result<Dropped, Error> {
        let transaction = client.transaction().await?;
        transaction.batch_execute(&format!("SET LOCAL lock_timeout = '{WRITERS_WAIT}'")).await?;
        let (relation, time) = (&part.relation, self.time());
        let days = format!(
            "days AS (DELETE FROM {relation} t WHERE {} AND NOT {} RETURNING t.{time}::date AS day, t.{} AS id)",
            part.condition(&time),
            self.is_held(),
            self.id(),
        );
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.held_keys(), Type::TEXT_ARRAY), (&self.rule.table.name, Type::TEXT)];
        let row = transaction.query_typed_one(&self.entered(&days, "$2"), &values).await?;
        let Some(gone) = as_archived(&row) else {
            transaction.rollback().await?;
            return Ok(Dropped::Changed);
        };
        transaction.commit().await?;
        Ok(Dropped::Gone(gone))
    }

    async fn delete_some(&self, client: &PostgresClient) -> Result<u64, Error> {
        let (partition, time, id) = (self.default_partition(), self.time(), self.id());
        let (held, before) = (self.is_held(), self.before);
        let gone = format!(
            "aged AS (SELECT t.ctid FROM {partition} t WHERE t.{time} < '{before}' AND NOT {held} LIMIT {AT_ONCE}),
             days AS (DELETE FROM {partition} t USING aged WHERE t.ctid = aged.ctid
                 RETURNING t.{time}::date AS day, t.{id} AS id)"
        );
        let sql = self.entered(&gone, "$2");
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&self.held_keys(), Type::TEXT_ARRAY), (&self.rule.table.name, Type::TEXT)];
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

fn not_archived(why: &str) -> String {
    format!("not archived: {why}")
}

/// What is late cannot be added to a minute: MongoDB changes no document of a time series.
fn differs(part: &str, minutes: u64) -> String {
    format!(
        "{minutes} minutes of {part} stand in the archive with another number of readings, for some came later: \
         compare them, delete those rows or the documents, and run this again"
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
