//! One run of a job, from the lease to the log.
//!
//! Enters: a job, why it runs, the moment. Leaves: what was done, in the log as well. Invariants: groups of days are stored oldest first;
//! what a day looked like is noted when it and every day that it changes are stored, so a run that ends in the middle goes on there the
//! next time.

mod owed;

use crate::bookkeeping::{Digests, Done, JobBookkeeping, Lease, RunKind, WHOLE_TABLE};
use crate::days::{self, Span};
use crate::error::EtlError;
use crate::group::Given;
use crate::job::Job;
use crate::source::SourceDatabase;
use crate::store::DocumentTarget;
use crate::target::TargetDatabase;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use genims_databases::{Engine, Environment, MongoSettings, MysqlSettings, PostgresSettings, Registry};
use owed::{DAY_OF_RUN, Mark, a_whole_table_differs, dirty, kept, known, reached, settled, under_way};
use std::collections::{BTreeMap, BTreeSet};

/// A run that takes longer is given up.
const RUN_MAX: std::time::Duration = std::time::Duration::from_secs(4 * 3_600);
/// Days that a backfill may name.
const BACKFILL_DAYS_MAX: i64 = 3_660;

/// Where the databases are.
#[derive(Clone)]
pub struct Places {
    pub registry: Registry,
    pub environment: Environment,
}

impl Places {
    fn postgres(&self, database: &str) -> Result<PostgresSettings, EtlError> {
        Ok(PostgresSettings::from_environment(self.registry.get(database)?, &self.environment)?)
    }

    pub async fn bookkeeping(&self) -> Result<JobBookkeeping, EtlError> {
        JobBookkeeping::open(self.postgres(crate::bookkeeping::DATABASE)?).await
    }
}

/// Why a job runs.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub kind: RunKind,
    /// The moment of its schedule.
    pub due_at: Option<DateTime<Utc>>,
    pub now: DateTime<Utc>,
    /// Days to compute anew whatever they look like.
    pub backfill: Option<Span>,
}

/// Tells of each step.
pub type Show<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// What a run has at hand.
struct Run<'a> {
    given: Given<'a>,
    bookkeeping: &'a JobBookkeeping,
    lease: &'a Lease,
    target: JobTarget,
    /// Rows of days before it have gone from a source, by age.
    kept_from: Option<NaiveDate>,
    show: Show<'a>,
}

/// The database that a job fills, by its engine.
enum JobTarget {
    Rows(TargetDatabase),
    Documents(DocumentTarget),
}

impl JobTarget {
    async fn open(places: &Places, job: &Job, run_id: i64) -> Result<Self, EtlError> {
        let (database, environment) = (places.registry.get(&job.target)?, &places.environment);
        if database.engine == Engine::Mongodb {
            let settings = MongoSettings::from_environment(database, environment)?;
            return Ok(Self::Documents(DocumentTarget::open(settings, &job.name, run_id).await?));
        }
        Ok(Self::Rows(TargetDatabase::open(MysqlSettings::from_environment(database, environment)?, run_id).await?))
    }

    /// What staging tables are there, by run.
    async fn leftovers(&mut self) -> Result<BTreeMap<i64, Vec<String>>, EtlError> {
        match self {
            Self::Rows(target) => target.leftovers().await,
            Self::Documents(target) => target.leftovers().await,
        }
    }

    async fn drop_staging(&mut self, tables: &[String]) -> Result<(), EtlError> {
        match self {
            Self::Rows(target) => target.drop_staging(tables).await,
            Self::Documents(target) => target.drop_staging(tables).await,
        }
    }

    async fn clear(&mut self) -> Result<(), EtlError> {
        match self {
            Self::Rows(target) => target.clear().await,
            Self::Documents(target) => target.clear().await,
        }
    }
}

/// Which days there are, and which of them are computed anew.
struct Found {
    now: Digests,
    stored: Digests,
    /// What is older was not looked at.
    first: Option<NaiveDate>,
    groups: Vec<Span>,
}

