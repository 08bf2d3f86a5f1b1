//! Items of every kind but readings: `length u32 | MessagePack map with the fields' names`.
//!
//! A reader passes over fields that it does not know, and takes the default for those that are missing, so adding a
//! field (an `Option`, or one with `#[serde(default)]`) needs no new section version. Renaming one, or a new variant
//! of an enumeration, does: an older reader then refuses the section instead of misreading it.

use super::super::error::SpoolError;
use super::Damage;
use super::u32_at;
use serde::{Serialize, de::DeserializeOwned};

const LENGTH_BYTES: usize = 4;

/// Puts the front of `items` behind `out`, as many as keep it within `bytes_max`; `first` items always go in. Returns
/// how many did.
pub(in super::super) fn put<T: Serialize>(
    items: &[T],
    bytes_max: usize,
    first: usize,
    out: &mut Vec<u8>,
) -> Result<usize, SpoolError> {
    for (done, item) in items.iter().enumerate() {
        let before = out.len();
        out.extend_from_slice(&[0; LENGTH_BYTES]);
        rmp_serde::encode::write_named(out, item)?;
        if out.len() > bytes_max && done >= first {
            out.truncate(before);
            return Ok(done);
        }
        let length = (out.len() - before - LENGTH_BYTES) as u32;
        out[before..before + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    }
    Ok(items.len())
}

/// An item takes at least its length, so a count that promises more than there are bytes fails before it allocates.
pub(in super::super) fn take<T: DeserializeOwned>(mut bytes: &[u8], items: u32) -> Result<Vec<T>, Damage> {
    let short = || Damage::Content("fewer items than said".to_owned());
    if items as usize > bytes.len() / LENGTH_BYTES {
        return Err(short());
    }
    let mut taken = Vec::with_capacity(items as usize);
    for _ in 0..items {
        let (length, rest) = bytes.split_at_checked(LENGTH_BYTES).ok_or_else(short)?;
        let (item, rest) = rest.split_at_checked(u32_at(length, 0) as usize).ok_or_else(short)?;
        taken.push(rmp_serde::from_slice(item).map_err(|error| Damage::Content(error.to_string()))?);
        bytes = rest;
    }
    if !bytes.is_empty() {
        return Err(Damage::Content(format!("{} bytes too many", bytes.len())));
    }
    Ok(taken)
}
