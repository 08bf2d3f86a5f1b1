//! The journal against a folder that fills up, tears and forgets: no number changes its meaning, every start succeeds
//! that may, and every one that may not says why.

use super::entry::NAME;
use super::error::JournalError;
use super::fake_folder::{FakeFolder, LOSSES, Loss};
use super::journal::Log;
use super::keeper::{Keeper, MasterData};
use super::tests::{machine, sensor};
use uuid::Uuid;

pub(crate) const LOG: Uuid = Uuid::from_u128(7);
pub(crate) const WITNESS: &str = "numbers";
const LEGACY: &str = "catalogue.jsonl";

/// A data folder and its log's folder.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) data: FakeFolder,
    pub(crate) log: FakeFolder,
}

impl Disk {
    pub(crate) fn start(&self) -> Result<Keeper, JournalError> {
        self.start_for(Log { id: LOG, blank: false })
    }

    fn start_for(&self, log: Log) -> Result<Keeper, JournalError> {
        Keeper::open_in(&self.data, Box::new(self.log.clone()), log)
    }

    /// A keeper with two sensors on a disk where nothing was.
    pub(crate) fn begun() -> (Self, Keeper) {
        let disk = Self::default();
        let keeper = disk.start_for(Log { id: LOG, blank: true }).expect("an empty folder");
        keeper.follow(plant(&["S0", "S1"])).expect("room");
        (disk, keeper)
    }

    pub(crate) fn cut_power(&self, loss: Loss) {
        self.data.cut_power(loss);
        self.log.cut_power(loss);
    }
}

pub(crate) fn plant(sensors: &[&str]) -> MasterData {
    MasterData {
        machines: vec![machine("M1")],
        sensors: sensors.iter().map(|id| sensor(id, "M1", id)).collect(),
        factories: Vec::new(),
    }
}

/// Sensor ids by number, as everybody sees them.
pub(crate) fn published(keeper: &Keeper) -> Vec<String> {
    keeper.directory().load().sensors().iter().map(|entry| entry.sensor.sensor_id.clone()).collect()
}

