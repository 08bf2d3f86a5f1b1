//! The log as a whole, on the real file system where damage and threads are concerned.

use super::fake_disk::FakeDisk;
use super::{COMMIT_SINK, Reader, Recovered, Spool, SpoolError, SpoolOptions, open, open_on, samples, writer};
use crate::model::{Group, Mark, Portion, Receipt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Notify;

fn options(directory: &TempDir) -> SpoolOptions {
    SpoolOptions {
        directory: directory.path().join("spool"),
        max_bytes: 1 << 20,
        segment_bytes: 32 << 10,
        memory_bytes: 1 << 20,
        retain_bytes: 0,
        fsync: true,
    }
}

fn portion(readings: usize, salt: u64) -> Portion {
    samples::portion(readings, 0, 0, salt)
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    found.sort();
    found
}

fn readings_in(spool: &Spool, from: u64) -> Vec<u32> {
    let mut sensors = Vec::new();
    spool.replay(from, |group| sensors.extend(group.readings.iter().map(|reading| reading.sensor.0))).unwrap();
    sensors
}

/// Waits until `done` holds; a bound, because a test that hangs says nothing.
fn eventually(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < limit, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_reopened_spool_continues_where_it_ended_and_knows_marks_and_open_faults() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, recovered) = open(&options(&directory)).unwrap();
    assert_eq!(recovered, Recovered::default());
    let id = spool.id();
    let mut first = samples::portion(3, 3, 1, 40);
    first.marks = vec![Mark { client: "plc-9".to_owned(), sequence: 17 }];
    appender.append(&mut first).unwrap();
    assert!(first.is_empty(), "an append takes everything but receipts");
    drop((appender, spool));
    let (mut appender, spool, recovered) = open(&options(&directory)).unwrap();
    assert_eq!((spool.id(), recovered.next_offset, recovered.truncated_bytes), (id, 12, 0));
    assert_eq!(recovered.marks.get("plc-9"), Some(&17));
    assert_eq!(recovered.open_faults.len(), 1);
    assert_eq!(appender.append(&mut portion(1, 9)).unwrap()[0].first_offset, 12);
}

#[test]
fn a_second_process_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let held = open(&options(&directory)).unwrap();
    assert!(matches!(open(&options(&directory)), Err(SpoolError::Locked(_))));
    drop(held);
    open(&options(&directory)).unwrap();
}

#[test]
fn the_last_record_torn_at_any_byte_is_cut_and_the_one_before_it_stays() {
    let directory = tempfile::tempdir().unwrap();
    let small = SpoolOptions { segment_bytes: 4096, ..options(&directory) };
    let (mut appender, spool, _) = open(&small).unwrap();
    appender.append(&mut portion(2, 10)).unwrap();
    let kept = std::fs::read(&segments(&small.directory)[0]).unwrap();
    appender.append(&mut samples::portion(2, 1, 1, 50)).unwrap();
    let whole = std::fs::read(&segments(&small.directory)[0]).unwrap();
    drop((appender, spool));
    let differs = |(a, b): (&u8, &u8)| a != b;
    let begin = kept.iter().zip(&whole).position(differs).unwrap();
    let end = kept.iter().zip(&whole).rposition(differs).unwrap() + 1;
    for cut in begin..end {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        std::fs::write(&segments(&small.directory)[0], &torn).unwrap();
        let (_appender, spool, recovered) = open(&small).unwrap();
        assert_eq!(recovered.next_offset, 2, "cut at {cut}");
        assert!(recovered.truncated_bytes <= (cut - begin) as u64);
        assert_eq!(readings_in(&spool, 0).len(), 2);
        drop(spool);
        assert!(std::fs::read(&segments(&small.directory)[0]).unwrap() == kept, "the tail is blank again");
    }
}

#[test]
fn damage_before_an_acknowledged_record_is_an_error_that_names_file_and_byte() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    for salt in 1..4 {
        appender.append(&mut portion(5, salt)).unwrap();
    }
    drop((appender, spool));
    let path = segments(&options.directory)[0].clone();
    let whole = std::fs::read(&path).unwrap();
    let first_record = whole.windows(4).position(|window| window == b"GSR1").unwrap();
    for at in [0, 4, 5, 8, 30, 44, 60, 200] {
        let mut damaged = whole.clone();
        damaged[first_record + at] ^= 0xFF;
        std::fs::write(&path, &damaged).unwrap();
        match open(&options) {
            Err(SpoolError::Damaged { file, position, .. }) => {
                assert_eq!((&file, position as usize), (&path, first_record))
            }
            other => panic!("damage at {at} gave {other:?}"),
        }
    }
    let mut blanked = whole.clone();
    blanked[first_record..first_record + 200].fill(0);
    std::fs::write(&path, &blanked).unwrap();
    assert!(matches!(open(&options), Err(SpoolError::Damaged { .. })), "zeros before a record are no blank tail");
}

