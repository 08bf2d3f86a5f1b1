//! One element of a JSON payload: parsed once, then reported as a point, as several, or as a snapshot.
//!
//! | what | keys, the first present one counts |
//! |---|---|
//! | sensor | `sensor_id`, `sensor`, `tag`, `name`, `id`, `dataPointId`, `Variable`, `NodeId`, `DisplayName`, words as `key` and `channel` where they are text, `containerid`, `propertyAlias` |
//! | machine | `machine_id`, `machine`; words as `device` if the catalogue has it; where the topic names none `node` |
//! | time | `timestamp_us`, `timestamp_ms`, `timestamp_ns`, `timestamp`, `ts`, `time`, `t`, `SourceTimestamp`, `ServerTimestamp`, words as `Time` and `datetime` where a time stands there |
//! | value | `value`, `v`, `val`, `d` |
//! | several | `values`, `d` with an object: see [`values`]; `values`, `vals`, `d`, `tags`, `metrics`, `records`, `Messages`, `DataItems` with a list: see [`list`] |
//! | quality | `quality`, `q`, `qualityCode`, `qc`; `StatusCode`, `Status` in an entry: see [`crate::quality`] |
//!
//! They stand in [`keys`](super::keys), with what else means something; `value`, `timestamp`, `quality` and `name` may begin
//! with a capital. An element that has none of the value keys is an object of tags: see [`tags`]. Below a topic that names
//! the sensor, `sensor_id` still counts (a dead letter names its sensor there), and `sensor` if the catalogue has what it names;
//! the weaker ones do not: they often are remarks, unless the topic's last level is free: see [`super::naming`]. A key that stands twice makes the element
//! malformed, `null` and blank names, times and qualities are keys left out. A quality that cannot be read is uncertain.

use super::common::{Common, opening};
use super::cursor::{Cursor, Syntax, Text, Value, is_empty};
use super::fields::{
    DataValue, data_value, name, node_id, number_value, quality, quality_object, time_object, time_value,
    written_at_fault,
};
use super::keys::{
    DATA_QUALITY_BIT, DISPLAY_BIT, Known, Ranked, SENSOR_RANK_NODE, SENSOR_RANK_STRONG, Says, VALUE_BIT, VALUES_BIT,
    usual,
};
use super::list;
use super::values;
use crate::fault::{Fault, NOT_A_NUMBER, TWICE, Told, checked_name};
use crate::timestamp::Unit;
use crate::{Address, Form, Kind, Name, Point, Remark, Visitor, snapshot};
use genims_model::Quality;

/// A key of the element stands twice.
pub(super) const KEY: u8 = 1;
/// A quality of OPC UA does.
pub(super) const STATUS: u8 = 2;
/// Several keys name a machine, and not the same one.
pub(super) const MACHINES: u8 = 4;
/// Of these more than [`Element::machines_beside`] holds.
pub(super) const MACHINES_MANY: u8 = 8;
/// A quality stands twice under a key that a snapshot has for a column.
const COLUMN: u8 = 16;

/// A quality was there that cannot be read.
pub(super) const ODD_QUALITY: u8 = 1;
/// A time was there whose clock nobody knows.
pub(super) const LOCAL_TIME: u8 = 2;
/// So was a time of day without its day.
pub(super) const CLOCK: u8 = 4;
/// An object or a list was there that is nobody's so far.
pub(super) const NESTED: u8 = 8;
/// A list, or an object of values, was there under a key that says so.
pub(super) const HELD: u8 = 16;
/// A number was there, or what may be one, under a key that says nothing by itself.
pub(super) const NUMBER: u8 = 32;
/// So was one whose key is not kept in [`Element::number`].
pub(super) const NUMBERS: u8 = 64;

/// A day with a time of day was there under a key that says nothing by itself.
pub(super) const STAMPED: u8 = 128;

/// Shorter text is no day with a time of day.
const STAMP_BYTES_MIN: usize = "2023-11-14 22:13:20".len();

