//! What every log keeps, whatever it is made of: one suite, run against the file and the memory. Damage, torn writes and
//! kinds of record that a release does not know exist in files alone; their tests are in `file`.
//!
//! - `subjects`: both logs behind one face
//! - `reading`, `places`, `keeping`, `compacting`: the promises

mod compacting;
mod keeping;
mod places;
mod reading;
mod subjects;

use crate::contract::{Log, LogReader};
use genims_model::{Event, MachineNo, Portion};
use std::thread;
use std::time::{Duration, Instant};
use subjects::Subject;

fn events(from: u64, count: u64) -> Vec<Event> {
    let event = |number: u64| Event::PartsCounted {
        machine: MachineNo(1),
        timestamp_us: number.cast_signed(),
        produced: 1,
        rejected: 0,
        interval_us: None,
    };
    (from..from + count).map(event).collect()
}

/// Appends as many events, numbered like their offsets; tells the log's end.
fn append(subject: &impl Subject, count: u64) -> u64 {
    let events = events(subject.log().next_offset(), count);
    subject.append(Portion { events, ..Portion::default() });
    subject.log().next_offset()
}

/// Groups of 1, 2 ... 9 events.
fn fill(subject: &impl Subject) -> u64 {
    for count in 1..10 {
        let end = subject.log().next_offset();
        assert_eq!(append(subject, count), end + count);
    }
    subject.log().next_offset()
}

/// As many groups of forty events.
fn fill_more(subject: &impl Subject, groups: usize) -> u64 {
    (0..groups).for_each(|_| {
        append(subject, 40);
    });
    subject.log().next_offset()
}

/// The events from `from` on, in order, without the part of the first group that lies before.
fn read<L: Log>(log: &L, from: u64) -> Vec<Event> {
    let mut reader = log.reader(from).unwrap();
    let mut next = None;
    let mut found = Vec::new();
    while let Some(group) = reader.try_next().unwrap() {
        assert!(next.is_none_or(|next| next == group.first_offset), "offsets are dense");
        assert!(group.next_offset() > from);
        let skipped = from.saturating_sub(group.first_offset) as usize;
        found.extend_from_slice(&group.events[skipped..]);
        next = Some(group.next_offset());
    }
    found
}

/// Everything from the first record on is there, and the records are what their offsets say.
fn assert_whole<L: Log>(log: &L) {
    let first = log.first_offset();
    assert_eq!(read(log, first), events(first, log.next_offset() - first));
}

/// Waits until `done` holds; a bound, because a test that hangs says nothing.
fn eventually(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < limit, "not within 60 s: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Each of these against both logs.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod file_log {
            $(#[test] fn $name() { super::$name::<crate::suite::subjects::OnFile>(); })+
        }
        mod memory_log {
            $(#[test] fn $name() { super::$name::<crate::suite::subjects::InMemory>(); })+
        }
    };
}
use both;
