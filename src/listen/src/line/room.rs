//! What the heads of overlong lines may hold together, whichever connections of a listener they come by.
//!
//! Invariant: the shares of a room never add up to more than it has; a share gives back what it took when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct Room {
    free: AtomicUsize,
}

impl Room {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { free: AtomicUsize::new(bytes) })
    }

    /// An empty one.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { room: self.clone(), bytes: 0 }
    }
}

#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Share {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes what is free of `bytes`.
    pub(super) fn grow(&mut self, bytes: usize) {
        let free = &self.room.free;
        let taken = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| Some(free.saturating_sub(bytes)));
        // Always an answer: nothing above says no.
        let (Ok(before) | Err(before)) = taken;
        self.bytes += before.min(bytes);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
