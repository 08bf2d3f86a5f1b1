//! What a message holds in another form: a document as text (`"{\"value\": 1.5}"`), or the bytes of one as Node-RED prints a
//! buffer (`{"type": "Buffer", "data": [49, 46, 53]}`), alone or as the payload of its message. Looked for where nothing else was
//! found; read as if it had been sent alone, and set aside as it came.

use super::common::Common;
use super::cursor::{Cursor, Value, is_empty};
use super::element::Element;
use super::loose;
use super::message::{of_value, sensor_of};
use super::original::Original;
use crate::fault::Fault;
use crate::{Address, Form, Visitor, payload};
use genims_model::Quality;
use std::borrow::Cow;

/// Hands over what the element holds in another form. `false`: it holds nothing so.
#[cold]
pub(super) fn report<V: Visitor>(address: &Address<'_>, element: &Element<'_>, visitor: &mut V) -> bool {
    let whole = element.bytes();
    let held = match element.payload {
        Some(payload) if payload.starts_with(b"{") => buffer(payload),
        Some(payload) => document(payload).map(|text| text.into_owned().into_bytes()),
        None => buffer(whole),
    };
    held.is_some_and(|held| {
        if let Err(fault) = read_held(element, address, &held, visitor) {
            let told = element.told(fault);
            visitor.reject_part(Form::Elements, fault.reason, format_args!("{told}"), whole);
        }
        true
    })
}

/// Reads what the message of `element` held; of what that does not say itself, the message says it.
fn read_held<V: Visitor>(
    element: &Element<'_>,
    address: &Address<'_>,
    held: &[u8],
    visitor: &mut V,
) -> Result<(), Fault> {
    let machine = element.machine_name(address, visitor)?;
    let timestamp_us = element.timestamp_us.candidate.transpose()?;
    let mut quality = element.quality_or(Quality::Good);
    element.remark(timestamp_us, visitor);
    let level = element.topic_level();
    let plain = Address { machine: machine.as_deref(), ..*address };
    let json = loose::as_json(held);
    let mut cursor = Cursor::new(json.as_deref().unwrap_or(held));
    let named = match Element::parse(&mut cursor) {
        Ok(inner) => {
            // Good is what it says as well as what is said nowhere.
            if inner.says_quality() && cursor.token().is_none() {
                quality = Quality::Good;
            }
            element.remark_machines_in(&inner, visitor);
            inner.address_in(level.as_deref(), &plain, visitor)
        }
        Err(_) if held.starts_with(b"[") || held.starts_with(b"{") => plain,
        Err(_) => of_value(level.as_deref(), &plain, visitor),
    };
    let sensor = sensor_of(&named, &plain);
    let own_machine = machine.as_deref().filter(|machine| Some(*machine) != address.machine);
    let rated = with_quality(json.as_deref().unwrap_or(held), quality);
    let quality = if rated.is_some() { Quality::Good } else { quality };
    let held = rated.as_deref().unwrap_or(held);
    let mut original = Original::<dyn Visitor>::new(visitor, element.bytes(), held);
    original.form = Some(Form::Elements);
    original.around = Common { machine: own_machine, sensor, timestamp_us, quality, ..Common::NONE };
    payload::read(&named, held, &mut original);
    Ok(())
}

/// Documents, or an array of elements, of which each has the quality of the message around it where it says none: so an entry
/// of its lists that says good is good. `None`: there is nothing to say, or no place for it.
#[cold]
fn with_quality(held: &[u8], quality: Quality) -> Option<Vec<u8>> {
    if quality == Quality::Good || !matches!(held.trim_ascii_start(), [b'{' | b'[', ..]) {
        return None;
    }
    let said = format!("{{\"quality\":\"{}\",", quality.as_str());
    let mut rated = Vec::with_capacity(held.len() + said.len());
    let (mut cursor, mut behind) = (Cursor::new(held), 0);
    cursor.take(b'[');
    while cursor.token() == Some(b'{') {
        let start = cursor.at();
        let element = Element::parse(&mut cursor).ok().filter(|element| !element.is_senml())?;
        rated.extend_from_slice(&held[behind..start]);
        behind = start;
        if !element.says_quality() && !is_empty(element.bytes()) {
            rated.extend_from_slice(said.as_bytes());
            behind += 1;
        }
        cursor.take(b',');
    }
    rated.extend_from_slice(&held[behind..]);
    Some(rated)
}

/// `held`, read as if it had been sent alone; `whole` is what was sent.
pub(crate) fn read<V: Visitor>(address: &Address<'_>, held: &[u8], whole: &[u8], visitor: &mut V) {
    read_as(None, address, held, whole, visitor);
}

/// As [`read`], of one element among any number of them.
pub(super) fn read_part<V: Visitor>(address: &Address<'_>, held: &[u8], whole: &[u8], visitor: &mut V) {
    read_as(Some(Form::Elements), address, held, whole, visitor);
}

fn read_as<V: Visitor>(form: Option<Form>, address: &Address<'_>, held: &[u8], whole: &[u8], visitor: &mut V) {
    let mut original = Original::<dyn Visitor>::new(visitor, whole, held);
    original.form = form;
    payload::read(address, held, &mut original);
}

/// The document that stands in quotes.
#[cold]
pub(crate) fn document(quoted: &[u8]) -> Option<Cow<'_, str>> {
    let mut cursor = Cursor::new(quoted);
    let Ok(Value::Text(text)) = cursor.value() else { return None };
    let is_all = text.is_sound() && cursor.token().is_none();
    Some(text.to_str()).filter(|text| is_all && text.trim_start().starts_with(['{', '[']))
}

/// The bytes of a buffer as Node-RED prints one.
pub(super) fn buffer(object: &[u8]) -> Option<Vec<u8>> {
    let (mut is_buffer, mut bytes) = (false, None);
    let read = Cursor::new(object).object(|cursor, key| {
        let written = cursor.pass()?;
        match &*key.to_str() {
            "type" => is_buffer = written == b"\"Buffer\"",
            "data" => bytes = list_of_bytes(written),
            _ => {}
        }
        Ok(())
    });
    read.ok().and(bytes).filter(|bytes| is_buffer && !bytes.is_empty())
}

fn list_of_bytes(list: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(list);
    let mut bytes = Vec::new();
    cursor.take(b'[').then_some(())?;
    while !cursor.take(b']') {
        let Ok(Value::Number(number)) = cursor.value() else { return None };
        bytes.push(number.decimal.to_i64().and_then(|byte| u8::try_from(byte).ok())?);
        if !cursor.take(b',') && cursor.token() != Some(b']') {
            return None;
        }
    }
    Some(bytes)
}
