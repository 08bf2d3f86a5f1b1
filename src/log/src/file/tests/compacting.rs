//! Segments rewritten with the rows that somebody waits for: whatever happens meanwhile, none of these is lost.

use super::super::Appender;
use super::super::segment::Segment;
use super::*;
use genims_model::event::FaultOpened;
use genims_model::{Event, Row};

const DATABASE: &str = "genims_erp_db";
const SEGMENT_BYTES: u64 = 8 << 10;

fn options() -> SpoolOptions {
    SpoolOptions {
        directory: "/spool".into(),
        max_bytes: 1 << 20,
        segment_bytes: SEGMENT_BYTES,
        memory_bytes: 0,
        retain_bytes: 0,
        fsync: true,
    }
}

fn register(spool: &Spool) {
    spool.register(&Consumer::hold("postgres")).unwrap();
    spool.register(&Consumer::compact("erp", DATABASE, 3 * SEGMENT_BYTES)).unwrap();
}

fn rows(spool: &Spool) -> Vec<(u64, Row)> {
    let mut rows = Vec::new();
    let mut see = |group: &Group| rows.extend((group.first_row_offset()..).zip(group.rows.iter().cloned()));
    spool.replay(spool.first_offset(), &mut see).unwrap();
    rows
}

/// A log with rows in each of its segments, of which nothing but those is needed; nothing was compacted yet.
fn log_on(disk: &FakeDisk) -> (Appender, Spool, Vec<(u64, Row)>) {
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    register(&spool);
    for salt in 0..60 {
        appender.append(&mut samples::portion(10, 1, 1, salt * 2)).unwrap();
    }
    let rows = rows(&spool);
    assert_eq!(rows.len(), 60);
    (appender, spool, rows)
}

fn compacted(spool: &Spool) -> usize {
    spool.shared().segments.lock().iter().filter(|segment| !segment.is_whole()).count()
}

#[test]
fn a_crash_at_any_moment_of_it_loses_no_row() {
    let mut moments = 0;
    for operations in 0.. {
        let disk = FakeDisk::new(operations);
        let (appender, spool, expected) = log_on(&disk);
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        disk.crash_in(operations);
        let done = spool.shared().maintain().is_ok();
        assert_eq!(
            spool.failure().is_none(),
            done,
            "a failed write or sync stops the log, after {operations} operations"
        );
        drop((appender, spool));
        if operations.is_multiple_of(2) {
            disk.cut_power()
        } else {
            disk.kill_process()
        }
        let (mut appender, spool, _) = open_on(Arc::new(disk), &options()).unwrap();
        register(&spool);
        assert_eq!(rows(&spool), expected, "after {operations} operations");
        // And the next life compacts what is left.
        appender.append(&mut samples::portion(1, 0, 0, 1)).unwrap();
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        spool.maintain().unwrap();
        assert_eq!(rows(&spool), expected, "after {operations} operations, and compacted");
        moments = operations;
        if done {
            break;
        }
    }
    assert!(moments > 20, "{moments} operations are no test");
}

#[test]
fn what_is_compacted_is_small_and_does_not_count() {
    let disk = FakeDisk::new(1);
    let (_appender, spool, expected) = log_on(&disk);
    let (bytes, end) = (spool.bytes(), spool.next_offset());
    assert_eq!(spool.shared().counted_bytes(), bytes);
    spool.save_cursor("postgres", end).unwrap();
    // A reader that has come to somewhere goes on there.
    let mut reader = spool.reader(0).unwrap();
    let first = reader.try_next().unwrap().unwrap();
    spool.maintain().unwrap();
    assert!(compacted(&spool) > 4);
    assert!(spool.bytes() < bytes && spool.shared().counted_bytes() <= 4 * SEGMENT_BYTES);
    let mut next = first.next_offset();
    while let Some(group) = reader.try_next().unwrap() {
        assert_eq!(group.first_offset, next);
        next = group.next_offset();
    }
    assert_eq!((next, rows(&spool)), (end, expected));
}

#[test]
fn a_segment_that_cannot_be_compacted_stays_whole_and_stops_nothing() {
    let disk = FakeDisk::new(1);
    let (mut appender, spool, expected) = log_on(&disk);
    let damaged = spool.shared().segments.lock()[1].clone();
    let file = disk.open_file(&damaged.path).unwrap().unwrap();
    file.write_at(&[0xFF; 4], damaged.data_position + 60).unwrap();
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert!(spool.failure().is_none());
    let held = disk.open_file(&damaged.path).unwrap().unwrap();
    assert_eq!(super::super::disk::DiskFile::length(&held).unwrap(), damaged.file_bytes);
    // Rows of all others are there, and the damage is told to who comes to it.
    let behind = spool.shared().segments.lock()[2].first_offset;
    let mut found = Vec::new();
    spool.replay(behind, |group| found.extend((group.first_row_offset()..).zip(group.rows.iter().cloned()))).unwrap();
    let rest: Vec<_> = expected.into_iter().filter(|(offset, _)| *offset >= behind).collect();
    assert_eq!(found, rest);
    let mut reader = spool.reader(damaged.first_offset).unwrap();
    assert!(matches!(reader.try_next(), Err(SpoolError::Damaged { .. })));
    // It is not tried again and again.
    assert!(spool.shared().compactable(|sink| sink.saved).is_none());
    appender.append(&mut samples::portion(1, 0, 0, 1)).unwrap();
}

