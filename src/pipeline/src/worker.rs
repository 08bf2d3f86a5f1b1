//! The shards' threads: chunks from the queues in, portions to the spool writer out.
//!
//! A portion gathers what is waiting and no more, so an idle shard adds no latency and a busy one sends large portions.
//! The channel to the writer is bounded: a slow disk fills it, then the queues, then the senders wait.

use crate::queue::ShardQueue;
use crate::shard::Shard;
use genims_model::{Portion, now_us};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;

/// Readings in one portion before it leaves, more waiting or not.
const PORTION_READINGS_MAX: usize = 8_192;
const TICK: Duration = Duration::from_secs(1);

/// Starts one shard's thread. It ends when `stop` is set and its queue is empty, or when the writer is gone.
pub fn spawn(
    mut shard: Shard,
    queue: Arc<ShardQueue>,
    portions: Sender<Portion>,
    stop: Arc<AtomicBool>,
    index: usize,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            let mut portion = Portion::default();
            let mut chunk = queue.pop_wait(wait);
            while let Some(taken) = chunk {
                shard.take(taken, &mut portion);
                chunk = if portion.readings.len() < PORTION_READINGS_MAX { queue.pop() } else { None };
            }
            if Instant::now() >= next_tick {
                shard.tick(now_us(), &mut portion);
                next_tick = Instant::now() + TICK;
            }
            let ending = portion.is_empty() && stop.load(Ordering::Acquire);
            if !portion.is_empty() && portions.blocking_send(portion).is_err() || ending {
                return;
            }
        }
    })
}
