//! One element of a JSON payload: parsed once, then reported as a point, as several, or as a snapshot.
//!
//! | what | keys, the first present one counts |
//! |---|---|
//! | sensor | `sensor_id`, `sensor`, `tag`, `name`, `id` |
//! | machine | `machine_id`, `machine`; `node` where the topic names none |
//! | time | `timestamp_us`, `timestamp_ms`, `timestamp_ns`, `timestamp`, `ts`, `time`, `t` |
//! | value | `value`, `v`, `val`, `d` |
//! | several | `values`, `d` with an object: see [`values`]; `values`, `tags`, `metrics`, `d` with a list: see [`list`] |
//! | quality | `quality`, `q`: see [`crate::quality`] |
//!
//! `value`, `timestamp`, `quality` and `name` may begin with a capital. An element that has none of the value keys is an
//! object of tags: see [`tags`]. Below a topic that names the sensor, `sensor_id` and `sensor` still count (a dead letter
//! names its sensor there), the weaker `tag`, `name`, `id` do not: they often are remarks. A key that stands twice makes
//! the element malformed, `null` is a key left out.

use super::cursor::{Cursor, Syntax, Text, Value};
use super::fields::{name, number_value, quality, time_value};
use super::values::{self, Common};
use super::{list, tags};
use crate::fault::{Fault, NOT_A_NUMBER, checked_name};
use crate::timestamp::Unit;
use crate::{Address, Kind, Name, Point, Visitor, snapshot};
use genims_model::Quality;
use std::borrow::Cow;

/// What is known after one pass over the element's bytes. A [`Fault`] is kept where its key may turn out not to count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    bytes: &'a [u8],
    sensor: Ranked<Text<'a>>,
    machine: Ranked<Text<'a>>,
    timestamp_us: Ranked<i64>,
    value: Ranked<f64>,
    /// A value key was there and said nothing.
    value_is_null: bool,
    /// The object behind `values`, already found to be valid.
    values: Option<&'a [u8]>,
    /// The list behind `values`, `tags`, `metrics` or `d`.
    list: Option<&'a [u8]>,
    /// Error codes by tag, and the error of this one.
    errors: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    quality: Ranked<Quality>,
    /// `dt` beside `q`: the number is a quality of OPC DA, where 0 is bad.
    is_opc_da: bool,
    quality_is_zero: bool,
    is_snapshot: bool,
    /// One bit per known key that was seen.
    keys_seen: u32,
    key_twice: bool,
}

/// The best candidate so far; a lower rank wins.
#[derive(Clone, Copy, Debug)]
struct Ranked<T> {
    rank: u8,
    candidate: Option<Result<T, Fault>>,
}

impl<T> Ranked<T> {
    const NONE: Self = Self { rank: u8::MAX, candidate: None };

    #[inline]
    fn offer(&mut self, rank: u8, candidate: Result<T, Fault>) {
        if rank < self.rank {
            *self = Self { rank, candidate: Some(candidate) };
        }
    }
}

/// The last rank at which a sensor key counts although the topic names the sensor.
const SENSOR_RANK_STRONG: u8 = 1;

/// The bit of the key `values`.
const VALUES_BIT: u32 = 1 << 16;

/// The rank of a machine key that counts only where the topic names no machine.
const MACHINE_RANK_WEAK: u8 = 2;

impl<'a> Element<'a> {
    #[inline]
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Syntax> {
        let mut element = Self {
            bytes: &[],
            sensor: Ranked::NONE,
            machine: Ranked::NONE,
            timestamp_us: Ranked::NONE,
            value: Ranked::NONE,
            value_is_null: false,
            values: None,
            list: None,
            errors: None,
            error: None,
            quality: Ranked::NONE,
            is_opc_da: false,
            quality_is_zero: false,
            is_snapshot: false,
            keys_seen: 0,
            key_twice: false,
        };
        cursor.token();
        let start = cursor.at();
        cursor.object(|cursor, key| match key.plain() {
            Some(key) => element.member(key, cursor),
            None => element.member(key.to_str().as_bytes(), cursor),
        })?;
        element.bytes = cursor.since(start);
        Ok(element)
    }

