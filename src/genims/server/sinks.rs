//! The sinks: each follows the log in a thread of its own. No database need be up.
//!
//! Encoding a batch takes a core for tens of milliseconds; on the listeners' threads every acknowledgement behind it
//! would wait for that.

use super::stream::Stream;
use super::{ServerError, Stage};
use crate::settings::Settings;
use genims_consumers::SinkMetrics;
use genims_consumers::follow::{Follower, Settlement};
use genims_consumers::mirror::Mirror;
use genims_consumers::supervise::supervise;
use genims_databases::{Environment, MongoSettings, PostgresSettings, Registry};
use genims_log::contract::Consumer;
use genims_log::file::Spool;
use genims_model::Cause;
use genims_stores::SinkError;
use genims_stores::mongo::bookkeeping::SINK as MONGODB;
use genims_stores::mongo::{MongoNames, MongoTarget};
use genims_stores::postgres::session::SINK as POSTGRES;
use genims_stores::postgres::{Connector, PostgresTarget};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// One sink, for the report.
#[derive(Clone)]
pub(super) struct SinkView {
    pub(super) name: &'static str,
    /// Its database, as the registry names it; `None` where another log is what it writes.
    pub(super) database: Option<String>,
    pub(super) metrics: Arc<SinkMetrics>,
    /// Its commit ends a record's life.
    pub(super) settles: bool,
    /// What it follows.
    pub(super) log: Spool,
    /// What it writes to, where that is another log.
    pub(super) writes: Option<Spool>,
}

/// The share of the log's cap that the mirror may hold: the rest is always left to the operations database.
const MIRROR_SHARE: u64 = 2;

const OPERATIONS: &str = "genims_operations_db";
const PRODUCTION: &str = "genims_production";

type Following = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send>>;

/// Makes the loop of a sink; once more whenever it has ended.
type Start = Box<dyn FnMut(CancellationToken) -> Following + Send>;

/// A registered sink that does not run yet.
struct Ready {
    view: SinkView,
    start: Start,
}

/// The configured sinks, registered with the log so that it keeps their records.
pub(super) struct Sinks(Vec<Ready>);

impl Sinks {
    pub(super) async fn register(
        settings: &Settings,
        environment: &Environment,
        stream: &Stream,
    ) -> Result<Self, ServerError> {
        let registry = Registry::load(None)?;
        let mut sinks = Vec::new();
        let directory = stream.keeper.directory();
        let operations = match &settings.postgres {
            Some(limits) => Some((limits, operations(&registry, environment)?)),
            None => None,
        };
        if let Some((limits, connect)) = &operations {
            let sources: Vec<String> =
                stream.accounts.by_source().into_iter().map(|(name, _)| name.to_owned()).collect();
            let (limits, connect, directory) = ((*limits).clone(), connect.clone(), directory.clone());
            let target = move || PostgresTarget::new(connect.clone(), directory.clone(), sources.clone());
            let settlement = Settlement {
                accounts: stream.accounts.clone(),
                recovered_until: stream.recovered_until,
                rows_of: None,
            };
            let consumer = Consumer::hold(POSTGRES).settling();
            let log = stream.spool.clone();
            let start = move |metrics, stop| -> Following {
                let follower = Follower::new(target(), log.clone(), limits.clone(), metrics, Some(settlement.clone()));
                Box::pin(follower.run(stop))
            };
            sinks.push(ready(&consumer, (POSTGRES, OPERATIONS), &stream.spool, start)?);
        }
        if let Some(limits) = &settings.mongodb {
            let database = registry.get(PRODUCTION)?;
            let connection = MongoSettings::from_environment(database, environment)?;
            let client = connection.client().await?;
            let names = MongoNames { database: connection.database_name().to_owned(), ..MongoNames::default() };
            // Without an operations database nothing could bring it back: then what it lacks is kept, and the doors wait for it.
            let consumer = match &operations {
                Some(_) => Consumer::resync(MONGODB, stream.spool.max_bytes() / MIRROR_SHARE),
                None => Consumer::hold(MONGODB),
            };
            let operations = operations.map(|(_, connect)| connect);
            let (log, limits, directory) = (stream.spool.clone(), limits.clone(), directory.clone());
            let start = move |metrics, stop| -> Following {
                let (log, limits, operations) = (log.clone(), limits.clone(), operations.clone());
                let mirror = Mirror { log, limits, metrics, operations, directory: directory.clone() };
                let (client, names, directory) = (client.clone(), names.clone(), directory.clone());
                Box::pin(async move {
                    let target = || MongoTarget::new(client.clone(), names.clone(), directory.clone());
                    mirror.run(target, stop).await
                })
            };
            sinks.push(ready(&consumer, (MONGODB, PRODUCTION), &stream.spool, start)?);
        }
        Ok(Self(sinks))
    }

    /// Starts them all; records of an earlier run must be in the accounts by now.
    pub(super) fn start(self, stage: &mut Stage) -> Result<Vec<SinkView>, ServerError> {
        let mut views = Vec::new();
        for Ready { view, start } in self.0 {
            let (name, metrics) = (view.name, view.metrics.clone());
            let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
            let stop = stage.stop.clone();
            let (ended, end) = oneshot::channel::<()>();
            let run = move || {
                runtime.block_on(supervise(name, metrics, start, stop));
                drop(ended);
            };
            thread::Builder::new().name(format!("sink-{name}")).spawn(run).map_err(ServerError::Thread)?;
            stage.tasks.spawn(async move {
                let _ = end.await;
            });
            views.push(view);
        }
        Ok(views)
    }
}

/// Connections to the operations database: of its own sink, and for bringing the mirror back.
fn operations(registry: &Registry, environment: &Environment) -> Result<impl Connector + Clone + use<>, ServerError> {
    let settings = PostgresSettings::from_environment(registry.get(OPERATIONS)?, environment)?;
    Ok(move || {
        let settings = settings.clone();
        async move { settings.connect().await.map_err(|error| Box::new(error) as Cause) }
    })
}

fn ready(
    consumer: &Consumer,
    (name, database): (&'static str, &'static str),
    spool: &Spool,
    mut start: impl FnMut(Arc<SinkMetrics>, CancellationToken) -> Following + Send + 'static,
) -> Result<Ready, ServerError> {
    spool.register(consumer)?;
    let metrics = Arc::new(SinkMetrics::default());
    let database = Some(database.to_owned());
    let (settles, log) = (consumer.settles, spool.clone());
    let view = SinkView { name, database, metrics: metrics.clone(), settles, log, writes: None };
    Ok(Ready { view, start: Box::new(move |stop| start(metrics.clone(), stop)) })
}
