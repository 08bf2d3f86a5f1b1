//! `genims restore --point`: a database as it was at a moment, out of what [`crate::servers`] keeps.
//!
//! - [`drill`]: how long it takes, on a copy
//! - [`postgres`], [`mariadb`]: the whole server as it was then, in a private one ([`private`]) that goes when the database was saved
//!   out of it; [`statements`]: what is played into that
//!
//! In: a database, a folder, a moment. Out: what a restore reports. Invariants: what leads to the moment is there without a gap, and
//! every byte of it is checked, before anything is begun; the database itself is touched by nothing but an ordinary restore of an
//! ordinary backup, counted table by table.

pub mod drill;
mod mariadb;
mod postgres;
mod private;
mod statements;

use crate::errors::BackupError;
use crate::location::{self, Location};
use crate::manifest::Manifest;
use crate::restore::{self, RestoreReport};
use crate::saved::Saved;
use crate::scratch::Scratch;
use crate::servers::archive::{self, Archive, Chain};
use crate::servers::place;
use crate::task::{BackupProgress, RestoreRequest, RunWriter, Work};
use chrono::{DateTime, Utc};
use genims_databases::{Database, Engine, Environment, Registry};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// What the databases of MongoDB follow.
const FOLLOWED: &str = "genims_operations_db";

/// Restores what `from` holds of the database's server, as it was at `point`.
pub async fn run(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    from: &Path,
    point: DateTime<Utc>,
) -> Result<RestoreReport, BackupError> {
    let started = Instant::now();
    location::refuse_s3(from)?;
    let database = wanted.database;
    let Some(place) = place(database, wanted.environment)? else {
        return Err(BackupError::FollowsAnother { database: database.name.clone(), source_database: FOLLOWED });
    };
    let point = told_by(database.engine, point);
    let archives = archive::below(from, database.engine)?;
    let (_, chain) = chosen(from, &archives, &place, point)?;
    restore::admit(registry, wanted).await?;
    let base = chain.base;
    // Whoever removes what is old leaves it alone meanwhile.
    let held = Saved::new(&base.path, &base.manifest, wanted.identities)?;
    held.verify(&|what| wanted.step(what))?;
    for part in &chain.log {
        let saved = Saved::new(&part.path, &part.manifest, wanted.identities)?;
        saved.verify(&|what| wanted.step(what))?;
    }
    let user = if database.engine == Engine::Postgresql { postgres::USER } else { mariadb::USER };
    let scratch = Scratch::new(user)?;
    let folder = recovered(registry, wanted, &scratch, &chain, point).await?;
    let mut report = restore::run(registry, wanted, &Location::from(&folder)).await?;
    (report.from, report.seconds) = (base.path.clone(), started.elapsed().as_secs_f64());
    Ok(report)
}

/// As finely as the server's log tells moments: MariaDB's knows whole seconds, and none that has not begun is crossed.
fn told_by(engine: Engine, point: DateTime<Utc>) -> DateTime<Utc> {
    let told = match engine {
        Engine::Mysql => DateTime::from_timestamp(point.timestamp(), 0),
        Engine::Postgresql | Engine::Mongodb => DateTime::from_timestamp_micros(point.timestamp_micros()),
    };
    told.unwrap_or(point)
}

/// Of the server at `place`, or of the only one that there is, as on a new host; the newest first. A server that was made anew at the
/// same place has a folder of its own.
fn of_server<'a>(from: &Path, archives: &'a [Archive], place: &str) -> Result<Vec<&'a Archive>, BackupError> {
    let folder = from.display().to_string();
    let mut own: Vec<&Archive> = archives.iter().filter(|archive| archive.place() == place).collect();
    if own.is_empty() {
        own = match archives {
            [] => return Err(none_held(from)),
            [only] => vec![only],
            several => {
                let told = |archive: &Archive| format!("{} ({})", archive.folder.display(), archive.place());
                let found = several.iter().map(told).collect::<Vec<_>>().join(", ");
                return Err(BackupError::WhichServer { folder, place: place.to_owned(), found });
            }
        };
    }
    own.sort_by_key(|archive| std::cmp::Reverse(archive.bases.last().and_then(|base| base.span.until)));
    Ok(own)
}

