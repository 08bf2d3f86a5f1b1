//! The log's side of its consumers: who they are, how far each has come, whose histories it knows, whom it waits for.
//!
//! In: cursors that databases confirmed, positions that they remember. Out: where each goes on.
//!
//! - A cursor moves forward with what a database has, back when a database went back, and segments go by what is durable
//!   of it.
//! - While a consumer is refused nothing is appended.
//! - A consumer that is cut off holds nothing, and says so until it is restarted. What is done about those that stay behind:
//!   `behind.rs`.

use super::cursor::{self, CursorFile};
use super::error::SpoolError;
use super::handle::Spool;
use super::shared::Sink;
use crate::contract::{Consumer, WhenBehind};
use crate::history::Resume;
use genims_model::Position;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use uuid::Uuid;

impl Spool {
    /// The log's name towards consumers: offsets of another one mean nothing here. It is [`Spool::id`] until an adoption.
    pub fn name(&self) -> Uuid {
        self.shared().history.lock().name()
    }

    /// How a consumer remembers `offset`.
    pub fn position(&self, offset: u64) -> Position {
        let history = self.shared().history.lock();
        Position::of(history.name(), history.history().lineage(), offset)
    }

    /// Judges what a consumer remembers.
    pub fn resume(&self, remembered: &Position) -> Resume {
        let (first, end) = (self.first_offset(), self.next_offset());
        self.shared().history.lock().history().resume(remembered, first, end)
    }

    /// Gives the log a new name. Afterwards no position under the old one counts; store those under the new one before.
    pub fn adopt(&self, name: Uuid) -> Result<(), SpoolError> {
        let end = self.next_offset();
        self.shared().history.lock().adopt(name, end)
    }

    /// Registers a consumer, and tells where it stopped: its cursor, or the oldest record for a new one. Register all
    /// before the first append: what is consumed by the registered ones may be removed.
    pub fn register(&self, consumer: &Consumer) -> Result<u64, SpoolError> {
        let name = consumer.name.as_str();
        cursor::check_name(name)?;
        let shared = self.shared();
        let mut files = shared.cursor_files.lock();
        let first = shared.first_offset();
        let known = shared.sinks.lock().get(name).cloned();
        let mut sink = match known {
            Some(known) => known,
            None => {
                match CursorFile::create(&*shared.disk, &shared.directory, shared.id, name, first) {
                    Ok(file) => {
                        files.insert(name.to_owned(), file);
                    }
                    // Nothing goes by a cursor without a file, so it may come with the first save that finds room.
                    Err(error) if error.is_shortage() => {
                        tracing::warn!(consumer = name, %error, "no room for a cursor yet")
                    }
                    Err(error) => return Err(error),
                }
                Sink::left(first)
            }
        };
        sink.registered = true;
        sink.settles = consumer.settles;
        sink.when_behind = consumer.when_behind.clone();
        // Of one whose rows are kept none went: its cursor stays, and says what its database had.
        if sink.offset < first && consumer.when_behind.rows_of().is_none() {
            let (missed_from, missed_below) = (sink.offset, first);
            tracing::warn!(consumer = name, missed_from, missed_below, "a consumer returns after its records went");
            match consumer.when_behind {
                WhenBehind::Resync { .. } => sink.cut_off = true,
                WhenBehind::Hold | WhenBehind::Compact { .. } => sink.offset = first,
            }
        }
        let offset = sink.offset;
        shared.sinks.lock().insert(name.to_owned(), sink);
        self.settle_receipts();
        Ok(offset)
    }

    /// Everything below `offset` is finished in this consumer, for good. Cheap: the file follows within a second. A lower
    /// offset than before is ignored; see [`Spool::rewind`].
    pub fn save_cursor(&self, name: &str, offset: u64) -> Result<(), SpoolError> {
        let shared = self.shared();
        let end = self.next_offset();
        if offset > end {
            return Err(SpoolError::OffsetAhead { requested: offset, end });
        }
        let settles = match shared.sinks.lock().get_mut(name) {
            Some(known) if known.registered => {
                known.offset = known.offset.max(offset);
                known.settles
            }
            _ => return Err(SpoolError::UnknownSink(name.to_owned())),
        };
        if settles {
            self.settle_receipts();
        }
        if let Some(finished) = shared.finished_below(|sink| sink.offset) {
            shared.tail.release(finished);
        }
        if shared.can_free() {
            shared.keeper.notify();
        }
        // A writer that waits at the cap may go on as soon as the sinks have everything.
        if shared.full.load(Ordering::Acquire) {
            shared.room.notify();
        }
        Ok(())
    }

