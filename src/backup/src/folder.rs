//! Where backups lie: `<folder>/<database>/<time>`, the time as `20261129T041500.123Z`, so that people see their age. In S3 they have
//! the same names, and what follows is done by [`crate::shelf`].
//!
//! Invariants: what is in the making has a name that begins with a dot and becomes a backup by one rename, when all of it is on the
//! disk, and stops being one by another; one run at a time works on a database's backups, and removes what a killed one left; what is
//! restored from stays meanwhile.

use crate::errors::BackupError;
use crate::location::Location;
use crate::manifest;
use crate::shelf::{self, HeldObject, Leaving};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LOCK: &str = ".lock";
const PARTIAL: &str = ".partial-";
const CHILD_STARTS: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
const REMOVED: &str = ".removed-";
/// Of the time that is a backup's name.
const NAME: &str = "%Y%m%dT%H%M%S%.3fZ";

/// A backup in the making. Dropped before [`Self::complete`] it is removed.
pub(crate) struct Partial {
    pub(crate) path: PathBuf,
    complete: PathBuf,
    kept: bool,
    root: Location,
    /// Held until the end; none in S3.
    _lock: Option<File>,
}

impl Partial {
    pub(crate) fn begin(
        root: impl Into<Location>,
        database: &str,
        begun_at: DateTime<Utc>,
    ) -> Result<Self, BackupError> {
        let root = root.into();
        let (parent, time) = (root.path().join(database), begun_at.format(NAME).to_string());
        if root.store().is_some() {
            let path = shelf::begin(&root.join(database), &time, &|name| named(Path::new(name)).is_some())?;
            return Ok(Self { complete: path.clone(), path, kept: false, root, _lock: None });
        }
        fs::create_dir_all(&parent).map_err(BackupError::write(&parent))?;
        let lock = lock(&parent, root.path(), database)?;
        remove_leftovers(&parent)?;
        let path = parent.join(format!("{PARTIAL}{time}"));
        fs::create_dir(&path).map_err(BackupError::write(&path))?;
        only_ours(&path)?;
        Ok(Self { path, complete: parent.join(time), kept: false, root, _lock: Some(lock) })
    }

    /// Where its files go meanwhile.
    pub(crate) fn location(&self) -> Location {
        self.root.at(&self.path)
    }

    /// Its path from now on. All files in it are synced already; in S3 the manifest, which was the last, has made it a backup.
    pub(crate) fn complete(mut self) -> Result<PathBuf, BackupError> {
        if self.root.store().is_some() {
            self.kept = true;
            return Ok(self.complete.clone());
        }
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
        // What cannot be removed now is removed by a later run.
        if !self.kept && self.root.store().is_some() {
            let _ = shelf::clear(&self.location());
        } else if !self.kept {
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
    match patiently(|| file.try_lock()) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(BackupError::Busy { folder: root.display().to_string(), database: database.to_owned() })
        }
        Err(TryLockError::Error(error)) => Err(BackupError::write(&path)(error)),
    }
}

/// A child that is just starting has what its parent had open until it is its own program: what was let go of may be locked that long.
fn patiently(try_lock: impl Fn() -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    let deadline = Instant::now() + CHILD_STARTS;
    loop {
        match try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(POLL),
            tried => return tried,
        }
    }
}

fn remove_leftovers(parent: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(parent).map_err(BackupError::read(parent))? {
        let entry = entry.map_err(BackupError::read(parent))?;
        let name = entry.file_name();
        if [PARTIAL, REMOVED].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            fs::remove_dir_all(entry.path()).map_err(BackupError::write(&entry.path()))?;
        }
    }
    Ok(())
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(BackupError::write(folder))
}

/// What may be a backup of one database, by name. What is in the making is none.
pub(crate) fn backups(root: impl Into<Location>, database: &str) -> Result<Vec<Location>, BackupError> {
    let root = root.into();
    if root.store().is_some() {
        return shelf::backups(&root.join(database));
    }
    let parent = root.path().join(database);
    let entries = match fs::read_dir(&parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
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
    Ok(found.iter().map(Location::from).collect())
}

/// The time that is a backup's name; None of a copy by hand, and of whatever else lies there.
pub(crate) fn named(backup: &Path) -> Option<DateTime<Utc>> {
    let name = backup.file_name()?.to_str()?;
    let time = NaiveDateTime::parse_from_str(name, NAME).ok()?.and_utc();
    (time.format(NAME).to_string() == name).then_some(time)
}

/// While it lives, nobody removes the backup.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: Option<File>,
    _mark: Option<HeldObject>,
}

/// None where its files know no locks; there nobody removes it either. Nor where whoever reads in S3 may not write.
pub(crate) fn hold(backup: impl Into<Location>) -> Result<Option<Held>, BackupError> {
    let backup = backup.into();
    if backup.store().is_some() {
        return Ok(shelf::hold(&backup)?.map(|mark| Held { _lock: None, _mark: Some(mark) }));
    }
    let path = backup.path().join(manifest::FILE);
    let file = File::open(&path).map_err(BackupError::read(&path))?;
    match file.try_lock_shared() {
        // Once it is removed its lock is free again.
        Ok(()) if path.exists() => Ok(Some(Held { _lock: Some(file), _mark: None })),
        Err(TryLockError::Error(_)) => Ok(None),
        Ok(()) | Err(TryLockError::WouldBlock) => {
            Err(BackupError::Going { folder: backup.path().display().to_string() })
        }
    }
}

