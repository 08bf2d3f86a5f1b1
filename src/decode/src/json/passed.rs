//! Whether what a message does not take may be readings: enters what was written there, leaves whether it is worth a remark.
//!
//! A number may be one where the catalogue has the key that it stands under, or the path that leads there; where the object around
//! it names a sensor of the catalogue, or the list around it does, as a pair; and where a list of names stands beside as many
//! numbers, or beside rows of as many, as the head of a table. Times, qualities and names are none: a device shadow says of
//! every tag when it was reported. Everything is read once, whatever stands in what.

use super::cursor::{Cursor, Syntax, Value};
use super::fields::number_value;
use super::keys::{Known, Says, is_typed_value};
use crate::NAME_BYTES_MAX;

/// Objects and lists in each other that are looked into: what lies deeper may be anything.
const DEPTH_MAX: usize = 64;

/// What was found in what was passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// Any number that may be a value.
    pub(super) has_number: bool,
    /// One of a sensor that the catalogue has.
    pub(super) has_reading: bool,
}

/// Looks at all of `written`, but for the part of it that was `taken`.
#[cold]
pub(super) fn look(written: &[u8], taken: &[u8], knows: &impl Fn(&str) -> bool) -> Passed {
    let mut look = Look { taken, ..Look::new(knows) };
    // What breaks off has said what it said.
    let inside = look.value(&mut Cursor::new(written), 0).unwrap_or_default();
    Passed { has_number: inside.has_number, has_reading: look.found }
}

/// Whether a number of a sensor that the catalogue has stands in `written`.
#[cold]
pub(super) fn holds_reading(written: &[u8], knows: &impl Fn(&str) -> bool) -> bool {
    look(written, b"", knows).has_reading
}

/// The same of an object, beside the value that it says.
#[cold]
pub(super) fn holds_reading_beside_value(object: &[u8], knows: &impl Fn(&str) -> bool) -> bool {
    let mut look = Look::new(knows);
    let _ = Cursor::new(object).object(|cursor, key| {
        let key = key.to_str();
        let says = Known::of_any(key.as_bytes()).map(|known| known.says);
        let is_plain = !matches!(cursor.token(), Some(b'{' | b'['));
        let is_value = says == Some(Says::Value) || (says == Some(Says::Data) && is_plain) || is_typed_value(&key);
        if is_value || (is_plain && may_name(says)) {
            return cursor.skip();
        }
        look.member(&key, says, cursor, 0).map(|_| ())
    });
    look.found
}

/// Whether lists of an object are a table: one of names, and one of as many numbers, or of rows of as many.
#[cold]
pub(super) fn holds_table(object: &[u8], knows: &impl Fn(&str) -> bool) -> bool {
    let mut look = Look::new(knows);
    let mut table = Table::default();
    let _ = Cursor::new(object).object(|cursor, _| {
        if cursor.token() != Some(b'[') {
            return cursor.skip();
        }
        let list = look.list(cursor, 1)?;
        table.enter(list);
        Ok(())
    });
    table.is_one()
}

/// The lists of an object: how many names are in the first of names, and how much is in the others.
#[derive(Default)]
struct Table {
    head: Option<usize>,
    lengths: Vec<usize>,
}

impl Table {
    fn enter(&mut self, list: Inside) {
        match list {
            Inside { length: 0, .. } => {}
            Inside { has_number: true, length, row, .. } => self.lengths.extend([length, row]),
            Inside { has_name: true, length, .. } => self.head = self.head.or(Some(length)),
            _ => {}
        }
    }

    fn is_one(&self) -> bool {
        self.head.is_some_and(|head| self.lengths.contains(&head))
    }
}

/// What a value is to those around it.
#[derive(Clone, Copy, Default)]
struct Inside {
    has_number: bool,
    /// The name of a sensor: text, or in a list.
    has_name: bool,
    /// How many things are in a list, and in the first list of it.
    length: usize,
    row: usize,
}

struct Look<'k, K> {
    knows: &'k K,
    taken: &'k [u8],
    /// The keys down to here.
    path: String,
    found: bool,
}

