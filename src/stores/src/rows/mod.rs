//! Rows of programs on their way into their tables, for the databases that follow the log of events.
//!
//! In: a batch's rows for one database. Out: rows written in the transaction of the position, and dead letters of those that the
//! database refused. Invariants: a row is written or has a dead letter; a dead letter is durable before the position passes its row; a
//! row that has a dead letter is not tried any more.
//!
//! - [`postgres`], [`mysql`], [`mongo`]: the writers; `document`: a row as MongoDB stores it
//! - [`catalogue`]: what the door must know of the tables, read from the live database

pub mod catalogue;
mod document;
pub(crate) mod mongo;
pub(crate) mod mysql;
pub(crate) mod postgres;
#[cfg(test)]
mod tests;

use crate::batch::Batch;
use crate::error::SinkError;
use crate::target::Committed;
use genims_model::{Cause, DeadLetter, Reason, Row, SourceNo};
use genims_rows::payload::fields;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where dead letters of rows that a database has refused are kept until they are with all others.
pub trait Aside: Send + Sync {
    /// Makes them durable, each with the offset of its row in the log that the database follows. After an error some may be.
    fn keep(&self, dead_letters: Vec<(u64, DeadLetter)>) -> Result<(), Cause>;
    /// Rows with a dead letter, as far as the database may not have passed them.
    fn offsets(&self) -> Vec<u64>;
}

/// A row that the database refused for good.
#[derive(Debug)]
pub struct RefusedRow<'a> {
    pub log_offset: u64,
    pub row: &'a Row,
    /// The database's own code.
    pub code: String,
    pub column: Option<String>,
    pub detail: String,
}

/// Rows that were not written.
#[derive(Debug, Default)]
pub struct Unwritten<'a> {
    pub refused: Vec<RefusedRow<'a>>,
    /// Inserts of what is there already, as it is: rows that were sent again.
    pub repeated: Vec<u64>,
}

/// The rows of one database. Outlives its writer's connections.
pub struct RowDesk {
    database: String,
    aside: Arc<dyn Aside>,
    /// Rows that are not to be written; forgotten when the position has passed them.
    done: Mutex<BTreeMap<u64, Done>>,
}

/// Why a row is not to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// It has a dead letter.
    Refused,
    /// It has one from an earlier run, or is there already.
    Before,
}

impl RowDesk {
    pub fn new(database: &str, aside: Arc<dyn Aside>) -> Self {
        let done = Mutex::new(aside.offsets().into_iter().map(|offset| (offset, Done::Before)).collect());
        Self { database: database.to_owned(), aside, done }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// The batch's rows for this database that are to be written.
    pub fn waiting<'a>(&self, batch: &'a Batch) -> Vec<(u64, &'a Row)> {
        let mut done = self.done.lock();
        // The position is never behind a batch that comes.
        *done = done.split_off(&batch.first_offset);
        let own = batch.rows().filter(|(_, row)| row.database == self.database);
        own.filter(|(offset, _)| !done.contains_key(offset)).collect()
    }

    /// Makes dead letters of refused rows, durably. Nothing here waits for another database or a log: one that is full may wait for
    /// this very database.
    pub fn set_aside(&self, unwritten: Unwritten<'_>) -> Result<(), SinkError> {
        let Unwritten { refused, repeated } = unwritten;
        self.done.lock().extend(repeated.into_iter().map(|offset| (offset, Done::Before)));
        if refused.is_empty() {
            return Ok(());
        }
        let kept = self.aside.keep(refused.iter().map(|refused| (refused.log_offset, dead_letter(refused))).collect());
        let mut offsets: BTreeSet<u64> = refused.iter().map(|refused| refused.log_offset).collect();
        if kept.is_err() {
            let there: BTreeSet<u64> = self.aside.offsets().into_iter().collect();
            offsets.retain(|offset| there.contains(offset));
        }
        self.done.lock().extend(offsets.into_iter().map(|offset| (offset, Done::Refused)));
        kept.map_err(SinkError::NotKept)
    }

    /// What of a batch was not written, for the accounts.
    pub fn report(&self, batch: &Batch, committed: &mut Committed) {
        let done = self.done.lock();
        for (offset, row) in batch.rows() {
            let source: SourceNo = row.source;
            match done.get(&offset) {
                Some(Done::Refused) => committed.refused.push((offset, source)),
                Some(Done::Before) => committed.done_before.push((offset, source)),
                None => {}
            }
        }
    }
}

fn dead_letter(refused: &RefusedRow<'_>) -> DeadLetter {
    let RefusedRow { row, code, column, detail, .. } = refused;
    let payload = row.payload().into_bytes();
    let column = column.as_ref().map(|column| format!("column {column}: ")).unwrap_or_default();
    DeadLetter {
        source: row.source,
        client: row.client.clone(),
        received_us: row.received_us,
        topic: Row::topic(&row.database, &row.table),
        reason: Reason::BadRow,
        detail: format!("{}.{}: {column}{detail} ({code})", row.database, row.table),
        payload_bytes: payload.len() as u64,
        payload,
        records: 1,
    }
}

/// Rows that one statement can write: consecutive, of one client, of one table, with the same columns and the same key, no
/// key twice.
pub(crate) struct Run<'a> {
    pub(crate) rows: Vec<(u64, &'a Row)>,
    pub(crate) columns: Vec<String>,
}

/// Cuts rows into runs of `rows_max` at most, in their order.
pub(crate) fn runs<'a>(rows: &[(u64, &'a Row)], rows_max: usize) -> Vec<Run<'a>> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut keys: Vec<Vec<&str>> = Vec::new();
    for &(offset, row) in rows {
        // The door wrote them.
        let values = fields(&row.values).unwrap_or_default();
        let mut columns: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
        columns.sort();
        let key: Vec<&str> =
            row.key.iter().filter_map(|name| Some(values.iter().find(|(column, _)| column == name)?.1)).collect();
        match runs.last_mut() {
            Some(run) if run.takes(row, &columns) && run.rows.len() < rows_max && !keys.contains(&key) => {
                run.rows.push((offset, row));
            }
            _ => {
                runs.push(Run { rows: vec![(offset, row)], columns });
                keys.clear();
            }
        }
        if row.upsert {
            keys.push(key);
        }
    }
    runs
}

impl Run<'_> {
    fn takes(&self, row: &Row, columns: &[String]) -> bool {
        let first = self.first();
        (&first.table, &first.client, first.upsert, &first.key) == (&row.table, &row.client, row.upsert, &row.key)
            && self.columns == columns
    }

    pub(crate) fn first(&self) -> &Row {
        self.rows[0].1
    }

    /// Columns that an upsert changes.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &String> {
        self.columns.iter().filter(|column| !self.first().key.contains(column))
    }
}
