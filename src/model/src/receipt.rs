//! The promise to tell a sender when its messages are durable.
//!
//! One receipt stands for everything that one read of one socket brought: it settles when all its parts (one per shard
//! touched) are synced, or committed where the listener asks for that, and wakes the connection once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::Notify;

/// Clones are the same receipt.
#[derive(Clone, Debug)]
pub struct Receipt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts_open: AtomicU32,
    refused: AtomicBool,
    /// Wait for the PostgreSQL commit instead of the fsync.
    on_commit: bool,
    waiter: Arc<Notify>,
}

impl Receipt {
    /// Settles after `parts` calls of [`Receipt::settle_part`]; with 0 parts it is settled at once.
    pub fn new(parts: u32, on_commit: bool, waiter: Arc<Notify>) -> Self {
        Self(Arc::new(Inner { parts_open: AtomicU32::new(parts), refused: AtomicBool::new(false), on_commit, waiter }))
    }

    /// A receipt that nobody waits for.
    pub fn unwatched() -> Self {
        Self::new(1, false, Arc::new(Notify::new()))
    }

    /// One part is durable. The release/acquire pair orders the refusal flag before the last part.
    pub fn settle_part(&self) {
        if self.0.parts_open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.waiter.notify_one();
        }
    }

    /// The part was dropped by policy (`when_full = "drop_newest"`): settle it, but never acknowledge as stored.
    pub fn refuse_part(&self) {
        self.0.refused.store(true, Ordering::Release);
        self.settle_part();
    }

    pub fn is_settled(&self) -> bool {
        self.0.parts_open.load(Ordering::Acquire) == 0
    }

    pub fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Acquire)
    }

    pub fn waits_for_commit(&self) -> bool {
        self.0.on_commit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settles_with_the_last_part_and_wakes_once() {
        let waiter = Arc::new(Notify::new());
        let receipt = Receipt::new(2, false, waiter.clone());
        receipt.settle_part();
        assert!(!receipt.is_settled());
        receipt.refuse_part();
        assert!(receipt.is_settled() && receipt.is_refused());
        waiter.notified().await;
    }
}
