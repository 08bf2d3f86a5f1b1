//! Rows into tables of MySQL, inside the batch's transaction: inserts many at once, upserts one by one, because MySQL's own
//! upsert changes whatever row stands in the way by any key, not only by the one that is meant.

use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use genims_databases::{Engine, MysqlConnection, quoted};
use genims_model::Row;
use genims_rows::payload::fields;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};

/// Values in one statement; MySQL takes 65,535.
const VALUES_MAX: usize = 10_000;
const ROWS_MAX: usize = 500;

/// Refusals beside the usual states: rights (1142, 1143), a table or column that is gone or another one now (1146, 1054), no default
/// (1364), a wrong value (1366, 1265), a CHECK (3819 of MySQL, 4025 of MariaDB), a generated column (3105, 1906).
const REFUSALS: [u16; 11] = [1142, 1143, 1146, 1054, 1364, 1366, 1265, 3819, 4025, 3105, 1906];

const DUPLICATE_KEY: &str = "1062";
/// What a row that does not name them leaves null. MariaDB calls that default by its name.
const WITHOUT_DEFAULT: &str = "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? \
    AND (column_default IS NULL OR column_default = 'NULL') AND extra = ''";

/// Writes the rows; those that were not written come back.
pub(crate) async fn write<'a>(
    connection: &mut MysqlConnection,
    rows: &[(u64, &'a Row)],
) -> Result<Unwritten<'a>, SinkError> {
    let mut all = Unwritten::default();
    for run in runs(rows, ROWS_MAX) {
        let pieces = if run.first().upsert { 1 } else { (VALUES_MAX / run.columns.len().max(1)).max(1) };
        let mut open: Vec<(usize, usize)> =
            (0..run.rows.len()).step_by(pieces).map(|start| (start, (start + pieces).min(run.rows.len()))).collect();
        open.reverse();
        while let Some((start, end)) = open.pop() {
            let written = if run.first().upsert {
                upsert(connection, &run, run.rows[start].1).await
            } else {
                insert(connection, &run, &run.rows[start..end]).await
            };
            let Err(error) = written else { continue };
            let Some((code, detail)) = refusal(&error) else { return Err(error) };
            if end - start <= 1 {
                let (log_offset, row) = run.rows[start];
                if code == DUPLICATE_KEY && !row.upsert && is_there(connection, &run, row).await? {
                    all.repeated.push(log_offset);
                    continue;
                }
                let column = column_of(&detail, &run.columns);
                all.refused.push(RefusedRow { log_offset, row, code, column, detail });
                continue;
            }
            let middle = start.midpoint(end);
            open.push((middle, end));
            open.push((start, middle));
        }
    }
    Ok(all)
}

async fn insert(connection: &mut MysqlConnection, run: &Run<'_>, rows: &[(u64, &Row)]) -> Result<(), SinkError> {
    let columns: Vec<String> = run.columns.iter().map(|column| quoted(Engine::Mysql, column)).collect();
    let places = format!("({})", vec!["?"; columns.len()].join(", "));
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        quoted(Engine::Mysql, &run.first().table),
        columns.join(", "),
        vec![places; rows.len()].join(", ")
    );
    let values = rows.iter().flat_map(|(_, row)| values(row, run.columns.iter())).collect();
    execute(connection, &sql, values).await
}

/// Whether the row is there as it is: with the same values, and none that it does not name and that is no default.
async fn is_there(connection: &mut MysqlConnection, run: &Run<'_>, row: &Row) -> Result<bool, SinkError> {
    let others: Vec<String> = answered(connection.exec(WITHOUT_DEFAULT, (&row.table,))).await?;
    let name = |column: &String| quoted(Engine::Mysql, column);
    let equal = run.columns.iter().map(|column| format!("{} <=> ?", name(column)));
    let others = others.iter().filter(|column| !run.columns.contains(column));
    let null = others.map(|column| format!("{} IS NULL", name(column)));
    let all = equal.chain(null).collect::<Vec<_>>().join(" AND ");
    // What stands in the way is seen, whenever this transaction began.
    let find = format!("SELECT 1 FROM {} WHERE {all} LIMIT 1 LOCK IN SHARE MODE", quoted(Engine::Mysql, &row.table));
    let values = Params::Positional(values(row, run.columns.iter()));
    let found: Option<u8> = answered(connection.exec_first(find, values)).await?;
    Ok(found.is_some())
}

/// Nobody else can put the row there in between: it, or the gap where it would be, is locked.
async fn upsert(connection: &mut MysqlConnection, run: &Run<'_>, row: &Row) -> Result<(), SinkError> {
    let equal = |column: &String| format!("{} = ?", quoted(Engine::Mysql, column));
    let table = quoted(Engine::Mysql, &row.table);
    let at = row.key.iter().map(equal).collect::<Vec<_>>().join(" AND ");
    let key = values(row, row.key.iter());
    let find = format!("SELECT 1 FROM {table} WHERE {at} FOR UPDATE");
    let found: Option<u8> = answered(connection.exec_first(find, Params::Positional(key.clone()))).await?;
    if found.is_none() {
        return insert(connection, run, &[(0, row)]).await;
    }
    let set: Vec<String> = run.changed().map(equal).collect();
    if set.is_empty() {
        return Ok(());
    }
    let update = format!("UPDATE {table} SET {} WHERE {at}", set.join(", "));
    execute(connection, &update, [values(row, run.changed()), key].concat()).await
}

async fn execute(connection: &mut MysqlConnection, sql: &str, values: Vec<Value>) -> Result<(), SinkError> {
    answered(connection.exec_drop(sql, Params::Positional(values))).await
}

/// Numbers go as text: MySQL reads all their digits.
fn values<'c>(row: &Row, columns: impl Iterator<Item = &'c String>) -> Vec<Value> {
    let fields = fields(&row.values).unwrap_or_default();
    let value = |column: &String| {
        let raw = fields.iter().find(|(name, _)| name == column).map_or("null", |(_, raw)| *raw);
        match raw {
            "null" => Value::NULL,
            "true" => Value::Int(1),
            "false" => Value::Int(0),
            text if text.starts_with('"') => Value::from(serde_json::from_str::<String>(text).unwrap_or_default()),
            other => Value::from(other),
        }
    };
    columns.map(value).collect()
}

/// Code and message, when the refusal is the row's own fault; else it is mended outside and worth repeating.
fn refusal(error: &SinkError) -> Option<(String, String)> {
    let SinkError::Mysql(error) = error else { return None };
    let mysql_async::Error::Server(refusal) = error.as_ref() else { return None };
    let own = refusal.state.starts_with("22")
        || refusal.state.starts_with("23")
        || refusal.state == "45000"
        || REFUSALS.contains(&refusal.code);
    own.then(|| (refusal.code.to_string(), refusal.message.clone()))
}

/// MySQL names a column in quotes of some kind, in its message.
fn column_of(detail: &str, columns: &[String]) -> Option<String> {
    let named = |column: &&String| ["'", "`"].iter().any(|quote| detail.contains(&format!("{quote}{column}{quote}")));
    columns.iter().find(named).cloned()
}
