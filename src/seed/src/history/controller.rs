//! What a machine's controller says of it: counters that it keeps, and the snapshots it sends. It is asked in order of time.

use super::timeline::{Episode, HOUR_US, Segment, State, Timeline};
use crate::functions::{Random, site_seed};
use crate::value::round;
use genims_catalogue::Machine;
use genims_catalogue::shifts::ShiftCalendar;
use genims_model::snapshot::SnapshotFields;

/// What the controller needs to know of its machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wiring<'a> {
    pub machine: &'a Machine,
    pub power_kw: f64,
    pub operators: &'a [(char, String)],
    pub shifts: &'a ShiftCalendar,
}

#[derive(Clone, Debug)]
pub(super) struct Controller {
    /// Which process values it has, by its type.
    kind: Kind,
    seed: u64,
    /// Counted up to here.
    counted_us: i64,
    shift: Option<String>,
    produced: f64,
    produced_shift: f64,
    rejected_shift: f64,
    uptime_us: i64,
    downtime_us: i64,
    energy_kwh: f64,
    last_fault_us: Option<i64>,
    tool: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Cutting,
    Heated(u16),
    Pressing(u16),
    Other,
}

impl Kind {
    fn of(machine_type: &str) -> Self {
        let kind = machine_type.to_ascii_lowercase();
        let holds = |word: &str| kind.contains(word);
        if holds("cnc") || holds("lathe") {
            Self::Cutting
        } else if holds("furnace") {
            Self::Heated(925)
        } else if holds("mould") {
            Self::Heated(225)
        } else if holds("packaging") {
            Self::Heated(155)
        } else if holds("press") {
            Self::Pressing(if holds("compressor") { 7 } else { 210 })
        } else {
            Self::Other
        }
    }
}

impl Controller {
    pub(super) fn new(seed: u64, machine: &Machine, start_us: i64) -> Self {
        let seed = site_seed(seed, &machine.machine_id, 3);
        let mut random = Random::new(seed, 0);
        Self {
            kind: Kind::of(machine.machine_type.as_deref().unwrap_or_default()),
            seed,
            counted_us: start_us,
            shift: None,
            produced: (random.unit() * 2e6).floor(),
            produced_shift: 0.0,
            rejected_shift: 0.0,
            uptime_us: 0,
            downtime_us: 0,
            energy_kwh: (random.unit() * 4e5).floor(),
            last_fault_us: None,
            tool: 1,
        }
    }

    /// Counts up to `at_us`, and says how things stand.
    pub(super) fn snapshot(&mut self, wiring: &Wiring<'_>, timeline: &Timeline, at_us: i64) -> SnapshotFields {
        let shift = wiring.shifts.shift_at(&wiring.machine.factory_id, at_us);
        self.count(wiring, timeline, at_us);
        if self.shift.as_deref() != shift {
            self.shift = shift.map(str::to_owned);
            (self.produced_shift, self.rejected_shift) = (0.0, 0.0);
            (self.uptime_us, self.downtime_us) = (0, 0);
        }
        let segment = timeline.segments[timeline.at(at_us)];
        let episode = timeline.episodes.iter().find(|episode| (episode.from_us..episode.ends_us).contains(&at_us));
        let mut fields = self.counters(wiring);
        self.process(&segment, at_us, &mut fields);
        self.faults(&segment, episode, at_us, &mut fields);
        let running = segment.state == State::Running;
        if let Some(capacity) = wiring.machine.design_capacity_units_per_hour.filter(|capacity| *capacity > 0) {
            fields.target_cycle_time_seconds = Some((3_600 / capacity).max(1));
            fields.actual_cycle_time_seconds =
                running.then(|| round(3_600.0 / (f64::from(capacity) * segment.load), 2));
        }
        fields.machine_state = segment.state.word().to_owned();
        let mode = match segment.state {
            State::Running | State::Idle => "AUTO",
            State::Setup => "MANUAL",
            State::Fault | State::Maintenance | State::Off => "SERVICE",
        };
        fields.operation_mode = Some(mode.to_owned());
        fields.power_consumption_kw = Some(round(wiring.power_kw * draw(segment.load), 2));
        let code = shift.and_then(|shift| shift.chars().last());
        let mut operators = wiring.operators.iter().filter(|(works, _)| Some(*works) == code).map(|(_, id)| id);
        fields.operator_id = if segment.state == State::Off { None } else { operators.next().cloned() };
        fields
    }

