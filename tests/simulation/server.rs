//! The server of one life: everything that production joins, without its threads. Opens what the disk holds, and works one
//! step at a time.

use crate::database::{Connection, Database, lock};
use crate::folder::OnDisk;
use crate::log::Followed;
use crate::plan::{Broken, Damage, Plan};
use crate::writer::Writer;
use genims_catalogue::keeper::Keeper;
use genims_consumers::SinkMetrics;
use genims_consumers::follow::{FollowOptions, Follower, Settlement};
use genims_consumers::gather::BatchLimits;
use genims_decode::Decoder;
use genims_listen::{Acknowledge, Decode, mqtt, tcp};
use genims_log::contract::Consumer;
use genims_log::file::simulated::{self, FakeDisk};
use genims_log::file::{Spool, SpoolError, SpoolOptions};
use genims_model::{Accounts, Portion};
use genims_pipeline::PipelineOptions;
use genims_pipeline::intake::{Intake, IntakeBuffer, WhenFull};
use genims_pipeline::queue::ShardQueue;
use genims_pipeline::recovery::Recovery;
use genims_pipeline::shard::Shard;
use genims_stores::SinkError;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const DATA: &str = "/data";
pub(crate) const SPOOL: &str = "/data/spool";

/// Small: pushing back is part of the walk.
const QUEUE_RECORDS: usize = 200;

/// Why a start did not succeed.
#[derive(Debug)]
pub(crate) enum StartError {
    Spool(SpoolError),
    Journal(genims_catalogue::error::JournalError),
}

impl From<SpoolError> for StartError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}

impl From<genims_catalogue::error::JournalError> for StartError {
    fn from(error: genims_catalogue::error::JournalError) -> Self {
        Self::Journal(error)
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spool(error) => error.fmt(formatter),
            Self::Journal(error) => error.fmt(formatter),
        }
    }
}

struct Messages(Decoder);

impl Decode for Messages {
    fn message(&self, topic: &str, payload: &[u8], into: &mut IntakeBuffer) {
        self.0.message(topic, payload, into);
    }
}

/// One sink of this life.
pub(crate) struct Sink {
    database: Arc<Mutex<Database>>,
    metrics: Arc<SinkMetrics>,
    settlement: Option<Settlement>,
    following: Option<JoinHandle<Result<(), SinkError>>>,
    pub(crate) is_refused: bool,
}

pub(crate) struct Server {
    pub(crate) spool: Spool,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) mqtt: mqtt::simulated::Door,
    pub(crate) tcp: tcp::simulated::Door,
    pub(crate) doors: CancellationToken,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) first_offset: u64,
    pub(crate) truncated_bytes: u64,
    queues: Vec<Arc<ShardQueue>>,
    shards: Vec<Shard>,
    writer: Writer,
    pending: Portion,
    stop: CancellationToken,
    appended: Arc<Notify>,
    plan: Plan,
}

pub(crate) fn spool_options(plan: &Plan) -> SpoolOptions {
    SpoolOptions {
        directory: SPOOL.into(),
        max_bytes: plan.max_bytes,
        segment_bytes: plan.segment_bytes,
        // Little: readers that lag read the disk.
        memory_bytes: 8_000,
        retain_bytes: plan.max_bytes / 4,
        fsync: true,
    }
}

impl Server {
    pub(crate) fn start(
        plan: &Plan,
        disk: &FakeDisk,
        databases: &[Arc<Mutex<Database>>; 2],
    ) -> Result<Self, StartError> {
        let (appender, spool, recovered) = simulated::open(disk, &spool_options(plan))?;
        let log_folder = Box::new(OnDisk::new(disk, Path::new(SPOOL)));
        let folder = OnDisk::new(disk, Path::new(DATA));
        let keeper = genims_catalogue::simulated::open(&folder, log_folder, spool.id(), recovered.next_offset == 0)?;
        let keeper = Arc::new(keeper);
        let accounts = Arc::new(Accounts::new(["mqtt".to_owned(), "tcp".to_owned()]));
        let queues: Vec<_> = (0..plan.shards).map(|_| Arc::new(ShardQueue::new(QUEUE_RECORDS, 1 << 20))).collect();
        let intake = Arc::new(Intake::new(
            keeper.directory().clone(),
            queues.clone(),
            accounts.clone(),
            plan.registers.then(|| keeper.clone()),
            WhenFull::Block,
            spool.full_flag(),
        ));
        let settlement =
            Settlement { accounts: accounts.clone(), recovered_until: recovered.next_offset, rows_of: None };
        let sinks = [Some(settlement), None].into_iter().zip(databases).map(|(settlement, database)| Sink {
            database: database.clone(),
            metrics: Arc::default(),
            settlement,
            following: None,
            is_refused: false,
        });
        spool.register(&Consumer::hold(lock(&databases[0]).name).settling())?;
        spool.register(&Consumer::resync(lock(&databases[1]).name, u64::MAX))?;

        let rules = PipelineOptions::default().rules();
        let shard = |index| Shard::new(index, plan.shards, keeper.directory().clone(), accounts.clone(), rules);
        let mut shards: Vec<Shard> = (0..plan.shards).map(shard).collect();
        let settled = spool.settled().unwrap_or(spool.first_offset());
        let mut recovery = Recovery::new(settled, &recovered.open_faults);
        let forgets = plan.broken == Broken::ForgetsResends;
        spool.replay(spool.first_offset(), |group| recovery.see(group, if forgets { &mut [] } else { &mut shards }))?;
        keeper.covers(recovery.used())?;
        shards.iter_mut().for_each(|shard| shard.resume_faults(&recovered.open_faults));
        accounts.received(accounts.recovered(), recovery.pending());

        let mqtt_options = mqtt::MqttOptions { acknowledge: acknowledge(plan.seed), ..Default::default() };
        let tcp_options = tcp::TcpOptions { acknowledge: acknowledge(plan.seed / 3), ..Default::default() };
        let progress = Arc::new(tcp::Progress::new(tcp::CLIENTS_MAX, recovered.marks));
        let early = plan.broken == Broken::AcknowledgesEarly;
        Ok(Self {
            mqtt: mqtt::simulated::Door::new(mqtt_options, 0, intake.clone(), Arc::new(Messages(Decoder::default()))),
            tcp: tcp::simulated::Door::new(tcp_options, 1, intake, accounts.clone(), progress),
            doors: CancellationToken::new(),
            sinks: sinks.collect(),
            first_offset: recovered.first_offset,
            truncated_bytes: recovered.truncated_bytes,
            writer: Writer::start(appender, spool.clone(), disk, early),
            spool,
            keeper,
            accounts,
            queues,
            shards,
            pending: Portion::default(),
            stop: CancellationToken::new(),
            appended: Arc::default(),
            plan: *plan,
        })
    }

