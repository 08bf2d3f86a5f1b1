//! `genims restore`: a database out of a backup, in its own place or under another name.
//!
//! In: a database, a folder, a name. Out: a report. Invariants: every byte of the backup is checked before anything on the server is
//! touched; a database with tables is replaced only by those who say so; what stands afterwards has as many rows in every table as
//! the manifest says, and in its own place the roles, grants and partitions that provisioning makes.

use crate::errors::BackupError;
use crate::folder;
use crate::manifest::{LogPosition, Manifest};
pub use crate::task::RestoreRequest;
use crate::{mongo, mysql, postgres};
use chrono::{DateTime, Utc};
use genims_databases::mysql::{INTERNAL_DATABASE, STAGING_DATABASE};
use genims_databases::{Engine, PostgresSettings, Registry};
use genims_platform::actions::{self, Action};
use genims_platform::provision::{self, postgres::connect_existing};
use serde::Serialize;
use std::path::{Path, PathBuf};
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

#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    pub database: String,
    pub engine: Engine,
    /// The backup that was taken.
    pub from: PathBuf,
    pub backup_begun_at: DateTime<Utc>,
    /// What was restored.
    pub place: String,
    pub rows: u64,
    /// From here on the log gives everything again.
    pub log_positions: Vec<LogPosition>,
    /// What provisioning made anew.
    pub changes: Vec<String>,
    pub seconds: f64,
}

/// Restores the backup that `from` is, or the newest below it.
pub async fn run(registry: &Registry, wanted: &RestoreRequest<'_>, from: &Path) -> Result<RestoreReport, BackupError> {
    let started = Instant::now();
    if let Some(name) = wanted.name {
        check_name(registry, name)?;
    }
    let (path, manifest) = folder::chosen(from, &wanted.database.name)?;
    // First what costs nothing, so that nobody waits for checksums to be refused.
    match wanted.database.engine {
        Engine::Postgresql => postgres::target(wanted).await.map(drop)?,
        Engine::Mysql => mysql::target(wanted).await.map(drop)?,
        Engine::Mongodb => mongo::target(wanted).await.map(drop)?,
    }
    manifest.verify(&path, &|what| wanted.step(what))?;
    let place = match wanted.database.engine {
        Engine::Postgresql => postgres::restore(wanted, &path, &manifest).await?,
        Engine::Mysql => mysql::restore(wanted, &path, &manifest).await?,
        Engine::Mongodb => mongo::restore(wanted, &path, &manifest).await?,
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
        place,
        rows: manifest.rows(),
        log_positions: manifest.content.log_positions,
        changes,
        seconds: started.elapsed().as_secs_f64(),
    })
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

/// Roles, grants, partitions, and migrations that are younger than the backup.
async fn provisioned(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    place: &str,
) -> Result<Vec<String>, BackupError> {
    wanted.step("provisioning");
    let options = provision::Options { only: vec![wanted.database.name.clone()], mode: provision::Mode::Apply };
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

/// Into the audit trail; of a database without an outbox, into that of the master data, if it can be reached.
async fn record(registry: &Registry, wanted: &RestoreRequest<'_>, manifest: &Manifest) -> Result<(), BackupError> {
    let database = wanted.database;
    let own = database.engine == Engine::Postgresql;
    let outbox = if own { database } else { registry.get("genims_master_db")? };
    let Ok(settings) = PostgresSettings::from_environment(outbox, wanted.environment) else { return Ok(()) };
    let client = match connect_existing(&settings).await {
        Ok(Some(client)) => client,
        Err(error) if own => return Err(error.into()),
        Ok(None) | Err(_) => return Ok(()),
    };
    let description = format!("restored from the backup of {}", manifest.begun_at.to_rfc3339());
    let action = Action {
        service: "genims-restore",
        activity: "edit",
        module: &database.module,
        database: &database.name,
        description: &description,
        rows: manifest.rows(),
    };
    Ok(actions::record(&client, &action).await.map_err(|source| settings.error(source))?)
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
