//! What stands beside that which a message says: lists in whichever depth, known tags, a value in a wrapper.
//!
//! What a list is, [`super::lists`] says. Where the catalogue has what is in one and not beside it, the message is its lists, and
//! what stands beside them is a tag if it is known; else every number of the message is one. Nothing that may be a reading goes
//! without a word: it is taken, set aside, or remarked upon.

use super::common::{Common, opening, quoted};
use super::cursor::{Cursor, Syntax};
use super::element::{Element, HELD, NESTED, NUMBER, NUMBERS, STAMPED};
use super::keys::{Known, Says, VALS_BIT, VALUES_BIT, may_hold_tags};
use super::lists::{self, Around, NESTED_MAX};
use super::tags::{self, Listed, Reader, Top};
use super::{envelope, list, passed};
use crate::fault::{Fault, Told};
use crate::{Address, Form, Name, Point, Remark, Visitor};
use std::cell::OnceCell;
use std::collections::HashSet;

pub(super) const NO_VALUES: Fault = Fault::malformed("`values` is neither an object of numbers nor a list of objects");

/// How deep lists in entries of lists are followed: records in messages.
pub(super) const LISTS_DEEP_MAX: usize = 2;

/// How what stands inside of a message's objects is read.
pub(super) struct Inside<'e, 'a> {
    message: &'e Element<'a>,
    /// How far lists in the entries of lists are followed.
    deep: usize,
    /// Where an object can be nothing but one tag's.
    is_of_values: bool,
    /// The names that have a value in the message.
    valued: OnceCell<HashSet<String>>,
}

impl<'e, 'a> Inside<'e, 'a> {
    #[inline]
    pub(super) fn of(message: &'e Element<'a>, deep: usize) -> Self {
        Self { message, deep, is_of_values: false, valued: OnceCell::new() }
    }

    #[inline]
    pub(super) fn of_values(message: &'e Element<'a>, deep: usize) -> Self {
        Self { is_of_values: true, ..Self::of(message, deep) }
    }

    fn around<'l, V: Visitor>(&'l self, common: Common<'l>, visitor: &'l V) -> Around<'l, V> {
        let message = (self.message.bytes, self.message.list);
        Around {
            machine: common.machine,
            beside: common.machine,
            sensor: common.sensor,
            device: common.device,
            message,
            valued: &self.valued,
            visitor,
        }
    }
}

impl<'a> Reader<'a> for Inside<'_, 'a> {
    fn tag<V: Visitor>(
        &self,
        cursor: &mut Cursor<'a>,
        named: &str,
        common: Common<'_>,
        visitor: &mut V,
    ) -> Result<Option<Result<(), Told<'a>>>, Syntax> {
        match self.is_of_values {
            true => Element::report_named(cursor, named, common, visitor),
            false => Element::report_tag(cursor, named, common, visitor),
        }
    }

    #[cold]
    fn list<V: Visitor>(&self, list: &'a [u8], named: &str, common: Common<'_>, visitor: &mut V) -> Listed {
        let judged = self.around(common, visitor).judge(list, named);
        match judged.listed() {
            Listed::Taken if self.deep == 0 => Listed::Doubtful,
            Listed::Taken => {
                let sensor = judged.of.as_deref().or(common.sensor);
                let thing = common.thing.filter(|_| judged.of.is_none());
                hand_over(list, NESTED_MAX, self.deep - 1, Common { sensor, thing, ..common }, visitor);
                Listed::Taken
            }
            other => other,
        }
    }
}

/// Hands over the entries of a list, and of the lists in it.
fn hand_over<V: Visitor>(list: &[u8], nested: usize, deep: usize, common: Common<'_>, visitor: &mut V) {
    list::report(list, common, visitor, |cursor, visitor| {
        if nested > 0 && cursor.token() == Some(b'[') {
            hand_over(cursor.pass()?, nested - 1, deep, common, visitor);
            return Ok(Ok(()));
        }
        Element::parse(cursor).map(|entry| entry.report_entry(common, deep, visitor))
    });
}

