//! What one PostgreSQL database knows of its size and growth. Every query is a read-only transaction of its own with bounds, so that a
//! pooler may stand in between, and a table that does not answer leaves the others alone.

use super::daily::{self, Partition, Partitioned};
use super::disk;
use super::growth::{Counted, DAYS, Growth, Inflow, LeftOut};
use super::known::{Known, Numbering, server};
use super::limits::{self, LOCK_WAIT, Limits};
use crate::errors::PlatformError;
use chrono::NaiveDate;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, PostgresClient, PostgresError, PostgresRow, PostgresSettings,
    literal, quoted,
};
use std::collections::BTreeMap;

const SIZE: &str =
    "SELECT pg_database_size(datname), age(datfrozenxid) FROM pg_database WHERE datname = current_database()";

/// Partitions are looked at by themselves. Sizes are asked for one by one: who asks for a table's size waits for its locks.
const TABLES: &str = "SELECT c.relname::text FROM pg_class c \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition ORDER BY c.relname";

const PARTITIONS: &str = "SELECT p.relname::text, c.relname::text, current_date FROM pg_inherits i \
    JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid \
    WHERE p.relkind = 'p' AND p.relnamespace = 'public'::regnamespace ORDER BY p.relname, c.relname";

/// A column may end before its sequence does.
const SEQUENCES: &str = "SELECT q.schemaname::text, q.sequencename::text, t.relname::text, a.attname::text, q.last_value, \
    least(q.max_value, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 \
    ELSE q.max_value END), q.increment_by FROM pg_sequences q \
    JOIN pg_namespace n ON n.nspname = q.schemaname \
    JOIN pg_class s ON s.relnamespace = n.oid AND s.relname = q.sequencename AND s.relkind = 'S' \
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.refclassid = 'pg_class'::regclass \
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') \
    LEFT JOIN pg_class t ON t.oid = d.refobjid \
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
    WHERE q.last_value > 0 AND NOT q.cycle AND q.increment_by > 0";

/// `columns`: by which the rows of each table came; `kept`: for how many days retention keeps them.
pub(super) async fn ask(
    database: &Database,
    environment: &Environment,
    (columns, kept): (&BTreeMap<String, String>, &BTreeMap<String, u64>),
    limits: Limits,
) -> Result<Known, PlatformError> {
    let settings = PostgresSettings::from_environment(database, environment)?;
    let place = settings.place();
    let client = limits::answer(&place, limits.answer, settings.connect()).await??;
    let session = Session { client, settings, place, limits };
    let (mut bytes, mut age) = (0, None);
    if let Some(row) = session.rows(SIZE).await?.first() {
        bytes = row.get::<_, i64>(0).unsigned_abs();
        age = u64::try_from(row.get::<_, i32>(1)).ok();
    }
    let partitioned = session.partitioned(kept).await?;
    let (mut inflows, mut silent) = session.inflows(columns).await?;
    silent += partitioned.iter().filter(|table| table.inflow.is_none()).count();
    inflows.extend(partitioned.iter().filter_map(|table| table.inflow.clone()));
    let numberings = session.rows(SEQUENCES).await?.iter().map(numbering).collect();
    let directory = session.rows("SELECT current_setting('data_directory')").await;
    let directory = match directory {
        Ok(rows) => rows.first().map(|row| row.get::<_, String>(0)),
        Err(error) if is_refused(&error) => None,
        Err(error) => return Err(error),
    };
    Ok(Known {
        database: database.name.clone(),
        engine: Engine::Postgresql,
        server: server(&session.place).to_owned(),
        bytes,
        growth: Growth::of(&inflows, bytes, LeftOut { silent, undated: 0 }),
        partitioned,
        numberings,
        transaction_age: age,
        disk: disk::of_server(&session.place, directory.as_deref()),
    })
}

struct Session {
    client: PostgresClient,
    settings: PostgresSettings,
    place: String,
    limits: Limits,
}

impl Session {
    async fn rows(&self, sql: &str) -> Result<Vec<PostgresRow>, PlatformError> {
        let rows = limits::answer(&self.place, self.limits.answer, self.transaction(sql)).await?;
        Ok(rows.map_err(|source| self.settings.error(source))?)
    }

