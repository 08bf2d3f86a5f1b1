//! The contents of one file of the simulated disk: what programs see, what is durable, and what lies between.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Writes tear at these boundaries; smaller than a real sector, so that small records tear as well.
const SECTOR_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct FakeContent {
    pub(super) durable: Vec<u8>,
    pub(super) current: Vec<u8>,
    pub(super) pending: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl Change {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(position, bytes) => put(content, bytes, *position),
            Self::Cut(length) => content.truncate(*length),
        }
    }
}

impl FakeContent {
    pub(super) fn write(&mut self, bytes: &[u8], position: usize) {
        put(&mut self.current, bytes, position);
        self.pending.push(Change::Write(position, bytes.to_vec()));
    }

    /// Contents that lie on the disk.
    pub(super) fn synced(bytes: Vec<u8>) -> Self {
        Self { durable: bytes.clone(), current: bytes, pending: Vec::new() }
    }

    /// Some sectors of what is pending reach the disk, the rest never does.
    pub(super) fn lose_pending(&mut self, rng: &mut ChaCha8Rng) {
        for change in std::mem::take(&mut self.pending) {
            let keep = [0.0, 0.5, 1.0][rng.random_range(0..3)];
            let (position, bytes) = match change {
                Change::Write(position, bytes) => (position, bytes),
                Change::Cut(length) if rng.random_bool(keep) => {
                    self.durable.truncate(length);
                    continue;
                }
                Change::Cut(_) => continue,
            };
            for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                if rng.random_bool(keep) {
                    put(&mut self.durable, sector, position + index * SECTOR_BYTES);
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, bytes: &[u8], position: usize) {
    let end = position + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[position..end].copy_from_slice(bytes);
}
