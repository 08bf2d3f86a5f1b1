//! What the analysis found. Events travel in the same group as the readings that caused them.

use super::reading::{MachineNo, SensorNo};
use serde::{Deserialize, Serialize};

/// Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A row of `machine_faults`, a document of `machine_fault_events`.
    FaultOpened(FaultOpened),
    /// Completes the row that [`Event::FaultOpened`] with the same machine, code and start made.
    FaultClosed(FaultClosed),
    /// A row of `sensor_health`.
    SensorHealth(SensorHealth),
    /// A machine went from one state to another; `from` is empty for the first state seen.
    StateChanged {
        machine: MachineNo,
        timestamp_us: i64,
        from: String,
        to: String,
        /// How long the state left had lasted; unknown for one that began before this run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lasted_us: Option<i64>,
    },
    /// Parts counted between two snapshots; a counter that was reset counts from zero.
    PartsCounted {
        machine: MachineNo,
        timestamp_us: i64,
        produced: i64,
        rejected: i64,
        /// From one snapshot to the other; unknown in events of earlier releases.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interval_us: Option<i64>,
    },
    /// Energy drawn since the last such event; `register_kwh` is the meter's own count.
    EnergyMetered { machine: MachineNo, timestamp_us: i64, kwh: f64, register_kwh: f64, interval_us: i64 },
    /// Another tool is in the spindle: places in the magazine.
    ToolChanged { machine: MachineNo, timestamp_us: i64, from: i32, to: i32 },
    /// Somebody else works at the machine; empty stands for nobody, or for one who is not known.
    OperatorChanged {
        machine: MachineNo,
        timestamp_us: i64,
        from: String,
        to: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shift_id: Option<String>,
    },
    /// Readings of a sensor went beyond a limit of its own, or are well inside it again.
    LimitCrossed(LimitCrossed),
    /// Several readings in a row were unusual for their sensor; told when the first usual one ended them.
    AnomalySeen(AnomalySeen),
    /// A sensor that measures parts has measured one.
    QualityMeasured { sensor: SensorNo, timestamp_us: i64, value: f64, low: Option<f64>, high: Option<f64> },
    /// A machine that used to send snapshots sends none any more (`silent`), or sends them again.
    MachineSilent { machine: MachineNo, timestamp_us: i64, last_us: i64, silent: bool },
    /// A document of `oee_metrics`: one finished hour of one machine.
    OeeHour(OeeHour),
    /// A client was lost and its will fired.
    ClientLost {
        client_id: String,
        timestamp_us: i64,
        will_topic: String,
        #[serde(with = "serde_bytes")]
        will_payload: Vec<u8>,
    },
}

impl Event {
    /// About what it occupies in memory, with the allocator's share.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + 128 + self.text_bytes()
    }

    fn text_bytes(&self) -> usize {
        match self {
            Self::FaultOpened(fault) => {
                let texts =
                    [&fault.fault_code, &fault.category, &fault.severity, &fault.description, &fault.detection_method];
                texts.into_iter().map(String::len).sum()
            }
            Self::FaultClosed(fault) => fault.fault_code.len(),
            Self::SensorHealth(health) => health.overall_status.len(),
            Self::StateChanged { from, to, .. } => from.len() + to.len(),
            Self::OperatorChanged { from, to, shift_id, .. } => {
                from.len() + to.len() + shift_id.as_ref().map_or(0, String::len)
            }
            Self::LimitCrossed(crossed) => crossed.level.len(),
            Self::ClientLost { client_id, will_topic, will_payload, .. } => {
                client_id.len() + will_topic.len() + will_payload.len()
            }
            Self::PartsCounted { .. }
            | Self::EnergyMetered { .. }
            | Self::ToolChanged { .. }
            | Self::AnomalySeen(_)
            | Self::QualityMeasured { .. }
            | Self::MachineSilent { .. }
            | Self::OeeHour(_) => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultOpened {
    pub machine: MachineNo,
    /// VARCHAR(50)
    pub fault_code: String,
    /// mechanical, thermal, pneumatic, electrical, process, control ...
    pub category: String,
    /// low, medium, high, critical
    pub severity: String,
    pub description: String,
    pub start_us: i64,
    /// The sensor that crossed its limit; none for a fault that the PLC reported.
    pub sensor: Option<SensorNo>,
    /// threshold, plc
    pub detection_method: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultClosed {
    pub machine: MachineNo,
    pub fault_code: String,
    pub start_us: i64,
    pub end_us: i64,
    /// Minutes that the machine stood in a fault or stopped state meanwhile.
    pub downtime_minutes: Option<i32>,
    pub production_loss_units: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SensorHealth {
    pub sensor: SensorNo,
    pub timestamp_us: i64,
    /// 0 to 100
    pub health_score: f64,
    pub drift_percentage: Option<f64>,
    pub noise_level: Option<f64>,
    pub last_communication_us: Option<i64>,
    pub communication_failures_24h: i32,
    pub stuck: bool,
    pub erratic: bool,
    pub out_of_range_24h: i32,
    pub average_latency_ms: Option<f64>,
    /// healthy, degraded, failed, silent
    pub overall_status: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitCrossed {
    pub sensor: SensorNo,
    pub timestamp_us: i64,
    /// The first reading beyond the limit.
    pub start_us: i64,
    pub value: f64,
    pub limit: f64,
    /// The limit is an upper one.
    pub above: bool,
    /// warning, critical
    pub level: String,
    /// False: the values are well inside again.
    pub beyond: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalySeen {
    pub sensor: SensorNo,
    /// First and last unusual reading.
    pub start_us: i64,
    pub end_us: i64,
    pub readings: u32,
    /// The highest score, 0 to 1, and the value that had it.
    pub score: f64,
    pub value: f64,
    /// What was usual before: the mean.
    pub expected: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OeeHour {
    pub machine: MachineNo,
    /// The first microsecond of the hour.
    pub hour_us: i64,
    /// Fractions 0..=1; `oee` is their product.
    pub availability: f64,
    pub performance: f64,
    pub quality: f64,
    pub oee: f64,
    pub running_seconds: f64,
    pub planned_seconds: f64,
    pub produced: i64,
    pub rejected: i64,
}
