//! MySQL on a real server (MariaDB): runs can be repeated, doubled and stopped anywhere; history outside; drift; TLS.

use crate::harness::{Harness, write_env};
use genims_databases::{DatabaseError, Environment, MysqlConnection, MysqlSettings, Registry};
use genims_dev::Server;
use genims_platform::provision::{self, Mode, ProvisionOptions, ProvisionReport};
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("mysql::a_second_run_changes_nothing", a_second_run_changes_nothing),
        harness.trial("mysql::two_runs_at_once_both_succeed", two_runs_at_once_both_succeed),
        harness.trial("mysql::a_run_stopped_after_any_statement_goes_on", a_run_stopped_after_any_statement_goes_on),
        harness.trial("mysql::a_killed_run_is_simply_run_again", a_killed_run_is_simply_run_again),
        harness.trial("mysql::a_table_in_the_way_is_not_taken_for_ours", a_table_in_the_way_is_not_taken_for_ours),
        harness.trial("mysql::drift_is_reported", drift_is_reported),
        harness.trial("mysql::a_changed_history_is_refused", a_changed_history_is_refused),
        harness.trial("mysql::tls_is_verified_as_ssl_mode_says", tls_is_verified_as_ssl_mode_says),
        harness.trial("mysql::sessions_are_strict_and_in_utc", sessions_are_strict_and_in_utc),
        harness.trial("mysql::bounded_sessions_have_no_wider_bounds", bounded_sessions_have_no_wider_bounds),
        harness.trial("mysql::errors_name_the_cause_and_the_remedy", errors_name_the_cause_and_the_remedy),
    ]
}

/// The three databases under names of one test's own.
struct Platform {
    settings: [MysqlSettings; 3],
    variables: [(&'static str, String); 3],
}

const MODULES: [&str; 3] = ["reporting", "analytics", "audit"];

impl Platform {
    fn new(harness: &'static Harness) -> Self {
        let variables = [
            ("GENIMS_REPORTING_DB_URL", harness.stack().mysql_url(&harness.unique("reporting"))),
            ("GENIMS_ANALYTICS_DB_URL", harness.stack().mysql_url(&harness.unique("analytics"))),
            ("GENIMS_AUDIT_DB_URL", harness.stack().mysql_url(&harness.unique("audit"))),
        ];
        let settings =
            std::array::from_fn(|index| MysqlSettings::from_url(MODULES[index], &variables[index].1).unwrap());
        Self { settings, variables }
    }

    async fn provision(&self, mode: Mode) -> ProvisionReport {
        self.provision_only(&MODULES, mode).await
    }

    async fn provision_only(&self, modules: &[&str], mode: Mode) -> ProvisionReport {
        let registry = Registry::load(None).unwrap();
        let environment = Environment::from_pairs(self.variables.iter().map(|(name, url)| (*name, url.as_str())));
        let only = modules.iter().map(|module| (*module).to_owned()).collect();
        provision::run(&registry, &environment, &ProvisionOptions { only, mode }, &|_| {}).await.unwrap()
    }
}

/// What keeps a report from being good, in few words.
fn problems(report: &ProvisionReport) -> Vec<&String> {
    report.databases.iter().flat_map(|database| database.drift.iter().chain(&database.error)).collect()
}

fn changes(report: &ProvisionReport) -> Vec<&String> {
    report.databases.iter().flat_map(|database| &database.changes).collect()
}

async fn tables(connection: &mut MysqlConnection) -> Vec<String> {
    let query =
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY create_time, 1";
    connection.query(query).await.unwrap()
}

fn a_second_run_changes_nothing(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let planned = platform.provision(Mode::Plan).await;
        let first = platform.provision(Mode::Apply).await;
        assert_eq!(problems(&first), Vec::<&String>::new());
        assert_eq!(changes(&planned), changes(&first));
        for mode in [Mode::Apply, Mode::Plan, Mode::Check] {
            let again = platform.provision(mode).await;
            assert!(again.ok() && changes(&again).is_empty(), "{mode:?} {again:?}");
        }
        let registry = Registry::load(None).unwrap();
        for settings in &platform.settings {
            let mut connection = settings.connect().await.unwrap();
            // All of them the contract's: history and progress are elsewhere.
            let wanted = registry.get(settings.database()).unwrap().tables as usize;
            assert_eq!(tables(&mut connection).await.len(), wanted, "{}", settings.database());
            let query = "SELECT COUNT(*) > 0 AND COUNT(*) = COUNT(finished_at) FROM genims_internal.schema_history \
                         WHERE database_name = DATABASE()";
            assert_eq!(connection.query_first(query).await.unwrap(), Some(true));
            let query = "SELECT CONCAT(@@character_set_database, ' ', @@collation_database)";
            let characters: Option<String> = connection.query_first(query).await.unwrap();
            assert_eq!(characters.as_deref(), Some("utf8mb4 utf8mb4_unicode_ci"));
        }
    });
}

