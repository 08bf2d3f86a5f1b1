//! Seeded simulation of two consumers whose rows are kept: they move to random offsets, with housekeeping, reads that fail and
//! crashes at random operations between. After every start and every housekeeping:
//!
//! - every record that the consumer which holds everything has not passed is there, unchanged, at its offset;
//! - so is every row that its own consumer has not passed;
//! - whatever else is there is what was appended, and offsets are dense.

use super::fake_disk::FakeDisk;
use super::fake_errors::Call;
use super::{Appender, Spool, SpoolError, SpoolOptions, open_on};
use crate::contract::Consumer;
use genims_model::{Event, Group, MachineNo, Portion, Row};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::sync::Arc;

const SEEDS: u64 = 60;
const STARTS: usize = 12;
const HOLDS: &str = "main";
/// Consumers and their databases.
const KEPT: [(&str, &str); 2] = [("erp", "genims_erp_db"), ("hr", "genims_hr_db")];

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Event(Box<Event>),
    Row(Box<Row>),
}

fn items(group: &Group) -> impl Iterator<Item = (u64, Item)> {
    let events = (group.first_event_offset()..).zip(&group.events);
    let rows = (group.first_row_offset()..).zip(&group.rows);
    let events = events.map(|(offset, event)| (offset, Item::Event(Box::new(event.clone()))));
    events.chain(rows.map(|(offset, row)| (offset, Item::Row(Box::new(row.clone())))))
}