/// A backup that is to go: from now on nobody restores from it, and nobody else works on the database's backups.
pub(crate) enum Going {
    Folder { path: PathBuf, parent: PathBuf, _locks: (File, File) },
    Objects(Leaving),
}

impl Going {
    /// None where it has gone already.
    pub(crate) fn begin(root: impl Into<Location>, database: &str, path: &Path) -> Result<Option<Self>, BackupError> {
        let root = root.into();
        if root.store().is_some() {
            return Ok(Leaving::begin(root.at(path))?.map(Self::Objects));
        }
        let parent = root.path().join(database);
        let locked = lock(&parent, root.path(), database)?;
        remove_leftovers(&parent)?;
        let file = path.join(manifest::FILE);
        // NFS locks for one alone only what is open for writing.
        let manifest = match OpenOptions::new().read(true).write(true).open(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            manifest => manifest.map_err(BackupError::write(&file))?,
        };
        is_free(patiently(|| manifest.try_lock()), path)?;
        Ok(Some(Self::Folder { path: path.to_owned(), parent, _locks: (locked, manifest) }))
    }

    /// At once, by a rename, or by its manifest in S3; its files follow, now or when somebody looks again.
    pub(crate) fn remove(self) -> Result<(), BackupError> {
        match self {
            Self::Objects(leaving) => leaving.remove(),
            Self::Folder { path, parent, _locks } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let removed = parent.join(format!("{REMOVED}{name}"));
                fs::rename(&path, &removed).map_err(BackupError::write(&path))?;
                sync(&parent)?;
                fs::remove_dir_all(&removed).map_err(BackupError::write(&removed))
            }
        }
    }
}

/// Whether nobody restores from it; where that cannot be told somebody may.
fn is_free(locked: Result<(), TryLockError>, path: &Path) -> Result<(), BackupError> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(source)) => Err(BackupError::Unlockable { folder: path.display().to_string(), source }),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse { folder: path.display().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::tests::{HR, at, saved};

    fn begun(root: &Path) -> Result<Partial, BackupError> {
        Partial::begin(root, HR, at(0))
    }

    #[test]
    fn what_is_in_the_making_is_no_backup() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let saved = [saved(root, -2), saved(root, -1)];
        let open = begun(root).expect("begun");
        assert!(begun(root).err().expect("two at a time").to_string().contains("in the making"));
        assert_eq!(backups(root, HR).expect("read"), saved);
        drop(open);
        assert_eq!(backups(root, HR).expect("read"), saved);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next() {
        let root = tempfile::tempdir().expect("a folder");
        let left = root.path().join("genims_hr_db/.partial-20010101T000000.000Z");
        fs::create_dir_all(&left).expect("made");
        drop(begun(root.path()).expect("begun"));
        assert!(!left.exists());
    }

    #[test]
    fn only_a_time_as_we_write_it_is_a_name() {
        let named = |name: &str| named(&Path::new("/b").join(name)).map(|time| time.timestamp_millis());
        assert_eq!(named("20010909T014641.007Z"), Some(1_000_000_001_007));
        for name in ["before-upgrade", "20010909T014641Z", "20010909T014641.007Z.bak", "20010909T014641.0070Z", "notes"]
        {
            assert_eq!(named(name), None, "{name}");
        }
    }

    #[test]
    fn what_goes_is_gone_at_once_and_not_while_somebody_restores_from_it() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path();
        let (older, newer) = (saved(root, -2), saved(root, -1));
        let held = hold(&older).expect("it can be locked").expect("by this file system");
        let error = Going::begin(root, HR, &older).err().expect("it is in use").to_string();
        assert!(error.contains("restores from it"), "{error}");
        drop(held);
        let going = Going::begin(root, HR, &older).expect("nobody reads it").expect("it is there");
        let late = hold(&older).expect_err("too late to restore from it").to_string();
        assert!(late.contains("being removed"), "{late}");
        assert!(begun(root).is_err(), "two at a time");
        going.remove().expect("removed");
        assert!(hold(&older).is_err(), "it is gone");
        assert!(Going::begin(root, HR, &older).expect("nothing to do").is_none(), "somebody else removed it");
        assert_eq!(backups(root, HR).expect("read"), [newer]);
        let left = root.join("genims_hr_db/.removed-20010909T014641.000Z");
        fs::create_dir(&left).expect("made");
        drop(begun(root).expect("begun"));
        assert!(!left.exists(), "a killed run left it");
    }

    #[test]
    fn where_it_cannot_be_told_whether_somebody_restores_from_it_it_stays() {
        let failed = |kind: ErrorKind| Err(TryLockError::Error(kind.into()));
        let path = Path::new("/b/genims_hr_db/20010909T014641.000Z");
        assert!(is_free(Ok(()), path).is_ok());
        assert!(is_free(failed(ErrorKind::Unsupported), path).is_ok(), "there nobody locks");
        // EBADF, EACCES and ENOLCK of an NFS server.
        for kind in [ErrorKind::Other, ErrorKind::PermissionDenied, ErrorKind::StaleNetworkFileHandle] {
            let error = is_free(failed(kind), path).expect_err("it stays").to_string();
            assert!(error.contains("stays") && error.contains("014641"), "{error}");
        }
    }
}
