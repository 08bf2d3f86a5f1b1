//! Where backups lie: in a folder, or in S3 below a prefix that stands for one (`s3://BUCKET/PREFIX`). In: what somebody named, an
//! environment. Out: files by their names, read and written the same way in both.
//!
//! Invariants: what is named as a place in S3 is never taken for a folder; a file that is written is there as a whole or not at all.

use crate::errors::{BackupError, SCHEME};
use crate::s3::{Download, ObjectEntry, ObjectStore, Upload};
use genims_databases::Environment;
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BUFFER: usize = 256 * 1024;

#[derive(Clone)]
pub struct Location {
    /// As people write it.
    path: PathBuf,
    /// None: a folder.
    store: Option<Arc<ObjectStore>>,
    /// What lies in it, by name, where it was listed a moment ago.
    listed: Option<Arc<HashMap<String, ObjectEntry>>>,
}

impl Location {
    /// Of what stands behind `--to` and `--from`.
    pub fn named(path: &Path, environment: &Environment) -> Result<Self, BackupError> {
        let Some(rest) = in_s3(path) else { return Ok(path.into()) };
        let bad = |cause| BackupError::BadPlace { place: told(rest), cause };
        if rest.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(bad("a part of it has no name, or is . or .."));
        }
        if rest.contains(['?', '#', '@']) {
            return Err(bad("no name has ? # or @"));
        }
        let bucket = rest.split('/').next().unwrap_or_default();
        let path = format!("{SCHEME}{rest}");
        let store = ObjectStore::new(&path, bucket, environment)?;
        Ok(Self { path: path.into(), store: Some(Arc::new(store)), listed: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another place of the same kind, by what [`Self::path`] said of it.
    pub fn at(&self, path: &Path) -> Self {
        Self { path: path.to_owned(), store: self.store.clone(), listed: None }
    }

    pub(crate) fn join(&self, name: &str) -> Self {
        self.at(&self.path.join(name))
    }

    pub(crate) fn with_list(mut self, files: HashMap<String, ObjectEntry>) -> Self {
        self.listed = Some(Arc::new(files));
        self
    }

    pub(crate) fn store(&self) -> Option<&Arc<ObjectStore>> {
        self.store.as_ref()
    }

    /// In S3, of a file in it.
    pub(crate) fn key(&self, name: &str) -> String {
        let path = self.path.join(name);
        let text = path.to_string_lossy();
        let key = text.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/'));
        key.map_or_else(String::new, |(_, key)| key.to_owned())
    }

    /// For what is written into it; a bucket must be there.
    pub(crate) fn make(&self) -> Result<(), BackupError> {
        match &self.store {
            Some(_) => self.check(),
            None => fs::create_dir_all(&self.path).map_err(BackupError::write(&self.path)),
        }
    }

    /// Whether it can be looked into.
    pub(crate) fn check(&self) -> Result<(), BackupError> {
        let looked = match &self.store {
            // Something short: whether the bucket is there and may be listed.
            Some(store) => store.list(&self.key("drill.json")).map(drop),
            None => fs::read_dir(&self.path).map(drop),
        };
        looked.map_err(BackupError::read(&self.path))
    }

    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match (&self.store, &self.listed) {
            (None, _) => Ok(self.path.join(name).exists()),
            (Some(_), Some(listed)) => Ok(listed.contains_key(name)),
            (Some(store), None) => {
                let key = self.key(name);
                Ok(store.list(&key)?.iter().any(|object| object.key == key))
            }
        }
    }

    /// A small file.
    pub(crate) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let Some(store) = &self.store else { return fs::read(self.path.join(name)) };
        let entry = self.listed.as_ref().and_then(|listed| listed.get(name));
        store.get(&self.key(name), entry.map(|entry| entry.tag.as_str())).map(|bytes| bytes.to_vec())
    }

    /// A small file, in place of the one that is there.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let Some(store) = &self.store else {
            let draft = self.path.join(format!("{name}.draft"));
            fs::write(&draft, bytes)?;
            return fs::rename(&draft, self.path.join(name));
        };
        store.put(&self.key(name), bytes)
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match &self.store {
            Some(store) => store.delete(&self.key(name)),
            None => fs::remove_file(self.path.join(name)),
        }
    }

    pub(crate) fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let file: Box<dyn Read + Send> = match &self.store {
            Some(store) => Box::new(Download::new(store.clone(), self.key(name))?),
            None => Box::new(File::open(self.path.join(name))?),
        };
        Ok(file)
    }

    /// A file that is not there yet.
    pub(crate) fn create(&self, name: &str) -> io::Result<NewFile> {
        Ok(match &self.store {
            Some(store) => NewFile::Object(Upload::new(store.clone(), self.key(name))),
            None => {
                let file = File::create_new(self.path.join(name))?;
                NewFile::Disk(BufWriter::with_capacity(BUFFER, file))
            }
        })
    }

    /// How long its files are.
    pub(crate) fn lengths(&self) -> io::Result<FileLengths> {
        let Some(store) = &self.store else { return Ok(FileLengths::Folder(self.path.clone())) };
        if let Some(listed) = &self.listed {
            return Ok(FileLengths::Listed(listed.clone()));
        }
        let prefix = self.key("");
        let named = |object: ObjectEntry| Some((object.key.strip_prefix(&prefix)?.to_owned(), object));
        let files: HashMap<_, _> = store.list(&prefix)?.into_iter().filter_map(named).collect();
        Ok(FileLengths::Listed(Arc::new(files)))
    }
}

