//! The feed of one connection of a plan's stream.
//!
//! Readings come in *scans*: all sensors of a group at one time, as a controller reads its inputs. Scan times only grow
//! and respect the connection's stride, so every original reading is unique by sensor and time. A message takes the
//! next `batch` readings of one group; groups take turns. Chaos (duplicates, disorder, garbage) is added to what was
//! made and never changes what must arrive.

mod scan;

use super::assign::Share;
use super::feed::{Class, Feed, Message, Next, Pool};
use super::payload::{self, Reading, Texts};
use super::snapshot;
use super::tally::{Fence, Tallies, Tally};
use crate::plan::{Form, PlantOptions, Protocol, Stream};
use crate::plant::Plant;
use crate::plant::machine::MachineSim;
use crate::plant::signal::unit;
use crate::wire::mqtt::{self, Version};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use scan::{Group, groups, next_scan_us, places};
use std::collections::VecDeque;
use std::sync::Arc;

/// Machines are moved on this often; in between their sensors show noise only.
const ADVANCE_INTERVAL_US: i64 = 500_000;

/// When to send; microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub start_us: i64,
    /// No message is made at or after this time.
    pub stop_us: i64,
}

pub struct Generator {
    stream: Arc<Stream>,
    plant: Arc<Plant>,
    share: Share,
    schedule: Schedule,
    time_scale: f64,
    start_of_day_s: f64,
    version: Version,
    texts: Vec<Texts>,
    /// For each slot its machine (index into `sims`) and its position within the machine.
    places: Vec<(usize, usize)>,
    sims: Vec<MachineSim>,
    groups: Vec<Group>,
    group: usize,
    advanced_us: i64,
    /// The next message's time; stays put for `max`.
    due_us: f64,
    interval_us: Option<f64>,
    previous_due_us: i64,
    chaos: ChaCha8Rng,
    parked: Option<Message>,
    pending: VecDeque<Message>,
    readings: Vec<Reading>,
    scratch: Vec<u8>,
    base_us: i64,
    tallies: Vec<Tally>,
    last_us: Vec<i64>,
    snapshots: Vec<u64>,
}

impl Generator {
    /// `part` of the stream's connections.
    pub fn new(
        plant: Arc<Plant>,
        stream: Arc<Stream>,
        options: &PlantOptions,
        seed: u64,
        share: Share,
        part: u32,
        schedule: Schedule,
    ) -> Self {
        let start_of_day_s = (schedule.start_us / 1_000_000 % 86_400) as f64;
        let (machines, places) = places(&plant, &share, stream.form);
        let sims = machines
            .iter()
            .map(|&machine| {
                MachineSim::new(&plant, &plant.machines[machine], seed, start_of_day_s, options.faults_per_hour)
            })
            .collect();
        let interval_us = stream.message_interval_s().map(|seconds| seconds * 1e6);
        // Connections take turns instead of sending all at once.
        let phase = interval_us.unwrap_or(0.0) * f64::from(part) / f64::from(stream.connections);
        let slots = share.sensors.len();
        Self {
            texts: share.sensors.iter().map(|&sensor| Texts::new(&plant, &plant.sensors[sensor])).collect(),
            groups: groups(&plant, &share, &stream),
            group: 0,
            advanced_us: schedule.start_us,
            due_us: schedule.start_us as f64 + phase,
            previous_due_us: schedule.start_us,
            interval_us,
            version: if stream.protocol == Protocol::Mqtt5 { Version::V5 } else { Version::V311 },
            chaos: ChaCha8Rng::seed_from_u64(seed.wrapping_add(u64::from(part) + 1)),
            parked: None,
            pending: VecDeque::new(),
            readings: Vec::with_capacity(stream.batch as usize),
            scratch: Vec::new(),
            base_us: schedule.start_us / 1_000 * 1_000,
            tallies: vec![Tally::default(); slots],
            last_us: vec![0; slots],
            snapshots: vec![0; share.machines.len()],
            time_scale: options.time_scale,
            start_of_day_s,
            places,
            sims,
            stream,
            plant,
            share,
            schedule,
        }
    }

