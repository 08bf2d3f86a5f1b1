//! The server of one life: everything that production joins, without its threads. Opens what the disk holds, and works one
//! step at a time.

use crate::database::{Database, Events, lock};
use crate::dead_letters::DeadLetters;
use crate::folder::OnDisk;
use crate::log::Followed;
use crate::plan::{Broken, Extent, Plan};
use crate::router::Routes;
use crate::rows;
use crate::sink::{Consumer, Sink};
use crate::writer::Writer;
use genims_catalogue::keeper::Keeper;
use genims_consumers::follow::Settlement;
use genims_consumers::router::ROUTER;
use genims_decode::Decoder;
use genims_listen::{Acknowledge, Decode, line, mqtt, tcp};
use genims_log::contract;
use genims_log::file::simulated::{self, FakeDisk};
use genims_log::file::{Spool, SpoolError, SpoolOptions};
use genims_model::{Accounts, Portion};
use genims_pipeline::PipelineOptions;
use genims_pipeline::intake::{Intake, IntakeBuffer, Registrar, WhenFull};
use genims_pipeline::queue::ShardQueue;
use genims_pipeline::recovery::Recovery;
use genims_pipeline::shard::Shard;
use genims_stores::SinkError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const DATA: &str = "/data";
pub(crate) const SPOOL: &str = "/data/spool";
pub(crate) const EVENTS: &str = "/data/events";

/// The number of the database that has routes.
pub(crate) const ROUTED: usize = 2;
const MIRROR: usize = 1;

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

pub(crate) struct Server {
    pub(crate) spool: Spool,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) mqtt: mqtt::simulated::SimulatedMqtt,
    pub(crate) tcp: tcp::simulated::SimulatedTcp,
    pub(crate) line: line::simulated::SimulatedLine,
    pub(crate) doors: CancellationToken,
    pub(crate) sinks: Vec<Sink>,
    pub(crate) routes: Option<Routes>,
    /// Dead letters of rows that their database refused, and what brings them into the log.
    dead_letters: Option<(DeadLetters, JoinHandle<()>)>,
    pub(crate) first_offset: u64,
    pub(crate) truncated_bytes: u64,
    queues: Vec<Arc<ShardQueue>>,
    shards: Vec<Shard>,
    writer: Writer,
    pending: Portion,
    stop: CancellationToken,
    appended: Arc<Notify>,
    plan: Plan,
    /// The folder of a log that a consumer could not read.
    pub(crate) damaged: Option<PathBuf>,
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

/// The log of events, where there is one.
pub(crate) fn events_options(plan: &Plan) -> Option<SpoolOptions> {
    let options =
        |max_bytes| SpoolOptions { directory: EVENTS.into(), max_bytes, retain_bytes: 0, ..spool_options(plan) };
    plan.events_bytes_max.map(options)
}

