//! `genims checklist` on a seeded platform with its server running: every line that a program can look at holds, with evidence; what is
//! broken on purpose makes the lines about it fail or unknown, and no others; people sign the rest.

use crate::harness::{Harness, connect_postgres, write_env};
use crate::platform::Platform;
use crate::running::{Running, eventually};
use crate::seeding::seeded_in_the_past;
use crate::server::free_addresses;
use genims_databases::Registry;
use genims_dev::Server;
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial(
            "checklist::every_line_holds_with_evidence_and_what_breaks_shows",
            every_line_holds_with_evidence_and_what_breaks_shows,
        ),
        harness.trial("checklist::what_nobody_can_look_at_is_unknown", what_nobody_can_look_at_is_unknown),
    ]
}

/// The server's first answers, and a whole history on its way through the outboxes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(600);
/// As long as any answer here may take on a machine with much else to do.
const UNHURRIED: [&str; 2] = ["--timeout", "60s"];
const DISASTER_RECOVERY: &str = "validation: disaster recovery";

/// Its listeners are in clear, on this machine.
const IN_CLEAR: &str = "C121";
/// One reading is no load.
const OF_LOAD: &str = "C111";
/// Needs the folder of backups.
const OF_BACKUPS: [&str; 5] = ["C054", "C115", "C116", "C117", "C118"];
/// Only people can settle them, and nothing has to hold beside.
const OF_PEOPLE: [&str; 9] = ["C124", "C128", "C129", "C130", "C136", "C138", "C140", "C142", "C143"];
/// They need the folder of backups, and people besides.
const OF_BACKUPS_AND_PEOPLE: [&str; 2] = ["C127", "C141"];
/// How fast this machine is at the moment.
const OF_SPEED: &str = "C110";
/// How much is free on the disk of this machine.
const OF_ROOM: &str = "C130";
/// What all the others come to.
const OF_ALL: &str = "C137";

struct Site {
    harness: &'static Harness,
    platform: Platform,
    folder: PathBuf,
    http: SocketAddr,
    mqtt: SocketAddr,
}

impl Site {
    fn new(harness: &'static Harness) -> Self {
        let platform = seeded_in_the_past(harness);
        let folder = harness.folder("checklist");
        let [http, mqtt, tcp, line] = free_addresses();
        let mut environment = format!(
            "GENIMS_HTTP_LISTEN={http}\nGENIMS_MQTT_LISTEN={mqtt}\nGENIMS_TCP_LISTEN={tcp}\nGENIMS_LINE_LISTEN={line}\n"
        );
        for (name, value) in platform.variables() {
            let is_mongo = name == "GENIMS_MONGODB_URL";
            let tls = if is_mongo {
                format!("&tls=true&tlsCAFile={}", platform.stack.ca_file().display())
            } else {
                String::new()
            };
            writeln!(environment, "{name}='{value}{tls}'").unwrap();
        }
        std::fs::create_dir(folder.join("config")).unwrap();
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/genims.toml");
        std::fs::copy(configuration, folder.join("config/genims.toml")).unwrap();
        write_env(&folder.join(".env"), environment);
        Self { harness, platform, folder, http, mqtt }
    }

