//! The loop of [`crate::follow`] against a database in memory that fails on demand.

use crate::fake_database::{Database, Fake, Fault};
use crate::follow::{FollowOptions, Follower, Settlement, check_begin};
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use genims_log::contract::{Consumer, Log};
use genims_log::memory::MemoryLog;
use genims_model::{Accounts, Group, SensorNo};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::sample;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[test]
#[should_panic(expected = "has everything below 6, and the batch begins at 4")]
fn what_the_database_has_in_part_is_never_sent_as_a_whole() {
    let readings = vec![sample::reading(SensorNo(0), 1); 4];
    let group = Group { first_offset: 4, readings, ..Group::default() };
    let mut batch = Batch::default();
    batch.push(Arc::new(group));
    for passed in [0, 4] {
        check_begin(&batch, passed);
    }
    // Nothing of what was lost to damage is stored.
    let mut lost = Batch::default();
    lost.push(Arc::new(Group { first_offset: 4, skipped: 4, ..Group::default() }));
    check_begin(&lost, 6);
    check_begin(&batch, 6);
}

struct Trial {
    log: Arc<MemoryLog>,
    database: Arc<Mutex<Database>>,
    accounts: Arc<Accounts>,
    metrics: Arc<SinkMetrics>,
}

impl Trial {
    /// Ten groups of three readings, one batch each.
    fn new(faults: &[Fault]) -> Self {
        let log = MemoryLog::new(Uuid::nil());
        log.register(&Consumer::hold("fake"));
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
        for _ in 0..10 {
            log.append(Group { readings: vec![sample::reading(SensorNo(0), 1); 3], ..Group::default() });
            accounts.received(0, 3);
        }
        let database = Database { faults: faults.iter().rev().copied().collect(), ..Database::default() };
        Self { log, database: Arc::new(Mutex::new(database)), accounts, metrics: Arc::default() }
    }

    fn follower(&self, batch_size: usize) -> Follower<Fake, Arc<MemoryLog>> {
        let limits = BatchLimits { batch_size, ..BatchLimits::default() };
        let settlement = Settlement { accounts: self.accounts.clone(), recovered_until: 0, rows_of: None };
        Follower::new(Fake::new(&self.database), self.log.clone(), limits, self.metrics.clone(), Some(settlement))
            .with_options(FollowOptions {
                commit_timeout: Duration::from_millis(50),
                stop_grace: Duration::ZERO,
                look_interval: Duration::from_millis(5),
                ..FollowOptions::default()
            })
    }

    async fn run(&self, batch_size: usize) {
        let stop = CancellationToken::new();
        let running = tokio::spawn(self.follower(batch_size).run(stop.clone()));
        let end = self.log.next_offset();
        while self.log.cursor("fake") != Some(end) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        running.await.expect("no panic").expect("a clean end");
    }

    fn assert_exact(&self) {
        assert_eq!(self.database.lock().offsets, (0..30).collect::<Vec<_>>());
        let total = self.accounts.total();
        assert!(total.holds(), "{total:?}");
        assert_eq!((total.committed, total.dead_lettered, total.in_flight), (20, 10, 0));
    }
}

#[tokio::test]
async fn every_record_lands_once_whatever_goes_wrong_on_the_way() {
    for faults in [
        &[][..],
        &[Fault::Lost, Fault::Lost],
        &[Fault::LandsUnconfirmed],
        &[Fault::Hangs, Fault::LandsUnconfirmed, Fault::Lost],
    ] {
        let trial = Trial::new(faults);
        trial.run(3).await;
        trial.assert_exact();
        assert_eq!(trial.metrics.retries_total.load(Ordering::Relaxed), faults.len() as u64);
        assert_eq!(trial.database.lock().opens, 1 + faults.len() as u64);
        assert_eq!(trial.metrics.last_error(), None);
    }
}

#[tokio::test]
async fn a_restored_database_gets_the_log_again_and_the_accounts_stay() {
    let trial = Trial::new(&[]);
    trial.run(3).await;
    {
        let mut database = trial.database.lock();
        database.offsets.truncate(6);
        database.goes_back_to(6);
    }
    trial.log.append(Group { readings: vec![sample::reading(SensorNo(0), 1)], ..Group::default() });
    trial.accounts.received(0, 1);
    trial.run(9).await;
    assert_eq!(trial.database.lock().offsets, (0..31).collect::<Vec<_>>());
    let total = trial.accounts.total();
    assert!(total.holds() && total.in_flight == 0, "{total:?}");
}

