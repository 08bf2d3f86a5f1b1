//! One SCADA picture of a machine: a row of `scada_machine_data`, a document of `scada_events`.

use super::reading::MachineNo;
use serde::{Deserialize, Serialize};

/// Every client-supplied column of `scada_machine_data`, in the contract's order and under its names.
///
/// Text columns longer than the contract allows are refused by the decoder. Times are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub machine: MachineNo,
    /// The listener it came through.
    pub source: u8,
    pub received_us: i64,
    pub timestamp_us: i64,
    pub fields: SnapshotFields,
}

/// The words of `machine_state`, in any case, that OEE and reports tell apart. All others are one state there, planned and not
/// running.
const STATES: [&str; 7] = ["RUNNING", "IDLE", "SETUP", "STOPPED", "FAULT", "MAINTENANCE", "OFF"];

/// Whether a word is one of those.
pub fn is_known_state(state: &str) -> bool {
    STATES.iter().any(|known| state.eq_ignore_ascii_case(known))
}

/// What a payload may say of a machine; names and units as in `scada_machine_data`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotFields {
    /// VARCHAR(50), required: one of [`is_known_state`], or the client's own word.
    pub machine_state: String,
    pub operation_mode: Option<String>,
    pub fault_code: Option<String>,
    pub fault_description: Option<String>,
    pub parts_produced_cumulative: Option<i64>,
    pub parts_produced_shift: Option<i32>,
    pub parts_rejected_shift: Option<i32>,
    pub target_cycle_time_seconds: Option<i32>,
    pub actual_cycle_time_seconds: Option<f64>,
    pub availability_percentage: Option<f64>,
    pub performance_percentage: Option<f64>,
    pub quality_percentage: Option<f64>,
    pub oee_percentage: Option<f64>,
    pub spindle_speed_rpm: Option<i32>,
    pub feed_rate_mm_min: Option<f64>,
    pub tool_number: Option<i32>,
    pub program_number: Option<String>,
    pub power_consumption_kw: Option<f64>,
    pub energy_consumed_kwh: Option<f64>,
    pub temperature_setpoint_c: Option<f64>,
    pub temperature_actual_c: Option<f64>,
    pub pressure_setpoint_bar: Option<f64>,
    pub pressure_actual_bar: Option<f64>,
    pub downtime_seconds_shift: Option<i32>,
    pub last_fault_timestamp_us: Option<i64>,
    pub uptime_seconds_shift: Option<i32>,
    pub active_alarms: Option<i32>,
    pub alarm_codes: Option<String>,
    pub warning_codes: Option<String>,
    /// Filled from the factory's shift calendar when the client does not say.
    pub shift_id: Option<String>,
    pub operator_id: Option<String>,
    pub data_source: Option<String>,
    pub data_quality: Option<String>,
}

impl Snapshot {
    /// About what it occupies in memory, with the allocator's share.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + 128 + self.fields.text_bytes()
    }
}

impl SnapshotFields {
    fn text_bytes(&self) -> usize {
        let texts = [
            &self.operation_mode,
            &self.fault_code,
            &self.fault_description,
            &self.program_number,
            &self.alarm_codes,
            &self.warning_codes,
            &self.shift_id,
            &self.operator_id,
            &self.data_source,
            &self.data_quality,
        ];
        self.machine_state.len() + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_those_that_reports_tell_apart() {
        let job = include_str!("../../../config/etl/machine_performance.toml");
        let behind = job.split("state = '").skip(1);
        let mut told: Vec<&str> = behind.filter_map(|rest| rest.split('\'').next()).collect();
        told.sort_unstable();
        told.dedup();
        let mut known = STATES;
        known.sort_unstable();
        assert_eq!(told, known);
        assert!(is_known_state("running") && is_known_state("Off"));
        assert!(!is_known_state("GRINDING") && !is_known_state(""));
    }
}
