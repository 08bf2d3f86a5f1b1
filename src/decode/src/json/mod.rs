//! JSON payloads: one element or an array of elements goes in, points and snapshots come out.
//!
//! An element is an object of one of these forms, keys in any order, unknown keys skipped:
//! - a reading: `{"sensor_id": "S1", "value": 1.5, "timestamp_ms": 1700000000000}`; see [`element`] for all keys
//! - several of one time: `{"ts": 1700000000000, "values": {"TEMP": 1.5, "PRESS": 2.5}}`; see [`values`]
//! - the shapes of gateways: see [`list`], [`tags`] and [`envelope`]
//! - packs of SenML, and what is nearly JSON or stands in text: see [`senml`], [`loose`] and [`inside`]
//! - other shapes by a mapping in the configuration: see [`translate`]
//! - a snapshot: `{"machine_id": "M1", "machine_state": "RUNNING", ...}`; see [`super::snapshot`]
//!
//! What is rejected, and how much of it:
//! - An element at fault takes nothing with it: neither its neighbours in the array nor the other keys of its `values`.
//! - An element that is no JSON is skipped to its end by counting brackets outside of strings. Where that fails, or
//!   where the array itself is broken, the elements before the break are kept and the rest is one rejection.
//! - A document that is one element is taken whole or not at all; so nothing may follow it but further documents, each on
//!   a line of its own.

mod beside;
mod common;
pub(crate) mod cursor;
mod element;
mod envelope;
mod errors;
mod fields;
mod gateway;
mod identity;
pub(crate) mod inside;
mod keyed;
mod keys;
mod lines;
mod list;
mod lists;
mod loose;
mod mapped;
mod message;
mod naming;
mod original;
mod passed;
mod senml;
mod several;
mod single;
mod tags;
mod translate;
mod typed;
mod unusual;
mod values;

#[cfg(test)]
mod beside_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod envelope_tests;
#[cfg(test)]
mod gateway_tests;
#[cfg(test)]
mod known_tests;
#[cfg(test)]
mod lists_tests;
#[cfg(test)]
mod machines_tests;
#[cfg(test)]
mod mapping_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod naming_tests;
#[cfg(test)]
mod other_tests;
#[cfg(test)]
mod passed_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod shapes_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tolerance_tests;

pub(crate) use fields::time_value;
pub(crate) use identity::remark_machines;

use super::fault::{Fault, NOT_A_NUMBER, checked_name};
use super::mapping::Mapping;
use super::{Address, Form, Kind, Name, Point, Visitor};
use cursor::{Cursor, Syntax};
use element::Element;
use genims_model::{Quality, Reason};
use keys::{Known, Says};
use original::Original;

/// Whether a key names a machine where nothing else does and the catalogue has it.
#[cold]
pub(crate) fn is_machine_label(key: &str) -> bool {
    Known::of_gateway(key.as_bytes()).is_some_and(|known| known.says == Says::MachineLabel)
}

/// Whether a key says a quality under a name of gateways.
#[cold]
pub(crate) fn is_quality_label(key: &str) -> bool {
    Known::of_gateway(key.as_bytes()).is_some_and(|known| matches!(known.says, Says::Quality | Says::Status))
}

const BREAKS_OFF: &str = "the array breaks off";
const BARE_VALUE: &str = "an array of bare values names no sensors; write one number, its decimal mark as a point, or several \
     under the names of their sensors: {\"TEMP-1\": 21.5, \"HUM\": 48}; this is one";

/// Decodes a payload whose first byte, white space aside, is `{` or `[`.
#[inline]
pub fn decode<V: Visitor>(address: &Address<'_>, payload: &[u8], visitor: &mut V) {
    let mut cursor = Cursor::new(payload);
    if cursor.take(b'[') {
        decode_array(address, payload, cursor, visitor);
        return;
    }
    let mut element = Element::default();
    match element.read(&mut cursor) {
        Ok(()) if is_end(&mut cursor, payload) && element.is_senml() => {
            senml::Base::default().report(address, element.bytes(), visitor);
        }
        Ok(()) if is_end(&mut cursor, payload) => report(address, &element, visitor),
        Err(_) if let Some(json) = loose::as_json(payload) => inside::read(address, &json, payload, visitor),
        _ => lines::decode(address, payload, visitor),
    }
}

/// Whether a document is over.
#[inline]
fn is_end(cursor: &mut Cursor<'_>, payload: &[u8]) -> bool {
    match cursor.token() {
        None => true,
        Some(0) => is_old(&payload[cursor.at()..]),
        Some(_) => false,
    }
}

/// Behind a zero byte stands what a buffer in C held before, unless another document does.
#[cold]
fn is_old(rest: &[u8]) -> bool {
    let behind = rest.iter().position(|byte| *byte != 0 && !byte.is_ascii_whitespace());
    behind.is_none_or(|at| !matches!(rest[at], b'{' | b'['))
}

