//! The power is cut under load, again and again, on a disk that forgets what was not synced: every start succeeds, and
//! what was acknowledged is in both databases, once.
//!
//! `GENIMS_CUTS` says how often (200 of either kind: `make powercut`), `GENIMS_SEED` makes the moments and the losses
//! those of an earlier run. Where FUSE cannot be mounted the tests say so and end, or fail with `GENIMS_MUST_MOUNT=1`.

pub(crate) mod disk;
mod every_file;
pub(crate) mod mount;

use crate::harness::Harness;
use crate::kill9::number;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Sent, Speech};
use crate::server::{PATIENCE, Plant, Sensor, Setup};
use crate::stream::{now_ms, send};
use crate::tally;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::doc;
use mount::{Mounted, can_mount};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

const CUTS_USUAL: u64 = 4;
/// From the moment when the server says that it is ready.
const LIFE_MS: std::ops::Range<u64> = 50..900;
/// Between the loss of power and the end of the process.
const POWERLESS_US: std::ops::Range<u64> = 0..5_000;
const CATCH_UP: Duration = Duration::from_secs(120);
/// So many cuts tear every kind of file at least once, whatever the random moments are.
const CUTS_THAT_TEAR_ALL: u64 = 100;
/// Beginnings of names, all of which are written while the load runs.
const WRITTEN: [&str; 2] = ["segment-", "cursor-"];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("powercut::known_sensors_lose_nothing", known_sensors_lose_nothing),
        harness.trial("powercut::each_file_is_torn_at_its_sync", every_file::each_file_is_torn_at_its_sync),
        harness.trial("powercut::registered_sensors_lose_nothing", registered_sensors_lose_nothing),
        harness.trial("powercut::a_bridge_knows_what_its_session_holds", a_bridge_knows_what_its_session_holds),
    ]
}

/// A document for each change of a machine's state, and no key that would hide a second one.
const STATE_CHANGES: &str = r#"
database = "genims_production"
[[route]]
name = "series"
about = "a document for each change of a state"
events = ["state_changed"]
table = "machine_state_changes"
[route.columns]
timestamp = "event.at"
state = "event.state_to"
[route.columns.meta]
factory_id = "event.factory_id"
line_id = "event.line_id"
machine_id = "event.machine_id"
"#;

struct Cuts {
    plant: Plant,
    disk: Mounted,
    random: StdRng,
    count: u64,
}

impl Cuts {
    fn prepare(harness: &'static Harness, kind: &str, setup: &Setup<'_>) -> Option<Self> {
        Self::begin(harness, kind, || Plant::prepare(harness, setup))
    }

    fn begin(harness: &'static Harness, kind: &str, plant: impl FnOnce() -> Plant) -> Option<Self> {
        let (count, seed) = (number("GENIMS_CUTS", CUTS_USUAL), number("GENIMS_SEED", rand::rng().random()));
        println!("powercut: {count} cuts, {kind}, GENIMS_SEED={seed}");
        let probe = harness.folder("powercut");
        if !can_mount(&probe) {
            return None;
        }
        let plant = plant();
        write_routes(&plant);
        let disk = Mounted::new(&plant.folder.join("data")).unwrap();
        plant.serve();
        Some(Self { plant, disk, random: StdRng::seed_from_u64(seed), count })
    }

    fn live_and_cut(&mut self) {
        std::thread::sleep(Duration::from_millis(self.random.random_range(LIFE_MS)));
        // What the server writes meanwhile is what the cut tears; a sync that fails acknowledges nothing.
        self.disk.lose_power();
        std::thread::sleep(Duration::from_micros(self.random.random_range(POWERLESS_US)));
        self.plant.kill();
        self.disk.cut(&mut self.random);
        self.plant.serve();
    }

    fn judge(&self, harness: &Harness, sent: &[Sent]) {
        let open = sent.iter().map(|client| client.open.len()).sum::<usize>();
        assert_eq!(open, 0, "the server is up: everything is acknowledged");
        let stats = tally::drained(&self.plant, CATCH_UP);
        let torn = self.disk.torn();
        println!("powercut: {} readings acknowledged; torn: {torn:?}", tally::readings(sent));
        tally::everything_is_there_once(harness, &self.plant, sent);
        assert_eq!(stats["identity_holds"], true, "{stats:#}");
        if self.count >= CUTS_THAT_TEAR_ALL {
            for kind in WRITTEN {
                assert!(torn.keys().any(|name| name.contains(kind)), "no cut has torn a {kind}: {torn:?}");
            }
        }
    }
}

