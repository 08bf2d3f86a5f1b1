//! The walk through an object of tags; see [`super`].

use super::{Reader, Top};
use crate::fault::{Fault, NOT_A_NUMBER, checked_name};
use crate::json::common::{self, Common, TWICE, Within};
use crate::json::cursor::{Cursor, Syntax, Value};
use crate::json::fields::{is_no_time, number_value, stamp};
use crate::json::keys::{Known, Says, is_of_protocol, is_of_time};
use crate::json::unusual::{is_flag_of_tags, is_in_head};
use crate::{NAME_BYTES_MAX, Name, Point, Remark, Visitor};
use std::collections::HashSet;

/// Objects inside of objects that are followed; what is deeper is a remark.
const DEPTH_MAX: usize = 8;

pub(super) struct Walk<'w, 'o, V, R> {
    pub(super) top: Top,
    pub(super) common: Common<'w>,
    pub(super) visitor: &'w mut V,
    pub(super) reader: &'w R,
    /// The keys down to here.
    pub(super) path: String,
    pub(super) seen: HashSet<String>,
    /// The tags inside, once it goes on to what is around them.
    pub(super) inside: HashSet<String>,
    /// The part of the object that was read before.
    pub(super) passed: &'o [u8],
    /// What may hold readings and was not taken.
    pub(super) not_taken: Option<String>,
    /// Lists of plain values in the object that is read: how many, and the name of the first.
    pub(super) plain_lists: usize,
    pub(super) plain_list: Option<String>,
    /// Something else was taken, or is of the sender's protocol.
    pub(super) has_others: bool,
}

