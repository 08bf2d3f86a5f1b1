//! The log's epochs in a file: slots of 64 bytes in order, each written and synced before a record bears its epoch.
//!
//! - An opening writes one slot into reserved room: no new names, and it works while the disk is full.
//! - A torn slot is an epoch that nothing was appended under, so it is passed over, and the next opening overwrites it.
//!   One of a later release is refused: overwriting it would part two histories that are one.
//! - An adoption gives the log a new name towards its consumers: what a lost history stored under the old one is left
//!   alone, and positions under the new name begin in this history. The files keep the id they were made with.

use super::codec::{slot_version, u64_at};
use super::disk::{Disk, DiskFile};
use super::error::SpoolError;
use crate::history::History;
use genims_model::Epoch;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const MAGIC: [u8; 3] = *b"GHE";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 64;
const SUM_POSITION: usize = SLOT_BYTES - 4;
/// Room is reserved in steps of this.
const STEP_BYTES: u64 = 64 << 10;
const KIND_EPOCH: u8 = 0;
const KIND_ADOPTED: u8 = 1;

#[derive(Debug)]
pub(super) struct HistoryFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    spool: Uuid,
    bytes: u64,
    /// Where the next slot goes.
    next_slot: u64,
    last_kind: u8,
    /// The log's name towards its consumers.
    name: Uuid,
    history: History,
}

impl HistoryFile {
    /// Reads the epochs, or makes the file, and begins an epoch at `end`; durable when this returns.
    pub(super) fn open(disk: &dyn Disk, directory: &Path, spool: Uuid, end: u64) -> Result<Self, SpoolError> {
        let path = directory.join("history");
        let names = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
        let mut history = if names.iter().any(|name| name == "history") {
            Self::read(disk, path, spool)?
        } else {
            Self::create(disk, directory, path, spool)?
        };
        if history.last_kind == KIND_EPOCH && history.history.is_last_empty(end) {
            history.next_slot -= 1;
        }
        let epoch = Uuid::new_v4();
        let replaces = history.last_kind == KIND_EPOCH;
        history.write(KIND_EPOCH, epoch, end)?;
        match replaces {
            true => history.history.open(epoch, end),
            false => history.history.push(Epoch { id: epoch, start: end }),
        }
        Ok(history)
    }

