//! Backups on real servers: what was destroyed comes back as it was, what is damaged is refused, and what came after a backup the
//! log gives again.

use crate::harness::{Harness, connect_postgres, write_env};
use crate::platform::Platform;
use crate::running::eventually;
use crate::seeding::{fingerprints, seeded_in_the_past};
use crate::sender::{Load, LoadOptions};
use crate::server::{Plant, Setup};
use crate::tally;
use age::secrecy::ExposeSecret;
use chrono::{DateTime, TimeDelta, Utc};
use genims_databases::MysqlSettings;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CATCH_UP: Duration = Duration::from_secs(120);

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("backup::what_was_destroyed_comes_back", what_was_destroyed_comes_back),
        harness.trial("backup::what_is_encrypted_comes_back_to_whom_it_is_for", what_is_encrypted_comes_back),
        harness.trial("backup::what_is_due_is_saved_and_what_is_old_goes", what_is_due_is_saved_and_what_is_old_goes),
        harness.trial("backup::restored_under_the_running_server_nothing_is_lost", restored_under_the_running_server),
    ]
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub(crate) fn done(platform: &Platform, arguments: &[&str]) -> Value {
    let output = platform.cli(arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[track_caller]
pub(crate) fn refused(platform: &Platform, arguments: &[&str], cause: &[&str]) {
    let output = platform.cli(arguments, &[]);
    let said = text(&output);
    assert!(!output.status.success() && cause.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
}

fn what_was_destroyed_comes_back(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    let folder = harness.folder("backups");
    let to = folder.to_str().unwrap();
    let before = fingerprints(harness, &platform);
    let saved = done(&platform, &["backup", "all", "--to", to, "--json"]);
    let paths: Vec<PathBuf> = saved["databases"].as_array().unwrap().iter().map(path).collect();
    assert_eq!(paths.len(), 17, "{saved:#}");
    let listed = done(&platform, &["backup", "list", "--from", to, "--json"]);
    assert_eq!((listed["backups"].as_array().unwrap().len(), &listed["missing"]), (17, &Value::Array(Vec::new())));

    damaged(&platform, &paths, to);
    refused(&platform, &["restore", "hr", "--from", to], &["--replace", "--as"]);
    refused(&platform, &["restore", "hr", "--from", to, "--as", "Bad-name"], &["Bad-name"]);
    done(&platform, &["restore", "hr", "--from", to, "--as", "hr_copy"]);
    let employees = |database: &str| rows(harness, &platform, database, "employees");
    assert_eq!(employees("hr_copy"), employees("genims_hr_db"));

    destroy(harness, &platform);
    assert_ne!(fingerprints_of_what_is_left(harness, &platform), 0, "something else was destroyed, too");
    for database in ["hr", "audit", "production"] {
        done(&platform, &["restore", database, "--from", to]);
    }
    refused(&platform, &["restore", "master", "--from", to], &["--replace"]);
    done(&platform, &["restore", "master", "--from", to, "--replace"]);
    let restored = "genims_internal.changes WHERE op = 'action' AND actor = 'service:genims-restore' \
                    AND after ->> 'description' LIKE 'restored from the backup of %'";
    assert_eq!(rows(harness, &platform, "genims_master_db", restored), 1);
    let after = fingerprints(harness, &platform);
    let differences: Vec<_> = before.iter().filter(|(table, print)| after.get(*table) != Some(print)).collect();
    assert!(differences.is_empty() && before.len() == after.len(), "{differences:#?}");
    let only = ["--only", "hr", "--only", "audit", "--only", "production", "--only", "master"];
    let check = platform.cli(&[&["provision", "--check"], &only[..]].concat(), &[]);
    assert!(check.status.success(), "{}", text(&check));
    // The bookkeeping came back as well: nothing is seeded twice.
    let again = done(&platform, &["seed", "--as-of", "2026-02-11", "--module", "audit", "--json"]);
    assert_eq!(again["databases"][0]["loaded"], 0, "{again:#}");

    forget_the_history(harness, &platform);
    let drilled = done(&platform, &["drill", "hr", "audit", "production", "--json"]);
    let times: Vec<f64> =
        drilled["databases"].as_array().unwrap().iter().map(|one| one["restore_seconds"].as_f64().unwrap()).collect();
    assert!(times.len() == 3 && times.iter().all(|seconds| *seconds > 0.0), "{drilled:#}");
    assert!(employees("genims_hr_db") > 0, "the drill touched the database itself");
    torn(harness, &platform, to);

    platform.stack.stop_server(Server::Mongodb).unwrap();
    let output = platform.cli(&["backup", "hr", "production", "crm", "--to", to, "--json"], &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<&Value> =
        report["databases"].as_array().unwrap().iter().filter(|one| !one["error"].is_null()).collect();
    assert!(!output.status.success() && failed.len() == 1, "{report:#}");
    assert_eq!(report["databases"].as_array().unwrap().len(), 3, "{report:#}");
    assert!(failed[0]["error"].as_str().unwrap().contains("start the server"), "{report:#}");
}

fn path(saved: &Value) -> PathBuf {
    PathBuf::from(saved["path"].as_str().unwrap_or_else(|| panic!("{saved:#}")))
}

/// What `age-keygen` writes: an identity, and its recipient.
pub(crate) fn age_pair(identity_file: &Path, recipients_file: &Path) {
    let identity = age::x25519::Identity::generate();
    write_env(identity_file, format!("# a test's\n{}\n", identity.to_string().expose_secret()));
    std::fs::write(recipients_file, format!("{}\n", identity.to_public())).unwrap();
    std::fs::set_permissions(recipients_file, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// A database of each engine, saved for two, destroyed, and brought back by the second of them.
fn what_is_encrypted_comes_back(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    little_of_the_history_is_left(harness, &platform);
    let folder = harness.folder("encrypted");
    let to = folder.to_str().unwrap();
    let keys = harness.folder("keys");
    let place = |name: &str| keys.join(name).to_str().unwrap().to_owned();
    for name in ["ada", "ben", "eve"] {
        age_pair(&keys.join(name), &keys.join(format!("{name}.recipients")));
    }
    let ada = std::fs::read_to_string(place("ada.recipients")).unwrap();
    let ada = ada.trim();
    let before = fingerprints(harness, &platform);
    let three = ["hr", "audit", "production"];
    let secret = std::fs::read_to_string(place("ada")).unwrap();
    let secret = secret.lines().last().unwrap();
    refused(&platform, &["backup", "hr", "--to", to, "--recipient", secret], &["--recipient number 1", "public"]);
    let encrypted = ["--recipient", ada, "--recipients-file", &place("ben.recipients"), "--to", to, "--json"];
    let saved = done(&platform, &[&["backup"], &three[..], &encrypted[..]].concat());
    assert_eq!(saved["encrypted_for"].as_array().unwrap().len(), 2, "{saved:#}");
    for saved in saved["databases"].as_array().unwrap() {
        for file in std::fs::read_dir(path(saved)).unwrap() {
            let file = file.unwrap().path();
            let content = std::fs::read(&file).unwrap();
            let is_manifest = file.file_stem().unwrap() == "manifest";
            assert!(is_manifest || content.starts_with(b"age-encryption.org/v1\n"), "{}", file.display());
        }
    }
    let listed = done(&platform, &["backup", "list", "--from", to, "--json"]);
    assert!(listed["backups"].as_array().unwrap().iter().all(|entry| entry["encrypted"] == true), "{listed:#}");

    for database in three {
        let restore = ["restore", database, "--from", to, "--replace"];
        refused(&platform, &restore, &[ada, "--identity FILE"]);
        refused(&platform, &[&restore[..], &["--identity", &place("eve")]].concat(), &[ada, "nothing was restored"]);
        refused(&platform, &[&restore[..], &["--identity", &place("ada.recipients")]].concat(), &["chmod 600"]);
    }
    let left = fingerprints(harness, &platform);
    assert!(left == before, "something was restored without the identity");
    destroy(harness, &platform);
    for database in three {
        done(&platform, &["restore", database, "--from", to, "--identity", &place("ben")]);
    }
    let after = fingerprints(harness, &platform);
    let is_ours = |table: &String| !table.starts_with("genims_master_db");
    let differences: Vec<_> =
        before.iter().filter(|(table, print)| is_ours(table) && after.get(*table) != Some(print)).collect();
    assert!(differences.is_empty(), "{differences:#?}");

    refused(&platform, &["drill", "hr", "--recipient", ada], &["--identity"]);
    let identity = place("ada");
    let drill = [&["drill"], &three[..], &["--recipient", ada, "--identity", &identity, "--json"]].concat();
    let drilled = done(&platform, &drill);
    let is_back = |one: &Value| one["error"].is_null() && one["restore_seconds"].as_f64().unwrap() > 0.0;
    assert!(drilled["databases"].as_array().unwrap().iter().all(is_back), "{drilled:#}");
}

/// The same backup, begun so many days earlier.
pub(crate) fn aged(backup: &Path, days: i64) -> PathBuf {
    let text = std::fs::read_to_string(backup.join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_str(&text).unwrap();
    let begun_at: DateTime<Utc> = manifest["begun_at"].as_str().unwrap().parse().unwrap();
    let earlier = begun_at - TimeDelta::days(days);
    manifest["begun_at"] = earlier.to_rfc3339().into();
    let copy = backup.with_file_name(earlier.format("%Y%m%dT%H%M%S%.3fZ").to_string());
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(backup).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    std::fs::write(copy.join("manifest.json"), serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
    let sum = Command::new("sha256sum").arg("manifest.json").current_dir(&copy).output().unwrap();
    std::fs::write(copy.join("manifest.sha256"), sum.stdout).unwrap();
    copy
}

fn what_is_due_is_saved_and_what_is_old_goes(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let only = ["--only", "master", "--only", "hr", "--only", "reporting"];
    let provisioned = platform.cli(&[&["provision"], &only[..]].concat(), &[]);
    assert!(provisioned.status.success(), "{}", text(&provisioned));
    let folder = harness.folder("backups");
    let to = folder.to_str().unwrap();
    let due = ["backup", "due", "hr", "reporting", "--to", to, "--json"];
    let each = |report: &Value, key: &str| -> Vec<Value> {
        report["databases"].as_array().unwrap().iter().map(|one| one[key].clone()).collect()
    };
    let first = done(&platform, &due);
    let saved: Vec<PathBuf> = each(&first, "saved").iter().map(path).collect();
    assert_eq!(saved.len(), 2, "{first:#}");
    let again = done(&platform, &due);
    assert_eq!(each(&again, "saved"), [Value::Null, Value::Null], "{again:#}");
    let list = ["backup", "list", "--from", to, "--json"];
    let is_due = |database: &str| {
        let listed = done(&platform, &list);
        listed["due"].as_array().unwrap().iter().any(|due| due == database)
    };
    assert!(!is_due("genims_hr_db") && is_due("genims_erp_db"));

    for backup in &saved {
        for days in [60, 50, 40, 3, 2] {
            aged(backup, days);
        }
        std::fs::remove_dir_all(backup).unwrap();
    }
    assert!(is_due("genims_hr_db"));
    let later = done(&platform, &due);
    let removed: Vec<usize> = each(&later, "removed").iter().map(|removed| removed.as_array().unwrap().len()).collect();
    assert_eq!(removed, [3, 3], "{later:#}");
    for backup in &saved {
        let left = std::fs::read_dir(backup.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| !name.to_str().unwrap().starts_with('.')).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }
    let entered = |outbox: &str, database: &str| -> i64 {
        harness.block_on(async {
            let client = connect_postgres(&platform.stack.postgres_url(outbox)).await;
            let query = "SELECT count(*) FROM genims_internal.changes WHERE actor = 'service:genims-backup' \
                         AND after ->> 'activity' = 'delete' AND after ->> 'database' = $1 \
                         AND after ->> 'description' LIKE 'removed the backup of %'";
            client.query_one(query, &[&database]).await.unwrap().get(0)
        })
    };
    // Those of MySQL have no outbox of their own.
    assert_eq!(entered("genims_hr_db", "genims_hr_db"), 3);
    assert_eq!(entered("genims_master_db", "genims_reporting_db"), 3);
    done(&platform, &["restore", "reporting", "--from", to, "--replace"]);

    // A clock was years ahead, once.
    let newest = path(&each(&later, "saved")[0]);
    let future = aged(&newest, -1_000);
    let restored = done(&platform, &["restore", "hr", "--from", to, "--replace", "--json"]);
    assert_eq!(restored["from"], newest.to_str().unwrap(), "{restored:#}");
    assert_eq!(restored["passed_over"][0]["path"], future.to_str().unwrap(), "{restored:#}");
    assert_eq!(restored["other_server"], Value::Null, "{restored:#}");
    let drilled = done(&platform, &["drill", "hr", "--to", to, "--json"]);
    assert!(drilled["databases"][0]["exposed_seconds"].as_f64().unwrap() > 0.0, "{drilled:#}");
    what_a_loss_costs(&platform, to, &drilled);
    let listed = done(&platform, &list);
    assert!(listed["backups"].as_array().unwrap().iter().any(|backup| backup["standing"] == "future"), "{listed:#}");
}

/// Nothing as long as nobody writes; else what was written since the backup's moment.
fn what_a_loss_costs(platform: &Platform, to: &str, drilled: &Value) {
    assert_eq!(drilled["databases"][0]["exposed_rows"], 0, "nobody wrote: {drilled:#}");
    platform.execute("genims_hr_db", "CREATE TABLE meanwhile (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)");
    let is_over = AtomicBool::new(false);
    let drilled = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                platform.execute("genims_hr_db", "INSERT INTO meanwhile DEFAULT VALUES");
            }
        });
        let drilled = platform.cli(&["drill", "hr", "--to", to, "--json"], &[]);
        is_over.store(true, Ordering::Relaxed);
        drilled
    });
    assert!(drilled.status.success(), "{}", text(&drilled));
    let drilled: Value = serde_json::from_slice(&drilled.stdout).unwrap();
    assert!(drilled["databases"][0]["exposed_rows"].as_u64().unwrap() > 0, "{drilled:#}");
}

/// One byte in a file, a file cut short, and a backup without its manifest; all are mended again.
fn damaged(platform: &Platform, paths: &[PathBuf], to: &str) {
    for (module, name) in [("hr", "dump.pgc"), ("audit", "dump.sql"), ("production", "data.machine_live_state.bson")] {
        let folder = paths.iter().find(|path| path.to_str().unwrap().contains(module)).unwrap();
        let file = folder.join(name);
        let whole = std::fs::read(&file).unwrap();
        let copy = format!("{module}_damaged");
        let restore = ["restore", module, "--from", to, "--as", &copy];
        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        std::fs::write(&file, altered).unwrap();
        refused(platform, &restore, &[name, "SHA-256", "nothing was restored"]);
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        refused(platform, &restore, &[name, "bytes", "nothing was restored"]);
        std::fs::write(&file, whole).unwrap();
        let manifest = folder.join("manifest.json");
        let kept = folder.join("manifest.kept");
        std::fs::rename(&manifest, &kept).unwrap();
        refused(platform, &restore, &["manifest.json"]);
        std::fs::rename(kept, manifest).unwrap();
    }
}

pub(crate) fn rows(harness: &'static Harness, platform: &Platform, database: &str, table: &str) -> i64 {
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url(database)).await;
        client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
    })
}

