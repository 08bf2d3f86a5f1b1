//! An element that says several things: a list, an object of values or tags, an envelope around them. See [`super::element`].

use super::beside::{Inside, LISTS_DEEP_MAX, NO_VALUES};
use super::common::Common;
use super::cursor::{Cursor, Syntax, Text, is_empty};
use super::element::{Element, HELD, NESTED, NUMBER};
use super::fields::SINCE_2001_US;
use super::keys::{
    BODY_BIT, ENVELOPE_BIT, Known, SENSOR_RANK_CONTAINER, SENSOR_RANK_NODE, SENSOR_RANK_STRONG, Says, TOPIC_BIT,
    VALS_BIT, VALUE_BIT, VALUES_BIT, is_of_protocol, is_typed_value,
};
use super::naming::{self, TAGS_LEVEL};
use super::tags::{self, Top};
use super::{envelope, list, typed, values};
use crate::fault::{Fault, NO_VALUE, NO_VALUE_KEY, NOT_A_NUMBER, NOT_READ, TWICE, Told, checked_name};
use crate::{Address, Name, Point, Visitor};
use genims_model::Quality;
use std::borrow::Cow;
use std::collections::HashSet;

impl<'a> Element<'a> {
    /// Everything but one value: a message around it, several readings, a value that is one tag among others. `None`: it is
    /// one reading after all.
    #[inline(never)]
    pub(super) fn report_tags_of<V: Visitor>(
        &self,
        is_several: bool,
        machine: Option<&str>,
        address: &Address<'_>,
        visitor: &mut V,
    ) -> Option<Result<(), Fault>> {
        if is_several && let Some(meant) = self.of_machine(Common::NONE, visitor) {
            return Some(Self { twice: 0, ..meant }.report(address, visitor));
        }
        if is_several && let (true, Some(payload)) = (self.is_message(machine, visitor), self.payload) {
            let result = self.report_message(payload, address, visitor);
            let timestamp_us = self.timestamp_us.candidate.and_then(Result::ok);
            let common = Common { machine, timestamp_us, quality: self.quality_or(Quality::Good), ..Common::NONE };
            let result = result.and_then(|()| self.report_lists_beside(payload, common, LISTS_DEEP_MAX, visitor));
            return Some(result.inspect(|()| self.report_errors(common, visitor)));
        }
        let sensor = self.sensor_name(machine, address, visitor).ok();
        let sensor = sensor.as_deref();
        let is_named = self.sensor.candidate.is_some() && self.sensor.rank <= SENSOR_RANK_NODE;
        if !is_several && !naming::is_among_tags((self.bytes, is_named, sensor), address, machine, visitor) {
            return None;
        }
        let timestamp_us = match self.time_of_tags(machine, visitor) {
            Ok(timestamp_us) => timestamp_us,
            Err(fault) => return Some(Err(fault)),
        };
        let quality = self.quality_of_tags(Quality::Good, machine, visitor);
        let sensor = sensor.filter(|sensor| self.sensor.candidate.is_some() || *sensor != TAGS_LEVEL);
        let is_container = self.sensor.rank >= SENSOR_RANK_CONTAINER && matches!(self.sensor.candidate, Some(Ok(_)));
        let thing = sensor.filter(|_| is_container);
        let device = self.device();
        let device = device.as_deref();
        let common = Common { machine, sensor, thing, device, timestamp_us, quality };
        self.remark(timestamp_us, visitor);
        let own = self.sensor.candidate.and_then(Result::ok).filter(|_| is_named && !is_several);
        Some(match own.map(|own| self.own_name(own, machine, visitor)) {
            _ if is_several => self.report_several(self.sensor.rank == SENSOR_RANK_STRONG, common, visitor),
            Some(own) if !self.value_is_known(machine, visitor) => self.report_beside_known(&own, common, visitor),
            _ => self.report_with_siblings(common, visitor),
        })
    }

