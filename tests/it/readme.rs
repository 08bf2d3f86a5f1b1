//! The README's commands, as they stand there, against one seeded platform. Enters: README.md. Leaves: each of its command
//! lines run, with the exit code that a reader expects, or left out for a reason that stands here.
//!
//! Only where things are is put in: the server's port, the URL of the hub, the folder of backups. What files a reader brings
//! along (`press7.csv`, `event.json`) lies in the folder. A line that [`how`] does not know fails the test.

use crate::harness::{Harness, write_env};
use crate::platform::Platform;
use crate::running::{Running, eventually};
use crate::seeding::seeded_in_the_past;
use crate::server::{PATIENCE, free_addresses};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("readme::every_command_does_what_it_says", every_command_does_what_it_says),
        harness.trial("readme::a_command_that_nobody_runs_is_noticed", |_| a_command_that_nobody_runs_is_noticed()),
    ]
}

const README: &str = include_str!("../../README.md");
const PRESS: &str =
    "Zeit;Temperatur [°C];Öldruck (bar)\n13.02.2024 10:00:00;71,5;-0,25\n13.02.2024 10:00:10;72,25;1,5\n";
const EVENT: &str = r#"{"uid": "u", "kind": "fault_opened", "log_offset": 1, "at": "2026-02-11T10:00:00Z", "machine_id": "MCH-0001",
    "line_id": "LINE-01", "factory_id": "FAC-01", "fault_code": "OVERHEAT", "severity": "high", "started_at": "2026-02-11T10:00:00Z"}"#;
/// A whole history is deleted at once, but that takes its time.
const EXPIRY: Duration = Duration::from_secs(120);

/// What is done with a piece of the README.
enum How {
    /// Not run, because ...
    Skip(&'static str),
    /// Run to its end; then this must be true.
    Run(fn(&Reader<'_>) -> bool),
    /// Left running until all is done.
    Serve,
    /// Statements for this database.
    Sql(&'static str, fn(&Reader<'_>) -> bool),
    /// Added to the configuration, which must be valid with it.
    Configuration,
}

const ALSO: fn(&Reader<'_>) -> bool = |_| true;

/// By how a piece begins.
const TABLE: &[(&str, How)] = &[
    ("make demo ", How::Skip("it builds for release and judges itself: its exit code is its verdict")),
    ("make test", How::Skip("this runs in it")),
    ("cargo build ", How::Skip("the programs are built: they run")),
    ("genims-dev up ", How::Skip("devstack tests it; this platform has servers of its own")),
    ("genims provision", How::Run(ALSO)),
    ("genims seed plant --from press7.toml", How::Run(ALSO)),
    ("genims seed", How::Run(ALSO)),
    ("genims verify", How::Run(ALSO)),
    ("genims doctor", How::Run(ALSO)),
    ("genims serve", How::Serve),
    ("[[listeners]]", How::Skip("its certificates are not here; locks tests such listeners")),
    ("mosquitto_pub -p 8883 ", How::Skip("locks sends over TLS")),
    ("genims client ", How::Skip("locks runs all of them, rows the one with --rows")),
    ("[rows]", How::Skip("rows tests it; here everybody may send readings")),
    ("mosquitto_pub -q 1 -u mes ", How::Skip("rows sends such rows")),
    ("[http]", How::Skip("its certificate is not here; sign_in serves with one")),
    ("genims user add ada ", How::Run(|reader| reader.said.contains("secret: "))),
    ("genims user add wall ", How::Run(|reader| reader.said.contains("token: "))),
    ("genims user role wall ", How::Run(ALSO)),
    (
        "genims user list",
        How::Run(|reader| {
            reader.said.contains("ada  admin, enabled") && reader.said.contains("wall  engineer, disabled")
        }),
    ),
    ("GENIMS_TOKEN=TOKEN ", How::Skip("there is no such host; sign_in asks one")),
    ("mosquitto_pub ", How::Run(|reader| reader.reading_arrives())),
    ("psql ", How::Run(|reader| reader.said.contains("machine_name") && !reader.said.contains("(0 rows)"))),
    ("genims hub ask ", How::Run(|reader| reader.said.contains("MCH-"))),
    ("BEGIN;", How::Sql("genims_erp_db", |reader| reader.change_arrives())),
    ("genims audit verify", How::Run(ALSO)),
    ("genims audit export ", How::Run(|reader| reader.lines_of("first_quarter.csv") > 1)),
    ("[[topics]]", How::Configuration),
    ("loadtest replay ", How::Run(ALSO)),
    ("genims routes list", How::Run(|reader| reader.said.contains("parts_of_operation"))),
    ("genims routes fields", How::Run(|reader| reader.said.contains("event.machine_id"))),
    ("genims routes check", How::Run(ALSO)),
    ("genims routes test event.json", How::Run(|reader| reader.said.contains("fault_downtime"))),
    ("genims retention plan", How::Run(ALSO)),
    ("genims retention run", How::Run(ALSO)),
    ("genims backup all ", How::Run(|reader| reader.entries("backups") == 17)),
    (
        "genims restore hr ",
        How::Run(|reader| reader.rows("hr_copy", "employees") == reader.rows("genims_hr_db", "employees")),
    ),
    ("genims restore operations ", How::Run(ALSO)),
    ("genims drill ", How::Run(ALSO)),
    ("genims checklist --phase ", How::Run(|reader| reader.said.contains("18 lines: 18 hold"))),
    ("genims checklist sign ", How::Run(|reader| reader.said.contains("C142: signed by Ada Lovelace on "))),
];

fn how(piece: &str) -> Option<&'static How> {
    TABLE.iter().find(|(start, _)| piece.starts_with(start)).map(|(_, how)| how)
}

/// Command lines, statements and configuration, in the order of the text: a line is one piece, but what belongs together
/// (open quotes, a transaction, a table of the configuration) is one piece as well. Remarks are left out.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let (mut fence, mut goes_on) = (None, false);
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(kind) };
            goes_on = false;
            continue;
        }
        let command = match fence {
            Some(_) => Some(line),
            None => line.strip_prefix("    "),
        };
        let Some(command) = command.map(|line| line.split("  # ").next().unwrap_or(line).trim()) else {
            goes_on = false;
            continue;
        };
        // A drawing.
        if command.is_empty() || command.contains(['─', '┐', '┘', '│']) {
            continue;
        }
        match pieces.last_mut().filter(|_| goes_on) {
            Some(piece) => write!(piece, "\n{command}").unwrap(),
            None => pieces.push(command.to_owned()),
        }
        let piece = pieces.last().map_or("", String::as_str);
        goes_on = piece.starts_with('[')
            || piece.starts_with("BEGIN;")
            || piece.lines().next().is_some_and(|first| first.matches('\'').count() % 2 == 1)
                && piece.matches('\'').count() % 2 == 1;
    }
    pieces
}

