//! Dead letters of refused rows: kept over power cuts and errors, forwarded once, forgotten.

use super::super::fake_disk::FakeDisk;
use super::*;
use genims_model::{Mark, Reason};

const FOLDER: &str = "/data";
const LOG: Uuid = Uuid::from_u128(7);

fn dead_letter(text: &str) -> DeadLetter {
    DeadLetter {
        source: 1,
        client: "erp".to_owned(),
        received_us: 5,
        topic: "genims/v1/rows/db/t".to_owned(),
        reason: Reason::BadRow,
        detail: "column id: duplicate".to_owned(),
        payload: text.as_bytes().to_vec(),
        payload_bytes: text.len() as u64,
        records: 1,
    }
}

fn open(disk: &FakeDisk, forwarded: u64) -> RowDeadLetters {
    RowDeadLetters::open_on(Arc::new(disk.clone()), Path::new(FOLDER), forwarded).unwrap()
}

/// Those that would be forwarded, in order.
fn texts(dead_letters: &RowDeadLetters) -> Vec<(u64, String)> {
    let state = dead_letters.state.lock();
    let waiting = state.frames.iter().filter(|frame| !frame.is_forwarded).map(|frame| frame.serial);
    let serials: Vec<u64> = waiting.collect();
    drop(state);
    let mut found = Vec::new();
    for serial in serials {
        let next = dead_letters.first().unwrap().unwrap();
        assert_eq!(next.serial, serial);
        let text = |dead_letter: &DeadLetter| String::from_utf8(dead_letter.payload.clone()).unwrap();
        found.extend(next.dead_letters.iter().map(|dead_letter| (serial, text(dead_letter))));
        dead_letters.forwarded(serial, |_, _| 0).unwrap();
    }
    found
}

#[test]
fn what_was_kept_outlives_a_power_cut_and_is_forwarded_once() {
    assert!(RowDeadLetters::MARK.starts_with(Mark::RESERVED));
    let disk = FakeDisk::new(1);
    let dead_letters = open(&disk, 0);
    dead_letters.keep(LOG, "db", vec![(3, dead_letter("a")), (9, dead_letter("b"))]).unwrap();
    dead_letters.keep(LOG, "other", vec![(4, dead_letter("c"))]).unwrap();
    disk.cut_power();
    let again = open(&disk, 1);
    assert_eq!((again.waiting(), again.offsets(LOG, "db"), again.offsets(LOG, "other")), (1, vec![3, 9], vec![4]));
    assert!(again.offsets(Uuid::nil(), "db").is_empty(), "of another log");
    assert!(again.first().unwrap().unwrap().is_left);
    again.keep(LOG, "db", vec![(11, dead_letter("d"))]).unwrap();
    assert_eq!(texts(&again), [(2, "c".to_owned()), (3, "d".to_owned())]);
    // A file that is gone takes no serial with it.
    disk.remove(&Path::new(FOLDER).join(NAME)).unwrap();
    let anew = open(&disk, 3);
    anew.keep(LOG, "db", vec![(12, dead_letter("e"))]).unwrap();
    assert_eq!(texts(&anew), [(4, "e".to_owned())]);
}

#[test]
fn an_error_keeps_nothing_that_would_be_told_twice() {
    let disk = FakeDisk::new(2);
    let dead_letters = open(&disk, 0);
    dead_letters.keep(LOG, "db", vec![(1, dead_letter("a"))]).unwrap();
    disk.fail_syncs(true);
    assert!(dead_letters.keep(LOG, "db", vec![(2, dead_letter("a longer one"))]).is_err());
    assert_eq!((dead_letters.offsets(LOG, "db"), dead_letters.waiting()), (vec![1], 1));
    disk.fail_syncs(false);
    dead_letters.keep(LOG, "db", vec![(2, dead_letter("b"))]).unwrap();
    disk.cut_power();
    assert_eq!(texts(&open(&disk, 0)), [(1, "a".to_owned()), (2, "b".to_owned())]);
}

