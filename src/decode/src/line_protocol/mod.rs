//! Influx line protocol goes in, points come out: `measurement,tag=value field=1.5,other=2i 1700000000000000000`.
//!
//! How a line names its sensors:
//! - tag `sensor_id` or `sensor`: the sensor; its value is the field `value`; other fields are remarks
//! - else tag `machine_id` or `machine`: the machine; each field is a sensor of it, by code or id
//!   (several tags that name different machines are told)
//! - else the measurement is the machine; where it is none that the catalogue has (Telegraf's are names of its plugins), a tag
//!   `device` and the like that the catalogue has, else the topic's machine, and where it names none, a tag `name`
//!
//! With both tags the sensor may be a code of the machine. A field `quality` that is a string, or a code beside a sensor's value,
//! or a tag of that name (`Quality` alike) belongs to the whole line, the field before the tag: see [`super::quality`]; blank it is none, and one that cannot be read is uncertain. Values are floats, integers (`i`, exact), unsigned integers (`u`, exact) or what
//! [`super::value`] reads as one; other text is rejected for its field alone, but in quotes, beside a number, it is a remark unless the
//! catalogue has the sensor; a line that cannot be read for itself alone.
//! Empty lines and those that begin with `#` are skipped. A line that is no UTF-8 is read as Latin-1. Text
//! in quotes may hold line feeds, if the line that goes on behind them can be read as a whole: a lost quote costs one line.
//!
//! Timestamps are integers in the unit that the caller names; without one the digits tell it, see [`super::timestamp`].
//! What is rejected of a readable line is written anew as a line of that field alone, always in nanoseconds, so that it
//! means the same anywhere.

mod line;

use super::fault::{Fault, NO_FIELDS, NO_JSON, NO_OFFSET, NOT_ONCE, checked_name, sized_name};
use super::json::{is_machine_label, remark_machines};
use super::timestamp::Unit;
use super::{Form, Name, Point, Remark, Visitor, latin_1, quality, value};
use chrono_tz::Tz;
use genims_model::{Quality, Reason};
use line::{Escaped, Field, FieldValue, Line, NO_MEASUREMENT, QUOTES_OPEN, is_quality};
use std::collections::HashSet;

/// Decodes any number of lines; the last one needs no line feed. `unit`: what the timestamps count; `None` lets their
/// digits tell.
#[inline]
pub fn decode<V: Visitor>(text: &[u8], unit: Option<Unit>, visitor: &mut V) {
    decode_at(text, Clock { unit, zone: None }, None, visitor);
}

/// As [`decode`], below a topic that names a machine.
#[inline]
pub(crate) fn decode_at<V: Visitor>(text: &[u8], clock: Clock, machine: Option<&str>, visitor: &mut V) {
    let around = Around { clock, machine };
    let mut rest = text;
    while !rest.is_empty() {
        let here = rest;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = value::trim_end(&rest[..end]).trim_ascii_start();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let Err(fault) = decode_line(line, around, visitor) else { continue };
        match decode_across(here, end, fault, around, visitor) {
            Some(behind) => rest = &here[behind..],
            None => {
                let fault = if is_json(line, fault) { NO_JSON } else { fault };
                let is_shown = [NO_OFFSET, NOT_ONCE, NO_FIELDS, NO_JSON].contains(&fault);
                let told = fault.told(if is_shown { line } else { b"" });
                visitor.reject_part(Form::Lines, fault.reason, format_args!("{told}"), line);
            }
        }
    }
}

/// Whether a line at fault is one of JSON. A measurement may begin as that does, and lack the end of a text alone.
#[cold]
fn is_json(line: &[u8], fault: Fault) -> bool {
    matches!(line, [b'{' | b'[', ..]) && fault.reason == Reason::MalformedPayload && fault != QUOTES_OPEN
}

/// What is said of all lines from outside.
#[derive(Clone, Copy)]
struct Around<'a> {
    clock: Clock,
    machine: Option<&'a str>,
}

/// How the times behind lines are to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    /// What numbers count; `None` lets their digits tell.
    pub(crate) unit: Option<Unit>,
    /// Where the clock stands that writes times without an offset.
    pub(crate) zone: Option<Tz>,
}

/// Line feeds in one text in quotes that are followed.
pub const FEEDS_QUOTED_MAX: usize = 16;

