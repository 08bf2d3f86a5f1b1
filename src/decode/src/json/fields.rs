//! What single keys of an element say: numbers, times, names, qualities.

use super::cursor::{Text, Value};
use crate::fault::{Fault, NOT_A_NUMBER, NOT_FINITE};
use crate::timestamp::{self, Unit};
use crate::{quality, value};
use genims_model::Quality;

/// The value of a reading.
#[inline]
pub(crate) fn number_value(value: Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Number(number) => value::of_decimal(number.decimal, number.text),
        other => other_value(other),
    }
}

#[cold]
fn other_value(value: Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::NotFinite => Err(NOT_FINITE),
        Value::Boolean(state) => Ok(f64::from(u8::from(state))),
        Value::Text(text) => value::of_text(text.to_str().as_bytes()),
        Value::Number(_) | Value::Null | Value::Nested | Value::Odd => Err(NOT_A_NUMBER),
    }
}

/// The time behind a timestamp key. `unit`: `None` lets the magnitude tell.
#[inline]
pub(crate) fn time_value(value: Value<'_>, unit: Option<Unit>) -> Result<i64, Fault> {
    match value {
        Value::Number(number) => timestamp::from_decimal(number.decimal, unit),
        Value::Text(text) => timestamp::from_text(&text.to_str(), unit),
        _ => Err(timestamp::NO_TIMESTAMP),
    }
}

#[inline]
pub(super) fn name(value: Value<'_>) -> Result<Text<'_>, Fault> {
    match value {
        Value::Text(text) if text.is_sound() => Ok(text),
        Value::Text(_) => Err(Fault::malformed("a name is no UTF-8, or has an escape that JSON does not know")),
        _ => Err(Fault::malformed("a name must be a string")),
    }
}

/// See [`super::super::quality`].
pub(super) fn quality(value: Value<'_>) -> Result<Quality, Fault> {
    match value {
        Value::Text(text) => quality::of_text(&text.to_str()),
        Value::Number(number) => number.decimal.to_i64().and_then(quality::of_code),
        Value::Boolean(is_good) => Some(if is_good { Quality::Good } else { Quality::Bad }),
        _ => None,
    }
    .ok_or(quality::NO_QUALITY)
}
