//! What servers log: lines for machines where they are asked for, and no secret, whatever a test does.

use crate::harness::{Harness, write_env};
use crate::running::{Running, eventually};
use crate::server::PATIENCE;
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::Path;
use url::Url;

/// Shorter ones may stand in a log as words.
const SECRET_MIN: usize = 12;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("logs::a_line_is_an_object_where_json_is_asked_for", lines_for_machines),
        harness.trial("logs::a_secret_among_the_lines_is_noticed", secrets_are_noticed),
    ]
}

/// Panics when the log of a `genims` holds what is secret in the `.env` beside it, or the hash of a secret. Each that ends is looked at.
#[track_caller]
pub(crate) fn holds_no_secret(log: &Path) {
    if !log.ends_with("genims.log") {
        return;
    }
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let (lines, environment) = (read(log), read(&log.with_file_name(".env")));
    let found = found_in(&lines, &environment);
    assert!(found.is_empty(), "{} holds what is secret: {found:?}", log.display());
}

/// The lines that hold a secret.
fn found_in<'l>(log: &'l str, environment: &str) -> Vec<&'l str> {
    let mut secrets = vec!["$argon2id$".to_owned(), "PRIVATE KEY-----".to_owned()];
    for (name, value) in environment.lines().filter_map(|line| line.split_once('=')) {
        let value = value.trim_matches(['\'', '"']);
        let is_one = ["_PASSWORD", "_SECRET", "_TOKEN"].iter().any(|end| name.ends_with(end));
        let in_url = Url::parse(value).ok().and_then(|url| url.password().map(str::to_owned));
        secrets.extend(is_one.then(|| value.to_owned()).or(in_url).filter(|secret| secret.len() >= SECRET_MIN));
    }
    log.lines().filter(|line| secrets.iter().any(|secret| line.contains(secret))).collect()
}

fn secrets_are_noticed(_: &'static Harness) {
    let environment = "GENIMS_HR_DB_URL='postgresql://genims:q8-Vy2kd03jL@127.0.0.1:1/x?sslmode=disable'\n\
                       GENIMS_REPLAY_SECRET=another-of-them\nGENIMS_ERP_DB_URL=postgresql://u:p@127.0.0.1:1/d\n";
    for line in ["cannot reach q8-Vy2kd03jL@127.0.0.1", "INFO secret=another-of-them", "hash=$argon2id$v=19$m=1"] {
        assert_eq!(found_in(&format!("one\n{line}\ntwo"), environment), [line]);
    }
    assert_eq!(found_in("cannot reach 127.0.0.1:1/x as genims, sslmode=disable", environment), [""; 0]);
}

fn lines_for_machines(harness: &'static Harness) {
    let folder = harness.folder("json");
    write_env(&folder.join(".env"), "GENIMS_POSTGRES_URL=postgresql://genims:q8-Vy2kd03jL@127.0.0.1:1/postgres\n");
    let config = "data_dir = \"data\"\n[http]\nlisten = \"127.0.0.1:0\"\n[[sinks]]\ntype = \"postgres\"\n";
    std::fs::write(folder.join("genims.toml"), config).unwrap();
    let mut command = harness.command(&["--config", "genims.toml", "serve"]);
    // Of one part alone more than warnings.
    command.env("GENIMS_LOG_FORMAT", "json").env("GENIMS_LOG", "warn,genims_log=info").current_dir(&folder);
    let server = Running::spawn(command, folder.join("genims.log"));
    eventually("the log is open", PATIENCE, || server.log_text().contains("spool open"));
    server.terminate();
    assert!(server.wait(PATIENCE).expect("it ends").success(), "{}", server.log_text());
    let log = server.log_text();
    for line in log.lines() {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(
            is_text(&told["timestamp"]) && is_text(&told["level"]) && is_text(&told["fields"]["message"]),
            "{line}"
        );
        if told["fields"]["message"] == "spool open" {
            assert_eq!((&told["level"], &told["fields"]["first_offset"]), (&"INFO".into(), &0.into()), "{line}");
        }
    }
    assert!(!log.contains("stopped before the listeners"), "that is of another part: {log}");
}
