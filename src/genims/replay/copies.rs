//! How often a dead letter is sent that stands for several equal ones: enters the dead letter, leaves a number.
//!
//! Equal messages with a time are one reading, however often they came. Without one each was a reading of its own, and is
//! sent again as that: the server gives each a time, from that of the first receipt on. What cannot be told here (the
//! server's catalogue decides) is sent as often as it came; a time in it makes the rest duplicates.

use genims_decode::{Decoder, Point, Visitor};
use genims_model::Reason;
use genims_model::snapshot::SnapshotFields;
use genims_platform::dead_letters::StoredDeadLetter;
use std::fmt::Arguments;

/// `topic`: the one that it is sent under.
pub(super) fn copies(dead_letter: &StoredDeadLetter, topic: &str, decoder: &Decoder) -> u64 {
    // Of those that a sample stands for there is no payload.
    if dead_letter.dead_letters <= 1 || dead_letter.is_sample {
        return 1;
    }
    let mut times = Times::default();
    decoder.message(topic, &dead_letter.payload, &mut times);
    if times.timed && !times.untimed { 1 } else { dead_letter.dead_letters.unsigned_abs() }
}

/// Whether the records of a message say when they were taken.
#[derive(Debug, Default)]
struct Times {
    timed: bool,
    untimed: bool,
}

impl Times {
    fn see(&mut self, timestamp_us: Option<i64>) {
        match timestamp_us {
            Some(_) => self.timed = true,
            None => self.untimed = true,
        }
    }
}

impl Visitor for Times {
    fn point(&mut self, point: Point<'_>) {
        self.see(point.timestamp_us);
    }

    fn snapshot(&mut self, _: &str, timestamp_us: Option<i64>, _: SnapshotFields) {
        self.see(timestamp_us);
    }

    fn reject(&mut self, _: Reason, _: Arguments<'_>, _: &[u8]) {}

    fn define(&mut self, _: &str) -> u32 {
        0
    }
}
