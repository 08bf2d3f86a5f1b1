//! Verification of all 17 databases: what is broken on purpose makes exactly its rule fail, and nothing else.

mod refused;

use crate::harness::Harness;
use crate::platform::Platform;
use genims_databases::{Environment, MysqlSettings, Registry};
use genims_platform::verify::{self, Finding, RuleOutcome, Verdict, VerifyOptions};
use libtest_mimic::Trial;
use mongodb::bson::{DateTime, Document, doc};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("verify::what_is_broken_fails_its_rule_and_no_other", what_is_broken_fails_its_rule),
        harness.trial("verify::one_database_down_stops_no_other", one_database_down),
        harness.trial("verify::on_an_empty_platform_no_rule_holds", on_an_empty_platform_no_rule_holds),
    ]
}

const MASTER: &str = "genims_master_db";
const HR: &str = "genims_hr_db";

/// A little that agrees with itself: a factory with a department, and a position in it.
const MASTER_ROWS: &str = "INSERT INTO factories (factory_id, factory_name, country, city) VALUES ('F-1', 'One', 'IN', 'Pune');
    INSERT INTO shifts (shift_id, factory_id, duration_hours) VALUES ('S-1', 'F-1', 8);
    INSERT INTO departments (department_id, department_code, department_name, factory_id) VALUES ('D-1', 'D1', 'Press', 'F-1')";
const HR_ROWS: &str = "INSERT INTO job_roles (role_id, role_code, role_name) VALUES ('R-1', 'R1', 'Fitter');
    INSERT INTO positions (position_id, position_code, position_name, role_id, department_id)
    VALUES ('P-1', 'P1', 'Press', 'R-1', 'D-1')";

const RULES: &str = r#"
[[rule]]
name = "a_shift_is_shorter_than_a_day"
family = "calendar"
says = "A shift is shorter than a day"
database = "genims_master_db"
looked_at = "SELECT count(*) FROM shifts"
violations = "SELECT shift_id, format('%s hours', duration_hours) FROM shifts WHERE duration_hours > 24"

[[rule]]
name = "a_position_is_named_like_its_department"
family = "agreement"
says = "A position is named like its department"
left = { database = "genims_hr_db", sql = "SELECT department_id, position_name FROM positions" }
right = { database = "genims_master_db", sql = "SELECT department_id, department_name FROM departments" }

[[rule]]
name = "departments_are_known_to_mysql"
family = "agreement"
says = "Also MySQL can be asked"
left = { database = "genims_master_db", sql = "SELECT department_id, 1 FROM departments" }
right = { database = "genims_audit_db", sql = "SELECT 'D-1', 2 UNION ALL SELECT 'D-2', 3" }
compare = "subset"
"#;

struct Examined<'a> {
    harness: &'static Harness,
    platform: &'a Platform,
    rules: PathBuf,
    /// What does not hold anyway: tables that nobody filled.
    before: BTreeSet<String>,
}

impl Examined<'_> {
    fn verdict(&self) -> Verdict {
        let options = VerifyOptions { module: None, rules: Some(self.rules.clone()), as_of: None };
        run(self.harness, &self.platform.environment(&[]), &options)
    }

    /// Breaks something, looks, and mends it: exactly `rule` fails. That it fails only while it is broken shows the next look, where
    /// exactly another one must fail; behind the last one all are looked at once more.
    #[track_caller]
    fn breaks(&self, rule: &str, damage: impl FnOnce(), mending: impl FnOnce()) -> Finding {
        damage();
        let broken = self.verdict();
        let failing: Vec<String> = failing(&broken).difference(&self.before).cloned().collect();
        assert_eq!(failing, [rule]);
        mending();
        broken.findings.into_iter().find(|finding| finding.rule == rule).unwrap()
    }

    /// By SQL in a PostgreSQL database.
    #[track_caller]
    fn sql_breaks(&self, rule: &str, database: &str, damage: &str, mending: &str) -> Finding {
        let execute = |sql: &str| self.platform.execute(database, sql);
        self.breaks(rule, || execute(damage), || execute(mending))
    }
}

