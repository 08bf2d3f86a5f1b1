//! The accounting identity, per source (one per listener) and in total:
//!
//! `received = committed + duplicate + dead_lettered + dropped + in_flight`
//!
//! Every move of records happens under the source's lock, once per batch and never per reading, so the identity holds
//! at every moment that anybody looks, not only when the server is idle. `in_flight` is counted, not derived.
//! All of it counts records: a dead letter that holds several refused elements of a message counts each of them.

use super::dead_letter::Reason;
use super::panics;
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use utoipa::ToSchema;

/// The number of a source; sources are the listeners in configuration order, then [`Accounts::recovered`].
pub type SourceNo = u8;

/// Where records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// In PostgreSQL, for good.
    Committed,
    Duplicate,
    /// In the dead letter table, for good.
    DeadLettered,
    /// Given up by policy, and counted.
    Dropped,
}

/// One source's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    pub received: u64,
    pub committed: u64,
    pub duplicate: u64,
    pub dead_lettered: u64,
    pub dropped: u64,
    pub in_flight: u64,
}

impl Account {
    pub fn holds(&self) -> bool {
        self.received == self.committed + self.duplicate + self.dead_lettered + self.dropped + self.in_flight
    }

    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.committed += other.committed;
        self.duplicate += other.duplicate;
        self.dead_lettered += other.dead_lettered;
        self.dropped += other.dropped;
        self.in_flight += other.in_flight;
    }
}

/// The accounts of all sources.
#[derive(Debug)]
pub struct Accounts {
    names: Vec<String>,
    sources: Vec<Mutex<Account>>,
    /// Set aside in this run, in the order of [`Reason::ALL`].
    reasons: [AtomicU64; Reason::ALL.len()],
}

impl Accounts {
    /// `names`: the listeners in order, at most 255. One more source, `recovered`, stands for what the spool held
    /// from an earlier run: those records count as received when the server starts.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.into_iter().take(usize::from(u8::MAX)).collect();
        names.push("recovered".to_owned());
        let sources = names.iter().map(|_| Mutex::new(Account::default())).collect();
        Self { names, sources, reasons: Default::default() }
    }

    /// The source of what an earlier run left in the spool.
    pub fn recovered(&self) -> SourceNo {
        (self.sources.len() - 1) as SourceNo
    }

    pub fn received(&self, source: SourceNo, records: u64) {
        let mut account = self.lock(source);
        account.received += records;
        account.in_flight += records;
    }

    /// Moves records out of flight. Panics when more would leave than are there: somebody has counted a record twice, and
    /// every figure from here on would be wrong.
    pub fn finished(&self, source: SourceNo, outcome: RecordOutcome, records: u64) {
        let mut account = self.lock(source);
        let Some(in_flight) = account.in_flight.checked_sub(records) else {
            let (name, in_flight) = (&self.names[self.index(source)], account.in_flight);
            // The lock goes first: whoever reports the end of the server reads the accounts.
            drop(account);
            panics::broken(&format!(
                "{records} records of {name} end as {outcome:?}, but only {in_flight} are in flight"
            ));
        };
        account.in_flight = in_flight;
        let place = match outcome {
            RecordOutcome::Committed => &mut account.committed,
            RecordOutcome::Duplicate => &mut account.duplicate,
            RecordOutcome::DeadLettered => &mut account.dead_lettered,
            RecordOutcome::Dropped => &mut account.dropped,
        };
        *place += records;
    }

    /// Records were set aside. Only tells why: they stay in flight until their dead letter is committed.
    pub fn set_aside(&self, reason: Reason, records: u64) {
        self.reasons[reason as usize].fetch_add(records, Ordering::Relaxed);
    }

    /// How many were set aside in this run, by reason.
    pub fn set_aside_by_reason(&self) -> Vec<(&'static str, u64)> {
        Reason::ALL
            .iter()
            .zip(&self.reasons)
            .map(|(reason, count)| (reason.code(), count.load(Ordering::Relaxed)))
            .collect()
    }

    pub fn by_source(&self) -> Vec<(&str, Account)> {
        self.names.iter().enumerate().map(|(no, name)| (name.as_str(), *self.lock(no as SourceNo))).collect()
    }

    pub fn total(&self) -> Account {
        let mut total = Account::default();
        for (_, account) in self.by_source() {
            total.add(&account);
        }
        total
    }

    /// A number that no listener has (a changed configuration) counts as `recovered`.
    fn lock(&self, source: SourceNo) -> MutexGuard<'_, Account> {
        self.sources[self.index(source)].lock()
    }

    fn index(&self, source: SourceNo) -> usize {
        usize::from(source).min(self.sources.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::AssertUnwindSafe;

    #[test]
    fn the_identity_holds_after_every_move() {
        let accounts = Accounts::new(["mqtt".to_owned()]);
        accounts.received(0, 10);
        assert!(accounts.total().holds());
        for (outcome, records) in [
            (RecordOutcome::Committed, 4),
            (RecordOutcome::Duplicate, 3),
            (RecordOutcome::DeadLettered, 2),
            (RecordOutcome::Dropped, 1),
        ] {
            accounts.finished(0, outcome, records);
            assert!(accounts.total().holds());
        }
        assert_eq!(accounts.total().in_flight, 0);
    }

    #[test]
    fn an_account_never_goes_below_zero() {
        let accounts = Accounts::new(["mqtt".to_owned()]);
        accounts.received(0, 1);
        let overdrawn =
            std::panic::catch_unwind(AssertUnwindSafe(|| accounts.finished(0, RecordOutcome::Committed, 2)))
                .unwrap_err();
        let message = overdrawn.downcast_ref::<String>().unwrap();
        assert_eq!(message, "2 records of mqtt end as Committed, but only 1 are in flight");
        // What was counted before stays as it was, and can be read.
        assert!(accounts.total().holds() && accounts.total().in_flight == 1);
    }
}
