//! One group as bytes, and back. A portion enters, a record leaves; every damaged byte is noticed.
//!
//! ```text
//! magic u32 | payload_bytes u32 | first_offset u64 | synced_position u64
//! readings u32 | snapshots u32 | events u32 | dead_letters u32 | marks u32 | crc32 u32      (48 bytes, little-endian)
//! payload: readings at 69 bytes each, then the other kinds item after item in postcard form
//! ```
//!
//! - The checksum (CRC-32/ISO-HDLC) covers the header before it and the payload.
//! - A preallocated tail is zeros, which is no magic: [`Damage::Blank`].
//! - `synced_position` is the byte of the segment below which everything was durable when the record was written. It
//!   tells a torn tail from a damaged log: a whole record behind a broken one proves damage exactly when its
//!   `synced_position` lies behind the broken one.

use super::error::SpoolError;
use genims_model::{Group, Portion, Protocol, Quality, Reading, SensorNo, Status};
use serde::{Serialize, de::DeserializeOwned};

pub const HEADER_BYTES: usize = 48;
/// sensor 4, protocol, status, quality, flags, source 1 each, timestamp 8, received 8, five values 8 each, score 4
pub const READING_BYTES: usize = 69;

pub(super) const MAGIC: [u8; 4] = *b"GSR1";
const CHECKED_HEADER_BYTES: usize = HEADER_BYTES - 4;

/// How many of each kind a record holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub readings: u32,
    pub snapshots: u32,
    pub events: u32,
    pub dead_letters: u32,
    pub marks: u32,
}

impl Counts {
    /// Records with an offset.
    pub fn offsets(&self) -> u64 {
        u64::from(self.readings) + u64::from(self.snapshots) + u64::from(self.events) + u64::from(self.dead_letters)
    }
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub payload_bytes: u32,
    pub first_offset: u64,
    pub synced_position: u64,
    pub counts: Counts,
    pub crc32: u32,
}

impl Header {
    pub fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }

    /// The offset behind the record's last one.
    pub fn next_offset(&self) -> u64 {
        self.first_offset.saturating_add(self.counts.offsets())
    }

    /// Reads the fixed part; the checksum is not looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let bytes = bytes.get(..HEADER_BYTES).ok_or(Damage::CutOff)?;
        if bytes[..4] != MAGIC {
            return Err(if bytes.iter().all(|byte| *byte == 0) { Damage::Blank } else { Damage::NoMagic });
        }
        let counts = Counts {
            readings: u32_at(bytes, 24),
            snapshots: u32_at(bytes, 28),
            events: u32_at(bytes, 32),
            dead_letters: u32_at(bytes, 36),
            marks: u32_at(bytes, 40),
        };
        Ok(Self {
            payload_bytes: u32_at(bytes, 4),
            first_offset: u64_at(bytes, 8),
            synced_position: u64_at(bytes, 16),
            counts,
            crc32: u32_at(bytes, 44),
        })
    }
}

/// Why bytes are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("no record, only zeros")]
    Blank,
    #[error("the file ends inside a record")]
    CutOff,
    #[error("no record begins here")]
    NoMagic,
    #[error("the checksum does not match")]
    Checksum,
    #[error("the record continues at offset {found} where {expected} was due")]
    Offset { expected: u64, found: u64 },
    #[error("the checksum matches but the content does not: {0}")]
    Content(String),
}

/// Encodes the front of `portion` into `out`, replacing what is there: everything if it fits into `bytes_max`, else as
/// many items as do, but always at least one. Kinds keep their order, so marks come last and are never durable before
/// the records they speak of. Returns how many items of each kind went in; receipts are left alone.
pub fn encode(
    portion: &Portion,
    first_offset: u64,
    synced_position: u64,
    bytes_max: usize,
    out: &mut Vec<u8>,
) -> Result<Counts, SpoolError> {
    out.clear();
    let readings_max = bytes_max.saturating_sub(HEADER_BYTES).max(READING_BYTES) / READING_BYTES;
    let readings = &portion.readings[..portion.readings.len().min(readings_max)];
    out.resize(HEADER_BYTES + readings.len() * READING_BYTES, 0);
    for (slot, reading) in out[HEADER_BYTES..].chunks_exact_mut(READING_BYTES).zip(readings) {
        put_reading(slot, reading);
    }
    let mut room = readings.len() == portion.readings.len();
    let counts = Counts {
        readings: readings.len() as u32,
        snapshots: put_items(&portion.snapshots, bytes_max, &mut room, out)?,
        events: put_items(&portion.events, bytes_max, &mut room, out)?,
        dead_letters: put_items(&portion.dead_letters, bytes_max, &mut room, out)?,
        marks: put_items(&portion.marks, bytes_max, &mut room, out)?,
    };
    seal(out, first_offset, synced_position, &counts)?;
    Ok(counts)
}

