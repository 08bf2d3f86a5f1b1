//! The backups in the folder of `[backups]`, or in S3, looked at once a minute, by their manifests and the lengths of their files. In: the
//! registry, the environment, a folder. Out: a part of the report. Invariant: what was seen stays and gets older while the folder cannot
//! be read, and why it cannot is told.

use super::ServerError;
use crate::settings::Settings;
use chrono::{DateTime, Utc};
use genims_api::report::{BackupAge, BackupAges};
use genims_backup::listing::{self, ListedBackup, Listing, Standing};
use genims_backup::{BackupError, Location, schedule};
use genims_databases::{Database, Environment, Registry};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(60);

pub(super) struct Backups {
    registry: Registry,
    environment: Environment,
    /// None where the configuration names none.
    folder: Option<PathBuf>,
    /// Once it is known how that is reached.
    location: OnceLock<Location>,
    seen: Mutex<Seen>,
}

/// What the folder held when it could be read last.
#[derive(Default)]
struct Seen {
    looked_at: Option<DateTime<Utc>>,
    error: Option<String>,
    databases: HashMap<String, SeenBackups>,
}

/// One database's.
#[derive(Debug, Default, PartialEq)]
struct SeenBackups {
    complete: u64,
    /// Of the newest of these.
    begun_at: Option<DateTime<Utc>>,
    rows: u64,
    bytes: u64,
    /// Of one that is newer, or of all where none is complete.
    error: Option<String>,
}

impl Backups {
    pub(super) fn new(settings: &Settings, environment: &Environment) -> Result<Arc<Self>, ServerError> {
        let (registry, folder) = (Registry::load(None)?, settings.backups.folder.clone());
        let (environment, location) = (environment.clone(), OnceLock::new());
        Ok(Arc::new(Self { registry, environment, folder, location, seen: Mutex::default() }))
    }

