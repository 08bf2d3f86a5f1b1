//! `genims backup list`: which backups there are. In: a location, and what the registry and the environment say. Out: one entry for
//! each that lies there, the newest of each database first, and what it is; which databases are due; which moments are held. Of files only the length is
//! looked at: `genims restore` reads them. Invariant: a database's folder that cannot be read is an entry, and stops no other.

pub use crate::candidates::Standing;
use crate::candidates::{self, Candidate};
use crate::errors::BackupError;
use crate::location::Location;
use crate::schedule;
use crate::servers::HeldPoints;
use crate::servers::archive::{self, Archive};
use chrono::{DateTime, Utc};
use genims_databases::{Database, Engine, Environment, Registry};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Serialize)]
pub struct ListedBackup {
    pub database: String,
    pub path: PathBuf,
    pub standing: Standing,
    /// The moment that it shows.
    pub begun_at: Option<DateTime<Utc>>,
    pub age_seconds: Option<i64>,
    pub rows: u64,
    pub bytes: u64,
    pub encrypted: bool,
    /// Why it is no backup of this database that counts, and nobody has to mend it.
    pub remark: Option<String>,
    pub error: Option<String>,
}

/// Every database of the registry, those without a backup too.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    pub backups: Vec<ListedBackup>,
    /// Databases without a backup.
    pub missing: Vec<String>,
    /// Databases that `genims backup due` would save now.
    pub due: Vec<String>,
    /// To which moments the servers can be brought.
    pub points: Vec<HeldPoints>,
}

impl Listing {
    /// Whether every backup can be read.
    pub fn ok(&self) -> bool {
        self.backups.iter().all(|entry| entry.error.is_none())
            && self.points.iter().all(|points| points.damaged.is_empty())
    }

    fn add(&mut self, database: &Database, all: Vec<Candidate>, place: Option<&str>, now: DateTime<Utc>) {
        let is_ours = |candidate: &Candidate| {
            matches!(candidate.standing, Standing::Complete | Standing::Damaged | Standing::Future)
        };
        if !all.iter().any(is_ours) {
            self.missing.push(database.name.clone());
        }
        if schedule::is_due(database, &candidates::own(&all, &database.name, place), now) {
            self.due.push(database.name.clone());
        }
        self.backups.extend(all.into_iter().rev().map(|candidate| ListedBackup::of(&database.name, candidate, now)));
    }
}

/// `now` is what ages are counted to.
pub fn list(
    registry: &Registry,
    environment: &Environment,
    from: &Location,
    now: DateTime<Utc>,
) -> Result<Listing, BackupError> {
    from.check()?;
    let points = if from.store().is_none() { points(from.path()) } else { Vec::new() };
    let mut listing = Listing { backups: Vec::new(), missing: Vec::new(), due: Vec::new(), points };
    for database in registry.all() {
        let place = candidates::place(database, environment);
        match candidates::candidates(from, &database.name, place.as_deref(), now) {
            Ok(all) => listing.add(database, all, place.as_deref(), now),
            Err(error) => {
                let path = from.path().join(&database.name);
                listing.backups.push(ListedBackup::unread(&database.name, path, error.to_string()));
            }
        }
    }
    Ok(listing)
}

/// Of the servers in a folder; one that cannot be read stops no other.
fn points(from: &Path) -> Vec<HeldPoints> {
    let mut points = Vec::new();
    for engine in [Engine::Postgresql, Engine::Mysql] {
        match archive::below(from, engine) {
            Ok(archives) => points.extend(archives.iter().map(Archive::points)),
            Err(error) => {
                let (folder, place, held) = (from.to_owned(), String::new(), Vec::new());
                points.push(HeldPoints { folder, place, held, damaged: vec![error.to_string()] });
            }
        }
    }
    points
}

impl ListedBackup {
    fn of(database: &str, candidate: Candidate, now: DateTime<Utc>) -> Self {
        let Candidate { path, begun_at, manifest, standing, remark, .. } = candidate;
        let is_damaged = standing == Standing::Damaged;
        let (error, remark) = if is_damaged { (remark, None) } else { (None, remark) };
        Self {
            database: database.to_owned(),
            path,
            standing,
            begun_at,
            age_seconds: begun_at.map(|begun_at| (now - begun_at).num_seconds()),
            rows: manifest.as_ref().map_or(0, |manifest| manifest.rows()),
            bytes: manifest.as_ref().map_or(0, |manifest| manifest.bytes()),
            encrypted: manifest.is_some_and(|manifest| !manifest.encrypted_for.is_empty()),
            remark,
            error,
        }
    }

    /// A whole folder of backups.
    fn unread(database: &str, path: PathBuf, error: String) -> Self {
        Self {
            database: database.to_owned(),
            path,
            standing: Standing::Damaged,
            begun_at: None,
            age_seconds: None,
            rows: 0,
            bytes: 0,
            encrypted: false,
            remark: None,
            error: Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::tests::{HR, PLACE, at, saved, saved_of};

    fn listed(root: &Path) -> Listing {
        let registry = Registry::load(None).expect("the embedded registry");
        let environment = Environment::from_pairs([("GENIMS_HR_DB_URL", format!("postgresql://u:p@{PLACE}"))]);
        list(&registry, &environment, &root.into(), at(0)).expect("read")
    }

    #[test]
    fn each_is_listed_by_its_time_as_what_it_is_and_only_a_damaged_one_is_an_error() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        saved_of(root, HR, "staging:5432/hr", at(-1));
        assert!(listed(root).missing.contains(&HR.to_owned()), "it is another server's");
        let (own, _) = (saved(root, -2), saved(root, 3 * 365));
        let copy = saved(root, -60);
        std::fs::rename(&copy, copy.with_file_name("before-upgrade")).expect("renamed");
        std::fs::create_dir(root.join(HR).join("notes")).expect("made");
        let listing = listed(root);
        let standings: Vec<Standing> = listing.backups.iter().map(|entry| entry.standing).collect();
        use Standing::{Complete, Damaged, Future, NoBackup, OtherServer};
        assert_eq!(standings, [Future, OtherServer, Complete, Complete, NoBackup]);
        assert!(listing.ok() && !listing.missing.contains(&HR.to_owned()), "{listing:#?}");
        assert!(listing.due.contains(&HR.to_owned()), "its own newest is of two days: {listing:#?}");
        std::fs::write(own.join("dump"), "cut").expect("written");
        let listing = listed(root);
        assert!(!listing.ok() && listing.backups[2].standing == Damaged, "{listing:#?}");
        saved(root, 0);
        assert!(!listed(root).due.contains(&HR.to_owned()));
    }

    #[test]
    fn a_folder_that_cannot_be_read_stops_no_other_database() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        saved(root, 0);
        std::fs::write(root.join("genims_erp_db"), "a file in its place").expect("written");
        let listing = listed(root);
        let told: Vec<_> =
            listing.backups.iter().map(|entry| (entry.database.as_str(), entry.error.is_none())).collect();
        assert!(told.contains(&(HR, true)) && told.contains(&("genims_erp_db", false)), "{listing:#?}");
        assert!(!listing.ok() && listing.missing.len() == 15, "{listing:#?}");
    }
}
