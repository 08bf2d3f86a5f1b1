//! What the page of jobs, dead letters and audit chains shows: each database is asked when somebody looks, PostgreSQL on connections of
//! their own.

mod jobs;
mod letters;
mod replays;
mod trail;

use super::ServerError;
use crate::settings::Settings;
use genims_api::operations::report::{BackupRule, JobView, ReplayView, TrailAnswer, WaitingView};
use genims_api::operations::{NotReplayed, OperationsSource};
use genims_api::plants::Answering;
use genims_api::plants::report::Proven;
use genims_api::report::Observe;
use genims_databases::configured::if_configured;
use genims_databases::{Database, Environment, PostgresSettings, Registry};
use jobs::JobReader;
use letters::LetterReader;
use replays::Replays;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use trail::TrailReader;

const OPERATIONS: &str = "genims_operations_db";

pub(super) struct OperationsReader {
    jobs: JobReader,
    trail: TrailReader,
    letters: LetterReader,
    replays: Replays,
    backups: Vec<BackupRule>,
}

impl OperationsReader {
    /// What is replayed ends with `stop`.
    pub(super) fn new(
        settings: &Settings,
        environment: &Environment,
        observer: Arc<dyn Observe>,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, ServerError> {
        let registry = Registry::load(None)?;
        // Only one that this server writes to can be replayed into.
        let operations = match &settings.postgres {
            Some(_) => if_configured(PostgresSettings::from_environment(registry.get(OPERATIONS)?, environment))?,
            None => None,
        };
        let rule = |database: &Database| BackupRule {
            database: database.name.clone(),
            every_seconds: database.backup_every.as_secs(),
            kept_seconds: database.backups_kept.as_secs(),
        };
        Ok(Arc::new(Self {
            jobs: JobReader::new(&registry, environment)?,
            trail: TrailReader::new(settings, &registry, environment)?,
            letters: LetterReader::new(operations.clone()),
            replays: Replays::new(settings, environment, operations, (observer, stop.clone())),
            backups: registry.all().iter().map(rule).collect(),
        }))
    }

    /// Gives the connections back while nobody looks.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = self.jobs.close_when_idle() => {}
            () = self.letters.close_when_idle() => {}
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

    fn letters(&self) -> Answering<'_, Proven<Vec<WaitingView>>> {
        Box::pin(self.letters.letters())
    }

    fn backups(&self) -> Vec<BackupRule> {
        self.backups.clone()
    }

    fn replay(&self) -> Option<ReplayView> {
        self.replays.last()
    }

    fn begin_replay(&self, reason: &str, by: &str) -> Result<(), NotReplayed> {
        self.replays.begin(reason, by)
    }
}
