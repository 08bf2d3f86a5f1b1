//! The shards' threads: chunks from the queues in, portions to the spool writer out.
//!
//! A portion gathers what is waiting and no more, so an idle shard adds no latency and a busy one sends large portions.
//! The channel to the writer is bounded, in portions and by `budget` in bytes: a slow disk fills it, then the queues, then
//! the senders wait.

use crate::queue::ShardQueue;
use crate::shard::Shard;
use genims_model::{ByteBudget, Portion, now_us};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Readings in one portion before it leaves, more waiting or not.
const PORTION_READINGS_MAX: usize = 8_192;
/// Bytes that chunks bring into one portion before it leaves: dead letters are large.
const PORTION_BYTES_MAX: usize = 4 << 20;
const TICK: Duration = Duration::from_secs(1);

/// Starts one shard's thread. It ends when its queue is closed and empty, or when the writer is gone.
pub fn spawn(
    mut shard: Shard,
    queue: Arc<ShardQueue>,
    portions: Sender<Portion>,
    budget: Arc<ByteBudget>,
    index: usize,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            let mut portion = Portion::default();
            // Before the pop: nothing is pushed after the close, so a pop that finds nothing then has left nothing.
            let was_closed = queue.is_closed();
            let mut chunk = queue.pop_wait(wait);
            let ending = was_closed && chunk.is_none();
            let mut bytes = 0;
            while let Some(taken) = chunk {
                bytes += taken.bytes();
                shard.take(taken, &mut portion);
                let has_room = portion.readings.len() < PORTION_READINGS_MAX && bytes < PORTION_BYTES_MAX;
                chunk = if has_room { queue.pop() } else { None };
            }
            if Instant::now() >= next_tick {
                shard.tick(now_us(), &mut portion);
                next_tick = Instant::now() + TICK;
            }
            if !portion.is_empty() {
                portion.held.push(budget.take(portion.bytes()));
            }
            if !portion.is_empty() && portions.blocking_send(portion).is_err() || ending {
                return;
            }
        }
    })
}
