//! A log in memory, for tests without a disk. It keeps what the contract promises, as `suite` shows; beside
//! it a test can take records away, cut a consumer off, or forget a cursor, as damage and crashes do.

use crate::compact::compact;
use crate::contract::{Consumer, Log, LogReader, WhenBehind};
use crate::file::SpoolError;
use crate::history::{History, Resume};
use genims_model::{Cause, Group, Position, Row};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Debug)]
pub struct MemoryLog {
    id: Uuid,
    state: Mutex<State>,
    length: watch::Sender<usize>,
    /// Notified when an append that waits may go on.
    room: Condvar,
}

#[derive(Clone, Debug)]
struct State {
    history: History,
    groups: Vec<Arc<Group>>,
    /// Groups that were removed from the front.
    removed: usize,
    /// Of groups below nothing but rows that somebody needs is left, and they do not count towards the cap.
    compacted_below: u64,
    consumers: BTreeMap<String, Known>,
    refusals: BTreeMap<String, String>,
    /// What the groups that are held may occupy.
    bytes_max: u64,
    /// Appends that wait.
    waiting: usize,
    /// Nothing goes before the first append: all consumers are registered by then.
    has_appended: bool,
}

/// A consumer, and how far it has come.
#[derive(Clone, Debug)]
struct Known {
    cursor: u64,
    /// Since this opening; others hold nothing.
    registered: bool,
    when_behind: WhenBehind,
    cut_off: bool,
    /// Only its rows are kept for it.
    behind: bool,
}

impl Known {
    fn holds(&self) -> bool {
        self.registered && !self.cut_off
    }

    /// Whether an append may have to wait for it.
    fn is_waited_for(&self) -> bool {
        self.holds() && self.when_behind.rows_of().is_none()
    }
}

impl State {
    fn first_offset(&self) -> u64 {
        self.groups.get(self.removed).map_or_else(|| self.next_offset(), |group| group.first_offset)
    }

    fn next_offset(&self) -> u64 {
        self.groups.last().map_or(0, |group| group.next_offset())
    }

    /// What is held whole from `offset` on occupies.
    fn bytes(&self, offset: u64) -> u64 {
        let from = offset.max(self.compacted_below);
        let held = self.groups[self.removed..].iter().filter(|group| group.next_offset() > from);
        held.map(|group| group.bytes() as u64).sum()
    }

    /// Below this all such consumers are finished.
    fn finished(&self, such: impl Fn(&Known) -> bool) -> u64 {
        let holding = self.consumers.values().filter(|known| such(known));
        holding.map(|known| known.cursor).min().unwrap_or(u64::MAX)
    }

    /// Cuts off who alone holds too much, removes what everybody has passed, and compacts what only those who are behind need.
    fn maintain(&mut self) {
        let backlogs: Vec<u64> = self.consumers.values().map(|known| self.bytes(known.cursor)).collect();
        let kept_from = self.finished(|known| known.holds() && known.when_behind.backlog_bytes_max().is_none());
        for (known, backlog) in self.consumers.values_mut().zip(backlogs) {
            let bytes_max = known.when_behind.backlog_bytes_max();
            let is_beyond = known.registered && bytes_max.is_some_and(|bytes_max| backlog > bytes_max);
            let keeps_rows = known.when_behind.rows_of().is_some();
            known.cut_off |= is_beyond && !keeps_rows && known.cursor < kept_from;
            known.behind = is_beyond && keeps_rows;
        }
        if self.has_appended {
            let finished = self.finished(Known::holds);
            self.removed = self.removed.max(self.groups.partition_point(|group| group.next_offset() <= finished));
            self.compact();
        }
    }

    fn compact(&mut self) {
        let holding = || self.consumers.values().filter(|known| known.holds());
        let waiting: Vec<(String, u64)> =
            holding().filter_map(|known| Some((known.when_behind.rows_of()?.to_owned(), known.cursor))).collect();
        if waiting.is_empty() {
            return;
        }
        let is_behind = holding().any(|known| known.behind);
        let passed = self.finished(|known| known.holds() && !known.behind).min(self.next_offset());
        // What was compacted before loses what has been taken since.
        let below = if is_behind { passed.max(self.compacted_below) } else { self.compacted_below };
        let from = self.removed;
        let to = self.groups.partition_point(|group| group.next_offset() <= below).max(from);
        let is_needed = |offset: u64, row: &Row| {
            waiting.iter().any(|(database, cursor)| *database == row.database && offset >= *cursor)
        };
        let parts = self.groups[from..to].iter().flat_map(|group| compact(group, is_needed));
        let parts: Vec<Arc<Group>> = parts.map(Arc::new).collect();
        self.groups.splice(from..to, parts);
        self.compacted_below = below;
        // Of which nothing is left goes when it is the oldest.
        let compacted = self.groups[from..].iter().take_while(|group| group.next_offset() <= self.compacted_below);
        self.removed += compacted.take_while(|group| group.skipped == group.len()).count();
    }

