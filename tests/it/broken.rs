//! Rows broken on purpose: for each rule of `config/verify` one at least. Enters: `tests/it/broken/<module>.toml`. Leaves: the
//! proof that `genims verify` names exactly the rules that a row breaks, and that no rule is left which no row breaks.
//!
//! A row is the first of its table by `key` of which `of` is true (any, if that is left out); `set` says which columns become
//! what, `rules` what must then be violated. `key` is any expression that tells rows apart. What a round breaks it mends, or the next
//! one would find it, too; that nothing is violated while nothing is broken is proved in `seeding`.

use crate::harness::{Harness, connect_postgres};
use crate::platform::Platform;
use crate::seeding::{ORDINARY, seeded_in_the_past};
use genims_databases::{Engine, MysqlConnection, MysqlSettings, Registry};
use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tokio_postgres::SimpleQueryMessage;

pub(crate) fn tests(harness: &'static Harness) -> Vec<Trial> {
    vec![
        harness.trial("broken::each_row_breaks_exactly_its_rules", each_row_breaks_exactly_its_rules),
        harness.trial("broken::no_rule_is_without_a_row_that_breaks_it", |_| no_rule_is_without_a_row()),
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(skip)]
    database: String,
    table: String,
    key: String,
    #[serde(default = "any")]
    of: String,
    set: BTreeMap<String, String>,
    rules: BTreeSet<String>,
}

fn any() -> String {
    "true".to_owned()
}

/// The files of a folder of this repository that end in `.toml`, in the order of their names: name without extension, text.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (stem(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn rows() -> Vec<Row> {
    let read = |(module, text): (String, String)| {
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{module}.toml: {error}"));
        file.rows.into_iter().map(move |row| Row { database: format!("genims_{module}_db"), ..row })
    };
    files("tests/it/broken").into_iter().flat_map(read).collect()
}

fn rules() -> BTreeSet<String> {
    let names = |(_, text): (String, String)| {
        let file: toml::Table = toml::from_str(&text).unwrap();
        let rules = file["rule"].as_array().unwrap().clone();
        rules.into_iter().map(|rule| rule["name"].as_str().unwrap().to_owned())
    };
    files("config/verify").into_iter().flat_map(names).collect()
}

/// Rules that no row breaks, and what rows call a rule that is none. A reference is named by its column, and has no file.
fn amiss(rules: &BTreeSet<String>, rows: &[Row]) -> Vec<String> {
    let named: BTreeSet<&String> = rows.iter().flat_map(|row| &row.rules).collect();
    let unproven = rules.iter().filter(|rule| !named.contains(rule)).map(|rule| format!("no row breaks {rule}"));
    let unknown = named.iter().filter(|name| !rules.contains(**name) && !name.ends_with(" refers"));
    unproven.chain(unknown.map(|name| format!("{name} is no rule"))).collect()
}

fn no_rule_is_without_a_row() {
    let (mut rules, rows) = (rules(), rows());
    assert!(rules.len() > 300, "only {} rules were read", rules.len());
    assert_eq!(amiss(&rules, &rows), Vec::<String>::new());
    rules.insert("a_new_rule".to_owned());
    assert!(rules.remove("ledger_periods"));
    assert_eq!(amiss(&rules, &rows), ["no row breaks a_new_rule", "ledger_periods is no rule"]);
}

/// Verifications of as many rows as possible: those of one break no rule twice, and stand in different tables where that
/// can be had.
fn rounds(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut most: BTreeMap<&String, usize> = BTreeMap::new();
    rows.iter().flat_map(|row| &row.rules).for_each(|rule| *most.entry(rule).or_default() += 1);
    let mut rounds: Vec<Vec<&Row>> = vec![Vec::new(); most.into_values().max().unwrap_or(0)];
    let mut ordered: Vec<&Row> = rows.iter().collect();
    ordered.sort_by_key(|row| std::cmp::Reverse(row.rules.len()));
    for row in ordered {
        let beside = |round: &&mut Vec<&Row>| {
            let same_table =
                round.iter().filter(|other| (&other.database, &other.table) == (&row.database, &row.table));
            (same_table.count(), round.len())
        };
        let apart = |round: &&mut Vec<&Row>| round.iter().all(|other| other.rules.is_disjoint(&row.rules));
        match rounds.iter_mut().filter(apart).min_by_key(beside) {
            Some(round) => round.push(row),
            None => rounds.push(vec![row]),
        }
    }
    rounds
}

/// A session in one database, in which no foreign key is looked at.
enum Session {
    Postgres(tokio_postgres::Client),
    Mysql(MysqlConnection),
}

impl Session {
    async fn open(platform: &Platform, database: &str) -> Self {
        let registry = Registry::load(None).unwrap();
        let engine = registry.all().iter().find(|known| known.name == database).unwrap().engine;
        let mut session = if engine == Engine::Mysql {
            let settings = MysqlSettings::from_url(database, &platform.stack.mysql_url(database)).unwrap();
            Self::Mysql(settings.connect().await.unwrap())
        } else {
            Self::Postgres(connect_postgres(&platform.stack.postgres_url(database)).await)
        };
        match &mut session {
            Self::Postgres(client) => client.batch_execute("SET session_replication_role = replica").await.unwrap(),
            Self::Mysql(connection) => connection.query_drop("SET foreign_key_checks = 0").await.unwrap(),
        }
        session
    }

