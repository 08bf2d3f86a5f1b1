//! What the registry says of backups: which database is due, and which of its backups have been kept for long enough.
//!
//! In: a database's backups, the oldest first, and a time. Out: answers. Invariants: the newest complete backups stay, however old they
//! are; one that begins in the future, of a clock that was wrong, counts for nothing and stays.

use chrono::{DateTime, TimeDelta, Utc};
use genims_databases::Database;
use std::path::PathBuf;
use std::time::Duration;

/// So many complete ones stay: nobody has tried yet whether the very newest brings the database back.
const NEWEST_KEPT: usize = 3;
/// A timer that looks each hour looks a little earlier at times than an hour after the last backup began.
const EARLY_MAX: Duration = Duration::from_secs(10 * 60);
/// Until the timer looks again, and until what was due is saved.
const LATE_MAX: Duration = Duration::from_secs(2 * 3_600);

/// A backup of this database by its own server, as it lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) begun_at: DateTime<Utc>,
    /// Its files are there with their length.
    pub(crate) complete: bool,
}

/// When the database is to be saved next; none: it never was.
pub(crate) fn next_at(database: &Database, backups: &[Found], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let next = |newest: &Found| newest.begun_at.checked_add_signed(span(database.backup_every));
    self::newest(backups, now).map(|newest| next(newest).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

/// The newest complete one.
pub(crate) fn newest(backups: &[Found], now: DateTime<Utc>) -> Option<&Found> {
    complete(backups, now).last()
}

pub(crate) fn is_due(database: &Database, backups: &[Found], now: DateTime<Utc>) -> bool {
    next_at(database, backups, now).is_none_or(|next| next - span(EARLY_MAX) <= now)
}

/// Whether the newest backup is so old that nobody looks after it.
pub fn is_late(database: &Database, age: Duration) -> bool {
    age > late_after(database)
}

/// The age from which on a newest backup is late.
pub fn late_after(database: &Database) -> Duration {
    database.backup_every.saturating_add(LATE_MAX)
}

/// Those that may go, once the newest was found to be whole.
pub(crate) fn aged<'a>(database: &Database, backups: &'a [Found], now: DateTime<Utc>) -> Vec<&'a Found> {
    let newest = complete(backups, now).rev().take(NEWEST_KEPT).last();
    // With fewer than are kept in any case nothing goes.
    let is_enough = complete(backups, now).count() >= NEWEST_KEPT;
    let Some(oldest_kept) = newest.filter(|_| is_enough) else { return Vec::new() };
    let is_old = |backup: &&Found| now - backup.begun_at > span(database.backups_kept);
    backups.iter().filter(|backup| backup.begun_at < oldest_kept.begun_at).filter(is_old).collect()
}

fn complete(backups: &[Found], now: DateTime<Utc>) -> impl DoubleEndedIterator<Item = &Found> {
    backups.iter().filter(move |backup| backup.complete && backup.begun_at <= now)
}

fn span(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_databases::Registry;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;

    /// Saved each day, kept for five weeks.
    fn hr() -> Database {
        let database = Registry::load(None).expect("the embedded registry").get("hr").expect("there").clone();
        assert_eq!((database.backup_every.as_secs(), database.backups_kept.as_secs()), (86_400, 35 * 86_400));
        database
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).expect("a time")
    }

    /// Begun so many seconds before the time that tests ask about.
    fn ago(seconds: &[i64]) -> Vec<Found> {
        let found =
            |seconds: &i64| Found { path: PathBuf::from(seconds.to_string()), begun_at: at(-seconds), complete: true };
        seconds.iter().map(found).collect()
    }

    fn goes(backups: &[Found]) -> Vec<&str> {
        aged(&hr(), backups, at(0)).iter().filter_map(|backup| backup.path.to_str()).collect()
    }

    #[test]
    fn a_database_is_due_a_day_after_its_newest_complete_backup_began() {
        let due = |backups: &[Found]| is_due(&hr(), backups, at(0));
        assert!(due(&[]), "it was never saved");
        assert!(!due(&ago(&[3 * DAY, DAY - 601])));
        assert!(due(&ago(&[3 * DAY, DAY - 600])), "a timer is not exact to the second");
        let mut backups = ago(&[2 * DAY, HOUR]);
        assert!(!due(&backups));
        backups[1].complete = false;
        assert!(due(&backups), "a damaged one is none");
        assert!(due(&ago(&[2 * DAY, -HOUR])), "one of the future says nothing of today");
        assert_eq!(next_at(&hr(), &ago(&[2 * DAY, HOUR]), at(0)), Some(at(DAY - HOUR)));
    }

    #[test]
    fn a_backup_is_late_when_two_hours_passed_since_it_was_due() {
        let late = |seconds: u64| is_late(&hr(), Duration::from_secs(seconds));
        assert!(!late(26 * 3_600) && late(26 * 3_600 + 1));
    }

    #[test]
    fn what_was_kept_for_long_enough_goes_and_the_three_newest_stay() {
        assert_eq!(goes(&ago(&[40 * DAY, 36 * DAY, 35 * DAY, 2 * DAY, DAY, 0])), ["3456000", "3110400"]);
        assert_eq!(goes(&ago(&[40 * DAY, 35 * DAY + 1, 2 * DAY, DAY, 0])).len(), 2);
        // Nobody saved anything for months: the first new one proves nothing yet.
        assert_eq!(goes(&ago(&[99 * DAY, 98 * DAY, 97 * DAY, 0])), ["8553600"]);
        assert_eq!(goes(&ago(&[99 * DAY, 98 * DAY, 0])), [""; 0]);
        assert_eq!(goes(&ago(&[99 * DAY])), [""; 0], "the last one");
        assert_eq!(goes(&[]), [""; 0]);
    }

    #[test]
    fn damaged_ones_and_those_of_the_future_count_for_nothing() {
        let mut backups = ago(&[99 * DAY, 50 * DAY, 2 * DAY, DAY, 0]);
        backups[3].complete = false;
        assert_eq!(goes(&backups), ["8553600"], "the complete ones that stay are of 50 days, 2 days and now");
        backups[2].complete = false;
        assert_eq!(goes(&backups), [""; 0], "there are three complete ones in all");
        backups[1].complete = false;
        assert_eq!(goes(&backups), [""; 0]);
        let mut backups = ago(&[99 * DAY, 98 * DAY, 2 * DAY, DAY, 0]);
        backups[0].complete = false;
        assert_eq!(goes(&backups), ["8553600", "8467200"], "a damaged one goes as well when it is old");
        let future = ago(&[99 * DAY, 2 * DAY, DAY, -DAY, -99 * DAY]);
        assert_eq!(goes(&future), [""; 0]);
    }
}