/// What leads to the moment.
fn chosen<'a>(
    from: &Path,
    archives: &'a [Archive],
    place: &str,
    point: DateTime<Utc>,
) -> Result<(&'a Archive, Chain<'a>), BackupError> {
    let mut refusal = None;
    for archive in of_server(from, archives, place)? {
        match archive.chain(point) {
            Ok(chain) => return Ok((archive, chain)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| none_held(from)))
}

fn none_held(from: &Path) -> BackupError {
    BackupError::NoPoints { folder: from.display().to_string(), remark: String::new() }
}

/// A backup of the database as it was then, in passing; the private server is gone when it is there.
async fn recovered(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    scratch: &Scratch,
    chain: &Chain<'_>,
    point: DateTime<Utc>,
) -> Result<PathBuf, BackupError> {
    let (server, environment) = match wanted.database.engine {
        Engine::Postgresql => postgres::recover(wanted, scratch, chain, point).await?,
        Engine::Mysql | Engine::Mongodb => mariadb::recover(wanted, scratch, chain, point).await?,
    };
    wanted.step("saving the database as it was");
    let saved = save(registry, wanted, &environment, scratch, chain, point).await;
    let stopped = server.stop().await;
    let folder = saved?;
    stopped.map(|()| folder)
}

async fn save(
    registry: &Registry,
    wanted: &RestoreRequest<'_>,
    environment: &Environment,
    scratch: &Scratch,
    chain: &Chain<'_>,
    point: DateTime<Utc>,
) -> Result<PathBuf, BackupError> {
    let database: &Database = wanted.database;
    let folder = scratch.ours().join("backup");
    std::fs::create_dir(&folder).map_err(BackupError::write(&folder))?;
    let (bytes, location) = (AtomicU64::new(0), Location::from(&folder));
    let show = |_: BackupProgress<'_>| {};
    let writer = RunWriter { recipients: None, show: &show, bytes: &bytes };
    let work = Work { registry, database, environment, folder: &location, writer };
    let saved = match database.engine {
        Engine::Postgresql => crate::postgres::backup(&work).await,
        Engine::Mysql | Engine::Mongodb => crate::mysql::backup(&work).await,
    };
    let (place, content) = match saved {
        Err(BackupError::Missing { database }) => {
            return Err(BackupError::NotThere { database, point: point.to_rfc3339() });
        }
        other => other?,
    };
    // Whose it is: the copied server's, and not the private one's.
    let name = place.rsplit_once('/').map_or("", |(_, name)| name);
    let place = format!("{}/{name}", chain.base.manifest.place);
    let manifest = Manifest::new(&database.name, database.engine, place, point, None, content);
    manifest.write(&location)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::archive::tests::{at, keep};
    use crate::servers::archive::{BASE, LOG};

    #[test]
    fn a_moment_is_told_as_finely_as_the_server_s_log_does() {
        let point = at(0) + chrono::TimeDelta::nanoseconds(1_500_000_700);
        assert_eq!(told_by(Engine::Mysql, point), at(0) + chrono::TimeDelta::seconds(1));
        assert_eq!(told_by(Engine::Postgresql, point), at(0) + chrono::TimeDelta::microseconds(1_500_000));
    }

    #[tokio::test]
    async fn a_place_in_s3_is_refused() {
        let registry = Registry::load(None).expect("the embedded registry");
        let (environment, show) = (Environment::default(), |_: &str| {});
        let database = registry.get("hr").expect("there");
        let (name, identities, replace) = (Some("genims_hr_then"), None, false);
        let wanted = RestoreRequest { database, environment: &environment, name, identities, replace, show: &show };
        let restored = run(&registry, &wanted, Path::new("s3://plant/genims"), at(0)).await;
        let error = restored.expect_err("no folder");
        assert!(matches!(error, BackupError::NeedsFolder { .. }), "{error}");
    }

    #[test]
    fn the_server_is_the_configured_one_or_the_only_one() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let archives = || archive::below(root, Engine::Postgresql).expect("read");
        let said = |place: &str| chosen(root, &archives(), place, at(5)).expect_err("none").to_string();
        assert!(said("h:1").contains("genims backup servers"));
        let server = |name: &str| {
            keep(&root.join(name), BASE, 0, 1, Some(1));
            keep(&root.join(name), LOG, 0, 9, Some(9));
        };
        server("postgresql-7");
        for place in ["h:1", "new:1"] {
            assert_eq!(chosen(root, &archives(), place, at(5)).expect("it").0.folder, root.join("postgresql-7"));
        }
        server("postgresql-8");
        assert!(chosen(root, &archives(), "h:1", at(5)).is_ok());
        let told = said("new:1");
        assert!(told.contains("postgresql-7 (h:1)") && told.contains("postgresql-8"), "{told}");
    }
}