    #[inline]
    fn member(&mut self, key: &[u8], cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match key {
            b"value" | b"Value" => self.value(0, 0, cursor)?,
            b"sensor_id" => self.sensor(1, 0, cursor)?,
            b"timestamp_ms" => self.time(2, 1, Some(Unit::Milliseconds), cursor)?,
            b"timestamp_us" => self.time(3, 0, Some(Unit::Microseconds), cursor)?,
            b"timestamp_ns" => self.time(4, 2, Some(Unit::Nanoseconds), cursor)?,
            b"timestamp" | b"Timestamp" => self.time(5, 3, None, cursor)?,
            b"ts" => self.time(6, 4, None, cursor)?,
            b"time" => self.time(7, 5, None, cursor)?,
            b"t" => self.time(8, 6, None, cursor)?,
            b"sensor" => self.sensor(9, 1, cursor)?,
            b"tag" => self.sensor(10, 2, cursor)?,
            b"name" | b"Name" => self.sensor(11, 3, cursor)?,
            b"id" => self.sensor(12, 4, cursor)?,
            b"machine_id" => self.machine(13, 0, cursor)?,
            b"machine" => self.machine(14, 1, cursor)?,
            b"quality" | b"Quality" => self.quality(15, 0, cursor)?,
            b"values" => self.several(16, cursor)?,
            b"machine_state" => {
                self.saw(17);
                self.is_snapshot = true;
                cursor.value()?;
            }
            _ => self.gateway_member(key, cursor)?,
        }
        Ok(())
    }

    /// The keys of gateways; see [`list`].
    fn gateway_member(&mut self, key: &[u8], cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        match key {
            b"v" => self.value(18, 1, cursor),
            b"val" => self.value(19, 2, cursor),
            b"q" => self.quality(20, 1, cursor),
            b"d" if matches!(cursor.token(), Some(b'{' | b'[')) => self.several(21, cursor),
            b"d" => self.value(21, 3, cursor),
            b"dt" => {
                self.is_opc_da = true;
                cursor.skip()
            }
            b"tags" | b"metrics" => {
                self.list = list::check(cursor)?.or(self.list);
                Ok(())
            }
            b"errors" => {
                self.errors = values::check(cursor)?;
                Ok(())
            }
            b"error" => {
                cursor.token();
                let start = cursor.at();
                cursor.skip()?;
                self.error = Some(cursor.since(start)).filter(|error| !list::is_no_error(error));
                Ok(())
            }
            b"node" => self.machine(22, MACHINE_RANK_WEAK, cursor),
            _ => cursor.skip(),
        }
    }

