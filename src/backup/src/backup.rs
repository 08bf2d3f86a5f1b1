//! `genims backup`: one database or all of them into a folder or to S3, each alone.
//!
//! In: registry, environment, names, a location. Out: a report, one entry a database. Invariants: a database that fails stops no other;
//! what is reported as saved is complete and there for good.

use crate::encryption::Recipients;
use crate::errors::BackupError;
use crate::folder::Partial;
use crate::location::Location;
use crate::manifest::Manifest;
pub use crate::task::{BackedUpDatabase, BackupProgress, Show};
use crate::task::{RunWriter, Work};
use crate::{mongo, mysql, postgres};
use chrono::Utc;
use futures_util::{StreamExt, stream};
use genims_databases::{Database, DatabaseError, Engine, Environment, Registry};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// Dumps at the same time: each is a program of its own, and the server's work beside its customers'.
const PARALLEL_MAX: usize = 3;

/// Every database of the registry.
const ALL: &str = "all";

#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    pub databases: Vec<BackedUpDatabase>,
    /// The recipients; empty: in clear.
    pub encrypted_for: Vec<String>,
    pub seconds: f64,
}

impl BackupReport {
    /// Whether every database was saved.
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}

/// The databases that are meant by names, modules or `all`, in the registry's order; all of them where none is named.
pub fn chosen<'a>(registry: &'a Registry, names: &[String]) -> Result<Vec<&'a Database>, DatabaseError> {
    if names.is_empty() {
        return Ok(registry.all().iter().collect());
    }
    let mut chosen: Vec<&Database> = Vec::new();
    for name in names {
        let meant = if name == ALL { registry.all().iter().collect() } else { vec![registry.get(name)?] };
        chosen.extend(meant);
    }
    chosen.sort_by_key(|database| database.load_order);
    chosen.dedup();
    Ok(chosen)
}

/// Saves `databases` below `to`. An error means that nothing was begun; what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Location,
    recipients: Option<&Recipients>,
    show: Show<'_>,
) -> Result<BackupReport, BackupError> {
    Saving { registry, environment, to, recipients, show, is_wanted: &|_| Ok(true) }.run(databases).await
}

/// What all databases of a run have in common.
pub(crate) struct Saving<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) environment: &'a Environment,
    pub(crate) to: &'a Location,
    pub(crate) recipients: Option<&'a Recipients>,
    pub(crate) show: Show<'a>,
    /// Asked when nobody else can save the database any more: somebody may have just done so.
    pub(crate) is_wanted: &'a (dyn Fn(&Database) -> Result<bool, BackupError> + Sync),
}

impl Saving<'_> {
    /// What is not wanted any more is not in the report.
    pub(crate) async fn run(&self, databases: &[&Database]) -> Result<BackupReport, BackupError> {
        let started = Instant::now();
        self.to.make()?;
        let bytes = AtomicU64::new(0);
        let bytes = &bytes;
        let tasks = databases.iter().map(|database| async move {
            let started = Instant::now();
            let saved = self.one(database, bytes).await.transpose()?;
            Some((database.load_order, self.told(database, saved, started.elapsed())))
        });
        let mut reports: Vec<_> =
            stream::iter(tasks).buffer_unordered(PARALLEL_MAX).filter_map(std::future::ready).collect().await;
        reports.sort_by_key(|(load_order, _)| *load_order);
        let databases = reports.into_iter().map(|(_, report)| report).collect();
        let encrypted_for = self.recipients.map(Recipients::told).unwrap_or_default();
        Ok(BackupReport { databases, encrypted_for, seconds: started.elapsed().as_secs_f64() })
    }

    fn told(
        &self,
        database: &Database,
        saved: Result<(PathBuf, Manifest), BackupError>,
        took: Duration,
    ) -> BackedUpDatabase {
        let mut report = BackedUpDatabase {
            database: database.name.clone(),
            engine: database.engine,
            path: None,
            rows: 0,
            bytes: 0,
            error: None,
            seconds: took.as_secs_f64(),
        };
        match saved {
            Ok((path, manifest)) => {
                (report.path, report.rows, report.bytes) = (Some(path), manifest.rows(), manifest.bytes());
            }
            Err(error) => report.error = Some(error.to_string()),
        }
        (self.show)(BackupProgress::Finished(&report));
        report
    }

    /// None where it was not wanted any more.
    async fn one(&self, database: &Database, bytes: &AtomicU64) -> Result<Option<(PathBuf, Manifest)>, BackupError> {
        let begun_at = Utc::now();
        let partial = Partial::begin(self.to, &database.name, begun_at)?;
        if !(self.is_wanted)(database)? {
            return Ok(None);
        }
        let Self { registry, environment, recipients, show, .. } = *self;
        let folder = &partial.location();
        let writer = RunWriter { recipients, show, bytes };
        let work = Work { registry, database, environment, folder, writer };
        let (place, content) = match database.engine {
            Engine::Postgresql => postgres::backup(&work).await?,
            Engine::Mysql => mysql::backup(&work).await?,
            Engine::Mongodb => mongo::backup(&work).await?,
        };
        let manifest = Manifest::new(&database.name, database.engine, place, begun_at, recipients, content);
        manifest.write(folder)?;
        Ok(Some((partial.complete()?, manifest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all_and_none_is_saved_twice() {
        let registry = Registry::load(None).expect("the embedded registry");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(chosen(&registry, &names(&["all", "hr"])).expect("known").len(), registry.all().len());
        assert_eq!(chosen(&registry, &[]).expect("none named"), chosen(&registry, &names(&["all"])).expect("known"));
        let two = chosen(&registry, &names(&["hr", "genims_master_db", "genims_hr_db"])).expect("known");
        assert_eq!(two.iter().map(|database| database.module.as_str()).collect::<Vec<_>>(), ["master", "hr"]);
        assert!(chosen(&registry, &names(&["nobody"])).is_err());
    }
}
