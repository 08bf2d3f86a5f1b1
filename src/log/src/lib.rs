//! The log between the shards and the consumers: what is in it is durable, and everybody reads on from it at their own pace.
//!
//! - [`contract`]: the three things a consumer asks of the log
//! - [`history`]: epochs, and which positions belong to a log
//! - [`file`]: the log as files, with group commit
//! - `memory`: the log in memory, for tests alone

mod compact;
pub mod contract;
pub mod file;
pub mod history;
#[cfg(any(test, feature = "memory"))]
pub mod memory;

#[cfg(test)]
mod suite;
