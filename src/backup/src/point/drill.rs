//! `genims drill --point`: whether what is kept of servers brings databases to a moment, and how fast. Each is brought there beside itself,
//! counted, and the copy dropped; the database itself is not touched.
//!
//! In: databases, the folder that `genims backup servers` writes to, a moment. Out: per database the seconds until it was there (RTO), and
//! how old the newest moment is that is held: what a loss of the server right now would cost (RPO).

use super::{FOLLOWED, none_held, of_server, told_by};
use crate::drill::{copy_of, remove};
use crate::encryption::Identities;
use crate::errors::BackupError;
use crate::location;
use crate::servers::{HeldSpan, archive, place};
use crate::task::RestoreRequest;
use chrono::{DateTime, Utc};
use genims_databases::{Database, DatabaseError, Engine, Environment, Registry};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillMoment {
    /// Of each server, the newest that is held.
    Newest,
    At(DateTime<Utc>),
}

#[derive(Clone, Debug, Serialize)]
pub struct PointDrilled {
    pub database: String,
    pub engine: Engine,
    /// The moment that it was brought to; none when it was not.
    pub point: Option<DateTime<Utc>>,
    /// From the decision to restore until the copy was counted: recovery time.
    pub restore_seconds: f64,
    /// From the newest moment that is held until the drill of it ended: what is lost at most where no log gives it again.
    pub exposed_seconds: f64,
    pub rows: u64,
    pub error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PointDrillReport {
    pub databases: Vec<PointDrilled>,
    /// Databases without moments of their own.
    pub left_out: Vec<String>,
    pub seconds: f64,
}

impl PointDrillReport {
    pub fn ok(&self) -> bool {
        self.databases.iter().all(|database| database.error.is_none())
    }
}

/// One database after the other, so that each time is its own.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    (from, moment): (&Path, DrillMoment),
    identities: Option<&Identities>,
    show: &(dyn Fn(&Database, &str) + Sync),
) -> Result<PointDrillReport, BackupError> {
    let started = Instant::now();
    location::refuse_s3(from)?;
    let drill = Drill { registry, environment, from, moment, identities, show };
    let mut report = PointDrillReport { databases: Vec::new(), left_out: Vec::new(), seconds: 0.0 };
    for database in databases {
        match place(database, environment).transpose() {
            Some(place) => report.databases.push(drill.told(database, place).await),
            None => report.left_out.push(database.name.clone()),
        }
    }
    // Nothing was looked at, and that is no success.
    if let ([], Some(database)) = (&report.databases[..], report.left_out.first()) {
        return Err(BackupError::FollowsAnother { database: database.clone(), source_database: FOLLOWED });
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// The newest moment that is held of the server at `place`.
fn newest(from: &Path, engine: Engine, place: &str) -> Result<DateTime<Utc>, BackupError> {
    let archives = archive::below(from, engine)?;
    let held = of_server(from, &archives, place)?;
    // As finely as the server's log tells moments; one that lies before its copy by that is not reached.
    let reached = |span: HeldSpan| Some(told_by(engine, span.until)).filter(|until| *until >= span.from);
    let newest = held.iter().flat_map(|archive| archive.held()).filter_map(reached).max();
    newest.ok_or_else(|| none_held(from))
}

/// What all databases of a run have in common.
struct Drill<'a> {
    registry: &'a Registry,
    environment: &'a Environment,
    from: &'a Path,
    moment: DrillMoment,
    identities: Option<&'a Identities>,
    show: &'a (dyn Fn(&Database, &str) + Sync),
}

impl Drill<'_> {
    async fn told(&self, database: &Database, place: Result<String, DatabaseError>) -> PointDrilled {
        let mut drilled = PointDrilled {
            database: database.name.clone(),
            engine: database.engine,
            point: None,
            restore_seconds: 0.0,
            exposed_seconds: 0.0,
            rows: 0,
            error: None,
        };
        let done = match place {
            Ok(place) => self.one(database, &place, &mut drilled).await,
            Err(error) => Err(error.into()),
        };
        drilled.error = done.err().map(|error| error.to_string());
        drilled
    }

    async fn one(&self, database: &Database, place: &str, drilled: &mut PointDrilled) -> Result<(), BackupError> {
        let newest = newest(self.from, database.engine, place)?;
        let point = match self.moment {
            DrillMoment::Newest => newest,
            DrillMoment::At(point) => point,
        };
        let (name, environment) = (copy_of(database), self.environment);
        let show = |what: &str| (self.show)(database, what);
        let (identities, replace) = (self.identities, true);
        let wanted = RestoreRequest { database, environment, name: Some(&name), identities, replace, show: &show };
        let restored = super::run(self.registry, &wanted, self.from, point).await;
        show("dropping the copy");
        let removed = remove(database, environment, &name).await;
        let restored = restored?;
        drilled.point = Some(restored.backup_begun_at);
        (drilled.restore_seconds, drilled.rows) = (restored.seconds, restored.rows);
        drilled.exposed_seconds = (Utc::now() - newest).num_milliseconds() as f64 / 1_000.0;
        Ok(removed?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::archive::tests::{at, keep, keep_until};
    use crate::servers::archive::{BASE, LOG};

    #[test]
    fn the_newest_moment_is_the_last_that_is_held_without_a_gap() {
        let root = tempfile::tempdir().expect("a folder");
        let server = root.path().join("postgresql-7");
        let found = || newest(root.path(), Engine::Postgresql, "h:1");
        assert!(found().expect_err("none").to_string().contains("genims backup servers"));
        keep(&server, BASE, 0, 1, Some(1));
        keep(&server, LOG, 0, 9, Some(9));
        keep(&server, LOG, 9, 12, Some(12));
        keep(&server, LOG, 20, 30, Some(30));
        assert_eq!(found().expect("held"), at(12));
    }

    /// MariaDB's log tells whole seconds: a part that ends in the second of its copy reaches no moment behind it.
    #[test]
    fn a_moment_that_the_log_cannot_tell_from_its_copy_is_not_held() {
        let root = tempfile::tempdir().expect("a folder");
        let server = root.path().join("mariadb-7");
        let found = || newest(root.path(), Engine::Mysql, "h:1");
        let ms = |ms| at(1) + chrono::TimeDelta::milliseconds(ms);
        keep_until(&server, BASE, (0, 1), Some(ms(300)));
        keep_until(&server, LOG, (0, 9), Some(ms(350)));
        assert!(found().expect_err("none").to_string().contains("genims backup servers"));
        keep_until(&server, LOG, (9, 12), Some(ms(1_700)));
        assert_eq!(found().expect("held"), ms(1_000));
    }

    #[tokio::test]
    async fn a_database_that_follows_another_is_no_drill_and_one_that_is_not_there_stops_no_other() {
        let registry = Registry::load(None).expect("the embedded registry");
        let environment = Environment::from_pairs([("GENIMS_HR_DB_URL", "postgresql://u:p@127.0.0.1:1/hr")]);
        let database = |name: &str| registry.get(name).expect("there");
        let root = tempfile::tempdir().expect("a folder");
        let (from, show) = ((root.path(), DrillMoment::Newest), |_: &Database, _: &str| {});
        let drill = async |databases: &[&Database]| run(&registry, &environment, databases, from, None, &show).await;
        let none = drill(&[database("production")]).await.expect_err("nothing to look at");
        assert!(matches!(none, BackupError::FollowsAnother { .. }), "{none}");
        let report = drill(&[database("hr"), database("crm"), database("production")]).await.expect("begun");
        assert_eq!(report.left_out, ["genims_production"]);
        assert!(report.databases.len() == 2 && report.databases.iter().all(|drilled| drilled.error.is_some()));
        assert!(!report.ok());
    }
}
