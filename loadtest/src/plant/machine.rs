//! One machine's life: states, shifts, tool wear, counters, at most one fault at a time; and its sensors' signals.
//!
//! Time enters as plant seconds since midnight of the first day. `advance` moves in steps of at most [`STEP_MAX_S`], so
//! states, faults and counters do not depend on how often it is called within a step.

use super::fault::Fault;
use super::signal::{Conditions, Signal, unit};
use super::{Machine, Plant};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// States change on this grid of plant seconds.
const STEP_MAX_S: f64 = 15.0;
const SHIFT_S: f64 = 8.0 * 3_600.0;
/// Hand-over at the start of each shift.
const HANDOVER_S: f64 = 600.0;
/// Steps worked off in one call at most; a longer gap is skipped.
const STEPS_MAX: u32 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Running,
    Idle,
    Setup,
    Fault,
    Maintenance,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Idle => "IDLE",
            Self::Setup => "SETUP",
            Self::Fault => "FAULT",
            Self::Maintenance => "MAINTENANCE",
        }
    }

    /// Mean time in the state, plant seconds.
    fn mean_s(self) -> f64 {
        match self {
            Self::Running => 2_700.0,
            Self::Idle => 240.0,
            Self::Setup => 480.0,
            Self::Fault => 600.0,
            Self::Maintenance => 1_500.0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct ActiveFault {
    fault: Fault,
    started_s: f64,
    /// The one sensor of a drift, by position within the machine.
    sensor: usize,
    /// Towards which limit a drifting sensor goes.
    sign: f64,
}

/// Counters as a controller shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub produced_total: f64,
    pub produced_shift: f64,
    pub rejected_shift: f64,
    pub uptime_shift_s: f64,
    pub downtime_shift_s: f64,
    pub energy_kwh: f64,
}

#[derive(Debug)]
pub struct MachineSim {
    rng: ChaCha8Rng,
    /// The last step's time, on the grid.
    stepped_s: f64,
    now_s: f64,
    faults_per_hour: f64,
    state: State,
    state_until_s: f64,
    fault: Option<ActiveFault>,
    tool_wear: f64,
    load: f64,
    shift: u64,
    capacity_per_hour: f64,
    power_kw: f64,
    counters: Counters,
    quantities: Vec<super::quantity::Quantity>,
    signals: Vec<Signal>,
}

impl MachineSim {
    pub fn new(plant: &Plant, machine: &Machine, seed: u64, start_s: f64, faults_per_hour: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash(&machine.machine_id));
        let sensors = &plant.sensors[machine.sensors.clone()];
        let signals = sensors.iter().map(|sensor| Signal::new(sensor, &mut rng)).collect();
        let mut sim = Self {
            stepped_s: (start_s / STEP_MAX_S).floor() * STEP_MAX_S,
            now_s: start_s,
            faults_per_hour,
            state: State::Running,
            state_until_s: start_s + State::Running.mean_s() * unit(&mut rng),
            fault: None,
            tool_wear: unit(&mut rng),
            load: 1.0,
            shift: (start_s / SHIFT_S) as u64,
            capacity_per_hour: f64::from(machine.capacity_per_hour.max(1)),
            power_kw: machine.power_kw,
            counters: Counters { produced_total: (unit(&mut rng) * 1e6).floor(), ..Counters::default() },
            quantities: sensors.iter().map(|sensor| sensor.quantity).collect(),
            signals,
            rng,
        };
        sim.set_levels();
        sim
    }

    /// Moves on to `plant_s`; going back does nothing.
    pub fn advance(&mut self, plant_s: f64) {
        // The grid is absolute, so two callers with different call times see the same steps.
        let mut steps = 0;
        while self.stepped_s + STEP_MAX_S <= plant_s {
            if steps == STEPS_MAX {
                self.stepped_s = (plant_s / STEP_MAX_S).floor() * STEP_MAX_S;
                break;
            }
            self.step();
            steps += 1;
        }
        if steps > 0 || plant_s > self.now_s {
            self.now_s = self.now_s.max(plant_s);
            self.set_levels();
        }
    }

    /// The next reading of the machine's `sensor`-th sensor, in ten-thousandths.
    pub fn next_e4(&mut self, sensor: usize) -> i64 {
        self.signals[sensor].next_e4()
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault.map(|active| active.fault)
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn load(&self) -> f64 {
        self.load
    }

    pub fn tool_wear(&self) -> f64 {
        self.tool_wear
    }

    fn step(&mut self) {
        let next_s = self.stepped_s + STEP_MAX_S;
        self.stepped_s = next_s;
        self.now_s = self.now_s.max(next_s);
        self.count(STEP_MAX_S);
        let shift = (next_s / SHIFT_S) as u64;
        if shift != self.shift {
            self.shift = shift;
            let total = self.counters.produced_total;
            let energy_kwh = self.counters.energy_kwh;
            self.counters = Counters { produced_total: total, energy_kwh, ..Counters::default() };
            if self.state == State::Running {
                self.enter(State::Idle, HANDOVER_S);
            }
        }
        self.work_on_fault(STEP_MAX_S);
        if next_s >= self.state_until_s {
            self.change_state();
        }
    }

    fn count(&mut self, elapsed_s: f64) {
        let counters = &mut self.counters;
        if self.state == State::Running {
            let parts = self.capacity_per_hour * self.load * elapsed_s / 3_600.0;
            let reject_share = 0.01 + 0.04 * self.tool_wear + if self.fault.is_some() { 0.05 } else { 0.0 };
            counters.produced_total += parts;
            counters.produced_shift += parts;
            counters.rejected_shift += parts * reject_share;
            counters.uptime_shift_s += elapsed_s;
            self.tool_wear = (self.tool_wear + elapsed_s / (6.0 * 3_600.0)).min(1.0);
        } else {
            counters.downtime_shift_s += elapsed_s;
        }
        counters.energy_kwh += self.power_kw * (0.15 + 0.85 * self.load) * elapsed_s / 3_600.0;
    }

    fn work_on_fault(&mut self, elapsed_s: f64) {
        match self.fault {
            None if self.state == State::Running => {
                let chance = self.faults_per_hour * elapsed_s / 3_600.0;
                if unit(&mut self.rng) < chance {
                    self.fault = Some(self.pick_fault());
                }
            }
            Some(active) if self.stepped_s - active.started_s >= active.fault.develops_s() => {
                if active.fault.stops_the_machine() {
                    if self.state == State::Running {
                        self.enter(State::Fault, State::Fault.mean_s());
                    }
                } else {
                    // A drifting sensor is found and recalibrated.
                    self.fault = None;
                }
            }
            _ => {}
        }
    }

    /// One of the patterns that this machine's sensors can show; wear favours the tool.
    fn pick_fault(&mut self) -> ActiveFault {
        let possible: Vec<Fault> = Fault::ALL
            .into_iter()
            .filter(|fault| {
                fault.effects().first().is_none_or(|effect| self.quantities.contains(&effect.quantity))
                    && (*fault != Fault::ToolWear || self.tool_wear > 0.3)
            })
            .collect();
        let pick = (unit(&mut self.rng) * possible.len() as f64) as usize;
        let sensor = (unit(&mut self.rng) * self.signals.len() as f64) as usize;
        let sign = if unit(&mut self.rng) < 0.5 { -1.0 } else { 1.0 };
        ActiveFault {
            fault: possible.get(pick).copied().unwrap_or(Fault::SensorDrift),
            started_s: self.stepped_s,
            sensor,
            sign,
        }
    }

    fn change_state(&mut self) {
        let dice = unit(&mut self.rng);
        let next = match self.state {
            State::Fault => State::Maintenance,
            State::Running if self.tool_wear >= 0.95 => State::Setup,
            State::Running if dice < 0.6 => State::Idle,
            State::Running if dice < 0.95 => State::Setup,
            State::Running => State::Maintenance,
            _ => State::Running,
        };
        if self.state == State::Maintenance {
            self.fault = None;
        }
        if matches!(self.state, State::Setup | State::Maintenance) {
            self.tool_wear = 0.0;
        }
        // Exponential, but never shorter than a step nor longer than four times the mean.
        let mean_s = next.mean_s();
        let dwell_s = (-(1.0 - unit(&mut self.rng)).ln() * mean_s).clamp(STEP_MAX_S, 4.0 * mean_s);
        self.enter(next, dwell_s);
    }

    fn enter(&mut self, state: State, dwell_s: f64) {
        self.state = state;
        self.state_until_s = self.stepped_s + dwell_s;
        // The night shift runs a little slower.
        let pace = if self.shift.is_multiple_of(3) { 0.85 } else { 1.0 };
        self.load = match state {
            State::Running => pace * (0.9 + 0.1 * unit(&mut self.rng)),
            State::Setup => 0.3,
            State::Idle => 0.1,
            State::Fault | State::Maintenance => 0.0,
        };
    }

    fn set_levels(&mut self) {
        let conditions = Conditions { plant_s: self.now_s, load: self.load, tool_wear: self.tool_wear };
        for (index, signal) in self.signals.iter_mut().enumerate() {
            let effect = self.fault.and_then(|active| {
                let progress = ((self.now_s - active.started_s) / active.fault.develops_s()).clamp(0.0, 1.0);
                let effect = if active.fault == Fault::SensorDrift {
                    use super::fault::{Curve, Effect};
                    let quantity = self.quantities[index];
                    (index == active.sensor).then_some(Effect {
                        quantity,
                        reach: 0.9 * active.sign,
                        curve: Curve::Linear,
                    })
                } else {
                    active.fault.effects().iter().find(|e| e.quantity == self.quantities[index]).copied()
                };
                effect.map(|effect| (effect, progress))
            });
            signal.set(&conditions, effect);
        }
    }
}

/// FNV-1a: a stable seed from an id.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sim(seed: u64, faults_per_hour: f64) -> MachineSim {
        let plant = Plant::synthetic(1, 11);
        MachineSim::new(&plant, &plant.machines[0], seed, 0.0, faults_per_hour)
    }

    fn life(mut sim: MachineSim, hours: u32) -> Vec<(State, Option<Fault>, i64)> {
        (1..=hours * 60)
            .map(|minute| {
                sim.advance(f64::from(minute) * 60.0);
                (sim.state(), sim.fault(), sim.next_e4(0))
            })
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_life_and_another_seed_another() {
        assert_eq!(life(sim(1, 1.0), 24), life(sim(1, 1.0), 24));
        assert_ne!(life(sim(1, 1.0), 24), life(sim(2, 1.0), 24));
    }

    #[test]
    fn the_states_do_not_depend_on_how_often_the_machine_is_looked_at() {
        let (mut often, mut seldom) = (sim(3, 1.0), sim(3, 1.0));
        for second in 1..=36_000 {
            often.advance(f64::from(second));
        }
        seldom.advance(18_000.0);
        seldom.advance(36_000.0);
        assert_eq!(often.state(), seldom.state());
        assert_eq!(often.fault(), seldom.fault());
        assert_eq!(often.next_e4(0), seldom.next_e4(0));
    }

    #[test]
    fn in_a_month_a_machine_sees_every_state_and_every_fault() {
        let life = life(sim(4, 0.5), 24 * 60);
        for state in [State::Running, State::Idle, State::Setup, State::Fault, State::Maintenance] {
            assert!(life.iter().any(|(s, _, _)| *s == state), "{state:?}");
        }
        for fault in Fault::ALL {
            assert!(life.iter().any(|(_, f, _)| *f == Some(fault)), "{fault:?}");
        }
    }

    #[test]
    fn without_faults_nothing_breaks_and_parts_are_counted() {
        let mut sim = sim(5, 0.0);
        let before = sim.counters().produced_total;
        for hour in 1..=48 {
            sim.advance(f64::from(hour) * 3_600.0);
            assert_ne!(sim.state(), State::Fault);
        }
        assert!(sim.counters().produced_total > before + 1_000.0);
    }
}
