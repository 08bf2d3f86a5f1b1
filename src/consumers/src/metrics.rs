//! What a sink tells of itself. Plain counters, read by `ops`.

use genims_model::now_us;
use genims_stores::batch::Batch;
use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One hour: whatever waits longer is shown as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;

#[derive(Debug)]
pub struct SinkMetrics {
    /// Records committed: readings, snapshots, events and dead letters.
    pub rows_total: AtomicU64,
    pub batches_total: AtomicU64,
    /// Bytes sent to the database.
    pub bytes_total: AtomicU64,
    /// Attempts that failed and were repeated.
    pub retries_total: AtomicU64,
    /// Records that the database refused for good.
    pub refused_total: AtomicU64,
    /// Records not written because the database would delete them at once.
    pub expired_total: AtomicU64,
    /// Records that the database lacks and the log no longer held.
    pub gap_records_total: AtomicU64,
    pub connected: AtomicBool,
    /// The log keeps no more records for this sink.
    pub cut_off: AtomicBool,
    /// The log offset up to which everything is committed.
    pub position: AtomicU64,
    /// When the oldest record at hand was received, or 0 while there is none.
    oldest_received_us: AtomicI64,
    last_error: Mutex<Option<String>>,
    /// Receive to committed, microseconds.
    latency_us: Mutex<Histogram<u64>>,
}

/// How a sink stands, in one word for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    Connected,
    /// Connected, and more than [`SinkMetrics::LAGGING_AFTER`] behind.
    Lagging,
    Disconnected,
    /// The log keeps no more records for it: its database must be brought back from another one.
    CutOff,
}

impl SinkState {
    pub const ALL: [Self; 4] = [Self::Connected, Self::Lagging, Self::Disconnected, Self::CutOff];

    /// As `/stats` and the metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Lagging => "lagging",
            Self::Disconnected => "disconnected",
            Self::CutOff => "cut_off",
        }
    }
}

impl Default for SinkMetrics {
    fn default() -> Self {
        // 1 us to LATENCY_US_MAX with two digits: constants that the constructor accepts.
        let latency = Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("valid histogram bounds");
        Self {
            rows_total: AtomicU64::new(0),
            batches_total: AtomicU64::new(0),
            bytes_total: AtomicU64::new(0),
            retries_total: AtomicU64::new(0),
            refused_total: AtomicU64::new(0),
            expired_total: AtomicU64::new(0),
            gap_records_total: AtomicU64::new(0),
            connected: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            position: AtomicU64::new(0),
            oldest_received_us: AtomicI64::new(0),
            last_error: Mutex::new(None),
            latency_us: Mutex::new(latency),
        }
    }
}

impl SinkMetrics {
    pub const LAGGING_AFTER: Duration = Duration::from_secs(5);

    /// Records between the sink and the end of the log.
    pub fn lag_rows(&self, log_next_offset: u64) -> u64 {
        log_next_offset.saturating_sub(self.position.load(Ordering::Relaxed))
    }

    /// Age of the oldest record at hand that is not committed yet; zero when there is none.
    pub fn lag(&self) -> Duration {
        match self.oldest_received_us.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            oldest_us => Duration::from_micros(u64::try_from(now_us() - oldest_us).unwrap_or(0)),
        }
    }

    pub fn state(&self) -> SinkState {
        if self.cut_off.load(Ordering::Relaxed) {
            SinkState::CutOff
        } else if !self.connected.load(Ordering::Relaxed) {
            SinkState::Disconnected
        } else if self.lag() > Self::LAGGING_AFTER {
            SinkState::Lagging
        } else {
            SinkState::Connected
        }
    }

    /// The last failure, until a batch succeeds.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A copy of the latency histogram (microseconds).
    pub fn latency_us(&self) -> Histogram<u64> {
        self.latency().clone()
    }

    fn latency(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latency_us.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn gathered(&self, batch: &Batch) {
        self.oldest_received_us.store(batch.oldest_received_us.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, error: String) {
        self.connected.store(false, Ordering::Relaxed);
        self.retries_total.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(crate) fn opened(&self, position: u64) {
        self.connected.store(true, Ordering::Relaxed);
        self.position.store(position, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, batch: &Batch) {
        self.rows_total.fetch_add(batch.next_offset - batch.first_offset, Ordering::Relaxed);
        self.batches_total.fetch_add(1, Ordering::Relaxed);
        self.position.store(batch.next_offset, Ordering::Relaxed);
        self.oldest_received_us.store(0, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.record_latency(batch);
    }

    /// Readings of one read of a socket share their time of receipt and lie together: one entry for each such run.
    fn record_latency(&self, batch: &Batch) {
        let now = now_us();
        let mut latency = self.latency();
        let mut record = |received_us: i64, count: u64| {
            let elapsed = u64::try_from(now - received_us).unwrap_or(0).clamp(1, LATENCY_US_MAX);
            latency.saturating_record_n(elapsed, count);
        };
        for group in &batch.groups {
            for run in group.readings.chunk_by(|a, b| a.received_us == b.received_us) {
                record(run[0].received_us, run.len() as u64);
            }
            for snapshot in &group.snapshots {
                record(snapshot.received_us, 1);
            }
        }
    }
}
