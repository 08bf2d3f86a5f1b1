//! The journal's bytes: a front, then frames. Entries enter, bytes leave, and the other way round.
//!
//! ```text
//! front: magic 8 | version u32 | log id 16 | crc32 u32
//!        version 2; 3 of a journal that was compacted, which earlier releases refuse
//! frame: magic 4 | body bytes u32 | sequence u64 | durable u64 | sensors u32 | machines u32 | chain u32 | crc32 u32 | body
//! ```
//! - `durable`: how far the file was durable when the frame was written. A whole frame that says so behind broken bytes
//!   proves damage; without one the broken bytes are a torn tail that was never published.
//! - `sensors`, `machines`: how many numbers have been given once the frame is read; replaying must come to the same.
//! - `chain`: the checksum of the frame before (of the front for the first), so that a frame says which history it
//!   continues. The first frame of a compacted journal goes on with sequence and chain of the journal that it came from.
//! - The body is a JSON array of [`Entry`]: later releases may add fields and kinds.

use super::entry::Entry;
use super::{Catalogue, error::JournalError};
use std::path::Path;
use uuid::Uuid;

const FRONT_MAGIC: [u8; 8] = *b"GENIMSCJ";
/// Format 1 was lines of JSON without checksums.
const VERSION: u32 = 2;
/// The same frames, the first of which continues another journal.
const VERSION_COMPACTED: u32 = 3;
pub(crate) const FRONT_BYTES: usize = 32;
const FRAME_MAGIC: [u8; 4] = *b"GCJF";
const HEAD_BYTES: usize = 40;
/// Entries in one frame: bounds what is encoded at once.
const ENTRIES_MAX: usize = 1_024;

/// Where a journal stands: how many frames, and the checksum of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) frames: u64,
    pub(crate) chain: u32,
}

/// How many numbers have been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) sensors: u32,
    pub(crate) machines: u32,
}

impl Given {
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        Self { sensors: catalogue.sensors().len() as u32, machines: catalogue.machines().len() as u32 }
    }
}

/// Of a journal that begins.
pub(crate) fn front(log: Uuid) -> [u8; FRONT_BYTES] {
    front_of(VERSION, log)
}

/// Of a journal that was compacted.
pub(crate) fn compacted_front(log: Uuid) -> [u8; FRONT_BYTES] {
    front_of(VERSION_COMPACTED, log)
}

fn front_of(version: u32, log: Uuid) -> [u8; FRONT_BYTES] {
    let mut bytes = [0; FRONT_BYTES];
    bytes[..8].copy_from_slice(&FRONT_MAGIC);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    bytes[12..28].copy_from_slice(log.as_bytes());
    let crc32 = crc32fast::hash(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc32.to_le_bytes());
    bytes
}

/// The log that a journal belongs to.
pub(crate) fn parse_front(path: &Path, bytes: &[u8]) -> Result<Uuid, JournalError> {
    let damaged =
        |detail: &str| JournalError::Damaged { path: path.to_owned(), position: 0, detail: detail.to_owned() };
    let front = bytes.get(..FRONT_BYTES).filter(|front| front[..8] == FRONT_MAGIC);
    let front = front.ok_or_else(|| damaged("this is not the front of a catalogue journal"))?;
    let found = u32_at(front, 8);
    if found > VERSION_COMPACTED {
        return Err(JournalError::Version { path: path.to_owned(), found, known: VERSION_COMPACTED });
    }
    if crc32fast::hash(&front[..28]) != u32_at(front, 28) {
        return Err(damaged("the checksum of the front does not match"));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&front[12..28]);
    Ok(Uuid::from_bytes(id))
}

/// The tip of a journal that has a front alone.
pub(crate) fn first_tip(log: Uuid) -> Tip {
    Tip { frames: 0, chain: u32_at(&front(log), 28) }
}

/// How far a journal's file is durable when a frame is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durable {
    Below(u64),
    /// The file takes its name when it is whole: everything before the frame.
    AllBefore,
}

