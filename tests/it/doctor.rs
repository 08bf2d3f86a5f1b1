//! The doctor on real servers: healthy ones, ones that are down or hang, and logins that may not do enough.

use crate::capacity;
use crate::harness::Harness;
use crate::platform::Platform;
use genims_databases::{Engine, Registry};
use genims_dev::Server;
use genims_platform::doctor::{self, Diagnosis, DoctorReport, Grade, Subject};
use libtest_mimic::Trial;
use serde_json::Value;
use std::time::Duration;

/// For servers that answer, on a machine with other work.
const PATIENT: Duration = Duration::from_secs(60);
/// For servers that hang, and those beside them.
const LIMIT: Duration = Duration::from_secs(10);
/// For all 17, whatever some of them do: one limit, not one for each.
const SECONDS_MAX: f64 = 30.0;

const SUBJECTS: [Subject; 12] = [
    Subject::Reachable,
    Subject::Version,
    Subject::Tls,
    Subject::Login,
    Subject::Rights,
    Subject::Latency,
    Subject::Pool,
    Subject::Schema,
    Subject::Tables,
    Subject::Size,
    Subject::Clock,
    Subject::Replication,
];

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("doctor::everything_is_looked_at_in_each_of_the_17", everything_is_looked_at),
        harness.trial("doctor::servers_that_are_down_or_hang_cost_no_more_than_one_limit", servers_are_down),
    ]
}

fn examine(harness: &Harness, platform: &Platform, more: &[(&str, &str)]) -> DoctorReport {
    examine_within(harness, platform, more, PATIENT)
}

fn examine_within(harness: &Harness, platform: &Platform, more: &[(&str, &str)], limit: Duration) -> DoctorReport {
    let registry = Registry::load(None).unwrap();
    harness.block_on(doctor::run(&registry, &platform.environment(more), limit))
}

/// What failed, with its remedy: `(database, subject, remedy)`.
fn failures(report: &DoctorReport) -> Vec<(&str, Subject, &str)> {
    let mut failures = Vec::new();
    for database in &report.databases {
        for check in database.checks.iter().filter(|check| check.grade == Grade::Failed) {
            failures.push((database.database.as_str(), check.subject, check.remedy.as_deref().expect("a remedy")));
        }
        assert_eq!(database.passed, !database.checks.iter().any(|check| check.grade == Grade::Failed));
    }
    failures
}

fn everything_is_looked_at(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let report = examine(harness, &platform, &[]);
    assert_eq!(failures(&report), []);
    assert!(report.passed && report.databases.len() == 17);
    for database in &report.databases {
        let subjects: Vec<Subject> = database.checks.iter().map(|check| check.subject).collect();
        assert_eq!(subjects, SUBJECTS, "{}", database.database);
        let replication = &database.check(Subject::Replication).unwrap().found;
        let alone = if database.engine == Engine::Postgresql { "primary" } else { "alone" };
        assert_eq!(replication, alone, "{}", database.database);
    }
    let output = platform.cli(&["doctor", "--json", "--timeout", "60s"], &[]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success() && json["databases"].as_array().unwrap().len() == 17);
    nothing_is_said_of_private_servers(&report, &platform);
    capacity::what_fills_up(harness, &platform);
    one_wrong_url_is_one_failure(harness, &platform);
    logins_are_looked_at(harness, &platform);
    schemas_are_looked_at(harness, &platform);
    capacity::what_takes_long(harness, &platform);
}

/// How fast a machine answers is no matter of this test.
fn findings(report: &DoctorReport) -> Vec<&Diagnosis> {
    report.findings.iter().filter(|finding| finding.subject != Subject::Latency).collect()
}

fn nothing_is_said_of_private_servers(report: &DoctorReport, platform: &Platform) {
    assert_eq!(findings(report), Vec::<&Diagnosis>::new());
    let text = String::from_utf8(platform.cli(&["doctor", "--timeout", "60s"], &[]).stdout).unwrap();
    let is_told = |line: &str| line.starts_with("warning") && !line.contains(": latency: ");
    assert!(!text.lines().any(is_told), "{text}");
    assert!(text.contains("17 of 17 databases are as they should be; ") || text.contains(": latency: "), "{text}");
}

/// Thirteen databases stand behind it.
fn one_wrong_url_is_one_failure(harness: &'static Harness, platform: &Platform) {
    let wrong = [("GENIMS_POSTGRES_URL", "postgresql://u@127.0.0.1:1/postgres")];
    let report = examine(harness, platform, &wrong);
    let found = findings(&report);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].subject, found[0].databases.len()), (Subject::Reachable, 13));
    let output = platform.cli(&["doctor", "--timeout", "60s"], &wrong);
    let text = String::from_utf8(output.stdout).unwrap();
    let failures = text.lines().filter(|line| line.starts_with("failed ")).count();
    assert_eq!((output.status.code(), failures), (Some(1), 1), "{text}");
    assert!(text.contains(", 13 do not work (1 cause)"), "{text}");
}

