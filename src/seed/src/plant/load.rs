//! Rows into a table: COPY straight into an empty one, else into a temporary twin and one upsert from there. Rows that are
//! there and equal are not touched, so a second run changes nothing, not even a page.

use crate::audit;
use crate::tsv;
use bytes::Bytes;
use futures_util::SinkExt;
use genims_databases::{Engine, quoted};
use serde::Serialize;
use std::fmt::{Display, Write as _};
use tokio_postgres::{CopyInSink, Transaction};

/// Large enough that the network and not the call decides.
const CHUNK_BYTES: usize = 256 * 1024;

/// Appends the columns of one row.
pub(super) type Write<'a> = Box<dyn Fn(u64, &mut Row<'_>) + Send + Sync + 'a>;

/// What fills one table. `write` appends row number `0..rows`; the same number always gives the same bytes.
pub(super) struct Table<'a> {
    pub name: &'static str,
    /// The first is the primary key.
    pub columns: &'static [&'static str],
    pub rows: u64,
    pub write: Write<'a>,
}

/// One row in COPY text form.
pub(super) struct Row<'a> {
    buffer: &'a mut String,
    started: bool,
}

impl<'a> Row<'a> {
    pub(super) fn new(buffer: &'a mut String) -> Self {
        Self { buffer, started: false }
    }

    fn next(&mut self) {
        if self.started {
            self.buffer.push('\t');
        }
        self.started = true;
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.next();
        tsv::escape(text, self.buffer);
        self
    }

    /// Numbers, dates and times: nothing that needs escaping.
    pub(super) fn value(&mut self, value: impl Display) -> &mut Self {
        self.next();
        write!(self.buffer, "{value}").expect("a String takes every write");
        self
    }

    pub(super) fn decimal(&mut self, value: f64, places: usize) -> &mut Self {
        self.value(format_args!("{value:.places$}"))
    }

    pub(super) fn empty(&mut self) -> &mut Self {
        self.next();
        self.buffer.push_str("\\N");
        self
    }

    pub(super) fn optional(&mut self, value: Option<f64>, places: usize) -> &mut Self {
        match value {
            Some(value) => self.decimal(value, places),
            None => self.empty(),
        }
    }
}

impl Table<'_> {
    /// Appends one row and its line end.
    pub(super) fn append(&self, number: u64, buffer: &mut String) {
        (self.write)(number, &mut Row::new(buffer));
        buffer.push('\n');
    }

    /// As SQL names it.
    fn place(&self) -> String {
        format!("public.{}", quoted(Engine::Postgresql, self.name))
    }

    /// What is seeded, beside a table that has rows.
    fn twin(&self) -> String {
        quoted(Engine::Postgresql, &format!("seed_{}", self.name))
    }

    fn quoted_columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| quoted(Engine::Postgresql, column)).collect()
    }

    fn upsert(&self, existing: Existing) -> String {
        let (place, twin, names) = (self.place(), self.twin(), self.quoted_columns());
        let columns = names.join(", ");
        let of = |side: &str| {
            let list: Vec<String> = names[1..].iter().map(|column| format!("{side}.{column}")).collect();
            list.join(", ")
        };
        let otherwise = match existing {
            Existing::Stays => "NOTHING".to_owned(),
            Existing::FollowsSeed => format!(
                "UPDATE SET ({rest}) = ROW({new}) WHERE ROW({old}) IS DISTINCT FROM ROW({new})",
                rest = names[1..].join(", "),
                new = of("excluded"),
                old = of("stands"),
            ),
        };
        format!(
            "WITH done AS (INSERT INTO {place} AS stands ({columns}) SELECT {columns} FROM {twin} \
             ON CONFLICT ({key}) DO {otherwise} RETURNING xmax = 0 AS inserted) \
             SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM done",
            key = names[0],
        )
    }
}

/// What becomes of a row whose key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It becomes what is seeded.
    FollowsSeed,
    /// It was somebody's who knows more than we.
    Stays,
}

/// What became of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    pub table: &'static str,
    pub rows: u64,
    pub inserted: u64,
    pub updated: u64,
}

/// Loads one table inside the transaction; `progress` hears how many rows were sent.
pub(super) async fn load(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    existing: Existing,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<TableSummary, tokio_postgres::Error> {
    // Readers go on; whoever would write waits, so that an empty table stays empty until it is filled.
    transaction.batch_execute(&format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.place())).await?;
    audit::switch_off(transaction, table.name).await?;
    let summary = fill(transaction, table, existing, progress).await?;
    audit::switch_on(transaction, table.name).await?;
    Ok(summary)
}

async fn fill(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    existing: Existing,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<TableSummary, tokio_postgres::Error> {
    let (name, place, twin) = (table.name, table.place(), table.twin());
    let filled: bool = transaction.query_one(&format!("SELECT EXISTS (SELECT FROM {place})"), &[]).await?.get(0);
    if !filled {
        copy(transaction, table, &place, progress).await?;
        return Ok(TableSummary { table: name, rows: table.rows, inserted: table.rows, updated: 0 });
    }
    transaction.batch_execute(&format!("CREATE TEMPORARY TABLE {twin} (LIKE {place}) ON COMMIT DROP")).await?;
    copy(transaction, table, &twin, progress).await?;
    let row = transaction.query_one(&table.upsert(existing), &[]).await?;
    let (inserted, updated): (i64, i64) = (row.get(0), row.get(1));
    Ok(TableSummary { table: name, rows: table.rows, inserted: inserted as u64, updated: updated as u64 })
}

async fn copy(
    transaction: &Transaction<'_>,
    table: &Table<'_>,
    into: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), tokio_postgres::Error> {
    let statement = format!("COPY {into} ({}) FROM STDIN", table.quoted_columns().join(", "));
    let sink: CopyInSink<Bytes> = transaction.copy_in(&statement).await?;
    let mut sink = std::pin::pin!(sink);
    let mut buffer = String::with_capacity(CHUNK_BYTES + 1024);
    for number in 0..table.rows {
        table.append(number, &mut buffer);
        if buffer.len() >= CHUNK_BYTES {
            let chunk = std::mem::replace(&mut buffer, String::with_capacity(CHUNK_BYTES + 1024));
            sink.send(Bytes::from(chunk)).await?;
            progress(number + 1);
        }
    }
    sink.send(Bytes::from(buffer)).await?;
    sink.finish().await?;
    progress(table.rows);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_copy_wants_it() {
        let mut buffer = String::new();
        Row::new(&mut buffer).text("a\tb\\c\nd").empty().decimal(1.0 / 3.0, 4).value(7);
        assert_eq!(buffer, "a\\tb\\\\c\\nd\t\\N\t0.3333\t7");
    }
}
