//! Which histories a log has had: positions that consumers remember enter, and whether they belong to this log leaves.
//!
//! - Every opening begins an epoch at the end of what is there. Two copies of one log share the epochs up to the copy and
//!   none behind it.
//! - A position belongs to this history when the newest epoch that both know reaches up to its offset in both. Whoever
//!   remembers more has records that this log never held, and the offsets behind mean other records here.
//! - A position without epochs was stored by a release that had none: it belongs to the first epoch, which bears the
//!   id of the log itself.

use genims_model::{Epoch, Lineage, Position};
use uuid::Uuid;

/// Where a consumer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    At(u64),
    /// The position is older than the first record still held: what lies between cannot be delivered any more.
    Behind {
        first: u64,
    },
    /// The consumer has records of a history that this log does not hold. Below `shared` both are the same; `None` when
    /// they have no epoch in common.
    NotInHistory {
        shared: Option<u64>,
    },
}

/// The epochs of one log, oldest first; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    epochs: Vec<Epoch>,
}

impl History {
    /// Of a log that was never opened, or was last open under a release without epochs.
    pub fn new(log: Uuid) -> Self {
        Self { epochs: vec![Epoch { id: log, start: 0 }] }
    }

    /// The log is opened and ends at `end`. No record bears an epoch that wrote none, so the new one takes its place.
    pub fn open(&mut self, epoch: Uuid, end: u64) {
        if self.is_last_empty(end) {
            self.epochs.pop();
        }
        self.epochs.push(Epoch { id: epoch, start: end });
    }

    /// Whether an opening at `end` replaces the last epoch.
    pub(crate) fn is_last_empty(&self, end: u64) -> bool {
        self.epochs.len() > 1 && self.epochs.last().is_some_and(|last| last.start >= end)
    }

    pub(crate) fn push(&mut self, epoch: Epoch) {
        self.epochs.push(epoch);
    }

    /// What positions of this log carry.
    pub fn lineage(&self) -> Lineage {
        Lineage::of(&self.epochs)
    }

    /// Judges what a consumer remembers by a log that holds `first..end`.
    pub fn resume(&self, remembered: &Position, first: u64, end: u64) -> Resume {
        let offset = remembered.next_offset();
        let shared = self.shared(remembered, end);
        if offset != 0 && shared.is_none_or(|shared| offset > shared) {
            return Resume::NotInHistory { shared };
        }
        if offset < first { Resume::Behind { first } } else { Resume::At(offset) }
    }

    /// The offset below which the records are the same in both histories.
    fn shared(&self, remembered: &Position, end: u64) -> Option<u64> {
        let first = [self.epochs[0]];
        let theirs = match remembered.lineage().epochs() {
            [] => &first[..],
            epochs => epochs,
        };
        theirs.iter().enumerate().rev().find_map(|(at, known)| {
            let here = self.epochs.iter().position(|epoch| epoch.id == known.id)?;
            let our_end = self.epochs.get(here + 1).map_or(end, |next| next.start);
            let their_end = theirs.get(at + 1).map_or(u64::MAX, |next| next.start);
            Some(our_end.min(their_end).min(end))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Uuid = Uuid::from_u128(1_000);

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    /// Openings by epoch and the end they found.
    fn history(openings: &[(u128, u64)]) -> History {
        let mut history = History::new(LOG);
        openings.iter().for_each(|(epoch, end)| history.open(id(*epoch), *end));
        history
    }

    fn at(history: &History, offset: u64) -> Position {
        Position::of(LOG, history.lineage(), offset)
    }

    #[test]
    fn a_position_of_this_history_goes_on_whenever_it_was_stored() {
        let mut log = history(&[(1, 0)]);
        let mut stored = Vec::new();
        for opening in 2..60 {
            let end = opening * 10;
            stored.extend((end - 15..=end).step_by(5).map(|offset| at(&log, offset.min(end))));
            log.open(id(u128::from(opening)), end);
            // An opening that wrote nothing leaves no trace.
            log.open(id(u128::from(opening) + 5_000), end);
        }
        // What a consumer stored at the time of a later opening carries the newest sixteen epochs of that time.
        for position in &stored {
            assert_eq!(log.resume(position, 0, 600), Resume::At(position.next_offset()), "{position:?}");
        }
        assert_eq!(log.resume(&at(&log, 40), 50, 600), Resume::Behind { first: 50 });
    }

    #[test]
    fn a_position_of_a_lost_history_is_found_however_both_went_on() {
        // Copied at 100, in the epoch that began at 50.
        let original = history(&[(1, 0), (2, 50)]);
        let mut restored = original.clone();
        restored.open(id(10), 100);
        let refused = Resume::NotInHistory { shared: Some(100) };
        assert_eq!(restored.resume(&at(&original, 100), 0, 100), Resume::At(100));
        assert_eq!(restored.resume(&at(&original, 101), 0, 100), refused);
        // The copy has grown past the position: its offset alone would look fine.
        assert_eq!(restored.resume(&at(&original, 150), 0, 900), refused);
        restored.open(id(11), 400);
        assert_eq!(restored.resume(&at(&original, 150), 0, 900), refused);
        // The original was opened again before the position was stored.
        let mut went_on = original;
        went_on.open(id(3), 130);
        went_on.open(id(4), 170);
        assert_eq!(restored.resume(&at(&went_on, 180), 0, 900), refused);
        assert_eq!(restored.resume(&at(&went_on, 90), 0, 900), Resume::At(90));
    }

    #[test]
    fn a_position_without_epochs_belongs_to_the_first() {
        let log = history(&[(1, 100)]);
        let old = |offset| Position::beginning(LOG).moved_to(offset);
        assert_eq!(log.resume(&old(0), 0, 500), Resume::At(0));
        assert_eq!(log.resume(&old(100), 0, 500), Resume::At(100));
        assert_eq!(log.resume(&old(101), 0, 500), Resume::NotInHistory { shared: Some(100) });
    }

    #[test]
    fn another_log_shares_nothing_and_a_consumer_without_records_goes_on_anywhere() {
        let log = history(&[(1, 0)]);
        let mut other = History::new(id(77));
        other.open(id(78), 0);
        assert_eq!(log.resume(&at(&other, 5), 0, 500), Resume::NotInHistory { shared: None });
        assert_eq!(log.resume(&at(&other, 0), 0, 500), Resume::At(0));
        assert_eq!(log.resume(&at(&other, 0), 7, 500), Resume::Behind { first: 7 });
    }
}
