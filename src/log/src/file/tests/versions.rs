//! Each version of each kind of record, held to committed bytes: what any release wrote is read, and what is written today
//! stays as it is. One step back: what a later release wrote is refused with the remedy, and left as it is.

use super::super::record::{self, HAS_OFFSETS, HEADER_BYTES, decode, encode, kind};
use super::super::{cursor, event_samples, quarantine};
use super::golden::with_section;
use super::*;
use genims_model::snapshot::SnapshotFields;
use genims_model::{
    DeadLetter, Epoch, Lineage, MachineNo, Position, Protocol, Quality, Reading, Reason, Row, Snapshot, Status,
};
use std::collections::BTreeMap;
use uuid::Uuid;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Every combination of what a reading says in one byte.
fn readings() -> Vec<Reading> {
    let mut readings = Vec::new();
    for protocol in (0..=u8::MAX).map_while(Protocol::from_u8) {
        for status in (0..=u8::MAX).map_while(Status::from_u8) {
            for quality in (0..=u8::MAX).map_while(Quality::from_u8) {
                let salt = readings.len() as u64 + 1;
                readings.push(Reading { protocol, status, quality, ..samples::reading(salt) });
            }
        }
    }
    readings
}

/// One with everything that a payload may say, one with nothing.
fn snapshots() -> Vec<Snapshot> {
    let text = |text: &str| Some(text.to_owned());
    let whole = SnapshotFields {
        machine_state: "RUNNING".to_owned(),
        operation_mode: text("AUTO"),
        fault_code: text("F7"),
        fault_description: text("spindle"),
        parts_produced_cumulative: Some(9_000_000_001),
        parts_produced_shift: Some(40),
        parts_rejected_shift: Some(2),
        target_cycle_time_seconds: Some(30),
        actual_cycle_time_seconds: Some(31.5),
        availability_percentage: Some(90.0),
        performance_percentage: Some(80.0),
        quality_percentage: Some(95.0),
        oee_percentage: Some(68.4),
        spindle_speed_rpm: Some(12_000),
        feed_rate_mm_min: Some(300.25),
        tool_number: Some(3),
        program_number: text("O1234"),
        power_consumption_kw: Some(7.5),
        energy_consumed_kwh: Some(1_200.125),
        temperature_setpoint_c: Some(60.0),
        temperature_actual_c: Some(61.5),
        pressure_setpoint_bar: Some(6.0),
        pressure_actual_bar: Some(5.75),
        downtime_seconds_shift: Some(120),
        last_fault_timestamp_us: Some(-5),
        uptime_seconds_shift: Some(3_000),
        active_alarms: Some(1),
        alarm_codes: text("A1,A2"),
        warning_codes: text("W9"),
        shift_id: text("A"),
        operator_id: text("EMP-17"),
        data_source: text("PLC"),
        data_quality: text("good"),
    };
    let bare = SnapshotFields { machine_state: "IDLE".to_owned(), ..SnapshotFields::default() };
    let of = |fields| Snapshot { machine: MachineNo(2), source: 1, received_us: 2, timestamp_us: 3, fields };
    vec![of(whole), of(bare)]
}

/// One that changes what is there, one that does not.
fn rows() -> Vec<Row> {
    vec![samples::row(1), samples::row(2)]
}

fn first_version(reason: Reason) -> u16 {
    match reason {
        Reason::BadRow => 4,
        Reason::NotAllowed => 3,
        Reason::TooLarge => 2,
        _ => 1,
    }
}

/// One for each reason that a section of this version may hold.
fn dead_letters(version: u16) -> Vec<DeadLetter> {
    let reasons = Reason::ALL.into_iter().filter(|reason| first_version(*reason) <= version);
    let dead_letter = |(number, reason): (u64, Reason)| DeadLetter {
        source: 2,
        client: if number.is_multiple_of(2) { String::new() } else { format!("plc-{number}") },
        received_us: 100 + number.cast_signed(),
        topic: "genims/v1/F1/L1/M1/X".to_owned(),
        reason,
        detail: format!("tried {}", reason.code()),
        payload: vec![0, 0xFF, number as u8],
        payload_bytes: 3 + number,
        records: 1 + number % 3,
    };
    (0..).zip(reasons).map(dead_letter).collect()
}

