//! Whether the databases would come back: the newest backup of each in the folder that was named, and the drills into it.

use super::looks::Missing;
use super::{ChecklistPlaces, Progress};
use genims_backup::drill::Drilled;
use genims_backup::listing::{ListedBackup, Listing};
use genims_backup::{Manifest, drill as drills};
use genims_databases::Database;
use genims_platform::checklist::Outcome;
use std::time::Duration;

const BACK_UP: &str = "run `genims backup all --to DIR`, and name DIR with --backups";

/// The newest of each database. With `whole`, every file of it is read.
pub(super) fn backups(
    places: &ChecklistPlaces<'_>,
    listing: Result<&Listing, &Missing>,
    databases: &[&Database],
    younger_than: Option<Duration>,
    whole: bool,
    show: &dyn Fn(Progress<'_>),
) -> Outcome {
    let listing = match listing {
        Ok(listing) => listing,
        Err(missing) => return Outcome::not_looked_at(missing),
    };
    let one = |database: &&Database| {
        let newest = listing.backups.iter().find(|entry| entry.database == database.name);
        let outcome = match newest {
            None => Outcome::fails("no backup", BACK_UP),
            Some(entry) => judged(entry, younger_than).unwrap_or_else(|| match whole {
                true => read(entry, show),
                false => Outcome::holds(age(entry)),
            }),
        };
        (database.module.clone(), outcome)
    };
    let mut outcome = Outcome::of_all(databases.iter().map(one).collect());
    if let Some(folder) = places.backups {
        outcome.found = format!("{}; in {}", outcome.found, folder.display());
    }
    outcome
}

/// What speaks against it, its files aside.
fn judged(entry: &ListedBackup, younger_than: Option<Duration>) -> Option<Outcome> {
    if let Some(error) = &entry.error {
        return Some(Outcome::fails(error, BACK_UP));
    }
    let limit = younger_than?;
    let seconds = entry.age_seconds.unwrap_or(i64::MAX);
    let is_young = u64::try_from(seconds.max(0)).is_ok_and(|seconds| seconds <= limit.as_secs());
    let found = format!("its newest backup is {}, older than {} h", age(entry), limit.as_secs() / 3_600);
    (!is_young).then(|| Outcome::fails(found, BACK_UP))
}

fn age(entry: &ListedBackup) -> String {
    match entry.age_seconds {
        Some(seconds) if seconds >= 86_400 => format!("{} days old", seconds / 86_400),
        Some(seconds) => format!("{} h old", seconds.max(0) / 3_600),
        None => "of unknown age".to_owned(),
    }
}

fn read(entry: &ListedBackup, show: &dyn Fn(Progress<'_>)) -> Outcome {
    let step = |what: &str| show(Progress::Step(&format!("{}: {what}", entry.database)));
    match Manifest::read(&entry.path).and_then(|manifest| manifest.verify(&entry.path, &step)) {
        Ok(()) => Outcome::holds(format!("{}, every byte as written", age(entry))),
        Err(error) => Outcome::fails(error.to_string(), BACK_UP),
    }
}

/// At least so many of these were brought back by a drill, and lately.
pub(super) fn drill(
    places: &ChecklistPlaces<'_>,
    databases: &[&Database],
    at_least: usize,
    younger_than: Option<Duration>,
) -> Outcome {
    let Some(folder) = places.backups else {
        let remedy = "run `genims drill --to DIR`, and name DIR with --backups";
        return Outcome::unknown("no folder of backups was named", remedy);
    };
    let all = match drills::latest(folder) {
        Ok(all) => all,
        Err(error) => return Outcome::not_looked_at(error),
    };
    let own: Vec<_> = databases.iter().filter_map(|database| Some((*database, all.get(&database.name)?))).collect();
    let remedy = "run `genims drill --to DIR` with the folder of the backups";
    if let Some((database, error)) =
        own.iter().find_map(|(database, drilled)| Some((database, drilled.error.as_ref()?)))
    {
        return Outcome::fails(format!("{} did not come back: {error}", database.name), remedy);
    }
    let is_old = |drilled: &Drilled| {
        let age = (places.now - drilled.drilled_at).to_std().unwrap_or_default();
        younger_than.is_some_and(|limit| age > limit)
    };
    if let Some((database, drilled)) = own.iter().find(|(_, drilled)| is_old(drilled)) {
        let day = drilled.drilled_at.format("%Y-%m-%d");
        return Outcome::fails(format!("{} was brought back on {day}, too long ago", database.name), remedy);
    }
    let times = own.iter().map(|(database, drilled)| {
        let (rto, day) = (drilled.restore_seconds, drilled.drilled_at.format("%Y-%m-%d"));
        format!("{} RTO {rto:.1} s, {} rows on {day}", database.module, drilled.rows)
    });
    let times = times.collect::<Vec<_>>().join("; ");
    let found = format!("{} of {} brought back by a drill: {times}", own.len(), databases.len());
    Outcome::judged(own.len() >= at_least && !own.is_empty(), found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_platform::checklist::LineState;
    use std::path::PathBuf;

    fn entry(age_seconds: Option<i64>, error: Option<&str>) -> ListedBackup {
        ListedBackup {
            database: "genims_hr_db".to_owned(),
            path: PathBuf::from("/nonexistent"),
            begun_at: None,
            age_seconds,
            rows: 1,
            bytes: 1,
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn a_backup_that_is_damaged_or_too_old_fails() {
        let day = Some(Duration::from_secs(86_400));
        let state = |entry: &ListedBackup, limit| judged(entry, limit).map(|outcome| outcome.state);
        assert_eq!(state(&entry(Some(86_400), None), day), None);
        assert_eq!(state(&entry(Some(86_401), None), day), Some(LineState::Fails));
        assert_eq!(state(&entry(Some(86_401), None), None), None);
        assert_eq!(state(&entry(None, None), day), Some(LineState::Fails));
        assert_eq!(state(&entry(Some(1), Some("cut short")), None), Some(LineState::Fails));
        assert_eq!(read(&entry(Some(1), None), &|_| ()).state, LineState::Fails, "it is not there");
    }
}
