//! Bytes that may be under way between two threads: taken before a portion leaves its shard, given back when the portion
//! is dropped, durable or given up. One lock a portion, never one a reading.
//!
//! Invariant: what is held exceeds the bound only while a single oversized portion is alone.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;

#[derive(Debug)]
pub struct ByteBudget {
    bytes_max: usize,
    used: Mutex<Used>,
    room: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    now: usize,
    peak: usize,
}

impl ByteBudget {
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: Mutex::default(), room: Condvar::new() })
    }

    /// Waits for room, which whoever drops a [`Held`] makes; a portion larger than the bound waits until it is alone.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Held {
        let mut used = self.lock();
        while used.now > 0 && used.now + bytes > self.bytes_max {
            self.room.wait(&mut used);
        }
        used.now += bytes;
        used.peak = used.peak.max(used.now);
        drop(used);
        Held { budget: self.clone(), bytes }
    }

    /// The most that was ever held at once.
    pub fn peak(&self) -> usize {
        self.lock().peak
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock()
    }
}

/// A share of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.lock().now -= self.bytes;
        self.budget.room.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn many_takers_never_hold_more_than_the_bound_and_all_get_through() {
        let budget = ByteBudget::new(100);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..200).for_each(|_| drop(budget.take(30))));
            }
        });
        assert!((30..=100).contains(&budget.peak()), "{}", budget.peak());
    }

    #[test]
    fn what_exceeds_the_bound_gets_through_alone() {
        let budget = ByteBudget::new(100);
        drop(budget.take(250));
        let small = budget.take(1);
        thread::scope(|scope| {
            let large = scope.spawn(|| drop(budget.take(300)));
            assert!(!large.is_finished());
            drop(small);
        });
        assert_eq!(budget.peak(), 300);
    }
}
