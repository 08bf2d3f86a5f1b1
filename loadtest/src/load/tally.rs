//! What was sent, per sensor: counts and sums that do not depend on order, in the form in which SQL and MongoDB can
//! compute them as well.

use std::collections::HashMap;

/// The low 20 bits of time and value go into the pairing sum.
pub const PAIR_MASK: i64 = (1 << 20) - 1;

/// Two equal multisets of readings have equal tallies; two that differ in a lost, doubled or altered reading do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    /// Sum of `timestamp_us - base_us`.
    pub time_us: i128,
    /// Sum of the values in ten-thousandths.
    pub value_e4: i128,
    /// Sum of `(timestamp_us & PAIR_MASK) * (value_e4 & PAIR_MASK)`: ties each value to its time.
    pub pair: i128,
    /// Sum of `(timestamp_us - base_us) / 1000`: MongoDB dates have milliseconds.
    pub time_ms: i128,
}

impl Tally {
    /// `base_us` is a whole millisecond, so that the milliseconds of the difference are the difference of the
    /// milliseconds.
    pub fn add(&mut self, base_us: i64, timestamp_us: i64, value_e4: i64) {
        let after_us = timestamp_us - base_us;
        self.count += 1;
        self.time_us += i128::from(after_us);
        self.value_e4 += i128::from(value_e4);
        self.pair += i128::from((timestamp_us & PAIR_MASK) * (value_e4 & PAIR_MASK));
        self.time_ms += i128::from(after_us.div_euclid(1_000));
    }

    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.time_us += other.time_us;
        self.value_e4 += other.value_e4;
        self.pair += other.pair;
        self.time_ms += other.time_ms;
    }

    /// What came on top of `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            count: self.count.saturating_sub(earlier.count),
            time_us: self.time_us - earlier.time_us,
            value_e4: self.value_e4 - earlier.value_e4,
            pair: self.pair - earlier.pair,
            time_ms: self.time_ms - earlier.time_ms,
        }
    }
}

/// A reading after which its sender is silent: once all of them are visible the database has caught up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    pub sensor_id: String,
    pub timestamp_us: i64,
}

/// Everything that one or more feeds made.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    /// By sensor id; readings with a source time.
    pub sensors: HashMap<String, Tally>,
    /// By sensor id; readings that the server stamps itself, so only count and values can be compared.
    pub untimed: HashMap<String, Tally>,
    /// By machine id: snapshots.
    pub machines: HashMap<String, u64>,
    pub fences: Vec<Fence>,
    /// Smallest and largest source time; `None` before the first reading.
    pub range_us: Option<(i64, i64)>,
    /// Readings that an open-loop schedule asked for but that were not made before the end.
    pub behind: u64,
    /// What the mirror is to hold, where that is less: it keeps readings for a shorter time.
    pub mirrored: Option<Box<Tallies>>,
}

impl Tallies {
    pub fn merge(&mut self, mut other: Self) {
        // A feed that says nothing of the mirror has it hold everything.
        if self.mirrored.is_some() || other.mirrored.is_some() {
            let mut mirrored = self.mirrored.take().unwrap_or_else(|| Box::new(self.clone()));
            mirrored.merge(other.mirrored.take().map_or_else(|| other.clone(), |kept| *kept));
            self.mirrored = Some(mirrored);
        }
        for (into, from) in [(&mut self.sensors, other.sensors), (&mut self.untimed, other.untimed)] {
            for (sensor, tally) in from {
                into.entry(sensor).or_default().merge(&tally);
            }
        }
        for (machine, count) in other.machines {
            *self.machines.entry(machine).or_default() += count;
        }
        self.fences.extend(other.fences);
        for range in [other.range_us].into_iter().flatten() {
            self.widen(range);
        }
        self.behind += other.behind;
    }

    pub fn widen(&mut self, range: (i64, i64)) {
        self.range_us = Some(match self.range_us {
            None => range,
            Some((from, to)) => (from.min(range.0), to.max(range.1)),
        });
    }

    pub fn readings(&self) -> u64 {
        self.sensors.values().chain(self.untimed.values()).map(|tally| tally.count).sum()
    }

    pub fn snapshots(&self) -> u64 {
        self.machines.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(readings: &[(i64, i64)]) -> Tally {
        let mut tally = Tally::default();
        for &(timestamp_us, value_e4) in readings {
            tally.add(1_000_000, timestamp_us, value_e4);
        }
        tally
    }

    #[test]
    fn order_does_not_matter_but_every_change_shows() {
        let sent = [(1_000_000, 10), (1_000_001, -20), (1_002_000, 30)];
        let mut turned = sent;
        turned.reverse();
        assert_eq!(tally(&sent), tally(&turned));
        assert_ne!(tally(&sent), tally(&sent[1..]));
        assert_ne!(tally(&sent), tally(&[sent[0], sent[1], sent[1]]));
        let swapped_values = [(1_000_000, -20), (1_000_001, 10), (1_002_000, 30)];
        assert_ne!(tally(&sent), tally(&swapped_values));
    }

    #[test]
    fn the_mirror_holds_the_whole_of_feeds_that_say_nothing_of_it() {
        let of = |sensor: &str, readings: &[(i64, i64)]| Tallies {
            sensors: [(sensor.to_owned(), tally(readings))].into(),
            ..Tallies::default()
        };
        let whole = of("A", &[(1_000_000, 1), (1_000_001, 2)]);
        let part = Tallies { mirrored: Some(Box::new(of("B", &[(1_000_001, 2)]))), ..whole.clone() };
        for (first, then) in [(&whole, &part), (&part, &whole)] {
            let mut all = Tallies::default();
            all.merge(first.clone());
            all.merge(then.clone());
            assert_eq!((all.readings(), all.mirrored.map(|mirrored| mirrored.readings())), (4, Some(3)));
        }
    }

    #[test]
    fn what_came_on_top_is_the_difference() {
        let earlier = tally(&[(1_000_000, 10)]);
        let mut all = earlier;
        let new = tally(&[(1_000_001, -20)]);
        all.merge(&new);
        assert_eq!(all.since(&earlier), new);
    }
}