#[test]
fn a_torn_append_is_cut_at_every_byte_and_whatever_the_tear_leaves() {
    let (disk, keeper) = Disk::begun();
    let (before, witness) = (disk.data.contents(NAME).expect("a journal"), disk.log.contents(WITNESS));
    keeper.register(Some("M1"), "S2").expect("a known machine");
    keeper.register(Some("M1"), "S3").expect("a known machine");
    keeper.sync().expect("room");
    let after = disk.data.contents(NAME).expect("a journal");
    drop(keeper);
    for cut in before.len()..after.len() {
        let rest = after.len() - cut;
        let shapes = [
            after[..cut].to_vec(),
            [&after[..cut], &vec![0; rest]].concat(),
            [&after[..cut], &vec![0xFF; rest][..], b"\n"].concat(),
            [&before, &vec![0; cut + 1 - before.len()], &after[cut + 1..]].concat(),
        ];
        for (shape, bytes) in shapes.into_iter().enumerate() {
            disk.data.put(NAME, Some(bytes));
            disk.log.put(WITNESS, witness.clone());
            let keeper = disk.start().unwrap_or_else(|error| panic!("cut at {cut}, shape {shape}: {error}"));
            assert_eq!(published(&keeper), ["S0", "S1"], "cut at {cut}, shape {shape}");
            keeper.register(Some("M1"), "S9").expect("a known machine");
            keeper.sync().expect("room");
            let again = disk.start().expect("written behind whole frames");
            assert_eq!(published(&again), ["S0", "S1", "S9"], "cut at {cut}, shape {shape}");
        }
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_delays_numbers_and_harms_none() {
    let needed = {
        let (disk, keeper) = Disk::begun();
        let before = disk.data.contents(NAME).expect("a journal").len();
        keeper.register(Some("M1"), "S2").expect("a known machine");
        keeper.sync().expect("room");
        disk.data.contents(NAME).expect("a journal").len() - before
    };
    for room in 0..needed {
        for (loss, restart_full) in LOSSES.into_iter().flat_map(|loss| [(loss, false), (loss, true)]) {
            let (disk, keeper) = Disk::begun();
            disk.data.set_room(Some(room));
            let given = keeper.register(Some("M1"), "S2").expect("a known machine");
            for _ in 0..3 {
                let error = keeper.sync().expect_err("the disk is full");
                assert!(error.is_full() && error.to_string().contains("free some room"), "{error}");
                assert_eq!(published(&keeper), ["S0", "S1"], "not durable, not published");
            }
            if restart_full {
                disk.cut_power(loss);
                let again = disk.start().expect("a full disk does not keep it from starting");
                assert_eq!(published(&again), ["S0", "S1"]);
                continue;
            }
            disk.data.set_room(None);
            keeper.sync().expect("there is room again");
            assert_eq!(keeper.directory().load().sensor_by_id("S2"), Some(given.no));
            disk.cut_power(loss);
            assert_eq!(published(&disk.start().expect("whole")), ["S0", "S1", "S2"], "room for {room}");
        }
    }
}

#[test]
fn what_master_data_got_while_the_disk_was_full_is_entered_and_waits() {
    let (disk, keeper) = Disk::begun();
    disk.data.set_room(Some(0));
    keeper.follow(plant(&["S0", "S1", "S2"])).expect_err("the disk is full");
    keeper.follow(plant(&["S0", "S1", "S2", "S3"])).expect_err("the disk is full");
    let entered = |sensor| keeper.entered(Some("M1"), sensor).is_some();
    assert_eq!((published(&keeper).len(), ["S2", "S3", "S4"].map(entered)), (2, [true, true, false]));
}

#[test]
fn a_process_that_dies_at_any_call_loses_nothing_that_was_published() {
    let work = |keeper: &Keeper| -> Result<(), JournalError> {
        keeper.register(Some("M1"), "S2").expect("a known machine");
        keeper.sync()?;
        keeper.follow(plant(&["S0", "S1", "S2", "S3"]))?;
        keeper.register(Some("M1"), "S4").expect("a known machine");
        keeper.sync()
    };
    let count = |of: fn(&Disk) -> &FakeFolder| {
        let (disk, keeper) = Disk::begun();
        let before = of(&disk).calls();
        work(&keeper).expect("a whole disk");
        of(&disk).calls() - before
    };
    let folders: [fn(&Disk) -> &FakeFolder; 2] = [|disk| &disk.data, |disk| &disk.log];
    for of in folders {
        let calls = count(of);
        assert!(calls >= 3, "the work reaches the disk");
        for (died_at, loss) in (0..calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
            let (disk, keeper) = Disk::begun();
            of(&disk).die_in(died_at);
            work(&keeper).expect_err("dead");
            let seen = published(&keeper);
            disk.cut_power(loss);
            let again = disk.start().unwrap_or_else(|error| panic!("died at {died_at}, {loss:?}: {error}"));
            assert_eq!(published(&again)[..seen.len()], seen, "died at {died_at}, {loss:?}");
            work(&again).expect("alive");
            assert_eq!(published(&again)[..seen.len()], seen);
        }
    }
}

/// Whatever fails once is done again: by the doors and the follower of master data while the server runs, else by the next
/// start.
#[test]
fn an_io_error_at_any_call_delays_numbers_and_harms_none() {
    let again = |step: &dyn Fn() -> Result<(), JournalError>| {
        let Err(error) = step() else { return };
        assert!(error.to_string().contains("check the disk"), "{error}");
        step().expect("it failed once");
    };
    let work = |keeper: &Keeper| {
        keeper.register(Some("M1"), "S2").expect("a known machine");
        again(&|| keeper.sync());
        again(&|| keeper.follow(plant(&["S0", "S1", "S2", "S3"])).map(|_| ()));
        keeper.register(Some("M1"), "S4").expect("a known machine");
        again(&|| keeper.sync());
    };
    let folders: [fn(&Disk) -> &FakeFolder; 2] = [|disk| &disk.data, |disk| &disk.log];
    for of in folders {
        let calls_of = |run: &dyn Fn(&Disk, &Keeper)| {
            let (disk, keeper) = Disk::begun();
            let before = of(&disk).calls();
            run(&disk, &keeper);
            of(&disk).calls() - before
        };
        let calls = calls_of(&|_, keeper| work(keeper));
        assert!(calls >= 3, "the work reaches the disk");
        for (failing, loss) in (0..calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
            let (disk, keeper) = Disk::begun();
            of(&disk).fail_in(failing);
            work(&keeper);
            // Master data corrects the unit of the second, which is a number more.
            let all = ["S0", "S1", "S2", "S2", "S3", "S4"];
            assert_eq!(published(&keeper), all, "call {failing}");
            disk.cut_power(loss);
            assert_eq!(published(&disk.start().expect("whole")), all, "call {failing}, {loss:?}");
        }
        let calls = calls_of(&|disk, _| drop(disk.start().expect("whole")));
        for (failing, loss) in (0..calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
            let (disk, _) = Disk::begun();
            of(&disk).fail_in(failing);
            match disk.start() {
                Ok(keeper) => assert_eq!(published(&keeper), ["S0", "S1"], "call {failing}"),
                Err(error) => assert!(error.to_string().contains("check the disk"), "{error}"),
            }
            disk.cut_power(loss);
            assert_eq!(published(&disk.start().expect("whole")), ["S0", "S1"], "call {failing}, {loss:?}");
        }
    }
}

/// The kernel shows what it could not write, and takes it for clean: the next start must not rely on it.
#[test]
fn what_a_failed_sync_left_in_memory_is_written_again_by_the_next_start() {
    let mut seen_after = 0;
    for (failing, loss) in (0..6).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
        let (disk, keeper) = Disk::begun();
        disk.data.fail_in(failing);
        disk.data.die_in(failing + 1);
        keeper.register(Some("M1"), "S2").expect("a known machine");
        let _ = keeper.sync();
        disk.data.restart();
        let seen = published(&disk.start().expect("whole, or cut"));
        seen_after += usize::from(seen.len() == 3);
        disk.cut_power(loss);
        let again = disk.start().unwrap_or_else(|error| panic!("call {failing}, {loss:?}: {error}"));
        assert_eq!(published(&again), seen, "call {failing}, {loss:?}");
    }
    assert!(seen_after > 0, "no start saw what was not durable");
}

#[test]
fn a_failed_sync_is_not_believed_by_the_next() {
    for loss in LOSSES {
        for of in [|disk: &Disk| disk.data.clone(), |disk: &Disk| disk.log.clone()] {
            let (disk, keeper) = Disk::begun();
            of(&disk).fail_syncs(true);
            keeper.register(Some("M1"), "S2").expect("a known machine");
            keeper.sync().expect_err("the sync failed");
            assert_eq!(published(&keeper), ["S0", "S1"]);
            of(&disk).fail_syncs(false);
            keeper.sync().expect("the disk is well again");
            disk.cut_power(loss);
            assert_eq!(published(&disk.start().expect("whole")), ["S0", "S1", "S2"], "{loss:?}");
        }
    }
}

#[test]
fn damage_is_refused_and_never_renumbers() {
    let (disk, keeper) = Disk::begun();
    keeper.follow(plant(&["S0", "S1", "S2"])).expect("room");
    let whole = disk.data.contents(NAME).expect("a journal");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        disk.data.put(NAME, Some(bytes));
        let error = disk.start().expect_err("damage");
        let said = error.to_string();
        assert!(said.contains("restore") || said.contains("start the release"), "byte {at}: {said}");
    }
    disk.data.put(NAME, Some(whole));
    disk.start().expect("whole");
}

