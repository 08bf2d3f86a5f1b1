//! The bounded queue in front of a shard: many connections push, the shard's thread pops.
//!
//! Three bounds: chunks (the ring's size), records and bytes (what those chunks may hold together: a dead letter carries
//! up to 1 MiB). A push that would exceed one of them gives the chunk back; the pusher waits for room without blocking its thread. The ring is lock-free
//! (`crossbeam::queue::ArrayQueue`); a sleeping shard costs a pusher one unpark, an awake one nothing.
//!
//! No wake-up is lost, and nothing polls: whoever waits announces it first and looks again, whoever changes the queue
//! changes it first and then looks for announcements, with a sequentially consistent fence between the two on either
//! side. Room for chunk, records and bytes is taken in one step or not at all, so a push that fails has changed nothing that
//! another could have failed on.

use crate::primitives::{
    ArrayQueue, AtomicBool, AtomicU64, AtomicUsize, Notified, Notify, Ordering, Thread, current, fence, park_timeout,
};
use genims_model::Chunk;
use std::sync::OnceLock;
use std::time::Duration;

/// Chunks in the ring: one per read of one socket, so this many busy connections fit at once.
const CHUNKS_MAX: usize = 4_096;

/// What is in the queue: chunks, records and bytes (in units of 64) in the bits of one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load(u64);

impl Load {
    const BYTES_UNIT: usize = 64;
    const BYTES_BITS: u32 = 27;
    const RECORDS_BITS: u32 = 24;
    /// Half of what the bits can say: two of them add up without a carry.
    const BYTES_MAX: usize = 1 << (Self::BYTES_BITS - 1);
    const RECORDS_MAX: usize = 1 << (Self::RECORDS_BITS - 1);

    fn new(chunks: usize, records: usize, bytes: usize) -> Self {
        let bytes = bytes.div_ceil(Self::BYTES_UNIT).min(Self::BYTES_MAX - 1) as u64;
        let records = records.min(Self::RECORDS_MAX - 1) as u64;
        Self(bytes | records << Self::BYTES_BITS | (chunks as u64) << (Self::BYTES_BITS + Self::RECORDS_BITS))
    }

    fn of(chunk: &Chunk) -> Self {
        Self::new(1, chunk.records(), chunk.bytes())
    }

    fn bytes(self) -> u64 {
        self.0 & ((1 << Self::BYTES_BITS) - 1)
    }

    fn records(self) -> u64 {
        self.0 >> Self::BYTES_BITS & ((1 << Self::RECORDS_BITS) - 1)
    }

    fn chunks(self) -> u64 {
        self.0 >> (Self::BYTES_BITS + Self::RECORDS_BITS)
    }

    /// With `more`, unless that exceeds `bound`. Anything fits into nothing.
    fn with(self, more: Self, bound: Self) -> Option<Self> {
        let sum = Self(self.0 + more.0);
        let fits = sum.chunks() <= bound.chunks() && sum.records() <= bound.records() && sum.bytes() <= bound.bytes();
        (fits || self.0 == 0).then_some(sum)
    }
}

/// See the module's header.
#[derive(Debug)]
pub struct ShardQueue {
    pub(crate) ring: ArrayQueue<Chunk>,
    /// What is in the ring or on its way into it.
    held: AtomicU64,
    bound: Load,
    consumer: OnceLock<Thread>,
    asleep: AtomicBool,
    closed: AtomicBool,
    pub(crate) waiters: AtomicUsize,
    room: Notify,
}

impl ShardQueue {
    pub fn new(records_max: usize, bytes_max: usize) -> Self {
        Self::with_bounds(CHUNKS_MAX, records_max, bytes_max)
    }

    pub(crate) fn with_bounds(chunks_max: usize, records_max: usize, bytes_max: usize) -> Self {
        Self {
            ring: ArrayQueue::new(chunks_max),
            held: AtomicU64::new(0),
            bound: Load::new(chunks_max, records_max, bytes_max),
            consumer: OnceLock::new(),
            asleep: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            waiters: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    pub fn records(&self) -> usize {
        Load(self.held.load(Ordering::Relaxed)).records() as usize
    }

    /// Hands the chunk to the shard, or gives it back when there is no room. An oversized chunk is let into an empty
    /// queue, so that nothing waits for ever.
    pub fn push(&self, chunk: Chunk) -> Result<(), Box<Chunk>> {
        let share = Load::of(&chunk);
        let with_share = |held| Load(held).with(share, self.bound).map(|sum| sum.0);
        let admitted = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, with_share);
        if admitted.is_err() {
            return Err(Box::new(chunk));
        }
        // The ring has a place for every chunk that `held` counts: it is left before it is counted off.
        let pushed = self.ring.push(chunk);
        assert!(pushed.is_ok(), "the ring holds more chunks than were let in");
        // Pairs with `pop_wait`: either it sees the chunk, or we see it asleep.
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            self.unpark();
        }
        Ok(())
    }

    /// A place among those who wait for room. Take it, push again, and wait only if that fails too: room that was made
    /// before is then seen by the push, room that is made later wakes this place.
    pub fn room(&self) -> Room<'_> {
        // Before the count is seen: whoever sees it wakes us.
        let notified = self.room.notified();
        self.waiters.fetch_add(1, Ordering::Relaxed);
        // Pairs with `pop`: either it sees this waiter, or our next push sees the room.
        fence(Ordering::SeqCst);
        Room { notified, _waiting: Waiting(&self.waiters) }
    }

    pub fn pop(&self) -> Option<Chunk> {
        let chunk = self.ring.pop()?;
        self.held.fetch_sub(Load::of(&chunk).0, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if self.waiters.load(Ordering::Relaxed) > 0 {
            self.room.notify_waiters();
        }
        Some(chunk)
    }

    /// The shard's thread: waits for a chunk until `timeout`, or until the queue is closed.
    pub fn pop_wait(&self, timeout: Duration) -> Option<Chunk> {
        if let Some(chunk) = self.pop() {
            return Some(chunk);
        }
        self.consumer.get_or_init(current);
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.ring.is_empty() && !self.closed.load(Ordering::Relaxed) {
            park_timeout(timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
        self.pop()
    }

    /// For shutdown, when nobody pushes any more: from here on the shard's thread does not sleep, whether it has slept
    /// before or not.
    pub fn close(&self) {
        // Whoever sees it sees every chunk that was pushed before.
        self.closed.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
        self.unpark();
    }

    /// Whether all chunks are in: a pop that finds nothing after that has left nothing.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn unpark(&self) {
        if let Some(consumer) = self.consumer.get() {
            consumer.unpark();
        }
    }
}

/// See [`ShardQueue::room`]. Dropping it gives the place up.
#[derive(Debug)]
pub struct Room<'a> {
    notified: Notified<'a>,
    _waiting: Waiting<'a>,
}

impl Room<'_> {
    /// Resolves when there may be room again.
    pub async fn wait(self) {
        self.notified.await;
    }
}

#[derive(Debug)]
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
