//! Backups in S3, by a service that checks signatures, is busy now and then and breaks off answers: what is saved there comes back,
//! what is old goes, and nothing is left besides.

use crate::backup::{age_pair, aged, little_of_the_history_is_left};
use crate::harness::{Harness, connect_postgres};
use crate::object_service::{KEY, SECRET, Trouble, serve};
use crate::platform::Platform;
use crate::seeding::seeded_in_the_past;
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

const TO: &str = "s3://plant/genims";
/// One of each engine.
const THREE: [&str; 3] = ["hr", "audit", "production"];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("backup_s3::what_is_saved_there_comes_back_and_what_is_old_goes", saved_and_restored)]
}

/// Commands with the account that the service knows.
struct Account<'a> {
    platform: &'a Platform,
    variables: Vec<(&'static str, String)>,
}

impl Account<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.platform.cli(arguments, &variables)
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], cause: &str) {
        let output = self.run(arguments);
        let said = said(&output);
        assert!(!output.status.success() && said.contains(cause), "{arguments:?}: {said}");
        assert!(!said.contains(SECRET) && !said.contains("X-Amz"), "{arguments:?}: {said}");
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn saved_and_restored(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    little_of_the_history_is_left(harness, &platform);
    let (folder, keys) = (harness.folder("buckets"), harness.folder("keys"));
    std::fs::create_dir(folder.join("plant")).unwrap();
    let (asked, read) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let service = serve(&folder, move |method, path| {
        if asked.fetch_add(1, Ordering::Relaxed) % 7 == 3 {
            return Some(Trouble::Refused);
        }
        let reads = method == "GET" && path.contains("/dump.");
        (reads && read.fetch_add(1, Ordering::Relaxed).is_multiple_of(3)).then_some(Trouble::Cut)
    });
    let place = |name: &str| keys.join(name).to_str().unwrap().to_owned();
    std::fs::write(place("secret"), format!("{SECRET}\n")).unwrap();
    age_pair(&keys.join("ada"), &keys.join("ada.recipients"));
    let mut account = Account {
        platform: &platform,
        variables: vec![
            ("AWS_ENDPOINT_URL", service.url.clone()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY_FILE", place("secret")),
        ],
    };
    let recipients = ["--recipients-file", &place("ada.recipients"), "--to", TO, "--json"];
    let saved = account.done(&[&["backup"], &THREE[..], &recipients[..]].concat());
    let paths: Vec<&str> =
        saved["databases"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert!(paths.len() == 3 && paths.iter().all(|path| path.starts_with(TO)), "{saved:#}");
    let listed = account.done(&["backup", "list", "--from", TO, "--json"]);
    let is_whole = |one: &Value| one["standing"] == "complete" && one["encrypted"] == true;
    let backups = listed["backups"].as_array().unwrap();
    assert!(backups.len() == 3 && backups.iter().all(is_whole), "{listed:#}");

    account.refused(&["restore", "hr", "--from", TO, "--as", "hr_copy"], "--identity FILE");
    let before = employees(harness, &platform, "genims_hr_db");
    for module in THREE {
        let copy = format!("{module}_copy");
        let restore = ["restore", module, "--from", TO, "--as", &copy, "--identity", &place("ada"), "--json"];
        assert!(account.done(&restore)["rows"].as_u64().unwrap() > 0);
    }
    assert_eq!(employees(harness, &platform, "hr_copy"), before);

    looked_after(&account, &folder.join("plant"), &place("ada"), &recipients);
    let left = files(&folder.join("plant"));
    let marks: Vec<_> =
        left.iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect();
    assert!(marks.is_empty(), "{marks:?}");

    account.refused(&["backup", "servers", "hr", "--to", TO], "name a folder");
    let then = ["--as", "hr_then", "--point", "2026-02-11T09:30:00Z"];
    account.refused(&[&["restore", "hr", "--from", TO], &then[..]].concat(), "name a folder");
    account.variables[2].1 = place("ada.recipients");
    account.refused(&["backup", "hr", "--to", TO], "SignatureDoesNotMatch");
    account.refused(&["backup", "hr", "--to", "s3://elsewhere/x"], "s3://elsewhere/x");
    account.variables.pop();
    account.refused(&["restore", "hr", "--from", TO, "--as", "hr_copy"], "AWS_SECRET_ACCESS_KEY");
    assert_eq!(files(&folder.join("plant")), left);
    assert!(!platform.folder.join("s3:").exists(), "a folder was made in its place");
}

/// Drilled, saved when it is due, and what is old is removed behind a backup that was read.
fn looked_after(account: &Account<'_>, bucket: &Path, identity: &str, recipients: &[&str]) {
    let drilled = account.done(&[&["drill", "hr", "--identity", identity], recipients].concat());
    assert!(drilled["databases"][0]["error"].is_null(), "{drilled:#}");
    assert!(bucket.join("genims/drill.json").exists());
    let database = bucket.join("genims/genims_hr_db");
    let newest = std::fs::read_dir(&database).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let aged: Vec<PathBuf> = [60, 50, 40, 3, 2].into_iter().map(|days| aged(&newest, days)).collect();
    let due = account.done(&[&["backup", "due", "hr"], recipients].concat());
    assert!(due["databases"][0]["saved"].is_null(), "{due:#}");
    assert_eq!(due["databases"][0]["removed"].as_array().unwrap().len(), 3, "{due:#}");
    let there: Vec<bool> = aged.iter().map(|backup| backup.join("manifest.json").exists()).collect();
    assert_eq!(there, [false, false, false, true, true]);
    assert!(files(&aged[0]).is_empty(), "nothing of it stays");
}

/// All of them, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    found.sort();
    found
}

fn employees(harness: &'static Harness, platform: &Platform, database: &str) -> String {
    harness.block_on(async {
        let client = connect_postgres(&platform.stack.postgres_url(database)).await;
        let query = "SELECT count(*) || ' ' || md5(string_agg(e::text, ',' ORDER BY e::text)) FROM employees e";
        client.query_one(query, &[]).await.unwrap().get(0)
    })
}
