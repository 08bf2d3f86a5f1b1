//! `genims drill`: whether backups bring databases back, and how fast. Each database is saved, restored beside itself, counted against
//! the manifest and dropped again; the database itself is only read.
//!
//! In: databases and a location. Out: per database the seconds to save and to bring back (RTO), and how much a loss right now would cost
//! (RPO): the seconds since the backup's moment and the rows that came in them, for what no log gives again. The latest drill of each database is kept beside its
//! backups, in `drill.json`.

use crate::backup::{self, BackupProgress};
use crate::encryption::{Identities, Recipients};
use crate::errors::BackupError;
use crate::location::Location;
use crate::manifest::Manifest;
use crate::restore::{self, RestoreRequest};
use crate::{mongo, mysql, postgres};
use chrono::{DateTime, Utc};
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// What a copy is called.
const SUFFIX: &str = "_drill";
/// Beside the backups.
const FILE: &str = "drill.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Drilled {
    pub database: String,
    pub engine: Engine,
    pub drilled_at: DateTime<Utc>,
    pub backup_seconds: f64,
    /// From the decision to restore until the copy was counted: recovery time.
    pub restore_seconds: f64,
    /// From the moment that the backup shows until the drill ended: what is lost at most where no log gives it again.
    pub exposed_seconds: f64,
    /// What came meanwhile into tables that not the stream alone writes.
    #[serde(default)]
    pub exposed_rows: u64,
    pub rows: u64,
    pub bytes: u64,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DrillReport {
    pub databases: Vec<Drilled>,
    pub seconds: f64,
}

impl DrillReport {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}

/// What is known of the latest drills into it, by database; nothing where there was none.
pub fn latest(folder: &Location) -> Result<BTreeMap<String, Drilled>, BackupError> {
    let path = folder.path().join(FILE);
    let text = match folder.read(FILE) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.map_err(BackupError::read(&path))?,
    };
    serde_json::from_slice(&text).map_err(|error| BackupError::read(&path)(error.into()))
}

/// Keeps the report beside the backups, in place of what is known of the same databases.
pub fn keep(folder: &Location, report: &DrillReport) -> Result<(), BackupError> {
    let mut all = latest(folder)?;
    all.extend(report.databases.iter().map(|drilled| (drilled.database.clone(), drilled.clone())));
    let path = folder.path().join(FILE);
    let text = serde_json::to_vec_pretty(&all).map_err(|error| BackupError::write(&path)(error.into()))?;
    folder.put(FILE, &text).map_err(BackupError::write(&path))
}

/// For whom the backups of a drill are encrypted, and what opens them; the whole is one thing, or what was saved stays shut.
#[derive(Clone, Copy)]
pub struct DrillKeys<'a> {
    recipients: &'a Recipients,
    identities: &'a Identities,
}

