//! What is kept of a server and leads to no moment that anybody wants any more.
//!
//! In: an archive, how far back moments are kept. Out: how many copies went, with the log before their successors. Invariants: the
//! newest copy was read and is whole, or nothing goes; one copy stays that is older than the oldest moment; that something goes stands
//! in the audit trail before it does.

use super::archive::{Archive, BASE, LOG, Part};
use super::keeping::Keeping;
use crate::action;
use crate::errors::BackupError;
use crate::folder::Going;
use chrono::{DateTime, TimeDelta, Utc};
use genims_databases::{Database, Environment, Registry};
use std::time::Duration;

/// Copies that lead to no moment of the last `kept`, the oldest first, and the one that stays the oldest.
fn aged(bases: &[Part], kept: Duration, now: DateTime<Utc>) -> (&[Part], Option<&Part>) {
    let kept = TimeDelta::from_std(kept).unwrap_or(TimeDelta::MAX);
    let oldest = now.checked_sub_signed(kept).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let stays = bases.iter().rposition(|base| base.span.until.is_some_and(|until| until <= oldest)).unwrap_or(0);
    (&bases[..stays], bases.get(stays))
}

/// Whether a part of the log only leads away from copies that are gone.
fn is_over(part: &Part, oldest: &Part) -> bool {
    let is_of_it = part.span.history == oldest.span.history;
    part.manifest.begun_at < oldest.manifest.begun_at && (!is_of_it || part.span.to <= oldest.span.from)
}

pub(crate) async fn remove(
    (registry, environment, database): (&Registry, &Environment, &Database),
    keeping: &Keeping<'_>,
    archive: &Archive,
    kept: Duration,
) -> Result<usize, BackupError> {
    let (aged, oldest) = aged(&archive.bases, kept, Utc::now());
    let (Some(oldest), Some(newest), false) = (oldest, archive.bases.last(), aged.is_empty()) else { return Ok(0) };
    newest.manifest.verify(&newest.path, None, &|what| keeping.step(what))?;
    for base in aged {
        let Some(going) = Going::begin(&archive.folder, BASE, &base.path)? else { continue };
        let begun_at = base.manifest.begun_at.to_rfc3339();
        let entry = format!("removed the copy of {} of {begun_at}, and what only it needed of the log", keeping.place);
        action::record(registry, environment, database, ("genims-backup", "delete"), &entry, 0).await?;
        going.remove()?;
    }
    for part in archive.log.iter().filter(|part| is_over(part, oldest)) {
        if let Some(going) = Going::begin(&archive.folder, LOG, &part.path)? {
            going.remove()?;
        }
    }
    Ok(aged.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::archive::tests::{at, keep};

    #[test]
    fn one_copy_stays_that_is_older_than_the_oldest_moment() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for to in [10, 20, 30] {
            keep(folder, BASE, to - 1, to, Some(i64::try_from(to).expect("small")));
        }
        for to in [9, 18, 21, 29] {
            keep(folder, LOG, to - 3, to, None);
        }
        let archive = Archive::read(folder).expect("read");
        let goes = |minutes: u64| aged(&archive.bases, Duration::from_secs(60 * minutes), at(30)).0.len();
        assert_eq!([goes(0), goes(9), goes(10), goes(11), goes(20), goes(99)], [2, 1, 1, 0, 0, 0]);
        let over = |base: usize| archive.log.iter().filter(|part| is_over(part, &archive.bases[base])).count();
        assert_eq!([over(0), over(1), over(2)], [1, 2, 4]);
        assert_eq!(aged(&[], Duration::ZERO, at(0)).0.len(), 0);
    }
}
