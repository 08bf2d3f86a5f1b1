//! What a start finds in the directory: files enter, a log that can be continued leaves, or an error that names the
//! file.
//!
//! - Only the end of the newest segment may be torn: its predecessors were durable before it got its name.
//! - Broken bytes with an acknowledged record behind them are damage, and refused. Broken bytes with nothing, or only
//!   records of the same unfinished append behind them, are a torn tail, and overwritten with zeros.
//! - A crash of the process alone leaves records that only the page cache has; a failed sync may even have marked them
//!   clean. Sinks must never see what a power cut could still take back, so what is not proven durable is written and
//!   synced again before the log opens.

use super::appender::Active;
use super::blank::{self, Blank};
use super::checkpoint::Checkpoint;
use super::cursor::{self, CursorFile};
use super::disk::{Disk, DiskFile};
use super::error::SpoolError;
use super::quarantine;
use super::record::{self, Damage, HEADER_BYTES};
use super::segment::{self, Identity, Records, Segment};
use super::shared::{Sink, Sizes};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use uuid::Uuid;

/// A log ready to be continued.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: Uuid,
    pub(super) segments: VecDeque<Segment>,
    pub(super) active: Active,
    pub(super) checkpoint: Checkpoint,
    pub(super) next_offset: u64,
    pub(super) truncated_bytes: u64,
    pub(super) sinks: BTreeMap<String, Sink>,
    pub(super) cursor_files: BTreeMap<String, CursorFile>,
}

pub(super) fn recover(disk: &dyn Disk, directory: &Path, sizes: &Sizes) -> Result<Found, SpoolError> {
    let names = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
    for name in names.iter().filter(|name| name.ends_with(".tmp")) {
        let path = directory.join(name);
        disk.remove(&path).map_err(|source| SpoolError::io("remove", &path, source))?;
    }
    // Names that a crashed process left in memory alone become durable before anything is built on them.
    disk.sync_directory(directory).map_err(|source| SpoolError::io("sync", directory, source))?;
    let segments = match index(disk, directory, &names) {
        Err(error @ SpoolError::Damaged { .. }) => {
            let passed = quarantine::passed_by_all(disk, directory, &names)?;
            let Some(passed) = passed else { return Err(error) };
            for replaced in quarantine::mend(disk, directory, Some(passed))?.segments {
                tracing::warn!(
                    segment = %replaced.segment.display(),
                    moved_to = replaced.moved_to.map(|path| path.display().to_string()),
                    lost = ?replaced.lost,
                    "a segment that every consumer has passed was damaged and is replaced by what can be read of it"
                );
            }
            let names = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
            index(disk, directory, &names)?
        }
        indexed => indexed?,
    };
    let mut found = match segments {
        Some((id, segments)) => continue_newest(disk, id, segments)?,
        None => begin(disk, directory, sizes)?,
    };
    open_cursors(disk, directory, &names, &mut found)?;
    Ok(found)
}

/// The segments in order; `None` when there are none.
fn index(disk: &dyn Disk, directory: &Path, names: &[String]) -> Result<Option<(Uuid, VecDeque<Segment>)>, SpoolError> {
    let mut found: Vec<(u64, u64, &String)> = names
        .iter()
        .filter_map(|name| segment::parse_name(name).map(|(serial, first_offset)| (serial, first_offset, name)))
        .collect();
    found.sort_unstable();
    let mut spool = None;
    let mut segments: VecDeque<Segment> = VecDeque::with_capacity(found.len());
    for (serial, first_offset, name) in found {
        let path = directory.join(name);
        let file = disk.open(&path).map_err(|source| SpoolError::io("open", &path, source))?;
        let (segment, id, _) = segment::open_front(&*file, &path)?;
        if *spool.get_or_insert(id) != id {
            return Err(SpoolError::Foreign(path));
        }
        let damaged = |detail: String| SpoolError::Damaged { file: path.clone(), position: 0, detail };
        if (segment.serial, segment.first_offset) != (serial, first_offset) {
            return Err(damaged("the file bears the name of another segment".to_owned()));
        }
        if let Some(before) = segments.back()
            && (before.serial + 1 != serial || before.first_offset > first_offset)
        {
            return Err(damaged(format!("the segment between {} and this one is missing", before.path.display())));
        }
        segments.push_back(segment);
    }
    Ok(spool.map(|id| (id, segments)))
}

