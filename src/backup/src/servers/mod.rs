//! `genims backup servers`: whole servers, and what their own logs said since, so that a database can be brought to any moment
//! ([`crate::point`]), also to one between backups.
//!
//! - [`archive`]: what lies there, and to which moments it leads; [`keeping`]: how it gets there
//! - [`wal`]: PostgreSQL's clusters; [`binlog`]: MariaDB's servers; [`aged`]: what goes again
//!
//! In: registry, environment, databases, a folder. Out: a report, one entry a server. Invariants: a server that fails stops no other; a
//! server is copied as often as the database on it that is saved most often, and its moments are kept for as long as the backups of the
//! database whose go first.

mod aged;
pub(crate) mod archive;
pub(crate) mod binlog;
mod keeping;
pub(crate) mod wal;

use crate::encryption::Recipients;
use crate::errors::BackupError;
use crate::location;
use crate::schedule::{self, Found};
use crate::task::{BackedUpDatabase, BackupProgress, RunWriter, Show};
use archive::Archive;
pub use archive::{HeldPoints, HeldSpan};
use chrono::Utc;
use genims_databases::{Database, DatabaseError, Engine, Environment, MysqlSettings, PostgresSettings, Registry};
use keeping::{Keeping, Kept};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What happened to one server.
#[derive(Clone, Debug, Serialize)]
pub struct KeptServer {
    /// `host:port`; of a database that is not configured, its name.
    pub place: String,
    pub engine: Engine,
    pub databases: Vec<String>,
    pub folder: Option<PathBuf>,
    /// The copy that was due.
    pub copied: Option<PathBuf>,
    pub remark: Option<String>,
    pub bytes: u64,
    /// To which moments it can be brought now.
    pub held: Vec<HeldSpan>,
    /// Copies that were kept for long enough.
    pub removed: usize,
    pub error: Option<String>,
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServersReport {
    pub servers: Vec<KeptServer>,
    /// Databases without moments of their own.
    pub left_out: Vec<String>,
    /// The recipients; empty: in clear.
    pub encrypted_for: Vec<String>,
    pub seconds: f64,
}

impl ServersReport {
    /// Whether every server was saved.
    pub fn ok(&self) -> bool {
        self.servers.iter().all(|server| server.error.is_none())
    }
}

/// What is the same for all servers of a run.
#[derive(Clone, Copy)]
struct Run<'a> {
    registry: &'a Registry,
    environment: &'a Environment,
    to: &'a Path,
    writer: RunWriter<'a>,
}

/// Databases of one server.
struct Group<'a> {
    engine: Engine,
    place: String,
    databases: Vec<&'a Database>,
}

