//! The power goes at the very sync of each kind of file that the data folder has, so that each is torn for certain, once a
//! round: the sync has not happened, and the disk keeps nothing, a part or all of what it should have kept.

use super::{CATCH_UP, CUTS_THAT_TEAR_ALL, Cuts, state};
use crate::harness::Harness;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Speech};
use crate::server::Setup;
use crate::stream::{now_ms, send};
use genims_dev::Server;
use mongodb::bson::doc;
use serde_json::json;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(60);
/// More rounds where many cuts are asked for.
const ROUNDS_MAX: u64 = 5;

/// What has to happen so that the file is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// The server starts.
    Starts,
    /// Sensors that nobody knew send readings.
    Registers,
    /// A machine changes its state.
    Changes,
    /// A database refuses a program's row.
    Refuses,
}

/// Folder, beginning of the name.
const FILES: [(&str, &str, When); 10] = [
    ("spool", "segment-", When::Registers),
    ("spool", "cursor-", When::Registers),
    ("spool", "numbers", When::Registers),
    ("", "catalogue.journal", When::Registers),
    ("events", "segment-", When::Changes),
    ("events", "cursor-", When::Changes),
    ("spool", "history", When::Starts),
    ("events", "history", When::Starts),
    // Written beside the file, and renamed.
    ("bridges", "held.new", When::Starts),
    ("", "refused", When::Refuses),
];

pub(super) fn each_file_is_torn_at_its_sync(harness: &'static Harness) {
    let setup = Setup {
        servers: &[Server::Postgres, Server::Mongodb, Server::Mosquitto],
        more: "[routes]\ndirectory = \"routes\"\n[pipeline]\nunknown_sensors = \"register\"\n\
               [rows]\ndatabases = [\"genims_operations_db\"]\nanonymous = [\"genims_operations_db.t_*\"]\n\
               [[listeners]]\ntype = \"bridge\"\nname = \"bridge\"\nbroker = \"mqtt://BROKER\"\n\
               client_id = \"held\"\nmqtt_version = \"5\"\ntopics = [\"a/#\"]\n",
        ..Setup::default()
    };
    let Some(mut cuts) = Cuts::prepare(harness, "each file", &setup) else { return };
    let rounds = if cuts.count < CUTS_THAT_TEAR_ALL { 1 } else { ROUNDS_MAX };
    let machine = cuts.plant.sensor();
    let begun_ms = now_ms() - 3_600_000;
    cuts.plant.execute("genims_operations_db", "CREATE TABLE t_parts (id bigint PRIMARY KEY, note text NOT NULL)");
    let (mut sent, mut changes, mut refusals) = (Vec::new(), 0_i64, 0_i64);
    for (number, (folder, name, when)) in (0..rounds).flat_map(|_| FILES).enumerate() {
        let torn = |cuts: &Cuts| -> u64 {
            cuts.disk.torn().iter().filter(|(torn, _)| torn.starts_with(name)).map(|(_, times)| times).sum()
        };
        let before = torn(&cuts);
        let marker = cuts.plant.folder.join("data").join(format!("cut:{folder}:{name}"));
        if when == When::Starts {
            cuts.plant.kill();
        }
        // The one of the round before may have outlived its cut.
        let _ = std::fs::remove_file(&marker);
        std::fs::write(&marker, "").unwrap();
        if when == When::Starts {
            cuts.plant.begin();
        }
        let load = Load::start(
            &cuts.plant,
            &LoadOptions {
                speeches: vec![Speech::MqttV3, Speech::MqttV5],
                // What is registered is written at once: a file that others wait for would come too late.
                unknown: (when == When::Registers).then(|| format!("{}:{number}", machine.machine_id)),
                sensors_each: 3,
                ..LoadOptions::usual(&format!("powercut-{number}"))
            },
        );
        if when == When::Changes {
            send(harness, &cuts.plant, &[state(&machine, begun_ms + changes * 1_000, changes.unsigned_abs())]);
            changes += 1;
        }
        if when == When::Refuses {
            // Another one with this key is there.
            let row = |note: &str| json!({ "id": refusals, "note": note }).to_string();
            let topic = "genims/v1/rows/genims_operations_db/t_parts".to_owned();
            send(harness, &cuts.plant, &[(topic.clone(), row("first")), (topic, row("second"))]);
            refusals += 1;
        }
        eventually(&format!("{folder}/{name} is synced"), BOUND, || !marker.exists());
        cuts.plant.kill();
        cuts.disk.cut(&mut cuts.random);
        assert!(torn(&cuts) > before, "{folder}/{name} was not torn: {:?}", cuts.disk.torn());
        cuts.plant.serve();
        eventually("all clients are heard", BOUND, || load.connections() >= 2 && load.acked() > 300);
        sent.extend(load.finish(CATCH_UP));
    }
    cuts.judge(harness, &sent);
    let found = cuts.plant.documents("machine_state_changes", doc! { "meta.machine_id": &machine.machine_id });
    assert_eq!(found.len() as i64, changes, "each acknowledged change is there once");
    assert_eq!(cuts.plant.rows("t_parts", "note = 'first'"), refusals);
    let letters = "SELECT coalesce(sum(letters), 0)::bigint FROM genims_internal.dead_letters WHERE reason = 'bad_row'";
    assert_eq!(cuts.plant.query("genims_operations_db", letters)[0].get::<_, i64>(0), refusals, "one a refused row");
}