fn begin(disk: &dyn Disk, directory: &Path, sizes: &Sizes) -> Result<Found, SpoolError> {
    let id = Uuid::new_v4();
    let checkpoint = Checkpoint::default();
    let identity = Identity { spool: id, serial: 0, first_offset: 0 };
    let checkpoint_bytes = checkpoint.encode()?;
    let blank = Blank::reserve(
        disk,
        directory.join(blank::name(0)),
        segment::file_bytes(&checkpoint_bytes, sizes.segment_bytes),
    )?;
    blank.fill(|_| true)?;
    let (file, segment) =
        segment::create(disk, directory, identity, &checkpoint_bytes, sizes.segment_bytes, Some(blank))?;
    Ok(Found {
        id,
        active: Active::new(file, &segment, segment.data_position),
        segments: VecDeque::from([segment]),
        checkpoint,
        next_offset: 0,
        truncated_bytes: 0,
        sinks: BTreeMap::new(),
        cursor_files: BTreeMap::new(),
    })
}

/// What the walk through the newest segment found.
struct Walk {
    /// The byte behind the last whole record.
    position: u64,
    /// The byte below which all was durable when the last whole record was written.
    proven: u64,
    next_offset: u64,
    damage: Damage,
}

fn continue_newest(disk: &dyn Disk, id: Uuid, segments: VecDeque<Segment>) -> Result<Found, SpoolError> {
    let Some(newest) = segments.back().cloned() else { return Err(SpoolError::Closed) };
    let path = &newest.path;
    let read = |source| SpoolError::io("read", path, source);
    let file = disk.open(path).map_err(|source| SpoolError::io("open", path, source))?;
    let (_, _, checkpoint) = segment::open_front(&*file, path)?;
    let mut checkpoint = Checkpoint::decode(newest.version, &checkpoint).map_err(|error| SpoolError::Damaged {
        file: path.clone(),
        position: 0,
        detail: format!("the checkpoint cannot be read: {error}"),
    })?;
    let mut records = Records::new(file).map_err(read)?;
    let walk = walk(&mut records, &newest, &mut checkpoint)?;
    let garbage_end = garbage_end(&mut records, walk.position).map_err(read)?;
    if garbage_end > walk.position {
        refuse_damage(&mut records, &newest, &walk, garbage_end)?;
    }
    let unproven = walk.position.saturating_sub(walk.proven) as usize;
    let mut rewritten = records.load(walk.proven, unproven).map_err(read)?.to_vec();
    rewritten.resize(rewritten.len() + (garbage_end - walk.position) as usize, 0);
    let file = records.into_file();
    file.write_all_at(&rewritten, walk.proven).map_err(|source| SpoolError::io("write", path, source))?;
    file.sync_data().map_err(|source| SpoolError::io("sync", path, source))?;
    let mut active = Active::new(file, &newest, walk.position);
    if newest.version < segment::VERSION {
        // The next record goes to a new segment: an older program must not take it for a torn tail of this one.
        active.capacity = active.position;
    }
    Ok(Found {
        id,
        active,
        segments,
        checkpoint,
        next_offset: walk.next_offset,
        truncated_bytes: garbage_end - walk.position,
        sinks: BTreeMap::new(),
        cursor_files: BTreeMap::new(),
    })
}

