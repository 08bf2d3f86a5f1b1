//! What a committed batch means for the accounts. In: the batch and how it went. Out: records that are in flight no longer.

use genims_model::{Accounts, Outcome, SourceNo};
use genims_stores::batch::Batch;
use genims_stores::target::Committed;
use std::sync::Arc;

/// The accounts that a sink settles. Records below `recovered_until` were left by an earlier run.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub accounts: Arc<Accounts>,
    pub recovered_until: u64,
    /// Of a database that rows go to: these alone are its to settle, and letters are settled where they are stored. `None`:
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
            stored[source] = stored[source].saturating_sub(1);
            dead_letters[source] += 1;
        }
        for (source, (stored, dead_letters)) in stored.into_iter().zip(dead_letters).enumerate() {
            if stored + dead_letters == 0 {
                continue;
            }
            self.accounts.finished(source as SourceNo, Outcome::Committed, stored);
            self.accounts.finished(source as SourceNo, Outcome::DeadLettered, dead_letters);
        }
    }

    /// A row ends when its database has it. One that was refused ends with its letter, unless an earlier run made that.
    fn settle_rows(&self, database: &str, batch: &Batch, report: &Committed, from: u64) {
        let has = |refused: &[(u64, SourceNo)], offset: u64| refused.iter().any(|(of, _)| *of == offset);
        for (offset, row) in batch.rows().filter(|(offset, row)| *offset >= from && row.database == database) {
            let outcome = match offset {
                _ if has(&report.refused, offset) => continue,
                _ if has(&report.refused_before, offset) => Outcome::Duplicate,
                _ => Outcome::Committed,
            };
            let is_recovered = offset < self.recovered_until;
            let source = if is_recovered { self.accounts.recovered() } else { row.source };
            self.accounts.finished(source, outcome, 1);
        }
    }
}
