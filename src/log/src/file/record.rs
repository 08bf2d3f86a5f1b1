//! One group as bytes, and back: the versioned envelope. A portion enters, a record leaves; every damaged byte is noticed.
//!
//! ```text
//! "GSR2" | payload_bytes u32 | first_offset u64 | synced_position u64
//! offsets u32 | sections u32 | reserved 12 | crc32 u32                       (48 bytes, little-endian)
//! payload: sections, each   kind u16 | version u16 | items u32 | bytes u32 | flags u32 | the items
//! ```
//!
//! - The checksum (CRC-32/ISO-HDLC) covers the header before it and the payload. Reserved bytes are zero when written
//!   and not looked at when read. The first 24 bytes and the checksum keep their places in every format.
//! - Sections stand in the order of their kinds, empty ones are left out. Offsets follow that order: every item of a
//!   section that bears [`HAS_OFFSETS`] has one.
//! - A kind that this program does not know is passed over: its offsets are counted ([`Group::skipped`]), so offsets
//!   stay dense; it lies behind the known kinds, because new kinds get higher numbers. A known kind in a version that
//!   this program does not know is refused: passing over it would lose what a consumer must have.
//! - A preallocated tail is zeros, which is no magic: [`Damage::Blank`].
//! - `synced_position` is the byte of the segment below which everything was durable when the record was written. It
//!   tells a torn tail from a damaged log: a whole record behind a broken one proves damage exactly when its
//!   `synced_position` lies behind the broken one.

pub use super::codec::{Counts, Damage};
use super::codec::{READING_BYTES, named, reading, u16_at, u32_at, u64_at, v1};
use super::error::SpoolError;
use genims_model::{DeadLetter, Event, Group, Mark, Portion, Reading, Reason, Row, Snapshot};
use serde::Serialize;

pub const HEADER_BYTES: usize = 48;

/// What every record begins with; the format's number follows.
pub(super) const MAGIC: [u8; 3] = *b"GSR";
/// The newest format. It is written where a record has programs' rows: a release that does not know them must refuse the log,
/// not pass over rows that were acknowledged.
pub(super) const FORMAT: u32 = 3;
/// The same without rows, which the release before them reads as well.
pub(super) const FORMAT_WITHOUT_ROWS: u32 = 2;
const CHECKED_HEADER_BYTES: usize = HEADER_BYTES - 4;
pub(super) const SECTION_BYTES: usize = 16;

/// Flag of a section: each of its items has an offset.
pub(super) const HAS_OFFSETS: u32 = 1;

/// What a section holds. Numbers are never used again.
///
/// 6 (a change of master data) and 7 (a number given to a sensor) are reserved, and nothing writes them. A change is in the outbox
/// of the database that it happens in, by the transaction that makes it: beside that a record would be a second truth. A number
/// is in the catalogue's journal, which must outlive every segment, because records bear its numbers for good, and which is as
/// strong as the log: synced before a number is published, checksummed, bound to this log by its id.
pub(super) mod kind {
    pub(in super::super) const READING: u16 = 1;
    pub(in super::super) const SNAPSHOT: u16 = 2;
    pub(in super::super) const EVENT: u16 = 3;
    pub(in super::super) const DEAD_LETTER: u16 = 4;
    /// A row of a table that a program of the platform writes.
    pub(in super::super) const ROW: u16 = 5;
    pub(in super::super) const MARK: u16 = 8;
    /// Offsets whose records were lost to damage; the section has no bytes.
    pub(in super::super) const LOST: u16 = 9;
}

/// The newest version of each kind's items; readers know all up to it.
pub(super) fn version_max(kind: u16) -> u16 {
    match kind {
        kind::EVENT => 3,
        kind::DEAD_LETTER => 4,
        _ => 1,
    }
}

/// The lowest version that has all of these: the release before reads a log that has nothing new in it. No variant goes
/// without a version of its own: a release that does not know it would take the record for damage.
fn event_version(events: &[Event]) -> u16 {
    let version = |event: &Event| match event {
        Event::LimitCrossed(_)
        | Event::AnomalySeen(_)
        | Event::QualityMeasured { .. }
        | Event::MachineSilent { .. } => 3,
        Event::EnergyMetered { .. } | Event::ToolChanged { .. } | Event::OperatorChanged { .. } => 2,
        Event::FaultOpened(_)
        | Event::FaultClosed(_)
        | Event::SensorHealth(_)
        | Event::StateChanged { .. }
        | Event::PartsCounted { .. }
        | Event::OeeHour(_)
        | Event::ClientLost { .. } => 1,
    };
    events.iter().map(version).max().unwrap_or(1)
}

