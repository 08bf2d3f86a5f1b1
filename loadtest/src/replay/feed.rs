//! Sends records in order of time, at a multiple of their own speed.

use crate::load::feed::{Class, Feed, Message, Next, Pool};
use crate::load::payload::{self, Reading, Texts};
use crate::load::tally::{Fence, Tallies};
use crate::wire::mqtt::{self, Version};
use std::str::FromStr;
use std::sync::Arc;

/// As often as the records were taken, times this.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Times(f64),
    /// As fast as acknowledgements come back.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        text.strip_suffix('x')
            .and_then(|number| number.parse().ok())
            .filter(|times: &f64| *times > 0.0 && times.is_finite())
            .map(Self::Times)
            .ok_or_else(|| format!("{text:?} is no speed: write 1x, 100x or max"))
    }
}

impl Speed {
    /// How long the records take.
    pub fn duration_us(self, (from_us, to_us): (i64, i64)) -> i64 {
        match self {
            Self::Max => 0,
            Self::Times(times) => ((to_us - from_us) as f64 / times) as i64,
        }
    }
}

pub struct RecordFeed {
    /// By time.
    pub readings: Vec<Reading>,
    /// By slot.
    pub texts: Arc<[Texts]>,
    pub over_mqtt: bool,
    pub batch: usize,
    pub speed: Speed,
    /// The first source time of all connections: sent at `start_us`.
    pub origin_us: i64,
    pub start_us: i64,
    pub stop_us: i64,
    /// The mirror need not hold what is older.
    pub mirror_from_us: i64,
    pub next: usize,
}

impl RecordFeed {
    /// When a record is due.
    fn due_us(&self, reading: &Reading, now_us: i64) -> i64 {
        match self.speed {
            Speed::Max => now_us.max(self.start_us),
            Speed::Times(times) => self.start_us + ((reading.timestamp_us - self.origin_us) as f64 / times) as i64,
        }
    }
}

impl Feed for RecordFeed {
    fn next(&mut self, now_us: i64, pool: &mut Pool) -> Next {
        let Some(first) = self.readings.get(self.next) else { return Next::Done };
        if now_us >= self.stop_us {
            return Next::Done;
        }
        let due_us = self.due_us(first, now_us);
        if due_us > now_us {
            return Next::At(due_us.min(self.stop_us));
        }
        let rest = &self.readings[self.next..];
        // The deltas of a frame have 32 bits; and nothing is sent before its time.
        let fits = |reading: &&Reading| {
            self.due_us(reading, now_us) <= now_us
                && (self.over_mqtt || reading.timestamp_us - first.timestamp_us <= i64::from(i32::MAX))
        };
        let count = rest.iter().take(self.batch).take_while(fits).count().max(1);
        let batch = &rest[..count];
        let mut bytes = pool.take();
        let mut start = 0;
        if self.over_mqtt {
            // The topic of the first reading's factory; elements name their sensors.
            let factory = self.texts[batch[0].slot].topic.splitn(4, |byte| *byte == b'/').nth(2).unwrap_or_default();
            let topic = [b"genims/v1/", factory, b"/readings"].concat();
            mqtt::begin_publish(&mut bytes, Version::V311, &topic, 1);
            payload::readings_json(&mut bytes, &self.texts, batch);
            start = mqtt::finish_publish(&mut bytes, 1);
        } else {
            payload::tcp_records(&mut bytes, batch);
        }
        self.next += count;
        Next::Message(Message {
            bytes,
            start,
            intended_us: due_us,
            readings: count as u32,
            snapshots: 0,
            class: Class::Original,
        })
    }

    fn into_tallies(self) -> Tallies {
        let mut tallies = self.tallied(i64::MIN);
        // By what all connections share, so that all count from the same time.
        if self.origin_us < self.mirror_from_us {
            tallies.mirrored = Some(Box::new(self.tallied(self.mirror_from_us)));
        }
        tallies
    }
}