    fn advance(&mut self, now_us: i64) {
        if now_us - self.advanced_us < ADVANCE_INTERVAL_US {
            return;
        }
        self.advanced_us = now_us;
        let elapsed_s = (now_us - self.schedule.start_us) as f64 / 1e6;
        let plant_s = self.start_of_day_s + elapsed_s * self.time_scale;
        for sim in &mut self.sims {
            sim.advance(plant_s);
        }
    }

    /// Collects the next readings of the current group, with times between the previous message's and `due_us`.
    fn collect(&mut self, due_us: i64) {
        let group = &mut self.groups[self.group];
        let sensors = group.slots.len();
        let wanted = match self.stream.form {
            Form::MachineJson => (self.stream.batch as usize / sensors).max(1) * sensors,
            _ => self.stream.batch as usize,
        };
        self.readings.clear();
        let span_us = due_us - self.previous_due_us;
        for position in 0..wanted {
            if group.cursor == 0 {
                let at_us = self.previous_due_us + span_us * (position as i64 + 1) / wanted as i64;
                group.scan_us = next_scan_us(group.scan_us, at_us, &self.share);
            }
            let slot = group.slots.start + group.cursor;
            group.cursor = (group.cursor + 1) % sensors;
            let (sim, sensor) = self.places[slot];
            let value_e4 = self.sims[sim].next_e4(sensor);
            self.tallies[slot].add(self.base_us, group.scan_us, value_e4);
            self.last_us[slot] = group.scan_us;
            self.readings.push(Reading { slot, timestamp_us: group.scan_us, value_e4 });
        }
        self.previous_due_us = due_us;
    }

    /// The message of the collected readings.
    fn write(&mut self, mut bytes: Vec<u8>, due_us: i64) -> Message {
        let stream = &self.stream;
        let group = &self.groups[self.group];
        let mqtt = stream.protocol.is_mqtt();
        let mut start = 0;
        if mqtt {
            let topic: &[u8] =
                if stream.form.is_single() { &self.texts[self.readings[0].slot].topic } else { &group.topic };
            mqtt::begin_publish(&mut bytes, self.version, topic, stream.qos);
        }
        match stream.form {
            Form::ValueJson => payload::value_json(&mut bytes, &self.readings[0]),
            Form::BareNumber => crate::wire::text::push_e4(&mut bytes, self.readings[0].value_e4),
            Form::MachineJson => payload::machine_json(&mut bytes, &self.texts, &self.readings),
            Form::ReadingsJson => payload::readings_json(&mut bytes, &self.texts, &self.readings),
            Form::LineProtocol => payload::line_protocol(&mut bytes, &self.texts, &self.readings),
            Form::Frame if mqtt => payload::mqtt_frame(&mut bytes, &mut self.scratch, &self.texts, &self.readings),
            Form::Frame => payload::tcp_records(&mut bytes, &self.readings),
            Form::Scada => {}
        }
        if mqtt {
            start = mqtt::finish_publish(&mut bytes, stream.qos);
        }
        let readings = self.readings.len() as u32;
        Message { bytes, start, intended_us: due_us, readings, snapshots: 0, class: Class::Original }
    }

    fn snapshot(&mut self, mut bytes: Vec<u8>, due_us: i64) -> Message {
        let turn = self.group % self.share.machines.len().max(1);
        self.group += 1;
        let machine = &self.plant.machines[self.share.machines[turn]];
        let timestamp_us = next_scan_us(self.previous_due_us, due_us, &self.share);
        self.previous_due_us = timestamp_us;
        self.snapshots[turn] += 1;
        let topic = format!("genims/v1/{}/{}/{}/scada", machine.factory_id, machine.line_id, machine.machine_id);
        mqtt::begin_publish(&mut bytes, self.version, topic.as_bytes(), self.stream.qos);
        snapshot::write(&mut bytes, machine, &self.sims[turn], timestamp_us);
        let start = mqtt::finish_publish(&mut bytes, self.stream.qos);
        Message { bytes, start, intended_us: due_us, readings: 0, snapshots: 1, class: Class::Original }
    }

    fn original(&mut self, due_us: i64, pool: &mut Pool) -> Message {
        if self.stream.form == Form::Scada {
            return self.snapshot(pool.take(), due_us);
        }
        self.collect(due_us);
        let message = self.write(pool.take(), due_us);
        self.group = (self.group + 1) % self.groups.len();
        message
    }

