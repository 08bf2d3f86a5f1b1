//! The one writer of the log: portions enter, durable groups leave.
//!
//! - An append returns only after the sync that covers all it wrote; readers see its groups only then.
//! - One sync per append, and one more for each segment boundary it crosses: a segment is durable as a whole before its
//!   successor exists.
//! - Any failure but a full disk and a want of file handles stops the spool for good. A failed sync is never tried again: the kernel may have marked
//!   the lost pages clean.
//! - A full disk is waited out, wherever it shows: at a segment's making, at a write, or late, at a sync (btrfs). What was
//!   not synced by then is written anew, from memory, to a new segment; the old one is read only up to the new one's
//!   first offset.

use super::checkpoint::Checkpoint;
use super::disk::DiskFile;
use super::error::{SpoolError, is_disk_full};
use super::full::Full;
use super::handle::Spool;
use super::metrics::SpoolMetrics;
use super::record::{self, Counts};
use super::segment::{self, Identity};
use super::shared::Shared;
use genims_model::{Group, Mark, Portion};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often a blocked append looks again whether it may go on or the spool was closed.
const FULL_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// See the module's header. There is one per spool.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    active: Active,
    /// What the durable records say: a segment's front must not speak of a record that a power cut could still take.
    checkpoint: Checkpoint,
    next_offset: u64,
    buffer: Vec<u8>,
    /// What the present append has written since the last sync.
    unsynced: Vec<Arc<Group>>,
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) file: Box<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) serial: u64,
    /// Where the next record goes.
    pub(super) position: u64,
    /// Everything below is durable.
    pub(super) synced: u64,
    /// The file's length.
    pub(super) capacity: u64,
}

impl Appender {
    pub(super) fn new(shared: Arc<Shared>, active: Active, checkpoint: Checkpoint, next_offset: u64) -> Self {
        Self { shared, active, checkpoint, next_offset, buffer: Vec::new(), unsynced: Vec::new() }
    }

    /// The handle for readers and sinks.
    pub fn spool(&self) -> Spool {
        Spool::new(self.shared.clone())
    }

    /// The offset that the next record gets.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Takes the records and marks out of `portion`, gives them offsets and makes them durable. Receipts stay. Usually
    /// one group, more when the portion exceeds the largest record, none when there was nothing to store.
    ///
    /// Blocks while the spool is at its cap or the disk is full; [`Spool::close`] ends the wait with
    /// [`SpoolError::Closed`]. After an error the portion's receipts must not be settled.
    pub fn append(&mut self, portion: &mut Portion) -> Result<Vec<Arc<Group>>, SpoolError> {
        self.append_in_records(portion, self.record_bytes_max())
    }

    /// As [`Self::append`], in one group however large it becomes: after any end all of it is there, or nothing.
    pub fn append_whole(&mut self, portion: &mut Portion) -> Result<Vec<Arc<Group>>, SpoolError> {
        self.append_in_records(portion, usize::MAX)
    }

    /// What one group of [`Self::append`] takes.
    pub fn record_bytes_max(&self) -> usize {
        self.shared.sizes.record_bytes_max
    }

    fn append_in_records(&mut self, portion: &mut Portion, bytes_max: usize) -> Result<Vec<Arc<Group>>, SpoolError> {
        self.shared.check_running()?;
        self.shared.appending.store(true, Ordering::Release);
        self.wait_while_refused()?;
        match self.write_durably(portion, bytes_max) {
            Ok(groups) => {
                self.publish(&groups);
                Ok(groups)
            }
            Err(error) => {
                // Records may be written that were never published: the order of offsets ends here, until a restart.
                self.shared.stop(&error);
                Err(error)
            }
        }
    }