/// What is known after one pass over the element's bytes. A [`Fault`] is kept where its key may turn out not to count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Element<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) sensor: Ranked<Text<'a>>,
    pub(super) machine: Ranked<Text<'a>>,
    /// Other names beside it, of a machine if the catalogue has it.
    pub(super) machines_beside: [Option<Text<'a>>; 2],
    pub(super) timestamp_us: Ranked<i64>,
    pub(super) value: Ranked<f64>,
    /// A value key was there and said nothing.
    pub(super) value_is_null: bool,
    /// The object behind `values`, already found to be valid.
    pub(super) values: Option<&'a [u8]>,
    /// The list behind `values`, `tags`, `metrics` and the like.
    pub(super) list: Option<&'a [u8]>,
    /// What stands behind `Payload` or `payload`, and the object behind `params`.
    pub(super) payload: Option<&'a [u8]>,
    pub(super) params: Option<&'a [u8]>,
    /// Error codes by tag, and the error of this one.
    pub(super) errors: Option<&'a [u8]>,
    pub(super) error: Option<&'a [u8]>,
    pub(super) quality: Ranked<Quality>,
    /// What costs nothing and is worth a look: [`ODD_QUALITY`], [`LOCAL_TIME`], [`CLOCK`], [`NESTED`], [`HELD`], [`NUMBER`],
    /// [`NUMBERS`], [`STAMPED`].
    pub(super) odd: u8,
    /// The key of the first number that is nobody's so far.
    pub(super) number: Option<Text<'a>>,
    /// `dt` beside `q`: the number is a quality of OPC DA, where 0 is bad.
    pub(super) is_opc_da: bool,
    pub(super) quality_is_zero: bool,
    pub(super) is_snapshot: bool,
    /// A message of OPC UA, whose `Payload` are the tags.
    pub(super) is_data_set: bool,
    /// A message of Node-RED, which means its `payload`.
    pub(super) is_message: bool,
    /// `params` are what a device notifies of.
    pub(super) is_notification: bool,
    /// A message of the protocol alone, such as a sign of life.
    pub(super) is_silent: bool,
    /// One bit per known key that was seen.
    pub(super) keys_seen: u64,
    /// Of what there is too much: [`KEY`], [`STATUS`], [`MACHINES`], [`MACHINES_MANY`], [`COLUMN`].
    pub(super) twice: u8,
    /// Several keys hold lists or objects of values, or several payloads: one would hide the other.
    pub(super) values_twice: bool,
    pub(super) payload_twice: bool,
    /// A key was there that says nothing by itself.
    pub(super) has_others: bool,
}

impl<'a> Element<'a> {
    #[inline]
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Syntax> {
        let mut element = Self::default();
        element.read(cursor).map(|()| element)
    }

    /// As [`Self::parse`], into a new one: it is large, and not moved for each of an array.
    #[inline]
    pub(super) fn read(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        cursor.token();
        let start = cursor.at();
        cursor.object(|cursor, key| match key.plain() {
            Some(plain) => self.member(plain, key, cursor),
            None => self.member(key.to_str().as_bytes(), key, cursor),
        })?;
        self.bytes = cursor.since(start);
        Ok(())
    }