/// Beside the readings, a machine changes its state once a life: the log of events is cut with the other one.
fn known_sensors_lose_nothing(harness: &'static Harness) {
    let setup = Setup { more: "[routes]\ndirectory = \"routes\"\n", ..Setup::default() };
    let Some(mut cuts) = Cuts::prepare(harness, "known sensors", &setup) else { return };
    let machine = cuts.plant.sensor();
    let begun_ms = now_ms() - 3_600_000;
    let load = Load::start(&cuts.plant, &LoadOptions::usual("powercut"));
    for life in 0..cuts.count {
        send(harness, &cuts.plant, &[state(&machine, begun_ms + life as i64 * 1_000, life)]);
        cuts.live_and_cut();
    }
    cuts.judge(harness, &load.finish(CATCH_UP));
    let changes = cuts.plant.documents("machine_state_changes", doc! { "meta.machine_id": &machine.machine_id });
    assert_eq!(changes.len() as u64, cuts.count, "each acknowledged change is there once");
}

pub(crate) fn write_routes(plant: &Plant) {
    std::fs::create_dir(plant.folder.join("routes")).unwrap();
    std::fs::write(plant.folder.join("routes/production.toml"), STATE_CHANGES).unwrap();
}

/// Another state than in the life before.
pub(crate) fn state(sensor: &Sensor, at_ms: i64, life: u64) -> (String, String) {
    let state = if life.is_multiple_of(2) { "RUNNING" } else { "IDLE" };
    (format!("{}/scada", sensor.machine_topic()), json!({ "timestamp_ms": at_ms, "machine_state": state }).to_string())
}

/// Each life has sensors that no life before it had, so that registering is what is cut. In every other life both clients send of
/// the same ones: who is acknowledged for a number that the other's registration gave needs it as durable as that one does.
fn registered_sensors_lose_nothing(harness: &'static Harness) {
    let more = "[pipeline]\nunknown_sensors = \"register\"\n";
    let setup = Setup { more, ..Setup::default() };
    let Some(mut cuts) = Cuts::prepare(harness, "registered sensors", &setup) else { return };
    let machine = cuts.plant.sensor().machine_id;
    let mut sent = Vec::new();
    for cut in 0..cuts.count {
        let options = LoadOptions {
            speeches: vec![Speech::MqttV3, Speech::MqttV5],
            unknown: Some(format!("{machine}:{cut}")),
            shared: cut.is_multiple_of(2),
            ..LoadOptions::usual(&format!("powercut-{cut}"))
        };
        let load = Load::start(&cuts.plant, &options);
        cuts.live_and_cut();
        sent.extend(load.finish(CATCH_UP));
    }
    cuts.judge(harness, &sent);
}

/// The broker's session outlives our power: what it was asked for stands on the disk before it is asked.
fn a_bridge_knows_what_its_session_holds(harness: &'static Harness) {
    let setup = Setup {
        servers: &[Server::Postgres, Server::Mongodb, Server::Mosquitto],
        more: "[[listeners]]\ntype = \"bridge\"\nname = \"bridge\"\nbroker = \"mqtt://BROKER\"\n\
               client_id = \"held\"\ntopics = [\"a/#\", \"b/+\"]\n",
        ..Setup::default()
    };
    let Some(mut cuts) = Cuts::prepare(harness, "a bridge", &setup) else { return };
    let path = cuts.plant.folder.join("data/bridges/held.filters");
    let broker = cuts.plant.stack.mqtt_address();
    let (host, port) = (broker.ip().to_string(), broker.port().to_string());
    let publish = ["-h", &host, "-p", &port, "-q", "1", "-t", "a/b", "-m", "1"];
    for cut in 0..cuts.count {
        eventually("what was asked for arrives", PATIENCE, || {
            assert!(Command::new("mosquitto_pub").args(publish).status().unwrap().success());
            let stats = cuts.plant.stats();
            let sources = stats["sources"].as_array().unwrap();
            sources.iter().any(|source| source["name"] == "bridge" && source["listener"]["messages_total"] != 0)
        });
        cuts.disk.lose_power();
        cuts.plant.kill();
        cuts.disk.cut(&mut cuts.random);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // The last line is of the broker's answer, which may or may not have come.
        let held: Vec<&str> = text.lines().filter(|line| !line.starts_with('\0')).collect();
        assert_eq!(held, ["a/#", "b/+"], "cut {cut}");
        cuts.plant.serve();
    }
}