impl<'a> DrillKeys<'a> {
    /// None: in clear.
    pub fn of(
        recipients: Option<&'a Recipients>,
        identities: Option<&'a Identities>,
    ) -> Result<Option<Self>, BackupError> {
        match (recipients, identities) {
            (Some(recipients), Some(identities)) => Ok(Some(Self { recipients, identities })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(BackupError::HalfOfKeys { lacks: "--identity FILE, to open what it saves" }),
            (None, Some(_)) => Err(BackupError::HalfOfKeys { lacks: "--recipient, for whom it saves" }),
        }
    }
}

/// What a copy of it is called.
pub(crate) fn copy_of(database: &Database) -> String {
    format!("{}{SUFFIX}", database.name)
}

/// One database after the other, so that each time is its own.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    folder: &Location,
    keys: Option<DrillKeys<'_>>,
    show: &(dyn Fn(&Database, &str) + Sync),
) -> Result<DrillReport, BackupError> {
    let started = Instant::now();
    let mut report = DrillReport { databases: Vec::new(), seconds: 0.0 };
    for database in databases {
        report.databases.push(one(registry, environment, database, folder, keys, show).await?);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

async fn one(
    registry: &Registry,
    environment: &Environment,
    database: &Database,
    folder: &Location,
    keys: Option<DrillKeys<'_>>,
    show: &(dyn Fn(&Database, &str) + Sync),
) -> Result<Drilled, BackupError> {
    let step = |progress: BackupProgress<'_>| {
        if let BackupProgress::Step { what, .. } = progress {
            show(database, what);
        }
    };
    let recipients = keys.map(|keys| keys.recipients);
    let saved = backup::run(registry, environment, &[database], folder, recipients, &step).await?;
    let mut drilled = Drilled {
        database: database.name.clone(),
        engine: database.engine,
        drilled_at: Utc::now(),
        backup_seconds: saved.seconds,
        restore_seconds: 0.0,
        exposed_seconds: 0.0,
        exposed_rows: 0,
        rows: 0,
        bytes: 0,
        error: None,
    };
    let mut path = None;
    for saved in saved.databases {
        (drilled.rows, drilled.bytes, drilled.error) = (saved.rows, saved.bytes, saved.error);
        path = saved.path;
    }
    let Some(path) = path else { return Ok(drilled) };
    let name = copy_of(database);
    let restoring = |what: &str| show(database, what);
    let identities = keys.map(|keys| keys.identities);
    let wanted =
        RestoreRequest { database, environment, name: Some(&name), identities, replace: true, show: &restoring };
    // What it saved just now, and not what lies beside it, however new.
    let backup = folder.at(&path);
    match restore::run(registry, &wanted, &backup).await {
        Ok(restored) => {
            drilled.restore_seconds = restored.seconds;
            let exposed = (Utc::now() - restored.backup_begun_at).num_milliseconds();
            drilled.exposed_seconds = exposed as f64 / 1_000.0;
            show(database, "what came meanwhile");
            match count(database, environment).await {
                Ok(now) => drilled.exposed_rows = exposed_rows(database, &Manifest::read(&backup)?, &now),
                Err(error) => drilled.error = Some(error.to_string()),
            }
        }
        Err(error) => drilled.error = Some(error.to_string()),
    }
    show(database, "dropping the copy");
    if let Err(error) = remove(database, environment, &name).await {
        drilled.error.get_or_insert_with(|| error.to_string());
    }
    Ok(drilled)
}

/// Rows of each table by now; of MongoDB without the collections that the stream writes.
async fn count(database: &Database, environment: &Environment) -> Result<BTreeMap<String, u64>, DatabaseError> {
    match database.engine {
        Engine::Postgresql => postgres::count(&PostgresSettings::from_environment(database, environment)?).await,
        Engine::Mysql => mysql::count(&MysqlSettings::from_environment(database, environment)?).await,
        Engine::Mongodb => mongo::count(&MongoSettings::from_environment(database, environment)?).await,
    }
}

/// Tables that the stream alone writes are not audited for that reason, and the log gives them again.
fn exposed_rows(database: &Database, manifest: &Manifest, now: &BTreeMap<String, u64>) -> u64 {
    let is_given_again = |table: &str| {
        let own = table.strip_prefix("public.").unwrap_or(table);
        own.starts_with("genims_internal.") || database.unaudited.contains_key(own)
    };
    let saved = |table: &String| manifest.content.rows.get(table).copied().unwrap_or(0);
    let exposed = now.iter().filter(|(table, _)| !is_given_again(table));
    exposed.map(|(table, rows)| rows.saturating_sub(saved(table))).sum()
}

pub(crate) async fn remove(database: &Database, environment: &Environment, name: &str) -> Result<(), DatabaseError> {
    match database.engine {
        Engine::Postgresql => {
            postgres::remove(&PostgresSettings::from_environment(database, environment)?.with_database(name)).await
        }
        Engine::Mysql => {
            mysql::remove(&MysqlSettings::from_environment(database, environment)?.with_database(name)).await
        }
        Engine::Mongodb => {
            mongo::remove(&MongoSettings::from_environment(database, environment)?.with_database(name)).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::tests::pair;
    use crate::manifest::Content;

    #[test]
    fn a_drill_that_encrypts_needs_both_halves() {
        let folder = tempfile::tempdir().expect("a folder");
        let (recipients, file) = pair(folder.path(), "ada");
        let identities = Identities::read(&file).expect("an identity");
        assert!(DrillKeys::of(None, None).expect("in clear").is_none());
        assert!(DrillKeys::of(Some(&recipients), Some(&identities)).expect("both").is_some());
        let half = |recipients, identities| DrillKeys::of(recipients, identities).err().expect("half").to_string();
        assert!(half(Some(&recipients), None).contains("--identity"));
        assert!(half(None, Some(&identities)).contains("--recipient"));
    }

    #[test]
    fn the_latest_drill_of_each_database_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::from(folder.path());
        let drilled = |database: &str, restore_seconds| Drilled {
            database: database.to_owned(),
            engine: Engine::Postgresql,
            drilled_at: Utc::now(),
            backup_seconds: 1.0,
            restore_seconds,
            exposed_seconds: 3.0,
            exposed_rows: 2,
            rows: 1,
            bytes: 1,
            error: None,
        };
        assert!(latest(&location).expect("none yet").is_empty());
        for databases in [vec![drilled("a", 1.0), drilled("b", 1.0)], vec![drilled("b", 2.0)]] {
            keep(&location, &DrillReport { databases, seconds: 0.0 }).expect("kept");
        }
        let known = latest(&location).expect("readable");
        assert_eq!(known.values().map(|drilled| drilled.restore_seconds).collect::<Vec<_>>(), [1.0, 2.0]);
        let text = std::fs::read_to_string(folder.path().join(FILE)).expect("written");
        let earlier = text.lines().filter(|line| !line.contains("exposed_rows")).collect::<Vec<_>>().join("\n");
        std::fs::write(folder.path().join(FILE), earlier).expect("written");
        let known = latest(&location).expect("of an earlier release");
        assert_eq!(known.values().map(|drilled| drilled.exposed_rows).collect::<Vec<_>>(), [0, 0]);
        std::fs::write(folder.path().join(FILE), "{").expect("written");
        assert!(latest(&location).expect_err("damaged").to_string().contains(FILE));
    }

    #[test]
    fn a_loss_costs_what_came_since_and_no_log_gives_again() {
        let registry = Registry::load(None).expect("the embedded registry");
        let operations = registry.get("operations").expect("there");
        let rows = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect()
        };
        let saved = rows(&[("public.production_runs", 5), ("public.maintenance_events", 9), ("public.sensor_data", 1)]);
        let content = Content { rows: saved, ..Content::default() };
        let place = "h:5432/x".to_owned();
        let manifest = Manifest::new(&operations.name, Engine::Postgresql, place, Utc::now(), None, content);
        let now = rows(&[
            ("public.production_runs", 7),
            ("public.maintenance_events", 8),
            ("public.of_today", 3),
            ("public.sensor_data", 1_000),
            ("genims_internal.ingest_batches", 50),
        ]);
        assert_eq!(exposed_rows(operations, &manifest, &now), 2 + 3);
    }
}
