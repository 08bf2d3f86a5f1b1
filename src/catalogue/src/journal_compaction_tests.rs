//! A journal that is compacted when it is opened: whatever fails meanwhile, each start finds the same numbers.

use super::Catalogue;
use super::entry::NAME;
use super::error::JournalError;
use super::fake_folder::{FakeFolder, LOSSES};
use super::journal_tests::{Disk, WITNESS, plant, published};
use super::keeper::{Keeper, MasterData};
use std::sync::Arc;

/// What a journal says: its catalogue, and who waits for master data.
type Said = (Arc<Catalogue>, Vec<String>);

fn said(keeper: &Keeper) -> Said {
    (keeper.directory().load(), keeper.registered().into_iter().map(|sensor| sensor.sensor_id).collect())
}

fn calibrated(day: i32) -> MasterData {
    let mut master = plant(&["S0", "S1"]);
    master.sensors[0].calibration_day = Some(day);
    master
}

/// A journal of which little matters, and what it says. One sensor waits for master data, one has moved.
fn grown() -> (Disk, Said) {
    let (disk, keeper) = Disk::begun();
    keeper.register(Some("M1"), "S2").expect("a known machine");
    for day in 0..40 {
        let mut master = calibrated(day);
        master.sensors[1].unit = if day < 20 { "C" } else { "K" }.to_owned();
        keeper.follow(master).expect("room");
    }
    let expected = said(&keeper);
    assert_eq!(
        (published(&keeper), &expected.1[..]),
        (["S0", "S1", "S2", "S1"].map(str::to_owned).into(), &["S2".to_owned()][..])
    );
    (disk, expected)
}

fn journal(disk: &Disk) -> Vec<u8> {
    disk.data.contents(NAME).expect("a journal")
}

#[test]
fn what_only_grew_is_compacted_by_a_start_and_goes_on() {
    let (disk, expected) = grown();
    let before = journal(&disk);
    let keeper = disk.start().expect("whole");
    let compacted = journal(&disk);
    assert_eq!(said(&keeper), expected);
    assert!(compacted.len() < before.len() / 4, "{} bytes of {}", compacted.len(), before.len());
    assert_eq!((before[8], compacted[8]), (2, 3), "earlier releases refuse it by its version");

    // Numbers go on, and nothing is compacted that is compact.
    let next = keeper.register(Some("M1"), "S9").expect("a known machine");
    keeper.sync().expect("room");
    assert_eq!(next.no.0, 4);
    let again = journal(&disk);
    assert!(again.starts_with(&compacted));
    disk.start().expect("whole");
    assert_eq!(journal(&disk), again);

    for day in 0..60 {
        keeper.follow(calibrated(day)).expect("room");
    }
    let (expected, grown) = (said(&keeper), journal(&disk).len());
    assert_eq!(said(&disk.start().expect("whole")), expected);
    assert!(journal(&disk).len() < grown / 4, "once more");
    assert_eq!(said(&disk.start().expect("whole")), expected);
}

#[test]
fn a_process_that_dies_at_any_call_of_a_compaction_leaves_one_of_both() {
    let folders: [fn(&Disk) -> &FakeFolder; 2] = [|disk| &disk.data, |disk| &disk.log];
    let mut left = [0, 0];
    for of in folders {
        let calls = {
            let (disk, _) = grown();
            let before = of(&disk).calls();
            disk.start().expect("whole");
            of(&disk).calls() - before
        };
        assert!(calls >= 2, "a compaction reaches the disk");
        for (call, loss) in (0..=calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
            let (disk, expected) = grown();
            let grown = journal(&disk);
            of(&disk).die_in(call);
            let _ = disk.start();
            disk.cut_power(loss);
            left[usize::from(journal(&disk) == grown)] += 1;
            let keeper = disk.start().unwrap_or_else(|error| panic!("died at {call}, {loss:?}: {error}"));
            assert_eq!(said(&keeper), expected, "died at {call}, {loss:?}");
            keeper.register(Some("M1"), "S9").expect("a known machine");
            keeper.sync().expect("room");
            let expected = said(&keeper);
            disk.cut_power(loss);
            assert_eq!(said(&disk.start().expect("whole")), expected, "died at {call}, {loss:?}");
        }
    }
    assert!(left.iter().all(|count| *count > 4), "{left:?}: either is left by some crash");
}

