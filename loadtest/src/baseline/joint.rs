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

    /// The other side need not wait for this one any more.
    fn leave(&self, side: usize) {
        self.done[side].store(u64::MAX / 2, Ordering::SeqCst);
        self.moved.notify_waiters();
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
        while !meter.is_over() {
            pace.keep(0).await;
            meter.committed(copy.batch().await?);
            pace.done(0);
        }
        pace.leave(0);
        Ok::<_, BaselineError>(meter.rate())
    };
    let mirroring = async {
        let mut meter = Meter::start(warmup, seconds);
        while !meter.is_over() {
            pace.keep(1).await;
            meter.committed(mongo.batch().await?);
            pace.done(1);
        }
        pace.leave(1);
        Ok::<_, BaselineError>(meter.rate())
    };
    let (copy_per_s, mongo_per_s) = tokio::try_join!(copying, mirroring)?;
    Ok(Joint { copy_per_s, mongo_per_s })
}