/// Decodes the record at the front of `bytes`; also tells how long it is.
pub fn decode(bytes: &[u8]) -> Result<(Group, usize), Damage> {
    let header = Header::parse(bytes)?;
    let record_bytes = usize::try_from(header.record_bytes()).map_err(|_| Damage::CutOff)?;
    let record = bytes.get(..record_bytes).ok_or(Damage::CutOff)?;
    let payload = &record[HEADER_BYTES..];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&record[..CHECKED_HEADER_BYTES]);
    hasher.update(payload);
    if hasher.finalize() != header.crc32 {
        return Err(Damage::Checksum);
    }
    let counts = &header.counts;
    let readings_bytes = counts.readings as usize * READING_BYTES;
    let (readings, mut rest) =
        payload.split_at_checked(readings_bytes).ok_or_else(|| Damage::Content("fewer readings than said".into()))?;
    let group = Group {
        first_offset: header.first_offset,
        readings: readings.chunks_exact(READING_BYTES).map(take_reading).collect::<Result<_, _>>()?,
        snapshots: take_items(&mut rest, counts.snapshots)?,
        events: take_items(&mut rest, counts.events)?,
        dead_letters: take_items(&mut rest, counts.dead_letters)?,
        marks: take_items(&mut rest, counts.marks)?,
    };
    if !rest.is_empty() {
        return Err(Damage::Content(format!("{} bytes too many", rest.len())));
    }
    Ok((group, record_bytes))
}

fn seal(out: &mut [u8], first_offset: u64, synced_position: u64, counts: &Counts) -> Result<(), SpoolError> {
    let payload_bytes = u32::try_from(out.len() - HEADER_BYTES).map_err(|_| postcard::Error::SerializeBufferFull)?;
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&payload_bytes.to_le_bytes());
    out[8..16].copy_from_slice(&first_offset.to_le_bytes());
    out[16..24].copy_from_slice(&synced_position.to_le_bytes());
    let numbers = [counts.readings, counts.snapshots, counts.events, counts.dead_letters, counts.marks];
    for (slot, number) in out[24..CHECKED_HEADER_BYTES].chunks_exact_mut(4).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&out[..CHECKED_HEADER_BYTES]);
    hasher.update(&out[HEADER_BYTES..]);
    out[CHECKED_HEADER_BYTES..HEADER_BYTES].copy_from_slice(&hasher.finalize().to_le_bytes());
    Ok(())
}

fn put_items<T: Serialize>(
    items: &[T],
    bytes_max: usize,
    room: &mut bool,
    out: &mut Vec<u8>,
) -> Result<u32, SpoolError> {
    if !*room {
        return Ok(0);
    }
    for (done, item) in items.iter().enumerate() {
        let before = out.len();
        postcard::to_io(item, &mut *out)?;
        if out.len() > bytes_max && before > HEADER_BYTES {
            out.truncate(before);
            *room = false;
            return Ok(done as u32);
        }
    }
    Ok(items.len() as u32)
}

/// An item takes at least one byte, so a count that promises more than there are bytes fails before it allocates.
fn take_items<T: DeserializeOwned>(bytes: &mut &[u8], count: u32) -> Result<Vec<T>, Damage> {
    if count as usize > bytes.len() {
        return Err(Damage::Content("fewer items than said".into()));
    }
    let mut items = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (item, rest) = postcard::take_from_bytes(bytes).map_err(|error| Damage::Content(error.to_string()))?;
        items.push(item);
        *bytes = rest;
    }
    Ok(items)
}

/// `slot` is [`READING_BYTES`] long; the array makes the compiler see it, so that no store is bounds-checked.
#[inline]
fn put_reading(slot: &mut [u8], reading: &Reading) {
    let mut bytes = [0_u8; READING_BYTES];
    bytes[0..4].copy_from_slice(&reading.sensor.0.to_le_bytes());
    bytes[4] = reading.protocol as u8;
    bytes[5] = reading.status as u8;
    bytes[6] = reading.quality as u8;
    bytes[7] = reading.flags;
    bytes[8..16].copy_from_slice(&reading.timestamp_us.to_le_bytes());
    bytes[16..24].copy_from_slice(&reading.received_us.to_le_bytes());
    bytes[24..32].copy_from_slice(&reading.value.to_le_bytes());
    bytes[32..40].copy_from_slice(&reading.min_1min.to_le_bytes());
    bytes[40..48].copy_from_slice(&reading.max_1min.to_le_bytes());
    bytes[48..56].copy_from_slice(&reading.avg_1min.to_le_bytes());
    bytes[56..64].copy_from_slice(&reading.std_1min.to_le_bytes());
    bytes[64..68].copy_from_slice(&reading.anomaly_score.to_le_bytes());
    bytes[68] = reading.source;
    slot.copy_from_slice(&bytes);
}