fn run(harness: &Harness, environment: &Environment, options: &VerifyOptions) -> Verdict {
    let registry = Registry::load(None).unwrap();
    harness.block_on(async { verify::run(&registry, environment, options, &|_| {}).await.unwrap() })
}

fn failing(verdict: &Verdict) -> BTreeSet<String> {
    let fails = |finding: &&Finding| !matches!(finding.outcome, RuleOutcome::Passed | RuleOutcome::Empty);
    verdict.findings.iter().filter(fails).map(|finding| finding.rule.clone()).collect()
}

fn what_is_broken_fails_its_rule(harness: &'static Harness) {
    let platform = Platform::new(harness);
    platform.execute(MASTER, MASTER_ROWS);
    platform.execute(HR, HR_ROWS);
    let rules = harness.folder("rules");
    std::fs::write(rules.join("trial.toml"), RULES).unwrap();
    let mut examined = Examined { harness, platform: &platform, rules, before: BTreeSet::new() };
    let verdict = examined.verdict();
    examined.before = failing(&verdict);
    assert!(examined.before.iter().all(|rule| rule.starts_with("no_empty_")), "{:?}", examined.before);
    assert!(verdict.databases.len() == 17 && verdict.databases.iter().all(|database| database.reachable));
    let references = verdict.findings.iter().filter(|finding| finding.family == "references");
    assert!(references.count() > 626);
    references_break(&examined);
    counts_break(&examined);
    rules_break(&examined);
    the_mirror_breaks(&examined);
    the_ledgers_break(&examined);
}

fn references_break(examined: &Examined<'_>) {
    let damage = "INSERT INTO shifts (shift_id, factory_id) VALUES ('S-2', 'F-9'), ('S-3', 'F-9')";
    let mending = "DELETE FROM shifts WHERE factory_id = 'F-9'";
    let inside = examined.sql_breaks("genims_master_db.shifts.factory_id refers", MASTER, damage, mending);
    assert_eq!((inside.looked_at, inside.violations, inside.examples[0].key.as_str()), (3, 2, "F-9"));
    let damage = "UPDATE positions SET department_id = 'D-9'";
    let mending = "UPDATE positions SET department_id = 'D-1'";
    // The rule file's agreement of names would break with it.
    let file = examined.rules.join("trial.toml");
    std::fs::write(&file, RULES.split("[[rule]]").take(2).collect::<Vec<_>>().join("[[rule]]")).unwrap();
    let across = examined.sql_breaks("genims_hr_db.positions.department_id refers", HR, damage, mending);
    std::fs::write(&file, RULES).unwrap();
    assert_eq!((across.looked_at, across.violations, across.examples[0].key.as_str()), (1, 1, "D-9"));
    assert_eq!(across.databases, [HR, MASTER]);
}

fn counts_break(examined: &Examined<'_>) {
    let more = "CREATE TABLE stranger (id int)";
    let table = examined.sql_breaks("tables_of_crm", "genims_crm_db", more, "DROP TABLE stranger");
    assert_eq!((table.looked_at, table.violations, table.examples[0].key.as_str()), (26, 1, "stranger"));
    let (away, back) = move_a_table();
    let execute = |sql: &str| {
        examined.harness.block_on(async {
            let settings = MysqlSettings::from_url("x", &examined.platform.stack.mysql_url("genims_reporting_db"));
            settings.unwrap().connect().await.unwrap().query_drop(sql).await.unwrap();
        });
    };
    let missing = examined.breaks("tables_of_reporting", || execute(&away), || execute(&back));
    assert!((missing.looked_at, missing.violations) == (19, 1) && missing.examples[0].detail.contains("provision"));
    let empty = |verdict: &Verdict| {
        let finding = verdict.findings.iter().find(|finding| finding.rule == "no_empty_table_in_master").unwrap();
        finding.violations
    };
    let filled = empty(&examined.verdict());
    examined.platform.execute(MASTER, "DELETE FROM shifts");
    assert_eq!(empty(&examined.verdict()), filled + 1);
    examined.platform.execute(MASTER, "INSERT INTO shifts (shift_id, factory_id) VALUES ('S-1', 'F-1')");
}