    /// How far a consumer has come; `None` for one that was never registered.
    pub fn cursor(&self, name: &str) -> Option<u64> {
        self.shared().sinks.lock().get(name).map(|sink| sink.offset)
    }

    /// Moves a cursor back to `offset`, or to the first record when that is later, and tells which. Durable when this
    /// returns, and nothing from there on is removed before the cursor has passed it again.
    pub fn rewind(&self, name: &str, offset: u64) -> Result<u64, SpoolError> {
        // Housekeeping holds this lock while it removes segments.
        let mut files = self.shared().cursor_files.lock();
        let offset = offset.max(self.first_offset());
        self.place(&mut files, name, |sink| sink.offset = sink.offset.min(offset))?;
        Ok(offset)
    }

    /// A consumer that was cut off is being brought up to `offset` from elsewhere: the log keeps records for it again. Fails
    /// when those from `offset` on are gone too.
    pub fn restart_at(&self, name: &str, offset: u64) -> Result<(), SpoolError> {
        let mut files = self.shared().cursor_files.lock();
        let (first, end) = (self.first_offset(), self.next_offset());
        if offset < first {
            return Err(SpoolError::OffsetGone { requested: offset, first });
        }
        if offset > end {
            return Err(SpoolError::OffsetAhead { requested: offset, end });
        }
        self.place(&mut files, name, |sink| {
            sink.offset = offset;
            sink.cut_off = false;
        })
    }

    fn place(
        &self,
        files: &mut BTreeMap<String, CursorFile>,
        name: &str,
        change: impl FnOnce(&mut Sink),
    ) -> Result<(), SpoolError> {
        let shared = self.shared();
        let offset = {
            let mut sinks = shared.sinks.lock();
            let sink = sinks.get_mut(name).ok_or_else(|| SpoolError::UnknownSink(name.to_owned()))?;
            change(sink);
            sink.saved = sink.saved.min(sink.offset);
            sink.offset
        };
        let saved = shared.save_cursor(files, name, offset);
        if let Some(sink) = self.shared().sinks.lock().get_mut(name) {
            // Housekeeping tries again; until then nothing goes that the place in memory needs.
            sink.unsaved = saved.is_err();
            if saved.is_ok() {
                sink.saved = offset;
            }
        }
        saved
    }

    /// Nothing is appended while any consumer is refused; `None` lifts its refusal.
    pub fn refuse(&self, name: &str, cause: Option<String>) {
        let shared = self.shared();
        let mut refusals = shared.refusals.lock();
        match cause {
            Some(cause) => {
                // The doors close at once, not with the next append.
                shared.full.store(true, Ordering::Release);
                refusals.insert(name.to_owned(), cause);
            }
            None => {
                if refusals.remove(name).is_some() && refusals.is_empty() {
                    shared.full.store(false, Ordering::Release);
                    shared.room.notify();
                }
            }
        }
    }

    /// Why nothing is appended although there may be room.
    pub fn refusal(&self) -> Option<String> {
        self.shared().refusals.lock().values().next().cloned()
    }

    /// Whether the log no longer keeps records for the consumer.
    pub fn is_cut_off(&self, name: &str) -> bool {
        self.shared().sinks.lock().get(name).is_some_and(|sink| sink.cut_off)
    }

    /// Whether no more rows should be taken for the consumer's database: what the log keeps of consumers' rows beyond their
    /// backlogs is as large as its cap, and some of it is before this consumer.
    pub fn is_full_for(&self, name: &str) -> bool {
        self.shared().is_full_for(name)
    }

    /// Below this every consumer that settles is finished; `None` without one.
    pub fn settled(&self) -> Option<u64> {
        let sinks = self.shared().sinks.lock();
        sinks.values().filter(|sink| sink.registered && sink.settles).map(|sink| sink.offset).min()
    }

    fn settle_receipts(&self) {
        if let Some(settled) = self.settled() {
            self.shared().commits.committed(settled);
        }
    }
}
