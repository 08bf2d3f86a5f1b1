//! A file of a backup while it is written. In: bytes. Out: a synced file, its length and its SHA-256.

use crate::errors::BackupError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const BUFFER: usize = 256 * 1024;

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    pub name: String,
    pub bytes: u64,
    /// Hexadecimal.
    pub sha256: String,
}

pub(crate) struct Written {
    path: PathBuf,
    name: String,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Written {
    pub(crate) fn create(folder: &Path, name: &str) -> Result<Self, BackupError> {
        let path = folder.join(name);
        let file = File::create_new(&path).map_err(BackupError::write(&path))?;
        let file = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { path, name: name.to_owned(), file, hash: Sha256::new(), bytes: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.file.write_all(bytes).map_err(BackupError::write(&self.path))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// On the disk when it returns.
    pub(crate) fn finish(self) -> Result<FileEntry, BackupError> {
        let Self { path, name, file, hash, bytes } = self;
        let file = file.into_inner().map_err(|error| BackupError::write(&path)(error.into_error()))?;
        file.sync_all().map_err(BackupError::write(&path))?;
        Ok(FileEntry { name, bytes, sha256: hex(hash) })
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of bytes at hand.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// Length and SHA-256 of a file, read in pieces.
pub(crate) fn digest_of_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; BUFFER]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hex(hash)));
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
}
