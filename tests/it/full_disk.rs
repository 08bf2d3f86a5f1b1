//! A disk that fills under the running server, whichever file of the data folder meets it: nothing is acknowledged that is
//! not on it, everybody is told why, nothing is left torn, and with room everything goes on by itself.
//!
//! The disk is that of the power cuts. Where FUSE cannot be mounted the tests say so and end.

mod commands;

use crate::data_folder;
use crate::dead_letters;
use crate::harness::Harness;
use crate::powercut::disk::Room;
use crate::powercut::mount::{Mounted, can_mount};
use crate::powercut::{state, write_routes};
use crate::routes::plant_of;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Sent};
use crate::server::{Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use crate::tally::{self, sink};
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const CATCH_UP: Duration = Duration::from_secs(120);
/// Long enough for an acknowledgement that must not come.
const SILENCE: Duration = Duration::from_secs(2);
/// Room for the front part of an entry: what is written into it is torn.
const TORN: Room = Room::Bytes(60);
const NOBODY_KNEW: &str = "SEN-FULL";

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("full_disk::everything_waits_says_so_and_goes_on_with_room", waits_and_goes_on),
        harness.trial("full_disk::readings_of_a_new_sensor_wait_for_its_number", a_new_sensor_waits),
        harness.trial("full_disk::a_refused_row_and_a_catalogue_wait_for_room", a_refused_row_waits),
        harness.trial("full_disk::a_disk_that_writes_nothing_at_all_is_waited_out", nothing_is_written),
        harness
            .trial("full_disk::a_first_start_on_a_full_disk_ends_with_the_cause_and_leaves_nothing_torn", first_start),
    ]
}

/// All that writes into the data folder is in use: both logs, numbers, a bridge, the heads of the audit trail.
const MORE: &str = r#"
[spool]
max_bytes = 33554432
[routes]
directory = "routes"
max_bytes = 1048576
[[listeners]]
type = "bridge"
name = "bridge"
broker = "mqtt://BROKER"
client_id = "held"
topics = ["a/#"]
"#;
const MODULES: [&str; 4] = ["master", "operations", "production", "audit"];

struct Scene {
    harness: &'static Harness,
    plant: Plant,
    disk: Mounted,
    machine: Sensor,
    begun_ms: i64,
    /// Changes of the machine's state that were acknowledged.
    changes: i64,
    sent: Vec<Sent>,
}

fn mounted(harness: &Harness, plant: &Plant) -> Option<Mounted> {
    can_mount(&harness.folder("full_disk")).then(|| Mounted::new(&plant.folder.join("data")).unwrap())
}

impl Scene {
    /// The server runs on a disk with room, and every file is there.
    fn begin(harness: &'static Harness) -> Option<Self> {
        let servers = &[Server::Postgres, Server::Mariadb, Server::Mongodb, Server::Mosquitto];
        let plant = plant_of(harness, &Setup { servers, more: MORE, ..Setup::default() }, &MODULES);
        write_routes(&plant);
        let disk = mounted(harness, &plant)?;
        plant.serve();
        let (machine, begun_ms) = (plant.sensor(), now_ms() - 2 * 3_600_000);
        let mut scene = Self { harness, plant, disk, machine, begun_ms, changes: 0, sent: Vec::new() };
        let load = Load::start(&scene.plant, &LoadOptions::usual("before"));
        eventually("acknowledgements", CATCH_UP, || load.acked() > 2_000);
        scene.sent.extend(load.finish(CATCH_UP));
        scene.change_states(10);
        scene.audited_change();
        eventually("the heads are kept", CATCH_UP, || scene.head() > 1);
        scene.add_accounts();
        eventually("the bridge's topics are kept", CATCH_UP, || scene.topics() == ["a/#"]);
        eventually("the first events are routed", CATCH_UP, || scene.routed() == scene.changes);
        Some(scene)
    }

    fn change_states(&mut self, count: i64) {
        let numbers = self.changes..self.changes + count;
        let changes: Vec<_> =
            numbers.map(|number| state(&self.machine, self.begun_ms + number * 1_000, number as u64)).collect();
        send(self.harness, &self.plant, &changes);
        self.changes += count;
    }

    fn routed(&self) -> i64 {
        self.plant.documents("machine_state_changes", doc! { "meta.machine_id": &self.machine.machine_id }).len() as i64
    }

    fn audited_change(&self) {
        self.plant.execute("genims_master_db", "UPDATE factories SET city = city || '!'");
    }

    /// Where the chain of the master data's changes ends, as the data folder says.
    fn head(&self) -> i64 {
        let Ok(text) = fs::read(self.plant.folder.join("data/audit-heads.json")) else { return 0 };
        let heads: Value = serde_json::from_slice(&text).unwrap();
        heads["genims_master_db"]["write"]["position"].as_i64().unwrap_or(0)
    }

