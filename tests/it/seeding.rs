//! The whole platform from empty servers: seeded, proven, asked questions; run twice, killed at any moment, one database
//! down.

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::provision::assert_contract;
use futures_util::TryStreamExt;
use genims_databases::{Database, Engine, MysqlSettings, Registry};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("seeding::empty_servers_become_the_whole_platform", empty_servers_become_the_whole_platform),
        harness.trial("seeding::a_second_seed_changes_nothing", a_second_seed_changes_nothing),
        harness.trial("seeding::every_question_has_a_sensible_answer", every_question_has_a_sensible_answer),
        harness.trial("seeding::one_broken_row_breaks_exactly_its_rules", one_broken_row_breaks_exactly_its_rules),
        harness.trial("seeding::killed_at_any_moment_it_ends_the_same", killed_at_any_moment_it_ends_the_same),
    ]
}

/// The day on which the history of every test ends: the same bytes everywhere.
const SEED: [&str; 3] = ["seed", "--as-of", ""];

fn seed_arguments() -> Vec<String> {
    let today = chrono::Utc::now().date_naive().to_string();
    SEED.iter().map(|part| if part.is_empty() { today.clone() } else { (*part).to_owned() }).collect()
}

fn seed(platform: &Platform, more: &[(&str, &str)]) -> std::process::Output {
    let arguments = seed_arguments();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.push("--json");
    platform.cli(&arguments, more)
}

