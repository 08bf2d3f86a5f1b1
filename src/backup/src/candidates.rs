//! What lies among a database's backups, and which of it a restore takes.
//!
//! In: a location, a database, its place, a time. Out: each with what it is and why it does not count. Invariants: no name says how old a
//! backup is, its manifest does; nothing is taken that is not complete, or of the future, unless somebody names it by its folder; only
//! what this database's server saved, under the name that it was given, is removed or counted among those that stay.

use crate::errors::BackupError;
use crate::folder;
use crate::location::Location;
use crate::manifest::{self, Manifest};
use crate::schedule::Found;
use chrono::{DateTime, Utc};
use genims_databases::{Database, Environment, configured};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Named in a message.
const PASSED_OVER_SHOWN: usize = 3;

/// What a folder among backups is; its files were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its files are there with their length.
    Complete,
    Damaged,
    /// Of a clock that was wrong, this one or that one.
    Future,
    OtherServer,
    OtherDatabase,
    NoBackup,
}

pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    /// By its manifest; where that cannot be read by its name.
    pub(crate) begun_at: Option<DateTime<Utc>>,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) standing: Standing,
    /// Why it does not count.
    pub(crate) remark: Option<String>,
    /// Whether its name is the one that a backup gets; a copy by hand has another.
    is_named: bool,
}

/// A backup that was not taken, though it may be newer than what was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    pub path: PathBuf,
    pub why: String,
}

/// What a restore takes.
pub(crate) struct Chosen {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) passed_over: Vec<PassedOver>,
}

/// `host:port/name` as the manifest of a backup that begins now would say it; None where that is not configured.
pub(crate) fn place(database: &Database, environment: &Environment) -> Option<String> {
    configured::examine([database], environment).places.remove(&database.name)
}

