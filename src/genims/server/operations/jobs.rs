//! The jobs of config/etl and their last runs, of the bookkeeping in the master database.

use super::super::{ServerError, etl};
use chrono::{DateTime, Utc};
use genims_api::operations::report::{JobRunView, JobView};
use genims_api::plants::report::Proven;
use genims_api::proof::Proof;
use genims_databases::configured::if_configured;
use genims_databases::reader::{BoundQuery, QueryValue, SharedReader};
use genims_databases::{Environment, PostgresError, PostgresRow, PostgresSettings, Registry};
use genims_etl::bookkeeping::DATABASE;
use genims_etl::job::{self, Job};
use std::collections::{HashMap, HashSet};
use std::future::pending;

/// By the index on job and start.
const RUNS: &str = "\
SELECT r.job, r.kind, r.outcome, (extract(epoch FROM r.due_at) * 1000)::bigint,
       (extract(epoch FROM r.started_at) * 1000)::bigint, extract(epoch FROM r.ended_at - r.started_at)::float8,
       r.days, r.rows_out, r.rows_in, r.watermark, r.error
  FROM unnest($1) AS j (job)
 CROSS JOIN LATERAL (
    SELECT * FROM genims_internal.etl_runs WHERE job = j.job ORDER BY started_at DESC, run_id DESC LIMIT 1) AS r";

pub(super) struct JobReader {
    jobs: Vec<Job>,
    /// Whose jobs are run here.
    targets: HashSet<String>,
    /// None where the bookkeeping is not configured.
    reader: Option<SharedReader>,
}

impl JobReader {
    pub(super) fn new(registry: &Registry, environment: &Environment) -> Result<Self, ServerError> {
        let jobs = job::load(registry, None)?;
        let targets = etl::targets(&jobs, registry, environment)?;
        let settings = if_configured(PostgresSettings::from_environment(registry.get(DATABASE)?, environment))?;
        Ok(Self { jobs, targets, reader: settings.map(SharedReader::new) })
    }

    pub(super) async fn close_when_idle(&self) {
        match &self.reader {
            Some(reader) => reader.close_when_idle().await,
            None => pending().await,
        }
    }

    pub(super) async fn jobs(&self) -> Result<Proven<Vec<JobView>>, String> {
        let missing = || format!("no connection to {DATABASE} is configured, which keeps the log of runs");
        let reader = self.reader.as_ref().ok_or_else(missing)?;
        let names = self.jobs.iter().map(|job| job.name.clone()).collect();
        let query = BoundQuery { sql: RUNS.to_owned(), values: vec![QueryValue::Texts(names)] };
        let answers = reader.ask(std::slice::from_ref(&query)).await?;
        let mut runs = HashMap::new();
        for row in answers.iter().flatten() {
            let (job, run) = run(row).map_err(|error| reader.error(error))?;
            runs.insert(job, run);
        }
        let now = Utc::now();
        let view = |job: &Job| JobView {
            job: job.name.clone(),
            target: job.target.clone(),
            schedule: format!("{} ({})", job.schedule.line, job.zone.name()),
            next_ms: self.next(job, now),
            last: runs.remove(&job.name),
        };
        let proof = Proof {
            name: "runs".into(),
            database: DATABASE.into(),
            sql: query.text() + ";",
            expected: None,
            note: "The last run of each job, as the runs themselves have entered it.".into(),
        };
        Ok(Proven { value: self.jobs.iter().map(view).collect(), proofs: vec![proof] })
    }

    /// None where this server does not run it.
    fn next(&self, job: &Job, now: DateTime<Utc>) -> Option<i64> {
        let next = job.schedule.next(now).filter(|_| self.targets.contains(&job.target));
        next.map(|at| at.timestamp_millis())
    }
}

fn run(row: &PostgresRow) -> Result<(String, JobRunView), PostgresError> {
    let run = JobRunView {
        kind: row.try_get(1)?,
        outcome: row.try_get(2)?,
        due_ms: row.try_get(3)?,
        started_ms: row.try_get(4)?,
        seconds: row.try_get(5)?,
        days: row.try_get(6)?,
        rows_read: row.try_get(7)?,
        rows_computed: row.try_get(8)?,
        watermark: row.try_get(9)?,
        error: row.try_get(10)?,
    };
    Ok((row.try_get(0)?, run))
}
