//! The log as a whole, on the real file system where damage and threads are concerned.

mod compacting;
mod consumers;
mod disk_full;
mod flow;
mod golden;
mod io_errors;
mod quarantine;
mod record;
mod recovery;
mod space;
mod versions;

use super::fake_disk::FakeDisk;
use super::{Reader, Recovered, Spool, SpoolError, SpoolOptions, open, open_on, samples, writer};
use crate::contract::Consumer;
use genims_model::{Group, Mark, Portion, Receipt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::Notify;

fn options(directory: &TempDir) -> SpoolOptions {
    SpoolOptions {
        directory: directory.path().join("spool"),
        max_bytes: 1 << 20,
        segment_bytes: 32 << 10,
        memory_bytes: 1 << 20,
        retain_bytes: 0,
        fsync: true,
    }
}

fn portion(readings: usize, salt: u64) -> Portion {
    samples::portion(readings, 0, 0, salt)
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    found.sort();
    found
}

fn readings_in(spool: &Spool, from: u64) -> Vec<u32> {
    let mut sensors = Vec::new();
    spool.replay(from, |group| sensors.extend(group.readings.iter().map(|reading| reading.sensor.0))).unwrap();
    sensors
}

/// Waits until `done` holds; a bound, because a test that hangs says nothing.
fn eventually(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < limit, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
