//! What single keys of an element say: numbers, times, names, qualities.

use super::cursor::{Cursor, Syntax, Text, Value, is_empty};
use super::keys::{Known, Says, is_typed_value};
pub(super) use super::single::{number_value, only_item};
use super::typed;
use crate::fault::{Fault, NO_VALUE, NO_VALUE_KEY, NOT_A_NUMBER, NOT_READ, TWICE};
use crate::quality;
use crate::timestamp::{self, Unit};
use genims_model::{Quality, Reason};

/// The time behind a timestamp key. `unit`: `None` lets the magnitude tell.
#[inline]
pub(crate) fn time_value(value: Value<'_>, unit: Option<Unit>) -> Result<i64, Fault> {
    match value {
        Value::Number(number) => timestamp::from_decimal(number.decimal, unit),
        Value::Text(text) => timestamp::from_text(&text.to_str(), unit),
        _ => Err(timestamp::NO_TIMESTAMP),
    }
}

/// From here on (2001-09-09) a number under a key that need not be a time is one.
const STAMP_US_MIN: i64 = 1_000_000_000_000_000;

/// Before that, no clock that is set stands.
pub(super) const SINCE_2001_US: i64 = 978_307_200_000_000;

/// The time behind a key that also may be anything else, if it is one beyond doubt.
#[cold]
#[inline(never)]
pub(super) fn stamp(cursor: &mut Cursor<'_>) -> Result<Option<i64>, Syntax> {
    let mut inside = *cursor;
    let found = match cursor.value()? {
        Value::Nested => time_object(&mut inside),
        value => time_value(value, None),
    };
    Ok(found.ok().filter(|timestamp_us| *timestamp_us >= STAMP_US_MIN))
}

/// Whether a number stands there that is no time of this century: that of a thermometer, for example.
#[cold]
pub(super) fn is_no_time(written: &[u8]) -> bool {
    let is_number = matches!(Cursor::new(written).value(), Ok(Value::Number(_)));
    is_number && stamp(&mut Cursor::new(written)) == Ok(None)
}

/// As [`time_value`], of objects inside: where most times are read, the other has to stay short.
#[cold]
#[inline(never)]
pub(super) fn inner_time(value: Value<'_>) -> Result<i64, Fault> {
    time_value(value, None)
}

#[inline]
pub(super) fn name(value: Value<'_>) -> Result<Text<'_>, Fault> {
    match value {
        Value::Text(text) if text.is_sound() => Ok(text),
        Value::Text(_) => Err(Fault::malformed("a name has an escape that JSON does not know")),
        _ => Err(Fault::malformed("a name must be a string")),
    }
}

/// The identifier of a node as OPC UA writes one in JSON: `{"Id": "TEMP-1", "IdType": 1, "Namespace": 2}`.
#[cold]
pub(super) fn node_id(written: &[u8]) -> Result<Text<'_>, Fault> {
    let mut id = Err(Fault::malformed("a name must be a string"));
    let read = Cursor::new(written).object(|cursor, key| match &*key.to_str() {
        "Id" | "id" => cursor.value().map(|value| id = name(value)),
        _ => cursor.skip(),
    });
    read.map_err(|Syntax(what)| Fault::malformed(what)).and(id)
}

/// See [`super::super::quality`]. `None`: it cannot be read.
pub(super) fn quality(value: Value<'_>) -> Option<Quality> {
    match value {
        Value::Text(text) => quality::of_text(&text.to_str()),
        Value::Number(number) => number.decimal.to_i64().and_then(quality::of_code),
        Value::Boolean(is_good) => Some(if is_good { Quality::Good } else { Quality::Bad }),
        _ => None,
    }
}

/// What an object in place of a quality says: `{"name": "Good"}`, `{"code": 192}`, `{"level": "Bad", "userCode": 512}`,
/// `{"value": 0}`. A name is better than a code, of which there are several kinds.
#[cold]
#[inline(never)]
pub(super) fn quality_object(written: &[u8]) -> Option<Quality> {
    let (mut name, mut code, mut flag) = (None, None, None);
    let read = Cursor::new(written).object(|cursor, key| {
        let value = cursor.value()?;
        match key.to_str().trim_start_matches('_').to_ascii_lowercase().as_str() {
            "name" | "level" | "symbol" | "text" | "quality" => name = name.or(quality(value)),
            "code" | "value" | "intvalue" => code = code.or(quality(value)),
            "good" | "isgood" => flag = flag.or(quality(value)),
            _ => {}
        }
        Ok(())
    });
    read.ok().and(name.or(code).or(flag))
}

/// A value with what belongs to it.
pub(super) struct DataValue {
    pub(super) value: Result<f64, Fault>,
    pub(super) timestamp_us: Option<Result<i64, Fault>>,
    pub(super) quality: Option<Quality>,
}

