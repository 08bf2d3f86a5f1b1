//! `genims backup list`: which backups a folder has. In: a folder. Out: one entry a backup, the newest of each database first; one that
//! cannot be read says why. Files are not read: `genims restore` does that.

use crate::errors::BackupError;
use crate::folder;
use crate::manifest::Manifest;
use chrono::{DateTime, Utc};
use genims_databases::Registry;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Serialize)]
pub struct ListedBackup {
    pub database: String,
    pub path: PathBuf,
    /// The moment that it shows.
    pub begun_at: Option<DateTime<Utc>>,
    pub age_seconds: Option<i64>,
    pub rows: u64,
    pub bytes: u64,
    pub error: Option<String>,
}

/// Every database of the registry, those without a backup too.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    pub backups: Vec<ListedBackup>,
    /// Databases without a backup.
    pub missing: Vec<String>,
}

impl Listing {
    /// Whether every backup can be read.
    pub fn ok(&self) -> bool {
        self.backups.iter().all(|entry| entry.error.is_none())
    }
}

/// `now` is what ages are counted to.
pub fn list(registry: &Registry, from: &Path, now: DateTime<Utc>) -> Result<Listing, BackupError> {
    std::fs::read_dir(from).map_err(BackupError::read(from))?;
    let mut listing = Listing { backups: Vec::new(), missing: Vec::new() };
    for database in registry.all() {
        let mut paths = folder::backups(from, &database.name)?;
        paths.reverse();
        if paths.is_empty() {
            listing.missing.push(database.name.clone());
        }
        listing.backups.extend(paths.into_iter().map(|path| entry(&database.name, path, now)));
    }
    Ok(listing)
}

fn entry(database: &str, path: PathBuf, now: DateTime<Utc>) -> ListedBackup {
    let mut entry = ListedBackup {
        database: database.to_owned(),
        path,
        begun_at: None,
        age_seconds: None,
        rows: 0,
        bytes: 0,
        error: None,
    };
    match Manifest::read(&entry.path) {
        Ok(manifest) => {
            entry.begun_at = Some(manifest.begun_at);
            entry.age_seconds = Some((now - manifest.begun_at).num_seconds());
            (entry.rows, entry.bytes) = (manifest.rows(), manifest.bytes());
        }
        Err(error) => entry.error = Some(error.to_string()),
    }
    entry
}