/// Where only a folder will do: servers' own programs read and write what is kept of them.
pub(crate) fn refuse_s3(path: &Path) -> Result<(), BackupError> {
    in_s3(path).map_or(Ok(()), |rest| Err(BackupError::NeedsFolder { place: told(rest) }))
}

/// Bucket and prefix; None of a folder.
fn in_s3(path: &Path) -> Option<&str> {
    Some(path.to_str()?.strip_prefix(SCHEME)?.trim_end_matches('/'))
}

/// What stands before @ may be a login.
fn told(rest: &str) -> String {
    format!("{SCHEME}{}", rest.rsplit('@').next().unwrap_or_default())
}

pub(crate) enum FileLengths {
    Folder(PathBuf),
    Listed(Arc<HashMap<String, ObjectEntry>>),
}

impl FileLengths {
    pub(crate) fn of(&self, name: &str) -> io::Result<u64> {
        match self {
            Self::Folder(path) => Ok(fs::metadata(path.join(name))?.len()),
            Self::Listed(files) => {
                let missing = || io::Error::new(io::ErrorKind::NotFound, "it is not there");
                files.get(name).map(|object| object.bytes).ok_or_else(missing)
            }
        }
    }
}

/// A file while it is written.
pub(crate) enum NewFile {
    Disk(BufWriter<File>),
    Object(Upload),
}

impl NewFile {
    /// On the disk, or in S3, when it returns.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all(),
            Self::Object(upload) => upload.finish(),
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.write(bytes),
            Self::Object(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.flush(),
            Self::Object(upload) => upload.flush(),
        }
    }
}

/// A folder, whatever it is called.
impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self { path: path.to_owned(), store: None, listed: None }
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&Location> for Location {
    fn from(location: &Location) -> Self {
        location.clone()
    }
}

impl PartialEq<PathBuf> for Location {
    fn eq(&self, path: &PathBuf) -> bool {
        self.path == *path
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<Location, String> {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        Location::named(Path::new(text), &Environment::from_pairs(keys)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_place_in_s3_is_told_from_a_folder_by_what_it_begins_with() {
        for folder in ["/backups", "backups/s3:", "s3:/backups", "S3://backups"] {
            assert!(named(folder).expect(folder).store().is_none(), "{folder}");
        }
        for (place, path, key) in [
            ("s3://plant", "s3://plant", "hr/x"),
            ("s3://plant/", "s3://plant", "hr/x"),
            ("s3://plant/genims/one/", "s3://plant/genims/one", "genims/one/hr/x"),
        ] {
            let location = named(place).expect(place);
            assert_eq!(location.path(), Path::new(path));
            assert_eq!(location.join("hr").key("x"), key);
            assert_eq!(location.at(&location.join("hr").path).key("x"), key, "as a report tells it");
        }
        for place in ["s3://", "s3:///x", "s3://plant//x", "s3://plant/../other", "s3://plant/./x", "s3://k:p@plant/x"]
        {
            let said = named(place).expect_err(place);
            assert!(said.contains("s3://BUCKET/PREFIX") && !said.contains("k:p"), "{said}");
        }
    }

    #[test]
    fn where_only_a_folder_will_do_a_place_in_s3_is_refused() {
        for folder in ["/backups", "s3:/backups", "S3://backups"] {
            assert!(refuse_s3(Path::new(folder)).is_ok(), "{folder}");
        }
        for place in ["s3://", "s3://plant", "s3://k:p@plant/x"] {
            let said = refuse_s3(Path::new(place)).expect_err(place).to_string();
            assert!(said.contains("name a folder") && !said.contains("k:p"), "{said}");
        }
    }

    #[test]
    fn without_keys_no_place_in_s3_is_taken_and_no_folder_made_instead() {
        let said = Location::named(Path::new("s3://plant/x"), &Environment::default());
        let said = said.expect_err("no keys").to_string();
        assert!(said.contains("AWS_ACCESS_KEY_ID") && said.contains("s3://plant/x"), "{said}");
    }
}
