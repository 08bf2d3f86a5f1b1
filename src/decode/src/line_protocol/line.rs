//! One line of line protocol, taken apart without copying. [`Line::parse`] reads all of it, so a line that it passes has
//! sound syntax to its end; [`Line::fields`] then walks over the fields again.

use super::Clock;
use crate::fault::{Fault, NO_FIELDS, NO_OFFSET, NOT_ONCE, OUT_OF_RANGE};
use crate::json::{is_machine_label, is_quality_label};
use crate::number::Decimal;
use crate::timestamp::{self, Unit};
use crate::{quality, value};
use chrono_tz::Tz;
use genims_model::reading::VALUE_MAX;
use genims_model::{Quality, Reason};
use std::borrow::Cow;

/// A name, still escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Escaped<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Escaped<'a> {
    #[inline]
    pub(super) fn raw(self) -> &'a str {
        self.raw
    }

    #[inline]
    pub(super) fn is(self, name: &str) -> bool {
        self.raw == name
    }

    /// Whether it is no name, but a name and a value.
    pub(super) fn has_pair(self) -> bool {
        self.raw.as_bytes().windows(2).any(|pair| pair[1] == b'=' && pair[0] != b'\\')
    }

    /// Borrowed unless there are escapes. A backslash before anything but `,`, `=` or a space is one.
    #[inline]
    pub(super) fn to_str(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw)) } else { Cow::Borrowed(self.raw) }
    }
}

pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(character) = rest.next() {
        let escaped = character == '\\' && matches!(rest.peek(), Some(',' | '=' | ' '));
        text.extend(if escaped { rest.next() } else { Some(character) });
    }
    text
}

/// `TEMP=23,5,HUM=48` would be 23 and a sensor called `5,HUM`.
const COMMA_IN_KEY: Fault = Fault::malformed(
    "a comma stands inside a value or a field's name; write the decimal mark as a point, a comma in a name as `\\,`",
);

/// Pairs alone: `temp=21.5 hum=48`.
pub(super) const NO_MEASUREMENT: Fault =
    Fault::malformed("no measurement stands before the values; write `M temp=21.5,hum=48`, M for the machine");

const TAG_TWICE: Fault = Fault::malformed("a tag stands twice");

/// The quotes of a text are open at the line's end.
pub(super) const QUOTES_OPEN: Fault = Fault::malformed("a quoted value breaks off");

#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) measurement: Escaped<'a>,
    pub(super) sensor: Option<Escaped<'a>>,
    pub(super) machine: Option<Escaped<'a>>,
    /// The content of a field `quality` that is a string, or else of a tag of that name.
    pub(super) quality: Option<&'a str>,
    /// It is that of the tag.
    pub(super) quality_is_tag: bool,
    /// A field may be a quality in another way: `quality` as a code, a word of OPC under `status` and the like.
    pub(super) has_other_quality: bool,
    /// Tags that may name a machine, and the first of those that do if the catalogue has it.
    pub(super) machine_tags: usize,
    pub(super) label: Option<Escaped<'a>>,
    pub(super) timestamp_us: Option<i64>,
    fields: Scanner<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) key: Escaped<'a>,
    pub(super) value: FieldValue<'a>,
    /// `key=value` as it stands in the line.
    pub(super) raw: &'a str,
}

/// Telegraf's reader of OPC UA writes it with a capital.
#[inline(always)]
pub(super) fn is_quality(key: &str) -> bool {
    matches!(key.as_bytes(), [b'q' | b'Q', rest @ ..] if rest == b"uality")
}

/// Whether a tag may name a machine where nothing else does. Most begin otherwise than `device`, `asset`, `thing` and `machineId`.
#[inline(always)]
fn is_label(key: &str) -> bool {
    let begins = matches!(
        key.as_bytes(),
        [b'd' | b'D', b'e', ..] | [b'a', b's', ..] | [b't', b'h', ..] | [b'm' | b'M', b'a', ..]
    );
    begins && is_machine_label(key)
}

