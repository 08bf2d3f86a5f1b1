//! The compliance report on real servers: what was planted is found, what is away is told, and a folder has whole reports.

use crate::harness::Harness;
use crate::platform::Platform;
use chrono::{Days, Utc};
use genims_dev::Server;
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::Path;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![harness.trial("compliance::a_day_is_told_to_auditors", a_day_is_told)]
}

const OPERATIONS: &str = "genims_operations_db";
const QUALITY: &str = "genims_quality_db";
const DAY: &str = "2026-03-10";

struct Told {
    succeeded: bool,
    report: Value,
}

impl Told {
    fn by(platform: &Platform, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        let output = platform.cli(&["report", "compliance", "--day", DAY, "--to", &folder, "--json"], &[]);
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        Self { succeeded: output.status.success(), report }
    }

    fn section(&self, name: &str) -> &Value {
        let sections = self.report["sections"].as_array().unwrap();
        sections.iter().find(|section| section["name"] == name).unwrap_or_else(|| panic!("{name}: {:#}", self.report))
    }

    /// The first values of each row.
    fn rows(&self, name: &str, values: usize) -> Vec<String> {
        let row = |row: &Value| {
            let row = row.as_array().unwrap().iter().take(values).map(|value| value.as_str().unwrap());
            row.collect::<Vec<_>>().join(" ")
        };
        self.section(name)["rows"].as_array().unwrap().iter().map(row).collect()
    }
}

fn a_day_is_told(harness: &'static Harness) {
    let platform = Platform::new(harness);
    plant(&platform);
    let folder = harness.folder("compliance");
    let told = Told::by(&platform, &folder);
    assert!(told.succeeded, "{:#}", told.report);
    assert_eq!(told.rows("calibrations", 1), ["G-1", "G-4"]);
    assert_eq!(told.rows("ncrs", 3), ["NCR-1 2026-03-01 10", "NCR-4 2026-03-05 6"]);
    assert_eq!(told.rows("dead_letters", 5), ["mqtt too_old 2 7 3"]);
    assert_eq!(told.rows("jobs", 5), ["fault_facts failed 1 0 0", "fault_facts succeeded 1 2 9"]);
    let backups = told.rows("backups", 1);
    assert!(backups.len() == 17 && backups.contains(&QUALITY.to_owned()), "{backups:?}");
    assert!(told.section("backups")["rows"][0][4].as_str().unwrap().contains("names no folder"), "{:#}", told.report);
    let file = |extension: &str| folder.join(format!("compliance-{DAY}.{extension}"));
    let [page, table] = ["html", "csv"].map(|extension| std::fs::read_to_string(file(extension)).unwrap());
    assert!(page.contains("NCR-1") && !page.contains("Not complete"), "{page}");
    assert!(table.contains(&format!("{DAY},ncrs,1,number,NCR-1")), "{table}");
    // A day that is not over, even if midnight passes meanwhile.
    let (tomorrow, to) = ((Utc::now().date_naive() + Days::new(1)).to_string(), folder.display().to_string());
    let refused = platform.cli(&["report", "compliance", "--day", &tomorrow, "--to", &to], &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(&format!("{tomorrow} is not over")), "{said}");
    // The heads that MongoDB keeps are not compared: the verdict is less than it seems, and the report says so.
    platform.stack.kill_server(Server::Mongodb).unwrap();
    let told = Told::by(&platform, &folder);
    let error = told.section("audit_trail")["error"].as_str().unwrap_or_default().to_owned();
    assert!(!told.succeeded && error.contains("what MongoDB keeps of the trail was not compared"), "{error}");
    platform.stack.start_server(Server::Mongodb).unwrap();
    // One server is away: its own sections are told as not looked at, the others as before, and the report says so in front.
    platform.stack.kill_server(Server::Mariadb).unwrap();
    let told = Told::by(&platform, &folder);
    assert!(!told.succeeded);
    for name in ["audit_trail", "changes", "sign_ins", "refusals", "holds"] {
        assert!(told.section(name)["error"].as_str().is_some_and(|error| !error.is_empty()), "{name}");
    }
    assert_eq!(told.rows("ncrs", 1), ["NCR-1", "NCR-4"]);
    let page = std::fs::read_to_string(file("html")).unwrap();
    assert!(page.contains("Not complete; not looked at: audit_trail, changes"), "{page}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "no draft stays");
}

/// Of the day, beside what is of another or no matter any more.
fn plant(platform: &Platform) {
    platform.execute(
        QUALITY,
        "INSERT INTO measuring_equipment (equipment_id, equipment_number, equipment_name, calibration_frequency_days, next_calibration_due, equipment_status) VALUES \
         ('G1', 'G-1', 'Caliper', 365, '2026-03-01', 'active'), ('G2', 'G-2', 'Caliper', 365, '2026-03-11', 'active'), \
         ('G3', 'G-3', 'Caliper', 365, '2026-03-01', 'retired'), ('G4', 'G-4', 'Caliper', 365, '2026-03-02', NULL); \
         INSERT INTO ncr_headers (ncr_id, ncr_number, source_type, detected_date, defect_description, defect_severity, ncr_status) VALUES \
         ('N1', 'NCR-1', 'production', '2026-03-01', 'a crack', 'critical', 'open'), ('N2', 'NCR-2', 'production', '2026-03-01', 'a crack', 'critical', 'closed'), \
         ('N3', 'NCR-3', 'production', '2026-03-01', 'a scratch', 'minor', 'open'), ('N4', 'NCR-4', 'production', '2026-03-05', 'a hole', 'critical', NULL)",
    );
    platform.execute(
        OPERATIONS,
        "INSERT INTO genims_internal.dead_letters \
           (spool_id, log_offset, received_at, source, topic, reason, detail, payload, payload_bytes, letters, records, replayed_at) VALUES \
         (gen_random_uuid(), 1, '2026-03-10 00:00Z', 'mqtt', 't', 'too_old', 'd', '', 0, 1, 3, NULL), \
         (gen_random_uuid(), 2, '2026-03-10 23:59Z', 'mqtt', 't', 'too_old', 'd', '', 0, 1, 4, '2026-03-11 00:00Z'), \
         (gen_random_uuid(), 3, '2026-03-11 00:00Z', 'mqtt', 't', 'too_old', 'd', '', 0, 1, 5, NULL)",
    );
    platform.execute(
        "genims_master_db",
        "INSERT INTO genims_internal.etl_runs (job, kind, started_at, ended_at, outcome, days, rows_in) VALUES \
         ('fault_facts', 'manual', '2026-03-10 01:00Z', '2026-03-10 01:01Z', 'succeeded', 2, 9), \
         ('fault_facts', 'manual', '2026-03-10 02:00Z', '2026-03-10 02:01Z', 'failed', 0, 0), \
         ('fault_facts', 'manual', '2026-03-11 00:00Z', '2026-03-11 00:01Z', 'succeeded', 1, 1)",
    );
}
