//! What every log keeps, whatever it is made of: one suite, run against the file and the memory.

use crate::contract::{Consumer, Log, LogReader};
use crate::file::{self, Spool, SpoolOptions};
use crate::history::Resume;
use crate::memory::MemoryLog;
use genims_model::{Event, Group, MachineNo, Portion};
use std::sync::Arc;
use uuid::Uuid;

/// A log with the consumers "fast" and "slow", and the way into it.
struct Trial<L> {
    log: L,
    append: Box<dyn FnMut(Vec<Event>)>,
    _directory: Option<tempfile::TempDir>,
}

fn on_file() -> Trial<Spool> {
    let directory = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        directory: directory.path().into(),
        max_bytes: 1 << 20,
        memory_bytes: 1,
        ..SpoolOptions::default()
    };
    let (mut appender, log, _) = file::open(&options).unwrap();
    log.register(&Consumer::hold("fast")).unwrap();
    log.register(&Consumer::hold("slow")).unwrap();
    let append = move |events| {
        appender.append(&mut Portion { events, ..Portion::default() }).unwrap();
    };
    Trial { log, append: Box::new(append), _directory: Some(directory) }
}

fn in_memory() -> Trial<Arc<MemoryLog>> {
    let log = MemoryLog::new(Uuid::new_v4());
    let appended = log.clone();
    let append = move |events| appended.append(Group { events, ..Group::default() });
    Trial { log, append: Box::new(append), _directory: None }
}

fn events(from: i64, count: i64) -> Vec<Event> {
    let event = |number| Event::PartsCounted {
        machine: MachineNo(1),
        timestamp_us: number,
        produced: 1,
        rejected: 0,
        interval_us: None,
    };
    (from..from + count).map(event).collect()
}

/// Appends groups of 1, 2 ... 9 events, numbered like their offsets.
fn fill<L: Log>(trial: &mut Trial<L>) -> u64 {
    let mut end = 0;
    for count in 1..10 {
        (trial.append)(events(end, count));
        end += count;
        assert_eq!(trial.log.next_offset(), end.unsigned_abs());
    }
    end.unsigned_abs()
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

fn every_reader_sees_every_record_in_order_from_any_offset<L: Log>(mut trial: Trial<L>) {
    assert!(read(&trial.log, 0).is_empty());
    let end = fill(&mut trial);
    for from in 0..=end {
        let expected = events(from.cast_signed(), (end - from).cast_signed());
        assert_eq!(read(&trial.log, from), expected, "from {from}");
    }
}

fn a_waiting_reader_wakes_with_the_next_group<L: Log>(mut trial: Trial<L>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut reader = trial.log.reader(0).unwrap();
    (trial.append)(events(0, 3));
    assert_eq!(runtime.block_on(reader.next()).unwrap().events, events(0, 3));
    assert!(reader.try_next().unwrap().is_none());
    (trial.append)(events(3, 2));
    let group = runtime.block_on(reader.next()).unwrap();
    assert_eq!((group.first_offset, group.events.len()), (3, 2));
}

fn a_cursor_only_moves_forward_and_a_rewind_moves_it_back<L: Log>(mut trial: Trial<L>) {
    let end = fill(&mut trial);
    trial.log.save_cursor("fast", end).unwrap();
    trial.log.save_cursor("fast", 3).unwrap();
    trial.log.save_cursor("slow", 2).unwrap();
    assert_eq!(
        (trial.log.cursor("fast"), trial.log.cursor("slow"), trial.log.cursor("none")),
        (Some(end), Some(2), None)
    );
    assert_eq!(trial.log.rewind("fast", 4).unwrap(), 4);
    assert_eq!(trial.log.cursor("fast"), Some(4));
    assert_eq!(read(&trial.log, 4).len() as u64, end - 4);
}

fn a_position_of_this_log_is_resumed_where_it_stands<L: Log>(mut trial: Trial<L>) {
    let end = fill(&mut trial);
    for offset in [0, 5, end] {
        assert_eq!(trial.log.resume(&trial.log.position(offset)), Resume::At(offset));
    }
    let mut other = in_memory();
    fill(&mut other);
    let resume = trial.log.resume(&other.log.position(5));
    assert!(matches!(resume, Resume::NotInHistory { .. }), "{resume:?}");
}

macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        mod file_log {
            $(#[test] fn $name() { super::$name(super::on_file()); })+
        }
        mod memory_log {
            $(#[test] fn $name() { super::$name(super::in_memory()); })+
        }
    };
}
both!(
    every_reader_sees_every_record_in_order_from_any_offset,
    a_waiting_reader_wakes_with_the_next_group,
    a_cursor_only_moves_forward_and_a_rewind_moves_it_back,
    a_position_of_this_log_is_resumed_where_it_stands,
);
