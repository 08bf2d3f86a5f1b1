//! Consumers that stay behind: what the log does so that none of them stops it.
//!
//! In: backlogs. Out: consumers that are cut off, segments that are compacted.
//!
//! - A consumer that may be cut off holds nothing beyond its backlog.
//! - One whose rows are kept holds those: a closed segment that others have passed is compacted to them (see rewrite.rs), and
//!   again when one of those that its rows were kept for has passed it. Of which nothing is left goes when it is the oldest.
//!   Compacted segments do not count towards the cap, so no append waits for a database that is away. Their bound is kept at
//!   the doors, which ask [`Shared::is_full_for`]: what they have acknowledged by then still goes in.
//! - Whose rows a segment has to hold is asked once for each, together with who needs all of it.
//! - Nothing of this is remembered: who is behind, and whose rows a segment holds, is found again after a start.

use super::error::SpoolError;
use super::rewrite::{self, Rewritten, Waiting};
use super::segment::{self, Content, Segment};
use super::shared::{Shared, Sink};
use std::mem;
use std::sync::atomic::Ordering;

/// A segment of which something may go, where it ends, and who waits for rows.
#[derive(Debug)]
pub(super) struct Compactable {
    segment: Segment,
    end: u64,
    waiting: Vec<Waiting>,
}

impl Shared {
    /// Finds the consumers whose backlog is larger than the log keeps whole: their records may go from now on, but for
    /// rows that are kept. None is cut off while all that it lacks is kept for others anyway.
    pub(super) fn judge_backlogs(&self) {
        let compacted_below = self.compacted_below.load(Ordering::Acquire);
        let mut sinks = self.sinks.lock();
        let whole = self.whole_segments();
        let without_bound =
            sinks.values().filter(|sink| sink.holds() && sink.when_behind.backlog_bytes_max().is_none());
        let kept_from = without_bound.map(|sink| sink.offset).min();
        for (name, sink) in sinks.iter_mut().filter(|(_, sink)| sink.holds()) {
            let Some(backlog_bytes_max) = sink.when_behind.backlog_bytes_max() else { continue };
            let needed = whole.iter().rev().take_while(|(end, _)| *end > sink.offset);
            let backlog_bytes: u64 = needed.map(|(_, bytes)| bytes).sum();
            let is_beyond = backlog_bytes > backlog_bytes_max;
            let first_end = whole.iter().map(|(end, _)| *end).find(|end| *end > sink.offset);
            let would_free = kept_from.is_none_or(|kept_from| first_end.is_some_and(|end| end <= kept_from));
            let (consumer, position) = (name.as_str(), sink.offset);
            match sink.when_behind.rows_of() {
                None if is_beyond && would_free => {
                    sink.cut_off = true;
                    tracing::error!(
                        consumer,
                        position,
                        backlog_bytes,
                        backlog_bytes_max,
                        "cut off: the log keeps no more records for it; bring its database back from the operations database"
                    );
                }
                Some(database) if is_beyond && !sink.is_told => tracing::error!(
                    consumer,
                    position,
                    backlog_bytes,
                    backlog_bytes_max,
                    "behind: of what it has not read the log keeps the rows for {database} alone"
                ),
                _ => {}
            }
            sink.behind = is_beyond && sink.when_behind.rows_of().is_some();
            // What was compacted counts no more, so that it is behind, by its bytes, now and then: it is told once.
            sink.is_told = is_beyond || (sink.is_told && sink.offset < compacted_below);
        }
    }

