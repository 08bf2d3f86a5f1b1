//! The log between the shards and the sinks: small groups keep acknowledgements fast, large batches keep databases
//! fast, and what lies between them is on disk. Portions enter, durable groups leave in order; receipts settle on the
//! way.
//!
//! This header is the design document.
//!
//! # Interface
//! Append a group and get a position when it is durable; read on from a position; remember a consumer's position.
//! Nothing outside this folder knows that the log is a file, so that a shared log (NATS JetStream, Kafka) could stand
//! here. [`writer`] is the thread that gathers what waits into one append and settles receipts.
//!
//! # On disk
//! ```text
//! lock                                     held by the one process that has the spool open
//! segment-{first_offset}-{serial}.log      front (spool id, checkpoint), records, zeros see segment.rs, record.rs
//! cursor-{sink}                            two slots, written in turn                    see cursor.rs
//! history                                  one slot an opening                           see history.rs
//! quarantine/                              damaged segments, moved away                  see quarantine.rs
//! *.tmp                                    unfinished; thrown away at start
//! ```
//!
//! # Invariants
//! Offsets
//! - Every reading, snapshot, event and dead letter has an offset: dense, never reused, in the order of appending.
//! - Marks have none; they share their group's record, behind everything they speak of.
//!
//! Durability
//! - [`Appender::append`] returns after the sync that covers the group, and only then readers and receipts learn of it.
//! - A segment is written full of zeros ahead of time (`blank.rs` says why). It gets its name after its front is durable,
//!   which is after its predecessor is durable as a whole; the directory is synced after each name that comes or goes.
//! - Each segment repeats what a restart must know of the time before it (client marks, open faults: the checkpoint), so
//!   that older segments can go.
//! - A failed write or sync, but for want of room, stops the spool for good (fail-stop): a sync that failed is never tried again, receipts
//!   stay open, and senders send again after the restart.
//!
//! Recovery
//! - A record is visible whole or not at all. A torn tail, which only the newest segment can have, is cut.
//! - Broken bytes with an acknowledged record behind them are an error that names file, byte and remedy. Each record
//!   carries how far the segment was durable when it was written; that is what tells the two cases apart.
//! - Damage that every saved cursor has passed never stops a start: a broken or missing segment is replaced with what can
//!   be read of it, a broken record ends the replay of its segment, and both are said. Other damage stops it, until
//!   `genims log quarantine` (see quarantine.rs) has set it aside and said what is lost.
//! - What the page cache alone may hold after a crash of the process is written and synced again before anybody reads
//!   it.
//! - A spool that ends before a cursor is refused: offsets would be given twice.
//!
//! Lineage
//! - Each opening's epoch is durable before anything is appended, so that a copy that went on by itself is told apart.
//! - While a consumer remembers records that this log does not hold, nothing is appended; `genims log adopt` goes on.
//!
//! Space
//! - Of a segment that consumers need for their rows alone, because they are behind, those rows are kept and nothing else
//!   (see behind.rs). It does not count towards the cap, and goes when nobody waits for any of it.
//! - A segment goes when the durable cursor of every consumer that is not cut off is behind it and more than `retain_bytes` of consumed
//!   segments are kept; those rebuild the resend memory at start. None goes before the first append, by which time all
//!   sinks are registered.
//! - At `max_bytes`, or when the disk is full, appends block, say so, and go on by themselves. On a full disk nothing is
//!   retained: consumed segments go one by one until a new one fits. A full disk stops nothing, whichever file meets it.
//! - When the sinks have everything, an append never blocks at the cap.
//! - Everything in memory is bounded: the tail by `memory_bytes`, read-ahead, checkpoint and waiting receipts by constants.
//!
//! Reading
//! - Readers that keep up are served from memory, the others from disk, by offset, without gap or repetition.
//! - Nothing is shown that is not durable.

mod appender;
mod behind;
mod blank;
mod checkpoint;
mod codec;
mod commit;
mod consumers;
mod contract;
mod cursor;
mod disk;
mod error;
mod full;
mod handle;
mod history;
mod keeper;
mod metrics;
mod quarantine;
mod reader;
pub mod record;
mod recovery;
mod rewrite;
mod row_dead_letters;
mod segment;
mod shared;
mod tail;
mod wakeup;
pub mod writer;