    /// Whether a group may be appended now.
    fn has_room(&mut self, group: &Group) -> bool {
        if !self.refusals.is_empty() {
            return false;
        }
        let fits = |state: &Self| state.bytes(0).saturating_add(group.bytes() as u64) <= state.bytes_max;
        if !fits(self) {
            self.maintain();
        }
        fits(self) || self.finished(Known::is_waited_for) >= self.next_offset()
    }

    fn known(&mut self, consumer: &str) -> Result<&mut Known, SpoolError> {
        let known = self.consumers.get_mut(consumer).filter(|known| known.registered);
        known.ok_or_else(|| SpoolError::UnknownSink(consumer.to_owned()))
    }

    /// Fails for an offset that no record has had.
    fn check_not_ahead(&self, requested: u64) -> Result<(), SpoolError> {
        let end = self.next_offset();
        if requested > end { Err(SpoolError::OffsetAhead { requested, end }) } else { Ok(()) }
    }
}

impl MemoryLog {
    /// One that takes everything.
    pub fn new(id: Uuid) -> Arc<Self> {
        Self::bounded(id, u64::MAX)
    }

    /// One in which appends wait while it holds so many bytes for its consumers.
    pub fn bounded(id: Uuid, bytes_max: u64) -> Arc<Self> {
        let mut history = History::new(id);
        history.open(Uuid::new_v4(), 0);
        let state = State {
            history,
            groups: Vec::new(),
            removed: 0,
            compacted_below: 0,
            consumers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            bytes_max,
            waiting: 0,
            has_appended: false,
        };
        Self::with(id, state)
    }

    fn with(id: Uuid, state: State) -> Arc<Self> {
        let length = watch::Sender::new(state.groups.len());
        Arc::new(Self { id, state: Mutex::new(state), length, room: Condvar::new() })
    }

    /// A copy of the log as it is now, opened by itself: both may go on. Its consumers have to register again.
    pub fn copy(&self) -> Arc<Self> {
        let mut state = self.lock().clone();
        let end = state.next_offset();
        state.history.open(Uuid::new_v4(), end);
        state.refusals.clear();
        for known in state.consumers.values_mut() {
            (known.registered, known.cut_off, known.behind) = (false, false, false);
        }
        (state.waiting, state.has_appended) = (0, false);
        Self::with(self.id, state)
    }

    /// Makes the log keep records for a consumer, and tells where it stopped: its cursor, or the oldest record for a new one.
    pub fn register(&self, consumer: &Consumer) -> u64 {
        let mut state = self.lock();
        let first = state.first_offset();
        let when_behind = consumer.when_behind.clone();
        let new = Known { cursor: first, registered: true, when_behind, cut_off: false, behind: false };
        let known = state.consumers.entry(consumer.name.clone()).or_insert(new);
        (known.registered, known.when_behind) = (true, consumer.when_behind.clone());
        if known.cursor < first && consumer.when_behind.rows_of().is_none() {
            match consumer.when_behind {
                WhenBehind::Resync { .. } => known.cut_off = true,
                WhenBehind::Hold | WhenBehind::Compact { .. } => known.cursor = first,
            }
        }
        known.cursor
    }

    /// Housekeeping: consumers that hold too much are cut off, and what nobody needs goes.
    pub fn maintain(&self) {
        self.lock().maintain();
        self.room.notify_all();
    }

    /// Removes the groups that lie wholly below `offset`, whoever needs them.
    pub fn remove_below(&self, offset: u64) {
        let mut state = self.lock();
        state.removed = state.groups.partition_point(|group| group.next_offset() <= offset);
    }

    /// The log keeps no more records for the consumer.
    pub fn cut_off(&self, consumer: &str) {
        if let Some(known) = self.lock().consumers.get_mut(consumer) {
            known.cut_off = true;
        }
    }

    /// See [`crate::file::Spool::is_full_for`].
    pub fn is_full_for(&self, consumer: &str) -> bool {
        let state = self.lock();
        let known = state.consumers.get(consumer).filter(|known| known.holds() && !known.is_waited_for());
        let held = state.groups[state.removed..].iter();
        let compacted = held.take_while(|group| group.next_offset() <= state.compacted_below);
        let bytes: u64 = compacted.map(|group| group.bytes() as u64).sum();
        known.is_some_and(|known| known.cursor < state.compacted_below) && bytes > state.bytes_max
    }

