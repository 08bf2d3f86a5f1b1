//! What the page of jobs, dead letters and audit chains shows: each database is asked when somebody looks, PostgreSQL on connections of
//! their own.

mod dead_letters;
mod jobs;
mod replays;
mod trail;

use super::ServerError;
use super::backups::Backups;
use super::observe::Observer;
use crate::settings::Settings;
use dead_letters::DeadLetterReader;
use genims_api::operations::report::{JobView, ReplayView, TrailAnswer, WaitingView};
use genims_api::operations::{NotReplayed, OperationsSource};
use genims_api::plants::Answering;
use genims_api::plants::report::Proven;
use genims_api::report::BackupAges;
use genims_databases::configured::if_configured;
use genims_databases::{Environment, PostgresSettings, Registry};
use jobs::JobReader;
use replays::Replays;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use trail::TrailReader;

const OPERATIONS: &str = "genims_operations_db";

pub(super) struct OperationsReader {
    jobs: JobReader,
    trail: TrailReader,
    dead_letters: DeadLetterReader,
    replays: Replays,
    backups: Arc<Backups>,
}

impl OperationsReader {
    /// What is replayed ends with `stop`.
    pub(super) fn new(
        settings: &Settings,
        environment: &Environment,
        observer: Arc<Observer>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ServerError> {
        let registry = Registry::load(None)?;
        // Only one that this server writes to can be replayed into.
        let operations = match &settings.postgres {
            Some(_) => if_configured(PostgresSettings::from_environment(registry.get(OPERATIONS)?, environment))?,
            None => None,
        };
        Ok(Arc::new(Self {
            jobs: JobReader::new(&registry, environment)?,
            trail: TrailReader::new(settings, &registry, environment)?,
            dead_letters: DeadLetterReader::new(operations.clone()),
            backups: observer.backups.clone(),
            replays: Replays::new(settings, environment, operations, (observer, stop.clone())),
        }))
    }

    /// Gives the connections back while nobody looks.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = self.jobs.close_when_idle() => {}
            () = self.dead_letters.close_when_idle() => {}
            () = self.backups.clone().run(stop.clone()) => {}
            () = stop.cancelled() => {}
        }
    }
}

impl OperationsSource for OperationsReader {
    fn jobs(&self) -> Answering<'_, Proven<Vec<JobView>>> {
        Box::pin(self.jobs.jobs())
    }

    fn trail(&self) -> Answering<'_, Proven<TrailAnswer>> {
        Box::pin(self.trail.trail())
    }

    fn dead_letters(&self) -> Answering<'_, Proven<Vec<WaitingView>>> {
        Box::pin(self.dead_letters.dead_letters())
    }

    fn backups(&self) -> BackupAges {
        self.backups.report()
    }

    fn replay(&self) -> Option<ReplayView> {
        self.replays.last()
    }

    fn begin_replay(&self, reason: &str, by: &str) -> Result<(), NotReplayed> {
        self.replays.begin(reason, by)
    }
}
