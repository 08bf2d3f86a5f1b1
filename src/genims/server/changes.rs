//! Delivers the changes of business tables: one loop for each PostgreSQL database and target, all in a thread of its own, so that
//! hashing and encoding cost no acknowledgement its time. No database need be up.

use super::{ServerError, Stage};
use crate::settings::Settings;
use genims_changes::follow::{ChangeTarget, OutboxFollower, STREAM, TRAIL};
use genims_changes::heads::{EVERY, Heads};
use genims_changes::metrics::Metrics;
use genims_changes::outbox::Outbox;
use genims_changes::stream::Stream;
use genims_changes::trail::Trail;
use genims_databases::{
    Database, DatabaseError, Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry,
};
use std::sync::Arc;
use std::thread;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// One delivery, for the report.
#[derive(Clone)]
pub(super) struct ChangesView {
    pub(super) database: String,
    pub(super) target: &'static str,
    pub(super) metrics: Arc<Metrics>,
}

/// What is configured, not running yet.
pub(super) struct Changes {
    followers: Vec<OutboxFollower>,
    heads: Option<Arc<Heads>>,
}

impl Changes {
    /// Nothing where neither target is configured.
    pub(super) async fn configured(settings: &Settings, environment: &Environment) -> Result<Self, ServerError> {
        let registry = Registry::load(None)?;
        let mysql = configured(MysqlSettings::from_environment(registry.get("genims_audit_db")?, environment))?;
        let mongo = configured(MongoSettings::from_environment(registry.get("genims_production")?, environment))?;
        let mongo = match mongo {
            Some(settings) => {
                let client = settings.client().await?;
                Some((settings, client))
            }
            None => None,
        };
        let heads = match &mysql {
            Some(_) => Some(Arc::new(Heads::load(&settings.data_dir, mongo.clone())?)),
            None => None,
        };
        // Without the trail nothing is ever deleted from an outbox: it is the evidence.
        let targets: Vec<String> =
            std::iter::once(TRAIL).chain(mongo.is_some().then_some(STREAM)).map(str::to_owned).collect();
        let mut followers = Vec::new();
        let postgres = registry.all().iter().filter(|database| database.engine == Engine::Postgresql);
        for database in postgres.filter(|_| mysql.is_some() || mongo.is_some()) {
            let Some(outbox) = outbox(database, environment, &targets)? else { continue };
            if let (Some(mysql), Some(heads)) = (&mysql, &heads) {
                let trail = Box::new(Trail::new(mysql.clone(), database.name.clone()));
                followers.push(OutboxFollower::new(outbox.clone(), ChangeTarget::Trail(trail, heads.clone())));
            }
            if let Some((mongo, client)) = &mongo {
                let stream = Box::new(Stream::new(mongo.clone(), client.clone(), database.name.clone()));
                followers.push(OutboxFollower::new(outbox.clone(), ChangeTarget::Stream(stream)));
            }
        }
        Ok(Self { followers, heads })
    }

    pub(super) fn start(self, stage: &mut Stage) -> Result<Vec<ChangesView>, ServerError> {
        let view = |follower: &OutboxFollower| ChangesView {
            database: follower.outbox.database().to_owned(),
            target: follower.target.name(),
            metrics: follower.metrics.clone(),
        };
        let views: Vec<ChangesView> = self.followers.iter().map(view).collect();
        if views.is_empty() {
            return Ok(views);
        }
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
        let stop = stage.stop.clone();
        let (ended, end) = oneshot::channel::<()>();
        let run = move || {
            runtime.block_on(deliver(self, stop));
            drop(ended);
        };
        thread::Builder::new().name("changes".to_owned()).spawn(run).map_err(ServerError::Thread)?;
        stage.tasks.spawn(async move {
            let _ = end.await;
        });
        Ok(views)
    }
}

/// Until told to stop; then what is known of the chains is kept.
async fn deliver(changes: Changes, stop: CancellationToken) {
    let mut followers = JoinSet::new();
    for follower in changes.followers {
        followers.spawn(follower.run(stop.clone()));
    }
    let mut said = None;
    let mut keep = async |heads: &Heads| {
        let kept = heads.keep().await.err().map(|error| error.to_string());
        if let Some(error) = kept.as_ref().filter(|error| said.as_ref() != Some(*error)) {
            tracing::error!(error, "the heads of the audit trail are not kept; tried again");
        } else if kept.is_none() && said.is_some() {
            tracing::info!("the heads of the audit trail are kept again");
        }
        said = kept;
    };
    if let Some(heads) = &changes.heads {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            keep(heads).await;
        }
    }
    while followers.join_next().await.is_some() {}
    if let Some(heads) = &changes.heads {
        keep(heads).await;
    }
}

fn outbox(
    database: &Database,
    environment: &Environment,
    targets: &[String],
) -> Result<Option<Arc<Outbox>>, ServerError> {
    let settings = configured(PostgresSettings::from_environment(database, environment))?;
    Ok(settings.map(|settings| Arc::new(Outbox::new(settings, targets.to_vec()))))
}

fn configured<T>(settings: Result<T, DatabaseError>) -> Result<Option<T>, ServerError> {
    match settings {
        Ok(settings) => Ok(Some(settings)),
        Err(DatabaseError::NotConfigured { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
