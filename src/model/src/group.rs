//! What travels between the rooms.
//!
//! `Chunk` (listener to shard) -> `Portion` (shard to spool) -> `Group` (spool to sinks). Each is a vector of records, so
//! that queues, locks and system calls are paid once for many readings.

use super::budget::Held;
use super::dead_letter::DeadLetter;
use super::event::Event;
use super::reading::{Protocol, RawReading, Reading};
use super::receipt::Receipt;
use super::row::Row;
use super::snapshot::Snapshot;
use super::topics::Topics;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// "Client `client` was taken up to and including `sequence`": a TCP client's durable progress. With 0: nothing of what was said
/// of it before holds any more, because it counts anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub client: String,
    pub sequence: u64,
}

impl Mark {
    /// In the log of events, in the place of a client: when the oldest record that a group's events tell of was received,
    /// microseconds since 1970.
    pub const RECEIVED: &str = "log/received_us";
    /// Likewise, with the name of a first log behind it: from which record to which one the router was cut off from that, and when what lies
    /// before and behind was received (0: unknown).
    pub const GAP_FROM: &str = "log/gap_from/";
    pub const GAP_TO: &str = "log/gap_to/";
    pub const GAP_SINCE: &str = "log/gap_since_us/";
    pub const GAP_UNTIL: &str = "log/gap_until_us/";
    /// Of events that are made anew from what was stored, and of those that are told once more because what they end was made anew.
    pub const MADE_ANEW: &str = "log/made_anew";
    pub const TOLD_AGAIN: &str = "log/told_again";
    /// What our own marks begin with, and no client's id may.
    pub const RESERVED: &str = "log/";

    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.client.len()
    }
}

/// What one read of one socket brought for one shard.
#[derive(Debug)]
pub struct Chunk {
    pub protocol: Protocol,
    pub source: u8,
    /// Who sent it; see [`DeadLetter::client`].
    pub client: Arc<str>,
    pub received_us: i64,
    /// Of the readings and snapshots; the dead letters have theirs.
    pub topics: Topics,
    pub readings: Vec<RawReading>,
    pub snapshots: Vec<Snapshot>,
    pub events: Vec<Event>,
    pub dead_letters: Vec<DeadLetter>,
    pub rows: Vec<Row>,
    pub marks: Vec<Mark>,
    pub receipt: Receipt,
}

impl Chunk {
    /// Records that the accounting identity counts.
    pub fn records(&self) -> usize {
        self.readings.len() + self.snapshots.len() + self.rows.len() + dead_letter_records(&self.dead_letters) as usize
    }

    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.topics.bytes()
            + self.readings.len() * size_of::<RawReading>()
            + texts_bytes(&self.snapshots, &self.events, &self.dead_letters, &self.rows, &self.marks)
    }
}

/// The records of the account that dead letters stand for.
pub fn dead_letter_records(dead_letters: &[DeadLetter]) -> u64 {
    dead_letters.iter().map(|dead_letter| dead_letter.records).sum()
}

/// What the records with texts occupy in memory.
fn texts_bytes(
    snapshots: &[Snapshot],
    events: &[Event],
    dead_letters: &[DeadLetter],
    rows: &[Row],
    marks: &[Mark],
) -> usize {
    snapshots.iter().map(Snapshot::bytes).sum::<usize>()
        + events.iter().map(Event::bytes).sum::<usize>()
        + dead_letters.iter().map(DeadLetter::bytes).sum::<usize>()
        + rows.iter().map(Row::bytes).sum::<usize>()
        + marks.iter().map(Mark::bytes).sum::<usize>()
}

/// Finished records on their way from a shard to the spool, and the receipts that wait for them.
#[derive(Debug, Default)]
pub struct Portion {
    pub readings: Vec<Reading>,
    pub snapshots: Vec<Snapshot>,
    pub events: Vec<Event>,
    pub dead_letters: Vec<DeadLetter>,
    pub rows: Vec<Row>,
    pub marks: Vec<Mark>,
    pub receipts: Vec<Receipt>,
    /// Its share of the bytes that may be under way, given back when it is dropped.
    pub held: Vec<Held>,
}

impl Portion {
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
            && self.snapshots.is_empty()
            && self.events.is_empty()
            && self.dead_letters.is_empty()
            && self.rows.is_empty()
            && self.marks.is_empty()
            && self.receipts.is_empty()
    }

    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.readings.capacity() * size_of::<Reading>()
            + self.receipts.len() * size_of::<Receipt>()
            + texts_bytes(&self.snapshots, &self.events, &self.dead_letters, &self.rows, &self.marks)
    }

    /// Moves everything of `other` behind what is here.
    pub fn absorb(&mut self, mut other: Self) {
        self.readings.append(&mut other.readings);
        self.snapshots.append(&mut other.snapshots);
        self.events.append(&mut other.events);
        self.dead_letters.append(&mut other.dead_letters);
        self.rows.append(&mut other.rows);
        self.marks.append(&mut other.marks);
        self.receipts.append(&mut other.receipts);
        self.held.append(&mut other.held);
    }
}

