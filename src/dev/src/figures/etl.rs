//! Jobs of reporting and warehouse on a medium platform: what an hour asks of them, and how many rows a second the largest of them
//! read and compute, by their own log.

use super::figure::{Bound, Figure, Promise};
use super::lab::{Lab, Load, Setup};
use anyhow::{Context, bail};
use chrono::{DateTime, Days, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;

const PLAN: &str = "demo.toml";
/// What an hour brings, in short.
const SECONDS: &str = "20";

/// Two months say as much of a rate as all that was seeded, and take a few groups of days.
const DAYS_MAX: u64 = 62;

const HOURLY: Promise = Promise {
    name: "etl_hourly",
    what: "all jobs that run each hour, on a medium platform, one after another",
    unit: "s",
    bound: Bound::AtMost(60.0),
};
const OUT: Promise = Promise {
    name: "etl_out",
    what: "rows that a job reads and stages",
    unit: "rows/s",
    bound: Bound::AtLeast(100_000.0),
};
const IN: Promise = Promise {
    name: "etl_in",
    what: "rows that a job computes and stores",
    unit: "rows/s",
    bound: Bound::AtLeast(50_000.0),
};

pub(super) fn hourly(lab: &mut Lab) -> anyhow::Result<Vec<Figure>> {
    lab.serve(Setup::Shipped)?;
    let arguments = ["--seconds", SECONDS];
    let load = Load { name: "etl_hourly".to_owned(), plan: PLAN, arguments: &arguments, is_judged: true };
    lab.load(&load)?;
    lab.quiet()?;
    // Its own schedule would be at the jobs.
    lab.bench.stop_server();
    let listed = json(&lab.genims(&["etl", "list", "--json"])?)?;
    let jobs = each_hour(&listed);
    if jobs.is_empty() {
        bail!("no job runs each hour");
    }
    let begun = Instant::now();
    let runs = json(&lab.genims(&[&["etl", "run", "--json"][..], jobs.as_slice()].concat())?)?;
    let seconds = begun.elapsed().as_secs_f64();
    let sum = |key: &str| runs.as_array().into_iter().flatten().filter_map(|run| run[key].as_u64()).sum::<u64>();
    if sum("days") == 0 {
        bail!("no hourly job had a day to compute: the server's own schedule was at them; try again");
    }
    let settings = format!(
        "after config/loadtest/{PLAN} for {SECONDS} s; {} jobs, {} days, {} rows read, {} computed",
        jobs.len(),
        sum("days"),
        sum("rows_out"),
        sum("rows_in")
    );
    Ok(vec![Figure::new(HOURLY, vec![seconds], settings)])
}

/// Jobs whose hours are all hours.
fn each_hour(listed: &Value) -> Vec<&str> {
    let is_hourly = |job: &&Value| job["schedule"].as_str().and_then(|line| line.split(' ').nth(1)) == Some("*");
    listed.as_array().into_iter().flatten().filter(is_hourly).filter_map(|job| job["job"].as_str()).collect()
}

pub(super) fn bulk(lab: &Lab) -> anyhow::Result<Vec<Figure>> {
    let seeded = status(lab)?;
    let mut runs: BTreeMap<&str, Run> = BTreeMap::new();
    let mut figures = Vec::new();
    for (promise, key) in [(OUT, "rows_out"), (IN, "rows_in")] {
        let (job, days) = largest(&seeded, key).with_context(|| format!("no job has a run with {key}"))?;
        let days = days.min(DAYS_MAX);
        // One job may be the largest of both.
        let run = match runs.get(job) {
            Some(run) => run.clone(),
            None => backfilled(lab, job, days)?,
        };
        let Run { rows_out, rows_in, seconds } = run;
        let rows = if key == "rows_out" { rows_out } else { rows_in };
        runs.insert(job, run);
        let settings = format!(
            "genims etl backfill {job}, the job with most {key}, over the last {days} days: {rows_out} rows read, {rows_in} \
             computed, one after another, in {seconds:.1} s"
        );
        figures.push(Figure::new(promise, vec![rows as f64 / seconds], settings));
    }
    Ok(figures)
}

#[derive(Clone, Debug, PartialEq)]
struct Run {
    rows_out: u64,
    rows_in: u64,
    seconds: f64,
}

fn backfilled(lab: &Lab, job: &str, days: u64) -> anyhow::Result<Run> {
    let to = Utc::now().date_naive();
    let from = to.checked_sub_days(Days::new(days)).context("there is no such day")?;
    lab.genims(&["etl", "backfill", job, "--from", &from.to_string(), "--to", &to.to_string(), "--json"])?;
    last_backfill(&status(lab)?, job).with_context(|| format!("the log has no backfill of {job}"))
}

fn status(lab: &Lab) -> anyhow::Result<Value> {
    json(&lab.genims(&["etl", "status", "--json"])?)
}

fn json(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("genims etl printed no JSON")
}

/// The job with the run of most rows, and the days of that run.
fn largest<'s>(status: &'s Value, key: &str) -> Option<(&'s str, u64)> {
    let jobs = status.as_array()?.iter();
    let runs = jobs.flat_map(|job| runs_of(job).map(move |run| (job, run)));
    let counted = runs.filter_map(|(job, run)| Some((run[key].as_u64()?, job["job"].as_str()?, run["days"].as_u64()?)));
    counted.filter(|(rows, ..)| *rows > 0).max().map(|(_, name, days)| (name, days))
}

fn runs_of(job: &Value) -> impl Iterator<Item = &Value> {
    job["runs"].as_array().into_iter().flatten()
}

/// Runs come newest first.
fn last_backfill(status: &Value, job: &str) -> Option<Run> {
    let of = status.as_array()?.iter().find(|one| one["job"] == job)?;
    let run = runs_of(of).find(|run| run["kind"] == "backfill")?;
    let at = |key: &str| run[key].as_str()?.parse::<DateTime<Utc>>().ok();
    let seconds = (at("ended_at")? - at("started_at")?).as_seconds_f64();
    Some(Run { rows_out: run["rows_out"].as_u64()?, rows_in: run["rows_in"].as_u64()?, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hourly_jobs_are_those_of_every_hour() {
        let listed = json!([
            { "job": "sales", "schedule": "35 * * * *" }, { "job": "close", "schedule": "0 2 * * *" }
        ]);
        assert_eq!(each_hour(&listed), ["sales"]);
    }

    #[test]
    fn the_largest_job_is_that_of_the_largest_run_and_its_backfill_the_newest() {
        let run = |kind: &str, rows: u64, from: &str| {
            let to = "2026-12-01T00:00:10.500Z";
            json!({ "kind": kind, "days": rows, "rows_out": rows, "rows_in": 2, "started_at": from, "ended_at": to })
        };
        let backfills = [run("backfill", 7, "2026-12-01T00:00:09Z"), run("backfill", 9, "2026-12-01T00:00:00Z")];
        let status = json!([
            { "job": "small", "runs": [run("manual", 3, "2026-12-01T00:00:00Z")] },
            { "job": "large", "runs": backfills },
            { "job": "none", "runs": [] }
        ]);
        assert_eq!(largest(&status, "rows_out"), Some(("large", 9)));
        assert_eq!(largest(&status, "rows_lost"), None);
        assert_eq!(last_backfill(&status, "large"), Some(Run { rows_out: 7, rows_in: 2, seconds: 1.5 }));
        assert_eq!(last_backfill(&status, "small"), None);
    }
}