/// What an object in place of a value says: a variant of OPC UA, `{"Type": 11, "Body": 21.5}`, or a data value of it,
/// `{"Value": 21.5, "SourceTimestamp": "...", "StatusCode": 0}`.
#[cold]
pub(super) fn data_value(cursor: &mut Cursor<'_>) -> DataValue {
    if cursor.token() != Some(b'{') {
        let value = cursor.pass().map_or(Err(NOT_A_NUMBER), only_item);
        return DataValue { value, timestamp_us: None, quality: None };
    }
    let (mut value, mut is_twice) = (None, false);
    let (mut source, mut server, mut plain, mut code, mut status, mut doubt) = (None, None, None, None, None, None);
    let mut is_system = false;
    let time = |value: Value<'_>| match value {
        Value::Null => None,
        Value::Text(text) if text.is_no_time() => None,
        value => Some(inner_time(value)),
    };
    let read = cursor.object(|cursor, key| {
        match &*key.to_str() {
            "SourceTimestamp" | "sourceTimestamp" => is_twice |= put(&mut source, time(cursor.value()?)),
            "ServerTimestamp" | "serverTimestamp" => is_twice |= put(&mut server, time(cursor.value()?)),
            "StatusCode" | "statusCode" => is_twice |= put(&mut code, gateway_quality(Says::Status, cursor.pass()?)),
            "Status" => is_twice |= put(&mut status, gateway_quality(Says::Status, cursor.pass()?)),
            "Timestamp" | "timestamp" | "ts" | "time" => {
                is_twice |= put(&mut plain, time(cursor.value()?).filter(Result::is_ok));
            }
            // Those of PI: a system state is a number, and no value.
            "Good" => is_twice |= put(&mut status, (cursor.pass()? == b"false").then_some(Quality::Bad)),
            "Questionable" => doubt = doubt.or((cursor.pass()? == b"true").then_some(Quality::Uncertain)),
            "IsSystem" => is_system |= cursor.pass()? == b"true",
            key if is_typed_value(key) => is_twice |= value.replace(typed::value(key, cursor.pass()?, None)).is_some(),
            key if matches!(key, "Body" | "Value" | "value") || key.starts_with("$number") => {
                let mut inside = *cursor;
                let found = match cursor.value()? {
                    Value::Nested => variant_value(&mut inside),
                    plain => number_value(plain),
                };
                is_twice |= value.replace(found).is_some();
            }
            _ => cursor.skip()?,
        }
        Ok(())
    });
    let quality = code.or(status).or(doubt);
    let value = match (read, value) {
        (Err(Syntax(what)), _) => Err(Fault::malformed(what)),
        _ if is_twice => Err(TWICE),
        _ if is_system => Err(NOT_READ),
        (Ok(()), Some(value)) => value,
        (Ok(()), None) if quality == Some(Quality::Bad) => Err(NOT_READ),
        (Ok(()), None) => Err(NOT_A_NUMBER),
    };
    DataValue { value, timestamp_us: source.or(server).or(plain), quality }
}

/// The time that an object says: `{"timeInSeconds": 1700000000, "offsetInNanos": 5}`, `{"seconds": ..., "nanos": ...}`,
/// `{"sec": ..., "nsec": ...}`, or `{"$date": "2023-11-14T22:13:20Z"}`.
#[cold]
pub(super) fn time_object(cursor: &mut Cursor<'_>) -> Result<i64, Fault> {
    let (mut date, mut seconds, mut nanos) = (None, None, None);
    let mut is_twice = false;
    let whole = |value: Value<'_>| match value {
        Value::Number(number) => number.decimal.to_i64(),
        Value::Text(text) => text.to_str().parse().ok(),
        _ => None,
    };
    let read = cursor.object(|cursor, key| {
        match &*key.to_str() {
            "$date" => is_twice |= date.replace(date_of(cursor)?).is_some(),
            "timeInSeconds" | "seconds" | "_seconds" | "sec" | "secs" | "epochSecond" => {
                is_twice |= seconds.replace(whole(cursor.value()?)).is_some()
            }
            key if let Some(unit) = nanos_each(key) => {
                let found = whole(cursor.value()?).and_then(|count| count.checked_mul(unit));
                is_twice |= nanos.replace(found.filter(|nanos| (0..1_000_000_000).contains(nanos))).is_some();
            }
            _ => cursor.skip()?,
        }
        Ok(())
    });
    match (date, seconds.flatten(), nanos.unwrap_or(Some(0))) {
        _ if read.is_err() || is_twice => Err(timestamp::NO_TIMESTAMP),
        (Some(date), None, _) => date,
        (None, Some(seconds), Some(nanos)) => {
            let us = seconds.checked_mul(1_000_000).and_then(|us| us.checked_add(nanos / 1_000));
            us.ok_or(timestamp::NO_TIMESTAMP).and_then(timestamp::checked)
        }
        _ => Err(timestamp::NO_TIMESTAMP),
    }
}

