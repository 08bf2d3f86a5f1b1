//! The door of this room: a topic and a payload go in, everything that they hold goes to the visitor.
//!
//! The first byte, white space aside, tells the form:
//!
//! | begins with | form |
//! |---|---|
//! | `GF` and a version byte | binary frame |
//! | `{` or `[` | JSON |
//! | digit, sign, quote, or a word such as `NaN`, `true`, `null` alone | one bare value, below a sensor's topic |
//! | anything else | line protocol, timestamps in ns |
//!
//! Every message leaves at least one point, snapshot or rejection, except for those that say nothing: an empty array, an
//! empty `values`, comments.

use super::fault::Fault;
use super::frame::{self, MAGIC};
use super::json::cursor::{Cursor, Value, is_not_finite};
use super::json::number_value;
use super::timestamp::Unit;
use super::topic::Templates;
use super::{Address, Kind, Name, Point, Visitor, json, line_protocol};
use genims_model::{Quality, Reason};

/// Decodes messages of MQTT listeners, and what is replayed.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    templates: Templates,
}

impl Decoder {
    pub fn new(templates: Templates) -> Self {
        Self { templates }
    }

    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Decodes one message. A payload that fits nothing is one rejection with all of it as the fragment.
    #[inline]
    pub fn message<V: Visitor>(&self, topic: &str, payload: &[u8], visitor: &mut V) {
        let Some(address) = self.templates.parse(topic) else {
            let what = "the topic fits no layout; publish below genims/v1/ or add a [[topics]] template";
            return visitor.reject(Reason::UnknownTopic, format_args!("{what}"), payload);
        };
        if let Kind::Rows { .. } = address.kind {
            let what = "rows are not taken by this server yet";
            return visitor.reject(Reason::UnknownTopic, format_args!("{what}"), payload);
        }
        match payload.trim_ascii_start().first() {
            Some(b'{' | b'[') => json::decode(&address, payload, visitor),
            _ => {
                if let Err(fault) = other_forms(&address, payload, visitor) {
                    visitor.reject(fault.reason, format_args!("{fault}"), payload);
                }
            }
        }
    }
}

/// A fault is the payload's; nothing was handed over then.
fn other_forms<V: Visitor>(address: &Address<'_>, payload: &[u8], visitor: &mut V) -> Result<(), Fault> {
    let trimmed = payload.trim_ascii();
    if trimmed.is_empty() {
        return Err(Fault::malformed("the payload is empty"));
    }
    if let Kind::Scada = address.kind {
        return Err(Fault::malformed("a snapshot is a JSON object"));
    }
    // The version byte tells a frame from a measurement that happens to begin with GF.
    if payload.starts_with(&MAGIC) && payload.get(2).is_none_or(u8::is_ascii_control) {
        if let Err(error) = frame::decode_message(payload, visitor) {
            visitor.reject(Reason::MalformedPayload, format_args!("{error}"), payload);
        }
        return Ok(());
    }
    if let Some(value) = bare_value(trimmed) {
        let Kind::Sensor(sensor) = address.kind else {
            return Err(Fault::malformed("a bare value needs a topic that names its sensor"));
        };
        let name = Name::Sensor { machine: address.machine, sensor };
        visitor.point(Point { name, timestamp_us: None, value: value?, quality: Quality::Good });
        return Ok(());
    }
    line_protocol::decode(payload, Unit::Nanoseconds, visitor);
    Ok(())
}

/// `None`: these bytes are no single value; they may be line protocol.
fn bare_value(trimmed: &[u8]) -> Option<Result<f64, Fault>> {
    let mut cursor = Cursor::new(trimmed);
    let value = match cursor.value() {
        Ok(value) if cursor.at() == trimmed.len() => value,
        _ if is_not_finite(trimmed.strip_prefix(b"+").unwrap_or_default()) => Value::NotFinite,
        // Neither a broken string nor a broken number can be line protocol without a field.
        _ if matches!(trimmed[0], b'"' | b'+' | b'-' | b'0'..=b'9') && !trimmed.contains(&b'=') => {
            return Some(Err(Fault::malformed("the value cannot be read")));
        }
        _ => return None,
    };
    Some(number_value(value))
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
