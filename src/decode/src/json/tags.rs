//! `{"temperature": 21.5, "ENERGY": {"Power": 5}, "ts": 1700000000000}`: an object of tags, as the historian of UMH, Tasmota
//! and Shelly send it.
//!
//! Each number, switch state, and text that reads as one of the two is a reading of the sensor that its key names; objects
//! inside add their key before a point: `ENERGY.Power`. Other text, lists and nulls are remarks, and so are the keys that
//! have a meaning of their own. A tag at fault is rejected alone, in the form of [`values`].

use super::cursor::{Cursor, Syntax, Value};
use super::fields::number_value;
use super::values::{self, Common};
use crate::fault::{Fault, checked_name};
use crate::{Name, Point, Visitor};
use std::collections::HashSet;

/// Objects inside of objects that are followed; what is deeper is a remark.
const DEPTH_MAX: usize = 8;

/// What is no tag at the top of the object, as it says something of the tags.
const RESERVED: [&str; 31] = [
    "sensor_id",
    "sensor",
    "tag",
    "name",
    "Name",
    "id",
    "machine_id",
    "machine",
    "node",
    "group",
    "timestamp_us",
    "timestamp_ms",
    "timestamp_ns",
    "timestamp",
    "Timestamp",
    "ts",
    "time",
    "Time",
    "t",
    "value",
    "Value",
    "values",
    "quality",
    "Quality",
    "q",
    "dt",
    "tags",
    "metrics",
    "errors",
    "error",
    "metas",
];

/// Hands over one point per tag of `object`, whose structure is known to be sound. `false`: it has none.
pub(super) fn report<V: Visitor>(object: &[u8], common: Common<'_>, visitor: &mut V) -> Result<bool, Fault> {
    let mut walk = Walk { common, visitor, path: String::new(), seen: HashSet::new() };
    let result = walk.object(&mut Cursor::new(object), 0);
    result.map(|()| !walk.seen.is_empty()).map_err(|Syntax(what)| Fault::malformed(what))
}

struct Walk<'w, V> {
    common: Common<'w>,
    visitor: &'w mut V,
    /// The keys down to here.
    path: String,
    seen: HashSet<String>,
}

impl<V: Visitor> Walk<'_, V> {
    fn object(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), Syntax> {
        cursor.object(|cursor, key| {
            let key = key.to_str();
            if depth == 0 && RESERVED.contains(&key.as_ref()) {
                return cursor.skip();
            }
            let length = self.path.len();
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            let result = if cursor.token() == Some(b'{') && depth < DEPTH_MAX {
                self.object(cursor, depth + 1)
            } else {
                self.tag(cursor)
            };
            self.path.truncate(length);
            result
        })
    }

    fn tag(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Syntax> {
        if matches!(cursor.token(), Some(b',' | b'}')) {
            return Ok(());
        }
        let start = cursor.at();
        let value = cursor.value()?;
        let result = match (value, number_value(value)) {
            (Value::Null | Value::Nested, _) | (Value::Text(_), Err(_)) => return Ok(()),
            (_, Ok(_)) if self.seen.contains(&self.path) => {
                Err(Fault::malformed("the key stands twice; the first one was taken"))
            }
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
