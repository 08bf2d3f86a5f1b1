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
//! What no sender means is taken off first: a byte order mark, blanks and control characters before, and behind them also
//! zero bytes that end a string in C, and separators for which nothing follows (`;`, `,`).
//!
//! Every message leaves at least one point, snapshot or rejection, except for those that say nothing: no bytes at all
//! (which clears a retained message), an empty array, an empty `values`, comments.

use super::fault::Fault;
use super::frame::{self, MAGIC};
use super::line_protocol::Clock;
use super::mapping::Mapping;
use super::number::Decimal;
use super::topic::Templates;
use super::{Address, Kind, Name, Point, Visitor, json, line_protocol, value};
use chrono_tz::Tz;
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
        let Some((address, mapping)) = self.templates.place(topic) else {
            let what = "the topic fits no layout; publish below genims/v1/ or add a [[topics]] template";
            let binary = if topic.starts_with("spBv1.0/") { "; Sparkplug B is not read: send JSON" } else { "" };
            return visitor.reject(Reason::UnknownTopic, format_args!("{what}{binary}"), payload);
        };
        if let Kind::Rows { database, table } = address.kind {
            return visitor.rows(database, table, payload);
        }
        visitor.place(&address);
        let meant = meant(payload);
        match mapping {
            Some(mapping) => read_mapped(mapping, &address, (payload, meant), visitor),
            None => read_meant(&address, payload, meant, visitor),
        }
    }
}

/// Reads what a message holds, as if it had been sent alone.
#[cold]
pub(crate) fn read<V: Visitor>(address: &Address<'_>, payload: &[u8], visitor: &mut V) {
    read_meant(address, payload, meant(payload), visitor);
}

#[inline]
fn read_meant<V: Visitor>(address: &Address<'_>, payload: &[u8], meant: &[u8], visitor: &mut V) {
    match (meant.first(), address.kind) {
        (Some(b'{' | b'['), _) => json::decode(address, meant, visitor),
        (Some(b'-' | b'0'..=b'9'), Kind::Sensor(sensor)) => match Decimal::scan(meant) {
            Some((decimal, length)) if length == meant.len() => {
                bare_value(address, sensor, value::of_decimal(decimal, meant), meant, visitor);
            }
            _ => other_forms(address, (payload, meant), None, visitor),
        },
        _ => other_forms(address, (payload, meant), None, visitor),
    }
}

/// Reads what lies below a topic of which the configuration tells how to read it.
#[cold]
fn read_mapped<V: Visitor>(
    mapping: &Mapping,
    address: &Address<'_>,
    (payload, meant): (&[u8], &[u8]),
    visitor: &mut V,
) {
    if let Some(b'{' | b'[') = meant.first() {
        return json::decode_mapped(mapping, address, meant, meant, visitor);
    }
    let text = text_of_buffer(meant).unwrap_or(meant);
    if text.starts_with(b"\"")
        && let Some(document) = json::inside::document(text)
    {
        return json::decode_mapped(mapping, address, document.as_bytes(), payload, visitor);
    }
    let quoted = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let state = std::str::from_utf8(quoted.unwrap_or(text)).ok().and_then(|word| mapping.state(word));
    if let (Some(value), Kind::Sensor(sensor)) = (state, address.kind) {
        return bare_value(address, sensor, value::of_float(value), text, visitor);
    }
    match mapping.zone() {
        None => read_meant(address, payload, meant, visitor),
        zone => other_forms(address, (payload, meant), zone, visitor),
    }
}

/// The payload without what is around it; see the module.
#[inline]
fn meant(payload: &[u8]) -> &[u8] {
    if let [b'{', .., b'}'] | [b'[', .., b']'] = payload {
        return payload;
    }
    let start = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let mut meant = value::trim_end(start);
    while let [0..=b' ', rest @ ..] = meant {
        meant = rest;
    }
    meant
}

