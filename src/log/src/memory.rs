//! A log in memory, for tests and measurements without a disk.

use crate::contract::{Log, LogReader};
use crate::history::{History, Resume};
use genims_model::{Cause, Group, Position};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Debug)]
pub struct MemoryLog {
    id: Uuid,
    state: Mutex<State>,
    length: watch::Sender<usize>,
}

#[derive(Clone, Debug)]
struct State {
    history: History,
    groups: Vec<Arc<Group>>,
    /// Groups that were removed from the front; readers count them.
    removed: usize,
    cursors: HashMap<String, u64>,
    refusals: BTreeMap<String, String>,
    cut_off: Vec<String>,
}

impl State {
    fn first_offset(&self) -> u64 {
        self.groups.get(self.removed).map_or_else(|| self.next_offset(), |group| group.first_offset)
    }

    fn next_offset(&self) -> u64 {
        self.groups.last().map_or(0, |group| group.next_offset())
    }
}

impl MemoryLog {
    pub fn new(id: Uuid) -> Arc<Self> {
        let mut history = History::new(id);
        history.open(Uuid::new_v4(), 0);
        let (groups, cursors) = (Vec::new(), HashMap::new());
        let state = State { history, groups, removed: 0, cursors, refusals: BTreeMap::new(), cut_off: Vec::new() };
        Self::with(id, state)
    }

    fn with(id: Uuid, state: State) -> Arc<Self> {
        let length = watch::Sender::new(state.groups.len());
        Arc::new(Self { id, state: Mutex::new(state), length })
    }

    /// A copy of the log as it is now, opened by itself: both may go on.
    pub fn copy(&self) -> Arc<Self> {
        let mut state = self.lock().clone();
        let end = state.next_offset();
        state.history.open(Uuid::new_v4(), end);
        state.refusals.clear();
        Self::with(self.id, state)
    }

    /// Removes the groups that lie wholly below `offset`.
    pub fn remove_below(&self, offset: u64) {
        let mut state = self.lock();
        state.removed = state.groups.partition_point(|group| group.next_offset() <= offset);
    }

    /// The log keeps no more records for the consumer.
    pub fn cut_off(&self, consumer: &str) {
        self.lock().cut_off.push(consumer.to_owned());
    }

    /// Why appends would wait.
    pub fn refusal(&self) -> Option<String> {
        self.lock().refusals.values().next().cloned()
    }

    /// What consumers know it by.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Appends with the next offset, whatever the group says.
    pub fn append(&self, mut group: Group) {
        let mut state = self.lock();
        group.first_offset = state.groups.last().map_or(0, |last| last.next_offset());
        state.groups.push(Arc::new(group));
        self.length.send_replace(state.groups.len());
    }

    /// Forgets a sink's cursor, as a crash before its sync would.
    pub fn set_cursor(&self, sink: &str, cursor: u64) {
        self.lock().cursors.insert(sink.to_owned(), cursor);
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

    fn cursor(&self, sink: &str) -> Option<u64> {
        self.lock().cursors.get(sink).copied()
    }

    fn reader(&self, from: u64) -> Result<MemoryReader, Cause> {
        let state = self.lock();
        if from < state.first_offset() {
            return Err(gone(from));
        }
        let next = state.groups.partition_point(|group| group.next_offset() <= from);
        drop(state);
        Ok(MemoryReader { log: self.clone(), next, length: self.length.subscribe() })
    }

    fn save_cursor(&self, sink: &str, next_offset: u64) -> Result<(), Cause> {
        let mut state = self.lock();
        let cursor = state.cursors.entry(sink.to_owned()).or_default();
        *cursor = next_offset.max(*cursor);
        Ok(())
    }

    fn rewind(&self, sink: &str, offset: u64) -> Result<u64, Cause> {
        let mut state = self.lock();
        let offset = offset.max(state.first_offset());
        state.cursors.insert(sink.to_owned(), offset);
        Ok(offset)
    }

    fn refuse(&self, sink: &str, cause: Option<String>) {
        let refusals = &mut self.lock().refusals;
        match cause {
            Some(cause) => refusals.insert(sink.to_owned(), cause),
            None => refusals.remove(sink),
        };
    }

    fn restart_at(&self, sink: &str, offset: u64) -> Result<(), Cause> {
        let mut state = self.lock();
        let first = state.first_offset();
        if offset < first {
            return Err(format!("offset {offset} is gone; the log begins at {first}").into());
        }
        state.cursors.insert(sink.to_owned(), offset);
        state.cut_off.retain(|name| name != sink);
        Ok(())
    }

    fn is_cut_off(&self, sink: &str) -> bool {
        self.lock().cut_off.iter().any(|name| name == sink)
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
            return Err(gone(group.first_offset));
        }
        self.next += usize::from(group.is_some());
        Ok(group)
    }
}

fn gone(offset: u64) -> Cause {
    format!("offset {offset} is gone").into()
}
