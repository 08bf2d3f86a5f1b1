//! Energy that is made anew, beside what the stream told of it.
//!
//! It is told once a minute from where it was told last, so the moments follow from where the register was taken up: a restart of the server
//! moves them, and what a database was told does not say how much each moment counts. So the register is taken up at each moment that the
//! stream has told, and what was made anew waits for the next moment of its machine: when that is one of the stream's less than a minute
//! later, both would count the same energy, and what was made anew goes.

use genims_analysis::meters::METERING_US;
use genims_model::{Event, MachineNo};
use hashbrown::HashMap;

/// An event that may be in the gap, and when what it tells of was received.
pub(crate) type Candidate = (Event, i64);

/// What waits, and when it was metered.
#[derive(Default)]
pub(crate) struct Energy {
    waiting: HashMap<MachineNo, (i64, Candidate)>,
}

impl Energy {
    /// Takes what was made anew; what waited before it is in nothing that the stream told.
    pub(crate) fn made(&mut self, machine: MachineNo, at_us: i64, made: Candidate) -> Option<Candidate> {
        self.waiting.insert(machine, (at_us, made)).map(|(_, waited)| waited)
    }

    /// The stream has told at this moment; what waited is given back unless it is in that.
    pub(crate) fn told(&mut self, machine: MachineNo, at_us: i64) -> Option<Candidate> {
        let (waited_us, waited) = self.waiting.remove(&machine)?;
        (waited_us <= at_us.saturating_sub(METERING_US)).then_some(waited)
    }

    /// All that waits, by receipt.
    pub(crate) fn rest(&mut self) -> Vec<Candidate> {
        let mut rest: Vec<Candidate> = self.waiting.drain().map(|(_, (_, waited))| waited).collect();
        rest.sort_by_key(|(_, received_us)| *received_us);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stream_counts_is_not_counted_beside_it_wherever_its_minutes_begin() {
        let made = |second: i64| {
            let timestamp_us = second * 1_000_000;
            let event = Event::EnergyMetered {
                machine: MachineNo(1),
                timestamp_us,
                kwh: 1.0,
                register_kwh: 0.0,
                interval_us: METERING_US,
            };
            (timestamp_us, (event, timestamp_us))
        };
        let mut energy = Energy::default();
        let mut put = |second| {
            let (at_us, candidate) = made(second);
            energy.made(MachineNo(1), at_us, candidate)
        };
        assert_eq!((put(60), put(120)), (None, Some(made(60).1)));
        // The stream's minute ends within the next one: it began before the one that waits ended.
        assert_eq!(energy.told(MachineNo(1), 150_000_000), None);
        assert_eq!(energy.told(MachineNo(1), 210_000_000), None);
        let (at_us, candidate) = made(270);
        assert_eq!(energy.made(MachineNo(1), at_us, candidate.clone()), None);
        assert_eq!(energy.told(MachineNo(2), 290_000_000), None);
        assert_eq!(energy.told(MachineNo(1), 330_000_000), Some(candidate));
        let (at_us, candidate) = made(390);
        energy.made(MachineNo(1), at_us, candidate.clone());
        assert_eq!((energy.rest(), energy.rest()), (vec![candidate], Vec::new()));
    }
}