/// A table of the reporting database that no reference touches, out of the way and back.
fn move_a_table() -> (String, String) {
    let registry = Registry::load(None).unwrap();
    let model = genims_databases::Model::of(registry.get("reporting").unwrap()).unwrap();
    let targets: Vec<&String> =
        model.tables.iter().flat_map(|table| &table.columns).flat_map(|column| &column.references).collect();
    let alone = model.tables.iter().find(|table| {
        table.columns.iter().all(|column| column.references.is_empty())
            && !targets.iter().any(|target| target.contains(&format!(".{}.", table.name)))
    });
    let name = &alone.expect("a table without references").name;
    (format!("RENAME TABLE {name} TO genims_internal.{name}"), format!("RENAME TABLE genims_internal.{name} TO {name}"))
}

fn rules_break(examined: &Examined<'_>) {
    let (damage, mending) = ("UPDATE shifts SET duration_hours = 30", "UPDATE shifts SET duration_hours = 8");
    let inside = examined.sql_breaks("a_shift_is_shorter_than_a_day", MASTER, damage, mending);
    let example = &inside.examples[0];
    assert_eq!((inside.looked_at, example.key.as_str(), example.detail.as_str()), (1, "S-1", "30.00 hours"));
    let damage = "UPDATE positions SET position_name = 'Lathe'";
    let mending = "UPDATE positions SET position_name = 'Press'";
    let across = examined.sql_breaks("a_position_is_named_like_its_department", HR, damage, mending);
    assert_eq!(across.examples[0].detail, "Lathe here, Press in genims_master_db");
    let damage = "INSERT INTO departments (department_id, department_code, department_name) VALUES ('D-3', 'D3', 'X')";
    let mending = "DELETE FROM departments WHERE department_id = 'D-3'";
    let subset = examined.sql_breaks("departments_are_known_to_mysql", MASTER, damage, mending);
    assert_eq!((subset.looked_at, subset.examples[0].key.as_str()), (2, "D-3"));
    // A rule whose query is wrong says so, and fails alone.
    let wrong = "[[rule]]\nname = 'wrong'\nfamily = 'totals'\nsays = 's'\ndatabase = 'hr'\n\
                 looked_at = 'SELECT 1'\nviolations = 'DELETE FROM positions RETURNING 1, 2'";
    let file = examined.rules.join("wrong.toml");
    let damage = || std::fs::write(&file, wrong).unwrap();
    let refused = examined.breaks("wrong", damage, || std::fs::remove_file(&file).unwrap());
    assert!(refused.outcome == RuleOutcome::Failed && refused.explanation.contains("read-only"), "{refused:?}");
}

