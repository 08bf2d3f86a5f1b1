//! The items of a record's sections as bytes, and back: readings in a fixed layout, every other kind with names.
//!
//! - [`reading`]: 69 bytes each, because millions a second pass here
//! - [`named`]: length-prefixed MessagePack maps, so that an item may gain a field without a new version
//! - [`v1`]: records of format 1 (`GSR1`), read only: what an older release left undrained

pub(super) mod named;
pub(super) mod reading;
pub(super) mod v1;

/// sensor 4, protocol, status, quality, flags, source 1 each, timestamp 8, received 8, five values 8 each, score 4
pub(super) const READING_BYTES: usize = 69;

/// How many of each kind a record holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub readings: u32,
    pub snapshots: u32,
    pub events: u32,
    pub dead_letters: u32,
    pub rows: u32,
    pub marks: u32,
}

impl Counts {
    /// Records with an offset.
    pub fn offsets(&self) -> u64 {
        [self.readings, self.snapshots, self.events, self.dead_letters, self.rows].into_iter().map(u64::from).sum()
    }
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("no record, only zeros")]
    Blank,
    #[error("the file ends inside a record")]
    CutOff,
    #[error("no record begins here")]
    NoMagic,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the record continues at offset {found} where {expected} was due")]
    Offset { expected: u64, found: u64 },
    #[error("the checksum matches but the content does not: {0}")]
    Content(String),
    /// Not damaged, but written by a newer program.
    #[error("format {found} is newer than {expected}")]
    Newer { found: u32, expected: u32 },
}

#[inline]
pub(in super::super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[inline]
pub(in super::super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The version of a slot of a file that is written in place: `magic`, the version's digit, anything, and the checksum of
/// all that in the last four bytes, wherever a later release puts the rest. `None` for what a torn write may have left.
pub(in super::super) fn slot_version(slot: &[u8], magic: [u8; 3]) -> Option<u32> {
    let (content, sum) = slot.split_at_checked(slot.len().checked_sub(4)?)?;
    let digit = content.get(3).filter(|digit| digit.is_ascii_digit())?;
    (content[..3] == magic && crc32fast::hash(content) == u32_at(sum, 0)).then(|| u32::from(digit - b'0'))
}