/// Encodes entries behind `tip`. Each frame is applied to `catalogue` on the way, which counts the numbers.
pub(crate) fn encode(
    entries: &[Entry],
    mut tip: Tip,
    durable: Durable,
    catalogue: &mut Catalogue,
) -> serde_json::Result<(Vec<u8>, Tip)> {
    let mut bytes = Vec::new();
    for entries in entries.chunks(ENTRIES_MAX) {
        entries.iter().for_each(|entry| entry.apply(catalogue));
        let body = serde_json::to_vec(entries)?;
        let given = Given::of(catalogue);
        let start = bytes.len();
        let durable = match durable {
            Durable::Below(end) => end,
            Durable::AllBefore => (FRONT_BYTES + start) as u64,
        };
        bytes.extend_from_slice(&FRAME_MAGIC);
        bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&tip.frames.to_le_bytes());
        bytes.extend_from_slice(&durable.to_le_bytes());
        bytes.extend_from_slice(&given.sensors.to_le_bytes());
        bytes.extend_from_slice(&given.machines.to_le_bytes());
        bytes.extend_from_slice(&tip.chain.to_le_bytes());
        let crc32 = checksum(&bytes[start..], &body);
        bytes.extend_from_slice(&crc32.to_le_bytes());
        bytes.extend_from_slice(&body);
        tip = Tip { frames: tip.frames + 1, chain: crc32 };
    }
    Ok((bytes, tip))
}

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    sequence: u64,
    durable: u64,
    given: Given,
    chain: u32,
    crc32: u32,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that begins `bytes`, when it is whole.
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES).filter(|head| head[..4] == FRAME_MAGIC)?;
        let body = bytes[HEAD_BYTES..].get(..u32_at(head, 4) as usize)?;
        let crc32 = u32_at(head, HEAD_BYTES - 4);
        (checksum(&head[..HEAD_BYTES - 4], body) == crc32).then(|| Self {
            sequence: u64_at(head, 8),
            durable: u64_at(head, 16),
            given: Given { sensors: u32_at(head, 24), machines: u32_at(head, 28) },
            chain: u32_at(head, 32),
            crc32,
            body,
        })
    }
}

/// What the frames of a journal say.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) entries: Vec<Entry>,
    pub(crate) catalogue: Catalogue,
    /// The tip after each frame, first the one before all of them: the history that the log's witness is compared with.
    pub(crate) tips: Vec<Tip>,
    /// Where the whole frames end.
    pub(crate) end: u64,
    /// Everything below was durable when the last frame was written.
    pub(crate) proven: u64,
}

/// Follows the whole frames from the front; a torn tail is left out, damage is refused.
pub(crate) fn walk(path: &Path, bytes: &[u8], log: Uuid) -> Result<Walk, JournalError> {
    let first = bytes.get(FRONT_BYTES..).and_then(Frame::parse);
    let mut tip = match first.filter(|_| u32_at(bytes, 8) == VERSION_COMPACTED) {
        Some(first) => Tip { frames: first.sequence, chain: first.chain },
        None => first_tip(log),
    };
    let mut walk = Walk {
        entries: Vec::new(),
        catalogue: Catalogue::default(),
        tips: vec![tip],
        end: FRONT_BYTES as u64,
        proven: 0,
    };
    let mut position = FRONT_BYTES;
    let damaged = |position: usize, detail: String| JournalError::Damaged {
        path: path.to_owned(),
        position: position as u64,
        detail,
    };
    while let Some(frame) = bytes.get(position..).and_then(Frame::parse) {
        if (frame.sequence, frame.chain) != (tip.frames, tip.chain) {
            return Err(damaged(position, format!("frame {} does not continue frame {}", frame.sequence, tip.frames)));
        }
        let entries: Vec<Entry> = serde_json::from_slice(frame.body)
            .map_err(|error| damaged(position, format!("an entry that this release cannot read: {error}")))?;
        entries.iter().for_each(|entry| entry.apply(&mut walk.catalogue));
        if Given::of(&walk.catalogue) != frame.given {
            let (said, found) = (frame.given, Given::of(&walk.catalogue));
            return Err(damaged(position, format!("the numbers given are {found:?}, the frame says {said:?}")));
        }
        tip = Tip { frames: tip.frames + 1, chain: frame.crc32 };
        walk.proven = frame.durable.clamp(walk.proven, position as u64);
        walk.entries.extend(entries);
        walk.tips.push(tip);
        position += HEAD_BYTES + frame.body.len();
    }
    let rest = bytes.get(position..).unwrap_or_default();
    let proof = (1..rest.len())
        .filter(|at| rest[*at..].starts_with(&FRAME_MAGIC))
        .find(|at| Frame::parse(&rest[*at..]).is_some_and(|frame| frame.durable > position as u64));
    if let Some(at) = proof {
        return Err(damaged(position, format!("broken bytes, and a whole frame follows at byte {}", position + at)));
    }
    walk.end = position as u64;
    Ok(walk)
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}

pub(crate) fn u32_at(bytes: &[u8], position: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[position..position + 4]);
    u32::from_le_bytes(word)
}

pub(crate) fn u64_at(bytes: &[u8], position: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[position..position + 8]);
    u64::from_le_bytes(word)
}