#[test]
fn what_a_later_release_wrote_is_refused_and_left_as_it_is() {
    // The newest slot of the witness is the first one here, and the second after one more save.
    for saves in 0..2 {
        let (disk, keeper) = Disk::begun();
        for number in 0..saves {
            keeper.register(Some("M1"), &format!("S{}", 2 + number)).expect("a known machine");
            keeper.sync().expect("room");
        }
        let (journal, witness) = (disk.data.contents(NAME).expect("there"), disk.log.contents(WITNESS).expect("there"));
        let raised = |bytes: &[u8], version: usize, sum: usize| {
            let mut bytes = bytes.to_vec();
            bytes[version] += 1;
            // A slot begins four bytes before its version's digit, the front with it.
            let begin = if sum == 28 { 0 } else { version - 3 };
            let crc32 = crc32fast::hash(&bytes[begin..begin + sum]);
            bytes[begin + sum..begin + sum + 4].copy_from_slice(&crc32.to_le_bytes());
            bytes
        };
        let refused = |found: u32, name: &str| {
            let error = disk.start().expect_err("of a later release");
            assert!(matches!(&error, JournalError::Version { found: said, .. } if *said == found), "{error}");
            let said = error.to_string();
            assert!(said.contains(name) && said.contains("start the release that wrote it"), "{said}");
        };
        let later = raised(&raised(&journal, 8, 28), 8, 28);
        disk.data.put(NAME, Some(later.clone()));
        refused(4, NAME);
        assert_eq!(disk.data.contents(NAME), Some(later), "untouched");
        disk.data.put(NAME, Some(journal));

        let slots = [0_usize, 4096].into_iter().filter(|at| witness[*at] != 0);
        let newest = slots.max_by_key(|at| super::frame::u64_at(&witness, at + 20)).expect("a slot");
        let later = raised(&witness, newest + 3, 40);
        disk.log.put(WITNESS, Some(later.clone()));
        refused(2, WITNESS);
        assert_eq!(disk.log.contents(WITNESS), Some(later), "untouched");
        disk.log.put(WITNESS, Some(witness));
        assert_eq!(published(&disk.start().expect("as it was")).len(), 2 + saves);
    }
}