    #[inline]
    fn value(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => self.value_is_null = true,
            value => self.value.offer(rank, number_value(value)),
        }
        Ok(())
    }

    fn quality(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => {}
            value => {
                self.quality_is_zero |= matches!(value, Value::Number(number) if number.decimal.mantissa == 0);
                self.quality.offer(rank, quality(value));
            }
        }
        Ok(())
    }

    fn several(&mut self, bit: u32, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        if cursor.token() == Some(b'[') {
            self.list = list::check(cursor)?.or(self.list);
        } else {
            self.values = values::check(cursor)?.or(self.values);
        }
        Ok(())
    }

    #[inline]
    fn saw(&mut self, bit: u32) {
        self.key_twice |= self.keys_seen & (1 << bit) != 0;
        self.keys_seen |= 1 << bit;
    }

    #[inline]
    fn sensor(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => {}
            value => self.sensor.offer(rank, name(value)),
        }
        Ok(())
    }

    #[inline]
    fn machine(&mut self, bit: u32, rank: u8, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => {}
            value => self.machine.offer(rank, name(value)),
        }
        Ok(())
    }

    #[inline]
    fn time(&mut self, bit: u32, rank: u8, unit: Option<Unit>, cursor: &mut Cursor<'a>) -> Result<(), Syntax> {
        self.saw(bit);
        match cursor.value()? {
            Value::Null => {}
            value => self.timestamp_us.offer(rank, time_value(value, unit)),
        }
        Ok(())
    }

    /// The element's own bytes, from brace to brace.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
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
        if self.key_twice {
            return Err(Fault::malformed("a key stands twice"));
        }
        let machine = self.machine_name(address)?;
        let machine = machine.as_deref();
        let timestamp_us = || self.timestamp_us.candidate.transpose();
        // Beside a value, only what is called `values` means several.
        let values_named = self.values.is_some() && self.keys_seen & VALUES_BIT != 0;
        if values_named || self.value.candidate.is_none() {
            let strong_sensor = self.sensor.rank <= SENSOR_RANK_STRONG;
            let common = Common { machine, timestamp_us: timestamp_us()?, quality: self.quality_or(Quality::Good)? };
            return self.report_several(strong_sensor, common, visitor);
        }
        let value = self.value.candidate.unwrap_or(Err(NOT_A_NUMBER))?;
        let sensor = match (self.sensor.candidate, address.kind) {
            (Some(_), Kind::Sensor(sensor)) if self.sensor.rank > SENSOR_RANK_STRONG => Cow::Borrowed(sensor),
            (None, Kind::Sensor(sensor)) => Cow::Borrowed(sensor),
            (Some(sensor), _) => sensor?.to_str(),
            (None, _) => return Err(Fault::malformed("neither the topic nor a sensor_id names the sensor")),
        };
        visitor.point(Point {
            name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
            timestamp_us: timestamp_us()?,
            value,
            quality: self.quality_or(Quality::Good)?,
        });
        Ok(())
    }

    /// Several readings of one time, in whichever of the shapes.
    fn report_several<V: Visitor>(&self, is_of_sensor: bool, common: Common<'_>, visitor: &mut V) -> Result<(), Fault> {
        const NO_VALUE: Fault = Fault::malformed("there is neither value nor values, nor any other number");
        if self.value.candidate.is_some() {
            return Err(Fault::malformed("value and values exclude each other"));
        }
        if let Some(values) = self.values {
            values::report(values, common, visitor)?;
        } else if let Some(list) = self.list {
            list::report(list, common, visitor, |cursor, visitor| {
                Element::parse(cursor).map(|entry| entry.report_item(common, visitor))
            });
        } else if self.value_is_null {
            return Err(NOT_A_NUMBER);
        } else if is_of_sensor || (self.errors.is_none() && !tags::report(self.bytes, common, visitor)?) {
            return Err(NO_VALUE);
        }
        self.errors.map_or(Ok(()), |errors| list::report_errors(errors, common, visitor))
    }

    /// As one of a list: what it does not say itself, it has in common with the others.
    pub(super) fn report_item<V: Visitor>(&self, common: Common<'_>, visitor: &mut V) -> Result<(), Fault> {
        if self.key_twice {
            return Err(Fault::malformed("a key stands twice"));
        }
        let sensor = self.sensor.candidate.ok_or(Fault::malformed("an entry of the list names no sensor"))??.to_str();
        let own_machine = self.machine.candidate.transpose()?.map(Text::to_str);
        let machine = own_machine.as_deref().map(checked_name).transpose()?.or(common.machine);
        let quality = self.quality_or(common.quality)?;
        let value = match (self.value.candidate, self.error) {
            (Some(value), _) => value?,
            (None, Some(_)) => return Err(list::NOT_READ),
            (None, None) => return Err(NOT_A_NUMBER),
        };
        visitor.point(Point {
            name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
            timestamp_us: self.timestamp_us.candidate.transpose()?.or(common.timestamp_us),
            value,
            quality: if self.error.is_some() { Quality::Bad } else { quality },
        });
        Ok(())
    }

    #[inline]
    fn quality_or(&self, other: Quality) -> Result<Quality, Fault> {
        match self.quality.candidate {
            Some(_) if self.is_opc_da && self.quality_is_zero => Ok(Quality::Bad),
            Some(quality) => quality,
            None => Ok(other),
        }
    }

    #[inline]
    fn machine_name<'n>(&self, address: &Address<'n>) -> Result<Option<Cow<'n, str>>, Fault>
    where
        'a: 'n,
    {
        match self.machine.candidate {
            Some(_) if self.machine.rank == MACHINE_RANK_WEAK && address.machine.is_some() => {
                Ok(address.machine.map(Cow::Borrowed))
            }
            Some(machine) => {
                let machine = machine?.to_str();
                checked_name(&machine)?;
                Ok(Some(machine))
            }
            None => Ok(address.machine.map(Cow::Borrowed)),
        }
    }

    #[cold]
    fn report_snapshot<V: Visitor>(&self, address: &Address<'_>, visitor: &mut V) -> Result<(), Fault> {
        if self.key_twice {
            return Err(Fault::malformed("a key stands twice"));
        }
        let machine = self
            .machine_name(address)?
            .ok_or(Fault::malformed("neither the topic nor a machine_id names the machine"))?;
        let timestamp_us = self.timestamp_us.candidate.transpose()?;
        let fields = snapshot::parse(self.bytes)?;
        visitor.snapshot(&machine, timestamp_us, fields);
        Ok(())
    }
}
