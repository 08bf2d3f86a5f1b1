//! Damage set aside: a directory enters in which segments are broken or missing; a log that can be continued leaves, and
//! a report of what is lost.
//!
//! - The broken file moves to `quarantine/` as it is. In its place comes a segment with every record that can still be
//!   read, and for the others a record that stands for their offsets ([`record::encode_lost`]): offsets stay dense, so
//!   readers pass over the gap.
//! - The replacement is durable before the broken file moves. A crash in between leaves a missing segment, which the
//!   next call replaces in the same way.
//! - A torn tail is no damage; a start cuts it.
//! - The checkpoint of a segment that is missing, or whose front is broken, is what the ones before it say. A compacted one still
//!   has our own marks, so that nothing is routed twice, but no events: faults that opened or closed in it are not known.
//! - What cannot be read now, because the disk fails or because a later release wrote it, is no damage either: nothing is
//!   replaced, and the cause is said.

use super::checkpoint::Checkpoint;
use super::cursor::{self, CursorFile};
use super::disk::{Disk, DiskFile, RealDisk};
use super::error::SpoolError;
use super::record::{self, Counts, Damage, HEADER_BYTES, Header};
use super::segment::{self, Identity, Records, UNFINISHED};
use genims_model::Group;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The folder below the log's directory that takes the broken files.
const FOLDER: &str = "quarantine";

/// One segment that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    pub segment: PathBuf,
    /// Where its bytes are now; `None` when the file was missing.
    pub moved_to: Option<PathBuf>,
    pub bytes: u64,
    pub lost: Vec<Lost>,
}

/// Offsets without records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub from: u64,
    pub below: u64,
    /// How many of each kind, when the broken record still tells.
    pub kinds: Option<Counts>,
}

/// What was set aside; empty when nothing is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuarantineReport {
    pub segments: Vec<Quarantined>,
}

/// Replaces every damaged segment in the directory. Reads the whole log; no server may have it open.
pub fn quarantine(directory: &Path) -> Result<QuarantineReport, SpoolError> {
    let _lock = super::hold_lock(&RealDisk, directory)?;
    mend(&RealDisk, directory, None)
}

/// The same for a caller who holds the lock; with `passed`, only segments that end at or below this offset.
pub(super) fn mend(disk: &dyn Disk, directory: &Path, passed: Option<u64>) -> Result<QuarantineReport, SpoolError> {
    let names = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
    let mut present: Vec<(u64, u64)> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    present.sort_unstable();
    let Some((_, first_offset)) = present.first() else { return Ok(QuarantineReport::default()) };
    let Some(spool) = log_id(disk, directory, &names, &present)? else {
        let first = segment::file_name(*first_offset, present[0].0);
        return Err(SpoolError::Unidentified(directory.join(first)));
    };
    let finished = cursors(disk, directory, &names, spool)?;
    let mut report = QuarantineReport::default();
    let mut checkpoint = Checkpoint::default();
    let mut end = present.first().map_or(0, |(_, first_offset)| *first_offset);
    let mut due = present.first().map_or(0, |(serial, _)| *serial);
    for (index, &(serial, first_offset)) in present.iter().enumerate() {
        let next = present.get(index + 1);
        let wanted = |below: Option<u64>| passed.is_none_or(|passed| below.is_some_and(|below| below <= passed));
        for missing in due..serial {
            let place = Place { spool, serial: missing, first_offset: end, limit: Some(first_offset), floor: None };
            if wanted(Some(first_offset)) {
                report.segments.extend(place.replace(disk, directory, &mut checkpoint)?.0);
            }
            end = first_offset;
        }
        due = serial + 1;
        // Before a missing segment, where this one ends is for its records to say.
        let limit = next.filter(|next| next.0 == due).map(|next| next.1);
        let floor = if next.is_none() { finished.iter().copied().max() } else { None };
        let place = Place { spool, serial, first_offset, limit, floor };
        if wanted(next.map(|next| next.1)) {
            let (replaced, behind) = place.replace(disk, directory, &mut checkpoint)?;
            report.segments.extend(replaced);
            end = behind;
        }
    }
    Ok(report)
}

/// The offset below which every consumer that ever saved a cursor is finished: damage below costs nobody a record.
pub(super) fn passed_by_all(disk: &dyn Disk, directory: &Path, names: &[String]) -> Result<Option<u64>, SpoolError> {
    let mut present: Vec<(u64, u64)> = names.iter().filter_map(|name| segment::parse_name(name)).collect();
    present.sort_unstable();
    let Some(spool) = log_id(disk, directory, names, &present)? else { return Ok(None) };
    let saved = names.iter().filter(|name| cursor::parse_name(name).is_some()).count();
    let finished = cursors(disk, directory, names, spool)?;
    // A cursor that cannot be read may stand anywhere.
    Ok(if finished.len() == saved { finished.into_iter().min() } else { None })
}

