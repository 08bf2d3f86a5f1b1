//! One snapshot of one source: what its days look like, rows out of it, and what they add up to.
//!
//! Enters: a job's watches, extractions and reconciliations. Leaves: digests, a stream of lines, answers. Invariants: everything that a
//! run asks of a source is asked in one transaction of one snapshot, so what commits meanwhile is seen by the next run, wholly.
//!
//! A digest is the number of rows of a day and a sum of hashes of their `xmin`, the transaction that wrote each version: a row that
//! came, late or not, that was changed, whatever its columns say of that, or that went, changes it. No clock is asked. Where a watch
//! names the columns that count, hashes of those take the place of `xmin`: what else changes in such a table changes nothing.

use crate::bookkeeping::{Digests, WHOLE_TABLE};
use crate::documents::DocumentField;
use crate::error::EtlError;
use crate::job::Watch;
use bytes::Bytes;
use chrono::NaiveDate;
use chrono_tz::Tz;
use futures_util::{Stream, StreamExt};
use genims_databases::{Engine, PostgresClient, PostgresRow, PostgresSettings, literal, quoted};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};

/// The transaction may wait for the target for as long as its statement may take there; nothing is locked, but dead rows of the source
/// stay until it ends.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET LOCAL statement_timeout = '30min'; \
                     SET LOCAL idle_in_transaction_session_timeout = '30min'";

/// Answers that a reconciliation may have, per side.
const ANSWERS_MAX: usize = 1_000_000;

/// Of a look-up, which becomes a part of another source's SQL.
const LOOKUP_BYTES_MAX: usize = 32 << 20;

pub struct SourceDatabase {
    settings: PostgresSettings,
    client: PostgresClient,
    /// `pg_current_snapshot()`.
    pub snapshot: String,
}

/// A column of a staging table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// In MySQL.
    pub kind: &'static str,
}

/// Rows on their way.
pub struct Rows {
    pub columns: Vec<Column>,
    /// Lines as `LOAD DATA` reads them.
    pub lines: futures_util::stream::BoxStream<'static, io::Result<Bytes>>,
    /// What stopped them, if the source did.
    pub failure: Arc<Mutex<Option<tokio_postgres::Error>>>,
}

/// Rows that become documents.
pub struct DocumentRows {
    pub fields: Vec<DocumentField>,
    pub rows: Pin<Box<tokio_postgres::RowStream>>,
}

impl SourceDatabase {
    pub async fn open(settings: PostgresSettings) -> Result<Self, EtlError> {
        let client = settings.connect().await?;
        let failed = |error| EtlError::from(settings.error(error));
        client.batch_execute(BEGIN).await.map_err(failed)?;
        let row = client.query_typed_one("SELECT pg_current_snapshot()::text", &[]).await.map_err(failed)?;
        let snapshot = row.get(0);
        Ok(Self { settings, client, snapshot })
    }

    /// What a statement's failure is called.
    pub fn failed(&self, what: &str, error: tokio_postgres::Error) -> EtlError {
        EtlError::Statement { what: what.to_owned(), source: self.settings.error(error) }
    }

    /// What the days of a watched table look like, from a day of the zone on.
    pub async fn digests(&self, watch: &Watch, zone: Tz, first: Option<NaiveDate>) -> Result<Digests, EtlError> {
        let (what, key) = (format!("watching {}.{}", watch.database, watch.table), watch.key());
        let rows = self.client.query_typed(&digest_sql(watch, zone, first), &[]).await;
        let rows = rows.map_err(|error| self.failed(&what, error))?;
        Ok(rows.iter().map(|row| ((key.clone(), row.get(0)), row.get(1))).collect())
    }

