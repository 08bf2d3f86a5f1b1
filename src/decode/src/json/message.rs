//! A message of Node-RED or of a broker's rule, which means its payload:
//! `{"topic": "plant/TEMP-1", "timestamp": 1700000000000, "payload": 71.5}`.
//!
//! The payload is read as if it had been sent alone. What it does not say of machine, time and quality, the message says; who
//! is meant, where neither the payload nor the topic of the listener names a sensor that the catalogue has, the message's own
//! `topic` does, if the catalogue has its last level.

use super::common::Common;
use super::cursor::{Cursor, Syntax, Value};
use super::element::Element;
use super::envelope::{member, text};
use super::fields::{number_value, only_item};
use super::keys::{Ranked, TOPIC_BIT};
use super::list;
use crate::fault::{Fault, TWICE, checked_name};
use crate::{Address, Kind, Name, Point, Visitor};
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
        let topic = self.topic();
        let named = self.named_by_topic(topic.as_deref(), &address, visitor);
        let mut cursor = Cursor::new(payload);
        let report = |cursor: &mut Cursor<'a>, visitor: &mut V| {
            Element::parse(cursor).map(|inner| {
                let address = if inner.sensor.candidate.is_some() { &address } else { &named };
                self.around(inner).report(address, visitor)
            })
        };
        let result = match payload.first() {
            Some(b'{') => report(&mut cursor, visitor).map_err(syntax)?,
            Some(b'[') if list::check(&mut cursor.clone()).is_ok_and(|list| list.is_some()) => {
                let timestamp_us = self.timestamp_us.candidate.transpose()?;
                let quality = self.quality_or(Quality::Good);
                let common = Common { machine, sensor: None, thing: None, timestamp_us, quality };
                list::report(payload, common, visitor, report);
                Ok(())
            }
            _ => {
                let value = match cursor.value().map_err(syntax)? {
                    Value::Nested => only_item(payload)?,
                    value => number_value(value)?,
                };
                let sensor = self.sensor_name(machine, &named, visitor)?;
                visitor.point(Point {
                    name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
                    timestamp_us: self.timestamp_us.candidate.transpose()?,
                    value,
                    quality: self.quality_or(Quality::Good),
                });
                Ok(())
            }
        };
        result.inspect(|()| self.remark(visitor))
    }

    /// What a message holds, with what the message says of it.
    fn around(&self, inner: Self) -> Self {
        // Not a message itself, whatever it says: how deep they are followed has a bound.
        let mut meant = Self { is_message: false, keys_seen: inner.keys_seen & !(1 << TOPIC_BIT), ..inner };
        if inner.timestamp_us.candidate.is_none() {
            meant.timestamp_us = self.timestamp_us;
        }
        let says_quality = |element: &Self| element.quality.candidate.is_some() || element.quality_is_odd;
        if says_quality(self) && !says_quality(&inner) {
            meant.quality = Ranked { rank: 0, candidate: Some(Ok(self.quality_or(Quality::Good))) };
        }
        meant
    }

    /// What stands behind `topic`.
    #[cold]
    pub(super) fn topic(&self) -> Option<Cow<'a, str>> {
        member(self.bytes, "topic").and_then(text)
    }

    /// The address of a message, with the sensor that its own `topic` names.
    #[cold]
    pub(super) fn named_by_topic<'t, V: Visitor>(
        &self,
        topic: Option<&'t str>,
        address: &Address<'t>,
        visitor: &V,
    ) -> Address<'t> {
        let is_known = |sensor: &str| visitor.knows(address.machine, sensor);
        let last = topic.and_then(|topic| topic.rsplit('/').next()).filter(|last| is_known(last));
        match (address.kind, last) {
            (Kind::Sensor(sensor), _) if is_known(sensor) => *address,
            (Kind::Scada | Kind::Rows { .. }, _) => *address,
            (_, Some(last)) => Address { kind: Kind::Sensor(last), ..*address },
            (_, None) => *address,
        }
    }
}
