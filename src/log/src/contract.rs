//! What a consumer asks of the log, and nothing more: read on from an offset, judge what a database remembers, keep the
//! consumer's place.
//!
//! The spool implements this for itself; a shared log (JetStream, Kafka) could as well. Nothing here assumes one log in
//! a process: readings and events may have a log each, with consumers of its own.

use crate::history::Resume;
use genims_model::Cause;
use genims_model::{Group, Position};
use std::future::Future;
use std::sync::Arc;

/// Who follows a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// In cursors, positions, metrics and messages: 1 to 64 letters, digits, '-' and '_'.
    pub name: String,
    /// Its commit ends a record's life: receipts that wait for a commit wait for this consumer.
    pub settles: bool,
    pub when_behind: WhenBehind,
}

/// What happens when a consumer stays behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenBehind {
    /// The log keeps everything for it, and appends wait at the cap.
    Hold,
    /// Beyond this backlog it is cut off, unless others that are held for need all of it anyway: what it has not read may go, and
    /// it is brought back from another database.
    Resync { backlog_bytes_max: u64 },
    /// Beyond this backlog the log keeps the rows of its database for it and nothing else: they can be had from nowhere else.
    /// No append waits for it; who takes such rows asks whether the log is full for it.
    Compact { database: String, backlog_bytes_max: u64 },
}

impl WhenBehind {
    /// The backlog that the log keeps whole; `None` for one that it always keeps.
    pub(crate) fn backlog_bytes_max(&self) -> Option<u64> {
        match self {
            Self::Hold => None,
            Self::Resync { backlog_bytes_max } | Self::Compact { backlog_bytes_max, .. } => Some(*backlog_bytes_max),
        }
    }

    /// Of which database rows are kept, however large the backlog is.
    pub(crate) fn rows_of(&self) -> Option<&str> {
        match self {
            Self::Compact { database, .. } => Some(database),
            Self::Hold | Self::Resync { .. } => None,
        }
    }
}

impl Consumer {
    /// One that the log waits for.
    pub fn hold(name: &str) -> Self {
        Self { name: name.to_owned(), settles: false, when_behind: WhenBehind::Hold }
    }

    /// One that may be cut off.
    pub fn resync(name: &str, backlog_bytes_max: u64) -> Self {
        Self { when_behind: WhenBehind::Resync { backlog_bytes_max }, ..Self::hold(name) }
    }

    /// One that loses no row of its database, and that nobody waits for.
    pub fn compact(name: &str, database: &str, backlog_bytes_max: u64) -> Self {
        let database = database.to_owned();
        Self { when_behind: WhenBehind::Compact { database, backlog_bytes_max }, ..Self::hold(name) }
    }

    pub fn settling(self) -> Self {
        Self { settles: true, ..self }
    }
}

/// A durable log of [`Group`]s with dense offsets.
pub trait Log: Send + Sync + 'static {
    type Reader: LogReader;

    /// The oldest offset that can still be read.
    fn first_offset(&self) -> u64;
    /// The offset that the next durable record will get.
    fn next_offset(&self) -> u64;
    /// How a consumer remembers `offset` of this log.
    fn position(&self, offset: u64) -> Position;
    /// Where a consumer goes on that remembers this.
    fn resume(&self, remembered: &Position) -> Resume;
    /// Where the consumer's cursor stands; `None` for one that was never registered.
    fn cursor(&self, consumer: &str) -> Option<u64>;
    /// Reads from the group that holds `from`, or from the oldest when that is gone; fails behind the log's end. A reader
    /// under which records go fails instead of skipping them.
    fn reader(&self, from: u64) -> Result<Self::Reader, Cause>;
    /// Everything below `next_offset` is in the consumer's database: it may be deleted, and commit receipts may settle. A
    /// lower offset than before is ignored. Fails for a consumer that is not registered, and behind the log's end.
    fn save_cursor(&self, consumer: &str, next_offset: u64) -> Result<(), Cause>;
    /// The consumer's database went back: its cursor follows, and what is held from `offset` on stays until the cursor
    /// has passed it again. Answers where the consumer goes on: at `offset`, or at the first record when that is later. A
    /// cursor that stands lower stays where it is.
    fn rewind(&self, consumer: &str, offset: u64) -> Result<u64, Cause>;
    /// Nothing is appended while any consumer is refused: it remembers a history that this log does not hold. `None`
    /// lifts it.
    fn refuse(&self, consumer: &str, cause: Option<String>);
    /// The consumer is being brought up to `offset` from elsewhere: the log keeps records for it again, from there on. Fails
    /// when those are gone too.
    fn restart_at(&self, consumer: &str, offset: u64) -> Result<(), Cause>;
    /// Whether the log no longer keeps records for the consumer.
    fn is_cut_off(&self, consumer: &str) -> bool;
}

/// Reads durable groups in order.
pub trait LogReader: Send {
    /// Waits for the next group. Cancel-safe: a dropped call loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Arc<Group>, Cause>> + Send;
    /// The next group, if one is there already.
    fn try_next(&mut self) -> Result<Option<Arc<Group>>, Cause>;
}
