//! `genims backup due`: saves what is due by the registry, then removes what was kept for long enough.
//!
//! In: registry, environment, databases, a location, a clock. Out: a report, one entry a database. Invariants: of a database whose
//! backup failed nothing is removed; a backup goes only when the newest one was read and found whole, no restore reads it, and its
//! going stands in the audit trail; what another server saved counts for nothing and stays; a database that fails stops no other.

use crate::action;
use crate::backup::Saving;
use crate::candidates;
use crate::encryption::Recipients;
use crate::errors::BackupError;
use crate::folder::Going;
use crate::location::Location;
use crate::manifest::Manifest;
use crate::schedule::{self, Found};
use crate::task::{BackedUpDatabase, BackupProgress, Show};
use chrono::{DateTime, Utc};
use genims_databases::{Database, Environment, Registry};
use genims_model::counted;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What time it is.
pub type Clock<'a> = &'a (dyn Fn() -> DateTime<Utc> + Sync);

/// A backup that is there no longer.
#[derive(Clone, Debug, Serialize)]
pub struct RemovedBackup {
    pub path: PathBuf,
    pub begun_at: DateTime<Utc>,
    pub why: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct DueDatabase {
    pub database: String,
    /// None where it was not due.
    pub saved: Option<BackedUpDatabase>,
    /// None while it has no complete backup.
    pub next_at: Option<DateTime<Utc>>,
    pub removed: Vec<RemovedBackup>,
    /// Whose backups lie there as well, and stay.
    pub not_counted: Vec<String>,
    /// Why backups stay that should go, or what there is cannot be told.
    pub error: Option<String>,
}

impl DueDatabase {
    fn new(database: &Database) -> Self {
        let (removed, not_counted) = (Vec::new(), Vec::new());
        Self { database: database.name.clone(), saved: None, next_at: None, removed, not_counted, error: None }
    }

    fn failed(&self) -> bool {
        self.error.is_some() || self.saved.as_ref().is_some_and(|saved| saved.error.is_some())
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct DueReport {
    pub databases: Vec<DueDatabase>,
    /// The recipients; empty: in clear.
    pub encrypted_for: Vec<String>,
    pub seconds: f64,
}

impl DueReport {
    /// Whether all that was due is saved, and all that should go is gone.
    pub fn ok(&self) -> bool {
        !self.databases.iter().any(DueDatabase::failed)
    }
}

/// An error means that nothing was begun; what fails later is in the report.
pub async fn run(
    registry: &Registry,
    environment: &Environment,
    databases: &[&Database],
    to: &Location,
    recipients: Option<&Recipients>,
    clock: Clock<'_>,
    show: Show<'_>,
) -> Result<DueReport, BackupError> {
    let started = Instant::now();
    let look = Look { environment, folder: to, clock };
    let (mut entries, mut due) = (Vec::new(), Vec::new());
    for database in databases {
        let mut entry = DueDatabase::new(database);
        match look.is_due(database) {
            Ok(true) => due.push(*database),
            Ok(false) => (),
            Err(error) => entry.error = Some(error.to_string()),
        }
        entries.push((*database, entry));
    }
    let is_wanted = |database: &Database| look.is_due(database);
    let mut saved = Saving { registry, environment, to, recipients, show, is_wanted: &is_wanted }.run(&due).await?;
    let mut report = DueReport { databases: Vec::new(), encrypted_for: saved.encrypted_for, seconds: 0.0 };
    for (database, mut entry) in entries {
        let own = saved.databases.iter().position(|saved| saved.database == database.name);
        entry.saved = own.map(|at| saved.databases.swap_remove(at));
        if !entry.failed() {
            // What was saved began before that.
            let removal = Removal { registry, look: &look, database, now: clock(), show };
            entry.error = removal.run(&mut entry.removed).await.err().map(|error| error.to_string());
        }
        match look.at(database, clock()) {
            Ok(seen) => (entry.next_at, entry.not_counted) = (seen.next_at(database), seen.not_counted),
            Err(error) => entry.error = entry.error.or(Some(error.to_string())),
        }
        report.databases.push(entry);
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// At what lies there.
struct Look<'a> {
    environment: &'a Environment,
    folder: &'a Location,
    clock: Clock<'a>,
}

/// What lies there of one database.
struct Seen {
    own: Vec<Found>,
    not_counted: Vec<String>,
    now: DateTime<Utc>,
}

impl Look<'_> {
    fn at(&self, database: &Database, now: DateTime<Utc>) -> Result<Seen, BackupError> {
        let name = &database.name;
        let Some(place) = candidates::place(database, self.environment) else {
            // Nobody can tell whose they are. Saving it says what is missing.
            return Ok(Seen { own: Vec::new(), not_counted: Vec::new(), now });
        };
        let all = candidates::candidates(self.folder, name, Some(&place), now)?;
        let own = candidates::own(&all, name, Some(&place));
        Ok(Seen { own, not_counted: candidates::foreign(all), now })
    }

    fn is_due(&self, database: &Database) -> Result<bool, BackupError> {
        let seen = self.at(database, (self.clock)())?;
        Ok(schedule::is_due(database, &seen.own, seen.now))
    }
}

impl Seen {
    fn next_at(&self, database: &Database) -> Option<DateTime<Utc>> {
        schedule::next_at(database, &self.own, self.now)
    }
}

/// One database's backups that were kept for long enough.
struct Removal<'a> {
    registry: &'a Registry,
    look: &'a Look<'a>,
    database: &'a Database,
    now: DateTime<Utc>,
    show: Show<'a>,
}

impl Removal<'_> {
    async fn run(&self, removed: &mut Vec<RemovedBackup>) -> Result<(), BackupError> {
        let found = self.look.at(self.database, self.now)?.own;
        let Some((aged, whole)) = self.going(&found)? else { return Ok(()) };
        let kept = told(self.database.backups_kept);
        let why = format!("kept for {kept}, and the backup of {} is whole", whole.begun_at.to_rfc3339());
        for backup in aged {
            self.step(&format!("removing {}", backup.path.display()));
            let entry = format!("removed the backup of {}: {why}", backup.begun_at.to_rfc3339());
            let what = ("genims-backup", "delete");
            let going = Going::begin(self.look.folder, &self.database.name, &backup.path)?;
            // Another run has removed it, and has entered it.
            let Some(going) = going else { continue };
            // First: what is removed and stands nowhere would be missed for ever.
            action::record(self.registry, self.look.environment, self.database, what, &entry, 0).await?;
            going.remove()?;
            let why = why.clone();
            removed.push(RemovedBackup { path: backup.path.clone(), begun_at: backup.begun_at, why });
        }
        Ok(())
    }

