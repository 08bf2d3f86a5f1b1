//! The files of config/etl, embedded at build time or read from a folder. Leaves: jobs whose names are unique, whose databases
//! exist, and whose SQL names nothing that the job does not have. config/etl/README.md describes the form.

mod check;

use crate::days::{TODAY, says};
use crate::error::EtlError;
use crate::schedule::Schedule;
use check::{check, is_name};
use chrono_tz::Tz;
use genims_databases::Registry;
use include_dir::{Dir, include_dir};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../config/etl");

/// One job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name of its file, without extension.
    pub name: String,
    pub description: String,
    /// The database that it fills: MySQL, or the document store.
    pub target: String,
    pub schedule: Schedule,
    /// Whose days the windows are, and whose clock the schedule follows.
    pub zone: Tz,
    /// How many days back an ordinary run looks; once a day a run looks at all.
    pub lookback_days: Option<i64>,
    /// Rows are measured against those before and after, so a day that changed changes the nearest ones, too.
    pub neighbours: bool,
    /// Rows are those of months, so a day that changed changes all days of its month.
    pub months: bool,
    /// Each day has rows, whether anything happened on it, and a day that changed changes all that follow, up to today.
    pub onward: bool,
    /// The job whose rows its own refer to: it runs first, on snapshots that are not older.
    pub after: Option<Arc<Job>>,
    pub watches: Vec<Watch>,
    pub extracts: Vec<Extract>,
    pub tables: Vec<Table>,
    pub reconciliations: Vec<Reconciliation>,
}

impl Job {
    /// Whether its rows are those of days. A job of which no watch has an `at` computes its tables whole.
    pub fn has_days(&self) -> bool {
        self.watches.iter().any(|watch| watch.at.is_some())
    }

    /// The databases whose rows it computes from.
    pub fn sources(&self) -> BTreeSet<&str> {
        let computed = self.tables.iter().filter_map(|table| table.database.as_deref());
        self.extracts.iter().map(|extract| extract.database.as_str()).chain(computed).collect()
    }

    /// Whether what it computes depends on the day on which it runs.
    pub fn says_today(&self) -> bool {
        self.texts().any(|sql| says(sql, TODAY))
    }

    /// All SQL of it.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let extracts = self.extracts.iter().map(|extract| extract.sql.as_str());
        let tables = self.tables.iter().flat_map(|table| [Some(&table.sql), table.window.as_ref()]);
        let compared = self.reconciliations.iter().flat_map(|made| [made.source.as_str(), made.target.as_str()]);
        extracts.chain(tables.flatten().map(String::as_str)).chain(compared)
    }
}

/// A table whose rows make days dirty; without `at` any change of it makes all of them dirty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    pub database: String,
    pub table: String,
    /// The UTC time or the date by which a row belongs to a day.
    pub at: Option<String>,
    /// The table of the same database that has `at`, where rows belong to the days of another's rows.
    pub of: Option<String>,
    /// The column that this table and `of` share.
    pub by: Option<String>,
    /// The columns that count; all of them where none is named.
    #[serde(default)]
    pub columns: Vec<String>,
}

impl Watch {
    /// What the bookkeeping calls it.
    pub fn key(&self) -> String {
        let of = self.of.as_ref().map_or_else(String::new, |of| format!("{of}."));
        format!("{}.{} {of}{}", self.database, self.table, self.at.as_deref().unwrap_or("*"))
    }

    fn check(&self) -> Result<(), String> {
        if self.of.is_some() != self.by.is_some() || (self.of.is_some() && self.at.is_none()) {
            return Err(format!("{}: `of` needs `by` and `at`, and `by` needs `of`", self.table));
        }
        let named = [Some(&self.table), self.of.as_ref(), self.by.as_ref()];
        named.into_iter().flatten().chain(&self.columns).try_for_each(|name| is_name(name))
    }
}