    /// Lines up the next original and what chaos adds to it.
    fn make(&mut self, due_us: i64, pool: &mut Pool) {
        let message = self.original(due_us, pool);
        let stream = self.stream.clone();
        let chance = |probability: f64, rng: &mut ChaCha8Rng| probability > 0.0 && unit(rng) < probability;
        if self.parked.is_none() && chance(stream.disorder, &mut self.chaos) {
            self.parked = Some(message);
            return;
        }
        self.line_up(message);
        if let Some(parked) = self.parked.take() {
            self.line_up(parked);
        }
        if chance(stream.garbage, &mut self.chaos) {
            let pick = (unit(&mut self.chaos) * stream.garbage_kinds.len() as f64) as usize;
            if let (Some(&kind), Some(texts)) = (stream.garbage_kinds.get(pick), self.texts.first()) {
                let garbage = payload::garbage(pool.take(), stream.protocol, stream.qos, kind, texts, due_us);
                self.pending.push_back(garbage);
            }
        }
    }

    fn line_up(&mut self, message: Message) {
        let duplicate = self.stream.duplicates > 0.0 && unit(&mut self.chaos) < self.stream.duplicates;
        let copy = duplicate.then(|| Message { class: Class::Duplicate, ..message.clone() });
        self.pending.push_back(message);
        self.pending.extend(copy);
    }

    fn fences(&self) -> Vec<Fence> {
        let last = self.last_us.iter().copied().max().unwrap_or(0);
        // Every sensor of the last scan: with several shards behind one connection each must have caught up.
        let mut fences: Vec<Fence> = Vec::new();
        for (slot, &timestamp_us) in self.last_us.iter().enumerate() {
            if last > 0 && timestamp_us == last && fences.len() < 16 {
                fences.push(Fence { sensor_id: self.texts[slot].sensor_id.clone(), timestamp_us });
            }
        }
        fences
    }
}