fn two_runs_at_once_both_succeed(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let runs = [platform.provision(Mode::Apply), platform.provision(Mode::Apply), platform.provision(Mode::Apply)];
        let reports = futures_util::future::join_all(runs).await;
        for report in &reports {
            assert_eq!(problems(report), Vec::<&String>::new());
        }
        let made = reports.iter().flat_map(changes).filter(|change| change.starts_with("new database")).count();
        assert_eq!(made, 3, "each was made once");
        assert_eq!(problems(&platform.provision(Mode::Check).await), Vec::<&String>::new());
    });
}

/// Stops runs at the worst moment: the statement is executed, its record is refused. A trigger on the history does it.
fn a_run_stopped_after_any_statement_goes_on(harness: &'static Harness) {
    let (before, platform) = (Platform::new(harness), Platform::new(harness));
    let settings = &platform.settings[2];
    let name = settings.database_name();
    harness.block_on(async {
        // So that the history exists.
        assert_eq!(problems(&before.provision_only(&["audit"], Mode::Apply).await), Vec::<&String>::new());
        let mut connection = settings.connect_to_server().await.unwrap();
        for stop in 1..=4 {
            let trigger = format!(
                "CREATE TRIGGER genims_internal.stop_{name} BEFORE UPDATE ON genims_internal.schema_history FOR EACH ROW \
                 IF NEW.database_name = '{name}' AND NEW.version = 1 AND NEW.done = {stop} \
                 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stopped by the test'; END IF"
            );
            connection.query_drop(trigger).await.unwrap();
            let report = platform.provision_only(&["audit"], Mode::Apply).await;
            connection.query_drop(format!("DROP TRIGGER genims_internal.stop_{name}")).await.unwrap();
            let problem = problems(&report)[0];
            assert!(problem.contains("stopped by the test"), "{problem}");
            assert!(problem.contains(&format!("statement {stop} of migration V001")), "{problem}");
            let found = tables(&mut settings.connect().await.unwrap()).await;
            assert_eq!(found.len(), stop, "{found:?}");
        }
        let report = platform.provision_only(&["audit"], Mode::Apply).await;
        assert_eq!(problems(&report), Vec::<&String>::new());
        assert!(changes(&report)[0].contains("V001"), "{report:?}");
        assert_eq!(problems(&platform.provision_only(&["audit"], Mode::Check).await), Vec::<&String>::new());
        assert!(changes(&platform.provision_only(&["audit"], Mode::Apply).await).is_empty());
    });
}

fn a_killed_run_is_simply_run_again(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let folder = harness.folder("killed");
    let lines: Vec<String> = platform.variables.iter().map(|(name, url)| format!("{name}='{url}'")).collect();
    write_env(&folder.join(".env"), lines.join("\n"));
    let arguments = ["provision", "--only", "reporting", "--only", "analytics", "--only", "audit"];
    for step in 0..15 {
        let run = harness.spawn(&arguments, &folder);
        std::thread::sleep(Duration::from_millis(10 * step));
        run.kill();
    }
    let run = harness.spawn(&arguments, &folder);
    assert!(run.wait(Duration::from_secs(90)).is_some_and(|status| status.success()), "{}", run.log_text());
    harness.block_on(async {
        assert_eq!(problems(&platform.provision(Mode::Check).await), Vec::<&String>::new());
        assert!(changes(&platform.provision(Mode::Apply).await).is_empty());
    });
}

