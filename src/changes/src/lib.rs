//! Changes of business tables, from the outboxes of the PostgreSQL databases into the audit trail and the change stream.
//!
//! - [`change`], [`canonical`]: one change, and its content as text that can be hashed; `image`: a row as PostgreSQL writes it
//! - [`entry`]: entries of the trail, their chains of hashes, seals over them
//! - [`outbox`]: what of the changes a target lacks
//! - [`trail`], [`stream`]: the targets: MySQL's audit tables, MongoDB's collection
//! - [`follow`]: the loop between them; [`metrics`]: what it shows
//! - [`heads`]: where the chains end, kept outside the server that holds them
//! - [`standing`]: where they end by the last seals
//! - [`verify`], [`export`], [`prune`]: the trail examined, handed to auditors, and shortened when its time is over
//!
//! Invariants: each change arrives once at each target, and those of a row in order; a target that is away delays only itself;
//! what is deleted from an outbox is in all of its targets.

pub mod canonical;
pub mod change;
pub mod entry;
mod error;
pub mod export;
pub mod follow;
pub mod heads;
mod image;
pub mod metrics;
pub mod outbox;
pub mod prune;
mod read;
pub mod standing;
pub mod stream;
pub mod trail;
pub mod verify;

pub use error::ChangesError;