impl Feed for Generator {
    fn next(&mut self, now_us: i64, pool: &mut Pool) -> Next {
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Next::Message(message);
            }
            if now_us >= self.schedule.stop_us || (self.share.sensors.is_empty() && self.share.machines.is_empty()) {
                return match self.parked.take() {
                    Some(parked) => Next::Message(parked),
                    None => Next::Done,
                };
            }
            // The span of the verdict begins with the start, so nothing is made before it.
            let due_us =
                if self.interval_us.is_some() { self.due_us as i64 } else { now_us.max(self.schedule.start_us) };
            if due_us > now_us {
                return if due_us < self.schedule.stop_us { Next::At(due_us) } else { Next::At(self.schedule.stop_us) };
            }
            self.due_us += self.interval_us.unwrap_or(0.0);
            self.advance(now_us);
            self.make(due_us, pool);
        }
    }

    fn into_tallies(self) -> Tallies {
        let mut tallies = Tallies { fences: Vec::new(), ..Tallies::default() };
        let timed = self.stream.form.is_timed();
        if timed {
            tallies.fences = self.fences();
        }
        if let Some(interval_us) = self.interval_us {
            let missed = ((self.schedule.stop_us as f64 - self.due_us) / interval_us).max(0.0).ceil();
            tallies.behind = missed as u64 * u64::from(self.stream.batch);
        }
        for (slot, tally) in self.tallies.iter().enumerate().filter(|(_, tally)| tally.count > 0) {
            let into = if timed { &mut tallies.sensors } else { &mut tallies.untimed };
            into.entry(self.texts[slot].sensor_id.clone()).or_default().merge(tally);
        }
        for (&machine, &count) in self.share.machines.iter().zip(&self.snapshots) {
            if count > 0 {
                *tallies.machines.entry(self.plant.machines[machine].machine_id.clone()).or_default() += count;
            }
        }
        let last = self.last_us.iter().copied().max().unwrap_or(0).max(self.previous_due_us);
        tallies.widen((self.schedule.start_us, last + 1));
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::assign::shares;
    use std::collections::HashSet;

    fn generator(stream: &str, connections: usize) -> Generator {
        let plant = Arc::new(Plant::synthetic(3, 4));
        let stream: Stream =
            toml::from_str(&format!("name = \"s\"\nconnections = {connections}\n{stream}")).expect("valid");
        let share = shares(&plant, &[0, 1, 2], connections, None).remove(0);
        let schedule = Schedule { start_us: 1_000_000_000_000_000, stop_us: 1_000_000_001_000_000 };
        Generator::new(plant, Arc::new(stream), &PlantOptions::default(), 1, share, 0, schedule)
    }

    fn drain(generator: &mut Generator) -> Vec<Message> {
        let mut pool = Pool::default();
        let mut now_us = generator.schedule.start_us;
        let mut messages = Vec::new();
        loop {
            match generator.next(now_us, &mut pool) {
                Next::Message(message) => messages.push(message),
                Next::At(at_us) => now_us = at_us,
                Next::Done => return messages,
            }
        }
    }

    #[test]
    fn an_open_loop_makes_exactly_its_rate_and_every_reading_is_unique() {
        let mut generator =
            generator("protocol = \"mqtt\"\nform = \"readings_json\"\nrate = 5000\nbatch = 50\nqos = 0", 1);
        let messages = drain(&mut generator);
        assert_eq!(messages.iter().map(|m| m.readings).sum::<u32>(), 5_000);
        let mut seen = HashSet::new();
        for message in &messages {
            let text = String::from_utf8_lossy(&message.bytes[message.start..]);
            let json = &text[text.find('[').expect("an array")..];
            let batch: Vec<serde_json::Value> = serde_json::from_str(json).expect("valid JSON");
            for reading in batch {
                assert!(seen.insert((reading["sensor_id"].to_string(), reading["timestamp_us"].as_i64())));
            }
        }
        let tallies = generator.into_tallies();
        assert_eq!(tallies.readings(), 5_000);
        assert_eq!(tallies.behind, 0);
        let (from, to) = tallies.range_us.expect("a range");
        assert!(seen.iter().all(|(_, at)| at.is_some_and(|at| from <= at && at <= to)));
    }

    #[test]
    fn nothing_is_made_before_the_start_and_every_time_lies_in_the_span() {
        let mut generator = generator("protocol = \"tcp\"\nform = \"frame\"\nrate = \"max\"\nbatch = 10", 1);
        let start_us = generator.schedule.start_us;
        let mut pool = Pool::default();
        assert!(matches!(generator.next(start_us - 5_000, &mut pool), Next::At(at_us) if at_us == start_us));
        let mut times = Vec::new();
        for after_us in [0, 0, 0, 400, 401] {
            if let Next::Message(message) = generator.next(start_us + after_us, &mut pool) {
                times.push(message.bytes[..8].try_into().map_or(0, i64::from_le_bytes));
            }
        }
        let (from_us, to_us) = generator.into_tallies().range_us.expect("a range");
        assert_eq!(times.len(), 5);
        assert!(times.iter().all(|at_us| (from_us..=to_us).contains(at_us)), "{times:?}");
    }

    #[test]
    fn the_same_seed_and_times_make_the_same_bytes() {
        let stream =
            "protocol = \"mqtt\"\nform = \"machine_json\"\nrate = 500\nbatch = 8\ndisorder = 0.2\ngarbage = 0.2";
        let bytes = |mut generator: Generator| drain(&mut generator).into_iter().map(|m| m.bytes).collect::<Vec<_>>();
        assert_eq!(bytes(generator(stream, 2)), bytes(generator(stream, 2)));
    }

    #[test]
    fn chaos_adds_messages_but_never_changes_what_must_arrive() {
        let mut generator = generator(
            "protocol = \"tcp\"\nform = \"frame\"\nrate = 2000\nbatch = 10\nduplicates = 0.3\ndisorder = 0.3\ngarbage = 0.3",
            1,
        );
        let messages = drain(&mut generator);
        let readings = |class| messages.iter().filter(|m| m.class == class).map(|m| u64::from(m.readings)).sum::<u64>();
        assert_eq!(readings(Class::Original), 2_000);
        assert!(readings(Class::Duplicate) > 100);
        assert!(messages.iter().filter(|m| m.class == Class::Garbage).count() > 10);
        let intended: Vec<i64> =
            messages.iter().filter(|m| m.class == Class::Original).map(|m| m.intended_us).collect();
        assert!(!intended.is_sorted());
        assert_eq!(generator.into_tallies().readings(), 2_000);
    }
}