    /// Whether it is a message of Node-RED: by its id, or by a payload beside a topic where that is no sensor.
    pub(super) fn is_message<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> bool {
        let has_topic = self.keys_seen & (1 << TOPIC_BIT) != 0;
        self.is_message || (has_topic && self.payload.is_some() && !visitor.knows(machine, "payload"))
    }

    /// Several readings of one time, in whichever of the shapes.
    pub(super) fn report_several<V: Visitor>(
        &self,
        is_of_sensor: bool,
        common: Common<'_>,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        self.report_lists(is_of_sensor, common, LISTS_DEEP_MAX, visitor)
    }

    /// `deep`: how far lists in lists are followed.
    fn report_lists<V: Visitor>(
        &self,
        is_of_sensor: bool,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        if self.value.candidate.is_some() {
            return Err(Fault::malformed("value and values exclude each other"));
        }
        // What is empty beside the other says nothing.
        let list = self.list.filter(|list| self.values.is_none() || !is_empty(list));
        let values = self.values.filter(|values| list.is_none() || !is_empty(values));
        if self.values_twice || (values.is_some() && list.is_some()) {
            return Err(Fault::malformed("two keys hold several values each; write them under one"));
        }
        if let Some(values) = values {
            values::report(values, common, visitor, &Inside::of_values(self, deep))?;
            if self.has_others || self.odd & NESTED != 0 {
                self.report_beside(common, deep, visitor)?;
            }
        } else if let Some(list) = list {
            list::report(list, common, visitor, |cursor, visitor| {
                Element::parse(cursor).map(|entry| entry.report_entry(common, deep - 1, visitor))
            });
            if self.has_others || self.odd & NESTED != 0 {
                self.report_beside(common, deep, visitor)?;
            }
        } else if self.value_is_null {
            return Err(NOT_A_NUMBER);
        } else if !is_of_sensor && self.report_envelope(common, deep, visitor)? {
        } else if self.sensor.candidate.is_some() && self.has_typed_value() {
            return self.report_item(common.sensor, common, 0, visitor);
        } else if !is_of_sensor
            && ((deep == LISTS_DEEP_MAX && self.report_keyed(common, deep, visitor)?)
                || self.report_tags(common, deep, visitor)?
                || (deep == LISTS_DEEP_MAX && self.report_only(common, visitor)?))
        {
            self.reject_values(common, visitor);
        } else if is_of_sensor || !(self.is_silent || self.errors.is_some_and(|errors| errors.starts_with(b"{"))) {
            let has_values = self.keys_seen & (1 << VALUES_BIT | 1 << VALS_BIT) != 0;
            return Err(if has_values { NO_VALUES } else { NO_VALUE });
        }
        self.report_errors(common, visitor);
        Ok(())
    }

