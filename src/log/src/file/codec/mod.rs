//! The items of a record's sections as bytes, and back: readings in a fixed layout, every other kind with names.
//!
//! - [`reading`]: 69 bytes each, because millions a second pass here
//! - [`named`]: length-prefixed MessagePack maps, so that an item may gain a field without a new version
//! - [`v1`]: records of format 1 (`GSR1`), read only: what an older release left undrained

pub(super) mod named;
pub(super) mod reading;
pub(super) mod v1;

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
