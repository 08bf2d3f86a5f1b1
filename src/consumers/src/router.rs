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
use genims_stores::routed::gaps::Passed;
use genims_stores::routed::gaps::noted::RouterGap;
use genims_stores::target::{Committed, Target};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// The consumer's name in the first log.
pub const ROUTER: &str = "events";

/// See the module's header. A loop that takes another's place goes on with the same one.
#[derive(Clone)]
pub struct EventRouter {
    events: Arc<Mutex<Events>>,
    passed: Arc<Passed>,
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
    /// Records of a first log that were gone before they were read. The databases learn of them with the next events.
    gaps: Vec<RouterGap>,
}

impl EventRouter {
    /// `marks` are those of the second log as it was opened; `passed` is the cursor in the first, as it was before a router
    /// that was cut off goes on.
    pub fn new(appender: Appender, marks: HashMap<String, u64>, passed: u64) -> Self {
        let gaps = untold(&marks);
        let events = Events { appender, marks, passed, gaps };
        let (events, passed) = (Arc::new(Mutex::new(events)), Arc::default());
        Self { events, passed, log: Uuid::nil(), recovered: (0, 0) }
    }

    /// Rows below `until` count as the source's: an earlier run received them.
    pub fn with_recovered(self, until: u64, source: SourceNo) -> Self {
        Self { recovered: (until, source), ..self }
    }

    /// How far it has come, for the databases behind it.
    pub fn passed(&self) -> &Arc<Passed> {
        &self.passed
    }

    /// Closes the doors before they open where the second log is ahead of the first: the first one would grow past the mark, and
    /// what it grew by would be taken for routed.
    pub fn judge(&self, first: &impl Log) {
        let log = first.position(0).log();
        let Some(position) = remembered(&self.events.lock().marks, log) else { return };
        if let Resume::NotInHistory { .. } = first.resume(&first.position(position)) {
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

/// The first log gets another name: everything below the position has been read. Durable when this returns.
pub fn remember(appender: &mut Appender, position: &Position) -> Result<(), SpoolError> {
    appender.append_marks(vec![Mark { client: mark(position.log()), sequence: position.next_offset() }])
}

impl Target for EventRouter {
    fn name(&self) -> &'static str {
        ROUTER
    }

    async fn open(&mut self, start: &Position, _: u64) -> Result<Position, SinkError> {
        self.log = start.log();
        let events = self.events.lock();
        let read = remembered(&events.marks, self.log).unwrap_or(0);
        let offset = read.max(events.passed);
        self.passed.put(self.log, offset, events.appender.next_offset());
        Ok(start.moved_to(offset))
    }

    fn close(&mut self) {}

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Committed, SinkError> {
        let mark = self.mark();
        let mut events = self.events.lock();
        if position < batch.first_offset {
            events.notice_gap(self.log, position..batch.first_offset, batch.oldest_received_us)?;
        }
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
        } else {
            events.append(piece, &mark, batch.next_offset)?;
        }
        self.passed.put(self.log, batch.next_offset, events.appender.next_offset());
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

/// The gaps behind which no event has been appended yet, whatever the first log is called by now.
fn untold(marks: &HashMap<String, u64>) -> Vec<RouterGap> {
    let marks_of = marks.iter().map(|(client, sequence)| Mark { client: client.clone(), sequence: *sequence });
    let mut gaps = RouterGap::all_of(&marks_of.collect::<Vec<_>>());
    gaps.retain(|gap| remembered(marks, gap.log).unwrap_or(0) < gap.to);
    gaps
}

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
    /// Durable before the first log is passed behind it.
    fn notice_gap(&mut self, log: Uuid, lost: Range<u64>, received_us: Option<i64>) -> Result<(), SinkError> {
        let until_us = u64::try_from(received_us.unwrap_or_else(now_us)).unwrap_or_default();
        let since_us = self.marks.get(Mark::RECEIVED).copied().unwrap_or(0);
        // One that a database is still to be told of goes on.
        let before = self.gaps.iter().find(|gap| gap.log == log).copied();
        let before = before.unwrap_or(RouterGap { log, from: lost.start, to: lost.end, since_us, until_us });
        let gap = RouterGap { to: lost.end, until_us, ..before };
        self.appender.append_marks(gap.marks().to_vec()).map_err(|error| SinkError::Log(Box::new(error)))?;
        self.remember(&gap.marks());
        self.gaps.retain(|gap| gap.log != log);
        self.gaps.push(gap);
        Ok(())
    }

    fn remember(&mut self, marks: &[Mark]) {
        self.marks.extend(marks.iter().map(|mark| (mark.client.clone(), mark.sequence)));
    }

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
        let is_passed = |gap: &RouterGap| self::mark(gap.log) != mark || gap.to <= next_offset;
        for gap in self.gaps.iter().filter(|gap| is_passed(gap)) {
            marks.extend(gap.marks());
            // Of a log that is called otherwise by now nothing else says that its gap was told.
            if self::mark(gap.log) != mark {
                marks.push(Mark { client: self::mark(gap.log), sequence: gap.to });
            }
        }
        let told = marks.clone();
        let mut portion = Portion { events, rows, marks, ..Portion::default() };
        self.appender.append_whole(&mut portion).map_err(|error| SinkError::Log(Box::new(error)))?;
        self.passed = next_offset;
        self.gaps.retain(|gap| self::mark(gap.log) == mark && gap.to > next_offset);
        self.remember(&told);
        Ok(())
    }
}