    /// Makes marks durable that come without records. Unlike an append it begins no housekeeping: a command, which registers no
    /// consumers, takes no segment away.
    pub fn append_marks(&mut self, marks: Vec<Mark>) -> Result<(), SpoolError> {
        self.shared.check_running()?;
        let bytes_max = self.record_bytes_max();
        let written = self.write_durably(&mut Portion { marks, ..Portion::default() }, bytes_max);
        written.map(|_| ()).inspect_err(|error| self.shared.stop(error))
    }

    fn write_durably(&mut self, portion: &mut Portion, bytes_max: usize) -> Result<Vec<Arc<Group>>, SpoolError> {
        let mut groups = Vec::new();
        loop {
            let counts = record::encode(&*portion, self.next_offset, self.active.synced, bytes_max, &mut self.buffer)?;
            if counts == Counts::default() {
                break;
            }
            if self.active.position + self.buffer.len() as u64 > self.active.capacity {
                self.rotate()?;
                // The record names the durable end of its own segment, which is now another one.
                continue;
            }
            match self.write_buffer() {
                Err(error) if error.is_disk_full() => {
                    self.relocate()?;
                    continue;
                }
                written => written?,
            }
            let group = Arc::new(take(portion, &counts, self.next_offset));
            self.next_offset = group.next_offset();
            self.unsynced.push(group.clone());
            groups.push(group);
        }
        self.sync()?;
        Ok(groups)
    }

    fn write_buffer(&mut self) -> Result<(), SpoolError> {
        self.active
            .file
            .write_all_at(&self.buffer, self.active.position)
            .map_err(|source| SpoolError::io("write", &self.active.path, source))?;
        self.active.position += self.buffer.len() as u64;
        SpoolMetrics::add(&self.shared.metrics.bytes_appended, self.buffer.len() as u64);
        Ok(())
    }

    /// Makes what was written durable, where it stands or, when the disk turns out to be full, in a new segment.
    fn sync(&mut self) -> Result<(), SpoolError> {
        match self.sync_active() {
            Err(error) if error.is_disk_full() => self.relocate()?,
            synced => synced?,
        }
        self.unsynced.drain(..).for_each(|group| self.checkpoint.apply(&group));
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), SpoolError> {
        if self.active.synced == self.active.position {
            return Ok(());
        }
        if self.shared.sizes.fsync {
            let started = Instant::now();
            self.active.file.sync_data().map_err(|source| SpoolError::io("sync", &self.active.path, source))?;
            self.shared.metrics.synced(started.elapsed().as_micros() as u64);
        }
        self.active.synced = self.active.position;
        Ok(())
    }

    /// The disk is full and what was not synced may be lost: waits for room, then writes it to a new segment.
    fn relocate(&mut self) -> Result<(), SpoolError> {
        let first_offset = self.unsynced.first().map_or(self.next_offset, |group| group.first_offset);
        let bytes = (self.active.position - self.active.synced) + 2 * self.shared.sizes.record_bytes_max as u64;
        loop {
            self.begin_segment(first_offset, bytes)?;
            match self.write_again() {
                Err(error) if error.is_disk_full() => {
                    self.give_up_segment()?;
                    self.shared.pressed.store(true, Ordering::Release);
                    self.report_full(Full::Disk);
                    self.wait_for_room()?;
                }
                written => {
                    written?;
                    self.unsynced.drain(..).for_each(|group| self.checkpoint.apply(&group));
                    return Ok(());
                }
            }
        }
    }

    fn write_again(&mut self) -> Result<(), SpoolError> {
        for index in 0..self.unsynced.len() {
            let group = self.unsynced[index].clone();
            record::encode(&*group, group.first_offset, self.active.synced, usize::MAX, &mut self.buffer)?;
            self.write_buffer()?;
        }
        self.sync_active()
    }

