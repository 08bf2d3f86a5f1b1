//! What a sink tells of itself. Plain counters, read by `genims_api`.

use crate::gaps::Gaps;
use genims_model::now_us;
use genims_stores::batch::Batch;
use hdrhistogram::Histogram;
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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
    /// The log offset up to which everything is committed.
    pub position: AtomicU64,
    /// When the oldest record at hand was received, or 0 while there is none.
    oldest_received_us: AtomicI64,
    /// Everything below is in the accounts; kept here because it outlives a loop that ended.
    pub(crate) settled: AtomicU64,
    /// Everything below may be in the database; kept for the same reason.
    pub(crate) attempted: AtomicU64,
    /// What `gap_records_total` counts: a loop that takes another's place meets the same gap again, and so does a database that
    /// went back.
    gaps: Mutex<Gaps>,
    standing: Mutex<Standing>,
    /// Receive to committed, microseconds.
    latency_us: Mutex<Histogram<u64>>,
}

/// Where a sink stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// Not yet reached its database in this run.
    #[default]
    Connecting,
    Following,
    /// The last attempt failed; another one follows.
    Retrying,
    /// The log no longer holds what the database lacks: somebody must bring it back.
    CutOff,
    /// The loop itself has ended; it is started again after a pause.
    Failed,
}

impl SinkState {
    pub const ALL: [Self; 5] = [Self::Connecting, Self::Following, Self::Retrying, Self::CutOff, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Following => "following",
            Self::Retrying => "retrying",
            Self::CutOff => "cut_off",
            Self::Failed => "failed",
        }
    }
}

/// What changes together.
#[derive(Debug, Default)]
struct Standing {
    state: SinkState,
    /// The last failure, until the database takes something again.
    error: Option<String>,
    /// When it stopped following.
    away_since_us: Option<i64>,
    /// What the database remembers of a history that the log does not hold.
    parted: Option<u64>,
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
            position: AtomicU64::new(0),
            oldest_received_us: AtomicI64::new(0),
            settled: AtomicU64::new(0),
            attempted: AtomicU64::new(0),
            gaps: Mutex::default(),
            standing: Mutex::new(Standing { away_since_us: Some(now_us()), ..Standing::default() }),
            latency_us: Mutex::new(latency),
        }
    }
}

impl SinkMetrics {
    /// The database lacks these offsets, and gets them no more; how many of them were not counted before.
    pub(crate) fn lacks(&self, from: u64, below: u64) -> u64 {
        let new = self.gaps.lock().add(from, below);
        self.gap_records_total.fetch_add(new, Ordering::Relaxed);
        new
    }

    /// Records between the sink and the end of the log; between the end and what the database remembers, where that is of another
    /// history: it would get none of this one, so it is never 0 then.
    pub fn lag_rows(&self, log_next_offset: u64) -> u64 {
        match self.standing().parted {
            Some(remembered) => remembered.abs_diff(log_next_offset).max(1),
            None => self.behind(log_next_offset),
        }
    }

    /// Records in the log that the sink has not committed.
    pub fn behind(&self, log_next_offset: u64) -> u64 {
        // The end was read before the position, which may have passed it since.
        log_next_offset.saturating_sub(self.position.load(Ordering::Relaxed))
    }

    /// The offset up to which everything is in the database, as far as it says.
    pub fn remembered(&self) -> u64 {
        self.standing().parted.unwrap_or_else(|| self.position.load(Ordering::Relaxed))
    }

    /// Age of the oldest record at hand that is not committed yet; zero when there is none. A sink that is away and holds
    /// nothing is at least as late as it is away, if the log has something for it.
    pub fn lag(&self, log_next_offset: u64) -> Duration {
        let since_us = match self.oldest_received_us.load(Ordering::Relaxed) {
            0 if self.lag_rows(log_next_offset) == 0 => None,
            0 => self.standing().away_since_us,
            oldest_us => Some(oldest_us),
        };
        since_us.map_or(Duration::ZERO, |us| Duration::from_micros(u64::try_from(now_us() - us).unwrap_or(0)))
    }

    pub fn state(&self) -> SinkState {
        self.standing().state
    }

    pub fn is_connected(&self) -> bool {
        self.state() == SinkState::Following
    }

    /// The last failure, until the database takes something again.
    pub fn last_error(&self) -> Option<String> {
        self.standing().error.clone()
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock()
    }

    fn stands(&self, state: SinkState, error: String) {
        let mut standing = self.standing();
        standing.away_since_us = standing.away_since_us.or_else(|| Some(now_us()));
        (standing.state, standing.error) = (state, Some(error));
    }

    /// A copy of the latency histogram (microseconds).
    pub fn latency_us(&self) -> Histogram<u64> {
        self.latency().clone()
    }

    fn latency(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.latency_us.lock()
    }

    pub(crate) fn gathered(&self, batch: &Batch) {
        self.oldest_received_us.store(batch.oldest_received_us.unwrap_or(0), Ordering::Relaxed);
    }

