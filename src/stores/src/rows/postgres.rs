//! Rows into tables of PostgreSQL: one statement a run, inside the batch's transaction.

use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use crate::postgres::copy::{Copied, Refused, refusal};
use crate::postgres::isolate::{BatchMode, Rowwise, run};
use genims_databases::{Engine, quoted};
use genims_model::Row;
use std::collections::HashMap;
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
    let mut types: HashMap<&str, Types> = HashMap::new();
    for part in runs(rows, ROWS_MAX) {
        if client != Some(&part.first().client) {
            client = Some(&part.rows[0].1.client);
            act_as(transaction, &part.first().client).await?;
        }
        let table = part.rows[0].1.table.as_str();
        if !types.contains_key(table) {
            types.insert(table, types_of(transaction, part.first()).await?);
        }
        let types = &types[table];
        let mut work = RowsOf { sql: statement(&part, types), run: &part, columns: Vec::new() };
        let mut refused = Vec::new();
        run(transaction, BatchMode::Isolating, &mut work, &mut refused).await?;
        let columns = work.columns;
        for (index, refused) in refused {
            let (log_offset, row) = part.rows[index];
            let code = refused.sqlstate.unwrap_or_default();
            if code == UNIQUE_VIOLATION && !row.upsert && is_there(transaction, &part, row, types).await? {
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
    let actor: String = format!("service:{client}").chars().filter(|sign| *sign != '\0').take(100).collect();
    let values: [(&(dyn ToSql + Sync), Type); 1] = [(&actor, Type::TEXT)];
    answered(transaction.execute_typed("SELECT set_config('genims.actor', $1, true)", &values)).await?;
    Ok(())
}

/// The columns of a table and how their types are written.
type Types = HashMap<String, String>;

/// None for a table that is gone: then the statement says so, row by row.
async fn types_of(transaction: &Transaction<'_>, row: &Row) -> Result<Types, SinkError> {
    let sql = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let table = table(row);
    let values: [(&(dyn ToSql + Sync), Type); 1] = [(&table, Type::TEXT)];
    let rows = answered(transaction.query_typed(sql, &values)).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The run's columns with their types, as a record of JSON needs them. No others: what a row does not name gets its default, which
/// a domain without null has to be given.
fn record(run: &Run<'_>, types: &Types) -> String {
    let of = |column: &String| types.get(column).map_or("text", String::as_str);
    let typed = run.columns.iter().map(|column| format!("{} {}", quoted(Engine::Postgresql, column), of(column)));
    typed.collect::<Vec<_>>().join(", ")
}

/// Whether the row is there as it is: with the same values, and none that it does not name and that is no default.
async fn is_there(transaction: &Transaction<'_>, run: &Run<'_>, row: &Row, types: &Types) -> Result<bool, SinkError> {
    let table = table(row);
    let name = |column: &String| quoted(Engine::Postgresql, column);
    let keys = row.key.iter().map(name).map(|key| format!("held.{key} = sent.{key}"));
    let values = run.columns.iter().map(name);
    let values = values.map(|name| format!("to_jsonb(held.{name}) IS NOT DISTINCT FROM to_jsonb(sent.{name})"));
    let equal = keys.chain(values).collect::<Vec<_>>().join(" AND ");
    let record = record(run, types);
    let sql = format!(
        "SELECT FROM {table} AS held, jsonb_to_record($1::text::jsonb) AS sent({record}) WHERE {equal}
         AND NOT EXISTS (SELECT FROM jsonb_each(to_jsonb(held)) AS other JOIN pg_attribute ON attname = other.key
             JOIN pg_type ON pg_type.oid = atttypid
             WHERE attrelid = $2::text::regclass AND other.value <> 'null' AND other.key <> ALL ($3)
                 AND NOT atthasdef AND attidentity = '' AND typdefault IS NULL)"
    );
    let values: [(&(dyn ToSql + Sync), Type); 3] =
        [(&row.values, Type::TEXT), (&table, Type::TEXT), (&run.columns, Type::TEXT_ARRAY)];
    answered(transaction.batch_execute("SAVEPOINT compared")).await?;
    let found = answered(transaction.query_typed(&sql, &values)).await;
    match found {
        Ok(found) => {
            answered(transaction.batch_execute("RELEASE SAVEPOINT compared")).await?;
            Ok(!found.is_empty())
        }
        // What may not be looked at is not known to be there.
        Err(SinkError::Postgres(error)) if refusal_of_row(&error).is_some() => {
            answered(transaction.batch_execute("ROLLBACK TO SAVEPOINT compared")).await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn table(row: &Row) -> String {
    format!("public.{}", quoted(Engine::Postgresql, &row.table))
}

fn statement(run: &Run<'_>, types: &Types) -> String {
    let table = table(run.first());
    let list = |columns: &mut dyn Iterator<Item = &String>| {
        columns.map(|column| quoted(Engine::Postgresql, column)).collect::<Vec<_>>()
    };
    let columns = list(&mut run.columns.iter()).join(", ");
    let mut sql = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_to_recordset($1::text::jsonb) AS sent({})",
        record(run, types)
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

    fn refuses<'e>(&self, error: &'e Error) -> Option<&'e DbError> {
        refusal_of_row(error)
    }
}

/// A program's row never stops the others.
fn refusal_of_row(error: &Error) -> Option<&DbError> {
    refusal(error).or_else(|| error.as_db_error().filter(|error| is_of_row(error.code().code()) || is_raised(error)))
}

/// What a trigger says by RAISE, under whatever code; a conflict between transactions (40) passes all the same.
fn is_raised(error: &DbError) -> bool {
    error.routine() == Some("exec_stmt_raise") && !error.code().code().starts_with("40")
}

/// Besides the usual: rights, a table or column that is gone or another one now (42, 3F), a feature that a table lacks (0A), what
/// triggers meet (09, 24, 27, 2D, 34), a table that is published and cannot tell its rows apart (55000; others of 55 are states that
/// pass).
fn is_of_row(sqlstate: &str) -> bool {
    let class = sqlstate.get(..2).unwrap_or_default();
    matches!(class, "42" | "3F" | "0A" | "09" | "24" | "27" | "2D" | "34") || sqlstate == "55000"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_meets_in_its_table_is_told_from_what_ails_the_server() {
        assert!(["42501", "42P01", "0A000", "27000", "2D000", "3F000", "55000"].iter().all(|code| is_of_row(code)));
        let servers = ["55P03", "55006", "57014", "40001", "25006", "53100", "08006", "XX000", ""];
        assert_eq!(servers.iter().find(|code| is_of_row(code)), None);
    }
}