#[test]
fn damage_in_an_older_segment_and_a_missing_one_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    spool.register_sink("slow").unwrap();
    for salt in 0..60 {
        appender.append(&mut portion(40, salt)).unwrap();
    }
    drop((appender, spool));
    let files = segments(&options.directory);
    assert!(files.len() > 3);
    let mut damaged = std::fs::read(&files[1]).unwrap();
    damaged[5_000] ^= 1;
    std::fs::write(&files[1], &damaged).unwrap();
    let opened = open(&options).unwrap();
    match opened.1.replay(0, |_| {}) {
        Err(SpoolError::Damaged { file, .. }) => assert_eq!(file, files[1]),
        other => panic!("{other:?}"),
    }
    drop(opened);
    std::fs::remove_file(&files[1]).unwrap();
    assert!(matches!(open(&options), Err(SpoolError::Damaged { .. })));
}

#[test]
fn a_spool_that_ends_before_a_cursor_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    spool.register_sink("postgres").unwrap();
    let before = std::fs::read(&segments(&options.directory)[0]).unwrap();
    appender.append(&mut portion(5, 1)).unwrap();
    spool.save_cursor("postgres", 5).unwrap();
    spool.close().unwrap();
    drop((appender, spool));
    std::fs::write(&segments(&options.directory)[0], &before).unwrap();
    assert!(matches!(open(&options), Err(SpoolError::EndBehindCursor { cursor: 5, end: 0, .. })));
}

#[test]
fn cursors_survive_a_restart_and_never_go_back_or_ahead_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    assert!(matches!(spool.save_cursor("mongo", 0), Err(SpoolError::UnknownSink(_))));
    assert_eq!(spool.register_sink("mongo").unwrap(), 0);
    appender.append(&mut portion(10, 1)).unwrap();
    spool.save_cursor("mongo", 7).unwrap();
    spool.save_cursor("mongo", 3).unwrap();
    assert!(matches!(spool.save_cursor("mongo", 11), Err(SpoolError::OffsetAhead { .. })));
    spool.close().unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open(&options).unwrap();
    assert_eq!(spool.cursor("mongo"), Some(7));
    assert_eq!(spool.register_sink("mongo").unwrap(), 7);
    let mut reader = spool.reader(7).unwrap();
    let rest = reader.try_next().unwrap().unwrap();
    assert_eq!((rest.first_offset, rest.readings.len()), (7, 3), "a reader may begin inside a group");
}

#[test]
fn consumed_segments_go_but_for_the_retained_ones_and_the_slowest_sink_holds_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = SpoolOptions { retain_bytes: 100 << 10, ..options(&directory) };
    let (mut appender, spool, _) = open_on(Arc::new(super::disk::RealDisk), &options).unwrap();
    spool.register_sink("fast").unwrap();
    spool.register_sink("slow").unwrap();
    for salt in 0..200 {
        appender.append(&mut portion(40, salt)).unwrap();
    }
    spool.save_cursor("fast", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert_eq!(spool.first_offset(), 0);
    spool.save_cursor("slow", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert!(spool.first_offset() > 0);
    assert!((70 << 10..140 << 10).contains(&spool.bytes()), "{} bytes left", spool.bytes());
    assert!(matches!(spool.reader(0), Err(SpoolError::OffsetGone { .. })));
    let first = spool.first_offset();
    assert_eq!(readings_in(&spool, first).len() as u64, spool.next_offset() - first);
}

#[test]
fn nothing_goes_before_the_first_append_so_sinks_may_register_in_peace() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register_sink("postgres").unwrap();
    for salt in 0..100 {
        appender.append(&mut portion(40, salt)).unwrap();
    }
    drop((appender, spool));
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.maintain().unwrap();
    assert_eq!((spool.first_offset(), spool.register_sink("postgres").unwrap()), (0, 0));
    appender.append(&mut portion(1, 1)).unwrap();
    spool.maintain().unwrap();
    assert_eq!(spool.first_offset(), 0);
}