impl Field<'_> {
    #[inline(always)]
    pub(super) fn is_quality(&self) -> bool {
        matches!(self.value, FieldValue::Text(_)) && is_quality(self.key.raw)
    }

    /// What a word of OPC says under a key of another name.
    #[cold]
    pub(super) fn status(&self) -> Option<Quality> {
        let FieldValue::Text(word) = self.value else { return None };
        let may_be = word.starts_with(['b', 'B', 'u', 'U', 'g', 'G']) && is_quality_label(self.key.raw);
        may_be.then(|| quality::of_opc_text(word)).flatten()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FieldValue<'a> {
    Number(Result<f64, Fault>),
    Text(&'a str),
}

impl<'a> Line<'a> {
    #[inline]
    pub(super) fn parse(text: &'a str, clock: Clock) -> Result<Self, Fault> {
        let mut scanner = Scanner { text, at: 0 };
        let measurement = scanner.name(b", ");
        if measurement.raw.is_empty() {
            return Err(Fault::malformed("a line begins with a measurement"));
        }
        let (mut tags, mut ranks) = ([None; 2], [u8::MAX; 2]);
        let (mut quality, mut machine_tags, mut label) = (None, 0, None);
        while scanner.take(b',') && scanner.peek() != Some(b' ') {
            let (key, value) = scanner.tag()?;
            if value.raw.is_empty() {
                continue;
            }
            let (place, rank) = match key.raw {
                "sensor_id" => (0, 0),
                "sensor" => (0, 1),
                "machine_id" => (1, 0),
                "machine" => (1, 1),
                key if is_quality(key) => {
                    if quality.replace(value.raw).is_some() {
                        return Err(TAG_TWICE);
                    }
                    continue;
                }
                key => {
                    if is_label(key) {
                        machine_tags += 1;
                        label = label.or(Some(value));
                    }
                    continue;
                }
            };
            if ranks[place] == rank {
                return Err(TAG_TWICE);
            }
            machine_tags += place;
            if rank < ranks[place] {
                (tags[place], ranks[place]) = (Some(value), rank);
            }
        }
        if !scanner.spaces() {
            return Err(if measurement.has_pair() { NO_MEASUREMENT } else { NO_FIELDS });
        }
        let fields = scanner;
        let (mut has_quality, mut has_other_quality) = (false, false);
        loop {
            let field = scanner.field()?;
            match field.value {
                FieldValue::Number(_) => has_other_quality |= is_quality(field.key.raw),
                FieldValue::Text(word) if field.is_quality() => {
                    if has_quality {
                        return Err(Fault::malformed("the field quality stands twice"));
                    }
                    (quality, has_quality) = (Some(word), true);
                }
                FieldValue::Text(_) => has_other_quality |= field.status().is_some(),
            }
            if !scanner.take(b',') {
                break;
            }
        }
        let timestamp_us = if scanner.spaces() { Some(timestamp(scanner.rest(), clock)?) } else { None };
        let [sensor, machine] = tags;
        let quality_is_tag = quality.is_some() && !has_quality;
        Ok(Self {
            measurement,
            sensor,
            machine,
            quality,
            quality_is_tag,
            has_other_quality,
            machine_tags,
            label,
            timestamp_us,
            fields,
        })
    }

    #[inline]
    pub(super) fn fields(&self) -> impl Iterator<Item = Result<Field<'a>, Fault>> + use<'a> {
        let mut scanner = self.fields;
        let mut more = true;
        std::iter::from_fn(move || {
            more.then(|| {
                let field = scanner.field();
                more = field.is_ok() && scanner.take(b',');
                field
            })
        })
    }
}

/// The tags of a line that was read before.
pub(super) fn tags(text: &str) -> impl Iterator<Item = (Escaped<'_>, Escaped<'_>)> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.name(b", ");
    std::iter::from_fn(move || scanner.take(b',').then(|| scanner.tag().ok()).flatten())
}

fn timestamp(text: &str, clock: Clock) -> Result<i64, Fault> {
    const NO_INTEGER: Fault = Fault::new(Reason::BadTimestamp, "behind the fields only a timestamp may stand");
    const NO_COMMA: Fault =
        Fault::new(Reason::BadTimestamp, "a blank stands between fields; write a comma there: `M temp=21.5,hum=48`");
    if let Some(count) = whole(text.as_bytes())
        && let Some(unit) = clock.unit.or_else(|| Unit::of_digits(text.len() as i32))
    {
        return timestamp::from_whole(count, unit);
    }
    unusual_timestamp(text, clock).unwrap_or(Err(if text.contains('=') { NO_COMMA } else { NO_INTEGER }))
}

/// Digits alone, as nearly every timestamp is, and no more than fit: read in one pass.
#[inline]
fn whole(text: &[u8]) -> Option<u64> {
    const DIGITS_MAX: usize = 19;
    if !(1..=DIGITS_MAX).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0, |count, byte| byte.is_ascii_digit().then(|| count * 10 + u64::from(byte - b'0')))
}

/// `None`: it is no timestamp.
#[cold]
fn unusual_timestamp(text: &str, clock: Clock) -> Option<Result<i64, Fault>> {
    let unit = clock.unit;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return other_timestamp(text, clock);
    }
    // Leading zeros count: what is set aside is written in nanoseconds with all of their digits, whenever it was.
    let unit = unit.or_else(|| Unit::of_digits(digits.len() as i32));
    let decimal = match Decimal::scan(text.as_bytes()) {
        Some((decimal, _)) => Some(decimal),
        None => Decimal::printed(text.as_bytes()),
    };
    decimal.map(|decimal| timestamp::from_decimal(decimal, unit))
}

/// A time with a fraction, or as RFC 3339 writes it, without an offset only where the zone of the clock is known.
#[cold]
fn other_timestamp(text: &str, Clock { unit, zone }: Clock) -> Option<Result<i64, Fault>> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let of_clock = |zone| timestamp::of_clock(text, zone);
    match timestamp::from_text(text, unit) {
        // What is no time of any clock is not one that misses its offset.
        Err(fault) if fault == NO_OFFSET => of_clock(Tz::UTC).map(|_| of_clock(zone.ok_or(fault)?).ok_or(NOT_ONCE)),
        other => other.ok().map(Ok),
    }
}