/// A database of each engine is gone, and of one all employees.
fn destroy(harness: &'static Harness, platform: &Platform) {
    platform.execute("genims_master_db", "UPDATE employees SET first_name = 'Nobody'; DELETE FROM sensors");
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url("postgres")).await;
        client.batch_execute("DROP DATABASE genims_hr_db WITH (FORCE)").await.unwrap();
        let settings =
            MysqlSettings::from_url("genims_audit_db", &platform.stack.mysql_url("genims_audit_db")).unwrap();
        let mut connection = settings.connect().await.unwrap();
        connection.query_drop("DROP DATABASE genims_audit_db").await.unwrap();
        connection
            .query_drop("DELETE FROM genims_internal.seed_ledger WHERE database_name = 'genims_audit_db'")
            .await
            .unwrap();
        connection
            .query_drop("DELETE FROM genims_internal.schema_history WHERE database_name = 'genims_audit_db'")
            .await
            .unwrap();
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        client.database("genims_production").drop().await.unwrap();
    });
}

fn fingerprints_of_what_is_left(harness: &'static Harness, platform: &Platform) -> i64 {
    rows(harness, platform, "genims_quality_db", "in_process_inspections")
}

/// The whole of it came back. What follows reads it five times more, and proves nothing by it.
fn forget_the_history(harness: &'static Harness, platform: &Platform) {
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let production = client.database("genims_production");
        for collection in ["sensor_readings", "scada_events"] {
            production.collection::<Document>(collection).drop().await.unwrap();
        }
    });
}

