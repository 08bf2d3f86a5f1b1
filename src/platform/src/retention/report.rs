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
    /// Of that, what should go and cannot until what its reason names is mended.
    pub blocked: u64,
    /// What was deleted by this run.
    pub gone: u64,
    /// The collection of MongoDB where rows are condensed before they go.
    pub archive: Option<String>,
    /// Documents that this run wrote there.
    pub archived: u64,
}

impl TableReport {
    pub(super) fn new(table: &str, how: How, decides: String, before: Option<NaiveDate>) -> Self {
        let (goes, partitions, blocked, gone, archived) = (0, 0, 0, 0, 0);
        let (table, held, archive) = (table.to_owned(), BTreeMap::new(), None);
        Self { table, how, decides, before, goes, partitions, held, blocked, gone, archive, archived }
    }

    /// Moves rows from what goes to what is held.
    pub(super) fn hold(&mut self, reason: impl Into<String>, rows: u64) {
        if rows > 0 {
            self.goes = self.goes.saturating_sub(rows);
            *self.held.entry(reason.into()).or_default() += rows;
        }
    }

    /// The same for a reason that somebody has to mend: a run fails by it.
    pub(super) fn block(&mut self, reason: impl Into<String>, rows: u64) {
        self.hold(reason, rows);
        self.blocked += rows;
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
    /// Nothing failed, and a run left nothing that should have gone.
    pub fn ok(&self) -> bool {
        let blocked: u64 = self.databases.iter().flat_map(|database| &database.tables).map(|table| table.blocked).sum();
        self.databases.iter().all(|database| database.error.is_none()) && !(self.run && blocked > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_left_what_should_go_is_not_well_and_a_plan_is() {
        let day = NaiveDate::default();
        let report = |run, blocked| {
            let mut table = TableReport::new("t", How::Partitions, String::new(), None);
            table.goes = 5;
            table.hold("legal hold H", 1);
            table.block("not archived", blocked);
            assert_eq!((table.goes, table.blocked), (4 - blocked, blocked));
            let database = DatabaseRetention {
                database: "d".to_owned(),
                engine: Engine::Postgresql,
                tables: vec![table],
                remarks: Vec::new(),
                error: None,
            };
            RetentionReport { as_of: day, run, databases: vec![database], remarks: Vec::new(), seconds: 0.0 }
        };
        assert!(report(true, 0).ok() && report(false, 2).ok());
        assert!(!report(true, 2).ok());
    }
}