    /// Rows of a query whose placeholders are filled.
    pub async fn rows(&self, what: &str, sql: &str) -> Result<Rows, EtlError> {
        let failed = |error| self.failed(what, error);
        let statement = self.client.prepare(sql).await.map_err(failed)?;
        let (mut columns, mut select) = (Vec::new(), Vec::new());
        for column in statement.columns() {
            let name = quoted(Engine::Postgresql, column.name());
            let (kind, expression) = bent(column.type_().name(), &name);
            columns.push(Column { name: column.name().to_owned(), kind });
            select.push(expression);
        }
        let copy = format!("COPY (SELECT {} FROM ({sql}) AS extracted) TO STDOUT", select.join(", "));
        let lines = self.client.copy_out(copy.as_str()).await.map_err(failed)?;
        let failure = Arc::new(Mutex::new(None));
        Ok(Rows { columns, lines: told(lines, failure.clone()).boxed(), failure })
    }

    /// Rows of a query whose placeholders are filled, to be made documents of.
    pub async fn documents(&self, what: &str, sql: &str) -> Result<DocumentRows, EtlError> {
        let failed = |error| self.failed(what, error);
        let (mut fields, mut select) = (Vec::new(), Vec::new());
        for column in self.client.prepare(sql).await.map_err(failed)?.columns() {
            let (field, expression) = DocumentField::of(column.name(), column.type_().name());
            fields.push(field);
            select.push(expression);
        }
        let query = format!("SELECT {} FROM ({sql}) AS extracted", select.join(", "));
        let none: [(&(dyn ToSql + Sync), Type); 0] = [];
        let rows = self.client.query_typed_raw(&query, none).await.map_err(failed)?;
        Ok(DocumentRows { fields, rows: Box::pin(rows) })
    }

    /// Rows of a small table, how many there are and as a subquery that another source understands.
    pub async fn lookup(&self, what: &str, sql: &str) -> Result<(u64, String), EtlError> {
        let failed = |error| self.failed(what, error);
        let name = |column: &tokio_postgres::Column| {
            format!(
                "{} {}",
                quoted(Engine::Postgresql, column.name()),
                quoted(Engine::Postgresql, column.type_().name())
            )
        };
        let columns: Vec<String> = self.client.prepare(sql).await.map_err(failed)?.columns().iter().map(name).collect();
        let ask = format!("SELECT count(*), coalesce(json_agg(given)::text, '[]') FROM ({sql}) AS given");
        let row: PostgresRow = self.client.query_typed_one(&ask, &[]).await.map_err(failed)?;
        let (rows, json): (i64, &str) = (row.get(0), row.get(1));
        if json.len() > LOOKUP_BYTES_MAX {
            let cause = format!("{} MB are no small table to look things up in", json.len() >> 20);
            return Err(EtlError::Loading { what: what.to_owned(), cause });
        }
        let (json, columns) = (literal(Engine::Postgresql, json), columns.join(", "));
        Ok((rows.unsigned_abs(), format!("(SELECT * FROM json_to_recordset({json}) AS given ({columns}))")))
    }

    /// Keys and values, as text.
    pub async fn answers(&self, what: &str, sql: &str) -> Result<BTreeMap<String, String>, EtlError> {
        let sql = format!("SELECT k::text, v::text FROM ({sql}) AS asked LIMIT {ANSWERS_MAX}");
        let rows = self.client.query_typed(&sql, &[]).await.map_err(|error| self.failed(what, error))?;
        let text = |row: &tokio_postgres::Row, at| row.get::<_, Option<String>>(at).unwrap_or_default();
        Ok(rows.iter().map(|row| (text(row, 0), text(row, 1))).collect())
    }
}

/// The driver of the other side knows only that reading failed; what failed is kept.
fn told<S>(lines: S, failure: Arc<Mutex<Option<tokio_postgres::Error>>>) -> impl Stream<Item = io::Result<Bytes>>
where
    S: Stream<Item = Result<Bytes, tokio_postgres::Error>>,
{
    lines.map(move |line| {
        line.map_err(|error| {
            *failure.lock() = Some(error);
            io::Error::other("the source failed")
        })
    })
}

