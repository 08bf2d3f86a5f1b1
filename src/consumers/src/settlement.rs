//! What a committed batch means for the accounts. In: the batch and how it went. Out: records that are in flight no longer.

use genims_model::{Accounts, RecordOutcome, SourceNo, panics};
use genims_stores::batch::Batch;
use genims_stores::target::Committed;
use std::sync::Arc;

/// The accounts that a sink settles. Records below `recovered_until` were left by an earlier run.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub accounts: Arc<Accounts>,
    pub recovered_until: u64,
    /// Of a database that rows go to: these alone are its to settle, and dead letters are settled where they are stored. `None`:
    /// all other records.
    pub rows_of: Option<String>,
}

impl Settlement {
    /// Enters the records from offset `from` on: what lies below is in the accounts already.
    pub(crate) fn settle(&self, batch: &Batch, report: &Committed, from: u64) {
        if let Some(database) = &self.rows_of {
            return self.settle_rows(database, batch, report, from);
        }
        let refused = &report.refused;
        let sources = usize::from(SourceNo::MAX) + 1;
        let (mut stored, mut dead_letters) = (vec![0_u64; sources], vec![0_u64; sources]);
        let account = |offset: u64, source: SourceNo| {
            usize::from(if offset < self.recovered_until { self.accounts.recovered() } else { source })
        };
        for group in batch.groups.iter().filter(|group| group.first_offset >= from) {
            let first = group.first_offset;
            group.readings.iter().for_each(|reading| stored[account(first, reading.source)] += 1);
            group.snapshots.iter().for_each(|snapshot| stored[account(first, snapshot.source)] += 1);
            for dead_letter in &group.dead_letters {
                dead_letters[account(first, dead_letter.source)] += dead_letter.records;
            }
        }
        for (offset, source) in refused.iter().filter(|(offset, _)| *offset >= from) {
            let source = account(*offset, *source);
            let Some(others) = stored[source].checked_sub(1) else {
                panics::broken(&format!("the record {offset} was refused, but its batch has none of its source left"));
            };
            stored[source] = others;
            dead_letters[source] += 1;
        }
        for (source, (stored, dead_letters)) in stored.into_iter().zip(dead_letters).enumerate() {
            if stored + dead_letters == 0 {
                continue;
            }
            self.accounts.finished(source as SourceNo, RecordOutcome::Committed, stored);
            self.accounts.finished(source as SourceNo, RecordOutcome::DeadLettered, dead_letters);
        }
    }

    /// A row ends when its database has it. One that was refused ends with its dead letter, unless an earlier run made that.
    fn settle_rows(&self, database: &str, batch: &Batch, report: &Committed, from: u64) {
        let has = |refused: &[(u64, SourceNo)], offset: u64| refused.iter().any(|(of, _)| *of == offset);
        for (offset, row) in batch.rows().filter(|(offset, row)| *offset >= from && row.database == database) {
            let outcome = match offset {
                _ if has(&report.refused, offset) => continue,
                _ if has(&report.done_before, offset) => RecordOutcome::Duplicate,
                _ => RecordOutcome::Committed,
            };
            let is_recovered = offset < self.recovered_until;
            let source = if is_recovered { self.accounts.recovered() } else { row.source };
            self.accounts.finished(source, outcome, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::{Group, Row, SensorNo};
    use genims_stores::sample;

    #[test]
    fn a_row_ends_once_by_the_database_that_it_is_for() {
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
        accounts.received(0, 4);
        accounts.received(accounts.recovered(), 2);
        let row = |database: &str| Row { source: 0, database: database.to_owned(), ..Row::default() };
        let mut batch = Batch::default();
        let rows = ["db", "db", "other", "db", "db", "db"].map(row).to_vec();
        batch.push(Arc::new(Group { first_offset: 10, rows, ..Group::default() }));
        let settlement = Settlement { accounts: accounts.clone(), recovered_until: 12, rows_of: Some("db".to_owned()) };
        let report = Committed { refused: vec![(13, 0)], done_before: vec![(11, 0)], ..Committed::default() };
        settlement.settle(&batch, &report, 0);
        let by_source = accounts.by_source();
        let (own, recovered) = (by_source[0].1, by_source[1].1);
        // The refused one ends with its dead letter, the other database's with that.
        assert_eq!((own.committed, own.dead_lettered, own.in_flight), (2, 0, 2));
        assert_eq!((recovered.committed, recovered.duplicate, recovered.in_flight), (1, 1, 0));
        // What is settled stays so when the log is read again.
        settlement.settle(&batch, &report, batch.next_offset);
        assert_eq!(accounts.by_source()[0].1, own);
    }

    /// A refusal that is of no record of the batch would take one from another source, or from the next batch.
    #[test]
    #[should_panic(expected = "the record 6 was refused, but its batch has none of its source left")]
    fn more_refusals_than_a_source_has_records_are_never_counted() {
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
        accounts.received(0, 1);
        let mut batch = Batch::default();
        let readings = vec![sample::reading(SensorNo(0), 1)];
        batch.push(Arc::new(Group { first_offset: 5, readings, ..Group::default() }));
        let settlement = Settlement { accounts, recovered_until: 0, rows_of: None };
        let report = Committed { refused: vec![(5, 0), (6, 0)], ..Committed::default() };
        settlement.settle(&batch, &report, 0);
    }
}
