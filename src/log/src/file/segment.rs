//! Segment files: how they are named, what stands at their front, and how records are found in them.
//!
//! `segment-{first_offset:020}-{serial:010}.log`: the offset of the first record, and a serial that grows by one, so
//! that a missing file is noticed and two segments may begin at the same offset (one that held marks alone).
//!
//! ```text
//! magic 8 | version u32 | spool id 16 | serial u64 | first_offset u64 | checkpoint_bytes u32 | crc32 u32    (52 bytes)
//! checkpoint (see `checkpoint.rs`), then records, then zeros
//! ```
//!
//! A segment gets its name only when its front is durable, and its predecessor is durable as a whole before that.

use super::blank::Blank;
use super::codec::{u32_at, u64_at};
use super::disk::{Disk, DiskFile};
use super::error::SpoolError;
use super::record::{self, Damage, HEADER_BYTES, Header};
use genims_model::Group;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const MAGIC: [u8; 8] = *b"GENIMSSP";
/// Version 2 has records of format 2 and names in its checkpoint. Every segment with such a record says so, because a program
/// that knows version 1 alone would take it for a torn tail.
pub(super) const VERSION: u32 = 2;
const VERSION_MAX: u32 = 255;
const FRONT_BYTES: usize = 52;
/// The name of a segment in the making; whatever bears it at start-up is thrown away.
pub(super) const UNFINISHED: &str = "segment.tmp";
/// Bytes read ahead at once: a system call for many records.
const WINDOW_BYTES: usize = 1 << 20;

/// A segment as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The version of its front.
    pub(super) version: u32,
    pub(super) serial: u64,
    pub(super) first_offset: u64,
    /// Where the first record begins.
    pub(super) data_position: u64,
    /// The file's length, preallocated room included.
    pub(super) file_bytes: u64,
    pub(super) content: Content,
}

/// What is left of a segment, as far as this run knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole,
    /// Rows that these consumers wait for, and nothing else.
    Rows(BTreeSet<String>),
    /// It was to be compacted and could not be read: it stays as it is.
    Unreadable,
}

impl Segment {
    /// Whether it counts towards the cap.
    pub(super) fn is_whole(&self) -> bool {
        self.content == Content::Whole
    }

    /// What it holds: its file without its front, which repeats what others say, too.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.file_bytes - self.data_position
    }

    /// Whether nobody needs any of it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Rows(consumers) if consumers.is_empty())
    }
}

/// What identifies a new segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) spool: Uuid,
    pub(super) serial: u64,
    pub(super) first_offset: u64,
}

pub(super) fn file_name(first_offset: u64, serial: u64) -> String {
    format!("segment-{first_offset:020}-{serial:010}.log")
}

/// The serial and first offset in a segment's file name.
pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (first_offset, serial) = name.strip_prefix("segment-")?.strip_suffix(".log")?.split_once('-')?;
    Some((serial.parse().ok()?, first_offset.parse().ok()?))
}

/// How long the file of a segment with this checkpoint and room for `data_bytes` of records becomes.
pub(super) fn file_bytes(checkpoint: &[u8], data_bytes: u64) -> u64 {
    (FRONT_BYTES + checkpoint.len()) as u64 + data_bytes
}

/// Makes a segment, durable under its final name when this returns: out of `blank`, or of a new file that has room
/// reserved for `data_bytes` of records.
pub(super) fn create(
    disk: &dyn Disk,
    directory: &Path,
    identity: Identity,
    checkpoint: &[u8],
    data_bytes: u64,
    blank: Option<Blank>,
) -> Result<(Box<dyn DiskFile>, Segment), SpoolError> {
    let path = directory.join(file_name(identity.first_offset, identity.serial));
    let Blank { file, path: unfinished, bytes } = match blank {
        Some(blank) => blank,
        None => Blank::reserve(disk, directory.join(UNFINISHED), file_bytes(checkpoint, data_bytes))?,
    };
    let create = |action| {
        let path = unfinished.clone();
        move |source| SpoolError::Io { action, path, source }
    };
    file.write_all_at(&front(identity, checkpoint), 0).map_err(create("write"))?;
    file.sync_data().map_err(create("sync"))?;
    disk.rename(&unfinished, &path).map_err(create("rename"))?;
    disk.sync_directory(directory).map_err(|source| SpoolError::io("sync", directory, source))?;
    let segment = Segment {
        path,
        version: VERSION,
        serial: identity.serial,
        first_offset: identity.first_offset,
        data_position: (FRONT_BYTES + checkpoint.len()) as u64,
        file_bytes: bytes,
        content: Content::Whole,
    };
    Ok((file, segment))
}