    /// The tags of a message that its other keys tell. `false`: it is none.
    fn report_envelope<V: Visitor>(&self, common: Common<'_>, deep: usize, visitor: &mut V) -> Result<bool, Fault> {
        let is_of_other = (self.is_data_set && self.payload.is_some()) || self.is_notification || self.is_silent;
        let may_wrap = self.keys_seen & (1 << ENVELOPE_BIT) != 0 || self.payload.is_some() || self.params.is_some();
        if !may_wrap || is_of_other {
            return Ok(false);
        }
        if self.report_wrapped_value(common, deep, visitor)? {
            return Ok(true);
        }
        let knows = |sensor: &str| visitor.knows(common.machine, sensor);
        let named = if common.machine.is_none() { self.machine_wrapped(visitor) } else { None };
        let knows_inside = |sensor: &str| knows(sensor) || (named.is_some() && visitor.knows(named.as_deref(), sensor));
        let Some(inner) = envelope::inner(self.bytes, knows, knows_inside) else { return Ok(false) };
        let inside = Element::parse(&mut Cursor::new(inner.tags)).map_err(|Syntax(what)| Fault::malformed(what))?;
        // Inside, a short key may as well be a tag's.
        let around = inner.timestamp_us.transpose()?.or(common.timestamp_us);
        let timestamp_us = match (inside.time_of_tags(common.machine, visitor), around) {
            // The time of the sample itself is better than that of its message; what counts from a start is none.
            (Ok(timestamp_us), Some(around)) => Some(timestamp_us.filter(|us| *us >= SINCE_2001_US).unwrap_or(around)),
            (Ok(timestamp_us), None) => timestamp_us,
            // What is no time may be a tag's value.
            (Err(_), Some(around)) => Some(around),
            (Err(fault), None) => return Err(fault),
        };
        let quality = inside.quality_of_tags(self.quality_around(common, visitor), common.machine, visitor);
        inside.remark(timestamp_us, visitor);
        let label = inner.machine.as_deref();
        let is_named = common.machine.is_some() || label.is_some();
        let named = inside.own_machine(is_named, visitor)?.map(Text::to_str);
        let named = named.as_deref().or(label.filter(|_| inner.machine_is_sure));
        let machine = named.or(common.machine).or(label).map(checked_name).transpose()?;
        let common = Common { machine, timestamp_us, quality, ..common };
        let values = inside.values.filter(|_| inside.keys_seen & (1 << VALUES_BIT | 1 << VALS_BIT) != 0);
        if let Some(values) = values {
            values::report(values, common, visitor, &Inside::of_values(self, deep))?;
        }
        let reader = Inside::of(self, deep);
        let has_tags = tags::report_inner(inner.tags, (self.bytes, inner.within), common, visitor, &reader)?;
        if !has_tags && values.is_none() {
            return Err(NO_VALUE);
        }
        inside.report_errors(common, visitor);
        Ok(true)
    }