    fn genims(&self, arguments: &[&str]) -> Output {
        let mut command = self.harness.command(arguments);
        command.current_dir(&self.folder).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.genims(arguments);
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "{arguments:?}: {status}\n{said}\n{}", String::from_utf8_lossy(&stderr));
        said
    }

    /// What a command that fails says on standard error.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.genims(arguments);
        assert!(!status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stdout));
        String::from_utf8_lossy(&stderr).into_owned()
    }

    #[track_caller]
    fn lines(&self, arguments: &[&str]) -> BTreeMap<String, Value> {
        self.told(&self.genims(&[&["checklist", "--json"], &UNHURRIED[..], arguments].concat()))
    }

    /// All lines by id; the exit code says whether one fails or is unknown.
    #[track_caller]
    fn told(&self, output: &Output) -> BTreeMap<String, Value> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {text}{told}"));
        let lines: BTreeMap<String, Value> = report["lines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["id"].as_str().unwrap().to_owned(), line.clone()))
            .collect();
        let passed = lines.values().all(|line| line["state"] != "fails" && line["state"] != "unknown");
        assert_eq!((output.status.success(), report["passed"] == true), (passed, passed), "{text}");
        for line in lines.values() {
            let settled = ["holds", "signed"].contains(&line["state"].as_str().unwrap());
            assert_ne!(
                line["remedy"].is_string(),
                settled,
                "a remedy beside what does not hold, and only there: {line}"
            );
            assert!(!line["evidence"].as_array().unwrap().is_empty(), "{line}");
        }
        let password = self.password();
        assert!(!text.contains(&password) && !told.contains(&password), "a password was told");
        lines
    }

    fn password(&self) -> String {
        let url = self.platform.stack.postgres_url("x");
        url.split("://").nth(1).unwrap().split(['@', ':']).nth(1).unwrap().to_owned()
    }

    fn stats(&self) -> Option<Value> {
        let mut response = ureq::get(format!("http://{}/stats", self.http)).call().ok()?;
        serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()
    }

    /// Until each database has answered it, and it has nothing left to deliver. One reading comes in: of a history that ended
    /// long ago the mirror keeps none that could be compared.
    fn serve(&self) -> Running {
        let running = self.harness.spawn(&["serve"], &self.folder);
        let all =
            |stats: &Value, list: &str, is: &dyn Fn(&Value) -> bool| stats[list].as_array().unwrap().iter().all(is);
        let follows = |stats: &Value| {
            all(stats, "databases", &|one| one["answers"] == true)
                && all(stats, "sinks", &|one| one["state"] == "following" && one["lag_records"] == 0)
                && all(stats, "changes", &|one| one["state"] == "following" && one["waiting"] == 0)
        };
        eventually("all are followed", PATIENCE, || self.stats().is_some_and(|stats| follows(&stats)));
        let before = self.readings();
        let topic = "genims/v1/FAC-01/LINE-01/MCH-0001/SEN-000001";
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-h", "127.0.0.1", "-p", &self.mqtt.port().to_string(), "-q", "1", "-t", topic, "-m", "42.5"]);
        assert!(publish.status().unwrap().success());
        eventually("the reading is stored", PATIENCE, || self.readings() == before + 1);
        eventually("all have it", PATIENCE, || self.stats().is_some_and(|stats| follows(&stats)));
        running
    }

    fn readings(&self) -> i64 {
        self.harness.block_on(async {
            let client = connect_postgres(&self.platform.stack.postgres_url("genims_operations_db")).await;
            client.query_one("SELECT count(*) FROM sensor_data", &[]).await.unwrap().get(0)
        })
    }

    fn end(running: &Running) {
        running.terminate();
        let status = running.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", running.log_text()));
        assert!(status.success(), "{status}:\n{}", running.log_text());
    }

    /// What is brought back here is not what it holds: months later there is little left to copy.
    fn history_is_gone(&self) {
        self.platform.execute("genims_operations_db", "TRUNCATE sensor_data, scada_machine_data, sensor_health");
        self.harness.block_on(async {
            let client = mongodb::Client::with_uri_str(self.platform.stack.mongodb_url()).await.unwrap();
            for name in ["sensor_readings", "scada_events", "sensor_readings_archive"] {
                let collection = client.database("genims_production").collection::<Document>(name);
                collection.delete_many(doc! { "meta": { "$exists": true } }).await.unwrap();
            }
        });
    }
}

/// By state, with the others left out.
fn in_state<'l>(lines: &'l BTreeMap<String, Value>, state: &str) -> Vec<&'l str> {
    lines.values().filter(|line| line["state"] == state).map(|line| line["id"].as_str().unwrap()).collect()
}

/// The ids whose state is another one than before, with the new one.
fn changed(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let ignored = [OF_SPEED, OF_ALL];
    let differs =
        |(id, line): &(&String, &Value)| !ignored.contains(&id.as_str()) && before[*id]["state"] != line["state"];
    let told = |(id, line): (&String, &Value)| format!("{id} {}", line["state"].as_str().unwrap());
    after.iter().filter(differs).map(told).collect()
}

