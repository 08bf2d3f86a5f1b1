//! What a database lacks because the log holds no more of it than the offsets, or nothing: counted once, and not where rows
//! alone are for it.

use crate::fake_database::{Database, Fake, Fault};
use crate::follow::{FollowOptions, Follower};
use crate::follow_tests::eventually;
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use genims_log::contract::{Consumer, Log};
use genims_log::memory::MemoryLog;
use genims_model::{Group, Position, SensorNo};
use genims_stores::{SinkError, sample};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

struct Trial {
    log: Arc<MemoryLog>,
    database: Arc<Mutex<Database>>,
    metrics: Arc<SinkMetrics>,
}

impl Trial {
    /// Three readings, five records of which the offsets are left, three readings.
    fn new(database: Database) -> Self {
        let log = MemoryLog::new(Uuid::nil());
        log.register(&Consumer::hold("fake"));
        let readings = || Group { readings: vec![sample::reading(SensorNo(0), 1); 3], ..Group::default() };
        for group in [readings(), Group { skipped: 5, ..Group::default() }, readings()] {
            log.append(group);
        }
        Self { log, database: Arc::new(Mutex::new(database)), metrics: Arc::default() }
    }

    /// Follows the log, a group a batch.
    fn start(&self, stop: &CancellationToken) -> JoinHandle<Result<(), SinkError>> {
        let options = FollowOptions { look_interval: Duration::from_millis(5), ..FollowOptions::default() };
        let limits = BatchLimits { batch_size: 3, linger: Duration::from_millis(1), ..BatchLimits::default() };
        let target = Fake::new(&self.database);
        let follower = Follower::new(target, self.log.clone(), limits, self.metrics.clone(), None);
        tokio::spawn(follower.with_options(options).run(stop.clone()))
    }

    /// Follows the log to its end.
    async fn run(&self) {
        let stop = CancellationToken::new();
        let running = self.start(&stop);
        let end = self.log.next_offset();
        eventually("the end of the log", || {
            let position = self.database.lock().position.as_ref().map(Position::next_offset);
            position == Some(end) && self.log.cursor("fake") == Some(end)
        })
        .await;
        stop.cancel();
        running.await.expect("no panic").expect("a clean end");
    }

    fn gap(&self) -> u64 {
        self.metrics.gap_records_total.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn what_is_passed_counts_once_however_often_it_is_tried_and_read_again() {
    let trial = Trial::new(Database { faults: vec![Fault::LandsUnconfirmed; 3], ..Database::default() });
    trial.run().await;
    assert_eq!(trial.gap(), 5);
    trial.database.lock().goes_back_to(0);
    trial.run().await;
    assert_eq!(trial.gap(), 5);
}

#[tokio::test]
async fn what_landed_before_it_was_compacted_is_not_lacking() {
    let trial = Trial::new(Database::default());
    trial.run().await;
    let trial = Trial { metrics: Arc::default(), ..trial };
    // A start whose cursor was not saved reads again what the database has.
    trial.log.set_cursor("fake", 0);
    trial.run().await;
    assert_eq!(trial.gap(), 0);
}

/// What a compacted segment showed in parts may come back whole.
#[tokio::test]
async fn a_position_inside_a_group_is_gone_on_from() {
    let trial = Trial::new(Database::default());
    trial.run().await;
    for inside in [1, 2, 9, 10] {
        trial.log.set_cursor("fake", 0);
        trial.database.lock().goes_back_to(inside);
        trial.run().await;
        let offsets = trial.database.lock().offsets.clone();
        assert_eq!(offsets, (0..11).collect::<Vec<_>>(), "each once, from {inside} on");
    }
}

/// Passed in an attempt that does not land, and gone from the log before the next one.
#[tokio::test]
async fn what_is_passed_and_then_gone_counts_once() {
    let trial = Trial::new(Database { faults: vec![Fault::Hangs, Fault::LandsUnconfirmed], ..Database::default() });
    let running = trial.start(&CancellationToken::new());
    eventually("it is passed", || trial.gap() == 5).await;
    running.abort();
    let position = trial.database.lock().position.as_ref().map(Position::next_offset);
    assert_eq!(position, Some(3), "the attempt did not land");
    trial.log.remove_below(8);
    trial.run().await;
    assert_eq!(trial.gap(), 5);
}

/// What was counted higher up hides nothing that goes missing below it.
#[tokio::test]
async fn what_a_database_loses_by_going_back_counts_too() {
    let trial = Trial::new(Database::default());
    trial.run().await;
    assert_eq!(trial.gap(), 5);
    trial.database.lock().goes_back_to(0);
    trial.log.remove_below(3);
    trial.run().await;
    assert_eq!(trial.gap(), 3 + 5);
}

#[tokio::test]
async fn a_database_that_rows_alone_are_for_lacks_nothing_that_it_never_came_to() {
    let trial = Trial::new(Database { is_for_rows: true, ..Database::default() });
    trial.log.remove_below(3);
    trial.run().await;
    assert_eq!(trial.gap(), 0, "the log holds its rows, whatever else is gone");
    // Behind what it had, nobody knows what was there.
    trial.database.lock().goes_back_to(0);
    trial.run().await;
    assert_eq!(trial.gap(), 3 + 5);
    let other = Trial::new(Database::default());
    other.log.remove_below(3);
    other.run().await;
    assert_eq!(other.gap(), 3 + 5);
}
