//! A message of Node-RED or of a broker's rule, which means its payload:
//! `{"topic": "plant/TEMP-1", "timestamp": 1700000000000, "payload": 71.5}`.
//!
//! The payload is read as if it had been sent alone. What it does not say of machine, time and quality, the message says. Where
//! neither the payload nor the topic of the listener names a sensor, the last level of the message's own `topic` does: of tags if
//! the catalogue has it, of a value in any case, so that one of an unknown sensor is set aside under its name.

use super::common::Common;
use super::cursor::{Cursor, Syntax, Value};
use super::element::Element;
use super::envelope::{member, text};
use super::fields::{number_value, only_item};
use super::keys::{Ranked, TOPIC_BIT};
use super::list;
use super::naming::TAGS_LEVEL;
use crate::fault::{Fault, TWICE, checked_name};
use crate::{Address, Kind, NAME_BYTES_MAX, Name, Point, Visitor};
use genims_model::Quality;
use std::borrow::Cow;

impl<'a> Element<'a> {
    /// Hands over the payload of a message. Messages in messages are not followed.
    #[cold]
    pub(super) fn report_message<V: Visitor>(
        &self,
        payload: &'a [u8],
        address: &Address<'_>,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        let syntax = |Syntax(what)| Fault::malformed(what);
        if self.payload_twice {
            return Err(TWICE);
        }
        let machine = self.machine_name(address, visitor)?;
        let machine = machine.as_deref();
        let address = Address { machine, ..*address };
        let level = self.topic_level();
        let level = level.as_deref();
        let mut cursor = Cursor::new(payload);
        let report = |cursor: &mut Cursor<'a>, visitor: &mut V| {
            Element::parse(cursor).map(|inner| {
                self.remark_machines_in(&inner, visitor);
                let address = inner.address_in(level, &address, visitor);
                self.around(inner).report(&address, visitor)
            })
        };
        let result = match payload.first() {
            Some(b'{') => report(&mut cursor, visitor).map_err(syntax)?,
            Some(b'[') if list::check(&mut cursor.clone()).is_ok_and(|list| list.is_some()) => {
                let timestamp_us = self.timestamp_us.candidate.transpose()?;
                let quality = self.quality_or(Quality::Good);
                // Whom entries mean that name nobody.
                let sensor = sensor_of(&of_value(level, &address, visitor), &address);
                let common = Common { machine, sensor, timestamp_us, quality, ..Common::NONE };
                list::report(payload, common, visitor, report);
                Ok(())
            }
            _ => {
                let value = match cursor.value().map_err(syntax)? {
                    Value::Nested => only_item(payload)?,
                    value => number_value(value)?,
                };
                let sensor = self.sensor_name(machine, &of_value(level, &address, visitor), visitor)?;
                visitor.point(Point {
                    name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
                    timestamp_us: self.timestamp_us.candidate.transpose()?,
                    value,
                    quality: self.quality_or(Quality::Good),
                });
                Ok(())
            }
        };
        result.inspect(|()| self.remark(self.timestamp_us.candidate.and_then(Result::ok), visitor))
    }

    /// What a message holds, with what the message says of it.
    fn around(&self, inner: Self) -> Self {
        // Not a message itself, whatever it says: how deep they are followed has a bound.
        let mut meant = Self { is_message: false, keys_seen: inner.keys_seen & !(1 << TOPIC_BIT), ..inner };
        if inner.timestamp_us.candidate.is_none() {
            meant.timestamp_us = self.timestamp_us;
        }
        if self.says_quality() && !inner.says_quality() {
            meant.quality = Ranked { rank: 0, candidate: Some(Ok(self.quality_or(Quality::Good))) };
        }
        meant
    }

    /// The last level of what stands behind `topic`.
    #[cold]
    pub(super) fn topic_level(&self) -> Option<Cow<'a, str>> {
        let is_level = |level: &&str| !level.trim().is_empty();
        match member(self.bytes, "topic").and_then(text)? {
            Cow::Borrowed(topic) => topic.rsplit('/').find(is_level).map(Cow::Borrowed),
            Cow::Owned(topic) => topic.rsplit('/').find(is_level).map(|level| Cow::Owned(level.to_owned())),
        }
    }

    /// The address under which an element is read that a message holds, with the last `level` of its topic. What names its sensor itself, and a
    /// snapshot, needs no name of the message.
    #[cold]
    pub(super) fn address_in<'t, V: Visitor>(
        &self,
        level: Option<&'t str>,
        address: &Address<'t>,
        visitor: &V,
    ) -> Address<'t> {
        if self.sensor.candidate.is_some() || self.is_snapshot {
            *address
        } else if self.value.candidate.is_some() {
            of_value(level, address, visitor)
        } else {
            of_known(level, address, visitor)
        }
    }
}

/// The address of a value in a message, with the sensor that the message's own `topic` names. Where nothing else names one that
/// may be known, it does even if the catalogue lacks it: then it is set aside under that name.
#[cold]
pub(super) fn of_value<'t, V: Visitor>(level: Option<&'t str>, address: &Address<'t>, visitor: &V) -> Address<'t> {
    let known = of_known(level, address, visitor);
    let is_free = match known.kind {
        Kind::Readings => true,
        Kind::Sensor(sensor) => sensor == TAGS_LEVEL && !knows(sensor, &known, visitor),
        Kind::Scada | Kind::Rows { .. } => false,
    };
    match level.filter(|_| is_free) {
        Some(last) => Address { kind: Kind::Sensor(last), ..known },
        None => known,
    }
}

/// The same where it counts only if the catalogue has it.
fn of_known<'t, V: Visitor>(level: Option<&'t str>, address: &Address<'t>, visitor: &V) -> Address<'t> {
    let last = level.filter(|last| knows(last, address, visitor));
    match (address.kind, last) {
        (Kind::Sensor(sensor), _) if knows(sensor, address, visitor) => *address,
        (Kind::Scada | Kind::Rows { .. }, _) | (_, None) => *address,
        (_, Some(last)) => Address { kind: Kind::Sensor(last), ..*address },
    }
}

fn knows<V: Visitor>(sensor: &str, address: &Address<'_>, visitor: &V) -> bool {
    sensor.len() <= NAME_BYTES_MAX && visitor.knows(address.machine, sensor)
}

/// The sensor that an address has and the one around it has not.
pub(super) fn sensor_of<'t>(named: &Address<'t>, around: &Address<'_>) -> Option<&'t str> {
    match named.kind {
        Kind::Sensor(sensor) if named.kind != around.kind => Some(sensor),
        _ => None,
    }
}