/// The id that the readable fronts bear, or, when there is none, all cursors.
fn log_id(
    disk: &dyn Disk,
    directory: &Path,
    names: &[String],
    present: &[(u64, u64)],
) -> Result<Option<Uuid>, SpoolError> {
    for (serial, first_offset) in present {
        let path = directory.join(segment::file_name(*first_offset, *serial));
        let Some(file) = open(disk, &path)? else { continue };
        if let Some((_, id, _)) = unless_damaged(segment::open_front(&*file, &path))? {
            return Ok(Some(id));
        }
    }
    let cursors = names.iter().filter(|name| cursor::parse_name(name).is_some());
    let owners = cursors.map(|name| CursorFile::owner(disk, &directory.join(name)));
    let owners: BTreeSet<Uuid> = owners.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    // A stray file must not give the log another's name.
    Ok(owners.first().copied().filter(|_| owners.len() == 1))
}

fn cursors(disk: &dyn Disk, directory: &Path, names: &[String], spool: Uuid) -> Result<Vec<u64>, SpoolError> {
    let mut offsets = Vec::new();
    for name in names.iter().filter(|name| cursor::parse_name(name).is_some()) {
        offsets.extend(unless_damaged(CursorFile::open(disk, &directory.join(name), spool))?.map(|(_, offset)| offset));
    }
    Ok(offsets)
}

/// `None` for what is damaged for good; a disk that fails, and what a later release wrote, stay errors.
fn unless_damaged<T>(read: Result<T, SpoolError>) -> Result<Option<T>, SpoolError> {
    match read {
        Err(error @ (SpoolError::Io { .. } | SpoolError::Version { .. })) => Err(error),
        read => Ok(read.ok()),
    }
}

/// `None` when there is no such file.
fn open(disk: &dyn Disk, path: &Path) -> Result<Option<Box<dyn DiskFile>>, SpoolError> {
    match disk.open(path) {
        Ok(file) => Ok(Some(file)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SpoolError::io("open", path, source)),
    }
}

/// Where a segment stands, or should.
struct Place {
    spool: Uuid,
    serial: u64,
    first_offset: u64,
    /// Where the next segment begins; `None` for the newest.
    limit: Option<u64>,
    /// Offsets below were given away, whatever the newest segment still shows.
    floor: Option<u64>,
}

/// Why a segment cannot be judged.
enum Failed {
    Io(std::io::Error),
    Newer { found: u32, expected: u32 },
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failed {
    fn of(self, path: &Path) -> SpoolError {
        match self {
            Self::Io(source) => SpoolError::io("read", path, source),
            Self::Newer { found, expected } => SpoolError::Version { file: path.to_owned(), found, expected },
        }
    }
}

/// What can be read of a segment.
#[derive(Default)]
struct Salvage {
    damaged: bool,
    records: Vec<Vec<u8>>,
    lost: Vec<Lost>,
    end: u64,
}

impl Place {
    /// Puts a readable segment in the place of a damaged one, `None` when nothing is wrong; also tells its end.
    fn replace(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        checkpoint: &mut Checkpoint,
    ) -> Result<(Option<Quarantined>, u64), SpoolError> {
        let path = directory.join(segment::file_name(self.first_offset, self.serial));
        let read = |source| SpoolError::io("read", &path, source);
        let file = open(disk, &path)?;
        let bytes = file.as_ref().map_or(Ok(0), |file| file.length()).map_err(read)?;
        let mut salvage = Salvage { damaged: file.is_none(), end: self.first_offset, ..Salvage::default() };
        let mut first_checkpoint = checkpoint.clone();
        if let Some(file) = file {
            let data_position = match unless_damaged(segment::open_front(&*file, &path))? {
                Some((found, id, stored)) if (found.serial, id) == (self.serial, self.spool) => {
                    if let Ok(stored) = Checkpoint::decode(found.version, &stored) {
                        first_checkpoint = stored;
                    } else {
                        salvage.damaged = true;
                    }
                    Some(found.data_position)
                }
                _ => None,
            };
            *checkpoint = first_checkpoint.clone();
            salvage.damaged |= data_position.is_none();
            let mut records = Records::new(file).map_err(read)?;
            self.walk(&mut records, data_position.unwrap_or(0), &mut salvage, |group| checkpoint.apply(group))
                .map_err(|failed| failed.of(&path))?;
        }
        if let Some(below) = self.limit.or(self.floor).filter(|below| *below > salvage.end) {
            salvage.lose(below, None)?;
        }
        if !salvage.damaged {
            return Ok((None, salvage.end));
        }
        let moved_to = self.put(disk, directory, &path, &first_checkpoint, &salvage)?;
        Ok((Some(Quarantined { segment: path, moved_to, bytes, lost: salvage.lost }), salvage.end))
    }

