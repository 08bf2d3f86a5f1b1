//! The seals of a database: checked as a chain of their own, and read along with an entries' chain for its digests.

use super::VerifiedTrail;
use crate::entry::{End, Seal};
use crate::error::ChangesError;
use crate::read::Reader;
use std::collections::HashMap;

/// Bytes of a digest.
const LENGTH: usize = 32;

/// The chain of the seals.
pub(super) struct Checked {
    last: End,
    /// The last sealed entries: of the writes, of the changes.
    pub(super) ends: [i64; 2],
    /// The hashes of those that were asked for, by number.
    pub(super) hashes: HashMap<i64, Option<String>>,
}

impl Checked {
    /// `wanted`: seals whose hashes are needed later.
    pub(super) fn new(wanted: impl Iterator<Item = i64>) -> Self {
        Self { last: End::default(), ends: [0, 0], hashes: wanted.map(|number| (number, None)).collect() }
    }

    pub(super) async fn all(
        &mut self,
        reader: &mut Reader,
        database: &str,
        report: &mut VerifiedTrail,
    ) -> Result<(), ChangesError> {
        loop {
            let page = reader.seals(database, self.last.position).await?;
            if page.is_empty() {
                return Ok(());
            }
            page.iter().for_each(|seal| self.add(seal, report));
        }
    }

    pub(super) fn add(&mut self, seal: &Seal, report: &mut VerifiedTrail) {
        report.seals += 1;
        let follows = seal.number == self.last.position + 1;
        let counted = |position: i64, before: i64, digests: &[u8]| {
            before.checked_add_unsigned((digests.len() / LENGTH) as u64) == Some(position)
        };
        if !follows {
            report.find("seals", self.last.position + 1, format!("is missing; the next seal is {}", seal.number));
        } else if seal.previous_hash != self.last.hash {
            report.find("seals", seal.number, "does not follow the seal before it: one of the two was replaced");
        }
        if seal.hash != seal.expected() {
            report.find("seals", seal.number, "was altered: its hash is not that of its columns");
        } else if follows
            && seal.number > 1
            && !(counted(seal.write.position, self.ends[0], &seal.write_digests)
                && counted(seal.change.position, self.ends[1], &seal.change_digests))
        {
            report.find("seals", seal.number, "does not begin where the seal before it ends");
        }
        if let Some(hash) = self.hashes.get_mut(&seal.number) {
            *hash = Some(seal.hash.clone());
        }
        self.last = seal.end();
        self.ends = [seal.write.position, seal.change.position];
    }
}

/// What the seals say of a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Digest {
    /// It was there before anything was sealed.
    Before,
    Sealed([u8; 32]),
    Missing,
}

/// The digests of one chain, a few seals at a time.
pub(super) struct Digests {
    /// Of a seal: its last entry of this chain, and their digests.
    part: fn(&Seal) -> (i64, &[u8]),
    /// The last entry before anything was sealed; `None` without a seal.
    base: Option<i64>,
    /// Up to here they are forgotten.
    forgotten: i64,
    bytes: Vec<u8>,
    /// The last seal that was read.
    seal: i64,
}

impl Digests {
    pub(super) fn new(part: fn(&Seal) -> (i64, &[u8])) -> Self {
        Self { part, base: None, forgotten: 0, bytes: Vec::new(), seal: 0 }
    }

    /// Reads on until the digest of `position` is there, or there is no further seal; forgets those before `first`.
    pub(super) async fn load(
        &mut self,
        reader: &mut Reader,
        database: &str,
        first: i64,
        position: i64,
    ) -> Result<(), ChangesError> {
        self.forget(first - 1);
        while self.base.is_none() || self.end() < position {
            let page = reader.seals(database, self.seal).await?;
            if page.is_empty() {
                break;
            }
            page.iter().for_each(|seal| self.add(seal));
            self.forget(first - 1);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, seal: &Seal) {
        let (position, digests) = (self.part)(seal);
        let count = (digests.len() / LENGTH) as i64;
        self.seal = seal.number;
        if self.base.is_none() {
            self.base = Some(position - count);
            self.forgotten = position - count;
        }
        self.bytes.extend_from_slice(digests);
        if self.end() != position || !digests.len().is_multiple_of(LENGTH) {
            // Which digest is whose is not to be told: none of them is anybody's.
            self.bytes.clear();
            self.forgotten = position;
        }
    }

    fn end(&self) -> i64 {
        self.forgotten + (self.bytes.len() / LENGTH) as i64
    }

    fn forget(&mut self, position: i64) {
        let count = usize::try_from(position - self.forgotten).unwrap_or(0).min(self.bytes.len() / LENGTH);
        self.bytes.drain(..count * LENGTH);
        self.forgotten += count as i64;
    }

    pub(super) fn of(&self, position: i64) -> Digest {
        // Without any seal nothing was ever delivered: seeded entries are all there is.
        if self.base.is_none_or(|base| position <= base) {
            return Digest::Before;
        }
        let Ok(index) = usize::try_from(position - self.forgotten - 1) else { return Digest::Missing };
        let index = index.saturating_mul(LENGTH);
        let found = self.bytes.get(index..index.saturating_add(LENGTH));
        found.and_then(|bytes| bytes.try_into().ok()).map_or(Digest::Missing, Digest::Sealed)
    }
}
