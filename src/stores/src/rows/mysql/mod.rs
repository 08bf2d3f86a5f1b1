//! Rows into tables of MySQL, inside the batch's transaction: inserts many at once, upserts one by one, because MySQL's own
//! upsert changes whatever row stands in the way by any key, not only by the one that is meant.

mod columns;
mod refusals;

use super::{RefusedRow, Run, Unwritten, runs};
use crate::error::{SinkError, answered};
use columns::Columns;
use genims_databases::{Engine, MysqlConnection, quoted};
use genims_model::Row;
use mysql_async::prelude::Queryable;
use mysql_async::{Params, Value};
use refusals::refusal;
use std::collections::HashMap;

/// Values in one statement; MySQL takes 65,535.
const VALUES_MAX: usize = 10_000;
const ROWS_MAX: usize = 500;
/// Below what servers take as a packet; a longer one ends the connection.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

const DUPLICATE_KEY: &str = "1062";

/// Writes the rows; those that were not written come back.
pub(crate) async fn write<'a>(
    connection: &mut MysqlConnection,
    rows: &[(u64, &'a Row)],
) -> Result<Unwritten<'a>, SinkError> {
    let mut all = Unwritten::default();
    let mut tables: HashMap<&str, Columns> = HashMap::new();
    for run in runs(rows, ROWS_MAX) {
        let table = run.rows[0].1.table.as_str();
        if !tables.contains_key(table) {
            tables.insert(table, Columns::read(connection, table).await?);
        }
        let columns = &tables[table];
        let mut open = pieces(&run);
        while let Some((start, end)) = open.pop() {
            let is_one = end - start <= 1;
            let written = if run.first().upsert {
                upsert(connection, &run, columns, run.rows[start].1).await
            } else {
                insert(connection, &run, columns, &run.rows[start..end]).await
            };
            let Err(error) = written else { continue };
            let refusal = refusal(&error);
            // Without an answer this connection is no longer usable.
            let halving_helps = matches!(error, SinkError::Mysql(_)) && error.is_too_much() && !is_one;
            if halving_helps || refusal.is_some() && !is_one {
                let middle = start.midpoint(end);
                open.extend([(middle, end), (start, middle)]);
                continue;
            }
            let Some((code, detail)) = refusal else { return Err(error) };
            let (log_offset, row) = run.rows[start];
            if code == DUPLICATE_KEY && !row.upsert && is_there(connection, &run, columns, row).await? {
                all.repeated.push(log_offset);
                continue;
            }
            let column = column_of(&detail, &run.columns);
            all.refused.push(RefusedRow { log_offset, row, code, column, detail });
        }
    }
    Ok(all)
}

/// What one statement takes; the last first.
fn pieces(run: &Run<'_>) -> Vec<(usize, usize)> {
    let rows_max = if run.first().upsert { 1 } else { (VALUES_MAX / run.columns.len().max(1)).max(1) };
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, (_, row)) in run.rows.iter().enumerate() {
        let is_full = index - start >= rows_max || bytes + row.values.len() > STATEMENT_BYTES_MAX;
        if is_full && index > start {
            pieces.push((start, index));
            (start, bytes) = (index, 0);
        }
        bytes += row.values.len();
    }
    pieces.push((start, run.rows.len()));
    pieces.reverse();
    pieces
}

async fn insert(
    connection: &mut MysqlConnection,
    run: &Run<'_>,
    columns: &Columns,
    rows: &[(u64, &Row)],
) -> Result<(), SinkError> {
    let names: Vec<String> = run.columns.iter().map(|column| quoted(Engine::Mysql, column)).collect();
    let places = format!("({})", vec!["?"; names.len()].join(", "));
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        quoted(Engine::Mysql, &run.first().table),
        names.join(", "),
        vec![places; rows.len()].join(", ")
    );
    let values = rows.iter().flat_map(|(_, row)| columns.values(row, run.columns.iter())).collect();
    execute(connection, &sql, values).await
}

/// Whether the row is there as it is: with the same values, as its columns hold them, and none that it does not name and that is no
/// default.
async fn is_there(
    connection: &mut MysqlConnection,
    run: &Run<'_>,
    columns: &Columns,
    row: &Row,
) -> Result<bool, SinkError> {
    let (mut conditions, values) = columns.same(row, &run.columns);
    let others = columns.without_default().filter(|column| !run.columns.contains(column));
    conditions.extend(others.map(|column| format!("{} IS NULL", quoted(Engine::Mysql, column))));
    // What stands in the way is seen, whenever this transaction began.
    let sql = format!(
        "SELECT 1 FROM {} WHERE {} LIMIT 1 LOCK IN SHARE MODE",
        quoted(Engine::Mysql, &row.table),
        conditions.join(" AND ")
    );
    let found: Result<Option<u8>, SinkError> = answered(connection.exec_first(sql, Params::Positional(values))).await;
    match found {
        // What may not be looked at is not known to be there.
        Err(error) if refusal(&error).is_some() => Ok(false),
        found => Ok(found?.is_some()),
    }
}

/// Nobody else can put the row there in between: it, or the gap where it would be, is locked.
async fn upsert(
    connection: &mut MysqlConnection,
    run: &Run<'_>,
    columns: &Columns,
    row: &Row,
) -> Result<(), SinkError> {
    let table = quoted(Engine::Mysql, &row.table);
    let (at, key) = columns.at(row, &row.key);
    let at = at.join(" AND ");
    let find = format!("SELECT 1 FROM {table} WHERE {at} FOR UPDATE");
    let found: Option<u8> = answered(connection.exec_first(find, Params::Positional(key.clone()))).await?;
    if found.is_none() {
        return insert(connection, run, columns, &[(0, row)]).await;
    }
    let set: Vec<String> = run.changed().map(|column| format!("{} = ?", quoted(Engine::Mysql, column))).collect();
    if set.is_empty() {
        return Ok(());
    }
    let update = format!("UPDATE {table} SET {} WHERE {at}", set.join(", "));
    execute(connection, &update, [columns.values(row, run.changed()), key].concat()).await
}

async fn execute(connection: &mut MysqlConnection, sql: &str, values: Vec<Value>) -> Result<(), SinkError> {
    answered(connection.exec_drop(sql, Params::Positional(values))).await
}

/// MySQL names a column in quotes of some kind, in its message.
fn column_of(detail: &str, columns: &[String]) -> Option<String> {
    let named = |column: &&String| ["'", "`"].iter().any(|quote| detail.contains(&format!("{quote}{column}{quote}")));
    columns.iter().find(named).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_no_longer_than_a_server_takes() {
        let row = |bytes: usize| Row { values: "x".repeat(bytes), ..Row::default() };
        let (large, small) = (row(STATEMENT_BYTES_MAX / 2), row(1));
        let run = |rows: &[&'static str], columns: usize| {
            let rows = rows.iter().map(|size| (0, if *size == "large" { &large } else { &small })).collect();
            pieces(&Run { rows, columns: vec!["c".to_owned(); columns] })
        };
        assert_eq!(run(&["large", "large", "small"], 1), [(2, 3), (0, 2)]);
        assert_eq!(run(&["small", "small", "small"], VALUES_MAX / 2), [(2, 3), (0, 2)]);
        assert_eq!(run(&["small"], VALUES_MAX * 2), [(0, 1)]);
    }
}