/// Decodes a line whose quotes are open at its first line feed, at `end`; the answer is where the next line begins. `None`:
/// it cannot be read with what follows either.
#[cold]
fn decode_across<V: Visitor>(
    text: &[u8],
    mut end: usize,
    fault: Fault,
    around: Around<'_>,
    visitor: &mut V,
) -> Option<usize> {
    if fault != QUOTES_OPEN {
        return None;
    }
    for _ in 0..FEEDS_QUOTED_MAX {
        let start = end + 1;
        let piece = text.get(start..).filter(|piece| !piece.is_empty())?;
        end = start + memchr::memchr(b'\n', piece).unwrap_or(piece.len());
        if !text[start..end].contains(&b'"') {
            continue;
        }
        match decode_line(value::trim_end(&text[..end]).trim_ascii_start(), around, visitor) {
            Ok(()) => return Some((end + 1).min(text.len())),
            Err(fault) if fault == QUOTES_OPEN => {}
            Err(_) => return None,
        }
    }
    None
}

/// A fault is the line's; nothing was handed over then.
#[inline]
fn decode_line<V: Visitor>(line: &[u8], around: Around<'_>, visitor: &mut V) -> Result<(), Fault> {
    match std::str::from_utf8(line) {
        Ok(text) => decode_text(text, around, visitor),
        Err(_) => decode_text(&latin_1::read(line), around, visitor),
    }
}

#[inline]
fn decode_text<V: Visitor>(text: &str, around: Around<'_>, visitor: &mut V) -> Result<(), Fault> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Fault::malformed("the line contains NUL"));
    }
    let mut line = Line::parse(text, around.clock)?;
    let (quality, mut value_field) = (quality_of(&line, visitor), None);
    let measurement = line.measurement.to_str();
    let may_differ = line.machine_tags > 1 && machines_may_differ(&line, visitor);
    if line.sensor.is_none() && line.machine.is_none() {
        line.machine = labelled_machine(text, &line, around, visitor)?;
    }
    if may_differ {
        remark_other_machines(text, visitor);
    }
    let machine = line.machine.map(Escaped::to_str);
    checked_name(&measurement)?;
    let Some(sensor) = line.sensor.map(Escaped::to_str) else {
        let other = around.machine.filter(|_| machine.is_none() && !visitor.knows_machine(&measurement));
        let machine = checked_name(machine.as_deref().or(other).unwrap_or(&measurement))?;
        let of_code = if line.has_other_quality { other_quality(&line, Some(machine), visitor) } else { None };
        let quality = of_code.unwrap_or(quality);
        let mut seen = FieldsSeen::default();
        for (place, field) in line.fields().enumerate() {
            let field = field?;
            if field.is_quality() || (of_code.is_some() && is_quality(field.key.raw())) {
                continue;
            }
            if !seen.is_new(&line, place, &field) {
                let fault = Fault::malformed("the field stands twice; the first one was taken");
                reject_field(&line, field, fault, quality, visitor);
                continue;
            }
            let code = field.key.to_str();
            if matches!(field.value, FieldValue::Text(_)) && is_remark(&line, &field, (machine, &code), visitor) {
                continue;
            }
            report(&line, field, Name::Sensor { machine: Some(machine), sensor: &code }, quality, visitor);
        }
        return Ok(());
    };
    // A code of the topic's machine, if it is one.
    let other = around.machine.filter(|other| machine.is_none() && visitor.knows(Some(other), &sensor));
    let machine = machine.as_deref().or(other).map(checked_name).transpose()?;
    checked_name(&sensor)?;
    let mut quality = quality;
    for field in line.fields() {
        let field = field?;
        if field.key.is("value") && value_field.replace(field).is_some() {
            return Err(Fault::malformed("the field value stands twice"));
        }
        if is_quality(field.key.raw()) {
            quality = code_of(&line, field).unwrap_or(quality);
        }
    }
    if line.has_other_quality && line.quality.is_none() && quality == Quality::Good {
        quality = line.fields().flatten().find_map(|field| field.status()).unwrap_or(quality);
    }
    let field = value_field.ok_or(Fault::malformed("a line with a sensor tag needs a field named value"))?;
    report(&line, field, Name::Sensor { machine, sensor: &sensor }, quality, visitor);
    Ok(())
}

