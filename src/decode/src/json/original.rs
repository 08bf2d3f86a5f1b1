//! Between a decoder that reads what was made of a payload and the visitor: enter points and faults of what was made, leave
//! the points, and as faults what the sender wrote. Where all of it is at fault, that is the payload as it came; of a part
//! it is the part alone, with what is said around it, so that a replay sends nothing again that was stored.

use super::common::{Common, opening, quoted};
use super::cursor::Cursor;
use super::element::Element;
use crate::{Form, Point, Remark, Visitor, latin_1};
use genims_model::snapshot::SnapshotFields;
use genims_model::{Quality, Reason};
use std::borrow::Cow;
use std::fmt::Arguments;

/// Hands on what comes of a translation, or of what a message holds in another form.
pub(super) struct Original<'v, V: ?Sized> {
    pub(super) visitor: &'v mut V,
    pub(super) payload: &'v [u8],
    pub(super) translated: &'v [u8],
    /// Where `payload` is one of any number of parts: how these are kept together.
    pub(super) form: Option<Form>,
    /// What the message says of what it holds: its time and quality of what comes without, its machine and its sensor.
    pub(super) around: Common<'v>,
}

impl<'v, V: Visitor + ?Sized> Original<'v, V> {
    pub(super) fn new(visitor: &'v mut V, payload: &'v [u8], translated: &'v [u8]) -> Self {
        Self { visitor, payload, translated, form: None, around: Common::NONE }
    }

    fn is_whole(&self, fragment: &[u8]) -> bool {
        fragment.trim_ascii() == self.translated.trim_ascii()
    }

    fn says_something(&self) -> bool {
        let Common { machine, sensor, timestamp_us, quality, .. } = self.around;
        machine.is_some() || sensor.is_some() || timestamp_us.is_some() || quality != Quality::Good
    }

    /// A part at fault with what is said around it, in a form that can be decoded alone.
    fn completed<'f>(&self, form: Form, fragment: &'f [u8]) -> (Form, Cow<'f, [u8]>) {
        if !self.says_something() {
            return (form, Cow::Borrowed(fragment));
        }
        let element = match form {
            Form::Elements => self.element(fragment),
            Form::Lines | Form::Frames => Some(self.message(fragment)),
        };
        // What is no element says nothing of anybody.
        element.map_or((form, Cow::Borrowed(fragment)), |element| (Form::Elements, Cow::Owned(element)))
    }

    /// An element with what it does not say itself, in the order of those that are set aside elsewhere: decoded, it is
    /// set aside as it is.
    fn element(&self, fragment: &[u8]) -> Option<Vec<u8>> {
        let mut cursor = Cursor::new(fragment);
        let own = Element::parse(&mut cursor).ok()?;
        let around = self.around;
        let machine = around.machine.filter(|_| matches!(own.own_machine(true, self), Ok(None)));
        let timestamp_us = around.timestamp_us.filter(|_| own.timestamp_us.candidate.is_none());
        let quality = if own.says_quality() { Quality::Good } else { around.quality };
        let needs_name = own.value.candidate.is_some() || own.value_is_null || own.list.is_some();
        let sensor = around.sensor.filter(|_| needs_name && own.sensor.candidate.is_none());
        let body = fragment.trim_ascii_start().get(1..)?;
        let (head, rest) = body.split_at(head_end(body));
        let time = opening(Common { timestamp_us, ..Common::NONE });
        let others = opening(Common { machine, quality, ..Common::NONE });
        let sensor = sensor.map_or_else(String::new, |sensor| format!("\"sensor_id\":{},", quoted(sensor)));
        let mut element = [time.as_bytes(), head, &others.as_bytes()[1..], sensor.as_bytes()].concat();
        if rest.trim_ascii_start().starts_with(b"}") {
            // Nothing follows what ends with a comma.
            element.pop_if(|last| *last == b',');
        }
        element.extend_from_slice(rest);
        Some(element)
    }

    /// What has no place for it, in a message that says it.
    fn message(&self, fragment: &[u8]) -> Vec<u8> {
        let topic = self.around.sensor.map_or_else(String::new, |sensor| format!("\"topic\":{},", quoted(sensor)));
        let start = opening(self.around);
        // Without blanks: there is a bound for what is kept.
        let codes = format!("{fragment:?}").replace(' ', "");
        format!("{start}{topic}\"_msgid\":\"\",\"payload\":{{\"type\":\"Buffer\",\"data\":{codes}}}}}").into_bytes()
    }
}

/// How much of an element, behind its brace, says the time and the machine that it begins with.
fn head_end(body: &[u8]) -> usize {
    let mut end = 0;
    for key in ["\"timestamp_us\":", "\"machine_id\":"] {
        let Some(behind) = body[end..].strip_prefix(key.as_bytes()) else { continue };
        let mut cursor = Cursor::new(behind);
        if cursor.skip().is_ok() && cursor.take(b',') {
            end += key.len() + cursor.at();
        }
    }
    end
}

impl<V: Visitor + ?Sized> Visitor for Original<'_, V> {
    fn point(&mut self, point: Point<'_>) {
        let timestamp_us = point.timestamp_us.or(self.around.timestamp_us);
        let quality = if point.quality == Quality::Good { self.around.quality } else { point.quality };
        self.visitor.point(Point { timestamp_us, quality, ..point });
    }

    fn snapshot(&mut self, machine: &str, timestamp_us: Option<i64>, fields: SnapshotFields) {
        self.visitor.snapshot(machine, timestamp_us.or(self.around.timestamp_us), fields);
    }

    fn reject(&mut self, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        match self.form {
            Some(form) if self.is_whole(fragment) => self.visitor.reject_part(form, reason, detail, self.payload),
            // It may be anything: beside others it stands as text.
            Some(_) => {
                let text = quoted(&latin_1::read(fragment));
                self.visitor.reject_part(Form::Elements, reason, detail, text.as_bytes());
            }
            None => {
                let is_whole = self.is_whole(fragment);
                self.visitor.reject(reason, detail, if is_whole { self.payload } else { fragment });
            }
        }
    }

    fn reject_part(&mut self, form: Form, reason: Reason, detail: Arguments<'_>, fragment: &[u8]) {
        if self.is_whole(fragment) {
            self.reject(reason, detail, fragment);
        } else {
            let (form, fragment) = self.completed(form, fragment);
            self.visitor.reject_part(form, reason, detail, &fragment);
        }
    }

    fn define(&mut self, sensor: &str) -> u32 {
        self.visitor.define(sensor)
    }

    fn remark(&mut self, remark: Remark, what: &str) {
        self.visitor.remark(remark, what);
    }

    fn knows(&self, machine: Option<&str>, sensor: &str) -> bool {
        self.visitor.knows(machine, sensor)
    }

    fn knows_machine(&self, machine: &str) -> bool {
        self.visitor.knows_machine(machine)
    }
}
