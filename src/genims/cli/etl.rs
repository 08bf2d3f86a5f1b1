//! `genims etl`: arguments in, a table or JSON out; exit code 1 when a run failed.

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use clap::{Args, Subcommand};
use genims_databases::{Environment, Registry};
use genims_etl::bookkeeping::{Logged, RunKind};
use genims_etl::days::Span;
use genims_etl::job::{self, Job};
use genims_etl::run::{Places, Request, run as run_job};
use genims_model::counted;
use genims_terminal::{Progress, say};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs of a job that `status` shows.
const RUNS_SHOWN: i64 = 5;

#[derive(Debug, Args)]
pub(crate) struct EtlArgs {
    #[command(subcommand)]
    action: Action,
    /// Take the jobs of this folder instead of those built in
    #[arg(long, value_name = "FOLDER", global = true)]
    jobs: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every job: what it fills from what, and when
    List,
    /// Compute anew what changed since the last run
    Run {
        #[arg(required = true, value_name = "JOB")]
        names: Vec<String>,
    },
    /// Compute days anew, changed or not
    Backfill {
        #[arg(value_name = "JOB")]
        name: String,
        /// First day (2026-11-28) in the zone of the job
        #[arg(long, value_name = "DAY")]
        from: NaiveDate,
        /// Last day
        #[arg(long, value_name = "DAY")]
        to: NaiveDate,
    },
    /// The last runs of every job
    Status,
}

pub(crate) async fn run(args: EtlArgs, environment: &Environment) -> anyhow::Result<ExitCode> {
    let registry = Registry::load(None)?;
    let jobs = job::load(&registry, args.jobs.as_deref())?;
    let places = Places { registry, environment: environment.clone() };
    match args.action {
        Action::List => list(&jobs, args.json),
        Action::Run { names } => {
            let chosen = names.iter().map(|name| job::named(&jobs, name)).collect::<Result<Vec<_>, _>>()?;
            runs(&places, &chosen, None, args.json).await
        }
        Action::Backfill { name, from, to } => {
            let span = Span { first: from, last: to };
            runs(&places, &[job::named(&jobs, &name)?], Some(span), args.json).await
        }
        Action::Status => status(&places, &jobs, args.json).await,
    }
}

fn list(jobs: &[Job], as_json: bool) -> anyhow::Result<ExitCode> {
    let mut told = Vec::new();
    for job in jobs {
        let tables: Vec<&str> = job.tables.iter().map(|table| table.name.as_str()).collect();
        let sources: Vec<&str> = job.sources().into_iter().collect();
        if as_json {
            told.push(json!({ "job": job.name, "description": job.description, "target": job.target, "tables": tables,
                "sources": sources, "schedule": job.schedule.line, "zone": job.zone.name() }));
            continue;
        }
        say!("{:24} {} ({})", job.name, job.schedule.line, job.zone);
        say!("    {}", job.description);
        say!("    {}: {}; from {}", job.target, tables.join(", "), sources.join(", "));
    }
    if as_json {
        say!("{}", serde_json::to_string_pretty(&told).context("the jobs as JSON")?);
    }
    Ok(ExitCode::SUCCESS)
}

/// One job after another; the first failure does not stop the others.
async fn runs(places: &Places, jobs: &[&Job], backfill: Option<Span>, as_json: bool) -> anyhow::Result<ExitCode> {
    let bar = Progress::new("etl", "jobs");
    let show = |what: &str| bar.show(what);
    let (mut told, mut failed) = (Vec::new(), false);
    for job in jobs {
        let kind = if backfill.is_some() { RunKind::Backfill } else { RunKind::Manual };
        let request = Request { kind, due_at: None, now: Utc::now(), backfill };
        told.push(match run_job(places, job, request, &show).await {
            Ok(done) => json!({ "job": job.name, "outcome": "succeeded", "days": done.days, "rows_out": done.rows_out,
                "rows_in": done.rows_in, "deep": done.deep, "watermark": done.watermark }),
            Err(error) => {
                failed = true;
                json!({ "job": job.name, "outcome": "failed", "error": error.to_string() })
            }
        });
        bar.advance();
    }
    drop(bar);
    if as_json {
        say!("{}", serde_json::to_string_pretty(&told).context("the runs as JSON")?);
    } else {
        told.iter().for_each(print_run);
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print_run(run: &Value) {
    let job = run["job"].as_str().unwrap_or_default();
    match run["error"].as_str() {
        Some(error) => say!("{job:24} FAILED: {error}"),
        None => {
            let [days, read, computed] = ["days", "rows_out", "rows_in"].map(|key| run[key].as_u64().unwrap_or(0));
            say!("{job:24} {}, {} read, {computed} computed", counted(days, "day"), counted(read, "row"));
        }
    }
}

async fn status(places: &Places, jobs: &[Job], as_json: bool) -> anyhow::Result<ExitCode> {
    let bookkeeping = places.bookkeeping().await?;
    let mut told = Vec::new();
    for job in jobs {
        let last = bookkeeping.last_runs(&job.name, RUNS_SHOWN).await?;
        if as_json {
            let runs: Vec<Value> = last.iter().map(logged).collect();
            told.push(json!({ "job": job.name, "next": job.schedule.next(Utc::now()), "runs": runs }));
            continue;
        }
        let next = job.schedule.next(Utc::now()).map_or_else(|| "never".to_owned(), |at| at.to_rfc3339());
        say!("{:24} next {next}", job.name);
        for run in &last {
            let error = run.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
            let (at, outcome, kind) = (run.started_at.format("%Y-%m-%d %H:%M:%S"), &run.outcome, &run.kind);
            let (days, rows) = (counted(run.days, "day"), counted(run.rows_in, "row"));
            say!("    {at} {outcome} ({kind}), {days}, {rows} computed{error}");
        }
    }
    if as_json {
        say!("{}", serde_json::to_string_pretty(&told).context("the status as JSON")?);
    }
    Ok(ExitCode::SUCCESS)
}

fn logged(run: &Logged) -> Value {
    json!({ "run_id": run.run_id, "kind": run.kind, "due_at": run.due_at, "started_at": run.started_at,
        "ended_at": run.ended_at, "outcome": run.outcome, "days": run.days, "rows_out": run.rows_out,
        "rows_in": run.rows_in, "watermark": run.watermark, "error": run.error })
}