impl<'a> Element<'a> {
    /// As one of a list, which may name the machine of its tags.
    #[inline]
    pub(super) fn report_entry<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        match self.of_machine(common, visitor) {
            Some(meant) => meant.report_item(None, common, deep, visitor),
            None => self.report_item(None, common, deep, visitor),
        }
    }

    /// The element as an object of tags, with the lists in it. `false`: it has none.
    pub(super) fn report_all_tags<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        let inside = Inside::of(self, deep);
        let is_of_lists = self.odd & NESTED != 0
            && memchr::memchr(b'[', self.bytes).is_some()
            && has_known_list(&mut Cursor::new(self.bytes), &mut String::new(), 0, &inside.around(common, visitor));
        let top = if is_of_lists { Top::Around } else { Top::Tags };
        tags::report(self.bytes, top, common, visitor, &inside)
    }

    /// What is known beside `values` or a list, which were taken.
    #[cold]
    pub(super) fn report_beside<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        let knows = |sensor: &str| visitor.knows(common.machine, sensor);
        if self.odd & NESTED == 0 && !envelope::knows_member(self.bytes, &knows) {
            return Ok(());
        }
        let taken = match (self.values, self.list) {
            (Some(values), _) => lists::names_of_members(values),
            (None, Some(list)) => lists::names_of_entries(list, common.machine, visitor),
            (None, None) => HashSet::new(),
        };
        let passed = self.values.or(self.list).unwrap_or_default();
        let inside = Inside::of(self, deep);
        tags::report_around(self.bytes, (Top::Beside, taken, passed), common, visitor, &inside)
    }

    /// The lists beside what was taken, and a remark on what else is known there. Of the element
    /// `passed` is what was taken, of which `passed` is a part of the element.
    #[cold]
    pub(super) fn report_lists_beside<V: Visitor>(
        &self,
        passed: &'a [u8],
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<(), Fault> {
        if self.odd & (NESTED | HELD) == 0 && !self.knows_number(common.machine, visitor) {
            return Ok(());
        }
        // Its own list was not taken either.
        let message = Self { list: None, ..*self };
        let inside = Inside::of(&message, deep);
        tags::report_around(self.bytes, (Top::Lists, HashSet::new(), passed), common, visitor, &inside)
    }

    /// A single value, with what is worth saying beside it, and the lists there.
    #[cold]
    pub(super) fn report_odd<V: Visitor>(&self, point: Point<'_>, visitor: &mut V) -> Result<(), Fault> {
        visitor.point(point);
        let Name::Sensor { machine, sensor } = point.name else { return Ok(()) };
        let odd = if point.timestamp_us.is_some() { self.odd & !STAMPED } else { self.odd };
        if odd == NUMBER && !self.knows_number(machine, visitor) {
            return Ok(());
        }
        self.remark(point.timestamp_us, visitor);
        let Point { timestamp_us, quality, .. } = point;
        let device = self.device();
        let device = device.as_deref();
        let common = Common { machine, sensor: Some(sensor), thing: None, device, timestamp_us, quality };
        self.report_errors(common, visitor);
        self.report_lists_beside(b"", common, LISTS_DEEP_MAX, visitor)
    }

    /// Whether a number that is nobody's so far is that of a sensor of the catalogue. Most elements have one such number at most, a
    /// count: of that only the key is asked.
    #[inline(never)]
    fn knows_number<V: Visitor>(&self, machine: Option<&str>, visitor: &V) -> bool {
        let knows = |sensor: &str| visitor.knows(machine, sensor);
        match self.number {
            _ if self.odd & NUMBER == 0 => false,
            Some(key) if self.odd & NUMBERS == 0 => knows(&key.to_str()),
            _ => envelope::knows_member(self.bytes, &knows),
        }
    }

    /// Says so where a number of a known sensor stands in what says one value, of `sensor`, and is none of that one's parts.
    #[cold]
    pub(super) fn remark_beside_value<V: Visitor>(&self, sensor: &str, machine: Option<&str>, visitor: &mut V) {
        if self.odd & (NESTED | HELD) == 0 && !self.knows_number(machine, visitor) {
            return;
        }
        let knows = |name: &str| visitor.knows(machine, name) && !visitor.knows(machine, &format!("{sensor}.{name}"));
        if passed::holds_reading_beside_value(self.bytes, &knows) {
            visitor.remark(Remark::NotTaken, sensor);
        }
    }

    /// A value that is all a message says, in its only wrapper: of the sensor that it names, or that the topic does. `false`: there
    /// is no such thing.
    #[cold]
    pub(super) fn report_wrapped_value<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        let Some(wrapped) = envelope::only_wrapped(self.bytes) else { return Ok(false) };
        let Ok(inner) = Element::parse(&mut Cursor::new(wrapped)) else { return Ok(false) };
        let knows = |sensor: &str| visitor.knows(common.machine, sensor);
        let is_named = inner.sensor.candidate.is_some() || common.sensor.is_some();
        let is_tag = || envelope::knows_member(wrapped, &knows) || inner.value_is_known(common.machine, visitor);
        // Whom the message names by a key has its value there.
        let has_own = || common.sensor.is_some_and(|sensor| envelope::member(self.bytes, sensor).is_some());
        if !is_named
            || inner.value.candidate.is_none()
            || is_tag()
            || has_own()
            || envelope::holds_known(self.bytes, wrapped, &knows)
        {
            return Ok(false);
        }
        inner.report_item(None, common, 0, visitor)?;
        tags::report_around(
            self.bytes,
            (Top::Around, HashSet::new(), wrapped),
            common,
            visitor,
            &Inside::of(self, deep),
        )?;
        Ok(true)
    }

    /// Sets `values` aside that are none, where other members were taken.
    #[cold]
    pub(super) fn reject_values<V: Visitor>(&self, common: Common<'_>, visitor: &mut V) {
        if self.keys_seen & (1 << VALUES_BIT | 1 << VALS_BIT) == 0 || self.values.is_some() || self.list.is_some() {
            return;
        }
        let mut unread = None;
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let written = cursor.pass()?;
            let is_meant = !written.starts_with(b"{") && !matches!(written, b"null" | b"\"\"");
            let key = key.to_str();
            if is_meant && Known::of(key.as_bytes()).is_some_and(|known| known.says == Says::Several) {
                unread = Some((key, written));
            }
            Ok(())
        });
        if let (Ok(()), Some((key, written))) = (read, unread) {
            let fragment = [opening(common).as_bytes(), quoted(&key).as_bytes(), b":", written, b"}"].concat();
            visitor.reject_part(Form::Elements, NO_VALUES.reason, format_args!("{NO_VALUES}"), &fragment);
        }
    }

    /// `{"ts": 1700000000000, "value": {"temperature": 21.5}}`, where the catalogue has one of the members. `false`: it does not.
    #[cold]
    pub(super) fn report_values_in_value<V: Visitor>(
        &self,
        address: &Address<'_>,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        let machine = self.machine_name(address, visitor)?;
        let knows = |sensor: &str| visitor.knows(machine.as_deref(), sensor);
        let (mut found, mut objects) = (None, 0);
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let written = cursor.pass()?;
            let is_value = Known::of(key.to_str().as_bytes()).is_some_and(|known| known.says == Says::Value);
            if is_value && written.starts_with(b"{") && envelope::knows_member(written, &knows) {
                (found, objects) = (Some(written), objects + 1);
            }
            Ok(())
        });
        if read.is_err() || objects != 1 || self.values.is_some() || self.list.is_some() {
            return Ok(false);
        }
        Self { values: found, value: Default::default(), ..*self }.report(address, visitor).map(|()| true)
    }
}

/// Whether a list in the object next to the cursor is of sensors that the catalogue has and that have no value beside it.
fn has_known_list<V: Visitor>(
    cursor: &mut Cursor<'_>,
    path: &mut String,
    depth: usize,
    around: &Around<'_, V>,
) -> bool {
    let mut found = false;
    let read = cursor.object(|cursor, key| {
        let key = key.to_str();
        let length = path.len();
        path.push_str(if length > 0 { "." } else { "" });
        path.push_str(&key);
        let mut inside = *cursor;
        let written = cursor.pass()?;
        found = found
            || match written.first() {
                Some(b'[') if depth > 0 || may_hold_tags(&key) => {
                    let judged = around.judge(written, path);
                    judged.is_known && judged.listed() == Listed::Taken
                }
                Some(b'{') if depth < NESTED_MAX => has_known_list(&mut inside, path, depth + 1, around),
                _ => false,
            };
        path.truncate(length);
        Ok(())
    });
    read.is_ok() && found
}
