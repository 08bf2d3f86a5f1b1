//! The only place that joins the rooms: opens the log, starts the pipeline, the sinks and the listeners, and stops them
//! in the order in which data flows.
//!
//! - [`stream`]: catalogue, spool, shards, writer: from the door to the log
//! - [`sinks`]: what follows the log
//! - [`routes`]: events on their way to the other databases; [`route_files`]: changed while the server runs;
//!   [`route_lookups`]: what routes must know of other databases
//! - [`resync`]: what a routed database lacks, made anew beside the running server
//! - [`rows`]: rows of programs for any table, at the door; [`way_back`]: of those that their database refused
//! - [`changes`]: the changes of business tables on their way into the audit trail
//! - [`etl`]: the jobs that fill reporting, warehouse and roll-ups, by schedule
//! - [`compliance`]: the report of each day for auditors
//! - [`doors`]: the listeners
//! - [`master`]: following master data
//! - [`backups`]: how old they are
//! - [`clocks`]: our clock against the databases'
//! - [`reach`]: whether each database of the registry answers
//! - [`observe`]: the report of everything; [`plants`]: what the pages of plants ask for
//! - [`operations`]: what the page of jobs, dead letters and audit chains asks for, and its replay
//! - [`purge`]: the bounds of the dead letters
//! - [`front`]: the locks of the HTTP side; [`refusals`]: who was refused what, on its way into the audit trail
//! - [`obstacles`]: what would stop a start, before it begins
//! - [`reload`]: certificates, clients and users, read again when they change
//! - [`panics`]: a broken invariant ends the server in order
//!
//! From the request to stop to the end it takes [`STOP_MAX`] at most, whatever hangs: each stage has its share of it.
//!
//! Nothing here needs a database to be up: with an empty journal the server waits [`FIRST_CATALOGUE_WAIT`] for master data
//! before it opens its doors, then opens them anyway.

mod backups;
mod changes;
mod clocks;
mod compliance;
mod doors;
mod etl;
mod front;
mod master;
mod observe;
pub mod obstacles;
mod operations;
pub mod panics;
mod plants;
mod purge;
mod reach;
mod refusals;
mod reload;
pub mod resync;
mod route_files;
mod route_lookups;
pub mod routes;
mod rows;
mod sinks;
mod stream;
mod way_back;