/// Rows of a source, brought into a staging table; of a job that fills the document store, a small table that other sources' SQL
/// looks things up in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    pub name: String,
    pub database: String,
    /// Columns by which the SQL of the tables looks rows up.
    #[serde(default)]
    pub index: Vec<String>,
    pub sql: String,
}

/// A table of the target, computed from staging tables and from those above it; or a collection, computed by a source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub name: String,
    /// Of a collection: the source that computes its documents.
    pub database: Option<String>,
    /// The columns of a unique key of the table. The `_id` of a document is made of them.
    pub key: Vec<String>,
    pub write: WriteMode,
    /// Which rows of the table belong to the days, as a condition; for `replace_window`. Of a collection, the field that has the day.
    pub window: Option<String>,
    pub sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Rows are added or renewed by key.
    Upsert,
    /// And rows of the window that are no longer computed go.
    ReplaceWindow,
}

/// What must be equal in the source and in the target: two queries of columns `k` and `v`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    pub says: String,
    pub database: String,
    pub source: String,
    /// Of a collection: which one the pipeline `target` asks.
    pub table: Option<String>,
    pub target: String,
    #[serde(default)]
    pub tolerance: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    description: String,
    target: String,
    schedule: String,
    #[serde(default = "utc")]
    zone: String,
    lookback_days: Option<i64>,
    #[serde(default)]
    neighbours: bool,
    #[serde(default)]
    months: bool,
    #[serde(default)]
    onward: bool,
    after: Option<String>,
    watch: Vec<Watch>,
    extract: Vec<Extract>,
    table: Vec<Table>,
    reconcile: Vec<Reconciliation>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// All jobs by name: those built in, or those of a folder.
pub fn load(registry: &Registry, folder: Option<&Path>) -> Result<Vec<Job>, EtlError> {
    let mut parsed = Vec::new();
    let mut add = |file: &str, text: &str| -> Result<(), EtlError> {
        let name = file.trim_end_matches(".toml");
        parsed.push(parse(registry, name, text).map_err(|cause| EtlError::File { file: file.to_owned(), cause })?);
        Ok(())
    };
    match folder {
        None => {
            for file in EMBEDDED.files() {
                let name = file.path().file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name.ends_with(".toml") {
                    add(name, file.contents_utf8().unwrap_or_default())?;
                }
            }
        }
        Some(folder) => {
            let unread =
                |error: std::io::Error| EtlError::File { file: folder.display().to_string(), cause: error.to_string() };
            for entry in std::fs::read_dir(folder).map_err(unread)? {
                let path = entry.map_err(unread)?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
                if name.ends_with(".toml") {
                    add(&name, &std::fs::read_to_string(&path).map_err(unread)?)?;
                }
            }
        }
    }
    let mut jobs = joined(parsed)?;
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(jobs)
}

/// With the jobs that others come after in their places.
fn joined(parsed: Vec<(Job, Option<String>)>) -> Result<Vec<Job>, EtlError> {
    let firsts: Vec<Arc<Job>> =
        parsed.iter().filter(|(_, after)| after.is_none()).map(|(job, _)| Arc::new(job.clone())).collect();
    let mut jobs = Vec::with_capacity(parsed.len());
    for (mut job, after) in parsed {
        if let Some(name) = after {
            let found = firsts.iter().find(|first| first.name == name && first.target == job.target);
            let lacking = || EtlError::File {
                file: format!("{}.toml", job.name),
                cause: format!("after: there is no job {name} of {} that itself comes after none", job.target),
            };
            job.after = Some(found.cloned().ok_or_else(lacking)?);
        }
        jobs.push(job);
    }
    Ok(jobs)
}

/// The job of a name.
pub fn named<'a>(jobs: &'a [Job], name: &str) -> Result<&'a Job, EtlError> {
    jobs.iter().find(|job| job.name == name).ok_or_else(|| {
        let known: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
        EtlError::NoSuchJob { name: name.to_owned(), known: known.join(", ") }
    })
}

