//! What goes, what is held and why, what is gone.

use chrono::NaiveDate;
use genims_databases::Engine;
use serde::Serialize;
use std::collections::BTreeMap;

/// How rows of a table go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Whole days at once.
    Partitions,
    Rows,
    /// The server deletes them in its own time.
    Expiry,
}

#[derive(Clone, Debug, Serialize)]
pub struct TableReport {
    pub table: String,
    pub how: How,
    /// The column, the document or the index that decides.
    pub decides: String,
    /// The first day that is kept; none for parts, which go with their document, and for what never expires.
    pub before: Option<NaiveDate>,
    /// What may go: rows that are old enough and not held.
    pub goes: u64,
    /// Partitions among it.
    pub partitions: u64,
    /// What is old enough and stays, by the reason.
    pub held: BTreeMap<String, u64>,
    /// What was deleted by this run.
    pub gone: u64,
    /// The collection of MongoDB where rows are condensed before they go.
    pub archive: Option<String>,
    /// Documents that this run wrote there.
    pub archived: u64,
}

impl TableReport {
    pub(super) fn new(table: &str, how: How, decides: String, before: Option<NaiveDate>) -> Self {
        let (goes, partitions, gone, archived) = (0, 0, 0, 0);
        let (table, held, archive) = (table.to_owned(), BTreeMap::new(), None);
        Self { table, how, decides, before, goes, partitions, held, gone, archive, archived }
    }

    /// Moves rows from what goes to what is held.
    pub(super) fn hold(&mut self, reason: impl Into<String>, rows: u64) {
        if rows > 0 {
            self.goes = self.goes.saturating_sub(rows);
            *self.held.entry(reason.into()).or_default() += rows;
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct DatabaseRetention {
    pub database: String,
    pub engine: Engine,
    pub tables: Vec<TableReport>,
    /// What an operator should know and that fails nothing.
    pub remarks: Vec<String>,
    pub error: Option<String>,
}

impl DatabaseRetention {
    pub(super) fn new(database: &genims_databases::Database) -> Self {
        let (tables, remarks, error) = (Vec::new(), Vec::new(), None);
        Self { database: database.name.clone(), engine: database.engine, tables, remarks, error }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct RetentionReport {
    /// The day from which spans are counted back.
    pub as_of: NaiveDate,
    /// Whether anything was deleted, or only said.
    pub run: bool,
    pub databases: Vec<DatabaseRetention>,
    /// Of the run as a whole.
    pub remarks: Vec<String>,
    pub seconds: f64,
}

impl RetentionReport {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}
