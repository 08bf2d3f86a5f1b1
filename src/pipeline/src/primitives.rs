//! What [`crate::queue`] is made of. `tests/queue.rs` compiles the queue with loom's counterparts in their place, which
//! run every order of steps and every value that the memory model allows.

pub(crate) use crossbeam::queue::ArrayQueue;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::thread::{Thread, current, park_timeout};
pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::sync::futures::Notified;