    /// Removes the newest segment, which holds nothing that was published; the next one takes its serial.
    fn give_up_segment(&mut self) -> Result<(), SpoolError> {
        let shared = &self.shared;
        match shared.disk.remove(&self.active.path) {
            // Without room to remove it, its successor overwrites the name.
            Err(source) if !is_disk_full(&source) => return Err(SpoolError::io("remove", &self.active.path, source)),
            _ => {}
        }
        if let Some(segment) = shared.segments.lock().pop_back() {
            shared.bytes.fetch_sub(segment.file_bytes, Ordering::AcqRel);
        }
        self.active.serial -= 1;
        self.active.capacity = 0;
        Ok(())
    }

    /// The groups begin where the log ended: an offset that is given twice names two records for ever.
    fn publish(&self, groups: &[Arc<Group>]) {
        let metrics = &self.shared.metrics;
        let mut end = self.shared.next_offset();
        for group in groups {
            assert_eq!(group.first_offset, end, "an append does not go on where the log ended");
            end = group.next_offset();
            SpoolMetrics::add(&metrics.groups_appended, 1);
            SpoolMetrics::add(&metrics.records_appended, group.len());
            if !group.is_empty() {
                self.shared.tail.push(group.clone());
            }
        }
        assert_eq!(end, self.next_offset, "the next append would not go on where this one ends");
        // Readers wake for records only; marks alone do not move the end.
        self.shared.end.send_if_modified(|known| std::mem::replace(known, end) != end);
    }

    /// Goes on in a new segment with room for the record in `buffer`.
    fn rotate(&mut self) -> Result<(), SpoolError> {
        self.sync()?;
        self.begin_segment(self.next_offset, self.buffer.len() as u64)
    }

    /// Makes a segment with room for `bytes`, however long there is none.
    fn begin_segment(&mut self, first_offset: u64, bytes: u64) -> Result<(), SpoolError> {
        let checkpoint = self.checkpoint.encode()?;
        let data_bytes = self.shared.sizes.segment_bytes.max(bytes);
        let file_bytes = segment::file_bytes(&checkpoint, data_bytes);
        let mut was_full = None;
        loop {
            let full = match self.has_room(file_bytes, was_full.is_some()) {
                true => match self.create(first_offset, &checkpoint, bytes, data_bytes) {
                    Ok(()) => break,
                    Err(error) if error.is_disk_full() => Full::Disk,
                    Err(error) if error.is_out_of_handles() => Full::Handles,
                    Err(error) => return Err(error),
                },
                false => Full::Cap,
            };
            if full == Full::Disk && self.shared.make_room() {
                continue;
            }
            if was_full.replace(full) != Some(full) {
                self.report_full(full);
            }
            // A refusal that ended meanwhile has cleared it.
            self.shared.full.store(true, Ordering::Release);
            self.wait_for_room()?;
            // A consumer may have been refused meanwhile.
            self.wait_while_refused()?;
        }
        self.shared.pressed.store(false, Ordering::Release);
        *self.shared.full_because.lock() = None;
        if self.shared.full.swap(false, Ordering::AcqRel) {
            tracing::info!(bytes = self.shared.bytes.load(Ordering::Relaxed), "the spool has room again");
        }
        Ok(())
    }

    /// Once full, an eighth of the cap must be free before writing goes on, so that the door does not flutter. When the
    /// sinks have everything there is nothing to wait for: what is left is retained segments, whatever their size.
    fn has_room(&self, file_bytes: u64, was_full: bool) -> bool {
        let shared = &self.shared;
        let headroom = if was_full { shared.sizes.max_bytes / 8 } else { 0 };
        let fits = || shared.counted_bytes() + file_bytes + headroom <= shared.sizes.max_bytes;
        if !fits() {
            shared.judge_backlogs();
        }
        while !fits() && shared.can_free() && matches!(shared.maintain_once(), Ok(true)) {}
        // A failure that matters has stopped the spool. Without room for a cursor or a compacted segment it goes on as if there
        // were nothing to free: a disk that is full for the next segment, too, will be found so.
        shared.failure.get().is_none() && (fits() || shared.is_drained())
    }

