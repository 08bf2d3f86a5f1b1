//! What else a machine's snapshots say when read one after the other: energy drawn, tools changed, operators coming and going.
//!
//! Rules
//! - Energy is the step of `energy_consumed_kwh`, told once a minute of source time at most; a register that went down was
//!   reset and counts from zero.
//! - The first tool seen changes nothing; the first operator seen has come.

use genims_model::snapshot::SnapshotFields;
use genims_model::{Event, MachineNo};

/// Energy is told this often at most.
pub const METERING_US: i64 = 60_000_000;

#[derive(Clone, Debug, Default)]
pub(crate) struct Meters {
    energy: Option<Register>,
    tool: Option<i32>,
    operator: String,
}

/// The energy register where it was told last.
#[derive(Clone, Copy, Debug)]
struct Register {
    told_us: i64,
    seen_kwh: f64,
    untold_kwh: f64,
}

impl Meters {
    /// Reads the next snapshot, which is later than the one before.
    pub(crate) fn see(&mut self, machine: MachineNo, now_us: i64, fields: &SnapshotFields, events: &mut Vec<Event>) {
        self.energy(machine, now_us, fields.energy_consumed_kwh, events);
        if let Some(to) = fields.tool_number {
            match self.tool.replace(to) {
                Some(from) if from != to => {
                    events.push(Event::ToolChanged { machine, timestamp_us: now_us, from, to });
                }
                _ => {}
            }
        }
        // A snapshot that does not say who is there says nothing of it; one that says "" says that nobody is.
        if let Some(to) = fields.operator_id.as_ref().filter(|to| **to != self.operator) {
            let from = std::mem::replace(&mut self.operator, to.clone());
            let (to, shift_id) = (to.clone(), fields.shift_id.clone());
            events.push(Event::OperatorChanged { machine, timestamp_us: now_us, from, to, shift_id });
        }
    }

    pub(crate) fn take_up_energy(&mut self, told_us: i64, kwh: f64) {
        self.energy = Some(Register { told_us, seen_kwh: kwh, untold_kwh: 0.0 });
    }

    fn energy(&mut self, machine: MachineNo, now_us: i64, now_kwh: Option<f64>, events: &mut Vec<Event>) {
        let Some(now_kwh) = now_kwh else { return };
        let Some(register) = &mut self.energy else {
            self.energy = Some(Register { told_us: now_us, seen_kwh: now_kwh, untold_kwh: 0.0 });
            return;
        };
        let step = now_kwh - register.seen_kwh;
        register.untold_kwh += if step >= 0.0 { step } else { now_kwh.max(0.0) };
        register.seen_kwh = now_kwh;
        let interval_us = now_us - register.told_us;
        if interval_us >= METERING_US {
            let kwh = std::mem::take(&mut register.untold_kwh);
            register.told_us = now_us;
            events.push(Event::EnergyMetered {
                machine,
                timestamp_us: now_us,
                kwh,
                register_kwh: now_kwh,
                interval_us,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(kwh: f64, tool: i32, operator: &str) -> SnapshotFields {
        SnapshotFields {
            energy_consumed_kwh: Some(kwh),
            tool_number: Some(tool),
            operator_id: Some(operator.to_owned()),
            ..SnapshotFields::default()
        }
    }

    #[test]
    fn energy_is_told_once_a_minute_and_a_reset_register_counts_from_zero() {
        let (mut meters, mut events) = (Meters::default(), Vec::new());
        for (second, kwh) in [(0, 100.0), (30, 101.0), (60, 103.0), (90, 0.5), (130, 1.0)] {
            meters.see(MachineNo(1), second * 1_000_000, &fields(kwh, 1, ""), &mut events);
        }
        let told: Vec<(i64, f64, i64)> = events
            .iter()
            .filter_map(|event| match event {
                Event::EnergyMetered { timestamp_us, kwh, interval_us, .. } => {
                    Some((timestamp_us / 1_000_000, *kwh, interval_us / 1_000_000))
                }
                _ => None,
            })
            .collect();
        assert_eq!(told, [(60, 3.0, 60), (130, 1.0, 70)]);
    }

    #[test]
    fn tools_and_operators_are_told_when_they_change() {
        let (mut meters, mut events) = (Meters::default(), Vec::new());
        for (second, tool, operator) in [(0, 4, "E1"), (1, 4, "E1"), (2, 5, "E2"), (3, 5, "")] {
            meters.see(MachineNo(1), second * 1_000_000, &fields(0.0, tool, operator), &mut events);
        }
        let silent = SnapshotFields::default();
        meters.see(MachineNo(1), 4_000_000, &silent, &mut events);
        let told: Vec<String> = events
            .iter()
            .map(|event| match event {
                Event::ToolChanged { from, to, .. } => format!("tool {from} {to}"),
                Event::OperatorChanged { from, to, .. } => format!("operator {from:?} {to:?}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [r#"operator "" "E1""#, "tool 4 5", r#"operator "E1" "E2""#, r#"operator "E2" """#]);
    }
}
