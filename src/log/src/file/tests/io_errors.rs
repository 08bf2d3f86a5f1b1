//! EIO, wherever it shows: what is acknowledged stays, what cannot be read now is read later, and nothing is taken for lost.

use super::super::fake_errors::Call;
use super::super::quarantine;
use super::*;

fn options() -> SpoolOptions {
    SpoolOptions {
        directory: "/spool".into(),
        max_bytes: 1 << 20,
        segment_bytes: 4_096,
        memory_bytes: 0,
        retain_bytes: 256 << 10,
        fsync: true,
    }
}

/// A log of some segments on a simulated disk, its cursor at the end; the readings in it.
fn log_on(disk: &FakeDisk) -> Vec<u32> {
    let (mut appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    for salt in 0..40 {
        appender.append(&mut samples::portion(10, 0, 1, salt * 100)).unwrap();
    }
    spool.save_cursor("postgres", spool.next_offset()).unwrap();
    let readings = readings_in(&spool, 0);
    spool.close().unwrap();
    assert!(readings.len() == 400 && spool.metrics().segments_created.load(Ordering::Relaxed) > 4);
    readings
}

#[test]
fn a_reader_goes_on_where_a_read_failed() {
    for (seed, call) in (0..20).flat_map(|seed| [(seed, Call::Open), (seed, Call::Read)]) {
        let disk = FakeDisk::new(seed);
        let readings = log_on(&disk);
        let (_appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
        let mut reader = spool.reader(0).unwrap();
        let (mut found, mut failures) = (Vec::new(), 0);
        disk.fail_calls(call, 0.5);
        while found.len() < readings.len() {
            match reader.try_next() {
                Ok(Some(group)) => found.extend(group.readings.iter().map(|reading| reading.sensor.0)),
                Ok(None) => panic!("{call:?}, seed {seed}: the log ends after {} readings", found.len()),
                Err(error) => {
                    assert!(error.to_string().contains("check the disk"), "{error}");
                    failures += 1;
                }
            }
        }
        assert!(found == readings && spool.failure().is_none(), "{call:?}, seed {seed}: {:?}", spool.failure());
        assert!(failures > 0 || seed > 0, "nothing failed");
    }
}

/// A disk that does not answer now has lost nothing yet: its files stay where they are.
#[test]
fn what_cannot_be_read_now_is_never_set_aside_as_lost() {
    let (mut failures, in_first_segment) = (0, 46);
    for (seed, call) in (0..60).flat_map(|seed| [(seed, Call::Open), (seed, Call::Read)]) {
        let disk = FakeDisk::new(seed);
        let readings = log_on(&disk);
        // With damage that all have passed a start, too, looks at the whole log.
        let harmed = seed % 2 == 0;
        if harmed {
            let names = super::super::disk::Disk::list(&disk, Path::new("/spool")).unwrap();
            let second = names.iter().filter(|name| name.starts_with("segment-")).min().unwrap();
            let file = disk.open_file(&Path::new("/spool").join(second)).unwrap().unwrap();
            file.write_at(&[0xFF; 4], 20).unwrap();
            file.sync().unwrap();
        }
        disk.fail_calls(call, [1.0, 0.3, 0.1][seed as usize % 3]);
        for _ in 0..3 {
            let attempts = [
                super::super::hold_lock(&disk, Path::new("/spool"))
                    .and_then(|_lock| quarantine::mend(&disk, Path::new("/spool"), None))
                    .map(|_| ()),
                open_on(Arc::new(disk.clone()), &options()).map(|_| ()),
            ];
            for error in attempts.into_iter().filter_map(Result::err) {
                assert!(matches!(error, SpoolError::Io { .. }), "{call:?}, seed {seed}: {error}");
                failures += 1;
            }
        }
        disk.kill_process();
        let (_appender, spool, recovered) = open_on(Arc::new(disk), &options()).unwrap();
        assert_eq!(recovered.next_offset, 400, "{call:?}, seed {seed}");
        // The harmed one, which all have passed, may go: nobody needs it, and a start does not wait for it to be readable.
        let first = spool.first_offset();
        assert!(first == 0 || harmed && first == in_first_segment, "{call:?}, seed {seed}: begins at {first}");
        let found = readings_in(&spool, first);
        assert!(found == readings[first as usize..], "{call:?}, seed {seed}: {} of 400 readings are left", found.len());
    }
    assert!(failures > 100, "{failures} failures");
}

/// The database went back, and the disk would not take it down: it is told later, before a crash can forget it.
#[test]
fn a_way_back_that_could_not_be_saved_is_saved_by_housekeeping() {
    for call in [Call::Write, Call::Open] {
        let disk = FakeDisk::new(1);
        log_on(&disk);
        let (_appender, spool, _) = open_on(Arc::new(disk.clone()), &options()).unwrap();
        assert_eq!(spool.register(&Consumer::hold("postgres")).unwrap(), 400);
        disk.fail_calls(call, 1.0);
        let rewound = spool.rewind("postgres", 30);
        // The file is open already.
        assert_eq!(rewound.is_err(), call == Call::Write, "{rewound:?}");
        disk.fail_calls(call, 0.0);
        spool.maintain().unwrap();
        disk.cut_power();
        let (_appender, spool, _) = open_on(Arc::new(disk), &options()).unwrap();
        assert_eq!(spool.cursor("postgres"), Some(30), "{call:?}");
    }
}