    /// The first row of an answer, as text.
    async fn first(&mut self, sql: &str) -> Vec<Option<String>> {
        let found = match self {
            Self::Postgres(client) => client.simple_query(sql).await.map(|answer| {
                let row = answer.into_iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => Some(row),
                    _ => None,
                });
                row.map(|row| (0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
            }),
            Self::Mysql(connection) => {
                let row = connection.query_first::<mysql_async::Row, _>(sql).await;
                Ok(row.unwrap().map(|row| (0..row.len()).map(|at| row.get(at).unwrap()).collect()))
            }
        };
        found.unwrap_or_else(|error| panic!("{sql}: {error:?}")).unwrap_or_else(|| panic!("no row: {sql}"))
    }

    /// Changes one row, no less and no more.
    async fn change(&mut self, sql: &str) {
        let changed = match self {
            Self::Postgres(client) => client.execute(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")),
            Self::Mysql(connection) => {
                connection.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
                connection.affected_rows()
            }
        };
        assert_eq!(changed, 1, "{sql}");
    }

    async fn close(self) {
        if let Self::Mysql(connection) = self {
            connection.disconnect().await.unwrap();
        }
    }

    fn as_text(&self, expression: &str) -> String {
        match self {
            Self::Postgres(_) => format!("({expression})::text"),
            Self::Mysql(_) => format!("CAST({expression} AS CHAR)"),
        }
    }

    /// Breaks a row that is none of `taken` in its table. Leaves its key, and what mends it.
    async fn break_row(&mut self, row: &Row, taken: &[String]) -> (String, String) {
        let Row { table, key, of, set, .. } = row;
        let id = self.as_text(key);
        let others = if taken.is_empty() { String::new() } else { format!(" AND {id} NOT IN ({})", taken.join(", ")) };
        let columns: Vec<String> = set.keys().map(|column| self.as_text(column)).collect();
        let before =
            format!("SELECT {id}, {} FROM {table} WHERE ({of}){others} ORDER BY {key} LIMIT 1", columns.join(", "));
        let before: Vec<String> = self.first(&before).await.iter().map(|value| literal(value.as_deref())).collect();
        let assign = |values: &mut dyn Iterator<Item = &String>| {
            let pairs: Vec<String> =
                set.keys().zip(values).map(|(column, value)| format!("{column} = {value}")).collect();
            format!("UPDATE {table} SET {} WHERE {id} = {}", pairs.join(", "), before[0])
        };
        self.change(&assign(&mut set.values())).await;
        (before[0].clone(), assign(&mut before[1..].iter()))
    }
}

fn literal(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), |text| format!("'{}'", text.replace('\'', "''")))
}

fn each_row_breaks_exactly_its_rules(harness: &'static Harness) {
    let rows = rows();
    let platform = seeded_in_the_past(harness);
    let mut broken = BrokenPlatform { harness, platform, sessions: BTreeMap::new(), amiss: Vec::new() };
    for round in rounds(&rows) {
        broken.prove(&round);
    }
    assert!(broken.amiss.is_empty(), "{}", broken.amiss.join("\n"));
    broken.sessions.into_values().for_each(|session| harness.block_on(session.close()));
}

/// A platform whose rows are broken a round at a time.
struct BrokenPlatform<'a> {
    harness: &'static Harness,
    platform: Platform,
    sessions: BTreeMap<&'a str, Session>,
    /// Rows that break other rules than they say.
    amiss: Vec<String>,
}

impl<'a> BrokenPlatform<'a> {
    /// Rows may be of one another, as a comment is of its ticket, and then one hides what the other breaks: where a round is not
    /// what its rows say together, each half is looked at by itself, and in the end each row.
    fn prove(&mut self, round: &[&'a Row]) {
        let expected: BTreeSet<&str> = round.iter().flat_map(|row| &row.rules).map(String::as_str).collect();
        let violated = self.violated_by(round);
        let violated: BTreeSet<&str> = violated.iter().map(String::as_str).collect();
        if violated == expected {
            return;
        }
        if let [row] = round {
            self.amiss.push(format!("{row:?} violates {violated:?}"));
            return;
        }
        let (left, right) = round.split_at(round.len() / 2);
        self.prove(left);
        self.prove(right);
    }

    /// Breaks the rows, looks, and mends them.
    fn violated_by(&mut self, round: &[&'a Row]) -> BTreeSet<String> {
        let Self { harness, platform, sessions, .. } = self;
        let mut mending: Vec<(&Row, String, String)> = Vec::new();
        for row in round {
            let taken =
                mending.iter().filter(|(other, ..)| (&other.database, &other.table) == (&row.database, &row.table));
            let taken: Vec<String> = taken.map(|(_, key, _)| key.clone()).collect();
            let session = sessions
                .entry(row.database.as_str())
                .or_insert_with(|| harness.block_on(Session::open(platform, &row.database)));
            let (key, mend) = harness.block_on(session.break_row(row, &taken));
            mending.push((row, key, mend));
        }
        let violated = violated(platform);
        for (row, _, mend) in mending.iter().rev() {
            harness.block_on(sessions.get_mut(row.database.as_str()).unwrap().change(mend));
        }
        violated
    }
}

/// What a verification finds broken, on the day of the history.
fn violated(platform: &Platform) -> BTreeSet<String> {
    let output = platform.cli(&["verify", "--as-of", ORDINARY, "--json"], &[]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let verdict: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = verdict["findings"].as_array().unwrap().iter();
    let broken = findings.filter(|finding| finding["outcome"] != "passed" && finding["outcome"] != "empty");
    broken.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}
