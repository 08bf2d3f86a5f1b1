//! The one picture of the moment from which page, API, events, `genims top` and `/stats` are made. Enters: a report, who sends how
//! much, and what the report was some seconds before. Leaves: both with rates, backlogs and the queries that prove the numbers.

use super::past::Past;
pub use super::past::Rates;
use super::proof::{self, Proof};
use super::report::{ChangesReport, ServerReport, SinkReport, Word};
use super::talkers::TalkersReport;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Growth of the log is judged over this: it grows by segments.
const GROWTH_SPAN: Duration = Duration::from_secs(60);
/// What is further away than this is no forecast.
const FORECAST_MAX_SECONDS: f64 = 30.0 * 86_400.0;

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ServerSnapshot {
    /// When it was taken, milliseconds since 1970 by the server's clock.
    pub taken_ms: i64,
    pub rates: Rates,
    pub fill: Fill,
    pub flows: Vec<Flow>,
    pub proofs: Vec<Proof>,
    #[serde(flatten)]
    pub report: ServerReport,
    #[serde(default)]
    pub talkers: TalkersReport,
}

/// The log of readings.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Fill {
    /// Of its cap, 0 to 1.
    pub share: f64,
    /// At the growth of the last minute; `null` while it does not grow.
    pub seconds_until_full: Option<f64>,
}

/// The way to one database: what waits, what went, what stayed behind.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    /// Unique: `sink/postgres`, `routes/maintenance`, `changes/genims_erp_db/audit`.
    pub name: String,
    /// `sink`, `router`, `routes` or `changes`.
    #[schema(value_type = String)]
    pub kind: Word,
    /// As the registry calls it; for changes the database whose changes they are. `None` for the log of events.
    pub database: Option<String>,
    #[schema(value_type = String)]
    pub state: Word,
    pub rate_per_second: f64,
    pub delivered_total: u64,
    pub pending: u64,
    /// Age of the oldest that waits.
    pub pending_seconds: f64,
    /// Refused by the database for good and kept aside.
    pub quarantined: u64,
    /// The reason, where something is quarantined.
    #[schema(value_type = Option<String>)]
    pub quarantined_because: Option<Word>,
    /// Deliveries that failed and were tried again.
    pub retried: u64,
    /// What never reaches the database: gaps of the log, and readings past its expiry.
    pub dropped: u64,
    pub last_error: Option<String>,
    /// How the quarantined is looked at, handed out, and tried again.
    pub export: Option<String>,
    pub retry: Option<String>,
}

impl ServerSnapshot {
    /// `past` is what was seen before `now`.
    pub(crate) fn new(report: ServerReport, talkers: TalkersReport, taken_ms: i64, now: Instant, past: &Past) -> Self {
        let flows = flows(&report);
        let mut snapshot = Self {
            taken_ms,
            fill: fill(&report, now, past),
            proofs: proof::of(&report),
            flows,
            report,
            talkers,
            rates: Rates::default(),
        };
        if let Some((before, seconds)) = past.some_seconds_before(now) {
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let total = &snapshot.report.total;
            snapshot.rates = Rates {
                span_seconds: seconds,
                received_per_second: rate(total.received, before.total.received),
                stored_per_second: rate(total.committed, before.total.committed),
                dead_lettered_per_second: rate(total.dead_lettered, before.total.dead_lettered),
            };
            for flow in &mut snapshot.flows {
                // A flow that is new has no rate yet.
                let delivered = before.delivered.get(&flow.name).copied().unwrap_or(flow.delivered_total);
                flow.rate_per_second = rate(flow.delivered_total, delivered);
            }
        }
        snapshot
    }
}

fn fill(report: &ServerReport, now: Instant, past: &Past) -> Fill {
    let spool = &report.spool;
    let share = if spool.bytes_max == 0 { 0.0 } else { spool.bytes as f64 / spool.bytes_max as f64 };
    let growth = past.before(now, GROWTH_SPAN).map(|(before, seconds)| {
        let bytes = spool.bytes as f64 - before.spool_bytes as f64;
        bytes / seconds
    });
    let room = spool.bytes_max.saturating_sub(spool.bytes) as f64;
    let until_full = growth.filter(|growth| *growth > 0.0).map(|growth| room / growth);
    Fill { share, seconds_until_full: until_full.filter(|seconds| *seconds <= FORECAST_MAX_SECONDS) }
}

fn flows(report: &ServerReport) -> Vec<Flow> {
    let sinks = report.sinks.iter().map(|sink| of_sink(sink, report));
    sinks.chain(report.changes.iter().map(of_changes)).collect()
}

fn of_sink(sink: &SinkReport, report: &ServerReport) -> Flow {
    let module = report.databases.iter().any(|database| database.module == sink.name);
    let kind = match (&sink.database, module) {
        (None, _) => "router",
        (Some(_), true) => "routes",
        (Some(_), false) => "sink",
    };
    let dead_letters = kind == "sink" && sink.refused_total > 0;
    let reason = "refused_by_database";
    Flow {
        name: format!("{kind}/{}", sink.name),
        kind: kind.into(),
        database: sink.database.clone(),
        state: sink.state.clone(),
        rate_per_second: 0.0,
        delivered_total: sink.rows_total,
        pending: sink.lag_records,
        pending_seconds: sink.lag_seconds,
        quarantined: sink.refused_total,
        quarantined_because: (sink.refused_total > 0).then(|| reason.into()),
        retried: sink.retries_total,
        dropped: sink.gap_records_total + sink.expired_total,
        last_error: sink.last_error.clone(),
        export: dead_letters.then(|| format!("genims deadletter list --reason {reason} --json")),
        retry: dead_letters.then(|| format!("genims deadletter replay --reason {reason}")),
    }
}

fn of_changes(changes: &ChangesReport) -> Flow {
    Flow {
        name: format!("changes/{}/{}", changes.database, changes.target),
        kind: "changes".into(),
        database: Some(changes.database.clone()),
        state: changes.state.clone(),
        delivered_total: changes.delivered_total,
        pending: changes.waiting,
        pending_seconds: changes.age_seconds,
        retried: changes.retries_total,
        last_error: changes.last_error.clone(),
        ..Flow::default()
    }
}
