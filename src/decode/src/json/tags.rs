//! `{"temperature": 21.5, "ENERGY": {"Power": 5}, "ts": 1700000000000}`: an object of tags, as the historian of UMH, Tasmota
//! and Shelly send it.
//!
//! Each number, switch state, and text that reads as one of the two is a reading of the sensor that its key names; objects
//! inside add their key before a point: `ENERGY.Power`, unless they say one tag's `value`, as those of OPC UA do. Other text,
//! lists and nulls are remarks, and so are the keys that have a meaning of their own. A tag at fault is rejected alone, in
//! the form of [`values`].

use super::cursor::{Cursor, Syntax, Value};
use super::fields::number_value;
use super::keys::{Known, Says};
use super::values::{self, Common};
use crate::fault::{Fault, Told, checked_name};
use crate::{Name, Point, Visitor};
use std::collections::HashSet;

const TWICE: Fault = Fault::malformed("the key stands twice; the first one was taken");

/// Objects inside of objects that are followed; what is deeper is a remark.
const DEPTH_MAX: usize = 8;

/// Hands over one point per tag of `object`, whose structure is known to be sound. `false`: it has none. `report_tag` hands
/// over an object under the given name if it is one tag's, and passes it then.
pub(super) fn report<'o, V: Visitor>(
    object: &'o [u8],
    common: Common<'_>,
    visitor: &mut V,
    report_tag: impl Fn(&mut Cursor<'o>, &str, Common<'_>, &mut V) -> Result<Option<Result<(), Told<'o>>>, Syntax>,
) -> Result<bool, Fault> {
    let mut walk = Walk { common, visitor, report_tag, path: String::new(), seen: HashSet::new() };
    let result = walk.object(&mut Cursor::new(object), 0);
    result.map(|()| !walk.seen.is_empty()).map_err(|Syntax(what)| Fault::malformed(what))
}

struct Walk<'w, V, R> {
    common: Common<'w>,
    visitor: &'w mut V,
    report_tag: R,
    /// The keys down to here.
    path: String,
    seen: HashSet<String>,
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
                Some(known) if depth == 0 => !known.may_be_tag(),
                // A number there tells components apart.
                Some(known) => known.says == Says::Sensor,
                None => false,
            };
            if is_told_of_tags {
                return cursor.skip();
            }
            let length = self.path.len();
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            let result = match cursor.token() {
                Some(b'{') if depth < DEPTH_MAX && self.is_one_tag(cursor)? => Ok(()),
                Some(b'{') if depth < DEPTH_MAX => self.object(cursor, depth + 1),
                _ => self.tag(cursor),
            };
            self.path.truncate(length);
            result
        })
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
            values::reject_object(told, &self.path, cursor.since(start), self.common, self.visitor);
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
        let result = match (value, number_value(value)) {
            (Value::Null | Value::Nested, _) | (Value::Text(_), Err(_)) => return Ok(()),
            (_, Ok(_)) if self.seen.contains(&self.path) => Err(TWICE),
            (_, result) => result,
        };
        match result.and_then(|value| checked_name(&self.path).map(|sensor| (value, sensor))) {
            Ok((value, sensor)) => self.visitor.point(Point {
                name: Name::Sensor { machine: self.common.machine, sensor },
                timestamp_us: self.common.timestamp_us,
                value,
                quality: self.common.quality,
            }),
            Err(fault) => values::reject(fault, &self.path, cursor.since(start), self.common, self.visitor),
        }
        self.seen.insert(self.path.clone());
        Ok(())
    }
}
