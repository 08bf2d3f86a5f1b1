//! The JSON object of a machine snapshot goes in, [`SnapshotFields`] come out: every column of `scada_machine_data` that a
//! client may supply, under the column's name and with the column's type.
//!
//! - Numbers are read as those of readings are, also in quotes. Where text belongs, a number or a switch state is what was
//!   written, and a list what stands in it, with commas between. A list of one is that one. Of codes 0 and `false` are none.
//! - Integers are exact; `3.0` is one, `3.5` is not. Decimals are rounded to the column, half away from zero. What does not
//!   fit the column is out of range.
//! - `null` is an absent column, and so are NaN, an empty list, and blank text where a number or a time belongs. A column at
//!   fault is absent, too, and told to the caller: it costs no other. Of a column that stands twice the first is taken and the
//!   others are at fault. `machine_state` is required, as text, and once: it makes the object a snapshot. A column at fault
//!   beside a state that is `null` is what was set aside of a snapshot: the fault is its own. Unknown keys are passed, and told.
//! - `last_fault_timestamp_us` is understood beside `last_fault_timestamp`: it is the name inside of [`SnapshotFields`].
//!
//! Machine and time are the element's business, see [`super::json`].

use super::fault::Fault;
use super::json::cursor::{Cursor, Number, Syntax, Text, Value};
use super::json::time_value;
use super::latin_1;
use super::number::Decimal;
use super::timestamp::Unit;
use super::value::is_not_finite;
use genims_model::Reason;
use genims_model::snapshot::SnapshotFields;
use std::borrow::Cow;

/// Reads what stands behind a column's key. False: nothing is meant by it, as if the key were not there.
type Set = fn(&mut SnapshotFields, Value<'_>) -> Result<bool, Fault>;

/// The column that makes an object a snapshot.
const STATE: &str = "machine_state";

/// The columns in the order of the contract, with type and size as in `scada_machine_data`; their place is their bit among
/// those that were taken.
const COLUMNS: [(&str, Set); 34] = [
    (STATE, |fields, value| {
        let state = text_alone(value, 50)?;
        let is_meant = state.is_some();
        fields.machine_state = state.unwrap_or_default();
        Ok(is_meant)
    }),
    ("operation_mode", |fields, value| put(&mut fields.operation_mode, text(value, 50))),
    ("fault_code", |fields, value| put_code(&mut fields.fault_code, value, 50)),
    ("fault_description", |fields, value| put(&mut fields.fault_description, text(value, TEXT_CHARACTERS_MAX))),
    ("parts_produced_cumulative", |fields, value| put(&mut fields.parts_produced_cumulative, bigint(value))),
    ("parts_produced_shift", |fields, value| put(&mut fields.parts_produced_shift, integer(value))),
    ("parts_rejected_shift", |fields, value| put(&mut fields.parts_rejected_shift, integer(value))),
    ("target_cycle_time_seconds", |fields, value| put(&mut fields.target_cycle_time_seconds, integer(value))),
    ("actual_cycle_time_seconds", |fields, value| put(&mut fields.actual_cycle_time_seconds, decimal(value, 10, 2))),
    ("availability_percentage", |fields, value| put(&mut fields.availability_percentage, decimal(value, 5, 2))),
    ("performance_percentage", |fields, value| put(&mut fields.performance_percentage, decimal(value, 5, 2))),
    ("quality_percentage", |fields, value| put(&mut fields.quality_percentage, decimal(value, 5, 2))),
    ("oee_percentage", |fields, value| put(&mut fields.oee_percentage, decimal(value, 5, 2))),
    ("spindle_speed_rpm", |fields, value| put(&mut fields.spindle_speed_rpm, integer(value))),
    ("feed_rate_mm_min", |fields, value| put(&mut fields.feed_rate_mm_min, decimal(value, 10, 2))),
    ("tool_number", |fields, value| put(&mut fields.tool_number, integer(value))),
    ("program_number", |fields, value| put(&mut fields.program_number, text(value, 50))),
    ("power_consumption_kw", |fields, value| put(&mut fields.power_consumption_kw, decimal(value, 10, 2))),
    ("energy_consumed_kwh", |fields, value| put(&mut fields.energy_consumed_kwh, decimal(value, 15, 4))),
    ("temperature_setpoint_c", |fields, value| put(&mut fields.temperature_setpoint_c, decimal(value, 8, 2))),
    ("temperature_actual_c", |fields, value| put(&mut fields.temperature_actual_c, decimal(value, 8, 2))),
    ("pressure_setpoint_bar", |fields, value| put(&mut fields.pressure_setpoint_bar, decimal(value, 8, 2))),
    ("pressure_actual_bar", |fields, value| put(&mut fields.pressure_actual_bar, decimal(value, 8, 2))),
    ("downtime_seconds_shift", |fields, value| put(&mut fields.downtime_seconds_shift, integer(value))),
    ("last_fault_timestamp", |fields, value| merge_time(fields, value, None)),
    ("last_fault_timestamp_us", |fields, value| merge_time(fields, value, Some(Unit::Microseconds))),
    ("uptime_seconds_shift", |fields, value| put(&mut fields.uptime_seconds_shift, integer(value))),
    ("active_alarms", |fields, value| put(&mut fields.active_alarms, integer(value))),
    ("alarm_codes", |fields, value| put_code(&mut fields.alarm_codes, value, 500)),
    ("warning_codes", |fields, value| put_code(&mut fields.warning_codes, value, 500)),
    ("shift_id", |fields, value| put(&mut fields.shift_id, text(value, 50))),
    ("operator_id", |fields, value| put(&mut fields.operator_id, text(value, 50))),
    ("data_source", |fields, value| put(&mut fields.data_source, text(value, 50))),
    ("data_quality", |fields, value| put(&mut fields.data_quality, text(value, 20))),
];

/// `TEXT` has no length of its own; this bound keeps one snapshot from filling a batch.
const TEXT_CHARACTERS_MAX: usize = 10_000;

/// A column that was left out, and what stands behind its key. The fault's subject is the column.
pub(super) type LeftOut<'a> = (Fault, &'a [u8]);

