//! The power goes at the very sync of each kind of file that the data folder has, so that each is torn for certain, once a
//! round: the sync has not happened, and the disk keeps nothing, a part or all of what it should have kept.

use super::{CATCH_UP, CUTS_THAT_TEAR_ALL, Cuts, state};
use crate::data_folder;
use crate::harness::Harness;
use crate::running::eventually;
use crate::sender::{Load, LoadOptions, Speech};
use crate::server::{Plant, Sensor};
use crate::stream::{now_ms, try_send};
use mongodb::bson::doc;
use std::path::PathBuf;
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
    /// Master data change.
    IsAudited,
    /// A database for rows gets one more table.
    HasMoreTables,
    /// A command makes an account.
    AddsAccount(&'static [&'static str]),
}

/// Folder, beginning of the name. What is written beside its file and renamed is torn there.
const FILES: [(&str, &str, When); 14] = [
    ("spool", "segment-", When::Registers),
    ("spool", "cursor-", When::Registers),
    ("spool", "numbers", When::Registers),
    ("", "catalogue.journal", When::Registers),
    ("events", "segment-", When::Changes),
    ("events", "cursor-", When::Changes),
    ("spool", "history", When::Starts),
    ("events", "history", When::Starts),
    ("bridges", "held.", When::Starts),
    ("", "refused", When::Refuses),
    ("", "audit-heads.", When::IsAudited),
    ("catalogues", "genims_operations_db.", When::HasMoreTables),
    ("", "clients.toml", When::AddsAccount(&["client", "add"])),
    ("", "users.toml", When::AddsAccount(&["user", "add", "--role", "operator"])),
];

pub(super) fn each_file_is_torn_at_its_sync(harness: &'static Harness) {
    let Some(mut cuts) = Cuts::begin(harness, "each file", || data_folder::plant(harness)) else { return };
    data_folder::filled(harness, &cuts.plant);
    let rounds = if cuts.count < CUTS_THAT_TEAR_ALL { 1 } else { ROUNDS_MAX };
    let mut sent = Vec::new();
    // One row was refused before the first cut.
    let mut sent_beside =
        SentBeside { machine: cuts.plant.sensor(), begun_ms: now_ms() - 3_600_000, changes: Vec::new(), refusals: 1 };
    for (number, (folder, name, when)) in (0..rounds).flat_map(|_| FILES).enumerate() {
        let torn = |cuts: &Cuts| -> u64 {
            cuts.disk.torn().iter().filter(|(torn, _)| torn.starts_with(name)).map(|(_, times)| times).sum()
        };
        let before = torn(&cuts);
        let marker = marker(&cuts.plant, folder, name);
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
                unknown: (when == When::Registers).then(|| format!("{}:{number}", sent_beside.machine.machine_id)),
                sensors_each: 3,
                ..LoadOptions::usual(&format!("powercut-{number}"))
            },
        );
        sent_beside.happens(harness, &cuts.plant, number, when);
        eventually(&format!("{folder}/{name} is synced"), BOUND, || !marker.exists());
        cuts.plant.kill();
        cuts.disk.cut(&mut cuts.random);
        assert!(torn(&cuts) > before, "{folder}/{name} was not torn: {:?}", cuts.disk.torn());
        cuts.plant.serve();
        eventually("all clients are heard", BOUND, || load.connections() >= 2 && load.acked() > 300);
        sent.extend(load.finish(CATCH_UP));
    }
    cuts.judge(harness, &sent);
    sent_beside.is_there(&cuts.plant);
    assert!(cuts.plant.cli_ok(&["client", "list"]).contains("kept"), "an account outlives what tears its file");
    cuts.plant.cli_ok(&["user", "list"]);
    cuts.plant.cli_ok(&["audit", "verify"]);
    // Some have outlived their cuts.
    FILES.iter().for_each(|(folder, name, _)| drop(std::fs::remove_file(marker(&cuts.plant, folder, name))));
    let known: Vec<String> = FILES.map(|(folder, name, _)| in_folder(folder, name)).to_vec();
    data_folder::assert_known(&cuts.plant, &known.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The file that asks the disk for the cut.
fn marker(plant: &Plant, folder: &str, name: &str) -> PathBuf {
    plant.folder.join("data").join(format!("cut:{folder}:{name}"))
}

/// What was sent beside the load.
struct SentBeside {
    machine: Sensor,
    begun_ms: i64,
    /// Whether each was acknowledged: the power may go before that.
    changes: Vec<bool>,
    refusals: i64,
}

impl SentBeside {
    fn happens(&mut self, harness: &'static Harness, plant: &Plant, number: usize, when: When) {
        match when {
            When::Starts | When::Registers => {}
            When::Changes => {
                let number = self.changes.len();
                let change = state(&self.machine, self.at_ms(number), number as u64);
                self.changes.push(try_send(harness, plant, &[change]));
            }
            When::Refuses => {
                // The power goes when the second was refused: both are stored, though perhaps nobody could be told.
                try_send(harness, plant, &data_folder::refused_row(self.refusals));
                self.refusals += 1;
            }
            When::IsAudited => data_folder::change_master_data(plant),
            When::HasMoreTables => {
                let table = format!("CREATE TABLE t_more_{number} (id bigint PRIMARY KEY)");
                plant.execute("genims_operations_db", &table);
            }
            // Whether it says so or not: the power goes under it.
            When::AddsAccount(command) => {
                let name = format!("torn-{number}");
                plant.cli(&[command, &[name.as_str()]].concat());
            }
        }
    }

    fn at_ms(&self, number: usize) -> i64 {
        self.begun_ms + number as i64 * 1_000
    }

    fn is_there(&self, plant: &Plant) {
        let found = plant.documents("machine_state_changes", doc! { "meta.machine_id": &self.machine.machine_id });
        let mut times: Vec<_> =
            found.iter().map(|change| change.get_datetime("timestamp").unwrap().timestamp_millis()).collect();
        for (number, is_acknowledged) in self.changes.iter().enumerate() {
            let before = times.len();
            times.retain(|at_ms| *at_ms != self.at_ms(number));
            let rows = before - times.len();
            assert!(rows == 1 || rows == 0 && !is_acknowledged, "change {number} is there {rows} times: {found:?}");
        }
        assert!(times.is_empty(), "nothing else is there: {found:?}");
        assert_eq!(plant.rows("t_parts", "note = 'first'"), self.refusals);
        let dead_letters =
            "SELECT coalesce(sum(letters), 0)::bigint FROM genims_internal.dead_letters WHERE reason = 'bad_row'";
        let dead_letters = plant.query("genims_operations_db", dead_letters)[0].get::<_, i64>(0);
        assert_eq!(dead_letters, self.refusals, "one a refused row");
    }
}

fn in_folder(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