/// A job and why it runs.
#[derive(Clone, Copy)]
struct Task<'a> {
    places: &'a Places,
    job: &'a Job,
    request: Request,
    show: Show<'a>,
}

/// What happens between the snapshots of a run and its rows.
type Before<'a> = LocalBoxFuture<'a, Result<(), EtlError>>;

fn nothing<'a>() -> Before<'a> {
    std::future::ready(Ok(())).boxed_local()
}

/// Runs a job; `Busy` when it is under way elsewhere. The job that it comes after runs once the snapshots are taken, on its own, which
/// are not older: what the rows refer to it has seen.
pub async fn run(places: &Places, job: &Job, request: Request, show: Show<'_>) -> Result<Done, EtlError> {
    let task = Task { places, job, request, show };
    let Some(first) = job.after.as_deref() else { return run_task(task, nothing()).await };
    let kind = if request.backfill.is_some() { RunKind::Manual } else { request.kind };
    let request = Request { kind, due_at: None, now: request.now, backfill: None };
    let before = run_task(Task { job: first, request, ..task }, nothing()).map(|done| done.map(drop));
    run_task(task, before.boxed_local()).await
}

async fn run_task(task: Task<'_>, before: Before<'_>) -> Result<Done, EtlError> {
    let Task { job, request, .. } = task;
    if let Some(span) = request.backfill.filter(|span| !(1..=BACKFILL_DAYS_MAX).contains(&span.days())) {
        let (from, to) = (span.first.to_string(), span.last.to_string());
        return Err(EtlError::BadSpan { from, to, days_max: BACKFILL_DAYS_MAX });
    }
    let bookkeeping = task.places.bookkeeping().await?;
    let lease = bookkeeping.lease(&job.name).await?;
    let run_id = bookkeeping.begin(&job.name, request.kind, request.due_at).await?;
    let mut done = Done::default();
    let work = work(task, before, (&bookkeeping, &lease), run_id, &mut done);
    let result = match tokio::time::timeout(RUN_MAX, work).await {
        Ok(result) => result,
        Err(_) => Err(EtlError::TooLong { job: job.name.clone(), minutes: RUN_MAX.as_secs() / 60 }),
    };
    bookkeeping.end(run_id, &done, result.as_ref().err()).await?;
    result.map(|()| done)
}

async fn work(
    task: Task<'_>,
    before: Before<'_>,
    (bookkeeping, lease): (&JobBookkeeping, &Lease),
    run_id: i64,
    done: &mut Done,
) -> Result<(), EtlError> {
    let Task { places, job, request, show } = task;
    done.deep = job.lookback_days.is_none() || request.backfill.is_some() || bookkeeping.deep_is_due(&job.name).await?;
    let target = JobTarget::open(places, job, run_id).await?;
    let mut sources = BTreeMap::new();
    for database in databases(job) {
        show(&format!("{}: a snapshot of {database}", job.name));
        sources.insert(database.to_owned(), SourceDatabase::open(places.postgres(database)?).await?);
    }
    let seen = sources.iter().map(|(database, source)| format!("{database} {}", source.snapshot));
    done.watermark = seen.collect::<Vec<_>>().join(", ");
    before.await?;
    let today = request.now.with_timezone(&job.zone).date_naive();
    let kept_from = kept_from(places, job, today)?;
    let mut run = Run { given: Given { job, sources, today }, bookkeeping, lease, target, kept_from, show };
    run.clean(run_id).await?;
    let found = run.look(request.backfill, done.deep).await?;
    let total = found.groups.iter().map(Span::days).sum::<i64>();
    for (at, group) in found.groups.iter().enumerate() {
        show(&format!("{}: {} to {}, {} of {total} days", job.name, group.first, group.last, done.days));
        let stored = run.group(*group, done).await;
        let cleared = run.target.clear().await;
        stored?;
        cleared?;
        // Of a backfill that stores days without those that they change the next run does both.
        if request.backfill.is_none() || !(job.neighbours || job.onward) {
            run.note_stored(&found, at).await?;
        }
        done.days += group.days().unsigned_abs();
    }
    // Days that a backfill does not name keep what they owe to a changed table.
    if request.backfill.is_some() { Ok(()) } else { run.note(&found, |day| day == WHOLE_TABLE, &[]).await }
}