/// A batch that the mirror has and PostgreSQL never had.
fn the_mirror_breaks(examined: &Examined<'_>) {
    let store = || async {
        let client = mongodb::Client::with_uri_str(examined.platform.stack.mongodb_url()).await.unwrap();
        let ledger = client.database("genims_internal").collection::<Document>("ingest_batches");
        (ledger, client.database("genims_production").collection::<Document>("sensor_readings"))
    };
    let damage = || {
        examined.harness.block_on(async {
            let (ledger, readings) = store().await;
            // So old that the mirror may have deleted it: the comparison by sensor does not look there.
            let kept = genims_databases::registry::retention("genims_production").unwrap().unwrap();
            let old = std::time::SystemTime::now() - (kept - std::time::Duration::from_secs(12 * 3_600));
            let timestamp = DateTime::from_system_time(old);
            let reading = doc! { "timestamp": timestamp, "meta": { "sensor_id": "SEN-1" }, "value": 1.0 };
            readings.insert_one(reading).await.unwrap();
            ledger.insert_one(doc! { "_id": "trial", "sensor_readings": 1_i64 }).await.unwrap();
        });
    };
    let mending = || {
        examined.harness.block_on(async {
            let (ledger, _) = store().await;
            ledger.delete_one(doc! { "_id": "trial" }).await.unwrap();
        });
    };
    let mirror = examined.breaks("mirror_agrees_with_postgres", damage, mending);
    assert!(mirror.explanation.starts_with("PostgreSQL is 1 behind"), "{mirror:?}");

    // A reading of which no ledger knows.
    let damage = || {
        examined.harness.block_on(async {
            let reading = doc! { "timestamp": DateTime::now(), "meta": { "sensor_id": "SEN-2" }, "value": 1.0 };
            store().await.1.insert_one(reading).await.unwrap();
        });
    };
    let mending = || {
        examined.harness.block_on(async {
            store().await.1.delete_many(doc! { "meta.sensor_id": "SEN-2" }).await.unwrap();
        });
    };
    let readings = examined.breaks("mirror_holds_each_sensor_s_readings", damage, mending);
    assert_eq!(readings.examples[0].detail, "0 readings in PostgreSQL, 1 in the mirror");
    refused::a_refused_reading_explains_itself_alone(examined);
}

/// Ledgers that tell of rows and documents which nobody wrote.
fn the_ledgers_break(examined: &Examined<'_>) {
    let batch = "INSERT INTO genims_internal.ingest_batches (spool_id, first_offset, next_offset, sensor_rows, scada_rows, dead_letters, \
         refused_rows) VALUES ('6b1f4f0e-0000-4000-8000-000000000001', 0, 1, 0, 1, 0, 0)";
    examined.platform.execute("genims_operations_db", batch);
    // Against PostgreSQL the readings are none: more than the test has written are missing in the collection itself.
    let batch = doc! { "_id": "trial", "sensor_readings": 9_i64, "not_mirrored": -9_i64, "scada_events": 1_i64,
    "machine_fault_events": 1_i64, "oee_metrics": 1_i64 };
    let ledger = || async {
        let client = mongodb::Client::with_uri_str(examined.platform.stack.mongodb_url()).await.unwrap();
        client.database("genims_internal").collection::<Document>("ingest_batches")
    };
    examined.harness.block_on(async { ledger().await.insert_one(batch).await.unwrap() });
    let broken: Vec<String> = failing(&examined.verdict()).difference(&examined.before).cloned().collect();
    let collections = ["machine_fault_events", "oee_metrics", "scada_events", "sensor_readings"];
    let mut expected = vec!["scada_machine_data_holds_the_ledger".to_owned()];
    expected.extend(collections.map(|collection| format!("{collection}_hold_the_ledger")));
    expected.sort_unstable();
    assert_eq!(broken, expected);
    examined.platform.execute("genims_operations_db", "DELETE FROM genims_internal.ingest_batches");
    examined.harness.block_on(async { ledger().await.delete_one(doc! { "_id": "trial" }).await.unwrap() });
    assert_eq!(failing(&examined.verdict()), examined.before, "mended");
}

