//! One value, as it is written: a JSON value enters, the number of a reading leaves.

use super::cursor::{Cursor, Value};
use crate::fault::{Fault, NOT_A_NUMBER, NOT_FINITE};
use crate::value;

/// The value of a reading.
#[inline]
pub(super) fn number_value(value: Value<'_>) -> Result<f64, Fault> {
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
        Value::Text(text) => {
            let text = text.to_str();
            // Teltonika's routers write their registers as the text of a list.
            let only = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            value::of_text(only.unwrap_or(&text).as_bytes())
        }
        Value::Number(_) | Value::Null | Value::Nested | Value::Odd => Err(NOT_A_NUMBER),
    }
}

/// The number of a list that holds one number and nothing else.
#[cold]
pub(super) fn only_item(list: &[u8]) -> Result<f64, Fault> {
    let mut cursor = Cursor::new(list);
    if !cursor.take(b'[') {
        return Err(NOT_A_NUMBER);
    }
    match cursor.value() {
        Ok(Value::Nested) | Err(_) => Err(NOT_A_NUMBER),
        Ok(item) if cursor.take(b']') => number_value(item),
        Ok(_) => Err(NOT_A_NUMBER),
    }
}
