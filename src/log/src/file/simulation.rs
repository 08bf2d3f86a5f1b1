//! Seeded simulation: random appends, cursors, housekeeping, failing syncs, EIO and crashes at random operations, on a disk
//! that loses, tears and reorders what was not synced. After every start:
//!
//! - every record whose append returned is there, unchanged, at its offset; so is everything an earlier start showed;
//! - behind it stands nothing but a front part of the one append that was under way;
//! - marks are those acknowledged, or with those of the append under way: the highest of each client since it last counted
//!   anew; cursors are between what was saved and what was said;
//! - nothing that a sink still needs is gone.

use super::fake_disk::FakeDisk;
use super::fake_errors::Call;
use super::{Appender, Recovered, Spool, SpoolError, SpoolOptions, open_on, samples};
use crate::contract::Consumer;
use genims_model::{DeadLetter, Event, Group, Mark, Portion, Reading, Row, Snapshot};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::sync::Arc;

const SEEDS: u64 = 60;
const STARTS: usize = 25;
const SINK: &str = "postgres";

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Reading(Reading),
    Snapshot(Box<Snapshot>),
    Event(Box<Event>),
    DeadLetter(Box<DeadLetter>),
    Row(Box<Row>),
}

fn items(group: &Group) -> Vec<Item> {
    let readings = group.readings.iter().copied().map(Item::Reading);
    let snapshots = group.snapshots.iter().cloned().map(|item| Item::Snapshot(Box::new(item)));
    let events = group.events.iter().cloned().map(|item| Item::Event(Box::new(item)));
    let dead_letters = group.dead_letters.iter().cloned().map(|item| Item::DeadLetter(Box::new(item)));
    let rows = group.rows.iter().cloned().map(|item| Item::Row(Box::new(item)));
    readings.chain(snapshots).chain(events).chain(dead_letters).chain(rows).collect()
}

/// What must be true, as far as the outside was told.
#[derive(Default)]
struct Truth {
    /// By offset, from the first record ever.
    log: Vec<Item>,
    marks: HashMap<String, u64>,
    /// The append that was under way when the process died.
    in_flight: Vec<Item>,
    marks_in_flight: Vec<Mark>,
    cursor_said: u64,
    cursor_durable: u64,
}

/// 0 takes back what was marked before.
fn apply(marks: &mut HashMap<String, u64>, mark: Mark) {
    let known = marks.entry(mark.client).or_default();
    *known = if mark.sequence == 0 { 0 } else { mark.sequence.max(*known) };
}

