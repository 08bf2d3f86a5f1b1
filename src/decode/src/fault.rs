//! Why an element is rejected, before it becomes a dead letter: no allocation, so that a flood of bad input costs little.

use super::{NAME_BYTES_MAX, latin_1};
use genims_model::Reason;
use std::fmt;

/// The reason, and the words for a person. `subject` is the key, column or field at fault, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) what: &'static str,
    pub(crate) subject: &'static str,
}

impl Fault {
    pub(crate) const fn new(reason: Reason, what: &'static str) -> Self {
        Self { reason, what, subject: "" }
    }

    pub(crate) const fn malformed(what: &'static str) -> Self {
        Self::new(Reason::MalformedPayload, what)
    }

    pub(crate) const fn about(self, subject: &'static str) -> Self {
        Self { subject, ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.subject.is_empty() {
            write!(out, "{}: ", self.subject)?;
        }
        out.write_str(self.what)
    }
}

/// Told with what the sender wrote and what to write instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    fault: Fault,
    input: &'a [u8],
}

/// Of longer input only the beginning is shown.
const SHOWN_CHARACTERS_MAX: usize = 60;

impl Fault {
    /// `input`: the value at fault as it stands in the payload.
    pub(crate) fn told(self, input: &[u8]) -> Told<'_> {
        Told { fault: self, input: input.trim_ascii() }
    }
}

impl Told<'_> {
    pub(crate) fn reason(&self) -> Reason {
        self.fault.reason
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.fault)?;
        if self.input.is_empty() {
            return Ok(());
        }
        let text = latin_1::beginning(self.input, 4 * SHOWN_CHARACTERS_MAX);
        let shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
        let more = if shown.len() < self.input.len() { "..." } else { "" };
        write!(out, ": `{}{more}`", shown.escape_debug())?;
        match self.fault.reason {
            _ if self.fault == NO_VALUE => write!(out, "; {}", instead_of_nothing(&shown)),
            _ if self.fault == NOT_READ => Ok(()),
            _ if self.fault == NO_FIELDS => out.write_str("; write `M temp=21.5,hum=48`, M for the machine"),
            _ if self.fault == NO_JSON => {
                out.write_str("; send it by MQTT, or write `M temp=21.5,hum=48`, M for the machine")
            }
            _ if self.fault == NO_VALUE_KEY => out.write_str(
                "; write it as `value`, `v` or `val`, or name its key as `value` in the keys of the topic's [[topics]] template",
            ),
            Reason::NotANumber => write!(out, "; {}", instead_of_value(&shown)),
            Reason::NotFinite => out.write_str("; leave the value out while there is none"),
            Reason::BadTimestamp if self.fault == NO_OFFSET => out.write_str(
                "; write it with Z or an offset as +01:00, or say `zone = \"Europe/Berlin\"` in the topic's [[topics]] template",
            ),
            Reason::BadTimestamp if self.fault == NOT_ONCE => out.write_str("; write it with Z or an offset as +01:00"),
            Reason::BadTimestamp => out.write_str(
                "; write the seconds or milliseconds since 1970, or 2023-11-14T22:13:20Z with Z or an offset as +01:00",
            ),
            _ => Ok(()),
        }
    }
}

/// What to write for a value that is none.
fn instead_of_value(shown: &str) -> &'static str {
    let text = shown.trim_matches('"').trim();
    let digits = text.trim_start_matches(['+', '-']);
    let is_apart = |at: char| matches!(at, '_' | ' ' | '\'' | '\u{a0}');
    let is_mark = |at: char| matches!(at, '.' | ',');
    let has_columns = || text.contains([';', '\t']) || (text.contains(',') && text.contains(char::is_alphabetic));
    if text.contains(['\n', '\r']) || text.contains("\\n") {
        "send one value a message, or several as JSON under the names of their sensors"
    } else if !text.starts_with(['[', '{']) && has_columns() {
        "write the number alone; what has several columns is written as JSON: {\"TEMP-1\": 21.5, \"HUM\": 48}"
    } else if digits.starts_with("0x") || digits.starts_with("0X") {
        "write it in decimal digits"
    } else if text.starts_with('[') {
        "write one number, and further ones under keys of their own"
    } else if text.starts_with('{') {
        "write the number itself, or name its key as `value` in the keys of the topic's [[topics]] template"
    } else if digits.starts_with(char::is_alphabetic) {
        "write a number, or true/false, on/off, open/closed, yes/no, or say what the word stands for in the states of the \
         topic's [[topics]] template"
    } else if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        "write a number, or true/false, on/off, open/closed, yes/no"
    } else if digits.contains(is_apart) && digits.chars().all(|at| at.is_ascii_digit() || is_apart(at) || is_mark(at)) {
        "write its digits without anything between them"
    } else if digits.contains(',') || digits.matches('.').count() > 1 {
        "write the decimal mark as a point and no other separators"
    } else {
        "write the number alone, without a unit"
    }
}