fn every_line_holds_with_evidence_and_what_breaks_shows(harness: &'static Harness) {
    let site = Site::new(harness);
    let jobs = site.succeeds(&["etl", "list", "--json"]);
    let jobs: Value = serde_json::from_str(&jobs).unwrap();
    let names: Vec<&str> = jobs.as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    site.succeeds(&[&["etl", "run"], &names[..]].concat());
    let server = site.serve();
    let lines = site.lines(&[]);
    assert_eq!(lines.len(), 143);
    for (id, line) in &lines {
        let id = id.as_str();
        let expected = match id {
            _ if id == OF_ROOM && lacks_room(line) => "fails",
            _ if [IN_CLEAR, OF_LOAD, OF_ALL].contains(&id) => "fails",
            _ if OF_BACKUPS.contains(&id) || OF_BACKUPS_AND_PEOPLE.contains(&id) => "unknown",
            _ if OF_PEOPLE.contains(&id) => "to_be_signed",
            _ if id == OF_SPEED => line["state"].as_str().unwrap(),
            _ => "holds",
        };
        assert_eq!(line["state"], expected, "{line:#}");
    }
    evidence_is_what_is_there(&lines);
    a_table_that_is_gone(&site, &lines);
    a_login_that_sees_no_other(&site);
    the_server_ends(&site, &lines, &server);
    people_sign(&site);
    they_come_back(&site);
    mysql_is_away(&site);
}

fn evidence_is_what_is_there(lines: &BTreeMap<String, Value>) {
    for (id, told) in [
        ("C001", "genims_supplier_db (Procurement, 28 tables)"),
        ("C026", "15 looked at, 0 violations"),
        ("C042", "8 of 8 are there: sensor_readings"),
        ("C051", "17 databases: answers true"),
        ("C055", "TLS TLSv1.3"),
        ("C063", "rows"),
        ("C096", "chains untouched"),
        ("C087", "read 13 of 13 databases"),
        ("C088", "20 tables: 20 say from which tables they come"),
        ("C107", "median"),
        ("C109", "rows, median"),
        ("C111", "1 readings in the busiest ten seconds, of 1 that came through the server"),
        ("C121", "4 of 4 listeners and bridges are in clear: mqtt, tcp, line, the HTTP side"),
        ("C119", "none of 3 configured passwords stands in"),
        ("C122", "the writer may INSERT, the reader SELECT"),
    ] {
        let evidence = lines[id]["evidence"].to_string();
        assert!(evidence.contains(told), "{id}: {told}: {evidence}");
    }
    let room = &lines[OF_ROOM];
    assert!(lacks_room(room) || room["evidence"].to_string().contains("of 17 databases is measured"), "{room}");
}

/// Nothing is short but disks.
fn lacks_room(line: &Value) -> bool {
    let evidence = line["evidence"].to_string();
    let others = ["numbers of ", "partitions of ", "transaction ids of ", "log of "];
    line["state"] == "fails" && evidence.contains("disk ") && !others.iter().any(|what| evidence.contains(what))
}

fn people_sign(site: &Site) {
    for (name, note) in [("Ada Lovelace", "draft"), ("Grace Hopper", "minutes of the steering meeting, item 4")] {
        let said = site.succeeds(&["checklist", "sign", "C129", "--by", name, "--note", note]);
        assert!(said.starts_with(&format!("C129: signed by {name} on ")) && said.contains(note), "{said}");
    }
    let all = "SELECT CONCAT(line_id, ' ', signed_by, ' ', note) FROM genims_internal.checklist_signatures ORDER BY signature";
    let audit = "genims_audit_db";
    assert_eq!(
        site.platform.mysql(audit, all),
        ["C129 Ada Lovelace draft", "C129 Grace Hopper minutes of the steering meeting, item 4"]
    );
    let entered = "SELECT activity_description FROM user_activity_log WHERE actor_id = 'genims-checklist' AND record_key = 'C129' AND activity_type = 'approve' ORDER BY activity_id";
    let entered = site.platform.mysql(audit, entered);
    assert!(entered.len() == 2 && entered[1].contains("signed by Grace Hopper"), "{entered:?}");

    let file = site.folder.join("checklist.html");
    let lines = site.lines(&["--phase", "monitoring", "--html", file.to_str().unwrap()]);
    let line = &lines["C129"];
    assert_eq!((&line["state"], &line["signatures_total"]), (&"signed".into(), &2.into()), "{line}");
    assert_eq!(line["signature"]["signed_by"], "Grace Hopper", "the latest counts");
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.contains("Grace Hopper") && page.contains("id=\"C129\"") && !page.contains("id=\"C001\""), "{page}");
    assert!(!page.contains(&site.password()) && !page.contains("src="), "{page}");

    let told = site.refused(&["checklist", "sign", "C026", "--by", "Ada", "--note", "looks good"]);
    assert!(told.contains("C026") && told.contains("is looked at and not signed"), "{told}");
    let told = site.refused(&["checklist", "sign", "C999", "--by", "Ada", "--note", "x"]);
    assert!(told.contains("C999 is no line") && told.contains("C143"), "{told}");
    let told = site.refused(&["checklist", "sign", "C129", "--by", " ", "--note", "x"]);
    assert!(told.contains("--by NAME"), "{told}");
    let told = site.refused(&["checklist", "--phase", "skema"]);
    assert!(told.contains("skema is no phase") && told.contains("\"schema\""), "{told}");
    assert_eq!(site.platform.mysql(audit, all).len(), 2, "what was refused was not signed");
}