    /// An attempt failed and is repeated.
    pub(crate) fn failed(&self, error: String) {
        self.retries_total.fetch_add(1, Ordering::Relaxed);
        self.stands(SinkState::Retrying, error);
    }

    /// The loop has ended.
    pub(crate) fn ended(&self, error: String) {
        self.stands(SinkState::Failed, error);
    }

    /// The loop has ended: the database remembers a position of another history.
    pub(crate) fn parted(&self, remembered: u64, error: String) {
        self.ended(error);
        self.standing().parted = Some(remembered);
    }

    /// The log no longer holds what the database lacks.
    pub fn cut_off(&self, error: String) {
        self.stands(SinkState::CutOff, error);
    }

    pub(crate) fn opened(&self, position: u64) {
        let mut standing = self.standing();
        standing.state = SinkState::Following;
        standing.away_since_us = None;
        standing.parted = None;
        self.position.store(position, Ordering::Relaxed);
    }

    /// The database answers, and nothing waits for it.
    pub(crate) fn is_well(&self) {
        self.standing().error = None;
    }

    pub(crate) fn committed(&self, batch: &Batch) {
        self.rows_total.fetch_add(batch.next_offset - batch.first_offset, Ordering::Relaxed);
        self.batches_total.fetch_add(1, Ordering::Relaxed);
        self.position.store(batch.next_offset, Ordering::Relaxed);
        self.oldest_received_us.store(0, Ordering::Relaxed);
        self.is_well();
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
        // What waited because nothing of it is for the database was not late.
        for group in batch.groups.iter().filter(|group| group.first_offset >= batch.nothing_below) {
            for run in group.readings.chunk_by(|a, b| a.received_us == b.received_us) {
                record(run[0].received_us, run.len() as u64);
            }
            for snapshot in &group.snapshots {
                record(snapshot.received_us, 1);
            }
            group.rows.iter().for_each(|row| record(row.received_us, 1));
            if let Some(received_us) = group.events_received_us() {
                record(received_us, group.events.len() as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_model::{Event, Group, Mark};
    use std::sync::Arc;

    #[test]
    fn a_sink_that_is_away_is_never_shown_as_well_or_in_time() {
        let metrics = SinkMetrics::default();
        assert_eq!(metrics.state(), SinkState::Connecting);
        metrics.opened(7);
        assert_eq!((metrics.state(), metrics.lag(7)), (SinkState::Following, Duration::ZERO));
        metrics.ended("the loop panicked".to_owned());
        std::thread::sleep(Duration::from_millis(2));
        assert!(!metrics.is_connected() && metrics.last_error().is_some());
        assert_eq!(metrics.lag(7), Duration::ZERO, "nothing waits");
        assert!(metrics.lag(8) >= Duration::from_millis(2), "one record waits");
        metrics.opened(7);
        assert!(metrics.last_error().is_some(), "open alone commits nothing");
        metrics.is_well();
        assert_eq!((metrics.last_error(), metrics.is_connected()), (None, true));
    }

    #[test]
    fn a_database_ahead_of_the_log_is_never_shown_as_in_time() {
        let metrics = SinkMetrics::default();
        metrics.opened(7);
        for (remembered, lag) in [(1_007, 1_000), (7, 1), (3, 4)] {
            metrics.parted(remembered, "of another history".to_owned());
            // Its supervisor says it once more.
            metrics.ended("of another history".to_owned());
            assert_eq!((metrics.state(), metrics.lag_rows(7), metrics.behind(7)), (SinkState::Failed, lag, 0));
            assert_eq!(metrics.remembered(), remembered);
            std::thread::sleep(Duration::from_millis(2));
            assert!(metrics.lag(7) >= Duration::from_millis(2));
        }
        metrics.opened(7);
        assert_eq!((metrics.lag_rows(7), metrics.lag(7), metrics.remembered()), (0, Duration::ZERO, 7));
    }

    #[test]
    fn an_event_is_as_old_as_the_record_that_it_tells_of() {
        let lost = |client: &str| Event::ClientLost {
            client_id: client.to_owned(),
            timestamp_us: 0,
            will_topic: String::new(),
            will_payload: Vec::new(),
        };
        let received_us = now_us() - 5_000_000;
        let mark = Mark { client: Mark::RECEIVED.to_owned(), sequence: received_us.unsigned_abs() };
        let group = Group { events: vec![lost("one"), lost("two")], marks: vec![mark], ..Group::default() };
        let mut batch = Batch::default();
        batch.push(Arc::new(group));
        assert_eq!(batch.oldest_received_us, Some(received_us));
        let metrics = SinkMetrics::default();
        metrics.committed(&batch);
        let latency = metrics.latency_us();
        assert_eq!((latency.len(), latency.min() > 4_900_000), (2, true));
        // What waited because nothing of it was for the database was not late.
        batch.nothing_below = batch.next_offset;
        metrics.committed(&batch);
        assert_eq!(metrics.latency_us().len(), 2);
    }
}
