//! Rows of programs on their way into the database that has routes: the door's gate, what was sent, and what must be there.

use crate::database::Database;
use genims_log::file::{Spool, SpoolError};
use genims_model::Row;
use genims_rows::schema::{Column, Dialect, Kind, Table};
use genims_rows::{Gate, Schema, Tables};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The database that rows are for, as rows name it, and its table.
pub(crate) const DATABASE: &str = "genims_hr_db";
const TABLE: &str = "attendance";

/// Of a start that knows the catalogue from before.
pub(crate) fn gate() -> Arc<Gate> {
    let mut gate = Gate::new(Tables::new(&[format!("{DATABASE}.{TABLE}")]).expect("a pattern"));
    gate.open(DATABASE, Dialect::Postgres, [].into());
    let column = Column { nullable: false, optional: false, ..Column::new(Kind::Integer(0, i64::MAX.unsigned_abs())) };
    let table = Table { columns: [("id".to_owned(), column)].into(), keys: vec![vec!["id".to_owned()]], open: false };
    gate.learn(DATABASE, Schema { tables: [(TABLE.to_owned(), table)].into() });
    Arc::new(gate)
}

/// A message with these rows: its topic and its payload.
pub(crate) fn message(ids: &[u64]) -> (String, Vec<u8>) {
    let rows: Vec<_> = ids.iter().map(|id| serde_json::json!({ "id": id })).collect();
    (Row::topic(DATABASE, TABLE), serde_json::Value::from(rows).to_string().into_bytes())
}

/// The key of a row that went through the gate.
pub(crate) fn id(row: &Row) -> u64 {
    let values: BTreeMap<String, u64> = serde_json::from_str(&row.values).expect("a row of the gate");
    values["id"]
}

/// The keys of the rows that a log holds from an offset on.
pub(crate) fn held(log: &Spool, from: u64) -> Result<Vec<u64>, SpoolError> {
    let mut ids = Vec::new();
    log.replay(from.max(log.first_offset()), |group| {
        let rows = (group.first_row_offset()..).zip(&group.rows);
        ids.extend(rows.filter(|(offset, row)| *offset >= from && row.database == DATABASE).map(|(_, row)| id(row)));
    })?;
    Ok(ids)
}

/// What the outside was told of its rows.
#[derive(Debug, Default)]
pub(crate) struct RowLedger {
    /// Whether the row with this key was acknowledged.
    sent: BTreeMap<u64, bool>,
}

impl RowLedger {
    /// Keys of rows that nobody sent before.
    pub(crate) fn send(&mut self, count: u64) -> Vec<u64> {
        let first = self.sent.len() as u64;
        let ids: Vec<u64> = (first..first + count).collect();
        self.sent.extend(ids.iter().map(|id| (*id, false)));
        ids
    }

    pub(crate) fn acknowledge(&mut self, ids: &[u64]) {
        ids.iter().for_each(|id| *self.sent.get_mut(id).expect("only what was sent is acknowledged") = true);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.sent.values().filter(|acknowledged| **acknowledged).count()
    }

    /// Every acknowledged row is in its table, but for what a restore took out of it and no log holds any more.
    pub(crate) fn judge(&self, database: &Database) {
        let table = &database.contents.table;
        let lacking: Vec<u64> =
            self.sent.iter().filter(|(id, known)| **known && !table.contains_key(*id)).map(|(id, _)| *id).collect();
        for id in &lacking {
            assert!(
                database.may_lack.contains(id),
                "{}: the row {id} was acknowledged and is not there",
                database.name
            );
        }
        let gone: u64 = database.gaps.iter().map(|(_, from, to)| to - from).sum();
        assert!(
            lacking.len() as u64 <= gone,
            "{}: {lacking:?} are lacking, and {gone} records are gone",
            database.name
        );
        let unknown = table.keys().find(|id| !self.sent.contains_key(*id));
        assert!(unknown.is_none(), "{}: nobody sent {unknown:?}", database.name);
    }
}
