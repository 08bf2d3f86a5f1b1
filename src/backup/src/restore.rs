//! `genims restore`: a database out of a backup, in its own place or under another name.
//!
//! In: a database, a location, a name. Out: a report. Invariants: every byte of the backup is checked before anything on the server is
//! touched; a database with tables is replaced only by those who say so; what stands afterwards has as many rows in every table as
//! the manifest says, and in its own place the roles, grants and partitions that provisioning makes.

use crate::action;
pub use crate::candidates::PassedOver;
use crate::candidates::{self, Chosen};
use crate::errors::BackupError;
use crate::lacking;
use crate::location::Location;
use crate::manifest::{LogPosition, Manifest};
use crate::saved::Saved;
pub use crate::task::RestoreRequest;
use crate::{mongo, mysql, postgres};
use chrono::{DateTime, Utc};
use genims_databases::mysql::{INTERNAL_DATABASE, STAGING_DATABASE};
use genims_databases::{Engine, MongoSettings, PostgresSettings, Registry};
use genims_platform::provision::{self, postgres::connect_existing};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

const NAME_MAX: usize = 50;
/// Of the servers themselves, of bookkeeping and of jobs.
const NAMES_TAKEN: [&str; 12] = [
    "postgres",
    "template0",
    "template1",
    "mysql",
    "sys",
    "information_schema",
    "performance_schema",
    "admin",
    "local",
    "config",
    INTERNAL_DATABASE,
    STAGING_DATABASE,
];
const PROVISION_TRIES: usize = 5;
/// What the mirror is given again from.
const OPERATIONS: &str = "genims_operations_db";

#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    pub database: String,
    pub engine: Engine,
    /// The backup that was taken.
    pub from: PathBuf,
    pub backup_begun_at: DateTime<Utc>,
    /// Where it was saved, if that is not where the database is.
    pub other_server: Option<String>,
    /// What may be newer than that, or may have been meant, and why it was not taken.
    pub passed_over: Vec<PassedOver>,
    /// What was restored.
    pub place: String,
    pub rows: u64,
    /// From here on the log gives everything again.
    pub log_positions: Vec<LogPosition>,
    /// What provisioning made anew.
    pub changes: Vec<String>,
    pub seconds: f64,
}

