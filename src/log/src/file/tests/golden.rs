//! The formats, held to committed bytes: what an older release wrote is read, what is written today stays as it is.

use super::super::record::{self, Damage, HAS_OFFSETS, HEADER_BYTES, Header, SECTION_BYTES, decode, encode, kind};
use super::*;
use genims_model::{Event, MachineNo, Row, SensorNo};
use serde::{Deserialize, Serialize};

const RECORD_V1: &[u8] = include_bytes!("../../../tests/golden/record-v1.bin");
const RECORD_V2: &[u8] = include_bytes!("../../../tests/golden/record-v2.bin");

fn sample_group() -> Group {
    samples::group_of(&samples::golden(), 1_000)
}

fn encoded() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&samples::golden(), 1_000, 640, usize::MAX, &mut bytes).unwrap();
    bytes
}

#[test]
fn the_golden_record_of_every_format_decodes_to_the_sample() {
    for (format, bytes) in [(1, RECORD_V1), (2, RECORD_V2)] {
        assert_eq!(Header::parse(bytes).unwrap().format, format);
        assert_eq!(decode(bytes).unwrap(), (sample_group(), bytes.len()), "format {format}");
    }
}

/// A change of these bytes is a new format: give it a number and keep the decoder of this one.
#[test]
fn what_is_written_today_is_the_golden_record_byte_for_byte() {
    assert!(encoded() == RECORD_V2);
}

/// Puts a section behind the last one.
pub(super) fn with_section(
    mut bytes: Vec<u8>,
    kind: u16,
    version: u16,
    flags: u32,
    items: u32,
    content: &[u8],
) -> Vec<u8> {
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&version.to_le_bytes());
    for word in [items, content.len() as u32, flags] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(content);
    let header = Header::parse(&bytes).unwrap();
    let offsets = header.offsets as u32 + if flags & HAS_OFFSETS == 0 { 0 } else { items };
    let sections = u32::from_le_bytes(bytes[28..32].try_into().unwrap()) + 1;
    record::seal(&mut bytes, header.format, header.first_offset, header.synced_position, offsets, sections).unwrap();
    bytes
}

#[test]
fn an_unknown_kind_is_passed_over_and_its_offsets_are_counted() {
    let whole = sample_group();
    let bytes = with_section(encoded(), 40, 7, HAS_OFFSETS, 5, b"whatever it is");
    let bytes = with_section(bytes, 41, 1, 0, 9, b"no offsets");
    let (group, length) = decode(&bytes).unwrap();
    assert_eq!((group.skipped, group.next_offset(), length), (5, whole.next_offset() + 5, bytes.len()));
    assert_eq!(Header::parse(&bytes).unwrap().next_offset(), group.next_offset());
    assert_eq!(Group { skipped: 0, ..group }, whole);
}

/// The two that are reserved, and one that nobody has thought of: a log that another release left with them is opened, read in
/// full, and goes on behind them.
#[test]
fn a_reader_passes_over_the_kinds_that_nothing_writes() {
    for unknown in [6, 7, 40] {
        let directory = tempfile::tempdir().unwrap();
        let options = options(&directory);
        let start = || open_on(Arc::new(super::super::disk::RealDisk), &options).unwrap();
        {
            let (mut appender, spool, _) = start();
            spool.register(&Consumer::hold("postgres")).unwrap();
            appender.append(&mut portion(5, 1)).unwrap();
            spool.close().unwrap();
        }
        let path = segments(&options.directory)[0].clone();
        let mut content = std::fs::read(&path).unwrap();
        let at = memchr::memmem::find(&content, b"GSR2").unwrap();
        let mut record = Vec::new();
        encode(&portion(5, 1), 0, 0, usize::MAX, &mut record).unwrap();
        let record = with_section(record, unknown, 1, HAS_OFFSETS, 3, &[0xFF; 30]);
        content[at..at + record.len()].copy_from_slice(&record);
        std::fs::write(&path, content).unwrap();
        let (mut appender, spool, recovered) = start();
        assert_eq!(recovered.next_offset, 8, "kind {unknown}");
        appender.append(&mut portion(2, 2)).unwrap();
        let mut reader = spool.reader(0).unwrap();
        let groups = std::iter::from_fn(|| reader.try_next().unwrap());
        let seen: Vec<_> = groups.map(|group| (group.first_offset, group.readings.clone(), group.skipped)).collect();
        let expected = [(0, portion(5, 1).readings, 3), (8, portion(2, 2).readings, 0)];
        assert_eq!(seen, expected, "kind {unknown}");
    }
}

