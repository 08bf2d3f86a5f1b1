//! A plant in which all is in use that a server writes into its data folder, and a look at whether a test knows every file.
//!
//! Not here: `first-secret`, which a start writes that asks people to sign in and has nobody to tell it, and
//! `audit-checkpoints.json`, which `genims audit prune` writes by the code that writes `audit-heads.json`; `timelines.json`, which takes
//! a failover of PostgreSQL: its unit tests raise its format, `standby` reads it after a restart.

use crate::harness::Harness;
use crate::routes::plant_of;
use crate::running::eventually;
use crate::server::{PATIENCE, Plant, Setup};
use crate::stream::send;
use genims_dev::Server;
use serde_json::json;
use std::path::Path;

const SETUP: Setup<'static> = Setup {
    servers: &[Server::Postgres, Server::Mariadb, Server::Mongodb, Server::Mosquitto],
    mqtt: "anonymous = true",
    more: "[routes]\ndirectory = \"routes\"\n[pipeline]\nunknown_sensors = \"register\"\n[clients]\n\
           [rows]\ndatabases = [\"genims_operations_db\"]\nanonymous = [\"genims_operations_db.t_*\"]\n\
           [[listeners]]\ntype = \"bridge\"\nname = \"bridge\"\nbroker = \"mqtt://BROKER\"\n\
           client_id = \"held\"\nmqtt_version = \"5\"\ntopics = [\"a/#\"]\n",
    sinks: &["postgres", "mongodb"],
};

/// With a table `t_parts` for rows; the server does not run yet, and there are no routes.
pub(crate) fn plant(harness: &'static Harness) -> Plant {
    let plant = plant_of(harness, &SETUP, &["master", "operations", "production", "audit"]);
    plant.execute("genims_operations_db", "CREATE TABLE t_parts (id bigint PRIMARY KEY, note text NOT NULL)");
    plant
}

/// Two rows with one key: the database refuses the second, behind the log.
pub(crate) fn refused_row(key: i64) -> [(String, String); 2] {
    let row = |note: &str| json!({ "id": key, "note": note }).to_string();
    let topic = "genims/v1/rows/genims_operations_db/t_parts".to_owned();
    [(topic.clone(), row("first")), (topic, row("second"))]
}

/// A change that goes into the audit trail: a moment later the heads say so.
pub(crate) fn change_master_data(plant: &Plant) {
    plant.execute("genims_master_db", "UPDATE factories SET city = city || '!'");
}

/// Waits until the folder holds all of it.
pub(crate) fn filled(harness: &'static Harness, plant: &Plant) {
    plant.cli_ok(&["client", "add", "kept"]);
    change_master_data(plant);
    send(harness, plant, &refused_row(-1));
    for name in ["bridges/held.filters", "refused", "audit-heads.json", "catalogues/genims_operations_db.json"] {
        eventually(name, PATIENCE, || plant.folder.join("data").join(name).exists());
    }
}

/// Fails for files whose paths in the data folder begin with none of `known`.
pub(crate) fn assert_known(plant: &Plant, known: &[&str]) {
    let is_known = |path: &str| {
        let name = path.rsplit('/').next().unwrap();
        // What is held and never written; what a start throws away; what is made anew where it is not as it should be.
        let is_no_matter = name == "lock" || name.ends_with(".tmp") || path == "catalogue.jsonl";
        is_no_matter || known.iter().any(|known| path.starts_with(known))
    };
    let files = files(&plant.folder.join("data"), "");
    assert!(files.iter().any(|file| file == "catalogue.journal"), "{files:?}");
    let unknown: Vec<&String> = files.iter().filter(|file| !is_known(file)).collect();
    assert!(unknown.is_empty(), "files of the data folder that the test's list does not name: {unknown:?}");
}

/// By their paths below the folder.
fn files(folder: &Path, above: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let path = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path(), &format!("{path}/")));
        } else {
            found.push(path);
        }
    }
    found
}