fn marks() -> Vec<Mark> {
    let mark = |client: &str, sequence| Mark { client: client.to_owned(), sequence };
    vec![mark("plc-9", 17), mark(Mark::RECEIVED, 1_700_000_000_000_000), mark("log/of another", u64::MAX)]
}

/// The records of every kind in every version, by the name of their golden file.
fn records() -> BTreeMap<String, Vec<u8>> {
    let encoded = |portion: Portion| {
        let mut bytes = Vec::new();
        encode(&portion, 1_000, 640, usize::MAX, &mut bytes).unwrap();
        bytes
    };
    let mut records = BTreeMap::new();
    for version in 1..=record::version_max(kind::EVENT) {
        let events = event_samples::of_version(version);
        records.insert(format!("events-{version}"), encoded(Portion { events, ..Portion::default() }));
    }
    for version in 1..=record::version_max(kind::DEAD_LETTER) {
        let dead_letters = dead_letters(version);
        records.insert(format!("dead-letters-{version}"), encoded(Portion { dead_letters, ..Portion::default() }));
    }
    records.insert("readings-1".to_owned(), encoded(Portion { readings: readings(), ..Portion::default() }));
    records.insert("snapshots-1".to_owned(), encoded(Portion { snapshots: snapshots(), ..Portion::default() }));
    records.insert("rows-1".to_owned(), encoded(Portion { rows: rows(), ..Portion::default() }));
    records.insert("marks-1".to_owned(), encoded(Portion { marks: marks(), ..Portion::default() }));
    let mut lost = Vec::new();
    record::encode_lost(1_000, 7, &mut lost).unwrap();
    records.insert("lost-1".to_owned(), lost);
    records
}

/// What stands in a golden file.
fn expected(name: &str) -> Group {
    let mut group = Group { first_offset: 1_000, ..Group::default() };
    match name.rsplit_once('-').map(|(kind, version)| (kind, version.parse().unwrap())).unwrap() {
        ("events", version) => group.events = event_samples::of_version(version),
        ("dead-letters", version) => group.dead_letters = dead_letters(version),
        ("readings", 1) => group.readings = readings(),
        ("snapshots", 1) => group.snapshots = snapshots(),
        ("rows", 1) => group.rows = rows(),
        ("marks", 1) => group.marks = marks(),
        ("lost", 1) => group.skipped = 7,
        _ => panic!("{name}: nobody knows what this file holds"),
    }
    group
}

/// A change of these bytes is a new version of the kind: give it a number, a golden file, and keep reading this one.
#[test]
fn every_version_of_every_kind_is_written_and_read_byte_for_byte() {
    let records = records();
    for (name, written) in &records {
        let format = if name.starts_with("rows") { 3 } else { 2 };
        let kept = golden(&format!("v{format}/{name}.bin"));
        let kept = std::fs::read(&kept).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            record::Header::parse(&kept).unwrap().format,
            format,
            "{name}: a release without rows refuses these"
        );
        assert_eq!(decode(&kept), Ok((expected(name), kept.len())), "{name}");
        assert!(kept == *written, "{name} is written otherwise than it was");
        let version: u16 = name.rsplit_once('-').unwrap().1.parse().unwrap();
        let said = u16::from_le_bytes([kept[HEADER_BYTES + 2], kept[HEADER_BYTES + 3]]);
        assert_eq!(said, version, "{name}: the version that its section says");
    }
    let kept: usize = ["v2", "v3"].map(|folder| std::fs::read_dir(golden(folder)).unwrap().count()).iter().sum();
    // Rows were once written in the format before.
    let earlier = std::fs::read(golden("v2/rows-1.bin")).unwrap();
    assert_eq!(decode(&earlier), Ok((expected("rows-1"), earlier.len())));
    assert_eq!(kept, records.len() + 1, "a golden file that nothing is compared with");
}