/// Reads the object that is all of `bytes`; `unknown` gets the keys that are no columns. Beside the columns, those that were
/// left out because they are at fault.
pub(super) fn parse(bytes: &[u8], mut unknown: impl FnMut(&str)) -> Result<(SnapshotFields, Vec<LeftOut<'_>>), Fault> {
    let mut fields = SnapshotFields::default();
    let (mut taken, mut has_state) = (0_u64, false);
    let (mut left_out, mut at_all) = (Vec::new(), None);
    // Columns mostly come in the order of the contract: each is looked for behind the one before.
    let mut next = 0;
    let read = Cursor::new(bytes).object(|cursor, key| {
        // The names of columns have no escapes: few keys have to be read as text.
        let place = match key.plain() {
            Some(key) => place_of(key, next),
            None => place_of(key.to_str().as_bytes(), next),
        };
        let Some(place) = place else {
            unknown(&key.to_str());
            return cursor.skip();
        };
        next = place + 1;
        let (column, set) = COLUMNS[place];
        has_state |= place == 0;
        let start = cursor.at();
        let value = cursor.value()?;
        let written = cursor.since(start);
        let is_new = taken & (1 << place) == 0;
        let result = if is_new { set_any(&mut fields, set, value, written) } else { set_again(set, value, written) };
        match result {
            Ok(is_meant) => taken |= u64::from(is_meant) << place,
            Err(fault) if column == STATE => at_all = at_all.or(Some(fault.about(column))),
            Err(fault) => left_out.push((fault.about(column), written.trim_ascii())),
        }
        Ok(())
    });
    read.map_err(|Syntax(what)| Fault::malformed(what))?;
    let is_part = has_state && fields.machine_state.is_empty();
    match (at_all, left_out.first()) {
        (Some(fault), _) => Err(fault),
        (None, Some((fault, _))) if is_part => Err(*fault),
        _ if fields.machine_state.is_empty() => Err(Fault::malformed("a snapshot needs a machine_state")),
        _ => Ok((fields, left_out)),
    }
}

/// Where a column stands, which is looked for from `next` on.
#[inline]
fn place_of(key: &[u8], next: usize) -> Option<usize> {
    (next..COLUMNS.len()).chain(0..next).find(|place| COLUMNS[*place].0.as_bytes() == key)
}

/// Reads what stands behind a column's key, also a list.
#[inline]
fn set_any(fields: &mut SnapshotFields, set: Set, value: Value<'_>, written: &[u8]) -> Result<bool, Fault> {
    set(fields, value).or_else(|fault| set_list(fault, fields, set, written))
}

/// The same behind the key of a column that was taken: at fault for that, unless nothing is meant by it.
#[cold]
fn set_again(set: Set, value: Value<'_>, written: &[u8]) -> Result<bool, Fault> {
    const TWICE: Fault = Fault::malformed("the column stands twice; the first one was taken");
    if set_any(&mut SnapshotFields::default(), set, value, written)? { Err(TWICE) } else { Ok(false) }
}

/// Reads the list behind a column's key. `fault`: of anything else there.
#[cold]
fn set_list(fault: Fault, fields: &mut SnapshotFields, set: Set, written: &[u8]) -> Result<bool, Fault> {
    const NO_SCALARS: Fault = Fault::malformed("the column takes one value, or a list of plain ones");
    let mut cursor = Cursor::new(written);
    if !cursor.take(b'[') {
        return Err(if cursor.token() == Some(b'{') { NO_SCALARS } else { fault });
    }
    let mut items = Vec::new();
    while !cursor.take(b']') {
        match cursor.value() {
            Ok(Value::Nested) | Err(_) => return Err(NO_SCALARS),
            Ok(item) => items.push(item),
        }
        if !cursor.take(b',') && cursor.token() != Some(b']') {
            return Err(NO_SCALARS);
        }
    }
    if let [item] = items[..] {
        return set(fields, item);
    }
    let texts: Option<Vec<Cow<'_, str>>> = items.into_iter().map(text_of).collect();
    let Some(joined) = texts.map(|texts| texts.join(",")) else { return Err(NO_SCALARS) };
    if joined.is_empty() {
        return Ok(false);
    }
    let quoted = serde_json::Value::from(joined).to_string();
    let text = Cursor::new(quoted.as_bytes()).value().map_err(|_| NO_SCALARS)?;
    set(fields, text)
}

