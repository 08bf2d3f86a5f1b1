//! What the appender, the readers, the sinks and the keeper share. Each lock is held for look-ups and small changes
//! only, never across a sync or a read of the disk, except `cursor_files`, which only housekeeping takes.
//!
//! Lock order: `cursor_files`, `sinks`, `segments`, `tail`; `history`, `refusals` and
//! `full_because` alone.

use super::blank::{self, Blank};
use super::commit::CommitQueue;
use super::cursor::CursorFile;
use super::disk::{Disk, Lock};
use super::error::SpoolError;
use super::full::Full;
use super::history::HistoryFile;
use super::metrics::SpoolMetrics;
use super::segment::{self, Segment};
use super::tail::Tail;
use super::wakeup::Wakeup;
use crate::contract::WhenBehind;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// The longest rest between two slices of a blank.
const BLANK_REST_MAX: Duration = Duration::from_millis(20);

/// The options after the smaller ones were fitted to the cap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) segment_bytes: u64,
    pub(super) record_bytes_max: usize,
    pub(super) max_bytes: u64,
    pub(super) memory_bytes: usize,
    pub(super) retain_bytes: u64,
    pub(super) fsync: bool,
}

/// One sink's progress: everything below the offset is finished there.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    pub(super) offset: u64,
    /// What its file says; segments go by this one.
    pub(super) saved: u64,
    /// The file could not be told of a way back, and says more than `saved`.
    pub(super) unsaved: bool,
    /// Whether this run's configuration has it; others hold nothing back.
    pub(super) registered: bool,
    pub(super) settles: bool,
    pub(super) when_behind: WhenBehind,
    /// Its backlog grew beyond what it may hold: from here on it holds nothing.
    pub(super) cut_off: bool,
    /// The same of one whose rows are kept: what only it needs is compacted.
    pub(super) behind: bool,
    /// That was said, and what was compacted since is still before it.
    pub(super) is_told: bool,
}

impl Sink {
    /// As an earlier run left it.
    pub(super) fn left(offset: u64) -> Self {
        let when_behind = WhenBehind::Hold;
        let (unsaved, registered, settles, cut_off, behind, is_told) = (false, false, false, false, false, false);
        Self { offset, saved: offset, unsaved, registered, settles, when_behind, cut_off, behind, is_told }
    }

    /// Whether the log keeps records for it.
    pub(super) fn holds(&self) -> bool {
        self.registered && !self.cut_off
    }

    /// Whether an append may have to wait for it.
    fn is_waited_for(&self) -> bool {
        self.holds() && self.when_behind.rows_of().is_none()
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) sizes: Sizes,
    pub(super) id: Uuid,
    pub(super) segments: Mutex<VecDeque<Segment>>,
    pub(super) sinks: Mutex<BTreeMap<String, Sink>>,
    pub(super) history: Mutex<HistoryFile>,
    /// Consumers that remember another history, each with the cause; nothing is appended while there is any.
    pub(super) refusals: Mutex<BTreeMap<String, String>>,
    pub(super) cursor_files: Mutex<BTreeMap<String, CursorFile>>,
    pub(super) tail: Tail,
    /// The offset behind the last durable record; every send wakes the readers.
    pub(super) end: watch::Sender<u64>,
    /// What the next segment is made of, once the keeper has it ready.
    pub(super) blank: Mutex<Option<Blank>>,
    /// Blanks begun in this run.
    pub(super) blanks: AtomicU64,
    /// The sum of the segments' files.
    pub(super) bytes: AtomicU64,
    /// Of these, what compacted segments take: it does not count towards the cap.
    pub(super) compacted_bytes: AtomicU64,
    /// Of those, what is not fronts.
    pub(super) kept_bytes: AtomicU64,
    /// Where the newest compacted segment ends.
    pub(super) compacted_below: AtomicU64,
    pub(super) full: Arc<AtomicBool>,
    /// What an append waits for.
    pub(super) full_because: Mutex<Option<Full>>,
    /// The disk is full: nothing is retained and no blank made until a segment could be made again.
    pub(super) pressed: AtomicBool,
    /// A name went, but the disk was too full to sync the directory: done before the next one goes.
    pub(super) directory_unsynced: AtomicBool,
    /// Notified when segments went or the spool closed.
    pub(super) room: Wakeup,
    /// Notified when segments may go.
    pub(super) keeper: Arc<Wakeup>,
    pub(super) commits: CommitQueue,
    pub(super) metrics: Arc<SpoolMetrics>,
    pub(super) failure: OnceLock<String>,
    pub(super) closed: AtomicBool,
    /// Set by the first append: all sinks are registered by then, so housekeeping may judge what is consumed.
    pub(super) appending: AtomicBool,
    /// Held for as long as anybody uses the spool.
    pub(super) _lock: Box<dyn Lock>,
}

