//! Segments that fill, go and run out: retention, the cap, a full disk, unusual sizes.

use super::*;

#[test]
fn consumed_segments_go_but_for_the_retained_ones_and_the_slowest_sink_holds_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = SpoolOptions { retain_bytes: 100 << 10, ..options(&directory) };
    let (mut appender, spool, _) = open_on(Arc::new(super::super::disk::RealDisk), &options).unwrap();
    spool.register(&Consumer::hold("fast")).unwrap();
    spool.register(&Consumer::hold("slow")).unwrap();
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
    spool.register(&Consumer::hold("postgres")).unwrap();
    for salt in 0..100 {
        appender.append(&mut portion(40, salt)).unwrap();
    }
    drop((appender, spool));
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.maintain().unwrap();
    assert_eq!((spool.first_offset(), spool.register(&Consumer::hold("postgres")).unwrap()), (0, 0));
    appender.append(&mut portion(1, 1)).unwrap();
    spool.maintain().unwrap();
    assert_eq!(spool.first_offset(), 0);
}

#[test]
fn marks_of_a_command_that_registers_nobody_take_no_record_away() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    for salt in 0..100 {
        appender.append(&mut portion(40, salt)).unwrap();
    }
    drop((appender, spool));
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    appender.append_marks(vec![Mark { client: "log/1".to_owned(), sequence: 7 }]).unwrap();
    spool.maintain().unwrap();
    assert_eq!(spool.first_offset(), 0);
    drop((appender, spool));
    let (_appender, spool, recovered) = open(&options(&directory)).unwrap();
    assert_eq!((recovered.marks.get("log/1"), readings_in(&spool, 0).len()), (Some(&7), 4_000));
}

#[test]
fn at_the_cap_an_append_blocks_says_so_and_goes_on_when_the_sink_catches_up() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
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
    assert!(spool.full_because().is_some_and(|cause| cause.contains("cap")));
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
    spool.register(&Consumer::hold("postgres")).unwrap();
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
    spool.register(&Consumer::hold("postgres")).unwrap();
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
    spool.register(&Consumer::hold("slow")).unwrap();
    appender.append(&mut large).unwrap();
    drop((appender, spool));
    let (_appender, spool, _) = open(&options).unwrap();
    let mut dead_letters = Vec::new();
    spool.replay(0, |group| dead_letters.extend_from_slice(&group.dead_letters)).unwrap();
    assert_eq!(dead_letters, whole.dead_letters);
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

#[test]
fn segments_are_made_of_blanks_while_there_is_room_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open_on(Arc::new(super::super::disk::RealDisk), &options).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    let blanks = || {
        let names = std::fs::read_dir(&options.directory).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("blank-")).count()
    };
    let created = || spool.metrics().segments_created.load(Ordering::Relaxed);
    let fits_one_more = || spool.bytes() + options.segment_bytes + 52 <= spool.max_bytes();
    for salt in 0.. {
        spool.maintain().unwrap();
        assert_eq!(blanks(), usize::from(fits_one_more()));
        if !fits_one_more() {
            break;
        }
        let created_before = created();
        appender.append(&mut portion(20, salt)).unwrap();
        assert_eq!(blanks() as u64, 1 - (created() - created_before), "a new segment takes the blank");
        assert!(spool.bytes() <= spool.max_bytes());
    }
    assert!(created() > 20);
    assert_eq!(readings_in(&spool, 0).len() as u64, spool.next_offset());
}