fn a_command_that_nobody_runs_is_noticed() {
    let unknown: Vec<String> = pieces(README).into_iter().filter(|piece| how(piece).is_none()).collect();
    assert_eq!(unknown, Vec::<String>::new(), "let `how` know them");
    let there = pieces(README);
    let gone = |start: &&str| !there.iter().any(|piece| piece.starts_with(start));
    let gone: Vec<&str> = TABLE.iter().map(|(start, _)| *start).filter(gone).collect();
    assert_eq!(gone, Vec::<&str>::new(), "the README has them no more");
    let text = "text\n    genims fly  # away\n\n```sh\ngenims swim\n```\n    psql -c 'a\n      b'\n    BEGIN;\n    COMMIT;\n\n```\nA ── B\n```\n";
    let found = pieces(text);
    assert_eq!(found, ["genims fly", "genims swim", "psql -c 'a\nb'", "BEGIN;\nCOMMIT;"]);
    assert!(how(&found[0]).is_none() && how(&found[2]).is_some());
}

/// Who follows the README, in a folder with a shell.
struct Reader<'a> {
    harness: &'static Harness,
    platform: &'a Platform,
    folder: PathBuf,
    http: SocketAddr,
    mqtt: SocketAddr,
    /// What the last command printed.
    said: String,
}

