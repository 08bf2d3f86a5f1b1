//! Jobs, chains and dead letters for tests: one of each kind.

use super::report::{BreakView, ChainView, HeadView, JobRunView, JobView, ReplayView, TrailAnswer, WaitingView};
use super::{NotReplayed, OperationsSource};
use crate::plants::Answering;
use crate::plants::report::Proven;
use crate::proof::Proof;
use crate::report::{BackupAge, BackupAges};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// As others may write it.
pub(super) const HOSTILE: &str = "</td><script>alert(1)</script>\"'&";
/// 2026-11-30 11:02:33 UTC.
pub(super) const NOW_MS: i64 = 1_796_036_553_000;

#[derive(Default)]
pub(crate) struct SampleOperations {
    pub(super) is_away: AtomicBool,
    pub(super) asked: AtomicUsize,
    /// Who has asked for a replay.
    pub(super) replayed_by: Mutex<Vec<String>>,
}

impl SampleOperations {
    fn answer<'a, T: Send + 'a>(&'a self, name: &'static str, value: T) -> Answering<'a, Proven<T>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_away.load(Ordering::Relaxed) {
                return Err(format!("no route to host {HOSTILE}"));
            }
            let proof = Proof { name: name.into(), sql: format!("SELECT '{name}' < 2;"), ..Proof::default() };
            Ok(Proven { value, proofs: vec![proof] })
        })
    }
}

pub(super) fn chain(database: &str, seal: i64, head: i64) -> ChainView {
    let head = HeadView { place: "MongoDB".to_owned(), kept_at: "then".to_owned(), seal: head, ..HeadView::default() };
    ChainView {
        database: database.to_owned(),
        writes: 12_345,
        changes: 77,
        seal,
        sealed_ms: Some(NOW_MS - 5_000),
        heads: vec![head],
        breaks: Vec::new(),
    }
}

impl OperationsSource for SampleOperations {
    fn jobs(&self) -> Answering<'_, Proven<Vec<JobView>>> {
        let run = |outcome: &str, error: Option<&str>| JobRunView {
            kind: "scheduled".to_owned(),
            outcome: outcome.to_owned(),
            due_ms: Some(NOW_MS - 153_000),
            started_ms: NOW_MS - 150_000,
            seconds: Some(4.2),
            days: 3,
            rows_read: 4_321,
            rows_computed: 21,
            watermark: Some("genims_erp_db 10:20:".to_owned()),
            error: error.map(str::to_owned),
        };
        let job = |name: &str, last: Option<JobRunView>| JobView {
            job: name.to_owned(),
            target: "genims_reporting_db".to_owned(),
            schedule: "5 * * * * (UTC)".to_owned(),
            next_ms: last.as_ref().map(|_| NOW_MS + 60_000),
            last,
        };
        let good = job("daily_output", Some(run("succeeded", None)));
        self.answer("jobs", vec![good, job("oee", Some(run("failed", Some(HOSTILE)))), job("quiet", None)])
    }

    fn trail(&self) -> Answering<'_, Proven<TrailAnswer>> {
        let found = BreakView { found_at: "yesterday".to_owned(), expected: 9, found: 7 };
        let broken = ChainView { breaks: vec![found], ..chain("genims_erp_db", 9, 9) };
        let chains = vec![broken, chain("genims_hr_db", 9, 8), chain("genims_qms_db", 4, 5)];
        let remark = Some(format!("not compared: {HOSTILE}"));
        self.answer("trail", TrailAnswer { chains, remark })
    }

    fn dead_letters(&self) -> Answering<'_, Proven<Vec<WaitingView>>> {
        let waiting = WaitingView { reason: "unknown_sensor".to_owned(), dead_letters: 1_500, records: 9_000 };
        self.answer("letters", vec![waiting])
    }

    fn backups(&self) -> BackupAges {
        let backup = BackupAge {
            database: "genims_hr_db".to_owned(),
            every_seconds: 86_400,
            kept_seconds: 691_200,
            age_seconds: Some(10_800),
            late: Some(false),
            complete: 4,
            rows: 1_234,
            bytes: 2_048,
            error: Some(HOSTILE.to_owned()),
        };
        let missing = BackupAge { late: Some(true), ..BackupAge::default() };
        let (folder, items) = (Some(HOSTILE.to_owned()), vec![backup, missing]);
        BackupAges { folder, looked_ms: Some(NOW_MS), last_error: None, items }
    }

    fn replay(&self) -> Option<ReplayView> {
        let by = self.replayed_by.lock().last().cloned()?;
        Some(ReplayView { reason: "unknown_sensor".to_owned(), by, begun_ms: NOW_MS, ..ReplayView::default() })
    }

    fn begin_replay(&self, reason: &str, by: &str) -> Result<(), NotReplayed> {
        match reason {
            "unknown_sensor" => self.replayed_by.lock().push(by.to_owned()),
            "busy" => return Err(NotReplayed::Busy),
            "impossible" => return Err(NotReplayed::Impossible("no operations database".to_owned())),
            _ => return Err(NotReplayed::Unknown),
        }
        Ok(())
    }
}
