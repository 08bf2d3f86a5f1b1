//! BSON written straight into a buffer. <https://bsonspec.org/spec.html>
//!
//! Lengths are filled in when a document closes; nothing is built in between.

/// Appends BSON elements to a byte vector.
pub trait PutBson {
    /// Opens a document (or array); [`PutBson::close`] needs the answer.
    fn open(&mut self) -> usize;
    fn close(&mut self, opened: usize);
    fn put_key(&mut self, kind: u8, name: &str);
    fn put_double(&mut self, name: &str, value: f64);
    fn put_string(&mut self, name: &str, value: &str);
    fn put_int32(&mut self, name: &str, value: i32);
    fn put_int64(&mut self, name: &str, value: i64);
    fn put_bool(&mut self, name: &str, value: bool);
    /// A UTC datetime: milliseconds, rounded down.
    fn put_datetime(&mut self, name: &str, timestamp_us: i64);
    fn put_object_id(&mut self, name: &str, value: [u8; 12]);
}

pub const DOUBLE: u8 = 0x01;
pub(crate) const STRING: u8 = 0x02;
pub(crate) const DOCUMENT: u8 = 0x03;
pub const ARRAY: u8 = 0x04;
pub(crate) const OBJECT_ID: u8 = 0x07;
pub const BOOLEAN: u8 = 0x08;
pub const DATETIME: u8 = 0x09;
pub(crate) const INT32: u8 = 0x10;
pub(crate) const INT64: u8 = 0x12;

impl PutBson for Vec<u8> {
    fn open(&mut self) -> usize {
        let opened = self.len();
        self.extend_from_slice(&[0; 4]);
        opened
    }

    fn close(&mut self, opened: usize) {
        self.push(0);
        let length = (self.len() - opened) as i32;
        self[opened..opened + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// Names are ours, never a sender's, so they hold no NUL.
    fn put_key(&mut self, kind: u8, name: &str) {
        self.push(kind);
        self.extend_from_slice(name.as_bytes());
        self.push(0);
    }

    fn put_double(&mut self, name: &str, value: f64) {
        self.put_key(DOUBLE, name);
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_string(&mut self, name: &str, value: &str) {
        self.put_key(STRING, name);
        self.extend_from_slice(&(value.len() as i32 + 1).to_le_bytes());
        self.extend_from_slice(value.as_bytes());
        self.push(0);
    }

    fn put_int32(&mut self, name: &str, value: i32) {
        self.put_key(INT32, name);
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_int64(&mut self, name: &str, value: i64) {
        self.put_key(INT64, name);
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_bool(&mut self, name: &str, value: bool) {
        self.put_key(BOOLEAN, name);
        self.push(u8::from(value));
    }

    fn put_datetime(&mut self, name: &str, timestamp_us: i64) {
        self.put_key(DATETIME, name);
        self.extend_from_slice(&timestamp_us.div_euclid(1_000).to_le_bytes());
    }

    fn put_object_id(&mut self, name: &str, value: [u8; 12]) {
        self.put_key(OBJECT_ID, name);
        self.extend_from_slice(&value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, doc, oid::ObjectId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_those_of_the_bson_crate(
            double in proptest::num::f64::ANY, text in ".{0,40}", short: i32, long: i64, flag: bool,
            timestamp_us: i64, id: [u8; 12],
        ) {
            let mut bytes = Vec::new();
            let outer = bytes.open();
            bytes.put_object_id("_id", id);
            bytes.put_datetime("timestamp", timestamp_us);
            bytes.put_key(DOCUMENT, "meta");
            let inner = bytes.open();
            bytes.put_string("text", &text);
            bytes.put_int32("short", short);
            bytes.close(inner);
            bytes.put_double("double", double);
            bytes.put_int64("long", long);
            bytes.put_bool("flag", flag);
            bytes.close(outer);
            let expected = doc! {
                "_id": ObjectId::from_bytes(id),
                "timestamp": DateTime::from_millis(timestamp_us.div_euclid(1_000)),
                "meta": { "text": text, "short": short },
                "double": double,
                "long": long,
                "flag": flag,
            };
            prop_assert_eq!(bytes, expected.to_vec().expect("BSON"));
        }
    }
}