    fn create(&mut self, first_offset: u64, checkpoint: &[u8], bytes: u64, data_bytes: u64) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let identity = Identity { spool: shared.id, serial: self.active.serial + 1, first_offset };
        let blank = shared.take_blank(segment::file_bytes(checkpoint, bytes));
        let counted = blank.as_ref().map_or(0, |blank| blank.bytes);
        let unfinished =
            blank.as_ref().map_or_else(|| shared.directory.join(segment::UNFINISHED), |blank| blank.path.clone());
        let created = segment::create(&*shared.disk, &shared.directory, identity, checkpoint, data_bytes, blank);
        let (file, segment) = match created {
            Ok(created) => created,
            Err(error) => {
                // Best effort: the unfinished file's room may be what somebody needs; a restart removes it anyway.
                let _ = shared.disk.remove(&unfinished);
                shared.bytes.fetch_sub(counted, Ordering::AcqRel);
                return Err(error);
            }
        };
        self.active = Active::new(file, &segment, segment.data_position);
        shared.bytes.fetch_add(segment.file_bytes - counted, Ordering::AcqRel);
        shared.segments.lock().push_back(segment);
        SpoolMetrics::add(&shared.metrics.segments_created, 1);
        shared.keeper.notify();
        Ok(())
    }

    fn report_full(&self, full: Full) {
        // The cause first: who sees the flag asks for it.
        *self.shared.full_because.lock() = Some(full);
        self.shared.full.store(true, Ordering::Release);
        SpoolMetrics::add(&self.shared.metrics.full_episodes, 1);
        let bytes = self.shared.bytes.load(Ordering::Relaxed);
        let waiting_for = self.shared.slowest_sink().unwrap_or_default();
        full.report(&self.shared.directory, (bytes, self.shared.sizes.max_bytes), &waiting_for);
    }

    /// What is appended while a consumer is refused would take offsets that it knows already, and be held for a database that
    /// cannot take it.
    fn wait_while_refused(&self) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let is_refused = || !shared.refusals.lock().is_empty();
        if !is_refused() {
            return Ok(());
        }
        shared.full.store(true, Ordering::Release);
        while is_refused() {
            self.wait_for_room()?;
        }
        shared.full.store(false, Ordering::Release);
        Ok(())
    }

    fn wait_for_room(&self) -> Result<(), SpoolError> {
        let shared = &self.shared;
        shared.disk.wait(&mut || shared.room.wait(FULL_POLL_INTERVAL));
        shared.check_running()
    }
}

/// Moves the encoded front of `portion` into a group.
fn take(portion: &mut Portion, counts: &Counts, first_offset: u64) -> Group {
    Group {
        first_offset,
        readings: take_front(&mut portion.readings, counts.readings),
        snapshots: take_front(&mut portion.snapshots, counts.snapshots),
        events: take_front(&mut portion.events, counts.events),
        dead_letters: take_front(&mut portion.dead_letters, counts.dead_letters),
        rows: take_front(&mut portion.rows, counts.rows),
        marks: take_front(&mut portion.marks, counts.marks),
        skipped: 0,
    }
}

fn take_front<T>(items: &mut Vec<T>, count: u32) -> Vec<T> {
    let rest = items.split_off(count as usize);
    std::mem::replace(items, rest)
}

#[cfg(test)]
mod tests {
    use super::super::fake_disk::FakeDisk;
    use super::super::{SpoolOptions, open_on, samples};
    use super::*;

    #[test]
    #[should_panic(expected = "does not go on where the log ended")]
    fn an_offset_that_was_given_already_is_never_given_again() {
        let options = SpoolOptions { directory: "/spool".into(), max_bytes: 1 << 20, ..SpoolOptions::default() };
        let (mut appender, _spool, _) = open_on(Arc::new(FakeDisk::new(1)), &options).unwrap();
        appender.append(&mut samples::portion(5, 0, 0, 1)).unwrap();
        appender.next_offset -= 1;
        let _ = appender.append(&mut samples::portion(5, 0, 0, 2));
    }
}
