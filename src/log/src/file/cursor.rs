//! How far a sink has come, in a file of its own: two slots in two blocks, written in turn.
//!
//! - A torn write harms one slot; the other still tells the position before. So a cursor may fall back, never ahead.
//! - An update is one write into reserved room and one sync: no new names, and it works while the disk is full, which
//!   is when cursors must move so that segments can go.
//! - The file appears under its name only with a durable first slot.
//! - A slot of a later release is refused, not passed over: the other one is older, and would be believed.

use super::codec::{slot_version, u64_at};
use super::disk::{Disk, DiskFile};
use super::error::SpoolError;
use std::path::{Path, PathBuf};
use uuid::Uuid;

const MAGIC: [u8; 3] = *b"GSC";
pub(super) const VERSION: u32 = 1;
const SLOT_BYTES: usize = 40;
/// Slots lie in different blocks of every common file system.
const SLOT_POSITIONS: [u64; 2] = [0, 4096];
const FILE_BYTES: u64 = 8192;
const SINK_NAME_BYTES_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct CursorFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    spool: Uuid,
    generation: u64,
}

/// The sink whose cursor a file name stands for.
pub(super) fn parse_name(name: &str) -> Option<&str> {
    name.strip_prefix("cursor-")
}

pub(super) fn check_name(sink: &str) -> Result<(), SpoolError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if sink.is_empty() || sink.len() > SINK_NAME_BYTES_MAX || !sink.bytes().all(allowed) {
        return Err(SpoolError::SinkName(sink.to_owned()));
    }
    Ok(())
}

impl CursorFile {
    pub(super) fn create(
        disk: &dyn Disk,
        directory: &Path,
        spool: Uuid,
        sink: &str,
        offset: u64,
    ) -> Result<Self, SpoolError> {
        let unfinished = directory.join(format!("{sink}.tmp"));
        let path = directory.join(format!("cursor-{sink}"));
        let create = |source| SpoolError::io("create", &path, source);
        let file = disk.create(&unfinished).map_err(create)?;
        file.allocate(FILE_BYTES).map_err(create)?;
        let mut cursor = Self { file, path: path.clone(), spool, generation: 0 };
        cursor.save(offset)?;
        disk.rename(&unfinished, &path).map_err(create)?;
        disk.sync_directory(directory).map_err(create)?;
        Ok(cursor)
    }

    /// Which spool the file at `path` says that it belongs to; `None` without a whole slot.
    pub(super) fn owner(disk: &dyn Disk, path: &Path) -> Result<Option<Uuid>, SpoolError> {
        let read = |source| SpoolError::io("read", path, source);
        let file = disk.open(path).map_err(read)?;
        for position in SLOT_POSITIONS {
            let mut slot = [0; SLOT_BYTES];
            file.read_at(&mut slot, position).map_err(read)?;
            if slot_version(&slot, MAGIC).is_some_and(|version| version <= VERSION) {
                return Ok(Some(parse_slot(&slot).0));
            }
        }
        Ok(None)
    }

    /// Opens the file and tells the newest whole slot.
    pub(super) fn open(disk: &dyn Disk, path: &Path, spool: Uuid) -> Result<(Self, u64), SpoolError> {
        let read = |source| SpoolError::io("read", path, source);
        let file = disk.open(path).map_err(read)?;
        let mut newest: Option<(u64, u64)> = None;
        for position in SLOT_POSITIONS {
            let mut slot = [0; SLOT_BYTES];
            file.read_at(&mut slot, position).map_err(read)?;
            let Some(found) = slot_version(&slot, MAGIC) else { continue };
            if found > VERSION {
                return Err(SpoolError::Version { file: path.to_owned(), found, expected: VERSION });
            }
            let (owner, generation, offset) = parse_slot(&slot);
            if owner != spool {
                return Err(SpoolError::Foreign(path.to_owned()));
            }
            if newest.is_none_or(|(best, _)| generation > best) {
                newest = Some((generation, offset));
            }
        }
        let Some((generation, offset)) = newest else {
            let detail = "no whole slot; without the file the sink begins at the spool's first record".to_owned();
            return Err(SpoolError::Damaged { file: path.to_owned(), position: 0, detail });
        };
        Ok((Self { file, path: path.to_owned(), spool, generation }, offset))
    }

    /// Durable when this returns.
    pub(super) fn save(&mut self, offset: u64) -> Result<(), SpoolError> {
        let generation = self.generation + 1;
        let position = SLOT_POSITIONS[(generation % 2) as usize];
        let mut slot = [0; SLOT_BYTES];
        slot[..3].copy_from_slice(&MAGIC);
        slot[3] = b'0' + VERSION as u8;
        slot[4..20].copy_from_slice(self.spool.as_bytes());
        slot[20..28].copy_from_slice(&generation.to_le_bytes());
        slot[28..36].copy_from_slice(&offset.to_le_bytes());
        let crc32 = crc32fast::hash(&slot[..36]);
        slot[36..].copy_from_slice(&crc32.to_le_bytes());
        self.file.write_all_at(&slot, position).map_err(|source| SpoolError::io("write", &self.path, source))?;
        self.file.sync_data().map_err(|source| SpoolError::io("sync", &self.path, source))?;
        self.generation = generation;
        Ok(())
    }
}

fn parse_slot(slot: &[u8; SLOT_BYTES]) -> (Uuid, u64, u64) {
    let mut id = [0; 16];
    id.copy_from_slice(&slot[4..20]);
    (Uuid::from_bytes(id), u64_at(slot, 20), u64_at(slot, 28))
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::*;

    #[test]
    fn the_newest_whole_slot_counts_and_a_torn_one_falls_back_by_one_save() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Uuid::new_v4();
        let path = directory.path().join("cursor-postgres");
        let mut cursor = CursorFile::create(&RealDisk, directory.path(), spool, "postgres", 1).unwrap();
        for offset in [10, 20, 30] {
            cursor.save(offset).unwrap();
        }
        assert_eq!(CursorFile::open(&RealDisk, &path, spool).unwrap().1, 30);
        let torn = SLOT_POSITIONS[(cursor.generation % 2) as usize];
        cursor.file.write_all_at(&[0xFF; 20], torn).unwrap();
        let (mut reopened, offset) = CursorFile::open(&RealDisk, &path, spool).unwrap();
        assert_eq!(offset, 20);
        reopened.save(40).unwrap();
        assert_eq!(CursorFile::open(&RealDisk, &path, spool).unwrap().1, 40);
    }

    #[test]
    fn a_cursor_of_another_spool_and_a_damaged_one_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cursor-mongo");
        CursorFile::create(&RealDisk, directory.path(), Uuid::new_v4(), "mongo", 1).unwrap();
        assert!(matches!(CursorFile::open(&RealDisk, &path, Uuid::new_v4()), Err(SpoolError::Foreign(_))));
        std::fs::write(&path, [0; 100]).unwrap();
        assert!(matches!(CursorFile::open(&RealDisk, &path, Uuid::new_v4()), Err(SpoolError::Damaged { .. })));
    }

    #[test]
    fn a_sink_name_that_could_leave_the_directory_is_refused() {
        for name in ["", "../x", "a/b", "a.b"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("postgres-2").is_ok());
    }
}
