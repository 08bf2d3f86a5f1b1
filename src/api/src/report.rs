//! Everything an operator may want to know, at one moment, as plain data. `/stats` is this as JSON.

use super::talkers::TalkersReport;
use genims_model::Account;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utoipa::ToSchema;

/// One of the program's own words; read from JSON it owns its text.
pub type Word = Cow<'static, str>;

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ServerReport {
    #[schema(value_type = String)]
    pub version: Word,
    pub uptime_seconds: f64,
    /// Whether records can be accepted durably; the reason when not.
    pub ready: bool,
    pub not_ready_because: Option<String>,
    pub total: Account,
    /// The accounting identity, checked on the numbers above.
    pub identity_holds: bool,
    pub sources: Vec<SourceReport>,
    /// Records received but not yet synced: what a crash may cost senders that asked for no acknowledgement.
    pub at_risk_records: u64,
    pub catalogue: CatalogueReport,
    pub shards: Vec<ShardReport>,
    pub spool: SpoolReport,
    pub sinks: Vec<SinkReport>,
    pub routes: Vec<RouteReport>,
    pub changes: Vec<ChangesReport>,
    pub clocks: Vec<ClockReport>,
    /// The 17 of the registry, whether or not the server writes to them.
    pub databases: Vec<DatabaseReport>,
    #[schema(value_type = Vec<(String, u64)>)]
    pub dead_letter_reasons: Vec<(Word, u64)>,
    /// What did not fit in messages whose records were taken.
    #[schema(value_type = Vec<(String, u64)>)]
    pub remarks: Vec<(Word, u64)>,
    pub refusals: Vec<RefusalReport>,
    #[serde(default)]
    pub backups: BackupAges,
}

/// How often a door refused something since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RefusalReport {
    /// A listener's name, or `http`.
    pub door: String,
    #[schema(value_type = String)]
    pub kind: Word,
    pub total: u64,
}

/// One listener.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SourceReport {
    pub name: String,
    #[serde(flatten)]
    pub account: Account,
    pub listener: Option<ListenerReport>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ListenerReport {
    pub address: String,
    pub connections_open: u64,
    pub connections_total: u64,
    pub refused_total: u64,
    pub messages_total: u64,
    pub bytes_total: u64,
    pub acks_total: u64,
    pub protocol_errors_total: u64,
    /// Connections of the frame protocol that began at or below the sequence that WELCOME had told.
    #[serde(default)]
    pub sequence_regressions_total: u64,
    /// TLS handshakes that failed.
    pub handshakes_refused_total: u64,
    /// Clients that were not let in.
    pub logins_refused_total: u64,
    /// Messages under topics that their client may not publish under.
    pub denied_total: u64,
    /// Connections ended because their client may no longer be in.
    pub evicted_total: u64,
    /// Waits of connections whose client had sent as much as it may.
    #[serde(default)]
    pub rate_limited_total: u64,
}

impl ListenerReport {
    /// Whoever was not served, or no longer: for want of room or of rights.
    pub fn turned_away(&self) -> u64 {
        self.refused_total + self.handshakes_refused_total + self.logins_refused_total + self.evicted_total
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CatalogueReport {
    pub sensors: u64,
    pub machines: u64,
    /// Seconds since the last good look at master data began: what it held by then is known. `null` if never in this run.
    pub refreshed_seconds_ago: Option<f64>,
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ShardReport {
    pub queued_records: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SpoolReport {
    pub id: String,
    pub bytes: u64,
    pub bytes_max: u64,
    pub full: bool,
    pub failed: Option<String>,
    pub first_offset: u64,
    pub next_offset: u64,
    /// Where the accounts of this run begin: records below were finished by an earlier one.
    pub counted_from: u64,
    /// Dead letters of rows that a database refused, not in the spool yet.
    #[serde(rename = "letters_waiting")]
    pub dead_letters_waiting: u64,
    pub groups_total: u64,
    /// How often the cap or a full disk made senders wait.
    pub full_episodes_total: u64,
    pub receive_to_durable_ms: Latency,
    /// How long each sync of the log took: the disk's part of it.
    pub sync_ms: Latency,
}

/// Where a sink can stand.
pub const SINK_STATES: [&str; 5] = ["connecting", "following", "retrying", "cut_off", "failed"];

#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SinkReport {
    pub name: String,
    /// The database that it writes to, by its name in the registry; `null` for the log of events.
    pub database: Option<String>,
    /// `connecting`, `following`, `retrying`, `cut_off` or `failed`.
    #[schema(value_type = String)]
    pub state: Word,
    pub connected: bool,
    pub position: u64,
    pub lag_records: u64,
    pub lag_seconds: f64,
    pub rows_total: u64,
    pub batches_total: u64,
    pub bytes_total: u64,
    pub retries_total: u64,
    pub refused_total: u64,
    pub expired_total: u64,
    /// Records that the database lacks and the log no longer held.
    pub gap_records_total: u64,
    /// What of that a routed database lacks still: `genims routes resync` makes it anew.
    pub gaps: Vec<GapReport>,
    pub last_error: Option<String>,
    pub receive_to_committed_ms: Latency,
}

/// Records of a log that were gone before a routed database had read them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct GapReport {
    pub from_offset: u64,
    pub to_offset: u64,
    /// Microseconds since 1970; `null` for a database that never followed the log before.
    pub received_from_us: Option<i64>,
    pub received_to_us: i64,
}

/// What one route into a database has done since the server started.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct RouteReport {
    #[schema(value_type = String)]
    pub database: Word,
    pub route: String,
    pub events_total: u64,
    pub rows_total: u64,
    /// Events that the database refused for good.
    pub refused_total: u64,
    /// Time that its statements took.
    pub busy_seconds: f64,
}

/// The changes of one database's business tables on their way to one target: `audit` or `stream`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ChangesReport {
    pub database: String,
    #[schema(value_type = String)]
    pub target: Word,
    /// connecting, following, retrying, or absent: the database has no outbox yet.
    #[schema(value_type = String)]
    pub state: Word,
    pub waiting: u64,
    /// Age of the oldest change that waits.
    pub age_seconds: f64,
    pub delivered_total: u64,
    pub retries_total: u64,
    pub last_error: Option<String>,
}