    /// The machine that the only object around tags names.
    #[cold]
    fn machine_wrapped<V: Visitor>(&self, visitor: &V) -> Option<Cow<'a, str>> {
        let wrapped = Element::parse(&mut Cursor::new(envelope::only_wrapped(self.bytes)?)).ok()?;
        wrapped.own_machine(false, visitor).ok()?.map(Text::to_str)
    }

    /// What is the only thing that an element without values has. `false`: there is no such thing.
    #[cold]
    fn report_only<V: Visitor>(&self, common: Common<'_>, visitor: &mut V) -> Result<bool, Fault> {
        if self.errors.is_some() || self.is_silent || self.keys_seen & (1 << VALUES_BIT) != 0 {
            return Ok(false);
        }
        if let Some(list) = envelope::only_list(self.bytes) {
            list::report(list, common, visitor, |cursor, visitor| {
                Element::parse(cursor).map(|entry| entry.report_entry(common, LISTS_DEEP_MAX - 1, visitor))
            });
            return Ok(true);
        }
        if let Some(named) = envelope::named_tags(self.bytes) {
            return tags::report(named, Top::Tags, common, visitor, &Inside::of(self, LISTS_DEEP_MAX));
        }
        let Some(wrapped) = envelope::only_wrapped(self.bytes) else { return Ok(false) };
        let inner = Element::parse(&mut Cursor::new(wrapped)).map_err(|Syntax(what)| Fault::malformed(what))?;
        if inner.list.is_none() && inner.values.is_none() && inner.value.candidate.is_none() {
            return Ok(false);
        }
        inner.report_item(None, common, LISTS_DEEP_MAX - 1, visitor).map(|()| true)
    }

    /// An element whose `value` is that of the sensor that it names, beside tags that are known.
    #[cold]
    fn report_beside_known<V: Visitor>(&self, own: &str, common: Common<'_>, visitor: &mut V) -> Result<(), Fault> {
        let value = self.value.candidate.unwrap_or(Err(NOT_A_NUMBER))?;
        let Common { machine, timestamp_us, quality, .. } = common;
        let name = Name::Sensor { machine, sensor: checked_name(own)? };
        visitor.point(Point { name, timestamp_us, value, quality });
        let taken = HashSet::from([own.to_owned()]);
        let reader = Inside::of(self, LISTS_DEEP_MAX);
        tags::report_around(self.bytes, (Top::Around, taken, b""), common, visitor, &reader)
    }

    /// Whether the catalogue has a sensor that is called as the key of the value is.
    #[cold]
    pub(super) fn value_is_known<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> bool {
        let mut found = false;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let key = key.to_str();
            let is_value =
                Known::of(key.as_bytes()).is_some_and(|known| matches!(known.says, Says::Value | Says::Data));
            found |= is_value && visitor.knows(machine, &key);
            cursor.skip()
        });
        read.is_ok() && found
    }

    /// An element whose `value` is one tag among others.
    #[cold]
    pub(super) fn report_with_siblings<V: Visitor>(&self, common: Common<'_>, visitor: &mut V) -> Result<(), Fault> {
        let reader = Inside::of(self, LISTS_DEEP_MAX);
        tags::report(self.bytes, Top::WithValue, common, visitor, &reader).map(|_| ())
    }

    /// Whether a value stands under a key that only tells its type.
    #[cold]
    pub(super) fn has_typed_value(&self) -> bool {
        let mut found = false;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            found |= is_typed_value(&key.to_str());
            cursor.skip()
        });
        read.is_ok() && found
    }

    /// The tags that are the element, or lie in it. `false`: there are none.
    fn report_tags<V: Visitor>(&self, common: Common<'_>, deep: usize, visitor: &mut V) -> Result<bool, Fault> {
        let reader = || Inside::of(self, deep);
        match (self.payload, self.params) {
            _ if self.payload_twice && (self.is_data_set || self.is_notification) => Err(TWICE),
            (Some(payload), _) if self.is_data_set && payload.starts_with(b"{") => {
                let has_tags = tags::report(payload, Top::Tags, common, visitor, &reader())?;
                self.report_lists_beside(payload, common, deep, visitor).map(|()| has_tags)
            }
            (_, Some(params)) if self.is_notification => {
                let notified =
                    Element::parse(&mut Cursor::new(params)).map_err(|Syntax(what)| Fault::malformed(what))?;
                let timestamp_us = notified.timestamp_us.candidate.transpose()?.or(common.timestamp_us);
                let common = Common { timestamp_us, ..common };
                let has_tags = tags::report(params, Top::Tags, common, visitor, &reader())?;
                self.report_lists_beside(params, common, deep, visitor).map(|()| has_tags)
            }
            _ if self.is_silent => Ok(false),
            _ => self.report_all_tags(common, deep, visitor),
        }
    }

    /// Reads the object next to the cursor and hands it over if it is one tag's: `{"Value": 21.5, "SourceTimestamp": ...}`.
    /// `None`: it is not, and the cursor stays.
    pub(super) fn report_tag<V: Visitor>(
        cursor: &mut Cursor<'a>,
        named: &str,
        common: Common<'_>,
        visitor: &mut V,
    ) -> Result<Option<Result<(), Told<'a>>>, Syntax> {
        let mut behind = *cursor;
        let element = Element::parse(&mut behind)?;
        // Short keys may be names of tags as well: the catalogue tells.
        let is_short = || element.value.candidate.is_some() && visitor.knows(common.machine, named);
        if element.keys_seen & (1 << VALUE_BIT | 1 << BODY_BIT) == 0 && !is_short() {
            return Ok(None);
        }
        *cursor = behind;
        Ok(Some(element.report_as(named, common, visitor)))
    }

    /// As [`Self::report_tag`], where an object can be nothing but one tag's.
    pub(super) fn report_named<V: Visitor>(
        cursor: &mut Cursor<'a>,
        named: &str,
        common: Common<'_>,
        visitor: &mut V,
    ) -> Result<Option<Result<(), Told<'a>>>, Syntax> {
        let mut behind = *cursor;
        let element = Element::parse(&mut behind)?;
        if element.value.candidate.is_none() && !element.value_is_null && element.error.is_none() {
            return Ok(None);
        }
        *cursor = behind;
        Ok(Some(element.report_as(named, common, visitor)))
    }

    fn report_as<V: Visitor>(&self, named: &str, common: Common<'_>, visitor: &mut V) -> Result<(), Told<'a>> {
        let result = self.report_item(Some(named), common, 0, visitor);
        result.map_err(|fault| self.told(fault))
    }

    /// An entry of a list without a value of its own. `false`: it has no tags either.
    #[cold]
    fn report_entry_of_tags<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        if self.report_envelope(common, deep, visitor)? {
            return Ok(true);
        }
        // With a name of its own it misses its value, and under its type alone a value is nobody's.
        if self.sensor.candidate.is_some() || self.has_typed_value() {
            return Ok(false);
        }
        self.remark(common.timestamp_us, visitor);
        let has_tags = tags::report(self.bytes, Top::Entry, common, visitor, &Inside::of(self, deep))?;
        if has_tags {
            self.report_errors(common, visitor);
        }
        Ok(has_tags)
    }

    /// As one of a list: what it does not say itself, it has in common with the others. `named`: by what is around it.
    pub(super) fn report_item<V: Visitor>(
        &self,
        named: Option<&str>,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        if self.twice != 0 {
            self.check_twice(visitor)?;
        }
        let own_machine = self.own_machine(common.machine.is_some(), visitor)?.map(Text::to_str);
        let machine = own_machine.as_deref().map(checked_name).transpose()?.or(common.machine);
        let says_value = self.value.candidate.is_some() || self.value_is_null || self.error.is_some();
        let (timestamp_us, quality) = match named.is_none() && !says_value {
            true => (self.time_of_tags(machine, visitor)?, self.quality_of_tags(common.quality, machine, visitor)),
            false => (self.timestamp_us.candidate.transpose()?, self.quality_or(common.quality)),
        };
        let timestamp_us = timestamp_us.or(common.timestamp_us);
        let is_list = self.list.is_some() || self.values.is_some() || self.payload.is_some() || self.is_silent;
        if is_list && deep > 0 && self.value.candidate.is_none() {
            let inner = Self { is_data_set: true, ..*self };
            let own = self.sensor.candidate.and_then(Result::ok);
            let own = own.map(|own| self.own_name(own, machine, visitor));
            let sensor = own.as_deref().or(common.sensor);
            let common = Common { machine, sensor, timestamp_us, quality, ..common };
            return inner.report_lists(false, common, deep, visitor);
        }
        if named.is_none() && !says_value {
            let common = Common { machine, timestamp_us, quality, ..common };
            if self.report_entry_of_tags(common, deep, visitor)? {
                return Ok(());
            }
        }
        let sensor = match (named, self.sensor.candidate, common.sensor) {
            (Some(named), ..) => Cow::Borrowed(named),
            (None, Some(own), _) => self.name_of(own, machine, visitor)?,
            (None, None, Some(sensor)) if says_value => Cow::Borrowed(sensor),
            (None, None, _) => return Err(Fault::malformed("an entry of the list names no sensor")),
        };
        if is_of_protocol(&sensor) {
            return Ok(());
        }
        let value = match (self.value.candidate, self.error) {
            (Some(value), _) => value?,
            (None, Some(_)) => return Err(NOT_READ),
            (None, None) if self.value_is_null => return Err(NOT_A_NUMBER),
            (None, None) => typed::of_element(self.bytes).ok_or(NO_VALUE_KEY)??,
        };
        self.remark(timestamp_us, visitor);
        visitor.point(Point {
            name: Name::Sensor { machine, sensor: checked_name(&sensor)? },
            timestamp_us,
            value,
            quality: if self.error.is_some() { Quality::Bad } else { quality },
        });
        if self.odd & (NESTED | HELD | NUMBER) != 0 {
            self.remark_beside_value(&sensor, machine, visitor);
        }
        Ok(())
    }
}
