//! The loop of [`crate::follow`] against a database in memory that fails on demand.

use crate::follow::{FollowOptions, Follower, Settlement};
use crate::gather::BatchLimits;
use crate::metrics::SinkMetrics;
use genims_log::contract::Log;
use genims_log::memory::MemoryLog;
use genims_model::{Accounts, Group, SensorNo};
use genims_stores::SinkError;
use genims_stores::batch::Batch;
use genims_stores::sample;
use genims_stores::target::{Report, Target};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What the database holds and what will go wrong next.
#[derive(Debug, Default)]
struct Database {
    offsets: Vec<u64>,
    position: Option<u64>,
    opens: u64,
    is_away: bool,
    /// How the next commits go; then they succeed.
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Lost,
    /// The batch lands, the answer does not.
    LandsUnconfirmed,
    Hangs,
}

struct Fake(Arc<Mutex<Database>>);

impl Target for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    async fn open(&mut self, _: Uuid, start: u64) -> Result<u64, SinkError> {
        let mut database = self.0.lock().expect("no panic");
        if database.is_away {
            return Err(SinkError::Connect("gone".into()));
        }
        database.opens += 1;
        Ok(*database.position.get_or_insert(start))
    }

    fn close(&mut self) {}

    async fn position(&mut self) -> Result<u64, SinkError> {
        let database = self.0.lock().expect("no panic");
        match database.is_away {
            true => Err(SinkError::Connect("gone".into())),
            false => Ok(database.position.unwrap_or_default()),
        }
    }

    async fn commit(&mut self, batch: &Batch, position: u64) -> Result<Report, SinkError> {
        let fault = self.0.lock().expect("no panic").faults.pop();
        match fault {
            Some(Fault::Lost) => return Err(SinkError::Connect("lost".into())),
            Some(Fault::Hangs) => std::future::pending().await,
            _ => {}
        }
        let mut database = self.0.lock().expect("no panic");
        if database.position != Some(position) {
            return Err(SinkError::PositionMoved { expected: position });
        }
        database.offsets.extend(batch.first_offset..batch.next_offset);
        database.position = Some(batch.next_offset);
        match fault {
            Some(_) => Err(SinkError::Connect("no answer".into())),
            None => Ok(Report { refused: vec![(batch.first_offset, 0)], ..Report::default() }),
        }
    }

    async fn recall(&mut self, batch: &Batch) -> Result<Report, SinkError> {
        Ok(Report { refused: vec![(batch.first_offset, 0)], ..Report::default() })
    }
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
        let settlement = Settlement { accounts: self.accounts.clone(), recovered_until: 0 };
        Follower::new(Fake(self.database.clone()), self.log.clone(), limits, self.metrics.clone(), Some(settlement))
            .with_options(FollowOptions {
                commit_timeout: Duration::from_millis(50),
                stop_grace: Duration::ZERO,
                idle_check: Duration::from_millis(5),
                ..FollowOptions::default()
            })
    }

    async fn run(&self, batch_size: usize) {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(self.follower(batch_size).run(stopped));
        let end = self.log.next_offset();
        while self.log.cursor("fake") != Some(end) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.send_replace(true);
        running.await.expect("no panic").expect("a clean end");
    }

    fn assert_exact(&self) {
        assert_eq!(self.database.lock().expect("no panic").offsets, (0..30).collect::<Vec<_>>());
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
        assert_eq!(trial.database.lock().expect("no panic").opens, 1 + faults.len() as u64);
        assert_eq!(trial.metrics.last_error(), None);
    }
}

#[tokio::test]
async fn a_restored_database_gets_the_log_again_and_the_accounts_stay() {
    let trial = Trial::new(&[]);
    trial.run(3).await;
    {
        let mut database = trial.database.lock().expect("no panic");
        database.offsets.truncate(6);
        database.position = Some(6);
    }
    trial.log.append(Group { readings: vec![sample::reading(SensorNo(0), 1)], ..Group::default() });
    trial.accounts.received(0, 1);
    trial.run(9).await;
    assert_eq!(trial.database.lock().expect("no panic").offsets, (0..31).collect::<Vec<_>>());
    let total = trial.accounts.total();
    assert!(total.holds() && total.in_flight == 0, "{total:?}");
}

#[tokio::test]
async fn a_stop_is_obeyed_while_the_database_is_down() {
    let trial = Trial::new(&[Fault::Lost; 100]);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(trial.follower(3).run(stopped));
    while trial.metrics.last_error().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!trial.metrics.is_connected());
    stop.send_replace(true);
    let ended = tokio::time::timeout(Duration::from_secs(5), running).await.expect("an end in time");
    ended.expect("no panic").expect("a clean end");
    assert!(trial.database.lock().expect("no panic").offsets.is_empty());
}

#[tokio::test]
async fn records_of_an_earlier_run_settle_as_recovered() {
    let trial = Trial::new(&[]);
    let accounts = Arc::new(Accounts::new(["mqtt".to_owned()]));
    accounts.received(accounts.recovered(), 12);
    accounts.received(0, 18);
    let settlement = Settlement { accounts: accounts.clone(), recovered_until: 12 };
    let target = Fake(trial.database.clone());
    let limits = BatchLimits { batch_size: 9, ..BatchLimits::default() };
    let follower = Follower::new(target, trial.log.clone(), limits, trial.metrics.clone(), Some(settlement));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(follower.run(stopped));
    while trial.metrics.position.load(Ordering::Relaxed) < 30 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop.send_replace(true);
    running.await.expect("no panic").expect("a clean end");
    for (name, account) in accounts.by_source() {
        assert!(account.holds() && account.in_flight == 0, "{name}: {account:?}");
    }
}

#[tokio::test]
async fn a_database_that_vanishes_shows_although_nothing_is_written() {
    let trial = Trial::new(&[]);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(trial.follower(3).run(stopped));
    let shows = async |connected: bool| {
        let is_shown =
            || trial.metrics.is_connected() == connected && trial.metrics.last_error().is_none() == connected;
        while trial.metrics.position.load(Ordering::Relaxed) < 30 || !is_shown() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for is_away in [false, true, false] {
        trial.database.lock().expect("no panic").is_away = is_away;
        tokio::time::timeout(Duration::from_secs(20), shows(!is_away)).await.expect("shown in time");
    }
    stop.send_replace(true);
    running.await.expect("no panic").expect("a clean end");
    trial.assert_exact();
}
