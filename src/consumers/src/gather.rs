//! Consecutive groups become one batch of the size that a database likes.
//!
//! In: groups in log order. Out: batches that together hold every group once, in order.
//!
//! While one batch commits, the next one piles up in the log and leaves at once: a busy sink needs no timer. Only a sink
//! that keeps up waits: for `linger`, or for as long as the last commit took (a database that needs 120 ms for a
//! batch gains nothing from one every 50 ms), and never longer than `flush_interval`.
//!
//! Groups that have nothing for the database wait for one that has, within [`NOTHING_FOR_IT_MAX`]: alone they would move its
//! position and no more, and of thirteen databases that events are routed to most have nothing to write most of the time.

use genims_log::contract::LogReader;
use genims_model::Cause;
use genims_model::{Group, now_us};
use genims_stores::batch::{Batch, oldest_received_us};
use genims_stores::target::GroupFilter;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// After so long the position moves although nothing was for the database: it is never further behind than that, and one that no longer
/// answers is noticed.
const NOTHING_FOR_IT_MAX: Duration = Duration::from_secs(2);

/// And after this part of a batch's bytes: the log keeps what it has not passed.
const NOTHING_FOR_IT_SHARE: usize = 16;

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
pub struct Gatherer<R> {
    reader: R,
    limits: BatchLimits,
    filter: Option<GroupFilter>,
    /// A group that no longer fitted into the last batch.
    held: Option<Arc<Group>>,
}

impl<R: LogReader> Gatherer<R> {
    /// `filter`: which groups have something for the database; without one all have.
    pub fn new(reader: R, limits: BatchLimits, filter: Option<GroupFilter>) -> Self {
        Self { reader, limits, filter, held: None }
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
        let mut next = Some(match self.held.take() {
            Some(group) => group,
            None => self.reader.next().await?,
        });
        let mut deadline = Instant::now() + NOTHING_FOR_IT_MAX;
        let mut has_something = false;
        while let Some(group) = next {
            if !has_something && self.filter.as_ref().is_none_or(|filter| filter(&group)) {
                has_something = true;
                batch.nothing_below = group.first_offset;
                deadline = deadline.min(self.deadline(&group, last_commit));
            }
            batch.push(group);
            if !has_something {
                batch.nothing_below = batch.next_offset;
            }
            let is_enough = !has_something && batch.bytes() >= self.limits.batch_bytes_max / NOTHING_FOR_IT_SHARE;
            next = if is_enough { None } else { self.next_group(&batch, deadline).await? };
        }
        Ok(batch)
    }

    /// When a batch leaves that this group is the first in which has something for the database.
    fn deadline(&self, first: &Group, last_commit: Duration) -> Instant {
        let wait = last_commit.clamp(self.limits.linger, self.limits.flush_interval.max(self.limits.linger));
        let waited = oldest_received_us(first).and_then(|oldest_us| u64::try_from(now_us() - oldest_us).ok());
        Instant::now() + wait.saturating_sub(Duration::from_micros(waited.unwrap_or(0)))
    }

    /// What else goes into the batch, if it comes in time.
    async fn next_group(&mut self, batch: &Batch, deadline: Instant) -> Result<Option<Arc<Group>>, Cause> {
        if !self.has_room(batch) {
            return Ok(None);
        }
        let group = match self.reader.try_next()? {
            Some(group) => group,
            None => match timeout_at(deadline, self.reader.next()).await {
                Ok(group) => group?,
                Err(_) => return Ok(None),
            },
        };
        if self.fits(batch, &group) {
            return Ok(Some(group));
        }
        self.held = Some(group);
        Ok(None)
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
        Gatherer::new(log.reader(0).expect("a reader"), limits, None)
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

    /// Of groups with readings something is for the database.
    fn of_readings(log: &Arc<MemoryLog>) -> Gatherer<<Arc<MemoryLog> as Log>::Reader> {
        let filter: GroupFilter = Arc::new(|group: &Group| !group.readings.is_empty());
        Gatherer::new(log.reader(0).expect("a reader"), limits(100), Some(filter))
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_nothing_for_the_database_waits_for_what_has() {
        let log = MemoryLog::new(Uuid::nil());
        let mut gatherer = of_readings(&log);
        log.append(garbage(10));
        let late = log.clone();
        // Long after the linger.
        let appended = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(60)).await;
            [garbage(10), group(2), garbage(10)].into_iter().for_each(|group| late.append(group));
        });
        let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
        appended.await.expect("appended");
        assert_eq!((batch.first_offset, batch.nothing_below, batch.next_offset), (0, 2, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_nothing_for_the_database_moves_its_position_after_all() {
        let log = MemoryLog::new(Uuid::nil());
        let mut gatherer = of_readings(&log);
        [garbage(10), garbage(10)].into_iter().for_each(|group| log.append(group));
        let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
        assert_eq!((batch.first_offset, batch.nothing_below, batch.next_offset), (0, 2, 2));
        // A batch that is full does not wait.
        (0..99).for_each(|_| log.append(garbage(1)));
        log.append(group(2));
        let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
        assert_eq!((batch.nothing_below, batch.next_offset), (101, 101));
        let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
        assert_eq!((batch.nothing_below, batch.next_offset), (101, 103));
        // Nor does one that the log keeps much for.
        gatherer.limits.batch_bytes_max = NOTHING_FOR_IT_SHARE * garbage(10).bytes();
        (0..2).for_each(|_| log.append(garbage(10)));
        let batch = gatherer.next(Duration::ZERO).await.expect("a batch");
        assert_eq!((batch.nothing_below, batch.next_offset), (104, 104));
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