fn logins_are_looked_at(harness: &'static Harness, platform: &Platform) {
    platform.execute("genims_hr_db", "CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT CONNECT ON DATABASE genims_hr_db TO reader; GRANT SELECT ON employees TO reader");
    let port = platform.stack.port(Server::Postgres);
    let url = |login: &str, name: &str| format!("postgresql://{login}@127.0.0.1:{port}/{name}");
    let failing = |url: &str| {
        let report = examine(harness, platform, &[("GENIMS_HR_DB_URL", url)]);
        assert!(!report.passed);
        let failures = failures(&report);
        assert!(failures.iter().all(|failure| failure.0 == "genims_hr_db"), "{failures:?}");
        failures.iter().map(|failure| (failure.1, failure.2.to_owned())).collect::<Vec<_>>()
    };
    let reader = failing(&url("reader:reader", "genims_hr_db"));
    assert!(
        reader.iter().any(|(subject, remedy)| *subject == Subject::Rights && remedy.contains("grant")),
        "{reader:?}"
    );
    platform.execute("genims_hr_db", "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    let report = examine(harness, platform, &[("GENIMS_HR_DB_URL", &url("reader:reader", "genims_hr_db"))]);
    let hr = report.databases.iter().find(|database| database.database == "genims_hr_db").unwrap();
    let remedy = hr.check(Subject::Replication).and_then(|check| check.remedy.as_deref()).unwrap_or_default();
    assert!(remedy.ends_with("GRANT EXECUTE ON FUNCTION pg_control_system() TO reader"), "{hr:?}");
    platform.execute("genims_hr_db", "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC");
    let wrong = failing(&url("reader:hunter2", "genims_hr_db"));
    assert!(matches!(wrong.as_slice(), [(Subject::Login, remedy)] if remedy.contains("password")), "{wrong:?}");
    let nowhere = failing(&url("reader:reader", "no_such_database"));
    assert!(matches!(nowhere.as_slice(), [(Subject::Schema, remedy)] if remedy.contains("provision")), "{nowhere:?}");
    let nobody = failing("postgresql://u@127.0.0.1:1/d");
    assert!(matches!(nobody.as_slice(), [(Subject::Reachable, remedy)] if remedy.contains("start")), "{nobody:?}");
    let unreadable = failing("mysql://u@127.0.0.1/d");
    assert!(matches!(unreadable.as_slice(), [(Subject::Reachable, _)]), "{unreadable:?}");
}

fn schemas_are_looked_at(harness: &'static Harness, platform: &Platform) {
    platform.execute("genims_crm_db", "DELETE FROM genims_internal.schema_history WHERE version = 50");
    platform.execute("genims_wms_db", "CREATE TABLE stranger (id int)");
    let report = examine(harness, platform, &[]);
    let failures = failures(&report);
    let found: Vec<(&str, Subject)> = failures.iter().map(|failure| (failure.0, failure.1)).collect();
    assert_eq!(found, [("genims_wms_db", Subject::Tables), ("genims_crm_db", Subject::Schema)]);
    let output = platform.cli(&["doctor", "--timeout", "60s"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("genims provision --only crm") && !text.contains('\u{1b}'), "{text}");
}

fn servers_are_down(harness: &'static Harness) {
    let platform = Platform::new(harness);
    platform.stack.stop_server(Server::Mariadb).unwrap();
    platform.stack.pause_server(Server::Mongodb).unwrap();
    let report = examine_within(harness, &platform, &[], LIMIT);
    platform.stack.resume_server(Server::Mongodb).unwrap();
    assert!(report.seconds < SECONDS_MAX, "{} s", report.seconds);
    let down = ["genims_reporting_db", "genims_analytics_db", "genims_audit_db", "genims_production"];
    let failures = failures(&report);
    let found: Vec<(&str, Subject)> = failures.iter().map(|failure| (failure.0, failure.1)).collect();
    assert_eq!(found, down.map(|name| (name, Subject::Reachable)));
    assert!(failures.iter().all(|failure| failure.2.contains("start")), "{failures:?}");
    platform.stack.pause_server(Server::Postgres).unwrap();
    let report = examine_within(harness, &platform, &[], LIMIT);
    platform.stack.resume_server(Server::Postgres).unwrap();
    assert!(report.seconds < SECONDS_MAX, "{} s", report.seconds);
    assert_eq!(report.databases.iter().filter(|database| database.passed).count(), 1, "MongoDB is back");
}
