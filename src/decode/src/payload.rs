//! The door of this room: a topic and a payload go in, everything that they hold goes to the visitor.
//!
//! The first byte, white space aside, tells the form:
//!
//! | begins with | form |
//! |---|---|
//! | `GF` and a version byte | binary frame |
//! | `{` or `[` | JSON |
//! | anything else without `=` | one bare value, below a sensor's topic; see [`super::value`] |
//! | anything else | line protocol |
//!
//! What no sender means is taken off first: a byte order mark and blanks before, and behind blanks, zero bytes that end a
//! string in C, and separators for which nothing follows (`;`, `,`).
//!
//! Every message leaves at least one point, snapshot or rejection, except for those that say nothing: no bytes at all
//! (which clears a retained message), an empty array, an empty `values`, comments.

use super::frame::{self, MAGIC};
use super::number::Decimal;
use super::topic::Templates;
use super::{Address, Kind, Name, Point, Visitor, json, line_protocol, value};
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
        let meant = meant(payload);
        match meant.first() {
            Some(b'{' | b'[') => json::decode(&address, meant, visitor),
            _ => other_forms(&address, payload, meant, visitor),
        }
    }
}

/// The payload without what is around it; see the module.
#[inline]
fn meant(payload: &[u8]) -> &[u8] {
    let start = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    value::trim_end(start).trim_ascii_start()
}

/// `meant`: all of `payload` that is not a frame.
fn other_forms<V: Visitor>(address: &Address<'_>, payload: &[u8], meant: &[u8], visitor: &mut V) {
    let mut reject = |what: &str| visitor.reject(Reason::MalformedPayload, format_args!("{what}"), payload);
    if meant.is_empty() {
        if payload.iter().any(|byte| *byte != 0) {
            reject("the payload is blank; write a value, JSON or line protocol");
        }
    } else if let Kind::Scada = address.kind {
        reject("a snapshot is a JSON object: {\"machine_state\": \"RUNNING\", ...}");
    } else if payload.starts_with(&MAGIC) && payload.get(2).is_none_or(u8::is_ascii_control) {
        // The version byte tells a frame from a measurement that happens to begin with GF.
        if let Err(error) = frame::decode_message(payload, visitor) {
            visitor.reject(Reason::MalformedPayload, format_args!("{error}"), payload);
        }
    } else if payload.starts_with(b"\xff\xfe") || payload.starts_with(b"\xfe\xff") {
        reject("the payload is UTF-16; send it as UTF-8");
    } else if meant.contains(&b'=') || meant[0] == b'#' {
        line_protocol::decode(meant, None, visitor);
    } else {
        bare_value(address, payload, meant, visitor);
    }
}

fn bare_value<V: Visitor>(address: &Address<'_>, payload: &[u8], meant: &[u8], visitor: &mut V) {
    let quoted = meant.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let value = match Decimal::scan(meant) {
        Some((decimal, length)) if length == meant.len() => value::of_decimal(decimal, meant),
        _ => value::of_text(quoted.unwrap_or(meant)),
    };
    match (value, address.kind) {
        (Ok(value), Kind::Sensor(sensor)) => {
            let name = Name::Sensor { machine: address.machine, sensor };
            visitor.point(Point { name, timestamp_us: None, value, quality: Quality::Good });
        }
        (Ok(_), _) => {
            let what =
                "a bare value needs a topic that names its sensor: genims/v1/{factory}/{line}/{machine}/{sensor}";
            visitor.reject(Reason::MalformedPayload, format_args!("{what}"), payload);
        }
        (Err(fault), _) => {
            // Text that nobody put in quotes may be anything.
            let is_text = fault.reason == Reason::NotANumber && quoted.is_none() && meant != b"null";
            let reason = if is_text { Reason::MalformedPayload } else { fault.reason };
            visitor.reject(reason, format_args!("{}", fault.told(meant)), payload);
        }
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
