//! The bounded queue in front of a shard: many connections push, the shard's thread pops.
//!
//! Two bounds: chunks (the ring's size) and records (what those chunks may hold together). A push that would exceed
//! either gives the chunk back; the pusher waits for room without blocking its thread. The ring is lock-free
//! (`crossbeam::queue::ArrayQueue`); a sleeping shard costs a pusher one unpark, an awake one nothing.

use crossbeam::queue::ArrayQueue;
use genims_model::Chunk;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use tokio::sync::Notify;

/// Chunks in the ring: one per read of one socket, so this many busy connections fit at once.
const CHUNKS_MAX: usize = 4_096;

/// See the module's header.
#[derive(Debug)]
pub struct ShardQueue {
    ring: ArrayQueue<Chunk>,
    records: AtomicUsize,
    records_max: usize,
    consumer: OnceLock<Thread>,
    asleep: AtomicBool,
    waiters: AtomicUsize,
    room: Notify,
}

impl ShardQueue {
    pub fn new(records_max: usize) -> Self {
        Self {
            ring: ArrayQueue::new(CHUNKS_MAX),
            records: AtomicUsize::new(0),
            records_max,
            consumer: OnceLock::new(),
            asleep: AtomicBool::new(false),
            waiters: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    pub fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Hands the chunk to the shard, or gives it back when there is no room. An oversized chunk is let into an empty
    /// queue, so that nothing waits for ever.
    pub fn push(&self, chunk: Chunk) -> Result<(), Box<Chunk>> {
        let records = chunk.records();
        let before = self.records.fetch_add(records, Ordering::AcqRel);
        if before > 0 && before + records > self.records_max {
            self.records.fetch_sub(records, Ordering::AcqRel);
            return Err(Box::new(chunk));
        }
        if let Err(chunk) = self.ring.push(chunk) {
            self.records.fetch_sub(records, Ordering::AcqRel);
            return Err(Box::new(chunk));
        }
        // SeqCst pairs with `pop_wait`: either it sees the chunk, or we see it asleep.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && let Some(consumer) = self.consumer.get()
        {
            consumer.unpark();
        }
        Ok(())
    }

    /// Resolves when there may be room again. Callers push again and wait again if there is not.
    pub async fn room(&self) {
        let _waiting = Waiting::new(&self.waiters);
        // The time limit covers the window between a failed push and the registration of this waiter.
        let _ = tokio::time::timeout(Duration::from_millis(5), self.room.notified()).await;
    }

    pub fn pop(&self) -> Option<Chunk> {
        let chunk = self.ring.pop()?;
        self.records.fetch_sub(chunk.records(), Ordering::AcqRel);
        if self.waiters.load(Ordering::Relaxed) > 0 {
            self.room.notify_waiters();
        }
        Some(chunk)
    }

    /// The shard's thread: waits for a chunk until `timeout`.
    pub fn pop_wait(&self, timeout: Duration) -> Option<Chunk> {
        if let Some(chunk) = self.pop() {
            return Some(chunk);
        }
        self.consumer.get_or_init(thread::current);
        self.asleep.store(true, Ordering::Relaxed);
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.ring.is_empty() {
            thread::park_timeout(timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
        self.pop()
    }

    /// Wakes the shard's thread, for shutdown.
    pub fn wake(&self) {
        if let Some(consumer) = self.consumer.get() {
            consumer.unpark();
        }
    }
}

/// Counts a waiter for as long as it waits, also when its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiters: &'a AtomicUsize) -> Self {
        waiters.fetch_add(1, Ordering::SeqCst);
        Self(waiters)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