fn digest_sql(watch: &Watch, zone: Tz, first: Option<NaiveDate>) -> String {
    let name = |name: &String| quoted(Engine::Postgresql, name);
    let columns: Vec<String> = watch.columns.iter().map(|column| format!("watched.{}", name(column))).collect();
    let hash = if columns.is_empty() {
        "hashint8extended(watched.xmin::text::bigint, 0)".to_owned()
    } else {
        format!("hashtextextended(ROW({})::text, 0)", columns.join(", "))
    };
    let digest = format!("count(*)::text || ' ' || coalesce(sum({hash}), 0)::text");
    let mut from = format!("public.{} AS watched", name(&watch.table));
    let Some(at) = &watch.at else { return format!("SELECT DATE '{WHOLE_TABLE}', {digest} FROM {from}") };
    let mut at = format!("watched.{}", name(at));
    if let (Some(of), Some(by), Some(column)) = (&watch.of, &watch.by, &watch.at) {
        let (of, by) = (name(of), name(by));
        from = format!("{from} JOIN public.{of} AS dated ON dated.{by} = watched.{by}");
        at = format!("dated.{}", name(column));
    }
    let day = format!("({at}::timestamp AT TIME ZONE 'UTC' AT TIME ZONE '{zone}')::date");
    // By the column itself two days more, which an index finds: a day of the zone may begin a day before that of UTC.
    let (since, having) = first
        .map(|first| (format!(" AND {at} >= DATE '{first}' - 2"), format!(" HAVING {day} >= DATE '{first}'")))
        .unwrap_or_default();
    format!("SELECT {day}, {digest} FROM {from} WHERE isfinite({at}){since} GROUP BY 1{having}")
}

/// The type in the staging table, and the expression that COPY writes as MySQL reads it.
fn bent(kind: &str, name: &str) -> (&'static str, String) {
    match kind {
        "bool" => ("TINYINT", format!("{name}::int AS {name}")),
        "int2" | "int4" | "int8" | "oid" => ("BIGINT", name.to_owned()),
        "numeric" => ("DECIMAL(38,10)", format!("round({name}, 10) AS {name}")),
        "float4" | "float8" => ("DOUBLE", name.to_owned()),
        "date" => ("DATE", name.to_owned()),
        "timestamp" => ("DATETIME(6)", name.to_owned()),
        "timestamptz" => ("DATETIME(6)", format!("({name} AT TIME ZONE 'UTC') AS {name}")),
        _ => ("VARCHAR(500)", format!("{name}::text AS {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_a_watched_table_are_those_of_the_zone() {
        let at = Some("at".to_owned());
        let (database, table) = ("d".to_owned(), "t".to_owned());
        let mut watch = Watch { database, table, at, of: None, by: None, columns: Vec::new() };
        let first = NaiveDate::from_ymd_opt(2026, 10, 1);
        let sql = digest_sql(&watch, Tz::Asia__Kolkata, first);
        assert!(sql.contains("AT TIME ZONE 'Asia/Kolkata'") && sql.contains(">= DATE '2026-10-01' - 2"), "{sql}");
        assert!(!digest_sql(&watch, Tz::UTC, None).contains("HAVING"));
        (watch.of, watch.by) = (Some("p".to_owned()), Some("id".to_owned()));
        let joined = digest_sql(&watch, Tz::UTC, None);
        assert!(joined.contains("public.\"t\" AS watched JOIN public.\"p\" AS dated ON dated.\"id\" = watched.\"id\""));
        assert!(joined.contains("isfinite(dated.\"at\")") && joined.contains("watched.xmin"), "{joined}");
        (watch.at, watch.of, watch.by) = (None, None, None);
        watch.columns = vec!["a".to_owned(), "b".to_owned()];
        assert!(digest_sql(&watch, Tz::UTC, first).contains("ROW(watched.\"a\", watched.\"b\")::text"));
        assert!(digest_sql(&watch, Tz::UTC, first).starts_with("SELECT DATE '0001-01-01', "));
    }

    #[test]
    fn values_are_written_as_the_other_engine_reads_them() {
        assert_eq!(bent("bool", "\"a\""), ("TINYINT", "\"a\"::int AS \"a\"".to_owned()));
        assert_eq!(bent("varchar", "\"a\"").0, "VARCHAR(500)");
        assert_eq!(bent("timestamptz", "a").1, "(a AT TIME ZONE 'UTC') AS a");
    }
}
