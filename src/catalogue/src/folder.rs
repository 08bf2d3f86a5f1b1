//! The seam to the file system: what the journal asks of a folder and nothing more, so that tests can put a folder in its
//! place that fills up, tears writes and forgets what was not synced.
//!
//! Contents are durable after [`StoredFile::sync`], names after [`Folder::sync_names`].

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

pub trait Folder: Send + Debug {
    fn path(&self, name: &str) -> PathBuf;
    /// `None` when there is no such file.
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>>;
    /// An empty file, whatever was there before.
    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn sync_names(&self) -> io::Result<()>;

    /// A file with these contents, durable under its name when this returns; the file before, or none, until then.
    fn replace(&self, name: &str, contents: &[u8]) -> io::Result<Box<dyn StoredFile>> {
        let unfinished = format!("{name}.tmp");
        let file = self.create(&unfinished)?;
        file.write_at(contents, 0).and_then(|()| file.sync()).inspect_err(|_| {
            // Best effort: its room may be what somebody needs.
            let _ = file.cut(0);
        })?;
        self.rename(&unfinished, name)?;
        self.sync_names()?;
        Ok(file)
    }
}

pub trait StoredFile: Send + Debug {
    fn read(&self) -> io::Result<Vec<u8>>;
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the operating system.
#[derive(Debug)]
pub(crate) struct RealFolder(pub(crate) PathBuf);

impl Folder for RealFolder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        match OpenOptions::new().read(true).write(true).open(self.path(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(name))?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.0 as &Path)?.sync_all()
    }
}

impl StoredFile for File {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut contents = vec![0; usize::try_from(self.metadata()?.len()).map_err(io::Error::other)?];
        self.read_exact_at(&mut contents, 0)?;
        Ok(contents)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
