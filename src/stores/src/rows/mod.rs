//! Rows of programs on their way into their tables, for the databases that follow the log of events.
//!
//! In: a batch's rows for one database. Out: rows written in the transaction of the position, and dead letters of those that the
//! database refused. Invariants: a row is written or has a dead letter; a letter is durable before the position passes its row; a
//! row that has a letter is not written any more in this run.
//!
//! - [`postgres`], [`mysql`], [`mongo`]: the writers
//! - [`catalogue`]: what the door must know of the tables, read from the live database

pub mod catalogue;
pub(crate) mod mongo;
pub(crate) mod mysql;
pub(crate) mod postgres;
#[cfg(test)]
mod tests;

use crate::batch::Batch;
use crate::target::Committed;
use genims_model::{DeadLetter, Mark, Reason, Row, SourceNo};
use genims_rows::payload::fields;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use uuid::Uuid;

/// Takes dead letters and makes them durable, together with a mark.
pub trait Aside: Send + Sync {
    fn set_aside(&self, letters: Vec<DeadLetter>, mark: Mark) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A row that the database refused for good.
#[derive(Debug)]
pub(crate) struct RefusedRow<'a> {
    pub(crate) log_offset: u64,
    pub(crate) row: &'a Row,
    /// The database's own code.
    pub(crate) code: String,
    pub(crate) column: Option<String>,
    pub(crate) detail: String,
}

/// The rows of one database. Outlives its writer's connections.
pub struct RowDesk {
    database: String,
    mark: String,
    aside: Arc<dyn Aside>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Below, an earlier run has made letters durable: of those it did not come to pass, none is made twice.
    told_below: u64,
    /// Rows with a letter, and whether an earlier run made it; forgotten when the position has passed them.
    refused: BTreeMap<u64, bool>,
}

/// How the mark of a database's letters is called in the first log.
pub fn mark(log: Uuid, database: &str) -> String {
    format!("{}rows/{log}/{database}", Mark::RESERVED)
}

impl RowDesk {
    /// `log` is the log of events, `told_below` what its mark in the first log said at the start.
    pub fn new(database: &str, log: Uuid, told_below: u64, aside: Arc<dyn Aside>) -> Self {
        let state = Mutex::new(State { told_below, ..State::default() });
        Self { database: database.to_owned(), mark: mark(log, database), aside, state }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// The batch's rows for this database that have no letter.
    pub(crate) fn waiting<'a>(&self, batch: &'a Batch) -> Vec<(u64, &'a Row)> {
        let mut state = self.state.lock();
        // The position is never behind a batch that comes.
        state.refused = state.refused.split_off(&batch.first_offset);
        let own = batch.rows().filter(|(_, row)| row.database == self.database);
        own.filter(|(offset, _)| !state.refused.contains_key(offset)).collect()
    }

    /// Makes letters of the rows and waits until these are durable.
    pub(crate) async fn set_aside(&self, refused: Vec<RefusedRow<'_>>) {
        let told_below = self.state.lock().told_below;
        let fresh = refused.iter().filter(|refused| refused.log_offset >= told_below);
        let letters: Vec<DeadLetter> = fresh.map(letter).collect();
        if let Some(last) = refused.iter().map(|refused| refused.log_offset).max().filter(|_| !letters.is_empty()) {
            self.aside.set_aside(letters, Mark { client: self.mark.clone(), sequence: last + 1 }).await;
        }
        let mut state = self.state.lock();
        state.refused.extend(refused.iter().map(|refused| (refused.log_offset, refused.log_offset < told_below)));
    }

    /// What of a batch was refused, for the accounts.
    pub(crate) fn report(&self, batch: &Batch, committed: &mut Committed) {
        let state = self.state.lock();
        for (offset, row) in batch.rows() {
            let source: SourceNo = row.source;
            match state.refused.get(&offset) {
                Some(false) => committed.refused.push((offset, source)),
                Some(true) => committed.refused_before.push((offset, source)),
                None => {}
            }
        }
    }
}

fn letter(refused: &RefusedRow<'_>) -> DeadLetter {
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