/// Nothing is there that any rule could hold of, and nobody has done anything wrong either.
fn on_an_empty_platform_no_rule_holds(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let verdict = run(harness, &platform.environment(&[]), &VerifyOptions::default());
    let hundreds = verdict.findings.len() / 100;
    let said = format!("{},{}00 rules, references and counts", hundreds / 10, hundreds % 10);
    assert_eq!(include_str!("../../README.md").matches(&said).count(), 2, "README: {said}");
    let families = ["counts", "references"];
    let rules: Vec<&Finding> =
        verdict.findings.iter().filter(|finding| !families.contains(&finding.family.as_str())).collect();
    // A migration writes row 0 of every dimension, and these two look at versions of members.
    let of_members = ["one_current_version_per_member", "versions_follow_each_other"];
    let holds =
        |finding: &&Finding| finding.outcome != RuleOutcome::Empty && !of_members.contains(&finding.rule.as_str());
    let held: Vec<&Finding> = rules.iter().copied().filter(holds).collect();
    assert!(rules.len() > 300 && held.is_empty(), "{} rules, {held:#?}", rules.len());
    let references = verdict.findings.iter().filter(|finding| finding.family == "references");
    let looked: Vec<&Finding> = references.filter(|finding| finding.looked_at > 0).collect();
    assert!(looked.iter().all(|finding| finding.databases[0] == "genims_analytics_db"), "only row 0: {looked:#?}");
    let ledger = platform.cli(&["verify", "--module", "ledger"], &[]);
    let text = String::from_utf8(ledger.stdout).unwrap();
    assert_eq!(ledger.status.code(), Some(1), "nothing was verified: {text}");
    assert!(text.contains("EMPTY: there was nothing to look at") && text.contains("0 rules hold"), "{text}");
    assert!(text.contains("no table has a row of which a rule speaks") && text.contains("genims seed"), "{text}");
    let ledger = platform.cli(&["verify", "--module", "ledger", "--json"], &[]);
    let json: Value = serde_json::from_slice(&ledger.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|finding| finding["outcome"] == "empty"), "{json}");
    assert_eq!((ledger.status.code(), &json["passed"]), (Some(1), &false.into()));
    assert!(json["explanation"].as_str().is_some_and(|cause| cause.contains("genims seed")), "{json}");
    let nothing = harness.folder("no_rules");
    std::fs::write(nothing.join("none.toml"), "# no rule").unwrap();
    let refused = platform.cli(&["verify", "--rules", nothing.to_str().unwrap()], &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(1) && said.contains("it holds no rule"), "{said}");
}

fn one_database_down(harness: &'static Harness) {
    let platform = Platform::new(harness);
    // Nobody listens at port 1.
    let down = [("GENIMS_HR_DB_URL", "postgresql://u:hunter2@127.0.0.1:1/genims_hr_db")];
    let verdict = run(harness, &platform.environment(&down), &VerifyOptions::default());
    assert!(!verdict.passed);
    let unreachable: Vec<&str> =
        verdict.databases.iter().filter(|one| !one.reachable).map(|one| one.database.as_str()).collect();
    assert_eq!((verdict.databases.len(), unreachable), (17, vec![HR]));
    for finding in &verdict.findings {
        let needs_it = finding.databases.iter().any(|name| name == HR);
        assert_eq!(finding.outcome == RuleOutcome::Skipped, needs_it, "{finding:?}");
        assert_ne!(finding.outcome, RuleOutcome::Failed, "{finding:?}");
    }
    let output = platform.cli(&["verify"], &down);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("DOWN genims_hr_db") && text.contains("start the server"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains('\u{1b}'), "{text}");
    // The ledger alone needs two databases, and both are up. With a batch of one event there is something to look at.
    let batch = "INSERT INTO genims_internal.ingest_batches (spool_id, first_offset, next_offset, sensor_rows, scada_rows, \
         events, dead_letters, refused_rows) VALUES ('6b1f4f0e-0000-4000-8000-000000000001', 0, 1, 0, 0, 1, 0, 0)";
    platform.execute("genims_operations_db", batch);
    let ledger = platform.cli(&["verify", "--module", "ledger", "--json"], &down);
    let json: Value = serde_json::from_slice(&ledger.stdout).unwrap();
    assert!(ledger.status.success() && json["passed"] == true && json["databases"].as_array().unwrap().len() == 2);
    assert_eq!(platform.cli(&["verify", "--module", "nothing"], &[]).status.code(), Some(1));
}
