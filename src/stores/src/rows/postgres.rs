//! Rows into tables of PostgreSQL: one statement a run, inside the batch's transaction.

use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use crate::postgres::copy::{Copied, Refused, refusal};
use crate::postgres::isolate::{Mode, Rowwise, run};
use genims_databases::{Engine, quoted};
use genims_model::Row;
use std::ops::Range;
use tokio_postgres::error::DbError;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Transaction};

/// Rows in one statement: what is compared for equal keys stays small.
const ROWS_MAX: usize = 1_000;

const UNIQUE_VIOLATION: &str = "23505";

/// Writes the rows; those that were not written come back.
pub(crate) async fn write<'a>(
    transaction: &Transaction<'_>,
    rows: &[(u64, &'a Row)],
) -> Result<Unwritten<'a>, SinkError> {
    let mut all = Unwritten::default();
    let mut client = None;
    for part in runs(rows, ROWS_MAX) {
        if client != Some(&part.first().client) {
            client = Some(&part.rows[0].1.client);
            act_as(transaction, &part.first().client).await?;
        }
        let mut work = RowsOf { sql: statement(&part), run: &part, columns: Vec::new() };
        let mut refused = Vec::new();
        run(transaction, Mode::Isolating, &mut work, &mut refused).await?;
        let columns = work.columns;
        for (index, refused) in refused {
            let (log_offset, row) = part.rows[index];
            let code = refused.sqlstate.unwrap_or_default();
            if code == UNIQUE_VIOLATION && !row.upsert && is_there(transaction, &part, row).await? {
                all.repeated.push(log_offset);
                continue;
            }
            let column = columns.iter().find(|(of, _)| *of == index).map(|(_, column)| column.clone());
            all.refused.push(RefusedRow { log_offset, row, code, column, detail: refused.detail });
        }
    }
    Ok(all)
}

/// Who the audit trail says it was.
async fn act_as(transaction: &Transaction<'_>, client: &str) -> Result<(), SinkError> {
    let actor: String = format!("service:{client}").chars().filter(|letter| *letter != '\0').take(100).collect();
    let values: [(&(dyn ToSql + Sync), Type); 1] = [(&actor, Type::TEXT)];
    answered(transaction.execute_typed("SELECT set_config('genims.actor', $1, true)", &values)).await?;
    Ok(())
}

/// Whether the row is there as it is: with the same values, and none that it does not name and that is no default.
async fn is_there(transaction: &Transaction<'_>, run: &Run<'_>, row: &Row) -> Result<bool, SinkError> {
    let table = table(row);
    let name = |column: &String| quoted(Engine::Postgresql, column);
    let keys = row.key.iter().map(name).map(|key| format!("held.{key} = sent.{key}"));
    let values = run.columns.iter().map(name);
    let values = values.map(|name| format!("to_jsonb(held.{name}) IS NOT DISTINCT FROM to_jsonb(sent.{name})"));
    let equal = keys.chain(values).collect::<Vec<_>>().join(" AND ");
    let sql = format!(
        "SELECT FROM {table} AS held, jsonb_populate_record(NULL::{table}, $1::text::jsonb) AS sent WHERE {equal}
         AND NOT EXISTS (SELECT FROM jsonb_each(to_jsonb(held)) AS other JOIN pg_attribute ON attname = other.key
             WHERE attrelid = $2::text::regclass AND other.value <> 'null' AND other.key <> ALL ($3)
                 AND NOT atthasdef AND attidentity = '')"
    );
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&row.values, Type::TEXT), (&table, Type::TEXT), (&run.columns, Type::TEXT_ARRAY)];
    Ok(!answered(transaction.query_typed(&sql, &values)).await?.is_empty())
}

fn table(row: &Row) -> String {
    format!("public.{}", quoted(Engine::Postgresql, &row.table))
}

fn statement(run: &Run<'_>) -> String {
    let table = table(run.first());
    let list = |columns: &mut dyn Iterator<Item = &String>| {
        columns.map(|column| quoted(Engine::Postgresql, column)).collect::<Vec<_>>()
    };
    let columns = list(&mut run.columns.iter()).join(", ");
    let mut sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)"
    );
    if run.first().upsert {
        let key = list(&mut run.first().key.iter()).join(", ");
        let changed = list(&mut run.changed());
        let set: Vec<String> = changed.iter().map(|column| format!("{column} = EXCLUDED.{column}")).collect();
        let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        sql += &format!(" ON CONFLICT ({key}) DO {action}");
    }
    sql
}

struct RowsOf<'a, 'b> {
    sql: String,
    run: &'b Run<'a>,
    /// Columns that PostgreSQL named in refusals.
    columns: Vec<(usize, String)>,
}

impl Rowwise for RowsOf<'_, '_> {
    fn rows(&self) -> usize {
        self.run.rows.len()
    }

    async fn run(&mut self, transaction: &Transaction<'_>, range: Range<usize>) -> Result<Copied, SinkError> {
        let rows = &self.run.rows[range.clone()];
        let batch = format!("[{}]", rows.iter().map(|(_, row)| row.values.as_str()).collect::<Vec<_>>().join(","));
        let values: [(&(dyn ToSql + Sync), Type); 1] = [(&batch, Type::TEXT)];
        let written = answered(transaction.execute_typed(&self.sql, &values)).await;
        if let (Err(SinkError::Postgres(error)), 1) = (&written, range.len())
            && let Some(column) = column_of(error, &rows[0].1.key)
        {
            self.columns.push((range.start, column));
        }
        Ok(Copied { rows: written?, bytes: batch.len() as u64 })
    }

    fn refused(&self, index: usize) -> Refused {
        let (log_offset, row) = self.run.rows[index];
        Refused {
            log_offset,
            source: Some(row.source),
            received_us: row.received_us,
            payload: Vec::new(),
            sqlstate: None,
            detail: String::new(),
        }
    }

    /// Besides the usual: rights (42501), a table or column that is gone or another one now (42), one key twice (21), what
    /// triggers raise in codes of their own (P0), a feature that a table lacks (0A). A program's row never stops the others.
    fn refuses<'e>(&self, error: &'e Error) -> Option<&'e DbError> {
        let error = refusal(error).or_else(|| error.as_db_error())?;
        matches!(&error.code().code()[..2], "22" | "23" | "44" | "54" | "42" | "21" | "P0" | "0A").then_some(error)
    }
}

/// The column at fault, where PostgreSQL says so: by name, or as the key of a conflict `(name)=(value)`.
fn column_of(error: &Error, key: &[String]) -> Option<String> {
    let error = error.as_db_error()?;
    if let Some(column) = error.column() {
        return Some(column.to_owned());
    }
    let detail = error.detail()?;
    let named = detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=(")).map(|(named, _)| named.to_owned());
    named.or_else(|| (error.code().code() == UNIQUE_VIOLATION).then(|| key.join(", ")))
}
