//! What flows: the nouns that every room shares. Imports nothing of ours.
//!
//! - [`reading`]: one measured value, raw as decoded and finished as analysed
//! - [`snapshot`]: one SCADA picture of a machine
//! - [`event`]: what the analysis found: faults, health, state changes, OEE hours, lost clients
//! - [`dead_letter`]: what could not be stored, with the reason and the original bytes
//! - [`row`]: one row for a table of any database
//! - [`group`]: what travels between the rooms: chunk, portion, group
//! - [`topics`]: under which topics a chunk's records were published
//! - [`position`]: where a consumer stands in a log
//! - [`receipt`]: the promise to tell a sender when its messages are durable
//! - [`account`]: the accounting identity, per source
//! - [`Backoff`], [`Polling`]: how long to wait between attempts that fail, and between looks
//! - [`budget`]: bytes that may be under way between threads
//! - [`clock`]: what time it is
//! - [`panics`]: which panics end the server
//! - [`counted()`], [`noun`]: a count as people read it

pub mod account;
mod backoff;
pub mod budget;
pub mod clock;
mod counted;
pub mod dead_letter;
pub mod event;
pub mod group;
pub mod panics;
pub mod position;
pub mod reading;
pub mod receipt;
pub mod row;
pub mod snapshot;
pub mod topics;

pub use account::{Account, Accounts, RecordOutcome, SourceNo};
pub use backoff::{Backoff, Polling};
pub use budget::ByteBudget;
pub use clock::now_us;
pub use counted::{counted, noun};
pub use dead_letter::{DeadLetter, Reason};
pub use event::Event;
pub use group::{Chunk, Group, Mark, Portion};
pub use position::{Epoch, Lineage, LineageError, Position};
pub use reading::{MachineNo, Protocol, Quality, RawReading, Reading, SensorNo, Status};
pub use receipt::Receipt;
pub use row::Row;
pub use snapshot::Snapshot;
pub use topics::Topics;

/// A cause from a lower room, kept whole.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;
