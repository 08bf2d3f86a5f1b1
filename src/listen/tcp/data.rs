//! DATA bodies: names become handles, records become points.
//!
//! Enters a body whose checksum is right; leaves points in a [`Visitor`]. A body whose structure is wrong is refused
//! before anything is visited, so a refused frame has staged nothing; a record that is wrong by itself is rejected alone.

use super::codec::{Code, Refusal};
use crate::decode::{Name, Point, Visitor};
use crate::model::reading::VALUE_MAX;
use crate::model::{Quality, Reason};
use crate::pipeline::intake::IntakeBuffer;
use hashbrown::HashMap;

const RECORD_BYTES: usize = 16;

/// Sensor ids that one connection may have defined, in bytes: bounds what a client can make us remember.
const NAME_BYTES_MAX: usize = 1024 * 1024;

/// After so many definitions the names are resolved afresh, so that a client that defines unknown names again and
/// again does not grow the intake's memory of them.
const DEFINITIONS_MAX: usize = 131_072;

/// Stands for a handle that was never defined. The intake gives out no such number.
const UNDEFINED: u32 = u32::MAX;

/// The names that a connection has defined.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By the client's handle, what the visitor answered: dense, because every record looks here.
    resolved: Vec<u32>,
    sensors: HashMap<u16, Box<str>, foldhash::fast::RandomState>,
    bytes: usize,
    definitions: usize,
}

impl Names {
    /// Asks for all names again, after the catalogue has changed.
    pub(super) fn refresh(&mut self, intake: &mut IntakeBuffer) {
        intake.forget_handles();
        for (handle, sensor) in &self.sensors {
            self.resolved[usize::from(*handle)] = intake.define(sensor);
        }
        self.definitions = self.sensors.len();
    }

    pub(super) fn wants_refresh(&self) -> bool {
        self.definitions > DEFINITIONS_MAX
    }

    fn define(&mut self, handle: u16, sensor: &str, visitor: &mut impl Visitor) -> Result<(), Refusal> {
        let old = self.sensors.get(&handle);
        if old.is_some_and(|old| **old == *sensor) {
            return Ok(());
        }
        self.bytes = self.bytes - old.map_or(0, |old| old.len()) + sensor.len();
        if self.bytes > NAME_BYTES_MAX {
            let message = format!("more than {NAME_BYTES_MAX} bytes of names; use more connections");
            return Err(Refusal::new(Code::Protocol, 0, message));
        }
        let index = usize::from(handle);
        if self.resolved.len() <= index {
            self.resolved.resize(index + 1, UNDEFINED);
        }
        self.resolved[index] = visitor.define(sensor);
        self.sensors.insert(handle, sensor.into());
        self.definitions += 1;
        Ok(())
    }
}

/// The parts of a body, each of the right length.
pub(super) struct Data<'a> {
    pub(super) sequence: u64,
    base_us: i64,
    names: &'a [u8],
    records: &'a [u8],
}

/// Takes bytes off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    /// Handle and sensor id.
    fn name(&mut self) -> Option<(u16, &'a [u8])> {
        let handle = u16::from_le_bytes(self.array()?);
        let [length] = self.array()?;
        Some((handle, self.bytes(usize::from(length))?))
    }
}

impl<'a> Data<'a> {
    /// Checks the whole structure: lengths, counts, UTF-8.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Refusal> {
        let short = || Refusal::new(Code::Malformed, 0, "DATA ends inside its header or name table");
        let mut reader = Reader(body);
        let sequence = u64::from_le_bytes(reader.array().ok_or_else(short)?);
        let wrong = |message: String| Refusal::new(Code::Malformed, sequence, message);
        let base_us = i64::from_le_bytes(reader.array().ok_or_else(short)?);
        let count = u16::from_le_bytes(reader.array().ok_or_else(short)?);
        let table = reader.0;
        for _ in 0..count {
            let (handle, sensor) = reader.name().ok_or_else(short)?;
            if sensor.is_empty() || std::str::from_utf8(sensor).is_err() {
                return Err(wrong(format!("the name of handle {handle} is empty or not UTF-8")));
            }
        }
        let names = &table[..table.len() - reader.0.len()];
        let count = u32::from_le_bytes(reader.array().ok_or_else(short)?);
        if reader.0.len() as u64 != u64::from(count) * RECORD_BYTES as u64 {
            return Err(wrong(format!("{count} records take 16 bytes each, {} bytes are left", reader.0.len())));
        }
        Ok(Self { sequence, base_us, names, records: reader.0 })
    }

    pub(super) fn records(&self) -> u64 {
        (self.records.len() / RECORD_BYTES) as u64
    }

    /// Enters the frame's names in the connection's table.
    pub(super) fn define(&self, names: &mut Names, visitor: &mut impl Visitor) -> Result<(), Refusal> {
        let mut reader = Reader(self.names);
        while let Some((handle, sensor)) = reader.name() {
            let sensor = std::str::from_utf8(sensor).map_err(|_| Refusal::new(Code::Malformed, 0, "not UTF-8"))?;
            names.define(handle, sensor, visitor)?;
        }
        Ok(())
    }

    /// Visits the records. Names must have been entered before.
    pub(super) fn visit(&self, names: &Names, visitor: &mut impl Visitor) {
        for record in self.records.as_chunks::<RECORD_BYTES>().0 {
            let [h0, h1, quality, kind, d0, d1, d2, d3, value @ ..] = *record;
            let handle = u16::from_le_bytes([h0, h1]);
            let reject = |visitor: &mut _, reason, what| refuse_record(visitor, reason, what, handle, record);
            let value = match kind {
                0 => f64::from_le_bytes(value),
                1 => {
                    let whole = i64::from_le_bytes(value);
                    // Beyond 2^53 the conversion would round; VALUE_MAX is below that.
                    whole as f64
                }
                _ => {
                    reject(visitor, Reason::MalformedPayload, "its value kind is neither 0 (f64) nor 1 (i64)");
                    continue;
                }
            };
            let Some(quality) = Quality::from_u8(quality).filter(|quality| *quality as u8 <= Quality::Bad as u8) else {
                reject(visitor, Reason::MalformedPayload, "its quality is not 0, 1 or 2");
                continue;
            };
            let delta_us = i64::from(i32::from_le_bytes([d0, d1, d2, d3]));
            let Some(timestamp_us) = self.base_us.checked_add(delta_us) else {
                reject(visitor, Reason::BadTimestamp, "its timestamp overflows");
                continue;
            };
            let resolved = names.resolved.get(usize::from(handle)).copied().unwrap_or(UNDEFINED);
            if resolved == UNDEFINED {
                reject(visitor, Reason::UnknownSensor, "no name was defined for its handle on this connection");
            } else if !value.is_finite() {
                reject(visitor, Reason::NotFinite, "its value is not finite");
            } else if value.abs() > VALUE_MAX {
                reject(visitor, Reason::OutOfRange, "its value does not fit DECIMAL(15,4)");
            } else {
                visitor.point(Point { name: Name::Handle(resolved), timestamp_us: Some(timestamp_us), value, quality });
            }
        }
    }
}

fn refuse_record(visitor: &mut impl Visitor, reason: Reason, what: &str, handle: u16, record: &[u8]) {
    visitor.reject(reason, format_args!("record of handle {handle}: {what}"), record);
}
