//! What is told of jobs, of the audit trail, of what was set aside and of backups, as plain data: the page and the API are made of the
//! same. Times are milliseconds since 1970 UTC.

use crate::plants::report::Outage;
use crate::proof::Proof;
use crate::report::BackupAges;
use serde::Serialize;
use utoipa::ToSchema;

/// A job that fills reporting or the warehouse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct JobView {
    pub job: String,
    /// The database that it fills.
    pub target: String,
    /// As cron has it, and its zone.
    pub schedule: String,
    /// The next moment of the schedule; `None` where this server does not run it.
    pub next_ms: Option<i64>,
    /// `None`: it never ran.
    pub last: Option<JobRunView>,
}

/// A run of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct JobRunView {
    /// `scheduled`, `manual`, `backfill`.
    pub kind: String,
    /// `running`, `succeeded`, `failed`, `abandoned`.
    pub outcome: String,
    /// The moment of the schedule that it was for.
    pub due_ms: Option<i64>,
    pub started_ms: i64,
    /// `None` while it runs.
    pub seconds: Option<f64>,
    /// Days computed anew.
    pub days: i64,
    pub rows_read: i64,
    pub rows_computed: i64,
    /// What it saw: `pg_current_snapshot()` of each source.
    pub watermark: Option<String>,
    pub error: Option<String>,
}

/// The audit chains of one database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ChainView {
    pub database: String,
    /// The last entries that are sealed; positions have no gaps.
    pub writes: i64,
    pub changes: i64,
    /// 0: nothing is sealed yet.
    pub seal: i64,
    pub sealed_ms: Option<i64>,
    /// Where the chains end by what is kept elsewhere.
    pub heads: Vec<HeadView>,
    /// The trail no longer had what a head said.
    pub breaks: Vec<BreakView>,
}

impl ChainView {
    /// More is kept elsewhere than the trail has.
    pub(crate) fn is_cut(&self) -> bool {
        self.heads.iter().any(|head| head.seal > self.seal)
    }
}

/// What is kept of a chain outside the server that holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct HeadView {
    /// `the data folder`, `MongoDB`.
    pub place: String,
    /// UTC, as it stands there.
    pub kept_at: String,
    pub writes: i64,
    pub changes: i64,
    pub seal: i64,
}

/// A break of a chain that was found while it was delivered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct BreakView {
    /// UTC, as it stands in the head.
    pub found_at: String,
    /// The last write by the head, and by the trail.
    pub expected: i64,
    pub found: i64,
}

/// The chains, and what of the places outside could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrailAnswer {
    pub chains: Vec<ChainView>,
    pub remark: Option<String>,
}

/// Dead letters that wait, of one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct WaitingView {
    pub reason: String,
    #[serde(rename = "letters")]
    pub dead_letters: i64,
    /// What they stand for.
    pub records: i64,
}

/// The last replay that somebody asked for here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ReplayView {
    pub reason: String,
    /// Who asked.
    pub by: String,
    pub begun_ms: i64,
    /// `None` while it is under way.
    pub ended_ms: Option<i64>,
    /// Dead letters that were sent or put back so far.
    pub replayed: u64,
    /// Of `asked`, at its end; before it, what is known.
    pub stored: u64,
    pub asked: u64,
    /// Beyond what one replay takes; they wait.
    pub left: u64,
    /// Records that were set aside again.
    pub returned: u64,
    pub error: Option<String>,
}

/// All jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct JobsView {
    pub answered_ms: Option<i64>,
    pub outage: Option<Outage>,
    pub items: Vec<JobView>,
}

/// All chains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TrailView {
    pub answered_ms: Option<i64>,
    pub outage: Option<Outage>,
    /// What is not compared, and why.
    pub remark: Option<String>,
    pub items: Vec<ChainView>,
    pub proofs: Vec<Proof>,
}

/// All dead letters that wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct DeadLettersView {
    pub answered_ms: Option<i64>,
    pub outage: Option<Outage>,
    pub items: Vec<WaitingView>,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct OperationsReport {
    pub taken_ms: i64,
    pub jobs: JobsView,
    #[serde(rename = "letters")]
    pub dead_letters: DeadLettersView,
    pub replay: Option<ReplayView>,
    pub trail: TrailView,
    pub backups: BackupAges,
    /// Of jobs and dead letters; the trail has its own.
    pub proofs: Vec<Proof>,
}
