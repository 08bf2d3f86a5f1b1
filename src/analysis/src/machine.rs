//! What a machine's SCADA snapshots say when read one after the other: state changes, parts counted, faults the PLC
//! reports, and one OEE record per finished hour.
//!
//! Rules
//! - Snapshots at or before the newest one are stored but change nothing here.
//! - A clock further ahead of ours than tolerated is not believed: such a snapshot counts at the time of its receipt. It
//!   would otherwise be the newest one until our clock has reached it, and nothing would be seen meanwhile.
//! - The time between two snapshots belongs to the earlier one's state, [`GAP_US_MAX`] at most.
//! - A counter that went down was reset and counts from zero. `parts_produced_cumulative` is preferred; without it
//!   `parts_produced_shift` counts.
//! - A machine is silent after three times the time between its last two snapshots by our own clock, [`GAP_US_MAX`] at least:
//!   one that speaks every ten minutes is not missed after five. The next snapshot ends that.
//! - An hour (of source time) is finished by the first snapshot behind it, or [`HOUR_GRACE_US`] after its end.
//! - OEE = availability x performance x quality, each 0..=1. Availability = running / planned time; planned is all
//!   observed time but MAINTENANCE and OFF. Performance = produced x ideal cycle / running time; the ideal cycle is the
//!   snapshot's target, else the machine's design capacity, else the performance is taken as 1. Quality = good / produced.

use crate::hour::{HOUR_US, HourSums, hour_of};
use crate::meters::Meters;
use genims_catalogue::Machine;
use genims_model::event::{FaultClosed, FaultOpened};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Event, MachineNo, Snapshot};

pub(crate) const GAP_US_MAX: i64 = 300_000_000;
/// Nobody is waited for longer than three hours.
const SILENCE_US_MAX: i64 = 3 * HOUR_US;
pub(crate) const HOUR_GRACE_US: i64 = 120_000_000;

/// Longer codes do not fit VARCHAR(50).
const FAULT_CODE_CHARS_MAX: usize = 50;

#[derive(Clone, Debug, Default)]
pub struct MachineState {
    seen_us: Option<i64>,
    /// When a snapshot came last, by our clock; what was before a restart says nothing.
    heard_us: Option<i64>,
    heard_every_us: Option<i64>,
    silent: bool,
    state: String,
    /// When this run saw the state begin.
    since_us: Option<i64>,
    cumulative: Option<i64>,
    produced_shift: Option<i32>,
    rejected_shift: Option<i32>,
    fault: Option<OpenFault>,
    meters: Meters,
    hour: HourSums,
}

#[derive(Clone, Debug)]
struct OpenFault {
    /// The number under which it was opened: its end names the same.
    machine: MachineNo,
    code: String,
    start_us: i64,
    produced_per_hour: i32,
}

impl MachineState {
    /// Reads the next snapshot: the time at which it counts, where it is no late one. `skew_tolerated_us`: how far ahead of ours a
    /// source's clock is believed.
    pub fn see(
        &mut self,
        machine: &Machine,
        snapshot: &Snapshot,
        skew_tolerated_us: i64,
        events: &mut Vec<Event>,
    ) -> Option<i64> {
        let (no, fields) = (snapshot.machine, &snapshot.fields);
        self.hear(no, snapshot.received_us, events);
        let is_believed = snapshot.timestamp_us <= snapshot.received_us.saturating_add(skew_tolerated_us);
        let now_us = match self.seen_us {
            Some(seen_us) if is_believed && snapshot.timestamp_us <= seen_us => return None,
            _ if is_believed => snapshot.timestamp_us,
            // Several may come in one read: among them their order counts.
            seen_us => snapshot.received_us.max(seen_us.unwrap_or(i64::MIN)),
        };
        self.pass_time(no, now_us, events);
        self.hour.ideal_cycle_s = ideal_cycle_s(machine, fields);
        self.count_parts(no, now_us, fields, events);
        self.watch_fault(no, now_us, machine, fields, events);
        self.meters.see(no, now_us, fields, events);
        if self.state != fields.machine_state {
            let from = std::mem::replace(&mut self.state, fields.machine_state.clone());
            // The first one seen began before.
            let lasted_us = self.since_us.map(|since_us| now_us - since_us);
            self.since_us = (!from.is_empty()).then_some(now_us);
            let to = self.state.clone();
            events.push(Event::StateChanged { machine: no, timestamp_us: now_us, from, to, lasted_us });
        }
        self.seen_us = Some(now_us);
        Some(now_us)
    }

