//! A log that is damaged on the disk, under the real binary: what nobody needs any more stops no start, what somebody needs is
//! set aside by the command that the server names, and everything else arrives.

use crate::harness::Harness;
use crate::powercut::{state, write_routes};
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Sent};
use crate::server::{Plant, Setup};
use crate::stream::{now_ms, send};
use crate::tally;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::{DateTime, doc};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);
/// Of half a MiB; three that nobody needs are kept for the resend memory.
const SMALL_SEGMENTS: &str = "[spool]\nmax_bytes = 8388608\nsegment_bytes = 524288\n";
/// The beginning of a record.
const RECORD: &[u8] = b"GSR";
const CHANGES: i64 = 40;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("damage::what_a_database_lacks_is_set_aside_by_command_and_the_rest_arrives", before_a_cursor),
        harness.trial("damage::what_every_database_has_stops_no_start", behind_every_cursor),
        harness.trial("damage::the_log_of_events_is_set_aside_as_well", in_the_log_of_events),
    ]
}

pub(crate) fn segments(log: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    found.sort();
    found
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0xFF;
    fs::write(path, bytes).unwrap();
}

/// Breaks a record in the middle of those that the segment holds.
pub(crate) fn break_a_record(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let records: Vec<usize> =
        bytes.windows(RECORD.len()).enumerate().filter(|(_, at)| *at == RECORD).map(|(at, _)| at).collect();
    assert!(records.len() > 4, "{} records in {}", records.len(), path.display());
    let at = records[records.len() / 2];
    flip(path, (at + records[records.len() / 2 + 1]) / 2);
}

/// Runs the server, which ends by itself; what it said of that.
fn refused(harness: &Harness, plant: &Plant) -> String {
    let said_before = plant.log_text().len();
    let server = harness.spawn(&["--config", "genims.toml", "serve"], &plant.folder);
    let status = server.wait(CATCH_UP).unwrap_or_else(|| panic!("it runs:\n{}", server.log_text()));
    let said = plant.log_text().split_off(said_before);
    assert!(!status.success(), "{status}: {said}");
    said
}

/// The cause, the place and the remedy.
fn names_the_damage(said: &str, segment: &Path) {
    let place = format!("{} is damaged at byte ", segment.display());
    assert!(said.contains(&place) && said.contains("genims log quarantine"), "{said}");
}

/// The number behind the word.
fn number_behind(text: &str, word: &str) -> u64 {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("no {word:?} in {text}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {word:?} in {text}"))
}

fn sent(plant: &Plant, name: &str, enough: impl Fn(&Load) -> bool) -> Vec<Sent> {
    let interval = Duration::from_millis(8);
    let load = Load::start(plant, &LoadOptions { sensors_each: 15, interval, ..LoadOptions::usual(name) });
    eventually("enough is acknowledged", CATCH_UP, || load.acked() > 2_000 && enough(&load));
    let sent = load.finish(CATCH_UP);
    assert!(sent.iter().all(|client| client.open.is_empty()), "not all was acknowledged:\n{}", plant.log_text());
    sent
}

fn before_a_cursor(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SEGMENTS, ..Setup::default() });
    let log = plant.folder.join("data/spool");
    let mut all = sent(&plant, "both", |_| true);
    tally::drained(&plant, CATCH_UP);
    plant.stack.stop_server(Server::Postgres).unwrap();
    let newest = segments(&log).pop().unwrap();
    all.extend(sent(&plant, "behind", |_| segments(&log).iter().filter(|path| **path > newest).count() >= 3));
    tally::caught_up(&plant, &["mongodb"], CATCH_UP);
    plant.terminate();
    let broken = segments(&log).into_iter().find(|path| *path > newest).unwrap();
    break_a_record(&broken);

    names_the_damage(&refused(harness, &plant), &broken);
    let said = plant.cli_ok(&["log", "quarantine"]);
    assert!(said.contains(&format!("{}: ", broken.display())) && said.contains("quarantine/"), "{said}");
    assert_eq!(said.matches("lost: ").count(), 1, "{said}");
    let (records, readings) = (number_behind(&said, "lost: "), number_behind(&said, "(readings "));
    assert!(readings > 0 && records == readings, "nothing but readings was sent: {said}");
    assert!(plant.cli_ok(&["log", "quarantine"]).contains("No segment is damaged"));

    plant.serve();
    plant.stack.start_server(Server::Postgres).unwrap();
    all.extend(sent(&plant, "after", |_| true));
    let stats = tally::drained(&plant, CATCH_UP);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    let acknowledged = tally::readings(&all) as i64;
    assert_eq!(plant.rows("sensor_data", "true"), acknowledged - readings as i64, "all but what is lost");
    let once = "SELECT count(*) FROM (SELECT DISTINCT sensor_id, timestamp FROM sensor_data) AS reading";
    assert_eq!(plant.query("genims_operations_db", once)[0].get::<_, i64>(0), acknowledged - readings as i64);
    assert_eq!(plant.documents("sensor_readings", doc! {}).len() as i64, acknowledged, "the mirror had them already");
}

