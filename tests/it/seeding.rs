//! The whole platform from empty servers: seeded, proven, asked questions; run twice, killed at any moment, one database
//! down.

use crate::harness::{Harness, connect_postgres};
use crate::late;
use crate::platform::Platform;
use crate::provision::assert_contract;
use crate::questions::{self, Question};
use genims_databases::{Database, Engine, MysqlSettings, Registry, quoted};
use libtest_mimic::Trial;
use mongodb::bson::{Document, doc};
use mysql_async::prelude::Queryable;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("seeding::empty_servers_become_the_whole_platform", empty_servers_become_the_whole_platform),
        harness.trial("seeding::a_second_seed_changes_nothing", a_second_seed_changes_nothing),
        harness.trial("seeding::every_question_has_a_sensible_answer", every_question_has_a_sensible_answer),
        harness.trial("seeding::months_later_nothing_is_red", months_later_nothing_is_red),
        harness.trial("seeding::late_readings_break_nothing", late::late_readings_break_nothing),
        harness.trial("questions::what_would_not_be_asked_is_refused", |_| {
            questions::what_would_not_be_asked_is_refused()
        }),
        harness.trial("seeding::killed_at_any_moment_it_ends_the_same", killed_at_any_moment_it_ends_the_same),
    ]
}

/// The days on which histories end here: the same bytes everywhere, whenever the tests run. A Wednesday like any other ...
pub(crate) const ORDINARY: &str = "2026-02-11";
/// ... and a Sunday, a month's first, the day after the shortest month. `genims seed sweep` looks at all other days.
const AWKWARD: &str = "2026-03-01";

/// So many are in `tests/it/queries`.
const QUESTIONS: usize = 78;

fn seed(platform: &Platform, day: &str, more: &[(&str, &str)]) -> std::process::Output {
    platform.cli(&["seed", "--as-of", day, "--json"], more)
}

/// Servers for a history that ended months ago: MongoDB deletes nothing of it before the test says so.
fn platform_of_the_past(harness: &'static Harness) -> Platform {
    let platform = Platform::new(harness);
    platform.expire(false);
    platform
}

/// One that a test may change.
pub(crate) fn seeded_in_the_past(harness: &'static Harness) -> Platform {
    let seeded = || {
        let platform = seeded_on(harness, ORDINARY);
        platform.settle();
        platform
    };
    let platform = Platform::copy_of(harness, "seeded", seeded);
    platform.expire(false);
    platform
}