/// The table's own lines, and those about all of PostgreSQL and all references.
fn a_table_that_is_gone(site: &Site, before: &BTreeMap<String, Value>) {
    let hr = "genims_hr_db";
    site.platform.execute(hr, "ALTER TABLE ppe_requirements SET SCHEMA genims_internal");
    let after = site.lines(&[]);
    assert_eq!(changed(before, &after), ["C037 fails", "C099 fails", "C103 unknown", "C104 unknown"]);
    assert!(after["C037"]["evidence"].to_string().contains("ppe_requirements"), "{}", after["C037"]);
    site.platform.execute(hr, "ALTER TABLE genims_internal.ppe_requirements SET SCHEMA public");
    assert_eq!(changed(before, &site.lines(&["--phase", "schema"])), [""; 0]);
}

/// It cannot tell what others may do, and says so; who sees all finds it.
fn a_login_that_sees_no_other(site: &Site) {
    let audit = "genims_audit_db";
    site.platform.mysql(audit, "CREATE USER 'auditor'@'%' IDENTIFIED BY 'sees-no-other'");
    site.platform.mysql(audit, "GRANT SELECT ON genims_audit_db.* TO 'auditor'@'%'");
    let url = site.platform.stack.mysql_url(audit);
    let url = format!("mysql://auditor:sees-no-other@{}", url.split('@').nth(1).unwrap());
    let mut command = site.harness.command(&["checklist", "--json", "--phase", "security"]);
    let output = command.args(UNHURRIED).current_dir(&site.folder).env("GENIMS_AUDIT_DB_URL", url).output().unwrap();
    let lines = site.told(&output);
    for id in ["C122", "C123"] {
        assert_eq!(lines[id]["state"], "unknown", "{}", lines[id]);
        assert!(lines[id]["evidence"].to_string().contains("sees no account but its own"), "{}", lines[id]);
    }
    let line = &site.lines(&["--phase", "security"])["C122"];
    assert_eq!(line["state"], "fails", "{line}");
    assert!(line["evidence"].to_string().contains("1 accounts of other databases have rights here"), "{line}");
    site.platform.mysql(audit, "DROP USER 'auditor'@'%'");
}

fn the_server_ends(site: &Site, before: &BTreeMap<String, Value>, server: &Running) {
    Site::end(server);
    let after = site.lines(&[]);
    let unknown = ["C051", "C092", "C094", "C096", "C125"].map(|id| format!("{id} unknown"));
    assert_eq!(changed(before, &after), unknown);
    let told = after["C092"]["remedy"].as_str().unwrap();
    assert!(told.contains("genims serve") && told.contains("--url"), "{told}");
}

fn they_come_back(site: &Site) {
    site.history_is_gone();
    let backups = site.folder.join("backups");
    let backups = backups.to_str().unwrap();
    let recovery = |site: &Site| site.lines(&["--phase", DISASTER_RECOVERY, "--backups", backups]);
    site.succeeds(&["drill", "hr", "--to", backups]);
    let lines = recovery(site);
    assert_eq!((in_state(&lines, "holds"), in_state(&lines, "fails")), (vec!["C115"], vec!["C116", "C117", "C118"]));
    drilled(&site.succeeds(&["drill", "--to", backups, "--json"]));
    let lines = recovery(site);
    assert_eq!(in_state(&lines, "holds"), ["C115", "C116", "C117", "C118"], "{lines:#?}");
    assert!(lines["C116"]["evidence"].to_string().contains("production RTO "), "{}", lines["C116"]);
    let monitoring = site.lines(&["--phase", "monitoring", "--backups", backups]);
    assert_eq!(monitoring["C127"]["state"], "to_be_signed", "{}", monitoring["C127"]);
    let network = site.lines(&["--phase", "network", "--backups", backups]);
    assert_eq!(network["C054"]["state"], "holds", "{}", network["C054"]);
    let folder = newest(&site.folder.join("backups/genims_crm_db"));
    let dump = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let dump = dump.filter(|path| !path.to_string_lossy().contains("manifest")).min().unwrap();
    std::fs::write(&dump, "cut short").unwrap();
    let lines = recovery(site);
    // Without a complete backup there is no recovery point either.
    assert_eq!(in_state(&lines, "fails"), ["C117", "C118"], "{lines:#?}");
    assert!(lines["C118"]["evidence"].to_string().contains("crm"), "{}", lines["C118"]);
}

