//! Consecutive groups become one batch of the size that a database likes.
//!
//! In: groups in log order. Out: batches that together hold every group once, in order.
//!
//! While one batch commits, the next one piles up in the log and leaves at once: a busy sink needs no timer. Only a sink
//! that keeps up waits: for `linger`, or for as long as the last commit took (a database that needs 120 ms for a
//! batch gains nothing from one every 50 ms), and never longer than `age_max`.

use genims_log::contract::LogReader;
use genims_model::Cause;
use genims_model::{Group, now_us};
use genims_stores::batch::Batch;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// When a batch is full or old enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchLimits {
    /// Records in a batch. One group that holds more goes alone.
    pub batch_size: usize,
    /// Bytes of memory in a batch.
    pub batch_bytes_max: usize,
    /// How long an idle sink waits for company for the first record.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How long a busy sink waits at most.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            batch_size: 50_000,
            batch_bytes_max: 32 << 20,
            linger: Duration::from_millis(50),
            flush_interval: Duration::from_millis(200),
        }
    }
}

impl BatchLimits {
    /// A time-series collection writes a bucket anew for every batch that touches it, so what a reading costs is decided
    /// by how many of its sensor come together. Measured at 40,000 readings/s of 1,760 sensors: with a batch every
    /// second mongod takes half the core that it takes with one every 200 ms, and the mirror is as late at p99 (1.5 s).
    pub fn of_mirror() -> Self {
        let second = Duration::from_secs(1);
        Self { linger: second, flush_interval: second, ..Self::default() }
    }
}

/// Makes batches of what a reader brings.
#[derive(Debug)]
pub struct Gatherer<R> {
    reader: R,
    limits: BatchLimits,
    /// A group that no longer fitted into the last batch.
    held: Option<Arc<Group>>,
}

impl<R: LogReader> Gatherer<R> {
    pub fn new(reader: R, limits: BatchLimits) -> Self {
        Self { reader, limits, held: None }
    }

    /// Waits until there is a group for the next batch. Cancel-safe.
    pub async fn arrived(&mut self) -> Result<(), Cause> {
        if self.held.is_none() {
            self.held = Some(self.reader.next().await?);
        }
        Ok(())
    }

    /// Waits for the next batch; it holds at least one group. A dropped call loses what it had gathered: read again from
    /// the position. `last_commit`: how long the last batch took.
    pub async fn next(&mut self, last_commit: Duration) -> Result<Batch, Cause> {
        let mut batch = Batch::default();
        let first = match self.held.take() {
            Some(group) => group,
            None => self.reader.next().await?,
        };
        batch.push(first);
        let wait = last_commit.clamp(self.limits.linger, self.limits.flush_interval.max(self.limits.linger));
        let waited = batch.oldest_received_us.and_then(|oldest_us| u64::try_from(now_us() - oldest_us).ok());
        let deadline = Instant::now() + wait.saturating_sub(Duration::from_micros(waited.unwrap_or(0)));
        while self.has_room(&batch) {
            let group = match self.reader.try_next()? {
                Some(group) => group,
                None => match timeout_at(deadline, self.reader.next()).await {
                    Ok(group) => group?,
                    Err(_) => break,
                },
            };
            if !self.fits(&batch, &group) {
                self.held = Some(group);
                break;
            }
            batch.push(group);
        }
        Ok(batch)
    }

    fn has_room(&self, batch: &Batch) -> bool {
        batch.len() < self.limits.batch_size as u64 && batch.bytes() < self.limits.batch_bytes_max
    }