fn a_table_in_the_way_is_not_taken_for_ours(harness: &'static Harness) {
    let (before, platform) = (Platform::new(harness), Platform::new(harness));
    let settings = &platform.settings[2];
    harness.block_on(async {
        assert_eq!(problems(&before.provision_only(&["audit"], Mode::Apply).await), Vec::<&String>::new());
        let second = tables(&mut before.settings[2].connect().await.unwrap()).await[1].clone();
        let mut connection = settings.connect_to_server().await.unwrap();
        connection.query_drop(format!("CREATE DATABASE {}", settings.database_name())).await.unwrap();
        let foreign = format!("{}.{second}", settings.database_name());
        connection.query_drop(format!("CREATE TABLE {foreign} (x int)")).await.unwrap();
        for _ in 0..2 {
            let report = platform.provision_only(&["audit"], Mode::Apply).await;
            assert!(problems(&report)[0].contains("error 1050"), "{report:?}");
        }
        connection.query_drop(format!("DROP TABLE {foreign}")).await.unwrap();
        let report = platform.provision_only(&["audit"], Mode::Apply).await;
        assert_eq!(problems(&report), Vec::<&String>::new());
    });
}

fn drift_is_reported(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let settings = &platform.settings[2];
    harness.block_on(async {
        let missing = platform.provision_only(&["audit"], Mode::Check).await;
        assert!(problems(&missing)[0].contains("is missing: run `genims provision`"), "{missing:?}");
        assert!(platform.provision_only(&["audit"], Mode::Apply).await.ok());
        let mut connection = settings.connect().await.unwrap();
        for statement in [
            "ALTER TABLE system_audit_log ADD extra integer",
            "ALTER TABLE system_audit_log DROP INDEX system_audit_log_actor_idx",
            "ALTER TABLE system_audit_log MODIFY reason VARCHAR(400) NOT NULL DEFAULT 'none'",
            "ALTER TABLE login_audit_log ADD CONSTRAINT mine CHECK (consecutive_failures < 1000)",
            "CREATE VIEW mine AS SELECT audit_id FROM system_audit_log",
            "INSERT INTO system_events VALUES ()",
        ] {
            // The last one is refused by strict mode; had it been taken, rows are no drift.
            let _ = connection.query_drop(statement).await;
        }
        let report = platform.provision_only(&["audit"], Mode::Check).await;
        let found = problems(&report);
        assert_eq!(found.len(), 5, "{found:#?}");
        for part in [
            "column system_audit_log.reason is 17, varchar(400) NOT NULL DEFAULT 'none', the migrations say 17, varchar(500)",
            "index system_audit_log_actor_idx on system_audit_log is missing",
            "column system_audit_log.extra is in no migration",
            "constraint mine on login_audit_log is in no migration",
            "view mine is in no migration",
        ] {
            assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
        }
        let query = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE 'genims\\_check\\_audit'";
        // The scratch database is gone, unless another test's check is at work.
        let left: Option<i64> = connection.query_first(query).await.unwrap();
        assert!(left.is_some_and(|count| count <= 1));
    });
}

fn a_changed_history_is_refused(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        assert!(platform.provision_only(&["audit"], Mode::Apply).await.ok());
        let mut connection = platform.settings[2].connect().await.unwrap();
        let change = "UPDATE genims_internal.schema_history SET checksum = REPEAT('0', 64) \
                      WHERE database_name = DATABASE() AND version = 1";
        connection.query_drop(change).await.unwrap();
        for mode in [Mode::Apply, Mode::Plan] {
            let report = platform.provision_only(&["audit"], mode).await;
            assert!(problems(&report)[0].contains("an applied migration must never change"), "{report:?}");
        }
    });
}

