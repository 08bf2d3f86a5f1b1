//! Backups in S3, where there are neither renames nor locks. In: where a database's backups lie. Out: what [`crate::folder`] says of
//! them.
//!
//! Invariants: a backup is what has a manifest, which is written behind all other files and goes before them; what a killed run left
//! goes a week after its last file came, its uploads in parts included; whoever restores and whoever removes each writes a marker and
//! then looks for the other's, so one of the two gives way. Two runs at a time save a database twice, under two names.

use crate::errors::BackupError;
use crate::location::Location;
use crate::manifest;
use crate::s3::{MARKER, ObjectEntry};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use uuid::Uuid;

/// In a backup that is to go.
const GOING: &str = ".going";
/// In a backup that somebody restores from; a name of its own follows.
const HELD: &str = ".held-";
/// No run works for so long: what is older was left by a killed one.
const LEFT_AFTER: TimeDelta = TimeDelta::days(7);

type Files = HashMap<String, ObjectEntry>;

/// What lies below, by the name of the folder that it stands for.
fn files_of(parent: &Location) -> Result<BTreeMap<String, Files>, BackupError> {
    let mut found = BTreeMap::<String, Files>::new();
    let Some(store) = parent.store() else { return Ok(found) };
    let prefix = parent.key("");
    for object in store.list(&prefix).map_err(BackupError::read(parent.path()))? {
        let name = object.key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
        let Some((folder, file)) = name.map(|(folder, file)| (folder.to_owned(), file.to_owned())) else { continue };
        found.entry(folder).or_default().insert(file, object);
    }
    Ok(found)
}

/// Of one backup.
fn files(backup: &Location) -> Result<Files, BackupError> {
    let Some(store) = backup.store() else { return Ok(Files::new()) };
    let prefix = backup.key("");
    let objects = store.list(&prefix).map_err(BackupError::read(backup.path()))?;
    Ok(objects.into_iter().filter_map(|object| Some((object.key.strip_prefix(&prefix)?.to_owned(), object))).collect())
}

fn is_left(object: &ObjectEntry, now: DateTime<Utc>) -> bool {
    object.modified.is_some_and(|modified| now - modified > LEFT_AFTER)
}

/// Each with the list of its files.
pub(crate) fn backups(parent: &Location) -> Result<Vec<Location>, BackupError> {
    let found = files_of(parent)?.into_iter();
    let found = found.filter(|(name, files)| !name.starts_with('.') && files.contains_key(manifest::FILE));
    Ok(found.map(|(name, files)| parent.join(&name).with_list(files)).collect())
}

/// Where a backup of this name goes, once what killed runs left of others is removed. `is_ours` tells a backup's name.
pub(crate) fn begin(parent: &Location, name: &str, is_ours: &dyn Fn(&str) -> bool) -> Result<PathBuf, BackupError> {
    let (all, now) = (files_of(parent)?, Utc::now());
    if all.contains_key(name) {
        let folder = parent.path().display().to_string();
        let database = parent.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(BackupError::Busy { folder, database });
    }
    for (name, files) in all.iter().filter(|(name, _)| is_ours(name)) {
        let is_going = files.contains_key(GOING) || files.values().all(|object| is_left(object, now));
        if is_going && !files.contains_key(manifest::FILE) {
            remove(&parent.join(name), files)?;
        }
    }
    Ok(parent.path().join(name))
}

/// All of what was not completed, or is to be one no longer.
pub(crate) fn clear(backup: &Location) -> Result<(), BackupError> {
    remove(backup, &files(backup)?)
}

/// The manifest first, the mark that it goes last.
fn remove(backup: &Location, files: &Files) -> Result<(), BackupError> {
    let Some(store) = backup.store() else { return Ok(()) };
    let mut names: Vec<&String> = files.keys().collect();
    names.sort_by_key(|name| (name.as_str() == GOING, name.as_str() != manifest::FILE));
    for name in names {
        let path = backup.path().join(name);
        if let Some(of) = name.strip_prefix(MARKER) {
            let number = backup.read(name).map_err(BackupError::read(&path))?;
            let aborted = store.abort_upload(&backup.key(of), &String::from_utf8_lossy(&number));
            aborted.map_err(BackupError::write(&path))?;
        }
        backup.remove(name).map_err(BackupError::write(&path))?;
    }
    Ok(())
}

/// A marker that goes with whoever wrote it.
#[derive(Debug)]
pub(crate) struct HeldObject {
    backup: Location,
    name: String,
}

impl HeldObject {
    fn new(backup: &Location, name: String) -> io::Result<Self> {
        backup.put(&name, Utc::now().to_rfc3339().as_bytes())?;
        Ok(Self { backup: backup.clone(), name })
    }
}

impl Drop for HeldObject {
    fn drop(&mut self) {
        // One that stays counts for a week.
        let _ = self.backup.remove(&self.name);
    }
}

/// None where whoever restores may only read: then nobody is told.
pub(crate) fn hold(backup: &Location) -> Result<Option<HeldObject>, BackupError> {
    let held = match HeldObject::new(backup, format!("{HELD}{}", Uuid::new_v4())) {
        Ok(held) => Some(held),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(error) => return Err(BackupError::write(backup.path())(error)),
    };
    let files = files(backup)?;
    if files.contains_key(GOING) || !files.contains_key(manifest::FILE) {
        return Err(BackupError::Going { folder: backup.path().display().to_string() });
    }
    Ok(held)
}

/// A backup that is to go. Dropped before [`Self::remove`] it stays.
pub(crate) struct Leaving {
    backup: Location,
    mark: HeldObject,
}

impl Leaving {
    /// None where it has gone already.
    pub(crate) fn begin(backup: Location) -> Result<Option<Self>, BackupError> {
        if !files(&backup)?.contains_key(manifest::FILE) {
            return Ok(None);
        }
        let mark = HeldObject::new(&backup, GOING.to_owned()).map_err(BackupError::write(backup.path()))?;
        let (files, now) = (files(&backup)?, Utc::now());
        if files.iter().any(|(name, object)| name.starts_with(HELD) && !is_left(object, now)) {
            return Err(BackupError::InUse { folder: backup.path().display().to_string() });
        }
        Ok(Some(Self { backup, mark }))
    }

    pub(crate) fn remove(self) -> Result<(), BackupError> {
        let removed = clear(&self.backup);
        if removed.is_err() && !matches!(self.backup.has(manifest::FILE), Ok(true)) {
            // It is a backup no longer: its mark tells the next run that it may end this.
            std::mem::forget(self.mark);
        }
        removed
    }
}
