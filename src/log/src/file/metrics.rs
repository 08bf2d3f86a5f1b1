//! What the log counts. Plain numbers, read by `genims_api`.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One hour: whatever waits longer is shown as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;

#[derive(Debug)]
pub struct SpoolMetrics {
    pub groups_appended: AtomicU64,
    /// Records with an offset.
    pub records_appended: AtomicU64,
    pub bytes_appended: AtomicU64,
    pub syncs: AtomicU64,
    pub segments_created: AtomicU64,
    pub segments_removed: AtomicU64,
    /// How often the cap or a full disk made appends wait.
    pub full_episodes: AtomicU64,
    pub groups_read_from_memory: AtomicU64,
    pub groups_read_from_disk: AtomicU64,
    /// Receipts refused because too many wait for a commit.
    pub receipts_refused: AtomicU64,
    pub truncated_bytes: AtomicU64,
    sync_us: Mutex<Histogram<u64>>,
    receive_to_durable_us: Mutex<Histogram<u64>>,
}

impl Default for SpoolMetrics {
    fn default() -> Self {
        Self {
            groups_appended: AtomicU64::new(0),
            records_appended: AtomicU64::new(0),
            bytes_appended: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            segments_created: AtomicU64::new(0),
            segments_removed: AtomicU64::new(0),
            full_episodes: AtomicU64::new(0),
            groups_read_from_memory: AtomicU64::new(0),
            groups_read_from_disk: AtomicU64::new(0),
            receipts_refused: AtomicU64::new(0),
            truncated_bytes: AtomicU64::new(0),
            sync_us: Mutex::new(histogram()),
            receive_to_durable_us: Mutex::new(histogram()),
        }
    }
}

impl SpoolMetrics {
    pub(super) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn synced(&self, took_us: u64) {
        Self::add(&self.syncs, 1);
        self.sync_us.lock().saturating_record(took_us);
    }

    pub(super) fn became_durable(&self, latency_us: u64, records: u64) {
        self.receive_to_durable_us.lock().saturating_record_n(latency_us, records);
    }

    /// How long each sync took, microseconds.
    pub fn sync_us(&self) -> Histogram<u64> {
        self.sync_us.lock().clone()
    }

    /// From the read of a socket to the end of the sync, microseconds: of each group its oldest record's, weighted by
    /// its records. Never better than the truth.
    pub fn receive_to_durable_us(&self) -> Histogram<u64> {
        self.receive_to_durable_us.lock().clone()
    }
}

/// Two significant digits: 1 % is finer than any of these numbers repeats, and the memory stays at some 25 KiB.
fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("constant bounds in the allowed range");
    histogram.auto(false);
    histogram
}