/// A position in a line. Stops only at ASCII bytes, so all slices are at character boundaries.
#[derive(Clone, Copy, Debug)]
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Whether there was at least one.
    #[inline]
    fn spaces(&mut self) -> bool {
        let start = self.at;
        while self.take(b' ') {}
        self.at > start
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Up to the next of `stops` that is not escaped, or to the end.
    #[inline]
    fn name(&mut self, stops: &[u8; 2]) -> Escaped<'a> {
        let (start, mut escaped) = (self.at, false);
        loop {
            let ends = |byte: &u8| *byte == stops[0] || *byte == stops[1] || *byte == b'\\';
            let ahead = self.text.as_bytes().get(self.at..).unwrap_or_default();
            self.at += ahead.iter().position(ends).unwrap_or(ahead.len());
            if self.peek() != Some(b'\\') {
                break;
            }
            self.at += 1;
            if matches!(self.peek(), Some(b',' | b'=' | b' ')) {
                escaped = true;
                self.at += 1;
            }
        }
        Escaped { raw: self.since(start), escaped }
    }

    /// An empty value is a tag left out.
    #[inline(always)]
    fn tag(&mut self) -> Result<(Escaped<'a>, Escaped<'a>), Fault> {
        let key = self.name(b"= ");
        if key.raw.is_empty() || !self.take(b'=') {
            return Err(Fault::malformed("a tag is written key=value"));
        }
        Ok((key, self.name(b", ")))
    }

    #[inline]
    fn field(&mut self) -> Result<Field<'a>, Fault> {
        let start = self.at;
        let key = self.name(b"= ");
        if key.raw.as_bytes().first().is_some_and(u8::is_ascii_digit) && has_bare_comma(key.raw) {
            return Err(COMMA_IN_KEY);
        }
        if key.raw.is_empty() || !self.take(b'=') {
            return Err(Fault::malformed("a field is written key=value"));
        }
        let value = if self.take(b'"') { self.quoted()? } else { self.bare()? };
        Ok(Field { key, value, raw: self.since(start) })
    }

    /// A string value, behind its opening quote.
    fn quoted(&mut self) -> Result<FieldValue<'a>, Fault> {
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(QUOTES_OPEN),
            }
        }
        let text = self.since(start);
        self.at += 1;
        match self.peek() {
            None | Some(b',' | b' ') => Ok(FieldValue::Text(text)),
            Some(_) => Err(Fault::malformed("something follows a quoted value")),
        }
    }

    /// Nearly all values are numbers, which end where they are read to.
    #[inline]
    fn bare(&mut self) -> Result<FieldValue<'a>, Fault> {
        let start = self.at;
        let ahead = self.text.as_bytes().get(start..).unwrap_or_default();
        if let Some((decimal, length)) = Decimal::scan(ahead) {
            match &ahead[length..] {
                [] | [b',' | b' ', ..] => {
                    self.at += length;
                    return Ok(FieldValue::Number(value::of_decimal(decimal, &ahead[..length])));
                }
                [b'i' | b'u'] | [b'i' | b'u', b',' | b' ', ..] => {
                    self.at += length + 1;
                    return Ok(FieldValue::Number(integer(decimal, self.since(start))));
                }
                _ => {}
            }
        }
        self.at += ahead.iter().position(|byte| matches!(byte, b',' | b' ')).unwrap_or(ahead.len());
        Ok(unusual(self.since(start)))
    }
}

/// Whether a comma stands there without a backslash before it.
#[cold]
fn has_bare_comma(raw: &str) -> bool {
    raw.match_indices(',').any(|(at, _)| !raw[..at].ends_with('\\'))
}

/// `token` ends in `i` or `u` and is a number otherwise.
fn integer(decimal: Decimal, token: &str) -> Result<f64, Fault> {
    if token.contains(['.', 'e', 'E']) || (token.ends_with('u') && decimal.negative) {
        return Err(Fault::malformed("an integer value has digits only"));
    }
    let fits = |value: &i64| value.unsigned_abs() <= VALUE_MAX as u64;
    decimal.to_i64().filter(fits).map(|value| value as f64).ok_or(OUT_OF_RANGE)
}

/// Switch states, NaN, numbers that JSON would not take (`.5`, `1.`, `+1`), and text without its quotes.
#[cold]
fn unusual(token: &str) -> FieldValue<'_> {
    match token {
        "t" | "T" => FieldValue::Number(Ok(1.0)),
        "f" | "F" => FieldValue::Number(Ok(0.0)),
        _ => match value::of_text(token.as_bytes()) {
            Err(fault) if fault.reason == Reason::NotANumber => FieldValue::Text(token),
            value => FieldValue::Number(value),
        },
    }
}
