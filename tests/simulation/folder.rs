//! The catalogue's folders on the disk that the log is on: one power cut strikes both.

use genims_catalogue::simulated::{Folder, StoredFile};
use genims_log::file::simulated::{FakeDisk, FakeFile};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct OnDisk {
    disk: FakeDisk,
    directory: PathBuf,
}

impl OnDisk {
    pub(crate) fn new(disk: &FakeDisk, directory: &Path) -> Self {
        Self { disk: disk.clone(), directory: directory.to_owned() }
    }
}

#[derive(Debug)]
struct Open(FakeFile);

impl Folder for OnDisk {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let file = self.disk.open_file(&self.path(name))?;
        Ok(file.map(|file| Box::new(Open(file)) as Box<dyn StoredFile>))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        Ok(Box::new(Open(self.disk.create_file(&self.path(name))?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename_file(&self.path(from), &self.path(to))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names(&self.directory)
    }
}

impl StoredFile for Open {
    fn read(&self) -> io::Result<Vec<u8>> {
        self.0.read()
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.0.write_at(bytes, position)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.0.cut(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}