#[tokio::test]
async fn a_sink_started_again_after_its_database_went_back_counts_nothing_twice() {
    let mut trial = Trial::new(&[]);
    trial.run(3).await;
    // The server starts anew: everything in the log is finished, so nothing of it is in flight.
    trial.accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
    trial.metrics = Arc::default();
    {
        let mut database = trial.database.lock();
        database.goes_back_to(6);
        database.faults = vec![Fault::Lost; 1_000];
    }
    let ended = trial.beside(async || {
        eventually("the cursor follows", || trial.log.cursor("fake") == Some(6)).await;
    });
    ended.await.expect("a clean end");
    trial.database.lock().faults.clear();
    let ended = trial.beside(async || {
        eventually("all records again", || trial.log.cursor("fake") == Some(30)).await;
    });
    ended.await.expect("a clean end");
    assert_eq!(trial.offsets(), (0..30).collect::<Vec<_>>());
    assert_eq!(trial.accounts.total(), genims_model::Account::default());
}

#[tokio::test]
async fn a_stop_is_obeyed_while_the_database_is_down() {
    let trial = Trial::new(&[Fault::Lost; 100]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(trial.follower(3).run(stop.clone()));
    while trial.metrics.last_error().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!trial.metrics.is_connected());
    stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), running).await.expect("an end in time");
    ended.expect("no panic").expect("a clean end");
    assert!(trial.database.lock().offsets.is_empty());
}

#[tokio::test]
async fn records_of_an_earlier_run_settle_as_recovered() {
    let trial = Trial::new(&[]);
    let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
    accounts.received(accounts.recovered(), 12);
    accounts.received(0, 18);
    let settlement = Settlement { accounts: accounts.clone(), recovered_until: 12, rows_of: None };
    let target = Fake::new(&trial.database);
    let limits = BatchLimits { batch_size: 9, ..BatchLimits::default() };
    let follower = Follower::new(target, trial.log.clone(), limits, trial.metrics.clone(), Some(settlement));
    let stop = CancellationToken::new();
    let running = tokio::spawn(follower.run(stop.clone()));
    while trial.metrics.position.load(Ordering::Relaxed) < 30 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.cancel();
    running.await.expect("no panic").expect("a clean end");
    for (name, account) in accounts.by_source() {
        assert!(account.holds() && account.in_flight == 0, "{name}: {account:?}");
    }
}

