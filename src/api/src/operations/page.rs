//! `/operations`: jobs, dead letters, audit chains and backups as words and numbers that are ready to print.

use super::chains::{ChainsPart, old};
use super::report::{JobRunView, JobView, OperationsReport, ReplayView, WaitingView};
use crate::backups::BackupsPart;
use crate::format;
use crate::plants::clock;
use crate::proof::Proof;
use crate::sign::Signed;
use askama::Template;
use genims_model::{counted, noun};

#[derive(Template)]
#[template(path = "operations.html")]
pub(super) struct OperationsPage<'a> {
    version: &'a str,
    taken_ms: i64,
    level: &'static str,
    verdict: String,
    jobs_old: Option<String>,
    jobs: Vec<JobRow<'a>>,
    dead_letters_old: Option<String>,
    dead_letters: Vec<DeadLetterRow<'a>>,
    replay: Option<(&'static str, String)>,
    trail: ChainsPart<'a>,
    backups: BackupsPart<'a>,
    proofs: &'a [Proof],
    signed: Option<Signed>,
}

struct JobRow<'a> {
    name: &'a str,
    target: &'a str,
    schedule: &'a str,
    level: &'static str,
    outcome: String,
    began: String,
    took: String,
    days: String,
    read: String,
    computed: String,
    next: String,
    watermark: Option<&'a str>,
    error: Option<&'a str>,
}

struct DeadLetterRow<'a> {
    reason: &'a str,
    dead_letters: String,
    records: String,
}

impl<'a> OperationsPage<'a> {
    pub(super) fn new(report: &'a OperationsReport, version: &'a str, signed: Option<Signed>) -> Self {
        let now_ms = report.taken_ms;
        let jobs: Vec<JobRow<'a>> = report.jobs.items.iter().map(|job| job_row(job, now_ms)).collect();
        let trail = ChainsPart::new(&report.trail, now_ms);
        let jobs_old = old(report.jobs.outage.as_ref(), report.jobs.answered_ms, now_ms);
        let dead_letters_old = old(report.dead_letters.outage.as_ref(), report.dead_letters.answered_ms, now_ms);
        let (backups, late) = (BackupsPart::new(&report.backups, now_ms), report.backups.late());
        let is_old = [&jobs_old, &dead_letters_old, &trail.old, &backups.old].into_iter().any(Option::is_some);
        let failed = jobs.iter().filter(|job| job.level == "bad").count();
        let waiting: i64 = report.dead_letters.items.iter().map(|waiting| waiting.dead_letters).sum();
        let level = match () {
            () if failed > 0 || trail.broken() > 0 || late > 0 => "bad",
            () if is_old || waiting > 0 => "warn",
            () => "good",
        };
        let doubt = if is_old { "; not all of it is known, or it is old" } else { "" };
        let of = report.backups.items.len();
        let unsaved = match late {
            0 => String::new(),
            _ => format!("; {late} of {of} databases have no backup that is young enough"),
        };
        let verdict = format!(
            "{}, {failed} of which failed last; {waiting} waiting {}; {}, {} of which broken{unsaved}{doubt}",
            counted(jobs.len(), "job"),
            noun(waiting, "dead letter"),
            counted(trail.rows.len(), "audit chain"),
            trail.broken()
        );
        Self {
            version,
            taken_ms: now_ms,
            level,
            verdict,
            jobs_old,
            jobs,
            dead_letters_old,
            dead_letters: report.dead_letters.items.iter().map(dead_letter_row).collect(),
            replay: report.replay.as_ref().map(|replay| told(replay, now_ms)),
            trail,
            backups,
            proofs: &report.proofs,
            signed,
        }
    }
}

fn job_row(job: &JobView, now_ms: i64) -> JobRow<'_> {
    let unknown = || format::UNKNOWN.to_owned();
    let last = job.last.as_ref();
    let of = |number: &dyn Fn(&JobRunView) -> i64| {
        last.map_or_else(unknown, |run| format::count(number(run).unsigned_abs()))
    };
    let level = match last.map(|run| run.outcome.as_str()) {
        Some("failed" | "abandoned") => "bad",
        Some("succeeded") => "good",
        _ => "plain",
    };
    JobRow {
        name: &job.job,
        target: &job.target,
        schedule: &job.schedule,
        level,
        outcome: last.map_or_else(|| "never ran".to_owned(), |run| format!("{} ({})", run.outcome, run.kind)),
        began: last.map_or_else(unknown, |run| clock(run.started_ms, now_ms)),
        took: last.and_then(|run| run.seconds).map_or_else(unknown, format::span),
        days: of(&|run| run.days),
        read: of(&|run| run.rows_read),
        computed: of(&|run| run.rows_computed),
        next: job.next_ms.map_or_else(|| "not run here".to_owned(), |at_ms| clock(at_ms, now_ms)),
        watermark: last.and_then(|run| run.watermark.as_deref()),
        error: last.and_then(|run| run.error.as_deref()),
    }
}

fn dead_letter_row(waiting: &WaitingView) -> DeadLetterRow<'_> {
    let number = |count: i64| format::count(count.unsigned_abs());
    DeadLetterRow {
        reason: &waiting.reason,
        dead_letters: number(waiting.dead_letters),
        records: number(waiting.records),
    }
}

/// How far the last replay is, or what became of it.
fn told(replay: &ReplayView, now_ms: i64) -> (&'static str, String) {
    let ReplayView { reason, by, begun_ms, ended_ms, replayed, stored, asked, left, returned, error } = replay;
    let begun = format!("Replay of {reason} for {by}, begun at {}", clock(*begun_ms, now_ms));
    let Some(ended_ms) = ended_ms else {
        return ("plain", format!("{begun}: under way, {replayed} sent so far"));
    };
    let ended = clock(*ended_ms, now_ms);
    let back = counted(*returned, "record");
    let mut text = format!("{begun}, ended at {ended}: {stored} of {asked} stored, {back} came back");
    if *left > 0 {
        text += &format!(", {left} more wait: replay again");
    }
    match error {
        Some(error) => ("bad", format!("{text}; {error}")),
        None => (if stored == asked { "good" } else { "warn" }, text),
    }
}