impl Server {
    pub(crate) fn start(plan: &Plan, disk: &FakeDisk, databases: &[Arc<Mutex<Database>>]) -> Result<Self, StartError> {
        let (appender, spool, recovered) = simulated::open(disk, &spool_options(plan))?;
        let log_folder = Box::new(OnDisk::new(disk, Path::new(SPOOL)));
        let folder = OnDisk::new(disk, Path::new(DATA));
        let keeper = genims_catalogue::simulated::open(&folder, log_folder, spool.id(), recovered.next_offset == 0)?;
        let keeper = Arc::new(keeper);
        let mut sources = vec!["mqtt".to_owned(), "tcp".to_owned()];
        sources.extend((plan.extent == Extent::Whole).then(|| "line".to_owned()));
        let accounts = Arc::new(Accounts::new(sources));
        let queues: Vec<_> = (0..plan.shards).map(|_| Arc::new(ShardQueue::new(QUEUE_RECORDS, 1 << 20))).collect();
        let intake = Intake::new(
            keeper.directory().clone(),
            queues.clone(),
            accounts.clone(),
            Some(Registrar { keeper: keeper.clone(), registers: plan.registers }),
            WhenFull::Block,
            spool.full_flag(),
        );
        let gate = plan.has_rows.then(rows::gate);
        let intake = Arc::new(intake.with_rows(gate.clone()));
        let settlement =
            Settlement { accounts: accounts.clone(), recovered_until: recovered.next_offset, rows_of: None };
        let appended = Arc::<Notify>::default();
        let followed = Followed {
            spool: spool.clone(),
            appended: appended.clone(),
            skips: plan.broken == Broken::SkipsGroups,
            routed: None,
            goes_on_behind: false,
        };
        spool.register(&contract::Consumer::hold(lock(&databases[0]).name).settling())?;
        spool.register(&contract::Consumer::resync(lock(&databases[MIRROR]).name, plan.mirror_bytes_max))?;
        let dead_letters = DeadLetters::open(plan, disk, &recovered.marks, &accounts)?;
        let readings = (&spool, recovered.next_offset);
        let routes = Routes::open(plan, disk, readings, databases, &accounts, dead_letters.as_ref())?;
        let routes = routes.map(|routes| Routes { gate, ..routes });
        let sinks = sinks(&followed, databases, settlement, routes.as_ref());

        let mut rules = PipelineOptions::default().rules();
        rules.routed = routes.is_some();
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
        let dead_letters = dead_letters.zip(routes.as_ref()).map(|(dead_letters, routes)| {
            let forwarding = dead_letters.start(intake.clone(), routes.log.clone(), &routes.routed);
            (dead_letters, forwarding)
        });
        Ok(Self {
            mqtt: mqtt::simulated::SimulatedMqtt::new(
                mqtt_options,
                0,
                intake.clone(),
                Arc::new(Messages(Decoder::default())),
            ),
            tcp: tcp::simulated::SimulatedTcp::new(tcp_options, 1, intake.clone(), accounts.clone(), progress),
            line: line::simulated::SimulatedLine::new(line::LineOptions::default(), 2, intake),
            doors: CancellationToken::new(),
            sinks,
            routes,
            dead_letters,
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
            appended,
            plan: *plan,
            damaged: None,
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
                    Err(SinkError::Log(error)) => {
                        if let Some(SpoolError::Damaged { file, .. }) = error.downcast_ref() {
                            self.damaged = file.parent().map(Path::to_owned);
                        }
                    }
                    // Goes on with what is still there: see `Sink::follow`.
                    Err(SinkError::CutOff { .. }) if self.sinks[index].is_small() => {}
                    Err(SinkError::CutOff { .. }) if index == MIRROR => self.bring_back(),
                    ended => panic!("a sink ended: {ended:?}"),
                }
            }
            if self.sinks[index].following.is_none() && !self.sinks[index].is_refused {
                self.sinks[index].follow(self.keeper.directory(), self.plan.seed, &self.stop);
            }
        }
    }

    /// The mirror is brought back from the operations database, as production does it; what fails is tried again with the
    /// next step.
    fn bring_back(&self) {
        let [Consumer::Database(whole), Consumer::Database(mirror)] =
            [0, MIRROR].map(|index| &self.sinks[index].consumer)
        else {
            panic!("the router is no mirror");
        };
        let (whole, mut mirror) = (lock(whole), lock(mirror));
        if whole.is_away || mirror.is_away {
            return;
        }
        let (log, first) = (self.spool.name(), self.spool.first_offset());
        let reached = whole.contents.positions.get(&log).cloned().unwrap_or_else(|| self.spool.position(first));
        match self.spool.restart_at(mirror.name, reached.next_offset()) {
            Ok(()) => {}
            // A disk that fails; an operations database that went back itself, or knows another history.
            Err(SpoolError::Io { .. } | SpoolError::OffsetGone { .. } | SpoolError::OffsetAhead { .. }) => return,
            Err(error) => panic!("held from there on: {error}"),
        }
        let is_cut_short = mirror.faults.pop_front().is_some();
        let rows = whole.contents.rows.iter().map(|(at, key)| (*at, key.clone()));
        let some = whole.contents.rows.len() / if is_cut_short { 2 } else { 1 };
        mirror.contents.rows.extend(rows.take(some));
        if !is_cut_short {
            mirror.contents.positions.insert(log, reached);
            // It lacks what the operations database lacks, and nothing else.
            mirror.gaps.clone_from(&whole.gaps);
        }
    }

    /// The doors are closed: somebody knows another history of the first log.
    pub(crate) fn is_refused(&self) -> bool {
        self.sinks.iter().any(|sink| sink.is_refused && sink.log.spool.id() == self.spool.id())
    }

    /// Somebody knows another history of any log.
    pub(crate) fn wants_adoption(&self) -> bool {
        self.sinks.iter().any(|sink| sink.is_refused)
    }

    /// The router has seen the first log, and nobody waits for it.
    pub(crate) fn is_routed(&self) -> bool {
        let end = self.spool.next_offset();
        self.routes.is_none() || self.spool.cursor(ROUTER) == Some(end)
    }

    /// The first log has the dead letters of all rows that were refused so far.
    pub(crate) fn has_dead_letters(&self) -> bool {
        self.dead_letters.as_ref().is_none_or(|(dead_letters, _)| dead_letters.are_forwarded())
    }

    /// Each log, by the number of its database.
    pub(crate) fn log(&self, database: usize) -> &Spool {
        match &self.routes {
            Some(routes) if database == ROUTED => &routes.log,
            _ => &self.spool,
        }
    }

    /// The shards take what waits, and the writer what they made of it. An error is the end of the log.
    pub(crate) fn pump(&mut self, now_us: i64, ticks: bool) -> Result<(), SpoolError> {
        if let Some(routes) = &self.routes {
            routes.look_for_room();
        }
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

    /// Of the log of events no failure ends anything else; compactions of it that found no room, or no working disk, are counted.
    pub(crate) fn maintain(&self, compactions_failed: &mut usize) -> Result<(), SpoolError> {
        if let Some(routes) = &self.routes
            && let Err(SpoolError::Io { path, .. }) = simulated::maintain(&routes.log)
        {
            *compactions_failed += usize::from(path.ends_with("compacted.tmp"));
        }
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
        self.end_forwarding().await;
        self.close(disk);
    }

    /// What is on its way is forwarded by the next life.
    async fn end_forwarding(&mut self) {
        if let Some((_, forwarding)) = self.dead_letters.take() {
            end(forwarding).await;
        }
    }

    fn close(self, disk: &FakeDisk) {
        if let Some(routes) = &self.routes {
            let _ = routes.log.close();
        }
        let _ = self.spool.close();
        self.writer.end(disk);
    }

    /// The process dies now.
    pub(crate) async fn die(mut self, disk: &FakeDisk) {
        disk.crash_in(0);
        for sink in &mut self.sinks {
            if let Some(following) = sink.following.take() {
                end(following).await;
            }
        }
        self.end_forwarding().await;
        self.close(disk);
    }
}

