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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidates::tests::{HR, at};
    use crate::folder::{self, Going, Partial};
    use crate::manifest::{Content, Manifest};
    use crate::s3::Upload;
    use crate::s3::tests::TestBucket;
    use crate::written::Written;
    use genims_databases::Engine;
    use std::io::Write;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    fn begun(bucket: &TestBucket, days: i64) -> Partial {
        let partial = Partial::begin(bucket.location(), HR, at(days)).expect("begun");
        let mut file = Written::create(partial.location(), "dump", None).expect("a file");
        file.write(b"all rows").expect("written");
        file.finish().expect("stored");
        partial
    }

    fn saved(bucket: &TestBucket, days: i64) -> PathBuf {
        let partial = begun(bucket, days);
        let mut file = Written::create(partial.location(), "more", None).expect("a file");
        file.write(b"more rows").expect("written");
        let content = Content { files: vec![file.finish().expect("stored")], ..Content::default() };
        let manifest = Manifest::new(HR, Engine::Postgresql, "h:1/d".to_owned(), at(days), None, content);
        manifest.write(partial.location()).expect("written");
        partial.complete().expect("complete")
    }

    fn listed(bucket: &TestBucket) -> Vec<PathBuf> {
        let all = folder::backups(bucket.location(), HR).expect("listed");
        all.iter().map(|backup| backup.path().to_owned()).collect()
    }

    /// All files of the bucket are as old as this.
    fn age(folder: &Path, days: u64) {
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("read").path();
            if path.is_dir() {
                age(&path, days);
            } else {
                let file = std::fs::File::options().write(true).open(&path).expect("a file");
                file.set_modified(then).expect("set");
            }
        }
    }

    #[test]
    fn a_backup_is_what_has_its_manifest_and_reads_as_it_was_written() {
        let bucket = TestBucket::new();
        let backup = saved(&bucket, -1);
        assert_eq!(backup, Path::new("s3://plant/genims/genims_hr_db/20231113T221320.000Z"));
        let open = begun(&bucket, 0);
        assert_eq!(listed(&bucket), std::slice::from_ref(&backup), "what is in the making is none");
        let twice = Partial::begin(bucket.location(), HR, at(0)).err().expect("two of one name").to_string();
        assert!(twice.contains("in the making"), "{twice}");
        drop(open);
        assert!(!bucket.folder.path().join("plant/genims/genims_hr_db/20231114T221320.000Z/dump").exists());
        let at = bucket.location().at(&backup);
        let manifest = Manifest::read(&at).expect("read");
        manifest.verify(&at, None, &|_| ()).expect("whole");
        at.put("more", b"less rows").expect("altered");
        assert!(manifest.verify(&at, None, &|_| ()).expect_err("altered").to_string().contains("SHA-256"));
        at.remove("more").expect("removed");
        let said = manifest.verify(&at, None, &|_| ()).expect_err("it is gone").to_string();
        assert!(said.contains("s3://plant/genims/genims_hr_db/20231113T221320.000Z/more"), "{said}");
    }

    #[test]
    fn what_a_killed_run_left_goes_when_it_is_old_and_with_it_its_parts() {
        let bucket = TestBucket::new();
        let whole = saved(&bucket, -3);
        std::mem::forget(begun(&bucket, -2));
        let key = "genims/genims_hr_db/20231112T221320.000Z/large";
        let mut upload = Upload::new(bucket.store(), key.to_owned());
        upload.write_all(&vec![7_u8; 6 * 1024 * 1024]).expect("taken");
        std::mem::forget(upload);
        bucket.location().join(HR).join("notes").put("who.txt", b"somebody's").expect("put");
        let objects = bucket.folder.path().join("plant");
        age(&objects, 6);
        drop(begun(&bucket, 0));
        assert!(!bucket.parts().is_empty() && files_of(&bucket.location().join(HR)).expect("listed").len() == 3);
        age(&objects, 8);
        drop(begun(&bucket, 0));
        let left = files_of(&bucket.location().join(HR)).expect("listed");
        assert_eq!(left.keys().collect::<Vec<_>>(), ["20231111T221320.000Z", "notes"]);
        assert!(bucket.parts().is_empty(), "{:?}", bucket.parts());
        assert_eq!(listed(&bucket), [whole]);
    }

    #[test]
    fn what_goes_is_gone_and_not_while_somebody_restores_from_it() {
        let bucket = TestBucket::new();
        let root = bucket.location();
        let (older, newer) = (saved(&bucket, -2), saved(&bucket, -1));
        let held = folder::hold(root.at(&older)).expect("free").expect("told");
        let said = Going::begin(&root, HR, &older).err().expect("in use").to_string();
        assert!(said.contains("restores from it"), "{said}");
        drop(held);
        let going = Going::begin(&root, HR, &older).expect("free").expect("there");
        let late = folder::hold(root.at(&older)).expect_err("too late").to_string();
        assert!(late.contains("being removed"), "{late}");
        drop(going);
        drop(folder::hold(root.at(&older)).expect("it stays").expect("told"));
        Going::begin(&root, HR, &older).expect("free").expect("there").remove().expect("removed");
        assert!(Going::begin(&root, HR, &older).expect("nothing to do").is_none());
        assert_eq!(listed(&bucket), [newer]);
        assert_eq!(files_of(&root.join(HR)).expect("listed").len(), 1, "all of it is gone");
    }

    #[test]
    fn a_removal_that_was_killed_is_ended_by_the_next_run() {
        let bucket = TestBucket::new();
        let backup = bucket.location().at(&saved(&bucket, -2));
        backup.put(GOING, b"now").and_then(|()| backup.remove(manifest::FILE)).expect("half of a removal");
        drop(begun(&bucket, 0));
        assert!(files_of(&bucket.location().join(HR)).expect("listed").is_empty());
    }
}