#[test]
fn a_known_kind_in_a_newer_version_is_refused_and_a_newer_format_as_well() {
    let mut bytes = Vec::new();
    encode(&portion(2, 1), 0, 0, usize::MAX, &mut bytes).unwrap();
    let events = with_section(bytes.clone(), kind::EVENT, 4, HAS_OFFSETS, 1, b"");
    assert_eq!(decode(&events), Err(Damage::Newer { found: 4, expected: 3 }));
    bytes[3] = b'4';
    assert_eq!(decode(&bytes), Err(Damage::Checksum));
    record::reseal(&mut bytes, 0);
    assert_eq!(decode(&bytes), Err(Damage::Newer { found: 4, expected: 3 }));
}

/// A log that holds kinds of events which the release before does not know says so in the section's version, and only then.
#[test]
fn only_a_new_kind_of_event_makes_a_section_that_the_release_before_refuses() {
    let version = |events: Vec<Event>| {
        let (mut bytes, portion) = (Vec::new(), Portion { events, ..Portion::default() });
        encode(&portion, 0, 0, usize::MAX, &mut bytes).unwrap();
        assert_eq!(decode(&bytes).unwrap().0.events, portion.events);
        u16::from_le_bytes(bytes[HEADER_BYTES + 2..HEADER_BYTES + 4].try_into().unwrap())
    };
    let old = samples::golden().events;
    assert_eq!(version(old.clone()), 1);
    let changed = Event::ToolChanged { machine: MachineNo(1), timestamp_us: 1, from: 2, to: 3 };
    assert_eq!(version([old.clone(), vec![changed.clone()]].concat()), 2);
    let silent = Event::MachineSilent { machine: MachineNo(1), timestamp_us: 9, last_us: 1, silent: true };
    let measured =
        Event::QualityMeasured { sensor: SensorNo(1), timestamp_us: 1, value: 7.5, low: None, high: Some(8.0) };
    for newer in [silent, measured] {
        assert_eq!(version([old.clone(), vec![newer, changed.clone()]].concat()), 3);
    }
}

#[test]
fn sections_out_of_order_are_refused() {
    let bytes = with_section(encoded(), kind::SNAPSHOT, 1, HAS_OFFSETS, 0, b"");
    assert!(matches!(decode(&bytes), Err(Damage::Content(_))));
}

/// A mark as a later release may have it: one field more, one that is not there any longer.
#[derive(Serialize, Deserialize)]
struct LaterMark {
    client: String,
    sequence: u64,
    address: Option<String>,
}

#[test]
fn an_item_with_a_new_field_is_read_by_a_program_without_it_and_the_other_way_round() {
    let later = LaterMark { client: "plc".to_owned(), sequence: 9, address: Some("10.0.0.1".to_owned()) };
    let item = rmp_serde::to_vec_named(&later).unwrap();
    let content = [(item.len() as u32).to_le_bytes().as_slice(), &item].concat();
    let mut bytes = Vec::new();
    encode(&portion(1, 1), 0, 0, usize::MAX, &mut bytes).unwrap();
    let (group, _) = decode(&with_section(bytes, kind::MARK, 1, 0, 1, &content)).unwrap();
    assert_eq!(group.marks, [Mark { client: "plc".to_owned(), sequence: 9 }]);
    let earlier = rmp_serde::to_vec_named(&group.marks[0]).unwrap();
    assert_eq!(rmp_serde::from_slice::<LaterMark>(&earlier).unwrap().address, None);
}