/// The same for the reasons of dead letters.
fn dead_letter_version(dead_letters: &[DeadLetter]) -> u16 {
    let version = |dead_letter: &DeadLetter| match dead_letter.reason {
        Reason::BadRow => 4,
        Reason::NotAllowed => 3,
        Reason::TooLarge => 2,
        Reason::UnknownTopic
        | Reason::MalformedPayload
        | Reason::NotANumber
        | Reason::NotFinite
        | Reason::OutOfRange
        | Reason::BadTimestamp
        | Reason::UnknownSensor
        | Reason::UnknownMachine
        | Reason::TooOld
        | Reason::SameTimestamp
        | Reason::RefusedByDatabase => 1,
    };
    dead_letters.iter().map(version).max().unwrap_or(1)
}

/// The fixed part of a record, of any format up to [`FORMAT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub format: u32,
    pub payload_bytes: u32,
    pub first_offset: u64,
    pub synced_position: u64,
    pub offsets: u64,
    pub crc32: u32,
}

impl Header {
    pub(crate) fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// The offset behind the record's last one.
    pub fn next_offset(&self) -> u64 {
        self.first_offset.saturating_add(self.offsets)
    }

    /// Reads the fixed part; the checksum is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(Damage::CutOff)?;
        if bytes[..3] != MAGIC || !bytes[3].is_ascii_digit() || bytes[3] == b'0' {
            return Err(if bytes.iter().all(|byte| *byte == 0) { Damage::Blank } else { Damage::NoMagic });
        }
        let format = u32::from(bytes[3] - b'0');
        let offsets = if format == 1 { v1::counts(bytes).offsets() } else { u64::from(u32_at(bytes, 24)) };
        Ok(Self {
            format,
            payload_bytes: u32_at(bytes, 4),
            first_offset: u64_at(bytes, 8),
            synced_position: u64_at(bytes, 16),
            offsets,
            crc32: u32_at(bytes, CHECKED_HEADER_BYTES),
        })
    }
}

/// The records of a portion or a group.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a> {
    readings: &'a [Reading],
    snapshots: &'a [Snapshot],
    events: &'a [Event],
    dead_letters: &'a [DeadLetter],
    rows: &'a [Row],
    marks: &'a [Mark],
}

macro_rules! items_of {
    ($whole:ty) => {
        impl<'a> From<&'a $whole> for Items<'a> {
            fn from(whole: &'a $whole) -> Self {
                Self {
                    readings: &whole.readings,
                    snapshots: &whole.snapshots,
                    events: &whole.events,
                    dead_letters: &whole.dead_letters,
                    rows: &whole.rows,
                    marks: &whole.marks,
                }
            }
        }
    };
}
items_of!(Portion);
items_of!(Group);

/// Encodes the front of `items` into `out`, replacing what is there: everything if it fits into `bytes_max`, else as
/// many items as do, but always at least one. Kinds keep their order, so marks come last and are never durable before
/// the records they speak of. Returns how many items of each kind went in.
pub fn encode<'a>(
    items: impl Into<Items<'a>>,
    first_offset: u64,
    synced_position: u64,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<Counts, SpoolError> {
    let items = items.into();
    out.clear();
    out.resize(HEADER_BYTES, 0);
    let mut sections = Sections { out, bytes_max, count: 0, room: true };
    let counts = Counts {
        readings: sections.readings(items.readings),
        snapshots: sections.put(kind::SNAPSHOT, HAS_OFFSETS, items.snapshots)?,
        events: sections.put_versioned(kind::EVENT, HAS_OFFSETS, items.events, event_version)?,
        dead_letters: sections.put_versioned(
            kind::DEAD_LETTER,
            HAS_OFFSETS,
            items.dead_letters,
            dead_letter_version,
        )?,
        rows: sections.put(kind::ROW, HAS_OFFSETS, items.rows)?,
        marks: sections.put(kind::MARK, 0, items.marks)?,
    };
    let count = sections.count;
    let format = if counts.rows > 0 { FORMAT } else { FORMAT_WITHOUT_ROWS };
    seal(out, format, first_offset, synced_position, counts.offsets() as u32, count)?;
    Ok(counts)
}