    fn topics(&self) -> Vec<String> {
        let text = fs::read_to_string(self.plant.folder.join("data/bridges/held.filters")).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('\0')).map(str::to_owned).collect()
    }

    fn new_sensor(&self) {
        new_sensor(&self.plant, &self.machine);
    }

    /// Waits until the server has said this since `since`.
    fn says(&self, since: usize, what: &str) {
        eventually(what, CATCH_UP, || self.plant.log_text()[since..].contains(what));
    }

    /// Nothing is acknowledged, the cause is named where people look, and the server lives.
    fn is_blocked(&self, load: &Load) {
        let ready = || self.plant.get("/readyz").unwrap();
        eventually("not ready", CATCH_UP, || ready().0 == 503);
        let (_, said) = ready();
        assert!(said.contains("not ready: the disk of ") && said.contains("free some room"), "{said}");
        // What was under way when the flag went up may still get through.
        std::thread::sleep(Duration::from_secs(1));
        let (acked, pongs) = (load.acked(), load.pongs());
        std::thread::sleep(SILENCE);
        assert_eq!(load.acked(), acked, "acknowledged, but there is no room");
        assert!(load.pongs() > pongs, "clients are answered");
        assert_eq!(self.plant.get("/healthz").map(|(status, _)| status), Some(200), "full is not dead");
        let stats = self.plant.stats();
        assert!(stats["identity_holds"] == true && stats["spool"]["failed"].is_null(), "{stats:#}");
    }

    /// With room: everything that waited is done, everything acknowledged is stored once, and the next start is a start.
    fn goes_on(mut self, load: Load, topics: &[&str], head: i64) {
        let acked = load.acked();
        eventually("acknowledgements again", CATCH_UP, || load.acked() > acked + 2_000);
        eventually("ready", CATCH_UP, || self.plant.get("/readyz").is_some_and(|(status, _)| status == 200));
        self.sent.extend(load.finish(CATCH_UP));
        self.change_states(10);
        let stats = tally::drained(&self.plant, CATCH_UP);
        tally::everything_is_there_once(self.harness, &self.plant, &self.sent);
        assert_eq!(stats["identity_holds"], true, "{stats:#}");
        assert_eq!(self.routed(), self.changes, "each change once");
        eventually("the heads are kept", CATCH_UP, || self.head() > head);
        eventually("the bridge's topics are kept", CATCH_UP, || self.topics() == topics);
        self.commands_are_done();
        eventually("the new sensor is known", CATCH_UP, || self.plant.stats()["catalogue"]["last_error"].is_null());
        let known = Sensor { sensor_id: NOBODY_KNEW.to_owned(), ..self.machine.clone() };
        send(self.harness, &self.plant, &[(known.topic(), "21.5".to_owned())]);
        self.plant.stored_exactly(&known, 1);
        self.plant.cli_ok(&["verify", "--module", "ledger"]);
        self.plant.terminate();
        self.plant.serve();
        self.plant.terminate();
    }

    fn were_refused(&self, kinds: &[&str]) {
        let refused = self.disk.refused();
        println!("full_disk: refused: {refused:?}");
        for kind in kinds {
            assert!(refused.keys().any(|name| name.contains(kind)), "no {kind} has met the full disk: {refused:?}");
        }
    }
}

/// Master data gets one more sensor of the other's machine.
fn new_sensor(plant: &Plant, other: &Sensor) -> Sensor {
    let names = json!({ "sensor_id": NOBODY_KNEW, "sensor_code": "FULL-1" });
    let like = &other.sensor_id;
    let insert = format!(
        "INSERT INTO sensors SELECT (jsonb_populate_record(s, '{names}')).* FROM sensors s WHERE sensor_id = '{like}'"
    );
    plant.execute("genims_master_db", &insert);
    Sensor { sensor_id: NOBODY_KNEW.to_owned(), ..other.clone() }
}

/// The log has room, the journal of the numbers has none.
fn a_new_sensor_waits(harness: &'static Harness) {
    let plant = Plant::prepare(harness, &Setup::default());
    let Some(disk) = mounted(harness, &plant) else { return };
    plant.serve();
    let other = plant.sensor();
    disk.leave(TORN);
    let known = new_sensor(&plant, &other);
    eventually("new numbers wait", CATCH_UP, || plant.log_text().contains("new numbers wait"));
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(harness, &plant, &[(known.topic(), "20.5".to_owned())]));
        std::thread::sleep(SILENCE);
        assert!(!sending.is_finished(), "acknowledged, but it is in no log");
        // Others are served meanwhile.
        send(harness, &plant, &[(other.topic(), "21.5".to_owned())]);
        disk.leave(Room::Enough);
    });
    plant.stored_exactly(&known, 1);
    assert_eq!(plant.stats()["total"]["dead_lettered"], 0);
    plant.terminate();
}