    /// What has to be read or waited for: none where the server says no, or where enough was asked already.
    async fn measured(&self, sql: &str) -> Result<Option<Vec<PostgresRow>>, PlatformError> {
        if self.limits.are_reached() {
            return Ok(None);
        }
        match self.rows(sql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn transaction(&self, sql: &str) -> Result<Vec<PostgresRow>, PostgresError> {
        let (limit, lock_wait) = (limits::milliseconds(self.limits.answer), LOCK_WAIT.as_millis());
        let begin =
            format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {lock_wait}");
        self.client.batch_execute(&begin).await?;
        let rows = self.client.query_typed(sql, &[]).await;
        self.client.batch_execute("ROLLBACK").await?;
        rows
    }

    async fn partitioned(&self, kept: &BTreeMap<String, u64>) -> Result<Vec<Partitioned>, PlatformError> {
        let mut tables: BTreeMap<String, (NaiveDate, Vec<String>)> = BTreeMap::new();
        for row in self.rows(PARTITIONS).await? {
            tables.entry(row.get(0)).or_insert_with(|| (row.get(2), Vec::new())).1.push(row.get(1));
        }
        let mut found = Vec::new();
        for (table, (today, names)) in tables {
            let sizes = self.measured(&sizes(&table)).await?;
            let is_measured = sizes.is_some();
            let size = |row: &PostgresRow| (row.get(0), (row.get::<_, i64>(1).unsigned_abs(), row.get(2)));
            let sizes: BTreeMap<String, (u64, bool)> = sizes.iter().flatten().map(size).collect();
            let mut partitions = Vec::new();
            for name in names {
                let (bytes, mut is_filled) = sizes.get(&name).copied().unwrap_or_default();
                let day = daily::day(&table, &name);
                if day.is_none() {
                    // Its file stays when its rows went, until it is vacuumed.
                    let rows = self.measured(&has_rows(&name)).await?;
                    is_filled = rows.is_some_and(|rows| rows.first().is_some_and(|row| row.get(0)));
                }
                partitions.push(Partition { day, bytes, is_filled });
            }
            let mut partitioned = Partitioned::of(&table, &partitions, today);
            partitioned.inflow = partitioned.inflow.filter(|_| is_measured);
            if let (Some(inflow), Some(days)) = (&mut partitioned.inflow, kept.get(&table))
                && let Some(purged) = self.last_purged(&table).await?
            {
                inflow.expiring_bytes = daily::expiring(&partitions, today, *days, purged);
            }
            found.push(partitioned);
        }
        Ok(found)
    }

    /// The last day of a table that retention has let go; none where it has not, or nobody may say so.
    async fn last_purged(&self, table: &str) -> Result<Option<NaiveDate>, PlatformError> {
        let table = literal(Engine::Postgresql, table);
        let query = format!("SELECT max(day) FROM genims_internal.purged_rows WHERE table_name = {table}");
        Ok(self.measured(&query).await?.and_then(|rows| rows.first()?.get(0)))
    }

    /// What came into each table that says when its rows came; how many of them gave no answer.
    async fn inflows(&self, columns: &BTreeMap<String, String>) -> Result<(Vec<Inflow>, usize), PlatformError> {
        let (mut inflows, mut silent) = (Vec::new(), 0);
        for row in self.rows(TABLES).await? {
            let table: String = row.get(0);
            let Some(column) = columns.get(&table) else { continue };
            let bytes = |row: &PostgresRow| row.get::<_, i64>(3).unsigned_abs();
            match self.measured(&count(&table, column)).await? {
                Some(rows) => {
                    inflows.extend(rows.first().map(|row| Inflow::of_rows(&table, bytes(row), &counted(row))))
                }
                None => silent += 1,
            }
        }
        Ok((inflows, silent))
    }
}

/// Of each partition of a table: its bytes, and whether it has rows.
fn sizes(table: &str) -> String {
    let table = literal(Engine::Postgresql, table);
    format!(
        "SELECT c.relname::text, coalesce(pg_total_relation_size(c.oid), 0), coalesce(pg_relation_size(c.oid), 0) > 0 \
         FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE p.relnamespace = 'public'::regnamespace AND p.relname = {table}"
    )
}

fn has_rows(table: &str) -> String {
    format!("SELECT EXISTS (SELECT FROM public.{})", quoted(Engine::Postgresql, table))
}

/// All rows, those of the last complete days, the age of the oldest in days, and what the table takes on disk.
fn count(table: &str, column: &str) -> String {
    let [table, column] = [table, column].map(|name| quoted(Engine::Postgresql, name));
    let name = literal(Engine::Postgresql, &format!("public.{table}"));
    format!(
        "SELECT count(*), count(*) FILTER (WHERE {column} >= current_date - {DAYS} AND {column} < current_date), \
         current_date - min({column})::date, coalesce(pg_total_relation_size({name}::regclass), 0) FROM public.{table}"
    )
}

fn counted(row: &PostgresRow) -> Counted {
    let [all, recent] = [0, 1].map(|index| row.get::<_, i64>(index).unsigned_abs());
    // Rows of days to come only are of no age.
    let age_days = row.get::<_, Option<i32>>(2).and_then(|days| u64::try_from(days).ok());
    Counted { all, recent, expiring: 0, age_days }
}

fn numbering(row: &PostgresRow) -> Numbering {
    let [schema, sequence] = [0, 1].map(|index| row.get::<_, String>(index));
    let (table, column) = (row.get::<_, Option<String>>(2), row.get::<_, Option<String>>(3));
    let name = match (&table, column) {
        (Some(table), Some(column)) => format!("{table}.{column}"),
        _ => format!("{schema}.{sequence}"),
    };
    let [last, limit, step] = [4, 5, 6].map(|index| row.get::<_, i64>(index).unsigned_abs());
    Numbering { name, table, last, limit, step }
}

/// What the server itself said no to: a right, a lock, or the time that one statement may take.
fn is_refused(error: &PlatformError) -> bool {
    matches!(error, PlatformError::Database(DatabaseError::Postgres { source, .. }) if source.as_db_error().is_some())
}
