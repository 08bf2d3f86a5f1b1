//! SCADA snapshots: a controller's picture of its machine, keyed by the columns of `scada_machine_data`.

use crate::plant::Machine;
use crate::plant::machine::{MachineSim, State};
use std::io::Write;

/// Appends the picture as JSON.
pub fn write(buffer: &mut Vec<u8>, machine: &Machine, sim: &MachineSim, timestamp_us: i64) {
    let counters = sim.counters();
    let state = sim.state();
    let produced = counters.produced_shift.max(0.0);
    let clock_s = counters.uptime_shift_s + counters.downtime_shift_s;
    let percent = |part: f64, whole: f64| if whole > 0.0 { (100.0 * part / whole).clamp(0.0, 100.0) } else { 100.0 };
    let availability = percent(counters.uptime_shift_s, clock_s);
    let performance = (100.0 * sim.load()).clamp(0.0, 100.0);
    let quality = 100.0 - percent(counters.rejected_shift, produced.max(1.0));
    let oee = availability * performance * quality / 10_000.0;
    let running = state == State::Running;
    let cycle_s = 3_600 / i64::from(machine.capacity_per_hour.max(1));
    // Writing to a vector cannot fail.
    let _ = write!(
        buffer,
        "{{\"timestamp_us\":{timestamp_us},\"machine_state\":\"{}\",\"operation_mode\":\"AUTO\",\
         \"parts_produced_cumulative\":{:.0},\"parts_produced_shift\":{:.0},\"parts_rejected_shift\":{:.0},\
         \"target_cycle_time_seconds\":{cycle_s},\"actual_cycle_time_seconds\":{:.2},\
         \"availability_percentage\":{availability:.2},\"performance_percentage\":{performance:.2},\
         \"quality_percentage\":{quality:.2},\"oee_percentage\":{oee:.2},\
         \"spindle_speed_rpm\":{:.0},\"tool_number\":{},\"program_number\":\"P{:04}\",\
         \"power_consumption_kw\":{:.2},\"energy_consumed_kwh\":{:.4},\
         \"uptime_seconds_shift\":{:.0},\"downtime_seconds_shift\":{:.0},\"data_source\":\"PLC\",\
         \"data_quality\":\"good\"",
        state.as_str(),
        counters.produced_total.floor(),
        produced.floor(),
        counters.rejected_shift.floor(),
        cycle_s as f64 / sim.load().max(0.1),
        if running { 3_000.0 * sim.load() } else { 0.0 },
        1 + (sim.tool_wear() * 9.0) as u32,
        machine.sensors.start % 10_000,
        machine.power_kw * (0.15 + 0.85 * sim.load()),
        counters.energy_kwh,
        counters.uptime_shift_s,
        counters.downtime_shift_s,
    );
    if let Some(fault) = sim.fault().filter(|_| state == State::Fault) {
        let _ = write!(
            buffer,
            ",\"fault_code\":\"{}\",\"fault_description\":\"{fault:?}\",\"active_alarms\":1,\"alarm_codes\":\"{0}\"",
            fault.code()
        );
    } else {
        buffer.extend_from_slice(b",\"active_alarms\":0");
    }
    buffer.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::Plant;

    #[test]
    fn a_snapshot_is_json_and_its_oee_is_the_product() {
        let plant = Plant::synthetic(1, 11);
        let mut sim = MachineSim::new(&plant, &plant.machines[0], 1, 0.0, 2.0);
        for minute in 1..2_000 {
            sim.advance(f64::from(minute) * 60.0);
            let mut buffer = Vec::new();
            write(&mut buffer, &plant.machines[0], &sim, 1_700_000_000_000_000);
            let json: serde_json::Value = serde_json::from_slice(&buffer).expect("valid JSON");
            let number = |key: &str| json[key].as_f64().unwrap_or_else(|| panic!("{key} is a number"));
            let product =
                number("availability_percentage") * number("performance_percentage") * number("quality_percentage")
                    / 10_000.0;
            assert!((number("oee_percentage") - product).abs() < 0.1);
            assert_eq!(json["machine_state"] == "FAULT", json.get("fault_code").is_some());
        }
    }
}
