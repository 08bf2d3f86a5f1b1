//! A file of a backup while it is written, in clear or encrypted. In: bytes. Out: a synced file, its length and its SHA-256, both as it
//! is stored.

use crate::encryption::{EXTENSION, Recipients};
use crate::errors::BackupError;
use age::stream::StreamWriter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const BUFFER: usize = 256 * 1024;

/// A file of a backup, as it is stored.
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
    stream: Stream,
}

enum Stream {
    Clear(Stored),
    Encrypted(StreamWriter<Stored>),
}

/// What goes to the disk, counted and hashed as it stands there.
struct Stored {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Stored {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Written {
    /// Encrypted where somebody is named for whom, and called so.
    pub(crate) fn create(folder: &Path, name: &str, recipients: Option<&Recipients>) -> Result<Self, BackupError> {
        let name = if recipients.is_some() { format!("{name}{EXTENSION}") } else { name.to_owned() };
        let path = folder.join(&name);
        let file = File::create_new(&path).map_err(BackupError::write(&path))?;
        let stored = Stored { file: BufWriter::with_capacity(BUFFER, file), hash: Sha256::new(), bytes: 0 };
        let stream = match recipients {
            None => Stream::Clear(stored),
            Some(recipients) => Stream::Encrypted(recipients.encrypt(stored).map_err(BackupError::write(&path))?),
        };
        Ok(Self { path, name, stream })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let written = match &mut self.stream {
            Stream::Clear(stored) => stored.write_all(bytes),
            Stream::Encrypted(stream) => stream.write_all(bytes),
        };
        written.map_err(BackupError::write(&self.path))
    }

    /// On the disk when it returns.
    pub(crate) fn finish(self) -> Result<FileEntry, BackupError> {
        let Self { path, name, stream } = self;
        let stored = match stream {
            Stream::Clear(stored) => stored,
            // Without its last chunk nobody takes it for whole.
            Stream::Encrypted(stream) => stream.finish().map_err(BackupError::write(&path))?,
        };
        let Stored { file, hash, bytes } = stored;
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

/// A file that is read again, hashed as it passes.
pub(crate) struct Hashed {
    file: File,
    hash: Sha256,
}

impl Hashed {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, hash: Sha256::new() })
    }

    /// Of all of it, whatever was read before.
    pub(crate) fn sha256(mut self) -> io::Result<String> {
        drain(&mut self)?;
        Ok(hex(self.hash))
    }
}

impl Read for Hashed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.hash.update(&into[..count]);
        Ok(count)
    }
}

/// Reads to the end, piece by piece.
pub(crate) fn drain(stream: &mut impl Read) -> io::Result<()> {
    let mut piece = vec![0; BUFFER];
    while stream.read(&mut piece)? > 0 {}
    Ok(())
}
