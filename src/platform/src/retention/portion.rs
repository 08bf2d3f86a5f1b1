//! Minutes in portions that bound what is in memory, and what is looked through in the archive.
//!
//! Enters: minutes, sensor by sensor. Leaves: each of them once, in order. Invariants: a portion has no more minutes than are taken
//! at once; its sensors times the minutes from its first to its last, for so many documents may lie there, are bounded as well.

use super::minutes::Minute;

const MINUTE_MS: i64 = 60_000;

pub(super) struct Portion {
    at_once: usize,
    looked_through: i64,
    minutes: Vec<Minute>,
    sensors: i64,
    first_ms: i64,
    last_ms: i64,
}

impl Portion {
    pub(super) fn new(at_once: usize, looked_through: i64) -> Self {
        Self { at_once, looked_through, minutes: Vec::new(), sensors: 0, first_ms: 0, last_ms: 0 }
    }

    /// Takes another minute; gives those before it when it would be too much beside them.
    pub(super) fn add(&mut self, minute: Minute) -> Option<Vec<Minute>> {
        let start_ms = minute.key.start_ms;
        let Some(last) = self.minutes.last() else {
            self.begin(minute);
            return None;
        };
        let sensors = self.sensors + i64::from(last.key.sensor_id != minute.key.sensor_id);
        let (first_ms, last_ms) = (self.first_ms.min(start_ms), self.last_ms.max(start_ms));
        let between = ((last_ms - first_ms) / MINUTE_MS + 1).saturating_mul(sensors);
        if self.minutes.len() >= self.at_once || between > self.looked_through {
            let full = std::mem::take(&mut self.minutes);
            self.begin(minute);
            return Some(full);
        }
        (self.sensors, self.first_ms, self.last_ms) = (sensors, first_ms, last_ms);
        self.minutes.push(minute);
        None
    }

    fn begin(&mut self, minute: Minute) {
        (self.sensors, self.first_ms, self.last_ms) = (1, minute.key.start_ms, minute.key.start_ms);
        self.minutes.push(minute);
    }

    /// What is left.
    pub(super) fn rest(self) -> Vec<Minute> {
        self.minutes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::minutes::tests::minute;

    /// The numbers of the minutes in each portion, of given minutes of sensors.
    fn portions(given: &[(&str, u32)], at_once: usize, looked_through: i64) -> Vec<usize> {
        let mut portion = Portion::new(at_once, looked_through);
        let minutes = given.iter().map(|(sensor, at)| minute(sensor, "C", &format!("2020-05-28T00:{at:02}:00"), 1, 1));
        let all: Vec<Minute> = minutes.collect();
        let mut full: Vec<Vec<Minute>> = all.iter().cloned().filter_map(|minute| portion.add(minute)).collect();
        full.push(portion.rest());
        let keys = |minutes: &[Minute]| minutes.iter().map(|minute| minute.key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&full.concat()), keys(&all), "each is there once, in order");
        full.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_portion_ends_before_it_is_too_much() {
        let dense = [("A", 0), ("A", 1), ("A", 2), ("B", 0), ("B", 1)];
        assert_eq!(portions(&dense, 2, 100), [2, 2, 1]);
        assert_eq!(portions(&dense, 5, 100), [5]);
        assert_eq!(portions(&[], 5, 100), [0]);
    }

    #[test]
    fn rows_far_apart_of_many_sensors_are_looked_up_apart() {
        let sparse = [("A", 0), ("B", 59), ("C", 0), ("D", 0), ("D", 59)];
        assert_eq!(portions(&sparse, 5, 120), [2, 3]);
        assert_eq!(portions(&sparse, 5, 59), [1, 1, 2, 1]);
        assert_eq!(portions(&sparse, 5, 240), [5]);
    }
}