/// Whether text in quotes is nobody's value: the catalogue has no such sensor, and a field of the line is a number.
#[cold]
fn is_remark<V: Visitor>(line: &Line<'_>, field: &Field<'_>, (machine, code): (&str, &str), visitor: &V) -> bool {
    let FieldValue::Text(text) = field.value else { return false };
    let is_said = field.raw.ends_with('"') || field.status().is_some();
    let is_text = is_said && value::of_text(text.as_bytes()).is_err();
    let is_number = |field: Field<'_>| matches!(field.value, FieldValue::Number(_));
    is_text && !visitor.knows(Some(machine), code) && line.fields().take(FIELDS_FEW).flatten().any(is_number)
}

/// The machine that a tag names which need not name one, where nothing else does and the catalogue has it; a fault if what
/// stands in the measurement's place is a pair.
#[inline]
fn labelled_machine<'t, V: Visitor>(
    text: &'t str,
    line: &Line<'_>,
    around: Around<'_>,
    visitor: &V,
) -> Result<Option<Escaped<'t>>, Fault> {
    let has_tags = text.as_bytes().get(line.measurement.raw().len()) == Some(&b',');
    let has_pair = line.measurement.has_pair();
    if !(has_pair || has_tags) || visitor.knows_machine(&line.measurement.to_str()) {
        Ok(None)
    } else if has_pair {
        Err(NO_MEASUREMENT)
    } else {
        let may_be_named = around.machine.is_none() || line.label.is_some();
        Ok(if may_be_named { label_of(text, around, visitor) } else { None })
    }
}

#[cold]
fn label_of<'t, V: Visitor>(text: &'t str, around: Around<'_>, visitor: &V) -> Option<Escaped<'t>> {
    let is_label = |key: &Escaped<'_>| is_machine_label(key.raw()) || (around.machine.is_none() && key.is("name"));
    let labels = line::tags(text).filter(|(key, _)| is_label(key));
    labels.map(|(_, value)| value).find(|machine| visitor.knows_machine(&machine.to_str()))
}

/// Whether the tags of a line may name different machines. Gateways name themselves beside the machine in every line: of one such name
/// only the catalogue is asked.
fn machines_may_differ<V: Visitor>(line: &Line<'_>, visitor: &V) -> bool {
    match (line.machine, line.label) {
        (Some(machine), Some(label)) if line.machine_tags == 2 => {
            label != machine && visitor.knows_machine(&label.to_str())
        }
        _ => true,
    }
}

/// Says so where tags name different machines.
#[cold]
fn remark_other_machines<V: Visitor>(text: &str, visitor: &mut V) {
    let names = line::tags(text).filter(|(_, value)| !value.raw().is_empty()).filter_map(|(key, value)| {
        let is_sure = key.is("machine_id") || key.is("machine");
        (is_sure || is_machine_label(key.raw())).then(|| (key.to_str(), is_sure, value.to_str()))
    });
    remark_machines(names, visitor);
}

/// The quality that a line of a machine says as a code beside other fields, or by a word of OPC under another name, unless the
/// catalogue has a sensor that is called so.
#[cold]
fn other_quality<V: Visitor>(line: &Line<'_>, machine: Option<&str>, visitor: &V) -> Option<Quality> {
    let has_others = line.fields().take(2).count() > 1;
    if !has_others || (line.quality.is_some() && !line.quality_is_tag) {
        return None;
    }
    let fields = || line.fields().flatten().filter(|field| !visitor.knows(machine, &field.key.to_str()));
    let code = fields().filter(|field| is_quality(field.key.raw())).find_map(|field| code_of(line, field));
    code.or_else(|| fields().find_map(|field| field.status()).filter(|_| line.quality.is_none()))
}

/// The quality of a line with a sensor, whose field `quality` is a number: there it is no sensor's value.
#[cold]
fn code_of(line: &Line<'_>, field: Field<'_>) -> Option<Quality> {
    match field.value {
        FieldValue::Number(Ok(code)) if (line.quality.is_none() || line.quality_is_tag) && code.fract() == 0.0 => {
            Some(quality::of_code(code as i64).unwrap_or(Quality::Uncertain))
        }
        _ => None,
    }
}

/// Finds fields that stand twice: a bit per name tells most new ones, and a line with many fields pays for a set.
#[derive(Default)]
struct FieldsSeen<'a> {
    bits: u64,
    /// Made for a line with many fields alone.
    many: Option<HashSet<&'a str>>,
}