/// The first day of which every watched source still keeps all rows from which it is computed; `None` where they are kept for good.
fn kept_from(places: &Places, job: &Job, today: NaiveDate) -> Result<Option<NaiveDate>, EtlError> {
    let mut latest = None;
    for watch in job.watches.iter().filter(|watch| watch.at.is_some()) {
        let Some(kept) = places.registry.get(&watch.database)?.retention else { continue };
        let kept = Duration::from_std(kept).ok().and_then(|kept| today.checked_sub_signed(kept));
        latest = latest.max(kept);
    }
    Ok(latest.map(|from| whole_from(job, from)))
}

/// Of a month without its first days, and of a day without the one beside it, half is gone.
fn whole_from(job: &Job, from: NaiveDate) -> NaiveDate {
    let from = if job.neighbours { from.succ_opt().unwrap_or(from) } else { from };
    if job.months { days::month_begins(from) } else { from }
}

/// Every source that a job asks.
fn databases(job: &Job) -> BTreeSet<&str> {
    let watched = job.watches.iter().map(|watch| watch.database.as_str());
    let extracted = job.extracts.iter().map(|extract| extract.database.as_str());
    let computed = job.tables.iter().filter_map(|table| table.database.as_deref());
    watched
        .chain(extracted)
        .chain(computed)
        .chain(job.reconciliations.iter().map(|made| made.database.as_str()))
        .collect()
}

