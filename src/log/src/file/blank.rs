//! Files made ready to become segments, written full of zeros ahead of time.
//!
//! Reserved room is not enough: the first write into it changes the file's extents, so that every sync of the log must
//! wait for a commit of the file system's journal, and that commit for whatever the databases on the same disk have
//! written. Measured with 8 KiB appends beside PostgreSQL and MongoDB under load (ext4): reserved p99 21 to 39 ms, at
//! most 158; written p99 8 to 10 ms, at most 19.

use super::disk::{Disk, DiskFile};
use super::error::SpoolError;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The name of a blank; a restart throws it away. Numbered, because the next one may be begun before the last one has
/// its name as a segment.
pub(super) fn name(number: u64) -> String {
    format!("blank-{number}.tmp")
}

/// Zeros that are written and synced at once: what the log's own syncs may have to wait for.
const SLICE_BYTES: u64 = 1 << 20;

/// A file that is not yet a segment.
#[derive(Debug)]
pub(super) struct Blank {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Blank {
    /// Room only: quick to have, slow to sync into.
    pub(super) fn reserve(disk: &dyn Disk, path: PathBuf, bytes: u64) -> Result<Self, SpoolError> {
        let file = disk.create(&path).map_err(|source| SpoolError::io("create", &path, source))?;
        file.allocate(bytes).map_err(|source| SpoolError::io("reserve room for", &path, source))?;
        Ok(Self { file, path, bytes })
    }

    /// Writes zeros to the end, slice by slice. `between` hears how long a slice took, and ends the work with false.
    pub(super) fn fill(&self, mut between: impl FnMut(Duration) -> bool) -> Result<bool, SpoolError> {
        let zeros = vec![0; SLICE_BYTES.min(self.bytes) as usize];
        let mut position = 0;
        while position < self.bytes {
            let started = Instant::now();
            let slice = &zeros[..SLICE_BYTES.min(self.bytes - position) as usize];
            self.file.write_all_at(slice, position).map_err(|source| SpoolError::io("write", &self.path, source))?;
            self.file.sync_data().map_err(|source| SpoolError::io("sync", &self.path, source))?;
            position += slice.len() as u64;
            if !between(started.elapsed()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