/// One database of the registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct DatabaseReport {
    pub name: String,
    pub module: String,
    pub engine: String,
    pub team: String,
    /// How it answered last, asked once a minute; `null` before, and where no connection is configured.
    pub answers: Option<bool>,
    pub last_error: Option<String>,
}

/// The backups in the folder that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupAges {
    /// `null`: none is named, so nothing is known of backups but how often they are to be made.
    pub folder: Option<String>,
    /// When the folder could be read last, milliseconds since 1970; `null` if never in this run.
    pub looked_ms: Option<i64>,
    /// Why it could not be read since.
    pub last_error: Option<String>,
    /// Of each database of the registry.
    pub items: Vec<BackupAge>,
}

/// The backups of one database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BackupAge {
    pub database: String,
    /// How often the registry wants one.
    pub every_seconds: u64,
    pub kept_seconds: u64,
    /// Of the newest complete one; `null` where none is known.
    pub age_seconds: Option<u64>,
    /// Whether it is older than it may be, or there is none; `null` while nobody has looked.
    pub late: Option<bool>,
    /// How many are complete.
    pub complete: u64,
    /// Of the newest of these.
    pub rows: u64,
    pub bytes: u64,
    /// What is wrong with one that is newer.
    pub error: Option<String>,
}

/// A database server's clock against ours.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ClockReport {
    #[schema(value_type = String)]
    pub database: Word,
    /// How far the server's is ahead; `null` while it cannot be asked.
    pub offset_seconds: Option<f64>,
    /// Said when they are too far apart: what is wrong, and what to do about it.
    pub complaint: Option<String>,
}

/// Percentiles in milliseconds since the server started, and the counts that `/metrics` shows.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    pub count: u64,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
    #[serde(skip)]
    pub(crate) sum_seconds: f64,
    #[serde(skip)]
    counts: [u64; BOUNDS_US.len() + 1],
}

/// Upper bounds of the buckets, microseconds: a sync of a fast disk to half an hour behind.
const BOUNDS_US: [u64; 19] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    1_800_000_000,
];

impl Latency {
    /// From a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        let mut counts = [0; BOUNDS_US.len() + 1];
        let mut sum_us = 0.0;
        for values in histogram.iter_recorded() {
            let (value, count) = (values.value_iterated_to(), values.count_at_value());
            counts[BOUNDS_US.partition_point(|bound| *bound < histogram.lowest_equivalent(value))] += count;
            sum_us += histogram.median_equivalent(value) as f64 * count as f64;
        }
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max() as f64 / 1_000.0,
            sum_seconds: sum_us / 1_000_000.0,
            counts,
        }
    }

    /// The median, 99th and 99.9th percentile, in milliseconds, of what was measured since `before`; `null` where that is
    /// nothing. Read from the buckets, as Prometheus does: exact at their bounds, linear between them.
    pub(crate) fn since(&self, before: &Self) -> Option<[f64; 3]> {
        let counts: Vec<u64> =
            self.counts.iter().zip(&before.counts).map(|(now, then)| now.saturating_sub(*then)).collect();
        let all: u64 = counts.iter().sum();
        (all > 0).then(|| [0.5, 0.99, 0.999].map(|quantile| self.percentile(&counts, quantile * all as f64)))
    }

    fn percentile(&self, counts: &[u64], rank: f64) -> f64 {
        let (mut below, mut lower_us) = (0.0, 0.0);
        for (no, count) in counts.iter().enumerate() {
            let Some(upper_us) = BOUNDS_US.get(no).map(|bound| *bound as f64) else { break };
            let count = *count as f64;
            if below + count >= rank && count > 0.0 {
                return (lower_us + (upper_us - lower_us) * (rank - below) / count) / 1_000.0;
            }
            (below, lower_us) = (below + count, upper_us);
        }
        self.max.max(lower_us / 1_000.0)
    }

    /// Upper bounds in seconds, with what lies below each and above the one before.
    pub(crate) fn buckets(&self) -> [(f64, u64); BOUNDS_US.len() + 1] {
        // The encoder writes f64::MAX as +Inf.
        let bound = |no: usize| BOUNDS_US.get(no).map_or(f64::MAX, |us| *us as f64 / 1_000_000.0);
        std::array::from_fn(|no| (bound(no), self.counts[no]))
    }
}

/// Says what is now.
pub trait Observe: Send + Sync {
    fn report(&self) -> ServerReport;

    /// Apart from the report: to look at each client would cost those most who ask most often, probes and scrapes.
    fn talkers(&self) -> TalkersReport;
}
