//! Readings find their shard, are analysed by the one thread that owns their sensor, and leave as portions.
//!
//! - [`intake`]: the listeners' door: decode, resolve, stage, submit; pushes back when a shard is full
//! - [`queue`]: the bounded lock-free queue between the door and a shard

pub mod intake;
pub mod queue;