#[test]
fn at_the_cap_an_append_blocks_says_so_and_goes_on_when_the_sink_catches_up() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    spool.register_sink("postgres").unwrap();
    let full = spool.full_flag();
    let appending = thread::spawn(move || {
        for salt in 0..600 {
            appender.append(&mut portion(40, salt)).unwrap();
        }
        appender.next_offset()
    });
    eventually("the spool is full", || full.load(Ordering::Acquire));
    let stuck_at = spool.next_offset();
    thread::sleep(Duration::from_millis(150));
    assert_eq!(spool.next_offset(), stuck_at);
    assert!(spool.bytes() <= spool.max_bytes());
    let mut reader = spool.reader(0).unwrap();
    let mut taken = 0;
    while taken < 600 * 40 {
        match reader.try_next().unwrap() {
            Some(group) => taken += group.len(),
            None => thread::sleep(Duration::from_millis(1)),
        }
        spool.save_cursor("postgres", reader.position()).unwrap();
        assert!(spool.bytes() <= spool.max_bytes());
    }
    assert_eq!(appending.join().unwrap(), taken);
    assert!(!full.load(Ordering::Acquire));
    assert!(spool.metrics().full_episodes.load(Ordering::Relaxed) >= 1);
}

#[test]
fn closing_ends_a_blocked_append() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register_sink("postgres").unwrap();
    let full = spool.full_flag();
    let appending = thread::spawn(move || {
        loop {
            if let Err(error) = appender.append(&mut portion(40, 1)) {
                return error;
            }
        }
    });
    eventually("the spool is full", || full.load(Ordering::Acquire));
    spool.close().unwrap();
    assert!(matches!(appending.join().unwrap(), SpoolError::Closed));
}

#[test]
fn a_full_disk_is_waited_out() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(1);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    spool.register_sink("postgres").unwrap();
    disk.set_full(true);
    let full = spool.full_flag();
    let appending = thread::spawn(move || {
        for salt in 0..40 {
            appender.append(&mut portion(40, salt)).unwrap();
        }
    });
    eventually("the disk is full", || full.load(Ordering::Acquire));
    disk.set_full(false);
    appending.join().unwrap();
    assert_eq!(readings_in(&spool, 0).len(), 1_600);
    assert!(spool.failure().is_none() && !full.load(Ordering::Acquire));
}

#[test]
fn an_item_larger_than_a_segment_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let options = SpoolOptions { segment_bytes: 4096, ..options(&directory) };
    let (mut appender, spool, _) = open(&options).unwrap();
    let mut large = samples::portion(1, 1, 1, 4);
    large.dead_letters[0].payload = vec![7; 60_000];
    let whole = samples::group_of(&large, 0);
    spool.register_sink("slow").unwrap();
    appender.append(&mut large).unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open(&options).unwrap();
    let mut letters = Vec::new();
    spool.replay(0, |group| letters.extend_from_slice(&group.dead_letters)).unwrap();
    assert_eq!(letters, whole.dead_letters);
}

#[test]
fn segments_filled_by_marks_alone_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let options = SpoolOptions { segment_bytes: 4096, ..options(&directory) };
    let (mut appender, spool, _) = open(&options).unwrap();
    for sequence in 1..200 {
        let marks = vec![Mark { client: "plc".to_owned(), sequence }];
        appender.append(&mut Portion { marks, ..Portion::default() }).unwrap();
    }
    appender.append(&mut portion(3, 5)).unwrap();
    assert_eq!(readings_in(&spool, 0).len(), 3);
    drop((appender, spool));
    let (_appender, spool, recovered) = open(&options).unwrap();
    assert_eq!((recovered.marks.get("plc"), recovered.next_offset), (Some(&199), 3));
    assert_eq!(readings_in(&spool, 0).len(), 3);
}