/// What one sensor and one machine brought: `what_was_destroyed_comes_back` brings the whole of it back, and that a file is
/// encrypted does not depend on how many documents are in it.
pub(crate) fn little_of_the_history_is_left(harness: &'static Harness, platform: &Platform) {
    harness.block_on(async {
        let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
        let production = client.database("genims_production");
        for (collection, kept) in [("sensor_readings", "sensor_id"), ("scada_events", "machine_id")] {
            let collection = production.collection::<Document>(collection);
            let one = collection.find_one(doc! {}).await.unwrap().unwrap();
            let id = one.get_document("meta").unwrap().get_str(kept).unwrap();
            let field = format!("meta.{kept}");
            collection.delete_many(doc! { field: { "$ne": id } }).await.unwrap();
            assert!(collection.find_one(doc! {}).await.unwrap().is_some());
        }
    });
}

/// Somebody writes to a collection that no log gives again.
fn torn(harness: &'static Harness, platform: &Platform, to: &str) {
    let (writing, url) = (AtomicBool::new(true), platform.stack.mongodb_url());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            harness.block_on(async {
                let client = mongodb::Client::with_uri_str(&url).await.unwrap();
                let notes = client.database("genims_production").collection::<Document>("notes_of_a_test");
                while writing.load(Ordering::Relaxed) {
                    notes.insert_one(doc! { "text": "x" }).await.unwrap();
                }
                notes.drop().await.unwrap();
            });
        });
        let output = platform.cli(&["backup", "production", "--to", to], &[]);
        writing.store(false, Ordering::Relaxed);
        let said = text(&output);
        assert!(!output.status.success() && said.contains("notes_of_a_test") && said.contains("nobody"), "{said}");
    });
    let left = std::fs::read_dir(Path::new(to).join("genims_production")).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with(".partial")), "{left:?}");
    done(platform, &["backup", "production", "--to", to]);
}