/// Kept in files of their own: what a database refused behind the log, and what its catalogue says.
fn a_refused_row_waits(harness: &'static Harness) {
    let plant = data_folder::plant(harness);
    write_routes(&plant);
    let Some(disk) = mounted(harness, &plant) else { return };
    plant.serve();
    data_folder::filled(harness, &plant);
    let dead_letters = || plant.rows(dead_letters::TABLE, "reason = 'bad_row'");
    eventually("the dead letter of the first refused row", CATCH_UP, || dead_letters() == 1);
    let begun = plant.log_text().len();
    disk.leave(TORN);
    // More than the first one took: what it leaves is written over.
    let [(topic, first), (_, mut second)] = data_folder::refused_row(5);
    second.insert_str(second.len() - 2, &"x".repeat(4_000));
    send(harness, &plant, &[(topic.clone(), first), (topic, second)]);
    let waits = |sink: &Value| {
        let error = sink["last_error"].as_str().unwrap_or_default();
        sink["state"] == "retrying" && error.contains("its rows wait: ") && error.contains("free space")
    };
    eventually("its database's rows wait, and why", CATCH_UP, || {
        plant.stats()["sinks"].as_array().unwrap().iter().any(waits)
    });
    plant.execute("genims_operations_db", "CREATE TABLE t_more (id bigint PRIMARY KEY)");
    eventually("the catalogue is not kept", CATCH_UP, || {
        plant.log_text()[begun..].contains("what the catalogue said cannot be kept")
    });
    let refused = disk.refused();
    for kind in ["refused", "genims_operations_db."] {
        assert!(refused.keys().any(|name| name.contains(kind)), "no {kind} has met the full disk: {refused:?}");
    }
    assert_eq!(dead_letters(), 1, "kept nowhere");
    disk.leave(Room::Enough);
    eventually("the second dead letter", CATCH_UP, || dead_letters() == 2);
    plant.idle();
    assert_eq!((dead_letters(), plant.rows("t_parts", "note <> 'first'")), (2, 0), "each once");
    eventually("ready", CATCH_UP, || plant.get("/readyz").is_some_and(|(status, _)| status == 200));
    plant.terminate();
    plant.serve();
    plant.terminate();
}

/// Until the log of events needs a segment for which there is no room; the log of everything has some left.
fn fill_the_log_of_events(scene: &mut Scene) {
    let is_blocked = |stats: &Value| sink(stats, "events")["state"] == "retrying";
    let begun = Instant::now();
    while !is_blocked(&scene.plant.stats()) {
        assert!(begun.elapsed() < CATCH_UP, "{:#}", scene.plant.stats());
        scene.change_states(200);
        eventually("the events are routed, or wait", CATCH_UP, || {
            let stats = scene.plant.stats();
            is_blocked(&stats)
                || (sink(&stats, "events")["lag_records"] == 0 && sink(&stats, "production")["lag_records"] == 0)
        });
    }
    let stats = scene.plant.stats();
    let router = sink(&stats, "events");
    let cause = router["last_error"].as_str().unwrap();
    assert!(cause.contains("data/events is full") && cause.contains("free some room"), "{router:#}");
    assert!(router["connected"] == false && router["lag_records"] != 0, "{router:#}");
    let (status, said) = scene.plant.get("/readyz").unwrap();
    assert!(status == 200 && said.contains("sink events: retrying: the disk of "), "{status} {said}");
}

fn fast(name: &str) -> LoadOptions {
    LoadOptions { sensors_each: 50, interval: Duration::from_millis(8), ..LoadOptions::usual(name) }
}

fn waits_and_goes_on(harness: &'static Harness) {
    let Some(mut scene) = Scene::begin(harness) else { return };
    let head = scene.head();
    scene.disk.leave(TORN);
    fill_the_log_of_events(&mut scene);
    let begun = scene.plant.log_text().len();
    scene.disk.leave(TORN);
    scene.new_sensor();
    scene.says(begun, "new numbers wait");
    scene.disk.leave(TORN);
    scene.audited_change();
    scene.says(begun, "the heads of the audit trail are not kept");
    assert_eq!(scene.head(), head, "the old file is whole");
    scene.commands_are_refused(TORN);
    let load = Load::start(&scene.plant, &fast("full"));
    scene.is_blocked(&load);
    assert!(scene.plant.log_text().contains("the disk is full: senders wait"), "{}", scene.plant.log_text());

    // An orderly end and a crash, each followed by a start on the full disk.
    scene.plant.terminate();
    let configuration = scene.plant.folder.join("genims.toml");
    let text = fs::read_to_string(&configuration).unwrap();
    fs::write(&configuration, text.replace("[\"a/#\"]", "[\"b/+\"]")).unwrap();
    let begun = scene.plant.log_text().len();
    scene.plant.serve_full();
    scene.says(begun, "bridge cannot remember its topics");
    scene.is_blocked(&load);
    scene.plant.kill();
    scene.disk.leave(TORN);
    scene.plant.serve_full();
    scene.is_blocked(&load);
    scene.were_refused(&["blank-", "segment.tmp", "catalogue.journal", "audit-heads.new", "held.new"]);
    scene.disk.leave(Room::Enough);
    scene.goes_on(load, &["b/+"], head);
}