impl<'w, 'o, V: Visitor, R: Reader<'o>> Walk<'w, 'o, V, R> {
    pub(super) fn new(top: Top, common: Common<'w>, visitor: &'w mut V, reader: &'w R) -> Self {
        let thing = common.thing.filter(|_| top == Top::Entry).unwrap_or_default();
        let (path, seen, inside) = (common::beginning(thing).to_owned(), HashSet::new(), HashSet::new());
        let (passed, not_taken, plain_list) = (&b""[..], None, None);
        let (plain_lists, has_others) = (0, false);
        Self {
            top,
            common,
            visitor,
            reader,
            path,
            seen,
            inside,
            passed,
            not_taken,
            plain_lists,
            plain_list,
            has_others,
        }
    }

    /// Whether there was something; what was not taken beside that is told.
    pub(super) fn finish(self, read: Result<(), Syntax>) -> Result<bool, Fault> {
        read.map_err(|Syntax(what)| Fault::malformed(what))?;
        let has_tags = !self.seen.is_empty() || self.has_others;
        if let (true, Some(what)) = (has_tags || !self.inside.is_empty(), &self.not_taken) {
            self.visitor.remark(Remark::NotTaken, what);
        }
        Ok(has_tags)
    }

    #[cold]
    pub(super) fn not_taken(&mut self) {
        self.not_taken.get_or_insert_with(|| self.path.clone());
    }

    pub(super) fn object(&mut self, cursor: &mut Cursor<'o>, depth: usize) -> Result<(), Syntax> {
        let (start, lists) = (cursor.at(), self.plain_lists);
        self.members(cursor, depth)?;
        if self.plain_lists > lists + 1 {
            self.tell_of_table(cursor.since(start));
        }
        Ok(())
    }

    fn members(&mut self, cursor: &mut Cursor<'o>, depth: usize) -> Result<(), Syntax> {
        cursor.object(|cursor, key| {
            let key = key.to_str();
            let is_told_of_tags = match Known::of(key.as_bytes()) {
                Some(known) if known.is_rare_name() && self.knows_member(&key) => false,
                Some(_) if depth == 0 && key.len() == 1 && self.is_short_tag(&key, *cursor)? => false,
                Some(Known { says: Says::Value | Says::Data, .. }) if depth == 0 && self.top == Top::WithValue => false,
                Some(known) if depth == 0 && known.may_hold_lists() => return self.held(known, &key, cursor),
                Some(known) if depth == 0 => !known.may_be_tag(),
                // A number there tells components apart.
                Some(known) => known.says == Says::Sensor || self.is_time_of_head(&key),
                None if is_of_protocol(&key) => {
                    self.has_others = true;
                    true
                }
                None if depth == 0 && self.is_flag(&key, *cursor) => true,
                None => self.is_said_of_tags(&key, *cursor)?,
            };
            if is_told_of_tags {
                return self.told(&key, cursor);
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

    /// Whether a time stands there that is said of all tags.
    fn is_time_of_head(&mut self, key: &str) -> bool {
        is_in_head(&self.path) && is_of_time(key.as_bytes()) && !self.knows_member(key)
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

    /// Whether it says of all tags that they are good or bad.
    fn is_flag(&mut self, key: &str, mut cursor: Cursor<'o>) -> bool {
        let is_switch = matches!(cursor.token(), Some(b't' | b'T' | b'f' | b'F'));
        is_switch && is_flag_of_tags(key) && !self.knows_member(key)
    }

    /// Whether one letter is a tag's name, and not what it means elsewhere.
    fn is_short_tag(&mut self, key: &str, mut cursor: Cursor<'o>) -> Result<bool, Syntax> {
        let may_be_short = self.top != Top::Beside && self.knows_member(key);
        Ok(may_be_short || (!self.top.is_around() && key == "t" && is_no_time(cursor.pass()?)))
    }

    /// Goes on to a key in the object at the path; the answer is the length to go back to.
    pub(super) fn enter(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    pub(super) fn is_known(&self) -> bool {
        self.top != Top::Lists
            && self.path.len() <= NAME_BYTES_MAX
            && !self.is_in(&self.inside)
            && self.visitor.knows(self.common.machine, &self.path)
    }

    /// Whether a tag is known that is not taken, beside a value.
    pub(super) fn is_known_beside(&self) -> bool {
        self.top == Top::Lists
            && self.path.len() <= NAME_BYTES_MAX
            && Known::of(self.path.as_bytes()).is_none()
            && self.visitor.knows(self.common.machine, &self.path)
    }

    fn knows_member(&mut self, key: &str) -> bool {
        let length = self.enter(key);
        let is_known = self.is_known();
        self.path.truncate(length);
        is_known
    }

    /// The object next to the cursor: one tag, or tags.
    pub(super) fn object_of_tag(&mut self, cursor: &mut Cursor<'o>, depth: usize) -> Result<(), Syntax> {
        if cursor.is_at(self.passed) || (self.top == Top::Keyed && self.is_in(&self.inside)) {
            return cursor.skip();
        }
        let (start, is_known) = (cursor.at(), self.is_known());
        let (mut inside, mut siblings) = (*cursor, *cursor);
        let has_siblings = self.known_members(&mut inside, false)?;
        if (is_known || !(has_siblings || self.top.is_around())) && self.is_one_tag(cursor)? {
            return if has_siblings { self.known_members(&mut siblings, true).map(|_| ()) } else { Ok(()) };
        }
        let before = self.seen.len();
        self.object(cursor, depth + 1)?;
        if self.seen.len() > before {
            return Ok(());
        }
        let object = cursor.since(start);
        if is_known {
            self.reject(NOT_A_NUMBER, object);
        } else if self.holds_reading(object) {
            self.not_taken();
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
        let result = if self.is_in(&self.seen) {
            behind.pass()?;
            Err(TWICE.told(b""))
        } else {
            let Some(result) = self.reader.tag(&mut behind, &self.path, self.common, self.visitor)? else {
                return Ok(false);
            };
            result
        };
        *cursor = behind;
        if let Err(told) = result {
            let object = (self.path.as_str(), cursor.since(start));
            common::reject_object(told, Within::Element, object, self.common, self.visitor);
        }
        self.saw();
        Ok(true)
    }

    pub(super) fn tag(&mut self, cursor: &mut Cursor<'o>) -> Result<(), Syntax> {
        if matches!(cursor.token(), Some(b',' | b'}')) {
            return Ok(());
        }
        let start = cursor.at();
        let value = cursor.value()?;
        let written = cursor.since(start);
        match (value, number_value(value)) {
            (Value::Null, _) => {}
            (Value::Text(text), Err(_)) if text.is_blank() || !self.is_known() => self.text(text),
            (Value::Nested, _) => self.nested(written),
            (_, result) if self.top.is_around() && !self.is_known() => {
                if result.is_ok() && (self.is_in(&self.inside) || self.is_known_beside()) {
                    self.not_taken();
                }
            }
            (_, result) => self.one(result, written),
        }
        Ok(())
    }

    pub(super) fn one(&mut self, value: Result<f64, Fault>, written: &[u8]) {
        let value = if value.is_ok() && self.is_in(&self.seen) { Err(TWICE) } else { value };
        match value.and_then(|value| checked_name(&self.path).map(|sensor| (value, sensor))) {
            Ok((value, sensor)) => self.visitor.point(Point {
                name: Name::Sensor { machine: self.common.machine, sensor },
                timestamp_us: self.common.timestamp_us,
                value,
                quality: self.common.quality,
            }),
            Err(fault) => common::reject(fault, &self.path, written, self.common, self.visitor),
        }
        self.saw();
    }

    /// Whether the path is one of these names. One that is too long is none, and not read for each member of its object.
    pub(super) fn is_in(&self, names: &HashSet<String>) -> bool {
        self.path.len() <= NAME_BYTES_MAX && names.contains(&self.path)
    }

    pub(super) fn saw(&mut self) {
        self.seen.insert(common::beginning(&self.path).to_owned());
    }

    fn reject(&mut self, fault: Fault, written: &[u8]) {
        self.one(Err(fault), written);
    }
}