/// A durable piece of the log. Record `i` of readings, then snapshots, events, dead letters, rows (in this order) has the
/// offset `first_offset + i`: offsets are dense and never reused, so they name each record for ever. Marks have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub first_offset: u64,
    pub readings: Vec<Reading>,
    pub snapshots: Vec<Snapshot>,
    pub events: Vec<Event>,
    pub dead_letters: Vec<DeadLetter>,
    pub rows: Vec<Row>,
    pub marks: Vec<Mark>,
    /// Offsets behind the rows that nothing stands for here: items of kinds that this program does not know, or
    /// records lost to damage.
    pub skipped: u64,
}

impl Group {
    /// About what it occupies in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.readings.capacity() * size_of::<Reading>()
            + texts_bytes(&self.snapshots, &self.events, &self.dead_letters, &self.rows, &self.marks)
    }

    /// Records with an offset.
    pub fn len(&self) -> u64 {
        let known = self.readings.len() + self.snapshots.len() + self.events.len();
        let known = known + self.dead_letters.len() + self.rows.len();
        known as u64 + self.skipped
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records below `offset`, and those from there on.
    pub fn split(self, offset: u64) -> (Self, Self) {
        let mut front = self;
        let mut count = usize::try_from(offset.saturating_sub(front.first_offset)).unwrap_or(usize::MAX);
        let first_offset = offset.clamp(front.first_offset, front.next_offset());
        let mut rest = Self { first_offset, marks: front.marks.clone(), ..Self::default() };
        rest.readings = split_off(&mut front.readings, &mut count);
        rest.snapshots = split_off(&mut front.snapshots, &mut count);
        rest.events = split_off(&mut front.events, &mut count);
        rest.dead_letters = split_off(&mut front.dead_letters, &mut count);
        rest.rows = split_off(&mut front.rows, &mut count);
        let skipped = front.skipped.min(count as u64);
        rest.skipped = front.skipped - skipped;
        front.skipped = skipped;
        (front, rest)
    }

    /// When the oldest record that the events tell of was received; said in the log of events only.
    pub fn events_received_us(&self) -> Option<i64> {
        let mark = self.marks.iter().find(|mark| mark.client == Mark::RECEIVED)?;
        i64::try_from(mark.sequence).ok()
    }

    /// The offset of the first record behind this group.
    pub fn next_offset(&self) -> u64 {
        self.first_offset + self.len()
    }

    pub fn first_snapshot_offset(&self) -> u64 {
        self.first_offset + self.readings.len() as u64
    }

    pub fn first_event_offset(&self) -> u64 {
        self.first_snapshot_offset() + self.snapshots.len() as u64
    }

    pub fn first_dead_letter_offset(&self) -> u64 {
        self.first_event_offset() + self.events.len() as u64
    }

    pub fn first_row_offset(&self) -> u64 {
        self.first_dead_letter_offset() + self.dead_letters.len() as u64
    }
}

/// Leaves the first `count` items, which are counted off.
fn split_off<T>(items: &mut Vec<T>, count: &mut usize) -> Vec<T> {
    let here = items.len().min(*count);
    *count -= here;
    items.split_off(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_split_anywhere_and_every_record_keeps_its_offset() {
        let dead_letter = |no: i64| DeadLetter {
            source: 0,
            client: String::new(),
            received_us: no,
            topic: String::new(),
            reason: crate::Reason::BadRow,
            detail: String::new(),
            payload: Vec::new(),
            payload_bytes: 0,
            records: 1,
        };
        let lost = |no: i64| Event::ClientLost {
            client_id: "c".into(),
            timestamp_us: no,
            will_topic: "t".into(),
            will_payload: (*b"x").into(),
        };
        let whole = Group {
            first_offset: 10,
            events: vec![lost(0), lost(1)],
            dead_letters: vec![dead_letter(2), dead_letter(3), dead_letter(4)],
            skipped: 2,
            ..Group::default()
        };
        for offset in 8..20 {
            let (front, rest) = whole.clone().split(offset);
            let at = offset.clamp(10, 17);
            assert_eq!((front.first_offset, front.next_offset()), (10, at));
            assert_eq!((rest.first_offset, rest.next_offset()), (at, 17));
            let events: Vec<Event> = front.events.into_iter().chain(rest.events).collect();
            let dead_letters: Vec<DeadLetter> = front.dead_letters.into_iter().chain(rest.dead_letters).collect();
            assert_eq!((events, dead_letters), (whole.events.clone(), whole.dead_letters.clone()), "in their order");
        }
    }
}
