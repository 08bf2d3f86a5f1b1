//! A database of each engine whose server keeps a log, brought to a moment between two backups, on real servers and encrypted; what is
//! not held, or has a gap before it, is refused.

use crate::backup::{age_pair, done, refused, rows};
use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("points::a_database_comes_back_as_it_was_at_a_moment", a_database_comes_back)]
}

/// A row in a table of each of the two.
fn write(platform: &Platform, number: u32) {
    platform.execute("genims_hr_db", &format!("INSERT INTO moments VALUES ({number})"));
    platform.mysql("genims_reporting_db", &format!("INSERT INTO moments VALUES ({number})"));
}

/// A second that begins after all that was written, and has begun when this returns: MariaDB's log knows no shorter ones.
fn moment() -> DateTime<Utc> {
    let point = Utc::now().trunc_subsecs(0) + TimeDelta::seconds(1);
    while Utc::now() <= point {
        std::thread::sleep(Duration::from_millis(20));
    }
    point
}

fn folder_of(saved: &Value, engine: &str) -> PathBuf {
    let servers = saved["servers"].as_array().unwrap();
    let server = servers.iter().find(|server| server["engine"] == engine).unwrap_or_else(|| panic!("{saved:#}"));
    PathBuf::from(server["folder"].as_str().unwrap())
}

