//! Dead letters of rows that a database refused: kept beside the logs, and entered in the accounts where their rows are in none.
//!
//! A row that is refused ends with its dead letter, so it stays in flight until that is stored. A row that is read again, because its
//! database went back, has left the accounts before; a dead letter that it gets then begins as a record of its own.

use crate::metrics::SinkMetrics;
use genims_log::file::RowDeadLetters;
use genims_model::{Accounts, Cause, DeadLetter, SourceNo};
use genims_stores::rows::Aside;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

/// Where the dead letters of one database's rows go.
pub struct KeptRowDeadLetters {
    pub row_dead_letters: Arc<RowDeadLetters>,
    /// The log that the database follows.
    pub log: Uuid,
    pub database: String,
    /// Records below were left by an earlier run, and are in the account of this source.
    pub recovered: (u64, SourceNo),
    pub accounts: Arc<Accounts>,
    /// Of the database's follower, which says what is in the accounts no more.
    pub metrics: Arc<SinkMetrics>,
}

impl Aside for KeptRowDeadLetters {
    fn keep(&self, mut dead_letters: Vec<(u64, DeadLetter)>) -> Result<(), Cause> {
        let (until, source) = self.recovered;
        for (_, dead_letter) in dead_letters.iter_mut().filter(|(offset, _)| *offset < until) {
            dead_letter.source = source;
        }
        let settled = self.metrics.settled.load(Ordering::Relaxed);
        let below = dead_letters.iter().filter(|(offset, _)| *offset < settled);
        let again: Vec<(u64, SourceNo)> = below.map(|(offset, dead_letter)| (*offset, dead_letter.source)).collect();
        let before = if again.is_empty() { Vec::new() } else { self.offsets() };
        let kept = self.row_dead_letters.keep(self.log, &self.database, dead_letters);
        if !again.is_empty() {
            // After an error some may be there.
            let now = self.offsets();
            let times = |offsets: &[u64], of: u64| offsets.iter().filter(|offset| **offset == of).count();
            let is_new = |offset: u64| kept.is_ok() || times(&now, offset) > times(&before, offset);
            // Nobody can have stored them yet: what brings them into the log runs on this thread.
            again
                .iter()
                .filter(|(offset, _)| is_new(*offset))
                .for_each(|(_, source)| self.accounts.received(*source, 1));
        }
        Ok(kept?)
    }

    fn offsets(&self) -> Vec<u64> {
        self.row_dead_letters.offsets(self.log, &self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::{Reason, RecordOutcome};

    fn dead_letter(source: SourceNo) -> DeadLetter {
        DeadLetter {
            source,
            client: "erp".to_owned(),
            received_us: 1,
            topic: "genims/v1/rows/db/t".to_owned(),
            reason: Reason::BadRow,
            detail: "duplicate (23505)".to_owned(),
            payload: b"{}".to_vec(),
            payload_bytes: 2,
            records: 1,
        }
    }

    /// A database that was restored gets rows again that it refused before: without this an account would go below zero when
    /// their second dead letters are stored, and the server would end.
    #[test]
    fn the_dead_letter_of_a_row_that_has_left_the_accounts_is_a_record_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let row_dead_letters = Arc::new(RowDeadLetters::open(folder.path(), 0).expect("none yet"));
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
        let metrics = Arc::new(SinkMetrics::default());
        let recovered = (10, accounts.recovered());
        let (log, database) = (Uuid::nil(), "db".to_owned());
        let kept = KeptRowDeadLetters {
            row_dead_letters,
            log,
            database,
            recovered,
            accounts: accounts.clone(),
            metrics: metrics.clone(),
        };
        accounts.received(0, 2);
        metrics.settled.store(12, Ordering::Relaxed);
        // Of an earlier run and settled, settled, and two in flight.
        kept.keep((9..=9).chain(11..=13).map(|offset| (offset, dead_letter(0))).collect()).expect("room");
        let received: Vec<u64> = accounts.by_source().iter().map(|(_, account)| account.received).collect();
        assert_eq!(received, [2 + 1, 1]);
        accounts.finished(0, RecordOutcome::DeadLettered, 3);
        accounts.finished(accounts.recovered(), RecordOutcome::DeadLettered, 1);
        assert!(accounts.total().holds() && accounts.total().in_flight == 0);
        assert_eq!(kept.offsets(), [9, 11, 12, 13]);
    }
}