#[inline]
fn take_reading(slot: &[u8]) -> Result<Reading, Damage> {
    let Ok(bytes) = <&[u8; READING_BYTES]>::try_from(slot) else { return Err(Damage::CutOff) };
    let unknown = |what: &str, code: u8| Damage::Content(format!("{what} {code}"));
    Ok(Reading {
        sensor: SensorNo(u32_at(bytes, 0)),
        protocol: Protocol::from_u8(bytes[4]).ok_or_else(|| unknown("protocol", bytes[4]))?,
        status: Status::from_u8(bytes[5]).ok_or_else(|| unknown("status", bytes[5]))?,
        quality: Quality::from_u8(bytes[6]).ok_or_else(|| unknown("quality", bytes[6]))?,
        flags: bytes[7],
        source: bytes[68],
        timestamp_us: u64_at(bytes, 8).cast_signed(),
        received_us: u64_at(bytes, 16).cast_signed(),
        value: f64::from_bits(u64_at(bytes, 24)),
        min_1min: f64::from_bits(u64_at(bytes, 32)),
        max_1min: f64::from_bits(u64_at(bytes, 40)),
        avg_1min: f64::from_bits(u64_at(bytes, 48)),
        std_1min: f64::from_bits(u64_at(bytes, 56)),
        anomaly_score: f32::from_bits(u32_at(bytes, 64)),
    })
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_encoded_decodes_to_the_same(
            readings in 0..40_usize, others in 0..4_usize, marks in 0..4_usize, first_offset in 0..1_u64 << 60, salt: u64,
        ) {
            let portion = samples::portion(readings, others, marks, salt);
            let mut bytes = Vec::new();
            let counts = encode(&portion, first_offset, 7, usize::MAX, &mut bytes).unwrap();
            let (group, length) = decode(&bytes).unwrap();
            prop_assert_eq!(length, bytes.len());
            prop_assert_eq!(counts.offsets(), group.len());
            prop_assert_eq!(group, samples::group_of(&portion, first_offset));
        }

        #[test]
        fn a_flipped_bit_never_passes(at in 0..1_000_usize, bit in 0..8_u32, salt: u64) {
            let mut bytes = Vec::new();
            encode(&samples::portion(5, 1, 1, salt), 9, 0, usize::MAX, &mut bytes).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes).is_err());
        }

        #[test]
        fn a_split_portion_loses_nothing(readings in 0..60_usize, others in 0..5_usize, bytes_max in 1..4_000_usize) {
            let mut portion = samples::portion(readings, others, others, 3);
            let whole = samples::group_of(&portion, 0);
            let mut joined = Group::default();
            let mut bytes = Vec::new();
            loop {
                let counts = encode(&portion, 0, 0, bytes_max, &mut bytes).unwrap();
                if counts == Counts::default() {
                    break;
                }
                let (mut part, _) = decode(&bytes).unwrap();
                joined.readings.append(&mut part.readings);
                joined.snapshots.append(&mut part.snapshots);
                joined.events.append(&mut part.events);
                joined.dead_letters.append(&mut part.dead_letters);
                joined.marks.append(&mut part.marks);
                portion.readings.drain(..counts.readings as usize);
                portion.snapshots.drain(..counts.snapshots as usize);
                portion.events.drain(..counts.events as usize);
                portion.dead_letters.drain(..counts.dead_letters as usize);
                portion.marks.drain(..counts.marks as usize);
            }
            prop_assert_eq!(joined, whole);
        }
    }

    #[test]
    fn a_count_with_a_valid_checksum_that_promises_too_much_is_refused() {
        let mut bytes = Vec::new();
        encode(&samples::portion(1, 0, 0, 1), 0, 0, usize::MAX, &mut bytes).unwrap();
        for readings in [2, u32::MAX] {
            let counts = Counts { readings, ..Counts::default() };
            seal(&mut bytes, 0, 0, &counts).unwrap();
            assert!(matches!(decode(&bytes), Err(Damage::Content(_))));
        }
    }

    #[test]
    fn zeros_are_blank_and_not_broken() {
        assert_eq!(decode(&[0; 100]), Err(Damage::Blank));
        assert_eq!(decode(&[0; 10]), Err(Damage::CutOff));
    }
}