fn seeded_on(harness: &'static Harness, day: &str) -> Platform {
    let platform = platform_of_the_past(harness);
    let output = seed(&platform, day, &[]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    platform
}

/// One platform a day, provisioned and seeded, for all tests that only look.
pub(crate) fn seeded(harness: &'static Harness, day: &'static str) -> &'static Platform {
    static SEEDED: Mutex<BTreeMap<&str, &Platform>> = Mutex::new(BTreeMap::new());
    let mut all = SEEDED.lock().unwrap_or_else(PoisonError::into_inner);
    all.entry(day).or_insert_with(|| {
        let platform = if day == ORDINARY { seeded_in_the_past(harness) } else { seeded_on(harness, day) };
        Box::leak(Box::new(platform))
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Plain counts, without any help of the program: the tables of the contract, none of them empty. Everything holds on the
/// day itself, and now, long after it.
fn empty_servers_become_the_whole_platform(harness: &'static Harness) {
    let platform = seeded(harness, ORDINARY);
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
    for day in [ORDINARY, AWKWARD] {
        let platform = seeded(harness, day);
        verified(platform, &["verify", "--as-of", day]);
        verified(platform, &["verify"]);
    }
    let drift = platform.cli(&["provision", "--check"], &[]);
    assert!(drift.status.success(), "{}", text(&drift.stdout));
    let doctor = platform.cli(&["doctor", "--timeout", "60s"], &[]);
    assert!(doctor.status.success(), "{}", text(&doctor.stdout));
}

#[track_caller]
pub(crate) fn verified(platform: &Platform, command: &[&str]) {
    let output = platform.cli(command, &[]);
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
}

/// A platform of months ago on which MongoDB's clock has gone on: readings, snapshots and more have been deleted.
fn months_later_nothing_is_red(harness: &'static Harness) {
    let platform = seeded_in_the_past(harness);
    let readings = || {
        harness.block_on(async {
            let client = mongodb::Client::with_uri_str(platform.stack.mongodb_url()).await.unwrap();
            let readings = client.database("genims_production").collection::<Document>("sensor_readings");
            readings.count_documents(doc! {}).await.unwrap()
        })
    };
    assert!(readings() > 0);
    platform.expire(true);
    let patience = Instant::now() + Duration::from_secs(120);
    while readings() > 0 {
        assert!(Instant::now() < patience, "{} readings are still there", readings());
        std::thread::sleep(Duration::from_millis(500));
    }
    // Nor when machines have joined since: nobody owes them an asset or a legal entity of that time.
    let mapping = harness.folder("mapping").join("press.toml");
    let text = "[timestamp]\ncolumn = \"t\"\n[machine]\nid = \"PRESS-7\"\n[values]\nv = \"V\"\n[plant]\nfactory = \"FAC-CSV\"\nline = \"LINE-CSV\"\nmachines = [\"PRESS-7\"]\n";
    std::fs::write(&mapping, text).unwrap();
    verified(&platform, &["seed", "plant", "--from", mapping.to_str().unwrap()]);
    verified(&platform, &["verify"]);
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
    let platform = seeded(harness, ORDINARY);
    let before = fingerprints(harness, platform);
    let again = seed(platform, ORDINARY, &[]);
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
pub(crate) fn fingerprints(harness: &'static Harness, platform: &Platform) -> BTreeMap<String, String> {
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
    // A point has no hash of its own.
    let list = "SELECT c.relname::text, string_agg(quote_ident(a.attname) || \
                CASE WHEN a.atttypid = 'point'::regtype THEN '::text' ELSE '' END, ', ' ORDER BY a.attnum) \
                FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                AND NOT ((c.relkind = 'p' OR c.relname = 'sensor_health') AND a.attnum = 1) \
                AND a.attname NOT IN ('created_at', 'updated_at') GROUP BY 1";
    for row in client.query(list, &[]).await.unwrap() {
        let (table, columns): (String, String) = (row.get(0), row.get(1));
        // Numbers of what the stream writes are the server's own: a run that was killed leaves gaps in them.
        let hash = format!(
            "SELECT format('%s rows %s', count(*), sum(hash_record_extended(ROW({columns}), 0)::numeric)) FROM {table}"
        );
        let hash: String = client.query_one(&hash, &[]).await.unwrap().get(0);
        all.insert(format!("{}.{table}", database.name), hash);
    }
}

/// When a job computed a row, and the numbers that the server gave rows and members of dimensions, are those of the run.
async fn mysql_fingerprints(platform: &Platform, database: &Database, all: &mut BTreeMap<String, String>) {
    let url = platform.stack.mysql_url(&database.name);
    let mut connection = MysqlSettings::from_url(&database.name, &url).unwrap().connect().await.unwrap();
    let list = "SELECT table_name, column_name FROM information_schema.columns \
                WHERE table_schema = DATABASE() AND extra NOT LIKE '%auto_increment%' AND column_name NOT IN ('refreshed_at', 'loaded_at') \
                AND (RIGHT(column_name, 4) <> '_key' OR RIGHT(column_name, 8) = 'date_key') ORDER BY table_name, ordinal_position";
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in connection.query::<(String, String), _>(list).await.unwrap() {
        let value = format!("IFNULL({}, '~')", quoted(Engine::Mysql, &column));
        tables.entry(table).or_default().push(value);
    }
    for (table, values) in tables {
        let (values, name) = (values.join(", "), quoted(Engine::Mysql, &table));
        let hash =
            format!("SELECT CONCAT(COUNT(*), ' rows ', IFNULL(SUM(CRC32(CONCAT_WS('|', {values}))), 0)) FROM {name}");
        let hash: Option<String> = connection.query_first(hash).await.unwrap();
        all.insert(format!("{}.{table}", database.name), hash.unwrap());
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
        // As bytes: there are hundreds of thousands, and nobody wants to read them.
        let mut ids: HashSet<Box<[u8]>> = HashSet::new();
        while found.advance().await.unwrap() {
            let id = found.current();
            assert!(ids.insert(id.as_bytes().into()), "{name}: {id:?} twice");
        }
        all.insert(format!("{}.{name}", database.name), ids.len().to_string());
    }
}

/// All of them, on both days. Says how many it asked, so that nobody has to believe it.
fn every_question_has_a_sensible_answer(harness: &'static Harness) {
    let questions = questions::all();
    let mut wrong = Vec::new();
    for day in [ORDINARY, AWKWARD] {
        let platform = seeded(harness, day);
        let mut asked = 0;
        for module in questions.chunk_by(|one, next| one.module == next.module) {
            harness.block_on(async {
                let url = platform.stack.postgres_url(&format!("genims_{}_db", module[0].module));
                let client = connect_postgres(&url).await;
                for question in module {
                    asked += 1;
                    let Question { module, name, sensible, .. } = question;
                    match client.query_one(&question.asked_on(day), &[]).await {
                        Ok(row) if row.get::<_, Option<bool>>(0) == Some(true) => {}
                        Ok(_) => wrong.push(format!("{day} {module} {name}: not {sensible}")),
                        Err(error) => wrong.push(format!("{day} {module} {name}: {error:?}")),
                    }
                }
            });
        }
        println!("{asked} questions asked on {day}");
        assert_eq!(asked, QUESTIONS);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Killed again and again while a database is down, then once more while that one is filled: everything is as if nothing had
/// been. A run that comes through without the database finishes what does not need it, and says so.
fn killed_at_any_moment_it_ends_the_same(harness: &'static Harness) {
    let platform = platform_of_the_past(harness);
    let down = [("GENIMS_HR_DB_URL", "postgres://nobody@127.0.0.1:1/genims_hr_db")];
    let run = ["seed", "--as-of", ORDINARY];
    let kills = killed_until_it_comes_through(&platform, &run, &down, 1);
    // Jobs of the reports read it, too.
    let rest = ["seed", "--as-of", ORDINARY, "--module", "hr", "--module", "reporting"];
    for command in [vec!["provision"], rest.to_vec(), vec!["verify"], vec!["doctor", "--timeout", "60s"]] {
        let output = platform.cli(&command, &down);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("genims_hr_db"), "{command:?}: {said}");
    }
    let rows = |module: &str| {
        harness.block_on(rows_by_table(&platform, Registry::load(None).unwrap().get(module).unwrap())).into_values()
    };
    assert!(rows("crm").all(|rows| rows > 0), "another database was not filled to its end");
    let more = killed_until_it_comes_through(&platform, &rest, &[], 0);
    assert!(kills >= 3 && more >= 1, "only {kills} and {more} kills");
    let (whole, killed) = (fingerprints(harness, seeded(harness, ORDINARY)), fingerprints(harness, &platform));
    for (table, rows) in &whole {
        assert_eq!(Some(rows), killed.get(table), "{table} after {kills} and {more} kills");
    }
}

/// Kills a command after ever longer times until one run ends by itself, with this exit code: how many were killed.
fn killed_until_it_comes_through(platform: &Platform, command: &[&str], more: &[(&str, &str)], code: i32) -> u32 {
    let mut kills = 0;
    // Short steps at first, so that also a fast machine is hit a few times.
    for wait_ms in std::iter::successors(Some(100), |wait_ms| Some(wait_ms * 2)) {
        let mut child = platform.start(command, more);
        let patience = Instant::now() + Duration::from_millis(wait_ms);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(code), "the run that was let through, after {kills} kills");
                return kills;
            }
            if Instant::now() >= patience {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 16, "it never ends");
    }
    unreachable!("waits have no end")
}
