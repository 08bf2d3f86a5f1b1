//! Where backups lie: `<folder>/<database>/<time>`, the time as `20261129T041500.123Z`, so that names sort by age.
//!
//! Invariants: what is in the making has a name that begins with a dot and becomes a backup by one rename, when all of it is on the
//! disk; one run at a time works on a database's backups, and removes what a killed one left.

use crate::errors::BackupError;
use crate::manifest::{self, Manifest};
use chrono::{DateTime, Utc};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
const PARTIAL: &str = ".partial-";

/// A backup in the making. Dropped before [`Self::complete`] it is removed.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    complete: PathBuf,
    kept: bool,
    /// Held until the end.
    _lock: File,
}

impl Partial {
    pub(crate) fn begin(root: &Path, database: &str, begun_at: DateTime<Utc>) -> Result<Self, BackupError> {
        let parent = root.join(database);
        fs::create_dir_all(&parent).map_err(BackupError::write(&parent))?;
        let lock = lock(&parent, root, database)?;
        remove_leftovers(&parent)?;
        let time = begun_at.format("%Y%m%dT%H%M%S%.3fZ");
        let path = parent.join(format!("{PARTIAL}{time}"));
        fs::create_dir(&path).map_err(BackupError::write(&path))?;
        only_ours(&path)?;
        Ok(Self { path, complete: parent.join(time.to_string()), kept: false, _lock: lock })
    }

    /// Its path from now on. All files in it are synced already.
    pub(crate) fn complete(mut self) -> Result<PathBuf, BackupError> {
        sync(&self.path)?;
        fs::rename(&self.path, &self.complete).map_err(BackupError::write(&self.complete))?;
        self.kept = true;
        if let Some(parent) = self.complete.parent() {
            sync(parent)?;
        }
        Ok(self.complete.clone())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A backup holds everything a database does: nobody else may read it.
fn only_ours(path: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(BackupError::write(path))
}

fn lock(parent: &Path, root: &Path, database: &str) -> Result<File, BackupError> {
    let path = parent.join(LOCK);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(BackupError::write(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(BackupError::Busy { folder: root.display().to_string(), database: database.to_owned() })
        }
        Err(TryLockError::Error(error)) => Err(BackupError::write(&path)(error)),
    }
}

fn remove_leftovers(parent: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(parent).map_err(BackupError::read(parent))? {
        let entry = entry.map_err(BackupError::read(parent))?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            fs::remove_dir_all(entry.path()).map_err(BackupError::write(&entry.path()))?;
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(BackupError::write(folder))
}

/// The backups of one database, the oldest first. What is in the making is none.
pub fn backups(root: &Path, database: &str) -> Result<Vec<PathBuf>, BackupError> {
    let parent = root.join(database);
    let entries = match fs::read_dir(&parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::read(&parent)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(BackupError::read(&parent))?;
        if !entry.file_name().to_string_lossy().starts_with('.') && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The backup that is meant: `from` itself when it is one of this database, else the newest below it.
pub fn chosen(from: &Path, database: &str) -> Result<(PathBuf, Manifest), BackupError> {
    let none = || BackupError::NoBackup { folder: from.display().to_string(), database: database.to_owned() };
    let path = if from.join(manifest::FILE).exists() {
        from.to_owned()
    } else {
        backups(from, database)?.pop().ok_or_else(none)?
    };
    let manifest = Manifest::read(&path)?;
    if manifest.database == database { Ok((path, manifest)) } else { Err(none()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Content;
    use genims_databases::Engine;

    fn begun(root: &Path, second: i64) -> Result<Partial, BackupError> {
        Partial::begin(root, "genims_hr_db", DateTime::from_timestamp(1_000_000_000 + second, 0).expect("a time"))
    }

    fn completed(root: &Path, second: i64) -> PathBuf {
        let partial = begun(root, second).expect("begun");
        let place = "h:1/d".to_owned();
        let manifest = Manifest::new("genims_hr_db", Engine::Postgresql, place, Utc::now(), Content::default());
        manifest.write(&partial.path).expect("written");
        partial.complete().expect("complete")
    }

    #[test]
    fn the_newest_complete_backup_is_meant_and_what_is_in_the_making_is_none() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        assert!(chosen(root, "genims_hr_db").expect_err("none").to_string().contains("no complete backup"));
        let older = completed(root, 1);
        let newer = completed(root, 2);
        let open = begun(root, 3).expect("begun");
        assert_eq!(chosen(root, "genims_hr_db").expect("one").0, newer);
        assert_eq!(chosen(&older, "genims_hr_db").expect("that one").0, older);
        assert!(chosen(&older, "genims_erp_db").is_err(), "a backup of another database");
        assert!(begun(root, 4).err().expect("two at a time").to_string().contains("in the making"));
        drop(open);
        assert_eq!(backups(root, "genims_hr_db").expect("read"), [older, newer]);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next() {
        let root = tempfile::tempdir().expect("a folder");
        let left = root.path().join("genims_hr_db/.partial-20010101T000000.000Z");
        fs::create_dir_all(&left).expect("made");
        drop(begun(root.path(), 1).expect("begun"));
        assert!(!left.exists());
    }
}