    /// With the newest one, which was read for that. Is it damaged, nothing goes: on such a disk the old ones may be all there is.
    fn going<'a>(&self, found: &'a [Found]) -> Result<Option<(Vec<&'a Found>, &'a Found)>, BackupError> {
        let aged = schedule::aged(self.database, found, self.now);
        let newest = schedule::newest(found, self.now).filter(|_| !aged.is_empty());
        let Some(newest) = newest else { return Ok(None) };
        let whole = self.look.folder.at(&newest.path);
        Manifest::read(&whole)?.verify(&whole, None, &|what| self.step(what))?;
        Ok(Some((aged, newest)))
    }

    fn step(&self, what: &str) {
        (self.show)(BackupProgress::Step { database: &self.database.name, what });
    }
}

/// In days where they say it.
fn told(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds % 86_400 == 0 => counted(seconds / 86_400, "day"),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::tests::{HR, PLACE, at, saved, saved_of};
    use crate::folder::{self, Partial};
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Backups of HR, begun so many days before the time of the tests.
    fn saved_days_ago(root: &Path, days: &[i64]) -> Vec<PathBuf> {
        days.iter().map(|days| saved(root, -days)).collect()
    }

    fn alter(backup: &Path) {
        std::fs::write(backup.join("dump"), b"all rowz").expect("written");
    }

    /// Where nothing listens.
    fn environment() -> Environment {
        let variables = ["GENIMS_HR_DB_URL", "GENIMS_ERP_DB_URL"];
        Environment::from_pairs(variables.map(|variable| (variable, format!("postgresql://u:p@{PLACE}"))))
    }

    fn going(root: &Path) -> Result<Vec<PathBuf>, String> {
        let registry = Registry::load(None).expect("the embedded registry");
        let (environment, database) = (environment(), registry.get("hr").expect("there"));
        let (show, clock) = (|_: BackupProgress<'_>| {}, || at(0));
        let look = Look { environment: &environment, folder: &root.into(), clock: &clock };
        let removal = Removal { registry: &registry, look: &look, database, now: at(0), show: &show };
        let found = look.at(database, at(0)).expect("read").own;
        let going = removal.going(&found).map_err(|error| error.to_string())?;
        Ok(going.map_or_else(Vec::new, |(aged, _)| aged.into_iter().map(|backup| backup.path.clone()).collect()))
    }

    #[test]
    fn what_is_old_goes_only_when_the_newest_was_read_and_is_whole() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let backups = saved_days_ago(root, &[60, 50, 40, 2, 1]);
        assert_eq!(going(root).expect("whole"), backups[..2], "the three newest stay");
        alter(&backups[4]);
        assert!(going(root).expect_err("nothing goes from a disk that rots").contains("dump"));
        std::fs::rename(&backups[4], root.join("damaged")).expect("moved away");
        assert_eq!(going(root).expect("whole"), backups[..1], "three are left besides");
    }

    #[test]
    fn what_others_saved_or_somebody_copied_counts_for_nothing_and_stays() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let own = saved_days_ago(root, &[60, 50, 40, 2]);
        let copy = saved(root, -1);
        std::fs::rename(&copy, copy.with_file_name("before-upgrade")).expect("renamed");
        for days in [70, 30, 3] {
            saved_of(root, HR, "staging:5432/hr", at(-days));
        }
        assert_eq!(going(root).expect("whole"), own[..1], "of three own ones behind it the newest is of two days");
        let report = looked_after(root, &[HR], &|| at(0));
        let hr = &report.databases[0];
        assert!(hr.saved.is_some(), "neither the copy nor what staging saved is a backup of ours: {report:#?}");
        assert_eq!(hr.not_counted, ["3 of another server: staging:5432/hr"]);
        assert_eq!(folder::backups(root, HR).expect("read").len(), 8);
    }

    fn looked_after(root: &Path, names: &[&str], clock: Clock<'_>) -> DueReport {
        let registry = Registry::load(None).expect("the embedded registry");
        let databases: Vec<&Database> = names.iter().map(|name| registry.get(name).expect("there")).collect();
        let (asked, show) = (AtomicUsize::new(0), |_: BackupProgress<'_>| {});
        let clock = || {
            asked.fetch_add(1, Ordering::Relaxed);
            clock()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let environment = environment();
        let to = Location::from(root);
        let due = run(&registry, &environment, &databases, &to, None, &clock, &show);
        let report = runtime.block_on(due).expect("begun");
        assert!(asked.into_inner() > 0);
        report
    }

    #[test]
    fn a_database_that_is_due_and_cannot_be_saved_loses_no_backup() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let backups = saved_days_ago(root, &[60, 50, 40, 3, 2]);
        let report = looked_after(root, &[HR], &|| at(0));
        let error = report.databases[0].saved.as_ref().expect("it was due").error.as_deref();
        assert!(error.expect("there is no server").contains("127.0.0.1:1"), "{report:#?}");
        assert!(!report.ok() && report.databases[0].removed.is_empty());
        assert!(report.databases[0].error.is_none(), "a removal was tried: {report:#?}");
        assert_eq!(folder::backups(root, HR).expect("read"), backups);
    }

    #[test]
    fn what_cannot_be_entered_in_the_audit_trail_stays() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let backups = saved_days_ago(root, &[60, 50, 40, 2, 0]);
        let report = looked_after(root, &[HR], &|| at(0));
        let database = &report.databases[0];
        assert!(database.saved.is_none() && database.removed.is_empty(), "{report:#?}");
        assert!(database.error.as_ref().expect("told").contains("127.0.0.1:1") && !report.ok(), "{report:#?}");
        assert_eq!(database.next_at, Some(at(1)));
        assert_eq!(folder::backups(root, HR).expect("read"), backups);
        let nothing_to_do = tempfile::tempdir().expect("a folder");
        saved_days_ago(nothing_to_do.path(), &[20, 10, 0]);
        let report = looked_after(nothing_to_do.path(), &[HR], &|| at(0));
        assert!(report.ok() && report.databases[0].saved.is_none(), "{report:#?}");
    }

    #[test]
    fn a_folder_that_cannot_be_read_stops_no_other_database() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        std::fs::write(root.join("genims_erp_db"), "a file in its place").expect("written");
        let report = looked_after(root, &["genims_erp_db", HR], &|| at(0));
        let [erp, hr] = &report.databases[..] else { panic!("{report:#?}") };
        let said = |entry: &DueDatabase| {
            let saved = entry.saved.as_ref().and_then(|saved| saved.error.clone());
            entry.error.clone().or(saved).expect("it failed")
        };
        assert!(said(erp).contains("genims_erp_db") && hr.saved.is_some(), "{report:#?}");
        assert!(!report.ok());
    }

    /// The second time that it is asked another run has just saved the database.
    #[test]
    fn what_another_run_has_saved_meanwhile_is_not_saved_again() {
        let (root, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (root, other) = (root.path(), other.path());
        let backups = saved_days_ago(root, &[2]);
        let fresh = saved(other, 0);
        let meanwhile = backups[0].with_file_name(fresh.file_name().expect("a name"));
        let asked = AtomicUsize::new(0);
        let clock = || {
            if asked.fetch_add(1, Ordering::Relaxed) == 1 {
                assert!(Partial::begin(root, HR, at(1)).is_err(), "nobody else can save it now");
                std::fs::rename(&fresh, &meanwhile).expect("moved");
            }
            at(0)
        };
        let report = looked_after(root, &[HR], &clock);
        assert!(report.ok() && report.databases[0].saved.is_none(), "{report:#?}");
        assert_eq!(report.databases[0].next_at, Some(at(1)));
        assert_eq!(folder::backups(root, HR).expect("read"), [backups[0].clone(), meanwhile]);
    }

    #[test]
    fn spans_are_told_in_days_or_hours() {
        assert_eq!([35 * 86_400, 36 * 3_600].map(|seconds| told(Duration::from_secs(seconds))), ["35 days", "36 h"]);
    }
}
