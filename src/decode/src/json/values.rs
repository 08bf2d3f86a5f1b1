//! `"values": {"TEMP": 1.5, "PRESS": 2.5}`: several readings of one time, keyed by sensor code or id.
//!
//! The object is read twice: [`check`] while its element is parsed, as the element is taken whole or not at all and its
//! time may stand behind; [`report`] once the element is known to be good. An object in place of a number is one with a value
//! (`{"TEMP": {"value": 1.5, "quality": "Good"}}`) or one of tags, as outside of `values`: see [`tags`]. A key at fault is rejected alone, as an element of its own with the same
//! time, machine and quality.

use super::common::{Common, TWICE, Within, reject, reject_object};
use super::cursor::{Cursor, Syntax, Text};
use super::fields::number_value;
use super::tags::{self, Reader};
use crate::fault::{Fault, NOT_A_NUMBER, checked_name};
use crate::{Name, Point, Visitor};
use std::borrow::Cow;
use std::collections::HashSet;

/// Keys that are compared one by one for duplicates; a longer object pays for a set.
const KEYS_INLINE: usize = 24;

/// Reads the object next to the cursor without a look at its meaning; the answer is its bytes. `None`: it is something
/// else, and passed.
#[inline]
pub(super) fn check<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Syntax> {
    if cursor.token() != Some(b'{') {
        return cursor.skip().map(|()| None);
    }
    let start = cursor.at();
    cursor.object(|cursor, _| cursor.value().map(|_| ()))?;
    Ok(Some(cursor.since(start)))
}

/// Hands over one point per key of `object`, which [`check`] has passed.
///
/// `reader` reads what stands in the place of a number.
#[inline]
pub(super) fn report<'o, V: Visitor>(
    object: &'o [u8],
    common: Common<'_>,
    visitor: &mut V,
    reader: &impl Reader<'o>,
) -> Result<(), Fault> {
    let mut seen = KeysSeen::new();
    let mut cursor = Cursor::new(object);
    let result = cursor.object(|cursor, key| {
        let is_object = cursor.token() == Some(b'{');
        let start = cursor.at();
        if is_object && key.is_sound() {
            let name = key.to_str();
            let is_new = seen.is_new_tag(key);
            let result = if is_new { reader.tag(cursor, &name, common, visitor)? } else { None };
            match result {
                Some(Ok(())) => {}
                Some(Err(told)) => {
                    reject_object(told, Within::Values, (&name, cursor.since(start)), common, visitor);
                }
                None => {
                    let written = cursor.pass()?;
                    if !is_new {
                        reject(TWICE, &name, written, common, visitor);
                    } else if !tags::report_under(&name, written, common, visitor, reader) {
                        reject(NOT_A_NUMBER, &name, written, common, visitor);
                    }
                }
            }
            return Ok(());
        }
        let value = number_value(cursor.value()?);
        let text = key;
        let key = text.to_str();
        let point = value.and_then(|value| {
            if !text.is_sound() {
                return Err(Fault::malformed("the name has an escape that JSON does not know"));
            }
            let sensor = checked_name(&key)?;
            Ok(Point {
                name: Name::Sensor { machine: common.machine, sensor },
                timestamp_us: common.timestamp_us,
                value,
                quality: common.quality,
            })
        });
        match point {
            Ok(point) if seen.is_new(text) => visitor.point(point),
            Ok(_) => {
                reject(TWICE, &key, cursor.since(start), common, visitor);
            }
            Err(fault) => {
                let written = cursor.since(start);
                let is_list = written.starts_with(b"[") && text.is_sound() && seen.is_new_tag(text);
                if !is_list || !tags::report_under(&key, written, common, visitor, reader) {
                    reject(fault, &key, written, common, visitor);
                }
            }
        }
        Ok(())
    });
    result.map_err(|Syntax(what)| Fault::malformed(what))
}

/// Finds keys that stand twice. Keys with escapes are compared as they mean, not as they are written.
struct KeysSeen<'a> {
    inline: [Text<'a>; KEYS_INLINE],
    count: usize,
    more: HashSet<Cow<'a, str>>,
}

impl<'a> KeysSeen<'a> {
    fn new() -> Self {
        Self { inline: [Text::EMPTY; KEYS_INLINE], count: 0, more: HashSet::new() }
    }

    /// Of a key beside a number: most are, so this one is not called.
    #[inline(always)]
    fn is_new(&mut self, key: Text<'a>) -> bool {
        if self.count < KEYS_INLINE {
            let found = self.inline[..self.count].iter().any(|seen| seen.same(key));
            self.inline[self.count] = key;
            self.count += 1;
            return !found;
        }
        if self.more.is_empty() {
            self.more.extend(self.inline.iter().map(|seen| seen.to_str()));
        }
        self.more.insert(key.to_str())
    }

    /// The same of a key beside an object or a list.
    #[inline(never)]
    fn is_new_tag(&mut self, key: Text<'a>) -> bool {
        self.is_new(key)
    }
}
