//! Events and programs' rows on their way to the other databases: a log of events of its own, and a follower for each database that
//! has routes or may get rows.
//!
//! The router has a thread of its own, because it waits for the disk. All databases share another: their batches are small, and
//! what waits for a database waits without holding it.

use super::RoutedView;
use super::route_files::Reload;
use super::route_lookups::Lookups;
use super::sinks::SinkView;
use super::stream::Stream;
use super::way_back::WayBack;
use super::{ServerError, Stage};
use crate::settings::{RouteOptions, Settings};
use genims_consumers::SinkMetrics;
use genims_consumers::follow::{Follower, Settlement};
use genims_consumers::gather::BatchLimits;
use genims_consumers::router::{self, EventRouter, ROUTER};
use genims_consumers::supervise::supervise;
use genims_databases::configured::if_configured;
use genims_databases::{Database, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use genims_log::contract::Consumer;
use genims_log::file::{self, Appender, Recovered, Spool, SpoolOptions};
use genims_model::{Cause, Group, Row};
use genims_routes::{DatabaseRoutes, Routes};
use genims_stores::SinkError;
use genims_stores::routed::gaps::Passed;
use genims_stores::routed::mongo::RoutedMongo;
use genims_stores::routed::mysql::RoutedMysql;
use genims_stores::routed::postgres::RoutedPostgres;
use genims_stores::routed::progress::Routed;
use genims_stores::rows::RowDesk;
use genims_stores::target::Target;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The folder of the log of events, in the data folder.
pub const EVENTS: &str = "events";
/// The share of the first log's cap that the router may hold, and of the second one's that is kept whole for a database.
const ROUTER_SHARE: u64 = 2;
const DATABASE_SHARE: u64 = 4;
/// Events are small: a segment holds tens of thousands.
const SEGMENT_BYTES: u64 = 8 << 20;
const MEMORY_BYTES: u64 = 16 << 20;
type Following = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;
type Beside = Pin<Box<dyn Future<Output = ()> + Send>>;
type Start = Box<dyn FnMut(CancellationToken) -> Following + Send>;

/// Registered with both logs, not running yet.
pub(super) struct EventRoutes {
    log: Spool,
    passed: Arc<Passed>,
    /// Records below were left by an earlier run.
    recovered_until: u64,
    way_back: WayBack,
    router: Vec<(SinkView, Start)>,
    followers: Vec<(SinkView, Start)>,
    routed: Vec<RoutedView>,
    lookups: Option<Lookups>,
    reload: Option<Reload>,
}

/// What follows the log of events.
pub(super) struct Running {
    pub(super) log: Spool,
    pub(super) views: Vec<SinkView>,
    pub(super) routed: Vec<RoutedView>,
}

impl EventRoutes {
    /// `None` where the configuration has neither routes nor rows, and no row of an earlier run waits.
    pub(super) async fn register(
        settings: &Settings,
        environment: &Environment,
        stream: &Stream,
    ) -> Result<Option<Self>, ServerError> {
        let is_asked = settings.routes.is_some() || settings.rows.is_some();
        if !is_asked && !settings.data_dir.join(EVENTS).exists() {
            return Ok(None);
        }
        let options = &settings.routes.clone().unwrap_or_default();
        let registry = registry()?;
        let routes = match &settings.routes {
            Some(options) => Routes::load(registry, options.directory.as_deref())?,
            None => Routes::default(),
        };
        let (appender, log, recovered) = open(settings, options)?;
        // A second log that is ahead of the first closes the doors: see `EventRouter::judge`.
        let remembered = router::remembered(&recovered.marks, stream.spool.name()).unwrap_or(0);
        let remembered = remembered.min(stream.spool.next_offset());
        let waiting = waiting(stream, &log, remembered)?;
        if !is_asked && waiting.is_empty() {
            return Ok(None);
        }
        // Events that it misses are counted; a row that was acknowledged must not be missed. No database keeps it waiting.
        let consumer = match settings.rows.is_some() || !waiting.is_empty() {
            true => Consumer::hold(ROUTER),
            false => Consumer::resync(ROUTER, stream.spool.max_bytes() / ROUTER_SHARE),
        };
        let passed = stream.spool.register(&consumer)?;
        let routed_below = remembered.max(passed);
        let router = EventRouter::new(appender, recovered.marks, passed)
            .with_recovered(stream.recovered_until, stream.accounts.recovered());
        router.judge(&stream.spool);
        let (first, passed) = (stream.spool.clone(), router.passed().clone());
        let (mut view, start) = follower((ROUTER, None), &stream.spool, Arc::default(), move |metrics, stop| {
            follow(router.clone(), first.clone(), router_limits(), metrics, None, stop)
        });
        view.writes = Some(log.clone());
        let (router, followers, routed) = (vec![(view, start)], Vec::new(), Vec::new());
        let way_back = WayBack::new(stream, &log, recovered.next_offset, registry);
        let mut made = Self {
            log,
            passed,
            recovered_until: recovered.next_offset,
            way_back,
            router,
            followers,
            routed,
            lookups: None,
            reload: None,
        };
        for database in registry.all() {
            let is_reached = settings.rows.as_ref().is_some_and(|rows| rows.reaches(&database.name));
            let waits = waiting.contains(&database.name);
            if waits && !is_connected(database, environment)? {
                let (database, connection) = (database.name.clone(), database.connection.clone());
                return Err(ServerError::RowsWait { database, connection });
            }
            let gets_rows = is_reached || waits;
            match routes.of(&database.name).filter(|routes| !routes.routes.is_empty()) {
                Some(routes) => made.database(options, environment, stream, routes, gets_rows).await?,
                None if gets_rows => {
                    let routes = Arc::new(DatabaseRoutes::none(database.clone()));
                    made.database(options, environment, stream, &routes, true).await?;
                }
                None => {}
            }
        }
        made.count_waiting(stream, routed_below)?;
        made.lookups = Some(Lookups::new(registry.clone(), environment, made.routed.clone())?);
        made.reload = options.directory.clone().map(|folder| Reload {
            folder,
            registry: registry.clone(),
            routed: made.routed.clone(),
        });
        Ok(Some(made))
    }

    /// A database that no variable names is left out, and said.
    async fn database(
        &mut self,
        options: &RouteOptions,
        environment: &Environment,
        stream: &Stream,
        routes: &Arc<DatabaseRoutes>,
        gets_rows: bool,
    ) -> Result<(), ServerError> {
        let database = &routes.database;
        let name = registry()?.get(&database.name)?.module.as_str();
        let routed = Arc::new(Routed::new(routes.clone()).with_passed(self.passed.clone()));
        let (log, directory) = (self.log.clone(), stream.keeper.directory().clone());
        let settlement = Settlement {
            accounts: stream.accounts.clone(),
            recovered_until: self.recovered_until,
            rows_of: Some(database.name.clone()),
        };
        let metrics = Arc::<SinkMetrics>::default();
        let desk = Arc::new(RowDesk::new(&database.name, Arc::new(self.way_back.of(&database.name, &metrics))));
        let parts = (routed.clone(), directory, desk, settlement);
        let start: Box<dyn FnMut(Arc<SinkMetrics>, CancellationToken) -> Following + Send> = match database.engine {
            Engine::Postgresql => {
                let Some(settings) = if_configured(PostgresSettings::from_environment(database, environment))? else {
                    return Ok(());
                };
                let connect = move || {
                    let settings = settings.clone();
                    async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
                };
                Box::new(move |metrics, stop| {
                    let (routed, directory, desk, settlement) = parts.clone();
                    let target = RoutedPostgres::new(name, connect.clone(), directory, routed).with_rows(Some(desk));
                    follow(target, log.clone(), limits(), metrics, Some(settlement), stop)
                })
            }
            Engine::Mysql => {
                let Some(settings) = if_configured(MysqlSettings::from_environment(database, environment))? else {
                    return Ok(());
                };
                Box::new(move |metrics, stop| {
                    let (routed, directory, desk, settlement) = parts.clone();
                    let target = RoutedMysql::new(name, settings.clone(), directory, routed).with_rows(Some(desk));
                    follow(target, log.clone(), limits(), metrics, Some(settlement), stop)
                })
            }
            Engine::Mongodb => {
                let Some(settings) = if_configured(MongoSettings::from_environment(database, environment))? else {
                    return Ok(());
                };
                let (client, place) = (settings.client().await?, settings.database_name().to_owned());
                Box::new(move |metrics, stop| {
                    let (routed, directory, desk, settlement) = parts.clone();
                    let target = RoutedMongo::new(name, client.clone(), place.clone(), directory, routed);
                    follow(target.with_rows(Some(desk)), log.clone(), limits(), metrics, Some(settlement), stop)
                })
            }
        };
        let share = options.max_bytes / DATABASE_SHARE;
        let consumer = match gets_rows {
            true => Consumer::compact(name, &database.name, share),
            false => Consumer::resync(name, share),
        };
        self.log.register(&consumer)?;
        self.followers.push(follower((name, Some(database.name.clone())), &self.log, metrics, start));
        self.routed.push(RoutedView { database: name, routed });
        Ok(())
    }

    /// Rows of earlier runs that are not in their databases count as received by this one.
    fn count_waiting(&self, stream: &Stream, routed_below: u64) -> Result<(), ServerError> {
        let mut rows = 0;
        // What went while nobody asked for routes or rows holds none that waits: those of programs are held.
        stream.spool.replay(routed_below.max(stream.spool.first_offset()), |group| {
            rows += (group.first_row_offset()..).zip(&group.rows).filter(|(at, _)| *at >= routed_below).count() as u64;
        })?;
        for (view, _) in &self.followers {
            // As the follower begins.
            let from = self.log.cursor(view.name).unwrap_or(0).max(self.log.first_offset());
            self.log.replay(from, |group| {
                let of = |row: &Row| Some(&row.database) == view.database.as_ref();
                let own = (group.first_row_offset()..).zip(&group.rows).filter(|(at, row)| *at >= from && of(row));
                rows += own.count() as u64;
            })?;
        }
        stream.accounts.received(stream.accounts.recovered(), rows);
        Ok(())
    }

    /// Starts the two threads.
    pub(super) fn start(self, stage: &mut Stage) -> Result<Running, ServerError> {
        let views = self.router.iter().chain(&self.followers).map(|(view, _)| view.clone()).collect();
        let stop = &stage.stop;
        let mut beside: Vec<Beside> = Vec::new();
        beside.extend(self.lookups.map(|lookups| Box::pin(lookups.run(stop.clone())) as Beside));
        beside.extend(self.reload.map(|reload| Box::pin(reload.run(stop.clone())) as Beside));
        beside.push(Box::pin(self.way_back.run(stop.clone())));
        run("router", self.router, Vec::new(), stage)?;
        run("routes", self.followers, beside, stage)?;
        Ok(Running { log: self.log, views, routed: self.routed })
    }
}

/// The log of events.
fn open(settings: &Settings, options: &RouteOptions) -> Result<(Appender, Spool, Recovered), ServerError> {
    Ok(file::open(&SpoolOptions {
        directory: settings.data_dir.join(EVENTS),
        max_bytes: options.max_bytes,
        segment_bytes: SEGMENT_BYTES,
        memory_bytes: MEMORY_BYTES,
        retain_bytes: 0,
        fsync: true,
    })?)
}

/// The databases that rows of earlier runs wait for, in either log; of the first, everything below `routed_below` is in the second.
fn waiting(stream: &Stream, log: &Spool, routed_below: u64) -> Result<BTreeSet<String>, ServerError> {
    let mut waiting = BTreeSet::new();
    let mut see = |group: &Group| waiting.extend(group.rows.iter().map(|row| row.database.clone()));
    stream.spool.replay(routed_below.max(stream.spool.first_offset()), &mut see)?;
    log.replay(log.first_offset(), &mut see)?;
    Ok(waiting)
}

/// Whether any variable names it.
pub(super) fn is_connected(database: &Database, environment: &Environment) -> Result<bool, ServerError> {
    Ok(match database.engine {
        Engine::Postgresql => if_configured(PostgresSettings::from_environment(database, environment))?.is_some(),
        Engine::Mysql => if_configured(MysqlSettings::from_environment(database, environment))?.is_some(),
        Engine::Mongodb => if_configured(MongoSettings::from_environment(database, environment))?.is_some(),
    })
}

/// The databases that this program knows: consumers bear their names for as long as it runs.
pub(super) fn registry() -> Result<&'static Registry, ServerError> {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    if let Some(registry) = REGISTRY.get() {
        return Ok(registry);
    }
    let loaded = Registry::load(None)?;
    Ok(REGISTRY.get_or_init(|| loaded))
}