#[test]
fn an_older_another_and_a_missing_journal_are_refused_with_the_remedy() {
    let (disk, keeper) = Disk::begun();
    let older = disk.data.contents(NAME);
    keeper.follow(plant(&["S0", "S1", "S2"])).expect("room");
    let (newer, witness) = (disk.data.contents(NAME), disk.log.contents(WITNESS));

    disk.data.put(NAME, older.clone());
    assert!(matches!(disk.start(), Err(JournalError::Older { found: 1, needed: 2, .. })));

    // The older log beside the newer journal knows less, and nothing wrong.
    disk.data.put(NAME, newer);
    assert_eq!(published(&disk.start().expect("newer than needed")), ["S0", "S1", "S2"]);

    let other = Disk::default();
    other.start_for(Log { id: LOG, blank: true }).expect("empty").follow(plant(&["S0", "S1"])).expect("room");
    other.start().expect("whole").follow(plant(&["S0", "S1", "S3"])).expect("room");
    disk.data.put(NAME, other.data.contents(NAME));
    assert!(matches!(disk.start(), Err(JournalError::Diverged { entry: 2, .. })));

    disk.data.put(NAME, None);
    assert!(matches!(disk.start(), Err(JournalError::Gone { .. })));
    disk.log.put(WITNESS, None);
    assert!(matches!(disk.start(), Err(JournalError::Gone { .. })));
    disk.data.put(NAME, older);
    disk.log.put(WITNESS, witness);
    disk.start().expect_err("older");
}

#[test]
fn a_journal_of_another_log_is_refused_unless_the_log_is_new() {
    let (disk, _) = Disk::begun();
    let moved = Disk { data: disk.data.clone(), log: FakeFolder::default() };
    let id = Uuid::from_u128(8);
    let refused = moved.start_for(Log { id, blank: false });
    assert!(matches!(refused, Err(JournalError::Foreign { found: LOG, .. })), "{refused:?}");
    assert_eq!(published(&moved.start_for(Log { id, blank: true }).expect("nothing relies on it")), ["S0", "S1"]);
    moved.cut_power(Loss::All);
    moved.start_for(Log { id, blank: false }).expect("it belongs to the new log now");
    assert!(matches!(disk.start(), Err(JournalError::Foreign { .. })));
}

fn legacy_lines(ids: &[&str]) -> Vec<u8> {
    let line = |id: &&str| format!("{}\n", serde_json::json!({ "sensor": sensor(id, "M1", id) }));
    ids.iter().map(line).collect::<String>().into_bytes()
}

#[test]
fn the_journal_of_an_earlier_release_is_converted_once_whenever_the_power_fails() {
    let calls = {
        let disk = Disk::default();
        disk.data.put(LEGACY, Some(legacy_lines(&["S0", "S1"])));
        disk.start().expect("converted");
        disk.data.calls()
    };
    for (died_at, loss) in (0..=calls).flat_map(|call| LOSSES.map(|loss| (call, loss))) {
        let disk = Disk::default();
        disk.data.put(LEGACY, Some(legacy_lines(&["S0", "S1"])));
        disk.data.die_in(died_at);
        let _ = disk.start();
        disk.cut_power(loss);
        let keeper = disk.start().unwrap_or_else(|error| panic!("died at {died_at}, {loss:?}: {error}"));
        assert_eq!(published(&keeper), ["S0", "S1"]);
        keeper.register(Some("M1"), "S2").expect("a known machine");
        keeper.sync().expect("room");
        drop(keeper);
        assert_eq!(published(&disk.start().expect("converted once")), ["S0", "S1", "S2"]);
        let notice = disk.data.contents(LEGACY).expect("a notice for the earlier release");
        assert!(notice.ends_with(b"\n") && serde_json::from_slice::<serde_json::Value>(&notice).is_err());
        disk.data.put(NAME, None);
        assert!(matches!(disk.start(), Err(JournalError::Gone { .. })), "the notice holds no numbers");
    }
}