struct World {
    rng: ChaCha8Rng,
    disk: FakeDisk,
    options: SpoolOptions,
    truth: Truth,
    salt: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let options = SpoolOptions {
            directory: "/spool".into(),
            max_bytes: 64 << 20,
            segment_bytes: rng.random_range(4_096..20_000),
            memory_bytes: rng.random_range(0..20_000),
            retain_bytes: rng.random_range(0..40_000),
            fsync: true,
        };
        Self { rng, disk: FakeDisk::new(seed), options, truth: Truth::default(), salt: 1 }
    }

    fn live(&mut self) {
        if self.rng.random_bool(0.3) {
            self.disk.crash_in(self.rng.random_range(0..12));
        }
        if self.rng.random_bool(0.2) {
            self.fail_calls(0.1);
        }
        match open_on(Arc::new(self.disk.clone()), &self.options) {
            Ok((appender, spool, recovered)) => {
                self.disk.crash_in(u64::MAX);
                Call::ALL.into_iter().for_each(|call| self.disk.fail_calls(call, 0.0));
                self.check(&spool, &recovered);
                if self.rng.random_bool(0.8) {
                    self.disk.crash_in(self.rng.random_range(0..120));
                }
                // An error is the crash or the failed sync that was asked for; `check` judges what it left.
                let _ = self.work(appender, &spool);
            }
            Err(error) => assert!(self.disk.is_failing(), "a crash left a spool that does not open: {error}"),
        }
        if self.rng.random_bool(0.5) {
            self.disk.cut_power();
        } else {
            self.disk.kill_process();
        }
    }

    fn fail_calls(&mut self, probability: f64) {
        let call = Call::ALL[self.rng.random_range(0..Call::ALL.len())];
        self.disk.fail_calls(call, probability);
    }

    fn check(&mut self, spool: &Spool, recovered: &Recovered) {
        let truth = &mut self.truth;
        let mut found = Vec::new();
        let mut next = recovered.first_offset;
        spool
            .replay(recovered.first_offset, |group| {
                assert_eq!(group.first_offset, next, "offsets are dense");
                next = group.next_offset();
                found.extend(items(group));
            })
            .unwrap();
        assert_eq!(next, recovered.next_offset);
        let acknowledged = &truth.log[recovered.first_offset as usize..];
        assert!(found.len() >= acknowledged.len(), "an acknowledged record is gone");
        let (kept, more) = found.split_at(acknowledged.len());
        assert!(kept == acknowledged, "an acknowledged record has changed");
        assert!(truth.in_flight.starts_with(more), "records that nobody appended");
        truth.log.extend_from_slice(more);
        truth.in_flight.clear();
        let mut with_in_flight = truth.marks.clone();
        truth.marks_in_flight.drain(..).for_each(|mark| apply(&mut with_in_flight, mark));
        for (client, sequence) in with_in_flight {
            let found = recovered.marks.get(&client).copied();
            let acknowledged = truth.marks.get(&client).copied();
            assert!(found == acknowledged || found == Some(sequence), "{client}: {found:?} is not {acknowledged:?}");
            // What a start has shown stays.
            truth.marks.extend(found.map(|found| (client, found)));
        }
        let cursor = spool.cursor(SINK).unwrap_or(0);
        assert!((truth.cursor_durable..=truth.cursor_said).contains(&cursor));
        assert!(recovered.first_offset <= cursor, "a record that the sink has not taken is gone");
        truth.cursor_said = cursor;
        truth.cursor_durable = cursor;
    }

    fn work(&mut self, mut appender: Appender, spool: &Spool) -> Result<(), SpoolError> {
        let cursor = spool.register(&Consumer::hold(SINK))?;
        let mut reader = spool.reader(cursor)?;
        for _ in 0..self.rng.random_range(0..40) {
            match self.rng.random_range(0..10) {
                0..=5 => self.append(&mut appender)?,
                6 | 7 => {
                    while let Some(group) = reader.try_next()? {
                        let from = group.first_offset as usize;
                        assert!(items(&group) == self.truth.log[from..group.next_offset() as usize]);
                        if self.rng.random_bool(0.3) {
                            break;
                        }
                    }
                    spool.save_cursor(SINK, reader.position())?;
                    self.truth.cursor_said = reader.position();
                }
                8 => {
                    spool.maintain()?;
                    self.truth.cursor_durable = self.truth.cursor_said;
                }
                _ if self.rng.random_bool(0.05) => self.disk.fail_syncs(true),
                _ if self.rng.random_bool(0.1) => self.fail_calls(0.3),
                _ => {}
            }
        }
        Ok(())
    }

    fn append(&mut self, appender: &mut Appender) -> Result<(), SpoolError> {
        let (readings, others, marks) = match self.rng.random_range(0..10) {
            0 | 1 => (self.rng.random_range(0..200), 3, 1),
            2 => (0, 0, 1),
            3 => (1, 0, 0),
            _ => (self.rng.random_range(0..20), self.rng.random_range(0..2), 1),
        };
        self.salt += 1_000;
        let mut portion: Portion = samples::portion(readings, others, marks, self.salt);
        let whole = samples::group_of(&portion, 0);
        self.truth.in_flight = items(&whole);
        self.truth.marks_in_flight.clone_from(&whole.marks);
        let groups = appender.append(&mut portion)?;
        let stored: Vec<Item> = groups.iter().flat_map(|group| items(group)).collect();
        assert!(stored == self.truth.in_flight, "an append stores what it was given");
        assert!(groups.first().is_none_or(|group| group.first_offset == self.truth.log.len() as u64));
        self.truth.log.append(&mut self.truth.in_flight);
        let Truth { marks, marks_in_flight, .. } = &mut self.truth;
        marks_in_flight.drain(..).for_each(|mark| apply(marks, mark));
        Ok(())
    }
}

#[test]
fn nothing_acknowledged_is_ever_lost_or_changed_by_crashes() {
    let mut starts_with_records = 0;
    for seed in 0..SEEDS {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..STARTS {
                world.live();
            }
            world.truth.log.len()
        });
        match outcome {
            Ok(records) => starts_with_records += usize::from(records > 0),
            Err(panic) => {
                eprintln!("seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(starts_with_records > SEEDS as usize / 2, "the simulation must really append");
}
