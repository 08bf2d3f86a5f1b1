//! What a sink asks of the log, and nothing more: read on from an offset, remember a sink's cursor.
//!
//! The spool implements this for itself; a shared log (JetStream, Kafka) could as well.

use genims_model::Cause;
use genims_model::Group;
use std::future::Future;
use std::sync::Arc;
use uuid::Uuid;

/// A durable log of [`Group`]s with dense offsets.
pub trait Log: Send + Sync + 'static {
    type Reader: LogReader;

    /// Names this log for ever: offsets mean something only together with it.
    fn id(&self) -> Uuid;
    /// The oldest offset that can still be read.
    fn first_offset(&self) -> u64;
    /// The offset that the next durable record will get.
    fn next_offset(&self) -> u64;
    /// Where the sink's cursor stands; `None` for a sink that never saved one.
    fn cursor(&self, sink: &str) -> Option<u64>;
    /// Reads from the group that holds `from`, or from the oldest when that is gone.
    fn reader(&self, from: u64) -> Result<Self::Reader, Cause>;
    /// Everything below `next_offset` is in the sink's database: it may be deleted, and commit receipts may settle.
    fn save_cursor(&self, sink: &str, next_offset: u64) -> Result<(), Cause>;
}

/// Reads durable groups in order.
pub trait LogReader: Send {
    /// Waits for the next group. Cancel-safe: a dropped call loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Arc<Group>, Cause>> + Send;
    /// The next group, if one is there already.
    fn try_next(&mut self) -> Result<Option<Arc<Group>>, Cause>;
}
