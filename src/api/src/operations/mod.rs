//! What runs beside the stream, for those who look: jobs, the audit trail, what was set aside and its way back, backups. The databases
//! that know are asked while somebody looks, once for all who do.
//!
//! - [`report`]: what is told, as plain data
//! - [`OperationsSource`]: where it comes from; the server answers
//! - `api`: the same as JSON, and the replay; `pages`, of `page`: the page; `chains`: the part that auditors see, too

pub mod report;

mod api;
mod chains;
mod page;
mod pages;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub(crate) use api::{acts, router as api, trail_router as trail_api};
pub(crate) use chains::ChainsPart;
pub(crate) use pages::{act_router as act_pages, router as pages};
#[cfg(test)]
pub(crate) use sample::SampleOperations;

use crate::plants::report::{Outage, Proven};
use crate::plants::{Answering, Cached, SharedAnswer};
use crate::report::BackupAges;
use report::{DeadLettersView, JobView, JobsView, OperationsReport, ReplayView, TrailAnswer, TrailView, WaitingView};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const JOBS_VALID: Duration = Duration::from_secs(5);
const TRAIL_VALID: Duration = Duration::from_secs(15);
const DEAD_LETTERS_VALID: Duration = Duration::from_secs(3);
/// A page waits no longer for a database; the question goes on, and whoever looks again finds the answer.
const WAIT: Duration = Duration::from_secs(2);
const ON_ITS_WAY: &str = "there is no answer yet; look again in some seconds";

/// Why nothing is replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReplayed {
    /// There is no such reason.
    Unknown,
    /// Another one is under way.
    Busy,
    /// Why this server cannot.
    Impossible(String),
}

/// What the server knows. An error is the cause, in words.
pub trait OperationsSource: Send + Sync + 'static {
    /// All jobs with their last runs.
    fn jobs(&self) -> Answering<'_, Proven<Vec<JobView>>>;

    fn trail(&self) -> Answering<'_, Proven<TrailAnswer>>;

    fn dead_letters(&self) -> Answering<'_, Proven<Vec<WaitingView>>>;

    /// What the server's report says of them.
    fn backups(&self) -> BackupAges;

    /// The last replay that was asked for.
    fn replay(&self) -> Option<ReplayView>;

    /// Begins to replay what waits of a reason, on the word of `by`; [`Self::replay`] tells how far it is.
    fn begin_replay(&self, reason: &str, by: &str) -> Result<(), NotReplayed>;
}

/// What all who look share.
pub(crate) struct Operations {
    source: Arc<dyn OperationsSource>,
    jobs: Cached<(), Proven<Vec<JobView>>>,
    trail: Cached<(), Proven<TrailAnswer>>,
    dead_letters: Cached<(), Proven<Vec<WaitingView>>>,
}

impl Operations {
    pub(crate) fn new(source: Arc<dyn OperationsSource>) -> Self {
        let (jobs, trail, dead_letters) =
            (Cached::new(JOBS_VALID), Cached::new(TRAIL_VALID), Cached::new(DEAD_LETTERS_VALID));
        Self { source, jobs, trail, dead_letters }
    }

    pub(crate) async fn report(&self, now_ms: i64) -> OperationsReport {
        let source = self.source.clone();
        let jobs = async move { source.jobs().await };
        let source = self.source.clone();
        let dead_letters = async move { source.dead_letters().await };
        let (jobs, dead_letters, trail) = tokio::join!(
            waited(self.jobs.get(&(), now_ms, jobs), now_ms),
            waited(self.dead_letters.get(&(), now_ms, dead_letters), now_ms),
            self.trail(now_ms)
        );
        let (jobs, dead_letters) = (Told::of(jobs), Told::of(dead_letters));
        let proofs = [jobs.proven.proofs, dead_letters.proven.proofs].concat();
        let (items, waiting) = (jobs.proven.value, dead_letters.proven.value);
        OperationsReport {
            taken_ms: now_ms,
            jobs: JobsView { answered_ms: jobs.answered_ms, outage: jobs.outage, items },
            dead_letters: DeadLettersView {
                answered_ms: dead_letters.answered_ms,
                outage: dead_letters.outage,
                items: waiting,
            },
            replay: self.source.replay(),
            trail,
            backups: self.source.backups(),
            proofs,
        }
    }

    pub(crate) async fn trail(&self, now_ms: i64) -> TrailView {
        let source = self.source.clone();
        let ask = async move { source.trail().await };
        let Told { answered_ms, outage, proven } = Told::of(waited(self.trail.get(&(), now_ms, ask), now_ms).await);
        let TrailAnswer { chains, remark } = proven.value;
        TrailView { answered_ms, outage, remark, items: chains, proofs: proven.proofs }
    }

    pub(crate) fn last_replay(&self) -> Option<ReplayView> {
        self.source.replay()
    }

    pub(crate) fn begin_replay(&self, reason: &str, by: &str) -> Result<(), NotReplayed> {
        self.source.begin_replay(reason, by)
    }
}

async fn waited<V>(answer: impl Future<Output = SharedAnswer<V>>, now_ms: i64) -> SharedAnswer<V> {
    timeout(WAIT, answer).await.unwrap_or_else(|_| SharedAnswer::unknown(now_ms, ON_ITS_WAY))
}

/// An answer of which the value is nothing where none ever came.
struct Told<T> {
    answered_ms: Option<i64>,
    outage: Option<Outage>,
    proven: Proven<T>,
}

impl<T: Clone + Default> Told<T> {
    fn of(answer: SharedAnswer<Proven<T>>) -> Self {
        let answered_ms = answer.value.as_ref().map(|(_, at_ms)| *at_ms);
        let proven = answer.value.map(|(proven, _)| (*proven).clone()).unwrap_or_default();
        Self { answered_ms, outage: answer.outage, proven }
    }
}