    /// Starts the sinks that do not run, as production starts them again.
    pub(crate) async fn follow(&mut self) {
        for index in 0..self.sinks.len() {
            if let Some(following) = self.sinks[index].following.take_if(|following| following.is_finished()) {
                let ended = match following.await {
                    Ok(ended) => ended,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                };
                match ended {
                    Err(SinkError::NotInHistory { .. }) => self.sinks[index].is_refused = true,
                    Err(SinkError::Log(_)) => {}
                    Err(SinkError::CutOff { .. }) if self.plan.damage == Damage::Rot => self.bring_back(index),
                    ended => panic!("a sink ended: {ended:?}"),
                }
            }
            if self.sinks[index].following.is_none() && !self.sinks[index].is_refused {
                let log = Followed {
                    spool: self.spool.clone(),
                    appended: self.appended.clone(),
                    skips: self.plan.broken == Broken::SkipsGroups,
                };
                let sink = &mut self.sinks[index];
                let target = Connection::new(&sink.database, self.keeper.directory(), &self.spool);
                let follower = Follower::new(target, log, limits(), sink.metrics.clone(), sink.settlement.clone());
                let follower = follower.with_options(follow_options(self.plan.seed));
                sink.following = Some(tokio::spawn(follower.run(self.stop.clone())));
            }
        }
    }

    /// A cursor that rotted stands before the log: the mirror is brought back from the operations database.
    fn bring_back(&mut self, index: usize) {
        let whole = lock(&self.sinks[0].database).contents.clone();
        let mut mirror = lock(&self.sinks[index].database);
        let position = whole.positions.get(&self.spool.name()).cloned();
        let offset = position.map_or(0, |position| position.offset).max(self.spool.first_offset());
        mirror.contents = whole;
        self.spool.restart_at(mirror.name, offset).expect("held from there on");
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.sinks.iter().any(|sink| sink.is_refused)
    }

    /// The shards take what waits, and the writer what they made of it. An error is the end of the log.
    pub(crate) fn pump(&mut self, now_us: i64, ticks: bool) -> Result<(), SpoolError> {
        for (queue, shard) in self.queues.iter().zip(&mut self.shards) {
            while !self.writer.waits()
                && let Some(chunk) = queue.pop()
            {
                shard.take(chunk, &mut self.pending);
            }
            if ticks && !self.writer.waits() {
                shard.tick(now_us, &mut self.pending);
            }
        }
        let worked = if self.writer.waits() {
            self.writer.look_again()
        } else if self.pending.is_empty() {
            return Ok(());
        } else {
            self.writer.append(std::mem::take(&mut self.pending))
        };
        self.appended.notify_waiters();
        worked
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.writer.waits()
    }

    /// Nothing waits before the log.
    pub(crate) fn is_drained(&self) -> bool {
        !self.writer.waits() && self.pending.is_empty() && self.queues.iter().all(|queue| queue.records() == 0)
    }

    pub(crate) fn maintain(&self) -> Result<(), SpoolError> {
        simulated::maintain(&self.spool)
    }

    /// Stops in order, bounded; what is in the log stays there.
    pub(crate) async fn stop(mut self, disk: &FakeDisk) {
        self.doors.cancel();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.pump(crate::clock::now_us(), false).is_err() {
                break;
            }
        }
        self.stop.cancel();
        for sink in &mut self.sinks {
            if let Some(following) = sink.following.take()
                && let Err(error) = following.await
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        let _ = self.spool.close();
        self.writer.end(disk);
    }

    /// The process dies now.
    pub(crate) async fn die(mut self, disk: &FakeDisk) {
        disk.crash_in(0);
        for sink in &mut self.sinks {
            if let Some(following) = sink.following.take() {
                following.abort();
                if let Err(error) = following.await
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
        let _ = self.spool.close();
        self.writer.end(disk);
    }
}

fn acknowledge(seed: u64) -> Acknowledge {
    if seed.is_multiple_of(3) { Acknowledge::Committed } else { Acknowledge::Durable }
}

fn limits() -> BatchLimits {
    // Equal, so that how long a commit really took decides nothing.
    let wait = Duration::from_millis(50);
    BatchLimits { batch_size: 60, linger: wait, flush_interval: wait, ..BatchLimits::default() }
}

fn follow_options(seed: u64) -> FollowOptions {
    FollowOptions { commit_timeout: Duration::from_secs(30), jitter_seed: Some(seed), ..FollowOptions::default() }
}
