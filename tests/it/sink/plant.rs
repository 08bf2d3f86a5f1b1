//! A small plant, a log in memory, and a sink that follows it.

use genims_catalogue::{Catalogue, Directory, Limits, Sensor};
use genims_consumers::SinkMetrics;
use genims_consumers::follow::{FollowOptions, Follower, Settlement};
use genims_consumers::gather::BatchLimits;
use genims_log::contract::Consumer;
use genims_log::memory::MemoryLog;
use genims_model::{Accounts, Group, Protocol, Quality, Reading, SensorNo, Status};
use genims_stores::SinkError;
use genims_stores::target::Target;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const SENSORS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Plant {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) metrics: Arc<SinkMetrics>,
}

impl Plant {
    pub(crate) fn new() -> Self {
        let mut catalogue = Catalogue::default();
        for no in 0..SENSORS {
            catalogue.put_sensor(Sensor {
                sensor_id: format!("SEN-{no:06}"),
                machine_id: format!("MAC-{:04}", no / 8),
                line_id: "LINE-01".to_owned(),
                factory_id: "FAC-01".to_owned(),
                unit: "C".to_owned(),
                sensor_code: None,
                sensor_type: Some("temperature".to_owned()),
                limits: Limits::default(),
                sampling_frequency_hz: None,
                calibration_day: Some(20_000),
                calibration_frequency_days: Some(365),
                active: true,
            });
        }
        Self {
            log: MemoryLog::new(Uuid::new_v4()),
            directory: Arc::new(Directory::new(catalogue)),
            accounts: Arc::new(Accounts::new(["mqtt".to_owned(), "tcp".to_owned()])),
            metrics: Arc::new(SinkMetrics::default()),
        }
    }

    /// A new process on the same log: metrics and accounts start again.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            log: self.log.clone(),
            directory: self.directory.clone(),
            accounts: Arc::new(Accounts::new(["mqtt".to_owned(), "tcp".to_owned()])),
            metrics: Arc::new(SinkMetrics::default()),
        }
    }

    pub(crate) fn append(&self, group: Group) {
        for reading in &group.readings {
            self.accounts.received(reading.source, 1);
        }
        for snapshot in &group.snapshots {
            self.accounts.received(snapshot.source, 1);
        }
        for dead_letter in &group.dead_letters {
            self.accounts.received(dead_letter.source, dead_letter.records);
        }
        self.log.append(group);
    }

    pub(crate) fn follow<T: Target + 'static>(&self, target: T, settle: bool, batch_size: usize) -> Sink {
        self.log.register(&Consumer::hold(target.name()));
        let stop = CancellationToken::new();
        let limits = BatchLimits { batch_size, linger: Duration::from_millis(5), ..BatchLimits::default() };
        let settlement =
            settle.then(|| Settlement { accounts: self.accounts.clone(), recovered_until: 0, rows_of: None });
        let follower = Follower::new(target, self.log.clone(), limits, self.metrics.clone(), settlement)
            .with_options(FollowOptions { stop_grace: Duration::from_secs(1), ..FollowOptions::default() });
        Sink { task: tokio::spawn(follower.run(stop.clone())), stop }
    }

    pub(crate) async fn caught_up(&self) {
        self.caught_up_within(PATIENCE).await;
    }

    pub(crate) async fn caught_up_within(&self, patience: Duration) {
        use genims_log::contract::Log;
        let end = self.log.next_offset();
        let is_there = || self.metrics.position.load(Ordering::Relaxed) == end;
        until_within("the sink has caught up", patience, is_there).await;
    }
}

pub(crate) struct Sink {
    stop: CancellationToken,
    task: JoinHandle<Result<(), SinkError>>,
}

impl Sink {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("a clean end");
    }

    /// As a crash would: wherever it stands.
    pub(crate) async fn abort(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) async fn end(self) -> Result<(), SinkError> {
        self.task.await.expect("no panic")
    }
}

pub(crate) async fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(what, PATIENCE, condition).await;
}

async fn until_within(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn now_us() -> i64 {
    let elapsed = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    elapsed.as_micros() as i64
}

/// Noon of yesterday: no group that begins here reaches the next day, whenever the test runs.
pub(crate) fn noon_us() -> i64 {
    const DAY_US: i64 = 86_400_000_000;
    now_us().div_euclid(DAY_US) * DAY_US - DAY_US / 2
}

pub(crate) fn reading(sensor: u32, timestamp_us: i64, value: f64) -> Reading {
    Reading {
        sensor: SensorNo(sensor),
        protocol: Protocol::Mqtt,
        status: Status::Normal,
        quality: Quality::Good,
        flags: 0,
        source: (sensor % 2) as u8,
        timestamp_us,
        received_us: now_us(),
        value,
        min_1min: value,
        max_1min: value,
        avg_1min: value,
        std_1min: 0.5,
        anomaly_score: 0.125,
    }
}

/// `count` readings of all sensors in turn, a millisecond apart, from `start_us`.
pub(crate) fn group(start_us: i64, count: u32) -> Group {
    let readings = (0..count).map(|i| reading(i % SENSORS, start_us + i64::from(i) * 1_000, f64::from(i) / 8.0));
    Group { readings: readings.collect(), ..Group::default() }
}