/// A record that stands for `offsets` lost ones.
pub(super) fn encode_lost(first_offset: u64, offsets: u32, out: &mut Vec<u8>) -> Result<(), SpoolError> {
    out.clear();
    out.resize(HEADER_BYTES, 0);
    let mut sections = Sections { out, bytes_max: usize::MAX, count: 0, room: true };
    let begin = sections.begin();
    sections.end(begin, kind::LOST, 1, HAS_OFFSETS, offsets as usize);
    seal(out, FORMAT_WITHOUT_ROWS, first_offset, 0, offsets, 1)
}

struct Sections<'a> {
    out: &'a mut Vec<u8>,
    bytes_max: usize,
    count: u32,
    /// False once something did not fit: what comes later must not overtake it.
    room: bool,
}

impl Sections<'_> {
    fn begin(&mut self) -> usize {
        let begin = self.out.len();
        self.out.resize(begin + SECTION_BYTES, 0);
        begin
    }

    fn end(&mut self, begin: usize, kind: u16, version: u16, flags: u32, items: usize) {
        let bytes = (self.out.len() - begin - SECTION_BYTES) as u32;
        let section = &mut self.out[begin..begin + SECTION_BYTES];
        section[..2].copy_from_slice(&kind.to_le_bytes());
        section[2..4].copy_from_slice(&version.to_le_bytes());
        section[4..8].copy_from_slice(&(items as u32).to_le_bytes());
        section[8..12].copy_from_slice(&bytes.to_le_bytes());
        section[12..16].copy_from_slice(&flags.to_le_bytes());
        self.count += 1;
    }

    fn readings(&mut self, readings: &[Reading]) -> u32 {
        if readings.is_empty() {
            return 0;
        }
        let begin = self.begin();
        let room = self.bytes_max.saturating_sub(self.out.len()).max(READING_BYTES) / READING_BYTES;
        self.room = readings.len() <= room;
        let readings = &readings[..readings.len().min(room)];
        let from = self.out.len();
        self.out.resize(from + readings.len() * READING_BYTES, 0);
        for (slot, reading) in self.out[from..].chunks_exact_mut(READING_BYTES).zip(readings) {
            reading::put(slot, reading);
        }
        self.end(begin, kind::READING, 1, HAS_OFFSETS, readings.len());
        readings.len() as u32
    }

    fn put<T: Serialize>(&mut self, kind: u16, flags: u32, items: &[T]) -> Result<u32, SpoolError> {
        self.put_versioned(kind, flags, items, |_| 1)
    }

    fn put_versioned<T: Serialize>(
        &mut self,
        kind: u16,
        flags: u32,
        items: &[T],
        version: impl Fn(&[T]) -> u16,
    ) -> Result<u32, SpoolError> {
        if !self.room || items.is_empty() {
            return Ok(0);
        }
        let begin = self.begin();
        let first = usize::from(self.count == 0);
        let done = named::put(items, self.bytes_max, first, self.out)?;
        self.room = done == items.len();
        if done == 0 {
            self.out.truncate(begin);
        } else {
            self.end(begin, kind, version(&items[..done]), flags, done);
        }
        Ok(done as u32)
    }
}

pub(super) fn seal(
    out: &mut [u8],
    format: u32,
    first_offset: u64,
    synced_position: u64,
    offsets: u32,
    sections: u32,
) -> Result<(), SpoolError> {
    let payload_bytes = u32::try_from(out.len() - HEADER_BYTES).map_err(|_| SpoolError::TooLarge(out.len()))?;
    out[..3].copy_from_slice(&MAGIC);
    out[3] = b'0' + format as u8;
    out[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
    out[8..16].copy_from_slice(&first_offset.to_le_bytes());
    out[24..28].copy_from_slice(&offsets.to_le_bytes());
    out[28..32].copy_from_slice(&sections.to_le_bytes());
    reseal(out, synced_position);
    Ok(())
}

/// Gives a whole record of any format another `synced_position`.
pub(super) fn reseal(record: &mut [u8], synced_position: u64) {
    record[16..24].copy_from_slice(&synced_position.to_le_bytes());
    let crc32 = checksum(record);
    record[CHECKED_HEADER_BYTES..HEADER_BYTES].copy_from_slice(&crc32.to_le_bytes());
}

fn checksum(record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..CHECKED_HEADER_BYTES]);
    hasher.update(&record[HEADER_BYTES..]);
    hasher.finalize()
}