async fn read_all(mut reader: Reader, until: u64, pause_each: u64) -> Vec<Arc<Group>> {
    let mut groups = Vec::new();
    while reader.position() < until {
        let group = reader.next().await.unwrap();
        groups.push(group);
        if pause_each > 0 && (groups.len() as u64).is_multiple_of(pause_each) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    groups
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_lag_and_catch_up_see_every_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let tight = SpoolOptions { memory_bytes: 20_000, max_bytes: 16 << 20, ..options(&directory) };
    let (mut appender, spool, _) = open(&tight).unwrap();
    spool.register_sink("postgres").unwrap();
    const GROUPS: u64 = 400;
    let until = GROUPS * 30;
    let lagging = tokio::spawn(read_all(spool.reader(0).unwrap(), until, 7));
    let eager = tokio::spawn(read_all(spool.reader(0).unwrap(), until, 0));
    let appending = tokio::task::spawn_blocking(move || {
        for salt in 0..GROUPS {
            appender.append(&mut portion(30, salt * 60)).unwrap();
        }
    });
    for groups in [lagging.await.unwrap(), eager.await.unwrap()] {
        let mut next = 0;
        for group in groups {
            assert_eq!(group.first_offset, next);
            assert_eq!(group.readings, portion(30, next * 2).readings);
            next = group.next_offset();
        }
        assert_eq!(next, until);
    }
    appending.await.unwrap();
    let metrics = spool.metrics();
    assert!(metrics.groups_read_from_disk.load(Ordering::Relaxed) > 0, "the disk was read");
    assert!(metrics.groups_read_from_memory.load(Ordering::Relaxed) > 0, "memory was read");
}

#[tokio::test]
async fn a_waiting_reader_learns_that_the_spool_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (_appender, spool, _) = open(&options(&directory)).unwrap();
    let mut reader = spool.reader(0).unwrap();
    let waiting = tokio::spawn(async move { reader.next().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    spool.close().unwrap();
    assert!(matches!(waiting.await.unwrap(), Err(SpoolError::Closed)));
}

fn receipt(on_commit: bool) -> Receipt {
    Receipt::new(1, on_commit, Arc::new(Notify::new()))
}

#[test]
fn receipts_settle_after_the_sync_or_after_the_commit_as_they_ask() {
    let directory = tempfile::tempdir().unwrap();
    let (appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register_sink(COMMIT_SINK).unwrap();
    let (portions, waiting) = writer::channel();
    let thread = writer::start(appender, waiting).unwrap();
    let (durable, committed, bare) = (receipt(false), receipt(true), receipt(false));
    let receipts = vec![durable.clone(), committed.clone()];
    portions.send(Portion { receipts, ..portion(5, 1) }).unwrap();
    portions.send(Portion { receipts: vec![bare.clone()], ..Portion::default() }).unwrap();
    eventually("the sync", || durable.is_settled() && bare.is_settled());
    assert_eq!(spool.next_offset(), 5);
    assert!(!committed.is_settled());
    spool.save_cursor(COMMIT_SINK, 4).unwrap();
    assert!(!committed.is_settled());
    spool.save_cursor(COMMIT_SINK, 5).unwrap();
    assert!(committed.is_settled());
    assert_eq!(spool.metrics().receive_to_durable_us().len(), 5);
    drop(portions);
    thread.join().unwrap().unwrap();
}

#[test]
fn a_failed_sync_stops_the_spool_and_settles_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(2);
    let (appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    let mut reader = spool.reader(0).unwrap();
    let (portions, waiting) = writer::channel();
    disk.fail_syncs(true);
    let thread = writer::start(appender, waiting).unwrap();
    let receipt = receipt(false);
    portions.send(Portion { receipts: vec![receipt.clone()], ..portion(5, 1) }).unwrap();
    assert!(matches!(thread.join().unwrap(), Err(SpoolError::Io { action: "sync", .. })));
    disk.fail_syncs(false);
    assert!(!receipt.is_settled());
    assert!(spool.failure().is_some());
    assert!(matches!(reader.try_next(), Err(SpoolError::Stopped(_))), "what is not durable is not shown");
    assert!(portions.send(portion(1, 1)).is_err(), "shards notice");
}

#[test]
fn many_senders_share_few_syncs() {
    let directory = tempfile::tempdir().unwrap();
    let (appender, spool, _) = open(&options(&directory)).unwrap();
    let (portions, waiting) = writer::channel();
    let thread = writer::start(appender, waiting).unwrap();
    let receipts: Vec<Receipt> = (0..500).map(|_| receipt(false)).collect();
    for (salt, receipt) in receipts.iter().enumerate() {
        portions.send(Portion { receipts: vec![receipt.clone()], ..portion(1, salt as u64) }).unwrap();
    }
    drop(portions);
    thread.join().unwrap().unwrap();
    assert!(receipts.iter().all(Receipt::is_settled));
    assert_eq!(spool.next_offset(), 500);
    assert!(spool.metrics().syncs.load(Ordering::Relaxed) < 250);
}

#[test]
fn a_small_cap_shrinks_segments_and_a_tiny_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let small = SpoolOptions { directory: directory.path().into(), max_bytes: 1 << 20, ..SpoolOptions::default() };
    let sizes = small.sizes().unwrap();
    assert_eq!((sizes.segment_bytes, sizes.retain_bytes), (128 << 10, 256 << 10));
    let tiny = SpoolOptions { max_bytes: 1_000, ..small };
    assert!(matches!(tiny.check(), Err(SpoolError::Options(_))));
    assert!(SpoolOptions::default().fsync);
}