#[test]
fn without_room_for_it_it_is_done_later() {
    let disk = FakeDisk::new(1);
    let (_appender, spool, expected) = log_on(&disk);
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    disk.set_capacity(Some(1));
    assert!(spool.maintain().is_err());
    assert_eq!((compacted(&spool), spool.failure()), (0, None));
    disk.set_capacity(None);
    spool.maintain().unwrap();
    assert!(compacted(&spool) > 4);
    assert_eq!(rows(&spool), expected);
}

#[test]
fn what_an_earlier_run_has_compacted_is_known_again_without_writing_it() {
    let disk = FakeDisk::new(1);
    let (appender, spool, expected) = log_on(&disk);
    // Of nothing it keeps more than rows, so that both runs compact the same.
    let erp = Consumer::compact("erp", DATABASE, 0);
    spool.register(&erp).unwrap();
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    let count = compacted(&spool);
    assert!(count > 4);
    spool.close().unwrap();
    drop((appender, spool));
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    register(&spool);
    spool.register(&erp).unwrap();
    appender.append(&mut samples::portion(1, 0, 0, 1)).unwrap();
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    // Any new file would find no room.
    disk.set_capacity(Some(1));
    spool.shared().maintain().unwrap();
    assert_eq!((compacted(&spool), rows(&spool)), (count, expected));
}

#[test]
fn who_closes_the_log_waits_for_no_compaction() {
    let disk = FakeDisk::new(1);
    let (_appender, spool, _) = log_on(&disk);
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.close().unwrap();
    assert_eq!(compacted(&spool), 0);
    assert_eq!(spool.shared().sinks.lock()["postgres"].saved, spool.next_offset(), "cursors are saved all the same");
}

#[test]
fn a_segment_is_compacted_again_when_one_of_two_consumers_has_its_rows() {
    const OTHER: &str = "genims_hr_db";
    let disk = FakeDisk::new(1);
    let (mut appender, spool, _) = open_on(Arc::new(disk), &options()).unwrap();
    register(&spool);
    spool.register(&Consumer::compact("hr", OTHER, 3 * SEGMENT_BYTES)).unwrap();
    for salt in 0..60 {
        let mut portion = samples::portion(10, 1, 1, salt * 2);
        portion.rows.push(Row { database: OTHER.to_owned(), ..portion.rows[0].clone() });
        appender.append(&mut portion).unwrap();
    }
    let expected = rows(&spool);
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert_eq!(rows(&spool), expected);
    let (count, bytes) = (compacted(&spool), spool.bytes());
    spool.save_cursor("hr", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert!(count > 4 && compacted(&spool) == count && spool.bytes() < bytes);
    let below = spool.shared().compacted_below.load(Ordering::Acquire);
    let left = |(offset, row): &&(u64, Row)| row.database == DATABASE || *offset >= below;
    assert_eq!(rows(&spool), expected.iter().filter(left).cloned().collect::<Vec<_>>());
    let known = |bytes: fn(&Segment) -> u64| -> u64 {
        spool.shared().segments.lock().iter().filter(|one| !one.is_whole()).map(bytes).sum()
    };
    let counted = || {
        let shared = spool.shared();
        (shared.compacted_bytes.load(Ordering::Acquire), shared.kept_bytes.load(Ordering::Acquire))
    };
    assert_eq!(counted(), (known(|one| one.file_bytes), known(Segment::kept_bytes)));
    // Nobody waits for any of it: it goes.
    spool.save_cursor("erp", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    assert_eq!((compacted(&spool), counted()), (0, (0, 0)));
}

#[test]
fn after_a_start_the_log_is_full_as_long_as_twice_its_cap_waits() {
    let disk = FakeDisk::new(1);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    register(&spool);
    let row = Row { values: "x".repeat(700), ..samples::row(1) };
    // A little more than that, for the fronts of segments count no more.
    while spool.bytes() <= 2 * options().max_bytes + (64 << 10) {
        appender.append(&mut Portion { rows: vec![row.clone(); 20], ..Portion::default() }).unwrap();
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
    }
    assert!(spool.is_full_for("erp"));
    spool.close().unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open_on(Arc::new(disk), &options()).unwrap();
    register(&spool);
    // Nothing is appended yet, so nobody knows what is compacted.
    assert!(compacted(&spool) == 0 && spool.is_full_for("erp") && !spool.is_full_for("postgres"));
}

#[test]
fn the_fronts_of_emptied_segments_close_no_door() {
    let disk = FakeDisk::new(1);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    register(&spool);
    // The one row that waits pins whatever comes behind it.
    appender.append(&mut Portion { rows: vec![samples::row(1)], ..Portion::default() }).unwrap();
    let expected = rows(&spool);
    // Each front tells of all faults that are open.
    let (fault, _, _) = samples::faults();
    let faults = (0..200).map(|start_us| Event::FaultOpened(FaultOpened { start_us, ..fault.clone() }));
    appender.append(&mut Portion { events: faults.collect(), ..Portion::default() }).unwrap();
    let compacted_bytes = || spool.shared().compacted_bytes.load(Ordering::Acquire);
    let mut salt = 0;
    while compacted_bytes() <= 2 * options().max_bytes {
        salt += 1;
        assert!(salt < 10_000, "{} bytes are compacted", compacted_bytes());
        appender.append(&mut samples::portion(40, 0, 0, salt)).unwrap();
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        spool.shared().maintain().unwrap();
    }
    assert_eq!(rows(&spool), expected);
    assert!(!spool.is_full_for("erp"));
    spool.close().unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open_on(Arc::new(disk), &options()).unwrap();
    register(&spool);
    assert!(spool.bytes() > 2 * options().max_bytes && compacted(&spool) == 0 && !spool.is_full_for("erp"));
}