pub(super) fn front(identity: Identity, checkpoint: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRONT_BYTES + checkpoint.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(identity.spool.as_bytes());
    bytes.extend_from_slice(&identity.serial.to_le_bytes());
    bytes.extend_from_slice(&identity.first_offset.to_le_bytes());
    bytes.extend_from_slice(&(checkpoint.len() as u32).to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes);
    hasher.update(checkpoint);
    bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
    bytes.extend_from_slice(checkpoint);
    bytes
}

/// Reads a segment's front: the index entry, the spool it belongs to, and its checkpoint still encoded.
pub(super) fn open_front(file: &dyn DiskFile, path: &Path) -> Result<(Segment, Uuid, Vec<u8>), SpoolError> {
    let read = |source| SpoolError::io("read", path, source);
    let damaged = |detail: &str| SpoolError::Damaged { file: path.to_owned(), position: 0, detail: detail.to_owned() };
    let mut fixed = [0; FRONT_BYTES];
    if file.read_at(&mut fixed, 0).map_err(read)? < FRONT_BYTES || fixed[..8] != MAGIC {
        return Err(damaged("this is not the front of a segment"));
    }
    let found = u32_at(&fixed, 8);
    // Versions count up one by one, so a number far ahead is damage and not the future.
    if found == 0 || found > VERSION_MAX {
        return Err(damaged("its version is no version"));
    }
    if found > VERSION {
        return Err(SpoolError::Version { file: path.to_owned(), found, expected: VERSION });
    }
    let file_bytes = file.length().map_err(read)?;
    let checkpoint_bytes = u64::from(u32_at(&fixed, 44));
    if FRONT_BYTES as u64 + checkpoint_bytes > file_bytes {
        return Err(damaged("the front is longer than the file"));
    }
    let mut checkpoint = vec![0; checkpoint_bytes as usize];
    file.read_at(&mut checkpoint, FRONT_BYTES as u64).map_err(read)?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fixed[..FRONT_BYTES - 4]);
    hasher.update(&checkpoint);
    if hasher.finalize() != u32_at(&fixed, FRONT_BYTES - 4) {
        return Err(damaged("the checksum of the front does not match"));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&fixed[12..28]);
    let segment = Segment {
        path: path.to_owned(),
        version: found,
        serial: u64_at(&fixed, 28),
        first_offset: u64_at(&fixed, 36),
        data_position: FRONT_BYTES as u64 + checkpoint_bytes,
        file_bytes,
        content: Content::Whole,
    };
    Ok((segment, Uuid::from_bytes(id), checkpoint))
}

/// Walks the records of one file through a window of it.
#[derive(Debug)]
pub(super) struct Records {
    file: Box<dyn DiskFile>,
    length: u64,
    window: Vec<u8>,
    window_position: u64,
}

impl Records {
    pub(super) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self { file, length, window: Vec::new(), window_position: 0 })
    }

    /// Forgets what was read ahead: bytes behind the durable end may have been written meanwhile.
    pub(super) fn forget_window(&mut self) {
        self.window.clear();
    }

    /// The fixed part of the record at `position`. The file's end reads as zeros do.
    pub(super) fn header(&mut self, position: u64) -> io::Result<Result<Header, Damage>> {
        let bytes = self.load(position, HEADER_BYTES)?;
        if bytes.len() < HEADER_BYTES {
            let blank = bytes.iter().all(|byte| *byte == 0);
            return Ok(Err(if blank { Damage::Blank } else { Damage::CutOff }));
        }
        Ok(Header::parse(bytes))
    }

    /// The whole record at `position`, checked.
    pub(super) fn group(&mut self, position: u64) -> io::Result<Result<(Group, Header), Damage>> {
        let header = match self.header(position)? {
            Ok(header) => header,
            Err(damage) => return Ok(Err(damage)),
        };
        // A length that leads out of the file is damage; it must not decide how much memory is asked for.
        if position.saturating_add(header.record_bytes()) > self.length {
            return Ok(Err(Damage::CutOff));
        }
        let bytes = self.load(position, header.record_bytes() as usize)?;
        Ok(record::decode(bytes).map(|(group, _)| (group, header)))
    }

    /// `bytes` from `position` on, fewer at the file's end.
    pub(super) fn load(&mut self, position: u64, bytes: usize) -> io::Result<&[u8]> {
        let window_end = self.window_position + self.window.len() as u64;
        let wanted_end = position.saturating_add(bytes as u64).min(self.length);
        if position < self.window_position || wanted_end > window_end {
            let room = self.length.saturating_sub(position).min(bytes.max(WINDOW_BYTES) as u64);
            self.window.resize(room as usize, 0);
            self.window_position = position;
            let filled = self.file.read_at(&mut self.window, position)?;
            self.window.truncate(filled);
        }
        let from = ((position - self.window_position) as usize).min(self.window.len());
        let to = (from + bytes).min(self.window.len());
        Ok(&self.window[from..to])
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }
}
