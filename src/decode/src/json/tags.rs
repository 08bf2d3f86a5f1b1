//! `{"temperature": 21.5, "ENERGY": {"Power": 5}, "ts": 1700000000000}`: an object of tags, as the historian of UMH, Tasmota
//! and Shelly send it.
//!
//! Each number, switch state, and text that reads as one of the two is a reading of the sensor that its key names; objects
//! inside add their key before a point: `ENERGY.Power`, unless they say one tag's `value`, as those of OPC UA do. What else
//! is there is a remark, unless the catalogue knows better:
//! - text, a list or an object of a known sensor is no number, and rejected;
//! - a list of one number of a known sensor is that number;
//! - a list whose numbers are known sensors is one of phases: `Power_1`, `Power_2` ... or `Power1`, `Power2` ...
//! - beside one tag's `value`, and around the tags of a message, the other members are tags where they are known.
//!
//! Nulls, blank text, keys that have a meaning of their own and those of the sender's protocol are always remarks. A tag at
//! fault is rejected alone, in the form of [`values`].

use super::common::{self, Common, TWICE, Within};
use super::cursor::{Cursor, Syntax, Value};
use super::fields::{is_no_time, number_value, only_item, stamp};
use super::keys::{Known, Says, is_of_protocol};
use crate::fault::{Fault, NOT_A_NUMBER, Told, checked_name};
use crate::{Name, Point, Visitor};
use std::collections::HashSet;

/// Objects inside of objects that are followed; what is deeper is a remark.
const DEPTH_MAX: usize = 8;

/// What the outermost object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// Tags, and what is said of all of them.
    Tags,
    /// `value` is one of the tags.
    WithValue,
    /// Tags of the thing that is named around it, if one is: `pump.temperature`.
    Entry,
    /// What stands around tags: a tag itself where it is known.
    Around,
}

/// Hands over one point per tag of `object`, whose structure is known to be sound. `false`: it has none. `report_tag` hands
/// over an object under the given name if it is one tag's, and passes it then.
pub(super) fn report<'o, V: Visitor>(
    object: &'o [u8],
    top: Top,
    common: Common<'_>,
    visitor: &mut V,
    report_tag: impl Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
) -> Result<bool, Fault> {
    let mut walk = Walk::new(top, common, visitor, report_tag);
    let result = walk.object(&mut Cursor::new(object), 0);
    result.map(|()| !walk.seen.is_empty() || walk.is_of_protocol).map_err(|Syntax(what)| Fault::malformed(what))
}

/// As [`report`], of the tags that lie in a message, and of what is known around them.
pub(super) fn report_inner<'o, V: Visitor>(
    object: &'o [u8],
    around: &'o [u8],
    common: Common<'_>,
    visitor: &mut V,
    report_tag: impl Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
) -> Result<bool, Fault> {
    let mut walk = Walk::new(Top::WithValue, common, visitor, report_tag);
    let inside = walk.object(&mut Cursor::new(object), 0);
    walk.inside = std::mem::take(&mut walk.seen);
    walk.top = Top::Around;
    let result = inside.and_then(|()| walk.object(&mut Cursor::new(around), 0));
    let has_tags = !walk.inside.is_empty() || !walk.seen.is_empty() || walk.is_of_protocol;
    result.map(|()| has_tags).map_err(|Syntax(what)| Fault::malformed(what))
}

/// As [`report`], of what is known beside members that were `taken`.
#[cold]
pub(super) fn report_around<'o, V: Visitor>(
    object: &'o [u8],
    taken: impl Iterator<Item = String>,
    common: Common<'_>,
    visitor: &mut V,
    report_tag: impl Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
) -> Result<(), Fault> {
    let mut walk = Walk::new(Top::Around, common, visitor, report_tag);
    walk.inside.extend(taken);
    walk.object(&mut Cursor::new(object), 0).map_err(|Syntax(what)| Fault::malformed(what))
}

/// As [`report`], of the object or list that stands under a name. `false`: it is no value and has none.
#[cold]
pub(super) fn report_under<'o, V: Visitor>(
    name: &str,
    written: &'o [u8],
    common: Common<'_>,
    visitor: &mut V,
    report_tag: impl Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
) -> bool {
    let mut walk = Walk::new(Top::Tags, common, visitor, report_tag);
    walk.path.push_str(name);
    let read = match only_item(written) {
        Ok(value) => {
            walk.one(Ok(value), written);
            Ok(())
        }
        Err(_) if written.starts_with(b"{") => walk.object(&mut Cursor::new(written), 1),
        Err(_) => {
            walk.nested(written);
            Ok(())
        }
    };
    read.is_ok() && !walk.seen.is_empty()
}

