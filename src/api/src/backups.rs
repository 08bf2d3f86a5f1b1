//! What is told of backups, in words that are ready to print: for a tile of the dashboard and for `/operations`. Enters: the report's
//! part. Leaves: rows, how many are late, and that what is shown is old.

use super::format;
use super::plants::clock;
use super::report::{BackupAge, BackupAges};

/// See `operations.html`.
pub(crate) struct BackupsPart<'a> {
    pub(crate) folder: Option<&'a str>,
    pub(crate) old: Option<String>,
    pub(crate) rows: Vec<BackupRow<'a>>,
}

pub(crate) struct BackupRow<'a> {
    pub(crate) database: &'a str,
    pub(crate) level: &'static str,
    pub(crate) state: &'static str,
    pub(crate) age: String,
    /// How many, rows and bytes of the newest, how often one is made, how long it is kept.
    pub(crate) numbers: [(&'static str, String); 5],
    pub(crate) error: Option<&'a str>,
}

impl<'a> BackupsPart<'a> {
    pub(crate) fn new(report: &'a BackupAges, now_ms: i64) -> Self {
        let rows = report.items.iter().map(row).collect();
        Self { folder: report.folder.as_deref(), old: report.old(now_ms), rows }
    }
}

impl BackupAges {
    /// How many databases have none that is young enough.
    pub(crate) fn late(&self) -> usize {
        self.items.iter().filter(|backup| backup.late == Some(true)).count()
    }

    /// The age of the newest of the database whose newest is the oldest.
    pub(crate) fn oldest_seconds(&self) -> Option<u64> {
        self.items.iter().filter_map(|backup| backup.age_seconds).max()
    }

    /// That nothing newer is known, and why.
    pub(crate) fn old(&self, now_ms: i64) -> Option<String> {
        self.folder.as_ref()?;
        match (self.looked_ms, &self.last_error) {
            (Some(_), None) => None,
            (None, None) => Some("the folder was not read yet".to_owned()),
            (Some(at_ms), Some(error)) => {
                Some(format!("the folder cannot be read; what is shown is of {}: {error}", clock(at_ms, now_ms)))
            }
            (None, Some(error)) => Some(format!("the folder cannot be read: {error}")),
        }
    }
}

fn row(backup: &BackupAge) -> BackupRow<'_> {
    let (level, state) = match (backup.late, backup.age_seconds) {
        (None, _) => ("plain", "not known"),
        (Some(true), None) => ("bad", "there is none"),
        (Some(true), Some(_)) => ("bad", "too old"),
        (Some(false), _) if backup.error.is_some() => ("warn", "young enough"),
        (Some(false), _) => ("good", "young enough"),
    };
    let span = |seconds: u64| format::span(seconds as f64);
    let of_newest = |text: String| if backup.age_seconds.is_some() { text } else { format::UNKNOWN.to_owned() };
    BackupRow {
        database: &backup.database,
        level,
        state,
        age: backup.age_seconds.map_or_else(|| format::UNKNOWN.to_owned(), span),
        numbers: [
            ("Complete", of_newest(format::count(backup.complete))),
            ("Rows", of_newest(format::count(backup.rows))),
            ("Bytes", of_newest(format::bytes(backup.bytes))),
            ("Every", span(backup.every_seconds)),
            ("Kept", span(backup.kept_seconds)),
        ],
        error: backup.error.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_unread_or_unknown_says_so() {
        let backup = |late, age_seconds| BackupAge { late, age_seconds, ..BackupAge::default() };
        let damaged = BackupAge { error: Some("cut".to_owned()), ..backup(Some(false), Some(60)) };
        let items = vec![
            backup(Some(false), Some(7_200)),
            backup(Some(true), Some(400_000)),
            backup(Some(true), None),
            backup(None, None),
            damaged,
        ];
        let mut report = BackupAges { folder: Some("/backups".to_owned()), items, ..BackupAges::default() };
        assert_eq!((report.late(), report.oldest_seconds()), (2, Some(400_000)));
        assert_eq!(report.old(0).as_deref(), Some("the folder was not read yet"));
        report.looked_ms = Some(1_796_036_553_000);
        assert_eq!(report.old(1_796_036_553_000), None);
        report.last_error = Some("gone".to_owned());
        let old = report.old(1_796_036_600_000).unwrap_or_default();
        assert_eq!(old, "the folder cannot be read; what is shown is of 11:02:33 UTC: gone");
        let part = BackupsPart::new(&report, 1_796_036_600_000);
        let told: Vec<_> = part.rows.iter().map(|row| (row.level, row.state, row.age.as_str())).collect();
        let expected = [
            ("good", "young enough", "2 h 0 min"),
            ("bad", "too old", "4 d 15 h"),
            ("bad", "there is none", format::UNKNOWN),
            ("plain", "not known", format::UNKNOWN),
            ("warn", "young enough", "1 min 0 s"),
        ];
        assert_eq!(told, expected);
        report.folder = None;
        assert_eq!(report.old(0), None, "nobody has said where to look");
    }
}
