//! A log in memory, for tests and measurements without a disk.

use crate::contract::{Log, LogReader};
use genims_model::{Cause, Group};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Debug)]
pub struct MemoryLog {
    id: Uuid,
    state: Mutex<State>,
    length: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    groups: Vec<Arc<Group>>,
    cursors: HashMap<String, u64>,
}

impl MemoryLog {
    pub fn new(id: Uuid) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default(), length: watch::Sender::new(0) })
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Arc<MemoryLog> {
    type Reader = MemoryReader;

    fn id(&self) -> Uuid {
        self.id
    }

    fn first_offset(&self) -> u64 {
        self.lock().groups.first().map_or(0, |group| group.first_offset)
    }

    fn next_offset(&self) -> u64 {
        self.lock().groups.last().map_or(0, |group| group.next_offset())
    }

    fn cursor(&self, sink: &str) -> Option<u64> {
        self.lock().cursors.get(sink).copied()
    }

    fn reader(&self, from: u64) -> Result<MemoryReader, Cause> {
        let next = self.lock().groups.partition_point(|group| group.next_offset() <= from);
        Ok(MemoryReader { log: self.clone(), next, length: self.length.subscribe() })
    }

    fn save_cursor(&self, sink: &str, next_offset: u64) -> Result<(), Cause> {
        self.lock().cursors.insert(sink.to_owned(), next_offset);
        Ok(())
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
        let group = self.log.lock().groups.get(self.next).cloned();
        self.next += usize::from(group.is_some());
        Ok(group)
    }
}