/// A follower of `log`, and how it is shown.
fn follower(
    (name, database): (&'static str, Option<String>),
    log: &Spool,
    metrics: Arc<SinkMetrics>,
    mut start: impl FnMut(Arc<SinkMetrics>, CancellationToken) -> Following + Send + 'static,
) -> (SinkView, Start) {
    let view = SinkView { name, database, metrics: metrics.clone(), settles: false, log: log.clone(), writes: None };
    (view, Box::new(move |stop| start(metrics.clone(), stop)))
}

/// A thread that runs all of these until it is asked to stop.
fn run(
    thread: &str,
    followers: Vec<(SinkView, Start)>,
    beside: Vec<Beside>,
    stage: &mut Stage,
) -> Result<(), ServerError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    let (ended, end) = oneshot::channel::<()>();
    let stop = stage.stop.clone();
    let run = move || {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (view, start) in followers {
                let stop = stop.clone();
                tasks.spawn(async move { supervise(view.name, view.metrics, start, stop).await });
            }
            for task in beside {
                tasks.spawn(task);
            }
            while tasks.join_next().await.is_some() {}
        });
        drop(ended);
    };
    thread::Builder::new().name(thread.to_owned()).spawn(run).map_err(ServerError::Thread)?;
    stage.tasks.spawn(async move {
        let _ = end.await;
    });
    Ok(())
}