#[test]
fn an_io_error_at_any_call_of_a_compaction_harms_nothing() {
    let folders: [fn(&Disk) -> &FakeFolder; 2] = [|disk| &disk.data, |disk| &disk.log];
    for of in folders {
        let calls = {
            let (disk, _) = grown();
            let before = of(&disk).calls();
            disk.start().expect("whole");
            of(&disk).calls() - before
        };
        for (call, loss) in (0..calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
            let (disk, mut expected) = grown();
            of(&disk).fail_in(call);
            match disk.start() {
                Ok(keeper) => {
                    assert_eq!(said(&keeper), expected, "call {call}");
                    // What is written now must be found again, whichever file bears the name.
                    keeper.register(Some("M1"), "S9").expect("a known machine");
                    keeper.sync().or_else(|_| keeper.sync()).expect("it failed once");
                    expected = said(&keeper);
                }
                Err(error) => assert!(error.to_string().contains("check the disk"), "{error}"),
            }
            disk.cut_power(loss);
            assert_eq!(said(&disk.start().expect("whole")), expected, "call {call}, {loss:?}");
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_of_a_compaction_keeps_no_start_from_going_on() {
    let needed = {
        let (disk, _) = grown();
        disk.start().expect("whole");
        journal(&disk).len()
    };
    for room in 0..needed {
        let (disk, expected) = grown();
        let (before, witness) = (journal(&disk), disk.log.contents(WITNESS));
        disk.start().expect("room for the notice to earlier releases");
        disk.data.put(NAME, Some(before.clone()));
        disk.log.put(WITNESS, witness);
        disk.data.set_room(Some(room));
        let keeper = disk.start().unwrap_or_else(|error| panic!("room for {room}: {error}"));
        assert_eq!(said(&keeper), expected);
        assert_eq!(journal(&disk), before, "room for {room}");
        disk.data.set_room(None);
        keeper.register(Some("M1"), "S9").expect("a known machine");
        keeper.sync().expect("room");
        let expected = said(&keeper);
        assert_eq!(said(&disk.start().expect("whole")), expected);
        assert!(journal(&disk).len() < before.len() / 2, "compacted as soon as there is room");
    }
}

#[test]
fn damage_in_a_compacted_journal_is_refused_and_never_renumbers() {
    let (disk, _) = grown();
    let relied_on_before = disk.log.contents(WITNESS);
    disk.start().expect("whole");
    let (whole, relied_on) = (journal(&disk), disk.log.contents(WITNESS));
    // Of a start that died before the log knew the compacted one, too.
    for witness in [relied_on_before, relied_on] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            disk.data.put(NAME, Some(bytes));
            disk.log.put(WITNESS, witness.clone());
            let error = disk.start().expect_err("damage").to_string();
            assert!(error.contains("restore") || error.contains("start the release"), "byte {at}: {error}");
            assert_eq!(journal(&disk).len(), whole.len(), "byte {at}: what is refused is left as it is");
        }
    }
}

#[test]
fn an_older_and_another_journal_are_refused_beside_a_log_that_knows_the_compacted_one() {
    let (disk, expected) = grown();
    let (older, older_witness) = (journal(&disk), disk.log.contents(WITNESS));
    disk.start().expect("whole");
    let (compacted, witness) = (journal(&disk), disk.log.contents(WITNESS));
    disk.data.put(NAME, Some(older));
    assert!(matches!(disk.start(), Err(JournalError::Older { .. })));

    // A log that is older than the compaction knows less, and nothing wrong.
    disk.data.put(NAME, Some(compacted.clone()));
    disk.log.put(WITNESS, older_witness);
    assert_eq!(said(&disk.start().expect("newer than needed")), expected);

    disk.log.put(WITNESS, witness);
    let keeper = disk.start().expect("as it was");
    keeper.register(Some("M1"), "S9").expect("a known machine");
    keeper.sync().expect("room");
    let relied_on = disk.log.contents(WITNESS);
    disk.data.put(NAME, Some(compacted));
    assert!(matches!(disk.start(), Err(JournalError::Older { .. })));
    disk.log.put(WITNESS, None);
    let other = disk.start().expect("nothing relies on it");
    other.register(Some("M1"), "S8").expect("a known machine");
    other.sync().expect("room");
    disk.log.put(WITNESS, relied_on);
    assert!(matches!(disk.start(), Err(JournalError::Diverged { .. })));
}