impl<'k, K: Fn(&str) -> bool> Look<'k, K> {
    fn new(knows: &'k K) -> Self {
        Self { knows, taken: b"", path: String::new(), found: false }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Inside, Syntax> {
        match cursor.token() {
            Some(b'{' | b'[') if cursor.is_at(self.taken) => cursor.skip().map(|()| Inside::default()),
            Some(b'{' | b'[') if depth == DEPTH_MAX => {
                self.found = true;
                cursor.skip().map(|()| Inside { has_number: true, ..Inside::default() })
            }
            Some(b'{') => self.object(cursor, depth),
            Some(b'[') => self.list(cursor, depth),
            _ => {
                let value = cursor.value()?;
                let has_number = number_value(value).is_ok();
                let has_name = matches!(value, Value::Text(text) if !has_number && self.is_sensor(&text.to_str()));
                Ok(Inside { has_number, has_name, ..Inside::default() })
            }
        }
    }

    fn object(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Inside, Syntax> {
        let (mut has_number, mut is_named) = (false, false);
        let mut table = Table::default();
        cursor.object(|cursor, key| {
            let key = key.to_str();
            let says = Known::of_any(key.as_bytes()).map(|known| known.says);
            if cursor.token() == Some(b'"') && may_name(says) {
                is_named |= matches!(cursor.value()?, Value::Text(name) if self.is_sensor(&name.to_str()));
                return Ok(());
            }
            let inside = self.member(&key, says, cursor, depth)?;
            has_number |= inside.has_number;
            table.enter(inside);
            Ok(())
        })?;
        self.found |= (is_named && has_number) || table.is_one();
        Ok(Inside { has_number, ..Inside::default() })
    }

    /// What stands under a key of an object.
    fn member(
        &mut self,
        key: &str,
        says: Option<Says>,
        cursor: &mut Cursor<'_>,
        depth: usize,
    ) -> Result<Inside, Syntax> {
        let before = self.path.len();
        self.path.push_str(if before > 0 { "." } else { "" });
        self.path.push_str(key);
        let is_sensor = may_be_tag(key, says) && (self.is_sensor(key) || (before > 0 && self.is_sensor(&self.path)));
        let is_nested = matches!(cursor.token(), Some(b'{' | b'['));
        let inside = if is_sensor || says.is_none_or(|says| may_hold_values(says, is_nested)) {
            self.value(cursor, depth + 1)?
        } else {
            cursor.skip().map(|()| Inside::default())?
        };
        self.path.truncate(before);
        self.found |= is_sensor && inside.has_number;
        Ok(inside)
    }

    fn list(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<Inside, Syntax> {
        let mut list = Inside::default();
        cursor.take(b'[');
        while !cursor.take(b']') {
            let inside = self.value(cursor, depth + 1)?;
            list.has_number |= inside.has_number;
            list.has_name |= inside.has_name;
            list.row = if list.length == 0 { inside.length } else { list.row };
            list.length += 1;
            if !cursor.take(b',') && cursor.token() != Some(b']') {
                return Err(Syntax("a comma or the end of the list was expected"));
            }
        }
        self.found |= list.has_number && list.has_name;
        Ok(list)
    }

    fn is_sensor(&self, name: &str) -> bool {
        name.len() <= NAME_BYTES_MAX && (self.knows)(name)
    }
}

/// Whether text under a key is the name of a sensor.
fn may_name(says: Option<Says>) -> bool {
    matches!(says, Some(Says::Sensor | Says::Label))
}

/// Whether a key may be the name of a sensor itself: one letter may, and what means something only beside the right value.
fn may_be_tag(key: &str, says: Option<Says>) -> bool {
    says.is_none() || key.len() == 1 || Known::of(key.as_bytes()).is_none_or(Known::may_be_tag)
}

/// Whether values may stand under a key that means something; where a name belongs, in an object or a list.
fn may_hold_values(says: Says, is_nested: bool) -> bool {
    match says {
        Says::Sensor | Says::Label | Says::Machine | Says::MachineLabel => is_nested,
        Says::Value | Says::Data | Says::Several | Says::List | Says::Messages | Says::Records => true,
        Says::Payload | Says::Params | Says::Envelope | Says::Properties => true,
        _ => false,
    }
}