    /// Any snapshot, also a late one, ends a silence.
    fn hear(&mut self, machine: MachineNo, received_us: i64, events: &mut Vec<Event>) {
        let last_us = self.heard_us.replace(received_us);
        self.heard_every_us = last_us.map(|last_us| received_us.saturating_sub(last_us));
        if std::mem::take(&mut self.silent) {
            let last_us = last_us.unwrap_or(received_us);
            events.push(Event::MachineSilent { machine, timestamp_us: received_us, last_us, silent: false });
        }
    }

    /// Looks at the clock: an hour that nobody continued is finished, a machine that says nothing is silent.
    pub fn tick(&mut self, machine: MachineNo, now_us: i64, events: &mut Vec<Event>) {
        let every_us = self.heard_every_us.unwrap_or(SILENCE_US_MAX);
        let patience_us = every_us.saturating_mul(3).clamp(GAP_US_MAX, SILENCE_US_MAX);
        if let Some(last_us) = self.heard_us.filter(|last_us| !self.silent && now_us - last_us > patience_us) {
            self.silent = true;
            events.push(Event::MachineSilent { machine, timestamp_us: now_us, last_us, silent: true });
        }
        if self.hour.planned_us > 0 && now_us > self.hour.hour_us + HOUR_US + HOUR_GRACE_US {
            events.push(self.hour.finish(machine));
        }
    }

    /// Takes up a PLC fault that was open before a restart.
    pub fn resume_fault(&mut self, machine: MachineNo, code: String, start_us: i64) {
        self.fault = Some(OpenFault { machine, code, start_us, produced_per_hour: 0 });
    }

    /// Takes up the energy register where an earlier run told of it last.
    pub fn take_up_energy(&mut self, told_us: i64, kwh: f64) {
        self.meters.take_up_energy(told_us, kwh);
    }

    /// Spreads the time since the last snapshot over the hours it touches.
    fn pass_time(&mut self, no: MachineNo, now_us: i64, events: &mut Vec<Event>) {
        let Some(seen_us) = self.seen_us else {
            self.hour.hour_us = hour_of(now_us);
            return;
        };
        let end_us = now_us.min(seen_us + GAP_US_MAX);
        let mut at_us = seen_us;
        while at_us < end_us {
            self.hour.turn_to(hour_of(at_us), no, events);
            let until_us = end_us.min(hour_of(at_us) + HOUR_US);
            self.hour.spend(&self.state, until_us - at_us);
            at_us = until_us;
        }
        self.hour.turn_to(hour_of(now_us), no, events);
    }

    fn count_parts(&mut self, no: MachineNo, now_us: i64, fields: &SnapshotFields, events: &mut Vec<Event>) {
        let first = self.seen_us.is_none();
        let by_shift = step(&mut self.produced_shift, fields.parts_produced_shift);
        let by_total = step(&mut self.cumulative, fields.parts_produced_cumulative);
        let produced = by_total.or(by_shift.map(i64::from)).unwrap_or(0);
        let rejected = step(&mut self.rejected_shift, fields.parts_rejected_shift).map_or(0, i64::from);
        if first || (produced == 0 && rejected == 0) {
            return;
        }
        self.hour.produced += produced;
        self.hour.rejected += rejected;
        let interval_us = self.seen_us.map(|seen_us| now_us - seen_us);
        events.push(Event::PartsCounted { machine: no, timestamp_us: now_us, produced, rejected, interval_us });
    }

    fn watch_fault(
        &mut self,
        no: MachineNo,
        now_us: i64,
        machine: &Machine,
        fields: &SnapshotFields,
        events: &mut Vec<Event>,
    ) {
        let code: Option<String> = fields
            .fault_code
            .as_deref()
            .filter(|code| !code.is_empty())
            .map(|code| code.chars().take(FAULT_CODE_CHARS_MAX).collect());
        if self.fault.as_ref().map(|fault| &fault.code) == code.as_ref() {
            return;
        }
        if let Some(fault) = self.fault.take() {
            events.push(fault.close(now_us));
        }
        let Some(code) = code else { return };
        self.fault = Some(OpenFault {
            machine: no,
            code: code.clone(),
            start_us: now_us,
            produced_per_hour: machine.design_capacity_units_per_hour.unwrap_or(0),
        });
        events.push(Event::FaultOpened(FaultOpened {
            machine: no,
            category: "control".to_owned(),
            severity: if fields.machine_state == "FAULT" { "high" } else { "medium" }.to_owned(),
            description: fields.fault_description.clone().unwrap_or_else(|| format!("PLC reports {code}")),
            fault_code: code,
            start_us: now_us,
            sensor: None,
            detection_method: "plc".to_owned(),
        }));
    }
}

