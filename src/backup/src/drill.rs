//! `genims drill`: whether backups bring databases back, and how fast. Each database is saved, restored beside itself, counted against
//! the manifest and dropped again; the database itself is only read.
//!
//! In: databases and a folder. Out: per database the seconds to save and to bring back (RTO), and how much a loss right now would cost
//! (RPO): the seconds since the backup's moment, for what no log gives again.

use crate::backup::{self, BackupProgress};
use crate::errors::BackupError;
use crate::restore::{self, RestoreRequest};
use crate::{mongo, mysql, postgres};
use chrono::Utc;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// What a copy is called.
const SUFFIX: &str = "_drill";

#[derive(Clone, Debug, Serialize)]
pub struct Drilled {
    pub database: String,
    pub engine: Engine,
    pub backup_seconds: f64,
    /// From the decision to restore until the copy was counted: recovery time.
    pub restore_seconds: f64,
    /// From the moment that the backup shows until the drill ended: what is lost at most where no log gives it again.
    pub exposed_seconds: f64,
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

/// One database after the other, so that each time is its own.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    folder: &Path,
    show: &(dyn Fn(&Database, &str) + Sync),
) -> Result<DrillReport, BackupError> {
    let started = Instant::now();
    let mut report = DrillReport { databases: Vec::new(), seconds: 0.0 };
    for database in databases {
        report.databases.push(one(registry, environment, database, folder, show).await?);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

async fn one(
    registry: &Registry,
    environment: &Environment,
    database: &Database,
    folder: &Path,
    show: &(dyn Fn(&Database, &str) + Sync),
) -> Result<Drilled, BackupError> {
    let step = |progress: BackupProgress<'_>| {
        if let BackupProgress::Step { what, .. } = progress {
            show(database, what);
        }
    };
    let saved = backup::run(registry, environment, &[database], folder, &step).await?;
    let mut drilled = Drilled {
        database: database.name.clone(),
        engine: database.engine,
        backup_seconds: saved.seconds,
        restore_seconds: 0.0,
        exposed_seconds: 0.0,
        rows: 0,
        bytes: 0,
        error: None,
    };
    for saved in saved.databases {
        (drilled.rows, drilled.bytes, drilled.error) = (saved.rows, saved.bytes, saved.error);
    }
    if drilled.error.is_some() {
        return Ok(drilled);
    }
    let name = format!("{}{SUFFIX}", database.name);
    let restoring = |what: &str| show(database, what);
    let wanted = RestoreRequest { database, environment, name: Some(&name), replace: true, show: &restoring };
    match restore::run(registry, &wanted, folder).await {
        Ok(restored) => {
            drilled.restore_seconds = restored.seconds;
            let exposed = (Utc::now() - restored.backup_begun_at).num_milliseconds();
            drilled.exposed_seconds = exposed as f64 / 1_000.0;
        }
        Err(error) => drilled.error = Some(error.to_string()),
    }
    show(database, "dropping the copy");
    if let Err(error) = remove(database, environment, &name).await {
        drilled.error.get_or_insert_with(|| error.to_string());
    }
    Ok(drilled)
}

async fn remove(database: &Database, environment: &Environment, name: &str) -> Result<(), DatabaseError> {
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
