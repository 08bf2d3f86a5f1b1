//! From the log of everything into the log of events, so that a small database's backlog never pins the readings.
//!
//! In: batches of the first log. Out: their events and rows, appended to the second in the same order, together with how far the
//! first one has been read. Both are in one record of the second log, durable together: an event or a row is there once.

use genims_log::contract::Log;
use genims_log::file::{Appender, SpoolError};
use genims_log::history::Resume;
use genims_model::{Event, Group, Mark, Portion, Position, Row, SourceNo, now_us};
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
    /// Records below were left by an earlier run, and are in the account of this source.
    recovered: (u64, SourceNo),
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
        Self { events: Arc::new(Mutex::new(Events { appender, marks, passed })), log: Uuid::nil(), recovered: (0, 0) }
    }

    /// Rows below `until` count as the source's: an earlier run received them.
    pub fn with_recovered(self, until: u64, source: SourceNo) -> Self {
        Self { recovered: (until, source), ..self }
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
pub(crate) fn mark(log: Uuid) -> String {
    format!("{}{log}", Mark::RESERVED)
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
        let mark = self.mark();
        let mut events = self.events.lock();
        let read = events.marks.get(&mark).copied().unwrap_or(0);
        let mut piece = Piece::default();
        let bytes_max = PIECE_BYTES_MAX.min(events.appender.record_bytes_max());
        for group in &batch.groups {
            let told = (group.first_event_offset()..).zip(&group.events).filter(|(offset, _)| *offset >= read);
            told.for_each(|(_, event)| piece.tell(event, group));
            for (offset, row) in (group.first_row_offset()..).zip(&group.rows).filter(|(offset, _)| *offset >= read) {
                piece.bytes += row.bytes();
                // Its account is not that of this run.
                let source = if offset < self.recovered.0 { self.recovered.1 } else { row.source };
                piece.rows.push(Row { source, ..row.clone() });
            }
            // Between groups alone: a mark within one would have the next router begin in its middle.
            if piece.bytes > bytes_max {
                events.append(std::mem::take(&mut piece), &mark, group.next_offset())?;
            }
        }
        if piece.is_empty() {
            events.passed = batch.next_offset;
            return Ok(Committed::default());
        }
        events.append(piece, &mark, batch.next_offset)?;
        Ok(Committed::default())
    }

    async fn recall(&mut self, _: &Batch) -> Result<Committed, SinkError> {
        Ok(Committed::default())
    }
}

/// After this much a record of the second log ends, with its mark: it is appended whole.
const PIECE_BYTES_MAX: usize = 256 * 1024;
/// An event in the second log, names of its fields included.
const EVENT_BYTES: usize = 384;

/// Records of the first log on their way into the second.
#[derive(Default)]
struct Piece {
    events: Vec<Event>,
    rows: Vec<Row>,
    bytes: usize,
    /// When the oldest record that the events tell of was received, and of which group that was asked last.
    received_us: Option<i64>,
    group: Option<u64>,
}

impl Piece {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.rows.is_empty()
    }

    fn tell(&mut self, event: &Event, group: &Group) {
        self.bytes += match event {
            Event::ClientLost { will_payload, .. } => EVENT_BYTES + will_payload.len(),
            _ => EVENT_BYTES,
        };
        self.events.push(event.clone());
        // Once a group.
        if self.group != Some(group.first_offset) {
            self.group = Some(group.first_offset);
            self.received_us = self.received_us.into_iter().chain(oldest_received_us(group)).min();
        }
    }
}

impl Events {
    /// Appends what was read of the first log up to `next_offset`.
    fn append(&mut self, piece: Piece, mark: &str, next_offset: u64) -> Result<(), SinkError> {
        let Piece { events, rows, received_us, .. } = piece;
        let mut marks = Vec::new();
        if !events.is_empty() {
            // What nobody sent, a silence, begins with us. Rows say it themselves.
            let received_us = u64::try_from(received_us.unwrap_or_else(now_us)).unwrap_or_default();
            marks.push(Mark { client: Mark::RECEIVED.to_owned(), sequence: received_us });
        }
        marks.push(Mark { client: mark.to_owned(), sequence: next_offset });
        let mut portion = Portion { events, rows, marks, ..Portion::default() };
        self.appender.append_whole(&mut portion).map_err(|error| SinkError::Log(Box::new(error)))?;
        self.passed = next_offset;
        self.marks.insert(mark.to_owned(), next_offset);
        Ok(())
    }
}
