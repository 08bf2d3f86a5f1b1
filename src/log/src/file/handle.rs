//! The handle that everybody but the writer holds: read on from an offset, remember how far a sink has come, learn the
//! state. Clones are the same spool.

use super::cursor::{self, CursorFile};
use super::error::SpoolError;
use super::metrics::SpoolMetrics;
use super::reader::Reader;
use super::shared::{Shared, Sink, lock};
use genims_model::{Group, Receipt};
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// The sink whose commits settle the receipts that wait for one.
pub const COMMIT_SINK: &str = "postgres";

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

    /// Names this log for ever: offsets of another id mean nothing here.
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
        let passed = lock(&self.shared.sinks).values().map(|sink| sink.saved).min()?;
        (next <= passed).then_some(next)
    }

    /// Makes the log wait for a sink, and tells where it stopped: its cursor, or the oldest record for a new sink.
    /// Register all sinks before the first append: what is consumed by the registered ones may be removed.
    pub fn register_sink(&self, sink: &str) -> Result<u64, SpoolError> {
        cursor::check_name(sink)?;
        let shared = &self.shared;
        let mut files = lock(&shared.cursor_files);
        let first = shared.first_offset();
        let known = lock(&shared.sinks).get(sink).map(|known| known.offset);
        let offset = match known {
            Some(offset) if offset < first => {
                tracing::warn!(
                    sink,
                    missed_from = offset,
                    missed_below = first,
                    "a sink returns after its records went"
                );
                first
            }
            Some(offset) => offset,
            None => {
                match CursorFile::create(&*shared.disk, &shared.directory, shared.id, sink, first) {
                    Ok(file) => {
                        files.insert(sink.to_owned(), file);
                    }
                    // Nothing goes by a cursor without a file, so it may come with the first save that finds room.
                    Err(error) if error.is_disk_full() => tracing::warn!(sink, %error, "no room for a cursor yet"),
                    Err(error) => return Err(error),
                }
                first
            }
        };
        match lock(&shared.sinks).entry(sink.to_owned()) {
            Entry::Occupied(mut entry) => {
                entry.get_mut().offset = offset;
                entry.get_mut().registered = true;
            }
            Entry::Vacant(entry) => {
                entry.insert(Sink { offset, saved: offset, registered: true });
            }
        }
        if sink == COMMIT_SINK {
            shared.commits.committed(offset);
        }
        Ok(offset)
    }

    /// Everything below `offset` is finished in this sink, for good. Cheap: the file follows within a second. A lower
    /// offset than before is ignored.
    pub fn save_cursor(&self, sink: &str, offset: u64) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let end = self.next_offset();
        if offset > end {
            return Err(SpoolError::OffsetAhead { requested: offset, end });
        }
        match lock(&shared.sinks).get_mut(sink) {
            Some(known) if known.registered => known.offset = known.offset.max(offset),
            _ => return Err(SpoolError::UnknownSink(sink.to_owned())),
        }
        if sink == COMMIT_SINK {
            shared.commits.committed(offset);
        }
        if let Some(finished) = shared.finished_below(|sink| sink.offset) {
            shared.tail.release(finished);
        }
        if shared.can_free() {
            shared.keeper.ring();
        }
        // A writer that waits at the cap may go on as soon as the sinks have everything.
        if shared.full.load(Ordering::Acquire) {
            shared.room.ring();
        }
        Ok(())
    }

    /// How far a sink has come; `None` for one that was never registered.
    pub fn cursor(&self, sink: &str) -> Option<u64> {
        lock(&self.shared.sinks).get(sink).map(|sink| sink.offset)
    }

    /// Settles one part of the receipt when [`COMMIT_SINK`] has finished everything below `offset`. At the bound of
    /// waiting receipts it is refused at once, and counted.
    pub fn settle_when_committed(&self, offset: u64, receipt: Receipt) {
        if !self.shared.commits.wait(offset, receipt) {
            SpoolMetrics::add(&self.shared.metrics.receipts_refused, 1);
        }
    }

    /// Receipts that wait for a commit.
    pub fn receipts_waiting(&self) -> usize {
        self.shared.commits.len()
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
