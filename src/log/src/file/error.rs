//! What can go wrong in the log. Every message ends with what an operator can do about it.

use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("spool options: {0}")]
    Options(String),
    #[error("cannot {action} {}: {source}; check the disk, its free space and the folder's owner", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is in use by another process; stop that process or choose another spool directory", .0.display())]
    Locked(PathBuf),
    #[error(
        "{} is damaged at byte {position}: {detail}; records that were acknowledged stand there or behind it. Restore \
         the file from a copy, or run `genims log quarantine`, which sets the damage aside, says what is lost, and lets \
         the log go on", file.display()
    )]
    Damaged { file: PathBuf, position: u64, detail: String },
    #[error(
        "{} is damaged at its front, as is every other segment, and no cursor says which log this is: it cannot be mended. \
         Restore the folder from a copy, or move it away: what it holds and no database has is lost then", .0.display()
    )]
    Unidentified(PathBuf),
    #[error(
        "{} is damaged at byte {position}: {detail}; dead letters of rows that a database refused stand there or behind it. Restore \
         the file from a copy, or move it away: those dead letters are lost then", file.display()
    )]
    DamagedRowDeadLetters { file: PathBuf, position: u64, detail: String },
    #[error(
        "{} has format version {found}, this program reads up to {expected}; start the newer version that wrote it again, \
         or let that one drain the spool and move the directory away before you go back to this version", file.display()
    )]
    Version { file: PathBuf, found: u32, expected: u32 },
    #[error("{} belongs to another spool; move it out of the directory", .0.display())]
    Foreign(PathBuf),
    #[error(
        "the spool ends at offset {end}, but sink {sink} has already taken everything below {cursor}: acknowledged \
         records are missing. Restore the newest segment from a copy, or run `genims log quarantine`: what is left stays, and \
         what is lost is said and counted"
    )]
    EndBehindCursor { sink: String, cursor: u64, end: u64 },
    #[error("offset {requested} is no longer in the spool, which begins at {first}; continue from there")]
    OffsetGone { requested: u64, first: u64 },
    #[error("offset {requested} lies behind the spool's end {end}; a position of another spool was used")]
    OffsetAhead { requested: u64, end: u64 },
    #[error("sink name {0:?} is not made of 1 to 64 letters, digits, '-' and '_'; rename the sink")]
    SinkName(String),
    #[error("sink {0} is not registered with the spool; register it before its cursor is used")]
    UnknownSink(String),
    #[error("a record cannot be encoded: {0}; report this with the payload that caused it")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("a record of {0} bytes exceeds four gigabytes; lower [spool] segment_bytes")]
    TooLarge(usize),
    #[error("the spool has stopped after a failure and takes no more records: {0}; mend the disk, then restart")]
    Stopped(String),
    #[error("the spool is closed")]
    Closed,
}

impl SpoolError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(super) fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_disk_full(source))
    }

    /// No file could be opened or made, and none was: with handles again the same call succeeds.
    pub(super) fn is_out_of_handles(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_out_of_handles(source))
    }

    /// What is waited out, never a reason to stop.
    pub(super) fn is_shortage(&self) -> bool {
        self.is_disk_full() || self.is_out_of_handles()
    }
}

/// No room for another segment: waited out, never a reason to stop.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn is_out_of_handles(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(errno, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
}