/// Names that are compared one by one.
const FIELDS_FEW: usize = 32;

impl<'a> FieldsSeen<'a> {
    #[inline]
    fn is_new(&mut self, line: &Line<'a>, place: usize, field: &Field<'a>) -> bool {
        let name = field.key.raw();
        let (first, last) = match name.as_bytes() {
            [first, .., last] => (*first, *last),
            rest => (rest.first().copied().unwrap_or_default(), 0),
        };
        let bit = 1 << ((u32::from(last) + u32::from(first) * 7 + name.len() as u32 * 13) & 63);
        let may_be_seen = self.bits & bit != 0;
        self.bits |= bit;
        let is_sure = place < FIELDS_FEW && !may_be_seen;
        is_sure || self.is_new_beside(line, place, field)
    }

    /// Compares with what stood before; apart, so that the walk over a line's fields stays short.
    #[cold]
    #[inline(never)]
    fn is_new_beside(&mut self, line: &Line<'a>, place: usize, field: &Field<'a>) -> bool {
        if place >= FIELDS_FEW {
            return self.is_new_of_many(line, field);
        }
        line.fields().take(place).flatten().all(|earlier| earlier.key != field.key)
    }

    fn is_new_of_many(&mut self, line: &Line<'a>, field: &Field<'a>) -> bool {
        let first = || line.fields().take(FIELDS_FEW).flatten().map(|earlier| earlier.key.raw()).collect();
        self.many.get_or_insert_with(first).insert(field.key.raw())
    }
}

#[inline]
fn report<V: Visitor>(line: &Line<'_>, field: Field<'_>, name: Name<'_>, quality: Quality, visitor: &mut V) {
    let value = match field.value {
        FieldValue::Number(value) => value,
        FieldValue::Text(text) => value::of_text(text.as_bytes()),
    };
    let sound = match name {
        // A line with NUL was refused as a whole.
        Name::Sensor { sensor, .. } => sized_name(sensor).map(|_| ()),
        Name::Handle(_) => Ok(()),
    };
    match sound.and(value) {
        Ok(value) => visitor.point(Point { name, timestamp_us: line.timestamp_us, value, quality }),
        Err(fault) => reject_field(line, field, fault, quality, visitor),
    }
}

#[cold]
fn reject_field<V: Visitor>(line: &Line<'_>, field: Field<'_>, fault: Fault, quality: Quality, visitor: &mut V) {
    let mut fragment = line.measurement.raw().to_owned();
    for (tag, name) in [("sensor_id", line.sensor), ("machine_id", line.machine)] {
        if let Some(name) = name {
            fragment += &format!(",{tag}={}", name.raw());
        }
    }
    fragment += " ";
    fragment += field.raw;
    if quality != Quality::Good {
        fragment += &format!(",quality=\"{}\"", quality.as_str());
    }
    if let Some(timestamp_us) = line.timestamp_us {
        fragment += &format!(" {timestamp_us:016}000");
    }
    let written = field.raw.as_bytes().get(field.key.raw().len() + 1..).unwrap_or_default();
    let key: String = field.key.to_str().chars().take(super::NAME_BYTES_MAX).collect();
    let detail = format_args!("field {key}: {}", fault.told(written));
    visitor.reject_part(Form::Lines, fault.reason, detail, fragment.as_bytes());
}

/// What the line says of its values.
#[inline]
fn quality_of<V: Visitor>(line: &Line<'_>, visitor: &mut V) -> Quality {
    line.quality.map_or(Quality::Good, |word| quality_in(word, visitor))
}

fn quality_in<V: Visitor>(word: &str, visitor: &mut V) -> Quality {
    if word.trim_ascii().is_empty() {
        return Quality::Good;
    }
    quality::of_text(word).unwrap_or_else(|| unusual_quality(word, visitor))
}

/// In a tag blanks are escaped, and quotes are a part of it.
#[cold]
fn unusual_quality<V: Visitor>(word: &str, visitor: &mut V) -> Quality {
    let word = line::unescape(word);
    quality::of_text(word.trim_matches('"')).unwrap_or_else(|| {
        visitor.remark(Remark::UnknownQuality, &word);
        Quality::Uncertain
    })
}

#[cfg(test)]
mod tests;
