//! Reads the log in order from an offset: groups leave, each record once.
//!
//! - From memory while the reader keeps up, else from disk, whole records ahead, off the async threads. Both are asked
//!   by offset, offsets are dense, and a record has the same one in both: so no hand-over can lose or repeat any.
//! - Nothing is read that is not durable: the disk is read only below the durable end.
//! - Groups that hold marks alone are not shown.

use super::error::SpoolError;
use super::metrics::SpoolMetrics;
use super::record::Damage;
use super::segment::{Records, Segment};
use super::shared::Shared;
use super::tail;
use genims_model::Group;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// How much a lagging reader fetches at once, at least one record: large enough that the thread change is paid rarely,
/// small enough that a few readers cost no memory to speak of.
const READ_AHEAD_BYTES: usize = 4 << 20;

/// See the module's header. Independent of other readers; holds nothing back by itself, cursors do.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    end: watch::Receiver<u64>,
    /// The offset of the next record to hand out.
    position: u64,
    ahead: VecDeque<Arc<Group>>,
    place: Option<Place>,
}

/// Where the last fetch ended.
#[derive(Debug)]
struct Place {
    serial: u64,
    records: Records,
    byte: u64,
    /// The offset of the record at `byte`.
    offset: u64,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, from: u64) -> Self {
        let end = shared.end.subscribe();
        Self { shared, end, position: from, ahead: VecDeque::new(), place: None }
    }

    /// The offset of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next group, as soon as there is one. Its first offset is [`Reader::position`]. Cancel-safe. Fails with
    /// [`SpoolError::Closed`] or [`SpoolError::Stopped`] once such a spool is read to its end.
    pub async fn next(&mut self) -> Result<Arc<Group>, SpoolError> {
        loop {
            if let Some(group) = self.at_hand() {
                return Ok(group);
            }
            let end = *self.end.borrow_and_update();
            if self.position < end {
                let (shared, place, from) = (self.shared.clone(), self.place.take(), self.position);
                let fetching = tokio::task::spawn_blocking(move || fetch(&shared, place, from, end));
                // A fetch that panics or is cut off by the runtime's end has handed out nothing.
                let fetched = fetching.await.map_err(|_| SpoolError::Closed)?;
                self.take_ahead(fetched?);
                continue;
            }
            self.shared.check_running()?;
            // The sender lives in `shared`, which we hold.
            let _ = self.end.changed().await;
        }
    }

    /// The next group, if there is one by now; reads the disk on this thread when it must.
    pub fn try_next(&mut self) -> Result<Option<Arc<Group>>, SpoolError> {
        if let Some(group) = self.at_hand() {
            return Ok(Some(group));
        }
        let end = *self.end.borrow_and_update();
        if self.position < end {
            let fetched = fetch(&self.shared, self.place.take(), self.position, end)?;
            self.take_ahead(fetched);
            return Ok(self.at_hand());
        }
        self.shared.check_running()?;
        Ok(None)
    }

    fn at_hand(&mut self) -> Option<Arc<Group>> {
        let metrics = &self.shared.metrics;
        let group = if let Some(group) = self.ahead.pop_front() {
            SpoolMetrics::add(&metrics.groups_read_from_disk, 1);
            group
        } else {
            // The end first: the tail may hold groups whose publication is still under way.
            if self.position >= *self.end.borrow() {
                return None;
            }
            let group = tail::from_offset(self.shared.tail.find(self.position)?, self.position);
            SpoolMetrics::add(&metrics.groups_read_from_memory, 1);
            // What the disk showed lies behind now.
            self.place = None;
            group
        };
        self.position = group.next_offset();
        Some(group)
    }

    fn take_ahead(&mut self, (place, ahead): (Place, VecDeque<Arc<Group>>)) {
        self.place = Some(place);
        self.ahead = ahead;
    }
}

/// Reads records from disk: at least the one that holds `from`, then more until the read-ahead is full, the segment
/// ends, or `end` is reached.
fn fetch(
    shared: &Shared,
    place: Option<Place>,
    from: u64,
    end: u64,
) -> Result<(Place, VecDeque<Arc<Group>>), SpoolError> {
    let (segment, next_first) = shared.segment_at(from)?;
    let limit = next_first.unwrap_or(end).min(end);
    let mut place = match place {
        Some(mut place) if place.serial == segment.serial && place.offset <= from => {
            place.records.forget_window();
            place
        }
        _ => open(shared, &segment, from)?,
    };
    let mut ahead = VecDeque::new();
    let mut bytes = 0;
    while place.offset < limit && bytes < READ_AHEAD_BYTES {
        let header = checked(&segment, place.byte, place.records.header(place.byte))?;
        if header.first_offset != place.offset {
            let damage = Damage::Offset { expected: place.offset, found: header.first_offset };
            return Err(damaged(&segment, place.byte, &damage));
        }
        if header.next_offset() > from {
            let (group, _) = checked(&segment, place.byte, place.records.group(place.byte))?;
            if !group.is_empty() {
                bytes += group.bytes();
                ahead.push_back(tail::from_offset(Arc::new(group), from));
            }
        }
        place.byte += header.record_bytes();
        place.offset = header.next_offset();
    }
    Ok((place, ahead))
}

fn open(shared: &Shared, segment: &Segment, from: u64) -> Result<Place, SpoolError> {
    let opened = shared.disk.open(&segment.path).and_then(Records::new);
    let records = opened.map_err(|source| match source.kind() {
        // Removed since the index was asked.
        std::io::ErrorKind::NotFound => SpoolError::OffsetGone { requested: from, first: shared.first_offset() },
        _ => SpoolError::io("open", &segment.path, source),
    })?;
    Ok(Place { serial: segment.serial, records, byte: segment.data_position, offset: segment.first_offset })
}

fn checked<T>(segment: &Segment, byte: u64, found: std::io::Result<Result<T, Damage>>) -> Result<T, SpoolError> {
    found
        .map_err(|source| SpoolError::io("read", &segment.path, source))?
        .map_err(|damage| damaged(segment, byte, &damage))
}

fn damaged(segment: &Segment, position: u64, damage: &Damage) -> SpoolError {
    match damage {
        Damage::Newer { found, expected } => {
            SpoolError::Version { file: segment.path.clone(), found: *found, expected: *expected }
        }
        _ => SpoolError::Damaged { file: segment.path.clone(), position, detail: damage.to_string() },
    }
}
