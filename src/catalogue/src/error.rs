//! Why a journal cannot be used, each with its remedy.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {action} {path}: {source}; {}", remedy(source))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "the catalogue journal {path} is damaged at byte {position}: {detail}; restore the file from a backup: the spool needs its numbers"
    )]
    Damaged { path: PathBuf, position: u64, detail: String },
    #[error(
        "{path}, of the catalogue's numbers, has format {found}, this program reads up to {known}; start the release that wrote it, or a later one"
    )]
    Version { path: PathBuf, found: u32, known: u32 },
    #[error(
        "the catalogue journal {path} belongs to the spool {found}, not to the spool {expected} beside it: its numbers mean other sensors; \
         restore journal and spool from the same backup, or move the whole data folder away and begin anew"
    )]
    Foreign { path: PathBuf, found: uuid::Uuid, expected: uuid::Uuid },
    #[error(
        "the catalogue journal {path} is older than the spool: it holds {found} of the {needed} entries that the spool relies on; \
         restore the newest copy of the journal, or journal and spool from the same backup"
    )]
    Older { path: PathBuf, found: u64, needed: u64 },
    #[error(
        "the catalogue journal {path} has another history than the spool: entry {entry} is not the one that the spool relies on; \
         restore journal and spool from the same backup"
    )]
    Diverged { path: PathBuf, entry: u64 },
    #[error(
        "the spool names {what} {used}, but the catalogue journal {path} gave {given} such numbers: it is older than the spool; \
         restore the newest copy of the journal, or journal and spool from the same backup"
    )]
    Unknown { path: PathBuf, what: &'static str, used: u32, given: usize },
    #[error("the catalogue journal {path} is gone; restore it from a backup: the spool needs its numbers")]
    Gone { path: PathBuf },
}

impl JournalError {
    /// Whether the disk, or the owner's share of it, is full: nothing is lost, and it is tried again.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn remedy(error: &io::Error) -> &'static str {
    if is_full(error) { "free some room" } else { "check the disk and the folder's owner" }
}