/// All of one database's folder, the newest last. Without a place no server is another one.
pub(crate) fn candidates(
    root: impl Into<Location>,
    database: &str,
    place: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Vec<Candidate>, BackupError> {
    let all = folder::backups(root, database)?;
    let mut found: Vec<Candidate> = all.iter().map(|backup| candidate(backup, database, place, now)).collect();
    // Of two that are the same, the one that was not copied is the last.
    found.sort_by_key(|candidate| (candidate.begun_at, candidate.is_named));
    Ok(found)
}

fn candidate(backup: &Location, database: &str, place: Option<&str>, now: DateTime<Utc>) -> Candidate {
    let path = backup.path().to_owned();
    let named = folder::named(&path);
    let (manifest, unread) = match Manifest::read(backup) {
        Ok(manifest) => (Some(manifest), None),
        Err(error) => (None, Some(error)),
    };
    let begun_at = manifest.as_ref().map(|manifest| manifest.begun_at).or(named);
    let (standing, remark) = match (&manifest, unread) {
        (Some(manifest), _) => judged(manifest, backup, database, place, now),
        (None, _) if named.is_none() && matches!(backup.has(manifest::FILE), Ok(false)) => {
            (Standing::NoBackup, Some("no backup: it has no manifest".to_owned()))
        }
        (None, error) => (Standing::Damaged, error.map(|error| error.to_string())),
    };
    Candidate { path, begun_at, manifest, standing, remark, is_named: named.is_some() }
}

fn judged(
    manifest: &Manifest,
    backup: &Location,
    database: &str,
    place: Option<&str>,
    now: DateTime<Utc>,
) -> (Standing, Option<String>) {
    if manifest.database != database {
        return (Standing::OtherDatabase, Some(format!("of another database: {}", manifest.database)));
    }
    if let Err(error) = manifest.is_complete(backup) {
        return (Standing::Damaged, Some(error.to_string()));
    }
    if manifest.begun_at > now {
        let begun_at = manifest.begun_at.to_rfc3339();
        return (Standing::Future, Some(format!("of the future: begun at {begun_at}, so a clock is wrong or was")));
    }
    match place.filter(|place| *place != manifest.place) {
        Some(_) => (Standing::OtherServer, Some(format!("of another server: {}", manifest.place))),
        None => (Standing::Complete, None),
    }
}

/// What [`crate::schedule`] goes by: what this database's server saved under a name of its own. Of what has no manifest nobody
/// can tell whose it is, so it stays.
pub(crate) fn own(candidates: &[Candidate], database: &str, place: Option<&str>) -> Vec<Found> {
    let of = |candidate: &Candidate| {
        let manifest = candidate.manifest.as_ref().filter(|_| candidate.is_named)?;
        let is_own = manifest.database == database && place.is_none_or(|place| place == manifest.place);
        let complete = candidate.standing != Standing::Damaged;
        is_own.then(|| Found { path: candidate.path.clone(), begun_at: manifest.begun_at, complete })
    };
    candidates.iter().filter_map(of).collect()
}

/// Whose backups lie there besides, and how many of each.
pub(crate) fn foreign(candidates: Vec<Candidate>) -> Vec<String> {
    let is_foreign = |standing| matches!(standing, Standing::OtherServer | Standing::OtherDatabase);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in candidates.into_iter().filter(|candidate| is_foreign(candidate.standing)) {
        *counts.entry(candidate.remark.unwrap_or_default()).or_default() += 1;
    }
    counts.into_iter().map(|(whose, count)| format!("{count} {whose}")).collect()
}

/// The backup that is meant: `from` itself when it is one of this database, else the newest below it; of its own server, or where
/// there is none, as on a new host, of another one.
pub(crate) fn chosen(
    from: impl Into<Location>,
    database: &str,
    place: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Chosen, BackupError> {
    let location = from.into();
    let from = location.path();
    if location.has(manifest::FILE).map_err(BackupError::read(from))? {
        let manifest = Manifest::read(&location)?;
        let (path, passed_over) = (from.to_owned(), Vec::new());
        let is_meant = manifest.database == database;
        return if is_meant { Ok(Chosen { path, manifest, passed_over }) } else { Err(none(from, database, &[])) };
    }
    let mut all = candidates(&location, database, place, now)?;
    let newest = |standing| all.iter().rposition(|candidate| candidate.standing == standing);
    let taken = newest(Standing::Complete).or_else(|| newest(Standing::OtherServer)).map(|at| all.remove(at));
    // What is older would not have been taken in any case.
    let since = taken.as_ref().and_then(|taken| taken.begun_at);
    all.retain(|other| other.begun_at.is_none_or(|begun_at| since.is_none_or(|since| begun_at > since)));
    let passed_over: Vec<PassedOver> = all.into_iter().rev().map(Candidate::passed_over).collect();
    match taken {
        Some(Candidate { path, manifest: Some(manifest), .. }) => Ok(Chosen { path, manifest, passed_over }),
        _ => Err(none(from, database, &passed_over)),
    }
}

impl Candidate {
    fn passed_over(self) -> PassedOver {
        let why = self.remark.unwrap_or_default();
        // What would have to be done if it had been taken is beside the point.
        let why = why.split("; ").next().unwrap_or_default().to_owned();
        PassedOver { path: self.path, why }
    }
}

fn none(from: &Path, database: &str, passed_over: &[PassedOver]) -> BackupError {
    let told = |other: &PassedOver| format!("{}: {}", other.path.display(), other.why);
    let mut told: Vec<String> = passed_over.iter().take(PASSED_OVER_SHOWN).map(told).collect();
    if let Some(more @ 1..) = passed_over.len().checked_sub(PASSED_OVER_SHOWN) {
        told.push(format!("{more} more"));
    }
    let passed_over = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    BackupError::NoBackup { folder: from.display().to_string(), database: database.to_owned(), passed_over }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::folder::Partial;
    use crate::manifest::Content;
    use crate::written::Written;
    use chrono::TimeDelta;
    use genims_databases::Engine;

    pub(crate) const HR: &str = "genims_hr_db";
    /// Nothing listens there.
    pub(crate) const PLACE: &str = "127.0.0.1:1/d";

    /// Days from the time of the tests on.
    pub(crate) fn at(days: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).expect("a time") + TimeDelta::days(days)
    }

    /// A backup of `database` below HR's.
    pub(crate) fn saved_of(root: &Path, database: &str, place: &str, begun_at: DateTime<Utc>) -> PathBuf {
        let partial = Partial::begin(root, HR, begun_at).expect("begun");
        let mut file = Written::create(&partial.path, "dump", None).expect("a file");
        file.write(b"all rows").expect("written");
        let content = Content { files: vec![file.finish().expect("synced")], ..Content::default() };
        let manifest = Manifest::new(database, Engine::Postgresql, place.to_owned(), begun_at, None, content);
        manifest.write(&partial.path).expect("written");
        partial.complete().expect("complete")
    }

    pub(crate) fn saved(root: &Path, days: i64) -> PathBuf {
        saved_of(root, HR, PLACE, at(days))
    }

    fn cut(backup: &Path) {
        std::fs::write(backup.join("dump"), b"all").expect("written");
    }

    fn taken(root: &Path) -> (PathBuf, Vec<PassedOver>) {
        let chosen = chosen(root, HR, Some(PLACE), at(0)).expect("one");
        (chosen.path, chosen.passed_over)
    }

    fn own_of(root: &Path, place: &str) -> Vec<PathBuf> {
        let all = candidates(root, HR, Some(place), at(0)).expect("read");
        own(&all, HR, Some(place)).into_iter().map(|backup| backup.path).collect()
    }

    #[test]
    fn the_newest_is_meant_by_the_time_in_its_manifest_and_never_by_its_name() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let none = chosen(root, HR, Some(PLACE), at(0)).err().expect("none").to_string();
        assert!(none.contains("no complete backup"), "{none}");
        let (old, newest, future) = (saved(root, -2), saved(root, -1), saved(root, 3 * 365));
        let copy = saved(root, -60);
        std::fs::rename(&copy, copy.with_file_name("before-upgrade")).expect("renamed");
        std::fs::create_dir(root.join(HR).join("notes")).expect("made");
        let (path, passed_over) = taken(root);
        assert_eq!(path, newest);
        let told: Vec<_> =
            passed_over.iter().map(|other| (other.path.clone(), other.why.contains("no backup"))).collect();
        assert_eq!(
            told,
            [(future.clone(), false), (root.join(HR).join("notes"), true)],
            "what is older goes without saying"
        );
        assert!(passed_over[0].why.contains("of the future"), "{passed_over:?}");
        assert_eq!(chosen(&future, HR, Some(PLACE), at(0)).expect("named by its folder").path, future);
        assert!(chosen(&old, "genims_erp_db", None, at(0)).is_err(), "a backup of another database");
        cut(&newest);
        let (path, passed_over) = taken(root);
        assert!(path == old && passed_over[1].why.contains("3 bytes"), "{passed_over:?}");
        cut(&old);
        assert_eq!(taken(root).0, root.join(HR).join("before-upgrade"), "a copy is a backup");
        cut(&root.join(HR).join("before-upgrade"));
        let none = chosen(root, HR, Some(PLACE), at(0)).err().expect("none").to_string();
        assert!(none.contains("nothing was restored") && none.contains("3 bytes") && none.contains("2 more"), "{none}");
    }

    #[test]
    fn backups_of_another_server_are_taken_where_there_are_none_of_its_own() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let elsewhere = [saved_of(root, HR, "old:5432/hr", at(-3)), saved_of(root, HR, "old:5432/hr", at(-1))];
        assert_eq!(taken(root), (elsewhere[1].clone(), Vec::new()), "a new host after a disaster");
        let own = saved(root, -2);
        let (path, passed_over) = taken(root);
        assert_eq!((path, passed_over.len()), (own, 1));
        assert!(passed_over[0].why.contains("of another server: old:5432/hr"), "{passed_over:?}");
    }

    #[test]
    fn only_what_its_own_server_saved_under_a_name_of_its_own_is_removed_or_counted() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let (ours, theirs) = (saved(root, -1), saved_of(root, HR, "staging:5432/hr", at(-2)));
        saved_of(root, "genims_erp_db", PLACE, at(-3));
        let copy = saved(root, -4);
        std::fs::rename(&copy, copy.with_file_name("before-upgrade")).expect("renamed");
        let unread = saved(root, -5);
        std::fs::remove_file(unread.join(manifest::FILE)).expect("removed");
        assert_eq!(own_of(root, PLACE), std::slice::from_ref(&ours));
        assert_eq!(own_of(root, "staging:5432/hr"), [theirs]);
        assert_eq!(own_of(root, "third:5432/hr"), Vec::<PathBuf>::new());
        cut(&ours);
        let all = candidates(root, HR, Some(PLACE), at(0)).expect("read");
        let standings: Vec<Standing> = all.iter().map(|candidate| candidate.standing).collect();
        use Standing::{Complete, Damaged, OtherDatabase, OtherServer};
        assert_eq!(standings, [Damaged, Complete, OtherDatabase, OtherServer, Damaged], "the oldest by its name");
        assert!(!own(&all, HR, Some(PLACE))[0].complete, "it is ours all the same, and goes when it is old");
    }
}
