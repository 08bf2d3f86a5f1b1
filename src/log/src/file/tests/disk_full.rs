//! A full disk, wherever it shows: waited out, never a reason to stop, and nothing acknowledged is lost by it.

use super::*;

/// Appends portion after portion until told to end; the offset behind the last acknowledged record.
fn append_until(
    mut appender: super::super::Appender,
    ended: Arc<std::sync::atomic::AtomicBool>,
) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        for salt in 0.. {
            appender.append(&mut samples::portion(10, 1, 1, salt)).unwrap();
            if ended.load(Ordering::Acquire) {
                break;
            }
        }
        appender.next_offset()
    })
}

#[test]
fn a_full_disk_that_only_a_sync_tells_is_waited_out_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..30 {
        let disk = FakeDisk::new(seed);
        let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
        spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
        for salt in 0..seed {
            appender.append(&mut samples::portion(10, 1, 1, salt)).unwrap();
        }
        let (full, ended) = (spool.full_flag(), Arc::default());
        disk.set_full_at_sync(1.0);
        let appending = append_until(appender, Arc::clone(&ended));
        eventually("the disk is full", || full.load(Ordering::Acquire));
        let stuck_at = spool.next_offset();
        thread::sleep(Duration::from_millis(5));
        assert!(spool.failure().is_none(), "{:?}", spool.failure());
        assert_eq!(spool.next_offset(), stuck_at);
        assert!(spool.full_because().is_some_and(|cause| cause.contains("the disk of")));
        ended.store(true, Ordering::Release);
        disk.set_full_at_sync(0.0);
        let end = appending.join().unwrap();
        assert!(end > stuck_at && !full.load(Ordering::Acquire));
        assert_eq!(spool.full_because(), None);
        let readings = readings_in(&spool, 0);
        drop(spool);
        disk.cut_power();
        let (_appender, spool, recovered) = open_on(Arc::new(disk), &options(&directory)).unwrap();
        assert_eq!(recovered.next_offset, end, "seed {seed}");
        assert_eq!(readings_in(&spool, 0), readings, "seed {seed}");
    }
}

#[test]
fn a_disk_smaller_than_cap_and_retained_segments_gives_up_what_it_retains() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(3);
    let options = SpoolOptions { retain_bytes: 256 << 10, ..options(&directory) };
    disk.set_capacity(Some(200 << 10));
    for restart in 0..3 {
        let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options).unwrap();
        spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
        let begin = spool.next_offset();
        let watched = spool.clone();
        let appending = thread::spawn(move || {
            for salt in 0..300 {
                appender.append(&mut portion(40, salt)).unwrap();
            }
        });
        eventually("all is appended", || {
            watched.save_cursor("postgres", watched.next_offset()).unwrap();
            watched.next_offset() == begin + 300 * 40
        });
        appending.join().unwrap();
        assert!(spool.failure().is_none() && spool.first_offset() > begin, "restart {restart}");
        spool.close().unwrap();
        drop((spool, watched));
        disk.kill_process();
    }
}

#[test]
fn a_sink_registers_without_room_for_its_cursor_and_gets_the_file_later() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(4);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    disk.set_full_at_sync(1.0);
    assert_eq!(spool.register(&crate::contract::Consumer::hold("postgres")).unwrap(), 0);
    disk.set_full_at_sync(0.0);
    appender.append(&mut portion(10, 1)).unwrap();
    spool.save_cursor("postgres", 7).unwrap();
    disk.set_full_at_sync(1.0);
    assert!(spool.maintain().is_err() && spool.failure().is_none(), "a cursor that finds no room stops nothing");
    disk.set_full_at_sync(0.0);
    spool.maintain().unwrap();
    drop((appender, spool));
    disk.cut_power();
    let (_appender, spool, _) = open_on(Arc::new(disk), &options(&directory)).unwrap();
    assert_eq!(spool.cursor("postgres"), Some(7));
}

#[test]
fn a_cursor_without_a_file_can_go_back_once_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(6);
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
    disk.set_full_at_sync(1.0);
    spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
    disk.set_full_at_sync(0.0);
    appender.append(&mut portion(10, 1)).unwrap();
    spool.save_cursor("postgres", 7).unwrap();
    disk.set_full_at_sync(1.0);
    let error = spool.rewind("postgres", 3).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    disk.set_full_at_sync(0.0);
    assert_eq!(spool.rewind("postgres", 3).unwrap(), 3);
    drop((appender, spool));
    disk.cut_power();
    let (_appender, spool, _) = open_on(Arc::new(disk), &options(&directory)).unwrap();
    assert_eq!(spool.cursor("postgres"), Some(3));
}