#[cfg(test)]
mod compaction_simulation;
#[cfg(test)]
mod event_samples;
#[cfg(any(test, feature = "simulation"))]
mod fake_content;
#[cfg(any(test, feature = "simulation"))]
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "reached by the simulation of the whole walk"))]
mod fake_disk;
#[cfg(any(test, feature = "simulation"))]
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "reached by the simulation of the whole walk"))]
mod fake_errors;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(any(test, feature = "simulation"))]
pub mod simulated;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use appender::Appender;
pub use error::SpoolError;
pub use handle::Spool;
pub use metrics::SpoolMetrics;
pub use quarantine::{Lost, QuarantineReport, Quarantined, quarantine};
pub use reader::Reader;
pub use row_dead_letters::{Forwarded, RowDeadLetters};

use disk::{Disk, RealDisk};
use genims_model::event::FaultOpened;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::{Shared, Sizes};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The largest record, unless a single item is larger: bounds what one group holds up, and what a reader must hold.
const RECORD_BYTES_MAX: u64 = 4 << 20;
/// Below this a segment would be mostly front.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// A full-sized record takes at most this part of a segment, so that little is left unused at the segment's end.
const RECORDS_MIN: u64 = 8;
/// The cap holds at least this many segments: `segment_bytes` gives way to a small cap.
const SEGMENTS_MIN: u64 = 8;
/// At most this part of the cap is retained for the resend memory: `retain_bytes` gives way to a small cap.
const RETAIN_SHARE: u64 = 4;

/// How long a start waits for its predecessor, or that one's housekeeping thread, to let go of the directory.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// `[spool]` of the configuration. Sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpoolOptions {
    /// Not configured: it lies in the server's data folder.
    #[serde(skip, default = "directory")]
    pub directory: PathBuf,
    /// What all segments together may occupy; appends block there.
    pub max_bytes: u64,
    /// Records in one segment; at most an eighth of `max_bytes`.
    pub segment_bytes: u64,
    /// Groups kept in memory for the readers that keep up.
    pub memory_bytes: u64,
    /// Consumed segments kept to rebuild the resend memory at start; at most a quarter of `max_bytes`.
    pub retain_bytes: u64,
    /// False leaves durability to the operating system; for benches only, so the configuration cannot say it.
    #[serde(skip, default = "always")]
    pub fsync: bool,
}

fn always() -> bool {
    true
}

fn directory() -> PathBuf {
    PathBuf::from("data/spool")
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            directory: directory(),
            max_bytes: 8 << 30,
            segment_bytes: 64 << 20,
            memory_bytes: 64 << 20,
            retain_bytes: 192 << 20,
            fsync: true,
        }
    }
}

impl SpoolOptions {
    /// The smallest `max_bytes`: a few segments of the smallest size.
    pub const MAX_BYTES_MIN: u64 = SEGMENT_BYTES_MIN * SEGMENTS_MIN;

    /// Fits the smaller sizes to the cap, or says what is wrong; touches nothing, so `validate` can call it.
    pub fn check(&self) -> Result<(), SpoolError> {
        self.sizes().map(|_| ())
    }

    fn sizes(&self) -> Result<Sizes, SpoolError> {
        if self.max_bytes < Self::MAX_BYTES_MIN {
            let least = Self::MAX_BYTES_MIN;
            let text = format!("max_bytes is {}; give it at least {least}, usually gigabytes", self.max_bytes);
            return Err(SpoolError::Options(text));
        }
        let segment_bytes = self.segment_bytes.clamp(SEGMENT_BYTES_MIN, self.max_bytes / SEGMENTS_MIN);
        Ok(Sizes {
            segment_bytes,
            record_bytes_max: RECORD_BYTES_MAX.min(segment_bytes / RECORDS_MIN) as usize,
            max_bytes: self.max_bytes,
            memory_bytes: usize::try_from(self.memory_bytes).unwrap_or(usize::MAX),
            retain_bytes: self.retain_bytes.min(self.max_bytes / RETAIN_SHARE),
            fsync: self.fsync,
        })
    }
}

