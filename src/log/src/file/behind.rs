//! Consumers that stay behind: what the log does so that none of them stops it.
//!
//! In: backlogs. Out: consumers that are cut off, segments that are compacted.
//!
//! - A consumer that may be cut off holds nothing beyond its backlog.
//! - One whose rows are kept holds those: a closed segment that others have passed is compacted to them (see rewrite.rs).
//!   Compacted segments do not count towards the cap, so no append waits for a database that is away. Their bound is kept at
//!   the doors, which ask [`Shared::is_full_for`]: what they have acknowledged by then still goes in.
//! - Nothing of this is remembered: who is behind, and whose rows a segment holds, is found again after a start.

use super::error::SpoolError;
use super::rewrite;
use super::segment::{self, Segment};
use super::shared::{Shared, Sink};
use std::sync::atomic::Ordering;

impl Shared {
    /// Finds the consumers whose backlog is larger than the log keeps whole: their records may go from now on, but for
    /// rows that are kept.
    pub(super) fn judge_backlogs(&self) {
        let mut sinks = self.sinks.lock();
        for (name, sink) in sinks.iter_mut().filter(|(_, sink)| sink.holds()) {
            let Some(backlog_bytes_max) = sink.when_behind.backlog_bytes_max() else { continue };
            let backlog_bytes = self.backlog_bytes(sink.offset);
            let is_beyond = backlog_bytes > backlog_bytes_max;
            let (consumer, position) = (name.as_str(), sink.offset);
            match sink.when_behind.rows_of() {
                None if is_beyond => {
                    sink.cut_off = true;
                    tracing::error!(
                        consumer,
                        position,
                        backlog_bytes,
                        backlog_bytes_max,
                        "cut off: the log keeps no more records for it; bring its database back from the operations database"
                    );
                }
                Some(database) if is_beyond && !sink.behind => tracing::error!(
                    consumer,
                    position,
                    backlog_bytes,
                    backlog_bytes_max,
                    "behind: of what it has not read the log keeps the rows for {database} alone"
                ),
                _ => {}
            }
            sink.behind = is_beyond && !sink.cut_off;
        }
    }

    /// What the segments that hold records from `offset` on occupy, without compacted ones and the one that is being written.
    fn backlog_bytes(&self, offset: u64) -> u64 {
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset);
        let whole = segments.iter().zip(ends).filter(|(segment, end)| *end > offset && !segment.compacted);
        whole.map(|(segment, _)| segment.file_bytes).sum()
    }

    /// What counts towards the cap.
    pub(super) fn counted_bytes(&self) -> u64 {
        let compacted: u64 = self.segments.lock().iter().filter(|one| one.compacted).map(|one| one.file_bytes).sum();
        self.bytes.load(Ordering::Acquire).saturating_sub(compacted)
    }

    /// Segments that nobody needs but consumers that are behind, each with its end. None before the first append: others
    /// may still register.
    pub(super) fn compactable(&self, progress: impl Fn(&Sink) -> u64) -> Vec<(Segment, u64)> {
        let (reached, passed) = {
            let sinks = self.sinks.lock();
            let slowest = |behind: bool| {
                let those = sinks.values().filter(|sink| sink.holds() && sink.behind == behind);
                those.map(&progress).min()
            };
            let Some(reached) = slowest(true) else { return Vec::new() };
            (reached, slowest(false).unwrap_or(u64::MAX))
        };
        if !self.appending.load(Ordering::Acquire) {
            return Vec::new();
        }
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset);
        // The last closed one becomes the newest again when its successor has to be given up, and a start takes marks and
        // open faults from what the newest holds.
        let closed = segments.iter().zip(ends).take(segments.len().saturating_sub(2));
        let needed = closed.filter(|(segment, end)| {
            // One of an older version would get a front of another length.
            (reached + 1..=passed).contains(end) && !segment.compacted && segment.version == segment::VERSION
        });
        needed.map(|(segment, end)| (segment.clone(), end)).collect()
    }

    /// Housekeeping, under the lock of the cursor files: compacts what may be. A segment that cannot be rewritten stays
    /// whole, and is left alone from then on; a shortage is waited out.
    pub(super) fn compact_consumed(&self) -> Result<(), SpoolError> {
        let compactable = self.compactable(|sink| sink.saved);
        let waiting: Vec<(String, u64)> = {
            let sinks = self.sinks.lock();
            let behind = sinks.values().filter(|sink| sink.holds() && sink.behind);
            behind.filter_map(|sink| Some((sink.when_behind.rows_of()?.to_owned(), sink.saved))).collect()
        };
        for (segment, end) in compactable {
            let rewritten = rewrite::with_rows(&*self.disk, self.id, (&segment, end), |offset, row| {
                waiting.iter().any(|(database, saved)| *database == row.database && offset >= *saved)
            });
            let compacted = match rewritten {
                Err(error) if error.is_shortage() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, segment = %segment.path.display(), "cannot be compacted, and stays whole");
                    Segment { compacted: true, ..segment.clone() }
                }
                Ok(compacted) => compacted,
            };
            self.put_compacted(&segment, compacted);
        }
        Ok(())
    }

    fn put_compacted(&self, segment: &Segment, compacted: Segment) {
        self.bytes.fetch_add(compacted.file_bytes, Ordering::AcqRel);
        if let Some(known) = self.segments.lock().iter_mut().find(|known| known.serial == segment.serial) {
            *known = compacted;
        }
        self.bytes.fetch_sub(segment.file_bytes, Ordering::AcqRel);
        self.room.notify();
    }

    /// See [`super::Spool::is_full_for`].
    pub(super) fn is_full_for(&self, name: &str) -> bool {
        let offset = match self.sinks.lock().get(name) {
            Some(sink) if sink.holds() && sink.when_behind.rows_of().is_some() => sink.offset,
            _ => return false,
        };
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset);
        let compacted: Vec<(&Segment, u64)> = segments.iter().zip(ends).filter(|(one, _)| one.compacted).collect();
        let bytes: u64 = compacted.iter().map(|(segment, _)| segment.file_bytes).sum();
        bytes > self.sizes.max_bytes && compacted.iter().any(|(_, end)| *end > offset)
    }
}
