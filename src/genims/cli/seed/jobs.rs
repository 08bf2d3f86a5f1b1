//! What is not seeded but computed out of what was: tables of MySQL and roll-ups of MongoDB that jobs of `config/etl` fill. Enters: the report of the
//! loading. Leaves: the same report, with what the jobs filled; a job that failed fails its database.

use chrono::NaiveTime;
use genims_databases::{Environment, Registry};
use genims_etl::EtlError;
use genims_etl::bookkeeping::{Done, RunKind};
use genims_etl::job::{self, Job};
use genims_etl::run::{Places, Request, run as run_job};
use genims_model::Backoff;
use genims_seed::load::{SeedReport, SeededDatabase};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// For a job that is under way elsewhere: a server's, or that of a run whose end has not been noticed.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The tables that jobs fill, as `database.table`, and the databases that have some.
pub(super) struct Filled {
    jobs: Vec<Job>,
    pub(super) tables: BTreeSet<String>,
    pub(super) databases: BTreeSet<String>,
}

impl Filled {
    pub(super) fn load(registry: &Registry) -> Result<Self, EtlError> {
        let jobs = job::load(registry, None)?;
        let of_job = |job: &Job| -> Vec<String> {
            job.tables.iter().map(|table| format!("{}.{}", job.target, table.name)).collect()
        };
        let tables = jobs.iter().flat_map(of_job).collect();
        let databases = jobs.iter().map(|job| job.target.clone()).collect();
        Ok(Self { jobs, tables, databases })
    }

    /// Runs the jobs of the databases that were loaded, as on the day on which the seeded history ends.
    pub(super) async fn fill(
        &self,
        registry: &Registry,
        environment: &Environment,
        report: &mut SeedReport,
        show: &(dyn Fn(&str) + Send + Sync),
    ) {
        let places = Places { registry: registry.clone(), environment: environment.clone() };
        // Noon is of that day in all zones but those at the edge.
        let now = report.parameters.day().and_time(NaiveTime::MIN).and_utc() + chrono::Duration::hours(12);
        let request = Request { kind: RunKind::Manual, due_at: None, now, backfill: None };
        let started = Instant::now();
        for seeded in report.databases.iter_mut().filter(|database| database.error.is_none()) {
            let began = Instant::now();
            let database = seeded.database.clone();
            for job in self.jobs.iter().filter(|job| job.target == database) {
                match until_free(&places, job, request, show).await {
                    Ok(done) => enter(seeded, job, &done),
                    Err(error) if seeded.error.is_none() => seeded.error = Some(format!("job {}: {error}", job.name)),
                    Err(_) => {}
                }
            }
            seeded.seconds += began.elapsed().as_secs_f64();
        }
        report.seconds += started.elapsed().as_secs_f64();
    }
}

fn enter(seeded: &mut SeededDatabase, job: &Job, done: &Done) {
    if done.days > 0 {
        seeded.loaded += job.tables.len();
    } else {
        seeded.there_before += job.tables.len();
    }
    seeded.rows += done.rows_in;
}

async fn until_free(
    places: &Places,
    job: &Job,
    request: Request,
    show: &(dyn Fn(&str) + Send + Sync),
) -> Result<Done, EtlError> {
    let (mut backoff, patience) = (Backoff::new(PAUSE_MIN, PAUSE_MAX), Instant::now() + PATIENCE);
    loop {
        match run_job(places, job, request, show).await {
            Err(EtlError::Busy { .. }) if Instant::now() < patience => tokio::time::sleep(backoff.next_delay()).await,
            ended => return ended,
        }
    }
}