/// Decodes the record at the front of `bytes`; also tells how long it is.
pub fn decode(bytes: &[u8]) -> Result<(Group, usize), Damage> {
    let header = Header::parse(bytes)?;
    let record_bytes = usize::try_from(header.record_bytes()).map_err(|_| Damage::CutOff)?;
    let record = bytes.get(..record_bytes).ok_or(Damage::CutOff)?;
    if checksum(record) != header.crc32 {
        return Err(Damage::Checksum);
    }
    let payload = &record[HEADER_BYTES..];
    let group = match header.format {
        1 => v1::decode(header.first_offset, &v1::counts(record), payload)?,
        FORMAT_WITHOUT_ROWS..=FORMAT => take_sections(header.first_offset, u32_at(record, 28), payload)?,
        found => return Err(Damage::Newer { found, expected: FORMAT }),
    };
    if group.len() != header.offsets {
        return Err(Damage::Content(format!("{} offsets where {} were said", group.len(), header.offsets)));
    }
    Ok((group, record_bytes))
}

/// What a record says of its kinds, believed without its checksum; `None` when that makes no sense.
pub(super) fn claimed_counts(record: &[u8]) -> Option<Counts> {
    let header = Header::parse(record).ok()?;
    if header.format == 1 {
        return Some(v1::counts(record));
    }
    let mut counts = Counts::default();
    let mut rest = record.get(HEADER_BYTES..)?;
    for _ in 0..u32_at(record, 28) {
        let (section, behind) = rest.split_at_checked(SECTION_BYTES)?;
        let count = u32_at(section, 4);
        match u16_at(section, 0) {
            kind::READING => counts.readings = count,
            kind::SNAPSHOT => counts.snapshots = count,
            kind::EVENT => counts.events = count,
            kind::DEAD_LETTER => counts.dead_letters = count,
            kind::ROW => counts.rows = count,
            kind::MARK => counts.marks = count,
            _ => {}
        }
        rest = behind.get(u32_at(section, 8) as usize..)?;
    }
    Some(counts)
}

fn take_sections(first_offset: u64, sections: u32, mut payload: &[u8]) -> Result<Group, Damage> {
    let content = |text: &str| Damage::Content(text.to_owned());
    let mut group = Group { first_offset, ..Group::default() };
    let mut kind_before = 0;
    for _ in 0..sections {
        let (section, rest) =
            payload.split_at_checked(SECTION_BYTES).ok_or_else(|| content("fewer sections than said"))?;
        let (kind, version) = (u16_at(section, 0), u16_at(section, 2));
        let (count, flags) = (u32_at(section, 4), u32_at(section, 12));
        let (items, rest) =
            rest.split_at_checked(u32_at(section, 8) as usize).ok_or_else(|| content("a section is cut off"))?;
        if kind <= kind_before {
            return Err(content("the sections are out of order"));
        }
        take_section(&mut group, (kind, version), count, flags, items)?;
        (kind_before, payload) = (kind, rest);
    }
    if !payload.is_empty() {
        return Err(Damage::Content(format!("{} bytes too many", payload.len())));
    }
    Ok(group)
}

fn take_section(
    group: &mut Group,
    (kind, version): (u16, u16),
    count: u32,
    flags: u32,
    items: &[u8],
) -> Result<(), Damage> {
    let known = matches!(kind, kind::READING..=kind::ROW | kind::MARK | kind::LOST);
    let expected = version_max(kind);
    if known && version > expected {
        return Err(Damage::Newer { found: u32::from(version), expected: u32::from(expected) });
    }
    match kind {
        kind::READING => {
            if items.len() != count as usize * READING_BYTES {
                return Err(Damage::Content("the readings' bytes do not fit their number".to_owned()));
            }
            group.readings = items.chunks_exact(READING_BYTES).map(reading::take).collect::<Result<_, _>>()?;
        }
        kind::SNAPSHOT => group.snapshots = named::take(items, count)?,
        kind::EVENT => group.events = named::take(items, count)?,
        kind::DEAD_LETTER => group.dead_letters = named::take(items, count)?,
        kind::ROW => group.rows = named::take(items, count)?,
        kind::MARK => group.marks = named::take(items, count)?,
        _ if flags & HAS_OFFSETS != 0 => group.skipped += u64::from(count),
        _ => {}
    }
    Ok(())
}
