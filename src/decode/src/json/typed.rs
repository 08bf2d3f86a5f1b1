//! Values under keys that only tell their type, as messages have them that were made of Protobuf: enters
//! `{"name": "TEMP", "floatValue": 1.5}`, leaves the value.
//!
//! Sparkplug keeps a negative integer as an unsigned one (two's complement): of 32 bits under `intValue`, of 64 under
//! `longValue`. Whether one above the middle is negative, its `datatype` says; above 2^63 nothing else can be meant, unless it is
//! one of UInt64.

use super::cursor::{Cursor, Value};

use super::keys::is_typed_value;
use super::single::{number_value, only_item};
use crate::fault::{Fault, NOT_A_NUMBER};
use genims_model::Reason;

/// An integer that Sparkplug keeps for another one, perhaps.
const UNCLEAR: Fault = Fault::new(
    Reason::NotANumber,
    "the integer may stand for a negative one; send its `datatype` (Int32 or UInt32), or write it as `value`",
);

/// Sparkplug's numbers of the types.
const INT_32: i64 = 3;
const UINT_32: i64 = 7;
const UINT_64: i64 = 8;

/// The value that stands under such a key, if there is one such key.
#[cold]
pub(super) fn of_element(element: &[u8]) -> Option<Result<f64, Fault>> {
    let (mut found, mut count, mut datatype) = (None, 0, None);
    let read = Cursor::new(element).object(|cursor, key| {
        let key = key.to_str();
        let written = cursor.pass()?;
        if matches!(&*key, "datatype" | "dataType" | "data_type") {
            datatype = datatype_of(written);
        } else if is_typed_value(&key) {
            (found, count) = (Some((key, written)), count + 1);
        }
        Ok(())
    });
    read.ok().and(found).filter(|_| count == 1).map(|(key, written)| value(&key, written, datatype))
}

/// What was `written` behind a key that tells the type.
#[cold]
pub(super) fn value(key: &str, written: &[u8], datatype: Option<i64>) -> Result<f64, Fault> {
    let plain = match Cursor::new(written).value() {
        Ok(Value::Nested) => only_item(written),
        Ok(value) => number_value(value),
        Err(_) => Err(NOT_A_NUMBER),
    };
    let Some(integer) = unsigned(written).filter(|_| key.starts_with("int") || key.starts_with("long")) else {
        return plain;
    };
    match (i64::try_from(integer), u32::try_from(integer)) {
        (Err(_), _) if datatype != Some(UINT_64) => Ok(integer.cast_signed() as f64),
        (_, Ok(small)) if key.starts_with("int") && i32::try_from(small).is_err() => match datatype {
            Some(1..=INT_32) => Ok(f64::from(small.cast_signed())),
            Some(UINT_32 | UINT_64) => plain,
            _ => Err(UNCLEAR),
        },
        _ => plain,
    }
    .and_then(crate::value::of_float)
}

/// An integer without a sign, also in quotes, as Protobuf prints those of 64 bits.
fn unsigned(written: &[u8]) -> Option<u64> {
    std::str::from_utf8(written).ok()?.trim_matches('"').parse().ok()
}

fn datatype_of(written: &[u8]) -> Option<i64> {
    let word = std::str::from_utf8(written).ok()?.trim_matches('"');
    let types = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"];
    let named = || types.iter().position(|name| word.eq_ignore_ascii_case(name)).map(|at| at as i64 + 1);
    word.parse().ok().or_else(named)
}