impl Shared {
    pub(super) fn next_offset(&self) -> u64 {
        *self.end.borrow()
    }

    pub(super) fn first_offset(&self) -> u64 {
        self.segments.lock().front().map_or(0, |segment| segment.first_offset)
    }

    /// Fails once the spool is closed or has stopped.
    pub(super) fn check_running(&self) -> Result<(), SpoolError> {
        match self.failure.get() {
            Some(reason) => Err(SpoolError::Stopped(reason.clone())),
            None if self.closed.load(Ordering::Acquire) => Err(SpoolError::Closed),
            None => Ok(()),
        }
    }

    /// Fail-stop: from now on nothing is appended, and everybody who waits learns it.
    pub(super) fn stop(&self, error: &SpoolError) {
        if self.failure.set(error.to_string()).is_ok() {
            tracing::error!(%error, "the spool has stopped: nothing more is acknowledged until the disk is mended and the server restarted");
        }
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        self.end.send_modify(|_| {});
        self.room.notify();
        self.keeper.notify();
    }

    /// The segment that holds `offset`, and the offset at which the next one begins.
    pub(super) fn segment_at(&self, offset: u64) -> Result<(Segment, Option<u64>), SpoolError> {
        let segments = self.segments.lock();
        let behind = segments.partition_point(|segment| segment.first_offset <= offset);
        match behind.checked_sub(1).and_then(|index| segments.get(index)) {
            Some(segment) => Ok((segment.clone(), segments.get(behind).map(|next| next.first_offset))),
            None => Err(SpoolError::OffsetGone {
                requested: offset,
                first: segments.front().map_or(0, |segment| segment.first_offset),
            }),
        }
    }

    /// The offset below which every registered sink is finished; `None` without sinks.
    pub(super) fn finished_below(&self, progress: impl Fn(&Sink) -> u64) -> Option<u64> {
        self.sinks.lock().values().filter(|sink| sink.holds()).map(progress).min()
    }

    /// Whom the log waits for.
    pub(super) fn slowest_sink(&self) -> Option<String> {
        let sinks = self.sinks.lock();
        let slowest = sinks.iter().filter(|(_, sink)| sink.is_waited_for()).min_by_key(|(_, sink)| sink.offset);
        slowest.map(|(name, _)| name.clone())
    }

    pub(super) fn is_drained(&self) -> bool {
        let end = self.next_offset();
        self.sinks.lock().values().filter(|sink| sink.is_waited_for()).all(|sink| sink.offset >= end)
    }

    /// How many of the oldest segments may go when everything below `finished` is consumed: those beyond what is
    /// retained for the resend memory, never the one that is being written. Of which compaction left nothing may go, too.
    fn removable(&self, segments: &VecDeque<Segment>, finished: u64) -> usize {
        if !self.appending.load(Ordering::Acquire) {
            return 0;
        }
        let pairs = segments.iter().zip(segments.iter().skip(1));
        let consumed = pairs.take_while(|(segment, next)| next.first_offset <= finished || segment.is_empty()).count();
        let mut held: u64 = segments.iter().take(consumed).map(|segment| segment.file_bytes).sum();
        let mut removable = 0;
        while removable < consumed && held > self.sizes.retain_bytes {
            held -= segments[removable].file_bytes;
            removable += 1;
        }
        let pressed = self.pressed.load(Ordering::Acquire);
        if pressed { removable.max(consumed.min(1)) } else { removable }
    }

