//! Both writers at once. The joint rate is that of readings which are in both databases: each works through the same
//! batches, and the faster one may be ahead of the slower by no more than [`AHEAD_MAX`], as two sinks behind one stream.

use super::copy::CopyBaseline;
use super::mongo::MongoBaseline;
use super::{BaselineError, Meter};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

const AHEAD_MAX: u64 = 4;

pub struct Joint {
    pub copy_per_s: Option<f64>,
    pub mongo_per_s: Option<f64>,
}

impl Joint {
    pub fn per_s(&self) -> Option<f64> {
        Some(self.copy_per_s?.min(self.mongo_per_s?))
    }
}

/// How many batches each side has done.
#[derive(Default)]
struct Pace {
    done: [AtomicU64; 2],
    moved: Notify,
}

impl Pace {
    /// Waits until `side` is not too far ahead of the other.
    async fn keep(&self, side: usize) {
        loop {
            let moved = self.moved.notified();
            let ahead = self.done[side].load(Ordering::SeqCst);
            if ahead < self.done[1 - side].load(Ordering::SeqCst) + AHEAD_MAX {
                return;
            }
            // The limit covers the moment between the look and the wait.
            let _ = tokio::time::timeout(Duration::from_millis(5), moved).await;
        }
    }

    fn done(&self, side: usize) {
        self.done[side].fetch_add(1, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// When the answer is dropped, also by an error, the other side need not wait for this one any more.
    fn leave_at_the_end(&self, side: usize) -> Leave<'_> {
        Leave { pace: self, side }
    }
}

struct Leave<'a> {
    pace: &'a Pace,
    side: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.pace.done[self.side].store(u64::MAX / 2, Ordering::SeqCst);
        self.pace.moved.notify_waiters();
    }
}

pub async fn measure(
    copy: &mut CopyBaseline,
    mongo: &mut MongoBaseline,
    warmup: Duration,
    seconds: Duration,
) -> Result<Joint, BaselineError> {
    let pace = Pace::default();
    let copying = async {
        let mut meter = Meter::start(warmup, seconds);
        let _leave = pace.leave_at_the_end(0);
        while !meter.is_over() {
            pace.keep(0).await;
            meter.committed(copy.batch().await?);
            pace.done(0);
        }
        Ok::<_, BaselineError>(meter.rate())
    };
    let mirroring = async {
        let mut meter = Meter::start(warmup, seconds);
        let _leave = pace.leave_at_the_end(1);
        while !meter.is_over() {
            pace.keep(1).await;
            meter.committed(mongo.batch().await?);
            pace.done(1);
        }
        Ok::<_, BaselineError>(meter.rate())
    };
    // Each has a thread of its own, so that encoding on one side does not hold up the other.
    let runtime = tokio::runtime::Handle::current();
    let (copied, mirrored) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let copied = scope.spawn(|| runtime.block_on(copying));
            let mirrored = runtime.block_on(mirroring);
            (copied.join(), mirrored)
        })
    });
    let copied = copied.map_err(|_| BaselineError::Other("the COPY writer panicked".to_owned()))?;
    Ok(Joint { copy_per_s: copied?, mongo_per_s: mirrored? })
}