/// One platform, provisioned and seeded, for all tests that only look.
fn seeded(harness: &'static Harness) -> &'static Platform {
    static SEEDED: OnceLock<Platform> = OnceLock::new();
    SEEDED.get_or_init(|| {
        let platform = Platform::new(harness);
        let output = seed(&platform, &[]);
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        platform
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Plain counts, without any help of the program: the tables of the contract, none of them empty.
fn empty_servers_become_the_whole_platform(harness: &'static Harness) {
    let platform = seeded(harness);
    for database in Registry::load(None).unwrap().all() {
        let rows = harness.block_on(rows_by_table(platform, database));
        assert_eq!(rows.len(), database.tables as usize, "{}: {rows:?}", database.name);
        let empty: Vec<&String> = rows.iter().filter(|(_, rows)| **rows == 0).map(|(table, _)| table).collect();
        assert!(empty.is_empty(), "{}: empty: {empty:?}", database.name);
        if database.engine == Engine::Postgresql {
            harness.block_on(async {
                let client = connect_postgres(&platform.stack.postgres_url(&database.name)).await;
                assert_contract(&client, &database.name).await;
            });
        }
    }
    let verified = platform.cli(&["verify"], &[]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    let drift = platform.cli(&["provision", "--check"], &[]);
    assert!(drift.status.success(), "{}", text(&drift.stdout));
    let doctor = platform.cli(&["doctor"], &[]);
    assert!(doctor.status.success(), "{}", text(&doctor.stdout));
}

async fn rows_by_table(platform: &Platform, database: &Database) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    match database.engine {
        Engine::Postgresql => {
            let client = connect_postgres(&platform.stack.postgres_url(&database.name)).await;
            let list = "SELECT table_name::text FROM information_schema.tables \
                        WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
            for table in client.query(list, &[]).await.unwrap() {
                let table: String = table.get(0);
                let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
                rows.insert(table, count);
            }
        }
        Engine::Mysql => {
            let url = platform.stack.mysql_url(&database.name);
            let mut connection = MysqlSettings::from_url(&database.name, &url).unwrap().connect().await.unwrap();
            let list = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
            let tables: Vec<String> = connection.query(list).await.unwrap();
            for table in tables {
                let count: Option<i64> = connection.query_first(format!("SELECT COUNT(*) FROM {table}")).await.unwrap();
                rows.insert(table, count.unwrap());
            }
        }
        Engine::Mongodb => {
            let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
            let here = client.database(&database.name);
            for name in here.list_collection_names().await.unwrap() {
                if !name.starts_with("system.") {
                    let one = here.collection::<Document>(&name).find_one(doc! {}).await.unwrap();
                    rows.insert(name, i64::from(one.is_some()));
                }
            }
        }
    }
    rows
}

fn a_second_seed_changes_nothing(harness: &'static Harness) {
    let platform = seeded(harness);
    let before = fingerprints(harness, platform);
    let again = seed(platform, &[]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    for database in report["databases"].as_array().unwrap() {
        assert_eq!((&database["loaded"], &database["rows"]), (&0.into(), &0.into()), "{database}");
    }
    assert_eq!(before, fingerprints(harness, platform));
    let other = platform.cli(&["seed", "--seed", "2"], &[]);
    assert!(!other.status.success(), "another seed over the first was not refused");
    assert!(text(&other.stdout).contains("was seeded with"), "{}", text(&other.stdout));
}

/// What every relational table holds, and how many documents every collection.
fn fingerprints(harness: &'static Harness, platform: &Platform) -> BTreeMap<String, String> {
    harness.block_on(async {
        let mut all = BTreeMap::new();
        for database in Registry::load(None).unwrap().all() {
            match database.engine {
                Engine::Postgresql => postgres_fingerprints(platform, database, &mut all).await,
                Engine::Mysql => mysql_fingerprints(platform, database, &mut all).await,
                Engine::Mongodb => mongodb_fingerprints(platform, database, &mut all).await,
            }
        }
        all
    })
}

async fn postgres_fingerprints(platform: &Platform, database: &Database, all: &mut BTreeMap<String, String>) {
    let client = connect_postgres(&platform.stack.postgres_url(&database.name)).await;
    let list = "SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) \
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                AND NOT (c.relkind = 'p' AND a.attnum = 1) AND a.attname NOT IN ('created_at', 'updated_at') GROUP BY 1";
    for row in client.query(list, &[]).await.unwrap() {
        let (table, columns): (String, String) = (row.get(0), row.get(1));
        // Numbers of partitioned tables are the server's own: a run that was killed leaves gaps in them.
        let hash = format!(
            "SELECT format('%s rows %s', count(*), sum(hashtextextended(ROW({columns})::text, 0)::numeric)) FROM {table}"
        );
        let hash: String = client.query_one(&hash, &[]).await.unwrap().get(0);
        all.insert(format!("{}.{table}", database.name), hash);
    }
}

async fn mysql_fingerprints(platform: &Platform, database: &Database, all: &mut BTreeMap<String, String>) {
    let url = platform.stack.mysql_url(&database.name);
    let mut connection = MysqlSettings::from_url(&database.name, &url).unwrap().connect().await.unwrap();
    let tables: Vec<String> = connection.query("SHOW TABLES").await.unwrap();
    for table in tables {
        let sum: Option<(String, Option<i64>)> =
            connection.query_first(format!("CHECKSUM TABLE {table}")).await.unwrap();
        all.insert(format!("{}.{table}", database.name), format!("{:?}", sum.unwrap().1));
    }
}

async fn mongodb_fingerprints(platform: &Platform, database: &Database, all: &mut BTreeMap<String, String>) {
    let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
    let here = client.database(&database.name);
    for name in here.list_collection_names().await.unwrap() {
        if name.starts_with("system.") {
            continue;
        }
        let mut found = here.collection::<Document>(&name).find(doc! {}).projection(doc! { "_id": 1 }).await.unwrap();
        let mut ids = Vec::new();
        while let Some(document) = found.try_next().await.unwrap() {
            ids.push(document.get("_id").unwrap().to_string());
        }
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(count, ids.len(), "{name}: an id twice");
        all.insert(format!("{}.{name}", database.name), count.to_string());
    }
}

/// `tests/it/queries/<module>.sql`: questions of the platform's applications, each with what a sensible answer is.
fn every_question_has_a_sensible_answer(harness: &'static Harness) {
    let platform = seeded(harness);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/queries");
    let rows = regex::Regex::new(r"\brows\b").unwrap();
    let (mut asked, mut wrong) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        // erp_a and erp_b ask the same database.
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let module = stem.split('_').next().unwrap();
        let questions = std::fs::read_to_string(&path).unwrap();
        harness.block_on(async {
            let client = connect_postgres(&platform.stack.postgres_url(&format!("genims_{module}_db"))).await;
            for question in questions.split("-- name: ").skip(1) {
                asked += 1;
                let (name, rest) = question.split_once('\n').unwrap();
                let (sensible, sql) = rest.split_once('\n').unwrap();
                let sensible = rows.replace_all(sensible.trim_start_matches("-- sensible: "), "count(*)");
                let sql = sql.trim().trim_end_matches(';');
                match client.query_one(&format!("SELECT {sensible} FROM ({sql}\n) AS answer"), &[]).await {
                    Ok(row) if row.get::<_, Option<bool>>(0) == Some(true) => {}
                    Ok(_) => wrong.push(format!("{module} {name}: not {sensible}")),
                    Err(error) => wrong.push(format!("{module} {name}: {error:?}")),
                }
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(asked >= 25, "only {asked} questions");
}

/// A row broken on purpose: the family it stands for, where it is, what is changed in it, and the rules that must say so.
struct Break {
    family: &'static str,
    module: &'static str,
    table: &'static str,
    key: &'static str,
    change: &'static str,
    of: &'static str,
    rules: &'static [&'static str],
}

#[rustfmt::skip]
const BREAKS: [Break; 11] = [
    Break { family: "totals", module: "crm", table: "opportunity_products", key: "opp_product_id",
        change: "discount_pct = discount_pct + 1", of: "true", rules: &["opportunity_line_arithmetic"] },
    Break { family: "balances", module: "erp", table: "inventory_balances", key: "balance_id",
        change: "consignment_stock = -1", of: "true", rules: &["balance_parts_not_negative"] },
    Break { family: "quantities", module: "erp", table: "purchase_order_schedule_lines", key: "purchase_order_schedule_line_id",
        change: "scheduled_quantity = scheduled_quantity + 1", of: "true", rules: &["schedule_lines_add_up"] },
    Break { family: "chain", module: "supplier", table: "rfq_headers", key: "rfq_id",
        change: "response_deadline = rfq_date - 1", of: "true", rules: &["offers_come_in_time", "rfq_dates_in_order"] },
    Break { family: "status", module: "erp", table: "production_orders", key: "production_order_id",
        change: "system_status = 'created'", of: "system_status = 'closed'", rules: &["production_status_fits"] },
    Break { family: "copies", module: "wms", table: "storage_bins", key: "bin_id",
        change: "zone_id = (SELECT max(zone_id) FROM warehouse_zones z WHERE z.warehouse_id <> storage_bins.warehouse_id)",
        of: "true", rules: &["bins_and_zones_fit"] },
    Break { family: "mirror", module: "crm", table: "accounts", key: "account_id",
        change: "account_name = 'Somebody else'", of: "customer_id IS NOT NULL", rules: &["every_customer_is_an_account"] },
    Break { family: "ledger", module: "financial", table: "account_balances", key: "balance_id",
        change: "ending_balance = ending_balance + 1", of: "true",
        rules: &["account_balances_carry_forward", "balance_sheet_is_that_of_the_account_balances",
            "ledger_facts_are_those_of_the_account_balances", "trial_balance_is_zero"] },
    Break { family: "agreement", module: "operations", table: "machine_faults", key: "fault_id",
        change: "production_loss_units = production_loss_units + 1", of: "fault_end_time IS NOT NULL",
        rules: &["fault_facts_are_those_of_the_stream"] },
    Break { family: "calendar", module: "erp", table: "general_ledger", key: "gl_transaction_id",
        change: "fiscal_period = 13", of: "true", rules: &["ledger_periods"] },
    Break { family: "oee", module: "operations", table: "production_runs", key: "run_id",
        change: "oee_percentage = oee_percentage + 1", of: "oee_percentage < 90",
        rules: &["run_oee_is_the_product_of_its_factors"] },
];

fn one_broken_row_breaks_exactly_its_rules(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let output = seed(&platform, &[]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    for Break { family, module, table, key, change, of, rules } in BREAKS {
        let database = format!("genims_{module}_db");
        let kept = "genims_internal.kept";
        platform.execute(
            &database,
            &format!("CREATE TABLE {kept} AS SELECT * FROM {table} WHERE {of} ORDER BY {key} LIMIT 1"),
        );
        platform.execute(&database, &format!("UPDATE {table} SET {change} WHERE {key} = (SELECT {key} FROM {kept})"));
        let verified = platform.cli(&["verify", "--json"], &[]);
        let verdict: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
        let findings = verdict["findings"].as_array().unwrap().iter();
        let mut violated: Vec<&str> = findings
            .filter(|finding| finding["outcome"] != "passed" && finding["outcome"] != "empty")
            .map(|finding| finding["rule"].as_str().unwrap())
            .collect();
        violated.sort_unstable();
        assert_eq!(violated, rules, "{family}");
        assert_eq!(verified.status.code(), Some(1));
        platform.execute(&database, &format!("DELETE FROM {table} WHERE {key} = (SELECT {key} FROM {kept})"));
        platform.execute(&database, &format!("INSERT INTO {table} SELECT * FROM {kept}; DROP TABLE {kept}"));
    }
    let verified = platform.cli(&["verify"], &[]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

/// Killed after ever longer times until one run comes through: everything is as if it had never been killed. The first run
/// also meets a database that is down, finishes the other 16 and says so.
fn killed_at_any_moment_it_ends_the_same(harness: &'static Harness) {
    let platform = Platform::new(harness);
    let down = [("GENIMS_HR_DB_URL", "postgres://nobody@127.0.0.1:1/genims_hr_db")];
    for command in
        [vec!["provision"], seed_arguments().iter().map(String::as_str).collect(), vec!["verify"], vec!["doctor"]]
    {
        let output = platform.cli(&command, &down);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("genims_hr_db"), "{command:?}: {said}");
    }
    let filled = harness.block_on(rows_by_table(&platform, Registry::load(None).unwrap().get("crm").unwrap()));
    assert!(filled.values().all(|rows| *rows > 0), "{filled:?}");

    let platform = Platform::new(harness);
    let mut kills = 0;
    for wait_ms in (150..).step_by(2300) {
        let arguments = seed_arguments();
        let mut child = platform.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(wait_ms));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "the run that was let through failed");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 200, "it never ends");
    }
    assert!(kills >= 3, "only {kills} kills: the machine is too fast for this test's steps");
    let (whole, killed) = (fingerprints(harness, seeded(harness)), fingerprints(harness, &platform));
    for (table, rows) in &whole {
        assert_eq!(Some(rows), killed.get(table), "{table} after {kills} kills");
    }
}