/// Restores the backup that `from` is, or the newest complete one below it.
pub async fn run(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    from: &Location,
) -> Result<RestoreReport, BackupError> {
    let started = Instant::now();
    let own = candidates::place(wanted.database, wanted.environment);
    let chosen = candidates::chosen(from, &wanted.database.name, own.as_deref(), Utc::now())?;
    let Chosen { path, manifest, passed_over } = chosen;
    let saved = Saved::new(from.at(&path), &manifest, wanted.identities)?;
    // First what costs nothing, so that nobody waits for checksums to be refused.
    admit(registry, wanted).await?;
    saved.verify(&|what| wanted.step(what))?;
    let place = match wanted.database.engine {
        Engine::Postgresql => postgres::restore(wanted, &saved).await?,
        Engine::Mysql => mysql::restore(wanted, &saved).await?,
        Engine::Mongodb => mongo::restore(wanted, &saved).await?,
    };
    let changes = match wanted.name {
        Some(_) => Vec::new(),
        None => provisioned(registry, wanted, &place).await?,
    };
    if wanted.name.is_none() {
        record(registry, wanted, &manifest).await?;
    }
    Ok(RestoreReport {
        database: manifest.database.clone(),
        engine: manifest.engine,
        from: path,
        backup_begun_at: manifest.begun_at,
        other_server: own.filter(|own| *own != manifest.place).map(|_| manifest.place.clone()),
        passed_over,
        place,
        rows: manifest.rows(),
        log_positions: manifest.content.log_positions,
        changes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Whether it may go where it is to go.
pub(crate) async fn admit(registry: &Registry, wanted: &RestoreRequest<'_>) -> Result<(), BackupError> {
    if let Some(name) = wanted.name {
        check_name(registry, name)?;
    }
    match wanted.database.engine {
        Engine::Postgresql => postgres::target(wanted).await.map(drop),
        Engine::Mysql => mysql::target(wanted).await.map(drop),
        Engine::Mongodb => mongo::target(wanted).await.map(drop),
    }
}

/// Not even with --replace does a copy take the place of another of the 17, or of what a server keeps for itself.
fn check_name(registry: &Registry, name: &str) -> Result<(), BackupError> {
    if !is_plain(name) {
        return Err(BackupError::BadName { name: name.to_owned() });
    }
    let is_of_registry = registry.all().iter().any(|database| database.name == name);
    if is_of_registry || NAMES_TAKEN.contains(&name) {
        return Err(BackupError::TakenName { name: name.to_owned() });
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// What was done so that the stream gives its mirror again.
#[derive(Clone, Debug, Serialize)]
pub struct EmptiedMirror {
    pub database: String,
    pub place: String,
    /// Documents that went, by collection.
    pub gone: BTreeMap<String, u64>,
    /// What provisioning made.
    pub changes: Vec<String>,
    pub seconds: f64,
}

/// Lets the stream give its mirror again, instead of a backup: `genims serve` does it by itself, from its log and, where that begins later,
/// from the operations database. What is not the stream's stays as it is. `lose`: also what only the mirror has.
pub async fn mirror(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    lose: bool,
) -> Result<EmptiedMirror, BackupError> {
    let (started, database) = (Instant::now(), wanted.database);
    if database.engine != Engine::Mongodb {
        return Err(BackupError::NoMirror { database: database.name.clone() });
    }
    // Nothing goes that nobody could give again.
    let operations = PostgresSettings::from_environment(registry.get(OPERATIONS)?, wanted.environment)?;
    let missing = || BackupError::Missing { database: OPERATIONS.to_owned() };
    let client = connect_existing(&operations).await?.ok_or_else(missing)?;
    let settings = MongoSettings::from_environment(database, wanted.environment)?;
    if wanted.replace && !lose {
        wanted.step("comparing it with PostgreSQL");
        lacking::refuse((&client, &operations), &settings).await?;
    }
    let changes = provisioned(registry, wanted, &settings.place()).await?;
    let gone = mongo::forget(&settings, wanted.replace, wanted.show).await?;
    let (what, rows) = (("genims-restore", "delete"), gone.values().sum());
    let description = "emptied the mirror of the stream, which gives it again from PostgreSQL";
    // It is done, whether the outbox of another database can be reached or not.
    let _ = action::record(registry, wanted.environment, database, what, description, rows).await;
    let seconds = started.elapsed().as_secs_f64();
    Ok(EmptiedMirror { database: database.name.clone(), place: settings.place(), gone, changes, seconds })
}

/// Roles, grants, partitions, and migrations that are younger than the backup.
async fn provisioned(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    place: &str,
) -> Result<Vec<String>, BackupError> {
    wanted.step("provisioning");
    let options =
        provision::ProvisionOptions { only: vec![wanted.database.name.clone()], mode: provision::Mode::Apply };
    let mut report = provision::run(registry, wanted.environment, &options, &|_| {}).await?;
    // A server that runs works on it again already, and takes its locks in an order of its own.
    for _ in 1..PROVISION_TRIES {
        if !report.databases.iter().any(|database| database.transient) {
            break;
        }
        report = provision::run(registry, wanted.environment, &options, &|_| {}).await?;
    }
    let failed = report.databases.iter().flat_map(|database| database.error.iter().chain(&database.drift)).next();
    match failed {
        Some(cause) => Err(BackupError::Provision { place: place.to_owned(), cause: cause.clone() }),
        None => Ok(report.databases.into_iter().flat_map(|database| database.changes).collect()),
    }
}

/// Into the audit trail.
async fn record(registry: &Registry, wanted: &RestoreRequest<'_>, manifest: &Manifest) -> Result<(), BackupError> {
    let description = format!("restored from the backup of {}", manifest.begun_at.to_rfc3339());
    let (database, what) = (wanted.database, ("genims-restore", "edit"));
    match action::record(registry, wanted.environment, database, what, &description, manifest.rows()).await {
        // It is back, whether the outbox of another database can be reached or not.
        Err(_) if !action::has_outbox(database) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_taken() {
        assert!(is_plain("genims_hr_copy2"));
        for name in ["", "2copy", "Hr", "a-b", "a;drop", &"a".repeat(51)] {
            assert!(!is_plain(name), "{name}");
        }
        let registry = Registry::load(None).expect("the embedded registry");
        assert!(check_name(&registry, "genims_hr_copy").is_ok());
        for name in ["genims_erp_db", "genims_production", "mysql", "postgres", STAGING_DATABASE] {
            let error = check_name(&registry, name).expect_err(name);
            assert!(matches!(error, BackupError::TakenName { .. }), "{error}");
        }
    }
}