/// Cursors, the history of the log and the witness of numbers lie in reserved room, which helps nothing here.
fn nothing_is_written(harness: &'static Harness) {
    let Some(scene) = Scene::begin(harness) else { return };
    let (head, begun) = (scene.head(), scene.plant.log_text().len());
    let load = Load::start(&scene.plant, &fast("nothing"));
    eventually("acknowledgements", CATCH_UP, || load.acked() > 2_000);
    scene.disk.leave(Room::Nothing);
    scene.is_blocked(&load);
    scene.new_sensor();
    scene.audited_change();
    scene.says(begun, "new numbers wait");
    scene.says(begun, "the heads of the audit trail are not kept");
    scene.says(begun, "spool housekeeping failed");
    let times = scene.plant.log_text()[begun..].matches("spool housekeeping failed").count();
    assert!(times < 10, "told {times} times, every round anew:\n{}", scene.plant.log_text());
    scene.commands_are_refused(Room::Nothing);
    // It waits through restarts of the broker, too.
    scene.plant.stack.stop_server(Server::Mosquitto).unwrap();
    scene.plant.stack.start_server(Server::Mosquitto).unwrap();
    scene.says(begun, "bridge cannot remember its topics");
    scene.were_refused(&["segment-", "cursor-", "catalogue.journal", "audit-heads.new", "held.new"]);
    scene.plant.terminate();
    let said = Attempt::of(harness, &scene.plant).ended();
    assert!(said.contains("No space left on device") && said.contains("free space"), "{said}");
    scene.disk.leave(Room::Enough);
    scene.plant.serve();
    scene.goes_on(load, &["a/#"], head);
}

/// What a start comes to that may fail.
enum Attempt {
    Ended(String),
    Alive,
}

impl Attempt {
    fn of(harness: &Harness, plant: &Plant) -> Self {
        let said_before = plant.log_text().len();
        let server = harness.spawn(&["--config", "genims.toml", "serve"], &plant.folder);
        let deadline = Instant::now() + CATCH_UP;
        loop {
            if let Some(status) = server.wait(Duration::from_millis(50)) {
                let said = plant.log_text().split_off(said_before);
                assert!(!status.success(), "{status}: {said}");
                return Self::Ended(said);
            }
            if plant.get("/healthz").is_some_and(|(status, _)| status == 200) {
                server.kill();
                return Self::Alive;
            }
            assert!(Instant::now() < deadline, "it neither ends nor lives:\n{}", server.log_text());
        }
    }

    fn ended(self) -> String {
        let Self::Ended(said) = self else { panic!("it runs") };
        said
    }
}

/// What each attempt finds is what the one before has left: the first segment, the log's history, the journal, cursors, the
/// log of events come into being one after the other, each at least once with too little room.
const ROOMS: [usize; 8] = [0, 300_000, 530_000, 65_600, 9_000, 220_000, 140_000, 70_000];

fn first_start(harness: &'static Harness) {
    let more = "[spool]\nmax_bytes = 4194304\n[routes]\ndirectory = \"routes\"\nmax_bytes = 1048576\n";
    let plant = Plant::prepare(harness, &Setup { more, ..Setup::default() });
    write_routes(&plant);
    let Some(disk) = mounted(harness, &plant) else { return };
    let mut ended = 0;
    for room in ROOMS {
        disk.leave(Room::Bytes(room));
        match Attempt::of(harness, &plant) {
            Attempt::Alive => println!("full_disk: {room} bytes: it runs"),
            Attempt::Ended(said) => {
                let cause = said.lines().last().unwrap_or_default();
                println!("full_disk: {room} bytes: {cause}");
                let remedy = cause.contains("free space") || cause.contains("free some room");
                assert!(cause.contains("No space left on device") && remedy, "{room} bytes: {said}");
                ended += 1;
            }
        }
    }
    assert!(ended > 2 && ended < ROOMS.len(), "{ended} starts ended: never too little room, or never enough to run on");
    println!("full_disk: refused: {:?}", disk.refused());
    disk.leave(Room::Enough);
    plant.serve();
    let load = Load::start(&plant, &LoadOptions::usual("first"));
    eventually("acknowledgements", CATCH_UP, || load.acked() > 2_000);
    let sent = load.finish(CATCH_UP);
    let stats = tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &sent);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    plant.terminate();
}