    /// Collects every whole record in order, from `position` on; what lies between them is lost.
    fn walk(
        &self,
        records: &mut Records,
        mut position: u64,
        salvage: &mut Salvage,
        mut each: impl FnMut(&Group),
    ) -> Result<(), Failed> {
        while self.limit.is_none_or(|limit| salvage.end < limit) {
            let Some((at, group, header)) = self.next_whole(records, position, salvage)? else { return Ok(()) };
            if at != position || group.first_offset != salvage.end {
                let kinds = kinds_at(records, position, salvage.end, group.first_offset)?;
                salvage.lose(group.first_offset, kinds).map_err(std::io::Error::other)?;
            }
            let bytes = records.load(at, header.record_bytes() as usize)?.to_vec();
            salvage.records.push(bytes);
            salvage.end = group.next_offset();
            each(&group);
            position = at + header.record_bytes();
        }
        Ok(())
    }

    /// The next record at or behind `position` that continues the log.
    fn next_whole(
        &self,
        records: &mut Records,
        position: u64,
        salvage: &Salvage,
    ) -> Result<Option<(u64, Group, Header)>, Failed> {
        let mut at = position;
        while at + HEADER_BYTES as u64 <= records.length() {
            let found = records.group(at)?;
            if let Err(Damage::Newer { found, expected }) = found {
                return Err(Failed::Newer { found, expected });
            }
            if let Ok((group, header)) = found {
                let continues =
                    group.first_offset >= salvage.end && self.limit.is_none_or(|limit| group.next_offset() <= limit);
                // In the newest segment a record behind broken bytes proves damage only if those had been durable.
                let proven = at == position || self.limit.is_some() || header.synced_position > position;
                if continues && (proven || salvage.damaged) {
                    return Ok(Some((at, group, header)));
                }
            }
            match next_magic(records, at + 1)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Makes the replacement durable, then swaps the files.
    fn put(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        path: &Path,
        checkpoint: &Checkpoint,
        salvage: &Salvage,
    ) -> Result<Option<PathBuf>, SpoolError> {
        let identity = Identity { spool: self.spool, serial: self.serial, first_offset: self.first_offset };
        let mut content = segment::front(identity, &checkpoint.encode()?);
        for record in &salvage.records {
            let position = content.len();
            content.extend_from_slice(record);
            record::reseal(&mut content[position..], position as u64);
        }
        let unfinished = directory.join(UNFINISHED);
        let file = disk.create(&unfinished).map_err(|source| SpoolError::io("create", &unfinished, source))?;
        file.write_all_at(&content, 0).map_err(|source| SpoolError::io("write", &unfinished, source))?;
        file.sync_data().map_err(|source| SpoolError::io("sync", &unfinished, source))?;
        let folder = directory.join(FOLDER);
        let sync = |directory: &Path| {
            disk.sync_directory(directory).map_err(|source| SpoolError::io("sync", directory, source))
        };
        let mut moved_to = None;
        if open(disk, path)?.is_some() {
            disk.create_directory(&folder).map_err(|source| SpoolError::io("create", &folder, source))?;
            let target =
                folder.join(format!("{}-{}", Uuid::new_v4(), segment::file_name(self.first_offset, self.serial)));
            disk.rename(path, &target).map_err(|source| SpoolError::io("move", path, source))?;
            sync(&folder)?;
            sync(directory)?;
            moved_to = Some(target);
        }
        disk.rename(&unfinished, path).map_err(|source| SpoolError::io("rename", &unfinished, source))?;
        sync(directory)?;
        Ok(moved_to)
    }
}

impl Salvage {
    /// Declares the offsets from the present end to `below` lost.
    fn lose(&mut self, below: u64, kinds: Option<Counts>) -> Result<(), SpoolError> {
        self.damaged = true;
        let from = self.end;
        while self.end < below {
            let offsets = u32::try_from(below - self.end).unwrap_or(u32::MAX);
            let mut lost = Vec::new();
            record::encode_lost(self.end, offsets, &mut lost)?;
            self.records.push(lost);
            self.end += u64::from(offsets);
        }
        if from < below {
            self.lost.push(Lost { from, below, kinds });
        }
        Ok(())
    }
}

/// What the broken record at `position` says of its kinds, if it claims exactly the lost offsets.
fn kinds_at(records: &mut Records, position: u64, from: u64, below: u64) -> std::io::Result<Option<Counts>> {
    let Ok(header) = records.header(position)? else { return Ok(None) };
    if (header.first_offset, header.next_offset()) != (from, below) {
        return Ok(None);
    }
    let bytes = records.load(position, header.record_bytes().min(records.length()) as usize)?;
    Ok(record::claimed_counts(bytes).filter(|counts| counts.offsets() == below - from))
}

/// The next place from `position` on where a record may begin.
fn next_magic(records: &mut Records, mut position: u64) -> std::io::Result<Option<u64>> {
    const BLOCK_BYTES: usize = 64 * 1024;
    loop {
        let block = records.load(position, BLOCK_BYTES)?;
        if let Some(at) = memchr::memmem::find(block, &record::MAGIC) {
            return Ok(Some(position + at as u64));
        }
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        // The magic may lie across two blocks.
        position += (BLOCK_BYTES - record::MAGIC.len()) as u64;
    }
}
