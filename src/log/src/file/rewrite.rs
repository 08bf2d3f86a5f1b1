//! A closed segment written anew with the rows that are still needed: a segment enters, a shorter one stands in its place.
//!
//! - Offsets stay dense: records that only count offsets ([`record::encode_lost`]) stand for everything else, as they do for
//!   what damage has taken, so readers and earlier releases pass over them.
//! - Rows of two records stay in two: a position between them still lies between two records.
//! - The last of each of our own marks stays, in a first record without offsets: the checkpoint of the next segment, when that
//!   is lost, is made of what this one says. Readers do not show it.
//! - Its front, and so where its records begin, is the same; who has the old file open reads on in it.
//! - The new file is durable before it takes the name, and takes it at once: after a crash one of the two is there.

use super::disk::Disk;
use super::error::SpoolError;
use super::reader::damaged;
use super::record::{self, Damage};
use super::segment::{self, Identity, Records, Segment};
use crate::compact::compact;
use genims_model::{Group, Mark, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use uuid::Uuid;

/// What bears it at a start is thrown away.
const UNFINISHED: &str = "compacted.tmp";

/// A consumer that waits for the rows of its database from an offset on.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) consumer: String,
    pub(super) database: String,
    pub(super) from: u64,
}

/// What a segment is replaced with.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// None where it holds nothing else: an earlier run has compacted it.
    pub(super) bytes: Option<Vec<u8>>,
    /// Whose rows it holds.
    pub(super) consumers: BTreeSet<String>,
}

/// Reads a segment, which ends at this offset, and makes of it one with the rows that are waited for.
pub(super) fn with_rows(
    disk: &dyn Disk,
    spool: Uuid,
    (segment, end): (&Segment, u64),
    waiting: &[Waiting],
) -> Result<Rewritten, SpoolError> {
    let path = segment.path.as_path();
    let read = |source| SpoolError::io("read", path, source);
    let file = disk.open(path).map_err(|source| SpoolError::io("open", path, source))?;
    let (_, _, checkpoint) = segment::open_front(&*file, path)?;
    let identity = Identity { spool, serial: segment.serial, first_offset: segment.first_offset };
    let front = segment::front(identity, &checkpoint);
    let mut records = Records::new(file).map_err(read)?;
    let (mut position, mut offset, mut drops) = (segment.data_position, segment.first_offset, false);
    let (mut consumers, mut marks, mut rows) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    while offset < end {
        let found = records.group(position).map_err(read)?;
        let (group, header) = found.map_err(|damage| damaged(segment, position, &damage))?;
        if group.first_offset != offset {
            let damage = Damage::Offset { expected: offset, found: group.first_offset };
            return Err(damaged(segment, position, &damage));
        }
        let mut dropped = group.len() - group.skipped;
        keep_own(&group.marks, &mut marks);
        let parts = compact(&group, |offset, row| needs(waiting, offset, row, &mut consumers));
        for part in parts.into_iter().filter(|part| !part.rows.is_empty()) {
            dropped -= part.len();
            rows.push(part);
        }
        drops |= dropped > 0;
        position += header.record_bytes();
        offset = header.next_offset();
    }
    let mut content = NewFile { bytes: front, end: segment.first_offset, record: Vec::new() };
    if !marks.is_empty() {
        let marks = marks.into_iter().map(|(client, sequence)| Mark { client, sequence }).collect();
        content.push(&Group { first_offset: segment.first_offset, marks, ..Group::default() })?;
    }
    rows.iter().try_for_each(|part| content.push(part))?;
    content.pass(end)?;
    Ok(Rewritten { bytes: drops.then_some(content.bytes), consumers })
}

/// Enters those of our own marks, of each client the highest, as a checkpoint has them; there are few.
fn keep_own(marks: &[Mark], kept: &mut BTreeMap<String, u64>) {
    for mark in marks.iter().filter(|mark| mark.client.starts_with(Mark::RESERVED)) {
        let highest = kept.entry(mark.client.clone()).or_default();
        *highest = mark.sequence.max(*highest);
    }
}

/// Whether anybody waits for the row; who does is entered.
fn needs(waiting: &[Waiting], offset: u64, row: &Row, consumers: &mut BTreeSet<String>) -> bool {
    let mut is_needed = false;
    for one in waiting.iter().filter(|one| one.database == row.database && offset >= one.from) {
        is_needed = true;
        if !consumers.contains(&one.consumer) {
            consumers.insert(one.consumer.clone());
        }
    }
    is_needed
}

/// The new file, as far as it is made.
struct NewFile {
    bytes: Vec<u8>,
    /// The offset that comes next.
    end: u64,
    /// The last record.
    record: Vec<u8>,
}

impl NewFile {
    fn push(&mut self, group: &Group) -> Result<(), SpoolError> {
        self.pass(group.first_offset)?;
        record::encode(group, group.first_offset, 0, usize::MAX, &mut self.record)?;
        self.append(group.next_offset());
        Ok(())
    }

    /// Counts the offsets below this one, of which nothing is left.
    fn pass(&mut self, below: u64) -> Result<(), SpoolError> {
        while self.end < below {
            let offsets = u32::try_from(below - self.end).unwrap_or(u32::MAX);
            record::encode_lost(self.end, offsets, &mut self.record)?;
            self.append(self.end + u64::from(offsets));
        }
        Ok(())
    }

    fn append(&mut self, end: u64) {
        let position = self.bytes.len();
        self.bytes.extend_from_slice(&self.record);
        // Everything before it will be as durable as it is.
        record::reseal(&mut self.bytes[position..], position as u64);
        self.end = end;
    }
}

/// Gives a segment its new content. The name is durable once the folder is synced; before that either file stands behind it.
pub(super) fn put(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let unfinished = path.with_file_name(UNFINISHED);
    let write = || {
        let file = disk.create(&unfinished).map_err(|source| SpoolError::io("create", &unfinished, source))?;
        file.write_all_at(bytes, 0).map_err(|source| SpoolError::io("write", &unfinished, source))?;
        file.sync_data().map_err(|source| SpoolError::io("sync", &unfinished, source))?;
        disk.rename(&unfinished, path).map_err(|source| SpoolError::io("rename", &unfinished, source))
    };
    write().inspect_err(|_| {
        // Best effort: its room may be what somebody needs; a start removes it anyway.
        let _ = disk.remove(&unfinished);
    })
}