impl Run<'_> {
    /// Ends what a killed run of this job left half done, and drops what such runs left.
    async fn clean(&mut self, run_id: i64) -> Result<(), EtlError> {
        if let JobTarget::Documents(target) = &self.target
            && let Some((lost, span)) = target.settle().await?
        {
            self.forget(span).await?;
            target.give_up(lost).await?;
        }
        let found = self.target.leftovers().await?;
        let runs: Vec<i64> = found.keys().copied().filter(|run| *run != run_id).collect();
        for run in self.bookkeeping.ended(&self.given.job.name, &runs).await? {
            self.target.drop_staging(found.get(&run).map_or(&[], Vec::as_slice)).await?;
        }
        Ok(())
    }

    /// Lets days look as if they had never been stored.
    async fn forget(&self, span: Span) -> Result<(), EtlError> {
        let job = &self.given.job.name;
        let stored = self.bookkeeping.digests(job).await?;
        let digests: Vec<_> = stored.keys().filter(|(_, day)| span.contains(*day)).map(|key| (key, None)).collect();
        self.bookkeeping.note(job, &digests).await
    }

    /// Compares what days look like with what they looked like.
    async fn look(&self, backfill: Option<Span>, deep: bool) -> Result<Found, EtlError> {
        let job = self.given.job;
        let first = job.lookback_days.filter(|_| !deep).map(|days| self.given.today - Duration::days(days));
        let mut now = Digests::new();
        for watch in &job.watches {
            (self.show)(&format!("{}: what changed in {}.{}", job.name, watch.database, watch.table));
            now.extend(self.given.source(&watch.database)?.digests(watch, job.zone, first).await?);
        }
        if job.says_today() {
            now.insert((DAY_OF_RUN.to_owned(), WHOLE_TABLE), self.given.today.to_string());
        }
        if job.onward {
            now.insert((DAY_OF_RUN.to_owned(), self.given.today), "reached".to_owned());
        }
        if matches!(self.target, JobTarget::Documents(_)) {
            now.extend(under_way(&now, self.given.today));
        }
        let stored = self.bookkeeping.digests(&job.name).await?;
        let groups = self.groups(&now, &stored, first, backfill);
        Ok(Found { now, stored, first, groups })
    }

    /// What is computed anew; of a job without days all at once, or nothing.
    fn groups(&self, now: &Digests, stored: &Digests, first: Option<NaiveDate>, backfill: Option<Span>) -> Vec<Span> {
        let (job, today) = (self.given.job, self.given.today);
        if !job.has_days() {
            let changed = backfill.is_some() || a_whole_table_differs(now, stored);
            return changed.then_some(Span { first: today, last: today }).into_iter().collect();
        }
        // What retention takes from a source is no reason to lose what was made of it.
        let mut days = kept(dirty(now, stored, first), self.kept_from);
        if job.neighbours {
            days = kept(days::with_neighbours(&days, &known(now, stored)), self.kept_from);
        }
        if job.onward {
            days = days::onward(&days, today);
        }
        if let Some(span) = backfill {
            days = kept(span.first.iter_days().take_while(|day| *day <= span.last).collect(), self.kept_from);
            if let Some(from) = self.kept_from.filter(|from| span.first < *from) {
                let left = "are left as they were computed, for their sources do not keep all rows of them any more";
                (self.show)(&format!("{}: days before {from} {left}", job.name));
            }
        }
        if job.months { days::months(&days) } else { days::groups(&days) }
    }

    /// Computes the days of a group and stores them if they agree with the sources.
    async fn group(&mut self, span: Span, done: &mut Done) -> Result<(), EtlError> {
        match &mut self.target {
            JobTarget::Rows(target) => self.given.rows(target, self.lease, span, done).await,
            JobTarget::Documents(target) => self.given.documents(target, self.lease, span, done).await,
        }
    }

    /// Notes what days look like that a stored group has settled.
    async fn note_stored(&self, found: &Found, at: usize) -> Result<(), EtlError> {
        let job = self.given.job;
        let known = job.neighbours.then(|| known(&found.now, &found.stored));
        let before = settled(&found.groups, at, known.as_deref());
        let days = settled(&found.groups, at + 1, known.as_deref());
        let is_settled = |day: &NaiveDate| days.contains(day) && !before.contains(day);
        let is_of = |day: NaiveDate| is_settled(&day) && found.first.is_none_or(|first| day >= first);
        let marks = if job.onward { reached(&found.groups, &found.now, at) } else { Vec::new() };
        self.note(found, is_of, &marks).await
    }

    /// Notes what some of the days look like, or a whole table; `marks` come in the place of what was found.
    async fn note(&self, found: &Found, is_of: impl Fn(NaiveDate) -> bool, marks: &[Mark]) -> Result<(), EtlError> {
        let keys = found.now.keys().chain(found.stored.keys()).filter(|(_, day)| is_of(*day));
        let mut noted: BTreeMap<&(String, NaiveDate), Option<&String>> =
            keys.map(|key| (key, found.now.get(key))).collect();
        noted.extend(marks.iter().map(|(key, digest)| (key, digest.as_ref())));
        self.bookkeeping.note(&self.given.job.name, &noted.into_iter().collect::<Vec<_>>()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn days_that_a_source_keeps_no_more_stay_as_they_are() {
        let registry = Registry::load(None).expect("the embedded registry");
        let jobs = crate::job::load(&registry, None).expect("config/etl");
        let places = Places { registry, environment: Environment::default() };
        let from = |job: &str| {
            let job = crate::job::named(&jobs, job).expect("a job");
            kept_from(&places, job, day("2030-01-01")).expect("its sources")
        };
        // Three years of readings and snapshots; of what has no days none goes.
        assert!(from("machine_summary").is_some_and(|kept| kept < day("2027-01-02") && kept > day("2026-12-20")));
        assert_eq!(from("dimensions"), None);
        // What is half gone at the border stays, too: the first day of those beside it, the days of a month that has begun.
        let whole = |job: &str| whole_from(crate::job::named(&jobs, job).expect("a job"), day("2027-01-15"));
        let borders = ["fault_facts", "machine_summary", "financial_summary"].map(whole);
        assert_eq!(borders, ["2027-01-15", "2027-01-16", "2027-02-01"].map(day));
        let days = BTreeSet::from(["2026-01-01", "2026-01-02"].map(day));
        assert_eq!(kept(days.clone(), Some(day("2026-01-02"))), BTreeSet::from([day("2026-01-02")]));
        assert_eq!(kept(days.clone(), None), days);
    }
}
