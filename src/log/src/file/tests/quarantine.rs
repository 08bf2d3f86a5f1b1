//! Damage in what every consumer has passed, and before a cursor.

use super::super::quarantine::quarantine;
use super::super::record::Counts;
use super::*;
use genims_model::Row;

/// A log of ten-reading records in several segments, with the cursor at `cursor`; its segments and its end.
fn log_with_cursor(options: &SpoolOptions, cursor: impl Fn(u64) -> u64) -> (Vec<PathBuf>, u64) {
    let (mut appender, spool, _) = open_on(Arc::new(super::super::disk::RealDisk), options).unwrap();
    spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
    for salt in 0..200 {
        appender.append(&mut samples::portion(10, 0, 1, salt)).unwrap();
    }
    let end = spool.next_offset();
    spool.save_cursor("postgres", cursor(end)).unwrap();
    spool.close().unwrap();
    (segments(&options.directory), end)
}

fn retaining(directory: &TempDir) -> SpoolOptions {
    SpoolOptions { retain_bytes: 256 << 10, ..options(directory) }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0xFF;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn damage_that_every_consumer_has_passed_never_stops_a_start() {
    type Harm = (&'static str, fn(&Path));
    let harms: [Harm; 4] = [
        ("the front", |path| flip(path, 20)),
        ("a record", |path| flip(path, 5_000)),
        ("the length", |path| std::fs::write(path, &std::fs::read(path).unwrap()[..9_000]).unwrap()),
        ("the file", |path| std::fs::remove_file(path).unwrap()),
    ];
    for (what, harm) in harms {
        let directory = tempfile::tempdir().unwrap();
        let options = retaining(&directory);
        let (files, end) = log_with_cursor(&options, |end| end);
        assert!(files.len() > 4, "{} segments", files.len());
        harm(&files[1]);
        for _ in 0..2 {
            let (mut appender, spool, recovered) = open(&options).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(recovered.next_offset >= end);
            let readable = readings_in(&spool, 0).len() as u64;
            assert!(readable > end / 2, "{what}: {readable} of {end} rebuild the resend memory");
            appender.append(&mut portion(1, 1)).unwrap();
        }
    }
}

#[test]
fn damage_before_a_cursor_is_set_aside_by_command_which_says_what_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let options = retaining(&directory);
    let (files, end) = log_with_cursor(&options, |_| 15);
    let record = {
        let bytes = std::fs::read(&files[1]).unwrap();
        bytes.windows(4).enumerate().filter(|(_, window)| window == b"GSR2").nth(3).unwrap().0
    };
    flip(&files[1], record + 200);
    let before = std::fs::read(&files[1]).unwrap();
    {
        let (_appender, spool, _) = open(&options).unwrap();
        let error = spool.replay(0, |_| {}).unwrap_err();
        assert!(error.to_string().contains("genims log quarantine"), "{error}");
    }
    let report = quarantine(&options.directory).unwrap();
    assert_eq!(report.segments.len(), 1);
    let replaced = &report.segments[0];
    assert_eq!((&replaced.segment, replaced.bytes), (&files[1], before.len() as u64));
    let [lost] = replaced.lost[..] else { panic!("{replaced:?}") };
    assert_eq!(lost.below - lost.from, 10);
    assert_eq!(lost.kinds, Some(Counts { readings: 10, marks: 1, ..Counts::default() }));
    assert!(std::fs::read(replaced.moved_to.as_ref().unwrap()).unwrap() == before);
    let (_appender, spool, recovered) = open(&options).unwrap();
    assert_eq!(recovered.next_offset, end);
    let mut skipped = Vec::new();
    spool
        .replay(0, |group| skipped.extend((group.skipped > 0).then_some((group.first_offset, group.skipped))))
        .unwrap();
    assert_eq!(skipped, [(lost.from, 10)]);
    assert_eq!(readings_in(&spool, 0).len() as u64, end - 10);
    drop((_appender, spool));
    assert_eq!(quarantine(&options.directory).unwrap().segments, [], "a second call finds nothing");
}

#[test]
fn a_broken_front_a_missing_segment_and_the_newest_one_are_set_aside_as_well() {
    for case in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let options = retaining(&directory);
        let (files, end) = log_with_cursor(&options, |end| if case == 3 { end } else { 15 });
        match case {
            0 => flip(&files[2], 10),
            1 => std::fs::remove_file(&files[2]).unwrap(),
            2 => flip(files.last().unwrap(), 300),
            _ => std::fs::write(files.last().unwrap(), [0; 100]).unwrap(),
        }
        assert!(open(&options).is_err(), "case {case}");
        let report = quarantine(&options.directory).unwrap();
        let lost: u64 = report.segments.iter().flat_map(|one| &one.lost).map(|lost| lost.below - lost.from).sum();
        assert_eq!((report.segments.len(), report.segments[0].moved_to.is_none()), (1, case == 1));
        assert_eq!(lost == 0, case == 0, "every record behind a broken front is still there");
        let (mut appender, spool, recovered) = open(&options).unwrap();
        assert_eq!(recovered.next_offset, end, "case {case}");
        assert!(!recovered.marks.is_empty());
        assert_eq!(readings_in(&spool, 0).len() as u64, end - lost);
        appender.append(&mut portion(3, 1)).unwrap();
        assert_eq!(readings_in(&spool, end).len(), 3);
    }
}

