//! Packs of SenML (RFC 8428): `[{"bn": "urn:dev:mac:01/", "bt": 1700000000, "n": "temp", "v": 21.5}, {"n": "hum", "v": 50}]`.
//!
//! Enters a record and what the records before it said of all that follow (`bn`, `bt`, `bv`); leaves an element of the usual
//! keys, in which all of that is written out, so that one set aside means the same alone. The sensor is the name of both parts
//! if the catalogue has that, and else the record's own `n`; the base is the machine if the topic names none and the catalogue
//! has that. A record without a value says something of the others alone.

use super::common::quoted;
use super::cursor::{Cursor, Syntax, Value};
use super::element::Element;
use super::keys::SENML_BIT;
use crate::{Address, Form, NAME_BYTES_MAX, Visitor};
use genims_model::Reason;
use std::borrow::Cow;

/// Below this a time is one that counts from now (RFC 8428, 4.5.3).
const RELATIVE_SECONDS_MAX: f64 = 268_435_456.0;

/// What the records so far said of the following ones.
#[derive(Debug, Default)]
pub(super) struct Base {
    name: String,
    seconds: f64,
    value: f64,
}

#[derive(Debug, Default)]
struct Record<'a> {
    name: String,
    seconds: Option<f64>,
    value: Option<&'a [u8]>,
    has_sum: bool,
    /// The records of a pack in one object, as earlier drafts had it.
    entries: Option<&'a [u8]>,
}

impl Element<'_> {
    /// Whether it is a record of SenML, and not only has a tag that is called so.
    #[inline]
    pub(super) fn is_senml(&self) -> bool {
        self.keys_seen & (1 << SENML_BIT) != 0 && self.has_base_name()
    }

    #[cold]
    fn has_base_name(&self) -> bool {
        let (mut is_named, mut is_record) = (false, false);
        let read = Cursor::new(self.bytes).object(|cursor, key| {
            let (key, written) = (key.to_str(), cursor.pass()?);
            is_named |= written.starts_with(b"\"") && matches!(&*key, "bn" | "n");
            // A number there is a phase's.
            is_record |=
                matches!(&*key, "bn" | "bt" | "bver" | "bv") || (key == "vb" && matches!(written, b"true" | b"false"));
            Ok(())
        });
        read.is_ok() && is_named && is_record
    }
}

impl Base {
    /// Hands over one record, a sound object.
    #[cold]
    pub(super) fn report<V: Visitor>(&mut self, address: &Address<'_>, written: &[u8], visitor: &mut V) {
        let Ok(record) = self.record(written) else { return };
        if let Some(entries) = record.entries {
            let mut cursor = Cursor::new(entries);
            cursor.take(b'[');
            while cursor.token() == Some(b'{') {
                let Ok(entry) = cursor.pass() else { return };
                self.report_record(address, entry, visitor);
                cursor.take(b',');
            }
            return;
        }
        self.report_as_usual(address, &record, written, visitor);
    }

    fn report_record<V: Visitor>(&mut self, address: &Address<'_>, written: &[u8], visitor: &mut V) {
        if let Ok(record) = self.record(written) {
            self.report_as_usual(address, &record, written, visitor);
        }
    }

    fn report_as_usual<V: Visitor>(&self, address: &Address<'_>, record: &Record<'_>, written: &[u8], visitor: &mut V) {
        let Some(value) = record.value else { return self.reject_sum(record, written, visitor) };
        let seconds = self.seconds + record.seconds.unwrap_or_default();
        if seconds != 0.0 && seconds < RELATIVE_SECONDS_MAX {
            let what = "the time counts from now, which is not the same later; write the seconds since 1970";
            return visitor.reject_part(Form::Elements, Reason::BadTimestamp, format_args!("{what}"), written);
        }
        let machine = self.name.trim_end_matches(['/', ':', '.', '-', '_']);
        let names_machine = address.machine.is_none() && visitor.knows_machine(machine);
        let full = format!("{}{}", self.name, record.name);
        let machine_known = address.machine.or(Some(machine).filter(|_| names_machine));
        let sensor = match &*record.name {
            "" => machine,
            _ if visitor.knows(machine_known, &full) => &full,
            own => own,
        };
        let mut element = format!("{{\"sensor_id\":{},", quoted(sensor));
        if names_machine {
            element += &format!("\"machine_id\":{},", quoted(machine));
        }
        if seconds != 0.0 {
            element += &format!("\"timestamp_us\":{},", (seconds * 1e6).round());
        }
        let mut element = element.into_bytes();
        element.extend_from_slice(b"\"value\":");
        match number(value).filter(|_| self.value != 0.0) {
            Some(value) => element.extend_from_slice((self.value + value).to_string().as_bytes()),
            None => element.extend_from_slice(value),
        }
        element.push(b'}');
        if let Ok(element) = Element::parse(&mut Cursor::new(&element)) {
            super::report(address, &element, visitor);
        }
    }

    /// Sets a record aside that has a sum and no value, with what was said of it before.
    fn reject_sum<V: Visitor>(&self, record: &Record<'_>, written: &[u8], visitor: &mut V) {
        if record.has_sum {
            let what = "the record has a sum alone, which is not stored; send the value as `v`";
            let start = format!("{{\"bn\":{},\"bt\":{},", quoted(&self.name), self.seconds);
            let fragment = [start.as_bytes(), written.get(1..).unwrap_or_default()].concat();
            visitor.reject_part(Form::Elements, Reason::NotANumber, format_args!("{what}"), &fragment);
        }
    }

    fn record<'a>(&mut self, written: &'a [u8]) -> Result<Record<'a>, Syntax> {
        let mut record = Record::default();
        Cursor::new(written).object(|cursor, key| {
            let inside = cursor.pass()?;
            match &*key.to_str() {
                // A longer one is no name anyway, and would be written out for every record.
                "bn" => self.name = text(inside).chars().take(NAME_BYTES_MAX + 1).collect(),
                "bt" => self.seconds = number(inside).unwrap_or_default(),
                "bv" => self.value = number(inside).unwrap_or_default(),
                "n" => record.name = text(inside).into_owned(),
                "t" => record.seconds = number(inside),
                "v" | "vb" | "vs" | "vd" => record.value = record.value.or(Some(inside)),
                "s" => record.has_sum = true,
                "e" if inside.starts_with(b"[") => record.entries = Some(inside),
                _ => {}
            }
            Ok(())
        })?;
        Ok(record)
    }
}

fn text(written: &[u8]) -> Cow<'_, str> {
    match Cursor::new(written).value() {
        Ok(Value::Text(text)) => text.to_str(),
        _ => Cow::Borrowed(""),
    }
}

fn number(written: &[u8]) -> Option<f64> {
    std::str::from_utf8(written).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}
