//! For tests: a door with two shards behind it, whose "spool" does what the test says.

pub(super) mod authority;
pub(super) mod broker;
pub(super) mod heard;

use genims_catalogue::{Catalogue, Directory, Limits, Sensor};
use genims_model::{Account, Accounts, Chunk, DeadLetter, Event, Mark, RawReading, RecordOutcome};
use genims_pipeline::intake::{Intake, WhenFull};
use genims_pipeline::queue::ShardQueue;
use genims_rows::{Dialect, Gate, Tables};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the shards' threads do with chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// Take and settle at once.
    Settle,
    /// Take, but settle only when the mode changes.
    Hold,
    /// Take nothing: the queues fill up.
    Stop,
    /// Refuse, as a full spool does.
    Refuse,
}

const MODES: [Mode; 4] = [Mode::Settle, Mode::Hold, Mode::Stop, Mode::Refuse];

#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) readings: Vec<RawReading>,
    pub(super) dead_letters: Vec<DeadLetter>,
    pub(super) events: Vec<Event>,
    pub(super) marks: Vec<Mark>,
    pub(super) chunks: usize,
}

pub(super) struct Plant {
    pub(super) intake: Arc<Intake>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) directory: Arc<Directory>,
    /// Open for rows of the database `db`.
    pub(super) rows: Arc<Gate>,
    pub(super) taken: Arc<Mutex<Taken>>,
    mode: Arc<AtomicU8>,
    /// The mode that each shard works in.
    seen: Vec<Arc<AtomicU8>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) fn sensor(id: &str, machine: &str) -> Sensor {
    Sensor {
        sensor_id: id.to_owned(),
        machine_id: machine.to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: None,
        sensor_type: None,
        limits: Limits::default(),
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    }
}

impl Plant {
    /// Sensors `S0` to `S9`, even ones on the first shard, odd ones on the second.
    pub(super) fn new(records_max: usize) -> Self {
        let mut catalogue = Catalogue::default();
        for no in 0..10 {
            catalogue.put_sensor(sensor(&format!("S{no}"), &format!("M{}", no % 2)));
        }
        let directory = Arc::new(Directory::new(catalogue));
        let shards: Vec<_> = (0..2).map(|_| Arc::new(ShardQueue::new(records_max, usize::MAX))).collect();
        let accounts = Arc::new(Accounts::new(["trial".to_owned()]));
        let full = Arc::new(AtomicBool::new(false));
        let mut rows = Gate::new(Tables::default());
        rows.open("db", Dialect::Postgres, [].into());
        let rows = Arc::new(rows);
        let intake = Intake::new(directory.clone(), shards.clone(), accounts.clone(), None, WhenFull::Block, full);
        let intake = Arc::new(intake.with_rows(Some(rows.clone())));
        let (taken, mode, over) = (Arc::default(), Arc::new(AtomicU8::new(0)), Arc::new(AtomicBool::new(false)));
        let seen: Vec<_> = shards.iter().map(|_| Arc::new(AtomicU8::new(0))).collect();
        let threads = shards
            .into_iter()
            .zip(seen.clone())
            .map(|(queue, seen)| {
                let (taken, mode, over, accounts) =
                    (Arc::clone(&taken), Arc::clone(&mode), Arc::clone(&over), accounts.clone());
                std::thread::spawn(move || shard(&queue, &taken, (&mode, &seen), &over, &accounts))
            })
            .collect();
        Self { intake, accounts, directory, rows, taken, mode, seen, over, threads }
    }

    /// Returns when all shards work in the new mode.
    pub(super) fn set(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::SeqCst);
        while self.seen.iter().any(|seen| seen.load(Ordering::SeqCst) != mode as u8) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn account(&self) -> Account {
        self.accounts.total()
    }

    /// Waits until the account looks as wished; panics with it after ten seconds.
    pub(super) async fn until(&self, wish: impl Fn(&Account, &Taken) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            {
                let taken = self.taken.lock();
                if wish(&self.account(), &taken) {
                    return;
                }
                assert!(Instant::now() < deadline, "not reached: {:?}, chunks {}", self.account(), taken.chunks);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn shard(
    queue: &ShardQueue,
    taken: &Mutex<Taken>,
    (mode, seen): (&AtomicU8, &AtomicU8),
    over: &AtomicBool,
    accounts: &Accounts,
) {
    let mut held: Vec<(Chunk, usize)> = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let now = MODES[usize::from(mode.load(Ordering::SeqCst))];
        if now != Mode::Hold {
            held.drain(..).for_each(|(chunk, records)| end(&chunk, records, now, accounts));
        }
        seen.store(now as u8, Ordering::SeqCst);
        if now == Mode::Stop {
            std::thread::sleep(Duration::from_millis(2));
            continue;
        }
        let Some(mut chunk) = queue.pop_wait(Duration::from_millis(2)) else { continue };
        let records = chunk.records();
        {
            let mut taken = taken.lock();
            taken.chunks += 1;
            taken.readings.append(&mut chunk.readings);
            taken.dead_letters.append(&mut chunk.dead_letters);
            taken.events.append(&mut chunk.events);
            taken.marks.append(&mut chunk.marks);
        }
        match now {
            Mode::Hold => held.push((chunk, records)),
            _ => end(&chunk, records, now, accounts),
        }
    }
}

fn end(chunk: &Chunk, records: usize, mode: Mode, accounts: &Accounts) {
    let refused = mode == Mode::Refuse;
    let outcome = if refused { RecordOutcome::Dropped } else { RecordOutcome::Committed };
    accounts.finished(chunk.source, outcome, records as u64);
    if refused {
        chunk.receipt.refuse_part();
    } else {
        chunk.receipt.settle_part();
    }
}