    /// Why appends would wait.
    pub fn refusal(&self) -> Option<String> {
        self.lock().refusals.values().next().cloned()
    }

    /// Whether an append waits.
    pub fn is_blocked(&self) -> bool {
        self.lock().waiting > 0
    }

    /// What consumers know it by.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Appends with the next offset, whatever the group says. Waits while a consumer is refused, and for room. Marks alone
    /// have no offset, and are not shown.
    pub fn append(&self, mut group: Group) {
        let mut state = self.lock();
        state.has_appended = true;
        while !state.has_room(&group) {
            state.waiting += 1;
            self.room.wait(&mut state);
            state.waiting -= 1;
        }
        if group.is_empty() {
            return;
        }
        group.first_offset = state.next_offset();
        state.groups.push(Arc::new(group));
        self.length.send_replace(state.groups.len());
    }

    /// Forgets a consumer's cursor, as a crash before its sync would.
    pub fn set_cursor(&self, consumer: &str, cursor: u64) {
        if let Some(known) = self.lock().consumers.get_mut(consumer) {
            known.cursor = cursor;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Log for Arc<MemoryLog> {
    type Reader = MemoryReader;

    fn first_offset(&self) -> u64 {
        self.lock().first_offset()
    }

    fn next_offset(&self) -> u64 {
        self.lock().next_offset()
    }

    fn position(&self, offset: u64) -> Position {
        Position::of(self.id, self.lock().history.lineage(), offset)
    }

    fn resume(&self, remembered: &Position) -> Resume {
        let state = self.lock();
        state.history.resume(remembered, state.first_offset(), state.next_offset())
    }

    fn cursor(&self, consumer: &str) -> Option<u64> {
        self.lock().consumers.get(consumer).map(|known| known.cursor)
    }

    fn reader(&self, from: u64) -> Result<MemoryReader, Cause> {
        let state = self.lock();
        state.check_not_ahead(from)?;
        let next = from.max(state.first_offset());
        drop(state);
        Ok(MemoryReader { log: self.clone(), next, length: self.length.subscribe() })
    }

    fn save_cursor(&self, consumer: &str, next_offset: u64) -> Result<(), Cause> {
        let mut state = self.lock();
        state.check_not_ahead(next_offset)?;
        let known = state.known(consumer)?;
        known.cursor = next_offset.max(known.cursor);
        self.room.notify_all();
        Ok(())
    }

    fn rewind(&self, consumer: &str, offset: u64) -> Result<u64, Cause> {
        let mut state = self.lock();
        let offset = offset.max(state.first_offset());
        let known = state.known(consumer)?;
        known.cursor = offset.min(known.cursor);
        Ok(offset)
    }

    fn refuse(&self, consumer: &str, cause: Option<String>) {
        let refusals = &mut self.lock().refusals;
        match cause {
            Some(cause) => refusals.insert(consumer.to_owned(), cause),
            None => refusals.remove(consumer),
        };
        self.room.notify_all();
    }

    fn restart_at(&self, consumer: &str, offset: u64) -> Result<(), Cause> {
        let mut state = self.lock();
        let first = state.first_offset();
        if offset < first {
            return Err(SpoolError::OffsetGone { requested: offset, first }.into());
        }
        state.check_not_ahead(offset)?;
        let known = state.known(consumer)?;
        (known.cursor, known.cut_off) = (offset, false);
        Ok(())
    }

    fn is_cut_off(&self, consumer: &str) -> bool {
        self.lock().consumers.get(consumer).is_some_and(|known| known.cut_off)
    }
}

#[derive(Debug)]
pub struct MemoryReader {
    log: Arc<MemoryLog>,
    /// The offset that comes next.
    next: u64,
    length: watch::Receiver<usize>,
}

impl LogReader for MemoryReader {
    async fn next(&mut self) -> Result<Arc<Group>, Cause> {
        loop {
            if let Some(group) = self.try_next()? {
                return Ok(group);
            }
            self.length.changed().await?;
        }
    }

    fn try_next(&mut self) -> Result<Option<Arc<Group>>, Cause> {
        self.length.borrow_and_update();
        let state = self.log.lock();
        let index = state.groups.partition_point(|group| group.next_offset() <= self.next);
        if index < state.removed {
            return Err(SpoolError::OffsetGone { requested: self.next, first: state.first_offset() }.into());
        }
        let group = state.groups.get(index).cloned();
        self.next = group.as_ref().map_or(self.next, |group| group.next_offset());
        Ok(group)
    }
}
