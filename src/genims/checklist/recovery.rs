//! Whether the databases would come back: the newest backup of each in the folder that was named, and the drills into it. What is
//! damaged, of the future or of another server is none.

use super::looks::Missing;
use super::{ChecklistPlaces, Progress};
use genims_backup::drill::Drilled;
use genims_backup::listing::{ListedBackup, Listing, Standing};
use genims_backup::{Location, Manifest, drill as drills, schedule};
use genims_databases::Database;
use genims_model::counted;
use genims_platform::checklist::Outcome;
use std::time::Duration;

const BACK_UP: &str = "run `genims backup due --to DIR` each hour, and name DIR with --backups";

/// The newest of each database. With `whole`, every file of it is read.
pub(super) fn backups(
    places: &ChecklistPlaces<'_>,
    listing: Result<&Listing, &Missing>,
    databases: &[&Database],
    on_schedule: bool,
    whole: bool,
    show: &dyn Fn(Progress<'_>),
) -> Outcome {
    let listing = match listing {
        Ok(listing) => listing,
        Err(missing) => return Outcome::not_looked_at(missing),
    };
    let one = |database: &&Database| {
        let outcome = match newest(listing, database) {
            Err(outcome) => outcome,
            Ok(entry) => late(entry, on_schedule.then_some(*database)).unwrap_or_else(|| {
                match places.backups.filter(|_| whole) {
                    Some(folder) => read(&folder.at(&entry.path), entry, show),
                    None => Outcome::holds(age(entry)),
                }
            }),
        };
        (database.module.clone(), outcome)
    };
    let mut outcome = Outcome::of_all(databases.iter().map(one).collect());
    if let Some(folder) = places.backups {
        outcome.found = format!("{}; in {}", outcome.found, folder.path().display());
    }
    outcome
}

/// The newest that would be restored, or why there is none.
fn newest<'a>(listing: &'a Listing, database: &Database) -> Result<&'a ListedBackup, Outcome> {
    let mut own = listing.backups.iter().filter(|entry| entry.database == database.name);
    let first = own.clone().next();
    own.find(|entry| entry.standing == Standing::Complete).ok_or_else(|| {
        let why = first.and_then(|entry| entry.error.as_ref().or(entry.remark.as_ref()));
        let found = why.map_or_else(|| "no backup".to_owned(), |why| format!("no complete backup: {why}"));
        Outcome::fails(found, BACK_UP)
    })
}

/// Of one that is to be as young as the registry wants it.
fn late(entry: &ListedBackup, on_schedule: Option<&Database>) -> Option<Outcome> {
    let database = on_schedule?;
    let old = Duration::from_secs(entry.age_seconds.unwrap_or(i64::MAX).max(0).unsigned_abs());
    let limit = schedule::late_after(database).as_secs() / 3_600;
    let found = format!("its newest backup is {}, older than {limit} h", age(entry));
    schedule::is_late(database, old).then(|| Outcome::fails(found, BACK_UP))
}

fn age(entry: &ListedBackup) -> String {
    match entry.age_seconds {
        Some(seconds) if seconds >= 86_400 => format!("{} old", counted(seconds / 86_400, "day")),
        Some(seconds) => format!("{} h old", seconds.max(0) / 3_600),
        None => "of unknown age".to_owned(),
    }
}

fn read(backup: &Location, entry: &ListedBackup, show: &dyn Fn(Progress<'_>)) -> Outcome {
    let step = |what: &str| show(Progress::Step(&format!("{}: {what}", entry.database)));
    match Manifest::read(backup).and_then(|manifest| manifest.verify(backup, None, &step)) {
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
        format!("{} RTO {rto:.1} s, {} on {day}", database.module, counted(drilled.rows, "row"))
    });
    let times = times.collect::<Vec<_>>().join("; ");
    let found = format!("{} of {} brought back by a drill: {times}", own.len(), databases.len());
    Outcome::judged(own.len() >= at_least && !own.is_empty(), found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;
    use genims_platform::checklist::LineState;
    use std::path::{Path, PathBuf};

    fn entry(standing: Standing, age_seconds: i64) -> ListedBackup {
        let is_damaged = standing == Standing::Damaged;
        ListedBackup {
            database: "genims_hr_db".to_owned(),
            path: PathBuf::from("/nonexistent"),
            standing,
            begun_at: None,
            age_seconds: Some(age_seconds),
            rows: 1,
            bytes: 1,
            encrypted: false,
            remark: (standing == Standing::Future).then(|| "of the future".to_owned()),
            error: is_damaged.then(|| "cut short".to_owned()),
        }
    }

    #[test]
    fn the_newest_complete_one_is_judged_and_without_one_the_line_fails() {
        const LATE: i64 = 26 * 3_600;
        use Standing::{Complete, Damaged, Future, OtherServer};
        let registry = Registry::load(None).expect("the embedded registry");
        let hr = registry.get("hr").expect("there");
        let judged = |standings: &[(Standing, i64)]| {
            let backups = standings.iter().map(|(standing, age)| entry(*standing, *age)).collect();
            let listing = Listing { backups, missing: Vec::new(), due: Vec::new(), points: Vec::new() };
            match newest(&listing, hr) {
                Ok(entry) => late(entry, Some(hr)).map(|outcome| outcome.state),
                Err(outcome) => Some(outcome.state),
            }
        };
        assert_eq!(judged(&[(Complete, LATE)]), None);
        assert_eq!(judged(&[(Complete, LATE + 1)]), Some(LineState::Fails));
        assert_eq!(judged(&[(Future, -9 * LATE), (OtherServer, 1), (Damaged, 1), (Complete, LATE)]), None);
        let old = [(Future, -9 * LATE), (OtherServer, 1), (Damaged, 1), (Complete, LATE + 1)];
        assert_eq!(judged(&old), Some(LineState::Fails), "the only young ones are none");
        for none in [Future, OtherServer, Damaged] {
            assert_eq!(judged(&[(none, 1)]), Some(LineState::Fails), "{none:?}");
        }
        assert_eq!(judged(&[]), Some(LineState::Fails));
        assert!(late(&entry(Complete, LATE + 1), None).is_none(), "its age is of no account");
        let (lost, nowhere) = (entry(Complete, 1), Location::from(Path::new("/nonexistent")));
        assert_eq!(read(&nowhere, &lost, &|_| ()).state, LineState::Fails, "it is not there");
    }
}