impl RecordFeed {
    /// What was sent, and is not older than `from_us`.
    fn tallied(&self, from_us: i64) -> Tallies {
        let mut tallies = Tallies::default();
        let origin_us = self.origin_us.max(from_us);
        let base_us = origin_us.div_euclid(1_000) * 1_000;
        let mut last: Option<&Reading> = None;
        for reading in self.readings[..self.next].iter().filter(|reading| reading.timestamp_us >= from_us) {
            let sensor_id = &self.texts[reading.slot].sensor_id;
            if !tallies.sensors.contains_key(sensor_id) {
                tallies.sensors.insert(sensor_id.clone(), Default::default());
            }
            if let Some(tally) = tallies.sensors.get_mut(sensor_id) {
                tally.add(base_us, reading.timestamp_us, reading.value_e4);
            }
            last = Some(reading);
        }
        if let Some(last) = last {
            let sensor_id = self.texts[last.slot].sensor_id.clone();
            tallies.fences.push(Fence { sensor_id, timestamp_us: last.timestamp_us });
        }
        // Also what was not sent any more: the span is the one that was looked at beforehand.
        if let Some(end) = self.readings.last().filter(|end| end.timestamp_us >= from_us) {
            tallies.widen((origin_us, end.timestamp_us));
        }
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::Plant;

    fn feed(speed: Speed) -> RecordFeed {
        let plant = Plant::synthetic(1, 1);
        let reading = |minute: i64| Reading { slot: 0, timestamp_us: minute * 60_000_000, value_e4: minute };
        RecordFeed {
            readings: (0..5).map(reading).collect(),
            texts: vec![Texts::new(&plant, &plant.sensors[0])].into(),
            over_mqtt: true,
            batch: 2,
            speed,
            origin_us: 0,
            start_us: 1_000,
            stop_us: i64::MAX,
            mirror_from_us: i64::MIN,
            next: 0,
        }
    }

    #[test]
    fn at_sixty_times_a_minute_is_a_second() {
        let mut feed = feed(Speed::Times(60.0));
        let mut pool = Pool::default();
        assert!(matches!(feed.next(999, &mut pool), Next::At(1_000)));
        assert!(matches!(feed.next(1_000, &mut pool), Next::Message(m) if m.readings == 1));
        assert!(matches!(feed.next(1_000, &mut pool), Next::At(1_001_000)));
        assert!(matches!(feed.next(9_001_000, &mut pool), Next::Message(m) if m.readings == 2));
    }

    #[test]
    fn at_full_speed_batches_are_full_and_everything_is_tallied() {
        let mut feed = feed(Speed::Max);
        let mut pool = Pool::default();
        let mut sizes = Vec::new();
        while let Next::Message(message) = feed.next(5_000, &mut pool) {
            sizes.push(message.readings);
        }
        assert_eq!(sizes, [2, 2, 1]);
        let tallies = feed.into_tallies();
        assert_eq!(tallies.readings(), 5);
        assert_eq!(tallies.range_us, Some((0, 240_000_000)));
    }

    #[test]
    fn what_the_mirror_does_not_keep_is_expected_of_it_no_more() {
        let tallied = |mirror_from_us| {
            let mut feed = RecordFeed { mirror_from_us, ..feed(Speed::Max) };
            while let Next::Message(_) = feed.next(5_000, &mut Pool::default()) {}
            feed.into_tallies()
        };
        assert!(tallied(0).mirrored.is_none());
        let tallies = tallied(180_000_000);
        let mirrored = tallies.mirrored.as_deref().expect("some are too old");
        assert_eq!((tallies.readings(), mirrored.readings()), (5, 2));
        assert_eq!((tallies.fences.len(), &tallies.fences), (1, &mirrored.fences));
        assert_eq!((tallies.range_us, mirrored.range_us), (Some((0, 240_000_000)), Some((180_000_000, 240_000_000))));
        let none = tallied(i64::MAX);
        let mirrored = none.mirrored.as_deref().expect("all are too old");
        assert_eq!((mirrored.readings(), mirrored.range_us, mirrored.fences.len()), (0, None, 0));
    }

    #[test]
    fn speeds_are_read() {
        assert_eq!("100x".parse(), Ok(Speed::Times(100.0)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert!("0x".parse::<Speed>().is_err() && "fast".parse::<Speed>().is_err());
    }
}
