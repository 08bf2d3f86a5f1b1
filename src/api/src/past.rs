//! What the server was a moment ago: a minute of samples for rates, ten minutes of points for charts. Both are bounded; time
//! is an argument.

use super::report::{Latency, ServerReport};
use genims_model::Account;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// How often a sample is taken.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// Rates are over this.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// A rate over less would be noise.
const SPAN_MIN: Duration = Duration::from_millis(500);
const SAMPLES_MAX: usize = 90;
/// Every second sample becomes a point: ten minutes.
const SAMPLES_A_POINT: u64 = 2;
pub(crate) const POINTS_MAX: usize = 300;

/// Records a second over the last `span_seconds`; all zero while nothing is known of an earlier moment.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    pub span_seconds: f64,
    /// Taken in, duplicates and what will be set aside included.
    pub received_per_second: f64,
    /// Committed by PostgreSQL.
    pub stored_per_second: f64,
    pub dead_lettered_per_second: f64,
}

/// What rates are made of.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) total: Account,
    pub(crate) delivered: HashMap<String, u64>,
    pub(crate) spool_bytes: u64,
}

/// One point of the charts. Latencies are those of what was measured since the point before, in milliseconds: median, 99th and
/// 99.9th percentile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Point {
    pub(crate) taken_ms: i64,
    pub(crate) received_per_second: f64,
    pub(crate) stored_per_second: f64,
    pub(crate) durable_ms: Option<[f64; 3]>,
    /// Of the first sink, which is the operations database where there is one.
    pub(crate) committed_ms: Option<[f64; 3]>,
    /// The latest of all sinks.
    pub(crate) lag_seconds: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Past {
    samples: VecDeque<Sample>,
    points: VecDeque<Point>,
    seen: u64,
    /// Latencies at the last point: durable, committed.
    latencies: Option<(Latency, Latency)>,
}

impl Past {
    /// The newest sample that is at least `span` old, else the oldest; and how old it is, seconds.
    pub(crate) fn before(&self, now: Instant, span: Duration) -> Option<(&Sample, f64)> {
        let age = |sample: &Sample| now.saturating_duration_since(sample.at);
        let old = self.samples.iter().rev().find(|sample| age(sample) >= span);
        let sample = old.or(self.samples.front()).filter(|sample| age(sample) >= SPAN_MIN)?;
        Some((sample, age(sample).as_secs_f64()))
    }

    pub(crate) fn some_seconds_before(&self, now: Instant) -> Option<(&Sample, f64)> {
        self.before(now, RATE_SPAN)
    }

    /// Remembers what was `at`; `delivered` is what each flow has delivered by then.
    pub(crate) fn add(
        &mut self,
        at: Instant,
        (taken_ms, rates): (i64, Rates),
        report: &ServerReport,
        delivered: HashMap<String, u64>,
    ) {
        self.samples.push_back(Sample { at, total: report.total, delivered, spool_bytes: report.spool.bytes });
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.seen += 1;
        if self.seen.is_multiple_of(SAMPLES_A_POINT) {
            self.points.push_back(self.point(taken_ms, rates, report));
            self.latencies = Some(latencies(report));
            if self.points.len() > POINTS_MAX {
                self.points.pop_front();
            }
        }
    }

    fn point(&self, taken_ms: i64, rates: Rates, report: &ServerReport) -> Point {
        let (durable, committed) = latencies(report);
        let (durable_before, committed_before) = self.latencies.unwrap_or((durable, committed));
        Point {
            taken_ms,
            received_per_second: rates.received_per_second,
            stored_per_second: rates.stored_per_second,
            durable_ms: durable.since(&durable_before),
            committed_ms: committed.since(&committed_before),
            lag_seconds: report.sinks.iter().map(|sink| sink.lag_seconds).fold(0.0, f64::max),
        }
    }

    /// Oldest first.
    pub(crate) fn points(&self) -> Vec<Point> {
        self.points.iter().cloned().collect()
    }
}

fn latencies(report: &ServerReport) -> (Latency, Latency) {
    let committed = report.sinks.first().map_or_else(Latency::default, |sink| sink.receive_to_committed_ms);
    (report.spool.receive_to_durable_ms, committed)
}