    pub(super) fn name(&self) -> Uuid {
        self.name
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// From now on the log is called `name`, and everything in it is of its history; durable when this returns.
    pub(super) fn adopt(&mut self, name: Uuid, end: u64) -> Result<(), SpoolError> {
        self.write(KIND_ADOPTED, name, end)?;
        self.name = name;
        Ok(())
    }

    fn create(disk: &dyn Disk, directory: &Path, path: PathBuf, spool: Uuid) -> Result<Self, SpoolError> {
        let unfinished = directory.join("history.tmp");
        let create = |source| SpoolError::io("create", &path, source);
        let file = disk.create(&unfinished).map_err(create)?;
        file.allocate(STEP_BYTES).map_err(create)?;
        file.sync_data().map_err(create)?;
        disk.rename(&unfinished, &path).map_err(create)?;
        disk.sync_directory(directory).map_err(create)?;
        let history = History::new(spool);
        Ok(Self { file, path, spool, bytes: STEP_BYTES, next_slot: 0, last_kind: KIND_EPOCH, name: spool, history })
    }

    fn read(disk: &dyn Disk, path: PathBuf, spool: Uuid) -> Result<Self, SpoolError> {
        let read = |source| SpoolError::io("read", &path, source);
        let file = disk.open(&path).map_err(read)?;
        let bytes = file.length().map_err(read)?;
        let mut content = vec![0; bytes as usize];
        file.read_at(&mut content, 0).map_err(read)?;
        let history = History::new(spool);
        let mut found = Self { file, path, spool, bytes, next_slot: 0, last_kind: KIND_EPOCH, name: spool, history };
        for (index, slot) in content.chunks_exact(SLOT_BYTES).enumerate() {
            let Some(version) = slot_version(slot, MAGIC) else { continue };
            if version > VERSION {
                return Err(SpoolError::Version { file: found.path, found: version, expected: VERSION });
            }
            if uuid_at(slot, 8) != spool {
                return Err(SpoolError::Foreign(found.path));
            }
            found.last_kind = slot[4];
            found.next_slot = index as u64 + 1;
            match slot[4] {
                KIND_EPOCH => found.history.push(Epoch { id: uuid_at(slot, 24), start: u64_at(slot, 40) }),
                KIND_ADOPTED => found.name = uuid_at(slot, 24),
                kind => {
                    let (position, detail) = ((index * SLOT_BYTES) as u64, format!("a slot of kind {kind}"));
                    return Err(SpoolError::Damaged { file: found.path, position, detail });
                }
            }
        }
        Ok(found)
    }

    fn write(&mut self, kind: u8, id: Uuid, start: u64) -> Result<(), SpoolError> {
        let write = |source| SpoolError::io("write", &self.path, source);
        let position = self.next_slot * SLOT_BYTES as u64;
        if position + SLOT_BYTES as u64 > self.bytes {
            self.file.allocate(self.bytes + STEP_BYTES).map_err(write)?;
            self.bytes += STEP_BYTES;
        }
        let mut slot = [0; SLOT_BYTES];
        slot[..3].copy_from_slice(&MAGIC);
        slot[3] = b'0' + VERSION as u8;
        slot[4] = kind;
        slot[8..24].copy_from_slice(self.spool.as_bytes());
        slot[24..40].copy_from_slice(id.as_bytes());
        slot[40..48].copy_from_slice(&start.to_le_bytes());
        let crc32 = crc32fast::hash(&slot[..SUM_POSITION]);
        slot[SUM_POSITION..].copy_from_slice(&crc32.to_le_bytes());
        self.file.write_all_at(&slot, position).map_err(write)?;
        self.file.sync_data().map_err(|source| SpoolError::io("sync", &self.path, source))?;
        self.next_slot += 1;
        self.last_kind = kind;
        Ok(())
    }
}

fn uuid_at(bytes: &[u8], position: usize) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[position..position + 16]);
    Uuid::from_bytes(id)
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::*;

    const SPOOL: Uuid = Uuid::from_u128(9);

    fn open(directory: &Path, end: u64) -> HistoryFile {
        HistoryFile::open(&RealDisk, directory, SPOOL, end).unwrap()
    }

    #[test]
    fn epochs_and_the_adopted_name_are_there_after_each_opening() {
        let directory = tempfile::tempdir().unwrap();
        let first = open(directory.path(), 0);
        assert_eq!(first.name(), SPOOL);
        let mut second = open(directory.path(), 10);
        let name = Uuid::from_u128(5);
        second.adopt(name, 10).unwrap();
        let third = open(directory.path(), 10);
        let fourth = open(directory.path(), 10);
        assert_eq!((third.name(), fourth.name()), (name, name));
        let starts = |file: &HistoryFile| file.history.lineage().epochs().iter().map(|e| e.start).collect::<Vec<_>>();
        assert_eq!(starts(&first), [0, 0]);
        // The epoch before the adoption stays: only the last slot may be overwritten.
        assert_eq!(starts(&third), starts(&fourth));
        assert_eq!(starts(&open(directory.path(), 25)).last(), Some(&25));
    }

    #[test]
    fn a_torn_slot_is_passed_over_and_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path(), 0);
        let before = open(directory.path(), 10).history.lineage();
        let torn = open(directory.path(), 20);
        torn.file.write_all_at(&[0xFF; 30], (torn.next_slot - 1) * SLOT_BYTES as u64).unwrap();
        let after = open(directory.path(), 20).history.lineage();
        assert_eq!(after.epochs()[..3], before.epochs()[..3]);
        assert_eq!(after.epochs().len(), 4);
        assert_ne!(after.epochs()[3], torn.history.lineage().epochs()[3]);
    }

    #[test]
    fn more_openings_than_reserved_slots_and_foreign_files() {
        let directory = tempfile::tempdir().unwrap();
        for end in 0..1_100 {
            open(directory.path(), end * 3);
        }
        let lineage = open(directory.path(), 1_100 * 3).history.lineage();
        assert_eq!(lineage.epochs().first().map(|epoch| epoch.start), Some((1_100 - 15) * 3));
        let foreign = HistoryFile::open(&RealDisk, directory.path(), Uuid::from_u128(8), 0);
        assert!(matches!(foreign, Err(SpoolError::Foreign(_))));
    }
}