    /// On a full disk: gives up the blank and the oldest consumed segment, retained or not. True when there was one.
    pub(super) fn make_room(&self) -> bool {
        self.pressed.store(true, Ordering::Release);
        let given_up = self.give_up_blank();
        let removed = self.metrics.segments_removed.load(Ordering::Relaxed);
        // A failure that matters has stopped the spool, which the waiting append notices.
        let _ = self.maintain();
        given_up || self.metrics.segments_removed.load(Ordering::Relaxed) != removed
    }

    /// Whether housekeeping would free something, judged by the cursors in memory.
    pub(super) fn can_free(&self) -> bool {
        let finished = self.finished_below(|sink| sink.offset).unwrap_or(u64::MAX);
        let removable = self.removable(&self.segments.lock(), finished);
        removable > 0 || self.compactable(|sink| sink.offset).is_some()
    }

    /// Housekeeping: cursors that moved become durable, then segments that nobody needs go, and those of which only rows are
    /// needed are compacted. A failed sync stops the spool; a full disk and a want of file handles are only reported.
    pub(super) fn maintain(&self) -> Result<(), SpoolError> {
        while self.maintain_once()? {}
        Ok(())
    }

    /// One round, which compacts one segment at most; true when it has, so that there may be more to do.
    pub(super) fn maintain_once(&self) -> Result<bool, SpoolError> {
        // Held throughout: two rounds at once could remove segments out of order.
        let mut files = self.cursor_files.lock();
        self.judge_backlogs();
        let saved = self.save_cursors(&mut files);
        // A disk too full for a cursor must not keep what older cursors allow to go.
        let result = match saved {
            Err(error) if error.is_shortage() => self.free_consumed().and(Err(error)),
            saved => saved.and_then(|()| self.free_consumed()),
        };
        // A consumer that waits to be placed comes before the next round.
        MutexGuard::unlock_fair(files);
        if let Err(error) = &result
            && !error.is_shortage()
        {
            self.stop(error);
        }
        result
    }

    /// The blank, if there is one and `bytes` fit into half of it: a segment that is mostly front is not worth one. From
    /// here on it counts towards the cap.
    pub(super) fn take_blank(&self, bytes: u64) -> Option<Blank> {
        let mut held = self.blank.lock();
        let blank = held.take_if(|blank| bytes <= blank.bytes / 2)?;
        self.bytes.fetch_add(blank.bytes, Ordering::AcqRel);
        Some(blank)
    }

    /// Housekeeping: makes the next segment's file ready, unless there is no room for that segment yet. A failure
    /// costs speed alone, so it stops nothing: the appender reserves a file of its own. `wanted` may end the work.
    pub(super) fn prepare_blank(&self, wanted: impl Fn() -> bool) -> Result<(), SpoolError> {
        let bytes = segment::file_bytes(&[], self.sizes.segment_bytes);
        let fits = || self.counted_bytes() + bytes <= self.sizes.max_bytes;
        if self.blank.lock().is_some() || !fits() || self.pressed.load(Ordering::Acquire) {
            return Ok(());
        }
        let number = self.blanks.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.directory.join(blank::name(number));
        // Resting as long as a slice took leaves others at least half of the disk.
        let go_on = |took: Duration| {
            thread::sleep(took.min(BLANK_REST_MAX));
            wanted() && self.check_running().is_ok()
        };
        let filled =
            Blank::reserve(&*self.disk, path.clone(), bytes).and_then(|blank| Ok(blank.fill(go_on)?.then_some(blank)));
        let mut held = self.blank.lock();
        match filled {
            Ok(Some(blank)) if fits() => *held = Some(blank),
            unusable => {
                drop(held);
                // Best effort: its room may be what somebody needs; a restart removes it anyway.
                let _ = self.disk.remove(&path);
                unusable?;
            }
        }
        Ok(())
    }