struct Walk<'w, V, R> {
    top: Top,
    common: Common<'w>,
    visitor: &'w mut V,
    report_tag: R,
    /// The keys down to here.
    path: String,
    seen: HashSet<String>,
    /// The tags inside, once it goes on to what is around them.
    inside: HashSet<String>,
    /// Something of the sender's protocol was passed.
    is_of_protocol: bool,
}

impl<'w, V, R> Walk<'w, V, R> {
    fn new(top: Top, common: Common<'w>, visitor: &'w mut V, report_tag: R) -> Self {
        let thing = common.thing.filter(|_| top == Top::Entry).unwrap_or_default();
        let (path, seen, inside) = (thing.to_owned(), HashSet::new(), HashSet::new());
        Self { top, common, visitor, report_tag, path, seen, inside, is_of_protocol: false }
    }
}

impl<'o, V, R> Walk<'_, V, R>
where
    V: Visitor,
    R: Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
{
    fn object(&mut self, cursor: &mut Cursor<'o>, depth: usize) -> Result<(), Syntax> {
        cursor.object(|cursor, key| {
            let key = key.to_str();
            let is_told_of_tags = match Known::of(key.as_bytes()) {
                Some(known) if known.is_rare_name() && self.knows_member(&key) => false,
                Some(_) if depth == 0 && key.len() == 1 && self.is_short_tag(&key, *cursor)? => false,
                Some(Known { says: Says::Value | Says::Data, .. }) if depth == 0 && self.top == Top::WithValue => false,
                Some(known) if depth == 0 => !known.may_be_tag(),
                // A number there tells components apart.
                Some(known) => known.says == Says::Sensor,
                None if is_of_protocol(&key) => {
                    self.is_of_protocol = true;
                    true
                }
                None => self.is_said_of_tags(&key, *cursor)?,
            };
            if is_told_of_tags {
                return cursor.skip();
            }
            let length = self.enter(&key);
            let result = match cursor.token() {
                Some(b'{') if depth < DEPTH_MAX => self.object_of_tag(cursor, depth),
                _ => self.tag(cursor),
            };
            self.path.truncate(length);
            result
        })
    }

    /// Whether what stands behind a key that may be a tag's is a time or a name, and not a value of a known sensor.
    fn is_said_of_tags(&mut self, key: &str, mut cursor: Cursor<'o>) -> Result<bool, Syntax> {
        let is_said = match Known::of_gateway(key.as_bytes()) {
            Some(known) if known.says == Says::Stamp => stamp(&mut cursor)?.is_some(),
            Some(known) => known.is_name() && cursor.token() == Some(b'"'),
            None => false,
        };
        Ok(is_said && !self.knows_member(key))
    }

    /// Whether one letter is a tag's name, and not what it means elsewhere.
    fn is_short_tag(&mut self, key: &str, mut cursor: Cursor<'o>) -> Result<bool, Syntax> {
        Ok(self.knows_member(key) || (self.top != Top::Around && key == "t" && is_no_time(cursor.pass()?)))
    }

    /// Goes on to a key in the object at the path; the answer is the length to go back to.
    fn enter(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    fn is_known(&self) -> bool {
        !self.inside.contains(&self.path) && self.visitor.knows(self.common.machine, &self.path)
    }

    fn knows_member(&mut self, key: &str) -> bool {
        let length = self.enter(key);
        let is_known = self.is_known();
        self.path.truncate(length);
        is_known
    }

    /// The object next to the cursor: one tag, or tags.
    fn object_of_tag(&mut self, cursor: &mut Cursor<'o>, depth: usize) -> Result<(), Syntax> {
        let (start, is_known) = (cursor.at(), self.is_known());
        let (mut inside, mut siblings) = (*cursor, *cursor);
        let has_siblings = self.known_members(&mut inside, false)?;
        if (is_known || !(has_siblings || self.top == Top::Around)) && self.is_one_tag(cursor)? {
            return if has_siblings { self.known_members(&mut siblings, true).map(|_| ()) } else { Ok(()) };
        }
        let before = self.seen.len();
        self.object(cursor, depth + 1)?;
        if is_known && self.seen.len() == before {
            self.reject(NOT_A_NUMBER, cursor.since(start));
        }
        Ok(())
    }

    /// Whether members of the object next to the cursor have no meaning of their own and are known sensors. `hand_over`: they
    /// are handed over.
    fn known_members(&mut self, cursor: &mut Cursor<'o>, hand_over: bool) -> Result<bool, Syntax> {
        let mut found = false;
        cursor.object(|cursor, key| {
            let key = key.to_str();
            if Known::of(key.as_bytes()).is_some() {
                return cursor.skip();
            }
            let is_known = self.knows_member(&key);
            found |= is_known;
            let length = self.enter(&key);
            let result = if is_known && hand_over { self.tag(cursor) } else { cursor.skip() };
            self.path.truncate(length);
            result
        })?;
        Ok(found)
    }

    /// Whether the object next to the cursor was handed over as one tag.
    fn is_one_tag(&mut self, cursor: &mut Cursor<'o>) -> Result<bool, Syntax> {
        let (start, mut behind) = (cursor.at(), *cursor);
        let result = if self.seen.contains(&self.path) {
            behind.pass()?;
            Err(TWICE.told(b""))
        } else {
            let Some(result) = (self.report_tag)(&mut behind, &self.path, self.common, self.visitor)? else {
                return Ok(false);
            };
            result
        };
        *cursor = behind;
        if let Err(told) = result {
            let object = (self.path.as_str(), cursor.since(start));
            common::reject_object(told, Within::Element, object, self.common, self.visitor);
        }
        self.seen.insert(self.path.clone());
        Ok(true)
    }

    fn tag(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        if matches!(cursor.token(), Some(b',' | b'}')) {
            return Ok(());
        }
        let start = cursor.at();
        let value = cursor.value()?;
        let written = cursor.since(start);
        match (value, number_value(value)) {
            (Value::Null, _) => {}
            (Value::Text(text), Err(_)) if text.is_blank() || !self.is_known() => {}
            (Value::Nested, _) => self.nested(written),
            _ if self.top == Top::Around && !self.is_known() => {}
            (_, result) => self.one(result, written),
        }
        Ok(())
    }

    fn one(&mut self, value: Result<f64, Fault>, written: &[u8]) {
        let value = if value.is_ok() && self.seen.contains(&self.path) { Err(TWICE) } else { value };
        match value.and_then(|value| checked_name(&self.path).map(|sensor| (value, sensor))) {
            Ok((value, sensor)) => self.visitor.point(Point {
                name: Name::Sensor { machine: self.common.machine, sensor },
                timestamp_us: self.common.timestamp_us,
                value,
                quality: self.common.quality,
            }),
            Err(fault) => common::reject(fault, &self.path, written, self.common, self.visitor),
        }
        self.seen.insert(self.path.clone());
    }

    fn reject(&mut self, fault: Fault, written: &[u8]) {
        self.one(Err(fault), written);
    }

    /// A list, or an object that is too deep.
    fn nested(&mut self, written: &[u8]) {
        let length = self.path.len();
        let mut separator = None;
        for candidate in ["_", ""] {
            self.path.push_str(candidate);
            self.path.push('1');
            separator = separator.or(self.is_known().then_some(candidate));
            self.path.truncate(length);
        }
        match separator.filter(|_| written.starts_with(b"[")) {
            Some(separator) => self.phases(separator, written),
            None if self.is_known() => self.one(only_item(written), written),
            None => {}
        }
    }

    /// A list of the values of phases. What is no JSON ends it.
    fn phases(&mut self, separator: &str, list: &[u8]) {
        let length = self.path.len();
        let mut cursor = Cursor::new(list);
        cursor.take(b'[');
        let mut phase = 0;
        while !matches!(cursor.token(), None | Some(b']')) {
            phase += 1;
            let start = cursor.at();
            let Ok(value) = cursor.value() else { return };
            let written = cursor.since(start);
            self.path.push_str(&format!("{separator}{phase}"));
            match value {
                Value::Null => {}
                value => self.one(number_value(value), written),
            }
            self.path.truncate(length);
            if !cursor.take(b',') {
                return;
            }
        }
    }
}