/// A young log has one segment, whose front alone says which log it is.
#[test]
fn a_broken_front_of_the_only_segment_is_set_aside_while_a_cursor_says_which_log_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = retaining(&directory);
    let end = {
        let (mut appender, spool, _) = open(&options).unwrap();
        spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
        appender.append(&mut samples::portion(10, 0, 1, 1)).unwrap();
        spool.close().unwrap();
        spool.next_offset()
    };
    let [only] = &segments(&options.directory)[..] else { panic!("more than one segment") };
    flip(only, 20);
    let error = open(&options).unwrap_err();
    assert!(error.to_string().contains("genims log quarantine"), "{error}");
    let cursor = options.directory.join("cursor-postgres");
    let saved = std::fs::read(&cursor).unwrap();
    std::fs::remove_file(&cursor).unwrap();
    let error = quarantine(&options.directory).unwrap_err();
    assert!(error.to_string().contains("Restore the folder from a copy"), "{error}");
    std::fs::write(&cursor, saved).unwrap();
    let report = quarantine(&options.directory).unwrap();
    assert!(report.segments.len() == 1 && report.segments[0].lost.is_empty(), "{report:?}");
    let (_appender, spool, recovered) = open(&options).unwrap();
    assert_eq!((recovered.next_offset, readings_in(&spool, 0).len()), (end, 10));
}

/// The router goes on behind its mark: one that went back would have it route twice.
#[test]
fn behind_compacted_segments_our_own_marks_do_not_go_back() {
    const ROUTED: &str = "log/first";
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let end = {
        let (mut appender, spool, _) = open(&options).unwrap();
        let databases = [("erp", "genims_erp_db"), ("hr", "genims_hr_db")];
        spool.register(&Consumer::hold("postgres")).unwrap();
        for (name, database) in databases {
            spool.register(&Consumer::compact(name, database, 0)).unwrap();
        }
        for salt in 0..200 {
            let mut portion = samples::portion(20, 1, 1, 2 * salt);
            portion.rows.extend(databases.map(|(_, of)| Row { database: of.to_owned(), ..samples::row(salt) }));
            // Each says how far the log is when it is read.
            let mark = |client: &str| Mark { client: client.to_owned(), sequence: appender.next_offset() + 1 };
            portion.marks.extend([mark(ROUTED), mark("plc")]);
            appender.append(&mut portion).unwrap();
        }
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        spool.maintain().unwrap();
        // They are compacted once more: nobody waits for the rows of this one.
        spool.save_cursor("hr", spool.next_offset()).unwrap();
        spool.maintain().unwrap();
        let mut segments = spool.shared().segments.lock().clone();
        let compacted = segments.iter().filter(|segment| !segment.is_whole()).count();
        assert!(compacted > 3 && compacted == segments.len() - 2);
        spool.close().unwrap();
        segments.pop_back();
        segments.pop_back().unwrap().first_offset
    };
    let files = segments(&options.directory);
    files.iter().rev().take(2).for_each(|newest| std::fs::remove_file(newest).unwrap());
    assert!(open(&options).is_err(), "two segments are missing");
    assert_eq!(quarantine(&options.directory).unwrap().segments.len(), 1);
    let (_appender, spool, recovered) = open(&options).unwrap();
    // The record that ends the last one of those that are there has a few dozen offsets.
    let routed = recovered.marks[ROUTED];
    assert!((end - 40..=end).contains(&routed), "{routed}, and the last compacted segment ends at {end}");
    assert!(recovered.marks["plc"] < end - 40, "of clients no mark is kept");
    let mut found = 0;
    spool.replay(0, |group| found += group.rows.len()).unwrap();
    assert!(found > 100, "{found} rows are left");
}