/// Keeps the servers of `databases` below `to`. An error means that nothing was begun; what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Path,
    recipients: Option<&Recipients>,
    show: Show<'_>,
) -> Result<ServersReport, BackupError> {
    let started = Instant::now();
    location::refuse_s3(to)?;
    std::fs::create_dir_all(to).map_err(BackupError::write(to))?;
    let bytes = AtomicU64::new(0);
    let run = Run { registry, environment, to, writer: RunWriter { recipients, show, bytes: &bytes } };
    let mut report = ServersReport {
        servers: Vec::new(),
        left_out: Vec::new(),
        encrypted_for: recipients.map(Recipients::told).unwrap_or_default(),
        seconds: 0.0,
    };
    let mut groups: Vec<Group<'_>> = Vec::new();
    for database in databases {
        match place(database, environment) {
            Ok(None) => report.left_out.push(database.name.clone()),
            Ok(Some(place)) => {
                let is_its = |group: &&mut Group<'_>| group.engine == database.engine && group.place == place;
                match groups.iter_mut().find(is_its) {
                    Some(group) => group.databases.push(*database),
                    None => groups.push(Group { engine: database.engine, place, databases: vec![*database] }),
                }
            }
            Err(error) => {
                let group = Group { engine: database.engine, place: database.name.clone(), databases: vec![*database] };
                report.servers.push(KeptServer { error: Some(error.to_string()), ..group.entry() });
            }
        }
    }
    for group in &groups {
        report.servers.push(run.told(group).await);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// `host:port` of a database's server; none of an engine whose databases have no moments of their own.
pub(crate) fn place(database: &Database, environment: &Environment) -> Result<Option<String>, DatabaseError> {
    let place = match database.engine {
        Engine::Postgresql => PostgresSettings::from_environment(database, environment)?.place(),
        Engine::Mysql => MysqlSettings::from_environment(database, environment)?.place(),
        Engine::Mongodb => return Ok(None),
    };
    Ok(Some(place.rsplit_once('/').map_or(place.clone(), |(server, _)| server.to_owned())))
}

impl Group<'_> {
    fn entry(&self) -> KeptServer {
        KeptServer {
            place: self.place.clone(),
            engine: self.engine,
            databases: self.databases.iter().map(|database| database.name.clone()).collect(),
            folder: None,
            copied: None,
            remark: None,
            bytes: 0,
            held: Vec::new(),
            removed: 0,
            error: None,
            seconds: 0.0,
        }
    }

    /// Whether the server is to be copied now.
    fn is_due(&self, archive: &Archive) -> bool {
        let found =
            |base: &archive::Part| Found { path: base.path.clone(), begun_at: base.manifest.begun_at, complete: true };
        let found: Vec<Found> = archive.bases.iter().map(found).collect();
        let most_often = self.databases.iter().min_by_key(|database| database.backup_every);
        most_often.is_none_or(|database| schedule::is_due(database, &found, Utc::now()))
    }

    fn kept(&self) -> Duration {
        self.databases.iter().map(|database| database.backups_kept).min().unwrap_or_default()
    }
}

impl Run<'_> {
    async fn told(&self, group: &Group<'_>) -> KeptServer {
        let (started, before) = (Instant::now(), self.writer.bytes.load(Ordering::Relaxed));
        let mut entry = group.entry();
        if let Err(error) = self.one(group, &mut entry).await {
            entry.error = Some(error.to_string());
        }
        entry.bytes = self.writer.bytes.load(Ordering::Relaxed) - before;
        entry.seconds = started.elapsed().as_secs_f64();
        self.finished(&entry);
        entry
    }

    async fn one(&self, group: &Group<'_>, entry: &mut KeptServer) -> Result<(), BackupError> {
        let mut keeping =
            Keeping { engine: group.engine, place: group.place.clone(), folder: PathBuf::new(), writer: self.writer };
        keeping.step("connecting");
        let (databases, place) = (&group.databases[..], &group.place);
        let Kept { copied, remark } = if group.engine == Engine::Postgresql {
            let cluster = wal::connect(databases, self.environment, place).await?;
            keeping.folder = keeping::folder(self.to, group.engine, &cluster.id);
            let archive = Archive::read(&keeping.folder)?;
            cluster.keep(&keeping, &archive, group.is_due(&archive)).await?
        } else {
            let server = binlog::connect(databases, self.environment, place).await?;
            keeping.folder = keeping::folder(self.to, group.engine, place);
            let archive = Archive::read(&keeping.folder)?;
            server.keep(&keeping, &archive, group.is_due(&archive)).await?
        };
        (entry.copied, entry.remark, entry.folder) = (copied, remark, Some(keeping.folder.clone()));
        let archive = Archive::read(&keeping.folder)?;
        entry.held = archive.held();
        if let Some(first) = databases.first() {
            let whose = (self.registry, self.environment, *first);
            entry.removed = aged::remove(whose, &keeping, &archive, group.kept()).await?;
        }
        if entry.removed > 0 {
            entry.held = Archive::read(&keeping.folder)?.held();
        }
        Ok(())
    }

    /// Shown like a database.
    fn finished(&self, entry: &KeptServer) {
        let report = BackedUpDatabase {
            database: entry.place.clone(),
            engine: entry.engine,
            path: entry.folder.clone(),
            rows: 0,
            bytes: entry.bytes,
            error: entry.error.clone(),
            seconds: entry.seconds,
        };
        (self.writer.show)(BackupProgress::Finished(&report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn databases_of_one_server_are_one_server_and_one_that_is_not_there_stops_no_other() {
        let registry = Registry::load(None).expect("the embedded registry");
        let environment = Environment::from_pairs([
            ("GENIMS_HR_DB_URL", "postgresql://u:p@127.0.0.1:1/hr"),
            ("GENIMS_ERP_DB_URL", "postgresql://v:p@127.0.0.1:1/erp"),
            ("GENIMS_AUDIT_DB_URL", "mysql://u:p@127.0.0.1:2/audit"),
        ]);
        let databases: Vec<&Database> =
            ["hr", "erp", "audit", "production", "crm"].iter().map(|name| registry.get(name).expect("there")).collect();
        let root = tempfile::tempdir().expect("a folder");
        let show = |_: BackupProgress<'_>| {};
        let report = run(&registry, &environment, &databases, root.path(), None, &show).await.expect("begun");
        let mut places: Vec<(&str, usize, bool)> = report
            .servers
            .iter()
            .map(|server| (server.place.as_str(), server.databases.len(), server.error.is_some()))
            .collect();
        places.sort_unstable();
        assert_eq!(places, [("127.0.0.1:1", 2, true), ("127.0.0.1:2", 1, true), ("genims_crm_db", 1, true)]);
        assert_eq!(report.left_out, ["genims_production"]);
        assert!(!report.ok());
        assert_eq!(std::fs::read_dir(root.path()).expect("read").count(), 0, "nothing was kept");
    }

    #[tokio::test]
    async fn a_place_in_s3_is_refused_and_no_folder_made_instead() {
        let registry = Registry::load(None).expect("the embedded registry");
        let (place, show) = (Path::new("s3://plant/genims"), |_: BackupProgress<'_>| {});
        let kept = run(&registry, &Environment::default(), &[], place, None, &show).await;
        let error = kept.expect_err("no folder");
        assert!(matches!(error, BackupError::NeedsFolder { .. }), "{error}");
        assert!(!Path::new("s3:").exists());
    }
}
