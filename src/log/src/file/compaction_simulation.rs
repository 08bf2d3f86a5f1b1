//! Seeded simulation of two consumers whose rows are kept: they move to random offsets, now and then back, with housekeeping,
//! reads, writes and renames that fail, a disk that is full, and crashes at random operations between. After every start and every
//! housekeeping:
//!
//! - every record that the consumer which holds everything has not passed is there, unchanged, at its offset;
//! - so is every row that its own consumer has not durably passed, and of those that were there when it went back every one
//!   that it has not passed again;
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
    /// The rows that wait for each of [`KEPT`].
    waiting: [BTreeSet<u64>; 2],
    salt: u64,
    coverage: Coverage,
}

/// What the simulation came across.
#[derive(Debug, Default)]
struct Coverage {
    compacted: usize,
    /// Rows of a consumer that went back to them.
    rewound: usize,
    /// Housekeeping that found the disk full, and that was stopped by an error of it.
    full: usize,
    failed: usize,
}

impl Coverage {
    fn add(&mut self, other: &Self) {
        self.compacted += other.compacted;
        self.rewound += other.rewound;
        self.full += other.full;
        self.failed += other.failed;
    }
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
        let (disk, coverage, waiting) = (FakeDisk::new(seed), Coverage::default(), Default::default());
        let (log, in_flight, cursors, salt) = (Vec::new(), Vec::new(), [0; 3], 0);
        Self { rng, disk, options, backlog_bytes_max, log, in_flight, cursors, waiting, salt, coverage }
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
        self.forget_passed(&spool);
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
                    if self.rng.random_bool(0.2) {
                        self.rewind(spool, which)?;
                    } else {
                        self.advance(spool, which + 1, KEPT[which].0, false)?;
                    }
                }
                _ => self.maintain(spool)?,
            }
        }
        Ok(())
    }

    /// Housekeeping on a disk that is often not well. An error is a crash, but that it is full.
    fn maintain(&mut self, spool: &Spool) -> Result<(), SpoolError> {
        for call in [Call::Read, Call::Write, Call::Name] {
            if self.rng.random_bool(0.1) {
                self.disk.fail_calls(call, 0.3);
            }
        }
        if self.rng.random_bool(0.1) {
            let room = self.rng.random_range(0..2 * self.options.segment_bytes);
            self.disk.set_capacity(Some((spool.bytes() + room) as usize));
        }
        if self.rng.random_bool(0.1) {
            self.disk.set_full_at_sync(0.3);
        }
        let maintained = spool.shared().maintain();
        [Call::Read, Call::Write, Call::Name].iter().for_each(|call| self.disk.fail_calls(*call, 0.0));
        self.disk.set_capacity(None);
        self.disk.set_full_at_sync(0.0);
        match maintained {
            Err(error) if error.is_shortage() => self.coverage.full += 1,
            Err(error) => {
                self.coverage.failed += usize::from(!self.disk.is_dead());
                return Err(error);
            }
            Ok(()) => {}
        }
        self.coverage.compacted += spool.shared().segments.lock().iter().filter(|one| !one.is_whole()).count();
        self.forget_passed(spool);
        self.check(spool);
        Ok(())
    }

    /// What a consumer has passed durably waits for it no more.
    fn forget_passed(&mut self, spool: &Spool) {
        let sinks = spool.shared().sinks.lock();
        for (((name, _), waiting), said) in KEPT.iter().zip(&mut self.waiting).zip(&self.cursors[1..]) {
            *waiting = waiting.split_off(&sinks[*name].saved.min(*said));
        }
    }

    /// Back to anywhere: what is still there from then on it gets once more.
    fn rewind(&mut self, spool: &Spool, which: usize) -> Result<(), SpoolError> {
        let (name, database) = KEPT[which];
        let to = self.rng.random_range(0..=self.cursors[which + 1]);
        let reached = spool.rewind(name, to)?;
        // What memory alone still has may go at any moment.
        spool.shared().tail.release(spool.next_offset());
        let mut found = 0;
        spool.replay(reached, |group| {
            let rows = (group.first_row_offset()..).zip(&group.rows);
            let its = rows.filter(|(at, row)| *at >= reached && row.database == database);
            its.for_each(|(at, _)| found += usize::from(self.waiting[which].insert(at)));
        })?;
        self.coverage.rewound += found;
        self.cursors[which + 1] = spool.cursor(name).unwrap();
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
        let appended = std::mem::take(&mut self.in_flight);
        self.acknowledge(appended);
        Ok(())
    }

    fn acknowledge(&mut self, items: Vec<Item>) {
        for item in items {
            for ((_, database), waiting) in KEPT.iter().zip(&mut self.waiting) {
                if matches!(&item, Item::Row(row) if row.database == *database) {
                    waiting.insert(self.log.len() as u64);
                }
            }
            self.log.push(item);
        }
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
        self.acknowledge(more);
        assert_eq!(next, self.log.len() as u64, "an acknowledged record is gone");
        assert!(found.iter().all(|(at, item)| self.log[*at as usize] == *item), "a record has changed");
        let there: BTreeSet<u64> = found.iter().map(|(at, _)| *at).collect();
        for (at, item) in (0..).zip(&self.log) {
            let is_needed = at >= self.cursors[0] || self.waiting.iter().any(|waiting| waiting.contains(&at));
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
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STARTS).for_each(|_| world.live());
            world.coverage
        });
        match outcome {
            Ok(of_seed) => coverage.add(&of_seed),
            Err(panic) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    let Coverage { compacted, rewound, full, failed } = coverage;
    assert!(compacted > 200 && rewound > 200 && full > 20 && failed > 20, "{coverage:?} shows nothing");
}