#[tokio::test]
async fn a_database_that_vanishes_shows_although_nothing_is_written() {
    let trial = Trial::new(&[]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(trial.follower(3).run(stop.clone()));
    let shows = async |connected: bool| {
        let is_shown =
            || trial.metrics.is_connected() == connected && trial.metrics.last_error().is_none() == connected;
        while trial.metrics.position.load(Ordering::Relaxed) < 30 || !is_shown() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for is_away in [false, true, false] {
        trial.database.lock().is_away = is_away;
        tokio::time::timeout(Duration::from_secs(20), shows(!is_away)).await.expect("shown in time");
    }
    stop.cancel();
    running.await.expect("no panic").expect("a clean end");
    trial.assert_exact();
}

/// Waits for something that a running follower brings about; a bound, because a test that hangs says nothing.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never: {what}");
}

impl Trial {
    fn offsets(&self) -> Vec<u64> {
        self.database.lock().offsets.clone()
    }

    fn append(&self, readings: usize) {
        self.log.append(Group { readings: vec![sample::reading(SensorNo(0), 1); readings], ..Group::default() });
        self.accounts.received(0, readings as u64);
    }

    /// Runs a follower while `work` is done beside it, and answers how it ended.
    async fn beside(&self, work: impl AsyncFnOnce()) -> Result<(), SinkError> {
        let stop = CancellationToken::new();
        let running = tokio::spawn(self.follower(3).run(stop.clone()));
        work().await;
        stop.cancel();
        running.await.expect("no panic")
    }
}

#[tokio::test]
async fn a_database_restored_under_the_running_server_gets_the_log_again_at_once() {
    let trial = Trial::new(&[]);
    let ended = trial.beside(async || {
        eventually("all records", || trial.offsets().len() == 30).await;
        trial.database.lock().goes_back_to(6);
        // Nothing more is appended, and nothing is lost sight of meanwhile.
        eventually("all records again", || trial.offsets() == (0..30).collect::<Vec<_>>()).await;
    });
    ended.await.expect("a clean end");
    trial.assert_exact();
}

#[tokio::test]
async fn the_lag_of_a_restored_database_is_shown_while_it_cannot_be_written() {
    let trial = Trial::new(&[]);
    let ended = trial.beside(async || {
        eventually("all records", || trial.metrics.lag_rows(30) == 0).await;
        {
            let mut database = trial.database.lock();
            database.faults = vec![Fault::Lost; 1_000];
            database.goes_back_to(6);
        }
        eventually("the true lag", || trial.metrics.lag_rows(30) == 24).await;
        assert_eq!(trial.log.cursor("fake"), Some(6), "what it lacks must stay in the log");
    });
    ended.await.expect("a clean end");
}

#[tokio::test]
async fn a_database_older_than_the_log_gets_everything_that_is_held() {
    let trial = Trial::new(&[]);
    trial.run(3).await;
    trial.log.remove_below(12);
    trial.database.lock().goes_back_to(4);
    let ended = trial.beside(async || {
        eventually("the end of the log", || trial.offsets().last() == Some(&29)).await;
    });
    ended.await.expect("a clean end");
    let expected: Vec<u64> = (0..4).chain(12..30).collect();
    assert_eq!(trial.offsets(), expected);
    assert_eq!(trial.metrics.gap_records_total.load(Ordering::Relaxed), 8);
    let total = trial.accounts.total();
    assert!(total.holds() && total.in_flight == 0, "{total:?}");
}

#[tokio::test]
async fn what_a_new_database_can_no_longer_get_is_counted() {
    let trial = Trial::new(&[]);
    trial.run(3).await;
    trial.log.remove_below(12);
    // An empty one in its place, that knows nothing of this log.
    *trial.database.lock() = Database::default();
    let ended = trial.beside(async || {
        eventually("the end of the log", || trial.offsets().last() == Some(&29)).await;
    });
    ended.await.expect("a clean end");
    assert_eq!(trial.offsets(), (12..30).collect::<Vec<u64>>());
    assert_eq!(trial.metrics.gap_records_total.load(Ordering::Relaxed), 12);
    assert!(trial.metrics.last_error().is_none());
}

#[tokio::test]
async fn what_was_read_before_it_was_removed_is_not_lacking() {
    let trial = Trial::new(&[]);
    trial.database.lock().is_away = true;
    let ended = trial.beside(async || {
        eventually("the first batch waits", || trial.metrics.retries_total.load(Ordering::Relaxed) > 1).await;
        trial.log.remove_below(12);
        trial.database.lock().is_away = false;
        // It goes on behind what is gone.
        eventually("the end of the log", || trial.offsets().last() == Some(&29)).await;
    });
    ended.await.expect("a clean end");
    assert_eq!(trial.offsets(), (0..3).chain(12..30).collect::<Vec<u64>>());
    assert_eq!(trial.metrics.gap_records_total.load(Ordering::Relaxed), 9);
}

#[tokio::test]
async fn a_log_restored_from_an_older_copy_closes_the_doors_and_skips_nothing() {
    let mut trial = Trial::new(&[]);
    let copy = trial.log.copy();
    trial.append(5);
    trial.run(3).await;
    let before = trial.offsets();
    trial.log = copy;
    trial.log.register(&Consumer::hold("fake"));
    // The copy has grown past what the database remembers: the offset alone would look fine.
    (0..10).for_each(|_| trial.append(3));
    let ended = tokio::time::timeout(
        Duration::from_secs(10),
        trial.beside(async || {
            eventually("closed doors", || trial.log.refusal().is_some()).await;
        }),
    );
    let error = ended.await.expect("an end in time").expect_err("nothing may be skipped");
    assert!(matches!(error, SinkError::NotInHistory { position: 35, end: 60, .. }), "{error}");
    assert!(trial.log.refusal().is_some_and(|cause| cause.contains("genims log adopt")));
    assert_eq!((trial.offsets(), trial.log.cursor("fake")), (before, Some(0)));
}

#[tokio::test]
async fn a_sink_that_is_cut_off_ends_and_says_so() {
    let trial = Trial::new(&[]);
    let stopped = CancellationToken::new();
    let running = tokio::spawn(trial.follower(3).run(stopped));
    eventually("all records", || trial.offsets().len() == 30).await;
    trial.log.cut_off("fake");
    let ended = tokio::time::timeout(Duration::from_secs(10), running).await.expect("an end in time");
    assert!(matches!(ended.expect("no panic"), Err(SinkError::CutOff { position: 30, .. })));
    assert_eq!(trial.metrics.state(), crate::SinkState::CutOff);
}

#[tokio::test]
async fn what_a_loop_attempted_is_known_to_the_one_in_its_place() {
    let trial = Trial::new(&[Fault::Lost; 1_000]);
    let running = tokio::spawn(trial.follower(3).run(CancellationToken::new()));
    eventually("an attempt", || trial.metrics.retries_total.load(Ordering::Relaxed) > 0).await;
    trial.log.cut_off("fake");
    assert!(matches!(running.await.expect("no panic"), Err(SinkError::CutOff { .. })));
    trial.log.restart_at("fake", 0).unwrap();
    *trial.database.lock() = Database::default();
    trial.run(3).await;
    assert_eq!(trial.database.lock().written[0], 3, "it may have landed, whatever the database says");
}

/// What was logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_line_about_a_batch_says_which_it_is() {
    let kept = Kept::default();
    let writer = kept.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let listens = tracing::subscriber::set_default(log);
    let trial = Trial::new(&[Fault::Lost]);
    trial.run(3).await;
    drop(listens);
    let text = String::from_utf8(kept.0.lock().clone()).expect("text");
    let told: Vec<&str> = text.lines().filter(|line| line.contains("not committed")).collect();
    let [line] = told.as_slice() else { panic!("not one line: {text}") };
    assert!(line.contains(r#"batch{sink="fake" first_offset=0 next_offset=3}"#), "{line}");
}
