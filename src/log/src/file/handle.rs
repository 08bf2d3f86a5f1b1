//! The handle that everybody but the writer holds: read on from an offset, remember how far a sink has come, learn the
//! state. Clones are the same spool.

use super::error::SpoolError;
use super::metrics::SpoolMetrics;
use super::reader::Reader;
use super::shared::Shared;
use genims_model::{Group, Receipt};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// See the module's header.
#[derive(Clone, Debug)]
pub struct Spool {
    shared: Arc<Shared>,
}

impl Spool {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What the files of this log bear, for ever; consumers know it by [`Spool::name`].
    pub fn id(&self) -> Uuid {
        self.shared.id
    }

    /// The oldest record still here.
    pub fn first_offset(&self) -> u64 {
        self.shared.first_offset()
    }

    /// The offset behind the newest durable record.
    pub fn next_offset(&self) -> u64 {
        self.shared.next_offset()
    }

    /// Reads on from an offset between [`Spool::first_offset`] and [`Spool::next_offset`], which may lie inside a
    /// group.
    pub fn reader(&self, from: u64) -> Result<Reader, SpoolError> {
        let end = self.next_offset();
        if from > end {
            return Err(SpoolError::OffsetAhead { requested: from, end });
        }
        self.shared.segment_at(from)?;
        Ok(Reader::new(self.shared.clone(), from))
    }

    /// Hands every group from an offset up to the present end to `each`, for the start; blocks on the disk.
    /// Damage that every saved cursor has passed is left out, and said.
    pub fn replay(&self, from: u64, mut each: impl FnMut(&Group)) -> Result<(), SpoolError> {
        let end = self.next_offset();
        let mut reader = self.reader(from)?;
        while reader.position() < end {
            match reader.try_next() {
                Ok(Some(group)) => each(&group),
                Ok(None) => break,
                Err(error @ SpoolError::Damaged { .. }) => match self.behind_passed(reader.position()) {
                    Some(next) => {
                        tracing::warn!(%error, next, "what every consumer has passed cannot be read; going on behind it");
                        reader = self.reader(next)?;
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Where the segment with this offset ends, if every saved cursor lies behind it.
    fn behind_passed(&self, offset: u64) -> Option<u64> {
        let next = self.shared.segment_at(offset).ok()?.1?;
        let passed = self.shared.sinks.lock().values().map(|sink| sink.saved).min()?;
        (next <= passed).then_some(next)
    }

    /// Settles one part of the receipt when every consumer that settles has finished everything below `offset`. At the bound of
    /// waiting receipts it is refused at once, and counted.
    pub(crate) fn settle_when_committed(&self, offset: u64, receipt: Receipt) {
        if !self.shared.commits.wait(offset, receipt) {
            SpoolMetrics::add(&self.shared.metrics.receipts_refused, 1);
        }
    }

    /// What the segments occupy on disk, unwritten room included.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Acquire)
    }

    pub fn max_bytes(&self) -> u64 {
        self.shared.sizes.max_bytes
    }

    /// What the groups kept in memory for readers occupy.
    pub fn memory_bytes(&self) -> usize {
        self.shared.tail.bytes()
    }

    /// True while appends wait for room; the listeners' `when_full` policy follows it.
    pub fn full_flag(&self) -> Arc<AtomicBool> {
        self.shared.full.clone()
    }

    /// What appends wait for, and what can be done about it; `None` while there is room.
    pub fn full_because(&self) -> Option<String> {
        let full = *self.shared.full_because.lock();
        full.map(|full| full.told(&self.shared.directory))
    }

    /// Why the spool has stopped for good, if it has: nothing is acknowledged until a restart.
    pub fn failure(&self) -> Option<&str> {
        self.shared.failure.get().map(String::as_str)
    }

    pub fn metrics(&self) -> Arc<SpoolMetrics> {
        self.shared.metrics.clone()
    }

    /// Makes all cursors durable, ends blocked appends and lets readers run dry. Call when the writer and the sinks are
    /// done; what is in the log stays there.
    pub fn close(&self) -> Result<(), SpoolError> {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let result = if self.shared.failure.get().is_none() { self.shared.maintain() } else { Ok(()) };
        self.shared.wake_all();
        result
    }

    #[cfg(test)]
    pub(super) fn maintain(&self) -> Result<(), SpoolError> {
        self.shared.maintain()?;
        self.shared.prepare_blank(|| true)
    }
}