#[test]
fn what_a_full_disk_and_a_power_cut_did_to_an_earlier_journal_is_mended() {
    let (whole, line) = (legacy_lines(&["S0", "S1"]), legacy_lines(&["S2"]));
    for cut in 0..line.len() {
        // Written in part, then again behind the part.
        let repeated = [&whole, &line[..cut], &line[..], &legacy_lines(&["S3"])].concat();
        let torn = [&whole, &line[..cut], &vec![0; 9][..], b"\n"].concat();
        for (bytes, expected) in [(repeated, vec!["S0", "S1", "S2", "S3"]), (torn, vec!["S0", "S1"])] {
            let disk = Disk::default();
            disk.data.put(LEGACY, Some(bytes));
            assert_eq!(published(&disk.start().unwrap_or_else(|e| panic!("cut at {cut}: {e}"))), expected);
        }
    }
    let disk = Disk::default();
    disk.data.put(LEGACY, Some([b"{oops}\n", &whole[..]].concat()));
    assert!(matches!(disk.start(), Err(JournalError::Damaged { position: 0, .. })));
}

#[test]
fn machines_that_moved_under_an_earlier_release_keep_its_numbers() {
    let line = |machine: &super::Machine| format!("{}\n", serde_json::json!({ "machine": machine }));
    let moved = super::Machine { line_id: "L2".to_owned(), ..machine("M1") };
    let late = super::Machine { line_id: "L3".to_owned(), ..machine("M3") };
    let of_m3 = format!("{}\n", serde_json::json!({ "sensor": sensor("S3", "M3", "A") }));
    let lines = [line(&machine("M1")), of_m3, line(&machine("M2")), line(&moved), line(&late)].concat();
    let disk = Disk::default();
    disk.data.put(LEGACY, Some(lines.into_bytes()));
    let catalogue = disk.start().expect("converted").directory().load();
    let places: Vec<_> = catalogue.machines().iter().map(|m| (&*m.machine.machine_id, &*m.machine.line_id)).collect();
    assert_eq!(places, [("M1", "L2"), ("M3", "L3"), ("M2", "L1")]);
}

/// As an earlier release wrote it.
const EARLIER: &str = r#"{"machine":{"machine_id":"M1","line_id":"L1","factory_id":"F1","machine_code":null,"machine_type":"CNC","design_capacity_units_per_hour":60,"active":true}}
{"sensor":{"sensor_id":"S1","machine_id":"M1","line_id":"L1","factory_id":"F1","unit":"C","sensor_code":"T","sensor_type":null,"limits":{"range_min":0.5,"range_max":null,"warning_min":null,"warning_max":null,"critical_min":null,"critical_max":null},"sampling_frequency_hz":null,"calibration_day":19000,"calibration_frequency_days":null,"active":true}}
{"sensor":{"sensor_id":"S2","machine_id":"M1","line_id":"L1","factory_id":"F1","unit":"unknown","sensor_code":null,"sensor_type":null,"limits":{"range_min":null,"range_max":null,"warning_min":null,"warning_max":null,"critical_min":null,"critical_max":null},"sampling_frequency_hz":null,"calibration_day":null,"calibration_frequency_days":null,"active":true}}
{"shifts":[{"factory_id":"F1","timezone":null,"shifts":[{"shift_id":"A","start":"06:00:00","end":"14:00:00"}]}]}
"#;

/// The journal that comes of it, format 2: front, one frame, its body.
const GOLDEN: &str = "47454e494d53434a0200000000000000000000000000000000000007e5a40c24\
    47434a46d9030000000000000000000000000000000000000200000001000000e5a40c24359679ae";

#[test]
fn the_bytes_of_both_formats_stay_readable() {
    let disk = Disk::default();
    disk.data.put(LEGACY, Some(EARLIER.as_bytes().to_vec()));
    let keeper = disk.start().expect("converted");
    let catalogue = keeper.directory().load();
    let s1 = catalogue.sensor_by_code("M1", "T").and_then(|no| catalogue.sensor(no)).expect("S1");
    assert_eq!((s1.no.0, s1.sensor.limits.range_min, s1.sensor.calibration_day), (0, Some(0.5), Some(19_000)));
    assert_eq!(catalogue.shifts.shift_at("F1", 7 * 3_600_000_000), Some("A"));
    let waiting: Vec<String> = keeper.registered().into_iter().map(|sensor| sensor.sensor_id).collect();
    assert_eq!(waiting, ["S2"], "entered at the door, not seen in master data");

    let bytes = disk.data.contents(NAME).expect("a journal");
    let body_at = 32 + 40;
    let hex: String = bytes[..body_at].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN);
    let body = std::str::from_utf8(&bytes[body_at..]).expect("JSON");
    let lines: Vec<&str> = EARLIER.lines().collect();
    let expected = format!("[{}]", lines.join(","))
        .replace(r#"{"sensor":{"sensor_id":"S2""#, r#"{"registered":{"sensor_id":"S2""#);
    assert_eq!(body, expected);
}
