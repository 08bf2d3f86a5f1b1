//! `{"PRESS-1": [{"ts": 1700000000000, "values": {"TEMP": 1.5}}], "PRESS-2": [...]}`: lists under the names of those they are of,
//! as the gateway of ThingsBoard sends them for machines, and its queries and Ubidots for sensors.
//!
//! A key is a machine if the catalogue has it, and else a sensor if the catalogue has that, or if the entries of its list have
//! values without names. A machine that the catalogue lacks is told by one that it has, and by entries with `values` under a key
//! that is no word for any list: its readings are set aside under its name, and are not taken for those of the topic's machine.
//! An object in the place of a list counts where it is a machine's and the topic names none.

use super::beside::Inside;
use super::common::Common;
use super::cursor::Cursor;
use super::element::Element;
use super::lists::is_word_of_lists;
use super::tags::{self, Top};
use super::{envelope, list};
use crate::Visitor;
use crate::fault::{Fault, checked_name};
use std::borrow::Cow;

impl<'a> Element<'a> {
    /// `deep`: how far lists in lists are followed. `false`: the keys are no names.
    #[cold]
    pub(super) fn report_keyed<V: Visitor>(
        &self,
        common: Common<'_>,
        deep: usize,
        visitor: &mut V,
    ) -> Result<bool, Fault> {
        if common.machine.is_some() && memchr::memchr(b'[', self.bytes).is_none() {
            return Ok(false);
        }
        let Some((members, has_values)) = envelope::members_by_name(self.bytes) else { return Ok(false) };
        let is_known = |(key, written): &(Cow<'_, str>, &[u8])| {
            visitor.knows_machine(key) && (written.starts_with(b"[") || common.machine.is_none())
        };
        let has_machine = members.iter().any(is_known);
        if members.is_empty() || (has_values && !has_machine) {
            return Ok(false);
        }
        let mut meant = Vec::with_capacity(members.len());
        for member in &members {
            let (key, written) = member;
            let entry = Entry::first(written);
            let is_new = || match entry {
                // Beside machines it is one that the catalogue lacks.
                Entry::Other => has_machine,
                Entry::Values => has_machine || !is_word_of_lists(key),
                Entry::History | Entry::None => false,
            };
            let is_machine = is_known(member) || is_new();
            let is_sensor = entry == Entry::History
                && (visitor.knows(common.machine, key) || (common.sensor.is_none() && !is_machine));
            if !(is_sensor || is_machine) {
                return Ok(false);
            }
            let name = Some(checked_name(key)?);
            let of_sensor = Common { sensor: name, thing: None, ..common };
            let of_machine = Common { machine: name, sensor: None, thing: None, ..common };
            meant.push((if is_sensor { of_sensor } else { of_machine }, *written));
        }
        if has_values {
            let taken = members.iter().map(|(key, _)| key.clone().into_owned()).collect();
            let reader = Inside::of(self, deep);
            tags::report_around(self.bytes, (Top::Keyed, taken, b""), common, visitor, &reader)?;
        }
        for (common, written) in meant {
            list::report(written, common, visitor, |cursor, visitor| {
                Element::parse(cursor).map(|entry| entry.report_item(None, common, deep - 1, visitor))
            });
        }
        Ok(true)
    }
}

/// What the first entry of a list is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A value without a name.
    History,
    /// Several values without a name of their own.
    Values,
    Other,
    /// It is no list.
    None,
}

impl Entry {
    fn first(list: &[u8]) -> Self {
        let Some(first) = envelope::first_entry(list) else { return Self::None };
        let Ok(entry) = Element::parse(&mut Cursor::new(first)) else { return Self::Other };
        match (entry.sensor.candidate, entry.value.candidate) {
            (None, Some(_)) => Self::History,
            (None, None) if entry.values.is_some() && entry.machine.candidate.is_none() => Self::Values,
            _ => Self::Other,
        }
    }
}
