//! A file of a backup while it is written, in clear or encrypted, into a folder or to S3. In: bytes. Out: a file that is there for good,
//! its length and its SHA-256, both as it is stored.

use crate::encryption::{EXTENSION, Recipients};
use crate::errors::BackupError;
use crate::location::{Location, NewFile};
use age::stream::StreamWriter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::path::PathBuf;

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

/// What is stored, counted and hashed as it stands there.
struct Stored {
    file: NewFile,
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
    pub(crate) fn create(
        folder: impl Into<Location>,
        name: &str,
        recipients: Option<&Recipients>,
    ) -> Result<Self, BackupError> {
        let folder = folder.into();
        let name = if recipients.is_some() { format!("{name}{EXTENSION}") } else { name.to_owned() };
        let path = folder.path().join(&name);
        let file = folder.create(&name).map_err(BackupError::write(&path))?;
        let stored = Stored { file, hash: Sha256::new(), bytes: 0 };
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

    /// There for good when it returns.
    pub(crate) fn finish(self) -> Result<FileEntry, BackupError> {
        let Self { path, name, stream } = self;
        let stored = match stream {
            Stream::Clear(stored) => stored,
            // Without its last chunk nobody takes it for whole.
            Stream::Encrypted(stream) => stream.finish().map_err(BackupError::write(&path))?,
        };
        let Stored { file, hash, bytes } = stored;
        file.finish().map_err(BackupError::write(&path))?;
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
    file: Box<dyn Read + Send>,
    hash: Sha256,
}

impl Hashed {
    pub(crate) fn open(folder: &Location, name: &str) -> io::Result<Self> {
        Ok(Self { file: folder.open(name)?, hash: Sha256::new() })
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
