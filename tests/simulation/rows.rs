//! Rows of programs on their way into the database that has routes: the door's gate, what was sent, what the database refuses,
//! and what must be there.

use crate::database::Database;
use genims_decode::frame::encode;
use genims_log::file::{Spool, SpoolError};
use genims_model::{DeadLetter, Reason, Row};
use genims_rows::schema::{Column, Dialect, Kind, Table};
use genims_rows::{Gate, Schema, Tables};
use genims_stores::rows::RefusedRow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The database that rows are for, as rows name it, and its table.
pub(crate) const DATABASE: &str = "genims_hr_db";
const TABLE: &str = "attendance";
/// What the database says of a row that it refuses: a check that no door knows of.
const REFUSAL: &str = "23514";

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
    (Row::topic(DATABASE, TABLE), payload(ids))
}

/// A ROWS frame with these.
pub(crate) fn frame(sequence: u64, ids: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::rows(sequence, DATABASE, TABLE, &payload(ids), &mut bytes);
    bytes
}

fn payload(ids: &[u64]) -> Vec<u8> {
    let rows: Vec<_> = ids.iter().map(|id| serde_json::json!({ "id": id })).collect();
    serde_json::Value::from(rows).to_string().into_bytes()
}

/// Whether the database refuses the row with this key, for good and whenever it is asked.
pub(crate) fn is_refused(id: u64) -> bool {
    id % 8 == 5
}

/// Its refusal.
pub(crate) fn refusal(log_offset: u64, row: &Row) -> RefusedRow<'_> {
    let detail = format!("the row {} violates a check", id(row));
    RefusedRow { log_offset, row, code: REFUSAL.to_owned(), column: None, detail }
}

/// The key of the refused row that a dead letter was made of; `None` where it was made of anything else.
pub(crate) fn id_of_dead_letter(dead_letter: &DeadLetter) -> Option<u64> {
    if dead_letter.topic != Row::topic(DATABASE, TABLE) {
        return None;
    }
    let values: BTreeMap<String, u64> = serde_json::from_slice(&dead_letter.payload).expect("the row as it came");
    let id = values["id"];
    let says_why = dead_letter.reason == Reason::BadRow && dead_letter.detail.ends_with(&format!("({REFUSAL})"));
    assert!(is_refused(id) && says_why && dead_letter.records == 1, "nobody refused {dead_letter:?}");
    Some(id)
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

    /// Every acknowledged row is in its table, but for what a restore took out of it and no log holds any more, and for what
    /// the database refuses.
    pub(crate) fn judge(&self, database: &Database) {
        let table = &database.contents.table;
        let is_taken = |id: &u64| is_refused(*id) || table.contains_key(id);
        let lacking: Vec<u64> =
            self.sent.iter().filter(|(id, known)| **known && !is_taken(id)).map(|(id, _)| *id).collect();
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
        let unknown = table.keys().find(|id| !self.sent.contains_key(*id) || is_refused(**id));
        assert!(unknown.is_none(), "{}: nobody sent {unknown:?}, or it is refused", database.name);
    }

    /// Every acknowledged row that the database refused has a dead letter in the operations database, but for what that lacks of
    /// the log; and none has more dead letters than it may have: one each time it was refused, and one for a crash between a dead letter
    /// and the mark of it.
    pub(crate) fn judge_dead_letters(&self, operations: &Database, database: &Database) {
        let mut dead_letters: BTreeMap<u64, usize> = BTreeMap::new();
        operations.contents.dead_letters.values().for_each(|id| *dead_letters.entry(*id).or_default() += 1);
        let is_lacking = |(id, known): &(&u64, &bool)| **known && is_refused(**id) && !dead_letters.contains_key(*id);
        let lacking: Vec<u64> = self.sent.iter().filter(is_lacking).map(|(id, _)| *id).collect();
        let gone: u64 = operations.gaps.iter().map(|(_, from, to)| to - from).sum();
        assert!(
            lacking.len() as u64 <= gone,
            "the refused rows {lacking:?} were acknowledged and have no dead letter, and {gone} records are gone"
        );
        for (id, times) in dead_letters {
            let at_most = database.refused.get(&id).copied().unwrap_or(0);
            assert!(times <= at_most, "the row {id} has {times} dead letters, at most {at_most} are due");
        }
    }
}
