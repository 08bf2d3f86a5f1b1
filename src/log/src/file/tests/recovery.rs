//! What a start finds: a continued log, a torn tail, damage, cursors.

use super::super::quarantine::{Lost, quarantine};
use super::*;

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
    assert_eq!((spool.id(), recovered.next_offset, recovered.truncated_bytes), (id, 15, 0));
    assert_eq!(recovered.marks.get("plc-9"), Some(&17));
    assert_eq!(recovered.open_faults.len(), 1);
    assert_eq!(appender.append(&mut portion(1, 9)).unwrap()[0].first_offset, 15);
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
    let mut last = samples::portion(2, 0, 1, 50);
    last.events = vec![samples::golden().events.remove(1)];
    appender.append(&mut last).unwrap();
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
    let first_record = whole.windows(4).position(|window| window == b"GSR2").unwrap();
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
    spool.register(&Consumer::hold("slow")).unwrap();
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
    spool.register(&Consumer::hold("postgres")).unwrap();
    let before = std::fs::read(&segments(&options.directory)[0]).unwrap();
    appender.append(&mut portion(5, 1)).unwrap();
    spool.save_cursor("postgres", 5).unwrap();
    spool.close().unwrap();
    drop((appender, spool));
    std::fs::write(&segments(&options.directory)[0], &before).unwrap();
    let refused = open(&options).unwrap_err();
    assert!(matches!(refused, SpoolError::EndBehindCursor { cursor: 5, end: 0, .. }), "{refused}");
    assert!(refused.to_string().contains("`genims log quarantine`"), "{refused}");
    let report = quarantine(&options.directory).unwrap();
    assert_eq!(report.segments.len(), 1);
    assert_eq!(report.segments[0].lost, [Lost { from: 0, below: 5, kinds: None }]);
    let (mut appender, spool, _) = open(&options).unwrap();
    assert_eq!((spool.cursor("postgres"), spool.next_offset()), (Some(5), 5));
    appender.append(&mut portion(5, 2)).unwrap();
    assert_eq!(spool.next_offset(), 10);
}

#[test]
fn cursors_survive_a_restart_and_never_go_back_or_ahead_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    assert!(matches!(spool.save_cursor("mongo", 0), Err(SpoolError::UnknownSink(_))));
    assert_eq!(spool.register(&Consumer::hold("mongo")).unwrap(), 0);
    appender.append(&mut portion(10, 1)).unwrap();
    spool.save_cursor("mongo", 7).unwrap();
    spool.save_cursor("mongo", 3).unwrap();
    assert!(matches!(spool.save_cursor("mongo", 11), Err(SpoolError::OffsetAhead { .. })));
    spool.close().unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open(&options).unwrap();
    assert_eq!(spool.cursor("mongo"), Some(7));
    assert_eq!(spool.register(&Consumer::hold("mongo")).unwrap(), 7);
    let mut reader = spool.reader(7).unwrap();
    let rest = reader.try_next().unwrap().unwrap();
    assert_eq!((rest.first_offset, rest.readings.len()), (7, 3), "a reader may begin inside a group");
}
