//! Both logs behind one face: what the server does with a log beside what its consumers do.

use crate::contract::{Consumer, Log};
use crate::file::simulated::{self, FakeDisk};
use crate::file::{Appender, Spool, SpoolOptions};
use crate::memory::MemoryLog;
use genims_model::{Cause, Group, Portion};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use uuid::Uuid;

pub(super) trait Subject: Send + Sync + Sized {
    type Log: Log;
    /// Its cap: room for forty groups of forty events, not for four hundred.
    const BYTES_MAX: u64;

    /// An empty log.
    fn new() -> Self;
    fn log(&self) -> &Self::Log;
    /// Waits while nothing may be appended.
    fn append(&self, portion: Portion);
    /// Whether an append waits.
    fn is_blocked(&self) -> bool;
    fn register(&self, consumer: &Consumer) -> Result<u64, Cause>;
    /// Whether no more rows should be taken for the consumer's database.
    fn is_full_for(&self, consumer: &str) -> bool;
    /// Housekeeping.
    fn maintain(&self);
    /// Its process ends in order, and the next one opens it.
    fn reopened(self) -> Self;
    /// As a restored copy is opened beside the original.
    fn copied(&self) -> Self;
}

/// The log as files, on a disk in memory.
pub(super) struct OnFile {
    disk: FakeDisk,
    spool: Spool,
    appender: Mutex<Appender>,
}

impl OnFile {
    fn open(disk: FakeDisk) -> Self {
        let options = SpoolOptions {
            directory: "/spool".into(),
            max_bytes: Self::BYTES_MAX,
            segment_bytes: 16 << 10,
            // Little: readers that lag read the disk.
            memory_bytes: 1,
            retain_bytes: 0,
            fsync: true,
        };
        let (appender, spool, _) = simulated::open(&disk, &options).unwrap();
        Self { disk, spool, appender: Mutex::new(appender) }
    }
}

impl Subject for OnFile {
    type Log = Spool;
    const BYTES_MAX: u64 = 256 << 10;

    fn new() -> Self {
        Self::open(FakeDisk::new(1))
    }

    fn log(&self) -> &Spool {
        &self.spool
    }

    fn append(&self, mut portion: Portion) {
        self.appender.lock().append(&mut portion).unwrap();
    }

    fn is_blocked(&self) -> bool {
        self.spool.full_flag().load(Ordering::Acquire) && self.appender.is_locked()
    }

    fn register(&self, consumer: &Consumer) -> Result<u64, Cause> {
        Ok(self.spool.register(consumer)?)
    }

    fn is_full_for(&self, consumer: &str) -> bool {
        self.spool.is_full_for(consumer)
    }

    fn maintain(&self) {
        simulated::maintain(&self.spool).unwrap();
    }

    fn reopened(self) -> Self {
        self.spool.close().unwrap();
        let Self { disk, spool, appender } = self;
        drop((spool, appender));
        Self::open(disk)
    }

    fn copied(&self) -> Self {
        let disk = FakeDisk::new(2);
        disk.restore(&self.disk.copy());
        Self::open(disk)
    }
}

/// The log in memory.
pub(super) struct InMemory(Arc<MemoryLog>);

impl Subject for InMemory {
    type Log = Arc<MemoryLog>;
    const BYTES_MAX: u64 = 1 << 20;

    fn new() -> Self {
        Self(MemoryLog::bounded(Uuid::new_v4(), Self::BYTES_MAX))
    }

    fn log(&self) -> &Arc<MemoryLog> {
        &self.0
    }

    fn append(&self, portion: Portion) {
        let Portion { readings, snapshots, events, dead_letters, rows, marks, .. } = portion;
        self.0.append(Group { readings, snapshots, events, dead_letters, rows, marks, ..Group::default() });
    }

    fn is_blocked(&self) -> bool {
        self.0.is_blocked()
    }

    fn register(&self, consumer: &Consumer) -> Result<u64, Cause> {
        Ok(self.0.register(consumer))
    }

    fn is_full_for(&self, consumer: &str) -> bool {
        self.0.is_full_for(consumer)
    }

    fn maintain(&self) {
        self.0.maintain();
    }

    fn reopened(self) -> Self {
        self.copied()
    }

    fn copied(&self) -> Self {
        Self(self.0.copy())
    }
}
