//! The spool's writer thread. Portions of all shards enter over a bounded channel; everything that waits becomes one
//! append with one sync (group commit); then the receipts settle.
//!
//! - A receipt settles after the sync of everything that was in the channel before it, so the receipt of a resend never
//!   settles before the original is durable.
//! - The channel's end ends the thread, after a last append. An error ends it at once: receipts stay open, the channel
//!   is dropped, so shards notice; [`super::Spool::failure`] says why.

use super::{Appender, Spool, SpoolError};
use genims_model::{Portion, now_us};
use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel as bounded};

/// Portions waiting for the writer: some for each shard, so that shards work on while one sync runs.
const PORTIONS_MAX: usize = 256;
/// A group stops growing here: about the largest record, so that one append stays one record and its sync short.
const GROUP_RECORDS_MAX: usize = 50_000;
/// The same in bytes: dead letters are large. Above what one full group of readings takes.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// The least time between the beginnings of two syncs, unless a large group waits. Measured with 10,000 to 30,000 small
/// portions a second: without it 5,000 to 6,000 syncs a second take a quarter of a core more; with it the median
/// latency is 1.1 ms instead of 0.13 ms. A lone portion never waits.
const SYNC_INTERVAL: Duration = Duration::from_millis(1);
/// From here on a group pays for its sync at once.
const LARGE_GROUP_RECORDS: usize = 4_096;

/// The channel between the shards and the writer. Tokio's, because its blocking ends park at once: others yield some
/// times first, and a thread that yields beside busy databases gets its core back late (measured at 40,000 readings/s:
/// PUBACK p99 110 ms with `crossbeam::channel`).
pub fn channel() -> (Sender<Portion>, Receiver<Portion>) {
    bounded(PORTIONS_MAX)
}

/// Starts the thread. It ends when all senders are gone, or with an error.
pub fn start(appender: Appender, portions: Receiver<Portion>) -> io::Result<JoinHandle<Result<(), SpoolError>>> {
    let spool = appender.spool();
    let writer = Writer { appender, spool, portions, synced_at: None };
    thread::Builder::new().name("spool-writer".to_owned()).spawn(move || writer.run())
}

#[derive(Debug)]
struct Writer {
    appender: Appender,
    spool: Spool,
    portions: Receiver<Portion>,
    synced_at: Option<Instant>,
}

impl Writer {
    fn run(mut self) -> Result<(), SpoolError> {
        while let Some(mut gathered) = self.portions.blocking_recv() {
            self.gather(&mut gathered);
            self.synced_at = Some(Instant::now());
            store(&mut self.appender, &self.spool, gathered)?;
        }
        Ok(())
    }

    /// Adds what waits, up to the largest group; a small group first sleeps until the sync interval has passed.
    fn gather(&mut self, gathered: &mut Portion) {
        self.absorb_waiting(gathered);
        let due = self.synced_at.map(|synced_at| synced_at + SYNC_INTERVAL);
        let early = due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        if records(gathered) < LARGE_GROUP_RECORDS && !early.is_zero() {
            thread::sleep(early);
            self.absorb_waiting(gathered);
        }
    }

    fn absorb_waiting(&mut self, gathered: &mut Portion) {
        let mut bytes = gathered.bytes();
        while records(gathered) < GROUP_RECORDS_MAX
            && bytes < GROUP_BYTES_MAX
            && let Ok(portion) = self.portions.try_recv()
        {
            bytes += portion.bytes();
            gathered.absorb(portion);
        }
    }
}

/// One append, and what follows from it: the receipts settle once their records are durable.
pub fn store(appender: &mut Appender, spool: &Spool, mut gathered: Portion) -> Result<(), SpoolError> {
    let received_us = oldest_received_us(&gathered);
    let groups = appender.append(&mut gathered)?;
    if let Some(received_us) = received_us {
        let records = groups.iter().map(|group| group.len()).sum();
        let latency_us = now_us().saturating_sub(received_us).max(0).unsigned_abs();
        spool.metrics().became_durable(latency_us, records);
    }
    let end = appender.next_offset();
    for receipt in gathered.receipts {
        if receipt.waits_for_commit() {
            spool.settle_when_committed(end, receipt);
        } else {
            receipt.settle_part();
        }
    }
    Ok(())
}

fn records(portion: &Portion) -> usize {
    let analysed = portion.readings.len() + portion.snapshots.len() + portion.events.len();
    analysed + portion.dead_letters.len() + portion.rows.len()
}

fn oldest_received_us(portion: &Portion) -> Option<i64> {
    let readings = portion.readings.iter().map(|reading| reading.received_us);
    let snapshots = portion.snapshots.iter().map(|snapshot| snapshot.received_us);
    let dead_letters = portion.dead_letters.iter().map(|dead_letter| dead_letter.received_us);
    let rows = portion.rows.iter().map(|row| row.received_us);
    readings.chain(snapshots).chain(dead_letters).chain(rows).min()
}
