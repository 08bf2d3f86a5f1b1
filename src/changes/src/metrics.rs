//! What the delivery of one database's changes to one target tells of itself.

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not yet delivered or looked in this run.
    #[default]
    Connecting,
    Following,
    /// The last attempt failed; another one follows.
    Retrying,
    /// The database is not there, or has no outbox yet.
    Absent,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Following => "following",
            Self::Retrying => "retrying",
            Self::Absent => "absent",
        }
    }
}

#[derive(Debug, Default)]
pub struct Metrics {
    pub delivered_total: AtomicU64,
    pub retries_total: AtomicU64,
    standing: Mutex<Standing>,
}

#[derive(Clone, Debug, Default)]
struct Standing {
    state: State,
    waiting: u64,
    oldest: Option<DateTime<Utc>>,
    error: Option<String>,
}

impl Metrics {
    pub fn state(&self) -> State {
        self.standing.lock().state
    }

    /// Changes that the target lacks, as far as is known.
    pub fn waiting(&self) -> u64 {
        self.standing.lock().waiting
    }

    /// Age in seconds of the oldest change that the target lacks.
    pub fn age_seconds(&self) -> f64 {
        let oldest = self.standing.lock().oldest;
        oldest.map_or(0.0, |oldest| ((Utc::now() - oldest).as_seconds_f64()).max(0.0))
    }

    pub fn last_error(&self) -> Option<String> {
        self.standing.lock().error.clone()
    }

    pub(crate) fn found(&self, waiting: i64, oldest: Option<DateTime<Utc>>) {
        let mut standing = self.standing.lock();
        (standing.waiting, standing.oldest) = (waiting.unsigned_abs(), oldest);
    }

    pub(crate) fn delivered(&self, rows: u64) {
        self.delivered_total.fetch_add(rows, Ordering::Relaxed);
        let mut standing = self.standing.lock();
        standing.waiting = standing.waiting.saturating_sub(rows);
    }

    pub(crate) fn follows(&self) {
        let mut standing = self.standing.lock();
        (standing.state, standing.error) = (State::Following, None);
    }

    /// True when this has not been said yet.
    pub(crate) fn failed(&self, state: State, error: String) -> bool {
        if state == State::Retrying {
            self.retries_total.fetch_add(1, Ordering::Relaxed);
        }
        let mut standing = self.standing.lock();
        let is_new = standing.error.as_ref() != Some(&error);
        (standing.state, standing.error) = (state, Some(error));
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_new_once_and_gone_when_the_target_follows() {
        let metrics = Metrics::default();
        metrics.found(5, None);
        assert!(metrics.failed(State::Retrying, "down".to_owned()));
        assert!(!metrics.failed(State::Retrying, "down".to_owned()));
        assert_eq!((metrics.retries_total.load(Ordering::Relaxed), metrics.state()), (2, State::Retrying));
        metrics.follows();
        metrics.delivered(7);
        assert_eq!((metrics.last_error(), metrics.waiting(), metrics.state().as_str()), (None, 0, "following"));
    }
}