#[test]
fn a_power_cut_on_a_nearly_full_disk_leaves_every_acknowledged_record_and_no_mark_without_its_records() {
    let directory = tempfile::tempdir().unwrap();
    for seed in 0..60 {
        let disk = FakeDisk::new(seed);
        let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options(&directory)).unwrap();
        spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
        disk.set_full_at_sync(0.6);
        let closing = spool.clone();
        let appending = thread::spawn(move || {
            for salt in 0..500 {
                if appender.append(&mut samples::portion(10, 1, 1, salt)).is_err() {
                    break;
                }
            }
            appender
        });
        eventually("some room was missing", || closing.metrics().full_episodes.load(Ordering::Relaxed) > seed % 3);
        let acknowledged = spool.next_offset();
        disk.cut_power();
        let _ = closing.close();
        drop((appending.join().unwrap(), spool, closing));
        let (_appender, spool, recovered) = open_on(Arc::new(disk), &options(&directory)).unwrap();
        assert!(recovered.next_offset >= acknowledged, "seed {seed}");
        let mut marks = std::collections::HashMap::new();
        let note = |group: &Group| {
            for mark in &group.marks {
                let known = marks.entry(mark.client.clone()).or_insert(0);
                *known = mark.sequence.max(*known);
            }
        };
        spool.replay(0, note).unwrap();
        assert_eq!(recovered.marks, marks, "seed {seed}");
    }
}

/// Unmounts when the test ends, however it does.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A real file system of one MiB; `None` where mounting is not permitted. With `GENIMS_MUST_MOUNT=1`, which CI sets, that is a
/// failure.
fn small_file_system(directory: &Path) -> Option<Mounted> {
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(directory).output();
    let mounted = mount.is_ok_and(|output| output.status.success()).then(|| Mounted(directory.to_owned()));
    let must = std::env::var("GENIMS_MUST_MOUNT").is_ok_and(|value| value == "1");
    assert!(mounted.is_some() || !must, "GENIMS_MUST_MOUNT=1, and this user may not mount a file system");
    mounted
}

#[test]
fn a_real_file_system_smaller_than_cap_and_retained_segments_is_lived_with() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_mounted) = small_file_system(directory.path()) else {
        eprintln!("not run: this user may not mount a file system");
        return;
    };
    let options = SpoolOptions {
        directory: directory.path().join("spool"),
        max_bytes: 8 << 20,
        segment_bytes: 128 << 10,
        retain_bytes: 2 << 20,
        ..options(&directory)
    };
    for _ in 0..2 {
        let (mut appender, spool, _) = open(&options).unwrap();
        spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
        let (begin, watched) = (spool.next_offset(), spool.clone());
        let appending = thread::spawn(move || {
            for salt in 0..1_000 {
                appender.append(&mut portion(40, salt)).unwrap();
            }
        });
        eventually("all is appended", || {
            watched.save_cursor("postgres", watched.next_offset()).unwrap();
            watched.next_offset() == begin + 40_000
        });
        appending.join().unwrap();
        assert!(spool.failure().is_none() && spool.bytes() <= 1 << 20);
        spool.close().unwrap();
    }
}

#[test]
fn a_want_of_file_handles_is_waited_out_and_gives_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(5);
    let options = SpoolOptions { retain_bytes: 256 << 10, ..options(&directory) };
    let (appender, spool, _) = open_on(Arc::new(disk.clone()), &options).unwrap();
    spool.register(&crate::contract::Consumer::hold("postgres")).unwrap();
    let (full, ended) = (spool.full_flag(), Arc::default());
    disk.set_no_handles(true);
    let appending = append_until(appender, Arc::clone(&ended));
    eventually("the next segment waits", || full.load(Ordering::Acquire));
    let stuck_at = spool.next_offset();
    spool.save_cursor("postgres", stuck_at).unwrap();
    assert!(spool.maintain().is_err(), "nothing can be opened");
    thread::sleep(Duration::from_millis(5));
    assert_eq!((spool.failure(), spool.next_offset(), spool.first_offset()), (None, stuck_at, 0));
    assert!(spool.full_because().is_some_and(|cause| cause.contains("ulimit")));
    ended.store(true, Ordering::Release);
    disk.set_no_handles(false);
    assert!(appending.join().unwrap() > stuck_at && !full.load(Ordering::Acquire));
    spool.maintain().unwrap();
    assert_eq!(spool.failure(), None);
}

#[test]
fn a_log_at_its_cap_that_finds_no_room_to_compact_waits_for_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(7);
    let options = SpoolOptions { max_bytes: 64 << 10, segment_bytes: 8 << 10, ..options(&directory) };
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    spool.register(&Consumer::compact("erp", "genims_erp_db", 0)).unwrap();
    for salt in 0.. {
        appender.append(&mut samples::portion(10, 1, 1, salt)).unwrap();
        if spool.bytes() >= 56 << 10 {
            break;
        }
    }
    disk.set_capacity(Some(1));
    let ended = Arc::default();
    let appending = append_until(appender, Arc::clone(&ended));
    // Those that it waits for have everything, so the cap is not what it waits for.
    eventually("the disk is full", || {
        spool.save_cursor("postgres", spool.next_offset()).unwrap();
        spool.full_because().is_some_and(|cause| cause.contains("the disk of"))
    });
    ended.store(true, Ordering::Release);
    disk.set_capacity(None);
    let end = appending.join().unwrap();
    assert_eq!((spool.next_offset(), spool.failure(), spool.full_because()), (end, None, None));
}