    fn save_cursors(&self, files: &mut BTreeMap<String, CursorFile>) -> Result<(), SpoolError> {
        let moved: Vec<(String, u64)> = self
            .sinks
            .lock()
            .iter()
            .filter(|(_, sink)| sink.saved != sink.offset || sink.unsaved)
            .map(|(name, sink)| (name.clone(), sink.offset))
            .collect();
        let end = self.next_offset();
        for (name, offset) in moved {
            // The records behind it would be taken for consumed, and the next start for the loss of some.
            assert!(offset <= end, "the cursor of {name} is at {offset}, and the log ends at {end}");
            self.save_cursor(files, &name, offset)?;
            if let Some(sink) = self.sinks.lock().get_mut(&name) {
                (sink.saved, sink.unsaved) = (offset, false);
            }
        }
        Ok(())
    }

    /// Durable when this returns.
    pub(super) fn save_cursor(
        &self,
        files: &mut BTreeMap<String, CursorFile>,
        name: &str,
        offset: u64,
    ) -> Result<(), SpoolError> {
        match files.get_mut(name) {
            Some(file) => file.save(offset),
            // The disk was too full for it when the sink was registered.
            None => {
                let file = CursorFile::create(&*self.disk, &self.directory, self.id, name, offset)?;
                files.insert(name.to_owned(), file);
                Ok(())
            }
        }
    }

    pub(super) fn remove_consumed(&self) -> Result<(), SpoolError> {
        let finished = self.finished_below(|sink| sink.saved).unwrap_or(u64::MAX);
        if self.directory_unsynced.load(Ordering::Acquire) {
            self.sync_names()?;
        }
        let removed: Vec<Segment> = {
            let mut segments = self.segments.lock();
            let removable = self.removable(&segments, finished);
            segments.drain(..removable).collect()
        };
        for (index, segment) in removed.iter().enumerate() {
            if let Err(source) = self.disk.remove(&segment.path) {
                let mut segments = self.segments.lock();
                removed[index..].iter().rev().for_each(|kept| segments.push_front(kept.clone()));
                return Err(SpoolError::io("remove", &segment.path, source));
            }
            if !segment.is_whole() {
                self.compacted_bytes.fetch_sub(segment.file_bytes, Ordering::AcqRel);
                self.kept_bytes.fetch_sub(segment.kept_bytes(), Ordering::AcqRel);
            }
            self.bytes.fetch_sub(segment.file_bytes, Ordering::AcqRel);
            self.metrics.segments_removed.fetch_add(1, Ordering::Relaxed);
            // Synced one by one: a crash must not leave a gap between segments that are still there.
            if let Err(error) = self.sync_names() {
                let mut segments = self.segments.lock();
                removed[index + 1..].iter().rev().for_each(|kept| segments.push_front(kept.clone()));
                return Err(error);
            }
        }
        if !removed.is_empty() {
            self.room.notify();
        }
        Ok(())
    }

    pub(super) fn sync_names(&self) -> Result<(), SpoolError> {
        self.directory_unsynced.store(true, Ordering::Release);
        self.disk.sync_directory(&self.directory).map_err(|source| SpoolError::io("sync", &self.directory, source))?;
        self.directory_unsynced.store(false, Ordering::Release);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake_disk::FakeDisk;
    use super::super::{SpoolOptions, open_on};
    use super::*;
    use crate::contract::Consumer;

    #[test]
    #[should_panic(expected = "and the log ends at 0")]
    fn no_cursor_beyond_the_end_becomes_durable() {
        let options = SpoolOptions { directory: "/spool".into(), max_bytes: 1 << 20, ..SpoolOptions::default() };
        let (_appender, spool, _) = open_on(Arc::new(FakeDisk::new(1)), &options).unwrap();
        spool.register(&Consumer::hold("postgres")).unwrap();
        spool.save_cursor("postgres", 1).unwrap_err();
        if let Some(sink) = spool.shared().sinks.lock().get_mut("postgres") {
            sink.offset = 1;
        }
        let _ = spool.shared().maintain();
    }
}