/// What happens to a segment.
type Harm = fn(&Path);

fn behind_every_cursor(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup { more: SMALL_SEGMENTS, ..Setup::default() });
    let log = plant.folder.join("data/spool");
    let first = segments(&log);
    let mut all = sent(&plant, "one", |_| segments(&log).iter().filter(|path| !first.contains(path)).count() >= 2);
    let harms: [(&str, Harm); 3] = [
        ("a record", break_a_record),
        ("the front", |path| flip(path, 20)),
        ("the file", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, harm) in harms {
        tally::drained(&plant, CATCH_UP);
        plant.terminate();
        let found = segments(&log);
        // A missing one is noticed between two others.
        let passed = if what == "the file" { &found[1] } else { &found[0] };
        assert!(*passed < *found.last().unwrap() && found.len() > 2, "{what}: {found:?}");
        harm(passed);
        let said_before = plant.log_text().len();
        plant.serve();
        let said = plant.log_text().split_off(said_before);
        assert!(said.contains("damage") && said.contains(passed.to_str().unwrap()), "{what} is not told: {said}");
        all.extend(sent(&plant, &harness.unique("damage"), |_| segments(&log).len() > 2));
    }
    let stats = tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &all);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}

fn in_the_log_of_events(harness: &'static Harness) {
    let more = "[routes]\ndirectory = \"routes\"\n";
    let plant = Plant::prepare(harness, &Setup { more, ..Setup::default() });
    write_routes(&plant);
    plant.serve();
    let machine = plant.sensor();
    let begun_ms = now_ms() - 3_600_000;
    let change = |number: i64| send(harness, &plant, &[state(&machine, begun_ms + number * 1_000, number as u64)]);
    (0..5).for_each(change);
    tally::drained(&plant, CATCH_UP);
    plant.stack.stop_server(Server::Mongodb).unwrap();
    (5..CHANGES).for_each(change);
    tally::caught_up(&plant, &["events"], CATCH_UP);
    plant.terminate();
    let broken = segments(&plant.folder.join("data/events")).pop().unwrap();
    break_a_record(&broken);

    names_the_damage(&refused(harness, &plant), &broken);
    let said = plant.cli_ok(&["log", "quarantine"]);
    assert!(said.contains(&format!("{}: ", broken.display())), "{said}");
    let lost = number_behind(&said, ", events ");
    assert!(lost > 0, "{said}");
    plant.stack.start_server(Server::Mongodb).unwrap();
    plant.serve();
    (CHANGES..CHANGES + 5).for_each(change);
    tally::drained(&plant, CATCH_UP);
    let filter = doc! { "meta.machine_id": &machine.machine_id };
    let stored = plant.documents("machine_state_changes", filter);
    let times: HashSet<DateTime> =
        stored.iter().map(|change| *change.get_datetime("timestamp").expect("each has its time")).collect();
    // Where the clock was looked at in between, an hour that is over is among the events that are lost.
    let missing = CHANGES as u64 + 5 - stored.len() as u64;
    assert!(missing > 0 && missing <= lost, "{missing} are missing, {lost} were told to be lost");
    assert_eq!(times.len(), stored.len(), "none is there twice");
}