impl Reader<'_> {
    fn new<'a>(harness: &'static Harness, platform: &'a Platform) -> Reader<'a> {
        let folder = harness.folder("readme");
        let [http, mqtt, tcp, line] = free_addresses();
        let mut environment = format!(
            "GENIMS_HTTP_LISTEN={http}\nGENIMS_MQTT_LISTEN={mqtt}\nGENIMS_TCP_LISTEN={tcp}\nGENIMS_LINE_LISTEN={line}\n"
        );
        for (name, value) in platform.variables() {
            writeln!(environment, "{name}='{value}'").unwrap();
        }
        std::fs::create_dir(folder.join("config")).unwrap();
        let configuration = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/genims.toml");
        std::fs::copy(configuration, folder.join("config/genims.toml")).unwrap();
        write_env(&folder.join(".env"), environment);
        for (name, text) in [("press7.csv", PRESS), ("event.json", EVENT)] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Reader { harness, platform, folder, http, mqtt, said: String::new() }
    }

    /// The programs under test come first in the path, and nothing else of the caller's environment is there.
    fn shell(&self, line: &str) -> Command {
        let programs = Path::new(env!("CARGO_BIN_EXE_genims")).parent().unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", line]).current_dir(&self.folder).env_clear().env("PATH", path);
        command.stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn run(&mut self, line: &str) {
        // The doctor gives each server 2.5 s an answer, which a machine with other work may need itself.
        let line = line
            .replace("genims doctor", "genims doctor --timeout 60s")
            .replace("genims checklist --phase", "genims checklist --timeout 60s --phase")
            .replace("-p 1884", &format!("-p {}", self.mqtt.port()))
            .replace("postgresql://USER:PASSWORD@HOST:PORT/hub", &self.platform.stack.postgres_url("hub"))
            .replace("/backups", self.folder.join("backups").to_str().unwrap());
        let Output { status, stdout, stderr } = self.shell(&line).output().unwrap();
        self.said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "{line}: {status}\n{}\n{}", self.said, String::from_utf8_lossy(&stderr));
    }

    fn stats(&self) -> Option<Value> {
        let mut response = ureq::get(format!("http://{}/stats", self.http)).call().ok()?;
        serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()
    }

    fn serve(&self) -> Running {
        let running = self.harness.spawn(&["serve"], &self.folder);
        let ready = || ureq::get(format!("http://{}/readyz", self.http)).call().is_ok();
        eventually("the server is ready", PATIENCE, ready);
        running
    }

    /// The reading of the README is stored, and everything that was received is where it goes.
    fn reading_arrives(&self) -> bool {
        let sent = "SELECT count(*) FROM sensor_data WHERE sensor_id = 'SEN-000001' AND machine_id = 'MCH-0001' \
                    AND line_id = 'LINE-01' AND factory_id = 'FAC-01' AND measurement_value = 42.5";
        eventually("the reading is stored", PATIENCE, || self.number("genims_operations_db", sent) > 0);
        let behind = |stats: &Value| stats["sinks"].as_array().unwrap().iter().any(|sink| sink["lag_records"] != 0);
        let idle = |stats: &Value| stats["total"]["in_flight"] == 0 && stats["total"]["dead_lettered"] == 0;
        eventually("all sinks have it", PATIENCE, || self.stats().is_some_and(|stats| idle(&stats) && !behind(&stats)));
        true
    }

    /// The change of the README is in the audit trail, with who and why.
    fn change_arrives(&self) -> bool {
        let entry = "SELECT COUNT(*) FROM data_change_audit WHERE table_name = 'sales_orders' AND record_key = 'SO-000001' \
                     AND actor_id = 'EMP-000123' AND change_reason = 'customer changed the date'";
        eventually("the change is audited", PATIENCE, || self.platform.mysql("genims_audit_db", entry) == ["1"]);
        true
    }

    fn number(&self, database: &str, query: &str) -> i64 {
        self.harness.block_on(async {
            let client = crate::harness::connect_postgres(&self.platform.stack.postgres_url(database)).await;
            client.query_one(query, &[]).await.unwrap().get(0)
        })
    }

    fn rows(&self, database: &str, table: &str) -> i64 {
        self.number(database, &format!("SELECT count(*) FROM {table}"))
    }

    fn lines_of(&self, file: &str) -> usize {
        std::fs::read_to_string(self.folder.join(file)).unwrap().lines().count()
    }

    fn entries(&self, folder: &str) -> usize {
        std::fs::read_dir(self.folder.join(folder)).unwrap().count()
    }

    /// The commands on backups are of the README here, and `backup::` saves and restores whole histories: months later
    /// MongoDB has nothing of this one left, and PostgreSQL need not have it either.
    fn history_is_gone(&self) {
        self.platform.expire(true);
        self.platform.execute("genims_operations_db", "TRUNCATE sensor_data, scada_machine_data, sensor_health");
        let left = || {
            self.harness.block_on(async {
                let client = mongodb::Client::with_uri_str(self.platform.stack.mongodb_url()).await.unwrap();
                let readings = client.database("genims_production").collection::<Document>("sensor_readings");
                readings.count_documents(doc! { "timestamp": { "$lt": mongodb::bson::DateTime::now() } }).await.unwrap()
            })
        };
        // The README's own readings are of today.
        eventually("the history is gone", EXPIRY, || left() <= 10);
        self.platform.expire(false);
    }
}

fn every_command_does_what_it_says(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    let mut reader = Reader::new(harness, &platform);
    let mut server = None;
    for piece in pieces(README) {
        match how(&piece).unwrap_or_else(|| panic!("nobody knows how to run {piece}")) {
            How::Skip(because) => println!("not run: {piece}: {because}"),
            How::Serve => server = Some(reader.serve()),
            How::Configuration => {
                let file = reader.folder.join("config/more.toml");
                let text = std::fs::read_to_string(reader.folder.join("config/genims.toml")).unwrap();
                std::fs::write(file, text + &piece).unwrap();
                reader.run("genims --config config/more.toml validate");
            }
            How::Sql(database, true_after) => {
                let url = platform.stack.postgres_url(database);
                std::fs::write(reader.folder.join("statements.sql"), &piece).unwrap();
                reader.run(&format!("psql '{url}' -v ON_ERROR_STOP=1 -f statements.sql"));
                assert!(reader.said.contains("UPDATE 1") && true_after(&reader), "{piece}: {}", reader.said);
            }
            How::Run(true_after) => {
                if piece.starts_with("psql ") {
                    // The README says so right before it.
                    reader.run("genims hub provision");
                }
                if piece.starts_with("genims backup ") {
                    reader.history_is_gone();
                }
                reader.run(&piece);
                assert!(true_after(&reader), "{piece}: {}", reader.said);
            }
        }
    }
    let server = server.expect("the README says how to serve");
    server.terminate();
    let status = server.wait(PATIENCE).unwrap_or_else(|| panic!("it does not end:\n{}", server.log_text()));
    assert!(status.success(), "{status}:\n{}", server.log_text());
}