    fn count(&mut self, wiring: &Wiring<'_>, timeline: &Timeline, until_us: i64) {
        let capacity = f64::from(wiring.machine.design_capacity_units_per_hour.unwrap_or(0));
        let mut at = timeline.at(self.counted_us);
        while self.counted_us < until_us {
            let Segment { state, load, .. } = timeline.segments[at];
            let end_us = timeline.segments.get(at + 1).map_or(until_us, |next| next.from_us.min(until_us));
            let spent_us = end_us - self.counted_us;
            let hours = spent_us as f64 / HOUR_US as f64;
            if state == State::Running {
                let wrong = timeline.episodes.iter().find(|episode| episode.shows(self.counted_us));
                let rejects = 0.012 + wrong.map_or(0.0, |episode| 0.06 * episode.progress(self.counted_us));
                self.produced += capacity * load * hours;
                self.produced_shift += capacity * load * hours;
                self.rejected_shift += capacity * load * hours * rejects;
                self.uptime_us += spent_us;
            } else if state != State::Off {
                self.downtime_us += spent_us;
            }
            if state == State::Setup {
                self.tool = 1 + (end_us / HOUR_US).rem_euclid(24) as i32;
            }
            self.energy_kwh += wiring.power_kw * draw(load) * hours;
            self.counted_us = end_us;
            at += 1;
        }
    }

    /// Rates of the shift so far, in percent.
    fn counters(&self, wiring: &Wiring<'_>) -> SnapshotFields {
        let (produced, rejected) = (self.produced_shift.floor(), self.rejected_shift.floor());
        let up_s = self.uptime_us as f64 / 1e6;
        let all_s = up_s + self.downtime_us as f64 / 1e6;
        let capacity = f64::from(wiring.machine.design_capacity_units_per_hour.unwrap_or(0));
        let rates = (all_s > 0.0 && up_s > 0.0 && capacity > 0.0 && produced > 0.0).then(|| {
            let performance = (produced / (capacity * up_s / 3_600.0)).min(1.0);
            (100.0 * up_s / all_s, 100.0 * performance, 100.0 * (1.0 - rejected / produced))
        });
        SnapshotFields {
            parts_produced_cumulative: Some(self.produced as i64),
            parts_produced_shift: Some(produced as i32),
            parts_rejected_shift: Some(rejected as i32),
            availability_percentage: rates.map(|(availability, _, _)| round(availability, 2)),
            performance_percentage: rates.map(|(_, performance, _)| round(performance, 2)),
            quality_percentage: rates.map(|(_, _, quality)| round(quality, 2)),
            oee_percentage: rates.map(|(a, p, q)| round(a * p * q / 10_000.0, 2)),
            energy_consumed_kwh: Some(round(self.energy_kwh, 4)),
            uptime_seconds_shift: Some((self.uptime_us / 1_000_000) as i32),
            downtime_seconds_shift: Some((self.downtime_us / 1_000_000) as i32),
            ..SnapshotFields::default()
        }
    }

    fn process(&self, segment: &Segment, at_us: i64, fields: &mut SnapshotFields) {
        let mut random = Random::new(self.seed, at_us as usize);
        let mut near = |value: f64, share: f64| round(value * (1.0 + share * (random.unit() - 0.5)), 2);
        match self.kind {
            Kind::Cutting => {
                let cutting = segment.state == State::Running;
                fields.spindle_speed_rpm = Some(if cutting { near(6_800.0 * segment.load, 0.1) as i32 } else { 0 });
                fields.feed_rate_mm_min = Some(if cutting { near(1_450.0 * segment.load, 0.1) } else { 0.0 });
                fields.tool_number = Some(self.tool);
                fields.program_number = Some(format!("O{:04}", 1_000 + self.seed % 9_000));
            }
            Kind::Heated(setpoint) => {
                let hot = f64::from(setpoint) * if segment.state == State::Off { 0.2 } else { 1.0 };
                fields.temperature_setpoint_c = Some(hot);
                fields.temperature_actual_c = Some(near(hot, 0.02));
            }
            Kind::Pressing(setpoint) => {
                let pressure = f64::from(setpoint) * if segment.state == State::Running { 1.0 } else { 0.6 };
                fields.pressure_setpoint_bar = Some(pressure);
                fields.pressure_actual_bar = Some(near(pressure, 0.03));
            }
            Kind::Other => {}
        }
    }

    fn faults(&mut self, segment: &Segment, episode: Option<&Episode>, at_us: i64, fields: &mut SnapshotFields) {
        let mut alarms = 0;
        if let Some(episode) = episode {
            let code = episode.pattern.code;
            if segment.state == State::Fault {
                self.last_fault_us = Some(episode.stops_us);
                fields.fault_code = Some(code.to_owned());
                fields.fault_description = Some(episode.pattern.description.to_owned());
                fields.alarm_codes = Some(code.to_owned());
                alarms = 1;
            } else if segment.state == State::Running && episode.progress(at_us) > 0.6 {
                fields.warning_codes = Some(code.replacen('F', "W", 1));
            }
        }
        fields.active_alarms = Some(alarms);
        fields.last_fault_timestamp_us = self.last_fault_us;
    }
}

/// The share of the rated power that a machine draws.
fn draw(load: f64) -> f64 {
    0.05 + 0.8 * load
}
