//! Segments rewritten with the rows that somebody waits for: whatever happens meanwhile, none of these is lost.

use super::super::Appender;
use super::*;
use genims_model::Row;

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
    spool.shared().segments.lock().iter().filter(|segment| segment.compacted).count()
}

#[test]
fn a_crash_at_any_moment_of_it_loses_no_row() {
    let mut moments = 0;
    for operations in 0.. {
        let disk = FakeDisk::new(operations);
        let (appender, spool, expected) = log_on(&disk);
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        disk.crash_in(operations);
        // What fails of it is left as it is.
        let _ = spool.maintain();
        let done = !disk.is_dead();
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
    assert!(spool.shared().compactable(|sink| sink.saved).is_empty());
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
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    let count = compacted(&spool);
    spool.close().unwrap();
    drop((appender, spool));
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    register(&spool);
    appender.append(&mut samples::portion(1, 0, 0, 1)).unwrap();
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    // Any new file would find no room.
    disk.set_capacity(Some(1));
    spool.shared().maintain().unwrap();
    assert_eq!((compacted(&spool), rows(&spool)), (count, expected));
}