/// Follows the whole records from the segment's beginning.
fn walk(records: &mut Records, segment: &Segment, checkpoint: &mut Checkpoint) -> Result<Walk, SpoolError> {
    let mut walk = Walk {
        position: segment.data_position,
        proven: segment.data_position,
        next_offset: segment.first_offset,
        damage: Damage::Blank,
    };
    loop {
        let found = records.group(walk.position).map_err(|source| SpoolError::io("read", &segment.path, source))?;
        match found {
            Ok((group, header)) if group.first_offset == walk.next_offset => {
                checkpoint.apply(&group);
                walk.proven = header.synced_position.clamp(walk.proven, walk.position);
                walk.position += header.record_bytes();
                walk.next_offset = group.next_offset();
            }
            // Fresh segments are zeros, so no torn write leaves a whole record with a wrong offset.
            Ok((group, _)) => {
                let damage = Damage::Offset { expected: walk.next_offset, found: group.first_offset };
                return Err(SpoolError::Damaged {
                    file: segment.path.clone(),
                    position: walk.position,
                    detail: damage.to_string(),
                });
            }
            Err(Damage::Newer { found, expected }) => {
                return Err(SpoolError::Version { file: segment.path.clone(), found, expected });
            }
            // Nor one with the right checksum, whatever it holds: it was acknowledged.
            Err(Damage::Content(content)) => {
                let detail = format!("{}; did a later release write it? Then start that one", Damage::Content(content));
                return Err(SpoolError::Damaged { file: segment.path.clone(), position: walk.position, detail });
            }
            Err(damage) => {
                walk.damage = damage;
                return Ok(walk);
            }
        }
    }
}

/// The byte behind the last one that is not zero, or `position` when the rest is blank.
fn garbage_end(records: &mut Records, position: u64) -> std::io::Result<u64> {
    const BLOCK_BYTES: usize = 64 * 1024;
    let mut end = position;
    let mut at = position;
    while at < records.length() {
        let block = records.load(at, BLOCK_BYTES)?;
        if block.is_empty() {
            break;
        }
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += block.len() as u64;
    }
    Ok(end)
}

/// Fails when a whole record behind the broken bytes was written after they had been durable.
fn refuse_damage(records: &mut Records, segment: &Segment, walk: &Walk, end: u64) -> Result<(), SpoolError> {
    // A whole record ends with its last byte, which may be zero: look as far behind the garbage as a header reaches.
    let bytes = (end - walk.position) as usize + HEADER_BYTES;
    let tail =
        records.load(walk.position, bytes).map_err(|source| SpoolError::io("read", &segment.path, source))?.to_vec();
    for at in memchr::memmem::find_iter(&tail, &record::MAGIC).filter(|at| *at > 0) {
        let position = walk.position + at as u64;
        let found = records.group(position).map_err(|source| SpoolError::io("read", &segment.path, source))?;
        if let Ok((_, header)) = found
            && header.synced_position > walk.position
        {
            return Err(SpoolError::Damaged {
                file: segment.path.clone(),
                position: walk.position,
                detail: format!("{}, and a whole record follows at byte {position}", walk.damage),
            });
        }
    }
    Ok(())
}

fn open_cursors(disk: &dyn Disk, directory: &Path, names: &[String], found: &mut Found) -> Result<(), SpoolError> {
    for name in names {
        let Some(sink) = cursor::parse_name(name) else { continue };
        let (mut file, offset) = CursorFile::open(disk, &directory.join(name), found.id)?;
        if offset > found.next_offset {
            return Err(SpoolError::EndBehindCursor { sink: sink.to_owned(), cursor: offset, end: found.next_offset });
        }
        // Read from the page cache perhaps: segments may go by it only once it is durable.
        file.save(offset)?;
        found.sinks.insert(sink.to_owned(), Sink::left(offset));
        found.cursor_files.insert(sink.to_owned(), file);
    }
    Ok(())
}

impl Active {
    /// The open end of the newest segment: everything below `position` is durable.
    pub(super) fn new(file: Box<dyn DiskFile>, segment: &Segment, position: u64) -> Self {
        Self {
            file,
            path: segment.path.clone(),
            serial: segment.serial,
            position,
            synced: position,
            capacity: segment.file_bytes,
        }
    }
}
