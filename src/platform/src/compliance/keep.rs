//! Reports in a folder: a page and a table for each day, whole or not at all, and where they are pruned a bounded number of days.
//!
//! Invariants: a file under its name is whole and on the disk; the page comes last, so a day that has one has both; nobody but the owner
//! may read them, for they say who did what.

use super::ComplianceReport;
use super::page::{NOT_COMPLETE, page};
use super::table::table;
use chrono::NaiveDate;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A year, and what an auditor who comes late looks back to.
const DAYS_KEPT: usize = 400;
const PREFIX: &str = "compliance-";
const PAGE: &str = "html";
const TABLE: &str = "csv";

/// Writes a report; where its page is.
pub fn write(folder: &Path, report: &ComplianceReport) -> io::Result<PathBuf> {
    let page = page(report).map_err(io::Error::other)?;
    let table = table(report).map_err(io::Error::other)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let path = file(folder, report.day, PAGE);
    let both = [(file(folder, report.day, TABLE), table), (path.clone(), page.into_bytes())];
    for (path, content) in &both {
        draft(&beside(path), content)?;
    }
    for (path, _) in &both {
        fs::rename(beside(path), path)?;
    }
    File::open(folder)?.sync_all()?;
    Ok(path)
}

/// Whether the report of a day says that nothing was lacking.
pub fn is_complete(folder: &Path, day: NaiveDate) -> io::Result<bool> {
    let page = fs::read(file(folder, day, PAGE))?;
    Ok(!String::from_utf8_lossy(&page).contains(NOT_COMPLETE))
}

/// Lets the oldest go: where somebody else keeps reports they are his.
pub fn prune(folder: &Path) -> io::Result<()> {
    let days = days(folder)?;
    for day in days.iter().take(days.len().saturating_sub(DAYS_KEPT)) {
        // The page first: a table alone is a report that was never made.
        for extension in [PAGE, TABLE] {
            match fs::remove_file(file(folder, *day, extension)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The days that have a report, oldest first.
pub fn days(folder: &Path) -> io::Result<Vec<NaiveDate>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let day = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(PAGE)?.strip_suffix('.'));
        days.extend(day.and_then(|day| day.parse::<NaiveDate>().ok()));
    }
    days.sort_unstable();
    Ok(days)
}

fn file(folder: &Path, day: NaiveDate, extension: &str) -> PathBuf {
    folder.join(format!("{PREFIX}{day}.{extension}"))
}

fn beside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

fn draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Days;
    use std::os::unix::fs::PermissionsExt;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_day_has_both_files_or_the_ones_of_before() {
        let place = tempfile::tempdir().expect("a folder");
        let (folder, report) = (place.path().join("reports"), super::super::tests::report());
        assert_eq!(days(&folder).expect("no folder yet"), []);
        let page = write(&folder, &report).expect("written");
        assert!(!is_complete(&folder, report.day).expect("a page"));
        assert_eq!(names(&folder), ["compliance-2026-11-30.csv", "compliance-2026-11-30.html"]);
        assert_eq!(fs::metadata(&page).expect("a file").permissions().mode() & 0o077, 0);
        let before = fs::read(&page).expect("a page");
        // A draft that cannot be written: nothing of the second report is visible.
        fs::create_dir(beside(&page)).expect("something in the way");
        let mut later = report.clone();
        later.sections.clear();
        write(&folder, &later).expect_err("in the way");
        assert_eq!(fs::read(&page).expect("a page"), before);
        let csv = fs::read_to_string(file(&folder, report.day, TABLE)).expect("a table");
        assert!(csv.contains("refusals"), "{csv}");
        fs::remove_dir(beside(&page)).expect("out of the way");
        write(&folder, &later).expect("written");
        assert_ne!(fs::read(&page).expect("a page"), before);
        assert!(is_complete(&folder, report.day).expect("a page"));
        assert_eq!(names(&folder).len(), 2);
    }

    #[test]
    fn the_oldest_go_when_they_are_told_to() {
        let place = tempfile::tempdir().expect("a folder");
        let report = super::super::tests::report();
        let last = report.day + Days::new(DAYS_KEPT as u64 - 1);
        for back in 0..DAYS_KEPT as u64 {
            for extension in [PAGE, TABLE] {
                fs::write(file(place.path(), last - Days::new(back), extension), "").expect("a file");
            }
        }
        fs::write(place.path().join("notes.html"), "not ours").expect("a file");
        let newest = last + Days::new(1);
        write(place.path(), &ComplianceReport { day: newest, ..report.clone() }).expect("written");
        assert_eq!(days(place.path()).expect("days").len(), DAYS_KEPT + 1);
        prune(place.path()).expect("fewer");
        let kept = days(place.path()).expect("days");
        assert_eq!(
            (kept.len(), kept.first(), kept.last()),
            (DAYS_KEPT, Some(&(report.day + Days::new(1))), Some(&newest))
        );
        assert_eq!(names(place.path()).len(), 2 * DAYS_KEPT + 1);
    }
}
