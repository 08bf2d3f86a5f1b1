//! One element of a JSON payload: parsed once, then reported as a point, as several, or as a snapshot.
//!
//! | what | keys, the first present one counts |
//! |---|---|
//! | sensor | `sensor_id`, `sensor`, `tag`, `name`, `id` |
//! | machine | `machine_id`, `machine` |
//! | time | `timestamp_us`, `timestamp_ms`, `timestamp_ns`, `timestamp`, `ts`, `time`, `t` |
//! | value | `value`, or `values` with an object of several |
//! | quality | `quality`: `good`, `uncertain`, `bad`, or the OPC numbers 192, 64, 0 |
//!
//! Below a topic that names the sensor, `sensor_id` and `sensor` still count (a dead letter names its sensor there), the
//! weaker `tag`, `name`, `id` do not: they often are remarks. A key that stands twice makes the element malformed, `null`
//! is a key left out.

use super::cursor::{Cursor, Syntax, Text, Value};
use super::fields::{name, number_value, quality, time_value};
use super::values::{self, Common};
use crate::fault::{Fault, checked_name};
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
    value: Option<Result<f64, Fault>>,
    /// The object behind `values`, already found to be valid.
    values: Option<&'a [u8]>,
    quality: Result<Quality, Fault>,
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

impl<'a> Element<'a> {
    #[inline]
    pub(super) fn parse(cursor: &mut Cursor<'a>) -> Result<Self, Syntax> {
        let mut element = Self {
            bytes: &[],
            sensor: Ranked::NONE,
            machine: Ranked::NONE,
            timestamp_us: Ranked::NONE,
            value: None,
            values: None,
            quality: Ok(Quality::Good),
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
            b"value" => {
                self.saw(0);
                self.value = Some(number_value(cursor.value()?));
            }
            b"sensor_id" => self.sensor(1, 0, cursor)?,
            b"timestamp_ms" => self.time(2, 1, Some(Unit::Milliseconds), cursor)?,
            b"timestamp_us" => self.time(3, 0, Some(Unit::Microseconds), cursor)?,
            b"timestamp_ns" => self.time(4, 2, Some(Unit::Nanoseconds), cursor)?,
            b"timestamp" => self.time(5, 3, None, cursor)?,
            b"ts" => self.time(6, 4, None, cursor)?,
            b"time" => self.time(7, 5, None, cursor)?,
            b"t" => self.time(8, 6, None, cursor)?,
            b"sensor" => self.sensor(9, 1, cursor)?,
            b"tag" => self.sensor(10, 2, cursor)?,
            b"name" => self.sensor(11, 3, cursor)?,
            b"id" => self.sensor(12, 4, cursor)?,
            b"machine_id" => self.machine(13, 0, cursor)?,
            b"machine" => self.machine(14, 1, cursor)?,
            b"quality" => {
                self.saw(15);
                match cursor.value()? {
                    Value::Null => {}
                    value => self.quality = quality(value),
                }
            }
            b"values" => {
                self.saw(16);
                self.values = values::check(cursor)?.or(self.values);
            }
            b"machine_state" => {
                self.saw(17);
                self.is_snapshot = true;
                cursor.value()?;
            }
            _ => cursor.skip()?,
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
        if let Some(values) = self.values {
            if self.value.is_some() {
                return Err(Fault::malformed("value and values exclude each other"));
            }
            let timestamp_us = self.timestamp_us.candidate.transpose()?;
            let common = Common { machine, timestamp_us, quality: self.quality? };
            return values::report(values, common, visitor);
        }
        let value = self.value.ok_or(Fault::malformed("there is neither value nor values"))??;
        let sensor = match (self.sensor.candidate, address.kind) {
            (Some(_), Kind::Sensor(sensor)) if self.sensor.rank > SENSOR_RANK_STRONG => Cow::Borrowed(sensor),
            (None, Kind::Sensor(sensor)) => Cow::Borrowed(sensor),
            (Some(sensor), _) => sensor?.to_str(),
            (None, _) => return Err(Fault::malformed("neither the topic nor a sensor_id names the sensor")),
        };
        visitor.point(Point {
            name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
            timestamp_us: self.timestamp_us.candidate.transpose()?,
            value,
            quality: self.quality?,
        });
        Ok(())
    }

    #[inline]
    fn machine_name<'n>(&self, address: &Address<'n>) -> Result<Option<Cow<'n, str>>, Fault>
    where
        'a: 'n,
    {
        match self.machine.candidate {
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