/// All databases of the registry came back, each once; how long it took is told, and is up to the machine.
fn drilled(report: &str) {
    let report: Value = serde_json::from_str(report).unwrap();
    let databases = report["databases"].as_array().unwrap();
    let mut names: Vec<&str> = databases.iter().map(|one| one["database"].as_str().unwrap()).collect();
    names.sort_unstable();
    let registry = Registry::load(None).unwrap();
    let mut known: Vec<&str> = registry.all().iter().map(|database| database.name.as_str()).collect();
    known.sort_unstable();
    assert_eq!((names.len(), names), (17, known));
    let failed: Vec<&Value> = databases.iter().filter(|one| !one["error"].is_null()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // Of genims_production the test has deleted what grows.
    let is_empty = |one: &&Value| one["database"] != "genims_production" && one["rows"].as_u64() == Some(0);
    let empty: Vec<&Value> = databases.iter().filter(is_empty).collect();
    assert!(empty.is_empty(), "saved empty: {empty:#?}");
    let sum = |key: &str| databases.iter().map(|one| one[key].as_f64().unwrap()).sum::<f64>();
    let (saved, restored, whole) = (sum("backup_seconds"), sum("restore_seconds"), report["seconds"].as_f64().unwrap());
    println!(
        "drill of 17 databases: {saved:.1} s to save, {restored:.1} s to restore, {whole:.1} s in all (issue: 300 s)"
    );
    assert!(databases.iter().all(|one| one["restore_seconds"].as_f64() > Some(0.0)), "none was restored: {report:#}");
}

fn newest(folder: &Path) -> PathBuf {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).max().unwrap()
}

/// Whether databases exist cannot be told while their server is away; that a connection to them succeeds is untrue.
fn mysql_is_away(site: &Site) {
    site.platform.stack.stop_server(Server::Mariadb).unwrap();
    let lines = site.lines(&["--phase", "infrastructure"]);
    assert_eq!(in_state(&lines, "unknown"), ["C021", "C022", "C023"]);
    assert_eq!(in_state(&lines, "holds").len(), 15);
    let lines = site.lines(&["--phase", "schema"]);
    assert_eq!(in_state(&lines, "unknown"), ["C039", "C040", "C041"]);
    let lines = site.lines(&["--phase", "validation: connectivity"]);
    assert_eq!((in_state(&lines, "fails"), in_state(&lines, "unknown")), (vec!["C100"], vec!["C102"]));
    let lines = site.lines(&["--phase", "monitoring"]);
    assert_eq!(lines["C128"]["state"], "unknown", "who signed cannot be read: {}", lines["C128"]);
    let told = site.refused(&["checklist", "sign", "C142", "--by", "Ada", "--note", "x"]);
    assert!(told.contains("genims_audit_db"), "{told}");
}

/// Nothing is configured, nothing runs: no line about a server holds.
fn what_nobody_can_look_at_is_unknown(harness: &'static Harness) {
    let [http] = free_addresses();
    let url = format!("http://{http}");
    let mut command = harness.command(&["checklist", "--json", "--url", &url, "--timeout", "1s"]);
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 143);
    let holding: Vec<&str> =
        lines.iter().filter(|line| line["state"] == "holds").map(|line| line["id"].as_str().unwrap()).collect();
    // Registry, dictionary, documents and git need no server.
    let expected =
        ["C001", "C002", "C003", "C005", "C006", "C007", "C120", "C131", "C132", "C133", "C134", "C135", "C139"];
    assert_eq!(holding, expected, "{report:#}");
    assert!(!output.status.success() && !lines.iter().any(|line| line["state"] == "signed"));
}
