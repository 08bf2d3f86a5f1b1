//! What an engine's part is given: one database's share of a backup, or what is to be restored where; and what it tells meanwhile.
//!
//! Invariant: a restored database is compared table by table with the manifest, whatever its engine.

use crate::encryption::{Identities, Recipients};
use crate::errors::BackupError;
use crate::location::Location;
use crate::manifest::Manifest;
use crate::written::Written;
use genims_databases::{Database, Engine, Environment, Registry};
use genims_model::counted;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tables named in a message.
const DIFFERENCES_SHOWN: usize = 5;

/// What happened to one database.
#[derive(Clone, Debug, Serialize)]
pub struct BackedUpDatabase {
    pub database: String,
    pub engine: Engine,
    /// Where its backup is; none when it failed.
    pub path: Option<PathBuf>,
    pub rows: u64,
    pub bytes: u64,
    pub error: Option<String>,
    pub seconds: f64,
}

/// Something to show while it runs.
#[derive(Clone, Copy, Debug)]
pub enum BackupProgress<'a> {
    Step { database: &'a str, what: &'a str },
    Bytes(u64),
    Finished(&'a BackedUpDatabase),
}

/// Who is shown it.
pub type Show<'a> = &'a (dyn Fn(BackupProgress<'_>) + Sync);

/// By what everything of a run is written, and shown while it is.
#[derive(Clone, Copy)]
pub(crate) struct RunWriter<'a> {
    /// None: in clear.
    pub(crate) recipients: Option<&'a Recipients>,
    pub(crate) show: Show<'a>,
    /// Of the whole run.
    pub(crate) bytes: &'a AtomicU64,
}

impl RunWriter<'_> {
    /// What a database or a server is at.
    pub(crate) fn step(&self, database: &str, what: &str) {
        (self.show)(BackupProgress::Step { database, what });
    }

    pub(crate) fn create(&self, folder: impl Into<Location>, name: &str) -> Result<Written, BackupError> {
        Written::create(folder, name, self.recipients)
    }

    pub(crate) fn take(&self, file: &mut Written, bytes: &[u8]) -> Result<(), BackupError> {
        file.write(bytes)?;
        let count = bytes.len() as u64;
        (self.show)(BackupProgress::Bytes(self.bytes.fetch_add(count, Ordering::Relaxed) + count));
        Ok(())
    }
}

/// One database's share of a run.
pub(crate) struct Work<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) database: &'a Database,
    pub(crate) environment: &'a Environment,
    /// Of the backup in the making.
    pub(crate) folder: &'a Location,
    pub(crate) writer: RunWriter<'a>,
}

impl Work<'_> {
    pub(crate) fn step(&self, what: &str) {
        self.writer.step(&self.database.name, what);
    }

    pub(crate) fn create(&self, name: &str) -> Result<Written, BackupError> {
        self.writer.create(self.folder, name)
    }

    pub(crate) fn take(&self, file: &mut Written, bytes: &[u8]) -> Result<(), BackupError> {
        self.writer.take(file, bytes)
    }
}

/// What is to be restored, and where.
#[derive(Clone, Copy)]
pub struct RestoreRequest<'a> {
    pub database: &'a Database,
    pub environment: &'a Environment,
    /// Another name than its own, on the same server.
    pub name: Option<&'a str>,
    /// What opens a backup that is encrypted.
    pub identities: Option<&'a Identities>,
    /// Lose what stands there.
    pub replace: bool,
    /// What it is at.
    pub show: &'a (dyn Fn(&str) + Sync),
}

impl RestoreRequest<'_> {
    pub(crate) fn step(&self, what: &str) {
        (self.show)(what);
    }

    /// Whether every table has as many rows as in the backup.
    pub(crate) fn compare(
        &self,
        place: &str,
        found: &BTreeMap<String, u64>,
        manifest: &Manifest,
    ) -> Result<(), BackupError> {
        let differences = differences(&manifest.content.rows, found);
        if differences.is_empty() {
            return Ok(());
        }
        let more = differences.len().saturating_sub(DIFFERENCES_SHOWN);
        let mut shown = differences[..differences.len() - more].join(", ");
        if more > 0 {
            shown.push_str(&format!(" and {more} more"));
        }
        Err(BackupError::Differs { place: place.to_owned(), differences: shown })
    }
}

fn differences(expected: &BTreeMap<String, u64>, found: &BTreeMap<String, u64>) -> Vec<String> {
    let unexpected = found.iter().filter(|(table, rows)| **rows > 0 && !expected.contains_key(*table));
    let missing = expected.iter().filter(|(table, rows)| found.get(*table).copied().unwrap_or(0) != **rows);
    let told = |table: &str, expected: u64| {
        let found = found.get(table).map_or_else(|| "no table".to_owned(), |rows| counted(*rows, "row"));
        format!("{table}: {found}, in the backup {expected}")
    };
    missing.map(|(table, rows)| told(table, *rows)).chain(unexpected.map(|(table, _)| told(table, 0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_other_rows_than_the_backup_is_told() {
        let rows = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect::<BTreeMap<_, _>>()
        };
        let expected = rows(&[("public.a", 3), ("public.b", 0), ("public.c", 2)]);
        assert!(differences(&expected, &expected).is_empty());
        let found = rows(&[("public.a", 2), ("public.b", 0), ("public.d", 1), ("public.e", 0)]);
        assert_eq!(
            differences(&expected, &found),
            [
                "public.a: 2 rows, in the backup 3",
                "public.c: no table, in the backup 2",
                "public.d: 1 row, in the backup 0"
            ]
        );
    }
}