/// What a release does not know must be in a section whose version it refuses: else it takes the record for damage.
#[test]
fn each_event_and_each_reason_has_the_version_that_first_held_it() {
    let version = |portion: &Portion| {
        let mut bytes = Vec::new();
        encode(portion, 0, 0, usize::MAX, &mut bytes).unwrap();
        u16::from_le_bytes([bytes[HEADER_BYTES + 2], bytes[HEADER_BYTES + 3]])
    };
    for event in event_samples::of_version(u16::MAX) {
        let expected = event_samples::version(&event);
        assert_eq!(version(&Portion { events: vec![event.clone()], ..Portion::default() }), expected, "{event:?}");
    }
    for dead_letter in dead_letters(u16::MAX) {
        let expected = first_version(dead_letter.reason);
        let dead_letters = vec![dead_letter.clone()];
        assert_eq!(version(&Portion { dead_letters, ..Portion::default() }), expected, "{dead_letter:?}");
    }
}

fn copied(name: &str, directory: &Path) -> SpoolOptions {
    std::fs::create_dir_all(directory).unwrap();
    for entry in std::fs::read_dir(golden(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
    }
    SpoolOptions { directory: directory.into(), max_bytes: 64 << 10, segment_bytes: 8_192, ..SpoolOptions::default() }
}

/// What the undrained log of the release with events of versions 2 and 3 holds, portion by portion.
fn portions_of_version_2() -> Vec<Portion> {
    let marks = vec![Mark { client: "plc-9".to_owned(), sequence: 17 }];
    vec![
        portion(60, 0),
        Portion { events: event_samples::of_version(1), marks, ..Portion::default() },
        Portion { events: event_samples::of_version(2), snapshots: snapshots(), ..Portion::default() },
        Portion { events: event_samples::of_version(3), readings: vec![samples::reading(9)], ..Portion::default() },
        Portion { dead_letters: dead_letters(2), ..Portion::default() },
        portion(2, 5),
    ]
}

/// What its log of events holds: events alone, with marks that say how far the other log was read.
fn portions_of_events() -> Vec<Portion> {
    let marks = |read| {
        let mark = |client: &str, sequence| Mark { client: client.to_owned(), sequence };
        vec![mark(Mark::RECEIVED, 1_700_000_000_000_000), mark("log/00000000-0000-0000-0000-000000000009", read)]
    };
    let portion = |version, read| Portion {
        events: event_samples::of_version(version),
        marks: marks(read),
        ..Portion::default()
    };
    vec![portion(2, 95), portion(3, 140)]
}

/// The same for the log that lies in the folder of golden files under this name.
fn is_continued(name: &str, consumer: &str, cursor: u64, held: &[Portion]) {
    let directory = tempfile::tempdir().unwrap();
    goes_on(name, &copied(name, directory.path()), consumer, cursor, held);
}

/// Continues a log twice over; what it held stays as it was, and is read from the consumer's cursor on.
fn goes_on(name: &str, options: &SpoolOptions, consumer: &str, cursor: u64, held: &[Portion]) {
    let before: Vec<_> =
        segments(&options.directory).into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect();
    let epoch = first_epoch(&options.directory);
    let mut whole = Group::default();
    for portion in held {
        let mut group = samples::group_of(portion, 0);
        whole.readings.append(&mut group.readings);
        whole.snapshots.append(&mut group.snapshots);
        whole.events.append(&mut group.events);
        whole.dead_letters.append(&mut group.dead_letters);
        whole.rows.append(&mut group.rows);
    }
    let end = whole.len();
    for restart in 0..2_u64 {
        let (mut appender, spool, recovered) = start(options).unwrap();
        assert_eq!((recovered.first_offset, recovered.next_offset), (0, end + 3 * restart), "{name}");
        for mark in held.iter().flat_map(|portion| &portion.marks) {
            assert!(recovered.marks.get(&mark.client) >= Some(&mark.sequence), "{name}: {mark:?}");
        }
        let open: Vec<i64> = recovered.open_faults.iter().map(|fault| fault.start_us).collect();
        assert_eq!(open, [12], "{name}: every opening of the other fault is followed by its end");
        assert_eq!(spool.register(&Consumer::hold(consumer)).unwrap(), cursor);
        let stored = Position::of(spool.id(), Lineage::of(&[epoch]), cursor);
        assert_eq!(spool.resume(&stored), crate::history::Resume::At(cursor), "{name}: a position of that release");
        let mut found = Group::default();
        let mut readings = 0;
        spool
            .replay(0, |group| {
                readings += group.readings.len();
                found.snapshots.extend_from_slice(&group.snapshots);
                found.events.extend_from_slice(&group.events);
                found.dead_letters.extend_from_slice(&group.dead_letters);
                found.rows.extend_from_slice(&group.rows);
            })
            .unwrap();
        assert_eq!(readings as u64, whole.readings.len() as u64 + 3 * restart);
        assert_eq!(found, Group { readings: Vec::new(), ..whole.clone() }, "{name}");
        let behind: u64 = {
            let mut reader = spool.reader(cursor).unwrap();
            std::iter::from_fn(|| reader.try_next().unwrap()).map(|group| group.len()).sum()
        };
        assert_eq!(behind, end + 3 * restart - cursor, "{name}: from the cursor on");
        appender.append(&mut portion(3, restart)).unwrap();
    }
    for (old, path) in before {
        let now = std::fs::read(&path).unwrap();
        let written = old.len() - old.iter().rev().take_while(|byte| **byte == 0).count();
        assert!(now[..written] == old[..written], "{name}: {} has changed", path.display());
    }
}

/// The first opening, as the history says it: what a database of that release remembers.
fn first_epoch(directory: &Path) -> Epoch {
    let history = std::fs::read(directory.join("history")).unwrap();
    let number = |at: usize| u64::from_le_bytes(history[at..at + 8].try_into().unwrap());
    Epoch { id: Uuid::from_slice(&history[24..40]).unwrap(), start: number(40) }
}

#[test]
fn the_undrained_logs_with_events_of_versions_2_and_3_are_continued() {
    is_continued("v2-log", "postgres", 25, &portions_of_version_2());
    is_continued("v2-events", "genims_hr_db", 13, &portions_of_events());
}

/// No release has left a log with rows yet: this one is written here, and its rows are held to the golden bytes of a record.
#[test]
fn an_undrained_log_with_rows_is_continued() {
    let portions = || {
        let mut portions = portions_of_version_2();
        portions[2].rows = rows();
        portions.insert(1, Portion { rows: rows(), ..Portion::default() });
        portions
    };
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    let (mut appender, spool, _) = start(&options).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    portions().iter_mut().for_each(|portion| drop(appender.append(portion).unwrap()));
    spool.save_cursor("postgres", 61).unwrap();
    spool.close().unwrap();
    drop((appender, spool));
    let kept = std::fs::read(golden("v3/rows-1.bin")).unwrap();
    let written: Vec<u8> = segments(&options.directory).iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    let section = memchr::memmem::find(&written, &kept[HEADER_BYTES..]).expect("a section of rows as it was");
    assert_eq!(&written[section - HEADER_BYTES..][..4], b"GSR3", "a release without rows must refuse the record");
    goes_on("a log with rows", &options, "postgres", 61, &portions());
}

/// The files of a directory, whole.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let kept = |path: &PathBuf| path.is_file() && path.extension().is_none_or(|end| end != "tmp");
    paths.filter(kept).map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Without a thread that works on the files.
fn start(options: &SpoolOptions) -> Result<(super::super::Appender, Spool, Recovered), SpoolError> {
    open_on(Arc::new(super::super::disk::RealDisk), options)
}

/// A log with a cursor and records, closed.
fn closed_log(directory: &TempDir) -> SpoolOptions {
    let options = options(directory);
    let (mut appender, spool, _) = start(&options).unwrap();
    spool.register(&Consumer::hold("postgres")).unwrap();
    appender.append(&mut portion(5, 1)).unwrap();
    spool.save_cursor("postgres", 3).unwrap();
    spool.close().unwrap();
    options
}

/// Gives the slot at `at` the next version, as the release after this one would write it.
fn raise_slot(path: &Path, at: usize, bytes: usize) {
    let mut content = std::fs::read(path).unwrap();
    let slot = &mut content[at..at + bytes];
    assert_eq!(slot[3], b'1', "{}: the version of the slot at {at}", path.display());
    slot[3] += 1;
    let sum = crc32fast::hash(&slot[..bytes - 4]);
    slot[bytes - 4..].copy_from_slice(&sum.to_le_bytes());
    std::fs::write(path, content).unwrap();
}

#[test]
fn what_a_later_release_wrote_is_refused_and_left_as_it_is() {
    type Raise = fn(&Path);
    let cases: [(&str, u32, Raise); 5] = [
        ("segment-", 3, |path| {
            let mut content = std::fs::read(path).unwrap();
            content[8] = 3;
            std::fs::write(path, content).unwrap();
        }),
        ("segment-", record::FORMAT + 1, |path| {
            // The newest record, in the format after this one.
            let mut content = std::fs::read(path).unwrap();
            let at = memchr::memmem::find(&content, b"GSR2").unwrap();
            content[at + 3] = b'0' + record::FORMAT as u8 + 1;
            let length = u32::from_le_bytes(content[at + 4..at + 8].try_into().unwrap()) as usize + HEADER_BYTES;
            record::reseal(&mut content[at..at + length], 0);
            std::fs::write(path, content).unwrap();
        }),
        ("segment-", u32::from(record::version_max(kind::EVENT)) + 1, |path| {
            // A record with a version of events that is not known yet.
            let mut content = std::fs::read(path).unwrap();
            let at = memchr::memmem::find(&content, b"GSR2").unwrap();
            let mut bytes = Vec::new();
            encode(&portion(2, 1), 0, 0, usize::MAX, &mut bytes).unwrap();
            let version = record::version_max(kind::EVENT) + 1;
            let newer = with_section(bytes, kind::EVENT, version, HAS_OFFSETS, 1, b"whatever it is");
            content[at..at + newer.len()].copy_from_slice(&newer);
            std::fs::write(path, content).unwrap();
        }),
        // The slot written last, in the second block of the cursor.
        ("cursor-", cursor::VERSION + 1, |path| {
            let content = std::fs::read(path).unwrap();
            let newest = [0_usize, 4096].into_iter().filter(|at| content[at + 3] == b'1');
            let newest = newest.max_by_key(|at| u64::from_le_bytes(content[at + 20..at + 28].try_into().unwrap()));
            raise_slot(path, newest.unwrap(), 40);
        }),
        ("history", 2, |path| raise_slot(path, 0, 64)),
    ];
    for (number, (name, version, raise)) in cases.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let options = closed_log(&directory);
        let whole = files(&options.directory);
        let path = whole.keys().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
        raise(path);
        let raised = files(&options.directory);
        assert_ne!(raised, whole);
        for attempt in ["a start", "quarantine"] {
            let error = match attempt {
                "a start" => start(&options).map(|_| ()).unwrap_err(),
                // Which does not look at the history.
                _ if name == "history" => continue,
                _ => quarantine::quarantine(&options.directory).map(|_| ()).unwrap_err(),
            };
            let is_refused = matches!(&error, SpoolError::Version { file, found, expected }
                if file == path && *found == version && *expected + 1 == version);
            assert!(is_refused, "case {number}, {attempt}: {error}");
            for part in [path.to_str().unwrap(), &format!("version {version}"), "start the newer version"] {
                assert!(error.to_string().contains(part), "case {number}, {attempt}: {error}");
            }
            let left = files(&options.directory);
            assert_eq!(left[path], raised[path], "case {number}, {attempt}: the file was touched");
        }
        std::fs::write(path, &whole[path]).unwrap();
        assert_eq!(start(&options).unwrap().2.next_offset, 5, "case {number}: as it was, it is read");
    }
}

/// A checksum that is right proves that the record was written so: it was acknowledged, and is no torn tail.
#[test]
fn a_whole_record_that_is_not_understood_is_never_cut() {
    let directory = tempfile::tempdir().unwrap();
    let options = closed_log(&directory);
    let path = segments(&options.directory)[0].clone();
    let mut content = std::fs::read(&path).unwrap();
    let at = memchr::memmem::find(&content, b"GSR2").unwrap();
    let length = u32::from_le_bytes(content[at + 4..at + 8].try_into().unwrap()) as usize + HEADER_BYTES;
    // The protocol of the first reading: one that nobody knows.
    content[at + HEADER_BYTES + record::SECTION_BYTES + 4] = 200;
    record::reseal(&mut content[at..at + length], 0);
    std::fs::write(&path, &content).unwrap();
    let error = start(&options).map(|_| ()).unwrap_err();
    assert!(matches!(&error, SpoolError::Damaged { position, .. } if *position == at as u64), "{error}");
    assert!(error.to_string().contains("a later release"), "{error}");
    assert!(std::fs::read(&path).unwrap() == content, "the file was touched");
}
