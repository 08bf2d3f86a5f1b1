//! A log in memory, for tests and measurements without a disk. It keeps what the contract promises, as `suite` shows; beside
//! it a test can take records away, cut a consumer off, or forget a cursor, as damage and crashes do.

use crate::contract::{Consumer, Log, LogReader, WhenBehind};
use crate::file::SpoolError;
use crate::history::{History, Resume};
use genims_model::{Cause, Group, Position};
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
    /// Groups that were removed from the front; readers count them.
    removed: usize,
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
#[derive(Clone, Copy, Debug)]
struct Known {
    cursor: u64,
    /// Since this opening; others hold nothing.
    registered: bool,
    when_behind: WhenBehind,
    cut_off: bool,
}

impl Known {
    fn holds(&self) -> bool {
        self.registered && !self.cut_off
    }
}

impl State {
    fn first_offset(&self) -> u64 {
        self.groups.get(self.removed).map_or_else(|| self.next_offset(), |group| group.first_offset)
    }

    fn next_offset(&self) -> u64 {
        self.groups.last().map_or(0, |group| group.next_offset())
    }

    /// What is held from `offset` on occupies.
    fn bytes(&self, offset: u64) -> u64 {
        let held = self.groups[self.removed..].iter().filter(|group| group.next_offset() > offset);
        held.map(|group| group.bytes() as u64).sum()
    }

    /// Below this every consumer that holds records is finished.
    fn finished(&self) -> u64 {
        let holding = self.consumers.values().filter(|known| known.holds());
        holding.map(|known| known.cursor).min().unwrap_or(u64::MAX)
    }

    /// Cuts off who holds too much, and removes what everybody has passed.
    fn maintain(&mut self) {
        let backlogs: Vec<u64> = self.consumers.values().map(|known| self.bytes(known.cursor)).collect();
        for (known, backlog) in self.consumers.values_mut().zip(backlogs) {
            if let WhenBehind::Resync { backlog_bytes_max } = known.when_behind {
                known.cut_off |= known.registered && backlog > backlog_bytes_max;
            }
        }
        if self.has_appended {
            let finished = self.finished();
            self.removed = self.removed.max(self.groups.partition_point(|group| group.next_offset() <= finished));
        }
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
        fits(self) || self.finished() >= self.next_offset()
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
        state.consumers.values_mut().for_each(|known| (known.registered, known.cut_off) = (false, false));
        (state.waiting, state.has_appended) = (0, false);
        Self::with(self.id, state)
    }

    /// Makes the log keep records for a consumer, and tells where it stopped: its cursor, or the oldest record for a new one.
    pub fn register(&self, consumer: &Consumer) -> u64 {
        let mut state = self.lock();
        let first = state.first_offset();
        let when_behind = consumer.when_behind;
        let new = Known { cursor: first, registered: true, when_behind, cut_off: false };
        let known = state.consumers.entry(consumer.name.clone()).or_insert(new);
        (known.registered, known.when_behind) = (true, when_behind);
        if known.cursor < first {
            match when_behind {
                WhenBehind::Hold => known.cursor = first,
                WhenBehind::Resync { .. } => known.cut_off = true,
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
        Position { log: self.id, lineage: self.lock().history.lineage(), offset }
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
        let next = state.groups.partition_point(|group| group.next_offset() <= from).max(state.removed);
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
    next: usize,
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
        let group = state.groups.get(self.next).cloned();
        if let Some(group) = group.as_ref().filter(|_| self.next < state.removed) {
            let (requested, first) = (group.first_offset, state.first_offset());
            return Err(SpoolError::OffsetGone { requested, first }.into());
        }
        self.next += usize::from(group.is_some());
        Ok(group)
    }
}
