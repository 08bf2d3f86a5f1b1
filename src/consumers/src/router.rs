//! From the log of everything into the log of events, so that a small database's backlog never pins the readings.
//!
//! In: batches of the first log. Out: their events, appended to the second in the same order, together with how far the first
//! one has been read. Both are in one record of the second log, durable together: an event is there once.

use genims_log::contract::Log;
use genims_log::file::{Appender, SpoolError};
use genims_log::history::Resume;
use genims_model::{Mark, Portion, Position, now_us};
use genims_stores::SinkError;
use genims_stores::batch::{Batch, oldest_received_us};
use genims_stores::target::{Committed, Target};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// The consumer's name in the first log.
pub const ROUTER: &str = "events";

/// See the module's header. A loop that takes another's place goes on with the same one.
#[derive(Clone)]
pub struct EventRouter {
    events: Arc<Mutex<Events>>,
    log: Uuid,
}

/// The second log.
struct Events {
    appender: Appender,
    /// How far each first log has been read, as of its last event.
    marks: HashMap<String, u64>,
    /// How far the first log has been read: what holds no event is passed over without a mark.
    passed: u64,
}

impl EventRouter {
    /// `marks` are those of the second log as it was opened; `passed` is the cursor in the first, as it was before a router
    /// that was cut off goes on.
    pub fn new(appender: Appender, marks: HashMap<String, u64>, passed: u64) -> Self {
        Self { events: Arc::new(Mutex::new(Events { appender, marks, passed })), log: Uuid::nil() }
    }

    /// Closes the doors before they open where the second log is ahead of the first: the first one would grow past the mark, and
    /// what it grew by would be taken for routed.
    pub fn judge(&self, first: &impl Log) {
        let start = first.position(0);
        let Some(position) = remembered(&self.events.lock().marks, start.log) else { return };
        if let Resume::NotInHistory { .. } = first.resume(&Position { offset: position, ..start }) {
            let error = SinkError::NotInHistory { sink: ROUTER, position, end: first.next_offset() };
            first.refuse(ROUTER, Some(error.to_string()));
        }
    }

    fn mark(&self) -> String {
        mark(self.log)
    }
}

/// Under which name the second log's marks say how far the first one has been read: what the first is called.
fn mark(log: Uuid) -> String {
    format!("log/{log}")
}

/// How far the first log has been read as of the last event, by the marks of the second; `None` before the first event.
pub fn remembered(marks: &HashMap<String, u64>, log: Uuid) -> Option<u64> {
    marks.get(&mark(log)).copied()
}

/// The first log gets another name: everything below the position's offset has been read. Durable when this returns.
pub fn remember(appender: &mut Appender, position: &Position) -> Result<(), SpoolError> {
    appender.append_marks(vec![Mark { client: mark(position.log), sequence: position.offset }])
}

impl Target for EventRouter {
    fn name(&self) -> &'static str {
        ROUTER
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        self.log = start.log;
        let events = self.events.lock();
        let read = remembered(&events.marks, self.log).unwrap_or(0);
        Ok(Position { offset: read.max(events.passed), ..start.clone() })
    }

    fn close(&mut self) {}

    async fn commit(&mut self, batch: &Batch, _: u64) -> Result<Committed, SinkError> {
        let events: Vec<_> = batch.events().map(|(_, event)| event.clone()).collect();
        if events.is_empty() {
            self.events.lock().passed = batch.next_offset;
            return Ok(Committed::default());
        }
        let mark = Mark { client: self.mark(), sequence: batch.next_offset };
        let told = batch.groups.iter().filter(|group| !group.events.is_empty());
        // What nobody sent, a silence, begins with us.
        let received_us = told.filter_map(|group| oldest_received_us(group)).min().unwrap_or_else(now_us);
        let received =
            Mark { client: Mark::RECEIVED.to_owned(), sequence: u64::try_from(received_us).unwrap_or_default() };
        let mut portion = Portion { events, marks: vec![received, mark.clone()], ..Portion::default() };
        let mut events = self.events.lock();
        events.appender.append(&mut portion).map_err(|error| SinkError::Log(Box::new(error)))?;
        events.passed = mark.sequence;
        events.marks.insert(mark.client, mark.sequence);
        Ok(Committed::default())
    }

    async fn recall(&mut self, _: &Batch) -> Result<Committed, SinkError> {
        Ok(Committed::default())
    }
}