/// Ends a task where it stands; a panic of it is one here.
async fn end<T>(task: JoinHandle<T>) {
    task.abort();
    if let Err(error) = task.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Everybody who follows a log.
fn sinks(
    readings: &Followed,
    databases: &[Arc<Mutex<Database>>],
    settlement: Settlement,
    routes: Option<&Routes>,
) -> Vec<Sink> {
    let noted = if routes.is_some() { Events::Noted } else { Events::PassedOver };
    let of_readings =
        |database: &Arc<Mutex<Database>>| Sink::new(Consumer::Database(database.clone()), noted, readings.clone());
    let mut sinks: Vec<Sink> = databases[..ROUTED].iter().map(of_readings).collect();
    sinks[0].settlement = Some(settlement);
    sinks[MIRROR].is_brought_back = true;
    let Some(routes) = routes else { return sinks };
    let events = Followed {
        spool: routes.log.clone(),
        appended: routes.appended.clone(),
        skips: false,
        routed: Some(routes.routed.clone()),
        goes_on_behind: routes.goes_on_behind,
    };
    sinks.push(Sink::new(Consumer::Router(routes.clone()), Events::PassedOver, readings.clone()));
    let routed = Sink::new(Consumer::Database(routes.routed.clone()), Events::Stored, events);
    let mut routed = routed.with_rows(routes.desk.clone(), routes.metrics.clone());
    routed.settlement = Some(routes.settlement.clone());
    sinks.push(routed);
    sinks
}

fn acknowledge(seed: u64) -> Acknowledge {
    if seed.is_multiple_of(3) { Acknowledge::Committed } else { Acknowledge::Durable }
}