async fn cipher(url: &str) -> Result<String, DatabaseError> {
    let settings = MysqlSettings::from_url("test", url)?;
    let mut connection = settings.connect_to_server().await?;
    let row: Result<Option<(String, String)>, _> =
        connection.query_first("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await;
    row.map(|row| row.unwrap().1).map_err(|source| settings.error(source))
}

fn tls_is_verified_as_ssl_mode_says(harness: &'static Harness) {
    let stack = harness.stack();
    let ca = stack.ca_file().display().to_string();
    let foreign = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let foreign_file = harness.folder("tls").join("foreign.pem");
    std::fs::write(&foreign_file, foreign.cert.pem()).unwrap();
    let foreign = foreign_file.display();
    let url = |options: &str| format!("{}?{options}", stack.mysql_url(""));
    harness.block_on(async {
        assert_eq!(cipher(&url("ssl-mode=DISABLED")).await.unwrap(), "");
        for options in [
            "ssl-mode=PREFERRED".to_owned(),
            "ssl-mode=REQUIRED".to_owned(),
            format!("ssl-mode=VERIFY_CA&ssl-ca={ca}"),
            format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"),
            format!("ssl-mode=PREFERRED&ssl-ca={foreign}"),
        ] {
            assert_ne!(cipher(&url(&options)).await.unwrap(), "", "{options}");
        }
        for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
            let error = cipher(&url(&format!("ssl-mode={mode}&ssl-ca={foreign}"))).await.unwrap_err();
            assert!(error.to_string().contains("ssl-ca"), "{error}");
            assert!(!error.is_transient(), "{error}");
        }
    });
}

fn sessions_are_strict_and_in_utc(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let mut connection = platform.settings[0].connect_to_server().await.unwrap();
        let query = "SELECT CONCAT_WS(' ', @@session.time_zone, @@character_set_client, @@collation_connection)";
        let session: Option<String> = connection.query_first(query).await.unwrap();
        assert_eq!(session.as_deref(), Some("+00:00 utf8mb4 utf8mb4_unicode_ci"));
        let name = platform.settings[0].database_name();
        connection.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        connection.query_drop(format!("CREATE TABLE {name}.t (x varchar(2), d date)")).await.unwrap();
        for values in ["'abc', NULL", "'a', '2026-00-00'"] {
            let insert = format!("INSERT INTO {name}.t VALUES ({values})");
            assert!(connection.query_drop(insert).await.is_err(), "{values}");
        }
    });
}

/// The server's own bounds stay where they are narrower.
fn bounded_sessions_have_no_wider_bounds(harness: &'static Harness) {
    let platform = Platform::new(harness);
    harness.block_on(async {
        let settings = &platform.settings[0];
        let mut usual = settings.connect_to_server().await.unwrap();
        usual.query_drop(format!("CREATE DATABASE {}", settings.database_name())).await.unwrap();
        let query = "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@wait_timeout, @@net_read_timeout, \
                     @@net_write_timeout, @@max_statement_time";
        type Bounds = (u64, u64, u64, u64, u64, f64);
        let usual: Bounds = usual.query_first(query).await.unwrap().unwrap();
        assert!(usual.2 > 40 && usual.3 < 40 && usual.4 > 40, "this server has other defaults: {usual:?}");
        let mut bounded = settings.connect_bounded(Duration::from_secs(40)).await.unwrap();
        let bounded: Bounds = bounded.query_first(query).await.unwrap().unwrap();
        assert_eq!(bounded, (10, 10, 40, usual.3, 40, 40.0));
    });
}

fn errors_name_the_cause_and_the_remedy(harness: &'static Harness) {
    let port = harness.stack().port(Server::Mariadb);
    harness.block_on(async {
        let url = harness.stack().mysql_url("no_such_database");
        let missing = MysqlSettings::from_url("test", &url).unwrap().connect().await.map(drop).unwrap_err();
        assert!(missing.to_string().contains("1049") && missing.to_string().contains("genims provision"), "{missing}");
        let refused = cipher(&format!("mysql://root:hunter2@127.0.0.1:{port}/")).await.unwrap_err();
        assert!(refused.to_string().contains("1045") && refused.to_string().contains("password"), "{refused}");
        assert!(!refused.to_string().contains("hunter2") && !refused.is_transient(), "{refused}");
        let down = cipher("mysql://u@127.0.0.1:1/d").await.unwrap_err();
        assert!(down.to_string().contains("start the server") && down.is_transient(), "{down}");
    });
}