/// The log that release 1 left: 60 readings, the sample, two readings, with the cursor at 25.
fn log_of_release_1(directory: &Path) -> SpoolOptions {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1-log");
    std::fs::create_dir_all(directory).unwrap();
    for entry in std::fs::read_dir(golden).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), directory.join(entry.file_name())).unwrap();
    }
    SpoolOptions { directory: directory.into(), max_bytes: 32 << 10, segment_bytes: 4096, ..SpoolOptions::default() }
}

#[test]
fn the_undrained_log_of_the_previous_release_is_continued() {
    let directory = tempfile::tempdir().unwrap();
    let options = log_of_release_1(directory.path());
    let before = segments(directory.path());
    let old: Vec<Vec<u8>> = before.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let sample = samples::golden();
    for restart in 0..2_u64 {
        let (mut appender, spool, recovered) = open_on(Arc::new(super::super::disk::RealDisk), &options).unwrap();
        assert_eq!(recovered.next_offset, 77 + 3 * restart);
        assert_eq!(recovered.marks.get("plc-9"), Some(&17));
        assert_eq!(recovered.open_faults.len(), 1);
        assert_eq!(spool.register(&crate::contract::Consumer::hold("postgres")).unwrap(), 25);
        let mut events = Vec::new();
        spool.replay(25, |group| events.extend_from_slice(&group.events)).unwrap();
        assert_eq!(events, sample.events);
        assert_eq!(readings_in(&spool, 0).len() as u64, 65 + 3 * restart);
        appender.append(&mut portion(3, restart)).unwrap();
        assert_eq!(readings_in(&spool, 77).len() as u64, 3 + 3 * restart);
    }
    // What release 1 would read is refused by it at the front, never taken for a torn tail.
    for (path, old) in before.iter().zip(old) {
        assert!(std::fs::read(path).unwrap() == old, "{} was written to", path.display());
    }
    let newest = std::fs::read(segments(directory.path()).last().unwrap()).unwrap();
    assert_eq!(newest[8..12], 2_u32.to_le_bytes());
}

#[test]
fn a_segment_of_a_newer_version_is_refused_with_file_version_and_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let options = options(&directory);
    drop(open(&options).unwrap());
    let path = segments(&options.directory)[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 3;
    std::fs::write(&path, bytes).unwrap();
    let error = open(&options).unwrap_err();
    assert!(matches!(&error, SpoolError::Version { file, found: 3, expected: 2 } if *file == path));
    for part in [path.to_str().unwrap(), "version 3", "up to 2", "drain the spool"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn lost_offsets_are_a_record_like_any_other() {
    let mut bytes = Vec::new();
    record::encode_lost(50, 7, &mut bytes).unwrap();
    let (group, length) = decode(&bytes).unwrap();
    assert_eq!((group.first_offset, group.skipped, group.next_offset()), (50, 7, 57));
    assert_eq!(length, HEADER_BYTES + SECTION_BYTES);
}

/// What a log of today says of a row must be readable for ever: a map with names, in a section of kind 5, version 1.
#[test]
fn a_row_is_these_bytes() {
    let row = Row {
        source: 1,
        client: "erp".to_owned(),
        received_us: 7,
        database: "db".to_owned(),
        table: "t".to_owned(),
        upsert: true,
        key: vec!["id".to_owned()],
        values: "{\"id\":1}".to_owned(),
    };
    let (mut bytes, portion) = (Vec::new(), Portion { rows: vec![row.clone()], ..Portion::default() });
    encode(&portion, 0, 0, usize::MAX, &mut bytes).unwrap();
    let item = b"\x88\xa6source\x01\xa6client\xa3erp\xabreceived_us\x07\xa8database\xa2db\xa5table\xa1t\xa6upsert\xc3\
        \xa3key\x91\xa2id\xa6values\xa8{\"id\":1}";
    let section = [5, 0, 1, 0, 1, 0, 0, 0, item.len() as u8 + 4, 0, 0, 0, 1, 0, 0, 0, item.len() as u8, 0, 0, 0];
    assert_eq!(&bytes[HEADER_BYTES..], [&section[..], item].concat());
    assert_eq!(decode(&bytes).unwrap().0.rows, [row]);
    let newer = with_section(bytes, kind::ROW, 2, HAS_OFFSETS, 1, b"");
    assert!(decode(&newer).is_err());
}
