//! `genims provision`: brings every database that has a schema here to the state its schema describes.
//!
//! Enters: the registry and the environment. Leaves: a [`ProvisionReport`], one entry per database. Invariants: idempotent; each
//! migration (in MySQL each statement) is recorded when it is done, so a killed run is simply run again; a lock inside each database lets
//! one run at a time work on it; a database that fails stops no other.

mod drift;
mod mongo;
pub mod mysql;
pub mod postgres;
pub mod roles;

pub use roles::unreadable_passwords;

use super::actions::{self, Action};
use super::errors::PlatformError;
use futures_util::StreamExt;
use futures_util::stream;
use genims_databases::{Database, DatabaseError, Engine, Environment, PostgresSettings, Registry};
use serde::Serialize;
use std::time::Instant;

/// Databases worked on at the same time: servers are few, and each database costs a connection or two.
const PARALLEL_MAX: usize = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Do what is missing.
    #[default]
    Apply,
    /// Say what would be done; change nothing.
    Plan,
    /// Compare what stands with what the schema says; change nothing in the database itself.
    Check,
}

#[derive(Clone, Debug, Default)]
pub struct ProvisionOptions {
    /// Names or modules; empty is all that have a schema.
    pub only: Vec<String>,
    pub mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProvisionStatus {
    /// As the schema says (mode plan: could be reached; mode check: no drift).
    Ok,
    /// No schema here yet.
    Skipped,
    /// Differs from the schema (mode check, or a Mongo option that cannot be changed).
    Drifted,
    Failed,
}

/// What happened to one database.
#[derive(Clone, Debug, Serialize)]
pub struct ProvisionedDatabase {
    pub database: String,
    pub engine: Engine,
    pub status: ProvisionStatus,
    /// What was done, or in mode plan would be.
    pub changes: Vec<String>,
    /// Differences that provisioning does not remove.
    pub drift: Vec<String>,
    pub error: Option<String>,
    /// Whether the error may pass by itself.
    pub transient: bool,
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ProvisionReport {
    pub mode: Mode,
    pub databases: Vec<ProvisionedDatabase>,
    pub seconds: f64,
}

impl ProvisionReport {
    /// Whether nothing failed and nothing drifted.
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| matches!(database.status, ProvisionStatus::Ok | ProvisionStatus::Skipped))
    }
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum ProvisionProgress<'a> {
    Step { database: &'a str, what: &'a str },
    Finished(&'a ProvisionedDatabase),
}

/// Changes made and differences left standing.
#[derive(Debug, Default)]
struct Findings {
    changes: Vec<String>,
    drift: Vec<String>,
}

/// One database's share of a run.
struct Task<'a> {
    database: &'a Database,
    environment: &'a Environment,
    mode: Mode,
    progress: &'a (dyn Fn(ProvisionProgress<'_>) + Sync),
}

impl Task<'_> {
    fn step(&self, what: &str) {
        (self.progress)(ProvisionProgress::Step { database: &self.database.name, what });
    }

    async fn run(&self, named: bool) -> ProvisionedDatabase {
        let started = Instant::now();
        let result = if !self.database.has_schema() {
            if named { Err(no_schema(self.database)) } else { Ok(None) }
        } else {
            match self.database.engine {
                Engine::Postgresql => postgres::provision(self).await.map(Some),
                Engine::Mongodb => mongo::provision(self).await.map(Some),
                Engine::Mysql => mysql::provision(self).await.map(Some),
            }
        };
        let mut report = ProvisionedDatabase {
            database: self.database.name.clone(),
            engine: self.database.engine,
            status: ProvisionStatus::Ok,
            changes: Vec::new(),
            drift: Vec::new(),
            error: None,
            transient: false,
            seconds: 0.0,
        };
        match result {
            Ok(None) => report.status = ProvisionStatus::Skipped,
            Ok(Some(findings)) => {
                report.status = if findings.drift.is_empty() { ProvisionStatus::Ok } else { ProvisionStatus::Drifted };
                (report.changes, report.drift) = (findings.changes, findings.drift);
            }
            Err(error) => {
                report.status = ProvisionStatus::Failed;
                report.transient = error.is_transient();
                report.error = Some(error.to_string());
            }
        }
        report.seconds = started.elapsed().as_secs_f64();
        (self.progress)(ProvisionProgress::Finished(&report));
        report
    }
}

fn no_schema(database: &Database) -> PlatformError {
    let folder = match database.engine {
        Engine::Postgresql => "postgres",
        Engine::Mysql => "mysql",
        Engine::Mongodb => "mongodb",
    };
    PlatformError::NoSchema { database: database.name.clone(), folder }
}

/// Provisions, plans or checks. An error means that nothing was begun (an unknown name); what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    options: &ProvisionOptions,
    progress: &(dyn Fn(ProvisionProgress<'_>) + Sync),
) -> Result<ProvisionReport, PlatformError> {
    let started = Instant::now();
    let mut chosen: Vec<&Database> = Vec::new();
    for name in &options.only {
        let database = registry.get(name)?;
        if !chosen.contains(&database) {
            chosen.push(database);
        }
    }
    let named = !chosen.is_empty();
    if !named {
        chosen = registry.all().iter().collect();
    }
    let tasks = chosen.into_iter().map(|database| async move {
        let task = Task { database, environment, mode: options.mode, progress };
        (database.load_order, task.run(named).await)
    });
    let mut reports: Vec<_> = stream::iter(tasks).buffer_unordered(PARALLEL_MAX).collect().await;
    reports.sort_by_key(|(load_order, _)| *load_order);
    let databases: Vec<ProvisionedDatabase> = reports.into_iter().map(|(_, report)| report).collect();
    if options.mode == Mode::Apply {
        record_others(registry, environment, &databases).await?;
    }
    Ok(ProvisionReport { mode: options.mode, databases, seconds: started.elapsed().as_secs_f64() })
}

fn provisioned<'a>(database: &'a str, module: &'a str, description: &'a str) -> Action<'a> {
    Action { service: "genims-provision", activity: "edit", module, database, description, rows: 0 }
}

/// Databases of other engines have no outbox; what was done to them is entered in that of the master data, if it is there.
async fn record_others(
    registry: &Registry,
    environment: &Environment,
    reports: &[ProvisionedDatabase],
) -> Result<(), PlatformError> {
    let changed = |report: &&ProvisionedDatabase| report.engine != Engine::Postgresql && !report.changes.is_empty();
    let changed: Vec<&ProvisionedDatabase> = reports.iter().filter(changed).collect();
    let settings = match PostgresSettings::from_environment(registry.get("genims_master_db")?, environment) {
        Ok(settings) if !changed.is_empty() => settings,
        Ok(_) | Err(DatabaseError::NotConfigured { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // That it cannot be reached was said where it was to be provisioned.
    let Ok(Some(client)) = postgres::connect_existing(&settings).await else { return Ok(()) };
    for report in changed {
        let description = report.changes.join(", ");
        let module = registry.get(&report.database)?.module.as_str();
        let action = provisioned(&report.database, module, &description);
        actions::record(&client, &action).await.map_err(|source| settings.error(source))?;
    }
    Ok(())
}