    /// Until `stop`, also with nothing to look at.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        if self.folder.is_none() {
            stop.cancelled().await;
        }
        while !stop.is_cancelled() {
            let own = self.clone();
            // Of a disk that hangs nothing comes back: whoever stops does not wait for it.
            tokio::select! {
                _ = tokio::task::spawn_blocking(move || own.look()) => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn look(&self) {
        let Some(folder) = &self.folder else { return };
        let now = Utc::now();
        let location = self.location(folder);
        let found = location.and_then(|location| listing::list(&self.registry, &self.environment, &location, now));
        let mut seen = self.seen.lock();
        match found {
            Ok(listing) => {
                *seen = Seen { looked_at: Some(now), error: None, databases: by_database(&listing) };
            }
            Err(error) => {
                if seen.error.is_none() {
                    tracing::warn!(%error, "the folder of backups cannot be read; how old they are is not known");
                }
                seen.error = Some(error.to_string());
            }
        }
    }

    /// The same one at each look: it remembers manifests that it has read from S3.
    fn location(&self, folder: &Path) -> Result<Location, BackupError> {
        if let Some(location) = self.location.get() {
            return Ok(location.clone());
        }
        let named = Location::named(folder, &self.environment)?;
        Ok(self.location.get_or_init(|| named).clone())
    }

    /// As old as they are now.
    pub(super) fn report(&self) -> BackupAges {
        let (now, seen) = (Utc::now(), self.seen.lock());
        BackupAges {
            folder: self.folder.as_ref().map(|folder| folder.display().to_string()),
            looked_ms: seen.looked_at.map(|at| at.timestamp_millis()),
            last_error: seen.error.clone(),
            items: self.registry.all().iter().map(|database| seen.of(database, now)).collect(),
        }
    }
}

impl Seen {
    fn of(&self, database: &Database, now: DateTime<Utc>) -> BackupAge {
        let found = self.databases.get(&database.name);
        let age = found.and_then(|found| Some((now - found.begun_at?).to_std().unwrap_or_default()));
        let is_late = age.is_none_or(|age| schedule::is_late(database, age));
        BackupAge {
            database: database.name.clone(),
            every_seconds: database.backup_every.as_secs(),
            kept_seconds: database.backups_kept.as_secs(),
            age_seconds: age.map(|age| age.as_secs()),
            late: self.looked_at.map(|_| is_late),
            complete: found.map_or(0, |found| found.complete),
            rows: found.map_or(0, |found| found.rows),
            bytes: found.map_or(0, |found| found.bytes),
            error: found.and_then(|found| found.error.clone()),
        }
    }
}

/// A listing has the newest of each database first.
fn by_database(listing: &Listing) -> HashMap<String, SeenBackups> {
    let mut databases = HashMap::<String, SeenBackups>::new();
    for ListedBackup { database, standing, begun_at, rows, bytes, error, .. } in &listing.backups {
        let seen = databases.entry(database.clone()).or_default();
        match standing {
            Standing::Complete if seen.complete == 0 => {
                (seen.complete, seen.begun_at, seen.rows, seen.bytes) = (1, *begun_at, *rows, *bytes);
            }
            Standing::Complete => seen.complete += 1,
            _ if seen.complete == 0 && seen.error.is_none() => seen.error.clone_from(error),
            _ => {}
        }
    }
    databases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).expect("a time")
    }

    fn listed(database: &str, standing: Standing, second: i64) -> ListedBackup {
        ListedBackup {
            database: database.to_owned(),
            path: PathBuf::from("x"),
            standing,
            begun_at: Some(at(second)),
            age_seconds: None,
            rows: 7,
            bytes: second.unsigned_abs(),
            encrypted: false,
            remark: None,
            error: (standing == Standing::Damaged).then(|| format!("damaged at {second}")),
        }
    }

    #[test]
    fn the_newest_complete_one_counts_and_what_is_wrong_with_newer_ones_is_told() {
        use Standing::{Complete, Damaged, Future, OtherServer};
        let (hr, erp) = ("genims_hr_db", "genims_erp_db");
        let backups = vec![
            listed(hr, Future, 9_000),
            listed(hr, Damaged, -50),
            listed(hr, Damaged, -60),
            listed(hr, Complete, -100),
            listed(hr, Damaged, -150),
            listed(hr, Complete, -200),
            listed(erp, OtherServer, -10),
        ];
        let listing = Listing { backups, missing: Vec::new(), due: Vec::new(), points: Vec::new() };
        let databases = by_database(&listing);
        let error = Some("damaged at -50".to_owned());
        assert_eq!(
            databases[hr],
            SeenBackups { complete: 2, begun_at: Some(at(-100)), rows: 7, bytes: 100, error },
            "neither one of the future nor a damaged one"
        );
        assert_eq!(databases[erp], SeenBackups::default(), "another server's are not its own");

        let registry = Registry::load(None).expect("the embedded registry");
        let seen = Seen { looked_at: Some(at(0)), error: None, databases };
        let told = |name: &str, now: i64| seen.of(registry.get(name).expect("there"), at(now));
        let young = told("hr", 0);
        assert_eq!((young.age_seconds, young.late, young.every_seconds), (Some(100), Some(false), 86_400));
        assert_eq!(told("hr", 86_400 + 7_201).late, Some(true), "two hours after it was due");
        assert_eq!((told("erp", 0).age_seconds, told("erp", 0).late), (None, Some(true)), "there is none");
        assert_eq!(Seen::default().of(registry.get("hr").expect("there"), at(0)).late, None, "nobody has looked");
    }

    #[test]
    fn what_was_seen_stays_while_the_folder_cannot_be_read() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("backups");
        std::fs::create_dir(&folder).expect("made");
        let registry = Registry::load(None).expect("the embedded registry");
        let (environment, seen) = (Environment::default(), Mutex::default());
        let backups = Backups { registry, environment, folder: Some(folder.clone()), location: OnceLock::new(), seen };
        assert_eq!((backups.report().looked_ms, backups.report().items.len()), (None, 17));
        backups.look();
        let found = backups.report();
        assert!(found.looked_ms.is_some() && found.last_error.is_none(), "{found:?}");
        assert!(found.items.iter().all(|item| item.late == Some(true)), "{found:?}");
        std::fs::remove_dir(&folder).expect("removed");
        backups.look();
        let away = backups.report();
        assert_eq!(away.looked_ms, found.looked_ms);
        assert!(away.last_error.is_some_and(|error| error.contains("backups")));
    }
}