use crate::settings::Settings;
use genims_api::operations::OperationsSource;
use genims_api::plants::PlantSource;
use genims_api::report::Observe;
use genims_api::{http, summary};
use genims_databases::{DatabaseError, Environment, Registry};
use genims_log::file::{Spool, SpoolError};
use genims_stores::routed::progress::Routed;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a first start waits for master data.
const FIRST_CATALOGUE_WAIT: Duration = Duration::from_secs(10);
/// How long a stop may take; `--help` and the README say so.
pub const STOP_MAX: Duration = Duration::from_secs(10);
/// The stages' shares of it; what is left is for the process itself. What a stage cannot finish in its share loses nothing:
/// it was not acknowledged, or it is in the log.
const DOORS_STOP: Duration = Duration::from_secs(3);
const PIPELINE_STOP: Duration = Duration::from_secs(2);
/// A batch under way may still commit: see `FollowOptions::stop_grace`, which is shorter.
const SINKS_STOP: Duration = Duration::from_secs(3);
const WINDOW_STOP: Duration = Duration::from_secs(1);
const _: () = {
    let stages = [DOORS_STOP, PIPELINE_STOP, SINKS_STOP, WINDOW_STOP];
    let (mut sum_s, mut stage) = (0, 0);
    while stage < stages.len() {
        sum_s += stages[stage].as_secs();
        stage += 1;
    }
    assert!(sum_s < STOP_MAX.as_secs(), "the stages have more than there is");
};
const FAILURE_POLL: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "rows that were acknowledged wait for {database}, and no connection is configured for it; set {connection} (see \
         .env.example), so that they reach it"
    )]
    RowsWait { database: String, connection: String },
    #[error("the data folder {path} cannot be used: {source}; name a writable folder in data_dir or GENIMS_DATA_DIR")]
    DataDir { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Journal(#[from] genims_catalogue::error::JournalError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Routes(#[from] genims_routes::RouteError),
    #[error("listener {name} cannot start on {address}: {source}; free the address or choose another `listen`")]
    Bind { name: String, address: String, source: io::Error },
    #[error("listener {name}: {source}")]
    Listener { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the clients: {0}")]
    Clients(#[source] Box<genims_locks::LockError>),
    #[error("the HTTP side: {0}")]
    Http(#[source] Box<genims_locks::LockError>),
    #[error(transparent)]
    Etl(#[from] genims_etl::EtlError),
    #[error(transparent)]
    Changes(#[from] genims_changes::ChangesError),
    #[error("a thread cannot be started: {0}; raise the process limit")]
    Thread(#[source] io::Error),
}

/// A running server.
pub struct Server {
    stream: stream::Stream,
    /// The log of events, where events are routed.
    events: Option<Spool>,
    tasks: Tasks,
    observer: Arc<observe::Observer>,
    /// Why the HTTP side has ended, if it has: nobody could see the server any more.
    http_ended: Arc<OnceLock<String>>,
    /// Where the HTTP side listens, for those who asked for port 0.
    pub http_address: SocketAddr,
}

/// One database that events are routed to, for the report.
#[derive(Clone)]
struct RoutedView {
    database: &'static str,
    routed: Arc<Routed>,
}

/// Long-running parts by the stage in which they stop.
struct Tasks {
    doors: Stage,
    sinks: Stage,
    window: Stage,
}

struct Stage {
    name: &'static str,
    patience: Duration,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Tasks {
    fn new() -> Self {
        Self {
            doors: Stage::new("listeners", DOORS_STOP),
            sinks: Stage::new("sinks", SINKS_STOP),
            window: Stage::new("window", WINDOW_STOP),
        }
    }
}

impl Stage {
    fn new(name: &'static str, patience: Duration) -> Self {
        Self { name, patience, stop: CancellationToken::new(), tasks: JoinSet::new() }
    }

    /// Asks all parts to stop and waits for them, bounded.
    async fn end(&mut self) {
        self.stop.cancel();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.patience, all).await.is_err() {
            tracing::warn!(stage = self.name, "did not stop in {} s; giving it up", self.patience.as_secs());
            self.tasks.abort_all();
        }
    }
}

/// What was started before a start failed stops, too.
impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The HTTP side's listener, and where it listens.
async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Bind { name: "http".to_owned(), address: listen.to_string(), source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Server {
    pub async fn start(settings: Settings, environment: &Environment) -> Result<Self, ServerError> {
        let data_dir = settings.data_dir.clone();
        std::fs::create_dir_all(&data_dir).map_err(|source| ServerError::DataDir { path: data_dir.clone(), source })?;
        let names = settings.listeners.iter().map(|listener| listener.name.clone());
        let rows = rows::Rows::configured(&settings, environment)?;
        let mut stream = stream::Stream::open(&settings, names, rows.as_ref().map(rows::Rows::gate))?;
        let mut tasks = Tasks::new();
        // Waits for no catalogue: changes have nothing to do with the stream.
        let changes = changes::Changes::configured(&settings, environment).await?.start(&mut tasks.sinks)?;
        etl::start(environment, &mut tasks.window)?;
        compliance::start(&settings, environment, &mut tasks.window)?;
        let mut master = master::Refresher::new(stream.keeper.clone(), environment)?;
        if stream.keeper.directory().load().sensors().is_empty() {
            master.first_catalogue(FIRST_CATALOGUE_WAIT).await;
        }
        // After the catalogue: shards and sinks resolve what an earlier run left.
        let sinks = sinks::Sinks::register(&settings, environment, &stream).await?;
        let routes = routes::EventRoutes::register(&settings, environment, &stream).await?;
        stream.run()?;
        let mut sinks = sinks.start(&mut tasks.sinks)?;
        let routes = routes.map(|routes| routes.start(&mut tasks.sinks)).transpose()?;
        sinks.extend(routes.iter().flat_map(|running| running.views.clone()));
        let (events, routed) = routes.map(|running| (running.log, running.routed)).unzip();
        rows::start(rows, events.clone(), &mut tasks.window).await;
        let clocks = clocks::watched(&settings, environment)?;
        let databases = reach::all(&Registry::load(None)?, environment);
        let (doorway, mut looks) = front::open(&settings, Arc::default())?;
        let observer = Arc::new(observe::Observer::new(
            &stream,
            master.status(),
            (sinks, routed.unwrap_or_default()),
            changes,
            clocks.clone(),
            (databases.clone(), backups::Backups::new(&settings, environment)?),
            doorway.refusals.clone(),
        ));
        let plants = plants::PlantReader::new(&settings, environment, stream.keeper.directory().clone())?;
        let stop = &tasks.window.stop;
        let operations = operations::OperationsReader::new(&settings, environment, observer.clone(), stop)?;
        let (http_listener, http_address) = bind(settings.http.listen).await?;
        doors::open(&settings, &stream, &observer, (&doorway.refusals, &mut looks), &mut tasks.doors).await?;

        let window = &mut tasks.window;
        // Also with nothing to look at: a SIGHUP that nobody waits for ends the process.
        window.tasks.spawn(reload::run(looks, doorway.reload.clone(), window.stop.clone()));
        let writer = refusals::Writer::new(doorway.refusals.clone(), stream.accounts.clone(), environment)?;
        window.tasks.spawn(writer.run(window.stop.clone()));
        let http_ended = Arc::<OnceLock<String>>::default();
        let sources: (Arc<dyn PlantSource>, Arc<dyn OperationsSource>) = (plants.clone(), operations.clone());
        let served = http::serve(http_listener, observer.clone(), sources, doorway, window.stop.clone());
        let ended = http_ended.clone();
        window.tasks.spawn(async move {
            if let Err(error) = served.await {
                _ = ended.set(error.to_string());
            }
        });
        window.tasks.spawn(plants.run(window.stop.clone()));
        window.tasks.spawn(operations.run(window.stop.clone()));
        window.tasks.spawn(summary::run(observer.clone(), window.stop.clone()));
        window.tasks.spawn(master.run(window.stop.clone()));
        for clock in clocks {
            window.tasks.spawn(clock.run(window.stop.clone()));
        }
        for database in databases {
            window.tasks.spawn(database.run(window.stop.clone()));
        }
        if let Some(purge) = purge::Purge::of(&settings, environment)? {
            window.tasks.spawn(purge.run(window.stop.clone()));
        }
        tracing::info!(http = %http_address, data = %data_dir.display(), "genims is serving");
        Ok(Self { stream, events, tasks, observer, http_ended, http_address })
    }

    /// Resolves with the cause when the server can no longer keep its promises: a log has failed, or nobody can watch.
    pub async fn failed(&self) -> String {
        loop {
            if let Some(cause) = self.failure() {
                return cause;
            }
            tokio::time::sleep(FAILURE_POLL).await;
        }
    }

    fn failure(&self) -> Option<String> {
        if let Some(cause) = self.stream.spool.failure() {
            return Some(format!(
                "the spool has failed: {cause}; nothing was acknowledged since; mend the disk and restart"
            ));
        }
        if let Some(cause) = self.events.as_ref().and_then(Spool::failure) {
            return Some(format!(
                "the log of events has failed: {cause}; what was acknowledged is in the spool; mend the disk and restart"
            ));
        }
        let cause = self.http_ended.get()?;
        Some(format!("the HTTP side has ended: {cause}; restart, and free its address if it is taken"))
    }

    /// Stops in the direction of the stream: doors, shards and log, sinks, window.
    pub async fn stop(mut self) {
        self.tasks.doors.end().await;
        self.stream.end().await;
        self.tasks.sinks.end().await;
        self.stream.close();
        if let Some(Err(error)) = self.events.as_ref().map(Spool::close) {
            tracing::error!(%error, "the log of events did not close in order");
        }
        let total = self.observer.report().total;
        tracing::info!(
            received = total.received,
            committed = total.committed,
            duplicate = total.duplicate,
            dead_lettered = total.dead_lettered,
            dropped = total.dropped,
            in_flight = total.in_flight,
            "stopped; what is in flight is in the spool and goes on at the next start"
        );
        self.tasks.window.end().await;
    }
}
