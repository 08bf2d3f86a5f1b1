//! What is told of plants, as plain data: the pages and the API are made of the same. Times are milliseconds since 1970 UTC.

use crate::proof::Proof;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Older telemetry is old: the analysis, too, misses no machine sooner.
pub const OLD_AFTER_MS: i64 = 300_000;

/// A factory that has machines.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct FactoryEntry {
    pub factory_id: String,
    pub machines: usize,
}

/// A machine as master data has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MachineMaster {
    pub machine_id: String,
    pub machine_code: Option<String>,
    pub machine_type: Option<String>,
    pub line_id: String,
    pub factory_id: String,
    /// Active ones.
    pub sensors: usize,
}

/// A sensor as master data has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct SensorMaster {
    pub sensor_id: String,
    pub sensor_code: Option<String>,
    pub sensor_type: Option<String>,
    pub unit: String,
    pub thresholds: Thresholds,
}

/// Beyond which a value is a warning, or critical; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Thresholds {
    pub warning_min: Option<f64>,
    pub warning_max: Option<f64>,
    pub critical_min: Option<f64>,
    pub critical_max: Option<f64>,
}

/// How a machine is, as the operations database knows it of the last 24 hours; faults of all times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MachineStatus {
    pub machine_id: String,
    /// What its last snapshot said.
    pub state: Option<String>,
    pub since_ms: Option<i64>,
    /// All snapshots that were looked at say the same: the state may have begun before `since_ms`.
    pub began_earlier: bool,
    pub snapshot_ms: Option<i64>,
    /// The last reading of any of its sensors.
    pub reading_ms: Option<i64>,
    /// The newest of those that are open.
    pub fault: Option<FaultReport>,
    pub open_faults: u64,
}

impl MachineStatus {
    /// The last that came of the machine: a snapshot or a reading.
    pub fn telemetry_ms(&self) -> Option<i64> {
        self.snapshot_ms.max(self.reading_ms)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct FaultReport {
    pub fault_code: String,
    pub severity: String,
    pub description: String,
    /// `threshold`, `plc` ...
    pub detected_by: String,
    /// Separated by commas; empty for a fault that the controller reported.
    pub sensors: String,
    pub start_ms: i64,
    /// `None` while it is open.
    pub end_ms: Option<i64>,
}

impl FaultReport {
    /// Whether it belongs on the plot of a sensor: its own, or one of the whole machine.
    pub(crate) fn concerns(&self, sensor_id: &str) -> bool {
        self.sensors.is_empty() || self.sensors.split(',').any(|sensor| sensor.trim() == sensor_id)
    }
}

/// A finished hour of a machine, by its snapshots. Shares of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct OeeReport {
    pub machine_id: String,
    /// The hour's first millisecond.
    pub hour_ms: i64,
    pub oee: f64,
    pub availability: f64,
    pub performance: f64,
    pub quality: f64,
    pub planned_seconds: f64,
    pub running_seconds: f64,
    pub produced: i64,
    pub rejected: i64,
}

/// How far back plots go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(default = "10m")]
pub enum ChartSpan {
    #[default]
    #[serde(rename = "10m")]
    TenMinutes,
    #[serde(rename = "1h")]
    Hour,
    #[serde(rename = "24h")]
    Day,
}

impl ChartSpan {
    pub const ALL: [Self; 3] = [Self::TenMinutes, Self::Hour, Self::Day];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    pub const fn seconds(self) -> i64 {
        match self {
            Self::TenMinutes => 600,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// What one point of a plot stands for: 300 at most make a plot.
    pub const fn bucket_seconds(self) -> i64 {
        match self {
            Self::TenMinutes => 2,
            Self::Hour => 12,
            Self::Day => 300,
        }
    }

    /// From where to where a plot goes `now`: whole buckets, so that those that are over stay as they are.
    pub(crate) fn bounds_ms(self, now_ms: i64) -> (i64, i64) {
        let bucket_ms = self.bucket_seconds() * 1_000;
        let until_ms = (now_ms.div_euclid(bucket_ms) + 1) * bucket_ms;
        (until_ms - self.seconds() * 1_000, until_ms)
    }
}

/// The readings of a sensor within one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ReadingBucket {
    /// Its beginning.
    pub at_ms: i64,
    pub min: f64,
    pub mean: f64,
    pub max: f64,
    /// Rows that were read: all of them, of 24 hours the last one of each minute, which knows the minute's extremes.
    pub rows: i64,
    /// Of them, those of another quality than good.
    pub not_good: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct LastReading {
    pub value: f64,
    pub unit: String,
    pub at_ms: i64,
    pub quality: String,
    /// `normal`, `warning`, `critical`
    pub status: String,
    pub is_anomaly: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct SensorReadings {
    pub sensor_id: String,
    /// Of the last 24 hours.
    pub last: Option<LastReading>,
    pub buckets: Vec<ReadingBucket>,
}

/// An answer of the operations database, with the queries that gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proven<T> {
    pub value: T,
    pub proofs: Vec<Proof>,
}

/// What the operations database answered about a machine's sensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadingsAnswer {
    pub sensors: Vec<SensorReadings>,
    pub faults: Vec<FaultReport>,
}

/// How far what is told can be believed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct OperationsView {
    pub database: &'static str,
    /// Whether this server writes to it; if not, nothing is known of states and readings.
    pub followed: bool,
    /// When it answered what is shown.
    pub answered_ms: Option<i64>,
    pub outage: Option<Outage>,
}

/// Why there is no newer answer: the database gave none, or was not asked because other questions were in front.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Outage {
    /// The first question of somebody who looked that was not answered.
    pub since_ms: i64,
    pub cause: String,
}

/// A machine, and all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MachineView {
    #[serde(flatten)]
    pub master: MachineMaster,
    pub status: Option<MachineStatus>,
    pub oee: Option<OeeReport>,
    pub telemetry_age_ms: Option<i64>,
    /// Nothing came for five minutes, or ever.
    pub is_old: bool,
}

/// Machines of one factory or of all, in the order of factory, line and id: a part of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachinesView {
    pub taken_ms: i64,
    pub operations: OperationsView,
    pub factories: Vec<FactoryEntry>,
    /// Of the whole list.
    pub total: usize,
    pub offset: usize,
    pub items: Vec<MachineView>,
    /// The database did not give the hour's OEE.
    pub oee_outage: Option<Outage>,
    pub proofs: Vec<Proof>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MachineDetail {
    pub taken_ms: i64,
    pub operations: OperationsView,
    pub machine: MachineView,
    pub oee_outage: Option<Outage>,
    pub proofs: Vec<Proof>,
}

/// A sensor, and what it measured.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SensorView {
    #[serde(flatten)]
    pub master: SensorMaster,
    pub last: Option<LastReading>,
    pub buckets: Vec<ReadingBucket>,
}

/// The sensors of a machine, a part of them, and its faults meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ReadingsView {
    pub taken_ms: i64,
    pub operations: OperationsView,
    pub machine_id: String,
    pub span: ChartSpan,
    pub bucket_seconds: i64,
    pub from_ms: i64,
    pub until_ms: i64,
    /// Sensors of the machine.
    pub total: usize,
    pub offset: usize,
    pub items: Vec<SensorView>,
    /// Newest first.
    pub faults: Vec<FaultReport>,
    pub proofs: Vec<Proof>,
}
