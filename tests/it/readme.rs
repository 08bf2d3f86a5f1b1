//! The README's commands, as they stand there, against one seeded platform. Enters: README.md. Leaves: each of its command
//! lines run, with the exit code that a reader expects, or left out for a reason that stands here: see [`crate::document`].
//!
//! What files a reader brings along (`press7.csv`, `event.json`) lies in the folder.

use crate::backup::age_pair;
use crate::capacity;
use crate::document::{ALSO, Document, How, Reader, pieces, what_a_document_is_made_of};
use crate::harness::Harness;
use crate::running::eventually;
use crate::seeding::seeded_in_the_past;
use crate::server::PATIENCE;
use libtest_mimic::Trial;
use mongodb::bson::{Document as Bson, doc};
use serde_json::Value;
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

/// By how a piece begins.
const TABLE: &[(&str, How)] = &[
    ("make demo ", How::Skip("it builds for release and judges itself: its exit code is its verdict")),
    ("make test", How::Skip("this runs in it")),
    ("make package", How::Skip("`package` makes one, of the program that runs here")),
    ("apt-get install ", How::Skip("`package` installs it, on a copy of this machine")),
    ("cargo build ", How::Skip("the programs are built: they run")),
    ("genims-dev up ", How::Skip("devstack tests it; this platform has servers of its own")),
    ("genims provision", How::Run(ALSO)),
    ("genims seed plant --from press7.toml", How::Run(ALSO)),
    ("genims seed", How::Run(ALSO)),
    ("genims verify", How::Run(ALSO)),
    ("genims doctor", How::Run(ALSO)),
    ("genims capacity", How::Act(capacity::is_told)),
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
    ("genims routes gaps", How::Run(|reader| reader.said.contains("no routed database lacks anything"))),
    ("genims routes resync hr", How::Run(|reader| reader.said.contains("genims_hr_db lacks nothing"))),
    ("genims routes test event.json", How::Run(|reader| reader.said.contains("fault_downtime"))),
    ("genims retention plan", How::Run(ALSO)),
    ("genims retention run", How::Run(ALSO)),
    ("genims maintain plan", How::Run(|reader| reader.said.contains("genims_hr_db"))),
    ("genims maintain run --due", How::Run(ALSO)),
    ("genims maintain run hr --now", How::Run(|reader| !reader.said.contains("FAILED"))),
    ("genims backup all ", How::Run(|reader| reader.entries("backups") == 17)),
    ("genims backup due ", How::Run(|reader| reader.said.contains("0 of 17 databases were due"))),
    ("genims backup servers ", How::Skip("points does; here it would copy a whole history")),
    ("genims restore hr --from /backups --as hr_then ", How::Skip("its moment is another day's; points reaches one")),
    ("age-keygen ", How::Skip("Debian's age is not here; the test brings what it writes along")),
    ("genims backup hr ", How::Run(|reader| reader.said.contains("encrypted for age1"))),
    (
        "genims restore hr ",
        How::Run(|reader| reader.rows("hr_copy", "employees") == reader.rows("genims_hr_db", "employees")),
    ),
    ("genims restore operations ", How::Run(ALSO)),
    ("genims drill ", How::Run(ALSO)),
    ("genims checklist --phase ", How::Run(|reader| reader.said.contains("18 lines: 18 hold"))),
    ("genims checklist sign ", How::Run(|reader| reader.said.contains("C142: signed by Ada Lovelace on "))),
];

const DOCUMENT: Document = Document {
    text: README,
    table: TABLE,
    before: &[
        // The server runs, and its first reading came into databases of another day: all rules hold, not the ledger's alone.
        ("genims verify --module ledger", |reader| reader.run("genims verify")),
        // The README says so right before it.
        ("psql ", |reader| reader.run("genims hub provision")),
        ("genims backup all ", |reader| reader.history_is_gone()),
    ],
};

fn a_command_that_nobody_runs_is_noticed() {
    DOCUMENT.is_known();
    what_a_document_is_made_of();
    assert!(DOCUMENT.how("genims fly").is_none() && DOCUMENT.how("psql -c 'a\nb'").is_some());
}

impl Reader<'_> {
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

    fn rows(&self, database: &str, table: &str) -> i64 {
        self.number(database, &format!("SELECT count(*) FROM {table}"))
    }

    fn lines_of(&self, file: &str) -> usize {
        std::fs::read_to_string(self.folder.join(file)).unwrap().lines().count()
    }

    /// The commands on backups are of the README here, and `backup::` saves and restores whole histories: months later
    /// MongoDB has nothing of this one left, and PostgreSQL need not have it either.
    fn history_is_gone(&self) {
        self.platform.expire(true);
        self.platform.execute("genims_operations_db", "TRUNCATE sensor_data, scada_machine_data, sensor_health");
        let left = || {
            self.harness.block_on(async {
                let client = mongodb::Client::with_uri_str(self.stack().mongodb_url()).await.unwrap();
                let readings = client.database("genims_production").collection::<Bson>("sensor_readings");
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
    let mut reader = Reader::new(harness, &platform, &[("press7.csv", PRESS), ("event.json", EVENT)]);
    age_pair(&reader.folder.join("backup.key"), &reader.folder.join("backup.recipients"));
    DOCUMENT.follow(&mut reader, &pieces(README));
}
