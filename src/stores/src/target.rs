//! What the loop that follows the log asks of a database, and what it is told.

use crate::batch::Batch;
use crate::error::SinkError;
use genims_model::{Group, Position, SourceNo};
use std::future::Future;
use std::sync::Arc;

/// Whether a group of the log has anything for a database.
pub type GroupFilter = Arc<dyn Fn(&Group) -> bool + Send + Sync>;

/// How a batch went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Log offset and source of each counted record that the database refused for good.
    pub refused: Vec<(u64, SourceNo)>,
    /// Rows that an earlier run had set aside already, or that were there: sent again.
    pub done_before: Vec<(u64, SourceNo)>,
    /// Further refused records, which no account counts: events, a mirror's documents.
    pub refused_uncounted: u64,
    pub expired: u64,
    pub bytes: u64,
}

impl Committed {
    /// Of the next piece of the same batch.
    pub fn add(&mut self, next: Self) {
        self.refused.extend(next.refused);
        self.done_before.extend(next.done_before);
        self.refused_uncounted += next.refused_uncounted;
        self.expired += next.expired;
        self.bytes += next.bytes;
    }
}

/// A database that follows the log.
pub trait Target: Send {
    /// The sink's name in cursors, positions, metrics and logs.
    fn name(&self) -> &'static str;
    /// Whether anything but programs' rows is for it: else it lacks nothing where the log has kept those alone.
    fn takes_events(&self) -> bool {
        true
    }
    /// Which groups have something for it; without a filter all have. Those that have nothing may wait for one that has.
    fn filter(&self) -> Option<GroupFilter> {
        None
    }
    /// Connects unless a connection is open, and answers with the position that the database remembers for this log;
    /// without one it becomes `start`. Later positions carry the lineage of `start`. Records below `written` may be
    /// there, whatever the database remembers.
    fn open(&mut self, start: &Position, written: u64) -> impl Future<Output = Result<Position, SinkError>> + Send;
    /// Gives the connection up.
    fn close(&mut self);
    /// Commits the batch and moves the position from `position` to the batch's end, or fails with
    /// [`SinkError::PositionMoved`]. After any other error the outcome may be unknown.
    fn commit(&mut self, batch: &Batch, position: u64) -> impl Future<Output = Result<Committed, SinkError>> + Send;
    /// How a batch went that landed although its commit was not confirmed.
    fn recall(&mut self, batch: &Batch) -> impl Future<Output = Result<Committed, SinkError>> + Send;
}