    fn fits(&self, batch: &Batch, group: &Group) -> bool {
        batch.len() + group.len() <= self.limits.batch_size as u64
            && batch.bytes() + group.bytes() <= self.limits.batch_bytes_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_log::contract::Log;
    use genims_log::memory::MemoryLog;
    use genims_model::{DeadLetter, Reason, SensorNo};
    use genims_stores::sample;
    use uuid::Uuid;

    fn group(readings: usize) -> Group {
        Group { readings: (0..readings).map(|_| sample::reading(SensorNo(0), now_us())).collect(), ..Group::default() }
    }

    fn limits(batch_size: usize) -> BatchLimits {
        BatchLimits { batch_size, linger: Duration::from_millis(20), ..BatchLimits::default() }
    }

    fn gatherer(log: &Arc<MemoryLog>, limits: BatchLimits) -> Gatherer<<Arc<MemoryLog> as Log>::Reader> {
        Gatherer::new(log.reader(0).expect("a reader"), limits)
    }

    #[tokio::test]
    async fn batches_hold_every_group_once_in_order_within_the_bound() {
        let log = MemoryLog::new(Uuid::nil());
        let sizes = [3, 4, 0, 5, 12, 1, 1];
        sizes.iter().for_each(|size| log.append(group(*size)));
        let mut gatherer = gatherer(&log, limits(8));
        let mut next_offset = 0;
        let mut lengths = Vec::new();
        while next_offset < log.next_offset() {
            let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
            assert_eq!(batch.first_offset, next_offset);
            assert_eq!(batch.readings().map(|(offset, _)| offset).collect::<Vec<_>>(), {
                (batch.first_offset..batch.next_offset).collect::<Vec<_>>()
            });
            next_offset = batch.next_offset;
            lengths.push(batch.len());
        }
        assert_eq!(lengths, [7, 5, 12, 2]);
    }

    #[tokio::test]
    async fn an_idle_sink_lets_a_batch_go_after_the_linger() {
        let log = MemoryLog::new(Uuid::nil());
        log.append(group(1));
        let begun = Instant::now();
        let batch = gatherer(&log, limits(8)).next(Duration::ZERO).await.expect("a batch");
        assert_eq!(batch.len(), 1);
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(15) && elapsed < Duration::from_secs(5), "{elapsed:?}");
    }

    #[tokio::test]
    async fn a_slow_database_gets_larger_batches_up_to_the_flush_interval() {
        let log = MemoryLog::new(Uuid::nil());
        log.append(group(1));
        let begun = Instant::now();
        gatherer(&log, limits(8)).next(Duration::from_secs(9)).await.expect("a batch");
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(190) && elapsed < Duration::from_secs(5), "{elapsed:?}");
    }

    #[test]
    fn a_batch_is_split_at_any_position() {
        let log = MemoryLog::new(Uuid::nil());
        [2, 3, 4].iter().for_each(|size| log.append(group(*size)));
        let mut reader = log.reader(0).expect("a reader");
        let mut batch = Batch::default();
        while let Some(group) = reader.try_next().expect("a group") {
            batch.push(group);
        }
        for position in 1..9 {
            let mut rest = batch.clone();
            let below = rest.split_below(position);
            assert_eq!((below.first_offset, below.next_offset), (0, position));
            assert_eq!((rest.first_offset, rest.next_offset), (position, 9));
            assert_eq!((below.readings().count() as u64, rest.readings().count() as u64), (position, 9 - position));
        }
    }

    fn garbage(payload_bytes: usize) -> Group {
        let dead_letter = DeadLetter {
            source: 0,
            client: String::new(),
            received_us: 1,
            topic: String::new(),
            reason: Reason::MalformedPayload,
            detail: String::new(),
            payload: vec![0; payload_bytes],
            payload_bytes: payload_bytes as u64,
            records: 1,
        };
        Group { dead_letters: vec![dead_letter], ..Group::default() }
    }

    /// Few records, many bytes: a batch stops at its bytes, and a group that alone is larger goes alone.
    #[tokio::test]
    async fn large_dead_letters_fill_a_batch_by_their_bytes() {
        let log = MemoryLog::new(Uuid::nil());
        let sizes = [60_000, 60_000, 60_000, 60_000, 60_000, 300_000, 60_000];
        sizes.iter().for_each(|size| log.append(garbage(*size)));
        let batch_bytes_max = 150_000;
        let mut gatherer = gatherer(&log, BatchLimits { batch_bytes_max, ..limits(1_000) });
        let (mut next_offset, mut lengths) = (0, Vec::new());
        while next_offset < log.next_offset() {
            let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
            assert_eq!(batch.first_offset, next_offset);
            assert!(batch.bytes() <= batch_bytes_max || batch.groups.len() == 1, "{} bytes", batch.bytes());
            next_offset = batch.next_offset;
            lengths.push(batch.len());
        }
        assert_eq!(lengths, [2, 2, 1, 1, 1]);
    }
}