/// How many nanoseconds a key counts that stands beside whole seconds.
fn nanos_each(key: &str) -> Option<i64> {
    match key {
        "offsetInNanos" | "nanos" | "nano" | "nanoseconds" | "_nanoseconds" | "nsec" | "nsecs" | "nanosec" => Some(1),
        "usec" | "usecs" | "micros" | "microseconds" => Some(1_000),
        "millis" | "milliseconds" => Some(1_000_000),
        _ => None,
    }
}

/// What stands behind `$date`: a time, or the number of milliseconds as extended JSON has it, `{"$numberLong": "..."}`.
fn date_of(cursor: &mut Cursor<'_>) -> Result<Result<i64, Fault>, Syntax> {
    let mut inside = *cursor;
    if !matches!(cursor.value()?, Value::Nested) {
        return inside.value().map(inner_time);
    }
    let mut found = Err(timestamp::NO_TIMESTAMP);
    if inside.token() == Some(b'{') {
        inside.object(|cursor, key| match &*key.to_str() {
            "$numberLong" => cursor.value().map(|value| found = time_value(value, Some(timestamp::Unit::Milliseconds))),
            _ => cursor.skip(),
        })?;
    }
    Ok(found)
}

/// Keeps the first that says something; whether there was one already.
fn put<T>(kept: &mut Option<T>, said: Option<T>) -> bool {
    let is_twice = kept.is_some() && said.is_some();
    *kept = kept.take().or(said);
    is_twice
}

/// The `Body` of the object next to the cursor.
fn variant_value(cursor: &mut Cursor<'_>) -> Result<f64, Fault> {
    let (mut value, mut is_twice) = (None, false);
    if cursor.token() == Some(b'{') {
        let read = cursor.object(|cursor, key| match &*key.to_str() {
            "Body" => cursor.value().map(|inner| is_twice |= value.replace(number_value(inner)).is_some()),
            _ => cursor.skip(),
        });
        read.map_err(|Syntax(what)| Fault::malformed(what))?;
    }
    if is_twice { Err(TWICE) } else { value.unwrap_or(Err(NOT_A_NUMBER)) }
}

/// A quality that only gateways write; anything else under such a key is a remark. `StatusCode` is a code, a name, or
/// `{"Code": 2147483648}`, and left out where it is good.
pub(super) fn gateway_quality(says: Says, written: &[u8]) -> Option<Quality> {
    if says == Says::QualityBits {
        return match written.trim_ascii() {
            b"0" => Some(Quality::Bad),
            b"1" => Some(Quality::Uncertain),
            b"2" | b"3" => Some(Quality::Good),
            _ => None,
        };
    }
    if written.starts_with(b"{") {
        // An empty one stands for a good one, which is left out.
        return quality_object(written).or_else(|| is_empty(written).then_some(Quality::Good));
    }
    let text = std::str::from_utf8(written).ok()?.trim_matches('"');
    // Below 1024 a number is no status code: it may be the state of anything, or HTTP's.
    let is_other = text.parse::<i64>().is_ok_and(|code| (1..1024).contains(&code));
    if is_other { None } else { quality::of_opc_text(text) }
}

/// The value that is to blame for a fault of `element`, whose structure is sound; nothing if no single key is.
#[cold]
pub(super) fn written_at_fault(element: &[u8], fault: Fault) -> &[u8] {
    if fault == NO_VALUE || fault == NO_VALUE_KEY {
        return element;
    }
    let is_at_fault = |says: Says| match fault.reason {
        _ if !fault.subject.is_empty() => false,
        Reason::NotANumber | Reason::NotFinite | Reason::OutOfRange => {
            matches!(says, Says::Value | Says::Data | Says::Payload)
        }
        Reason::BadTimestamp => matches!(says, Says::Time(_)),
        _ => false,
    };
    let mut best = u8::MAX;
    strongest(element, |known, written| {
        let is_better = known.rank < best && written != b"null" && is_at_fault(known.says);
        best = if is_better { known.rank } else { best };
        is_better
    })
}

/// What `element` says of its quality and nobody can read.
#[cold]
pub(super) fn odd_quality(element: &[u8]) -> &[u8] {
    strongest(element, |known, written| {
        let is_read = |value| matches!(value, Value::Null) || quality(value).is_some();
        known.says == Says::Quality
            && Cursor::new(written).value().is_ok_and(|value| !is_read(value))
            && quality_object(written).is_none()
    })
}

/// What stands behind the last known key of `element` that `is_better` than those before.
fn strongest(element: &[u8], mut is_better: impl FnMut(Known, &[u8]) -> bool) -> &[u8] {
    let mut found = &b""[..];
    let mut cursor = Cursor::new(element);
    let read = cursor.object(|cursor, key| {
        let written = cursor.pass()?;
        if Known::of(key.to_str().as_bytes()).is_some_and(|known| is_better(known, written)) {
            found = written;
        }
        Ok(())
    });
    if read.is_ok() { found } else { b"" }
}
