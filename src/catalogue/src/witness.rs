//! What the log's side knows of the journal: how many of its frames the log relies on, and which. It lies in the log's
//! folder and shares the log's fate, so that an older or other journal beside the log is noticed.
//!
//! Two slots in two blocks, written in turn: a torn write harms one, and the other still tells the state before; a slot of
//! a later release keeps the places of magic, version and checksum, and is refused. It is written after the journal is durable and before numbers are published: it may fall behind the journal, never ahead.

use super::error::JournalError;
use super::folder::{Folder, StoredFile};
use super::frame::{Tip, u32_at, u64_at};
use std::path::PathBuf;
use uuid::Uuid;

const NAME: &str = "numbers";
const MAGIC: [u8; 3] = *b"GSN";
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 44;
/// Slots lie in different blocks of every common file system.
const SLOT_POSITIONS: [usize; 2] = [0, 4096];
const FILE_BYTES: usize = 8192;

#[derive(Debug)]
pub(crate) struct Witness {
    folder: Box<dyn Folder>,
    file: Option<Box<dyn StoredFile>>,
    path: PathBuf,
    log: Uuid,
    generation: u64,
    tip: Option<Tip>,
}

impl Witness {
    pub(crate) fn open(folder: Box<dyn Folder>, log: Uuid) -> Result<Self, JournalError> {
        let path = folder.path(NAME);
        let io = |source| JournalError::Io { action: "read", path: path.clone(), source };
        let file = folder.open(NAME).map_err(io)?;
        let mut witness = Self { folder, file: None, path: path.clone(), log, generation: 0, tip: None };
        let Some(file) = file else { return Ok(witness) };
        let bytes = file.read().map_err(io)?;
        let whole = SLOT_POSITIONS.iter().filter_map(|at| bytes.get(*at..*at + SLOT_BYTES));
        let whole: Vec<(u32, &[u8])> = whole.filter_map(|slot| Some((slot_version(slot)?, slot))).collect();
        if let Some(found) = whole.iter().map(|(version, _)| *version).find(|version| *version > VERSION) {
            return Err(JournalError::Version { path, found, known: VERSION });
        }
        let slots = whole.into_iter().map(|(_, slot)| parse_slot(slot));
        let Some((owner, generation, tip)) = slots.max_by_key(|(_, generation, _)| *generation) else {
            let detail = "no whole slot".to_owned();
            return Err(JournalError::Damaged { path, position: 0, detail });
        };
        if owner != log {
            return Err(JournalError::Foreign { path, found: owner, expected: log });
        }
        witness.file = Some(file);
        witness.generation = generation;
        witness.tip = Some(tip);
        Ok(witness)
    }

    /// What the log relies on; `None` before the first save.
    pub(crate) fn tip(&self) -> Option<Tip> {
        self.tip
    }

    /// Durable when this returns; nothing is written when it is said already.
    pub(crate) fn save(&mut self, tip: Tip) -> Result<(), JournalError> {
        if self.tip == Some(tip) {
            return Ok(());
        }
        let generation = self.generation + 1;
        let slot = self.slot(generation, tip);
        let position = SLOT_POSITIONS[(generation % 2) as usize];
        let io = |source| JournalError::Io { action: "write", path: self.path.clone(), source };
        match &self.file {
            Some(file) => file.write_at(&slot, position as u64).and_then(|()| file.sync()).map_err(io)?,
            None => {
                let mut contents = vec![0; FILE_BYTES];
                contents[position..position + SLOT_BYTES].copy_from_slice(&slot);
                self.file = Some(self.folder.replace(NAME, &contents).map_err(io)?);
            }
        }
        self.generation = generation;
        self.tip = Some(tip);
        Ok(())
    }

    fn slot(&self, generation: u64, tip: Tip) -> [u8; SLOT_BYTES] {
        let mut slot = [0; SLOT_BYTES];
        slot[..3].copy_from_slice(&MAGIC);
        slot[3] = b'0' + VERSION as u8;
        slot[4..20].copy_from_slice(self.log.as_bytes());
        slot[20..28].copy_from_slice(&generation.to_le_bytes());
        slot[28..36].copy_from_slice(&tip.frames.to_le_bytes());
        slot[36..40].copy_from_slice(&tip.chain.to_le_bytes());
        let crc32 = crc32fast::hash(&slot[..40]);
        slot[40..].copy_from_slice(&crc32.to_le_bytes());
        slot
    }
}

/// The version of a whole slot; `None` for what a torn write may have left.
fn slot_version(slot: &[u8]) -> Option<u32> {
    let is_whole = slot[..3] == MAGIC && slot[3].is_ascii_digit();
    (is_whole && crc32fast::hash(&slot[..40]) == u32_at(slot, 40)).then(|| u32::from(slot[3] - b'0'))
}

fn parse_slot(slot: &[u8]) -> (Uuid, u64, Tip) {
    let mut id = [0; 16];
    id.copy_from_slice(&slot[4..20]);
    let tip = Tip { frames: u64_at(slot, 28), chain: u32_at(slot, 36) };
    (Uuid::from_bytes(id), u64_at(slot, 20), tip)
}