/// A job, and the name of that which it comes after.
fn parse(registry: &Registry, name: &str, text: &str) -> Result<(Job, Option<String>), String> {
    let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    let zone: Tz = written.zone.parse().map_err(|_| format!("zone {:?} is not an IANA time zone", written.zone))?;
    let job = Job {
        name: name.to_owned(),
        description: written.description,
        target: written.target,
        schedule: Schedule::parse(&written.schedule, zone)?,
        zone,
        lookback_days: written.lookback_days,
        neighbours: written.neighbours,
        months: written.months,
        onward: written.onward,
        after: None,
        watches: written.watch,
        extracts: written.extract,
        tables: written.table,
        reconciliations: written.reconcile,
    };
    check(registry, &job)?;
    Ok((job, written.after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
description = "d"
target = "genims_reporting_db"
schedule = "5 * * * *"
zone = "Asia/Kolkata"
[[watch]]
database = "genims_operations_db"
table = "machine_faults"
at = "fault_start_time"
[[extract]]
name = "faults"
database = "genims_operations_db"
index = ["machine_id"]
sql = "SELECT 1"
[[table]]
name = "t"
key = ["a"]
write = "replace_window"
window = "d BETWEEN :first AND :last"
sql = "SELECT * FROM {faults}"
[[reconcile]]
says = "s"
database = "genims_operations_db"
source = "SELECT 1 AS k, 2 AS v"
target = "SELECT 1 AS k, 2 AS v"
"#;

    fn parsed(text: &str) -> Result<Job, String> {
        parse(&Registry::load(None).expect("the embedded registry"), "a_job", text).map(|(job, _)| job)
    }

    #[test]
    fn a_good_file_is_a_job() {
        let job = parsed(GOOD).expect("a job");
        assert_eq!((job.zone, job.tables[0].write), (Tz::Asia__Kolkata, WriteMode::ReplaceWindow));
        assert_eq!(job.watches[0].key(), "genims_operations_db.machine_faults fault_start_time");
    }

    #[test]
    fn each_mistake_is_told() {
        for (good, bad, told) in [
            ("zone = \"Asia/Kolkata\"", "zone = \"Asia/Nowhere\"", "IANA"),
            ("5 * * * *", "61 * * * *", "schedule"),
            ("target = \"genims_reporting_db\"", "target = \"genims_hr_db\"", "MySQL"),
            ("target = \"genims_reporting_db\"", "target = \"genims_x_db\"", "not in the registry"),
            ("{faults}", "{fault}", "{fault}"),
            ("target = \"SELECT 1 AS k", "target = \"SELECT (SELECT 1 FROM {fault}) AS k", "{fault}"),
            ("name = \"t\"", "name = \"T; DROP\"", "no name"),
            ("name = \"t\"", "name = \"faults\"", "twice"),
            ("window = \"d BETWEEN :first AND :last\"", "", "window"),
            ("at = \"fault_start_time\"", "", ":first means nothing"),
            ("zone = \"Asia/Kolkata\"", "months = true\nneighbours = true", "one at most"),
            ("key = [\"a\"]", "keys = [\"a\"]", "keys"),
            ("table = \"machine_faults\"", "table = \"machine_faults\"\nof = \"machines\"", "needs `by`"),
        ] {
            let error = parsed(&GOOD.replace(good, bad)).expect_err(bad);
            assert!(error.contains(told), "{bad}: {error}");
        }
    }

    /// The same job for the document store.
    fn of_documents() -> String {
        GOOD.replace("genims_reporting_db", "genims_production")
            .replace("zone = \"Asia/Kolkata\"", "")
            .replace("name = \"t\"", "name = \"t\"\ndatabase = \"genims_operations_db\"")
            .replace("d BETWEEN :first AND :last", "day")
            .replace("target = \"SELECT 1 AS k, 2 AS v\"", "table = \"t\"\ntarget = '[{\"$count\": \"v\"}]'")
    }

    #[test]
    fn each_mistake_of_a_job_of_documents_is_told() {
        let good = of_documents();
        assert_eq!(parsed(&good).expect("a job").tables[0].window.as_deref(), Some("day"));
        for (good_part, bad, told) in [
            ("schedule", "zone = \"Asia/Kolkata\"\nschedule", "UTC"),
            ("at = \"fault_start_time\"", "", "UTC"),
            ("name = \"t\"\ndatabase = \"genims_operations_db\"", "name = \"t\"", "computes it"),
            ("replace_window", "upsert", "replaces its window"),
            ("window = \"day\"", "window = \"day < 3\"", "no name"),
            ("table = \"t\"", "", "is asked"),
            ("[{\"$count\": \"v\"}]", "SELECT 1", "target"),
            ("[{\"$count\": \"v\"}]", "[1]", "stages"),
        ] {
            let error = parsed(&good.replacen(good_part, bad, 1)).expect_err(bad);
            assert!(error.contains(told), "{bad}: {error}");
        }
        let error = parsed(&GOOD.replace("name = \"t\"", "name = \"t\"\ndatabase = \"genims_operations_db\""));
        assert!(error.expect_err("a table of MySQL").contains("for the document store"));
    }

    #[test]
    fn a_job_without_days_computes_its_tables_whole() {
        let whole = GOOD.replace("at = \"fault_start_time\"", "").replace("d BETWEEN :first AND :last", "TRUE");
        let job = parsed(&whole).expect("a job");
        assert!(!job.has_days() && !job.says_today());
        assert!(parsed(&whole.replace("SELECT 1\"", "SELECT :today\"")).expect("a job").says_today());
        let error = parsed(&format!("lookback_days = 3\n{whole}")).expect_err("no days to look back to");
        assert!(error.contains("lookback_days mean nothing"), "{error}");
    }

    #[test]
    fn a_job_comes_after_one_that_is_there() {
        let named = |name: &str, after: Option<&str>| {
            (Job { name: name.to_owned(), ..parsed(GOOD).expect("a job") }, after.map(str::to_owned))
        };
        let jobs = joined(vec![named("facts", Some("members")), named("members", None)]).expect("both");
        assert_eq!(jobs[0].after.as_ref().map(|first| first.name.as_str()), Some("members"));
        for after in ["facts", "nobody"] {
            let error = joined(vec![named("facts", Some(after))]).expect_err(after).to_string();
            assert!(error.contains("facts.toml") && error.contains(after), "{error}");
        }
    }

    #[test]
    fn the_shipped_jobs_are_good() {
        let jobs = load(&Registry::load(None).expect("the embedded registry"), None).expect("config/etl");
        assert!(!jobs.is_empty());
        assert!(named(&jobs, "nothing").expect_err("no such job").to_string().contains(&jobs[0].name));
    }

    /// What moves to another key takes the place of what had it, or one of the two would be refused for ever.
    #[test]
    fn a_document_is_called_after_what_its_collection_wants_unique() {
        let registry = Registry::load(None).expect("the embedded registry");
        let database = registry.get("genims_production").expect("in the registry");
        let files = genims_databases::schema::files(database);
        let jobs = load(&registry, None).expect("config/etl");
        let tables = jobs.iter().filter(|job| job.target == database.name).flat_map(|job| &job.tables);
        let mut looked_at = 0;
        for table in tables {
            let file = files.iter().find(|file| file.name == format!("{}.json", table.name)).expect(&table.name);
            let file: serde_json::Value = serde_json::from_str(file.text).expect(&table.name);
            let indexes = file["indexes"].as_array().expect("indexes");
            let key: BTreeSet<&str> = table.key.iter().map(String::as_str).collect();
            for unique in indexes.iter().filter(|index| index["unique"] == true) {
                let fields = unique["key"].as_object().expect("fields").keys().map(String::as_str);
                assert_eq!(fields.collect::<BTreeSet<_>>(), key, "{}", table.name);
                looked_at += 1;
            }
        }
        assert!(looked_at >= 3, "{looked_at}");
    }
}