/// A fault, alarm or warning: the number 0 and `false` say that there is none, and so do lists of them.
fn put_code(field: &mut Option<String>, value: Value<'_>, characters_max: usize) -> Result<bool, Fault> {
    if is_no_code(&value) {
        return Ok(true);
    }
    let text = text(value, characters_max)?;
    let is_meant = text.is_some();
    *field = text.filter(|text| !text.split(',').all(|code| matches!(code, "0" | "0.0" | "false")));
    Ok(is_meant)
}

fn is_no_code(value: &Value<'_>) -> bool {
    match value {
        Value::Number(number) => number.decimal.mantissa == 0,
        Value::Boolean(state) => !state,
        _ => false,
    }
}

/// What stands there, as text. `None`: it is more than one thing.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(text.to_str()),
        Value::Number(number) => Some(latin_1::read(number.text)),
        Value::Boolean(state) => Some(Cow::Borrowed(if state { "true" } else { "false" })),
        Value::Null | Value::NotFinite => Some(Cow::Borrowed("")),
        Value::Nested | Value::Odd => None,
    }
}

#[inline]
fn put<T>(field: &mut Option<T>, value: Result<Option<T>, Fault>) -> Result<bool, Fault> {
    *field = value?;
    Ok(field.is_some())
}

fn merge_time(fields: &mut SnapshotFields, value: Value<'_>, unit: Option<Unit>) -> Result<bool, Fault> {
    let is_left_out = match value {
        Value::Text(text) => text.is_blank(),
        value => matches!(value, Value::Null),
    };
    if !is_left_out {
        fields.last_fault_timestamp_us = Some(time_value(value, unit)?);
    }
    Ok(!is_left_out)
}

fn text(value: Value<'_>, characters_max: usize) -> Result<Option<String>, Fault> {
    match value {
        Value::Text(text) => fitting(text.to_str(), characters_max),
        Value::Null | Value::NotFinite => Ok(None),
        value => match text_of(value) {
            Some(text) => fitting(text, characters_max),
            None => Err(NO_TEXT),
        },
    }
}

fn text_alone(value: Value<'_>, characters_max: usize) -> Result<Option<String>, Fault> {
    match value {
        Value::Text(_) | Value::Null => text(value, characters_max),
        _ => Err(NO_TEXT),
    }
}

const NO_TEXT: Fault = Fault::malformed("the column takes a string");

fn fitting(text: Cow<'_, str>, characters_max: usize) -> Result<Option<String>, Fault> {
    // No text has more characters than bytes: most need not be counted.
    if text.len() > characters_max && text.chars().count() > characters_max {
        return Err(Fault::new(Reason::OutOfRange, "the text is too long for the column"));
    }
    if text.contains('\0') {
        return Err(Fault::malformed("the text contains NUL"));
    }
    Ok(Some(text.into_owned()))
}

fn number<'a>(value: Value<'a>) -> Result<Option<Number<'a>>, Fault> {
    match value {
        Value::Number(number) => Ok(Some(number)),
        Value::Null | Value::NotFinite => Ok(None),
        Value::Text(text) => number_in(text),
        Value::Boolean(_) | Value::Nested | Value::Odd => {
            Err(Fault::new(Reason::NotANumber, "the column takes a number"))
        }
    }
}

/// A number in quotes.
#[cold]
fn number_in(text: Text<'_>) -> Result<Option<Number<'_>>, Fault> {
    if text.is_blank() {
        return Ok(None);
    }
    let text = text.plain().unwrap_or_default().trim_ascii();
    match Decimal::printed(text) {
        Some(decimal) => Ok(Some(Number { decimal, text })),
        None if is_not_finite(text) => Ok(None),
        None => Err(Fault::new(Reason::NotANumber, "the column takes a number")),
    }
}

const NO_INTEGER: Fault = Fault::new(Reason::OutOfRange, "the value is no integer that fits the column");

fn bigint(value: Value<'_>) -> Result<Option<i64>, Fault> {
    number(value)?.map(|number| number.decimal.to_i64().ok_or(NO_INTEGER)).transpose()
}

fn integer(value: Value<'_>) -> Result<Option<i32>, Fault> {
    bigint(value)?.map(|integer| i32::try_from(integer).map_err(|_| NO_INTEGER)).transpose()
}

/// `DECIMAL(precision, scale)`: what the column holds, rounded here so that both databases hold the same.
fn decimal(value: Value<'_>, precision: i32, scale: i32) -> Result<Option<f64>, Fault> {
    let Some(number) = number(value)? else { return Ok(None) };
    let value = number.decimal.to_scale(number.text, scale);
    if value.abs() < 10_f64.powi(precision - scale) {
        Ok(Some(value + 0.0))
    } else {
        Err(Fault::new(Reason::OutOfRange, "the value has too many digits for the column"))
    }
}

#[cfg(test)]
mod tests;