/// `meant`: all of `payload` that is not a frame. `zone`: of the clock that writes times without an offset, if it is known.
#[inline(never)]
fn other_forms<V: Visitor>(address: &Address<'_>, (payload, meant): (&[u8], &[u8]), zone: Option<Tz>, visitor: &mut V) {
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
    } else if payload.starts_with(b"\x1f\x8b") {
        reject("the payload is compressed with gzip; send it as it is");
    } else if let Some(text) = text_of_buffer(meant) {
        json::inside::read(address, text, payload, visitor);
    } else if is_binary(payload, meant) {
        reject(BINARY);
    } else if let Some(document) = json::inside::document(meant) {
        json::inside::read(address, document.as_bytes(), payload, visitor);
    } else if is_lines(meant) {
        line_protocol::decode_at(meant, Clock { unit: None, zone }, address.machine, visitor);
    } else {
        let meant = text_of_buffer(meant).unwrap_or(meant);
        let quoted = meant.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let value = value::of_text(quoted.unwrap_or(meant));
        match address.kind {
            Kind::Sensor(sensor) => bare_value(address, sensor, value, meant, visitor),
            _ if value.is_ok() => {
                reject(
                    "a bare value needs a topic that names its sensor: genims/v1/{factory}/{line}/{machine}/{sensor}",
                );
            }
            _ => {
                let fault = Fault::malformed("the payload is neither JSON nor line protocol");
                visitor.reject(fault.reason, format_args!("{}", fault.told(meant)), payload);
            }
        }
    }
}

const BINARY: &str = "the payload is binary (Sparkplug B, CBOR, MessagePack ...); have the gateway send JSON";

/// Whether a byte is of no text.
fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')
}

/// Whether no text is meant: neither UTF-8 nor Latin-1 has control characters, but for those that scales, scanners and strings in C
/// put around it.
fn is_binary(payload: &[u8], meant: &[u8]) -> bool {
    // What is binary shows it at once: of long lines not all is looked at.
    const BEGINNING: usize = 16;
    if payload.iter().take(BEGINNING).all(|byte| (b' '..0x7f).contains(byte)) {
        return false;
    }
    let is_around = |byte: &u8| matches!(byte, 0 | 2 | 3 | 0x1a);
    let has_control = meant.iter().any(is_control) || payload.iter().any(|byte| is_control(byte) && !is_around(byte));
    has_control && std::str::from_utf8(payload).is_err()
}

/// The text before the zero byte that ends it in C, where behind that stands what the buffer held before. One character may be
/// the first one of UTF-16.
fn text_of_buffer(meant: &[u8]) -> Option<&[u8]> {
    let (text, old) = meant.split_at(memchr::memchr(0, meant)?);
    let is_text = text.len() > 1 && !text.iter().any(is_control) && std::str::from_utf8(text).is_ok();
    (is_text && memchr::memchr(b'\n', old).is_none()).then_some(text)
}

/// Whether it is line protocol, well or badly written: what only ends in `=` is Base64.
fn is_lines(meant: &[u8]) -> bool {
    let pair =
        memchr::memchr(b'=', meant).map(|at| meant[at..].iter().any(|byte| !matches!(byte, b'=' | b'\r' | b'\n')));
    meant[0] == b'#' || pair == Some(true)
}

#[inline]
fn bare_value<V: Visitor>(
    address: &Address<'_>,
    sensor: &str,
    value: Result<f64, Fault>,
    meant: &[u8],
    visitor: &mut V,
) {
    match value {
        Ok(value) => {
            let name = Name::Sensor { machine: address.machine, sensor };
            visitor.point(Point { name, timestamp_us: None, value, quality: Quality::Good });
        }
        Err(fault) => {
            // Text that nobody put in quotes may be anything.
            let is_quoted = meant.len() > 1 && meant.starts_with(b"\"") && meant.ends_with(b"\"");
            let is_text = fault.reason == Reason::NotANumber && !is_quoted && meant != b"null";
            let reason = if is_text { Reason::MalformedPayload } else { fault.reason };
            visitor.reject(reason, format_args!("{}", fault.told(meant)), meant);
        }
    }
}

#[cfg(test)]
mod tests;