/// What an earlier run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// The highest durable sequence of each TCP client.
    pub marks: HashMap<String, u64>,
    pub open_faults: Vec<FaultOpened>,
    /// The oldest record still here; [`Spool::replay`] from it rebuilds the resend memory.
    pub first_offset: u64,
    pub next_offset: u64,
    /// Bytes of a torn tail that were cut: an append that no receipt was settled for.
    pub truncated_bytes: u64,
}

/// Opens the spool in `options.directory`, or makes one there. Blocks on the disk.
pub fn open(options: &SpoolOptions) -> Result<(Appender, Spool, Recovered), SpoolError> {
    let (appender, spool, recovered) = open_on(Arc::new(RealDisk), options)?;
    keeper::start(spool.shared()).map_err(|source| SpoolError::io("start a thread for", &options.directory, source))?;
    tracing::info!(
        spool = %spool.id(),
        first_offset = recovered.first_offset,
        next_offset = recovered.next_offset,
        truncated_bytes = recovered.truncated_bytes,
        "spool open"
    );
    Ok((appender, spool, recovered))
}

/// The same without the housekeeping thread, so that a test decides when its work is done.
fn open_on(disk: Arc<dyn Disk>, options: &SpoolOptions) -> Result<(Appender, Spool, Recovered), SpoolError> {
    let sizes = options.sizes()?;
    let directory = options.directory.as_path();
    disk.create_directory(directory).map_err(|source| SpoolError::io("create", directory, source))?;
    let lock = hold_lock(&*disk, directory)?;
    let found = recovery::recover(&*disk, directory, &sizes)?;
    let history = history::HistoryFile::open(&*disk, directory, found.id, found.next_offset)?;
    let recovered = Recovered {
        marks: found.checkpoint.marks(),
        open_faults: found.checkpoint.open_faults(),
        first_offset: found.segments.front().map_or(0, |segment| segment.first_offset),
        next_offset: found.next_offset,
        truncated_bytes: found.truncated_bytes,
    };
    let metrics = SpoolMetrics::default();
    SpoolMetrics::add(&metrics.truncated_bytes, found.truncated_bytes);
    let shared = Arc::new(Shared {
        disk,
        directory: directory.to_owned(),
        sizes,
        id: found.id,
        blank: Mutex::new(None),
        blanks: AtomicU64::new(0),
        bytes: AtomicU64::new(found.segments.iter().map(|segment| segment.file_bytes).sum()),
        compacted_bytes: AtomicU64::new(0),
        kept_bytes: AtomicU64::new(0),
        compacted_below: AtomicU64::new(0),
        segments: Mutex::new(found.segments),
        sinks: Mutex::new(found.sinks),
        history: Mutex::new(history),
        refusals: Mutex::default(),
        cursor_files: Mutex::new(found.cursor_files),
        tail: tail::Tail::new(sizes.memory_bytes),
        end: tokio::sync::watch::Sender::new(found.next_offset),
        full: Arc::default(),
        full_because: Mutex::default(),
        pressed: false.into(),
        directory_unsynced: false.into(),
        room: wakeup::Wakeup::default(),
        keeper: Arc::default(),
        commits: commit::CommitQueue::default(),
        metrics: Arc::new(metrics),
        failure: OnceLock::new(),
        closed: false.into(),
        appending: false.into(),
        _lock: lock,
    });
    let appender = Appender::new(shared.clone(), found.active, found.checkpoint, found.next_offset);
    Ok((appender, Spool::new(shared), recovered))
}

fn hold_lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn disk::Lock>, SpoolError> {
    let path = directory.join("lock");
    let limit = Instant::now() + LOCK_WAIT;
    loop {
        match disk.lock(&path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) if Instant::now() < limit => thread::sleep(LOCK_WAIT / 50),
            Ok(None) => return Err(SpoolError::Locked(directory.to_owned())),
            Err(source) => return Err(SpoolError::io("lock", &path, source)),
        }
    }
}