#[test]
fn what_nobody_needs_is_left_out_of_the_file() {
    let disk = FakeDisk::new(3);
    let dead_letters = open(&disk, 0);
    let large = "x".repeat(FRAME_BYTES);
    for offset in 0..8 {
        dead_letters.keep(LOG, "db", vec![(offset, dead_letter(&large)), (offset + 100, dead_letter("y"))]).unwrap();
    }
    assert_eq!(dead_letters.state.lock().frames.len(), 16, "a large one has a frame of its own");
    for serial in 1..=15 {
        // The database has not passed the last records yet.
        dead_letters.forwarded(serial, |_, _| 107).unwrap();
    }
    let end = dead_letters.state.lock().end;
    assert!(end < 2 * SPENT_BYTES_MAX, "{end}");
    disk.cut_power();
    let again = open(&disk, 15);
    assert_eq!(again.offsets(LOG, "db").last(), Some(&107));
    assert!(again.offsets(LOG, "db").len() < 16);
    assert_eq!(texts(&again), [(16, "y".to_owned())]);
}

#[test]
fn what_one_database_still_needs_keeps_nothing_of_another() {
    let disk = FakeDisk::new(4);
    let dead_letters = open(&disk, 0);
    dead_letters.keep(LOG, "away", vec![(1, dead_letter("first"))]).unwrap();
    let large = "x".repeat(FRAME_BYTES);
    for offset in 2..40 {
        dead_letters.keep(LOG, "db", vec![(offset, dead_letter(&large))]).unwrap();
        dead_letters.forwarded(offset, |_, database| if database == "db" { u64::MAX } else { 0 }).unwrap();
        let state = dead_letters.state.lock();
        assert!(state.frames.len() == 1 && state.end <= SPENT_BYTES_MAX + 2 * FRAME_BYTES as u64, "{}", state.end);
    }
    assert_eq!(dead_letters.first().unwrap().unwrap().dead_letters[0].payload, b"first");
    disk.cut_power();
    let again = open(&disk, 0);
    assert_eq!(again.offsets(LOG, "away"), [1]);
    assert_eq!(again.first().unwrap().unwrap().dead_letters[0].payload, b"first");
}

#[test]
fn a_torn_end_is_written_over_and_damage_is_told() {
    let bytes = |serial, text: &str| {
        encode(&Body {
            serial,
            log: LOG,
            database: "db".to_owned(),
            offsets: vec![serial],
            dead_letters: vec![dead_letter(text)],
        })
        .unwrap()
    };
    let whole = [bytes(1, "a"), bytes(2, "b")].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    for cut in bytes(1, "a").len()..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let dead_letters = RowDeadLetters::open(folder.path(), 0).unwrap();
        dead_letters.keep(LOG, "db", vec![(5, dead_letter("c"))]).unwrap();
        let again = RowDeadLetters::open(folder.path(), 0).unwrap();
        assert_eq!(texts(&again), [(1, "a".to_owned()), (2, "c".to_owned())], "{cut}");
    }
    let mut broken = whole.clone();
    broken[20] ^= 1;
    std::fs::write(&path, &broken).unwrap();
    let error = RowDeadLetters::open(folder.path(), 0).unwrap_err();
    assert!(matches!(&error, SpoolError::DamagedRowDeadLetters { position: 0, .. }), "{error}");
    let mut later = whole;
    later[3] = b'2';
    std::fs::write(&path, &later).unwrap();
    let error = RowDeadLetters::open(folder.path(), 0).unwrap_err();
    assert!(matches!(&error, SpoolError::Version { found: 2, expected: 1, .. }), "{error}");
}

/// A change of these bytes is a new version: give it a number, and keep reading this one.
#[test]
fn a_frame_is_read_as_the_first_release_wrote_it() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/refused-1.bin");
    let body = Body {
        serial: 3,
        log: LOG,
        database: "db".to_owned(),
        offsets: vec![17],
        dead_letters: vec![dead_letter("{\"id\":1}")],
    };
    let kept = std::fs::read(golden).unwrap();
    assert!(encode(&body).unwrap() == kept, "it is written otherwise than it was");
    let (read, length) = parse(Path::new(NAME), &kept, 0).unwrap().unwrap();
    assert_eq!(
        (length, read.serial, read.offsets, read.dead_letters),
        (kept.len() as u64, 3, vec![17], body.dead_letters)
    );
}
