//! Receipts that wait for the PostgreSQL commit: (offset, receipt) pairs enter when durable, and leave settled when the
//! sink has finished everything below their offset.
//!
//! Bounded. At the bound a receipt is refused at once, which its listener treats as "not stored, send again": safe,
//! because the resend is recognised.

use genims_model::Receipt;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// One receipt is one read of one socket; this many take 24 MiB.
const WAITING_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct CommitQueue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In order of offset, because the one writer queues them.
    waiting: VecDeque<(u64, Receipt)>,
    committed: u64,
}

impl CommitQueue {
    /// Settles the receipt when everything below `offset` is committed, which it may be already. False when it was
    /// refused instead.
    pub(super) fn wait(&self, offset: u64, receipt: Receipt) -> bool {
        let mut state = self.state.lock();
        if offset <= state.committed {
            drop(state);
            receipt.settle_part();
            return true;
        }
        if state.waiting.len() >= WAITING_MAX {
            drop(state);
            receipt.refuse_part();
            return false;
        }
        state.waiting.push_back((offset, receipt));
        true
    }

    pub(super) fn committed(&self, offset: u64) {
        let mut state = self.state.lock();
        state.committed = state.committed.max(offset);
        let count = state.waiting.partition_point(|(due, _)| *due <= offset);
        let settled: Vec<_> = state.waiting.drain(..count).collect();
        drop(state);
        for (_, receipt) in settled {
            receipt.settle_part();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Notify;

    fn receipt() -> Receipt {
        Receipt::new(1, true, Arc::new(Notify::new()))
    }

    #[test]
    fn a_receipt_settles_with_the_commit_that_reaches_it_and_not_before() {
        let queue = CommitQueue::default();
        let (early, late) = (receipt(), receipt());
        assert!(queue.wait(10, early.clone()) && queue.wait(20, late.clone()));
        queue.committed(19);
        assert!(early.is_settled() && !late.is_settled());
        queue.committed(20);
        assert!(late.is_settled());
    }

    #[test]
    fn a_receipt_queued_after_its_commit_settles_at_once() {
        let queue = CommitQueue::default();
        queue.committed(10);
        let receipt = receipt();
        queue.wait(10, receipt.clone());
        assert!(receipt.is_settled() && queue.state.lock().waiting.is_empty());
    }

    #[test]
    fn at_the_bound_a_receipt_is_refused_and_never_forgotten() {
        let queue = CommitQueue::default();
        let shared = Receipt::new(u32::MAX, true, Arc::new(Notify::new()));
        for _ in 0..WAITING_MAX {
            assert!(queue.wait(1, shared.clone()));
        }
        let refused = receipt();
        assert!(!queue.wait(1, refused.clone()));
        assert!(refused.is_settled() && refused.is_refused());
    }
}