/// What to write for an element in which nothing is a value.
fn instead_of_nothing(shown: &str) -> &'static str {
    let has = |key: &str| shown.contains(&format!("\"{key}\""));
    if has("t") {
        "`t` is read as the time; write the value as `value`, or under the name of its sensor"
    } else if ["ts", "time", "timestamp", "timestamp_ms"].into_iter().any(has) {
        "write the value beside its time, as `value` or under the name of its sensor"
    } else {
        "write a number as `value`, or under the name of its sensor"
    }
}

/// A time of a clock that nobody knows.
pub(crate) const NO_OFFSET: Fault =
    Fault::new(Reason::BadTimestamp, "the timestamp has no offset, so its clock is not known");
/// Of the hours when a clock is set back or forward.
pub(crate) const NOT_ONCE: Fault = Fault::new(
    Reason::BadTimestamp,
    "the timestamp has no offset, and the clock of the topic's zone shows that time twice or never",
);
pub(crate) const NOT_FINITE: Fault = Fault::new(Reason::NotFinite, "the value is NaN or infinite");
pub(crate) const OUT_OF_RANGE: Fault =
    Fault::new(Reason::OutOfRange, "the value has more than 11 digits before the point");
pub(crate) const NOT_A_NUMBER: Fault = Fault::new(Reason::NotANumber, "the value is no number");
pub(crate) const NOT_READ: Fault = Fault::new(Reason::NotANumber, "the gateway could not read the tag");
pub(crate) const NO_VALUE_KEY: Fault = Fault::new(Reason::NotANumber, "no key says the value");
pub(crate) const NO_VALUE: Fault = Fault::malformed("there is neither value nor values, nor any other number");
/// Of lines.
pub(crate) const NO_FIELDS: Fault = Fault::malformed("no fields stand behind the measurement");
pub(crate) const NO_JSON: Fault = Fault::malformed("JSON is not taken in lines");
pub(crate) const TWICE: Fault = Fault::malformed("a key stands twice");

/// A name that can stand in the catalogue: not empty, not endless, and without NUL, which PostgreSQL cannot store.
#[inline]
pub(crate) fn checked_name(name: &str) -> Result<&str, Fault> {
    let name = sized_name(name)?;
    if has_nul(name.as_bytes()) { Err(Fault::malformed("the name contains NUL")) } else { Ok(name) }
}

/// Eight bytes at a time: names are short, and a search that is made for long texts costs them more than it saves.
#[inline]
fn has_nul(name: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const SIGNS: u64 = u64::from_ne_bytes([0x80; 8]);
    let in_eight = |eight: &[u8; 8]| {
        let word = u64::from_ne_bytes(*eight);
        word.wrapping_sub(ONES) & !word & SIGNS != 0
    };
    match name.last_chunk() {
        Some(last) => in_eight(last) || name.as_chunks().0.iter().any(in_eight),
        None => name.contains(&0),
    }
}

/// As [`checked_name`], out of a text in which there is no NUL.
#[inline]
pub(crate) fn sized_name(name: &str) -> Result<&str, Fault> {
    if name.is_empty() {
        Err(Fault::malformed("the name is empty"))
    } else if name.len() > NAME_BYTES_MAX {
        Err(Fault::malformed("the name is longer than 255 bytes"))
    } else {
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside bytes that a borrow or a sign would take for one, and with what does not fill eight.
    #[test]
    fn a_nul_is_found_wherever_it_stands_and_nothing_else_is_one() {
        for (length, other) in (0..=40).flat_map(|length| [0x01, b'a', 0x7f, 0x80, 0xff].map(|other| (length, other))) {
            let mut name = vec![other; length];
            assert!(!has_nul(&name), "{length} of {other:#x}");
            for at in 0..length {
                name[at] = 0;
                assert!(has_nul(&name), "at {at} of {length}, beside {other:#x}");
                name[at] = other;
            }
        }
        assert_eq!(checked_name("TEMP-1 of press 4"), Ok("TEMP-1 of press 4"));
        assert_eq!(checked_name("TEMP\0"), Err(Fault::malformed("the name contains NUL")));
    }
}
