//! Tests of the generator: what it promises about times, counts and chaos.

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
    let mut generator = generator("protocol = \"mqtt\"\nform = \"readings_json\"\nrate = 5000\nbatch = 50\nqos = 0", 1);
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
    let stream = "protocol = \"mqtt\"\nform = \"machine_json\"\nrate = 500\nbatch = 8\ndisorder = 0.2\ngarbage = 0.2";
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
    let intended: Vec<i64> = messages.iter().filter(|m| m.class == Class::Original).map(|m| m.intended_us).collect();
    assert!(!intended.is_sorted());
    assert_eq!(generator.into_tallies().readings(), 2_000);
}

#[test]
fn owners_of_one_sensor_use_disjoint_microseconds() {
    let share = |rank| Share { sensors: vec![0], machines: vec![0], stride: 4, rank };
    let mut seen = HashSet::new();
    for rank in 0..4 {
        let mut previous = 0;
        for at in (0..1_000).step_by(7) {
            previous = next_scan_us(previous, at, &share(rank));
            assert!(seen.insert(previous));
        }
    }
}
