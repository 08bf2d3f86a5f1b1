//! Consumers that go back, remember another history, or stay behind for good.

use super::*;
use crate::history::Resume;

fn fill(appender: &mut super::super::Appender, groups: u64) {
    (0..groups).for_each(|salt| {
        appender.append(&mut portion(40, salt)).unwrap();
    });
}

#[test]
fn segments_under_a_rewound_cursor_stay_until_it_has_passed_them_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, _) = open_on(Arc::new(FakeDisk::new(1)), &options(&directory)).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    spool.register(&Consumer::hold("mongodb")).unwrap();
    fill(&mut appender, 60);
    let end = spool.next_offset();
    spool.save_cursor("mongodb", end).unwrap();
    spool.save_cursor("postgres", end).unwrap();
    assert_eq!(spool.rewind("postgres", 100).unwrap(), 100);
    spool.maintain().unwrap();
    assert_eq!((spool.first_offset(), spool.cursor("postgres")), (0, Some(100)));
    fill(&mut appender, 60);
    spool.maintain().unwrap();
    assert_eq!(readings_in(&spool, 100).len() as u64, spool.next_offset() - 100);
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    spool.save_cursor("mongodb", spool.next_offset()).unwrap();
    spool.maintain().unwrap();
    let first = spool.first_offset();
    assert!(first > 100, "consumed segments go as before");
    assert_eq!(spool.rewind("postgres", 5).unwrap(), first, "what is gone is gone");
}

#[test]
fn a_rewound_cursor_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(1);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    fill(&mut appender, 3);
    spool.save_cursor("postgres", 120).unwrap();
    spool.maintain().unwrap();
    spool.rewind("postgres", 40).unwrap();
    disk.cut_power();
    let (_, spool, _) = open_on(Arc::new(disk), &options(&directory)).unwrap();
    assert_eq!(spool.cursor("postgres"), Some(40));
}

#[test]
fn nothing_is_appended_while_a_consumer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut appender, spool, _) = open(&options(&directory)).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    fill(&mut appender, 1);
    spool.refuse("postgres", Some("another history".to_owned()));
    assert!(spool.full_flag().load(Ordering::Acquire), "the doors close at once");
    let appending = thread::spawn(move || appender.append(&mut portion(1, 7)).map(|_| appender));
    thread::sleep(Duration::from_millis(300));
    assert_eq!((spool.next_offset(), spool.refusal().as_deref()), (40, Some("another history")));
    spool.refuse("postgres", None);
    let _appender = appending.join().unwrap().unwrap();
    assert_eq!((spool.next_offset(), spool.refusal()), (41, None));
    assert!(!spool.full_flag().load(Ordering::Acquire));
}

#[test]
fn a_copy_that_went_on_knows_what_it_does_not_hold() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = open(&options).unwrap();
    fill(&mut appender, 2);
    spool.close().unwrap();
    drop((appender, spool));
    let backup = directory.path().join("backup");
    copy(&options.directory, &backup);
    let (mut appender, spool, _) = open(&options).unwrap();
    fill(&mut appender, 2);
    let remembered = spool.position(160);
    assert_eq!(spool.resume(&remembered), Resume::At(160));
    drop((appender, spool));
    let restored = SpoolOptions { directory: backup, ..options };
    let (mut appender, spool, _) = open(&restored).unwrap();
    fill(&mut appender, 9);
    assert_eq!(spool.resume(&remembered), Resume::NotInHistory { shared: Some(80) });
    let name = uuid::Uuid::new_v4();
    spool.adopt(name).unwrap();
    drop((appender, spool));
    let (_, spool, _) = open(&restored).unwrap();
    assert_eq!(spool.name(), name);
    assert_ne!(spool.id(), name, "the files keep theirs");
    assert_eq!(spool.resume(&spool.position(80)), Resume::At(80));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_mirror_that_stays_behind_is_cut_off_and_never_fills_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(3);
    let small = SpoolOptions { max_bytes: 256 << 10, ..options(&directory) };
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &small).unwrap();
    let mirror = Consumer::resync("mongodb", 128 << 10);
    spool.register(&Consumer::hold("postgres").settling()).unwrap();
    spool.register(&mirror).unwrap();
    for salt in 0..400 {
        // Without a cut-off this blocks for ever at the cap.
        appender.append(&mut portion(40, salt)).unwrap();
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
    }
    assert!(spool.is_cut_off("mongodb") && !spool.full_flag().load(Ordering::Acquire));
    assert_eq!((spool.cursor("mongodb"), spool.settled()), (Some(0), Some(spool.next_offset())));
    drop((appender, spool));
    disk.kill_process();
    // It stays cut off over a restart, until it has been brought back from elsewhere.
    let (mut appender, spool, _) = open_on(Arc::new(disk), &small).unwrap();
    spool.register(&Consumer::hold("postgres").settling()).unwrap();
    spool.register(&mirror).unwrap();
    assert!(spool.is_cut_off("mongodb"));
    assert!(matches!(spool.restart_at("mongodb", 0), Err(SpoolError::OffsetGone { .. })));
    let end = spool.next_offset();
    spool.restart_at("mongodb", end).unwrap();
    assert!(!spool.is_cut_off("mongodb"));
    appender.append(&mut portion(1, 1)).unwrap();
    assert_eq!(readings_in(&spool, end).len(), 1);
}