impl OpenFault {
    fn close(self, end_us: i64) -> Event {
        let minutes = (end_us - self.start_us).max(0) / 60_000_000;
        let lost_units = minutes.saturating_mul(i64::from(self.produced_per_hour)) / 60;
        Event::FaultClosed(FaultClosed {
            machine: self.machine,
            fault_code: self.code,
            start_us: self.start_us,
            end_us,
            downtime_minutes: Some(i32::try_from(minutes).unwrap_or(i32::MAX)),
            production_loss_units: Some(i32::try_from(lost_units).unwrap_or(i32::MAX)),
        })
    }
}

fn ideal_cycle_s(machine: &Machine, fields: &SnapshotFields) -> f64 {
    match (fields.target_cycle_time_seconds, machine.design_capacity_units_per_hour) {
        (Some(seconds), _) if seconds > 0 => f64::from(seconds),
        (_, Some(per_hour)) if per_hour > 0 => 3_600.0 / f64::from(per_hour),
        _ => 0.0,
    }
}

/// How far a counter went; `None` when it is not reported.
fn step<T>(last: &mut Option<T>, now: Option<T>) -> Option<T>
where
    T: Copy + PartialOrd + std::ops::Sub<Output = T>,
{
    let now = now?;
    let before = last.replace(now);
    match before {
        Some(before) if now >= before => Some(now - before),
        // Reset: everything it shows was made since.
        Some(_) => Some(now),
        // The first look says nothing about what was made meanwhile.
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;
    const SKEW_TOLERATED_US: i64 = 5_000_000;

    fn snapshot(minute: i64, state: &str, produced: i64, rejected: i32, fault: Option<&str>) -> Snapshot {
        Snapshot {
            machine: MachineNo(0),
            source: 0,
            received_us: minute * MINUTE_US,
            timestamp_us: minute * MINUTE_US,
            fields: SnapshotFields {
                machine_state: state.to_owned(),
                parts_produced_cumulative: Some(produced),
                parts_rejected_shift: Some(rejected),
                fault_code: fault.map(str::to_owned),
                ..SnapshotFields::default()
            },
        }
    }

    fn machine() -> Machine {
        Machine {
            machine_id: "M1".to_owned(),
            line_id: "L1".to_owned(),
            factory_id: "F1".to_owned(),
            machine_code: None,
            machine_type: None,
            design_capacity_units_per_hour: Some(60),
            active: true,
        }
    }

    fn read(snapshots: &[Snapshot]) -> Vec<Event> {
        let (mut state, mut events) = (MachineState::default(), Vec::new());
        for snapshot in snapshots {
            state.see(&machine(), snapshot, SKEW_TOLERATED_US, &mut events);
        }
        events
    }

    #[test]
    fn an_hour_s_oee_is_the_product_of_its_three_factors() {
        // 45 of 60 minutes running, 36 parts made of 45 possible, 9 of them rejected.
        let mut snapshots: Vec<Snapshot> = (0..=45)
            .map(|minute| snapshot(minute, "RUNNING", minute.min(36), (minute / 4).min(9) as i32, None))
            .collect();
        snapshots[45].fields.machine_state = "IDLE".to_owned();
        snapshots.extend((46..=60).map(|minute| snapshot(minute, "IDLE", 36, 9, None)));
        let events = read(&snapshots);
        let hours: Vec<_> =
            events.iter().filter_map(|e| if let Event::OeeHour(hour) = e { Some(hour) } else { None }).collect();
        assert_eq!(hours.len(), 1);
        let hour = hours[0];
        assert_eq!((hour.produced, hour.rejected), (36, 9));
        assert!((hour.availability - 0.75).abs() < 1e-9);
        assert!((hour.performance - 0.8).abs() < 1e-9);
        assert!((hour.quality - 0.75).abs() < 1e-9);
        assert!((hour.oee - 0.45).abs() < 1e-9);
    }

    #[test]
    fn a_reset_counter_counts_from_zero_and_the_first_look_counts_nothing() {
        let events = read(&[
            snapshot(0, "RUNNING", 1_000, 5, None),
            snapshot(1, "RUNNING", 1_002, 5, None),
            snapshot(2, "RUNNING", 3, 1, None),
        ]);
        let counted: Vec<_> = events
            .iter()
            .filter_map(|e| match e {
                Event::PartsCounted { produced, rejected, .. } => Some((*produced, *rejected)),
                _ => None,
            })
            .collect();
        assert_eq!(counted, [(2, 0), (3, 1)]);
    }

    #[test]
    fn a_plc_fault_opens_once_and_closes_with_its_downtime() {
        let events = read(&[
            snapshot(0, "RUNNING", 0, 0, None),
            snapshot(1, "FAULT", 0, 0, Some("E42")),
            snapshot(2, "FAULT", 0, 0, Some("E42")),
            snapshot(4, "RUNNING", 0, 0, None),
        ]);
        assert!(
            events
                .iter()
                .any(|e| matches!(e, Event::FaultOpened(f) if f.fault_code == "E42" && f.start_us == MINUTE_US))
        );
        assert!(events.iter().any(|e| matches!(e, Event::FaultClosed(f) if f.downtime_minutes == Some(3)
            && f.production_loss_units == Some(3))));
        assert_eq!(events.iter().filter(|e| matches!(e, Event::StateChanged { .. })).count(), 3);
    }

    #[test]
    fn a_machine_that_says_nothing_is_silent_once_and_speaks_again_once() {
        let (mut state, mut events) = (MachineState::default(), Vec::new());
        // One that has never spoken is not missed.
        state.tick(MachineNo(0), 100 * MINUTE_US, &mut events);
        // Minutes of snapshots, and of looks at the clock behind them: each minute, and then every four.
        for (spoken, looks) in [(0, 1..1), (1, 2..9), (9, 10..12), (13, 14..26), (30, 31..40)] {
            state.see(&machine(), &snapshot(spoken, "RUNNING", 0, 0, None), SKEW_TOLERATED_US, &mut events);
            looks.for_each(|minute| state.tick(MachineNo(0), minute * MINUTE_US, &mut events));
        }
        let told: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::MachineSilent { timestamp_us, last_us, silent, .. } => {
                    Some((timestamp_us / MINUTE_US, last_us / MINUTE_US, *silent))
                }
                _ => None,
            })
            .collect();
        // Five minutes after the second; then only three times four minutes are long.
        assert_eq!(told, [(7, 1, true), (9, 1, false)]);
    }

    #[test]
    fn a_late_snapshot_changes_nothing() {
        let events = read(&[snapshot(5, "RUNNING", 10, 0, None), snapshot(4, "IDLE", 9, 0, None)]);
        assert_eq!(events.len(), 1);
        // Nor does one that came before; one whose clock is not believed counts at its receipt.
        let mut state = MachineState::default();
        let counts: Vec<Option<i64>> = [(5, 5), (5, 5), (4, 6), (90, 7)]
            .map(|(at, received)| Snapshot {
                received_us: received * MINUTE_US,
                ..snapshot(at, "RUNNING", 10, 0, None)
            })
            .iter()
            .map(|snapshot| state.see(&machine(), snapshot, SKEW_TOLERATED_US, &mut Vec::new()))
            .collect();
        assert_eq!(counts, [Some(5 * MINUTE_US), None, None, Some(7 * MINUTE_US)]);
    }

    #[test]
    fn a_snapshot_from_the_future_does_not_blind_its_machine() {
        for ahead_us in [4_000_000, 6_000_000, 59_000_000, 3_000_000_000] {
            let mut snapshots: Vec<_> =
                (0..5).map(|minute| snapshot(minute, "RUNNING", minute * 10, 0, None)).collect();
            snapshots[1].timestamp_us += ahead_us;
            snapshots[3].fields.machine_state = "IDLE".to_owned();
            let mut changes = Vec::new();
            let mut produced = 0;
            for event in read(&snapshots) {
                match event {
                    Event::StateChanged { to, timestamp_us, .. } => changes.push((to, timestamp_us / MINUTE_US)),
                    Event::PartsCounted { produced: parts, .. } => produced += parts,
                    _ => {}
                }
            }
            let expected = [("RUNNING", 0), ("IDLE", 3), ("RUNNING", 4)].map(|(to, at)| (to.to_owned(), at));
            assert_eq!((changes, produced), (expected.to_vec(), 40), "{ahead_us}");
        }
    }

    #[test]
    fn a_machine_that_is_always_ahead_is_analysed_in_the_order_of_arrival() {
        let mut snapshots: Vec<_> = (0..4).map(|minute| snapshot(minute, "RUNNING", minute * 10, 0, None)).collect();
        for snapshot in &mut snapshots {
            snapshot.timestamp_us += 600_000_000;
            // All came in one read.
            snapshot.received_us = 4 * MINUTE_US;
        }
        let counted = read(&snapshots).into_iter().filter_map(|event| match event {
            Event::PartsCounted { produced, timestamp_us, .. } => Some((produced, timestamp_us / MINUTE_US)),
            _ => None,
        });
        assert_eq!(counted.collect::<Vec<_>>(), [(10, 4); 3]);
    }
}
