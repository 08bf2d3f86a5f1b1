//! What a machine did in an hour of source time, summed up, and the OEE of a finished one; the rules are in [`crate::machine`].

use genims_model::event::OeeHour;
use genims_model::{Event, MachineNo};

pub(crate) const HOUR_US: i64 = 3_600_000_000;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HourSums {
    pub(crate) hour_us: i64,
    pub(crate) running_us: i64,
    pub(crate) planned_us: i64,
    pub(crate) produced: i64,
    pub(crate) rejected: i64,
    pub(crate) ideal_cycle_s: f64,
}

impl HourSums {
    pub(crate) fn spend(&mut self, state: &str, spent_us: i64) {
        let is = |words: &[&str]| words.iter().any(|word| state.eq_ignore_ascii_case(word));
        if !is(&["MAINTENANCE", "OFF"]) {
            self.planned_us += spent_us;
        }
        if is(&["RUNNING"]) {
            self.running_us += spent_us;
        }
    }

    pub(crate) fn turn_to(&mut self, hour_us: i64, machine: MachineNo, events: &mut Vec<Event>) {
        if hour_us > self.hour_us {
            if self.planned_us > 0 {
                events.push(self.finish(machine));
            }
            self.hour_us = hour_us;
        }
    }

    pub(crate) fn finish(&mut self, machine: MachineNo) -> Event {
        let sums = *self;
        *self = Self { hour_us: sums.hour_us, ideal_cycle_s: sums.ideal_cycle_s, ..Self::default() };
        let running_s = sums.running_us as f64 / 1e6;
        let planned_s = sums.planned_us as f64 / 1e6;
        let availability = running_s / planned_s;
        let performance = if running_s == 0.0 {
            0.0
        } else if sums.ideal_cycle_s > 0.0 {
            (sums.produced as f64 * sums.ideal_cycle_s / running_s).min(1.0)
        } else {
            1.0
        };
        let quality =
            if sums.produced > 0 { (1.0 - sums.rejected as f64 / sums.produced as f64).clamp(0.0, 1.0) } else { 1.0 };
        Event::OeeHour(OeeHour {
            machine,
            hour_us: sums.hour_us,
            availability,
            performance,
            quality,
            oee: availability * performance * quality,
            running_seconds: running_s,
            planned_seconds: planned_s,
            produced: sums.produced,
            rejected: sums.rejected,
        })
    }
}

/// The first microsecond of the hour.
pub(crate) fn hour_of(timestamp_us: i64) -> i64 {
    timestamp_us.div_euclid(HOUR_US) * HOUR_US
}
