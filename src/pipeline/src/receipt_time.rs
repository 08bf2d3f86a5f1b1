//! The times that stand in where a message says none.
//!
//! Enters when a round was received, and when its messages were received first, if they come again; leaves a time for each
//! that was asked for, later than the last: equal messages are not taken for resends of each other. A clock that was set
//! back is followed.

/// How far the times may run ahead of the clock: as many messages without a time would have to come in as many microseconds.
const AHEAD_US_MAX: i64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct ReceiptTime {
    round_us: i64,
    first_us: Option<i64>,
    /// The last that was given.
    given_us: i64,
}

impl ReceiptTime {
    /// For a sender that brings what was received before.
    pub(crate) fn set_first(&mut self, first_us: Option<i64>) {
        self.first_us = first_us;
    }

    pub(crate) fn begin(&mut self, round_us: i64) {
        self.round_us = round_us;
    }

    /// The time of the round, which its messages share.
    #[inline]
    pub(crate) fn shared(&self) -> i64 {
        self.first_us.map_or(self.round_us, |first_us| first_us.min(self.round_us))
    }

    /// A time of its own.
    pub(crate) fn next(&mut self) -> i64 {
        let (shared_us, next_us) = (self.shared(), self.given_us + 1);
        let ahead_us = next_us.saturating_sub(shared_us);
        self.given_us = if (0..AHEAD_US_MAX).contains(&ahead_us) { next_us } else { shared_us };
        self.given_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_later_than_the_last_and_begins_with_the_first_receipt() {
        let mut time = ReceiptTime::default();
        time.begin(5_000_000);
        assert_eq!((time.shared(), time.next(), time.next()), (5_000_000, 5_000_000, 5_000_001));
        time.begin(5_000_001);
        assert_eq!((time.shared(), time.next()), (5_000_001, 5_000_002));
        time.begin(3_000_000);
        assert_eq!(time.next(), 3_000_000, "a clock that was set back is followed");
        time.set_first(Some(7));
        assert_eq!((time.shared(), time.next(), time.next()), (7, 7, 8));
        time.set_first(Some(9_000_000));
        assert_eq!((time.shared(), time.next()), (3_000_000, 3_000_000), "nothing was received before it comes");
    }
}