/// As [`decode`], below a topic whose shape the configuration tells. `whole` is what was sent.
#[cold]
pub(super) fn decode_mapped<V: Visitor>(
    mapping: &Mapping,
    address: &Address<'_>,
    payload: &[u8],
    whole: &[u8],
    visitor: &mut V,
) {
    let is_of_snapshots = address.kind == Kind::Scada;
    let of_snapshots = if is_of_snapshots { mapping.of_snapshots() } else { None };
    let mapping = if is_of_snapshots { of_snapshots.as_ref() } else { Some(mapping) };
    let translated = mapping.and_then(|mapping| {
        let translated = |json: &[u8]| translate::translate(mapping, json);
        translated(payload).or_else(|| translated(&loose::as_json(payload)?))
    });
    match translated {
        Some(translated) => {
            let mut visitor = Original::new(visitor, whole, &translated);
            decode(address, &translated, &mut visitor);
        }
        None if payload == whole => decode(address, payload, visitor),
        None => inside::read(address, payload, whole, visitor),
    }
}

/// `cursor` stands behind the opening bracket.
#[inline]
fn decode_array<V: Visitor>(address: &Address<'_>, payload: &[u8], mut cursor: Cursor<'_>, visitor: &mut V) {
    if cursor.take(b']') {
        reject_trailing(payload, cursor, visitor);
        return;
    }
    let (mut senml, first) = (None, cursor.at());
    loop {
        let next = cursor.token();
        let start = cursor.at();
        if next.is_none() {
            return reject_syntax(Syntax(BREAKS_OFF), start, &payload[start..], visitor);
        }
        let mut element = Element::default();
        match element.read(&mut cursor) {
            Ok(()) if senml.is_some() || element.is_senml() => {
                senml.get_or_insert_with(senml::Base::default).report(address, element.bytes(), visitor);
            }
            Ok(()) => report(address, &element, visitor),
            Err(_)
                if start == first
                    && let Some(value) = only_value(address, payload) =>
            {
                return visitor.point(value);
            }
            Err(syntax) => {
                let at = cursor.at();
                let Some(end) = element_end(payload, start) else {
                    return reject_syntax(syntax, at, &payload[start..], visitor);
                };
                let fragment = payload[start..end].trim_ascii_end();
                if let Some(json) = loose::as_json(fragment) {
                    inside::read_part(address, &json, fragment, visitor);
                } else {
                    let is_bare = matches!(next, Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'));
                    let what = if is_bare { BARE_VALUE } else { syntax.0 };
                    let detail = format_args!("{what} at byte {at}");
                    visitor.reject_part(Form::Elements, Reason::MalformedPayload, detail, fragment);
                }
                cursor.jump(end);
            }
        }
        let more = cursor.take(b',');
        // A comma may stand behind the last element, too.
        if cursor.take(b']') {
            return reject_trailing(payload, cursor, visitor);
        }
        if more {
            continue;
        }
        let at = cursor.at();
        return reject_syntax(Syntax("a comma or the end of the array was expected"), at, &payload[at..], visitor);
    }
}

/// The one number of a list below a sensor's topic.
#[cold]
fn only_value<'a>(address: &Address<'a>, payload: &[u8]) -> Option<Point<'a>> {
    let Kind::Sensor(sensor) = address.kind else { return None };
    let name = Name::Sensor { machine: address.machine, sensor: checked_name(sensor).ok()? };
    let value = fields::only_item(payload).ok()?;
    Some(Point { name, timestamp_us: None, value, quality: Quality::Good })
}

#[inline]
fn report<V: Visitor>(address: &Address<'_>, element: &Element<'_>, visitor: &mut V) {
    if let Err(fault) = element.report(address, visitor)
        && !report_otherwise(fault, address, element, visitor)
    {
        let told = element.told(fault);
        visitor.reject_part(Form::Elements, fault.reason, format_args!("{told}"), element.bytes());
    }
}

/// What an element holds that could not be read as it came. `false`: there is nothing.
#[cold]
fn report_otherwise<V: Visitor>(fault: Fault, address: &Address<'_>, element: &Element<'_>, visitor: &mut V) -> bool {
    (fault == NOT_A_NUMBER && element.report_values_in_value(address, visitor) == Ok(true))
        || inside::report(address, element, visitor)
}

fn reject_trailing<V: Visitor>(payload: &[u8], mut cursor: Cursor<'_>, visitor: &mut V) {
    if !is_end(&mut cursor, payload) {
        let at = cursor.at();
        reject_syntax(Syntax("something follows the array"), at, &payload[at..], visitor);
    }
}

#[cold]
fn reject_syntax<V: Visitor>(syntax: Syntax, at: usize, fragment: &[u8], visitor: &mut V) {
    visitor.reject(Reason::MalformedPayload, format_args!("{} at byte {at}", syntax.0), fragment);
}

/// Where the element that begins at `start` ends, judged by brackets outside of strings alone: the position of the comma
/// or bracket behind it. `None`: the document ends first, or the brackets do not match.
#[cold]
fn element_end(payload: &[u8], start: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut at = start;
    loop {
        match payload.get(at)? {
            b'"' => {
                at += 1;
                while *payload.get(at)? != b'"' {
                    at += if payload[at] == b'\\' { 2 } else { 1 };
                }
            }
            b',' | b']' if open.is_empty() => return Some(at),
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            close @ (b'}' | b']') if open.pop() != Some(*close) => return None,
            _ => {}
        }
        at += 1;
    }
}
