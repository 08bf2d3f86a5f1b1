//! Tags under a key of an element that has other members, too: `{"seq": 12, "data": [{"name": "TEMP-1", "value": 71.5}]}`.
//!
//! A list is of tags if its first entry names a sensor and says a value, or if the catalogue has one of its members; or, under a
//! word for any list, if its entries say values of the sensor that is named around it. Where the catalogue has what the first
//! entry names, the message is its list, and what stands beside that is a tag if it is known; else every number of the message
//! is one. Of two such lists none is meant.

use super::common::{Common, opening, quoted};
use super::cursor::Cursor;
use super::element::Element;
use super::keyed::is_word_of_lists;
use super::keys::{Known, Says, VALS_BIT, VALUES_BIT, may_hold_tags};
use super::several::NO_VALUES;
use super::tags::{self, Top};
use super::{envelope, list};
use crate::fault::Fault;
use crate::{Address, Form, Visitor};
use std::collections::BTreeSet;

impl<'a> Element<'a> {
    /// `deep`: how far lists in the entries are followed. `false`: there is no such list.
    #[cold]
    pub(super) fn report_list_beside<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        let is_of_protocol = self.is_silent || self.is_data_set || self.is_notification;
        if self.errors.is_some() || is_of_protocol || memchr::memchr(b'[', self.bytes).is_none() {
            return Ok(false);
        }
        let Some((list, is_known)) = self.list_of_tags(common, visitor) else { return Ok(false) };
        let top = if is_known { Top::Around } else { Top::Tags };
        tags::report(self.bytes, top, common, visitor, Self::report_tag)?;
        list::report(list, common, visitor, |cursor, visitor| {
            Element::parse(cursor).map(|entry| entry.report_item(None, common, deep, visitor))
        });
        Ok(true)
    }

    /// The list, and whether the catalogue has what its first entry names.
    fn list_of_tags<V: Visitor>(&self, common: Common<'_>, visitor: &V) -> Option<(&'a [u8], bool)> {
        let knows = |sensor: &str| visitor.knows(common.machine, sensor);
        // Of what stands beside it a list says something else: its limits, what is expected of it.
        let beside = self.known_members(knows);
        let (mut found, mut lists) = (None, 0);
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let written = cursor.pass()?;
            if !may_hold_tags(&key.to_str()) || envelope::first_entry(written).is_none() {
                return Ok(());
            }
            let is_known = envelope::first_entry(written).and_then(|first| {
                let entry = Element::parse(&mut Cursor::new(first)).ok()?;
                let says_value = entry.value.candidate.is_some() || entry.error.is_some() || entry.has_typed_value();
                let name = entry.sensor.candidate.and_then(Result::ok).filter(|_| says_value);
                if name.is_some_and(|name| beside.contains(&*name.to_str()))
                    || envelope::knows_member(first, &|sensor: &str| beside.contains(sensor))
                {
                    return None;
                }
                let is_row = || envelope::knows_member(first, &knows).then_some(true);
                // A history of whoever is named around it.
                let is_history = says_value && name.is_none() && is_word_of_lists(&key.to_str());
                let of_history = || common.sensor.filter(|_| is_history).map(knows);
                name.map(|name| knows(&name.to_str())).or_else(of_history).or_else(is_row)
            });
            if let Some(is_known) = is_known {
                (found, lists) = (Some((written, is_known)), lists + 1);
            }
            Ok(())
        });
        found.filter(|_| read.is_ok() && lists == 1)
    }

    /// The members whose keys are names that somebody `knows`.
    fn known_members(&self, knows: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut members = BTreeSet::new();
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let name = key.to_str();
            if knows(&name) {
                members.insert(name.into_owned());
            }
            cursor.skip()
        });
        read.map(|()| members).unwrap_or_default()
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