/// The oldest first.
fn parts(server: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(server.join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut parts: Vec<PathBuf> = entries.filter(|path| path.join("manifest.json").exists()).collect();
    parts.sort();
    parts
}

fn a_database_comes_back(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let (folder, keys) = (harness.folder("points"), harness.folder("keys"));
    let to = folder.to_str().unwrap();
    let (identity, recipients) = (keys.join("ada"), keys.join("ada.recipients"));
    age_pair(&identity, &recipients);
    let (identity, recipients) = (identity.to_str().unwrap(), recipients.to_str().unwrap());
    let databases = ["backup", "servers", "hr", "reporting", "production"];
    let words = [&databases[..], &["--to", to, "--recipients-file", recipients, "--json"]].concat();
    let save = || done(&platform, &words);
    let back = |module: &str, name: &str, point: DateTime<Utc>| -> Vec<String> {
        let point = point.to_rfc3339();
        let words = ["restore", module, "--from", to, "--as", name, "--point", point.as_str(), "--identity", identity];
        words.map(str::to_owned).to_vec()
    };
    let refusal = |words: &[String], cause: &[&str]| {
        refused(&platform, &words.iter().map(String::as_str).collect::<Vec<_>>(), cause);
    };
    refusal(&back("hr", "hr_then", Utc::now()), &["genims backup servers", "nothing was restored"]);

    platform.execute("genims_hr_db", "CREATE TABLE public.moments (n int PRIMARY KEY)");
    platform.mysql("genims_reporting_db", "CREATE TABLE moments (n int PRIMARY KEY)");
    write(&platform, 1);
    let before = Utc::now();
    let first = save();
    assert_eq!(first["left_out"], serde_json::json!(["genims_production"]), "{first:#}");
    let copied =
        |saved: &Value| saved["servers"].as_array().unwrap().iter().filter(|one| !one["copied"].is_null()).count();
    assert_eq!(copied(&first), 2, "{first:#}");
    write(&platform, 2);
    let point = moment();
    write(&platform, 3);
    let second = save();
    assert_eq!(copied(&second), 0, "{second:#}");

    for (module, name) in [("hr", "hr_then"), ("reporting", "reporting_then")] {
        let words = back(module, name, point);
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
        let report = done(&platform, &words);
        let told: DateTime<Utc> = report["backup_begun_at"].as_str().unwrap().parse().unwrap();
        assert_eq!((told, &report["other_server"]), (point, &Value::Null), "{report:#}");
    }
    assert_eq!(rows(harness, &platform, "hr_then", "moments"), 2);
    assert_eq!(rows(harness, &platform, "hr_then", "employees"), rows(harness, &platform, "genims_hr_db", "employees"));
    assert_eq!(platform.mysql("reporting_then", "SELECT COUNT(*) FROM moments"), ["2"]);
    assert_eq!(rows(harness, &platform, "genims_hr_db", "moments"), 3, "the database itself was touched");

    drilled(harness, &platform, to, identity, point);

    let never: DateTime<Utc> = "2001-01-01T00:00:00Z".parse().unwrap();
    for outside in [never, before, Utc::now() + TimeDelta::days(1)] {
        refusal(&back("hr", "hr_never", outside), &["outside of what", " to ", "nothing was restored"]);
        refusal(&back("reporting", "reporting_never", outside), &["outside of what", " to "]);
    }
    refusal(&back("production", "production_then", point), &["genims_operations_db", "--point"]);
    let listed = done(&platform, &["backup", "list", "--from", to, "--json"]);
    assert_eq!(listed["points"].as_array().unwrap().len(), 2, "{listed:#}");

    write(&platform, 4);
    let later = moment();
    let third = save();
    for (engine, module) in [("postgresql", "hr"), ("mysql", "reporting")] {
        let log = parts(&folder_of(&third, engine), "log");
        assert!(log.len() >= 3, "{log:?}");
        std::fs::remove_dir_all(&log[log.len() - 2]).unwrap();
        refusal(&back(module, &format!("{module}_never"), later), &["lacks a part", "nothing was restored"]);
    }
    what_cannot_be_followed_is_begun_anew(&platform, &words, later);
    another_server_is_not_taken_for_the_same(&platform, &words);
}

/// To the newest moment and to one before it; nothing is left of the copies.
fn drilled(harness: &'static Harness, platform: &Platform, from: &str, identity: &str, point: DateTime<Utc>) {
    let drill = |databases: &[&str], moment: &str| {
        let words = ["drill", "--from", from, "--identity", identity, "--json", "--point", moment];
        platform.cli(&[&words[..], databases].concat(), &[])
    };
    let report = |output: std::process::Output| -> Value {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(output.status.success(), "{report:#}");
        report
    };
    let newest = report(drill(&["hr", "reporting", "production"], "newest"));
    let then = report(drill(&["hr"], &point.to_rfc3339()));
    assert_eq!(newest["left_out"], serde_json::json!(["genims_production"]), "{newest:#}");
    let all = |report: &Value| report["databases"].as_array().unwrap().clone();
    let reached = |one: &Value| one["point"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!((all(&newest).len(), all(&then).len()), (2, 1));
    for one in all(&newest).iter().chain(&all(&then)) {
        assert!(one["error"].is_null() && one["rows"].as_u64() > Some(0), "{one:#}");
        assert!(["restore_seconds", "exposed_seconds"].iter().all(|key| one[*key].as_f64() > Some(0.0)), "{one:#}");
    }
    assert!(all(&newest).iter().all(|one| reached(one) >= point), "{newest:#}");
    assert_eq!(reached(&all(&then)[0]), point, "{then:#}");
    let never = drill(&["hr", "reporting"], "2001-01-01T00:00:00Z");
    let told: Value = serde_json::from_slice(&never.stdout).unwrap();
    assert!(!never.status.success(), "{told:#}");
    let is_refused = |one: &Value| one["error"].as_str().is_some_and(|error| error.contains("outside of what"));
    assert!(all(&told).len() == 2 && all(&told).iter().all(is_refused), "{told:#}");
    refused(platform, &["drill", "production", "--point", "newest", "--from", from], &["genims_operations_db"]);
    refused(platform, &["drill", "hr", "--point", "newest"], &["--from"]);
    let copies = "SELECT count(*) FROM pg_database WHERE datname = 'hr_then' OR datname LIKE '%\\_drill'";
    let copies: i64 = harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url("postgres")).await;
        client.query_one(copies, &[]).await.unwrap().get(0)
    });
    assert_eq!(copies, 1, "hr_then alone");
    let copies = "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.schemata WHERE schema_name LIKE '%\\_drill'";
    assert_eq!(platform.mysql("genims_reporting_db", copies), ["0"]);
    assert_eq!(rows(harness, platform, "genims_hr_db", "moments"), 3, "the database itself was touched");
}

/// And says so.
fn what_cannot_be_followed_is_begun_anew(platform: &Platform, save: &[&str], since: DateTime<Utc>) {
    let anew = done(platform, save);
    let servers = anew["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 2, "{anew:#}");
    for server in servers {
        assert!(server["copied"].is_string() && server["remark"].is_string(), "{server:#}");
        let held = server["held"].as_array().unwrap().last().unwrap();
        let until: DateTime<Utc> = held["until"].as_str().unwrap().parse().unwrap();
        assert!(until > since, "the new copy leads nowhere: {server:#}");
    }
}

/// Its log has files of the names that come next, and what is in them comes behind something else.
fn another_server_is_not_taken_for_the_same(platform: &Platform, save: &[&str]) {
    platform.mysql("genims_reporting_db", "RESET MASTER");
    for _ in 0..50 {
        platform.mysql("genims_reporting_db", "FLUSH BINARY LOGS");
    }
    refused(platform, save, &["does not go on with", "nothing was saved", "move that folder away"]);
}