/// A backup is taken and restored while readings come; afterwards both databases hold each once, those too that came between.
fn restored_under_the_running_server(harness: &'static Harness) {
    let plant = Plant::start(harness, &Setup::default());
    let folder = harness.folder("backups");
    let to = folder.to_str().unwrap();
    let load = Load::start(&plant, &LoadOptions::usual("all"));
    let more = |count: u64| {
        let acked = load.acked();
        eventually("acknowledgements", CATCH_UP, || load.acked() > acked + count);
    };
    more(2_000);
    plant.cli_ok(&["backup", "operations", "production", "--to", to]);
    more(2_000);
    let restored = |database: &str| {
        let report = plant.cli_ok(&["restore", database, "--from", to, "--replace", "--json"]);
        serde_json::from_str::<Value>(&report).unwrap()
    };
    let behind = |report: &Value| report["log_positions"][0]["next_offset"].as_u64().unwrap();
    let (operations, production) = (restored("operations"), restored("production"));
    let end = plant.stats()["spool"]["next_offset"].as_u64().unwrap();
    assert!(behind(&operations) < end && behind(&production) < end, "nothing came after the backup");
    more(2_000);
    let sent = load.finish(CATCH_UP);
    let stats = tally::drained(&plant, CATCH_UP);
    tally::everything_is_there_once(harness, &plant, &sent);
    assert_eq!(stats["identity_holds"], true, "{stats:#}");
    plant.cli_ok(&["verify", "--module", "ledger"]);
}