    /// The end and the length of each closed segment that is whole, in order.
    fn whole_segments(&self) -> Vec<(u64, u64)> {
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset);
        let whole = segments.iter().zip(ends).filter(|(segment, _)| segment.is_whole());
        whole.map(|(segment, end)| (end, segment.file_bytes)).collect()
    }

    /// What counts towards the cap.
    pub(super) fn counted_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire).saturating_sub(self.compacted_bytes.load(Ordering::Acquire))
    }

    /// The oldest segment of which something may go: all but rows, as nobody needs it but consumers that are behind, or rows
    /// that their consumer has passed. None before the first append: others may still register.
    pub(super) fn compactable(&self, progress: impl Fn(&Sink) -> u64) -> Option<Compactable> {
        if !self.appending.load(Ordering::Acquire) {
            return None;
        }
        let sinks = self.sinks.lock();
        let holding = || sinks.iter().filter(|(_, sink)| sink.holds());
        // Of all, also of those that are not behind at this moment: what they have not passed stays.
        let waiting = holding().filter_map(|(name, sink)| Some((name, sink.when_behind.rows_of()?, progress(sink))));
        let waiting: Vec<(&String, &str, u64)> = waiting.collect();
        if waiting.is_empty() {
            return None;
        }
        let slowest =
            |behind: bool| holding().filter(|(_, one)| one.behind == behind).map(|(_, one)| progress(one)).min();
        let (reached, passed) = (slowest(true), slowest(false).unwrap_or(u64::MAX));
        let waits =
            |consumer: &String, end: u64| waiting.iter().any(|(name, _, from)| *name == consumer && *from < end);
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset);
        // The last closed one becomes the newest again when its successor has to be given up, and a start takes marks and
        // open faults from what the newest holds.
        let mut closed = segments.iter().zip(ends).take(segments.len().saturating_sub(2));
        let (segment, end) = closed.find(|(segment, end)| match &segment.content {
            // One of an older version would get a front of another length.
            Content::Whole if segment.version == segment::VERSION => {
                reached.is_some_and(|reached| reached < *end && *end <= passed)
            }
            Content::Rows(consumers) => consumers.iter().any(|consumer| !waits(consumer, *end)),
            Content::Whole | Content::Unreadable => false,
        })?;
        let owned = |(consumer, database, from): &(&String, &str, u64)| Waiting {
            consumer: (*consumer).clone(),
            database: (*database).to_owned(),
            from: *from,
        };
        Some(Compactable { segment: segment.clone(), end, waiting: waiting.iter().map(owned).collect() })
    }

    /// Housekeeping, under the lock of the cursor files: what is consumed goes, and one segment is compacted, if any may be.
    /// True when one was.
    pub(super) fn free_consumed(&self) -> Result<bool, SpoolError> {
        self.remove_consumed()?;
        // Who ends waits for no compaction.
        if self.closed.load(Ordering::Acquire) { Ok(false) } else { self.compact_next() }
    }

    /// One that cannot be read stays whole, and is left alone from then on; a shortage is waited out, and a failed write or sync
    /// stops the spool.
    fn compact_next(&self) -> Result<bool, SpoolError> {
        let Some(Compactable { segment, end, waiting }) = self.compactable(|sink| sink.saved) else { return Ok(false) };
        let Rewritten { bytes, consumers } = match rewrite::with_rows(&*self.disk, self.id, (&segment, end), &waiting) {
            Ok(rewritten) => rewritten,
            Err(error) if error.is_shortage() => return Err(error),
            Err(error) => {
                tracing::error!(%error, segment = %segment.path.display(), "cannot be compacted, and stays whole");
                self.put_compacted(Segment { content: Content::Unreadable, ..segment }, end);
                return Ok(true);
            }
        };
        let compacted = Segment { content: Content::Rows(consumers), ..segment };
        let Some(bytes) = bytes else {
            self.put_compacted(compacted, end);
            return Ok(true);
        };
        match rewrite::put(&*self.disk, &compacted.path, &bytes) {
            Err(error) if error.is_disk_full() && self.give_up_blank() => {
                // No other is made before the next segment has found room.
                self.pressed.store(true, Ordering::Release);
                return Ok(true);
            }
            written => written?,
        }
        self.put_compacted(Segment { file_bytes: bytes.len() as u64, ..compacted }, end);
        self.sync_names()?;
        Ok(true)
    }

    fn put_compacted(&self, compacted: Segment, end: u64) {
        let (new_bytes, kept_bytes) = (compacted.file_bytes, compacted.kept_bytes());
        let mut segments = self.segments.lock();
        let Some(known) = segments.iter_mut().find(|known| known.serial == compacted.serial) else { return };
        let before = mem::replace(known, compacted);
        drop(segments);
        // In an order in which no moment counts too little.
        self.bytes.fetch_add(new_bytes, Ordering::AcqRel);
        self.compacted_bytes.fetch_add(new_bytes, Ordering::AcqRel);
        self.kept_bytes.fetch_add(kept_bytes, Ordering::AcqRel);
        if !before.is_whole() {
            self.compacted_bytes.fetch_sub(before.file_bytes, Ordering::AcqRel);
            self.kept_bytes.fetch_sub(before.kept_bytes(), Ordering::AcqRel);
        }
        self.bytes.fetch_sub(before.file_bytes, Ordering::AcqRel);
        self.compacted_below.fetch_max(end, Ordering::AcqRel);
        self.room.notify();
    }

    /// Makes room that no record needs.
    pub(super) fn give_up_blank(&self) -> bool {
        let blank = self.blank.lock().take();
        blank.is_some_and(|blank| self.disk.remove(&blank.path).is_ok())
    }

    /// See [`super::Spool::is_full_for`].
    pub(super) fn is_full_for(&self, name: &str) -> bool {
        let offset = match self.sinks.lock().get(name) {
            Some(sink) if sink.holds() && sink.when_behind.rows_of().is_some() => sink.offset,
            _ => return false,
        };
        let max_bytes = self.sizes.max_bytes;
        let is_compacted_before = offset < self.compacted_below.load(Ordering::Acquire);
        // Fronts do not count: an emptied segment keeps its own, and refusing rows makes none fewer. A start does not know yet
        // what is compacted.
        (is_compacted_before && self.kept_bytes.load(Ordering::Acquire) > max_bytes)
            || (self.bytes.load(Ordering::Acquire) > 2 * max_bytes && self.kept_from(offset) > 2 * max_bytes)
    }

    /// What the segments hold that have something from `offset` on.
    fn kept_from(&self, offset: u64) -> u64 {
        let segments = self.segments.lock();
        let ends = segments.iter().skip(1).map(|next| next.first_offset).chain([self.next_offset()]);
        segments.iter().zip(ends).filter(|(_, end)| *end > offset).map(|(segment, _)| segment.kept_bytes()).sum()
    }
}