/// Follows a log. A database that was away for so long that it was cut off, and a router likewise, goes on with what is still there; what it
/// lacks is counted as its gap.
fn follow<T: Target + 'static>(
    target: T,
    log: Spool,
    limits: BatchLimits,
    metrics: Arc<SinkMetrics>,
    settlement: Option<Settlement>,
    stop: CancellationToken,
) -> Following {
    Box::pin(async move {
        let name = target.name();
        if log.is_cut_off(name) {
            // Not below what its database has.
            let offset = log.first_offset().max(log.cursor(name).unwrap_or(0));
            log.restart_at(name, offset).map_err(|error| SinkError::Log(Box::new(error)))?;
        }
        Follower::new(target, log, limits, metrics, settlement).run(stop).await
    })
}

/// An event reaches its rows within a tenth of a second, so nothing waits long for company.
fn limits() -> BatchLimits {
    BatchLimits {
        batch_size: 5_000,
        batch_bytes_max: 4 << 20,
        linger: Duration::from_millis(10),
        flush_interval: Duration::from_millis(40),
    }
}

/// The router looks at everything and keeps little: batches as the log has them.
fn router_limits() -> BatchLimits {
    BatchLimits {
        linger: Duration::from_millis(5),
        flush_interval: Duration::from_millis(50),
        ..BatchLimits::default()
    }
}