    #[inline]
    fn member(&mut self, key: &[u8], text: Text<'a>, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        usual!(
            key,
            known => self.said(known, cursor),
            self.other_member(key, text, cursor)
        )
    }

    /// What stands under a key that few elements have.
    #[inline(never)]
    fn other_member(&mut self, key: &[u8], text: Text<'a>, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        if let Some(known) = Known::of_gateway(key) {
            return self.gateway_member(known, cursor);
        }
        self.has_others = true;
        match cursor.token() {
            Some(b'-' | b'0'..=b'9') => {
                cursor.pass_word();
                self.saw_number(text);
                Ok(())
            }
            Some(b'"') => {
                let word = cursor.string()?;
                let plain = word.plain();
                match plain.and_then(|word| word.first()) {
                    // A document in text has escapes.
                    None if !word.is_empty() => self.odd |= NESTED,
                    Some(b'b' | b'B' | b'u' | b'U' | b'g' | b'G') => self.quality_word(key, word),
                    Some(b'-' | b'0'..=b'9') => {
                        self.saw_number(text);
                        if plain.is_some_and(|word| word.len() >= STAMP_BYTES_MIN) {
                            self.stamp_word(word);
                        }
                    }
                    _ => {}
                }
                Ok(())
            }
            Some(_) => self.unusual_member(key, text, cursor),
            None => cursor.skip(),
        }
    }

    #[inline(always)]
    pub(super) fn said(&mut self, Known { says, bit, rank }: Known, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match says {
            Says::Value => self.value(bit, rank, cursor),
            Says::Sensor => self.sensor(bit, rank, cursor),
            Says::Time(unit) => self.time(bit, rank, unit, cursor),
            Says::Machine => self.machine(bit, rank, cursor),
            Says::Quality => self.quality(bit, rank, cursor),
            Says::Several => self.several(bit, cursor),
            Says::MachineState => {
                self.saw(bit);
                self.is_snapshot = true;
                cursor.value().map(|_| ())
            }
            _ => cursor.skip(),
        }
    }

    #[inline]
    pub(super) fn value(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        let mut before = *cursor;
        match cursor.value()? {
            Value::Null => self.value_is_null = true,
            Value::Nested => self.nested_value(rank, &mut before),
            value => self.value.offer(rank, number_value(value)),
        }
        Ok(())
    }

    /// The time and the quality of the value itself are better than those around it.
    #[cold]
    fn nested_value(&mut self, rank: u8, inside: &mut Cursor<'a>) {
        let DataValue { value, timestamp_us, quality } = data_value(inside);
        if rank < self.value.rank {
            timestamp_us.into_iter().for_each(|timestamp_us| self.timestamp_us.offer(0, timestamp_us));
            quality.into_iter().for_each(|quality| self.quality.offer(0, Ok(quality)));
        }
        self.value.offer(rank, value);
    }

    fn quality(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        if bit == DATA_QUALITY_BIT {
            self.twice |= u8::from(self.keys_seen & (1 << bit) != 0) * COLUMN;
            self.keys_seen |= 1 << bit;
        } else {
            self.saw(bit);
        }
        cursor.token();
        let start = cursor.at();
        match cursor.value()? {
            Value::Null => {}
            Value::Text(text) if text.is_blank() => {}
            Value::Nested => match quality_object(cursor.since(start)) {
                Some(quality) => self.quality.offer(rank, Ok(quality)),
                None => self.odd |= ODD_QUALITY,
            },
            value => {
                self.quality_is_zero |= match value {
                    Value::Number(number) => number.decimal.mantissa == 0,
                    Value::Text(text) => text.plain() == Some(b"0"),
                    _ => false,
                };
                match quality(value) {
                    Some(quality) => self.quality.offer(rank, Ok(quality)),
                    None => self.odd |= ODD_QUALITY,
                }
            }
        }
        Ok(())
    }

    pub(super) fn several(&mut self, bit: u32, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        if cursor.token() == Some(b'[') {
            let list = list::check(cursor)?;
            self.list(list);
        } else if let Some(values) = values::check(cursor)? {
            match self.values {
                Some(first) if !is_empty(first) => self.values_twice |= !is_empty(values),
                _ => self.values = Some(values),
            }
        }
        Ok(())
    }

    pub(super) fn list(&mut self, list: Option<&'a [u8]>) {
        self.odd |= HELD;
        match (self.list, list) {
            (_, None) => {}
            (Some(first), Some(list)) if !is_empty(first) => self.values_twice |= !is_empty(list),
            _ => self.list = list,
        }
    }

    #[inline]
    pub(super) fn saw_number(&mut self, key: Text<'a>) {
        self.odd |= if self.number.is_some() { NUMBER | NUMBERS } else { NUMBER };
        self.number = self.number.or(Some(key));
    }

    #[inline]
    pub(super) fn saw(&mut self, bit: u32) {
        self.twice |= u8::from(self.keys_seen & (1 << bit) != 0);
        self.keys_seen |= 1 << bit;
    }

    /// The bytes to look for a `DisplayName` in, if there is one.
    #[inline]
    pub(super) fn display_name(&self) -> &'a [u8] {
        if self.keys_seen & (1 << DISPLAY_BIT) != 0 { self.bytes } else { b"" }
    }

    /// Fails where a key of the element itself stands twice, and says so where its keys name different machines.
    #[cold]
    pub(super) fn check_twice<V: Visitor>(&self, visitor: &mut V) -> Result<(), Fault> {
        // Where nothing else says that it is a reading, a `Status` may be a tag.
        let is_reading = self.value.candidate.is_some() || self.is_data_set;
        if self.twice & (KEY | COLUMN) != 0 || (self.twice & STATUS != 0 && is_reading) {
            return Err(TWICE);
        }
        if self.twice & MACHINES != 0 {
            self.remark_machines(visitor);
        }
        Ok(())
    }

    #[inline]
    fn sensor(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        let start = cursor.at();
        match cursor.value()? {
            Value::Null => {}
            Value::Text(text) if text.is_empty() => {}
            Value::Nested if rank == SENSOR_RANK_NODE => self.sensor.offer(rank, node_id(cursor.since(start))),
            value => self.sensor.offer(rank, name(value)),
        }
        Ok(())
    }

    #[inline]
    fn machine(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => {}
            Value::Text(text) if text.is_empty() => {}
            value => self.names_machine(rank, name(value)),
        }
        Ok(())
    }

    #[inline]
    fn time(&mut self, bit: u32, rank: u8, unit: Option<Unit>, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        let mut before = *cursor;
        match cursor.value()? {
            Value::Null => {}
            Value::Text(text) if text.is_no_time() => {}
            Value::Nested => self.nested_time(rank, &mut before),
            value => self.timestamp_us.offer(rank, time_value(value, unit)),
        }
        Ok(())
    }

    #[cold]
    fn nested_time(&mut self, rank: u8, inside: &mut Cursor<'a>) {
        self.timestamp_us.offer(rank, time_object(inside));
    }

    /// The element's own bytes, from brace to brace.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fault, with what stands in the element where it is.
    #[cold]
    pub(super) fn told(&self, fault: Fault) -> Told<'a> {
        fault.told(written_at_fault(self.bytes, fault))
    }

    /// Hands over what the element holds. A fault is the element's; nothing was handed over then.
    #[inline]
    pub(super) fn report<V: Visitor>(&self, address: &Address<'_>, visitor: &mut V) -> Result<(), Fault> {
        let is_snapshot = match address.kind {
            Kind::Scada => true,
            Kind::Readings => self.is_snapshot,
            Kind::Sensor(_) | Kind::Rows { .. } => false,
        };
        if is_snapshot {
            return self.report_snapshot(address, visitor);
        }
        if self.twice != 0 {
            self.check_twice(visitor)?;
        }
        let machine = self.machine_name(address, visitor)?;
        let machine = machine.as_deref();
        let timestamp_us = || self.timestamp_us.candidate.transpose();
        // Beside a value, only what is called `values` means several.
        let values_named = self.values.is_some() && self.keys_seen & (1 << VALUES_BIT) != 0;
        let is_several = values_named || self.value.candidate.is_none();
        if (is_several || (self.has_others && self.sensor.rank > SENSOR_RANK_STRONG))
            && let Some(result) = self.report_tags_of(is_several, machine, address, visitor)
        {
            return result;
        }
        let value = self.value.candidate.unwrap_or(Err(NOT_A_NUMBER))?;
        let sensor = self.sensor_name(machine, address, visitor)?;
        let name = Name::Sensor { machine, sensor: checked_name(&sensor)? };
        let point = Point { name, timestamp_us: timestamp_us()?, value, quality: self.quality_or(Quality::Good) };
        if self.odd != 0 {
            return self.report_odd(point, visitor);
        }
        visitor.point(point);
        Ok(())
    }

    pub(super) fn says_quality(&self) -> bool {
        self.quality.candidate.is_some() || self.odd & ODD_QUALITY != 0
    }

    #[inline]
    pub(super) fn quality_or(&self, other: Quality) -> Quality {
        match self.quality.candidate {
            Some(_) if self.is_opc_da && self.quality_is_zero => Quality::Bad,
            Some(Ok(quality)) => quality,
            Some(Err(_)) | None if self.odd & ODD_QUALITY != 0 => Quality::Uncertain,
            Some(Err(_)) | None => other,
        }
    }

    #[cold]
    fn report_snapshot<V: Visitor>(&self, address: &Address<'_>, visitor: &mut V) -> Result<(), Fault> {
        if self.twice & !COLUMN != 0 {
            // A column is no key of the element's own: given twice it costs itself.
            Self { twice: self.twice & !COLUMN, ..*self }.check_twice(visitor)?;
        }
        let machine = self
            .machine_name(address, visitor)?
            .ok_or(Fault::malformed("neither the topic nor a machine_id names the machine"))?;
        if let (false, Some(payload @ [b'{', ..])) = (self.is_snapshot, self.payload)
            && self.is_message(Some(&machine), visitor)
        {
            if self.twice & COLUMN != 0 {
                // Around a message it is no column, and would decide for all that is inside.
                return Err(TWICE);
            }
            return self.report_message(payload, address, visitor);
        }
        let timestamp_us = self.timestamp_us.candidate.transpose()?;
        let (fields, left_out) = snapshot::parse(self.bytes, |key| {
            if Known::of(key.as_bytes()).is_none() {
                visitor.remark(Remark::UnknownColumn, key);
            }
        })?;
        visitor.snapshot(&machine, timestamp_us, fields);
        for (fault, written) in left_out {
            // Without a state it is no snapshot: sent again it is refused again, and stores no second one.
            let common = Common { machine: Some(&machine), timestamp_us, ..Common::NONE };
            let start = format!("{}\"machine_state\":null,\"{}\":", opening(common), fault.subject);
            let fragment = [start.as_bytes(), written, b"}"].concat();
            let told = fault.told(written);
            let detail = format_args!("{told}; the other columns were taken");
            visitor.reject_part(Form::Elements, fault.reason, detail, &fragment);
        }
        Ok(())
    }
}
