//! Runs the jobs of config/etl when they are due, one after another, in a thread of its own. No database need be up.
//!
//! Invariants: a job that never ran is first due at its next moment; one that missed moments, or failed, stays due until a run of it
//! succeeds, with longer and longer pauses in between; a run that is cut off by a stop leaves its days to the next one.

use super::{ServerError, Stage};
use chrono::{DateTime, Utc};
use genims_databases::configured::if_configured;
use genims_databases::{Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use genims_etl::EtlError;
use genims_etl::bookkeeping::{DATABASE, RunKind};
use genims_etl::job::{self, Job};
use genims_etl::run::{Places, Request, run};
use genims_model::{Backoff, panics};
use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(5);
/// Asking the bookkeeping what is due.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE_MIN: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(600);

struct Scheduler {
    places: Places,
    jobs: Vec<Job>,
    started_at: DateTime<Utc>,
    /// Since when each job's moments count, as it was told last: only at such a moment the database is asked again.
    since: HashMap<String, DateTime<Utc>>,
    /// Jobs that failed, until when they wait, and how long the next time.
    waits: HashMap<String, (Instant, Backoff)>,
    said: Option<String>,
}

/// Nothing where the bookkeeping or no target is configured.
pub(super) fn start(environment: &Environment, stage: &mut Stage) -> Result<(), ServerError> {
    let registry = Registry::load(None)?;
    if if_configured(PostgresSettings::from_environment(registry.get(DATABASE)?, environment))?.is_none() {
        return Ok(());
    }
    let mut jobs = job::load(&registry, None)?;
    let targets = targets(&jobs, &registry, environment)?;
    jobs.retain(|job| targets.contains(&job.target));
    if jobs.is_empty() {
        return Ok(());
    }
    let places = Places { registry, environment: environment.clone() };
    let scheduler =
        Scheduler { places, jobs, started_at: Utc::now(), since: HashMap::new(), waits: HashMap::new(), said: None };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Thread)?;
    let stop = stage.stop.clone();
    let (ended, end) = oneshot::channel::<()>();
    let run = move || {
        runtime.block_on(scheduler.run(stop));
        drop(ended);
    };
    thread::Builder::new().name("etl".to_owned()).spawn(run).map_err(ServerError::Thread)?;
    stage.tasks.spawn(async move {
        let _ = end.await;
    });
    Ok(())
}

/// The targets that are configured: jobs of others are not run here.
pub(super) fn targets(
    jobs: &[Job],
    registry: &Registry,
    environment: &Environment,
) -> Result<HashSet<String>, ServerError> {
    let mut targets = HashSet::new();
    for job in jobs {
        let database = registry.get(&job.target)?;
        let is_configured = match database.engine {
            Engine::Mongodb => if_configured(MongoSettings::from_environment(database, environment))?.is_some(),
            _ => if_configured(MysqlSettings::from_environment(database, environment))?.is_some(),
        };
        if is_configured {
            targets.insert(job.target.clone());
        }
    }
    Ok(targets)
}

impl Scheduler {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.round() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Every job that is due, in the order of their moments.
    async fn round(&mut self) {
        let due = match tokio::time::timeout(PATIENCE, self.due()).await {
            Ok(Ok(due)) => {
                self.said = None;
                due
            }
            Ok(Err(error)) => return self.say(error.to_string()),
            Err(_) => return self.say(format!("{DATABASE} has not answered within {} s", PATIENCE.as_secs())),
        };
        for (due_at, index) in due {
            self.once(index, due_at).await;
        }
    }

    /// Once for each new cause.
    fn say(&mut self, error: String) {
        if self.said.as_ref() != Some(&error) {
            tracing::warn!(error, "what jobs are due cannot be told; tried again");
            self.said = Some(error);
        }
    }

    async fn due(&mut self) -> Result<Vec<(DateTime<Utc>, usize)>, EtlError> {
        let (now, mut due) = (Utc::now(), Vec::new());
        let mut bookkeeping = None;
        for (index, job) in self.jobs.iter().enumerate() {
            let waits = self.waits.get(&job.name).is_some_and(|(until, _)| Instant::now() < *until);
            let known = self.since.get(&job.name);
            if waits || known.is_some_and(|since| job.schedule.due(*since, now).is_none()) {
                continue;
            }
            let open = match bookkeeping.take() {
                Some(open) => open,
                None => self.places.bookkeeping().await?,
            };
            let since = open.last_success(&job.name).await?.unwrap_or(self.started_at);
            self.since.insert(job.name.clone(), since);
            due.extend(job.schedule.due(since, now).map(|at| (at, index)));
            bookkeeping = Some(open);
        }
        due.sort();
        Ok(due)
    }

    async fn once(&mut self, index: usize, due_at: DateTime<Utc>) {
        let Some(job) = self.jobs.get(index) else { return };
        let request = Request { kind: RunKind::Scheduled, due_at: Some(due_at), now: Utc::now(), backfill: None };
        // A job shares nothing with the others but the databases, where its transaction ends with its connection.
        let ran = panics::contain(run(&self.places, job, request, &|_| ())).await;
        let error = match ran {
            Ok(Ok(done)) => {
                tracing::info!(job = job.name, days = done.days, rows = done.rows_in, "job done");
                self.waits.remove(&job.name);
                return;
            }
            Ok(Err(EtlError::Busy { .. })) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("it panicked: {}", panics::text(panic.as_ref()))),
        };
        let fresh = || (Instant::now(), Backoff::new(PAUSE_MIN, PAUSE_MAX));
        let (until, backoff) = self.waits.entry(job.name.clone()).or_insert_with(fresh);
        let pause = backoff.next_delay();
        *until = Instant::now() + pause;
        match error {
            Some(error) => tracing::error!(job = job.name, error, seconds = pause.as_secs(), "job failed; tried again"),
            None => tracing::debug!(job = job.name, "under way elsewhere"),
        }
    }
}
