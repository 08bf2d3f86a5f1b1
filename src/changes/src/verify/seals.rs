//! The seals of a database: checked as a chain of their own, and asked for the digest of an entry.

use super::{DatabaseReport, Digest};
use crate::entry::{ORIGIN, Seal};
use crate::error::ChangesError;
use crate::read::Reader;
use std::collections::HashMap;

/// Bytes of a digest.
const LENGTH: usize = 32;

pub(super) struct Seals {
    pub(super) writes: Digests,
    pub(super) changes: Digests,
    /// The hash of each seal by its number.
    pub(super) hashes: HashMap<i64, String>,
}

/// The digests of one chain, 32 bytes an entry, from the first sealed one on.
#[derive(Debug, Default)]
pub(super) struct Digests {
    /// The last entry before anything was sealed; `None` without a seal.
    base: Option<i64>,
    bytes: Vec<u8>,
}

impl Digests {
    pub(super) fn of(&self, position: i64) -> Digest {
        // Without any seal nothing was ever delivered: seeded entries are all there is.
        let Some(base) = self.base.filter(|base| position > *base) else { return Digest::Before };
        let index = usize::try_from(position - base - 1).unwrap_or(usize::MAX).saturating_mul(LENGTH);
        let found = self.bytes.get(index..index.saturating_add(LENGTH));
        found.and_then(|bytes| bytes.try_into().ok()).map_or(Digest::Missing, Digest::Sealed)
    }

    /// The last sealed position.
    pub(super) fn end(&self) -> i64 {
        self.base.map_or(0, |base| base + (self.bytes.len() / LENGTH) as i64)
    }

    /// False when the seal's digests are not as many as its entries.
    fn add(&mut self, position: i64, digests: &[u8]) -> bool {
        if self.base.is_none() {
            self.base = Some(position - (digests.len() / LENGTH) as i64);
        }
        self.bytes.extend_from_slice(digests);
        let fits = self.end() == position && digests.len().is_multiple_of(LENGTH);
        if !fits {
            // What comes next is looked for where it should be.
            let entries = usize::try_from(position - self.base.unwrap_or(0)).unwrap_or(0);
            self.bytes.resize(entries.saturating_mul(LENGTH).min(self.bytes.len() + digests.len() + (1 << 20)), 0);
        }
        fits
    }
}

impl Seals {
    pub(super) async fn read(
        reader: &mut Reader,
        database: &str,
        report: &mut DatabaseReport,
    ) -> Result<Self, ChangesError> {
        let mut all = Self { writes: Digests::default(), changes: Digests::default(), hashes: HashMap::new() };
        let (mut number, mut hash) = (0, ORIGIN.to_owned());
        loop {
            let page = reader.seals(database, number).await?;
            if page.is_empty() {
                return Ok(all);
            }
            for seal in page {
                all.add(&seal, number, &hash, report);
                (number, hash) = (seal.number, seal.hash);
            }
        }
    }

    pub(super) fn add(&mut self, seal: &Seal, before: i64, hash_before: &str, report: &mut DatabaseReport) {
        report.seals += 1;
        if seal.number != before + 1 {
            report.find("seals", before + 1, format!("is missing; the next seal is {}", seal.number));
        } else if seal.previous_hash != hash_before {
            report.find("seals", seal.number, "does not follow the seal before it: one of the two was replaced");
        }
        let counts = [
            self.writes.add(seal.write.position, &seal.write_digests),
            self.changes.add(seal.change.position, &seal.change_digests),
        ];
        if seal.hash != seal.expected() {
            report.find("seals", seal.number, "was altered: its hash is not that of its columns");
        } else if counts.contains(&false) {
            report.find("seals", seal.number, "does not begin where the seal before it ends");
        }
        self.hashes.insert(seal.number, seal.hash.clone());
    }
}
