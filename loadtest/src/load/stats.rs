//! Counters and latencies of one stream, shared by its connections and read by the progress line.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Latencies up to an hour are told apart.
const LATENCY_US_MAX: u64 = 3_600_000_000;

#[derive(Debug)]
pub struct Stats {
    /// Original readings handed to a socket (first time).
    pub sent: AtomicU64,
    /// Original readings that the server acknowledged, or that were written out where nothing is acknowledged.
    pub acked: AtomicU64,
    pub snapshots_sent: AtomicU64,
    pub snapshots_acked: AtomicU64,
    pub messages_sent: AtomicU64,
    pub messages_acked: AtomicU64,
    /// Readings sent again because their connection broke before the acknowledgement.
    pub resent: AtomicU64,
    /// Readings sent twice on purpose.
    pub duplicates_forced: AtomicU64,
    /// Messages that must become one dead letter each.
    pub garbage_sent: AtomicU64,
    /// Readings on connections without acknowledgement that broke: they may be lost.
    pub unconfirmed_at_break: AtomicU64,
    pub connects: AtomicU64,
    pub connection_errors: AtomicU64,
    pub bytes_sent: AtomicU64,
    first_send_us: AtomicI64,
    last_ack_us: AtomicI64,
    ack_latency_us: Mutex<Histogram<u64>>,
    last_error: Mutex<Option<String>>,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(0),
            acked: AtomicU64::new(0),
            snapshots_sent: AtomicU64::new(0),
            snapshots_acked: AtomicU64::new(0),
            messages_sent: AtomicU64::new(0),
            messages_acked: AtomicU64::new(0),
            resent: AtomicU64::new(0),
            duplicates_forced: AtomicU64::new(0),
            garbage_sent: AtomicU64::new(0),
            unconfirmed_at_break: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            connection_errors: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            first_send_us: AtomicI64::new(i64::MAX),
            last_ack_us: AtomicI64::new(0),
            ack_latency_us: Mutex::new(latencies()),
            last_error: Mutex::new(None),
        }
    }
}

/// An empty histogram of microseconds.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are constants within the crate's limits")
}

impl Stats {
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub fn get(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    pub fn sending(&self, now_us: i64) {
        self.first_send_us.fetch_min(now_us, Ordering::Relaxed);
    }

    pub fn first_send_us(&self) -> Option<i64> {
        Some(self.first_send_us.load(Ordering::Relaxed)).filter(|&at| at != i64::MAX)
    }

    pub fn last_ack_us(&self) -> Option<i64> {
        Some(self.last_ack_us.load(Ordering::Relaxed)).filter(|&at| at != 0)
    }

    /// Latencies of the acknowledgements that one read brought.
    pub fn acknowledged(&self, now_us: i64, intended_us: &[i64]) {
        if intended_us.is_empty() {
            return;
        }
        self.last_ack_us.fetch_max(now_us, Ordering::Relaxed);
        let mut histogram = self.ack_latency_us.lock();
        for &intended in intended_us {
            histogram.saturating_record(u64::try_from(now_us - intended).unwrap_or(0).max(1));
        }
    }

    pub fn ack_latency_us(&self) -> Histogram<u64> {
        self.ack_latency_us.lock().clone()
    }

    pub fn failed(&self, error: String) {
        Self::add(&self.connection_errors, 1);
        *self.last_error.lock() = Some(error);
    }

    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }
}