struct World {
    rng: ChaCha8Rng,
    disk: FakeDisk,
    options: SpoolOptions,
    backlog_bytes_max: u64,
    /// Everything that was acknowledged or shown, by offset.
    log: Vec<Item>,
    /// The append that was under way when the process died.
    in_flight: Vec<Item>,
    /// How far the consumers have come: the one that holds everything, then those of [`KEPT`].
    cursors: [u64; 3],
    salt: u64,
    compacted: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let options = SpoolOptions {
            directory: "/spool".into(),
            max_bytes: 64 << 20,
            segment_bytes: rng.random_range(4_096..12_000),
            memory_bytes: rng.random_range(0..20_000),
            retain_bytes: 0,
            fsync: true,
        };
        let backlog_bytes_max = rng.random_range(0..40_000);
        let (log, in_flight, cursors, salt, compacted) = (Vec::new(), Vec::new(), [0; 3], 0, 0);
        Self { rng, disk: FakeDisk::new(seed), options, backlog_bytes_max, log, in_flight, cursors, salt, compacted }
    }

    fn live(&mut self) {
        let (appender, spool, _) = open_on(Arc::new(self.disk.clone()), &self.options).unwrap();
        spool.register(&Consumer::hold(HOLDS)).unwrap();
        for (name, database) in KEPT {
            spool.register(&Consumer::compact(name, database, self.backlog_bytes_max)).unwrap();
        }
        // What was said and not saved is taken again.
        let names = [HOLDS, KEPT[0].0, KEPT[1].0];
        for (said, name) in self.cursors.iter_mut().zip(names) {
            let found = spool.cursor(name).unwrap();
            assert!(found <= *said, "{name} has never come to {found}");
            *said = found;
        }
        self.check(&spool);
        if self.rng.random_bool(0.7) {
            self.disk.crash_in(self.rng.random_range(0..200));
        }
        // An error is the crash that was asked for; `check` judges what it left.
        let _ = self.work(appender, &spool);
        if self.rng.random_bool(0.5) {
            self.disk.cut_power();
        } else {
            self.disk.kill_process();
        }
    }

    fn work(&mut self, mut appender: Appender, spool: &Spool) -> Result<(), SpoolError> {
        for _ in 0..self.rng.random_range(0..60) {
            match self.rng.random_range(0..10) {
                0..=4 => self.append(&mut appender)?,
                5 => self.advance(spool, 0, HOLDS, true)?,
                6 | 7 => {
                    let which = self.rng.random_range(0..KEPT.len());
                    self.advance(spool, which + 1, KEPT[which].0, false)?;
                }
                _ => {
                    if self.rng.random_bool(0.1) {
                        self.disk.fail_calls(Call::Read, 0.3);
                    }
                    let maintained = spool.shared().maintain();
                    self.disk.fail_calls(Call::Read, 0.0);
                    maintained?;
                    self.compacted += spool.shared().segments.lock().iter().filter(|one| !one.is_whole()).count();
                    self.check(spool);
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, appender: &mut Appender) -> Result<(), SpoolError> {
        let mut salt = || {
            self.salt += 1;
            self.salt
        };
        let (event_count, row_count) = (self.rng.random_range(0..40), self.rng.random_range(0..4));
        let events: Vec<Event> = (0..event_count).map(|_| event(salt())).collect();
        let databases = [KEPT[0].1, KEPT[1].1, "genims_qms_db"];
        let rows: Vec<Row> = (0..row_count).map(|_| row(databases[self.rng.random_range(0..3)], salt())).collect();
        let group = Group { events: events.clone(), rows: rows.clone(), ..Group::default() };
        self.in_flight = items(&group).map(|(_, item)| item).collect();
        appender.append(&mut Portion { events, rows, ..Portion::default() })?;
        self.log.append(&mut self.in_flight);
        Ok(())
    }

    /// To any offset, or most of the time to the end.
    fn advance(&mut self, spool: &Spool, which: usize, name: &str, to_end: bool) -> Result<(), SpoolError> {
        let (from, end) = (self.cursors[which], spool.next_offset());
        let to_end = to_end && self.rng.random_bool(0.8);
        let offset = if to_end { end } else { self.rng.random_range(from..=end) };
        spool.save_cursor(name, offset)?;
        self.cursors[which] = offset;
        Ok(())
    }

    fn check(&mut self, spool: &Spool) {
        let mut next = spool.first_offset();
        let mut found = Vec::new();
        spool
            .replay(next, |group| {
                assert_eq!(group.first_offset, next, "offsets are dense");
                next = group.next_offset();
                found.extend(items(group));
            })
            .unwrap();
        assert_eq!(next, spool.next_offset());
        let end = self.log.len() as u64;
        let more: Vec<Item> = found.iter().filter(|(at, _)| *at >= end).map(|(_, item)| item.clone()).collect();
        assert!(self.in_flight.starts_with(&more), "records that nobody appended");
        self.in_flight.clear();
        self.log.extend(more);
        assert_eq!(next, self.log.len() as u64, "an acknowledged record is gone");
        assert!(found.iter().all(|(at, item)| self.log[*at as usize] == *item), "a record has changed");
        let there: BTreeSet<u64> = found.iter().map(|(at, _)| *at).collect();
        for (at, item) in (0..).zip(&self.log) {
            let mut kept = KEPT.iter().zip(&self.cursors[1..]);
            let mut waits = |row: &Row| kept.any(|((_, database), cursor)| *database == row.database && at >= *cursor);
            let is_needed = at >= self.cursors[0] || matches!(item, Item::Row(row) if waits(row));
            assert!(!is_needed || there.contains(&at), "the log has lost {at}: {item:?}, cursors {:?}", self.cursors);
        }
    }
}

fn event(salt: u64) -> Event {
    let timestamp_us = salt.cast_signed();
    Event::PartsCounted { machine: MachineNo(1), timestamp_us, produced: 1, rejected: 0, interval_us: None }
}

fn row(database: &str, salt: u64) -> Row {
    Row { database: database.to_owned(), values: format!("{{\"id\":{salt}}}"), ..Row::default() }
}

#[test]
fn no_row_that_its_consumer_has_not_passed_is_ever_lost_or_changed() {
    let mut compacted = 0;
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STARTS).for_each(|_| world.live());
            world.compacted
        });
        match outcome {
            Ok(segments) => compacted += segments,
            Err(panic) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(compacted > 200, "{compacted} compacted segments show nothing");
}
